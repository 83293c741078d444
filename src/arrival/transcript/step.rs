//! [`TranscriptStep`]: the transcript of each stored message.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{SoundHints, TranscribeError, Transcriber};
use crate::arrival::{ArrivalStep, Arrived, StepError, StepName, StepOutcome, StepRun};
use crate::audio::{FramesError, Wav, to_wav, wav_len};
use crate::directory::Directory;
use crate::disk;
use crate::message::{Audio, Head, Language, MailboxId, Message, Privacy, Transcript};
use crate::store::{MessageStore, StoreError};

/// Has each stored message written down, and keeps the transcript in the store.
///
/// A transcriber may take twice the length of a sound and 30 s; two sounds are at work at once, and one that fails is tried three times. While the transcriber
/// fails, one sound at a time is tried, after waits that grow, and the others keep their tries. A message that was deleted meanwhile, or that has a transcript
/// already, is done. A sound that would have more than 96 MiB as a WAV, an hour and 44 minutes at 8 kHz, is too long.
#[derive(Debug, Clone)]
pub struct TranscriptStep {
    transcriber: Arc<dyn Transcriber>,
    directory: Option<Arc<dyn Directory>>,
    writes_private: bool,
    at_once: Arc<Semaphore>,
}

impl TranscriptStep {
    /// The step that gives sounds to `transcriber`, and leaves out private messages, and receipts, which nobody has spoken.
    pub fn new(transcriber: impl Transcriber) -> Self {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        Self { transcriber: Arc::new(transcriber), directory: None, writes_private: false, at_once }
    }

    /// Hints at the language that the owner of the mailbox has in this directory. Without a directory, there is no hint.
    #[must_use]
    pub fn directory(self, directory: impl Directory) -> Self {
        Self { directory: Some(Arc::new(directory)), ..self }
    }

    /// Writes private messages down, too: their sound is given to the transcriber, and their words are kept.
    #[must_use]
    pub fn with_private(self) -> Self {
        Self { writes_private: true, ..self }
    }

    fn is_wanted(&self, head: &Head) -> bool {
        head.kind.report().is_none() && (self.writes_private || head.privacy == Privacy::Normal)
    }

    async fn language(&self, mailbox: &MailboxId) -> Option<Language> {
        let directory = self.directory.as_ref()?;
        // A transcript without a hint is better than none.
        directory.find(mailbox).await.ok().flatten()?.language
    }

    async fn transcribe(&self, message: Message, language: Option<Language>) -> Result<Transcript, TranscribeError> {
        let decoded = disk::blocking(move || Ok(decode(message.audio()))).await;
        let wav = decoded.map_err(|error| TranscribeError::Transient(error.into()))?;
        let wav = wav.map_err(|error| TranscribeError::Final(error.into()))?;
        let sound = wav.ok_or_else(|| TranscribeError::Final("it is too long to be written down".into()))?.bytes().clone();
        let length = Wav::parse(&sound).map_err(|error| TranscribeError::Final(error.into()))?.duration();
        let hints = SoundHints { language, length };
        let in_time = timeout(hints.time_limit(), self.transcriber.transcribe(sound, &hints)).await;
        in_time.unwrap_or_else(|_| Err(TranscribeError::Transient("it took too long".into())))
    }
}

#[async_trait]
impl ArrivalStep for TranscriptStep {
    fn name(&self) -> StepName {
        StepName::TRANSCRIPT
    }

    /// One part for a message that is to be written down.
    async fn parts(&self, arrived: &Arrived, store: &dyn MessageStore) -> Result<Vec<String>, StepError> {
        match store.entry(&arrived.mailbox, arrived.id).await {
            Ok(entry) if self.is_wanted(&entry.head) => Ok(vec![String::new()]),
            Ok(_) | Err(StoreError::NoSuchMessage(_) | StoreError::NoSuchMailbox(_)) => Ok(Vec::new()),
            Err(error) => Err(failed(error)),
        }
    }

    /// The transcriber, whichever mailbox it works for.
    fn destination(&self, _: &Arrived, _: &str) -> String {
        "transcriber".to_owned()
    }

    /// Three hours: each sound has its own limit, which is shorter for all that have less than an hour and a half.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(3 * 3600)
    }

    async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        let (mailbox, id) = (&run.arrived.mailbox, run.arrived.id);
        let Ok(_permit) = self.at_once.try_acquire() else { return Ok(StepOutcome::NotYet(BUSY_WAIT)) };
        let message = match run.store.transcript(mailbox, id).await {
            Ok(Some(_)) => return Ok(StepOutcome::Done),
            Ok(None) => run.store.retrieve(mailbox, id).await,
            Err(error) => Err(error),
        };
        let message = match message {
            Ok(message) => message,
            Err(error) => return deleted_or_failed(error),
        };
        if !self.is_wanted(message.head()) {
            return Ok(StepOutcome::Done);
        }
        let language = self.language(mailbox).await;
        let transcript = match self.transcribe(message, language).await {
            Ok(transcript) => transcript,
            Err(error) if error.is_transient() && run.tries + 1 < MOST_TRIES => return Err(StepError::Transient(error.into())),
            Err(error) => return Err(StepError::Final(error.into())),
        };
        match run.store.set_transcript(mailbox, id, &transcript).await {
            Ok(()) => Ok(StepOutcome::Done),
            Err(error) => deleted_or_failed(error),
        }
    }
}

/// Returns the sound as a WAV; `None`, without decoding it, if it is too long. Blocks.
fn decode(audio: &Audio) -> Result<Option<Audio>, FramesError> {
    if wav_len(audio)? > MOST_BYTES { Ok(None) } else { to_wav(audio).map(Some) }
}

/// Nothing is left to do for a message that was deleted.
fn deleted_or_failed(error: StoreError) -> Result<StepOutcome, StepError> {
    match error {
        StoreError::NoSuchMessage(_) | StoreError::NoSuchMailbox(_) => Ok(StepOutcome::Done),
        error => Err(failed(error)),
    }
}

fn failed(error: StoreError) -> StepError {
    if error.is_transient() { StepError::Transient(error.into()) } else { StepError::Final(error.into()) }
}

/// How many sounds are with the transcriber at once.
const AT_ONCE: usize = 2;
/// How long a message waits when as many others are with the transcriber.
const BUSY_WAIT: Duration = Duration::from_secs(1);
const MOST_TRIES: u32 = 3;
/// The longest sound as a WAV, in bytes: more than an hour and a half at 8 kHz.
const MOST_BYTES: u64 = 96 << 20;

#[cfg(test)]
#[cfg(feature = "memory")]
mod tests {
    use bytes::Bytes;
    use chrono::DateTime;
    use tokio::sync::Notify;

    use super::*;
    use crate::directory::{Owner, StaticDirectory};
    use crate::lock::Lock;
    use crate::message::{AudioType, ClockQuality, ClockSource, MessageId, Origin, RecordedAt, Status};
    use crate::store::MemoryStore;

    /// Answers with what it was given; waits before that, or fails, where a test asks for it.
    #[derive(Debug, Default)]
    struct FakeTranscriber {
        waits_for: Option<Notify>,
        fails: bool,
        got: Lock<Vec<(usize, SoundHints)>>,
    }

    #[async_trait]
    impl Transcriber for FakeTranscriber {
        async fn transcribe(&self, sound: Bytes, hints: &SoundHints) -> Result<Transcript, TranscribeError> {
            self.got.lock().push((sound.len(), hints.clone()));
            if let Some(notify) = &self.waits_for {
                notify.notified().await;
            }
            if self.fails {
                Err(TranscribeError::Transient("out of memory".into()))
            } else {
                Ok(Transcript::new("hello", "fake"))
            }
        }
    }

    fn mailbox() -> MailboxId {
        "2041".parse().unwrap()
    }

    async fn stored(store: &MemoryStore, privacy: Privacy) -> MessageId {
        let recorded_at = RecordedAt::new(DateTime::UNIX_EPOCH, chrono_tz::UTC, ClockQuality::unknown(ClockSource::Manual));
        let sound = Audio::new(AudioType::Adpcm32, vec![0x11; 8000]);
        let message = Message::builder(sound, recorded_at).privacy(privacy).build();
        store.deposit(&mailbox(), &Origin::Here, &message).await.unwrap();
        message.id()
    }

    async fn run(step: &TranscriptStep, store: &MemoryStore, id: MessageId, tries: u32) -> Result<StepOutcome, StepError> {
        let arrived = Arrived::new(mailbox(), id, DateTime::UNIX_EPOCH);
        step.run(&StepRun::new(&StepName::TRANSCRIPT, "", &arrived, store, DateTime::UNIX_EPOCH).after(tries)).await
    }

    #[tokio::test]
    async fn a_message_gets_its_transcript_once() {
        let store = MemoryStore::new([mailbox()]);
        let id = stored(&store, Privacy::Normal).await;
        let fake = Arc::new(FakeTranscriber::default());
        let mut owner = Owner::new("london".parse().unwrap(), chrono_tz::UTC);
        owner.language = "en-GB".parse().ok();
        let directory: StaticDirectory = [(mailbox(), owner)].into_iter().collect();
        let step = TranscriptStep::new(Arc::clone(&fake)).directory(directory);
        for _ in 0..2 {
            assert_eq!(run(&step, &store, id, 0).await.unwrap(), StepOutcome::Done);
        }
        assert_eq!(store.transcript(&mailbox(), id).await.unwrap(), Some(Transcript::new("hello", "fake")));
        let hints = SoundHints::new(Duration::from_secs(2)).with_language("en-GB".parse().unwrap());
        assert_eq!(hints.time_limit(), Duration::from_secs(34));
        // 16 000 samples of 16 bits behind the head of a WAV.
        assert_eq!(*fake.got.lock(), [(32_044, hints)]);
    }

    #[tokio::test]
    async fn a_private_message_is_given_away_only_where_that_was_said() {
        let store = MemoryStore::new([mailbox()]);
        let id = stored(&store, Privacy::Private).await;
        let fake = Arc::new(FakeTranscriber::default());
        let step = TranscriptStep::new(Arc::clone(&fake));
        let arrived = Arrived::new(mailbox(), id, DateTime::UNIX_EPOCH);
        assert_eq!(run(&step, &store, id, 0).await.unwrap(), StepOutcome::Done);
        assert!(fake.got.lock().is_empty() && step.parts(&arrived, &store).await.unwrap().is_empty());
        assert_eq!(store.transcript(&mailbox(), id).await.unwrap(), None);
        let step = step.with_private();
        assert_eq!(step.parts(&arrived, &store).await.unwrap().len(), 1);
        run(&step, &store, id, 0).await.unwrap();
        assert!(store.transcript(&mailbox(), id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_transcriber_that_fails_is_tried_three_times() {
        let store = MemoryStore::new([mailbox()]);
        let id = stored(&store, Privacy::Normal).await;
        let step = TranscriptStep::new(FakeTranscriber { fails: true, ..FakeTranscriber::default() });
        for tries in [0, 1] {
            assert!(matches!(run(&step, &store, id, tries).await, Err(StepError::Transient(_))));
        }
        assert!(matches!(run(&step, &store, id, 2).await, Err(StepError::Final(_))));
    }

    #[tokio::test]
    async fn one_mailbox_waits_when_the_transcriber_fails_for_another() {
        let step = TranscriptStep::new(FakeTranscriber::default());
        let of = |number: &str| {
            let arrived = Arrived::new(number.parse().unwrap(), MessageId::from_bytes([7; 16]), DateTime::UNIX_EPOCH);
            step.destination(&arrived, "")
        };
        assert_eq!(of("2041"), of("2042"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_transcriber_that_hangs_is_cut_off() {
        let store = MemoryStore::new([mailbox()]);
        let id = stored(&store, Privacy::Normal).await;
        let step = TranscriptStep::new(FakeTranscriber { waits_for: Some(Notify::new()), ..FakeTranscriber::default() });
        let start = tokio::time::Instant::now();
        assert!(matches!(run(&step, &store, id, 0).await, Err(StepError::Transient(_))));
        assert_eq!(start.elapsed().as_secs(), 34);
    }

    #[tokio::test]
    async fn two_sounds_are_at_work_at_once_and_a_third_one_waits() {
        let store = MemoryStore::new([mailbox()]);
        let ids =
            [stored(&store, Privacy::Normal).await, stored(&store, Privacy::Normal).await, stored(&store, Privacy::Normal).await];
        let fake = Arc::new(FakeTranscriber { waits_for: Some(Notify::new()), ..FakeTranscriber::default() });
        let step = TranscriptStep::new(Arc::clone(&fake));
        let third = async {
            while fake.got.lock().len() < 2 {
                tokio::task::yield_now().await;
            }
            let outcome = run(&step, &store, ids[2], 0).await.unwrap();
            let notify = fake.waits_for.as_ref().unwrap();
            notify.notify_waiters();
            outcome
        };
        let (first, second, third) = tokio::join!(run(&step, &store, ids[0], 0), run(&step, &store, ids[1], 0), third);
        assert_eq!(
            (first.unwrap(), second.unwrap(), third),
            (StepOutcome::Done, StepOutcome::Done, StepOutcome::NotYet(BUSY_WAIT))
        );
    }

    #[test]
    fn a_sound_that_is_too_long_is_not_decoded() {
        // 11 MB of GSM 06.10 would be 107 MB.
        let long = Audio::new(AudioType::Gsm, [0xd0; 33].repeat(333_333));
        assert_eq!(decode(&long), Ok(None));
        assert!(matches!(decode(&Audio::new(AudioType::Gsm, [0xd0; 33].repeat(50))), Ok(Some(_))));
    }

    #[tokio::test]
    async fn a_deleted_message_is_done() {
        let store = MemoryStore::new([mailbox()]);
        let id = stored(&store, Privacy::Normal).await;
        store.mark(&mailbox(), id, Status::Removed).await.unwrap();
        store.expunge(&mailbox()).await.unwrap();
        let step = TranscriptStep::new(FakeTranscriber::default());
        assert_eq!(run(&step, &store, id, 0).await.unwrap(), StepOutcome::Done);
    }
}
