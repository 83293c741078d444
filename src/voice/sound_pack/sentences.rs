//! The prompts that are one recorded sentence, with the files that say it.

use super::super::grammar::File;
use crate::telephone::Prompt;

/// A recorded sentence: the file that a pack may have for exactly this prompt, and the files of Asterisk's packs that say the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sentence {
    /// Our own file. It is first choice, so that a site can record what Asterisk's packs lack.
    pub(super) own: File,
    /// The files of Asterisk's packs, the best first; the words of one choice are played one after the other.
    pub(super) asterisk: &'static [&'static [File]],
}

/// Makes the table, and a function that finds a prompt in it without a wildcard, so that a new prompt cannot be forgotten.
macro_rules! sentences {
    (sentences: { $($prompt:ident: $own:literal $(, [$($file:literal),+])*;)* } others: $others:pat) => {
        /// Returns the sentence of a prompt; `None` for those with values in them, and for sounds.
        pub(super) fn sentence(prompt: &Prompt) -> Option<Sentence> {
            match prompt {
                $(Prompt::$prompt => Some(Sentence {
                    own: concat!("voicemail/", $own),
                    asterisk: &[$(&[$($file),+]),*],
                }),)*
                $others => None,
            }
        }

        /// Returns every prompt that has a sentence.
        pub(super) fn prompts() -> Vec<Prompt> {
            vec![$(Prompt::$prompt),*]
        }
    };
}

sentences! {
    sentences: {
        EnterPin: "enter-pin", ["agent-pass"];
        WrongPin: "wrong-pin", ["vm-incorrect"];
        NoPinSet: "no-pin-set", ["feature-not-avail-line"];
        PinNotChecked: "pin-not-checked", ["please-try-call-later"];
        MessagesUnavailable: "messages-unavailable", ["im-sorry", "vm-pls-try-again"], ["vm-pls-try-again"];
        Urgent: "urgent", ["vm-Urgent"];
        Private: "private";
        EndOfMessages: "end-of-messages", ["vm-nomore"];
        Removed: "removed", ["vm-deleted"];
        Restored: "restored", ["vm-undeleted"];
        Kept: "kept", ["vm-message", "vm-saved"];
        KeptAsNew: "kept-as-new", ["vm-message", "vm-saved"];
        ChangeFailed: "change-failed", ["im-sorry", "vm-pls-try-again"], ["vm-pls-try-again"];
        MessageGone: "message-gone";
        CannotPassOn: "cannot-pass-on";
        EnterMailbox: "enter-mailbox", ["vm-whichbox", "vm-then-pound"];
        NoSuchMailbox: "no-such-mailbox", ["invalid"];
        PrivacyNotHonoured: "privacy-not-honoured";
        NotLicensed: "not-licensed", ["feature-not-avail-line"];
        EnterOwnMailbox: "enter-own-mailbox", ["vm-login", "vm-then-pound"];
        EnterNextMailbox: "enter-next-mailbox", ["vm-whichbox", "vm-then-pound"];
        AddressesFull: "addresses-full";
        CannotAnswer: "cannot-answer", ["vm-nobox"];
        NoNumber: "no-number", ["vm-nonumber"];
        NotConnected: "not-connected", ["cannot-complete-as-dialed"];
        NotAvailable: "not-available", ["feature-not-avail-line"];
        Sent: "sent", ["vm-msgsaved"];
        NotSent: "not-sent", ["im-sorry", "vm-pls-try-again"], ["vm-pls-try-again"];
        NotRecorded: "not-recorded", ["please-try-call-later"];
        EnterNewPin: "enter-new-pin", ["vm-newpassword"];
        RepeatNewPin: "repeat-new-pin", ["vm-reenterpassword"];
        PinTooWeak: "pin-too-weak", ["vm-invalid-password"];
        PinsDiffer: "pins-differ", ["vm-mismatch"];
        PinChanged: "pin-changed", ["vm-passchanged"];
        PinNotChanged: "pin-not-changed", ["im-sorry", "vm-pls-try-again"], ["vm-pls-try-again"];
        GreetingSaved: "greeting-saved", ["vm-msgsaved"];
        GreetingNotSaved: "greeting-not-saved", ["im-sorry", "vm-pls-try-again"], ["vm-pls-try-again"];
        NoGreeting: "no-greeting";
        GreetingRemoved: "greeting-removed", ["removed"];
        EnterDays: "enter-days";
        NameSaved: "name-saved", ["vm-saved"];
        FirstUse: "first-use", ["vm-newuser"];
        MailboxNearlyFull: "mailbox-nearly-full";
        MailboxFull: "mailbox-full", ["vm-mailboxfull"];
        TooShort: "too-short", ["vm-tooshort"];
        NoSpeech: "no-speech", ["vm-tooshort"];
        RecordingDiscarded: "recording-discarded", ["cancelled"];
        MaxLengthReached: "max-length-reached";
        MarkedUrgent: "marked-urgent", ["vm-marked-urgent"];
        MarkedNotUrgent: "marked-not-urgent", ["vm-marked-nonurgent"];
        MarkedPrivate: "marked-private";
        MarkedNotPrivate: "marked-not-private";
        ReceiptRequested: "receipt-requested";
        ReceiptNotRequested: "receipt-not-requested";
        NoSentMessages: "no-sent-messages";
        EnterList: "enter-list";
        NoSuchList: "no-such-list", ["invalid"];
        ListEmpty: "list-empty";
        EnterNewMember: "enter-new-member", ["vm-whichbox", "vm-then-pound"];
        EnterOldMember: "enter-old-member";
        NotAMember: "not-a-member", ["invalid"];
        ListFull: "list-full";
        ListTooLarge: "list-too-large";
        ListDeleted: "list-deleted", ["removed"];
        MessageIsYours: "message-is-yours";
        NoRoomToTake: "no-room-to-take";
        NotUnderstood: "not-understood", ["vm-sorry"];
        Goodbye: "goodbye", ["vm-goodbye"];
    }
    others: Prompt::LockedOut(_) | Prompt::MessageCounts { .. } | Prompt::MessagesExpire { .. } | Prompt::NoMessages | Prompt::MessageNumber { .. }
        | Prompt::ReceivedAt { .. } | Prompt::Receipt { .. } | Prompt::SentAt { .. } | Prompt::NotHeardBy(_) | Prompt::EndedFor { .. }
        | Prompt::SentCounts { .. } | Prompt::MemberAdded(_) | Prompt::MemberRemoved(_) | Prompt::TakenBy(_) | Prompt::From(_) | Prompt::Length(_) | Prompt::Name(_) | Prompt::Addressee(_)
        | Prompt::AddresseeList { .. } | Prompt::NotSentTo(_) | Prompt::RecordNow(_) | Prompt::Menu(_) | Prompt::GreetingUntil(_)
        | Prompt::DefaultGreeting { .. } | Prompt::Greeting(_) | Prompt::Play(_) | Prompt::PlayRecording | Prompt::Tone
        | Prompt::LimitWarning
}
