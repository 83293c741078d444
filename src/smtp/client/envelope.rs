//! [`Envelope`]: the envelope of a message.

use lettre::Address;
use lettre::transport::smtp::commands::{Mail, Rcpt};
use lettre::transport::smtp::extension::MailParameter;

use crate::smtp::BodyType;
use crate::smtp::extensions::{Extensions, SizeLimit};

/// The envelope of a message, and what MAIL declares of its content.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    /// The address that delivery reports are sent to; `None` for a message that must cause none, such as a receipt.
    pub(crate) from: Option<Address>,
    /// The recipients, at least one.
    pub(crate) to: Vec<Address>,
    /// The size of the message in bytes.
    pub(crate) size: usize,
    pub(crate) body: BodyType,
}

impl Envelope {
    /// Returns the MAIL command, with its line end.
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

    /// Returns the RCPT command for the recipient at this index, with its line end.
    pub(super) fn recipient_command(&self, nth: usize) -> String {
        self.to.get(nth).map(|to| Rcpt::new(to.clone(), Vec::new()).to_string()).unwrap_or_default()
    }
}
