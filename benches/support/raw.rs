//! The cost of the disk alone: files created durably, and nothing else.

use std::thread;
use std::time::{Duration, Instant};

use voicemail::message::MessageId;

use super::disk::create_durably;
use super::workers::share;

/// Creates a file of these bytes durably for each of `files`, once per message, by `concurrency` threads; returns how long that took.
///
/// The files stay until the time was measured: see "Yardsticks that remove their files" in `benches/README.md`.
pub(crate) fn create_raw(messages: u64, concurrency: u64, files: &[&[u8]]) -> Duration {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let start = Instant::now();
    thread::scope(|scope| {
        for worker in 0..concurrency {
            let (folder, share) = (folder.path(), share(messages, concurrency, worker));
            scope.spawn(move || {
                for bytes in (0..share).flat_map(|_| files) {
                    create_durably(folder, &MessageId::random().to_string(), bytes).expect("the disk does its part");
                }
            });
        }
    });
    start.elapsed()
}
