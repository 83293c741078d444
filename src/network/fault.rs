//! [`Faults`]: the list of all faults of a description.

use std::fmt;
use std::slice;
use std::vec;

use super::{PbxName, Rule};

/// All faults of a description, of which there is at least one. Each is displayed on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self(faults)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults: those of the whole network, then those of each PBX in the order of the description.
    pub fn iter(&self) -> slice::Iter<'_, Fault> {
        self.0.iter()
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = vec::IntoIter<Fault>;

    fn into_iter(self) -> vec::IntoIter<Fault> {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = slice::Iter<'a, Fault>;

    fn into_iter(self) -> slice::Iter<'a, Fault> {
        self.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// One broken rule. It is displayed on one line: the PBX, the code and the text of the rule, the value found, and how to correct
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The PBX that breaks the rule; `None` if the network as a whole does.
    pub pbx: Option<PbxName>,
    /// The broken rule, with the values that break it.
    pub rule: Rule,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pbx {
            Some(pbx) => write!(f, "PBX {pbx}: ")?,
            None => f.write_str("network: ")?,
        }
        write!(f, "{} {}", self.rule.code(), self.rule)
    }
}
