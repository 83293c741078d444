//! [`Session`]: this end of a call's SDP, by RFC 8866 and the offer and answer of RFC 3264.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use voicemail::audio::Codec;
use voicemail::audio::rtp::RtpFormat;

/// This end of a call's SDP.
pub struct Session {
    address: SocketAddr,
    version: u32,
    media: Media,
}

/// The part of an agreement that may change in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// Where the sound goes, if that is known yet.
    pub remote: Option<SocketAddr>,
    /// Whether the other end has put the call on hold.
    pub held: bool,
    /// The longest sound in a packet.
    pub max_packet: Duration,
}

/// The agreement of the two ends of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// The codec of the sound in both directions.
    pub codec: Codec,
    /// The payload types.
    pub rtp: RtpFormat,
    /// The part that may change in the call.
    pub agreed: Agreed,
    noise: bool,
    direction: &'static str,
    /// The `m=` lines of the offer, and which of them is used. Without an offer, there are none.
    offered: Vec<String>,
    chosen: usize,
}

impl Session {
    /// Answers `offer`, or makes an offer if that is empty; the sound comes to `address`. `None` if no codec of the offer is G.711.
    pub fn new(address: SocketAddr, offer: &[u8]) -> Option<Self> {
        let media = if offer.is_empty() { Media::without_offer() } else { Media::agree(&String::from_utf8_lossy(offer))? };
        Some(Self { address, version: 0, media })
    }

    /// Returns the agreement.
    pub fn media(&self) -> &Media {
        &self.media
    }

    /// Takes in a later offer, or the answer; returns whether the sound stays in its format. An empty one changes nothing.
    pub fn change(&mut self, offer: &[u8]) -> bool {
        self.version += 1;
        if offer.is_empty() {
            return true;
        }
        match Media::agree(&String::from_utf8_lossy(offer)) {
            Some(media) if media.codec == self.media.codec && media.rtp.payload_type == self.media.rtp.payload_type => {
                self.media = media;
                true
            }
            _ => false,
        }
    }
}

/// Writes the SDP.
impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (ip, port) = (self.address.ip(), self.address.port());
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        write!(f, "v=0\r\no=- {port} {} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n", self.version)?;
        if self.media.offered.is_empty() {
            self.media.describe(port, f)?;
        }
        for (index, line) in self.media.offered.iter().enumerate() {
            // RFC 3264 §6: one line for each of the offer; port 0 refuses it.
            match line.splitn(3, ' ').collect::<Vec<_>>()[..] {
                _ if index == self.media.chosen => self.media.describe(port, f)?,
                [kind, _, rest] => write!(f, "m={kind} 0 {rest}\r\n")?,
                _ => write!(f, "m=audio 0 RTP/AVP 0\r\n")?,
            }
        }
        Ok(())
    }
}

impl Media {
    /// The offer to a caller whose INVITE has none.
    fn without_offer() -> Self {
        let rtp = RtpFormat::new(0).with_events(101);
        let agreed = Agreed { remote: None, held: false, max_packet: MAX_PACKET };
        Self { codec: Codec::Pcmu, rtp, agreed, noise: false, direction: "sendrecv", offered: Vec::new(), chosen: 0 }
    }

    /// Chooses the first codec of an offer that is G.711; `None` if there is none.
    fn agree(sdp: &str) -> Option<Self> {
        let lines = sdp.lines().map(str::trim_end);
        let offered: Vec<String> = lines.filter_map(|line| line.strip_prefix("m=")).map(str::to_owned).collect();
        let is_sound = |line: &String| line.starts_with("audio ") && line.contains(" RTP/AVP") && !line.starts_with("audio 0 ");
        let chosen = offered.iter().position(is_sound)?;
        let mut sections = sdp.split("\nm=");
        let (session, section) = (sections.next()?, sections.nth(chosen)?);
        // A line of the section has precedence over one of the session.
        let find = |start: &str| {
            let of = |part: &str| part.lines().find_map(|line| Some(line.trim_end().strip_prefix(start)?.to_owned()));
            of(section).or_else(|| of(session))
        };
        let mut words = offered[chosen].split_whitespace().skip(1);
        let port = words.next()?.split('/').next()?.parse().ok()?;
        let types: Vec<u8> = words.skip(1).filter_map(|number| number.parse().ok()).collect();
        let encoding = |number: u8| {
            let mapped = find(&format!("a=rtpmap:{number} ")).map(|name| name.trim_end_matches("/1").to_ascii_uppercase());
            mapped.or_else(|| STATIC.iter().find(|(known, _)| *known == number).map(|(_, name)| (*name).to_owned()))
        };
        let number_of = |name: &str| types.iter().copied().find(|number| encoding(*number).as_deref() == Some(name));
        let (number, codec) = types.iter().find_map(|number| match encoding(*number).as_deref() {
            Some("PCMU/8000") => Some((*number, Codec::Pcmu)),
            Some("PCMA/8000") => Some((*number, Codec::Pcma)),
            _ => None,
        })?;
        let noise = number_of("CN/8000").is_some();
        let rtp = RtpFormat::new(number);
        let rtp = number_of("TELEPHONE-EVENT/8000").map_or(rtp, |events| rtp.with_events(events));
        let address: Option<IpAddr> = find("c=").and_then(|to| to.split_whitespace().nth(2)?.split('/').next()?.parse().ok());
        let nowhere = address == Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let direction = DIRECTIONS.iter().find(|(offered, _)| find(offered).is_some()).map_or("sendrecv", |(_, answer)| answer);
        let longest = find("a=maxptime:").and_then(|longest| longest.trim().parse().ok()).map(Duration::from_millis);
        let agreed = Agreed {
            remote: address.filter(|_| !nowhere).map(|address| SocketAddr::new(address, port)),
            held: nowhere || matches!(direction, "recvonly" | "inactive"),
            max_packet: longest.unwrap_or(MAX_PACKET).min(MAX_PACKET),
        };
        Some(Self { codec, rtp, agreed, noise, direction, offered, chosen })
    }

    /// Writes the `m=` line for the sound, which comes to `port`, with its attributes.
    fn describe(&self, port: u16, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sound = [(self.rtp.payload_type, self.codec.rtp_name())];
        let events = self.rtp.event_type.map(|number| (number, "telephone-event"));
        let noise = self.noise.then_some((13, "CN"));
        let (mut numbers, mut names) = (String::new(), String::new());
        for (number, name) in sound.into_iter().chain(events).chain(noise) {
            write!(numbers, " {number}")?;
            write!(names, "a=rtpmap:{number} {name}/8000\r\n")?;
        }
        write!(f, "m=audio {port} RTP/AVP{numbers}\r\n{names}")?;
        if let Some((number, _)) = events {
            write!(f, "a=fmtp:{number} 0-11\r\n")?;
        }
        write!(f, "a=ptime:{}\r\na={}\r\n", self.agreed.max_packet.as_millis(), self.direction)
    }
}

/// The payload types that need no `a=rtpmap`: RFC 3551 §6.
const STATIC: [(u8, &str); 3] = [(0, "PCMU/8000"), (8, "PCMA/8000"), (13, "CN/8000")];

/// The directions of an offer, and the answer to each: RFC 3264 §6.1.
const DIRECTIONS: [(&str, &str); 3] = [("a=sendonly", "recvonly"), ("a=recvonly", "sendonly"), ("a=inactive", "inactive")];

/// The sound in a packet, unless the other end takes less.
const MAX_PACKET: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.1.1.5\r\ns=-\r\nc=IN IP4 10.1.1.5\r\nt=0 0\r\n\
        m=video 4002 RTP/AVP 99\r\nm=audio 4000 RTP/AVP 96 9 8 0 101 13\r\na=rtpmap:96 opus/48000/2\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=maxptime:10\r\n";

    fn session(offer: &str) -> Option<Session> {
        Session::new("10.1.1.1:7000".parse().unwrap(), offer.as_bytes())
    }

    #[test]
    fn the_first_codec_that_is_known_is_chosen() {
        let session = session(OFFER).unwrap();
        let media = session.media();
        assert_eq!((media.codec, media.rtp), (Codec::Pcma, RtpFormat::new(8).with_events(101)));
        let max_packet = Duration::from_millis(10);
        assert_eq!(media.agreed, Agreed { remote: Some("10.1.1.5:4000".parse().unwrap()), held: false, max_packet });
        let answer = "m=video 0 RTP/AVP 99\r\nm=audio 7000 RTP/AVP 8 101 13\r\na=rtpmap:8 PCMA/8000\r\n\
            a=rtpmap:101 telephone-event/8000\r\na=rtpmap:13 CN/8000\r\na=fmtp:101 0-11\r\na=ptime:10\r\na=sendrecv\r\n";
        assert!(session.to_string().ends_with(answer), "{session}");
    }

    #[test]
    fn an_offer_without_g711_is_refused() {
        assert!(session(&OFFER.replace(" 8 0 ", " ")).is_none());
        assert!(session("v=0\r\n").is_none());
    }

    #[test]
    fn a_dynamic_payload_type_keeps_its_number() {
        let offer = OFFER.replace("96 9 8 0", "97").replace("a=rtpmap:96 opus/48000/2", "a=rtpmap:97 pcmu/8000/1");
        let session = session(&offer).unwrap();
        assert_eq!((session.media().codec, session.media().rtp.payload_type), (Codec::Pcmu, 97));
    }

    #[test]
    fn hold_has_three_forms_and_ends() {
        let mut session = session(OFFER).unwrap();
        for (hold, answer) in [("a=sendonly", "recvonly"), ("a=inactive", "inactive")] {
            assert!(session.change(format!("{OFFER}{hold}\r\n").as_bytes()));
            assert!(session.media().agreed.held);
            assert!(session.to_string().ends_with(&format!("a={answer}\r\n")));
        }
        assert!(session.change(OFFER.replace("c=IN IP4 10.1.1.5", "c=IN IP4 0.0.0.0").as_bytes()));
        assert!(session.media().agreed.held && session.media().agreed.remote.is_none());
        assert!(session.change(OFFER.as_bytes()));
        assert!(!session.media().agreed.held);
    }

    #[test]
    fn a_call_without_offer_is_offered_mu_law() {
        let mut session = session("").unwrap();
        assert!(session.to_string().contains("m=audio 7000 RTP/AVP 0 101\r\n"));
        let answer = "v=0\r\nc=IN IP4 10.1.1.5\r\nm=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
        assert!(session.change(answer.as_bytes()));
        assert_eq!(session.media().agreed.remote, Some("10.1.1.5:4000".parse().unwrap()));
    }
}
