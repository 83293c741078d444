//! [`Envelope`].

use lettre::Address;
use lettre::transport::smtp::commands::{Mail, Rcpt};
use lettre::transport::smtp::extension::MailParameter;

use crate::smtp::extensions::{Extensions, SizeLimit};

/// What a message is sent with.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    /// Whom failures come back to; nobody, for an answer of a machine.
    pub(crate) from: Option<Address>,
    /// One recipient at least.
    pub(crate) to: Vec<Address>,
    /// How many bytes the message has.
    pub(crate) size: usize,
    pub(crate) body: BodyType,
}

/// What is in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyType {
    /// Lines of ASCII.
    Text,
    /// Any bytes, which only a server with BINARYMIME takes.
    Binary,
}

impl Envelope {
    /// The MAIL command, with its line end.
    pub(super) fn mail_command(&self, extensions: Extensions) -> String {
        let mut parameters = Vec::new();
        if extensions.size != SizeLimit::NotOffered {
            parameters.push(MailParameter::Size(self.size));
        }
        if self.body == BodyType::Binary {
            parameters.push(MailParameter::Other { keyword: "BODY".to_owned(), value: Some("BINARYMIME".to_owned()) });
        }
        Mail::new(self.from.clone(), parameters).to_string()
    }

    /// The RCPT command for one of the recipients, with its line end.
    pub(super) fn recipient_command(&self, nth: usize) -> String {
        self.to.get(nth).map(|to| Rcpt::new(to.clone(), Vec::new()).to_string()).unwrap_or_default()
    }
}
