//! What a peer's replies mean for a message: deciding, apart from speaking.

use super::fault::Fault;
use crate::forward::{Outcome, Reply};

/// Whether MAIL was taken.
///
/// # Errors
///
/// [`Fault::NotServed`] for a reply that is about this node and not about its message.
pub(super) fn of_mail(reply: Reply) -> Result<(), Fault> {
    match reply.code {
        250 => Ok(()),
        // RFC 4954 §6 and RFC 3207 §4: log in first, or begin TLS first.
        530 | 538 => Err(Fault::not_served("MAIL", reply)),
        BAD_SEQUENCE => Err(Fault::unexpected("MAIL", &reply)),
        400..600 => Err(Fault::Refused { step: "MAIL", reply }),
        _ => Err(Fault::unexpected("MAIL", &reply)),
    }
}

/// What became of one recipient: `None` if the peer takes it and the message decides.
pub(super) fn of_recipient(reply: Reply) -> Result<Option<Outcome>, Fault> {
    match reply.code {
        250 | 251 => Ok(None),
        BAD_SEQUENCE => Ok(Some(Outcome::Deferred(reply))),
        552 if is_about_size(&reply) => Ok(Some(Outcome::Refused(reply))),
        // RFC 5321 §4.5.3.1.10: some say 552 where 452 is meant, for too many recipients or a full mailbox.
        552 | 400..500 => Ok(Some(Outcome::Deferred(reply))),
        500..600 => Ok(Some(Outcome::Refused(reply))),
        _ => Err(Fault::unexpected("RCPT", &reply)),
    }
}

/// What became of the message, for every recipient that was taken, by the reply at `step` that ended it.
///
/// Only 250 is acceptance: a peer that says something else in its place answers for nothing. Nor is a 250 that is about an address
/// (RFC 3463 §3.2): that one answers MAIL or RCPT, and came too late or twice.
pub(super) fn of_message(step: &'static str, reply: Reply) -> Result<Outcome, Fault> {
    match reply.code {
        250 if step == END_OF_DATA && !reply.text.starts_with("2.1.") => Ok(Outcome::Accepted),
        BAD_SEQUENCE => Err(Fault::unexpected(step, &reply)),
        400..500 => Ok(Outcome::Deferred(reply)),
        500..600 => Ok(Outcome::Refused(reply)),
        _ => Err(Fault::unexpected(step, &reply)),
    }
}

/// A message that is bigger than a peer has said it takes: what the peer would say. RFC 1870 §6.1, RFC 3463 §3.4.
pub(super) fn too_big(bytes: usize, limit: u64) -> Outcome {
    Outcome::Refused(Reply { code: 552, text: format!("5.3.4 the message has {bytes} bytes, and at most {limit} are taken") })
}

/// 5.3.4 and 5.2.3 mean a message that will always be too long. RFC 3463 §3.3 and §3.4.
fn is_about_size(reply: &Reply) -> bool {
    reply.text.starts_with("5.3.4") || reply.text.starts_with("5.2.3")
}

pub(super) const END_OF_DATA: &str = "end of data";

/// Commands out of order: our fault or the peer's, and in no case the message's.
const BAD_SEQUENCE: u16 = 503;

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, text: &str) -> Reply {
        Reply { code, text: text.to_owned() }
    }

    #[test]
    fn only_250_at_the_end_of_data_accepts() {
        assert_eq!(of_message(END_OF_DATA, reply(250, "ok")).unwrap(), Outcome::Accepted);
        assert!(matches!(of_message("DATA", reply(250, "ok")), Err(Fault::Nonsense(_))));
        assert!(matches!(of_message(END_OF_DATA, reply(250, "2.1.5 recipient ok")), Err(Fault::Nonsense(_))));
        for code in [200, 220, 221, 251, 252, 334, 354, 503, 999] {
            assert!(matches!(of_message(END_OF_DATA, reply(code, "ok")), Err(Fault::Nonsense(_))), "{code}");
        }
    }

    #[test]
    fn a_full_mailbox_or_too_many_recipients_may_pass_and_a_message_that_is_too_big_does_not() {
        for text in ["5.2.2 mailbox full", "too many recipients", ""] {
            assert!(matches!(of_recipient(reply(552, text)), Ok(Some(Outcome::Deferred(_)))), "{text}");
        }
        assert!(matches!(of_recipient(reply(552, "5.3.4 too big")), Ok(Some(Outcome::Refused(_)))));
        assert!(matches!(of_recipient(reply(550, "5.1.1 no such mailbox")), Ok(Some(Outcome::Refused(_)))));
        assert!(matches!(of_recipient(reply(452, "4.2.2 mailbox full")), Ok(Some(Outcome::Deferred(_)))));
    }

    #[test]
    fn a_peer_that_wants_a_login_blames_the_node_and_not_the_message() {
        let error = of_mail(reply(530, "5.7.0 log in first")).unwrap_err().into_error("peer");
        assert!(error.is_transient(), "{error}");
        let error = of_mail(reply(550, "5.7.1 not from you")).unwrap_err().into_error("peer");
        assert!(!error.is_transient(), "{error}");
    }
}
