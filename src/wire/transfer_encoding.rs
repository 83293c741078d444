//! [`TransferEncoding`]: the transfer encodings that are written.

/// The transfer encoding in which a sound is written into a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferEncoding {
    /// Base64 in lines of 76 characters, a third longer than the sound: for every mail server.
    Base64,
    /// The bytes themselves: for a server that offers BINARYMIME (RFC 3030), and for files that no other program opens. Not for a Maildir, because
    /// an IMAP server changes line ends.
    Binary,
}

impl TransferEncoding {
    /// The value of `Content-Transfer-Encoding`, RFC 2045 §6.1.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Base64 => "base64",
            Self::Binary => "binary",
        }
    }
}
