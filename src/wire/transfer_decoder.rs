//! [`TransferDecoder`]: decodes the transfer encoding of a sound piece by piece.

use std::io;

use encodify::base64::{self, Decoder};
use encodify::qp;

/// A transfer encoding of a part (RFC 2045 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartEncoding {
    Base64,
    QuotedPrintable,
    Identity,
}

impl PartEncoding {
    /// Returns the encoding with this name, in lower case.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "base64" => Some(Self::Base64),
            "quoted-printable" => Some(Self::QuotedPrintable),
            "binary" | "8bit" | "7bit" => Some(Self::Identity),
            _ => None,
        }
    }
}

/// Decodes the bytes of `windows`, one after the other, wherever they are cut.
///
/// Bytes that are not in this encoding give [`InvalidData`](io::ErrorKind::InvalidData), and nothing after it.
pub(super) struct TransferDecoder<I> {
    windows: I,
    packed: PartEncoding,
    decoder: Decoder,
    /// The beginning of a line that continues in the next window.
    begun: Vec<u8>,
    over: bool,
}

impl<I: Iterator<Item = io::Result<Vec<u8>>>> TransferDecoder<I> {
    pub(super) fn new(packed: PartEncoding, windows: I) -> Self {
        Self { windows, packed, decoder: base64::MIME.decoder(), begun: Vec::new(), over: false }
    }

    fn unpack(&mut self, window: Vec<u8>) -> io::Result<Vec<u8>> {
        match self.packed {
            PartEncoding::Identity => Ok(window),
            PartEncoding::Base64 => self.symbols(&window),
            PartEncoding::QuotedPrintable => self.lines(&window),
        }
    }

    fn symbols(&mut self, window: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::with_capacity(window.len() / 4 * 3 + 6);
        let mut rest = window;
        // Whole groups of four are read all lines at once; the others symbol by symbol.
        if self.decoder.is_aligned() && memchr::memchr(b'=', window).is_none() {
            let line = memchr::memrchr(b'\n', window).map_or(0, |at| at + 1);
            let symbols = window[..line].iter().filter(|byte| !is_space(**byte)).count();
            if symbols % 4 == 0 {
                base64::MIME.decode_append(&window[..line], &mut out).map_err(|_| invalid())?;
                rest = &window[line..];
            }
        }
        while !rest.is_empty() {
            let read = self.decoder.decode_symbols(rest, &mut out);
            let Some((next, others)) = rest[read..].split_first() else { break };
            match next {
                b'=' => self.decoder.pad(&mut out),
                space if is_space(*space) => {}
                _ => return Err(invalid()),
            }
            rest = others;
        }
        Ok(out)
    }

    fn lines(&mut self, window: &[u8]) -> io::Result<Vec<u8>> {
        let Some(end) = memchr::memrchr(b'\n', window).map(|at| at + 1) else {
            self.begun.extend_from_slice(window);
            return if self.begun.len() > LONGEST_LINE { Err(invalid()) } else { Ok(Vec::new()) };
        };
        self.begun.extend_from_slice(&window[..end]);
        let unpacked = qp::BINARY.decode(&self.begun).map(std::borrow::Cow::into_owned).map_err(|_| invalid());
        self.begun.clear();
        self.begun.extend_from_slice(&window[end..]);
        unpacked
    }

    /// Decodes the bytes that are left at the end.
    fn finish(&mut self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        self.decoder.finish(&mut out);
        if !self.begun.is_empty() {
            out = qp::BINARY.decode(&self.begun).map(std::borrow::Cow::into_owned).map_err(|_| invalid())?;
        }
        Ok(out)
    }
}

impl<I: Iterator<Item = io::Result<Vec<u8>>>> Iterator for TransferDecoder<I> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        if self.over {
            return None;
        }
        let next = self.windows.next();
        self.over = next.is_none();
        let piece = if let Some(window) = next { window.and_then(|window| self.unpack(window)) } else { self.finish() };
        self.over |= piece.is_err();
        Some(piece)
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c)
}

fn invalid() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// The longest line, far longer than any mail program writes: RFC 2045 §6.7 allows 76 characters.
const LONGEST_LINE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpacked(packed: PartEncoding, text: &[u8], window: usize) -> Option<Vec<u8>> {
        let windows: Vec<_> = text.chunks(window).map(|window| Ok(window.to_vec())).collect();
        TransferDecoder::new(packed, windows.into_iter()).collect::<Result<Vec<_>, _>>().ok().map(|pieces| pieces.concat())
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let symbols = prop::sample::select(vec![
            "QUJD", "QU", "Q", "=", "==", "\r\n", "\n", " ", "=3D", "=0A", "=\r\n", "\t\r\n", "-", "é",
        ]);
        let long = Just("QUJDREVG".repeat(30));
        let pieces = prop_oneof![8 => symbols.prop_map(str::to_owned), 1 => long];
        prop::collection::vec(pieces, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn any_windows_give_what_the_whole_gives(text in text(), window in 1..300_usize) {
            prop_assert_eq!(unpacked(PartEncoding::Base64, &text, window), base64::MIME.decode(&text).ok());
            let whole = qp::BINARY.decode(&text).ok().map(std::borrow::Cow::into_owned);
            prop_assert_eq!(unpacked(PartEncoding::QuotedPrintable, &text, window), whole);
        }
    }
}
