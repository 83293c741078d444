//! [`Extensions`]: the extensions that a server offers in its reply to EHLO.

use super::sasl::Mechanisms;

/// The extensions that a server offers, read from its reply to EHLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one keyword of the reply")]
pub(crate) struct Extensions {
    /// Several commands may be sent before the first is answered. RFC 2920.
    pub(crate) pipelining: bool,
    /// A message may be sent with BDAT, as chunks of a declared size. RFC 3030 §2.
    pub(crate) chunking: bool,
    /// A chunk may hold any bytes. RFC 3030 §3.
    pub(crate) binary_mime: bool,
    /// Replies carry enhanced status codes. RFC 2034.
    pub(crate) enhanced_codes: bool,
    /// The server accepts STARTTLS. RFC 3207.
    pub(crate) starttls: bool,
    /// The mechanisms that AUTH accepts. RFC 4954.
    pub(crate) auth: Mechanisms,
    /// The server is a node of this crate, which stores a message once however often it is sent.
    pub(crate) once: bool,
    /// The server is a node of this crate that keeps the mailboxes itself, and has the name that was asked for: what it accepts, it has stored.
    pub(crate) is_final: bool,
    /// The server takes requests for delivery reports. RFC 3461.
    pub(crate) dsn: bool,
    /// The limit on the size of messages. RFC 1870.
    pub(crate) size: SizeLimit,
}

/// A server's limit on the size of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SizeLimit {
    /// The server does not offer SIZE, so the client must not declare a size.
    #[default]
    NotOffered,
    /// The server accepts a declared size, and names no limit.
    Unlimited,
    /// The server accepts messages of at most this many bytes.
    AtMost(u64),
}

impl Extensions {
    /// Whether a message is sent by BDAT rather than by DATA.
    ///
    /// BDAT needs enhanced status codes: they distinguish the reply to a chunk from a late one to the envelope. DATA needs none,
    /// because no other command is answered 354.
    pub(crate) fn takes_chunks(&self) -> bool {
        self.chunking && self.enhanced_codes
    }

    /// Whether a message may hold any bytes.
    pub(crate) fn takes_binary(&self) -> bool {
        self.takes_chunks() && self.binary_mime
    }

    /// Returns the same extensions without CHUNKING.
    pub(crate) fn without_chunking(self) -> Self {
        Self { chunking: false, ..self }
    }

    /// Returns the server's limit if a message of so many bytes exceeds it.
    pub(crate) fn limit_below(&self, bytes: usize) -> Option<u64> {
        match self.size {
            SizeLimit::AtMost(limit) => Some(limit).filter(|limit| bytes as u64 > *limit),
            SizeLimit::NotOffered | SizeLimit::Unlimited => None,
        }
    }

    /// Parses the lines of a reply to EHLO, of which the first is the server's name. `peer` is the name that the server should prove.
    ///
    /// # Source
    ///
    /// RFC 5321 §4.1.1.1: the case of a keyword does not matter, and unknown keywords are ignored.
    pub(crate) fn read<'a>(lines: impl Iterator<Item = &'a str>, peer: &str) -> Self {
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
                // Servers older than RFC 4954 send this form, and many others send both.
                keyword if keyword.starts_with("AUTH=") => {
                    found.auth.add(&keyword["AUTH=".len()..]);
                    words.for_each(|name| found.auth.add(name));
                }
                ONCE => found.once = true,
                "DSN" => found.dsn = true,
                KIND => {
                    let is_final = words.next() == Some("1") && words.next().is_some_and(|word| word.eq_ignore_ascii_case(FINAL));
                    found.is_final |= is_final && words.next().is_some_and(|name| name.eq_ignore_ascii_case(peer));
                }
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

/// The keyword by which a node of this crate declares that it stores a message once.
///
/// It is private to this crate, so it begins with X (RFC 5321 §2.2.2).
pub(crate) const ONCE: &str = "XVOICEMAIL-ONCE";

/// The keyword by which a node of this crate says what it is: `XVOICEMAIL 1 FINAL vm1.example`. Later versions may say more, behind another number.
pub(crate) const KIND: &str = "XVOICEMAIL";

/// Says that the node with the name behind it stores messages itself, so that its 250 means that they are in their mailboxes.
pub(crate) const FINAL: &str = "FINAL";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Extensions {
        Extensions::read(text.lines(), "vm1.example")
    }

    #[test]
    fn keywords_are_read_in_either_case_and_the_peers_name_is_none() {
        let found = read("STARTTLS\npipelining\nSize 1000\nAUTH LOGIN plain\nXUNKNOWN 1 2\n\nchunking");
        assert!(found.pipelining && found.chunking && !found.auth.is_empty() && !found.starttls && !found.binary_mime);
        assert_eq!(found.size, SizeLimit::AtMost(1000));
    }

    #[test]
    fn a_node_is_final_by_its_own_name_alone() {
        for line in ["XVOICEMAIL 1 FINAL vm1.example", "xvoicemail 1 final VM1.example", "XVOICEMAIL 1 FINAL vm1.example more"] {
            assert!(read(&format!("name\n{line}")).is_final, "{line}");
        }
        let others = ["", " 1", " 1 FINAL", " 2 FINAL vm1.example", " 1 FINAL vm2.example", " FINAL vm1.example", "-ONCE"];
        for line in others.map(|rest| format!("XVOICEMAIL{rest}")) {
            assert!(!read(&format!("name\n{line}")).is_final, "{line}");
        }
        assert!(!read("XVOICEMAIL 1 FINAL vm1.example").is_final, "the first line is the server's name");
    }

    #[test]
    fn a_size_that_is_no_limit_is_none() {
        for line in ["SIZE", "SIZE 0", "SIZE many", "SIZE 99999999999999999999999"] {
            assert_eq!(read(&format!("name\n{line}")).size, SizeLimit::Unlimited, "{line}");
        }
        assert_eq!(read("name").size, SizeLimit::NotOffered);
    }
}
