//! Mail clients deliver to this crate's intake, and an IMAP server opens its Maildirs. Each test prints SKIPPED when its program is missing.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::{imap, support};

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use imap::{Imap, program};
use support::{CENTRAL, mailbox, network, node, run, wav};
use tempfile::tempdir;
use voicemail::intake::{Access, KnownPeer, ListenMode, ListenerPolicy, Sites, StoredPassword};
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, MessageId, Origin, RecordedAt, Status, Urgency};
use voicemail::mwi::ChannelSink;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MemoryStore, MessageStore as _, Query};
use voicemail::wire::{self, Addresses, TransferEncoding};

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_client_delivers_a_voice_message_under_starttls() {
    let Some(swaks) = program("swaks") else { return };
    let folder = tempdir().unwrap();
    let sound = folder.path().join("msg0000.wav");
    std::fs::write(&sound, wav(2_000, 5)).unwrap();
    let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()]).unwrap();
    let store = Arc::new(MemoryStore::new([mailbox("2001")]));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let node = node(CENTRAL, folder.path())
        .store(Arc::clone(&store))
        .tls(support::server_config(&made))
        .listen(listener, ListenMode::StartTls);
    let node = node.open().await.unwrap();
    let running = run(&node);

    let send = move |to: &str| {
        let attachment = format!("@{}", sound.display());
        let mut swaks = Command::new(&swaks);
        swaks.args(["--server", "127.0.0.1", "--port", &port, "--tls", "--from", "pbx@remote.example", "--to", to]);
        swaks.args(["--header", "Subject: a message", "--attach-type", "audio/x-wav", "--attach-name", "msg0000.wav"]);
        swaks.args(["--attach", &attachment]).output().unwrap()
    };
    let (delivered, refused) =
        tokio::task::spawn_blocking(move || (send("2001@voicemail.example"), send("2001@elsewhere.example"))).await.unwrap();
    assert!(delivered.status.success(), "{}", String::from_utf8_lossy(&delivered.stdout));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("550 5.7.1"), "{}", String::from_utf8_lossy(&refused.stdout));
    let entries = store.list(&mailbox("2001")).await.unwrap();
    assert_eq!(entries.len(), 1);
    let message = store.retrieve(&mailbox("2001"), entries[0].head.id).await.unwrap();
    assert!(message.audio().bytes()[..] == wav(2_000, 5)[..], "byte for byte");
    assert_eq!(message.head().length, Duration::from_secs(2));
    running.stop().await;
}

/// An access list with the peer `berlin`, which has a password.
fn only_berlin() -> Access {
    let password = StoredPassword::of("correct horse battery").unwrap();
    Access::peers([KnownPeer::new("berlin".parse().unwrap(), Sites::All).password(password)])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_client_logs_in_with_each_mechanism_that_it_has() {
    let Some(swaks) = program("swaks") else { return };
    let folder = tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()]).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let node = node(CENTRAL, folder.path())
        .store(MemoryStore::new([mailbox("2001")]))
        .tls(support::server_config(&made))
        .listen(listener, ListenerPolicy::new(ListenMode::StartTls, only_berlin()));
    let node = node.open().await.unwrap();
    let running = run(&node);
    let log_in = move |mechanism: &str, password: &str| {
        let mut swaks = Command::new(&swaks);
        swaks.args(["--server", "127.0.0.1", "--port", &port, "--tls", "--quit-after", "RCPT", "--to", "2001@voicemail.example"]);
        swaks.args(["--auth", mechanism, "--auth-user", "berlin", "--auth-password", password]).output().unwrap()
    };
    let replies = tokio::task::spawn_blocking(move || {
        [("PLAIN", "correct horse battery"), ("LOGIN", "correct horse battery"), ("PLAIN", "wrong horse battery")]
            .map(|(mechanism, password)| String::from_utf8_lossy(&log_in(mechanism, password).stdout).into_owned())
    });
    let [by_plain, by_login, wrong] = replies.await.unwrap();
    for said in [by_plain, by_login] {
        assert!(said.contains("235 2.7.0 welcome") && said.contains("250 2.1.5 recipient ok"), "{said}");
    }
    assert!(wrong.contains("535 5.7.8") && !wrong.contains("235 "), "{wrong}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sasl_client_and_the_intake_authenticate_by_scram() {
    let Some(gsasl) = program("gsasl") else { return };
    let folder = tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let access = only_berlin().passwords_even_in_plain_text();
    let node = node(CENTRAL, folder.path())
        .store(MemoryStore::new([mailbox("2001")]))
        .listen(listener, ListenerPolicy::new(ListenMode::StartTls, access));
    let node = node.open().await.unwrap();
    let running = run(&node);
    let log_in = move |password: &str| {
        let mut gsasl = Command::new(&gsasl);
        gsasl.args(["--smtp", "--connect", &address, "--no-starttls", "--no-cb", "--mechanism", "SCRAM-SHA-256"]);
        gsasl.args(["--authentication-id", "berlin", "--authorization-id", "", "--password", password]);
        let output = gsasl.stdin(std::process::Stdio::null()).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let (right, wrong) =
        tokio::task::spawn_blocking(move || (log_in("correct horse battery"), log_in("wrong horse battery"))).await.unwrap();
    assert!(right.contains("235 2.7.0 welcome"), "{right}");
    assert!(wrong.contains("535 5.7.8") && !wrong.contains("235 "), "{wrong}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imap_server_and_the_store_see_each_others_changes() {
    let Some(dovecot) = program("dovecot") else { return };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can run an IMAP server as another user");
        return;
    }
    let folder = tempdir().unwrap();
    let store = MaildirStore::builder(folder.path().join("store")).directory(Arc::new(network().directory()));
    let store = store.open().await.unwrap();
    let owner = mailbox("2001");
    for seed in 1..=2 {
        store.deposit(&owner, &Origin::Here, &recorded(seed)).await.unwrap();
    }
    let imap = Imap::start(&dovecot, folder.path());
    let mut client = imap.client();
    let selected = client.ask("SELECT INBOX");
    assert!(selected.contains("* 2 EXISTS"), "{selected}");
    let head = client.ask("FETCH 2 (INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-CONTEXT IMPORTANCE)])");
    assert!(head.contains("Message-Context: voice-message") && head.contains("Importance: High"), "{head}");
    assert!(head.contains("14-Jul-2025"), "{head}");

    client.ask("STORE 1 +FLAGS (\\Seen)");
    let summary = store.summary(&owner).await.unwrap();
    assert_eq!(summary.to_string(), "1/1 (1/0)", "what was read by mail is old here");
    let entries = store.list(&owner).await.unwrap();
    store.mark(&owner, entries[1].head.id, Status::Old).await.unwrap();
    let seen = client.ask("NOOP") + &client.ask("FETCH 2 FLAGS");
    assert!(seen.contains("FETCH (FLAGS (\\Seen"), "what was heard here is read there: {seen}");
    client.ask("STORE 1 +FLAGS (\\Deleted)");
    assert_eq!(store.summary(&owner).await.unwrap().to_string(), "0/1 (0/1)");
    client.ask("EXPUNGE");
    assert_eq!(store.list(&owner).await.unwrap().len(), 1);

    client.ask("STORE 1 -FLAGS (\\Seen)");
    assert_eq!(store.summary(&owner).await.unwrap().to_string(), "1/0 (1/0)", "what is unread again there is new again here");

    // The store sees messages that the IMAP server adds to the mailbox and moves out of it.
    let appended = recorded(3);
    let addresses = Addresses::new(CENTRAL, "voicemail.example", std::slice::from_ref(&owner));
    let mail = wire::encode(&appended, &addresses, TransferEncoding::Base64).to_bytes();
    let mail = String::from_utf8(mail.to_vec()).unwrap();
    let said = client.ask(&format!("APPEND INBOX (\\Seen) {{{}+}}\r\n{mail}", mail.len()));
    assert!(said.contains("a OK"), "{said}");
    let old = store.page(&owner, &Query::only([Status::Old])).await.unwrap().entries;
    assert_eq!(old.len(), 1, "a page shows it where its flag says");
    assert_eq!(store.retrieve(&owner, old[0].head.id).await.unwrap().audio(), appended.audio());
    client.ask("CREATE Kept");
    let said = client.ask("MOVE 2 Kept");
    assert!(said.contains("a OK"), "{said}");
    assert_eq!(store.summary(&owner).await.unwrap().to_string(), "1/0 (1/0)", "what was moved out is gone");
    client.ask("SELECT Kept");
    let said = client.ask("MOVE 1 INBOX");
    assert!(said.contains("a OK"), "{said}");
    assert_eq!(store.summary(&owner).await.unwrap().to_string(), "1/1 (1/0)", "and is back");
    client.ask("SELECT INBOX");

    // The IMAP server sees the changes that the store makes.
    store.deposit(&owner, &Origin::Here, &recorded(4)).await.unwrap();
    give_to_nobody(folder.path());
    let said = client.ask("NOOP") + &client.ask("FETCH 3 (FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-CONTEXT)])");
    assert!(said.contains("* 3 EXISTS") && said.contains("Message-Context: voice-message"), "{said}");
    let id = recorded(4).id();
    let id = store.list(&owner).await.unwrap().iter().map(|entry| entry.head.id).find(|listed| *listed == id).unwrap();
    store.mark(&owner, id, Status::Removed).await.unwrap();
    let said = client.ask("NOOP") + &client.ask("FETCH 3 FLAGS");
    assert!(said.contains("\\Deleted"), "what was removed here can be restored here and there: {said}");
    store.mark(&owner, id, Status::New).await.unwrap();
    let said = client.ask("NOOP") + &client.ask("FETCH 3 FLAGS");
    assert!(!said.contains("FLAGS (\\Deleted") && !said.contains("FLAGS (\\Seen"), "{said}");
    store.mark(&owner, id, Status::Removed).await.unwrap();
    assert_eq!(store.expunge(&owner).await.unwrap(), 1);
    let said = client.ask("NOOP");
    assert!(said.contains("* 3 EXPUNGE"), "what was deleted here is gone there: {said}");
}

/// A message, the same for the same `seed`; the second one is urgent.
fn recorded(seed: u8) -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let instant = format!("2025-07-14T09:05:1{seed}Z").parse().unwrap();
    let recorded_at = RecordedAt::new(instant, chrono_tz::Asia::Kathmandu, quality);
    let urgency = if seed == 2 { Urgency::Urgent } else { Urgency::Normal };
    let message = Message::builder(Audio::new(AudioType::Wav, wav(1_000, seed.into())), recorded_at).urgency(urgency);
    message.id(MessageId::from_bytes([seed; 16])).build()
}

/// Gives the tree to the user nobody, because an IMAP server opens no mail as root.
fn give_to_nobody(folder: &Path) {
    let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(folder.join("store")).status().unwrap();
    assert!(owned.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_read_or_unread_by_imap_changes_the_lamp() {
    let Some(dovecot) = program("dovecot") else { return };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can run an IMAP server as another user");
        return;
    }
    let folder = tempdir().unwrap();
    let store = MaildirStore::builder(folder.path().join("store")).directory(Arc::new(network().directory()));
    let (sink, mut states) = ChannelSink::new(64);
    let node = node(CENTRAL, folder.path()).store(store.open().await.unwrap()).sink(sink).open().await.unwrap();
    let running = run(&node);
    let facts = CallFacts::to(mailbox("2001"));
    node.deposit_wav(&support::site("london"), facts, wav(1_000, 1).into()).await.unwrap();
    let mut lamp = async |shows: &str| {
        let owner = mailbox("2001");
        let told = async {
            while !states.recv().await.is_some_and(|state| state.mailbox == owner && state.summary.to_string() == shows) {}
        };
        support::soon(told).await;
    };
    lamp("1/0 (0/0)").await;
    let imap = Imap::start(&dovecot, folder.path());
    let mut client = imap.client();
    client.ask("SELECT INBOX");
    for (command, shows) in [
        ("STORE 1 +FLAGS (\\Seen)", "0/1 (0/0)"),
        ("STORE 1 -FLAGS (\\Seen)", "1/0 (0/0)"),
        ("FETCH 1 BODY[TEXT]", "0/1 (0/0)"),
        ("STORE 1 -FLAGS (\\Seen)", "1/0 (0/0)"),
        ("STORE 1 +FLAGS (\\Deleted)", "0/0 (0/0)"),
    ] {
        client.ask(command);
        lamp(shows).await;
    }
    drop(imap);
    running.stop().await;
}
