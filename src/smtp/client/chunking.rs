//! [`Chunking`]: whether messages are sent to a server by BDAT or by DATA; [`BdatOutcome`], from which it learns.

use crate::lock::Lock;
use crate::smtp::extensions::Extensions;

/// Whether a server's BDAT works, as far as all connections to it have shown.
///
/// A server that offers CHUNKING and does not know BDAT gets DATA from then on, until the process ends. A server that closes the
/// connection during BDAT, or before it answers commands that were sent with it, gets DATA after the second time. This does not apply
/// to a server that has accepted a message by BDAT before or is a node of this crate: then the network is the likely cause.
#[derive(Debug)]
pub(crate) struct Chunking(Lock<ChunkingState>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkingState {
    /// No message was accepted by BDAT yet, and `broken` connections ended during BDAT.
    Untried { broken: u32 },
    /// A message was accepted by BDAT.
    Works,
    /// Messages are sent by DATA.
    Avoided,
}

/// The outcome of BDAT for one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BdatOutcome {
    /// BDAT was not sent, or was not answered for a reason that has nothing to do with BDAT.
    Unknown,
    /// The server accepted the message.
    Accepted,
    /// The server does not know BDAT, although it offers CHUNKING.
    NotImplemented,
    /// The connection ended where the reply to BDAT was expected, or the reply was invalid.
    Broken,
    /// The server may have accepted the message; its replies do not show it.
    Ambiguous,
}

/// Whether the next attempt is made differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextTry {
    /// The next attempt is made in the same way.
    Same,
    /// The next attempt is made by DATA.
    ByData,
}

impl Chunking {
    /// Messages are sent by BDAT where the server offers it.
    pub(crate) fn allowed() -> Self {
        Self(Lock::new(ChunkingState::Untried { broken: 0 }))
    }

    /// Messages are sent by DATA.
    pub(crate) fn avoided() -> Self {
        Self(Lock::new(ChunkingState::Avoided))
    }

    /// Returns the server's extensions, without CHUNKING if BDAT is not to be used.
    pub(crate) fn of(&self, extensions: Extensions) -> Extensions {
        if *self.0.lock() == ChunkingState::Avoided { extensions.without_chunking() } else { extensions }
    }

    /// Records the outcome of BDAT for one message.
    pub(crate) fn record(&self, outcome: BdatOutcome, offered: Extensions) -> NextTry {
        let mut state = self.0.lock();
        let before = *state;
        *state = match (before, outcome) {
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
            tracing::info!(?outcome, "messages are sent to this server by DATA from now on: its BDAT does not work");
        }
        // Another call may have changed the state while this message was in progress.
        if changed || outcome == BdatOutcome::NotImplemented { NextTry::ByData } else { NextTry::Same }
    }
}

const MAX_BROKEN: u32 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn offered() -> Extensions {
        Extensions { chunking: true, enhanced_codes: true, ..Extensions::default() }
    }

    fn sends_bdat_after(outcomes: &[BdatOutcome], offered: Extensions) -> bool {
        let chunking = Chunking::allowed();
        for outcome in outcomes {
            chunking.record(*outcome, offered);
        }
        chunking.of(offered).takes_chunks()
    }

    #[test]
    fn bdat_is_given_up_for_a_server_that_never_accepted_it() {
        use BdatOutcome::{Accepted, Ambiguous, Broken, NotImplemented, Unknown};
        for (outcomes, kept) in [
            (&[Broken][..], true),
            (&[Broken, Unknown], true),
            (&[Broken, Broken], false),
            (&[NotImplemented], false),
            (&[Ambiguous], false),
            (&[Accepted, Broken, Broken, Broken, Ambiguous], true),
            (&[Accepted, NotImplemented], false),
        ] {
            assert_eq!(sends_bdat_after(outcomes, offered()), kept, "{outcomes:?}");
        }
        assert!(sends_bdat_after(&[Broken; 9], Extensions { once: true, ..offered() }), "a node of this crate knows BDAT");
        assert!(!Chunking::avoided().of(offered()).takes_chunks());
    }
}
