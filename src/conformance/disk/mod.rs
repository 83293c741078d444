//! Disks that fail on purpose, to prove that what is kept on one stays kept: [`FaultyDisk`] and [`PowerCutDisk`].
//!
//! A tree of files is proven by doing one piece of work again and again, each time with the fault one operation later, until the
//! work gets through without meeting it.

mod faulty;
mod machine;
mod power_cut;

pub use self::faulty::{Fault, FaultyDisk, Operation};
pub use self::power_cut::{PowerCutDisk, Unsynced};
