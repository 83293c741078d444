//! [`Webhook`]: a web hook of a network, with its [`SecretSource`]s.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::http::webhook::{CallerData, EndPointId, NotificationType};
use crate::http::{HttpUrl, TargetPolicy};
use crate::message::SiteId;

/// A web hook of a network: where its nodes report what happens to messages, and what they report.
///
/// Its secrets are not in the description, which every node has and which tables show, but where a [`SecretSource`] says, on each node that reports.
/// [`Webhooks`](crate::arrival::webhook::Webhooks) reads them and sends the reports.
///
/// In a description, each has a table under its name:
///
/// ```toml
/// [webhook.crm]
/// url = "https://crm.corp.example:8443/voicemail"
/// secrets = [{ file = "/etc/voicemail/crm" }, { env = "OLD_CRM" }]  # the newest first; two while one is replaced
/// types = ["voicemail.message.stored", "voicemail.message.heard"]   # by default all of messages, and no lamps
/// pbx = ["london"]                                                  # by default all of them
/// caller = true                                                     # by default false
/// ports = [8443]                                                    # besides 443
/// prefixes = ["10.1.0.0/16"]                                        # by default public addresses only
/// plain_text = false                                                # true allows http
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Webhook {
    /// The name, which is unique in the network.
    pub id: EndPointId,
    /// Where requests go.
    pub url: HttpUrl,
    /// Where the secrets are: one, or while it is being replaced, the newer one and the older one.
    pub secrets: Vec<SecretSource>,
    /// The types that are reported; if empty, everything that happens to messages, and no lamps.
    pub types: BTreeSet<NotificationType>,
    /// The PBXs whose mailboxes are reported; if empty, all of them.
    pub sites: BTreeSet<SiteId>,
    /// Which servers the URL may lead to.
    pub policy: TargetPolicy,
    /// Whether requests contain the caller.
    pub caller: CallerData,
}

impl Webhook {
    /// A web hook on the public Internet that gets everything that happens to messages, without callers.
    pub fn new(id: EndPointId, url: HttpUrl, secret: SecretSource) -> Self {
        let (secrets, types, sites) = (vec![secret], BTreeSet::new(), BTreeSet::new());
        Self { id, url, secrets, types, sites, policy: TargetPolicy::default(), caller: CallerData::LeftOut }
    }
}

/// Where a node reads the secret of a web hook: a text such as `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`, with white space around it or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecretSource {
    /// A file of at most 4 kB; a relative path begins where the program was started.
    File(PathBuf),
    /// An environment variable of the program.
    Variable(String),
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
        }
    }
}

/// A web hook of a description before it is checked.
#[derive(Debug, Clone)]
pub(super) struct WebhookBuilder {
    /// The name as it was given.
    pub(super) name: String,
    /// The name; `None` if it cannot be read.
    pub(super) id: Option<EndPointId>,
    /// Where requests go; `None` if that cannot be read.
    pub(super) url: Option<HttpUrl>,
    /// Where the secrets are; `None` for one that cannot be read.
    pub(super) secrets: Vec<Option<SecretSource>>,
    pub(super) types: BTreeSet<NotificationType>,
    pub(super) sites: BTreeSet<SiteId>,
    pub(super) policy: TargetPolicy,
    pub(super) caller: CallerData,
}

impl WebhookBuilder {
    pub(super) fn of(webhook: Webhook) -> Self {
        let Webhook { id, url, secrets, types, sites, policy, caller } = webhook;
        let (name, secrets) = (id.to_string(), secrets.into_iter().map(Some).collect());
        Self { name, id: Some(id), url: Some(url), secrets, types, sites, policy, caller }
    }

    /// The web hook; `None` if something could not be read.
    pub(super) fn into_webhook(self) -> Option<Webhook> {
        let Self { id, url, secrets, types, sites, policy, caller, .. } = self;
        let secrets = secrets.into_iter().collect::<Option<_>>()?;
        Some(Webhook { id: id?, url: url?, secrets, types, sites, policy, caller })
    }
}

/// The web hooks of a network by their names.
pub(super) type WebhookTable = BTreeMap<EndPointId, Webhook>;
