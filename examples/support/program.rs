//! Starts, runs and stops a long-running example.

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{broadcast, oneshot};
use voicemail::event::{Event, Occurrence};
use voicemail::node::{Node, NodeError};

use super::lines::{Line, Out, print_line, print_notice};
use super::{Failure, explain};

/// Runs `program`, and returns its exit code; a failure is printed on standard error.
///
/// A blocked thread, such as one that queries a dead name server, does not hold up the program's end.
pub fn main(program: impl Future<Output = Result<ExitCode, Failure>>) -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{}", explain(&error));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match program.await {
            Ok(code) => code,
            Err(failure) => {
                print_notice(explain(&*failure)).await;
                ExitCode::FAILURE
            }
        }
    });
    runtime.shutdown_timeout(Duration::from_millis(500));
    code
}

/// Listens at `address`, which the file `config` names.
pub async fn listen(config: &Path, address: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => "stop the program that uses it, or choose another port",
            _ => "choose an address of this machine, such as 127.0.0.1:2525",
        };
        format!("{}: cannot listen on {address}: {error}; {advice}", config.display())
    })
}

/// Returns a future that is ready after Ctrl-C or SIGTERM. A signal counts from this call on, not only from the first poll.
pub fn asked_to_stop() -> Result<impl Future<Output = ()> + Send, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Runs `node` until `stop` is ready, and prints the line that `line_of` returns for each event, including the last one.
pub async fn run(
    node: &Node,
    stop: impl Future<Output = ()> + Send,
    events: broadcast::Receiver<Occurrence>,
    out: &Out,
    line_of: impl Fn(Event) -> Option<Line>,
) -> Result<(), NodeError> {
    let (end, ended) = oneshot::channel::<()>();
    let running = async {
        let ran = node.run(stop).await;
        drop(end);
        ran
    };
    let (ran, ()) = tokio::join!(running, print_events(events, ended, out, line_of));
    ran
}

async fn print_events(
    mut events: broadcast::Receiver<Occurrence>,
    mut ended: oneshot::Receiver<()>,
    out: &Out,
    line_of: impl Fn(Event) -> Option<Line>,
) {
    loop {
        let received = tokio::select! {
            biased;
            received = events.recv() => received,
            _ = &mut ended => return,
        };
        match received.map(|Occurrence { event, .. }| line_of(event)) {
            Ok(Some(Line::Output(line))) => print_line(out, line).await,
            Ok(Some(Line::Notice(line))) => print_notice(line).await,
            Ok(None) => {}
            Err(broadcast::error::RecvError::Lagged(events)) => {
                print_notice(format!("{events} events were not printed, because the reader of this output is too slow")).await;
            }
            Err(broadcast::error::RecvError::Closed) => return,
        }
    }
}
