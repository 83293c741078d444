//! [`calls`]: whole calls of callers and of owners, with any keys, results and failures.

mod caller;
mod owner;

use crate::telephone::{Digit, KeyMap, KeyMatch, Prompt};

/// Reads bytes as what happens in two calls, of a caller and of an owner: keys, results of actions, silence and hang-ups.
///
/// A key has its own character; `s` is silence, `h` a hang-up, `x` the result of an action that was not asked for, and any other byte is
/// whatever comes next: the end of the prompts, or a result, good or bad. When no byte is left, the person says and presses nothing.
///
/// Each call must end then. No statement comes before the event that makes it true, every recording is sent or discarded once, one
/// result is awaited at a time, and a menu offers only keys that work.
pub fn calls(bytes: &[u8]) {
    caller::call(&mut Script::new(bytes));
    owner::call(&mut Script::new(bytes));
}

/// The settings and the events of a call.
struct Script<'a> {
    options: u8,
    steps: &'a [u8],
    silent_steps: usize,
}

/// One thing that happens, apart from what the driver does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Digit(Digit),
    Silence,
    HangUp,
    /// A result that is not awaited, chosen by this number.
    Unexpected(u8),
    /// The end of the prompts or the recording, or the result of an action; good or bad as this number says.
    Next(u8),
}

impl<'a> Script<'a> {
    /// The first byte chooses the settings of the call.
    fn new(bytes: &'a [u8]) -> Self {
        let (options, steps) = bytes.split_first().map_or((0, bytes), |(first, rest)| (*first, rest));
        Self { options, steps, silent_steps: 0 }
    }

    /// Whether the setting `number` is chosen, from 0 to 7.
    fn option(&self, number: u8) -> bool {
        self.options >> number & 1 == 1
    }

    fn keys(&self) -> KeyMap {
        let (_, map) = KeyMap::PRESETS[usize::from(self.options) % KeyMap::PRESETS.len()];
        map()
    }

    fn next(&mut self) -> Step {
        let Some(byte) = self.take() else {
            self.silent_steps += 1;
            assert!(self.silent_steps <= MAX_SILENT_STEPS, "a call ends when nobody presses a key");
            return Step::Next(self.options);
        };
        match byte {
            b's' => Step::Silence,
            b'h' => Step::HangUp,
            b'x' => Step::Unexpected(self.take().unwrap_or_default()),
            byte => match Digit::from_char(char::from(byte)) {
                Some(digit) => Step::Digit(digit),
                None if byte >= 0x80 => Step::Digit(Digit::ALL[usize::from(byte) % Digit::ALL.len()]),
                None => Step::Next(byte),
            },
        }
    }

    fn take(&mut self) -> Option<u8> {
        let (first, rest) = self.steps.split_first()?;
        self.steps = rest;
        Some(*first)
    }
}

/// Checks that something is said, and that the keys of a menu do what it says.
fn check_prompts(prompts: &[Prompt], keys: &KeyMap) {
    assert!(!prompts.is_empty(), "something is said");
    for prompt in prompts {
        let Prompt::Menu(menu) = prompt else { continue };
        assert!(!menu.items.is_empty(), "a menu offers something: {menu:?}");
        for item in &menu.items {
            let found = keys.lookup(menu.place, item.keys.as_slice());
            assert_eq!(found, KeyMatch::Function(item.function), "keys do what their menu says");
        }
    }
}

/// A recording, as the driver of a call knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tape {
    Empty,
    Running,
    /// The recording has ended and was not used yet.
    Full,
}

/// A call in which nobody presses a key ends after so many prompts and results, also with many keys typed ahead before.
const MAX_SILENT_STEPS: usize = 160;
