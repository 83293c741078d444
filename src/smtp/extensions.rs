//! [`Extensions`]: what a server offers in its reply to EHLO.

use super::sasl::client::Mechanisms;

/// What a server offers, read from its reply to EHLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one keyword of the reply, on its own")]
pub(crate) struct Extensions {
    /// Several commands may be sent before the first is answered. RFC 2920.
    pub(crate) pipelining: bool,
    /// A message may be sent as a counted block. RFC 3030 §2.
    pub(crate) chunking: bool,
    /// Such a block may hold any bytes. RFC 3030 §3.
    pub(crate) binary_mime: bool,
    /// Replies carry a second code that tells what they are about. RFC 2034.
    pub(crate) enhanced_codes: bool,
    /// TLS can begin. RFC 3207.
    pub(crate) starttls: bool,
    /// The mechanisms that AUTH takes. RFC 4954.
    pub(crate) auth: Mechanisms,
    /// A message comes to a mailbox once, however often it is sent: the server is a node of this crate.
    pub(crate) once: bool,
    /// Sizes can be declared. RFC 1870.
    pub(crate) size: SizeLimit,
}

/// What a server says of the size of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SizeLimit {
    /// Nothing: the size is not to be declared.
    #[default]
    NotOffered,
    /// It takes a declared size, and names no limit.
    Unlimited,
    /// It takes a declared size, of at most this many bytes.
    AtMost(u64),
}

impl Extensions {
    /// Whether a message goes as a block (BDAT) rather than by DATA.
    ///
    /// Only where replies carry enhanced status codes: they tell the reply to a block from a late one to the envelope. DATA needs none,
    /// because nothing else is answered 354.
    pub(crate) fn takes_chunks(&self) -> bool {
        self.chunking && self.enhanced_codes
    }

    /// Whether such a block may hold any bytes.
    pub(crate) fn takes_binary(&self) -> bool {
        self.takes_chunks() && self.binary_mime
    }

    /// The same without CHUNKING.
    pub(crate) fn without_chunking(self) -> Self {
        Self { chunking: false, ..self }
    }

    /// The limit that a message of so many bytes is beyond.
    pub(crate) fn limit_below(&self, bytes: usize) -> Option<u64> {
        match self.size {
            SizeLimit::AtMost(limit) => Some(limit).filter(|limit| bytes as u64 > *limit),
            SizeLimit::NotOffered | SizeLimit::Unlimited => None,
        }
    }

    /// Reads the lines of a reply to EHLO, of which the first is the server's name.
    ///
    /// # Source
    ///
    /// RFC 5321 §4.1.1.1: keywords are the same in either case, and unknown ones mean nothing.
    pub(crate) fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for line in lines.skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => found.pipelining = true,
                "CHUNKING" => found.chunking = true,
                "BINARYMIME" => found.binary_mime = true,
                "ENHANCEDSTATUSCODES" => found.enhanced_codes = true,
                "STARTTLS" => found.starttls = true,
                "AUTH" => words.for_each(|name| found.auth.add(name)),
                // What servers older than RFC 4954 say, and many still say beside the other.
                keyword if keyword.starts_with("AUTH=") => {
                    found.auth.add(&keyword["AUTH=".len()..]);
                    words.for_each(|name| found.auth.add(name));
                }
                ONCE => found.once = true,
                "SIZE" => {
                    found.size = match words.next().and_then(|limit| limit.parse().ok()) {
                        None | Some(0) => SizeLimit::Unlimited, // RFC 1870 §4: zero is no limit
                        Some(limit) => SizeLimit::AtMost(limit),
                    };
                }
                _ => {}
            }
        }
        found
    }
}

/// The keyword by which a node of this crate says that it keeps a message once.
///
/// It is ours alone, so it begins with X (RFC 5321 §2.2.2).
pub(crate) const ONCE: &str = "XVOICEMAIL-ONCE";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Extensions {
        Extensions::read(text.lines())
    }

    #[test]
    fn keywords_are_read_in_either_case_and_the_peers_name_is_none() {
        let found = read("STARTTLS\npipelining\nSize 1000\nAUTH LOGIN plain\nXUNKNOWN 1 2\n\nchunking");
        assert!(found.pipelining && found.chunking && !found.auth.is_empty() && !found.starttls && !found.binary_mime);
        assert_eq!(found.size, SizeLimit::AtMost(1000));
    }

    #[test]
    fn a_size_that_is_no_limit_is_none() {
        for line in ["SIZE", "SIZE 0", "SIZE many", "SIZE 99999999999999999999999"] {
            assert_eq!(read(&format!("name\n{line}")).size, SizeLimit::Unlimited, "{line}");
        }
        assert_eq!(read("name").size, SizeLimit::NotOffered);
    }
}
