//! What the examples share: their configuration, certificates, how they run and print, and the recordings beside them.

#![expect(dead_code, unreachable_pub, reason = "each example uses a part of it")]

pub mod clock;
pub mod config;
pub mod deposit;
pub mod greet;
pub mod keys;
pub mod lines;
pub mod mailbox_service;
pub mod path;
pub mod program;
pub mod recordings;
pub mod tls;

use std::error::Error;

/// Whatever went wrong.
pub type Failure = Box<dyn Error + Send + Sync>;

/// An error with all that caused it, one line each.
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
