//! Steps that a central node does by itself for each message that it has stored: the trait [`ArrivalStep`].
//!
//! A step sends a mail, calls another system, or makes a transcript. [`NodeBuilder::on_arrival`](crate::node::NodeBuilder::on_arrival) adds one; the order
//! of the calls is the order of the steps for each message. A step is done at least once for each message: after a crash, it may be done again under the
//! same [key](StepRun::key), by which a receiver recognises that it has been done before.
//!
//! # The way of an arrival
//!
//! ```text
//! deposit ─► MessageStore ──── 250 ───► sender
//!               │ remembers the arrival, on stable storage before the 250
//!               ▼
//!     at most 500 arrivals in memory; the others wait in the store
//!               │ parts of step 1, then of step 2, .. (32 runs at once, 2 for one destination)
//!               ├─ done ──────────────────────────────────────────┐
//!               └─ failed, not due, or its destination fails      │
//!                        ▼                                        ▼
//!                     JobStore ◄─ an operator: list, retry,    settled: the store
//!                        │        remove (Steps)               forgets the arrival
//!                        ├─ tried again, later and later ─► done
//!                        └─ failed for good, or for 5 days ─► parked, until an operator decides
//! ```
//!
//! - **The first tries are made from memory.** When all goes well, nothing is written except the note of the arrival, which is removed in the end. Only a part
//!   that did not succeed becomes a job; the arrival is settled when each of its parts is done or is a job.
//! - **The next step of a message waits** until the one before is done or has failed, and not longer than its [patience](ArrivalStep::patience).
//! - **A destination that fails delays no other.** One job at a time probes it, after waits that grow
//!   ([`step_failed`](crate::retry::RetryPolicy::step_failed)); its other parts are jobs without attempts meanwhile, and follow when an attempt has succeeded. A
//!   step has at most a fair share of the runs, so that a step that stalls delays no other step.
//! - **A node that dies** loses nothing: the next start takes the arrivals that are not settled from the store, and so does another node on the same store;
//!   jobs in a shared [`JobStore`](crate::jobs::JobStore) are done by another node when their claims have run out.
//! - **Nothing is given up silently.** A part that fails for good, or for longer than [`step_lifetime`](crate::retry::RetryPolicy::step_lifetime), is parked with
//!   its reason, and reported as [`Event::StepGivenUp`](crate::event::Event::StepGivenUp). A first attempt that fails for good is made once more before. If the
//!   owner has removed the message, a step decides itself whether anything is left to do.
//!
//! The operator's view is [`Node::steps`](crate::node::Node::steps).
//!
#![doc = include_str!("left_out.md")]

mod distribute;
mod name;
mod pipeline;
mod step;
pub mod transcript;
pub mod webhook;

pub use self::distribute::DistributeStep;
pub use self::name::{InvalidStepName, StepName};
pub(crate) use self::pipeline::Pipeline;
pub use self::pipeline::{StepState, Steps};
pub use self::step::{ArrivalStep, Arrived, StepError, StepOutcome, StepRun};

pub mod mail;
