//! Voices of languages, and one behind another.

use std::sync::Mutex;

use super::*;
use crate::message::{AudioType, Language};
use crate::telephone::{Function, KeyMap, Place};

/// A voice that says one word of its own for each line of a menu but some, and one for any other prompt but some.
#[derive(Debug)]
struct Saying {
    word: &'static [u8],
    not: Vec<Prompt>,
    not_in_menus: Vec<Function>,
    fails: bool,
    asked: Mutex<Vec<Prompt>>,
}

impl Saying {
    fn new(word: &'static [u8]) -> Self {
        Self { word, not: Vec::new(), not_in_menus: Vec::new(), fails: false, asked: Mutex::default() }
    }
}

#[async_trait]
impl Voice for Saying {
    async fn say(&self, prompt: &Prompt, _: &Names) -> Result<Vec<Audio>, VoiceError> {
        self.asked.lock().unwrap().push(prompt.clone());
        if self.fails {
            return Err(VoiceError::Unavailable("out of breath".into()));
        }
        let count = match prompt {
            Prompt::Menu(menu) => menu.items.len() - self.unsaid(menu).len(),
            prompt => usize::from(!self.not.contains(prompt)),
        };
        Ok(vec![Audio::new(AudioType::Basic, self.word); count])
    }

    fn unsaid(&self, menu: &Menu) -> Vec<MenuItem> {
        menu.items.iter().copied().filter(|item| self.not_in_menus.contains(&item.function)).collect()
    }
}

async fn words(voice: &impl Voice, prompt: &Prompt) -> Vec<Vec<u8>> {
    let sounds = voice.say(prompt, &Names::none()).await.unwrap();
    sounds.iter().map(|sound| sound.bytes().to_vec()).collect()
}

#[tokio::test]
async fn a_language_gets_its_voice_or_that_of_its_family() {
    let tag = |tag: &str| tag.parse::<Language>().unwrap();
    let voices = Voices::new(tag("en"), Saying::new(b"en"))
        .with(tag("de"), Saying::new(b"de"))
        .with(tag("de-CH"), Saying::new(b"ch"))
        .with(tag("pt-BR"), Saying::new(b"br"));
    for (language, word) in
        [(Some("de-CH"), "ch"), (Some("de-AT"), "de"), (Some("de"), "de"), (Some("pt"), "en"), (Some("ja"), "en"), (None, "en")]
    {
        let voice = voices.get(language.map(tag).as_ref());
        assert_eq!(words(voice, &Prompt::Goodbye).await, [word.as_bytes()], "{language:?}");
    }
    let changed = voices.with(tag("en"), Saying::new(b"gb"));
    assert_eq!(words(changed.get(None), &Prompt::Goodbye).await, [b"gb"]);
}

#[tokio::test]
async fn the_second_voice_speaks_where_the_first_has_no_words() {
    let first = Saying { not: vec![Prompt::Private], ..Saying::new(b"1") };
    let voice = FallbackVoice::new(first, Saying::new(b"2"));
    assert_eq!(words(&voice, &Prompt::Goodbye).await, [b"1"]);
    assert_eq!(words(&voice, &Prompt::Private).await, [b"2"]);
    assert_eq!(voice.second_asked(), [Prompt::Private], "the second one is not asked for more");
}

impl FallbackVoice<Saying, Saying> {
    fn second_asked(&self) -> Vec<Prompt> {
        self.second().asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn the_second_voice_speaks_when_the_first_fails() {
    let failing = || Saying { fails: true, ..Saying::new(b"1") };
    assert_eq!(words(&FallbackVoice::new(failing(), Saying::new(b"2")), &Prompt::Goodbye).await, [b"2"]);
    let speechless = Saying { not: vec![Prompt::Goodbye], ..Saying::new(b"2") };
    let error = FallbackVoice::new(failing(), speechless).say(&Prompt::Goodbye, &Names::none()).await.unwrap_err();
    assert!(error.is_transient());
    assert!(FallbackVoice::new(failing(), failing()).say(&Prompt::Goodbye, &Names::none()).await.is_err());
}

#[tokio::test]
async fn the_second_voice_says_the_lines_that_the_first_lacks() {
    let menu = KeyMap::voicemail().menu(Place::Review, &[Function::Send, Function::Private, Function::Operator]);
    let first = Saying { not_in_menus: vec![Function::Private, Function::LogIn], ..Saying::new(b"1") };
    let second = Saying { not_in_menus: vec![Function::LogIn], ..Saying::new(b"2") };
    let voice = FallbackVoice::new(first, second);
    assert_eq!(words(&voice, &Prompt::Menu(menu.clone())).await, [b"1", b"1", b"2"]);
    let Prompt::Menu(rest) = &voice.second_asked()[0] else { panic!("a menu") };
    assert_eq!(rest.items, [menu.items[1]]);
    assert!(voice.unsaid(&menu).is_empty());
    let greeting = KeyMap::voicemail().menu(Place::Greeting, &[Function::SkipGreeting, Function::LogIn]);
    assert_eq!(voice.unsaid(&greeting), [greeting.items[1]]);
}

#[test]
fn tones_are_the_same_in_every_language() {
    let length = |prompt| crate::audio::length_of(AudioType::Wav, tone(&prompt).unwrap().bytes()).unwrap().as_millis();
    assert_eq!((length(Prompt::Tone), length(Prompt::LimitWarning)), (640, 200));
    assert_eq!(tone(&Prompt::Goodbye), None);
}

#[test]
fn names_keep_who_they_belong_to() {
    let sound = Audio::new(AudioType::Basic, vec![0xff; 160]);
    let names: Names = [("2041".parse().unwrap(), sound.clone())].into_iter().collect();
    assert_eq!(names.get(&"2041".parse().unwrap()), Some(&sound));
    assert_eq!(names.get(&"2042".parse().unwrap()), None);
    assert_eq!(format!("{names:?} {}", names.len()), "Names(1) 1");
    assert!(Names::none().is_empty());
}
