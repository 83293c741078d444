//! [`Headers`]: the header fields of a message, by [`HeaderName`].

use std::fmt;

/// The name of a header field that this crate reads or writes.
///
/// Other fields are ignored when a message is read: this crate is no proxy, so it forwards no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderName {
    /// The media types of bodies that the sender understands.
    Accept,
    /// The methods that the sender supports.
    Allow,
    /// The event packages that can be subscribed to.
    AllowEvents,
    /// The credentials of the sender, for a server.
    Authorization,
    /// The identifier of a dialog, or of a request outside of a dialog.
    CallId,
    /// The URI that requests in the dialog are sent to.
    Contact,
    /// The length of the body in bytes. It is derived from the body, and never among the [`Headers`] of a message that was read.
    ContentLength,
    /// The media type of the body.
    ContentType,
    /// The number of a request in its dialog, and its method.
    CSeq,
    /// The event package of a subscription or a notification.
    Event,
    /// The duration of a subscription, in seconds.
    Expires,
    /// The party that sends the request.
    From,
    /// The number of proxies that may still forward the request.
    MaxForwards,
    /// The shortest duration of a subscription that the server accepts, in seconds.
    MinExpires,
    /// The challenge of a proxy.
    ProxyAuthenticate,
    /// The credentials of the sender, for a proxy.
    ProxyAuthorization,
    /// The proxies that stay in the route of the dialog; each adds itself.
    RecordRoute,
    /// The extensions that the receiver must support, or refuse the request.
    Require,
    /// The number of seconds after which the request may be sent again.
    RetryAfter,
    /// The proxies that the request is routed through.
    Route,
    /// The extensions in Require that the receiver does not support.
    Unsupported,
    /// The state of a subscription, and how long it lasts or why it ended.
    SubscriptionState,
    /// The party that the request is for.
    To,
    /// The hops that the request has taken, which its response takes back.
    Via,
    /// The challenge of a server.
    WwwAuthenticate,
}

/// Each name as it is written, and its compact form if it has one. RFC 3261 §7.3.3, RFC 6665 §8.2.1.
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
    /// The name in its long form.
    pub fn as_str(self) -> &'static str {
        NAMES.iter().find(|(name, ..)| *name == self).map_or("", |(_, text, _)| text)
    }

    /// The field that `text` names, in the long or the compact form and in any case; `None` for other fields.
    pub fn parse(text: &str) -> Option<Self> {
        let same = |known: &str| !known.is_empty() && known.eq_ignore_ascii_case(text);
        NAMES.iter().find(|(_, full, letter)| same(full) || same(letter)).map(|(name, ..)| *name)
    }

    /// Whether a message may have the field only once: with two of them, two receivers may read the message differently.
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

/// The header fields of a message, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers {
    fields: Vec<(HeaderName, String)>,
}

impl Headers {
    /// Adds a field at the end. Control characters in `value`, line ends included, become spaces.
    pub fn push(&mut self, name: HeaderName, value: impl Into<String>) {
        let mut value: String = value.into();
        if value.contains(char::is_control) {
            value = value.replace(char::is_control, " ");
        }
        self.fields.push((name, value.trim().to_owned()));
    }

    /// Adds a field as [`push`](Self::push) does, and returns the fields.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.push(name, value);
        self
    }

    /// The value of the first field of this name, if there is one.
    pub fn get(&self, name: HeaderName) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of all fields of this name.
    pub fn all(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.fields.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The elements of the comma-separated lists in all fields of this name.
    pub fn elements(&self, name: HeaderName) -> impl Iterator<Item = &str> {
        self.all(name).flat_map(super::value::split_list)
    }

    /// The number in the first field of this name; a larger one than 4294967295 is read as 4294967295.
    pub fn number(&self, name: HeaderName) -> Option<u32> {
        let digits = self.get(name)?;
        let end = digits.find(|other: char| !other.is_ascii_digit()).unwrap_or(digits.len());
        // Parameters and comments may follow, as after Retry-After.
        let rest = digits[end..].trim_start();
        let number = end > 0 && (rest.is_empty() || rest.starts_with([';', '(']));
        number.then(|| digits[..end].parse().unwrap_or(u32::MAX))
    }

    /// Replaces the value of the first field of this name.
    pub(super) fn replace(&mut self, name: HeaderName, value: String) {
        if let Some((_, place)) = self.fields.iter_mut().find(|(known, _)| *known == name) {
            *place = value;
        }
    }
}

impl fmt::Display for Headers {
    /// Writes a line for each field but Content-Length, which is written with the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.fields.iter().filter(|(name, _)| *name != HeaderName::ContentLength) {
            write!(f, "{}: {value}\r\n", name.as_str())?;
        }
        Ok(())
    }
}
