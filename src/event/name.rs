//! The name of each event in logs and metrics, and its report to `tracing`.

use super::Event;

impl Event {
    /// Returns the name of the event in logs and metrics: `kept`, `lamp_shown`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Finished { .. } => "finished",
            Self::Kept { .. } => "kept",
            Self::NotKeptYet { .. } => "not_kept_yet",
            Self::Discarded { .. } => "discarded",
            Self::NoSpeech { .. } => "no_speech",
            Self::Recovered { .. } => "recovered",
            Self::Unreadable { .. } => "unreadable",
            Self::BadEntry { .. } => "bad_entry",
            Self::Connected { .. } => "connected",
            Self::Sent { .. } => "sent",
            Self::Forwarded { .. } => "forwarded",
            Self::Relayed { .. } => "relayed",
            Self::Confirmed { .. } => "confirmed",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::OfferedAgain { .. } => "offered_again",
            Self::Deferred { .. } => "deferred",
            Self::Parked { .. } => "parked",
            Self::UndeliverableDeposited { .. } => "undeliverable_deposited",
            Self::MailboxRoom { .. } => "mailbox_room",
            Self::MessagesExpire { .. } => "messages_expire",
            Self::Released { .. } => "released",
            Self::Backlog(_) => "backlog",
            Self::DiskNearlyFull { .. } => "disk_nearly_full",
            Self::PlainTextFallback { .. } => "plain_text_fallback",
            Self::LoginRefused { .. } => "login_refused",
            Self::SiteRefused { .. } => "site_refused",
            Self::ReportRefused { .. } => "report_refused",
            Self::ReportReceived { .. } => "report_received",
            Self::UnprovenReport { .. } => "unproven_report",
            Self::ReturnPathWorks { .. } => "return_path_works",
            Self::ReturnPathFails { .. } => "return_path_fails",
            Self::PostmasterMail { .. } => "postmaster_mail",
            Self::TlsWithheld { .. } => "tls_withheld",
            Self::Stored { .. } => "stored",
            Self::Marked { .. } => "marked",
            Self::Transcribed { .. } => "transcribed",
            Self::Duplicate { .. } => "duplicate",
            Self::ClockSkew { .. } => "clock_skew",
            Self::Greeting(event) => event.name(),
            Self::Counted { .. } => "counted",
            Self::MailSent { .. } => "mail_sent",
            Self::MailDeferred { .. } => "mail_deferred",
            Self::MailGivenUp { .. } => "mail_given_up",
            Self::StepDone { .. } => "step_done",
            Self::StepDeferred { .. } => "step_deferred",
            Self::StepGivenUp { .. } => "step_given_up",
            Self::WebhookSent { .. } => "webhook_sent",
            Self::WebhookFailed { .. } => "webhook_failed",
            Self::WebhookDisabled { .. } => "webhook_disabled",
            Self::LampShown { .. } => "lamp_shown",
            Self::LampFailed { .. } => "lamp_failed",
        }
    }

    /// Reports the event to `tracing`.
    pub(crate) fn trace(&self) {
        tracing::debug!(step = self.name(), event = ?self);
    }

    /// Reports the name of the event alone to `tracing`, in the span of one of its messages.
    #[cfg(feature = "node")]
    pub(crate) fn trace_step(&self) {
        tracing::debug!(step = self.name());
    }

    /// Returns whether `tracing` has a subscriber for events.
    #[cfg(feature = "smtp")]
    pub(crate) fn are_traced() -> bool {
        tracing::enabled!(tracing::Level::DEBUG)
    }
}
