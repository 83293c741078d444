//! [`Path`]: an address in MAIL or RCPT.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A path: the address between `<` and `>` in MAIL and RCPT.
///
/// It is parsed here because the tokeniser refuses address literals and cannot distinguish `<Postmaster>` from `<>`.
///
/// # Source
///
/// RFC 5321 §4.1.2. Two more forms are accepted: a local part with dots at any place, and a sender without a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Path<'a> {
    /// `<>`: the null reverse-path, which delivery reports have.
    Null,
    /// `<user>`: a local part without a domain. As a recipient, only `<Postmaster>` may have this form.
    Local(Cow<'a, str>),
    /// `<user@domain>`: a mailbox; the local part is given without its quotes.
    Mailbox { local: Cow<'a, str>, domain: &'a str },
    /// `<user@[192.0.2.1]>`: a mailbox at an address literal.
    Literal,
    /// `<@relay:user@domain>`: a source route, which asks this server to relay.
    Routed,
}

/// The reason why a text is no path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathError {
    /// The text does not begin with `<`, or no `>` ends the path.
    NoBrackets,
    /// The text between the brackets is no address.
    NoAddress,
    /// The path has characters beyond ASCII, which need an extension that is not offered.
    NotAscii,
}

impl<'a> Path<'a> {
    /// Parses a path at the beginning of `text`; returns it with the text after it.
    pub(crate) fn read(text: &'a str) -> Result<(Self, &'a str), PathError> {
        let inner = text.strip_prefix('<').ok_or(PathError::NoBrackets)?;
        let end = closing_bracket(inner).ok_or(PathError::NoBrackets)?;
        let (inner, rest) = (&inner[..end], &inner[end + 1..]);
        if !inner.is_ascii() {
            return Err(PathError::NotAscii);
        }
        if inner.len() > MAX_PATH || inner.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(PathError::NoAddress);
        }
        Ok((Self::of(inner).ok_or(PathError::NoAddress)?, rest))
    }

    fn of(inner: &'a str) -> Option<Self> {
        if inner.is_empty() {
            return Some(Self::Null);
        }
        if inner.starts_with('@') {
            return inner.contains(':').then_some(Self::Routed);
        }
        let (local, rest) = if let Some(quoted) = inner.strip_prefix('"') { read_quoted(quoted)? } else { read_plain(inner)? };
        match rest.strip_prefix('@') {
            None => rest.is_empty().then_some(Self::Local(local)),
            Some(literal) if literal.starts_with('[') => is_literal(literal).then_some(Self::Literal),
            Some(domain) => is_domain(domain).then_some(Self::Mailbox { local, domain }),
        }
    }
}

/// Returns the position of the first `>` that is not inside quotes.
fn closing_bracket(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => drop(bytes.next()),
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// Parses text after an opening quote; returns the quoted text, and the text after the closing quote.
fn read_quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.find(['"', '\\'])?;
    if text[end..].starts_with('"') {
        return (end > 0).then_some((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut local = text[..end].to_owned();
    let mut chars = text[end..].char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((Cow::Owned(local), &text[end + at + 1..])),
            '\\' => local.push(chars.next()?.1),
            other => local.push(other),
        }
    }
    None
}

fn read_plain(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let end = text.bytes().position(|byte| !is_plain(byte)).unwrap_or(text.len());
    (end > 0).then_some((Cow::Borrowed(&text[..end]), &text[end..]))
}

/// Whether a byte is a dot or may be in an atom.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

/// Whether a text is a domain: RFC 5321 §4.1.2, with underscores, which some hosts have in their names.
fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(fit) && !label.starts_with('-') && !label.ends_with('-')
    };
    text.split('.').all(is_label)
}

/// Whether a text is an address literal: an IPv4 address, or `IPv6:` and an IPv6 address. RFC 5321 §4.1.3.
fn is_literal(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    match inner.split_at_checked(5) {
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => address.parse::<Ipv6Addr>().is_ok(),
        _ => inner.parse::<Ipv4Addr>().is_ok(),
    }
}

// RFC 1035 §2.3.4.
const MAX_LABEL: usize = 63;

// RFC 5321 §4.5.3.1.3, without the brackets.
const MAX_PATH: usize = 254;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::mailbox::tests::any_mailbox;

    fn mailbox<'a>(local: &'a str, domain: &'a str) -> Path<'a> {
        Path::Mailbox { local: local.into(), domain }
    }

    proptest! {
        #[test]
        fn any_mailbox_is_a_local_part(id in any_mailbox()) {
            let text = format!("<{id}@vm.example>");
            let (path, _) = Path::read(&text).unwrap();
            let Path::Mailbox { local, .. } = path else { panic!("{path:?}") };
            prop_assert_eq!(local.parse(), Ok(id));
        }
    }

    #[test]
    fn every_form_of_an_address_is_distinguished() {
        for (text, path) in [
            ("<>", Path::Null),
            ("<201>", Path::Local("201".into())),
            ("<Postmaster>", Path::Local("Postmaster".into())),
            ("<201@vm.example>", mailbox("201", "vm.example")),
            ("<\"+493023125014\"@vm.example>", mailbox("+493023125014", "vm.example")),
            (r#"<"\2\0\1"@vm.example>"#, mailbox("201", "vm.example")),
            (r#"<"a\"b>c"@vm.example>"#, mailbox("a\"b>c", "vm.example")),
            ("<201%vm.example@relay.example>", mailbox("201%vm.example", "relay.example")),
            ("<pbx@[10.1.1.5]>", Path::Literal),
            ("<pbx@[IPv6:2001:db8::1]>", Path::Literal),
            ("<@a.example,@b.example:201@vm.example>", Path::Routed),
        ] {
            assert_eq!(Path::read(text), Ok((path, "")), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "201@vm.example", "<201@vm.example", "<\"201@vm.example>"] {
            assert_eq!(Path::read(text), Err(PathError::NoBrackets), "{text}");
        }
        let long_label = format!("<a@{}.example>", "b".repeat(64));
        let long = format!("<{}@vm.example>", "2".repeat(250));
        for text in ["< >", "<a b@c>", "<a@>", "<@a>", "<a@b@c>", "<\"\"@c>", "<a@b\tc>", "<a@[>", "<a,b@c>", &long]
            .into_iter()
            .chain(["<a@b..c>", "<a@.b>", "<a@b.>", "<a@-b>", "<a@b->", &long_label])
            .chain(["<a@[300.1.1.1]>", "<a@[1.2.3]>", "<a@[]>", "<a@[IPv6:1::2::3]>", "<a@[IPv6:10.1.1.5]>", "<a@[x:y]>"])
        {
            assert_eq!(Path::read(text), Err(PathError::NoAddress), "{text}");
        }
        assert_eq!(Path::read("<é@c>"), Err(PathError::NotAscii));
    }

    #[test]
    fn what_follows_the_path_is_handed_back() {
        assert_eq!(Path::read("<a@b> SIZE=5").unwrap().1, " SIZE=5");
    }
}
