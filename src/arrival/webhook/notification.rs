//! [`Notification`]: the body of a request.

use chrono::{DateTime, SecondsFormat, Utc};

use super::NotificationType;
use crate::http::quote;
use crate::message::{Caller, MailboxId, MessageId, Summary};

/// The body of a request.
///
/// ```
/// use voicemail::arrival::webhook::{Notification, NotificationType};
///
/// let at = "2026-11-28T19:19:05.5Z".parse()?;
/// let id = "00112233445566778899aabbccddeeff".parse()?;
/// let body = Notification::of_message(NotificationType::MessageHeard, at, "2001".parse()?, id).to_json();
/// assert_eq!(
///     body,
///     r#"{"type":"voicemail.message.heard","timestamp":"2026-11-28T19:19:05Z","data":{"mailbox":"2001","id":"00112233445566778899aabbccddeeff"}}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notification {
    /// The kind of the report.
    pub kind: NotificationType,
    /// When it happened, by the clock of the node; sent in whole seconds.
    pub at: DateTime<Utc>,
    /// The mailbox.
    pub mailbox: MailboxId,
    /// The id of the message, unless a lamp is reported.
    pub id: Option<MessageId>,
    /// The caller, if the end point asks for it.
    pub caller: Option<Caller>,
    /// The numbers that the lamp shows.
    pub summary: Option<Summary>,
}

impl Notification {
    /// Something that happened to a message.
    pub const fn of_message(kind: NotificationType, at: DateTime<Utc>, mailbox: MailboxId, id: MessageId) -> Self {
        Self { kind, at, mailbox, id: Some(id), caller: None, summary: None }
    }

    /// A lamp that shows this state.
    pub const fn of_lamp(at: DateTime<Utc>, mailbox: MailboxId, summary: Summary) -> Self {
        Self { kind: NotificationType::LampChanged, at, mailbox, id: None, caller: None, summary: Some(summary) }
    }

    /// Adds the caller.
    #[must_use]
    pub fn with_caller(self, caller: Caller) -> Self {
        Self { caller: Some(caller), ..self }
    }

    /// Returns the body, which has less than 20 kB.
    ///
    /// An unknown number or name of the caller is left out.
    pub fn to_json(&self) -> String {
        let mailbox = format!("\"mailbox\":{}", quote(self.mailbox.as_str()));
        let id = self.id.map(|id| format!("\"id\":\"{id}\""));
        let caller = self.caller.as_ref().map(|caller| {
            let number = caller.number.as_ref().map(|number| format!("\"number\":{}", quote(number.as_str())));
            let name = caller.name.as_ref().map(|name| format!("\"name\":{}", quote(name.as_str())));
            let known: Vec<String> = number.into_iter().chain(name).collect();
            format!("\"caller\":{{{}}}", known.join(","))
        });
        let summary = self.summary.map(|Summary { new, old, urgent_new, urgent_old, .. }| {
            format!("\"new\":{new},\"old\":{old},\"urgent_new\":{urgent_new},\"urgent_old\":{urgent_old}")
        });
        let fields: Vec<String> = [Some(mailbox), id, caller, summary].into_iter().flatten().collect();
        let data = fields.join(",");
        let at = self.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("{{\"type\":\"{}\",\"timestamp\":\"{at}\",\"data\":{{{data}}}}}", self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::CallerName;

    fn at() -> DateTime<Utc> {
        "2026-11-28T19:19:05Z".parse().unwrap()
    }

    #[test]
    fn a_lamp_has_its_numbers() {
        let summary = Summary::new(2, 8).with_urgent(1, 0);
        assert_eq!(
            Notification::of_lamp(at(), "2001".parse().unwrap(), summary).to_json(),
            r#"{"type":"voicemail.lamp.changed","timestamp":"2026-11-28T19:19:05Z","data":{"mailbox":"2001","new":2,"old":8,"urgent_new":1,"urgent_old":0}}"#
        );
    }

    #[test]
    fn a_caller_is_in_the_body_as_far_as_it_is_known() {
        let of = |number: Option<&str>, name: Option<&str>| {
            let caller = Caller::new(number.map(|text| text.parse().unwrap()), name.and_then(CallerName::cleaned));
            let kind = NotificationType::MessageStored;
            let body = Notification::of_message(kind, at(), "2001".parse().unwrap(), MessageId::from_bytes([0; 16]))
                .with_caller(caller)
                .to_json();
            body.split_once("\"caller\":").unwrap().1.to_owned()
        };
        assert_eq!(of(Some("+4420"), Some("Anna \"A\"")), r#"{"number":"+4420","name":"Anna \"A\""}}}"#);
        assert_eq!(of(None, None), "{}}}");
    }

    #[cfg(feature = "http-client")]
    proptest::proptest! {
        #[test]
        fn no_name_breaks_out_of_its_string(name in proptest::prelude::any::<String>(), number in "\\+?[0-9]{1,15}") {
            use crate::http::{Json, read_json};

            let caller = Caller::new(number.parse().ok(), CallerName::cleaned(&name));
            let of = Notification::of_message(NotificationType::MessageStored, at(), "2001".parse().unwrap(), MessageId::from_bytes([0; 16]));
            let body = of.with_caller(caller.clone()).to_json();
            let ends_a_line = |c: char| c.is_ascii_control() || c == '\u{2028}' || c == '\u{2029}';
            proptest::prop_assert!(!body.contains(ends_a_line));
            let read = read_json(&body).unwrap();
            let read = read.get("data").unwrap().get("caller").unwrap();
            proptest::prop_assert_eq!(read.get("number").and_then(Json::as_text), Some(&*number));
            proptest::prop_assert_eq!(read.get("name").and_then(Json::as_text), caller.name.as_ref().map(CallerName::as_str));
        }
    }
}
