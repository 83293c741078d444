//! [`Headers`]: the fields of a message, by [`HeaderName`].

use std::fmt;

/// The fields that are read and written here. Others are passed over when a message is read: nothing is passed on, so nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderName {
    /// The bodies that are understood.
    Accept,
    /// The methods that are understood.
    Allow,
    /// The events that can be subscribed to.
    AllowEvents,
    /// What proves who asks, to a server.
    Authorization,
    /// One for each dialog, or for each request outside of one.
    CallId,
    /// Where requests in the dialog go.
    Contact,
    /// How many bytes the body has; it is known from the body itself, and never among the [`Headers`] of a message that was read.
    ContentLength,
    /// The type of the body.
    ContentType,
    /// The number of a request in its dialog, and its method.
    CSeq,
    /// What is subscribed to, or told.
    Event,
    /// For how many seconds.
    Expires,
    /// Who sends the request.
    From,
    /// How many more proxies may pass it on.
    MaxForwards,
    /// The least number of seconds to subscribe for.
    MinExpires,
    /// What a proxy asks for.
    ProxyAuthenticate,
    /// What proves who asks, to a proxy.
    ProxyAuthorization,
    /// The proxies that stay in the way of the dialog, as they note themselves.
    RecordRoute,
    /// What must be understood, or the request refused.
    Require,
    /// After how many seconds to come again.
    RetryAfter,
    /// The proxies to go through.
    Route,
    /// What is wrong with Require.
    Unsupported,
    /// How it stands with a subscription.
    SubscriptionState,
    /// Whom the request is for.
    To,
    /// The way that the response goes back.
    Via,
    /// What a server asks for.
    WwwAuthenticate,
}

/// Each name as it is written, and its one letter if it has one. RFC 3261 §7.3.3, RFC 6665 §8.2.1.
const NAMES: [(HeaderName, &str, &str); 25] = [
    (HeaderName::Accept, "Accept", ""),
    (HeaderName::Allow, "Allow", ""),
    (HeaderName::AllowEvents, "Allow-Events", "u"),
    (HeaderName::Authorization, "Authorization", ""),
    (HeaderName::CallId, "Call-ID", "i"),
    (HeaderName::Contact, "Contact", "m"),
    (HeaderName::ContentLength, "Content-Length", "l"),
    (HeaderName::ContentType, "Content-Type", "c"),
    (HeaderName::CSeq, "CSeq", ""),
    (HeaderName::Event, "Event", "o"),
    (HeaderName::Expires, "Expires", ""),
    (HeaderName::From, "From", "f"),
    (HeaderName::MaxForwards, "Max-Forwards", ""),
    (HeaderName::MinExpires, "Min-Expires", ""),
    (HeaderName::ProxyAuthenticate, "Proxy-Authenticate", ""),
    (HeaderName::ProxyAuthorization, "Proxy-Authorization", ""),
    (HeaderName::RecordRoute, "Record-Route", ""),
    (HeaderName::Require, "Require", ""),
    (HeaderName::RetryAfter, "Retry-After", ""),
    (HeaderName::Route, "Route", ""),
    (HeaderName::Unsupported, "Unsupported", ""),
    (HeaderName::SubscriptionState, "Subscription-State", ""),
    (HeaderName::To, "To", "t"),
    (HeaderName::Via, "Via", "v"),
    (HeaderName::WwwAuthenticate, "WWW-Authenticate", ""),
];

impl HeaderName {
    /// The name, in full.
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(name, ..)| *name == self).map_or("", |(_, text, _)| text)
    }

    /// The field that `text` names, in full or by its letter, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        let same = |known: &str| !known.is_empty() && known.eq_ignore_ascii_case(text);
        NAMES.iter().find(|(_, full, letter)| same(full) || same(letter)).map(|(name, ..)| *name)
    }

    /// Whether a message may have it once only, so that a second one makes two readings of it.
    pub(super) const fn is_single(self) -> bool {
        matches!(
            self,
            Self::CallId
                | Self::ContentType
                | Self::CSeq
                | Self::Event
                | Self::Expires
                | Self::From
                | Self::MaxForwards
                | Self::SubscriptionState
                | Self::To
        )
    }
}

/// The fields of a message, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers {
    fields: Vec<(HeaderName, String)>,
}

impl Headers {
    /// Adds a field at the end. Control characters in it, line ends first of all, become spaces.
    pub fn push(&mut self, name: HeaderName, value: impl Into<String>) {
        let mut value: String = value.into();
        if value.contains(char::is_control) {
            value = value.replace(char::is_control, " ");
        }
        self.fields.push((name, value.trim().to_owned()));
    }

    /// The same, as a step of a chain.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    /// The value of the first field of this name.
    pub fn get(&self, name: HeaderName) -> Option<&str> {
        self.all(name).next()
    }

    /// The value of every field of this name.
    pub fn all(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Each element of the lists in the fields of this name.
    pub fn elements(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(super::value::split_list)
    }

    /// The number in the field of this name, at most 4294967295.
    pub fn number(&self, name: HeaderName) -> Option<u32> {
        let digits = self.get(name)?;
        let end = digits.find(|other: char| !other.is_ascii_digit()).unwrap_or(digits.len());
        // Parameters and comments may follow, as after Retry-After.
        let rest = digits[end..].trim_start();
        let number = end > 0 && (rest.is_empty() || rest.starts_with([';', '(']));
        number.then(|| digits[..end].parse().unwrap_or(u32::MAX))
    }

    /// Puts `value` in the place of the first field of this name.
    pub(super) fn replace(&mut self, name: HeaderName, value: String) {
        if let Some((_, place)) = self.fields.iter_mut().find(|(known, _)| *known == name) {
            *place = value;
        }
    }
}

impl fmt::Display for Headers {
    /// A line for each field but Content-Length, which whoever writes the body knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.fields.iter().filter(|(name, _)| *name != HeaderName::ContentLength) {
            write!(f, "{}: {value}\r\n", name.as_str())?;
        }
        Ok(())
    }
}
