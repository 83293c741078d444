//! [`PbxName`]: the name of a PBX in a fault.

use std::fmt;

use crate::message::SiteId;

/// The name of a PBX in a [`Fault`](super::Fault): its id, or the best that the description has instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PbxName {
    /// The id of the PBX.
    Id(SiteId),
    /// The text that the description gives as id, which is no valid one.
    Text(String),
    /// The place of the PBX in the description, from 1, because the description gives no id.
    Place(usize),
}

impl fmt::Display for PbxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Place(place) => write!(f, "#{place}"),
        }
    }
}
