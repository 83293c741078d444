//! [`Parts`]: the mail of a message, as it is written, part by part.

use std::io;
use std::slice;
use std::sync::Arc;

use bytes::Bytes;

use super::context::StoreContext;
use crate::message::{MailFile, MailboxId, Message};
use crate::wire::{self, Addresses, Encoded, EncodedSound, TransferEncoding};

/// The mail of a message, in parts: the one that it arrived as, byte for byte, or one that is made of it. Reading blocks.
#[derive(Debug)]
pub(super) struct Parts {
    size: u64,
    before: std::vec::IntoIter<Bytes>,
    large: LargePart,
    after: Option<Bytes>,
}

/// The part of a mail that is not in memory at once.
#[derive(Debug)]
enum LargePart {
    Nothing,
    Sound(EncodedSound),
    File { file: Arc<dyn MailFile>, at: u64 },
}

impl Parts {
    /// The mail of `message`; one that is made is addressed to `mailbox`.
    pub(super) fn of(message: &Message, context: &StoreContext, mailbox: &MailboxId) -> Self {
        if let Some(mail) = message.mail() {
            return Self::whole(vec![mail.clone()]);
        }
        if let Some(file) = message.mail_file() {
            let large = LargePart::File { file: Arc::clone(file), at: 0 };
            return Self { size: file.size(), before: Vec::new().into_iter(), large, after: None };
        }
        let addresses = Addresses::new(&context.host, &context.domain, slice::from_ref(mailbox));
        if message.audio().in_memory().is_some() {
            let Encoded { head, audio, tail } = wire::encode(message, &addresses, TransferEncoding::Base64);
            return Self::whole(vec![head, audio, tail]);
        }
        let mail = wire::encode_in_pieces(message, &addresses, TransferEncoding::Base64);
        let (size, large) = (mail.len(), LargePart::Sound(mail.sound()));
        Self { size, before: vec![mail.head].into_iter(), large, after: Some(mail.tail) }
    }

    fn whole(parts: Vec<Bytes>) -> Self {
        let size = parts.iter().map(|part| part.len() as u64).sum();
        Self { size, before: parts.into_iter(), large: LargePart::Nothing, after: None }
    }

    /// How many bytes the mail has.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

impl Iterator for Parts {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        if let Some(part) = self.before.next() {
            return Some(Ok(part));
        }
        let part = match &mut self.large {
            LargePart::Nothing => None,
            LargePart::Sound(sound) => sound.next(),
            LargePart::File { at, .. } if *at == self.size => None,
            LargePart::File { file, at } => {
                let len = PIECE.min(self.size - *at);
                let part = file.read_at(*at, usize::try_from(len).unwrap_or(usize::MAX));
                *at += len;
                Some(part.map(Bytes::from))
            }
        };
        part.or_else(|| self.after.take().map(Ok))
    }
}

/// How much of a mail is copied at once.
const PIECE: u64 = 256 * 1024;
