//! [`Capabilities`]: what a peer says it can do.

/// What a peer offers, read from its reply to EHLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one keyword of the reply, on its own")]
pub(super) struct Capabilities {
    /// Several commands may be sent before the first is answered. RFC 2920.
    pub(super) pipelining: bool,
    /// A message may be sent as a counted block. RFC 3030 §2.
    pub(super) chunking: bool,
    /// Such a block may hold any bytes. RFC 3030 §3.
    pub(super) binary_mime: bool,
    /// Replies carry a second code that tells what they are about. RFC 2034.
    pub(super) enhanced_codes: bool,
    /// TLS can begin. RFC 3207.
    pub(super) starttls: bool,
    /// A password can be given by AUTH PLAIN. RFC 4954, RFC 4616.
    pub(super) auth_plain: bool,
    /// Sizes can be declared. RFC 1870.
    pub(super) size: SizeLimit,
}

/// What a peer says of the size of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SizeLimit {
    /// Nothing: the size is not to be declared.
    #[default]
    Unspoken,
    /// It takes a declared size, and names no limit.
    Unlimited,
    /// It takes a declared size, of at most this many bytes.
    AtMost(u64),
}

impl Capabilities {
    /// Reads the lines of a reply to EHLO, of which the first is the peer's name.
    ///
    /// # Source
    ///
    /// RFC 5321 §4.1.1.1: keywords are the same in either case, and unknown ones mean nothing.
    pub(super) fn read<'a>(lines: impl Iterator<Item = &'a str>) -> Self {
        let mut found = Self::default();
        for line in lines.skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "PIPELINING" => found.pipelining = true,
                "CHUNKING" => found.chunking = true,
                "BINARYMIME" => found.binary_mime = true,
                "ENHANCEDSTATUSCODES" => found.enhanced_codes = true,
                "STARTTLS" => found.starttls = true,
                "AUTH" => found.auth_plain |= words.any(|mechanism| mechanism.eq_ignore_ascii_case("PLAIN")),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Capabilities {
        Capabilities::read(text.lines())
    }

    #[test]
    fn keywords_are_read_in_either_case_and_the_peers_name_is_none() {
        let found = read("STARTTLS\npipelining\nSize 1000\nAUTH LOGIN plain\nXUNKNOWN 1 2\n\nchunking");
        assert!(found.pipelining && found.chunking && found.auth_plain && !found.starttls && !found.binary_mime);
        assert_eq!(found.size, SizeLimit::AtMost(1000));
    }

    #[test]
    fn a_size_that_is_no_limit_is_none() {
        for line in ["SIZE", "SIZE 0", "SIZE many", "SIZE 99999999999999999999999"] {
            assert_eq!(read(&format!("name\n{line}")).size, SizeLimit::Unlimited, "{line}");
        }
        assert_eq!(read("name").size, SizeLimit::Unspoken);
    }
}
