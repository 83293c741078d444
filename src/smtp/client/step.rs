//! [`ProtocolStep`]: the step of the protocol that a reply belongs to.

/// The step of the protocol that a reply belongs to; a timeout is reported with its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProtocolStep {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Reset,
    Mail,
    Recipient,
    Data,
    /// The end of the message, by BDAT or DATA.
    End,
    /// The end of an empty message, for a server that accepted no recipient and waits for a message.
    EmptyEnd,
    Noop,
    Quit,
}

impl ProtocolStep {
    /// Returns the name of the step in errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::Helo => "HELO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::End | Self::EmptyEnd => "end of data",
            Self::Noop => "NOOP",
            Self::Quit => "QUIT",
        }
    }
}
