//! The words of a caller, a transcript or a template stay in their field or part: for mail-parser, and for Python's `email`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use bytes::Bytes;
use mail_parser::{MessageParser, PartType};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use voicemail::arrival::mail::{MailFacts, MailTemplate};
use voicemail::message::{Caller, CallerName};

use super::support::{Place, message, short};

/// A template that repeats what it is given.
#[derive(Debug, Clone)]
struct Hostile {
    subject: String,
    text: String,
    sender: String,
}

impl MailTemplate for Hostile {
    fn subject(&self, _: &MailFacts<'_>) -> String {
        self.subject.clone()
    }

    fn text(&self, _: &MailFacts<'_>) -> String {
        self.text.clone()
    }

    fn alert(&self, _: &MailFacts<'_>) -> String {
        self.subject.clone()
    }

    fn sender(&self, _: &MailFacts<'_>) -> String {
        self.sender.clone()
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,300}",
        "(\\r\\n|\\n|\\r|\\x00|[ -~]){0,80}",
        "(a|\\r\\nBcc: all@example.com|\\nX: y\\r\\n\\r\\n|--=_|\\r\\n\\.\\r\\n| ){0,20}",
        "(=\\?utf-8\\?B\\?[A-Za-z0-9=]{0,9}\\?= ?|\"|<|>|\\\\|,|;|:|\\(|\\)|@){0,30}",
        any::<Vec<char>>().prop_map(|chars| chars.into_iter().collect()),
        "[a-z]{900,1200}",
        "[\u{202a}-\u{202e}\u{2028}\u{2029}\u{85}\u{feff}山é😀]{0,100}",
    ]
}

fn any_template() -> impl Strategy<Value = Hostile> {
    (any_text(), any_text(), any_text()).prop_map(|(subject, text, sender)| Hostile { subject, text, sender })
}

fn mail_of(template: &Hostile, caller: Caller) -> Bytes {
    let place = Place::with_template(template.clone());
    let sent = async { place.sent_for(&short(&message().caller(caller).build())).await.remove(0) };
    // The sound is converted on a thread of the runtime.
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(sent)
}

/// The text as a reader sees it: one line, or lines.
fn shown(text: &str) -> String {
    let spaced =
        text.chars().map(|c| if c.is_control() || c.is_whitespace() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c });
    spaced.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

const FIELDS: [&str; 12] = [
    "MIME-Version",
    "Message-ID",
    "Date",
    "From",
    "To",
    "Subject",
    "Auto-Submitted",
    "List-Id",
    "X-Voicemail-Length",
    "Message-Context",
    "Content-Type",
    "Content-Transfer-Encoding",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_said_stays_in_its_field(template in any_template(), name in any_text(), number in "2042|\\+?[0-9]{1,15}") {
        let bytes = mail_of(&template, Caller::new(number.parse().ok(), CallerName::cleaned(&name)));
        for line in bytes.split(|byte| *byte == b'\n') {
            prop_assert!(line.len() <= 999 && line.is_ascii() && !line.contains(&0));
            prop_assert!(line.is_empty() || line.iter().position(|byte| *byte == b'\r') == Some(line.len() - 1), "each line ends in CR LF");
        }
        let mail = MessageParser::default().parse(&bytes[..]).unwrap();
        // One of the numbers is that of a mailbox whose owner has an address.
        let reply_to = (number == "2042").then_some("karl@example.com");
        prop_assert_eq!(mail.reply_to().map(|to| to.first().unwrap().address().unwrap()), reply_to);
        for header in mail.headers().iter().filter(|header| reply_to.is_none() || header.name() != "Reply-To") {
            prop_assert!(FIELDS.iter().any(|field| field.eq_ignore_ascii_case(header.name())), "{:?}", header.name());
        }
        prop_assert_eq!(mail.headers().iter().filter(|header| header.name() == "Subject").count(), 1);
        prop_assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("anna@example.com"));
        let from = mail.from().unwrap();
        prop_assert_eq!((from.iter().count(), from.first().unwrap().address()), (1, Some("voicemail@voicemail.example")));
        prop_assert_eq!(mail.parts.len(), 3, "a text, a sound, and what holds both");
        let PartType::Text(text) = &mail.parts[1].body else { panic!("the text comes first") };
        prop_assert_eq!(shown(text), shown(&template.text));
        prop_assert_eq!(shown(mail.subject().unwrap_or_default()), shown(&template.subject.chars().take(250).collect::<String>()));
        prop_assert!(matches!(&mail.parts[2].body, PartType::Binary(sound) if sound.starts_with(b"RIFF")));
    }
}

/// Prints, for each mail: names of its header fields, addresses, subject, type of each part, the sound's file name and the start of the sound.
const READER: &str = r#"
import sys, email, email.policy, struct
data = sys.stdin.buffer.read()
while data:
    size, = struct.unpack(">I", data[:4])
    mail = email.message_from_bytes(data[4:4 + size], policy=email.policy.default)
    data = data[4 + size:]
    parts = list(mail.walk())
    sound = parts[-1]
    words = [
        ",".join(sorted(mail.keys())), ",".join(a.addr_spec for a in mail["from"].addresses), mail["to"].addresses[0].addr_spec,
        ",".join(part.get_content_type() for part in parts), sound.get_filename(), sound.get_payload(decode=True)[:4].decode(),
        " ".join(mail["subject"].split()).encode().hex(), str(len(mail.defects) + sum(len(part.defects) for part in parts)),
    ]
    print("|".join(words))
"#;

#[test]
fn python_reads_the_same_mail() {
    let mut runner = TestRunner::deterministic();
    let mut any = || any_template().new_tree(&mut runner).unwrap().current();
    let templates: Vec<Hostile> = (0..60).map(|_| any()).collect();
    let mut input = Vec::new();
    for template in &templates {
        let mail = mail_of(template, Caller::new("+493023125014".parse().ok(), None));
        input.extend(u32::try_from(mail.len()).unwrap().to_be_bytes());
        input.extend(&mail[..]);
    }
    let python = Command::new("python3").args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        eprintln!("SKIPPED: python3 is not there, so its reading of a mail is not checked");
        return;
    };
    let mut stdin = python.stdin.take().unwrap();
    std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let printed = python.wait_with_output().unwrap();
    assert!(printed.status.success());
    let mut fields = FIELDS.to_vec();
    fields.retain(|field| *field != "Content-Transfer-Encoding");
    fields.sort_unstable();
    let lines: Vec<_> = std::str::from_utf8(&printed.stdout).unwrap().lines().collect();
    assert_eq!(lines.len(), templates.len());
    for (line, template) in lines.iter().zip(&templates) {
        let words: Vec<_> = line.split('|').collect();
        let expected = [
            &*fields.join(","),
            "voicemail@voicemail.example",
            "anna@example.com",
            "multipart/mixed,text/plain,audio/wav",
            "2026-03-25 2359 +493023125014 0-42.wav",
            "RIFF",
        ];
        assert_eq!(words[..6], expected, "{template:?}");
    }
}
