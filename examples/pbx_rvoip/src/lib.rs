//! Voicemail for a PBX on rvoip: [`RvoipLeg`] joins its calls to the crate `voicemail`, and [`Answering`] hands each call that comes in to a
//! function, which has a leg to answer it with.
//!
//! ```no_run
//! use pbx_rvoip::Answering;
//! use rvoip_sip::{CallbackPeer, Config};
//! use voicemail::call::CallLeg;
//!
//! # async fn answer_calls() -> rvoip_sip::Result<()> {
//! let answering = Answering::new("pbx.example", |mut leg, _from, _to| async move {
//!     if leg.answer().await.is_ok() {
//!         leg.hang_up().await;
//!     }
//! });
//! CallbackPeer::new(answering, Config::local("voicemail", 5060)).await?.run().await
//! # }
//! ```

mod answering;
mod call;
mod leg;

pub use answering::Answering;
pub use call::RvoipCall;
pub use leg::{CallEvent, RvoipLeg, SipCall};
