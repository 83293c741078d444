//! Reads the other voicemail systems of a description.

use super::super::Rule;
use super::super::table_reader::TableReader;
use super::super::value::Value;
use crate::directory::VoicemailSystem;
use crate::message::{MailAddress, MailboxId};

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
    let domain = parts.text("domain").value();
    let prefixes = parts.list("prefixes").value().unwrap_or_default();
    let prefixes = prefixes.into_iter().map(|value| prefix(value, &mut parts)).collect::<Option<_>>();
    let addresses = parts.table("addresses").value().unwrap_or_default();
    let addresses = addresses.into_iter().filter_map(|(number, value)| address(&name, number, value, &mut parts)).collect();
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
    Some(VoicemailSystem { name, domain, prefixes, addresses, strip, add, dialect, honours_privacy, spoken_name, business_card })
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

/// Reads a number with its address. One that cannot be read is left out, and its fault is reported.
fn address(system: &str, number: String, value: Value, parts: &mut TableReader) -> Option<(MailboxId, MailAddress)> {
    let Value::Text(text) = value else {
        parts.wrong_kind(&format!("addresses.{number}"), "an address such as \"anna@partner.example\"", &value);
        return None;
    };
    let mut invalid = |wanted, found| parts.fault(Rule::InvalidSystem { system: system.to_owned(), wanted, found });
    match (number.parse(), text.parse()) {
        (Ok(number), Ok(address)) => Some((number, address)),
        (Err(_), _) => {
            invalid("the number of an address is one that a mailbox can have", number);
            None
        }
        (Ok(_), Err(_)) => {
            invalid("an address reads like anna@partner.example", text);
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
            addresses = { 5501 = "anna@partner.example", sales = "sales@boston.example" }
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
SYSTEM  DOMAIN               PREFIXES    ADDRESSES                                              STRIP  ADD  DIALECT  PRIVATE
boston  vpim.boston.example  8617, 8618  5501 anna@partner.example, sales sales@boston.example  1      +1   vpim     yes
york    york.example         87          -                                                      0      -    mail     no
";
        assert_eq!(network.to_system_table(), table);
        let reached = network.remote(&"8617555".parse().unwrap()).unwrap();
        assert_eq!((reached.address.to_string().as_str(), reached.honours_privacy), ("+1617555@vpim.boston.example", true));
        let to_york = network.remote(&"8700".parse().unwrap()).unwrap();
        let parts = [&reached, &to_york].map(|mailbox| (mailbox.spoken_name, mailbox.business_card));
        assert_eq!(parts, [(true, true), (false, false)]);
        let anna = network.remote(&"5501".parse().unwrap()).unwrap();
        assert_eq!((anna.address.to_string().as_str(), anna.honours_privacy), ("anna@partner.example", true));
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
            addresses = { 5501 = "anna@b.example", 2001 = "b@b.example", "no number" = "c@b.example", 5502 = "d", 5503 = 5 }
            [system.c]
            domain = "c.example"
            prefixes = []
            [system.e]
            domain = "e.example"
            addresses = { 5501 = "anna@e.example" }
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
            ("N80", "a system has one or more prefixes or addresses; found \"none\" for system.c"),
            ("N80", "the number of an address is one that a mailbox can have; found \"no number\" for system.b"),
            ("N80", "an address reads like anna@partner.example; found \"d\" for system.b"),
            ("N33", "system.b.addresses.5503"),
            ("N83", "found 5501 for system.b and system.e"),
            ("N84", "found 2001, which has an address in system.b"),
            ("N81", "found 85 for system.a and system.b"),
            ("N82", "found 8500, which begins with 85 of system.a"),
            ("N82", "found 8500, which begins with 85 of system.b"),
            ("N32", "system.d.domain"),
            ("N33", "system.d.prefixes"),
            ("N33", "system.d.spoken_name"),
        ] {
            assert!(faults.iter().any(|fault| fault.contains(code) && fault.contains(part)), "{code} {part} in {faults:#?}");
        }
        assert_eq!(faults.len(), 17, "{faults:#?}");
    }
}
