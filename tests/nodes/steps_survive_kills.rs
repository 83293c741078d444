//! A real process is killed at random moments while messages arrive and its steps fail: each step is done for each message that was kept.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use support::{CENTRAL, mailbox, network, node, run, wav};
use voicemail::arrival::{ArrivalStep, StepError, StepName, StepOutcome, StepRun};
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, Origin, RecordedAt};
use voicemail::retry::{Backoff, RetryPolicy};
use voicemail::store::{MaildirStore, MessageStore as _};

/// Writes the id of each message into a file; fails for as long as the file `down` is there, and sometimes at the first attempt.
#[derive(Debug)]
struct Writes(PathBuf);

#[async_trait]
impl ArrivalStep for Writes {
    fn name(&self) -> StepName {
        StepName::MAIL
    }

    async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        let refused = || StepError::Transient("the server is down".into());
        if self.0.join("down").exists() || run.tries == 0 && run.arrived.id.as_bytes()[0].is_multiple_of(16) {
            return Err(refused());
        }
        let file = OpenOptions::new().append(true).create(true).open(self.0.join("done"));
        // In one piece, so that a kill leaves no half of a line.
        file.and_then(|mut file| file.write_all(format!("{}\n", run.arrived.id).as_bytes())).map_err(|_| refused())?;
        Ok(StepOutcome::Done)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is the process that the test kills"]
async fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    let directory = network().directory();
    let store = MaildirStore::builder(folder.join("store")).directory(directory).min_free_space(0).open().await.unwrap();
    let wait = Backoff::new(Duration::from_millis(50), Duration::from_millis(200)).unwrap();
    let builder = node(CENTRAL, folder).store(store).retry(RetryPolicy::default().step_failed(wait));
    let node = builder.on_arrival(Writes(folder.to_owned())).open().await.unwrap();
    let _running = run(&node);
    let mut kept = OpenOptions::new().append(true).create(true).open(folder.join("kept")).unwrap();
    let deposits = std::env::var(DEPOSITS).unwrap().parse().unwrap();
    for number in 0..deposits {
        let recorded_at = RecordedAt::new(chrono::Utc::now(), chrono_tz::UTC, ClockQuality::unknown(ClockSource::System));
        let message = Message::builder(Audio::new(AudioType::Wav, wav(20, number)), recorded_at).build();
        let to = mailbox(&format!("{}", 2001 + number % 9));
        node.store().unwrap().deposit(&to, &Origin::Here, &message).await.unwrap();
        kept.write_all(format!("{}\n", message.id()).as_bytes()).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
}

#[test]
fn each_message_that_was_kept_has_its_step_after_any_kill() {
    let folder = tempfile::tempdir().unwrap();
    let kills: u64 = std::env::var("VOICEMAIL_KILLS").map_or(8, |kills| kills.parse().unwrap());
    for kill in 0..kills {
        if kill % 3 == 1 {
            File::create(folder.path().join("down")).unwrap();
        }
        let child = start(folder.path(), 150);
        let before = lines(folder.path(), "kept").len();
        until(|| lines(folder.path(), "kept").len() > before);
        std::thread::sleep(Duration::from_millis(100 + kill * 37 % 300));
        drop(child);
        if kill % 3 == 2 {
            std::fs::remove_file(folder.path().join("down")).unwrap();
        }
    }
    let _ = std::fs::remove_file(folder.path().join("down"));
    let child = start(folder.path(), 0);
    let kept = lines(folder.path(), "kept");
    until(|| lines(folder.path(), "done").is_superset(&kept));
    drop(child);
    println!("{kills} kills, {} messages kept, each step done", kept.len());
}

fn start(folder: &Path, deposits: u32) -> Killed {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "steps_survive_kills::the_process_that_is_killed", "--ignored"]);
    Killed(command.env(FOLDER, folder).env(DEPOSITS, deposits.to_string()).stdout(Stdio::null()).spawn().unwrap())
}

/// A process that is killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The whole lines of a file; none if there is no file yet.
fn lines(folder: &Path, file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(300), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const FOLDER: &str = "VOICEMAIL_STEPS_FOLDER";
const DEPOSITS: &str = "VOICEMAIL_STEPS_DEPOSITS";
