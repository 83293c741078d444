//! [`HttpTranscriber`]: a server that transcribes.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::answer::{AnswerFormat, read_answer};
use super::{SoundHints, TranscribeError, Transcriber};
use crate::http::{HttpClient, HttpRequest, HttpUrl, TargetPolicy};
use crate::message::{MessageId, Transcript};

/// Asks a server with the interface `/v1/audio/transcriptions` of `OpenAI`, which many others have, too: `vLLM`, `LocalAI`, servers around faster-whisper, and
/// the server of whisper.cpp with the path `/inference`.
///
/// The sound goes as `multipart/form-data` with the fields `file`, `model`, `language` if it is known, `response_format` and `temperature`.
///
/// ```
/// use voicemail::arrival::transcript::HttpTranscriber;
/// use voicemail::http::{HttpClient, TargetPolicy};
///
/// let here = TargetPolicy::default().allow_plain_text().allow_port(8080).allow_prefix("127.0.0.1".parse()?);
/// let url = "http://127.0.0.1:8080/inference".parse()?;
/// let transcriber = HttpTranscriber::builder(HttpClient::builder().build(), url).policy(here).engine("whisper.cpp").build();
/// # let _ = transcriber;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// The reference of the `OpenAI` API, and the README of whisper.cpp's server; RFC 7578 for the form.
#[derive(Clone)]
pub struct HttpTranscriber {
    client: HttpClient,
    url: HttpUrl,
    policy: TargetPolicy,
    model: String,
    format: AnswerFormat,
    token: Option<String>,
    engine: Option<String>,
}

impl HttpTranscriber {
    /// Builds a transcriber that asks at `url`, for the model `whisper-1`.
    pub fn builder(client: HttpClient, url: HttpUrl) -> HttpTranscriberBuilder {
        let (policy, model, format) = (TargetPolicy::default(), "whisper-1".to_owned(), AnswerFormat::default());
        HttpTranscriberBuilder { transcriber: Self { client, url, policy, model, format, token: None, engine: None } }
    }

    fn request(&self, sound: &Bytes, hints: &SoundHints) -> HttpRequest {
        // 128 random bits are not in the sound.
        let boundary = format!("voicemail-{}", MessageId::random());
        let language = hints.language.as_ref().map(|language| ("language", language.primary()));
        let fields = [("model", self.model.as_str()), ("response_format", self.format.as_str()), ("temperature", "0")];
        let text = fields
            .into_iter()
            .chain(language)
            .map(|(name, value)| format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"message.wav\"\r\nContent-Type: audio/wav";
        let form: String = text.chain([format!("--{boundary}\r\n{file}\r\n\r\n")]).collect();
        let body = [form.as_bytes(), sound, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
        let request = HttpRequest::post(self.url.clone(), self.policy.clone(), body)
            .header("content-type", format!("multipart/form-data; boundary={boundary}"))
            .time_limit(hints.time_limit())
            .max_answer(MOST_ANSWER);
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }
}

#[async_trait]
impl Transcriber for HttpTranscriber {
    async fn transcribe(&self, sound: Bytes, hints: &SoundHints) -> Result<Transcript, TranscribeError> {
        let answer = self.client.send(self.request(&sound, hints)).await.map_err(|error| {
            if error.is_transient() { TranscribeError::Transient(error.into()) } else { TranscribeError::Final(error.into()) }
        })?;
        let refused = format!("it has answered {}", answer.status);
        match answer.status {
            200..=299 => {}
            408 | 425 | 429 | 500..=599 => return Err(TranscribeError::Transient(refused.into())),
            _ => return Err(TranscribeError::Final(refused.into())),
        }
        let engine = self.engine.as_deref().unwrap_or(&self.model);
        let transcript = read_answer(self.format, &answer.body, engine);
        transcript.ok_or_else(|| TranscribeError::Final("its answer has another form".into()))
    }
}

impl fmt::Debug for HttpTranscriber {
    /// Leaves out the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTranscriber").field("url", &self.url).field("model", &self.model).finish_non_exhaustive()
    }
}

/// Builds an [`HttpTranscriber`].
#[derive(Debug, Clone)]
#[must_use]
pub struct HttpTranscriberBuilder {
    transcriber: HttpTranscriber,
}

impl HttpTranscriberBuilder {
    /// Sets which servers the URL may lead to.
    pub fn policy(mut self, policy: TargetPolicy) -> Self {
        self.transcriber.policy = policy;
        self
    }

    /// Sets the name of the model, as the server knows it.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.transcriber.model = model.into();
        self
    }

    /// Sets the form in which the server is asked to answer.
    pub fn format(mut self, format: AnswerFormat) -> Self {
        self.transcriber.format = format;
        self
    }

    /// Sets the token that proves to the server who asks.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.transcriber.token = Some(token.into());
        self
    }

    /// Sets the engine's name that transcripts have; by default the name of the model.
    pub fn engine(mut self, engine: impl Into<String>) -> Self {
        self.transcriber.engine = Some(engine.into());
        self
    }

    /// Returns the transcriber.
    pub fn build(self) -> HttpTranscriber {
        self.transcriber
    }
}

/// The text has at most 16 kB; the segments of a long one take more.
const MOST_ANSWER: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::tests::server::{TestServer, answer, body, field};

    fn transcriber(server: &TestServer) -> HttpTranscriberBuilder {
        let policy = TargetPolicy::default()
            .allow_plain_text()
            .allow_port(server.address.port())
            .allow_prefix("127.0.0.0/8".parse().unwrap());
        let url = server.url("/v1/audio/transcriptions").parse().unwrap();
        HttpTranscriber::builder(HttpClient::builder().build(), url).policy(policy)
    }

    async fn transcribe(builder: HttpTranscriberBuilder) -> Result<Transcript, TranscribeError> {
        let hints = SoundHints::new(Duration::from_secs(1)).with_language("en-GB".parse().unwrap());
        builder.build().transcribe(Bytes::from_static(b"RIFF...."), &hints).await
    }

    #[tokio::test]
    async fn a_sound_is_sent_as_a_form_and_its_words_read() {
        let server = TestServer::start("127.0.0.1", [answer("200 OK", "", r#"{"text":"Call me.","language":"en"}"#)]).await;
        let transcript = transcribe(transcriber(&server).model("tiny.en").token("secret")).await.unwrap();
        assert_eq!(transcript, Transcript::new("Call me.", "tiny.en").with_language("en".parse().unwrap()));
        let request = server.request().await;
        assert_eq!(field(&request, "authorization"), Some("Bearer secret"));
        let boundary = field(&request, "content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
        let parts: Vec<&str> = body(&request).split(&format!("--{boundary}")).collect();
        assert_eq!((parts[0], parts[6]), ("", "--\r\n"));
        let disposition = "\r\nContent-Disposition: form-data; name=";
        assert_eq!(parts[1], format!("{disposition}\"model\"\r\n\r\ntiny.en\r\n"));
        assert_eq!(parts[2], format!("{disposition}\"response_format\"\r\n\r\nverbose_json\r\n"));
        assert_eq!(parts[4], format!("{disposition}\"language\"\r\n\r\nen\r\n"));
        let file = "\"file\"; filename=\"message.wav\"\r\nContent-Type: audio/wav\r\n\r\nRIFF....\r\n";
        assert_eq!(parts[5], format!("{disposition}{file}"));
    }

    #[tokio::test]
    async fn the_status_says_whether_to_try_again() {
        let statuses = ["503 Service Unavailable", "429 Too Many Requests", "400 Bad Request", "401 Unauthorized", "302 Found"];
        let server = TestServer::start("127.0.0.1", statuses.map(|status| answer(status, "", "words of a caller"))).await;
        for transient in [true, true, false, false, false] {
            let error = transcribe(transcriber(&server)).await.unwrap_err();
            assert_eq!(error.is_transient(), transient);
            assert!(!crate::error_chain(&error).contains("words"));
        }
    }

    #[tokio::test]
    async fn an_answer_in_the_asked_form_is_read_and_no_other() {
        let server = TestServer::start("127.0.0.1", [answer("200 OK", "", " Hello.\n"), answer("200 OK", "", "Hello.")]).await;
        let transcript = transcribe(transcriber(&server).format(AnswerFormat::Text).engine("whisper.cpp")).await.unwrap();
        assert_eq!(transcript, Transcript::new("Hello.", "whisper.cpp"));
        assert!(matches!(transcribe(transcriber(&server).format(AnswerFormat::Json)).await, Err(TranscribeError::Final(_))));
    }

    #[test]
    fn a_token_is_not_shown() {
        let url = "https://a.example/".parse().unwrap();
        let transcriber = HttpTranscriber::builder(HttpClient::builder().build(), url).token("secret").build();
        assert!(!format!("{transcriber:?}").contains("secret"));
    }
}
