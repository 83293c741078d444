//! [`VoicemailSystem`]: another voicemail system, and the numbers by which owners reach its mailboxes.

use super::RemoteMailbox;
use crate::message::{MailAddress, MailDialect, MailboxId};

/// A voicemail system outside the network, to which owners send messages by mail.
///
/// A number that begins with one of the prefixes is a mailbox of the system: of several prefixes, the longest counts. Of the number, the first
/// `strip` characters are taken off and `add` is put in front; the result, at `domain`, is the address. Whole numbers may have any address, also one
/// that is no number; such a number comes before all prefixes.
///
/// ```
/// use voicemail::directory::VoicemailSystem;
///
/// let boston = VoicemailSystem::new("boston", "vpim.boston.example").prefix("8617").strip(1).prepend("+1");
/// let mailbox = boston.mailbox(&"86175550123".parse()?).expect("a number of Boston");
/// assert_eq!(mailbox.address.to_string(), "+16175550123@vpim.boston.example");
/// assert_eq!(boston.mailbox(&"2001".parse()?), None);
/// let boston = boston.address("5501".parse()?, "anna@boston.example".parse()?);
/// assert_eq!(boston.mailbox(&"5501".parse()?).unwrap().address.to_string(), "anna@boston.example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoicemailSystem {
    pub(crate) name: String,
    pub(crate) domain: String,
    pub(crate) prefixes: Vec<String>,
    pub(crate) addresses: Vec<(MailboxId, MailAddress)>,
    pub(crate) strip: usize,
    pub(crate) add: String,
    pub(crate) dialect: MailDialect,
    pub(crate) honours_privacy: bool,
    pub(crate) spoken_name: bool,
    pub(crate) business_card: bool,
}

impl VoicemailSystem {
    /// Returns a system whose mailboxes have addresses in `domain`, a host name; without prefixes and addresses, and with mails in VPIM.
    pub fn new(name: impl Into<String>, domain: impl Into<String>) -> Self {
        let (name, domain) = (name.into(), domain.into());
        Self {
            name,
            domain,
            prefixes: Vec::new(),
            addresses: Vec::new(),
            strip: 0,
            add: String::new(),
            dialect: MailDialect::Vpim,
            honours_privacy: false,
            spoken_name: true,
            business_card: true,
        }
    }

    /// Adds a prefix of 1 to 15 digits, which a plus may precede.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefixes.push(prefix.into());
        self
    }

    /// Adds a number that owners reach this address by, whose domain may be another than that of the system.
    #[must_use]
    pub fn address(mut self, number: MailboxId, address: MailAddress) -> Self {
        self.addresses.push((number, address));
        self
    }

    /// Sets how many of a number's first characters are not in the address: at most those of the shortest prefix. The default is none.
    #[must_use]
    pub const fn strip(mut self, characters: usize) -> Self {
        self.strip = characters;
        self
    }

    /// Sets the digits that are put in front of the rest of a number; a plus may precede them. The default is none.
    #[must_use]
    pub fn prepend(mut self, digits: impl Into<String>) -> Self {
        self.add = digits.into();
        self
    }

    /// Sets the form of the mails. The default is [`MailDialect::Vpim`].
    #[must_use]
    pub const fn dialect(mut self, dialect: MailDialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// States that the system keeps private messages private. By default, none is sent there.
    #[must_use]
    pub const fn honours_privacy(mut self) -> Self {
        self.honours_privacy = true;
        self
    }

    /// Leaves the recorded name of the sender out of the mails, for a system that cannot play it or plays it as a message. By default, mails in VPIM have
    /// it.
    #[must_use]
    pub const fn without_spoken_name(mut self) -> Self {
        self.spoken_name = false;
        self
    }

    /// Leaves the business card of the sender out of the mails. By default, mails in VPIM have it.
    #[must_use]
    pub const fn without_business_card(mut self) -> Self {
        self.business_card = false;
        self
    }

    /// The name of the system.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The mail domain of the system.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The prefixes of the numbers of the system.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().map(String::as_str)
    }

    /// The numbers that have an address, with this address.
    pub fn addresses(&self) -> impl Iterator<Item = (&MailboxId, &MailAddress)> {
        self.addresses.iter().map(|(number, address)| (number, address))
    }

    /// Returns the mailbox that owners reach by `number`; `None` if it has no address and no prefix fits, or the number has no digit beyond those that are taken off.
    pub fn mailbox(&self, number: &MailboxId) -> Option<RemoteMailbox> {
        let address = self.address_of(number).cloned().or_else(|| self.by_prefix(number))?;
        let Self { honours_privacy, spoken_name, business_card, .. } = *self;
        Some(RemoteMailbox {
            honours_privacy,
            spoken_name,
            business_card,
            ..RemoteMailbox::new(number.clone(), address, self.dialect)
        })
    }

    fn address_of(&self, number: &MailboxId) -> Option<&MailAddress> {
        self.addresses().find(|(known, _)| *known == number).map(|(_, address)| address)
    }

    fn by_prefix(&self, number: &MailboxId) -> Option<MailAddress> {
        self.prefix_len(number)?;
        let rest = number.as_str().get(self.strip..).filter(|rest| !rest.is_empty())?;
        format!("{}{rest}@{}", self.add, self.domain).parse().ok()
    }

    /// Returns the length of the longest prefix that `number` begins with.
    fn prefix_len(&self, number: &MailboxId) -> Option<usize> {
        self.prefixes().filter(|prefix| number.as_str().starts_with(prefix)).map(str::len).max()
    }
}

/// Returns the mailbox at the system that has an address for `number`, or else at that with the longest prefix that it begins with.
pub(crate) fn find(systems: &[VoicemailSystem], number: &MailboxId) -> Option<RemoteMailbox> {
    if let Some(system) = systems.iter().find(|system| system.address_of(number).is_some()) {
        return system.mailbox(number);
    }
    let fitting = systems.iter().filter_map(|system| Some((system.prefix_len(number)?, system)));
    fitting.max_by_key(|(len, _)| *len)?.1.mailbox(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reached(systems: &[VoicemailSystem], number: &str) -> Option<String> {
        find(systems, &number.parse().unwrap()).map(|mailbox| mailbox.address.to_string())
    }

    #[test]
    fn the_longest_prefix_leads_to_its_system() {
        let systems = [
            VoicemailSystem::new("all", "far.example").prefix("8").prefix("+44"),
            VoicemailSystem::new("boston", "boston.example").prefix("8617").strip(4),
            VoicemailSystem::new("york", "york.example")
                .address("5501".parse().unwrap(), "anna@mail.york.example".parse().unwrap())
                .address("86171".parse().unwrap(), "ben@york.example".parse().unwrap())
                .address("sales".parse().unwrap(), "sales@york.example".parse().unwrap()),
        ];
        assert_eq!(reached(&systems, "86175550"), Some("5550@boston.example".to_owned()));
        assert_eq!(reached(&systems, "8616"), Some("8616@far.example".to_owned()));
        assert_eq!(reached(&systems, "+442079460112"), Some("+442079460112@far.example".to_owned()));
        assert_eq!(reached(&systems, "8617"), None, "nothing is left of the number");
        assert_eq!(reached(&systems, "5501"), Some("anna@mail.york.example".to_owned()));
        assert_eq!(reached(&systems, "86171"), Some("ben@york.example".to_owned()), "a whole number comes before a prefix");
        assert_eq!(reached(&systems, "sales"), Some("sales@york.example".to_owned()));
        assert_eq!(reached(&systems, "55011"), None);
        assert_eq!(reached(&systems, "2001"), None);
        assert_eq!(reached(&systems, "anna"), None);
    }
}
