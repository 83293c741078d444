//! `SntpClock` against chronyd, whose clock is off by a known time.
//!
//! `chronyd` is searched in the path, or named by `VOICEMAIL_CHRONYD`. The library `libfaketime.so.1`, from Debian's folder or named by
//! `VOICEMAIL_LIBFAKETIME`, gives it its offset. Without them the test prints that it was skipped, or that the offset was zero.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use chrono::TimeDelta;
use voicemail::clock::{Clock as _, SntpClock, SntpError, SystemClock};
use voicemail::message::ClockSource;

/// Finds a file in one of `folders`, or at the path in the environment variable.
fn find(name: &str, variable: &str, folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let found = folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed, and {variable} does not name it");
    }
    found
}

/// A chronyd on its own port, stopped when dropped.
struct Chrony {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Chrony {
    fn drop(&mut self) {
        // SIGTERM and not SIGKILL, so that it and the library remove their shared memory.
        let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&self.process), rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}

fn start(chronyd: &PathBuf, faketime: Option<&PathBuf>, offset: &str, more: &str) -> Chrony {
    let folder = tempfile::tempdir().unwrap();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "port {port}\nbindaddress 127.0.0.1\nlocal stratum 8\ncmdport 0\nallow 127.0.0.1\npidfile {}\ndriftfile {}\n{more}\n",
        path("pid"),
        path("drift")
    );
    std::fs::write(folder.path().join("conf"), config).unwrap();
    let mut command = Command::new(chronyd);
    if let Some(library) = faketime {
        command.env("LD_PRELOAD", library).env("FAKETIME", offset);
    }
    command.args(["-x", "-d", "-u", "root", "-f"]).arg(folder.path().join("conf"));
    let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    Chrony { process, port, _folder: folder }
}

/// The path of chronyd, if it is installed and this process may run it.
fn chronyd() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let chronyd = find("chronyd", "VOICEMAIL_CHRONYD", std::env::split_paths(&path).chain(["/usr/sbin".into()]))?;
    if rustix::process::geteuid().is_root() {
        return Some(chronyd);
    }
    eprintln!("SKIPPED: only root can run chronyd");
    None
}

/// Measures until chronyd has started and answers.
async fn first_answer(clock: &SntpClock) {
    let answered = async { while clock.measure().await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), answered).await.expect("chronyd answers within 30 s");
}

#[tokio::test]
async fn it_reads_the_offset_of_a_real_server_within_10_ms() {
    let Some(chronyd) = chronyd() else { return };
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"].map(PathBuf::from);
    let faketime = find("libfaketime.so.1", "VOICEMAIL_LIBFAKETIME", folders.into_iter());
    for (offset, millis) in [("+3.5s", 3500), ("-90s", -90_000)] {
        let expected = TimeDelta::milliseconds(if faketime.is_some() { millis } else { 0 });
        let chrony = start(&chronyd, faketime.as_ref(), offset, "");
        let clock = SntpClock::new([format!("127.0.0.1:{}", chrony.port)]);
        first_answer(&clock).await;
        let found = clock.now().instant - SystemClock.now().instant;
        eprintln!("chronyd at {offset}: {:.3} ms off the expected", (found - expected).as_seconds_f64() * 1000.0);
        assert!((found - expected).abs() < TimeDelta::milliseconds(10), "{offset}: {found}");
        let quality = clock.now().quality;
        assert_eq!(quality.source, ClockSource::Sntp);
        assert!((quality.offset.unwrap() - expected).abs() < TimeDelta::milliseconds(10));
        if faketime.is_none() {
            eprintln!("SKIPPED in part: without faketime the server's offset is zero");
            return;
        }
    }
}

#[tokio::test]
async fn a_real_server_that_limits_its_rate_costs_no_time() {
    let Some(chronyd) = chronyd() else { return };
    // One answer in 4096 s, and one of sixteen requests beyond.
    let chrony = start(&chronyd, None, "", "ratelimit interval 12 burst 1 leak 4");
    let clock = SntpClock::new([format!("127.0.0.1:{}", chrony.port)]);
    first_answer(&clock).await;
    let mut silent = 0;
    for _ in 0..4 {
        silent += usize::from(matches!(clock.measure().await, Err(SntpError::NoAnswer { .. })));
    }
    assert!(silent >= 1, "chronyd answered four times in a row");
    assert_eq!(clock.now().quality.source, ClockSource::Sntp, "the clock goes on from its last measurement");
}
