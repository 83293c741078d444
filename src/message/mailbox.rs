//! [`MailboxId`]: the number or the name of a mailbox.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The number of a mailbox, or its name, as a group mailbox has one: `2041`, `+493023125014`, `sales`.
///
/// - A *number* has 1 to 15 ASCII digits, with a `+` before them for an E.164 number.
/// - A *name* has 1 to 32 ASCII letters, digits, dots, hyphens and underscores. It begins with a letter, ends with a letter or a digit,
///   and has no two dots in a row. Case does not matter: `Sales` is parsed as `sales`.
///
/// Four kinds of names are reserved, because the node answers for these addresses itself: `postmaster`, `voicemail`, `non-mail-user`, and
/// every name that begins with `vm+`.
///
/// Every id is safe as the name of a file or a folder, as the local part of a mail address without quotes, as the user of a SIP address,
/// in a header field and in a SIP body.
///
/// ```
/// use voicemail::message::{InvalidMailboxId, MailboxId};
///
/// assert!("2041".parse::<MailboxId>().is_ok());
/// assert!("+493023125014".parse::<MailboxId>().is_ok());
/// assert_eq!("Sales.Berlin".parse::<MailboxId>()?.as_str(), "sales.berlin");
/// assert_eq!("../2041".parse::<MailboxId>(), Err(InvalidMailboxId::Malformed));
/// assert_eq!("Postmaster".parse::<MailboxId>(), Err(InvalidMailboxId::Reserved));
/// # Ok::<(), InvalidMailboxId>(())
/// ```
///
/// # Source
///
/// RFC 3801 §4.1.1: addresses are numbers, E.164 preferred; E.164 §6: at most 15 digits. A name is a `Dot-string` of RFC 5321 §4.1.2, of those
/// characters that are unreserved in RFC 3261 §25.1 too. RFC 5321 §4.5.1: the postmaster.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MailboxId(Arc<str>);

impl MailboxId {
    /// Returns the number, or the name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a number, which a caller can dial and an owner can key in.
    pub fn is_number(&self) -> bool {
        is_number(&self.0)
    }

    /// Reads the name of a file or a folder that was named after a mailbox. Returns `None` for any spelling but [`as_str`](Self::as_str),
    /// because that would be another file.
    #[cfg(feature = "fs")]
    pub(crate) fn from_file_name(name: &str) -> Option<Self> {
        name.parse().ok().filter(|id: &Self| id.as_str() == name)
    }
}

impl FromStr for MailboxId {
    type Err = InvalidMailboxId;

    fn from_str(text: &str) -> Result<Self, InvalidMailboxId> {
        if is_number(text) {
            return Ok(Self(text.into()));
        }
        if is_reserved(text) {
            return Err(InvalidMailboxId::Reserved);
        }
        if !is_name(text) {
            return Err(InvalidMailboxId::Malformed);
        }
        let has_upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        let name = if has_upper { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) };
        Ok(Self(name.into()))
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.ends_with(|last: char| last.is_ascii_alphanumeric())
        && !text.contains("..")
}

fn is_reserved(text: &str) -> bool {
    let prefix = text.get(..RESERVED_PREFIX.len());
    RESERVED.iter().any(|reserved| text.eq_ignore_ascii_case(reserved))
        || prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(RESERVED_PREFIX))
}

impl Borrow<str> for MailboxId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MailboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is no [`MailboxId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMailboxId {
    /// The text is neither a number nor a name.
    #[error(
        "a mailbox is a number of 1 to {MAX_DIGITS} digits, with or without a + before them, or a name of 1 to {MAX_NAME} letters, digits, \
         dots, hyphens and underscores that begins with a letter and ends with a letter or digit"
    )]
    Malformed,
    /// The name is reserved for an address that the node answers for itself.
    #[error("the names postmaster, voicemail, non-mail-user and those that begin with vm+ are reserved; choose another name")]
    Reserved,
}

/// The local part of the postmaster's address, RFC 5321 §4.5.1.
pub(crate) const POSTMASTER: &str = "postmaster";
/// The local part of the address that a node sends from, and that delivery failures come back to.
pub(crate) const NODE_SENDER: &str = "voicemail";
/// The local part of the sender's address when the caller's number is not known, RFC 3801 §4.1.2.
pub(crate) const NON_MAIL_USER: &str = "non-mail-user";

const RESERVED: [&str; 3] = [POSTMASTER, NODE_SENDER, NON_MAIL_USER];
const RESERVED_PREFIX: &str = "vm+";
const MAX_DIGITS: usize = 15;
const MAX_NAME: usize = 32;

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any mailbox: a number, or a name with all that a name may have.
    pub(crate) fn any_mailbox() -> impl Strategy<Value = MailboxId> {
        "\\+?[0-9]{1,15}|[a-zA-Z]([-_.a-zA-Z0-9]{0,30}[a-zA-Z0-9])?"
            .prop_filter_map("two dots, or reserved", |text| text.parse().ok())
    }

    #[test]
    fn numbers_have_1_to_15_digits_and_at_most_one_plus() {
        for text in ["1", "2041", "123456789012345", "+12145551213"] {
            let id: MailboxId = text.parse().unwrap();
            assert!(id.as_str() == text && id.is_number(), "{text}");
        }
        for text in ["", "+", "++1", "1234567890123456", "20 41", "20/41", "2041\r\n", "２０４１", "-1", "2041@x", "20x1"] {
            assert_eq!(text.parse::<MailboxId>(), Err(InvalidMailboxId::Malformed), "{text:?}");
        }
    }

    #[test]
    fn names_are_plain_and_their_case_does_not_matter() {
        let longest = "a".repeat(32);
        for text in ["s", "sales", "Sales", "SALES-2", "berlin.sales_team", "postmasters", "voicemail2", "vm", "vm-x", &longest] {
            let id: MailboxId = text.parse().unwrap();
            assert!(id.as_str() == text.to_ascii_lowercase() && !id.is_number(), "{text}");
        }
        let too_long = "a".repeat(33);
        for text in [
            ".", "..", "a..b", ".sales", "sales.", "-sales", "sales-", "_a", "a_", "a/b", "a\\b", "a b", "a\0", "a@b", "a+b",
            "a%", "ä", "2sales", "a\n", "\"a\"", &too_long,
        ] {
            assert_eq!(text.parse::<MailboxId>(), Err(InvalidMailboxId::Malformed), "{text:?}");
        }
    }

    #[test]
    fn reserved_names_are_refused_in_every_case() {
        for text in ["postmaster", "Postmaster", "VOICEMAIL", "non-mail-user", "vm+", "vm+2041", "VM+sales"] {
            let error = text.parse::<MailboxId>().unwrap_err();
            assert_eq!(error, InvalidMailboxId::Reserved, "{text}");
            assert!(error.to_string().contains("are reserved"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn an_id_reads_back_from_its_text_in_any_case(id in any_mailbox()) {
            prop_assert_eq!(id.to_string().parse(), Ok(id.clone()));
            prop_assert_eq!(id.as_str().to_ascii_uppercase().parse(), Ok(id.clone()));
            #[cfg(feature = "fs")]
            prop_assert_eq!(MailboxId::from_file_name(id.as_str()), Some(id.clone()));
        }

        #[test]
        fn an_id_is_the_local_part_of_a_mail_address(id in any_mailbox()) {
            let address: crate::message::MailAddress = format!("{id}@example.com").parse().unwrap();
            prop_assert_eq!(address.local_part().parse(), Ok(id));
        }

        #[test]
        fn no_text_makes_an_unsafe_id(text in "[-+_./\\\\a-zA-Z0-9@\"<> \\r\\n\\t%~é]{0,40}") {
            if let Ok(id) = text.parse::<MailboxId>() {
                let safe = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_+".contains(&byte);
                prop_assert!(id.as_str().bytes().all(safe) && !id.as_str().starts_with(['.', '-', '_']), "{}", id);
            }
        }
    }
}
