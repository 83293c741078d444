//! The examples, run as processes, work as their first lines say, and name what is wrong.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use chrono::Utc;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use voicemail::directory::{ListFolder, ListStore as _, PrivateList};
use voicemail::disk::OsDisk;
use voicemail::jobs::{FolderJobs, JobKey, JobKind, JobStore as _, NewJob};
use voicemail::message::{MessageId, Origin};
use voicemail::rules::{ArrivalRules, FolderRules, RuleStore as _};
use voicemail::sent::{SentFolder, SentMessage, SentStore as _};
use voicemail::store::{MaildirStore, MessageStore as _, PendingArrivals as _};
use voicemail::telephone::{PinFolder, PinHash};

use super::support::mailbox;
use super::support::messages::message;
use super::support::server::Server;

/// The path of an example; `None` if it was not built with the tests, which is said aloud.
fn example(name: &str) -> Option<PathBuf> {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent()?.parent()?.join("examples").join(name);
    if !path.is_file() {
        println!("skipped: nothing of this test was run, because the example {name} is not built");
        return None;
    }
    Some(path)
}

/// Runs an example to its end; answers whether it succeeded, and all that it printed.
fn run(program: &Path, words: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_copies_both_ways_and_prints_what_it_did() {
    let (Some(server), Some(program)) = (Server::common(), example("migrate")) else { return };
    let address = server.create_database().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (old, new, pins, pins_back) = (path("old"), path("new"), path("pins"), path("pins-back"));
    let store = MaildirStore::builder(&old).open().await.unwrap();
    store.create_mailbox(&mailbox("2041")).await.unwrap();
    let message = message(b"hello", 0);
    store.deposit(&mailbox("2041"), &Origin::Here, &message).await.unwrap();
    let hash = PinHash::new(&"480913".parse().unwrap());
    PinFolder::open(OsDisk, &pins).await.unwrap().set(mailbox("2041"), hash).await.unwrap();

    let (done, printed) = run(&program, &[&old, &address, "--contents", "--pins", &pins, "--greetings", &path("greetings")]);
    assert!(done, "{printed}");
    for line in ["1 mailboxes: 1 messages copied", "compared: 1 the same, 0 not", "1 PINs and 0 counts", "0 greetings copied"] {
        assert!(printed.contains(line), "{line} is not in {printed}");
    }
    let (done, printed) = run(&program, &[&address, &new, "--contents", "--pins", &pins_back]);
    assert!(done && printed.contains("1 messages copied") && printed.contains("1 PINs"), "{printed}");
    let back = MaildirStore::builder(&new).open().await.unwrap();
    assert!(back.retrieve(&mailbox("2041"), message.id()).await.unwrap().audio() == message.audio());
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_copies_the_choices_of_owners_by_tls() {
    let Some(program) = example("migrate") else { return };
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let Some(server) = Server::start_with_tls(&cert.pem(), &signing_key.serialize_pem()) else { return };
    let address = server.create_database().await.replace("127.0.0.1", "localhost");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (number, ca) = (mailbox("2041"), path("ca.pem"));
    std::fs::write(&ca, cert.pem()).unwrap();
    MaildirStore::builder(path("store")).open().await.unwrap().create_mailbox(&number).await.unwrap();
    let rules = FolderRules::open(OsDisk, path("rules")).await.unwrap();
    rules.replace(&number, Some(&ArrivalRules::default()), None).await.unwrap();
    let list = PrivateList::new(7.try_into().unwrap(), "team", [mailbox("2042")]).unwrap();
    ListFolder::open(OsDisk, path("lists")).await.unwrap().put(&number, &list).await.unwrap();
    let sent = SentMessage::new(MessageId::random(), Utc::now(), Duration::from_secs(3), Vec::new());
    SentFolder::open(OsDisk, path("sent")).await.unwrap().record(&number, &sent).await.unwrap();
    let mail = NewJob::new(&JobKind::MAIL, JobKey::random(), Utc::now(), b"a mail");
    FolderJobs::open(OsDisk, path("outbox")).await.unwrap().add(&mail).await.unwrap();
    let request = NewJob::new(&JobKind::WEBHOOK, JobKey::random(), Utc::now(), b"a request").parked("given up");
    FolderJobs::open(OsDisk, path("hooks")).await.unwrap().add(&request).await.unwrap();
    {
        // A message whose node died before it did the steps.
        let store = MaildirStore::builder(path("store")).open().await.unwrap();
        store.remember().await.unwrap();
        store.deposit(&number, &Origin::Here, &message(b"hello", 0)).await.unwrap();
    }

    let folders = ["rules", "lists", "sent"].map(|name| (format!("--{name}"), path(name)));
    let mut words = vec![path("store"), address, "--ca".to_owned(), ca];
    words.extend(folders.into_iter().flat_map(|(flag, folder)| [flag, folder]));
    words.extend(["mails", "steps", "hooks"].into_iter().flat_map(|flag| {
        let folder = if flag == "mails" { "outbox" } else { flag };
        [format!("--{flag}"), path(folder)]
    }));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    for (copied, unchanged) in [(1, 0), (0, 1)] {
        let (done, printed) = run(&program, &words);
        assert!(done, "{printed}");
        for line in [
            format!("rules of {copied} mailboxes copied, 0 removed, {unchanged} unchanged, 0 faults"),
            format!("{copied} private lists copied, 0 removed, {unchanged} unchanged, 0 faults"),
            format!("{copied} sent messages copied, {unchanged} unchanged, 0 faults"),
            format!("mails: {copied} jobs moved, "),
            format!("hooks: {copied} jobs moved, {copied} of them parked, "),
            format!("{copied} arrivals moved"),
            "steps: 0 jobs moved, ".to_owned(),
        ] {
            assert!(printed.contains(&line), "{line} is not in {printed}");
        }
    }
}

#[test]
fn migrate_names_what_is_wrong() {
    let Some(program) = example("migrate") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let nowhere = "postgres://voicemail:secret@127.0.0.1:1/voicemail";
    for (words, fault) in [
        (&[][..], "usage: migrate FROM TO"),
        (&[path], "usage: migrate FROM TO"),
        (&[path, path], "one of the two is a folder"),
        (&[path, nowhere], "has no mailboxes: it is not the folder of a store"),
        (&[nowhere, path], "127.0.0.1:1"),
        (&[nowhere, path, "--quick"], "--quick is not known here"),
        (&[nowhere, path, "--pins"], "--pins wants a value"),
        (&[nowhere, path, "--ca", "/nowhere.pem"], "/nowhere.pem"),
    ] {
        let (done, printed) = run(&program, words);
        assert!(!done && printed.contains(fault) && !printed.contains("secret"), "{words:?}: {printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_central_node_takes_a_database_as_its_store() {
    let (Some(server), Some(program)) = (Server::common(), example("postgres_node")) else { return };
    let address = server.create_database().await;
    let folder = tempfile::tempdir().unwrap();
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/network.toml");
    let config = folder.path().join("central.toml");
    let text = |store: &str| {
        let network = network.display();
        format!(
            "node = \"central.voicemail.example\"\nnetwork = \"{network}\"\nspool = \"spool\"\nlisten = \"127.0.0.1:0\"\nstore = \"{store}\"\n"
        )
    };
    std::fs::write(&config, text("mailboxes")).unwrap();
    let config = config.to_str().unwrap();
    let (done, printed) = run(&program, &["--config", config]);
    assert!(!done && printed.contains("set store = \"postgres://"), "{printed}");
    let rules = folder.path().join("mine.rules");
    let rules = rules.to_str().unwrap();
    let set_rules = |text: &str| {
        std::fs::write(rules, text).unwrap();
        run(&program, &["--config", config, "--rules", rules, "--to", "2010"])
    };

    std::fs::write(config, text(&address)).unwrap();
    let mut command = tokio::process::Command::new(&program);
    let mut node = command.args(["--config", config]).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    assert!(first.starts_with("listening smtp 127.0.0.1:"), "{first}");
    let (done, printed) = set_rules("voicemail rules 1\n\nrule office\ncontent copy\n");
    assert!(done && printed.starts_with("rules of 2010: 1 of them, version "), "{printed}");
    let (done, printed) = set_rules("voicemail rules 1\n\nrule office\ncontent fax\n");
    assert!(!done && printed.contains("line 4, content: "), "{printed}");
    node.kill().await.unwrap();
}
