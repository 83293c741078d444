//! Prints lines, for scripts on standard output and for people on standard error.

use std::fmt::Display;

use tokio::io::{AsyncWrite, AsyncWriteExt as _, Stdout};
use tokio::sync::Mutex;

/// Standard output, one line at a time; the holder of the lock prints the next line.
pub type Out = Mutex<Stdout>;

/// A line, and the stream that it goes to.
pub enum Line {
    /// A line for scripts, on standard output.
    Output(String),
    /// A line for people, on standard error.
    Notice(String),
}

/// Prints `line` on standard output, at once.
pub async fn print_line(out: &Out, line: impl Display) {
    print(&mut *out.lock().await, line).await;
}

/// Prints `line` on standard error.
pub async fn print_notice(line: impl Display) {
    print(&mut tokio::io::stderr(), line).await;
}

/// Prints `line` to `to` and flushes it, without blocking a thread.
pub async fn print(to: &mut (impl AsyncWrite + Unpin), line: impl Display) {
    let text = format!("{line}\n");
    let printed = async {
        to.write_all(text.as_bytes()).await?;
        to.flush().await
    };
    // The reader of the stream may be gone. The node goes on.
    let _: std::io::Result<()> = printed.await;
}
