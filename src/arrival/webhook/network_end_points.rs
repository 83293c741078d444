//! The end points of a network, with their secrets; and [`WebhookSecretFaults`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};

use super::{EndPoint, EndPointId, WebhookSecret};
use crate::network::{Network, SecretSource, Webhook};

/// Reads the secrets of all web hooks of `network`. Blocks for as long as small files take.
pub(super) fn read(network: &Network) -> Result<Vec<EndPoint>, WebhookSecretFaults> {
    let (mut end_points, mut faults) = (Vec::new(), Vec::new());
    for webhook in network.webhooks() {
        let mut secrets = Vec::new();
        for source in &webhook.secrets {
            match secret(source) {
                Ok(secret) => secrets.push(secret),
                Err(reason) => faults.push(WebhookSecretFault { id: webhook.id.clone(), from: source.clone(), reason }),
            }
        }
        end_points.extend(end_point(webhook, secrets));
    }
    if faults.is_empty() { Ok(end_points) } else { Err(WebhookSecretFaults(faults)) }
}

fn end_point(webhook: &Webhook, secrets: Vec<WebhookSecret>) -> Option<EndPoint> {
    let Webhook { id, url, types, sites, policy, caller, .. } = webhook.clone();
    let end_point = EndPoint::new(id, url, secrets.first()?.clone());
    Some(EndPoint { secrets, types, sites, policy, caller, ..end_point })
}

fn secret(source: &SecretSource) -> Result<WebhookSecret, String> {
    let text = match source {
        SecretSource::File(path) => read_file(path).map_err(|error| error.to_string())?,
        SecretSource::Variable(name) => std::env::var(name).map_err(|error| error.to_string())?,
    };
    text.trim().parse().map_err(|error: super::InvalidSecret| error.to_string())
}

fn read_file(path: &std::path::Path) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MAX_BYTES { Err(io::Error::other("it has more than 4 kB")) } else { Ok(text) }
}

/// All secrets of web hooks that could not be read, of which there is at least one. Each is displayed on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecretFaults(Vec<WebhookSecretFault>);

impl WebhookSecretFaults {
    /// The faults, in the order of the names of the web hooks.
    pub fn iter(&self) -> std::slice::Iter<'_, WebhookSecretFault> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a WebhookSecretFaults {
    type Item = &'a WebhookSecretFault;
    type IntoIter = std::slice::Iter<'a, WebhookSecretFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for WebhookSecretFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for WebhookSecretFaults {}

/// A secret of a web hook that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("web hook {id}: its secret is to be in {from}: {reason}")]
#[non_exhaustive]
pub struct WebhookSecretFault {
    /// The name of the web hook.
    pub id: EndPointId,
    /// Where the secret is to be.
    pub from: SecretSource,
    /// Why it could not be read, for people to read. Contains no secret.
    pub reason: String,
}

const MAX_BYTES: u64 = 4096;
