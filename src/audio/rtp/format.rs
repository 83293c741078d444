//! [`RtpFormat`]: which payload types a call uses.

/// The payload types of a call, as its SDP has agreed on them.
///
/// ```
/// use voicemail::audio::rtp::RtpFormat;
///
/// let format = RtpFormat::new(0).with_events(101);
/// assert_eq!((format.event_type, format.comfort_noise), (Some(101), Some(13)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtpFormat {
    /// The payload type of the sound, such as 0 for PCMU and 8 for PCMA.
    pub payload_type: u8,
    /// The payload type of telephone events (RFC 4733), if the SDP has one.
    pub event_type: Option<u8>,
    /// The payload type of comfort noise (RFC 3389).
    pub comfort_noise: Option<u8>,
}

impl RtpFormat {
    /// Returns the format of a call whose sound has `payload_type`. There are no telephone events, and comfort noise has its static payload
    /// type, 13.
    pub const fn new(payload_type: u8) -> Self {
        Self { payload_type, event_type: None, comfort_noise: Some(13) }
    }

    /// Sets the payload type of telephone events.
    #[must_use]
    pub const fn with_events(self, event_type: u8) -> Self {
        Self { event_type: Some(event_type), ..self }
    }

    /// Sets the payload type of comfort noise; `None` if there is none.
    #[must_use]
    pub const fn with_comfort_noise(self, comfort_noise: Option<u8>) -> Self {
        Self { comfort_noise, ..self }
    }
}
