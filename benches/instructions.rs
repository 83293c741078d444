//! How many instructions encoding, decoding and a dialogue take: for `benches/instructions.sh`, which runs this under valgrind.
//!
//! Run as `instructions CASE TIMES`, it does one case so many times; the script runs each with two numbers and divides the difference,
//! so that start-up and preparation are in neither. Without arguments, as under `cargo bench`, it only says so.
//!
//! Every case has a recording of 30 s of mu-law. `encode`: to a base64 mail in one piece. `decode`: back. `digest`: one SHA-256 of the
//! recording, which the script takes off `decode`, because it would hide all else there. `dialogue-bdat`, `dialogue-data`: one session
//! from the greeting to the moment when its message has arrived whole and is handed to the store, fed in pieces of 64 KiB; the sockets,
//! the directory, which answers at once here, and the store are not in the number.

use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Buf as _, BufMut, Bytes, BytesMut};
use chrono::DateTime;
use sha2::{Digest as _, Sha256};
use voicemail::audio::Format;
use voicemail::intake::Access;
use voicemail::message::Message;
use voicemail::smtp::server::{Action, Dialogue, Lookup, MemoryGrant, Peer, Policy};
use voicemail::wire::{TransferEncoding, decode};

use self::support::mail::{mail, message};
use self::support::sound::sound;

mod support {
    pub(crate) mod mail;
    pub(crate) mod sound;
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let asked = match &arguments[..] {
        [case, times] => times.parse().ok().map(|times| (case.as_str(), times)),
        _ => None,
    };
    let Some((case, times)) = asked else { return println!("instructions are counted by benches/instructions.sh") };
    let message = message(&sound(Format::TELEPHONE_PCMU, 30));
    let mail = mail(&message, TransferEncoding::Base64);
    match case {
        "encode" => repeat(times, || encoded(black_box(&message))),
        "decode" => repeat(times, || decode(black_box(&mail)).expect("a message")),
        "digest" => repeat(times, || Sha256::digest(black_box(message.audio().bytes()))),
        "dialogue-bdat" => {
            let session = session(&format!("BDAT {} LAST\r\n", mail.len()), &mail, "");
            repeat(times, || converse(black_box(&session)));
        }
        "dialogue-data" => {
            let session = session("DATA\r\n", &mail, ".\r\n");
            repeat(times, || converse(black_box(&session)));
        }
        unknown => panic!("no case {unknown}"),
    }
}

fn repeat<T>(times: usize, mut case: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(case());
    }
}

fn encoded(message: &Message) -> Bytes {
    mail(message, TransferEncoding::Base64)
}

/// All that a peer says that sends one message. It declares the size, as mail servers do: a buffer that had to grow would be copied or not,
/// depending on where the allocator has put it.
fn session(begin: &str, mail: &[u8], end: &str) -> Bytes {
    let size = mail.len();
    let commands =
        format!("EHLO edge.example\r\nMAIL FROM:<node@edge.example> SIZE={size}\r\nRCPT TO:<2001@voicemail.example>\r\n");
    [commands.as_bytes(), begin.as_bytes(), mail, end.as_bytes()].concat().into()
}

/// Has a dialogue with a peer that says all of `said`; answers what is to be stored, and what was replied.
fn converse(said: &Bytes) -> (Bytes, BytesMut) {
    let mut policy = Policy::new("vm1.voicemail.example", "voicemail.example");
    policy.access = Access::anyone_anywhere();
    let now = Instant::now();
    let mut dialogue = Dialogue::new(Arc::new(policy), Peer::default(), now);
    dialogue.handle_time(now);
    let (mut said, mut input, mut replies) = (said.clone(), BytesMut::new(), BytesMut::new());
    loop {
        dialogue.handle_input(&mut input, now);
        match dialogue.poll_action() {
            Some(Action::LookUp(..)) => dialogue.handle_lookup(Lookup::Found, now),
            Some(Action::Reserve) => dialogue.handle_memory_grant(MemoryGrant::Granted { at: DateTime::UNIX_EPOCH }, now),
            Some(Action::Store(delivery)) => return (delivery.mail, replies),
            Some(Action::Spill(_) | Action::StartTls | Action::Close | Action::PermitLogin | Action::CheckLogin(_)) => {
                panic!("nobody asked for it: {replies:?}")
            }
            None => {
                assert!(said.has_remaining(), "the message ends: {replies:?}");
                let space = if input.is_empty() { dialogue.poll_space() } else { None };
                let piece = said.split_to(said.len().min(PIECE).min(space.as_ref().map_or(PIECE, BufMut::remaining_mut)));
                match space {
                    Some(mut space) => {
                        space.put_slice(&piece);
                        dialogue.handle_filled(piece.len(), now);
                    }
                    None => input.extend_from_slice(&piece),
                }
            }
        }
        replies.extend(dialogue.poll_output().into_iter().flatten());
    }
}

const PIECE: usize = 64 * 1024;
