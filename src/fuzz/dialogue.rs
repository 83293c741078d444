//! [`dialogue`]: a whole SMTP session of arbitrary bytes.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use chrono::DateTime;

use crate::forward::TlsVersion;
use crate::intake::{Access, Cidr, KnownPeer, Limits, Reply, Sites, StoredPassword};
use crate::message::Origin;
use crate::smtp::server::{
    Action, Dialogue, LoginOutcome, LoginPermit, Lookup, MemoryGrant, Peer, Policy, Protocol, Recipient, Spill,
};
use crate::wire;

/// Gives bytes to an SMTP server, and to an LMTP server, as the whole session of a client.
///
/// The bytes are given line by line, byte by byte and in one piece, and must get the same replies each time. A reply line has at
/// most 512 bytes, which are printable ASCII before the line end, and no session continues after it was closed.
pub fn dialogue(bytes: &[u8]) {
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        dialogue_by(protocol, bytes);
    }
}

fn dialogue_by(protocol: Protocol, bytes: &[u8]) {
    let said = answer(protocol, bytes.split_inclusive(|byte| *byte == b'\n'));
    assert_eq!(said, answer(protocol, bytes.chunks(1)), "the same bytes get the same replies however they are cut");
    // RFC 3207 §4.2: bytes that come in one piece with STARTTLS end the session.
    if !bytes.windows(8).any(|word| word.eq_ignore_ascii_case(b"STARTTLS")) {
        assert_eq!(said, answer(protocol, [bytes]), "the same bytes get the same replies in one piece");
    }
    for line in said.split_inclusive('\n') {
        let text = line.strip_suffix("\r\n").expect("a reply line ends with CR LF");
        assert!(line.len() <= 512 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
        assert!(text.len() >= 4 && text.as_bytes()[..3].iter().all(u8::is_ascii_digit), "{line:?}");
    }
}

/// The replies to a client that sends `pieces`.
fn answer<'a>(protocol: Protocol, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let now = Instant::now();
    let mut dialogue = Dialogue::new(Arc::new(policy(protocol)), Peer::default(), now);
    dialogue.handle_time(now);
    let mut input = BytesMut::new();
    let mut said = String::new();
    let mut rooms = 6;
    // The last piece is empty, so that without any bytes there is still the greeting.
    for piece in pieces.into_iter().chain([&[][..]]) {
        input.extend_from_slice(piece);
        loop {
            dialogue.handle_input(&mut input, now);
            match dialogue.poll_action() {
                Some(action) => act(&mut dialogue, protocol, action, &mut rooms, now),
                None => break,
            }
        }
        while let Some(output) = dialogue.poll_output() {
            said.push_str(std::str::from_utf8(&output).expect("replies are ASCII"));
        }
        if dialogue.is_closed() {
            assert_eq!((dialogue.memory_steps(), dialogue.poll_timeout()), (0, None), "a closed session holds nothing");
            break;
        }
        assert!(
            dialogue.poll_timeout().is_some_and(|due| due > now && due <= now + Duration::from_secs(3600)),
            "every session has a timeout"
        );
    }
    said
}

fn act(dialogue: &mut Dialogue, protocol: Protocol, action: Action, rooms: &mut u32, now: Instant) {
    match action {
        Action::LookUp(recipient, _) => {
            let lookup = match recipient {
                Recipient::Mailbox(mailbox) => mailbox.as_str().len() % 4,
                Recipient::Postmaster | Recipient::ReturnPath(_) => 2,
                Recipient::NodeSender => 1,
            };
            let lookup = match lookup {
                0 => Lookup::NotFound,
                1 => Lookup::Failed,
                _ => Lookup::Found,
            };
            dialogue.handle_lookup(lookup, now);
        }
        Action::Reserve => {
            *rooms -= u32::from(*rooms > 0);
            let room = if *rooms > 0 { MemoryGrant::Granted { at: DateTime::UNIX_EPOCH } } else { MemoryGrant::Denied };
            dialogue.handle_memory_grant(room, now);
        }
        Action::Spill(bytes) => dialogue.handle_spill(Spill::NoPlace(bytes), now),
        Action::Store(delivery) => {
            assert!(
                !delivery.mailboxes.is_empty() || delivery.postmaster || delivery.report_to.is_some(),
                "a message has a recipient"
            );
            assert!(delivery.mail.len() <= policy(protocol).limits.message + 1024, "a message is within its limit");
            assert!(delivery.mail.starts_with(b"Received: "), "a message has its trace field");
            let reply = match wire::decode(&delivery.mail) {
                Ok(_) => Reply::new(250, "2.0.0 kept"),
                Err(error) => Reply::with_status(554, "5.6.0", error),
            };
            let mut replies = vec![reply; delivery.mailboxes.len()];
            replies.push(Reply::new(452, "4.2.2 full"));
            match protocol {
                Protocol::Lmtp => dialogue.handle_stored_each(&replies, now),
                Protocol::Smtp => dialogue.handle_stored(&replies[0], now),
            }
        }
        Action::PermitLogin => dialogue.handle_login_permit(LoginPermit::Granted { nonce: [7; Dialogue::NONCE_LEN] }, now),
        // Checking a password takes milliseconds, which is too slow for a fuzzer.
        Action::CheckLogin(attempt) => {
            let shown = format!("{attempt:?}");
            assert_eq!(shown, "LoginAttempt(..)", "Debug does not show credentials");
            dialogue.handle_login("berlin".parse().map_or(LoginOutcome::Refused, LoginOutcome::Proven), now);
        }
        Action::StartTls => dialogue.handle_tls(TlsVersion::V1_3, Origin::Unproven, now),
        Action::Close => {}
    }
}

/// Every client may deliver, and may log in with a password.
static ACCESS: LazyLock<Access> = LazyLock::new(|| {
    let password = StoredPassword::of("correct horse").expect("a password of printable characters");
    let berlin = KnownPeer::new("berlin".parse().expect("a name"), Sites::All).password(password);
    Access::peers([berlin]).and_anyone_on(Cidr::ANYWHERE).passwords_even_in_plain_text()
});

/// Small limits, so that short inputs reach them.
fn policy(protocol: Protocol) -> Policy {
    Policy {
        protocol,
        node: "vm1.example".into(),
        domain: "vm.example".into(),
        has_postmaster: true,
        offers_tls: true,
        offers_binary: true,
        offers_reports: true,
        is_final: true,
        access: ACCESS.clone(),
        limits: Limits { command_line: 512, message: 64 * 1024, recipients: 3, commands: 200, ..Limits::default() },
    }
}
