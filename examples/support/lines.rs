//! Lines for whoever reads what a program prints, a person or a script.

use std::fmt::Display;

use tokio::io::{AsyncWrite, AsyncWriteExt as _, Stdout};
use tokio::sync::Mutex;

/// Standard output, one line at a time; whoever holds it decides what comes next.
pub type Out = Mutex<Stdout>;

/// A line, and where it belongs.
pub enum Line {
    /// On standard output: scripts read it.
    Told(String),
    /// On standard error: people read it.
    Remarked(String),
}

/// Prints `line` on standard output, at once.
pub async fn tell(out: &Out, line: impl Display) {
    print(&mut *out.lock().await, line).await;
}

/// Prints `line` on standard error.
pub async fn remark(line: impl Display) {
    print(&mut tokio::io::stderr(), line).await;
}

/// Prints `line` to `to`, at once, without holding up what else the program does.
pub async fn print(to: &mut (impl AsyncWrite + Unpin), line: impl Display) {
    let text = format!("{line}\n");
    let printed = async {
        to.write_all(text.as_bytes()).await?;
        to.flush().await
    };
    // Whoever read it may be gone. Voicemail goes on without.
    let _: std::io::Result<()> = printed.await;
}
