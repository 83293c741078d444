//! [`CentralPbx`]: whether the central PBX can be reached.

/// Whether the central PBX can be reached, as whoever supervises the links to it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CentralPbx {
    /// It can: lamps go through it.
    #[default]
    Reachable,
    /// It cannot, and its fallback has taken over: what would go through it goes through the fallback.
    FallbackActive,
    /// It cannot, and nobody has taken over: lamps that would go through it wait.
    Unreachable,
}

/// The central PBX has no fallback that could have taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the central PBX has no fallback; give a PBX on centralized voicemail fallback = true in the network description")]
pub struct NoFallback;
