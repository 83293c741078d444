//! [`PbxName`].

use std::fmt;

use crate::message::SiteId;

/// The name of a PBX in a [`Fault`](super::Fault): as much of an id as the description has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PbxName {
    /// Its id.
    Id(SiteId),
    /// What the description has for an id, which is none.
    Text(String),
    /// The description has no id for it: its place in the description, from 1.
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
