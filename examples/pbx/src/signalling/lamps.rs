//! [`Lamps`]: the lamps of mailboxes, and the telephones that subscribe to them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rsipstack::dialog::subscription::ServerSubscriptionDialog;
use rsipstack::sip::Header;
use tokio::sync::watch;
use voicemail::MailboxId;
use voicemail::mwi::{MwiError, MwiSink, MwiState};
use voicemail::sip::MessageSummary;

/// The lamps of mailboxes, for telephones that subscribe to them: RFC 6665, RFC 3842. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Lamps(Arc<Mutex<HashMap<MailboxId, watch::Sender<Option<MwiState>>>>>);

impl Lamps {
    /// Returns the states of a lamp.
    pub fn watch(&self, mailbox: &MailboxId) -> watch::Receiver<Option<MwiState>> {
        self.of(mailbox, |lamp| lamp.subscribe())
    }

    /// Does `work` with the lamp of `mailbox`.
    fn of<T>(&self, mailbox: &MailboxId, work: impl FnOnce(&mut watch::Sender<Option<MwiState>>) -> T) -> T {
        let mut lamps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(lamps.entry(mailbox.clone()).or_insert_with(|| watch::Sender::new(None)))
    }
}

#[async_trait]
impl MwiSink for Lamps {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.of(&state.mailbox, |lamp| {
            lamp.send_if_modified(|shown| {
                let newer = shown.as_ref().is_none_or(|shown| shown.version < state.version);
                newer.then(|| *shown = Some(state.clone())).is_some()
            })
        });
        Ok(())
    }
}

/// A telephone that is notified of a lamp.
pub struct Subscription {
    pub dialog: ServerSubscriptionDialog,
    pub account: String,
    pub lamp: watch::Receiver<Option<MwiState>>,
    pub until: watch::Receiver<Instant>,
}

impl Subscription {
    /// Notifies the telephone of each state, until the subscription has ended or the telephone no longer answers.
    pub async fn run(mut self) {
        loop {
            let until = *self.until.borrow_and_update();
            let state = self.lamp.borrow_and_update().clone();
            let left = until.saturating_duration_since(Instant::now());
            if !self.notify(state, left).await || left.is_zero() {
                return;
            }
            tokio::select! {
                changed = self.lamp.changed() => if changed.is_err() { return },
                changed = self.until.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// Sends a NOTIFY; returns whether the telephone has accepted it.
    async fn notify(&self, state: Option<MwiState>, left: Duration) -> bool {
        let Some(body) = state.and_then(|state| Some(MessageSummary::of(state.summary, self.account.parse().ok()?))) else {
            return true;
        };
        let subscription = match left.as_secs() {
            0 => "terminated;reason=timeout".to_owned(),
            secs => format!("active;expires={secs}"),
        };
        let headers = vec![
            Header::Event("message-summary".into()),
            Header::SubscriptionState(subscription.into()),
            Header::ContentType(MessageSummary::CONTENT_TYPE.into()),
        ];
        let answer = self.dialog.notify(Some(headers), Some(body.to_text().into())).await;
        answer.is_ok_and(|answer| answer.is_some_and(|answer| answer.status_code.code() < 300))
    }
}
