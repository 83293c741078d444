//! Keys of other maps than the default.

use super::*;

/// A call with these keys at the main menu.
fn with_keys(keys: KeyMap) -> OwnerDialogue {
    let mut call = OwnerDialogue::builder().mailbox(mailbox("2041")).keys(keys).build();
    call.poll_action();
    press(&mut call, "480913#");
    after(&mut call, OwnerEvent::Checked(PinVerdict::Right));
    after(&mut call, opened_with_all(Greetings::default()));
    call
}

fn menu_of(keys: &KeyMap, place: Place) -> Prompt {
    Prompt::Menu(keys.menu(place, place.functions().split_last().unwrap().1))
}

#[test]
fn keys_of_several_digits_wait_for_the_last() {
    let mut call = with_keys(KeyMap::intuity());
    press(&mut call, "2");
    after(&mut call, page(vec![new(1), new(2)]));
    assert_eq!(press(&mut call, "*"), [], "the message plays on");
    assert_eq!(press(&mut call, "5"), [OwnerAction::Playback(PlaybackControl::FromStart)]);
    assert_eq!(press(&mut call, "**"), []);
    assert_eq!(press(&mut call, "4"), [OwnerAction::MarkNew(id(1))]);
    after(&mut call, DONE);
    assert_eq!(press(&mut call, "*3"), [OwnerAction::Remove(id(1))]);
    after(&mut call, DONE);
    let main = menu_of(&KeyMap::intuity(), Place::Main);
    assert_eq!(press(&mut call, "*7"), [say(std::slice::from_ref(&main))]);
    assert_eq!(press(&mut call, "*4"), [say(&[main])], "help");
    assert_eq!(press(&mut call, "**9"), [say(&[Prompt::Goodbye])]);
}

#[test]
fn name_and_pin_of_asterisk_are_among_the_greetings() {
    let mut call = with_keys(KeyMap::asterisk());
    let greetings = menu_of(&KeyMap::asterisk(), Place::Greetings);
    assert_eq!(press(&mut call, "0"), [say(std::slice::from_ref(&greetings))]);
    let name = KeyMap::asterisk().menu(Place::OneGreeting, &[Function::RecordGreeting, Function::Back]);
    assert_eq!(press(&mut call, "3"), [say(&[Prompt::Menu(name)])]);
    assert_eq!(press(&mut call, "*"), [say(&[greetings])], "the name was chosen there");
    assert_eq!(press(&mut call, "5"), [say(&[Prompt::EnterNewPin])]);
}

#[test]
fn keys_that_have_no_function_are_not_understood() {
    let mut call = at_main_menu();
    assert_eq!(press(&mut call, "#"), [say(&[Prompt::NotUnderstood, main_menu()])]);
    assert_eq!(press(&mut call, "6#").last(), Some(&say(&[Prompt::NoSuchMailbox, Prompt::EnterMailbox])));
}

#[test]
fn the_end_of_a_recording_is_found_among_other_keys() {
    let keys = KeyMap::voicemail().to_builder();
    let mut call = with_keys(keys.key(Place::OwnerRecording, Function::EndRecording, "*#").build().unwrap());
    press(&mut call, "1");
    after(&mut call, page(vec![new(1)]));
    after(&mut call, OwnerEvent::Played);
    after(&mut call, DONE);
    press(&mut call, "9");
    after(&mut call, OwnerEvent::Played);
    assert_eq!(press(&mut call, "1*"), []);
    assert_eq!(press(&mut call, "*#"), [OwnerAction::StopRecording]);
}

#[test]
fn a_menu_offers_only_functions_that_have_keys() {
    let mut call = with_keys(KeyMap::asterisk());
    let Some(OwnerAction::Say(said)) = press(&mut call, "*").pop() else { panic!("help says the menu") };
    let Some(Prompt::Menu(main)) = said.last() else { panic!("{said:?}") };
    let offered: Vec<Function> = main.items.iter().map(|item| item.function).collect();
    let expected = [
        Function::NewMessages,
        Function::OldMessages,
        Function::RemovedMessages,
        Function::Compose,
        Function::SentMessages,
        Function::PrivateLists,
        Function::Greetings,
        Function::Leave,
    ];
    assert_eq!(offered, expected, "name and PIN are in another menu");
}
