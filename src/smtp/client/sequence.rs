//! [`CommandSequence`]: the sequence of the commands of a transaction.

use crate::smtp::extensions::Extensions;

/// Whether a message is sent before the replies to its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pipelining {
    /// The message is sent with its envelope, which saves a round trip. The bytes are wasted if the recipients are refused.
    On,
    /// The message is sent after the replies to its envelope.
    Off,
}

/// The sequence of the commands of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandSequence {
    /// Envelope and message (BDAT) at once: one round trip.
    AllAtOnce,
    /// The envelope at once, then the message by BDAT.
    GroupThenBdat,
    /// The envelope and DATA at once, then the message.
    GroupThenData,
    /// Each command alone, then the message by BDAT.
    StepsThenBdat,
    /// Each command alone, then the message by DATA.
    StepsThenData,
}

impl CommandSequence {
    /// Returns the sequence with the fewest round trips that the server's extensions and `pipelining` allow.
    pub(super) fn of(extensions: Extensions, pipelining: Pipelining) -> Self {
        match (extensions.pipelining, extensions.takes_chunks()) {
            (true, true) if pipelining == Pipelining::On => Self::AllAtOnce,
            (true, true) => Self::GroupThenBdat,
            (true, false) => Self::GroupThenData,
            (false, true) => Self::StepsThenBdat,
            (false, false) => Self::StepsThenData,
        }
    }
}
