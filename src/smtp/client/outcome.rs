//! The meaning of a server's replies for a message.

use super::error::ClientError;
use super::step::ProtocolStep;
use crate::smtp::{Outcome, Reply};

/// Evaluates the reply to MAIL.
///
/// # Errors
///
/// [`ClientError::NotServed`] for a reply that is about this node and not about its message, [`ClientError::Refused`] for one that refuses
/// the message, [`ClientError::InvalidReply`] for any other.
pub(super) fn of_mail(reply: Reply) -> Result<(), ClientError> {
    match reply.code {
        200..300 => Ok(()),
        // RFC 4954 §6 and RFC 3207 §4: log in first, or begin TLS first.
        530 | 538 => Err(ClientError::not_served("MAIL", reply)),
        BAD_SEQUENCE => Err(ClientError::unexpected("MAIL", &reply)),
        400..600 => Err(ClientError::Refused { step: "MAIL", reply }),
        _ => Err(ClientError::unexpected("MAIL", &reply)),
    }
}

/// Evaluates the reply to RCPT. `None` means that the recipient was accepted, and the reply to the message decides.
pub(super) fn of_recipient(reply: Reply) -> Result<Option<Outcome>, ClientError> {
    match reply.code {
        200..300 => Ok(None),
        BAD_SEQUENCE => Ok(Some(Outcome::Deferred(reply))),
        552 if reply.says_too_big() => Ok(Some(Outcome::Refused(reply))),
        // RFC 5321 §4.5.3.1.10: some say 552 where 452 is meant, for too many recipients or a full mailbox.
        552 | 400..500 => Ok(Some(Outcome::Deferred(reply))),
        500..600 => Ok(Some(Outcome::Refused(reply))),
        _ => Err(ClientError::unexpected("RCPT", &reply)),
    }
}

/// Evaluates the reply at `step` that ended the message, for every recipient that was accepted.
///
/// Any 2yz after the end of the message is acceptance. RFC 5321 §4.2.
pub(super) fn of_message(step: ProtocolStep, reply: Reply) -> Result<Outcome, ClientError> {
    match reply.code {
        200..300 if step == ProtocolStep::End => Ok(Outcome::Accepted),
        BAD_SEQUENCE => Err(ClientError::unexpected(step.name(), &reply)),
        400..500 => Ok(Outcome::Deferred(reply)),
        500..600 => Ok(Outcome::Refused(reply)),
        _ => Err(ClientError::unexpected(step.name(), &reply)),
    }
}

/// Returns the outcome of a message that exceeds the server's size limit: the server would reply the same. RFC 1870 §6.1, RFC 3463 §3.4.
pub(super) fn too_big(bytes: usize, limit: u64) -> Outcome {
    Outcome::Refused(Reply::new(552, format!("5.3.4 the message has {bytes} bytes, and at most {limit} are taken")))
}

/// Whether a reply to BDAT says that the server does not know the command, although it offers it. RFC 5321 §4.2.4.
pub(super) fn is_unknown_command(reply: &Reply) -> bool {
    matches!(reply.code, 500..=502 | 504)
}

/// The code for a bad sequence of commands: an error of the client or the server, never of the message.
const BAD_SEQUENCE: u16 = 503;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_2yz_at_the_end_of_data_accepts_and_only_there() {
        for (code, text) in [(250, "ok"), (200, ""), (250, "2.1.5 recipient ok"), (251, "2.6.0 x"), (259, "x")] {
            assert_eq!(of_message(ProtocolStep::End, Reply::new(code, text)).unwrap(), Outcome::Accepted, "{code}");
        }
        assert!(matches!(of_message(ProtocolStep::Data, Reply::new(250, "ok")), Err(ClientError::InvalidReply(_))));
        for code in [334, 354, 503, 999] {
            assert!(matches!(of_message(ProtocolStep::End, Reply::new(code, "ok")), Err(ClientError::InvalidReply(_))), "{code}");
        }
    }

    #[test]
    fn a_full_mailbox_may_pass_and_a_message_too_big_does_not() {
        for text in ["5.2.2 mailbox full", "too many recipients", ""] {
            assert!(matches!(of_recipient(Reply::new(552, text)), Ok(Some(Outcome::Deferred(_)))), "{text}");
        }
        assert!(matches!(of_recipient(Reply::new(552, "5.3.4 too big")), Ok(Some(Outcome::Refused(_)))));
        assert!(matches!(of_recipient(Reply::new(550, "5.1.1 no such mailbox")), Ok(Some(Outcome::Refused(_)))));
        assert!(matches!(of_recipient(Reply::new(452, "4.2.2 mailbox full")), Ok(Some(Outcome::Deferred(_)))));
    }

    #[test]
    fn a_server_that_wants_a_login_blames_the_node() {
        assert!(matches!(of_mail(Reply::new(530, "5.7.0 log in first")), Err(ClientError::NotServed(_))));
        assert!(matches!(of_mail(Reply::new(550, "5.7.1 not from you")), Err(ClientError::Refused { .. })));
    }
}
