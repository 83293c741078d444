//! [`Language`]: the language in which somebody is spoken to.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A language as a BCP 47 tag of 2 to 35 characters: `en`, `de`, `en-GB`, `pt-BR`, `zh-Hant`.
///
/// Only the form is checked, not whether the subtags are registered. Tags are stored in the case that RFC 5646 recommends, so two
/// spellings of one tag are equal.
///
/// ```
/// use voicemail::message::Language;
///
/// let language: Language = "EN-gb".parse().unwrap();
/// assert_eq!((language.as_str(), language.primary()), ("en-GB", "en"));
/// assert!("en_GB".parse::<Language>().is_err());
/// assert!("english!".parse::<Language>().is_err());
/// ```
///
/// # Source
///
/// RFC 5646 §2.1, §2.1.1 (case), §4.4.1 (35 characters).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(Arc<str>);

impl Language {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The primary subtag in lower case: `en` of `en-GB`.
    pub fn primary(&self) -> &str {
        self.0.split_once('-').map_or(&*self.0, |(primary, _)| primary)
    }
}

impl FromStr for Language {
    type Err = InvalidLanguage;

    fn from_str(text: &str) -> Result<Self, InvalidLanguage> {
        let is_subtag = |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let primary = text.split('-').next().unwrap_or_default();
        let has_primary = (2..=8).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_alphabetic());
        // RFC 5646 §2.1: a subtag of one character begins an extension, so something follows it.
        let ends_in_singleton = text.rsplit('-').next().is_some_and(|last| last.len() == 1);
        if text.len() > MAX_LENGTH || !has_primary || ends_in_singleton || !text.split('-').all(is_subtag) {
            return Err(InvalidLanguage);
        }
        Ok(Self(in_recommended_case(text).into()))
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`Language`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a language is a tag of BCP 47 such as de or en-GB")]
#[non_exhaustive]
pub struct InvalidLanguage;

/// RFC 5646 §2.1.1: a region of two letters in capitals and a script of four with one, unless they are first or follow a subtag of
/// one character; all else in lower case.
fn in_recommended_case(tag: &str) -> String {
    let mut written = String::with_capacity(tag.len());
    let mut after_singleton = false;
    for (place, subtag) in tag.split('-').enumerate() {
        if place > 0 {
            written.push('-');
        }
        let subtag = subtag.to_ascii_lowercase();
        let has_capitals = place > 0 && !after_singleton;
        match subtag.len() {
            2 if has_capitals => written.push_str(&subtag.to_ascii_uppercase()),
            4 if has_capitals => {
                written.push_str(&subtag[..1].to_ascii_uppercase());
                written.push_str(&subtag[1..]);
            }
            _ => written.push_str(&subtag),
        }
        after_singleton |= subtag.len() == 1;
    }
    written
}

const MAX_LENGTH: usize = 35;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_tag_are_equal() {
        for (spelling, tag) in [
            ("DE", "de"),
            ("pt-br", "pt-BR"),
            ("ZH-hANT-tw", "zh-Hant-TW"),
            ("de-de-u-CO-Phon", "de-DE-u-co-phon"),
            ("es-419", "es-419"),
        ] {
            assert_eq!(spelling.parse::<Language>().unwrap().as_str(), tag);
        }
    }

    #[test]
    fn text_that_is_no_tag_is_refused() {
        let long = format!("en{}", "-abcdefgh".repeat(4));
        for text in ["", "e", "en-", "-en", "en--GB", "en_GB", "419", "e1", "en-x", "en-abcdefghi", "dé", "en GB", "en\n", &long]
        {
            assert_eq!(text.parse::<Language>(), Err(InvalidLanguage), "{text:?}");
        }
    }
}
