//! [`WebhookDescription`]: the end points as a file has them.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::Deserialize;

use super::{EndPoint, WebhookSecret};
use crate::http::TargetPolicy;

/// The end points as a file has them, each under its name, in TOML or any other self-describing format of serde.
///
/// ```
/// use voicemail::arrival::webhook::WebhookDescription;
///
/// let description: WebhookDescription = toml::from_str(
///     r#"
///     [crm]
///     url = "https://crm.corp.example:8443/voicemail"
///     secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]              # the newest first; two while one is replaced
///     types = ["voicemail.message.stored", "voicemail.message.heard"]   # by default all of messages, and no lamps
///     pbx = ["london"]                                                  # by default all of them
///     caller = true                                                     # by default false
///     ports = [8443]                                                    # besides 443
///     prefixes = ["10.1.0.0/16"]                                        # by default public addresses only
///     plain_text = false                                                # true allows http
///     "#,
/// )?;
/// let end_points = description.check().unwrap();
/// assert_eq!(end_points[0].id.as_str(), "crm");
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct WebhookDescription(BTreeMap<String, Table>);

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    secrets: Vec<String>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    pbx: Vec<String>,
    #[serde(default)]
    caller: bool,
    #[serde(default)]
    ports: Vec<u16>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    plain_text: bool,
}

impl std::fmt::Debug for Table {
    /// Leaves out the URL and the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("types", &self.types).field("pbx", &self.pbx).finish_non_exhaustive()
    }
}

impl WebhookDescription {
    /// Checks the description and returns the end points.
    ///
    /// # Errors
    ///
    /// Everything that cannot be read or is not allowed.
    pub fn check(self) -> Result<Vec<EndPoint>, Vec<WebhookFault>> {
        let (mut end_points, mut faults) = (Vec::new(), Vec::new());
        for (name, table) in self.0 {
            let mut check = Check { end_point: &name, faults: &mut faults };
            end_points.extend(check.end_point(&name, &table));
        }
        if faults.is_empty() { Ok(end_points) } else { Err(faults) }
    }
}

/// A fault of a description.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("end point {end_point}: {key}: {reason}")]
#[non_exhaustive]
pub struct WebhookFault {
    /// The name of the end point.
    pub end_point: String,
    /// The key.
    pub key: &'static str,
    /// The fault of its value, for people to read. Contains no secret.
    pub reason: String,
}

struct Check<'a> {
    end_point: &'a str,
    faults: &'a mut Vec<WebhookFault>,
}

impl Check<'_> {
    fn end_point(&mut self, name: &str, table: &Table) -> Option<EndPoint> {
        let id = self.parse("name", name);
        let url = self.parse("url", &table.url);
        let secrets: Vec<WebhookSecret> = self.parse_all("secrets", &table.secrets);
        if !(1..=2).contains(&table.secrets.len()) {
            self.fault("secrets", "there must be one, or two while one is replaced");
        }
        let types = self.parse_all("types", &table.types).into_iter().collect();
        let sites = self.parse_all("pbx", &table.pbx).into_iter().collect();
        let mut policy = TargetPolicy { prefixes: self.parse_all("prefixes", &table.prefixes), ..TargetPolicy::default() };
        policy.ports.extend(&table.ports);
        if table.plain_text {
            policy = policy.allow_plain_text();
        }
        let url = url?;
        if let Err(refused) = policy.check_url(&url) {
            self.fault("url", refused.to_string());
        }
        let end_point = EndPoint::new(id?, url, secrets.first()?.clone());
        let end_point = EndPoint { secrets, types, sites, policy, ..end_point };
        Some(if table.caller { end_point.with_caller() } else { end_point })
    }

    fn parse<T: FromStr<Err: ToString>>(&mut self, key: &'static str, text: &str) -> Option<T> {
        text.parse().map_err(|error: T::Err| self.fault(key, error.to_string())).ok()
    }

    fn parse_all<T: FromStr<Err: ToString>>(&mut self, key: &'static str, texts: &[String]) -> Vec<T> {
        texts.iter().filter_map(|text| self.parse(key, text)).collect()
    }

    fn fault(&mut self, key: &'static str, reason: impl Into<String>) {
        self.faults.push(WebhookFault { end_point: self.end_point.to_owned(), key, reason: reason.into() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let description: WebhookDescription = toml::from_str(text).unwrap();
        let faults = description.check().unwrap_err();
        faults.iter().map(|fault| format!("{} {}", fault.end_point, fault.key)).collect()
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let text = r#"
            [Crm]
            url = "http://10.1.1.5/"
            secrets = ["whsec_short"]
            types = ["voicemail.message.lost"]
            pbx = [""]
            prefixes = ["10.1.2.3/8"]
            [b]
            url = "https://127.0.0.1/"
            secrets = []
            "#;
        assert_eq!(
            faults(text),
            ["Crm name", "Crm secrets", "Crm types", "Crm pbx", "Crm prefixes", "Crm url", "b secrets", "b url"]
        );
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let read: Result<WebhookDescription, _> = toml::from_str("[a]\nurl = \"https://a.example/\"\nsecrets = []\nsecret = 7");
        assert!(read.unwrap_err().to_string().contains("secret"));
    }

    #[test]
    fn a_description_shows_no_secret() {
        let text = "[a]\nurl = \"https://a.example/token\"\nsecrets = [\"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"]";
        let description: WebhookDescription = toml::from_str(text).unwrap();
        let shown = format!("{description:?} {:?}", description.clone().check().unwrap());
        assert!(!shown.contains("MfKQ") && !shown.contains("token"), "{shown}");
    }
}
