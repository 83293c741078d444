//! Where `distributed_node` takes deposits.

use std::collections::HashSet;
use std::io::BufRead as _;

use tokio::sync::{broadcast, mpsc};
use voicemail::event::{Event, Occurrence};
use voicemail::message::{MessageId, SiteId};
use voicemail::node::Node;
use voicemail::record::RecordError;

use super::deposit::Deposit;
use super::lines::{Out, print, remark};
use super::{Failure, explain};

/// Keeps what is deposited, and says so.
pub struct DepositService<'a> {
    /// The node that keeps it.
    pub node: &'a Node,
    /// The PBX that it is for.
    pub site: &'a SiteId,
    /// Where it is said.
    pub out: &'a Out,
}

impl DepositService<'_> {
    /// Keeps one deposit; answers with its id, or says why not.
    pub async fn keep(&self, deposit: &Deposit) -> Option<MessageId> {
        match self.try_to_keep(deposit).await {
            Ok(id) => Some(id),
            Err(error) => {
                remark(format!("{}: {}", deposit.file.display(), explain(&*error))).await;
                None
            }
        }
    }

    async fn try_to_keep(&self, deposit: &Deposit) -> Result<MessageId, Failure> {
        let wav = tokio::fs::read(&deposit.file).await.map_err(|error| format!("cannot be read: {error}; check the path"))?;
        // Held until the line is printed, so that `forwarded` of this message comes after it.
        let mut out = self.out.lock().await;
        let kept = self.node.deposit_wav(self.site, deposit.facts.clone(), wav.into()).await.map_err(|error| match error {
            RecordError::UnreadableAudio(why) => {
                format!("{why}; deposit a WAV file of 8 or 16 bits, mu-law, A-law or GSM 06.10").into()
            }
            error => Failure::from(error),
        })?;
        print(&mut *out, format!("kept {}", kept.id)).await;
        Ok(kept.id)
    }

    /// Keeps what `lines` name, one after the other, until they end.
    pub async fn keep_lines(&self, mut lines: mpsc::Receiver<String>) {
        while let Some(line) = lines.recv().await {
            match Deposit::from_line(&line) {
                Ok(Some(deposit)) => drop(self.keep(&deposit).await),
                Ok(None) => {}
                Err(fault) => remark(format!("{line}: {fault}")).await,
            }
        }
    }

    /// Waits until none of `kept` waits any more; answers whether all are forwarded, and none is parked.
    pub async fn all_forwarded(&self, kept: Vec<MessageId>, mut events: broadcast::Receiver<Occurrence>) -> bool {
        let mut waiting: HashSet<MessageId> = kept.into_iter().collect();
        let mut all = true;
        while !waiting.is_empty() {
            match events.recv().await.map(|Occurrence { event, .. }| event) {
                Ok(Event::Forwarded { id, .. }) => drop(waiting.remove(&id)),
                Ok(Event::Parked { id, .. }) => all &= !waiting.remove(&id),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let still: HashSet<_> = self.node.spool().waiting().into_iter().map(|message| message.id).collect();
                    waiting.retain(|id| still.contains(id));
                }
                Err(broadcast::error::RecvError::Closed) => return false,
            }
        }
        all
    }
}

/// The lines of standard input.
pub fn standard_input() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    // A thread that nobody waits for: a read from a terminal has no end, and must not keep the program from its own.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
            if sender.blocking_send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}
