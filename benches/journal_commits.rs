//! How many commits of the file system's journal a message takes, at both nodes together, one message or 16 at once under TLS.
//!
//! A flush waits for a commit, so their number says more about the speed on a disk than a time on a shared machine does. In the same run,
//! `raw` creates the same bytes durably twice from as many threads. Of messages that come together many share a commit, and the more the
//! busier the machine is; the row for one at a time does not depend on the load. The kernel counts (`/proc/fs/jbd2`) for the file system of the temporary
//! folder; other programs that write to it are counted too. `benches/journal_commits.sh` makes a file system for this bench alone.
//!
//! Not in the numbers: opening nodes and connections. There is no pass and no fail. Without ext4, or without a journal, it prints that and ends.

use std::path::{Path, PathBuf};
use std::{env, fs};

use rustix::fs::{major, minor, stat};
use tokio::runtime::Runtime;
use voicemail::audio::Format;
use voicemail::forward::smtp::Security;

use self::support::network::CENTRAL;
use self::support::pair::Pair;
use self::support::raw::create_raw;
use self::support::sound::sound;

mod support {
    pub(crate) mod certificate;
    pub(crate) mod disk;
    pub(crate) mod network;
    pub(crate) mod nodes;
    pub(crate) mod pair;
    pub(crate) mod raw;
    pub(crate) mod sound;
    pub(crate) mod workers;
}

fn main() {
    let Some(journal) = journal_of(&env::temp_dir()) else {
        println!("SKIPPED: {} is not on an ext4 with a journal; set TMPDIR", env::temp_dir().display());
        return;
    };
    // As in criterion's benches: only `cargo bench` measures.
    let messages = if env::args().any(|argument| argument == "--bench") { 1_000 } else { 2 };
    let runtime = Runtime::new().expect("a runtime");
    println!("| to {CENTRAL} | at once | journal commits a message | `raw` |\n|---|---|---|---|");
    for ((recording, seconds), at_once) in
        RECORDINGS.into_iter().flat_map(|recording| AT_ONCE.map(|at_once| (recording, at_once)))
    {
        let wav = sound(Format::TELEPHONE_PCMU, seconds);
        let pair = runtime.block_on(Pair::open(Security::Tls));
        runtime.block_on(pair.send(WARM_UP, at_once, &wav));
        let nodes = commits_during(&journal, || runtime.block_on(pair.send(messages, at_once, &wav)));
        runtime.block_on(pair.close());
        let raw = commits_during(&journal, || create_raw(messages, at_once, &[&wav, &wav]));
        println!("| {recording} | {at_once} | {:.2} | {:.2} |", nodes / per(messages), raw / per(messages));
    }
}

/// The kernel's statistics of the journal of the file system that `folder` is on.
fn journal_of(folder: &Path) -> Option<PathBuf> {
    let device = stat(folder).ok()?.st_dev;
    let device = format!("{}:{}", major(device), minor(device));
    let name = fs::canonicalize(format!("/sys/dev/block/{device}")).ok()?;
    let journal = Path::new("/proc/fs/jbd2").join(format!("{}-8", name.file_name()?.to_str()?)).join("info");
    journal.exists().then_some(journal)
}

fn commits_during<T>(journal: &Path, work: impl FnOnce() -> T) -> f64 {
    let before = commits(journal);
    work();
    f64::from(commits(journal) - before)
}

/// How many transactions the journal has committed: the first number of the statistics.
fn commits(journal: &Path) -> u32 {
    let account = fs::read_to_string(journal).expect("the kernel gives its account");
    account.split_whitespace().next().and_then(|count| count.parse().ok()).expect("it begins with a number")
}

fn per(messages: u64) -> f64 {
    f64::from(u32::try_from(messages).expect("a small number"))
}

const RECORDINGS: [(&str, u32); 2] = [("5 s mu-law", 5), ("30 s mu-law", 30)];
const AT_ONCE: [u64; 2] = [1, 16];
/// Until there are spare files and connections.
const WARM_UP: u64 = 16;
const MAILBOXES: u64 = 64;
