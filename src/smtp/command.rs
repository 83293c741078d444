//! [`Command`]: one command line of a client, parsed.

use smtp_proto::request::parser::Rfc5321Parser;
use smtp_proto::{Error, MAIL_BODY_7BIT, MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME, MailFrom, RcptTo};

use super::delivery_request::{MailRequest, RecipientRequest, without_requests};
use super::path::{Path, PathError};

/// A command with its arguments.
///
/// # Source
///
/// RFC 5321 §4.1.1; BDAT is RFC 3030 §2, STARTTLS is RFC 3207 §4, LHLO is RFC 2033 §4.1, SIZE is RFC 1870 §3, AUTH is RFC 4954 §4 and §5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Ehlo(&'a str),
    Helo(&'a str),
    Lhlo(&'a str),
    StartTls,
    Auth { mechanism: &'a str, initial: Option<&'a str> },
    Mail { from: Path<'a>, size: usize, body: BodyType, has_auth: bool, reports: MailRequest },
    Rcpt(Path<'a>, RecipientRequest),
    Data,
    Bdat { size: u64, last: bool },
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
}

/// The body type of a message, which the BODY parameter of MAIL declares.
///
/// # Source
///
/// RFC 6152 for 7BIT and 8BITMIME, RFC 3030 §3 for BINARYMIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyType {
    /// The message consists of lines, of seven or eight bits.
    Text,
    /// The message consists of any bytes, which only BDAT can carry.
    Binary,
}

/// The reason why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandError {
    /// The line has a CR or LF inside.
    BareLineEnd,
    /// No command has this verb.
    Unknown,
    /// The verb is known and not implemented.
    NotImplemented,
    /// EHLO, HELO or LHLO came without a name.
    NeedsName,
    /// The command has an argument and takes none.
    NoArgument,
    /// The command has no argument and needs one.
    NeedsArgument,
    /// MAIL came without a path in angle brackets.
    MailSyntax,
    /// RCPT came without a path in angle brackets.
    RcptSyntax,
    /// BDAT came without a length, so that the beginning of the next command is not known.
    BdatSyntax,
    /// AUTH came without a mechanism, or with more than an initial response.
    AuthSyntax,
    /// The path of MAIL is no address.
    BadSender,
    /// The path of RCPT is no address.
    BadRecipient,
    /// An address has characters beyond ASCII, which need an extension that is not offered.
    NotAscii,
    /// A parameter has a value that it cannot have.
    BadParameter,
    /// A parameter belongs to an extension that is not offered.
    UnknownParameter,
}

impl<'a> Command<'a> {
    /// Parses a line that ends with CR LF.
    pub(crate) fn read(line: &'a [u8]) -> Result<Self, CommandError> {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        let verb = &text[..text.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(text.len())];
        let arguments = &line[verb.len()..];
        let bare = memchr::memchr2(b'\r', b'\n', text).is_some();
        if bare && !is_bdat(text) {
            return Err(CommandError::BareLineEnd);
        }
        if verb.eq_ignore_ascii_case(b"BDAT") {
            return read_bdat(text_of(arguments)).ok_or(CommandError::BdatSyntax);
        }
        Self::read_other(verb, arguments)
    }

    fn read_other(verb: &[u8], arguments: &'a [u8]) -> Result<Self, CommandError> {
        let text = text_of(arguments);
        if !text.is_empty() && !text.starts_with(b" ") {
            return Err(CommandError::Unknown);
        }
        match VERBS.iter().find(|(name, _)| verb.eq_ignore_ascii_case(name.as_bytes())).map(|(_, verb)| verb) {
            Some(Verb::Ehlo) => read_name(text).map(Self::Ehlo),
            Some(Verb::Helo) => read_name(text).map(Self::Helo),
            Some(Verb::Lhlo) => read_name(text).map(Self::Lhlo),
            Some(Verb::Mail) => read_mail(arguments),
            Some(Verb::Auth) => read_auth(text),
            Some(Verb::Rcpt) => read_rcpt(arguments),
            Some(Verb::Alone(command)) if text.trim_ascii().is_empty() => Ok(command.clone()),
            Some(Verb::Alone(_)) => Err(CommandError::NoArgument),
            Some(Verb::Any(command)) => Ok(command.clone()),
            Some(Verb::Vrfy) if text.trim_ascii().is_empty() => Err(CommandError::NeedsArgument),
            Some(Verb::Vrfy) => Ok(Self::Vrfy),
            Some(Verb::NotImplemented) => Err(CommandError::NotImplemented),
            None => Err(CommandError::Unknown),
        }
    }
}

/// Whether a line, or the beginning of one, is BDAT: bytes follow it that are no commands, and without its argument their end is unknown.
pub(crate) fn is_bdat(line: &[u8]) -> bool {
    line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
}

/// A verb, and the rule for its arguments.
enum Verb {
    Ehlo,
    Helo,
    Lhlo,
    Mail,
    Rcpt,
    Auth,
    Vrfy,
    /// The verb takes no arguments.
    Alone(Command<'static>),
    /// The verb's arguments are ignored.
    Any(Command<'static>),
    /// The verb is known, and this server does not implement it.
    NotImplemented,
}

/// The verbs, the most frequent first.
const VERBS: [(&str, Verb); 17] = [
    ("MAIL", Verb::Mail),
    ("RCPT", Verb::Rcpt),
    ("DATA", Verb::Alone(Command::Data)),
    ("RSET", Verb::Alone(Command::Rset)),
    ("NOOP", Verb::Any(Command::Noop)),
    ("EHLO", Verb::Ehlo),
    ("QUIT", Verb::Alone(Command::Quit)),
    ("STARTTLS", Verb::Alone(Command::StartTls)),
    ("HELO", Verb::Helo),
    ("VRFY", Verb::Vrfy),
    ("HELP", Verb::Any(Command::Help)),
    ("AUTH", Verb::Auth),
    ("EXPN", Verb::NotImplemented),
    ("ETRN", Verb::NotImplemented),
    ("TURN", Verb::NotImplemented),
    ("BURL", Verb::NotImplemented),
    ("LHLO", Verb::Lhlo),
];

fn text_of(arguments: &[u8]) -> &[u8] {
    arguments.strip_suffix(b"\r\n").unwrap_or(arguments)
}

fn read_name(text: &[u8]) -> Result<&str, CommandError> {
    let name = text.trim_ascii();
    let valid = (1..=MAX_NAME).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(name).ok().filter(|_| valid).ok_or(CommandError::NeedsName)
}

fn read_auth(text: &[u8]) -> Result<Command<'_>, CommandError> {
    let text = std::str::from_utf8(text).map_err(|_| CommandError::AuthSyntax)?;
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some(mechanism), initial, None) => Ok(Command::Auth { mechanism, initial }),
        _ => Err(CommandError::AuthSyntax),
    }
}

fn read_mail(arguments: &[u8]) -> Result<Command<'_>, CommandError> {
    let text = after_keyword(arguments, b"FROM:").ok_or(CommandError::MailSyntax)?;
    let (path, parameters) = read_path(text, CommandError::MailSyntax, CommandError::BadSender)?;
    if path == Path::Routed {
        return Err(CommandError::BadSender);
    }
    if !has_sound_size(parameters) {
        return Err(CommandError::BadParameter);
    }
    let reports = MailRequest::read(parameters).map_err(|_| CommandError::BadParameter)?;
    let parameters = without_requests(parameters);
    let mut parameters = parameters.iter();
    let mail = Rfc5321Parser::new(&mut parameters).mail_from_parameters("".into()).map_err(|error| refusal(&error))?;
    if asks_for_more(&mail) {
        return Err(CommandError::UnknownParameter);
    }
    let body = if mail.flags & MAIL_BODY_BINARYMIME == 0 { BodyType::Text } else { BodyType::Binary };
    Ok(Command::Mail { from: path, size: mail.size, body, has_auth: mail.auth.is_some(), reports })
}

/// Whether SIZE, if it is among the parameters, has 1 to 20 digits (RFC 1870 §3) and fits into 64 bits. The tokeniser would wrap around.
fn has_sound_size(parameters: &[u8]) -> bool {
    let mut words = parameters.split(u8::is_ascii_whitespace);
    words.all(|word| match word.split_at_checked(5) {
        Some((keyword, digits)) if keyword.eq_ignore_ascii_case(b"SIZE=") => {
            let number = std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            number.is_some_and(|text| text.len() <= 20 && text.parse::<u64>().is_ok())
        }
        _ => true,
    })
}

/// Whether MAIL has parameters of extensions that this server does not offer.
fn asks_for_more<T: PartialEq>(mail: &MailFrom<T>) -> bool {
    const OFFERED: u64 = MAIL_BODY_7BIT | MAIL_BODY_8BITMIME | MAIL_BODY_BINARYMIME;
    let MailFrom { flags, trans_id, by, env_id, solicit, mtrk, hold_for, hold_until, mt_priority, .. } = mail;
    flags & !OFFERED != 0
        || [trans_id, env_id, solicit].into_iter().any(Option::is_some)
        || mtrk.is_some()
        || (*by, *hold_for, *hold_until, *mt_priority) != (0, 0, 0, 0)
}

fn read_rcpt(arguments: &[u8]) -> Result<Command<'_>, CommandError> {
    let text = after_keyword(arguments, b"TO:").ok_or(CommandError::RcptSyntax)?;
    let (path, parameters) = read_path(text, CommandError::RcptSyntax, CommandError::BadRecipient)?;
    let reports = RecipientRequest::read(parameters).map_err(|_| CommandError::BadParameter)?;
    let parameters = without_requests(parameters);
    let mut parameters = parameters.iter();
    let rcpt = Rfc5321Parser::new(&mut parameters).rcpt_to_parameters("".into()).map_err(|error| refusal(&error))?;
    let RcptTo { orcpt, rrvs, flags, .. } = rcpt;
    if orcpt.is_some() || rrvs != 0 || flags != 0 {
        return Err(CommandError::UnknownParameter);
    }
    Ok(Command::Rcpt(path, reports))
}

/// Returns the text after `keyword`. Some senders put spaces between the keyword and the path.
fn after_keyword<'a>(arguments: &'a [u8], keyword: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = arguments.trim_ascii_start().split_at_checked(keyword.len())?;
    start.eq_ignore_ascii_case(keyword).then(|| &rest[rest.iter().take_while(|byte| **byte == b' ').count()..])
}

/// Parses a path; returns it with the bytes that follow, CR LF included.
fn read_path(text: &[u8], syntax: CommandError, no_address: CommandError) -> Result<(Path<'_>, &[u8]), CommandError> {
    let text = std::str::from_utf8(text).map_err(|_| CommandError::NotAscii)?;
    let (path, rest) = Path::read(text).map_err(|error| match error {
        PathError::NoBrackets => syntax,
        PathError::NoAddress => no_address,
        PathError::NotAscii => CommandError::NotAscii,
    })?;
    if rest.starts_with([' ', '\r']) { Ok((path, rest.as_bytes())) } else { Err(syntax) }
}

fn refusal(error: &Error) -> CommandError {
    match error {
        Error::UnsupportedParameter { .. } => CommandError::UnknownParameter,
        _ => CommandError::BadParameter,
    }
}

/// Parses BDAT's arguments here and not by the tokeniser, which wraps at large numbers: with a wrong length, a message would be read as commands.
fn read_bdat(text: &[u8]) -> Option<Command<'static>> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.contains(['\r', '\n']))?;
    let mut words = text.strip_prefix(' ')?.split_ascii_whitespace();
    let size = words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    let last = match words.next() {
        None => false,
        Some(word) => word.eq_ignore_ascii_case("LAST").then_some(true)?,
    };
    words.next().is_none().then_some(Command::Bdat { size, last })
}

// RFC 5321 §4.5.3.1.2.
const MAX_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command<'_>, CommandError> {
        Command::read(line.as_bytes())
    }

    #[test]
    fn commands_are_read_in_any_case_with_their_arguments() {
        let rcpt = |local: &'static str| {
            Command::Rcpt(Path::Mailbox { local: local.into(), domain: "vm.example" }, RecipientRequest::default())
        };
        let sender = || Path::Mailbox { local: "a".into(), domain: "b" };
        for (line, command) in [
            ("ehlo pbx.example \r\n", Command::Ehlo("pbx.example")),
            ("HELO [10.1.1.5]\r\n", Command::Helo("[10.1.1.5]")),
            ("lhlo mx.example\r\n", Command::Lhlo("mx.example")),
            (
                "MAIL FROM:<>\r\n",
                Command::Mail {
                    from: Path::Null,
                    size: 0,
                    body: BodyType::Text,
                    has_auth: false,
                    reports: MailRequest::default(),
                },
            ),
            (
                "mail from:<x@[10.1.1.5]> size=73122 body=8bitmime\r\n",
                Command::Mail {
                    from: Path::Literal,
                    size: 73122,
                    body: BodyType::Text,
                    has_auth: false,
                    reports: MailRequest::default(),
                },
            ),
            (
                "MAIL FROM: <a@b> BODY=BINARYMIME\r\n",
                Command::Mail {
                    from: sender(),
                    size: 0,
                    body: BodyType::Binary,
                    has_auth: false,
                    reports: MailRequest::default(),
                },
            ),
            (
                "MAIL FROM:<a@b> AUTH=<>\r\n",
                Command::Mail { from: sender(), size: 0, body: BodyType::Text, has_auth: true, reports: MailRequest::default() },
            ),
            ("AUTH PLAIN AGEAYg==\r\n", Command::Auth { mechanism: "PLAIN", initial: Some("AGEAYg==") }),
            ("auth login\r\n", Command::Auth { mechanism: "login", initial: None }),
            ("RCPT TO:<201@vm.example>\r\n", rcpt("201")),
            ("rcpt to: <\"+49302312\"@vm.example>\r\n", rcpt("+49302312")),
            ("DATA \r\n", Command::Data),
            ("BDAT 812 last\r\n", Command::Bdat { size: 812, last: true }),
            ("bdat 0\r\n", Command::Bdat { size: 0, last: false }),
            ("NOOP whatever\r\n", Command::Noop),
            ("starttls\r\n", Command::StartTls),
            ("VRFY 201\r\n", Command::Vrfy),
            ("QUIT\r\n", Command::Quit),
        ] {
            assert_eq!(read(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_own_reply() {
        for (line, refusal) in [
            ("\r\n", CommandError::Unknown),
            ("HELLO x\r\n", CommandError::Unknown),
            ("NOOP\0\r\n", CommandError::Unknown),
            ("NOOP\nNOOP\r\n", CommandError::BareLineEnd),
            ("NOOP\rNOOP\r\n", CommandError::BareLineEnd),
            ("EHLO\r\n", CommandError::NeedsName),
            ("EHLO a b\r\n", CommandError::NeedsName),
            ("EHLO caf\u{e9}\r\n", CommandError::NeedsName),
            ("AUTH\r\n", CommandError::AuthSyntax),
            ("AUTH PLAIN AAA= BBB=\r\n", CommandError::AuthSyntax),
            ("DATA now\r\n", CommandError::NoArgument),
            ("VRFY\r\n", CommandError::NeedsArgument),
            ("MAIL TO:<a@b>\r\n", CommandError::MailSyntax),
            ("MAIL FROM:a@b\r\n", CommandError::MailSyntax),
            ("MAIL FROM:<a@b>SIZE=1\r\n", CommandError::MailSyntax),
            ("MAIL FROM:<@x:a@b>\r\n", CommandError::BadSender),
            ("MAIL FROM:<a@b> SIZE=x\r\n", CommandError::BadParameter),
            ("MAIL FROM:<a@b> SIZE=99999999999999999999\r\n", CommandError::BadParameter),
            ("MAIL FROM:<a@b> SIZE=100000000000000000000\r\n", CommandError::BadParameter),
            ("MAIL FROM:<a@b> SIZE=184467440737095516161\r\n", CommandError::BadParameter),
            ("MAIL FROM:<a@b> BODY=7BIT size=000000000000000000001\r\n", CommandError::BadParameter),
            ("MAIL FROM:<a@b..c>\r\n", CommandError::BadSender),
            ("MAIL FROM:<a@[300.1.1.1]>\r\n", CommandError::BadSender),
            ("RCPT TO:<201@b..c>\r\n", CommandError::BadRecipient),
            ("RCPT TO:<201@[300.1.1.1]>\r\n", CommandError::BadRecipient),
            ("MAIL FROM:<a@b> BODY=9BIT\r\n", CommandError::BadParameter),
            ("MAIL FROM:<a@b> SMTPUTF8\r\n", CommandError::UnknownParameter),
            ("MAIL FROM:<a@b> RET=HDRS RET=HDRS\r\n", CommandError::BadParameter),
            ("MAIL FROM:<a@b> COLOUR=red\r\n", CommandError::UnknownParameter),
            ("MAIL FROM:<\u{e9}@b>\r\n", CommandError::NotAscii),
            ("RCPT TO:<a b@c>\r\n", CommandError::BadRecipient),
            ("RCPT TO:\r\n", CommandError::RcptSyntax),
            ("RCPT TO:<201@vm.example> NOTIFY=SOMETIMES\r\n", CommandError::BadParameter),
        ] {
            assert_eq!(read(line), Err(refusal), "{line}");
        }
    }

    #[test]
    fn a_chunk_of_unknown_length_has_an_error_by_itself() {
        for line in [
            "BDAT\r\n",
            "BDAT x\r\n",
            "BDAT -1\r\n",
            "BDAT +1\r\n",
            "BDAT 1 2\r\n",
            "BDAT 1 LAST 2\r\n",
            "BDAT 18446744073709551616\r\n",
            "BDAT 5\n\r\n",
            "BDAT\r5\r\n",
            "bdat\n5\r\n",
        ] {
            assert_eq!(read(line), Err(CommandError::BdatSyntax), "{line}");
        }
    }
}
