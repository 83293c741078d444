//! The command line of `distributed_node`, and the messages that it deposits.

use std::path::PathBuf;

use voicemail::message::{Caller, CallerName, MailboxId};
use voicemail::record::CallFacts;

use super::greet::Greet;

/// The command line.
pub struct Arguments {
    /// The configuration file.
    pub config: PathBuf,
    /// The messages to deposit, in order.
    pub deposits: Vec<Deposit>,
    /// Whether standard input names more messages.
    pub batch: bool,
    /// The greeting to write instead of depositing messages.
    pub greet: Option<Greet>,
}

/// One message to deposit.
pub struct Deposit {
    /// The WAV file.
    pub file: PathBuf,
    /// The mailbox and the caller.
    pub facts: CallFacts,
}

impl Arguments {
    /// Reads the command line, without the program's name.
    ///
    /// # Errors
    ///
    /// The reason why it is wrong, and the usage.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut config = None;
        let mut batch = false;
        let mut rest = Vec::new();
        let mut words = words;
        while let Some(word) = words.next() {
            match word.as_str() {
                "--config" => config = Some(words.next().ok_or_else(|| usage("--config names no file"))?.into()),
                "--batch" => batch = true,
                _ => rest.push(word),
            }
        }
        let config = config.ok_or_else(|| usage("--config is missing"))?;
        if rest.first().is_some_and(|word| word == "--greet") {
            let greet = Greet::from_words(&rest, "--out", "--greet").map_err(|error| usage(&error))?;
            return Ok(Self { config, deposits: Vec::new(), batch, greet: Some(greet) });
        }
        let mut deposits = Vec::new();
        let mut start = 0;
        while start < rest.len() {
            let end = rest[start + 1..].iter().position(|word| word == "--deposit").map_or(rest.len(), |next| start + 1 + next);
            deposits.push(Deposit::from_words(&rest[start..end]).map_err(|error| usage(&error))?);
            start = end;
        }
        Ok(Self { config, deposits, batch, greet: None })
    }
}

impl Deposit {
    /// Reads a line with the flags of one deposit, in which quotes keep words together. Returns `None` for an empty line.
    ///
    /// # Errors
    ///
    /// The reason why it is wrong.
    pub fn from_line(line: &str) -> Result<Option<Self>, String> {
        let words = split(line)?;
        if words.is_empty() { Ok(None) } else { Self::from_words(&words).map(Some) }
    }

    fn from_words(words: &[String]) -> Result<Self, String> {
        let (mut file, mut to, mut caller, mut urgent, mut private) = (None, None, Caller::default(), false, false);
        let mut words = words.iter();
        while let Some(flag) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{flag} wants a value"));
            match flag.as_str() {
                "--deposit" => file = Some(PathBuf::from(value()?)),
                "--to" => {
                    let number = value()?;
                    to = Some(number.parse::<MailboxId>().map_err(|error| format!("--to {number}: {error}"))?);
                }
                "--from" => {
                    let number = value()?;
                    caller.number = Some(number.parse().map_err(|error| format!("--from {number}: {error}"))?);
                }
                "--name" => caller.name = CallerName::cleaned(value()?),
                "--urgent" => urgent = true,
                "--private" => private = true,
                other => return Err(format!("{other} is not known here")),
            }
        }
        let file = file.ok_or("--deposit FILE.wav is missing")?;
        let mut facts = CallFacts::to(to.ok_or("--to MAILBOX is missing")?).caller(caller);
        if urgent {
            facts = facts.urgent();
        }
        if private {
            facts = facts.private();
        }
        Ok(Self { file, facts })
    }
}

/// Splits a line into words. Double quotes keep one together; in them, a backslash takes the next character as it is.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    if quoted { Err("a quote is not closed".to_owned()) } else { Ok(words) }
}

fn usage(what: &str) -> String {
    format!(
        "{what}\nusage: distributed_node --config FILE [--batch] \
         [--deposit FILE.wav --to MAILBOX [--from NUMBER] [--name NAME] [--urgent] [--private]]...\n   \
         or: distributed_node --config FILE --greet MAILBOX --out FILE.wav [--kind normal|busy|temporary|name]"
    )
}
