//! The words on the command line of the example `migrate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::Failure;

/// The two stores, and the other things that are copied.
#[derive(Default)]
pub(crate) struct Options {
    /// The folder of the Maildirs.
    pub folder: PathBuf,
    /// The address of the database.
    pub database: String,
    /// Whether the database is copied into the folder.
    pub back: bool,
    /// Whether every message is read and compared, too.
    pub contents: bool,
    values: BTreeMap<String, String>,
}

impl Options {
    /// Reads the words.
    ///
    /// # Errors
    ///
    /// The fault, and how the program is used.
    pub(crate) fn of(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let (mut options, mut stores) = (Self::default(), Vec::new());
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                None => stores.push(word),
                Some("contents") => options.contents = true,
                Some(flag) if VALUES.contains(&flag) => {
                    let value = words.next().ok_or_else(|| format!("{word} wants a value\n{USAGE}"))?;
                    options.values.insert(flag.to_owned(), value);
                }
                Some(_) => return Err(format!("{word} is not known here\n{USAGE}").into()),
            }
        }
        let is_database = |word: &String| word.starts_with("postgres://") || word.starts_with("postgresql://");
        let [source, target] = <[String; 2]>::try_from(stores).map_err(|_| USAGE)?;
        options.back = is_database(&source);
        if options.back == is_database(&target) {
            return Err(format!("one of the two is a folder, and the other one a database\n{USAGE}").into());
        }
        let (folder, database) = if options.back { (target, source) } else { (source, target) };
        (options.folder, options.database) = (folder.into(), database);
        if !options.back && !options.folder.join("mail").is_dir() {
            return Err(format!("{} has no mailboxes: it is not the folder of a store", options.folder.display()).into());
        }
        Ok(options)
    }

    /// The value of a flag, as a text.
    pub(crate) fn value(&self, flag: &str) -> Option<&str> {
        self.values.get(flag).map(String::as_str)
    }

    /// The value of a flag, as a path.
    pub(crate) fn path(&self, flag: &str) -> Option<&Path> {
        self.value(flag).map(Path::new)
    }
}

const VALUES: [&str; 11] = ["greetings", "pins", "rules", "lists", "sent", "mails", "steps", "warnings", "hooks", "sounds", "ca"];
const USAGE: &str = "usage: migrate FROM TO [--contents] [--greetings FOLDER] [--pins FOLDER] [--rules FOLDER] [--lists FOLDER] [--sent FOLDER] \
    [--mails FOLDER] [--steps FOLDER] [--warnings FOLDER] [--hooks FOLDER] [--sounds URL] [--ca FILE.pem]\n\
    FROM and TO are the folder of a store and postgres://ROLE@HOST/DATABASE, in either order";
