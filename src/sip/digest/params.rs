//! [`AuthParams`]: the parameters of a header field of digest authentication.

use std::borrow::Cow;

use super::super::message::{end_of_quoted, is_token};

/// The parameters after the word `Digest`; each occurs once.
pub(super) struct AuthParams<'a> {
    params: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> AuthParams<'a> {
    /// Reads the value of a field; `None` where its scheme is not `Digest`, or a parameter occurs twice.
    pub(super) fn parse(value: &'a str) -> Option<Self> {
        let (scheme, mut rest) = value.split_once(char::is_whitespace)?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut params: Vec<(&str, Cow<'_, str>)> = Vec::new();
        loop {
            rest = rest.trim_start_matches([',', ' ', '\t']);
            if rest.is_empty() {
                return Some(Self { params });
            }
            let (name, after) = rest.split_once('=')?;
            let name = name.trim();
            let again = params.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
            if again || !is_token(name) || params.len() >= MAX_PARAMS {
                return None;
            }
            let (value, left) = value_and_rest(after.trim_start())?;
            params.push((name, value));
            rest = left.trim_start();
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }
}

/// Splits a token or a quoted string from the text that follows it.
fn value_and_rest(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].into(), &text[end..]));
    };
    let end = end_of_quoted(quoted)?;
    let (inner, rest) = (&quoted[..end], &quoted[end + 1..]);
    let value = if inner.contains('\\') { unescaped(inner).into() } else { inner.into() };
    Some((value, rest))
}

fn unescaped(text: &str) -> String {
    let mut escaped = false;
    let kept = text.chars().filter(|each| {
        escaped = *each == '\\' && !escaped;
        !escaped
    });
    kept.collect()
}

const MAX_PARAMS: usize = 32;
