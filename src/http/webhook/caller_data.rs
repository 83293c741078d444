//! [`CallerData`]: whether requests contain the caller.

/// Whether requests contain the number and the name of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CallerData {
    /// They do not.
    #[default]
    LeftOut,
    /// The report of a stored message does, as far as the caller is known.
    Included,
}
