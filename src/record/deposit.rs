//! A sound that was recorded already and is given whole: checked, written and flushed in one hand-over to a blocking thread.

use std::sync::Arc;

use bytes::Bytes;
use tracing::Instrument as _;

use super::active::record_span;
use super::opening::NewRecording;
use super::recording::KeepOnDrop;
use super::{CallFacts, Kept, RecordError, Recorder, RecordingSite};
use crate::audio::length_within;
use crate::disk;
use crate::lock::Lock;
use crate::message::{AudioType, EndReason};
use crate::network::Port;
use crate::spool::{SoundInput, SoundSource};

impl Recorder {
    /// Keeps a sound that the PBX has recorded already, byte for byte.
    ///
    /// A call that is dropped before a thread has begun with it keeps nothing. Later the message is kept all the same.
    pub(crate) async fn deposit(
        &self,
        site: RecordingSite,
        mut facts: CallFacts,
        wav: Bytes,
        port: Port,
    ) -> Result<Kept, RecordError> {
        let length = length_within(AudioType::Wav, &wav, wav.len() as u64)?;
        let limits = self.limits(&mut facts).await?;
        if length < limits.min {
            return Err(RecordError::TooShort { length, min: limits.min });
        }
        if length > limits.max {
            return Err(RecordError::TooLong { length, max: limits.max });
        }
        let max_bytes = wav.len() as u64;
        self.check_full(&facts.mailboxes, SoundInput::Verbatim).await?;
        let mut new = self.prepare(site, facts, SoundSource::File, limits.min, max_bytes)?;
        new.head.head.length = length;
        let span = record_span(new.head.head.id, &new.site.id);
        self.deposit_new(new, wav, port).instrument(span).await
    }

    async fn deposit_new(&self, new: NewRecording, wav: Bytes, port: Port) -> Result<Kept, RecordError> {
        let port = SharedPort(Arc::new(Lock::new(Some(port))));
        let (recorder, now, of_thread) = (self.clone(), self.now(), Arc::clone(&port.0));
        let begun = disk::blocking(move || {
            if of_thread.lock().is_none() {
                // Nobody waits for it any more.
                return Ok(Err(RecordError::Stopping));
            }
            let created = recorder.shared.create(new, None, |spool, head| spool.begin_whole(head, &wav))?;
            let recording = match created.and_then(|pending| pending.hand_over().ok_or(RecordError::Stopping)) {
                Ok(recording) => recording,
                Err(refused) => return Ok(Err(refused)),
            };
            recording.end(EndReason::Complete, now);
            // The PBX's part is over. From here on the node keeps the recording, also if the caller is gone.
            of_thread.lock().take();
            let guard = KeepOnDrop::new(recorder.clone(), Arc::clone(&recording));
            recorder.report_finished(&recording);
            let outcome = recorder.shared.settle(&recording);
            Ok(Ok((guard, recording, outcome)))
        });
        let (guard, recording, outcome) = begun.await.map_err(RecordError::Disk)??;
        let kept = self.conclude(recording, outcome).await;
        guard.settled();
        kept
    }
}

/// The port of a call, which is free as soon as the call is dropped or a thread has done the PBX's part.
struct SharedPort(Arc<Lock<Option<Port>>>);

impl Drop for SharedPort {
    fn drop(&mut self) {
        self.0.lock().take();
    }
}
