//! [`Envelope`]: the envelope of a message.

use lettre::Address;
use lettre::transport::smtp::commands::{Mail, Rcpt};
use lettre::transport::smtp::extension::{MailParameter, RcptParameter};

use crate::message::MessageId;
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
    /// The id that reports shall name, if reports are asked for.
    pub(crate) report_id: Option<MessageId>,
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
        if let Some(id) = self.report_id.filter(|_| extensions.dsn) {
            // RFC 3461 §4.3: a report with the header section alone is short enough to be taken.
            parameters.push(MailParameter::Other { keyword: "RET".to_owned(), value: Some("HDRS".to_owned()) });
            parameters.push(MailParameter::Other { keyword: "ENVID".to_owned(), value: Some(id.to_string()) });
        }
        Mail::new(self.from.clone(), parameters).to_string()
    }

    /// Returns the RCPT command for the recipient at this index, with its line end.
    pub(super) fn recipient_command(&self, nth: usize, extensions: Extensions) -> String {
        let Some(to) = self.to.get(nth) else { return String::new() };
        let mut parameters = Vec::new();
        if self.report_id.is_some() && extensions.dsn {
            let original = format!("rfc822;{to}");
            parameters
                .push(RcptParameter::Other { keyword: "NOTIFY".to_owned(), value: Some("SUCCESS,FAILURE,DELAY".to_owned()) });
            parameters.push(RcptParameter::Other { keyword: "ORCPT".to_owned(), value: Some(original) });
        }
        Rcpt::new(to.clone(), parameters).to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::mailbox::tests::any_mailbox;
    use crate::smtp::{MailRequest, RecipientRequest};

    proptest! {
        #[test]
        fn any_mailbox_is_one_word_of_each_parameter_of_rcpt(mailbox in any_mailbox(), id in any::<[u8; 16]>()) {
            let address = |local: &str| Address::new(local, "vm.example").unwrap();
            let envelope = Envelope {
                from: Some(address("vm+0aa3-b")),
                to: vec![address(mailbox.as_str())],
                size: 5,
                body: BodyType::Text,
                report_id: Some(MessageId::from_bytes(id)),
            };
            let extensions = Extensions { dsn: true, ..Extensions::default() };
            let command = envelope.recipient_command(0, extensions);
            let parameters = command.strip_prefix(&format!("RCPT TO:<{mailbox}@vm.example>")).unwrap();
            prop_assert!(parameters.starts_with(" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;") && parameters.ends_with("\r\n"));
            prop_assert!(command.trim_end().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            let read = RecipientRequest::read(parameters.as_bytes()).unwrap();
            prop_assert_eq!(read.original, Some(format!("rfc822;{mailbox}@vm.example")));
            let command = envelope.mail_command(extensions);
            let parameters = command.strip_prefix("MAIL FROM:<vm+0aa3-b@vm.example>").unwrap();
            let read = MailRequest::read(parameters.as_bytes()).unwrap();
            prop_assert_eq!(read.envelope_id, Some(MessageId::from_bytes(id).to_string()));
        }
    }
}
