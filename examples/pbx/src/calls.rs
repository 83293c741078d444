//! [`Pbx`]: what happens with a call, by the number that was dialled.

use voicemail::call::{CallDriver, CallLeg as _, CallRefusal, IncomingCall, OwnerCall, RtpMedia};
use voicemail::message::SiteId;
use voicemail::telephone::DiversionReason;

use crate::leg::RtpLeg;
use crate::signalling::Call;

/// One PBX: its name in the network, and what runs its calls.
pub struct Pbx(pub SiteId, pub CallDriver);

impl Pbx {
    /// Answers a call of an owner, or of a caller for a mailbox.
    pub async fn answer(&self, mut call: Call, media: RtpMedia) {
        let Self(site, driver) = self;
        let (own, caller) = (call.own.take(), std::mem::take(&mut call.caller));
        let (dialled, reason) = call.diversion.take().unwrap_or((std::mem::take(&mut call.dialled), DiversionReason::NoAnswer));
        let mut leg = RtpLeg::new(call, media);
        let end = match (&*dialled, own, dialled.parse()) {
            (OWN, Some(own), _) => driver.answer_owner(site, leg, OwnerCall::from_own_telephone(own).caller(caller)).await,
            (OWN | ANY, _, _) => driver.answer_owner(site, leg, OwnerCall::from_any_telephone().caller(caller)).await,
            (_, _, Ok(mailbox)) => driver.answer_caller(site, leg, IncomingCall::to(mailbox).caller(caller).reason(reason)).await,
            (_, _, Err(_)) => return leg.refuse(CallRefusal::NoSuchMailbox).await,
        };
        println!("call at {site}: {:?}", end.reason);
    }
}

/// The number that owners dial on their own telephones.
pub const OWN: &str = "*97";

/// The number that owners dial on any telephone.
pub const ANY: &str = "*98";
