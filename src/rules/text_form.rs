//! The rules of a mailbox as text.

use std::error::Error;
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use super::{
    ArrivalRule, ArrivalRules, Content, MessageFilter, PrivateMessages, RuleId, RuleRecipient, RulesTextError, RulesVersion,
    SoundForm, Then, TimeSpan, Timetable,
};

impl ArrivalRules {
    /// Reads rules as [`to_text`](Self::to_text) writes them. A line that begins with `#` and an empty line mean nothing.
    ///
    /// # Errors
    ///
    /// [`RulesTextError`], with the line and the field.
    pub fn from_text(text: &str) -> Result<Self, RulesTextError> {
        read(text)
    }

    /// Writes the rules as text, in the form that the [module](super) shows.
    pub fn to_text(&self) -> String {
        write(self)
    }

    /// Returns the version of these rules, by which a change is refused that was made to others.
    pub fn version(&self) -> RulesVersion {
        RulesVersion::of(&self.to_text())
    }
}

/// Writes rules as text. A field with its usual value is left out.
fn write(rules: &ArrivalRules) -> String {
    let mut text = format!("{FIRST_LINE}\n");
    for rule in rules {
        let mut line = |field: &str, value: &dyn std::fmt::Display| {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{field} {value}");
        };
        let usual = ArrivalRule::new(rule.id.clone(), rule.content);
        line("\nrule", &rule.id);
        line("content", &rule.content);
        if let RuleRecipient::Address(address) = &rule.to {
            line("to", address);
        }
        if rule.messages != usual.messages {
            line("when", &rule.messages);
        }
        for span in rule.timetable.spans() {
            line("time", span);
        }
        if rule.delay != usual.delay {
            line("delay", &rule.delay.as_secs());
        }
        if rule.then != usual.then {
            line("then", &rule.then);
        }
        if rule.private != usual.private {
            line("private", &rule.private);
        }
        if rule.sound != usual.sound {
            line("sound", &rule.sound);
        }
    }
    text
}

fn read(text: &str) -> Result<ArrivalRules, RulesTextError> {
    let mut lines = (1..).zip(text.lines());
    let first = lines.next().map_or("", |(_, line)| line);
    if first != FIRST_LINE {
        return Err(RulesTextError::Version { found: first.chars().take(100).collect() });
    }
    let mut rules = Vec::new();
    let mut open: Option<OpenRule> = None;
    for (line, text) in lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        let unknown = || RulesTextError::UnknownField { line, known: FIELDS.join(", "), found: name.to_owned() };
        let field = *FIELDS.iter().find(|field| **field == name).ok_or_else(unknown)?;
        let field = Field { line, name: field, value };
        if field.name == "rule" {
            rules.extend(open.take().map(OpenRule::close).transpose()?);
            open = Some(OpenRule::new(line, field.read()?));
        } else {
            let rule = open.as_mut().ok_or(RulesTextError::Missing { line, field: "rule" })?;
            rule.set(&field)?;
        }
    }
    rules.extend(open.take().map(OpenRule::close).transpose()?);
    Ok(ArrivalRules::new(rules)?)
}

/// A line of the text.
struct Field<'a> {
    line: usize,
    name: &'static str,
    value: &'a str,
}

impl Field<'_> {
    fn read<T: FromStr<Err: Error>>(&self) -> Result<T, RulesTextError> {
        self.value.parse().map_err(|error: T::Err| self.fault(error.to_string()))
    }

    fn fault(&self, wanted: String) -> RulesTextError {
        RulesTextError::Value { line: self.line, field: self.name, wanted, found: self.value.to_owned() }
    }
}

/// A rule of which not all lines were read yet.
struct OpenRule {
    line: usize,
    id: RuleId,
    /// The fields that were read.
    read: Vec<&'static str>,
    content: Option<Content>,
    to: RuleRecipient,
    messages: MessageFilter,
    hours: Vec<TimeSpan>,
    delay: Duration,
    then: Then,
    private: PrivateMessages,
    sound: SoundForm,
}

impl OpenRule {
    fn new(line: usize, id: RuleId) -> Self {
        let ArrivalRule { id, to, messages, delay, then, private, sound, .. } = ArrivalRule::new(id, Content::Copy);
        Self { line, id, read: Vec::new(), content: None, to, messages, hours: Vec::new(), delay, then, private, sound }
    }

    fn set(&mut self, field: &Field<'_>) -> Result<(), RulesTextError> {
        if field.name != "time" && self.read.contains(&field.name) {
            return Err(RulesTextError::Twice { line: field.line, field: field.name });
        }
        self.read.push(field.name);
        match field.name {
            "content" => self.content = Some(field.read()?),
            "to" => self.to = field.read()?,
            "when" => self.messages = field.read()?,
            "time" => self.hours.push(field.read()?),
            "delay" => {
                let wanted = |_| field.fault("a delay is a number of seconds".to_owned());
                self.delay = Duration::from_secs(field.value.parse().map_err(wanted)?);
            }
            "then" => self.then = field.read()?,
            "private" => self.private = field.read()?,
            _ => self.sound = field.read()?,
        }
        Ok(())
    }

    fn close(self) -> Result<ArrivalRule, RulesTextError> {
        let content = self.content.ok_or(RulesTextError::Missing { line: self.line, field: "content" })?;
        let timetable: Timetable = self.hours.into_iter().collect();
        let Self { id, to, messages, delay, then, private, sound, .. } = self;
        Ok(ArrivalRule { id, content, to, messages, timetable, delay, then, private, sound })
    }
}

const FIRST_LINE: &str = "voicemail rules 1";
const FIELDS: [&str; 9] = ["rule", "content", "to", "when", "time", "delay", "then", "private", "sound"];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(text: &str) -> String {
        read(&format!("voicemail rules 1\n\n{text}")).unwrap_err().to_string()
    }

    #[test]
    fn a_fault_has_line_field_value_and_remedy() {
        for (text, expected) in [
            ("content copy", "line 3: a rule has the field rule; found none; add it"),
            ("rule a\ncopy", "line 4: a line has one of the fields rule, content, to, when, time, delay, then, private, sound"),
            ("rule A", "line 3, rule: a rule's id has 1 to 32 lower-case letters, digits and hyphens; found \"A\"; correct it"),
            ("rule a\n", "line 3: a rule has the field content; found none; add it"),
            (
                "rule a\ncontent copy\nto anna",
                "line 5, to: an e-mail address reads like name@host.example, without quotes or spaces",
            ),
            ("rule a\ncontent copy\ncontent copy", "line 5, content: a rule has this field once; found it again; remove one"),
            ("rule a\ncontent copy\ntime mon", "line 5, time: hours are days and two times, such as"),
            ("rule a\ncontent copy\ndelay -1", "line 5, delay: a delay is a number of seconds; found \"-1\"; correct it"),
            ("rule a\ncontent alert\nthen remove", "rule a: then = remove needs a mail with the sound"),
        ] {
            let found = fault(text);
            assert!(found.starts_with(expected), "{found}");
        }
        assert!(read("voicemail rules 2\n").unwrap_err().to_string().contains("update this program"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(lines in prop::collection::vec("(rule|content|time|x|#)? ?(a|copy|mon 08:00-09:00|.*)", 0..8)) {
            if let Ok(rules) = read(&format!("voicemail rules 1\n{}", lines.join("\n"))) {
                prop_assert_eq!(read(&write(&rules)), Ok(rules));
            }
        }
    }
}
