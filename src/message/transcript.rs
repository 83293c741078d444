//! [`Transcript`]: the words of a message, as a machine has understood them.

use std::fmt;

use super::Language;

/// The words of a message, as a machine has understood them.
///
/// The text has at most 16 kB, and no control characters but line feeds. It is data about a person: `Debug` shows how long it is, and nothing of it. Keep it as
/// long as the sound, and not longer.
///
/// ```
/// use voicemail::message::Transcript;
///
/// let transcript = Transcript::new("Hi, call me back.\r\n", "whisper tiny.en").with_language("en".parse()?);
/// assert_eq!(transcript.text(), "Hi, call me back.");
/// assert_eq!(format!("{transcript:?}"), "Transcript(17 bytes, language known)");
/// # Ok::<(), voicemail::message::InvalidLanguage>(())
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct Transcript {
    text: String,
    language: Option<Language>,
    confidence: Option<f32>,
    engine: String,
}

impl Transcript {
    /// A transcript by this engine. Control characters are left out, white space at both ends too, and a text of more than 16 384 bytes is cut there; of the
    /// engine's name, 100 bytes are kept.
    pub fn new(text: &str, engine: &str) -> Self {
        let text = text.replace("\r\n", "\n").replace('\t', " ");
        let text: String = text.chars().filter(|char| *char == '\n' || !char.is_control()).collect();
        let engine: String = engine.chars().filter(|char| !char.is_control()).collect();
        let (text, engine) = (cut(text.trim(), MAX_BYTES).trim_end(), cut(engine.trim(), MAX_ENGINE_BYTES).trim_end());
        Self { text: text.to_owned(), language: None, confidence: None, engine: engine.to_owned() }
    }

    /// Sets the language that was spoken.
    #[must_use]
    pub fn with_language(self, language: Language) -> Self {
        Self { language: Some(language), ..self }
    }

    /// Sets how sure the engine is, from 0 to 1; a value outside is brought inside, and one that is no number is left out.
    #[must_use]
    pub fn with_confidence(self, confidence: f32) -> Self {
        Self { confidence: Some(confidence.clamp(0.0, 1.0)).filter(|confidence| !confidence.is_nan()), ..self }
    }

    /// Returns the text; empty if no words were found.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the language that was spoken, if the engine has said it.
    pub fn language(&self) -> Option<&Language> {
        self.language.as_ref()
    }

    /// Returns how sure the engine is, from 0 to 1, if it has said so.
    pub fn confidence(&self) -> Option<f32> {
        self.confidence
    }

    /// Returns the name of the engine.
    pub fn engine(&self) -> &str {
        &self.engine
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = if self.language.is_some() { "known" } else { "unknown" };
        write!(f, "Transcript({} bytes, language {known})", self.text.len())
    }
}

/// The longest beginning of a text that has at most this many bytes.
fn cut(text: &str, most: usize) -> &str {
    let end = text.char_indices().map(|(start, char)| start + char.len_utf8()).take_while(|end| *end <= most).last();
    &text[..end.unwrap_or(0)]
}

const MAX_BYTES: usize = 16_384;
const MAX_ENGINE_BYTES: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_left_out_and_a_long_text_is_cut() {
        let transcript = Transcript::new(" a\u{7}b\tc\r\nd\u{1b}[31m \n", "x\ny");
        assert_eq!((transcript.text(), transcript.engine()), ("ab c\nd[31m", "xy"));
        let long = Transcript::new(&"é".repeat(10_000), "");
        assert_eq!((long.text().len(), long.text().chars().next_back()), (16_384, Some('é')));
        assert_eq!(Transcript::new(&"éa".repeat(10_000), "").text().len(), 16_384 - 1);
    }

    #[test]
    fn a_confidence_is_from_0_to_1() {
        let of = |confidence| Transcript::new("", "").with_confidence(confidence).confidence();
        assert_eq!((of(0.5), of(-3.0), of(7.0), of(f32::NAN)), (Some(0.5), Some(0.0), Some(1.0), None));
    }
}
