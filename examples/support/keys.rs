//! Reads TOML files key by key, and collects all faults.

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use toml::{Table, Value};
use voicemail::network::{Network, NetworkDescription};

/// The keys of a table that have not been read yet, and the faults found so far.
pub struct Keys {
    table: Table,
    place: String,
    folder: PathBuf,
    known: Vec<&'static str>,
    faults: Vec<String>,
}

impl Keys {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// The reason why it cannot be read, or the line that is not TOML.
    pub fn of_file(path: &Path) -> Result<Self, String> {
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(Self::of(read_toml(path)?, path.display().to_string(), folder))
    }

    fn of(table: Table, place: String, folder: &Path) -> Self {
        Self { table, place, folder: folder.to_owned(), known: Vec::new(), faults: Vec::new() }
    }

    /// Adds a fault; returns `None`, for the value that is missing because of it.
    pub fn fault<T>(&mut self, what: impl Display) -> Option<T> {
        self.faults.push(format!("{}: {what}", self.place));
        None
    }

    /// Returns the value of `key`, if it is present and valid.
    pub fn optional<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<T> {
        match self.take(key)? {
            Value::String(text) => match text.parse() {
                Ok(value) => Some(value),
                Err(error) => self.fault(format!("{key} = {text:?}: {error}")),
            },
            other => self.fault(format!("{key} is a text in quotes, not {}", other.type_str())),
        }
    }

    /// Returns the value of `key`, which must be present; `what` describes it.
    pub fn required<T: FromStr<Err: Display>>(&mut self, key: &'static str, what: &str) -> Option<T> {
        if self.table.contains_key(key) { self.optional(key) } else { self.missing(key, what) }
    }

    /// Returns `path`, which is relative to the file.
    pub fn beside(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Returns the path under `key`, which is relative to the file.
    pub fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.optional(key).map(|path: PathBuf| self.folder.join(path))
    }

    /// Returns the path under `key`, which must be present; `what` describes it.
    pub fn required_path(&mut self, key: &'static str, what: &str) -> Option<PathBuf> {
        self.required(key, what).map(|path: PathBuf| self.folder.join(path))
    }

    /// Returns the values of the list under `key`, if it is present and each is valid.
    pub fn list<T: FromStr<Err: Display>>(&mut self, key: &'static str) -> Option<Vec<T>> {
        let Value::Array(values) = self.take(key)? else { return self.fault(format!("{key} is a list of texts in quotes")) };
        let values = values.iter().map(|value| value.as_str().unwrap_or_default());
        let mut read = |text: &str| text.parse().or_else(|error| self.fault(format!("{key}: {text:?}: {error}")).ok_or(())).ok();
        values.map(&mut read).collect()
    }

    /// Reads each table in the table under `key` by `read`, which also gets the table's name.
    pub fn sections<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Self, &str) -> Option<T>) -> Vec<T> {
        let Some(Value::Table(tables)) = self.take(key) else { return Vec::new() };
        let mut all = Vec::new();
        for (name, value) in tables {
            let Value::Table(table) = value else {
                self.fault::<()>(format!("{key}.\"{name}\" is a table, not {}", value.type_str()));
                continue;
            };
            let mut keys = Self::of(table, format!("{} [{key}.\"{name}\"]", self.place), &self.folder);
            all.extend(read(&mut keys, &name));
            self.faults.extend(keys.into_faults());
        }
        all
    }

    /// Reads the network described in the file that `key` names.
    pub fn network(&mut self, key: &'static str) -> Option<Network> {
        let path = self.required_path(key, "the file that describes the network")?;
        load_network(&path).map_err(|faults| self.faults.extend(faults)).ok()
    }

    /// Reads the table under `key` by `read`.
    pub fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        match self.take(key)? {
            Value::Table(table) => {
                let mut keys = Self::of(table, format!("{} [{key}]", self.place), &self.folder);
                let value = read(&mut keys);
                self.faults.extend(keys.into_faults());
                value
            }
            other => self.fault(format!("{key} is a table, not {}", other.type_str())),
        }
    }

    /// Reads the table under `key` by `read`; it must be present, and `what` describes it.
    pub fn required_section<T>(&mut self, key: &'static str, what: &str, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.table.contains_key(key) { self.section(key, read) } else { self.missing(key, what) }
    }

    /// Returns all faults, after all known keys have been read: the keys that are left are faults, too.
    pub fn into_faults(mut self) -> Vec<String> {
        let known = self.known.join(", ");
        for key in std::mem::take(&mut self.table).keys() {
            self.fault::<()>(format!("{key} is not a key that is known here; known are {known}"));
        }
        self.faults
    }

    fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn missing<T>(&mut self, key: &'static str, what: &str) -> Option<T> {
        self.known.push(key);
        self.fault(format!("{key} is missing: {what}"))
    }
}

fn load_network(path: &Path) -> Result<Network, Vec<String>> {
    let place = path.display();
    let table = read_toml(path).map_err(|fault| vec![fault])?;
    let description: NetworkDescription = table.try_into().map_err(|error| vec![format!("{place}: {error}")])?;
    description.check().map_err(|faults| faults.iter().map(|fault| format!("{place}: {fault}")).collect())
}

fn read_toml(path: &Path) -> Result<Table, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("{}:{}: {}", path.display(), before.matches('\n').count() + 1, error.message())
    })
}
