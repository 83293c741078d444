//! The rules for other voicemail systems, which concern the network as a whole.

use std::collections::HashMap;

use super::SiteIndex;
use crate::directory::VoicemailSystem;
use crate::message::MailboxId;
use crate::network::Rule;
use crate::network::address::is_host_name;

pub(super) fn check(systems: &[VoicemailSystem], index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    for system in systems {
        values_can_be_used(system, found);
        prefixes_are_of_no_mailbox(system, index, found);
        addresses_are_of_no_mailbox(system, index, found);
    }
    prefixes_are_of_one_system(systems, found);
    numbers_have_one_address(systems, found);
}

fn values_can_be_used(system: &VoicemailSystem, found: &mut Vec<Rule>) {
    let mut invalid = |wanted: &'static str, value: &str| {
        found.push(Rule::InvalidSystem { system: system.name.clone(), wanted, found: value.to_owned() });
    };
    if !is_host_name(&system.domain) {
        invalid("a domain is a host name", &system.domain);
    }
    if system.prefixes.is_empty() && system.addresses.is_empty() {
        invalid("a system has one or more prefixes or addresses", "none");
    }
    for prefix in system.prefixes.iter().filter(|prefix| !is_number(prefix)) {
        invalid("a prefix has 1 to 15 digits, which a plus may precede", prefix);
    }
    if !system.add.is_empty() && !is_number(&system.add) {
        invalid("the digits to add are 1 to 15, which a plus may precede", &system.add);
    }
    if system.prefixes.iter().any(|prefix| prefix.len() < system.strip) {
        invalid("no more characters are taken off than the shortest prefix has", &system.strip.to_string());
    }
}

fn prefixes_are_of_no_mailbox(system: &VoicemailSystem, index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    for prefix in &system.prefixes {
        let numbers = index.mailboxes.keys().chain(&index.list_numbers);
        if let Some(number) = numbers.filter(|number| number.as_str().starts_with(prefix.as_str())).min() {
            let (system, prefix, number) = (system.name.clone(), prefix.clone(), MailboxId::clone(number));
            found.push(Rule::PrefixOfMailbox { system, prefix, number });
        }
    }
}

fn prefixes_are_of_one_system(systems: &[VoicemailSystem], found: &mut Vec<Rule>) {
    let mut first_with = HashMap::new();
    for system in systems {
        for prefix in &system.prefixes {
            if let Some(first) = first_with.insert(prefix, &system.name) {
                found.push(Rule::PrefixTaken { system: system.name.clone(), prefix: prefix.clone(), first: first.clone() });
            }
        }
    }
}

fn addresses_are_of_no_mailbox(system: &VoicemailSystem, index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    let taken = system.addresses().map(|(number, _)| number).filter(|number| index.is_mailbox_or_list(number));
    found.extend(taken.map(|number| Rule::AddressOfMailbox { system: system.name.clone(), number: number.clone() }));
}

fn numbers_have_one_address(systems: &[VoicemailSystem], found: &mut Vec<Rule>) {
    let mut first_with = HashMap::new();
    for system in systems {
        for (number, _) in system.addresses() {
            if let Some(first) = first_with.insert(number, &system.name) {
                found.push(Rule::AddressTaken { system: system.name.clone(), number: number.clone(), first: first.clone() });
            }
        }
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<MailboxId>().is_ok_and(|id| id.is_number())
}
