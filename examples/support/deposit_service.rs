//! Deposits messages at a node, as `distributed_node` is asked to.

use std::collections::HashSet;
use std::io::BufRead as _;

use tokio::sync::{broadcast, mpsc};
use voicemail::event::{Event, Occurrence};
use voicemail::message::{MessageId, SiteId};
use voicemail::node::Node;
use voicemail::record::RecordError;

use super::deposit::Deposit;
use super::lines::{Out, print, print_notice};
use super::{Failure, explain};

/// Deposits messages at a node and prints their ids.
pub struct DepositService<'a> {
    /// The node.
    pub node: &'a Node,
    /// The PBX whose calls the deposits stand for.
    pub site: &'a SiteId,
    /// The output for the ids.
    pub out: &'a Out,
}

impl DepositService<'_> {
    /// Deposits one message; returns its id, or prints the reason why it was not kept.
    pub async fn deposit(&self, deposit: &Deposit) -> Option<MessageId> {
        match self.try_to_deposit(deposit).await {
            Ok(id) => Some(id),
            Err(error) => {
                print_notice(format!("{}: {}", deposit.file.display(), explain(&*error))).await;
                None
            }
        }
    }

    async fn try_to_deposit(&self, deposit: &Deposit) -> Result<MessageId, Failure> {
        let wav = tokio::fs::read(&deposit.file).await.map_err(|error| format!("cannot be read: {error}; check the path"))?;
        // Locked until the line is printed, so that `forwarded` of this message comes after it.
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

    /// Deposits the message of each of `lines`, one after the other, until they end.
    pub async fn deposit_lines(&self, mut lines: mpsc::Receiver<String>) {
        while let Some(line) = lines.recv().await {
            match Deposit::from_line(&line) {
                Ok(Some(deposit)) => drop(self.deposit(&deposit).await),
                Ok(None) => {}
                Err(fault) => print_notice(format!("{line}: {fault}")).await,
            }
        }
    }

    /// Waits until each of `kept` is forwarded, with its receipt if a mail server is in between, or parked; returns whether all are forwarded.
    pub async fn all_forwarded(&self, kept: Vec<MessageId>, mut events: broadcast::Receiver<Occurrence>) -> bool {
        let mut waiting: HashSet<MessageId> = kept.into_iter().collect();
        let mut all = true;
        while !waiting.is_empty() {
            match events.recv().await.map(|Occurrence { event, .. }| event) {
                Ok(Event::Forwarded { id, .. } | Event::Confirmed { id, .. }) => drop(waiting.remove(&id)),
                Ok(Event::Parked { id, .. }) => all &= !waiting.remove(&id),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    let spool = self.node.spool();
                    let relayed = spool.relayed().await.unwrap_or_default().into_iter().map(|message| message.id);
                    let still: HashSet<_> = spool.waiting().into_iter().map(|message| message.id).chain(relayed).collect();
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
    // A thread that is never joined: a read from a terminal may never end, and must not hold up the end of the program.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
            if sender.blocking_send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    });
    receiver
}
