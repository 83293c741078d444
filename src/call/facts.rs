//! [`IncomingCall`] and [`OwnerCall`]: the facts of a call, and [`CallEnd`]: how it ended.

use super::CallRefusal;
use crate::message::{CallDetails, Caller, MailboxId};
use crate::record::Kept;
use crate::telephone::DiversionReason;

/// The facts of a call that was diverted to a mailbox.
///
/// ```
/// use voicemail::call::IncomingCall;
/// use voicemail::message::Caller;
/// use voicemail::telephone::DiversionReason;
///
/// let caller = Caller::new("+442079460112".parse().ok(), None);
/// let call = IncomingCall::to("2041".parse()?).caller(caller).reason(DiversionReason::Busy);
/// # Ok::<(), voicemail::message::InvalidMailboxId>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncomingCall {
    /// The mailbox of the one who was called.
    pub mailbox: MailboxId,
    /// The caller, as far as the telephone network passed it on.
    pub caller: Caller,
    /// The reason why the call was diverted, which chooses the greeting.
    pub reason: DiversionReason,
    /// Details of the call, which go with the message. Without a called number, it names the mailbox as the number that was called.
    pub call_details: CallDetails,
}

impl IncomingCall {
    /// A call to `mailbox` that nobody answered, from an unknown caller.
    pub fn to(mailbox: MailboxId) -> Self {
        let (caller, call_details) = (Caller::default(), CallDetails::default());
        Self { mailbox, caller, reason: DiversionReason::NoAnswer, call_details }
    }

    /// Sets the caller.
    #[must_use]
    pub fn caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// Sets the reason why the call was diverted.
    #[must_use]
    pub fn reason(self, reason: DiversionReason) -> Self {
        Self { reason, ..self }
    }

    /// Sets what the message says of the call, beside the caller: the called number, the one that diverted, the call's id, and more.
    #[must_use]
    pub fn call_details(self, call_details: CallDetails) -> Self {
        Self { call_details, ..self }
    }
}

/// The facts of a call of an owner who wants to listen to messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnerCall {
    /// The mailbox of the telephone that calls, so that only its PIN is asked for; `None` for any other telephone.
    pub mailbox: Option<MailboxId>,
    /// The caller. Its number counts wrong PINs.
    pub caller: Caller,
}

impl OwnerCall {
    /// A call from the telephone of `mailbox`: its owner enters only the PIN.
    pub fn from_own_telephone(mailbox: MailboxId) -> Self {
        Self { mailbox: Some(mailbox), caller: Caller::default() }
    }

    /// A call from any telephone: the owner enters the number of the mailbox, and then the PIN.
    pub fn from_any_telephone() -> Self {
        Self { mailbox: None, caller: Caller::default() }
    }

    /// Sets the caller.
    #[must_use]
    pub fn caller(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallEnd {
    /// Why it ended.
    pub reason: CallEndReason,
    /// The message that the caller left, if it was on stable storage when the call ended.
    ///
    /// A caller who hangs up before speaking leaves none, nor does a sound that is too short or without speech, such as a steady tone:
    /// [`Event::Discarded`](crate::event::Event::Discarded) or [`Event::NoSpeech`](crate::event::Event::NoSpeech) reports it.
    /// A message that the node keeps later, because the disk failed or the call was dropped, is reported only as
    /// [`Event::Kept`](crate::event::Event::Kept).
    pub message: Option<Kept>,
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallEndReason {
    /// It was refused, and not answered.
    Refused(CallRefusal),
    /// The other end hung up, before or after the answer.
    HungUp,
    /// The conversation was over.
    Over,
    /// It was transferred, to an operator, a sender or another voicemail.
    Transferred,
    /// Nothing had arrived from the other end for [`CallTimers::no_sound`](super::CallTimers::no_sound).
    NoSound,
    /// It had reached [`CallTimers::longest_call`](super::CallTimers::longest_call).
    TooLong,
}

impl From<CallEndReason> for CallEnd {
    fn from(reason: CallEndReason) -> Self {
        Self { reason, message: None }
    }
}
