//! The replies of the server: constants, and the reply to EHLO.

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};

use crate::smtp::Reply;
use crate::smtp::command::CommandError;

impl From<CommandError> for Reply {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::BareLineEnd => BARE_LINE_END,
            CommandError::Unknown => UNKNOWN,
            CommandError::NotImplemented => NOT_IMPLEMENTED,
            CommandError::NeedsName => NEEDS_NAME,
            CommandError::NoArgument => NO_ARGUMENT,
            CommandError::NeedsArgument => NEEDS_ARGUMENT,
            CommandError::MailSyntax => MAIL_SYNTAX,
            CommandError::RcptSyntax => RCPT_SYNTAX,
            CommandError::BdatSyntax => BDAT_SYNTAX,
            CommandError::AuthSyntax => AUTH_SYNTAX,
            CommandError::BadSender => BAD_SENDER,
            CommandError::BadRecipient => BAD_RECIPIENT,
            CommandError::NotAscii => NOT_ASCII,
            CommandError::BadParameter => BAD_PARAMETER,
            CommandError::UnknownParameter => UNKNOWN_PARAMETER,
        }
    }
}

/// Writes the reply to EHLO: the node's name, then one line for each extension.
///
/// # Source
///
/// RFC 5321 §4.1.1.1.
pub(crate) fn write_capabilities(
    output: &mut BytesMut,
    node: &str,
    message_limit: usize,
    more: impl IntoIterator<Item = String>,
) {
    // BytesMut grows as needed.
    let _ = write!(output, "250-{node}\r\n250-PIPELINING\r\n250-SIZE {message_limit}\r\n250-8BITMIME\r\n");
    for extension in more {
        let _ = write!(output, "250-{extension}\r\n");
    }
    // BytesMut grows as needed.
    let _ = write!(output, "250-{}\r\n", crate::smtp::extensions::ONCE);
    output.put_slice(b"250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n");
}

/// Writes a challenge, given in base64, which the client answers before its next command.
///
/// # Source
///
/// RFC 4954 §4, which lets it be longer than other replies.
pub(crate) fn write_challenge(output: &mut BytesMut, challenge: &str) {
    output.put_slice(b"334 ");
    output.put_slice(challenge.as_bytes());
    output.put_slice(b"\r\n");
}

pub(crate) const OK: Reply = Reply::constant(250, "2.0.0", "ok");
pub(crate) const SENDER_OK: Reply = Reply::constant(250, "2.1.0", "sender ok");
pub(crate) const RECIPIENT_OK: Reply = Reply::constant(250, "2.1.5", "recipient ok");
pub(crate) const CHUNK_OK: Reply = Reply::constant(250, "2.0.0", "chunk received");
pub(crate) const GO_AHEAD: Reply = Reply::constant(354, "", "end with a dot on a line by itself");
pub(crate) const START_TLS: Reply = Reply::constant(220, "2.0.0", "ready to start TLS");
pub(crate) const CANNOT_VERIFY: Reply = Reply::constant(252, "2.1.5", "cannot say, but will take a message and try");
pub(crate) const HELP: Reply = Reply::constant(214, "2.0.0", "takes voice messages by SMTP, RFC 5321, or LMTP, RFC 2033");
pub(crate) const BYE: Reply = Reply::constant(221, "2.0.0", "bye");

pub(crate) const STOPPING: Reply = Reply::constant(421, "4.3.2", "stopping, try again later");
pub(crate) const CROWDED: Reply = Reply::constant(421, "4.3.2", "too many connections, try again later");
pub(crate) const TOO_SLOW: Reply = Reply::constant(421, "4.4.2", "timed out");
pub(crate) const TOO_LONG_HERE: Reply = Reply::constant(421, "4.4.2", "this session is too old, connect again");
pub(crate) const TOO_MANY_ERRORS: Reply = Reply::constant(421, "4.7.0", "too many errors");
pub(crate) const TOO_MANY_COMMANDS: Reply = Reply::constant(421, "4.7.0", "too many commands");
pub(crate) const OTHER_PROTOCOL: Reply = Reply::constant(421, "4.7.0", "this is a mail server, and that was another protocol");
pub(crate) const NOT_SMTP: Reply = Reply::constant(421, "4.7.0", "too many commands that are not known, and no EHLO");
pub(crate) const SPOKE_FIRST: Reply = Reply::constant(554, "5.5.1", "wait for the greeting before you speak");
pub(crate) const SPOKE_PAST_STARTTLS: Reply = Reply::constant(554, "5.5.1", "nothing may follow STARTTLS before the handshake");

pub(crate) const NO_ROOM: Reply = Reply::constant(452, "4.3.1", "no room for the message now, try again later");
pub(crate) const TOO_MANY_RECIPIENTS: Reply = Reply::constant(452, "4.5.3", "too many recipients, send the rest apart");
pub(crate) const NO_ANSWER: Reply = Reply::constant(451, "4.3.0", "the store gave no answer, try again later");
pub(crate) const DIRECTORY_DOWN: Reply = Reply::constant(451, "4.3.0", "cannot look up mailboxes now, try again later");

pub(crate) const LINE_TOO_LONG: Reply = Reply::constant(500, "5.5.2", "the line is too long");
pub(crate) const BARE_LINE_END: Reply = Reply::constant(500, "5.5.2", "a command ends with CR LF and has neither inside");
pub(crate) const UNKNOWN: Reply = Reply::constant(500, "5.5.1", "command not known");
pub(crate) const NOT_IMPLEMENTED: Reply = Reply::constant(502, "5.5.1", "command not implemented");
pub(crate) const NEEDS_NAME: Reply = Reply::constant(501, "5.5.4", "say your name after EHLO, HELO or LHLO");
pub(crate) const NO_ARGUMENT: Reply = Reply::constant(501, "5.5.4", "this command takes no argument");
pub(crate) const NEEDS_ARGUMENT: Reply = Reply::constant(501, "5.5.4", "this command needs an argument");
pub(crate) const MAIL_SYNTAX: Reply = Reply::constant(501, "5.5.2", "say MAIL FROM:<address>");
pub(crate) const RCPT_SYNTAX: Reply = Reply::constant(501, "5.5.2", "say RCPT TO:<mailbox@domain>");
pub(crate) const BDAT_SYNTAX: Reply =
    Reply::constant(501, "5.5.4", "say BDAT and a number of bytes; the next command cannot be found without it");
pub(crate) const BAD_SENDER: Reply = Reply::constant(501, "5.1.7", "the sender's address cannot be read");
pub(crate) const BAD_RECIPIENT: Reply = Reply::constant(501, "5.1.3", "the recipient's address cannot be read");
pub(crate) const NOT_ASCII: Reply = Reply::constant(553, "5.6.7", "addresses are ASCII here");
pub(crate) const BAD_PARAMETER: Reply = Reply::constant(501, "5.5.4", "the value of a parameter cannot be read");
pub(crate) const UNKNOWN_PARAMETER: Reply = Reply::constant(555, "5.5.4", "a parameter is not known here");

pub(crate) const EHLO_FIRST: Reply = Reply::constant(503, "5.5.1", "say EHLO first");
pub(crate) const LHLO_FIRST: Reply = Reply::constant(503, "5.5.1", "say LHLO first");
pub(crate) const SPEAKS_SMTP: Reply = Reply::constant(500, "5.5.1", "this port speaks SMTP, say EHLO");
pub(crate) const SPEAKS_LMTP: Reply = Reply::constant(500, "5.5.1", "this port speaks LMTP, say LHLO");
pub(crate) const MAIL_FIRST: Reply = Reply::constant(503, "5.5.1", "say MAIL first");
pub(crate) const MAIL_AGAIN: Reply = Reply::constant(503, "5.5.1", "a message is under way already");
pub(crate) const MID_CHUNKS: Reply = Reply::constant(503, "5.5.1", "a message that began with BDAT goes on with BDAT");
pub(crate) const BINARY_NEEDS_BDAT: Reply = Reply::constant(503, "5.5.1", "a BINARYMIME message comes with BDAT");
pub(crate) const NO_RECIPIENTS: Reply = Reply::constant(554, "5.5.1", "no recipient was accepted");
pub(crate) const NO_RECIPIENTS_LMTP: Reply = Reply::constant(503, "5.5.1", "no recipient was accepted");
pub(crate) const TLS_ALREADY: Reply = Reply::constant(503, "5.5.1", "TLS is on already");
pub(crate) const NO_TLS: Reply = Reply::constant(502, "5.5.1", "no TLS here");

pub(crate) const AUTHENTICATED: Reply = Reply::constant(235, "2.7.0", "welcome");
pub(crate) const AUTHENTICATED_ALREADY: Reply = Reply::constant(503, "5.5.1", "you have logged in already");
pub(crate) const TOO_MANY_LOGINS: Reply =
    Reply::constant(421, "4.7.0", "too many failed logins from your address, try again later");
pub(crate) const LOGIN_DOWN: Reply = Reply::constant(454, "4.7.0", "cannot check passwords now, try again later");
pub(crate) const LOGIN_REFUSED: Reply = Reply::constant(535, "5.7.8", "name or password is wrong");
pub(crate) const TLS_BEFORE_PASSWORD: Reply =
    Reply::constant(538, "5.7.11", "no password is taken without TLS, say STARTTLS first");
pub(crate) const NO_SUCH_MECHANISM: Reply = Reply::constant(504, "5.5.4", "this mechanism is not known here");
pub(crate) const AUTH_SYNTAX: Reply = Reply::constant(501, "5.5.4", "say AUTH, a mechanism, and no more than a first response");
pub(crate) const NOT_BASE64: Reply = Reply::constant(501, "5.5.2", "that is no base64, login cancelled");
pub(crate) const BAD_RESPONSE: Reply = Reply::constant(501, "5.5.2", "the mechanism has no such message, login cancelled");
pub(crate) const CANCELLED: Reply = Reply::constant(501, "5.7.0", "login cancelled");
pub(crate) const TLS_FIRST: Reply = Reply::constant(530, "5.7.0", "say STARTTLS first, and prove who you are");
pub(crate) const PROVE_FIRST: Reply = Reply::constant(530, "5.7.0", "prove who you are first");
pub(crate) const NOT_FROM_THERE: Reply = Reply::constant(554, "5.7.1", "no mail is taken from your address here");

pub(crate) const NO_SUCH_MAILBOX: Reply = Reply::constant(550, "5.1.1", "no such mailbox here");
pub(crate) const NO_POSTMASTER: Reply =
    Reply::constant(550, "5.1.1", "nobody reads mail to the postmaster of this voicemail node");
pub(crate) const NO_REPORTS: Reply =
    Reply::constant(550, "5.7.1", "this node sends from this address and reads no mail to it, delivery reports included");
pub(crate) const NO_RELAYING: Reply = Reply::constant(550, "5.7.1", "this node takes messages for its own domain only");
pub(crate) const TOO_BIG: Reply = Reply::constant(552, "5.3.4", "the message is too big");
pub(crate) const BARE_ENDS_IN_MESSAGE: Reply =
    Reply::constant(554, "5.6.0", "the message has a dot between bare CR or LF, which some would take for its end");
pub(crate) const TEXT_LINE_TOO_LONG: Reply = Reply::constant(554, "5.6.0", "the message has a line that is too long for DATA");
