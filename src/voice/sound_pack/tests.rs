//! Packs made of files that contain their own names, and Asterisk's packs where they are installed.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::text;
use super::*;
use crate::audio::{Format, Wav};
use crate::message::{AudioType, Caller, CallerName, DeliveryFailure, Disposition, MailboxId, RelativeDay, Stamp};
use crate::telephone::{Function, Place, RecordingKind};

fn english() -> Language {
    "en".parse().unwrap()
}

fn of(language: &str) -> &'static dyn Grammar {
    grammar(&language.parse().unwrap()).unwrap()
}

/// The names of the files that say `prompt` in a pack that `has` them; none if it cannot be said.
fn said(prompt: &Prompt, grammar: &dyn Grammar, has: impl Fn(File) -> bool) -> Vec<File> {
    let mut files = Vec::new();
    for phrase in render::phrases(prompt, &Names::none(), grammar) {
        match phrase.choose(&has) {
            Some(words) => files.extend(words.iter().map(|word| match word {
                Word::File(file) => *file,
                Word::Name(_) => "NAME",
            })),
            None if phrase.is_needed => return Vec::new(),
            None => {}
        }
    }
    files
}

/// The files that say `prompt` in an English pack of Asterisk, which has none of our own.
fn asterisk_says(prompt: &Prompt) -> String {
    said(prompt, of("en"), |file| !file.starts_with("voicemail/")).join(" ")
}

/// A folder of sounds whose bytes are their names, without a header.
fn pack(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    folder
}

async fn say(pack: &SoundPack, prompt: &Prompt, names: &Names) -> Vec<String> {
    let sounds = pack.say(prompt, names).await.unwrap();
    sounds.iter().map(|sound| String::from_utf8_lossy(sound.bytes()).into_owned()).collect()
}

#[test]
fn warnings_have_files_of_our_own_in_every_language() {
    let expire = Prompt::MessagesExpire { messages: 1, days: 1 };
    let files = ["voicemail/messages-expire", "digits/1", "voicemail/within-days", "digits/1"];
    for language in ["en", "de", "fr", "es", "it"] {
        assert_eq!(said(&expire, of(language), |_| true), files, "{language}");
        assert_eq!(said(&Prompt::MailboxNearlyFull, of(language), |_| true), ["voicemail/mailbox-nearly-full"], "{language}");
    }
}

#[test]
fn prompts_are_said_with_the_files_of_asterisk() {
    let mailbox: MailboxId = "2041".parse().unwrap();
    let night = Stamp::new("2025-12-31T23:05:00Z".parse().unwrap(), chrono_tz::Europe::Berlin);
    for (prompt, files) in [
        (Prompt::EnterPin, "agent-pass"),
        (Prompt::Kept, "vm-message vm-saved"),
        (
            Prompt::MessageCounts { new: 3, urgent: 1, old: 0 },
            "vm-youhave digits/3 vm-INBOX vm-messages digits/1 vm-Urgent vm-message",
        ),
        (Prompt::MessageNumber { number: 1, of: 1 }, "vm-first vm-message"),
        (Prompt::MessageNumber { number: 21, of: 22 }, "vm-message digits/20 digits/1"),
        (Prompt::MessageNumber { number: 22, of: 22 }, "vm-last vm-message"),
        (
            Prompt::ReceivedAt { stamp: night, day: RelativeDay::Yesterday },
            "vm-received digits/yesterday digits/at digits/12 digits/oh digits/5 digits/a-m",
        ),
        (Prompt::From(Caller::new("+41".parse().ok(), None)), "vm-from-phonenumber letters/plus digits/4 digits/1"),
        (Prompt::From(Caller::new(None, None)), "vm-unknown-caller"),
        (Prompt::From(Caller::new(None, CallerName::cleaned("Anna"))), ""),
        (Prompt::Length(Duration::from_secs(5)), "vm-duration digits/5 seconds"),
        (Prompt::LockedOut(Duration::from_secs(60)), "vm-incorrect please-try-call-later"),
        (Prompt::Name(mailbox.clone()), "digits/2 digits/0 digits/4 digits/1"),
        (Prompt::AddresseeList { list: "900".parse().unwrap(), members: 3 }, "digits/9 digits/0 digits/0"),
        (
            Prompt::DefaultGreeting { mailbox, busy: true },
            "vm-theperson digits/2 digits/0 digits/4 digits/1 vm-isonphone vm-intro",
        ),
        (Prompt::DefaultGreeting { mailbox: "sales".parse().unwrap(), busy: false }, "vm-nobodyavail vm-intro"),
        (Prompt::RecordNow(RecordingKind::Introduction), "vm-record-prepend"),
        (
            Prompt::Receipt {
                disposition: Disposition::Played,
                mailbox: "2042".parse().unwrap(),
                recorded: night,
                recorded_day: RelativeDay::Yesterday,
                at: night,
                at_day: RelativeDay::Today,
            },
            "vm-from-phonenumber digits/2 digits/0 digits/4 digits/2 \
             vm-received digits/today digits/at digits/12 digits/oh digits/5 digits/a-m",
        ),
        (
            Prompt::Receipt {
                disposition: Disposition::NotDelivered(DeliveryFailure::NotReached),
                mailbox: "2042".parse().unwrap(),
                recorded: night,
                recorded_day: RelativeDay::Yesterday,
                at: night,
                at_day: RelativeDay::Today,
            },
            "",
        ),
        (Prompt::CannotPassOn, ""),
        (Prompt::GreetingUntil(night), ""),
    ] {
        assert_eq!(asterisk_says(&prompt), files, "{prompt:?}");
    }
}

#[test]
fn a_menu_has_only_sentences_that_are_true_for_its_keys() {
    for (keys, place, functions, files) in [
        (KeyMap::asterisk(), Place::Review, &[Function::Send, Function::Hear, Function::RecordAgain][..], "vm-review"),
        (KeyMap::asterisk(), Place::Review, &[Function::Send, Function::RecordAgain], "vm-torerecord"),
        (
            KeyMap::voicemail(),
            Place::Review,
            Place::Review.functions(),
            "vm-review vm-press digits/4 vm-for vm-Urgent vm-reachoper",
        ),
        (KeyMap::asterisk(), Place::Played, &[Function::Previous, Function::Keep, Function::Again], "vm-prev vm-repeat"),
        (KeyMap::voicemail(), Place::Played, &[Function::Again, Function::Keep, Function::Remove], ""),
        (KeyMap::voicemail(), Place::Played, &[Function::PassOn, Function::Back], "vm-toforward vm-starmain"),
        (KeyMap::voicemail(), Place::OneGreeting, &[Function::Back], ""),
        (KeyMap::asterisk(), Place::Main, &[Function::Leave, Function::Help], "vm-helpexit"),
        (
            KeyMap::voicemail(),
            Place::Main,
            &[Function::NewMessages, Function::ChangePin, Function::Leave],
            "vm-press digits/1 vm-for vm-INBOX vm-messages vm-press digits/5 vm-for vm-password",
        ),
    ] {
        assert_eq!(asterisk_says(&Prompt::Menu(keys.menu(place, functions))), files, "{place} {functions:?}");
    }
}

#[test]
fn the_keys_in_a_sentence_of_asterisk_are_those_of_the_menu() {
    // The key in each sentence that has one, as its transcript in Asterisk's `core-sounds-en.txt` gives it.
    let spoken = [
        ("vm-review", "1 2 3"),
        ("vm-helpexit", "# *"),
        ("vm-torerecord", "3"),
        ("vm-reachoper", "0"),
        ("vm-star-cancel", "*"),
        ("vm-prev", "4"),
        ("vm-next", "6"),
        ("vm-undelete", "7"),
        ("vm-delete", "7"),
        ("vm-toforward", "8"),
        ("vm-repeat", "5"),
        ("vm-tohearenv", "3"),
        ("vm-toreply", "1"),
        ("vm-tocallback", "2"),
        ("vm-starmain", "*"),
    ];
    let mut met = BTreeSet::new();
    for keys in [KeyMap::voicemail(), KeyMap::asterisk(), KeyMap::intuity()] {
        for place in Place::ALL {
            for line in menu::lines(&keys.menu(place, place.functions()), of("en")) {
                let mut pressed: Vec<String> = line.items.iter().map(|item| item.keys.to_string()).collect();
                pressed.sort();
                let choices = line.phrase.choices.iter().flatten();
                let files = choices.filter_map(|word| if let Word::File(file) = word { Some(*file) } else { None });
                for file in files {
                    if let Some((file, keys)) = spoken.iter().find(|(name, _)| *name == file) {
                        assert_eq!(pressed.join(" "), *keys, "{file}");
                        met.insert(*file);
                    }
                }
            }
        }
    }
    assert!(met.len() >= 10, "the presets use {met:?}");
}

#[tokio::test]
async fn a_pack_reads_wav_and_headerless_sounds_and_prefers_wav() {
    let folder = pack(&["vm-goodbye.ulaw", "digits/7.alaw", "notes.txt", "vm-sorry.alaw", "vm-sorry.ulaw"]);
    let mut wav = Wav::header(Format::TELEPHONE_PCMU, 160);
    wav.resize(wav.len() + 160, 0xff);
    fs::write(folder.path().join("vm-goodbye.wav"), &wav).unwrap();
    let pack = SoundPack::open(folder.path(), english()).await.unwrap();
    let goodbye = pack.say(&Prompt::Goodbye, &Names::none()).await.unwrap();
    assert_eq!((goodbye[0].media(), goodbye[0].bytes().len()), (AudioType::Wav, wav.len()));
    assert_eq!(say(&pack, &Prompt::NotUnderstood, &Names::none()).await, ["vm-sorry.ulaw"]);
    assert_eq!(say(&pack, &Prompt::Name("7".parse().unwrap()), &Names::none()).await, ["digits/7.alaw"]);
    assert_eq!(format!("{pack:?}"), "SoundPack(en, 3 sounds)");
}

#[tokio::test]
async fn a_sentence_of_ones_own_comes_before_that_of_asterisk() {
    let folder = pack(&["vm-pls-try-again.ulaw", "voicemail/to-keep.ulaw", "vm-press.ulaw", "digits/2.ulaw"]);
    let pack = SoundPack::open(folder.path(), english()).await.unwrap();
    assert_eq!(say(&pack, &Prompt::NotSent, &Names::none()).await, ["vm-pls-try-again.ulaw"]);
    let menu = KeyMap::voicemail().menu(Place::Played, &[Function::Keep, Function::Remove]);
    let keep = ["voicemail/to-keep.ulaw", "vm-press.ulaw", "digits/2.ulaw"];
    assert_eq!(say(&pack, &Prompt::Menu(menu.clone()), &Names::none()).await, keep);
    assert_eq!(pack.unsaid(&menu), [menu.items[1]]);

    fs::write(folder.path().join("voicemail/not-sent.ulaw"), "own").unwrap();
    let pack = SoundPack::open(folder.path(), english()).await.unwrap();
    assert_eq!(say(&pack, &Prompt::NotSent, &Names::none()).await, ["own"]);
}

#[tokio::test]
async fn a_recorded_name_is_said_in_place_of_the_number() {
    let folder = pack(&["vm-isunavail.ulaw", "vm-intro.ulaw", "digits/5.ulaw"]);
    let pack = SoundPack::open(folder.path(), english()).await.unwrap();
    let (anna, five): (MailboxId, MailboxId) = ("sales".parse().unwrap(), "5".parse().unwrap());
    let names: Names = [(anna.clone(), Audio::new(AudioType::Basic, "Anna"))].into_iter().collect();
    let greeting = Prompt::DefaultGreeting { mailbox: anna.clone(), busy: false };
    assert_eq!(say(&pack, &greeting, &names).await, ["Anna", "vm-isunavail.ulaw", "vm-intro.ulaw"]);
    assert_eq!(say(&pack, &Prompt::Addressee(anna), &names).await, ["Anna"]);
    assert_eq!(say(&pack, &Prompt::Addressee(five), &names).await, ["digits/5.ulaw"]);
}

#[tokio::test]
async fn a_prompt_that_lacks_a_word_is_not_said_in_part() {
    let folder = pack(&["vm-youhave.ulaw", "vm-INBOX.ulaw", "vm-messages.ulaw", "digits/2.ulaw"]);
    let pack = SoundPack::open(folder.path(), english()).await.unwrap();
    let counts = |new| Prompt::MessageCounts { new, urgent: 1, old: 0 };
    assert_eq!(say(&pack, &counts(2), &Names::none()).await.len(), 4, "the part about urgent ones is left out");
    assert!(say(&pack, &counts(3), &Names::none()).await.is_empty());
    let missing = |text: &str| pack.missing().iter().find(|missing| missing.prompt == text).unwrap().files.clone();
    assert_eq!(missing("The message is not sent."), ["voicemail/not-sent"]);
    assert_eq!(missing("Received on Thursday, 1 January 2026 at 12:30.").len(), 11);
    assert_eq!(missing("To restore the message, press 7, 3.").len(), 4);
    assert!(missing("Numbers, dates and times").contains(&"digits/3"));
    let ends: Vec<_> = pack.missing().iter().filter(|missing| missing.prompt == "To end the recording, press pound.").collect();
    assert_eq!(ends.len(), 1, "a line of two menus is listed once");
    assert!(
        pack.missing_with(&KeyMap::intuity()).iter().any(|missing| missing.prompt == "To end the call, press star, star, 9.")
    );
}

#[tokio::test]
async fn tones_need_no_pack_and_sounds_no_words() {
    let folder = pack(&["vm-goodbye.ulaw"]);
    let pack = SoundPack::open(folder.path(), english()).await.unwrap();
    assert_eq!(pack.say(&Prompt::Tone, &Names::none()).await.unwrap().len(), 1);
    assert_eq!(pack.say(&Prompt::PlayRecording, &Names::none()).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_cannot_be_used_is_reported_with_its_path() {
    let open = async |folder: &TempDir, language: &str| {
        let result = SoundPack::open(folder.path(), language.parse().unwrap()).await;
        crate::error_chain(&result.unwrap_err())
    };
    let folder = pack(&["other.wav", "letters/readme.txt"]);
    assert!(open(&folder, "en").await.contains("has no sound of a pack"));
    assert!(open(&folder, "ja").await.contains("no grammar for the language ja"));
    fs::write(folder.path().join("vm-goodbye.wav"), "not a WAV").unwrap();
    let error = open(&folder, "en").await;
    assert!(error.contains("vm-goodbye.wav cannot be played"), "{error}");
    fs::write(folder.path().join("vm-goodbye.wav"), vec![0; 4 * 1024 * 1024 + 1]).unwrap();
    assert!(open(&folder, "en").await.contains("vm-goodbye.wav is too large"));
    let gone = SoundPack::open(folder.path().join("gone"), english()).await.unwrap_err();
    assert!(crate::error_chain(&gone).contains("gone cannot be read"));
}

/// Asterisk's packs: English, French, Spanish and Italian of Debian, in the folder that `VOICEMAIL_SOUND_PACKS` names.
fn asterisk_packs() -> Option<[(&'static str, PathBuf); 4]> {
    let Some(folder) = env::var_os("VOICEMAIL_SOUND_PACKS").map(PathBuf::from) else {
        eprintln!("skipped: VOICEMAIL_SOUND_PACKS names no folder with Asterisk's sound packs");
        return None;
    };
    let packs = [("en", "en_US_f_Allison"), ("fr", "fr_CA_f_June"), ("es", "es_MX_f_Allison"), ("it", "it_IT_m_Carlo")];
    Some(packs.map(|(language, name)| (language, folder.join(name))))
}

#[tokio::test]
async fn every_number_and_date_has_its_files_in_asterisks_packs() {
    for (language, folder) in asterisk_packs().into_iter().flatten() {
        let pack = SoundPack::open(&folder, language.parse().unwrap()).await.unwrap();
        let lacking: Vec<File> = of(language).all_files().into_iter().filter(|file| !pack.has(file)).collect();
        let singular: &[File] = if matches!(language, "es" | "it") { &["second"] } else { &[] };
        assert_eq!(lacking, singular, "{language}");
    }
}

#[tokio::test]
async fn asterisks_packs_say_all_but_what_is_listed_here() {
    let without_files = [
        "private",
        "message-gone",
        "cannot-pass-on",
        "privacy-not-honoured",
        "addresses-full",
        "mailbox-nearly-full",
        "messages-expire",
        "no-greeting",
        "enter-days",
        "max-length-reached",
        "marked-private",
        "marked-not-private",
        "receipt-requested",
        "receipt-not-requested",
        "no-sent-messages",
        "enter-list",
        "list-empty",
        "enter-old-member",
        "list-full",
        "list-too-large",
        "message-is-yours",
        "no-room-to-take",
        "because-no-such-mailbox",
        "because-mailbox-full",
        "because-too-long",
        "because-not-reached",
        "because-refused",
        "not-heard-by",
        "to",
        "heard-by",
        "unheard-by",
        "removed-unheard-by",
        "not-sent-to-so-many",
        "member-added",
        "member-removed",
        "taken-by",
        "not-sent-to",
        "greeting-until",
    ];
    let in_spanish = [
        "list-deleted",
        "no-pin-set",
        "pin-not-checked",
        "not-connected",
        "not-available",
        "not-licensed",
        "not-recorded",
        "greeting-removed",
        "recording-discarded",
    ];
    for (language, folder) in asterisk_packs().into_iter().flatten() {
        let pack = SoundPack::open(&folder, language.parse().unwrap()).await.unwrap();
        let own = |missing: &MissingWords| missing.files.first().and_then(|file| file.strip_prefix("voicemail/"));
        let lacking: BTreeSet<&str> = pack.missing().iter().filter_map(own).filter(|name| !name.starts_with("to-")).collect();
        let mut expected = BTreeSet::from(without_files);
        expected.extend(in_spanish.into_iter().filter(|_| language == "es"));
        // The count of a list's members is an addition that the sentence is true without.
        let lacking: BTreeSet<&str> = lacking.into_iter().filter(|name| *name != "members").collect();
        assert_eq!(lacking, expected, "{language}");
        for prompt in render::samples() {
            for sound in pack.say(&prompt, &Names::none()).await.unwrap() {
                assert!(crate::audio::Frames::new(&sound, 8000.try_into().unwrap()).unwrap().count() > 0, "{prompt:?}");
            }
        }
    }
}

fn any_mailbox() -> impl Strategy<Value = MailboxId> {
    prop_oneof!["\\+?[0-9]{1,15}", "[a-z][a-z0-9_-]{0,20}[a-z0-9]"].prop_filter_map("reserved", |text| text.parse().ok())
}

fn any_stamp() -> impl Strategy<Value = Stamp> {
    let zone = prop_oneof![Just(chrono_tz::UTC), Just(chrono_tz::Asia::Kathmandu), Just(chrono_tz::America::New_York)];
    (any::<i64>(), zone).prop_map(|(second, zone)| {
        let second = second % 300_000_000_000;
        Stamp::new(chrono::DateTime::from_timestamp(second, 0).unwrap_or_default(), zone)
    })
}

fn any_menu() -> impl Strategy<Value = Menu> {
    let keys = prop_oneof![Just(KeyMap::voicemail()), Just(KeyMap::asterisk()), Just(KeyMap::intuity())];
    let functions = proptest::collection::vec(proptest::sample::select(&Function::ALL[..]), 0..60);
    (keys, proptest::sample::select(&Place::ALL[..]), functions).prop_map(|(keys, place, functions)| keys.menu(place, &functions))
}

fn any_prompt() -> impl Strategy<Value = Prompt> {
    let seconds = || any::<u64>().prop_map(Duration::from_secs);
    let day = |stamp: Stamp, now: Stamp| stamp.day_at(now.local().to_utc());
    prop_oneof![
        proptest::sample::select(render::samples()),
        seconds().prop_map(Prompt::LockedOut),
        seconds().prop_map(Prompt::Length),
        any::<(usize, usize, usize)>().prop_map(|(new, urgent, old)| Prompt::MessageCounts { new, urgent, old }),
        any::<(usize, u16)>().prop_map(|(messages, days)| Prompt::MessagesExpire { messages, days }),
        any::<(usize, usize)>().prop_map(|(number, of)| Prompt::MessageNumber { number, of }),
        (any_stamp(), any_stamp()).prop_map(move |(stamp, now)| Prompt::ReceivedAt { stamp, day: day(stamp, now) }),
        any_stamp().prop_map(Prompt::GreetingUntil),
        any_mailbox().prop_map(Prompt::Name),
        any_mailbox().prop_map(Prompt::NotSentTo),
        any_mailbox().prop_map(Prompt::NotHeardBy),
        any_mailbox().prop_map(Prompt::MemberAdded),
        any_mailbox().prop_map(Prompt::TakenBy),
        any::<(usize, usize, usize, usize)>().prop_map(|(heard, unheard, removed, not_sent)| Prompt::SentCounts {
            heard,
            unheard,
            removed,
            not_sent
        }),
        (any_mailbox(), any_stamp(), any_stamp(), any_stamp()).prop_map(move |(mailbox, recorded, at, now)| Prompt::Receipt {
            disposition: Disposition::RemovedUnheard,
            mailbox,
            recorded,
            recorded_day: day(recorded, now),
            at,
            at_day: day(at, now),
        }),
        (any_mailbox(), any::<bool>()).prop_map(|(mailbox, busy)| Prompt::DefaultGreeting { mailbox, busy }),
        (any_mailbox(), any::<usize>()).prop_map(|(list, members)| Prompt::AddresseeList { list, members }),
        ("\\+?[0-9]{1,15}", "\\PC{0,60}").prop_map(|(number, name)| {
            Prompt::From(Caller::new(number.parse().ok().filter(|_| name.len() % 3 > 0), CallerName::cleaned(&name)))
        }),
        any_menu().prop_map(Prompt::Menu),
    ]
}

proptest! {
    #[test]
    fn any_prompt_is_said_with_known_files_whatever_a_pack_lacks(prompt in any_prompt(), lacking in any::<u64>()) {
        let _ = text(&prompt);
        for language in ["en", "de", "fr", "es", "it"] {
            let grammar = of(language);
            let known: HashSet<File> = render::all_files(grammar).collect();
            for phrase in render::phrases(&prompt, &Names::none(), grammar) {
                for word in phrase.choices.into_iter().flatten() {
                    let Word::File(file) = word else { continue };
                    prop_assert!(known.contains(file), "{} in {}", file, language);
                }
            }
            // A pack without some of the files.
            let has = |file: File| file.bytes().map(u64::from).sum::<u64>() % 7 != lacking % 7;
            prop_assert!(said(&prompt, grammar, has).into_iter().all(has));
        }
    }
}
