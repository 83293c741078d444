//! [`AnswerFormat`]: the forms in which servers answer that transcribe.

use crate::http::{Json, read_json};
use crate::message::{Language, Transcript};

/// The form in which a server is asked to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AnswerFormat {
    /// An object with the text: `json`.
    Json,
    /// The text alone: `text`.
    Text,
    /// An object with text, language and probabilities: `verbose_json`.
    #[default]
    VerboseJson,
}

impl AnswerFormat {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::VerboseJson => "verbose_json",
        }
    }
}

/// Reads an answer; `None` if it has another form.
pub(super) fn read_answer(format: AnswerFormat, body: &[u8], engine: &str) -> Option<Transcript> {
    let body = std::str::from_utf8(body).ok()?;
    if format == AnswerFormat::Text {
        return Some(Transcript::new(body, engine));
    }
    let json = read_json(body)?;
    let transcript = Transcript::new(json.get("text")?.as_text()?, engine);
    let language = json.get("language").and_then(Json::as_text).and_then(read_language);
    let transcript = language.into_iter().fold(transcript, Transcript::with_language);
    Some(confidence(&json).into_iter().fold(transcript, Transcript::with_confidence))
}

/// Some servers answer with a name such as `english`, which is no tag although it looks like one.
fn read_language(text: &str) -> Option<Language> {
    text.parse().ok().filter(|language: &Language| language.primary().len() <= 3)
}

/// Returns the mean of the probabilities of all segments, by their lengths.
fn confidence(json: &Json) -> Option<f32> {
    let (mut sum, mut length) = (0.0, 0.0);
    for segment in json.get("segments")?.as_list() {
        let number = |name| segment.get(name).and_then(Json::as_number);
        let secs = (number("end")? - number("start")?).max(0.01);
        sum += number("avg_logprob")?.exp() * secs;
        length += secs;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a number from 0 to 1 needs few digits")]
    (length > 0.0).then(|| (sum / length) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> Option<Transcript> {
        read_answer(AnswerFormat::VerboseJson, body.as_bytes(), "x")
    }

    #[test]
    fn each_form_of_an_answer_is_read() {
        assert_eq!(read_answer(AnswerFormat::Text, " Call me.\n".as_bytes(), "x"), Some(Transcript::new("Call me.", "x")));
        assert_eq!(
            read_answer(AnswerFormat::Json, br#"{"text":" Call\u00e9 me."}"#, "x"),
            Some(Transcript::new("Callé me.", "x"))
        );
        let verbose = r#"{"task":"transcribe","language":"de","duration":5.1,"text":"Hallo.","segments":[
            {"id":0,"start":0.0,"end":3.0,"text":"Hallo.","avg_logprob":0.0,"no_speech_prob":0.01},
            {"id":1,"start":3.0,"end":4.0,"text":"","avg_logprob":-100.0}]}"#;
        let expected = Transcript::new("Hallo.", "x").with_language("de".parse().unwrap()).with_confidence(0.75);
        assert_eq!(json(verbose), Some(expected));
    }

    #[test]
    fn what_a_server_leaves_out_is_unknown() {
        assert_eq!(
            json(r#"{"text":"a","language":"english","segments":[{"start":0,"end":1}]}"#),
            Some(Transcript::new("a", "x"))
        );
        assert_eq!(json(r#"{"text":"a","language":"","segments":[]}"#), Some(Transcript::new("a", "x")));
        for not in ["", "text", "{}", r#"{"text":7}"#, r#"["text"]"#, r#"{"error":{"message":"no"}}"#] {
            assert_eq!(json(not), None, "{not}");
        }
        assert_eq!(read_answer(AnswerFormat::Text, b"\xff", "x"), None);
    }
}
