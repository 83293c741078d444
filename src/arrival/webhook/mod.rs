//! Web hooks: a node reports its messages to other systems by HTTP, as the specification Standard Webhooks 1.0.0 has it.
//!
//! An [`EndPoint`] is a URL that a receiver has given, with a secret that both know. Each request is a `POST` of one JSON object below 20 kB:
//!
//! ```text
//! webhook-id: msg_00112233445566778899aabbccddeeff          the same for each try
//! webhook-timestamp: 1795893545                             the time of this try
//! webhook-signature: v1,eqK6pnyk/Q3fJz1eaRnmfAbGZlVOt07Z1IVdnyeG0LA=
//!
//! {"type":"voicemail.message.stored","timestamp":"2026-11-28T19:19:05Z","data":{"mailbox":"2001","id":"00112233445566778899aabbccddeeff"}}
//! ```
//!
//! It names mailbox and message only. The caller is in it if the end point [asks](EndPoint::with_caller) for that; the sound and the transcript never are.
//!
//! A receiver checks the signature ([`WebhookSecret::verify`]), answers with 2xx at once, and drops what it has seen under the same `webhook-id`. Requests come
//! at least once, and in no order.
//!
//! | answer | what follows |
//! |---|---|
//! | 2xx | the request is done |
//! | 410 | the end point is disabled |
//! | 429, 502, 504 | the next try waits for at least a minute, and as long as `Retry-After` asks |
//! | anything else, 3xx too | the request is tried again: ten times within 75.6 hours. After that it is given up, and the end point is disabled if the process has seen nothing but failures for three days |
//!
//! # Source
//!
//! Standard Webhooks, specification 1.0.0.

#[cfg(feature = "http-client")]
mod disabled;
mod end_point;
#[cfg(feature = "http-client")]
mod end_points;
#[cfg(feature = "http-client")]
mod load;
#[cfg(feature = "http-client")]
mod network_end_points;
mod notification;
mod outcome;
#[cfg(feature = "http-client")]
mod queue;
mod schedule;
mod secret;
#[cfg(feature = "http-client")]
mod sender;
#[cfg(feature = "http-client")]
mod step;
#[cfg(test)]
#[cfg(all(feature = "http-client", feature = "memory"))]
mod tests;

pub use self::end_point::EndPoint;
#[cfg(feature = "http-client")]
pub use self::end_points::EndPoints;
#[cfg(feature = "http-client")]
pub use self::network_end_points::{WebhookSecretFault, WebhookSecretFaults};
pub use self::notification::Notification;
pub use self::outcome::RequestOutcome;
#[cfg(feature = "http-client")]
pub use self::queue::WebhookQueue;
pub use self::schedule::wait_at_age;
pub use self::secret::{InvalidSecret, SignatureFault, SignedHeaders, WebhookSecret};
#[cfg(feature = "http-client")]
pub use self::sender::Webhooks;
#[cfg(feature = "http-client")]
pub use self::step::WebhookStep;
pub use crate::http::webhook::{CallerData, EndPointId, InvalidEndPointId, InvalidNotificationType, NotificationType};
