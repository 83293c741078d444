//! Reads the web hooks of a description. No fault shows a URL or a secret.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use super::super::Rule;
use super::super::builder::Setting;
use super::super::table_reader::TableReader;
use super::super::value::Value;
use super::super::webhook::{SecretSource, WebhookBuilder};
use crate::http::TargetPolicy;
use crate::http::webhook::CallerData;

/// Reads the tables under `webhook`, each with the name of a web hook.
pub(super) fn read(fields: &mut TableReader) -> Vec<WebhookBuilder> {
    let tables = fields.table(super::WEBHOOK).value().unwrap_or_default();
    tables.into_iter().filter_map(|(name, value)| webhook(name, value, fields)).collect()
}

fn webhook(name: String, value: Value, fields: &mut TableReader) -> Option<WebhookBuilder> {
    let path = format!("webhook.{name}");
    let Value::Table(table) = value else {
        fields.wrong_kind(&path, "a table", &value);
        return None;
    };
    let mut parts = TableReader::new(table, format!("{path}."));
    parts.must_have("url");
    let id = name.parse().map_err(|why| invalid(&mut parts, &path, &why, Some(&name))).ok();
    let url = match parts.text("url") {
        Setting::Value(text) => text.parse().map_err(|why| fault(&mut parts, "url", &why, None)).ok(),
        Setting::Unreadable | Setting::Missing => None,
    };
    let secrets = secrets(&mut parts);
    let types = parsed(&mut parts, "types", "a list of types").into_iter().collect();
    let sites = parsed(&mut parts, "pbx", "a list of the ids of PBXs").into_iter().collect();
    let mut policy = TargetPolicy { prefixes: parsed(&mut parts, "prefixes", "a list of networks"), ..TargetPolicy::default() };
    policy.ports.extend(ports(&mut parts));
    if parts.boolean("plain_text").value() == Some(true) {
        policy = policy.allow_plain_text();
    }
    let caller = if parts.boolean("caller").value() == Some(true) { CallerData::Included } else { CallerData::LeftOut };
    fields.end_inner(parts);
    Some(WebhookBuilder { name, id, url, secrets, types, sites, policy, caller })
}

/// Reads where the secrets are: a list of tables with `file` or `env`.
fn secrets(parts: &mut TableReader) -> Vec<Option<SecretSource>> {
    // A value of another kind may be the secret itself, so no fault shows it.
    let values = match parts.read(SECRETS, SECRETS_WANTED, Ok) {
        Setting::Value(Value::List(values)) => values,
        Setting::Value(_) | Setting::Unreadable => {
            fault(parts, SECRETS, &SECRETS_WANTED, None);
            return vec![None];
        }
        Setting::Missing => return Vec::new(),
    };
    values.into_iter().map(|value| secret(value, parts)).collect()
}

fn secret(value: Value, parts: &mut TableReader) -> Option<SecretSource> {
    let source = match value {
        Value::Table(table) => source(&table),
        _ => None,
    };
    if source.is_none() {
        fault(parts, SECRETS, &SECRETS_WANTED, None);
    }
    source
}

fn source(table: &BTreeMap<String, Value>) -> Option<SecretSource> {
    let mut entries = table.iter();
    match (entries.next()?, entries.next()) {
        ((key, Value::Text(path)), None) if key == "file" && !path.is_empty() => Some(SecretSource::File(PathBuf::from(path))),
        ((key, Value::Text(name)), None) if key == "env" && is_variable(name) => Some(SecretSource::Variable(name.clone())),
        _ => None,
    }
}

/// Whether an environment variable may have this name.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// Reads a list of texts, and parses each.
fn parsed<T: FromStr<Err: Display>>(parts: &mut TableReader, key: &'static str, wanted: &'static str) -> Vec<T> {
    let values = parts.list(key).value().unwrap_or_default();
    let one = |value| match value {
        Value::Text(text) => text.parse().map_err(|why| fault(parts, key, &why, Some(&text))).ok(),
        other => {
            parts.wrong_kind(key, wanted, &other);
            None
        }
    };
    values.into_iter().filter_map(one).collect()
}

fn ports(parts: &mut TableReader) -> Vec<u16> {
    let values = parts.list("ports").value().unwrap_or_default();
    let one = |value| match value {
        Value::Integer(number) if (1..=0xffff).contains(&number) => u16::try_from(number).ok(),
        other => {
            parts.wrong_kind("ports", "a list of numbers from 1 to 65535", &other);
            None
        }
    };
    values.into_iter().filter_map(one).collect()
}

fn fault(parts: &mut TableReader, key: &str, wanted: &dyn Display, found: Option<&str>) {
    let key = parts.path_of(key);
    invalid(parts, &key, wanted, found);
}

fn invalid(parts: &mut TableReader, key: &str, wanted: &dyn Display, found: Option<&str>) {
    let found = found.map_or_else(|| "another value, which is not shown here".to_owned(), |text| format!("{text:?}"));
    parts.fault(Rule::InvalidWebhookValue { key: key.to_owned(), wanted: wanted.to_string(), found });
}

const SECRETS: &str = "secrets";
const SECRETS_WANTED: &str =
    "the secrets of a web hook are a list of tables such as { file = \"/etc/voicemail/crm\" } or { env = \"CRM_SECRET\" }";

#[cfg(test)]
mod tests {
    use super::super::NetworkDescription;
    use crate::network::{Faults, Network};

    const NETWORK: &str = include_str!("../../../examples/network.toml");
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn read(webhooks: &str) -> Result<Network, Faults> {
        toml::from_str::<NetworkDescription>(&format!("{NETWORK}\n{webhooks}")).unwrap().check()
    }

    fn faults(webhooks: &str) -> Vec<String> {
        read(webhooks).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_web_hook_reads_as_it_is_meant() {
        let network = read(
            r#"
            [webhook.crm]
            url = "https://crm.corp.example:8443/voicemail"
            secrets = [{ env = "CRM_SECRET" }, { file = "/etc/voicemail/crm" }]
            types = ["voicemail.message.stored", "voicemail.lamp.changed"]
            pbx = ["tokyo", "london"]
            caller = true
            ports = [8443]
            prefixes = ["10.1.0.0/16"]
            [webhook.audit]
            url = "http://10.1.1.5/"
            secrets = [{ file = "audit" }]
            prefixes = ["10.1.0.0/16"]
            plain_text = true
            "#,
        )
        .unwrap();
        let table = "\
WEBHOOK  SERVER                         TYPES                                             PBX            CALLERS  SECRETS
audit    http://10.1.1.5                messages                                          all            no       file audit
crm      https://crm.corp.example:8443  voicemail.message.stored, voicemail.lamp.changed  london, tokyo  yes      variable CRM_SECRET, file /etc/voicemail/crm
";
        assert_eq!(network.to_webhook_table(), table);
        let crm = network.webhooks().nth(1).unwrap();
        assert!(crm.policy.check_addresses(&["10.1.9.9".parse().unwrap()]).is_ok());
        assert_eq!(crm.url.path_and_query(), "/voicemail");
    }

    #[test]
    fn every_fault_of_web_hooks_is_reported_at_once() {
        let text = r#"
            [webhook.Crm]
            url = "http://10.1.1.5/token"
            secrets = ["SECRET"]
            types = ["voicemail.message.lost"]
            pbx = ["", "paris"]
            prefixes = ["10.1.2.3/8"]
            ports = [0, "https"]
            secret = "SECRET"
            [webhook.b]
            url = "https://127.0.0.1/token"
            secrets = []
            [webhook.c]
            url = "https://user:token@c.example/"
            secrets = [{ env = "A" }, { file = "b" }, { file = "c", env = "d" }]
            [webhook.d]
            secrets = "SECRET"
            "#;
        let found = faults(&text.replace("SECRET", SECRET));
        let places = [
            "N69 the name of an end point", // Crm
            "N69 the secrets of a web hook",
            "N69 a type is one",
            "N69",
            "N69",
            "N33 webhook.Crm.ports",
            "N33 webhook.Crm.ports",
            "N31",
            "N69", // c
            "N69",
            "N32", // d
            "N69",
            "N67", // Crm
            "N68",
            "N66", // b
            "N67",
            "N66", // c
        ];
        assert_eq!(found.len(), places.len(), "{found:#?}");
        for (fault, place) in found.iter().zip(places) {
            assert!(fault.contains(place), "{fault} has no {place}");
        }
        let shown = found.join("\n");
        assert!(!shown.contains(SECRET) && !shown.contains("token"), "{shown}");
        assert!(shown.contains("webhook.Crm.pbx") && shown.contains("paris"), "{shown}");
    }
}
