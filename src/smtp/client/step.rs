//! [`ProtocolStep`]: what a reply answers.

/// What a reply answers, and what an expired wait is reported as.
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
    /// The whole message, by BDAT or DATA.
    End,
    /// A message of nothing, for a server that took no recipient and waits for one.
    EmptyEnd,
    /// A sign of life.
    Noop,
    Quit,
}

impl ProtocolStep {
    /// As errors name it.
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
