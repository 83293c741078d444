//! A test suite for each trait, for our own implementations and for anyone who writes one.
//!
//! Each suite has one function for each sentence of its trait's contract. A function panics when the sentence is broken, and its
//! panic begins with the sentence's name. A suite's `run_all` runs them all, each on a fresh part.

#[cfg(feature = "node")]
pub mod call;
pub mod clock;
pub mod directory;
pub mod forward;
pub mod greeting;
#[cfg(feature = "node")]
pub mod jobs;
pub mod lease;
pub mod lists;
pub mod mwi;
pub mod rules;
pub mod sent;
pub mod store;
