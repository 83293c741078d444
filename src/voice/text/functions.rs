//! The sentences of a menu, one for each function.

use crate::greeting::GreetingKind;
use crate::telephone::{Digit, Function, Menu, MenuItem, Place};

/// Says what each key of a menu does: "To keep the message, press 2."
pub(super) fn menu(menu: &Menu) -> String {
    let line = |item: &MenuItem| format!("{}, press {}.", purpose(item.function, menu.place), keys(item.keys.as_slice()));
    menu.items.iter().map(line).collect::<Vec<_>>().join(" ")
}

fn keys(keys: &[Digit]) -> String {
    let key = |digit: &Digit| match digit {
        Digit::Star => "star".to_owned(),
        Digit::Pound => "pound".to_owned(),
        digit => digit.to_char().to_string(),
    };
    keys.iter().map(key).collect::<Vec<_>>().join(", ")
}

/// The purpose of a function at a place, as the beginning of a sentence.
fn purpose(function: Function, place: Place) -> &'static str {
    match function {
        Function::SkipGreeting => "To skip the greeting",
        Function::Operator => "For an operator",
        Function::LogIn => "To log in to your mailbox",
        Function::EndRecording => "To end the recording",
        Function::Send => "To send the message",
        Function::Hear => "To hear the recording",
        Function::RecordAgain => "To record again",
        Function::Urgent => "To mark the message as urgent or not urgent",
        Function::Private => "To mark the message as private or not private",
        Function::RequestReceipt => "To request a receipt when the message is heard, or no receipt",
        Function::NewMessages => "For new messages",
        Function::OldMessages => "For old messages",
        Function::RemovedMessages => "For removed messages",
        Function::Compose => "To send a message",
        Function::SentMessages => "For the messages that you have sent",
        Function::PrivateLists => "For your private lists",
        Function::Greetings => "For your greetings",
        Function::RecordName => "To record your name",
        Function::ChangePin => "To change your PIN",
        Function::Leave => "To end the call",
        Function::Help => "To hear this again",
        Function::Rewind => "To go back in the message",
        Function::Pause => "To pause or resume",
        Function::Forward => "To go forward in the message",
        Function::FromStart => "To hear the message from its start",
        Function::Slower => "To play slower",
        Function::Faster => "To play faster",
        Function::NormalSpeed => "To play at normal speed",
        Function::Again => "To hear the message again",
        Function::Keep => "To keep the message",
        Function::KeepAsNew => "To keep the message as new",
        Function::Remove => "To remove the message",
        Function::Restore => "To restore the message",
        Function::Previous => "For the previous message",
        Function::Next => "For the next message",
        Function::Envelope => "For the date, the sender and the length of the message",
        Function::PassOn => "To pass the message on",
        Function::Answer => "To answer the message",
        Function::CallBack => "To call the sender",
        Function::TakeMessage => "To take the message for your own mailbox",
        Function::Back if matches!(place, Place::OneGreeting) => "To return to your greetings",
        Function::Back => "To return",
        Function::NormalGreeting => "For the greeting when you do not answer",
        Function::BusyGreeting => "For the greeting when your line is busy",
        Function::TemporaryGreeting => "For the temporary greeting",
        Function::HearGreeting => "To hear the greeting",
        Function::RecordGreeting => "To record the greeting",
        Function::RemoveGreeting => "To remove the greeting",
        Function::HearMembers => "To hear the members",
        Function::AddMember => "To add a member",
        Function::RemoveMember => "To remove a member",
        Function::DeleteList => "To delete the list",
        Function::Accept => "To use the recording",
        Function::Discard => "To discard the recording",
        Function::EndEntry => "To end the number",
        Function::CancelEntry => "To cancel",
        Function::OtherMailbox => "For another mailbox",
    }
}

/// The greeting, or the name, that an owner is asked to record.
pub(super) fn kind_of_greeting(kind: GreetingKind) -> &'static str {
    match kind {
        GreetingKind::Normal => "greeting for calls that you do not answer",
        GreetingKind::Busy => "greeting for calls while your line is busy",
        GreetingKind::Temporary => "temporary greeting",
        GreetingKind::Name => "name",
    }
}
