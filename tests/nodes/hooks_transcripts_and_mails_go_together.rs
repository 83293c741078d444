//! A node writes messages down, mails them and reports them to another system, each once, although its process is killed.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::{http_server, support};

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http_server::Request;
use support::{CENTRAL, event, mailbox, network, node, run, site, soon, wav};
use voicemail::arrival::mail::OwnerRules;
use voicemail::arrival::transcript::{SoundHints, TranscribeError, Transcriber, TranscriptStep};
use voicemail::arrival::webhook::{EndPoint, EndPoints, NotificationType, SignedHeaders, WebhookSecret, WebhookStep, Webhooks};
use voicemail::arrival::{ArrivalStep, StepError, StepName, StepOutcome, StepRun};
use voicemail::directory::{Owner, StaticDirectory};
use voicemail::disk::OsDisk;
use voicemail::event::Event;
use voicemail::forward::{ForwardError, MailOut, Outcome, Sender};
use voicemail::http::{HttpClient, TargetPolicy};
use voicemail::jobs::FolderJobs;
use voicemail::message::{
    Audio, AudioType, ClockQuality, ClockSource, MailAddress, Message, MessageId, Origin, RecordedAt, Transcript,
};
use voicemail::retry::{Backoff, RetryPolicy};
use voicemail::rules::{ArrivalRule, ArrivalRules, Content};
use voicemail::store::{MaildirStore, MemoryStore, MessageStore as _};

const MAILBOXES: [&str; 3] = ["2001", "2002", "2003"];
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Writes down a number that tells the sounds of a test apart.
#[derive(Debug)]
struct Sums;

#[async_trait]
impl Transcriber for Sums {
    async fn transcribe(&self, sound: Bytes, _: &SoundHints) -> Result<Transcript, TranscribeError> {
        let sum = sound.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(1_000_003).wrapping_add(u64::from(*byte)));
        Ok(Transcript::new(&format!("The sum is {sum}."), "sums"))
    }
}

/// A mail server that keeps each mail in a file.
#[derive(Debug)]
struct Files(PathBuf);

#[async_trait]
impl MailOut for Files {
    async fn send(&self, _: Sender, _: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        let (part, name) = (self.0.join("part"), self.0.join("mails").join(MessageId::random().to_string()));
        // By a new name, so that a kill leaves no half of a mail.
        let part = part.with_extension(name.file_name().unwrap());
        std::fs::write(&part, mail).and_then(|()| std::fs::rename(&part, name)).unwrap();
        Ok(Outcome::Accepted)
    }
}

/// The owners, to whom each message is mailed with its sound.
fn owners() -> StaticDirectory {
    let mut owner = Owner::new(site("london"), chrono_tz::Europe::London);
    owner.email = Some("anna@example.com".parse().unwrap());
    owner.rules = ArrivalRules::new([ArrivalRule::new("mail".parse().unwrap(), Content::Copy)]).unwrap();
    MAILBOXES.into_iter().map(|number| (mailbox(number), owner.clone())).collect()
}

/// Sends reports of these types to a receiver on this machine; without any, all but those of lamps.
pub(crate) fn webhooks(port: u16, types: &[NotificationType]) -> Webhooks {
    let url = format!("http://127.0.0.1:{port}/hook").parse().unwrap();
    let policy = TargetPolicy::default().allow_plain_text().allow_port(port).allow_prefix("127.0.0.0/8".parse().unwrap());
    let end_point = EndPoint::new("crm".parse().unwrap(), url, SECRET.parse().unwrap()).policy(policy);
    let end_point = types.iter().copied().fold(end_point, EndPoint::of_type);
    Webhooks::new(HttpClient::builder().build(), EndPoints::new([end_point]))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is the process that the test kills"]
async fn the_process_that_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let folder = Path::new(&folder);
    let number = |name| std::env::var(name).unwrap().parse::<u32>().unwrap();
    let store = MaildirStore::builder(folder.join("store")).directory(network().directory()).min_free_space(0).open();
    let jobs = FolderJobs::open(OsDisk, folder.join("hooks")).await.unwrap();
    let wait = Backoff::new(Duration::from_millis(50), Duration::from_millis(200)).unwrap();
    let node = node(CENTRAL, folder)
        .store(store.await.unwrap())
        .retry(RetryPolicy::default().step_failed(wait))
        .on_arrival(TranscriptStep::new(Sums))
        .mail_owners(OwnerRules::new(owners()), Files(folder.to_owned()))
        .on_arrival(WebhookStep::new(webhooks(u16::try_from(number(PORT)).unwrap(), &[]).jobs(jobs)))
        .open()
        .await
        .unwrap();
    let _running = run(&node);
    let mut kept = OpenOptions::new().append(true).create(true).open(folder.join("kept")).unwrap();
    for deposit in 0..number(DEPOSITS) {
        let recorded_at = RecordedAt::new(chrono::Utc::now(), chrono_tz::UTC, ClockQuality::unknown(ClockSource::System));
        let seed = std::process::id() * 1000 + deposit;
        let message = Message::builder(Audio::new(AudioType::Wav, wav(20 + deposit, seed)), recorded_at).build();
        let to = mailbox(MAILBOXES[deposit as usize % 3]);
        node.store().unwrap().deposit(&to, &Origin::Here, &message).await.unwrap();
        kept.write_all(format!("{}\n", message.id()).as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
}

/// The requests that a receiver has accepted: the `webhook-id`s of each message.
#[derive(Debug, Default)]
struct Receiver {
    requests: usize,
    accepted: BTreeMap<String, BTreeSet<String>>,
}

impl Receiver {
    /// Refuses the first request, as a server does that starts. A later refusal may be followed by a wait of minutes.
    fn answer(&mut self, request: &Request) -> http_server::Answer {
        self.requests += 1;
        let secret: WebhookSecret = SECRET.parse().unwrap();
        let id = request.field("webhook-id");
        let headers = SignedHeaders::new(id, request.field("webhook-timestamp"), request.field("webhook-signature"));
        if secret.verify(headers, &request.body, chrono::Utc::now()).is_err() {
            return ("401 Unauthorized", "text/plain", Vec::new());
        }
        if self.requests == 1 {
            return ("503 Service Unavailable", "text/plain", Vec::new());
        }
        let body = String::from_utf8_lossy(&request.body);
        assert!(body.starts_with("{\"type\":\"voicemail.message.stored\""), "{body}");
        let message = body.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap();
        self.accepted.entry(message.to_owned()).or_default().insert(id.to_owned());
        ("204 No Content", "text/plain", Vec::new())
    }
}

#[test]
fn each_message_is_written_down_mailed_and_reported_after_kills() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("mails")).unwrap();
    let receiver = Arc::new(Mutex::new(Receiver::default()));
    let of_server = Arc::clone(&receiver);
    let address = http_server::start(move |request| of_server.lock().unwrap().answer(request));
    for kill in 0..4 {
        let before = kept(folder.path()).len();
        let child = start(folder.path(), address.port(), 200);
        until(|| kept(folder.path()).len() > before + 3);
        std::thread::sleep(Duration::from_millis(20 + kill * 97));
        drop(child);
    }
    let child = start(folder.path(), address.port(), 0);
    let kept = kept(folder.path());
    // A message that was stored, but not answered for, may be there too.
    until(|| {
        let reported: BTreeSet<_> = receiver.lock().unwrap().accepted.keys().cloned().collect();
        reported.is_superset(&kept) && mails(folder.path()).len() == reported.len()
    });
    drop(child);

    let receiver = receiver.lock().unwrap();
    let doubled: Vec<_> = receiver.accepted.iter().filter(|(_, ids)| ids.len() > 1).collect();
    assert!(doubled.is_empty(), "one id for each message: {doubled:?}");
    let (mails, stored) = (mails(folder.path()), transcripts(folder.path()));
    assert_eq!(mails.len(), stored.len(), "one mail for each message, and each with another transcript");
    let mailed: BTreeSet<String> = mails.into_values().collect();
    assert!(mailed.is_subset(&stored), "each mail has its transcript, which was made before");
    println!("{} kept, {} requests, {} mails with transcript", kept.len(), receiver.requests, mailed.len());
}

/// The transcripts of all messages in the store.
#[tokio::main(flavor = "current_thread")]
async fn transcripts(folder: &Path) -> BTreeSet<String> {
    let store =
        MaildirStore::builder(folder.join("store")).directory(network().directory()).min_free_space(0).open().await.unwrap();
    let mut texts = BTreeSet::new();
    for number in MAILBOXES {
        for entry in store.list(&mailbox(number)).await.unwrap() {
            let transcript = store.transcript(&mailbox(number), entry.head.id).await.unwrap();
            texts.extend(transcript.map(|transcript| transcript.text().to_owned()));
        }
    }
    texts
}

/// The transcript in each mail, by the `Message-ID`: as a mail program shows the same mail once.
fn mails(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder.join("mails")).unwrap();
    let read = files.map(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let mail = mail_parser::MessageParser::default().parse(&bytes[..]).unwrap();
        let text = mail.body_text(0).unwrap();
        let words = text.lines().find(|line| line.starts_with("The sum is")).unwrap_or("no transcript");
        (mail.message_id().unwrap().to_owned(), words.to_owned())
    });
    read.collect()
}

/// Is finished with a sound when the test says so.
#[derive(Debug)]
struct Slow(Arc<tokio::sync::Notify>);

#[async_trait]
impl Transcriber for Slow {
    async fn transcribe(&self, _: Bytes, _: &SoundHints) -> Result<Transcript, TranscribeError> {
        self.0.notified().await;
        Ok(Transcript::new("late", "slow"))
    }
}

/// A step for which the next one waits 300 ms.
#[derive(Debug)]
struct Impatient(TranscriptStep);

#[async_trait]
impl ArrivalStep for Impatient {
    fn name(&self) -> StepName {
        self.0.name()
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(300)
    }

    async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        self.0.run(run).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_without_a_transcript_that_comes_too_late() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("mails")).unwrap();
    let finish = Arc::new(tokio::sync::Notify::new());
    let store = Arc::new(MemoryStore::new(MAILBOXES.map(mailbox)));
    let node = node(CENTRAL, folder.path())
        .store(Arc::clone(&store))
        .on_arrival(Impatient(TranscriptStep::new(Slow(Arc::clone(&finish)))))
        .mail_owners(OwnerRules::new(owners()), Files(folder.path().to_owned()));
    let node = node.open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    let facts = voicemail::record::CallFacts::to(mailbox("2001"));
    node.deposit_wav(&site("london"), facts, wav(2_000, 1).into()).await.unwrap();
    let mut done = async |wanted| {
        let is_wanted = |event| matches!(&event, Event::StepDone { step, .. } if step == wanted).then_some(());
        soon(event(&mut events, is_wanted)).await;
    };
    done("mail").await;
    let texts: Vec<_> = mails(folder.path()).into_values().collect();
    assert_eq!(texts, ["no transcript"]);
    finish.notify_one();
    done("transcript").await;
    running.stop().await;
    let entries = store.list(&mailbox("2001")).await.unwrap();
    let transcript = store.transcript(&mailbox("2001"), entries[0].head.id).await.unwrap();
    assert_eq!((transcript.unwrap().text(), mails(folder.path()).len()), ("late", 1), "no second mail");
}

fn start(folder: &Path, port: u16, deposits: u32) -> Killed {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "hooks_transcripts_and_mails_go_together::the_process_that_is_killed", "--ignored"]);
    command.env(FOLDER, folder).env(PORT, port.to_string()).env(DEPOSITS, deposits.to_string());
    Killed(command.stdout(Stdio::null()).spawn().unwrap())
}

/// A process that is killed when it is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The ids of the messages that were answered for.
fn kept(folder: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(folder.join("kept")).unwrap_or_default();
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
}

fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

const FOLDER: &str = "VOICEMAIL_HOOKS_FOLDER";
const PORT: &str = "VOICEMAIL_HOOKS_PORT";
const DEPOSITS: &str = "VOICEMAIL_HOOKS_DEPOSITS";
