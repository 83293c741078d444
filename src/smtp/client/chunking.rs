//! [`Chunking`]: whether messages go to a server by BDAT or by DATA; [`BdatOutcome`], by which it learns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::smtp::extensions::Extensions;

/// What is known of a server's BDAT, over all of its connections.
///
/// A server that offers CHUNKING and does not know BDAT gets DATA from then on, until the process ends. One that ends the
/// connection in BDAT, or before it answers commands that went with it, gets DATA after the second time, unless it has taken a block
/// before or is a node of this crate: then it is the path that broke.
#[derive(Debug)]
pub(crate) struct Chunking(Mutex<ChunkingState>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkingState {
    /// No block was taken yet, and so many connections ended in one.
    Untried { broken: u32 },
    /// A block was taken.
    Works,
    /// Messages go by DATA.
    Avoided,
}

/// What a server did with a message sent as a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BdatOutcome {
    /// None was sent, or it was not answered for a reason that says nothing about blocks.
    Unknown,
    /// It was taken.
    Accepted,
    /// The server does not know BDAT, whatever it offered.
    NotImplemented,
    /// The connection ended where the reply to it was due, or the reply made no sense.
    Broken,
    /// It may have been taken, but replies do not tell.
    Ambiguous,
}

/// Whether the next try goes another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextTry {
    Same,
    ByData,
}

impl Chunking {
    /// Messages go by BDAT where the server offers it.
    pub(crate) fn allowed() -> Self {
        Self(Mutex::new(ChunkingState::Untried { broken: 0 }))
    }

    /// Messages go by DATA.
    pub(crate) fn avoided() -> Self {
        Self(Mutex::new(ChunkingState::Avoided))
    }

    /// What the server offers, without CHUNKING if that is not to be used.
    pub(crate) fn of(&self, extensions: Extensions) -> Extensions {
        if *self.state() == ChunkingState::Avoided { extensions.without_chunking() } else { extensions }
    }

    /// Notes what the server did with a block.
    pub(crate) fn record(&self, fate: BdatOutcome, offered: Extensions) -> NextTry {
        let mut state = self.state();
        let before = *state;
        *state = match (before, fate) {
            (ChunkingState::Avoided, _)
            | (_, BdatOutcome::NotImplemented)
            | (ChunkingState::Untried { .. }, BdatOutcome::Ambiguous) => ChunkingState::Avoided,
            (_, BdatOutcome::Accepted) => ChunkingState::Works,
            (ChunkingState::Untried { broken }, BdatOutcome::Broken) if !offered.once => {
                if broken + 1 >= MAX_BROKEN {
                    ChunkingState::Avoided
                } else {
                    ChunkingState::Untried { broken: broken + 1 }
                }
            }
            (ChunkingState::Untried { .. } | ChunkingState::Works, _) => before,
        };
        let changed = *state == ChunkingState::Avoided && before != ChunkingState::Avoided;
        if changed {
            tracing::info!(?fate, "messages go to this server by DATA from now on: its BDAT does not work");
        }
        // Another call may have found it out while this one was under way.
        if changed || fate == BdatOutcome::NotImplemented { NextTry::ByData } else { NextTry::Same }
    }

    fn state(&self) -> MutexGuard<'_, ChunkingState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MAX_BROKEN: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> Extensions {
        Extensions { chunking: true, enhanced_codes: true, ..Extensions::default() }
    }

    fn learnt(fates: &[BdatOutcome], offered: Extensions) -> bool {
        let chunking = Chunking::allowed();
        for fate in fates {
            chunking.record(*fate, offered);
        }
        chunking.of(offered).takes_chunks()
    }

    #[test]
    fn blocks_are_given_up_for_a_server_that_never_took_one() {
        use BdatOutcome::{Accepted, Ambiguous, Broken, NotImplemented, Unknown};
        for (fates, kept) in [
            (&[Broken][..], true),
            (&[Broken, Unknown], true),
            (&[Broken, Broken], false),
            (&[NotImplemented], false),
            (&[Ambiguous], false),
            (&[Accepted, Broken, Broken, Broken, Ambiguous], true),
            (&[Accepted, NotImplemented], false),
        ] {
            assert_eq!(learnt(fates, offered()), kept, "{fates:?}");
        }
        assert!(learnt(&[Broken; 9], Extensions { once: true, ..offered() }), "a node of this crate knows BDAT");
        assert!(!Chunking::avoided().of(offered()).takes_chunks());
    }
}
