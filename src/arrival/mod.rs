//! Steps that a central node does by itself for each message that it has stored: the trait [`ArrivalStep`].
//!
//! A step sends a mail, tells another system, or makes a transcript. It is done at least once for each message: after a crash, it may be done again
//! under the same [key](StepRun::key), by which a receiver tells that it has been done before.

mod name;
mod step;

pub use self::name::{InvalidStepName, StepName};
pub use self::step::{ArrivalStep, Arrived, StepError, StepOutcome, StepRun};
