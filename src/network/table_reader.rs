//! [`TableReader`]: reads a table of a description key by key.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::builder::Setting;
use super::value::Value;
use super::{FormRule, Rule};

/// Returns the value under each key of a table, and collects the faults.
pub(super) struct TableReader {
    /// The path to the table, such as `time.`; empty for the table of a PBX.
    path: String,
    /// The entries that were not read yet.
    left: BTreeMap<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<Rule>,
}

impl TableReader {
    pub(super) fn new(table: BTreeMap<String, Value>, path: impl Into<String>) -> Self {
        Self { path: path.into(), left: table, known: Vec::new(), faults: Vec::new() }
    }

    /// Reports a fault if `key` is missing.
    pub(super) fn must_have(&mut self, key: &'static str) {
        if !self.left.contains_key(key) {
            self.fault(FormRule::KeyMissing { key: self.path_of(key) });
        }
    }

    pub(super) fn text(&mut self, key: &'static str) -> Setting<String> {
        self.read(key, "a text", |value| match value {
            Value::Text(text) => Ok(text),
            other => Err(other),
        })
    }

    /// Reads a text and parses it as a `T`; a text that cannot be parsed breaks `rule`.
    pub(super) fn parsed<T: FromStr, R: Into<Rule>>(&mut self, key: &'static str, rule: impl FnOnce(String) -> R) -> Setting<T> {
        match self.text(key) {
            Setting::Value(text) => self.parse(text, rule),
            Setting::Unreadable => Setting::Unreadable,
            Setting::Missing => Setting::Missing,
        }
    }

    /// Parses `text` as a `T`; a text that cannot be parsed breaks `rule`.
    pub(super) fn parse<T: FromStr, R: Into<Rule>>(&mut self, text: String, rule: impl FnOnce(String) -> R) -> Setting<T> {
        if let Ok(value) = text.parse() {
            return Setting::Value(value);
        }
        self.fault(rule(text));
        Setting::Unreadable
    }

    pub(super) fn number(&mut self, key: &'static str) -> Setting<u32> {
        self.whole(key, "a whole number from 0 to 4294967295")
    }

    /// Reads a number that may have more than 32 bits.
    pub(super) fn large_number(&mut self, key: &'static str) -> Setting<u64> {
        self.whole(key, "a whole number from 0 to 18446744073709551615")
    }

    fn whole<T: TryFrom<i128>>(&mut self, key: &'static str, wanted: &'static str) -> Setting<T> {
        self.read(key, wanted, |value| match value {
            Value::Integer(number) => number.try_into().map_err(|_| value),
            other => Err(other),
        })
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Setting<bool> {
        self.read(key, "true or false", |value| match value {
            Value::Boolean(value) => Ok(value),
            other => Err(other),
        })
    }

    pub(super) fn list(&mut self, key: &'static str) -> Setting<Vec<Value>> {
        self.read(key, "a list", |value| match value {
            Value::List(values) => Ok(values),
            other => Err(other),
        })
    }

    pub(super) fn table(&mut self, key: &'static str) -> Setting<BTreeMap<String, Value>> {
        self.read(key, "a table", |value| match value {
            Value::Table(table) => Ok(table),
            other => Err(other),
        })
    }

    /// Reads the value under `key`. If `pick` refuses it, the fault says what is `wanted`.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        wanted: &'static str,
        pick: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Setting<T> {
        self.known.push(key);
        match self.left.remove(key).map(pick) {
            None => Setting::Missing,
            Some(Ok(value)) => Setting::Value(value),
            Some(Err(other)) => {
                self.wrong_kind(key, wanted, &other);
                Setting::Unreadable
            }
        }
    }

    /// The path of `key`, also for the reader of a table under it.
    pub(super) fn path_of(&self, key: &str) -> String {
        format!("{}{key}", self.path)
    }

    pub(super) fn wrong_kind(&mut self, key: &str, wanted: &'static str, found: &Value) {
        self.fault(FormRule::WrongKind { key: self.path_of(key), wanted, found: found.to_string() });
    }

    pub(super) fn fault(&mut self, rule: impl Into<Rule>) {
        self.faults.push(rule.into());
    }

    /// Ends the reading of a table inside this one, takes over its faults, and returns whether there were any.
    pub(super) fn end_inner(&mut self, inner: Self) -> bool {
        let faults = inner.end();
        let any = !faults.is_empty();
        self.faults.extend(faults);
        any
    }

    /// Ends reading and returns all faults: those found on reading, and the unknown keys.
    pub(super) fn end(mut self) -> Vec<Rule> {
        let unknown =
            self.left.keys().map(|key| FormRule::UnknownKey { key: format!("{}{key}", self.path), known: self.known.join(", ") });
        self.faults.extend(unknown.map(Rule::from));
        self.faults
    }
}
