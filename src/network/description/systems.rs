//! Reads the other voicemail systems of a description.

use super::super::Rule;
use super::super::table_reader::TableReader;
use super::super::value::Value;
use crate::directory::VoicemailSystem;

/// Reads the tables under `system`, each with the name of a system.
pub(super) fn read(fields: &mut TableReader) -> Vec<VoicemailSystem> {
    let tables = fields.table("system").value().unwrap_or_default();
    tables.into_iter().filter_map(|(name, value)| system(name, value, fields)).collect()
}

/// Reads a system. One whose domain or prefixes cannot be read is left out, and its faults are reported.
fn system(name: String, value: Value, fields: &mut TableReader) -> Option<VoicemailSystem> {
    let path = format!("system.{name}");
    let Value::Table(table) = value else {
        fields.wrong_kind(&path, "a table", &value);
        return None;
    };
    let mut parts = TableReader::new(table, format!("{path}."));
    parts.must_have("domain");
    parts.must_have("prefixes");
    let domain = parts.text("domain").value();
    let prefixes = parts.list("prefixes").value();
    let prefixes = prefixes.and_then(|values| values.into_iter().map(|value| prefix(value, &mut parts)).collect());
    let unknown =
        |found| Rule::InvalidSystem { system: name.clone(), wanted: "a dialect is vpim, vpim-as-stored or mail", found };
    let dialect = parts.parsed("dialect", unknown).value().unwrap_or_default();
    let strip = parts.number("strip").value().unwrap_or(0);
    let add = parts.text("add").value().unwrap_or_default();
    let honours_privacy = parts.boolean("private").value().unwrap_or(false);
    let spoken_name = parts.boolean("spoken_name").value().unwrap_or(true);
    let business_card = parts.boolean("business_card").value().unwrap_or(true);
    fields.end_inner(parts);
    let strip = usize::try_from(strip).unwrap_or(usize::MAX);
    let (domain, prefixes) = (domain?, prefixes?);
    Some(VoicemailSystem { name, domain, prefixes, strip, add, dialect, honours_privacy, spoken_name, business_card })
}

fn prefix(value: Value, parts: &mut TableReader) -> Option<String> {
    match value {
        Value::Text(text) => Some(text),
        other => {
            parts.wrong_kind("prefixes", "a list of texts with digits", &other);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::network::{Network, NetworkDescription};

    fn described(systems: &str) -> Result<Network, Vec<String>> {
        let text = format!(
            r#"
            domain = "example.com"
            {systems}
            [[pbx]]
            id = "london"
            voicemail = "central"
            zone = "Europe/London"
            node = "vm.example.com"
            time = {{ sntp = ["ntp.example"] }}
            licences = ["voicemail"]
            ports = 1
            mailbox = {{ 2001 = {{}}, 8500 = {{}} }}
            "#
        );
        let description: NetworkDescription = toml::from_str(&text).unwrap();
        description.check().map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_system_is_read_and_shown_in_a_table() {
        let network = described(
            r#"
            [system.boston]
            domain = "vpim.boston.example"
            prefixes = ["8617", "8618"]
            strip = 1
            add = "+1"
            private = true
            [system.york]
            domain = "york.example"
            prefixes = ["87"]
            dialect = "mail"
            spoken_name = false
            business_card = false
            "#,
        );
        let network = network.unwrap();
        let table = "\
SYSTEM  DOMAIN               PREFIXES    STRIP  ADD  DIALECT  PRIVATE
boston  vpim.boston.example  8617, 8618  1      +1   vpim     yes
york    york.example         87          0      -    mail     no
";
        assert_eq!(network.to_system_table(), table);
        let reached = network.remote(&"8617555".parse().unwrap()).unwrap();
        assert_eq!((reached.address.to_string().as_str(), reached.honours_privacy), ("+1617555@vpim.boston.example", true));
        let to_york = network.remote(&"8700".parse().unwrap()).unwrap();
        let parts = [&reached, &to_york].map(|mailbox| (mailbox.spoken_name, mailbox.business_card));
        assert_eq!(parts, [(true, true), (false, false)]);
        assert_eq!(network.remote(&"2001".parse().unwrap()), None);
    }

    #[test]
    fn each_fault_of_a_system_is_reported() {
        let faults = described(
            r#"
            [system.a]
            domain = "not a host"
            prefixes = ["85", "x"]
            strip = 3
            add = "1-2"
            dialect = "fax"
            [system.b]
            domain = "b.example"
            prefixes = ["85"]
            [system.c]
            domain = "c.example"
            prefixes = []
            [system.d]
            prefixes = [87]
            spoken_name = "no"
            "#,
        );
        let faults = faults.unwrap_err();
        for (code, part) in [
            ("N80", "a domain is a host name; found \"not a host\" for system.a"),
            ("N80", "found \"x\" for system.a"),
            ("N80", "found \"1-2\" for system.a"),
            ("N80", "found \"3\" for system.a"),
            ("N80", "a dialect is vpim, vpim-as-stored or mail; found \"fax\" for system.a"),
            ("N80", "a system has one or more prefixes; found \"none\" for system.c"),
            ("N81", "found 85 for system.a and system.b"),
            ("N82", "found 8500, which begins with 85 of system.a"),
            ("N82", "found 8500, which begins with 85 of system.b"),
            ("N32", "system.d.domain"),
            ("N33", "system.d.prefixes"),
            ("N33", "system.d.spoken_name"),
        ] {
            assert!(faults.iter().any(|fault| fault.contains(code) && fault.contains(part)), "{code} {part} in {faults:#?}");
        }
        assert_eq!(faults.len(), 12, "{faults:#?}");
    }
}
