//! [`MailRequest`] and [`RecipientRequest`]: which delivery reports a sender asks for, in the parameters of MAIL and RCPT.

/// The parameters of MAIL about delivery reports.
///
/// # Source
///
/// RFC 3461 §4.3 and §4.4.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MailRequest {
    /// Whether MAIL has a parameter about reports.
    pub(crate) is_given: bool,
    /// The id of the envelope, decoded, which a report repeats: at most 100 characters of printable ASCII.
    pub envelope_id: Option<String>,
}

/// The parameters of RCPT about delivery reports.
///
/// # Source
///
/// RFC 3461 §4.1 and §4.2.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RecipientRequest {
    /// Whether RCPT has a parameter about reports.
    pub(crate) is_given: bool,
    /// Whether a report is wanted when the message is in the mailbox.
    pub on_success: bool,
    /// The recipient as its sender gave it, with the type of the address: `rfc822;2041@vm.example`. At most 500 characters of printable ASCII.
    pub original: Option<String>,
}

/// A parameter of MAIL or RCPT about reports that is given twice, or whose value is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InvalidRequest;

impl MailRequest {
    /// Reads RET and ENVID from the words behind a path; others are left to the caller.
    pub(crate) fn read(parameters: &[u8]) -> Result<Self, InvalidRequest> {
        let ret = value(parameters, "RET")?;
        if ret.is_some_and(|ret| !["FULL", "HDRS"].iter().any(|known| known.eq_ignore_ascii_case(ret))) {
            return Err(InvalidRequest);
        }
        let envelope_id = match value(parameters, "ENVID")? {
            Some(text) if text.len() <= MAX_ENVELOPE_ID => Some(decode_xtext(text).ok_or(InvalidRequest)?),
            Some(_) => return Err(InvalidRequest),
            None => None,
        };
        Ok(Self { is_given: ret.is_some() || envelope_id.is_some(), envelope_id })
    }
}

impl RecipientRequest {
    /// Reads NOTIFY and ORCPT from the words behind a path; others are left to the caller.
    pub(crate) fn read(parameters: &[u8]) -> Result<Self, InvalidRequest> {
        let notify = value(parameters, "NOTIFY")?;
        let mut on_success = false;
        if let Some(notify) = notify.filter(|notify| !notify.eq_ignore_ascii_case("NEVER")) {
            for word in notify.split(',') {
                match word.to_ascii_uppercase().as_str() {
                    "SUCCESS" => on_success = true,
                    "FAILURE" | "DELAY" => {}
                    _ => return Err(InvalidRequest),
                }
            }
        }
        let original = match value(parameters, "ORCPT")? {
            Some(text) if text.len() <= MAX_ORIGINAL => Some(original(text).ok_or(InvalidRequest)?),
            Some(_) => return Err(InvalidRequest),
            None => None,
        };
        Ok(Self { is_given: notify.is_some() || original.is_some(), on_success, original })
    }
}

/// Removes the words that a request is read from, so that the rest can be read by another parser.
pub(crate) fn without_requests(parameters: &[u8]) -> Vec<u8> {
    let words = parameters.split_inclusive(|byte| *byte == b' ');
    let kept = words.filter(|word| {
        let word = word.trim_ascii_start();
        !NAMES.iter().any(|name| keyword_value(word, name).is_some())
    });
    let mut rest = kept.collect::<Vec<_>>().concat();
    if !rest.ends_with(b"\r\n") {
        while rest.last() == Some(&b' ') {
            rest.pop();
        }
        rest.extend_from_slice(b"\r\n");
    }
    rest
}

/// Returns the value of a parameter that is given at most once.
fn value<'a>(parameters: &'a [u8], name: &str) -> Result<Option<&'a str>, InvalidRequest> {
    let text = std::str::from_utf8(parameters).map_err(|_| InvalidRequest)?;
    let mut values = text.split_ascii_whitespace().filter_map(|word| keyword_value(word.as_bytes(), name));
    let first = values.next();
    if values.next().is_some() || first.is_some_and(<[u8]>::is_empty) {
        return Err(InvalidRequest);
    }
    first.map(|value| std::str::from_utf8(value).map_err(|_| InvalidRequest)).transpose()
}

/// Returns the value of a word if it is the parameter `name`; an empty one if it has none.
fn keyword_value<'a>(word: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (keyword, rest) = word.split_at_checked(name.len())?;
    if !keyword.eq_ignore_ascii_case(name.as_bytes()) {
        return None;
    }
    match rest.trim_ascii_end() {
        [] => Some(&[]),
        [b'=', value @ ..] => Some(value),
        _ => None,
    }
}

/// Reads the type and the address of an original recipient.
fn original(text: &str) -> Option<String> {
    let (kind, address) = text.split_once(';')?;
    let is_atom = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let address = decode_xtext(address)?;
    (is_atom && !address.is_empty()).then(|| format!("{kind};{address}"))
}

/// Decodes xtext; characters that are not printable ASCII become question marks, so that no report is broken by them.
///
/// # Source
///
/// RFC 3461 §4.
fn decode_xtext(text: &str) -> Option<String> {
    let (bytes, mut decoded) = (text.as_bytes(), String::with_capacity(text.len()));
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let byte = match byte {
            b'+' => {
                let digits = bytes.get(at + 1..at + 3)?;
                let is_hex = |digit: &u8| matches!(digit, b'0'..=b'9' | b'A'..=b'F');
                digits.iter().all(is_hex).then_some(())?;
                at += 2;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            b'=' => return None,
            b'!'..=b'~' => *byte,
            _ => return None,
        };
        decoded.push(if matches!(byte, b' '..=b'~') { char::from(byte) } else { '?' });
        at += 1;
    }
    Some(decoded)
}

const NAMES: [&str; 4] = ["RET", "ENVID", "NOTIFY", "ORCPT"];
const MAX_ENVELOPE_ID: usize = 100;
const MAX_ORIGINAL: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_in_any_case_and_order() {
        let mail = MailRequest::read(b" SIZE=5 envid=0aa3+2Bff ret=hdrs\r\n").unwrap();
        assert_eq!((mail.is_given, mail.envelope_id.as_deref()), (true, Some("0aa3+ff")));
        assert_eq!(MailRequest::read(b" SIZE=5\r\n"), Ok(MailRequest::default()));
        let rcpt = RecipientRequest::read(b" ORCPT=rfc822;+2B4930@vm.example NOTIFY=success,DELAY,Failure\r\n").unwrap();
        assert_eq!((rcpt.on_success, rcpt.original.as_deref()), (true, Some("rfc822;+4930@vm.example")));
        for none in [&b" NOTIFY=NEVER\r\n"[..], b" NOTIFY=FAILURE\r\n"] {
            let rcpt = RecipientRequest::read(none).unwrap();
            assert!(rcpt.is_given && !rcpt.on_success);
        }
    }

    #[test]
    fn a_request_that_is_malformed_or_given_twice_is_an_error() {
        for text in
            ["RET=HDRS RET=FULL", "RET=", "RET", "RET=ALL", "ENVID=", "ENVID=a=b", "ENVID=a+2b", "ENVID=a+2", "ENVID=a ENVID=a"]
        {
            assert_eq!(MailRequest::read(format!(" {text}\r\n").as_bytes()), Err(InvalidRequest), "{text}");
        }
        assert_eq!(MailRequest::read(format!(" ENVID={}\r\n", "a".repeat(101)).as_bytes()), Err(InvalidRequest));
        for text in [
            "NOTIFY=",
            "NOTIFY=NEVER,SUCCESS",
            "NOTIFY=SUCCESS,",
            "NOTIFY=x",
            "NOTIFY=NEVER NOTIFY=NEVER",
            "ORCPT=a@b",
            "ORCPT=;a@b",
            "ORCPT=rfc822;",
            "ORCPT=rf c822;a",
            "ORCPT=rfc822;a=b",
        ] {
            assert_eq!(RecipientRequest::read(format!(" {text}\r\n").as_bytes()), Err(InvalidRequest), "{text}");
        }
        let long = format!(" ORCPT=rfc822;{}\r\n", "a".repeat(500));
        assert_eq!(RecipientRequest::read(long.as_bytes()), Err(InvalidRequest));
    }

    #[test]
    fn nothing_in_a_request_breaks_a_line_of_a_report() {
        let mail = MailRequest::read(b" ENVID=a+0D+0ABcc:+20x+E9\r\n").unwrap();
        assert_eq!(mail.envelope_id.as_deref(), Some("a??Bcc: x?"));
        let rcpt = RecipientRequest::read(b" ORCPT=rfc822;a+0D+0AX:+00\r\n").unwrap();
        assert_eq!(rcpt.original.as_deref(), Some("rfc822;a??X:?"));
    }

    #[test]
    fn other_parameters_are_left_as_they_are() {
        for (text, rest) in [
            (" SIZE=5 RET=HDRS BODY=8BITMIME ENVID=x\r\n", " SIZE=5 BODY=8BITMIME\r\n"),
            (" RET=HDRS\r\n", "\r\n"),
            (" RETURN=1\r\n", " RETURN=1\r\n"),
            ("\r\n", "\r\n"),
        ] {
            assert_eq!(String::from_utf8(without_requests(text.as_bytes())).unwrap().replace("  ", " "), rest, "{text}");
        }
    }
}
