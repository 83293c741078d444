//! The parts that examples share: configuration, certificates, running, printing, and the recordings beside them.

#![expect(dead_code, unreachable_pub, reason = "each example uses a part of it")]

pub mod central;
pub mod clock;
pub mod config;
pub mod custody;
pub mod deposit;
pub mod deposit_service;
pub mod greet;
pub mod keys;
pub mod lines;
pub mod local_node;
pub mod program;
pub mod recordings;
pub mod tls;

use std::error::Error;

/// An error that ends an example.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Returns the message of an error and of each of its causes, one line each.
pub fn explain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str("\n  because: ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
