//! What a peer says, read as [`Opening`](super::opening::Opening) reads it, without a connection.

use std::str::FromStr as _;

use lettre::transport::smtp::response::Response;

use super::capabilities::Capabilities;
use super::reply::{self, ReplyLines};

/// Reads `bytes` as replies, until one is none: each line and each reply must come out bounded and clean.
pub(crate) fn read_hostile_replies(bytes: &[u8]) {
    let mut lines = ReplyLines::default();
    let mut text = String::new();
    for piece in bytes.chunks(PIECE) {
        lines.handle_bytes(piece);
        loop {
            let line = match lines.poll_line() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(_) => return,
            };
            assert!(line.len() <= 1000 && line.ends_with("\r\n"), "{line:?}");
            assert!(line.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
            text.push_str(&line);
            assert!(text.len() <= 256 * 1024, "a reply has an end");
            if reply::is_continued(&line) {
                continue;
            }
            let Ok(response) = Response::from_str(&text) else { return };
            let _ = Capabilities::read(response.message());
            let told = reply::positive(&response);
            assert!(told.text.chars().count() <= 512 && !told.text.contains(char::is_control), "{told:?}");
            text.clear();
        }
    }
}

/// As the transport hands them over.
const PIECE: usize = 2048;
