//! The recordings beside the examples, with what `index.csv` says of each.

use std::fs;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use voicemail::message::{Caller, CallerName, MailboxId};
use voicemail::record::CallFacts;

use super::Failure;

/// A recorded message, and the facts of its call that a PBX knew.
pub struct Recorded {
    /// The file's name.
    pub file: String,
    /// The file's bytes.
    pub wav: Vec<u8>,
    /// The mailbox and the caller.
    pub facts: CallFacts,
    /// The time when it was completed.
    pub instant: DateTime<Utc>,
}

/// Reads all recordings, in the order of the index.
pub fn all() -> Result<Vec<Recorded>, Failure> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/recordings"));
    let index = fs::read_to_string(folder.join("index.csv"))?;
    index.lines().skip(1).map(|line| read(&folder, &fields(line))).collect()
}

fn read(folder: &std::path::Path, fields: &[String]) -> Result<Recorded, Failure> {
    let [file, _, _, number, name, mailbox, _, priority, private, instant, ..] = fields else {
        return Err("index.csv: a line has too few fields".into());
    };
    let caller = Caller::new(number.parse().ok(), CallerName::cleaned(name));
    let mut facts = CallFacts::to(mailbox.parse::<MailboxId>()?).caller(caller);
    if priority == "urgent" {
        facts = facts.urgent();
    }
    if private == "yes" {
        facts = facts.private();
    }
    Ok(Recorded { file: file.clone(), wav: fs::read(folder.join(file))?, facts, instant: instant.parse()? })
}

/// Splits a line of CSV into fields: commas separate them, quotes may enclose one, and a doubled quote inside is one quote.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => fields.last_mut().expect("there is a field").extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().expect("there is a field").push(c),
        }
    }
    fields
}
