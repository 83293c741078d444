//! The IMAP server Dovecot reads a mail as a mail program shows it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use sha2::{Digest as _, Sha256};
use tempfile::tempdir;
use voicemail::audio::to_wav;
use voicemail::rules::Content;

use super::imap::{Imap, program};
use super::support::{Place, caller, message, rule};

#[tokio::test]
async fn an_imap_server_shows_subject_names_and_sound() {
    let Some(dovecot) = program("dovecot") else { return };
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can run an IMAP server as another user");
        return;
    }
    let folder = tempdir().unwrap();
    let place = Place::new([rule(Content::Copy)]);
    let maildir = folder.path().join("store/mail/2001");
    for name in ["cur", "new", "tmp"] {
        std::fs::create_dir_all(maildir.join(name)).unwrap();
    }
    let callers = [("山田 太郎", "0901234567"), ("محمد العلي", "+9715012345"), ("Łucja Żółkiewska", "2005"), ("", "")];
    for (number, (name, phone)) in callers.iter().enumerate() {
        let mail = place.sent_for(&message().caller(caller(name, phone)).build()).await.remove(0);
        std::fs::write(maildir.join(format!("new/{number}.mail")), &mail).unwrap();
    }
    let sound = to_wav(message().build().audio()).unwrap();
    let digest = Sha256::digest(sound.bytes());

    let imap = Imap::start(&dovecot, folder.path());
    let mut client = imap.client();
    let selected = client.ask("SELECT INBOX");
    assert!(selected.contains("* 4 EXISTS"), "{selected}");
    for (number, (name, phone)) in (1..).zip(callers) {
        let envelope = client.ask(&format!("FETCH {number} ENVELOPE"));
        assert!(envelope.contains("\"Wed, 25 Mar 2026 23:59:30 +0100\""), "{envelope}");
        assert!(
            envelope.contains("\"voicemail\" \"voicemail.example\"") && envelope.contains("\"anna\" \"example.com\""),
            "{envelope}"
        );
        let raw = client.ask(&format!("FETCH {number} BODY.PEEK[HEADER]"));
        let header = &raw.as_bytes()[raw.find("\r\n").unwrap() + 2..];
        let parsed = mail_parser::MessageParser::default().parse_headers(header).unwrap();
        let who = [name, phone].join(" ");
        let who = if name.is_empty() { "an unknown caller" } else { &*who };
        assert_eq!(parsed.subject(), Some(&*format!("Voice message from {who}, 0:42")));

        let structure = client.ask(&format!("FETCH {number} BODYSTRUCTURE"));
        assert!(structure.contains("(\"text\" \"plain\" (\"charset\" \"utf-8\")"), "{structure}");
        let file = if phone.is_empty() { "unknown" } else { phone };
        let file = format!("2026-03-25 2359 {file} 0-42.wav");
        let part = format!("(\"audio\" \"wav\" (\"name\" \"{file}\") NIL NIL \"base64\"");
        assert!(structure.contains(&part), "{structure}");
        assert!(structure.contains(&format!("(\"attachment\" (\"filename\" \"{file}\"))")), "{structure}");
        let body = client.ask(&format!("FETCH {number} BODY.PEEK[2]"));
        let base64: String =
            body.lines().skip(1).take_while(|line| *line != ")").map(|line| line.trim_end_matches(')')).collect();
        let bytes = encodify::base64::MIME.decode(base64.as_bytes()).unwrap();
        assert_eq!(Sha256::digest(&bytes), digest, "the sound is the one that was recorded");
    }
}
