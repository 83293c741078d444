//! Reads the rules for messages that arrive.

use std::error::Error;
use std::str::FromStr;
use std::time::Duration;

use super::super::FormRule;
use super::super::builder::Setting;
use super::super::table_reader::TableReader;
use super::super::value::Value;
use crate::message::MailAddress;
use crate::rules::{ArrivalRule, ArrivalRules, Content, MessageFilter, PrivateMessages, RuleId, RuleRecipient, TimeSpan};

/// Reads the rules of each mailbox of a PBX that has none itself.
pub(super) fn of_pbx(fields: &mut TableReader) -> ArrivalRules {
    fields.list(KEY).value().map(|rules| read(rules, fields)).unwrap_or_default()
}

/// Reads the address of an owner and the rules of the mailbox. Rules are `None` if the PBX's are in force.
pub(super) fn of_mailbox(fields: &mut TableReader) -> (Option<MailAddress>, Option<ArrivalRules>) {
    let email = parsed(fields, "email");
    let rules = fields.read(KEY, "a list of rules, or false", |value| match value {
        Value::List(rules) => Ok(rules),
        Value::Boolean(false) => Ok(Vec::new()),
        other => Err(other),
    });
    let rules = rules.value().map(|rules| read(rules, fields));
    match email {
        // Whether the rules have an address is not known.
        Setting::Unreadable => (None, None),
        email => (email.value(), rules),
    }
}

fn read(rules: Vec<Value>, fields: &mut TableReader) -> ArrivalRules {
    let read: Vec<_> = rules.into_iter().filter_map(|value| rule(value, fields)).collect();
    ArrivalRules::new(read).unwrap_or_else(|fault| {
        fields.fault(FormRule::InvalidRules { key: fields.path_of(KEY), fault });
        ArrivalRules::default()
    })
}

fn rule(value: Value, fields: &mut TableReader) -> Option<ArrivalRule> {
    let Value::Table(table) = value else {
        fields.wrong_kind(KEY, "a list of rules", &value);
        return None;
    };
    let mut parts = TableReader::new(table, fields.path_of("on_arrival."));
    for key in ["id", "content"] {
        parts.must_have(key);
    }
    let id = parsed::<RuleId>(&mut parts, "id").value();
    let content = parsed::<Content>(&mut parts, "content").value();
    let to = parsed::<RuleRecipient>(&mut parts, "to").value();
    let is_urgent_only = parts.boolean("urgent_only").value() == Some(true);
    let timetable = parts.list("times").value().unwrap_or_default();
    let timetable = timetable.into_iter().filter_map(|value| hours(value, &mut parts)).collect();
    let delay = parts.number("delay_seconds").value().unwrap_or(0);
    let then = parsed(&mut parts, "then").value();
    let is_for_private = parts.boolean("private").value() == Some(true);
    let sound = parsed(&mut parts, "sound").value();
    fields.end_inner(parts);
    let rule = ArrivalRule::new(id?, content?);
    Some(ArrivalRule {
        to: to.unwrap_or_default(),
        messages: if is_urgent_only { MessageFilter::Urgent } else { MessageFilter::All },
        timetable,
        delay: Duration::from_secs(delay.into()),
        then: then.unwrap_or_default(),
        private: if is_for_private { PrivateMessages::Send } else { PrivateMessages::Skip },
        sound: sound.unwrap_or_default(),
        ..rule
    })
}

fn hours(value: Value, parts: &mut TableReader) -> Option<TimeSpan> {
    match value {
        Value::Text(text) => parse(parts, "times", text).value(),
        other => {
            parts.wrong_kind("times", "a list of hours such as \"mon-fri 08:00-18:00\"", &other);
            None
        }
    }
}

fn parsed<T: FromStr<Err: Error>>(fields: &mut TableReader, key: &'static str) -> Setting<T> {
    match fields.text(key) {
        Setting::Value(text) => parse(fields, key, text),
        Setting::Unreadable => Setting::Unreadable,
        Setting::Missing => Setting::Missing,
    }
}

/// Parses a text; the fault says what its type wants.
fn parse<T: FromStr<Err: Error>>(fields: &mut TableReader, key: &str, found: String) -> Setting<T> {
    match found.parse() {
        Ok(value) => Setting::Value(value),
        Err(error) => {
            let error: T::Err = error;
            fields.fault(FormRule::InvalidRuleValue { key: fields.path_of(key), wanted: error.to_string(), found });
            Setting::Unreadable
        }
    }
}

const KEY: &str = "on_arrival";
