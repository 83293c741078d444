//! Sounds in an object store: in a folder, in S3, and in one that fails in every way.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod faults;
mod faulty_objects;
mod folder;
#[cfg(feature = "cloud")]
mod s3;
