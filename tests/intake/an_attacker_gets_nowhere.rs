//! Known attacks on mail servers, in plain text and under TLS, at default settings: each gets its reply, leaves nothing in any mailbox, and
//! keeps commands and replies in step.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::test_intake;

use std::time::Duration;

use test_intake::{MAILBOXES, SmtpClient, TestIntake, address_of, own_mail};
use voicemail::intake::{Access, KnownPeer, ListenMode, Sites, StoredPassword};

const EHLO: &str = "EHLO pbx.example\r\n";
const MAIL: &str = "MAIL FROM:<node@berlin.example>\r\n";
const RCPT: &str = "RCPT TO:<2001@vm.example>\r\n";

/// An attack: the bytes sent at once, the codes of the replies, and the number of messages that are stored because of it.
struct Attack {
    name: String,
    sent: Vec<u8>,
    codes: &'static str,
    stored: u32,
}

fn attack(name: impl Into<String>, sent: impl AsRef<[u8]>, codes: &'static str) -> Attack {
    Attack { name: name.into(), sent: sent.as_ref().to_vec(), codes, stored: 0 }
}

/// Runs an attack in plain text and under TLS, with the same result.
fn attacks() -> Vec<Attack> {
    [smuggling(), relaying(), other_protocols(), paths(), line_ends(), endless(), chunks(), sizes(), forms()]
        .into_iter()
        .flatten()
        .collect()
}

/// SMTP smuggling: a second message after an end of data that only other servers accept.
fn smuggling() -> Vec<Attack> {
    let start = start();
    let text = String::from_utf8(own_mail()).unwrap();
    let mut all = Vec::new();
    for trick in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r.\r", "\r.\n", "\n.\r", "\r\n.\n", "\r\n.\r"] {
        let sent = format!("{start}DATA\r\n{text}x{trick}{MAIL}{RCPT}DATA\r\n{text}\r\n.\r\nNOOP\r\n");
        all.push(attack(format!("smuggling by {trick:?}"), sent, "250 250 250 354 554 250"));
    }
    all.push(Attack {
        stored: 1,
        ..attack("the true end", format!("{start}DATA\r\n{text}\r\n.\r\nNOOP\r\n"), "250 250 250 354 250 250")
    });
    all
}

/// Addresses that ask for relaying.
fn relaying() -> Vec<Attack> {
    let mut all = Vec::new();
    for path in [
        "2001@elsewhere.example",
        "2001%elsewhere.example@vm.example",
        "elsewhere.example!2001@vm.example",
        "\"2001@elsewhere.example\"@vm.example",
        "\"2001\\@elsewhere.example\"@vm.example",
        "@vm.example:2001@elsewhere.example",
        "@vm.example,@elsewhere.example:2001@vm.example",
        "2001@[127.0.0.1]",
        "2001@[IPv6:::1]",
        "2001@vm.example.elsewhere.example",
    ] {
        let sent = format!("{EHLO}{MAIL}RCPT TO:<{path}>\r\nDATA\r\nNOOP\r\n");
        all.push(attack(format!("relaying by {path}"), sent, "250 250 550 554 250"));
    }
    for path in [
        "2001@vm.example@elsewhere.example",
        "2001@",
        "@vm.example",
        "2001@vm.example>,<2002@elsewhere.example",
        "2001@vm.example.",
        "2001@vm..example",
        "2001@[300.1.1.1]",
    ] {
        let sent = format!("{EHLO}{MAIL}RCPT TO:<{path}>\r\nNOOP\r\n");
        all.push(attack(format!("relaying by {path}"), sent, "250 250 501 250"));
    }
    all
}

/// A whole transaction in the body of another protocol's request.
fn other_protocols() -> Vec<Attack> {
    let transaction = format!("{}BDAT {} LAST\r\n{}", start(), own_mail().len(), String::from_utf8(own_mail()).unwrap());
    let mut all = Vec::new();
    for request in
        ["POST / HTTP/1.1\r\nHost: vm.example\r\n\r\n", "put /x", "INVITE sip:2001@vm.example SIP/2.0\r\n", "\x16\x03\x01\x02"]
    {
        all.push(attack(format!("behind {request:?}"), format!("{request}{transaction}"), "421"));
    }
    all.push(attack("behind header lines", format!("Host: vm.example\r\nAccept: */*\r\n\r\n{transaction}"), "500 500 421"));
    all
}

/// Mailbox names that are paths of files.
fn paths() -> Vec<Attack> {
    let mut all = Vec::new();
    for local in [
        "../2001",
        "..",
        ".",
        "2001/../2002",
        "/etc/passwd",
        "%2e%2e%2f2001",
        "~root",
        "\"../2001\"",
        "\"..\\/2001\"",
        "\"2001 \"",
        "\"a\\\\b\"",
    ] {
        let sent = format!("{EHLO}{MAIL}RCPT TO:<{local}@vm.example>\r\nNOOP\r\n");
        all.push(attack(format!("a path, {local}"), sent, "250 250 550 250"));
    }
    all.push(attack("a path with NUL", format!("{EHLO}{MAIL}RCPT TO:<2001\0@vm.example>\r\nNOOP\r\n"), "250 250 501 250"));
    all
}

/// Line ends in wrong places.
fn line_ends() -> Vec<Attack> {
    let mut all = Vec::new();
    for (line, codes) in [
        ("EHLO a\nMAIL FROM:<a@b>\r\n", "500 250"),
        ("EHLO a\rMAIL FROM:<a@b>\r\n", "500 250"),
        ("EHLO a\r\nMAIL FROM:<a\n@b>\r\n", "250 500 250"),
        ("EHLO a\r\nMAIL FROM:<a@b> SIZE=1\rX\r\n", "250 500 250"),
        ("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<2001\r@vm.example>\r\n", "250 250 500 250"),
        ("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<2001@vm.example\n>\r\n", "250 250 500 250"),
        ("VRFY a\nb\r\n", "500 250"),
        ("HELP\nQUIT\r\n", "500 250"),
    ] {
        all.push(attack(format!("a line end inside, {line:?}"), format!("{line}NOOP\r\n"), codes));
    }
    all
}

/// Endless lines and lists.
fn endless() -> Vec<Attack> {
    let mut all = Vec::new();
    all.push(attack("a line of 5000 bytes", format!("NOOP {:5000}\r\nNOOP\r\n", ""), "500 250"));
    all.push(attack("a line of 50000 bytes", format!("NOOP {:50000}\r\nNOOP\r\n", ""), "500"));
    let recipients: Vec<String> = (2001..=2101).map(|number: u32| format!("RCPT TO:<{number}@vm.example>\r\n")).collect();
    let recipients = recipients.concat();
    let codes: &'static str = format!("250 250 {}452 250", "250 ".repeat(100)).leak();
    all.push(attack("a recipient more than a hundred", format!("{EHLO}{MAIL}{recipients}NOOP\r\n"), codes));
    let codes: &'static str = format!("250 {}421", "500 ".repeat(20)).leak();
    all.push(attack("nonsense without end", format!("{EHLO}{}NOOP\r\n", "XYZZY\r\n".repeat(30)), codes));
    all
}

/// Malformed BDAT commands.
fn chunks() -> Vec<Attack> {
    let start = start();
    let mut all = Vec::new();
    for (line, codes) in [
        ("BDAT 99999999999999999999 LAST\r\nNOOP\r\n", "250 250 250 501"),
        ("BDAT -1 LAST\r\nNOOP\r\n", "250 250 250 501"),
        ("BDAT 4\nLAST\r\nNOOP\r\n", "250 250 250 501"),
        ("BDAT 6 FIRST\r\nRSET\r\n", "250 250 250 501"),
        ("BDAT 6\r\nRSET\r\nDATA\r\nRSET\r\nNOOP\r\n", "250 250 250 250 503 250 250"),
        ("BDAT 6\r\nRSET\r\nRCPT TO:<2002@vm.example>\r\nBDAT 0 LAST\r\nNOOP\r\n", "250 250 250 250 503 554 250"),
    ] {
        all.push(attack(format!("{line:?}"), format!("{start}{line}"), codes));
    }
    let sent = format!("{EHLO}{MAIL}RCPT TO:<9@vm.example>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    all.push(attack("chunks of a transaction that has failed", sent, "250 250 550 554 554 250"));
    let long = format!("{start}BDAT 6 LAST{:3000}\r\nQUIT\r\nNOOP\r\n", "");
    all.push(attack("a BDAT line too long to be read", long, "250 250 250 500"));
    all
}

/// Sizes that are wrong or beyond the limit.
fn sizes() -> Vec<Attack> {
    let mut all = Vec::new();
    all.push(attack("a size beyond the limit", format!("{EHLO}MAIL FROM:<a@b> SIZE=26214401\r\nNOOP\r\n"), "250 552 250"));
    let digits = format!("{EHLO}MAIL FROM:<a@b> SIZE=100000000000000000000\r\nNOOP\r\n");
    all.push(attack("a size of 21 digits", digits, "250 501 250"));
    all.push(attack(
        "a size beyond all numbers",
        format!("{EHLO}MAIL FROM:<a@b> SIZE=18446744073709551616\r\nNOOP\r\n"),
        "250 501 250",
    ));
    let mut sent = format!("{EHLO}MAIL FROM:<a@b> SIZE=1\r\n{RCPT}BDAT 26214401 LAST\r\n").into_bytes();
    sent.resize(sent.len() + 26_214_401, b'x');
    sent.extend_from_slice(b"NOOP\r\n");
    all.push(attack("a message larger than it said", sent, "250 250 250 552 250"));
    all
}

/// Mails whose MIME structure is endless or invalid.
fn forms() -> Vec<Attack> {
    let start = start();
    let mut all = Vec::new();
    let date = "Date: Mon, 26 Aug 2019 10:20:20 -0700\r\n";
    let level = |level| format!("Content-Type: multipart/mixed; boundary=b{level}.\r\n\r\n--b{level}.\r\n");
    let sound = "Content-Type: audio/basic\r\n\r\nsound\r\n";
    for (name, mail) in [
        ("multiparts 9 deep", format!("{date}{}{sound}", (0..9).map(level).collect::<String>())),
        ("multiparts 20000 deep", format!("{date}{}{sound}", (0..20_000).map(level).collect::<String>())),
        (
            "65 parts",
            format!("{date}Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b\r\n{sound}", "--b\r\n\r\nx\r\n".repeat(64)),
        ),
        ("a header block of 64 KiB", format!("{date}X: {}\r\n{sound}", "x".repeat(65_536))),
        ("1001 fields", format!("{date}{}{sound}", "X:y\r\n".repeat(1000))),
        ("a header block without end", format!("{date}X: {:1000}", "")),
        ("a sound that is none", format!("{date}Content-Type: audio/wav\r\n\r\nRIFF\x7f\x7f\x7f\x7fWAVEfmt ")),
    ] {
        let sent = format!("{start}BDAT {} LAST\r\n{mail}NOOP\r\n", mail.len());
        all.push(attack(name, sent, "250 250 250 554 250"));
    }
    all.push(attack(
        "a line of 5000 bytes in DATA",
        format!("{start}DATA\r\n{:5000}\r\n.\r\nNOOP\r\n", "x"),
        "250 250 250 354 554 250",
    ));
    all
}

/// A transaction up to and including RCPT.
fn start() -> String {
    format!("{EHLO}{MAIL}{RCPT}")
}

#[tokio::test]
async fn each_attack_gets_its_reply_and_leaves_nothing_behind() {
    for under_tls in [false, true] {
        for Attack { name, sent, codes, stored } in attacks() {
            let house = TestIntake::new(Access::default());
            let mut client = SmtpClient::connect(&house, None).await;
            if under_tls {
                client = client.start_tls().await;
            }
            let replies = client.send_all(sent).await;
            assert_eq!(replies, codes, "{name}, TLS {under_tls}");
            let mut found = 0;
            for mailbox in MAILBOXES {
                found += house.count(mailbox).await;
            }
            assert_eq!(found, stored, "{name}, TLS {under_tls}");
        }
    }
}

#[tokio::test]
async fn commands_injected_around_starttls_are_not_obeyed() {
    let house = TestIntake::new(Access::default());
    for injected in [MAIL, "NOOP\r\n", "EHLO evil.example\r\n", "\r\n", "\x16\x03\x01"] {
        let mut client = SmtpClient::connect(&house, None).await;
        assert_eq!(client.send_all(format!("{EHLO}STARTTLS\r\n{injected}")).await, "250 554", "{injected:?}");
    }
    // A transaction that began before TLS is discarded after the handshake.
    let client = SmtpClient::connect(&house, None).await;
    let mut client = client.start_tls_after(&format!("{EHLO}{MAIL}{RCPT}")).await;
    assert_eq!(client.send_all(format!("DATA\r\n{RCPT}{MAIL}STARTTLS\r\n{EHLO}NOOP\r\n")).await, "503 503 503 503 250 250");
}

#[tokio::test]
async fn no_auth_before_tls_and_no_details_to_unknown_clients() {
    let berlin = KnownPeer::new("berlin".parse().unwrap(), Sites::All).password(StoredPassword::of("correct horse").unwrap());
    let house = TestIntake::new(Access::peers([berlin]));
    let auth = "AUTH PLAIN AGJlcmxpbgBjb3JyZWN0IGhvcnNl\r\n";
    let mut client = SmtpClient::connect(&house, Some(address_of(7))).await;
    assert_eq!(
        client.send_all(format!("{EHLO}{auth}AUTH LOGIN\r\n{MAIL}{RCPT}VRFY 2001\r\nNOOP\r\n")).await,
        "250 538 538 530 503 252 250"
    );
    let mut client = SmtpClient::connect(&house, Some(address_of(7))).await.start_tls().await;
    assert_eq!(client.send_all(format!("{EHLO}{MAIL}{RCPT}{auth}{MAIL}{RCPT}")).await, "250 530 503 235 250 250");
}

#[tokio::test]
async fn a_client_that_speaks_before_the_greeting_gets_none() {
    let house = TestIntake::new(Access::default());
    for early in [EHLO.to_owned(), format!("{EHLO}{MAIL}{RCPT}DATA\r\n"), "\r\n".to_owned()] {
        let mut client = SmtpClient::connect_and_send(&house, &early).await;
        assert_eq!(client.remaining_codes().await, "554", "{early:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_clients_and_unfinished_handshakes_are_closed_in_time() {
    let house = TestIntake::new(Access::default());
    let begun = tokio::time::Instant::now();
    let mut half_open = SmtpClient::connect_silently(&house, ListenMode::ImplicitTls, Some(address_of(1)));
    assert_eq!(half_open.remaining_codes().await, "");
    assert_eq!(begun.elapsed(), Duration::from_secs(30), "a handshake that never comes");

    for (beginning, at_most) in
        [("", 305), (EHLO, 305), ("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<2001@vm.example>\r\nDATA\r\n", 65)]
    {
        let mut client = SmtpClient::connect(&house, None).await;
        client.send(beginning.as_bytes()).await;
        let begun = tokio::time::Instant::now();
        let mut dripped = 0;
        while client.send_if_open(b"x").await {
            dripped += 1;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let took = begun.elapsed().as_secs();
        assert!(took <= at_most, "{beginning:?}: {dripped} bytes in {took} s");
    }
}
