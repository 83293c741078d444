//! Counters, gauges and histograms of a node for the `metrics` facade, and so for any exporter that a program installs.
//!
//! [`count_events`] counts the events of `Node::events` beside the node, which never waits for it. Labels are few, because they name parts
//! of the network and never a mailbox, a message or a caller.
//!
//! | name | kind | labels | meaning |
//! |---|---|---|---|
//! | `voicemail_messages_kept_total` | counter | `site` | recordings that are on stable storage, one for each mailbox |
//! | `voicemail_messages_discarded_total` | counter | `site` | recordings too short to be a message |
//! | `voicemail_messages_without_speech_total` | counter | `site` | recordings discarded because nobody spoke |
//! | `voicemail_messages_recovered_total` | counter | | recordings that were cut off by a crash, and recovered |
//! | `voicemail_messages_unreadable_total` | counter | | files in the spool that are no message |
//! | `voicemail_bad_entries_total` | counter | | entries among the messages of a store that cannot be a message |
//! | `voicemail_keep_failures_total` | counter | | attempts to write a recording to disk that failed |
//! | `voicemail_recordings_refused_total` | counter | | calls refused because the disk was nearly full |
//! | `voicemail_messages_forwarded_total` | counter | `destination`, `transport_security` | messages that another node has accepted |
//! | `voicemail_messages_relayed_total` | counter | `destination`, `transport_security` | messages that a mail server has accepted to send them on |
//! | `voicemail_messages_confirmed_total` | counter | `destination` | relayed messages whose receipt came |
//! | `voicemail_messages_unconfirmed_total` | counter | `destination` | relayed messages without a receipt for four hours |
//! | `voicemail_messages_offered_again_total` | counter | `destination` | relayed messages sent again after six days without a receipt |
//! | `voicemail_messages_deferred_total` | counter | `destination` | attempts to forward that failed |
//! | `voicemail_messages_parked_total` | counter | | messages refused for good, or parked by an operator |
//! | `voicemail_messages_undeliverable_total` | counter | | copies of parked messages put into the mailbox for undeliverable ones |
//! | `voicemail_mailboxes_warned_total` | counter | | mailboxes that have become nearly full, or full |
//! | `voicemail_messages_released_total` | counter | `destination` | parked messages that an operator released |
//! | `voicemail_messages_stored_total` | counter | `origin`: `here`, `peer`, `unproven` | messages put into a mailbox |
//! | `voicemail_messages_duplicate_total` | counter | | messages that had arrived before |
//! | `voicemail_lamps_shown_total` | counter | | states sent to lamps |
//! | `voicemail_lamps_failed_total` | counter | | states that could not be sent to a lamp |
//! | `voicemail_greetings_total` | counter | `step`: `greeting_recorded`, `_ended`, `_sent`, `_deferred`, `_received`, `_refused` | greetings, by what happened to them |
//! | `voicemail_mails_sent_total` | counter | | receipts and copies that a server accepted |
//! | `voicemail_mails_deferred_total` | counter | | failed attempts to send a receipt or a copy |
//! | `voicemail_mails_given_up_total` | counter | | receipts and copies refused, or older than their lifetime, five days by default |
//! | `voicemail_steps_done_total` | counter | `step` | parts of steps on arrival that were done |
//! | `voicemail_steps_deferred_total` | counter | `step` | failed attempts of a part |
//! | `voicemail_steps_given_up_total` | counter | `step` | parts that were parked for an operator |
//! | `voicemail_messages_transcribed_total` | counter | | transcripts stored |
//! | `voicemail_webhooks_sent_total` | counter | `end_point` | requests of web hooks that a receiver accepted |
//! | `voicemail_webhooks_failed_total` | counter | `end_point` | tries of such requests that failed |
//! | `voicemail_webhooks_disabled_total` | counter | `end_point` | end points that were disabled |
//! | `voicemail_clock_skew_total` | counter | | messages from a PBX whose clock is off |
//! | `voicemail_plain_text_fallbacks_total` | counter | `peer` | connections in plain text, as the policy allows |
//! | `voicemail_tls_withheld_total` | counter | `peer` | connections refused because TLS was gone |
//! | `voicemail_logins_refused_total` | counter | | wrong names or passwords |
//! | `voicemail_sites_refused_total` | counter | | messages of a site that their sender may not send for |
//! | `voicemail_reports_refused_total` | counter | | mails refused to the address that the node sends from |
//! | `voicemail_reports_received_total` | counter | | reports about messages that the node has sent |
//! | `voicemail_reports_unproven_total` | counter | `action`: `failed`, `delayed`, `delivered`, `relayed`, `expanded`, `unreadable` | reports about relayed messages that proved nothing |
//! | `voicemail_postmaster_mails_total` | counter | | mails accepted for the postmaster |
//! | `voicemail_events_missed_total` | counter | | events that were lost because they came faster than they were counted |
//! | `voicemail_spool_depth` | gauge | `destination` | messages that wait or are being sent |
//! | `voicemail_spool_relayed` | gauge | `destination` | messages that wait for a receipt behind a relay |
//! | `voicemail_return_path_works` | gauge | `destination` | 1 if receipts can come back through the relay, 0 if they cannot |
//! | `voicemail_spool_oldest_timestamp_seconds` | gauge | `destination` | when the oldest of these was recorded; 0 if there is none |
//! | `voicemail_recording_seconds` | histogram | | durations of messages |
//! | `voicemail_keep_seconds` | histogram | | from `finish` to stable storage |
//! | `voicemail_queue_seconds` | histogram | | from stable storage to a place on a connection, on the first try |
//! | `voicemail_send_seconds` | histogram | | from there to the last byte |
//! | `voicemail_forward_seconds` | histogram | | from stable storage to the other node's answer |
//! | `voicemail_lamp_seconds` | histogram | | from the mailbox to its lamp |
//!
//! ```no_run
//! # #[cfg(feature = "node")]
//! # async fn run(node: voicemail::node::Node) -> Result<(), voicemail::node::NodeError> {
//! tokio::spawn(voicemail::metrics::count_events(node.events()));
//! node.run(std::future::pending()).await
//! # }
//! ```

mod steps;
#[cfg(test)]
mod tests;

use std::time::Instant;

use ::metrics::{SharedString, counter, gauge, histogram};
use chrono::DateTime;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use self::steps::Steps;
use crate::event::{Event, Occurrence, SpoolState};
use crate::message::{MessageId, Origin};

/// Counts `events` with the metrics recorder in force, until nothing is left that can report any.
///
/// # Cancel safety
///
/// A dropped call stops counting.
pub async fn count_events(mut events: Receiver<Occurrence>) {
    let mut meter = Meter::new();
    loop {
        match events.recv().await {
            Ok(occurrence) => meter.handle(&occurrence),
            Err(RecvError::Lagged(missed)) => counter!("voicemail_events_missed_total").increment(missed),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Counts single events: for a program that receives the events itself. Other programs use [`count_events`].
///
/// It measures the time between two steps of a message. For that it remembers at least the last 16 384 messages, and at most 32 768.
#[derive(Debug, Default)]
pub struct Meter {
    steps: Steps,
}

impl Meter {
    /// Returns a meter that has counted nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one event with the metrics recorder in force.
    pub fn handle(&mut self, Occurrence { at, event }: &Occurrence) {
        match event {
            Event::Finished { id, .. } => self.steps.of(*id).finished = Some(*at),
            Event::Kept { id, site, length, .. } => {
                counter!("voicemail_messages_kept_total", "site" => text(site)).increment(1);
                let steps = self.steps.of(*id);
                // There is one such event for each mailbox, but the recording is one.
                if steps.kept.is_none() {
                    histogram!("voicemail_recording_seconds").record(*length);
                    took("voicemail_keep_seconds", steps.finished, *at);
                    steps.kept = Some(*at);
                }
            }
            Event::Relayed { destination, transport_security, .. } => {
                let (destination, transport_security) = (destination.clone(), transport_security.to_string());
                counter!("voicemail_messages_relayed_total", "destination" => destination, "transport_security" => transport_security)
                    .increment(1);
            }
            Event::Confirmed { destination, .. } => count_for("voicemail_messages_confirmed_total", destination),
            Event::Unconfirmed { destination, .. } => count_for("voicemail_messages_unconfirmed_total", destination),
            Event::OfferedAgain { destination, .. } => count_for("voicemail_messages_offered_again_total", destination),
            Event::NotKeptYet { .. } => counter!("voicemail_keep_failures_total").increment(1),
            Event::Discarded { site, .. } => {
                counter!("voicemail_messages_discarded_total", "site" => text(site)).increment(1);
            }
            Event::NoSpeech { site, .. } => {
                counter!("voicemail_messages_without_speech_total", "site" => text(site)).increment(1);
            }
            Event::Recovered { .. } => counter!("voicemail_messages_recovered_total").increment(1),
            Event::Unreadable { .. } => counter!("voicemail_messages_unreadable_total").increment(1),
            Event::BadEntry { .. } => counter!("voicemail_bad_entries_total").increment(1),
            Event::Connected { id, .. } => {
                let steps = self.steps.of(*id);
                if steps.connected.is_none() {
                    took("voicemail_queue_seconds", steps.kept, *at);
                }
                steps.connected = Some(*at);
            }
            Event::Sent { id } => took("voicemail_send_seconds", self.steps.of(*id).connected, *at),
            Event::Forwarded { id, destination, transport_security, .. } => {
                let (destination, transport_security) = (destination.clone(), transport_security.to_string());
                counter!("voicemail_messages_forwarded_total", "destination" => destination, "transport_security" => transport_security)
                    .increment(1);
                took("voicemail_forward_seconds", self.steps.of(*id).kept, *at);
            }
            Event::Deferred { destination, .. } => count_for("voicemail_messages_deferred_total", destination),
            Event::Parked { .. } => counter!("voicemail_messages_parked_total").increment(1),
            Event::UndeliverableDeposited { .. } => counter!("voicemail_messages_undeliverable_total").increment(1),
            Event::MailboxRoom { .. } | Event::MessagesExpire { .. } => counter!("voicemail_mailboxes_warned_total").increment(1),
            Event::Released { destination, .. } => count_for("voicemail_messages_released_total", destination),
            Event::Backlog(state) => spool(state),
            Event::DiskNearlyFull { .. } => counter!("voicemail_recordings_refused_total").increment(1),
            Event::PlainTextFallback { peer, .. } => {
                counter!("voicemail_plain_text_fallbacks_total", "peer" => peer.clone()).increment(1);
            }
            Event::TlsWithheld { peer, .. } => counter!("voicemail_tls_withheld_total", "peer" => peer.clone()).increment(1),
            Event::LoginRefused { .. } => counter!("voicemail_logins_refused_total").increment(1),
            Event::SiteRefused { .. } => counter!("voicemail_sites_refused_total").increment(1),
            Event::ReportRefused { .. } => counter!("voicemail_reports_refused_total").increment(1),
            Event::ReportReceived { .. } => counter!("voicemail_reports_received_total").increment(1),
            Event::UnprovenReport { action, .. } => {
                counter!("voicemail_reports_unproven_total", "action" => action.as_str()).increment(1);
            }
            Event::ReturnPathWorks { destination } => return_path(destination, 1),
            Event::ReturnPathFails { destination, .. } => return_path(destination, 0),
            Event::PostmasterMail { .. } => counter!("voicemail_postmaster_mails_total").increment(1),
            Event::Stored { id, origin, .. } => {
                counter!("voicemail_messages_stored_total", "origin" => kind(origin)).increment(1);
                self.steps.of(*id).stored = Some(*at);
            }
            Event::Transcribed { .. } => counter!("voicemail_messages_transcribed_total").increment(1),
            Event::WebhookSent { end_point } => {
                counter!("voicemail_webhooks_sent_total", "end_point" => end_point.clone()).increment(1);
            }
            Event::WebhookFailed { end_point, .. } => {
                counter!("voicemail_webhooks_failed_total", "end_point" => end_point.clone()).increment(1);
            }
            Event::WebhookDisabled { end_point, .. } => {
                counter!("voicemail_webhooks_disabled_total", "end_point" => end_point.clone()).increment(1);
            }
            Event::Duplicate { .. } => counter!("voicemail_messages_duplicate_total").increment(1),
            Event::ClockSkew { .. } => counter!("voicemail_clock_skew_total").increment(1),
            Event::Greeting(event) => counter!("voicemail_greetings_total", "step" => event.name()).increment(1),
            Event::Counted { .. } | Event::Marked { .. } => {}
            Event::MailSent { .. } => counter!("voicemail_mails_sent_total").increment(1),
            Event::MailDeferred { .. } => counter!("voicemail_mails_deferred_total").increment(1),
            Event::MailGivenUp { .. } => counter!("voicemail_mails_given_up_total").increment(1),
            Event::StepDone { step, .. } => counter!("voicemail_steps_done_total", "step" => step.clone()).increment(1),
            Event::StepDeferred { step, .. } => counter!("voicemail_steps_deferred_total", "step" => step.clone()).increment(1),
            Event::StepGivenUp { step, .. } => counter!("voicemail_steps_given_up_total", "step" => step.clone()).increment(1),
            Event::LampShown { arrived, .. } => {
                counter!("voicemail_lamps_shown_total").increment(1);
                arrived.iter().for_each(|id| self.shown(*id, *at));
            }
            Event::LampFailed { .. } => counter!("voicemail_lamps_failed_total").increment(1),
        }
    }

    fn shown(&mut self, id: MessageId, at: Instant) {
        took("voicemail_lamp_seconds", self.steps.of(id).stored, at);
    }
}

/// Records the time between two steps, if the time of the first is known.
fn took(name: &'static str, since: Option<Instant>, at: Instant) {
    if let Some(since) = since {
        histogram!(name).record(at.saturating_duration_since(since));
    }
}

fn count_for(name: &'static str, destination: &str) {
    counter!(name, "destination" => destination.to_owned()).increment(1);
}

fn spool(state: &SpoolState) {
    let SpoolState { destination, depth, oldest, relayed, .. } = state;
    let depth = u32::try_from(*depth).unwrap_or(u32::MAX);
    gauge!("voicemail_spool_depth", "destination" => destination.clone()).set(depth);
    let relayed = u32::try_from(*relayed).unwrap_or(u32::MAX);
    gauge!("voicemail_spool_relayed", "destination" => destination.clone()).set(relayed);
    let oldest = oldest.map(|oldest| (oldest - DateTime::UNIX_EPOCH).to_std().unwrap_or_default());
    gauge!("voicemail_spool_oldest_timestamp_seconds", "destination" => destination.clone()).set(oldest.unwrap_or_default());
}

fn return_path(destination: &str, works: u8) {
    gauge!("voicemail_return_path_works", "destination" => destination.to_owned()).set(works);
}

fn kind(origin: &Origin) -> &'static str {
    match origin {
        Origin::Here => "here",
        Origin::Peer(_) => "peer",
        Origin::Unproven => "unproven",
    }
}

fn text(value: &impl ToString) -> SharedString {
    value.to_string().into()
}
