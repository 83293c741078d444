//! [`EndPoint`]: a receiver of requests.

use std::collections::BTreeSet;

use super::{CallerData, EndPointId, NotificationType, WebhookSecret};
use crate::http::{HttpUrl, TargetPolicy};
use crate::message::SiteId;

/// A receiver of requests: its URL, its secret, and what it wants to know.
///
/// ```
/// use voicemail::arrival::webhook::{EndPoint, NotificationType, WebhookSecret};
///
/// let end_point = EndPoint::new("crm".parse()?, "https://crm.example/voicemail".parse()?, WebhookSecret::random())
///     .of_type(NotificationType::MessageStored)
///     .of_type(NotificationType::MessageHeard)
///     .for_site("london".parse()?);
/// assert!(end_point.wants(NotificationType::MessageHeard) && !end_point.wants(NotificationType::MessageRemoved));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndPoint {
    /// The name by which jobs, events and operators call it.
    pub id: EndPointId,
    /// Where requests go.
    pub url: HttpUrl,
    /// The secrets with which each request is signed: the newest first, and while it is being replaced, the old one too.
    pub secrets: Vec<WebhookSecret>,
    /// The types that are reported; if empty, everything that happens to messages, and no lamps.
    pub types: BTreeSet<NotificationType>,
    /// The PBXs whose mailboxes are reported; if empty, all of them.
    pub sites: BTreeSet<SiteId>,
    /// Which servers the URL may lead to.
    pub policy: TargetPolicy,
    /// Whether requests contain the caller.
    pub caller: CallerData,
}

impl EndPoint {
    /// An end point on the public Internet that gets everything that happens to messages, without callers.
    pub fn new(id: EndPointId, url: HttpUrl, secret: WebhookSecret) -> Self {
        let (secrets, types, sites) = (vec![secret], BTreeSet::new(), BTreeSet::new());
        Self { id, url, secrets, types, sites, policy: TargetPolicy::default(), caller: CallerData::LeftOut }
    }

    /// Signs with this older secret too, until the receiver knows the new one.
    #[must_use]
    pub fn and_secret(mut self, older: WebhookSecret) -> Self {
        self.secrets.push(older);
        self
    }

    /// Reports this type, and only those that are named.
    #[must_use]
    pub fn of_type(mut self, kind: NotificationType) -> Self {
        self.types.insert(kind);
        self
    }

    /// Reports the mailboxes of this PBX, and only of those that are named.
    #[must_use]
    pub fn for_site(mut self, site: SiteId) -> Self {
        self.sites.insert(site);
        self
    }

    /// Sets which servers the URL may lead to.
    #[must_use]
    pub fn policy(self, policy: TargetPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Puts the number and the name of the caller into the report of a stored message.
    #[must_use]
    pub fn with_caller(self) -> Self {
        Self { caller: CallerData::Included, ..self }
    }

    /// Whether requests of this type are sent.
    pub fn wants(&self, kind: NotificationType) -> bool {
        if self.types.is_empty() { kind != NotificationType::LampChanged } else { self.types.contains(&kind) }
    }

    /// Whether mailboxes of this PBX are reported; `None` for a mailbox of no known PBX.
    pub fn covers(&self, site: Option<&SiteId>) -> bool {
        self.sites.is_empty() || site.is_some_and(|site| self.sites.contains(site))
    }

    /// Returns the value of `webhook-signature`: a signature of each secret, with spaces between them.
    pub fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signatures: Vec<String> = self.secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect();
        signatures.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_point() -> EndPoint {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        EndPoint::new("crm".parse().unwrap(), "https://crm.example/".parse().unwrap(), secret)
    }

    #[test]
    fn lamps_are_reported_only_where_they_are_asked_for() {
        assert!(end_point().wants(NotificationType::MessageParked) && !end_point().wants(NotificationType::LampChanged));
        let lamps = end_point().of_type(NotificationType::LampChanged);
        assert!(lamps.wants(NotificationType::LampChanged) && !lamps.wants(NotificationType::MessageStored));
    }

    #[test]
    fn an_end_point_covers_the_sites_that_it_names() {
        let (london, berlin): (SiteId, SiteId) = ("london".parse().unwrap(), "berlin".parse().unwrap());
        assert!(end_point().covers(Some(&london)) && end_point().covers(None));
        let one = end_point().for_site(london.clone());
        assert!(one.covers(Some(&london)) && !one.covers(Some(&berlin)) && !one.covers(None));
    }

    #[test]
    fn two_secrets_sign_while_one_is_changed() {
        let old: WebhookSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX".parse().unwrap();
        let signature = end_point().and_secret(old.clone()).signature("msg_1", 7, b"{}");
        assert_eq!(signature, format!("{} {}", end_point().secrets[0].sign("msg_1", 7, b"{}"), old.sign("msg_1", 7, b"{}")));
    }
}
