//! [`Telephone`]: a bare telephone, for what SIPp cannot do, and [`Ear`]: what it hears.

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use voicemail::audio::rtp::{Packet, RtpSender};
use voicemail::audio::{Codec, encode, from_a_law, from_mu_law};
use voicemail::bytes::Bytes;

/// A call by a bare telephone.
pub struct Telephone {
    sip: UdpSocket,
    /// Hears the other end.
    pub ear: Ear,
    pbx: SocketAddr,
    /// Where the PBX takes sound.
    pub sound: SocketAddr,
    number: String,
    to: String,
    cseq: u32,
    sender: RtpSender,
}

impl Telephone {
    /// Calls `number` at `pbx`, and waits until the call is answered. The payload types are offered in that order.
    pub fn call(pbx: SocketAddr, number: &str, types: &str) -> Self {
        let mut telephone = Self::ring(pbx, number, types);
        telephone.wait_for_answer();
        telephone
    }

    /// Calls `number` at `pbx`.
    pub fn ring(pbx: SocketAddr, number: &str, types: &str) -> Self {
        let mut telephone = Self::new(pbx, number);
        telephone.cseq += 1;
        telephone.send("INVITE", &telephone.sdp(types, "sendrecv"));
        telephone
    }

    /// Waits until the call is answered.
    pub fn wait_for_answer(&mut self) {
        let answer = self.response("INVITE", || {});
        self.accept(&answer, "");
    }

    /// Calls `number` without an offer, so that the PBX offers, and answers that with the ACK.
    pub fn call_without_offer(pbx: SocketAddr, number: &str) -> Self {
        let mut telephone = Self::new(pbx, number);
        let offer = telephone.request("INVITE", "");
        let sdp = telephone.sdp("0 101", "sendrecv");
        telephone.accept(&offer, &sdp);
        telephone
    }

    /// Calls `number` at `pbx`, and returns the response that refuses the call.
    pub fn refused(pbx: SocketAddr, number: &str, types: &str) -> String {
        let mut telephone = Self::new(pbx, number);
        let sdp = telephone.sdp(types, "sendrecv");
        telephone.request("INVITE", &sdp)
    }

    fn new(pbx: SocketAddr, number: &str) -> Self {
        let sip = UdpSocket::bind("127.0.0.1:0").unwrap();
        sip.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        Self {
            sip,
            ear: Ear::new(),
            pbx,
            sound: pbx,
            number: number.to_owned(),
            to: format!("<sip:{number}@{pbx}>"),
            cseq: 0,
            sender: RtpSender::new(0, 7, 1, 1),
        }
    }

    /// Takes in the answer to the first INVITE.
    fn accept(&mut self, answer: &str, sdp: &str) {
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        let line = |start: &str| answer.lines().find_map(|line| Some(line.strip_prefix(start)?.to_owned())).unwrap();
        self.to = line("To: ");
        self.sound = format!("127.0.0.1:{}", line("m=audio ").split(' ').next().unwrap()).parse().unwrap();
        self.send("ACK", sdp);
    }

    /// Offers another direction of the sound, and returns the direction in the answer.
    pub fn direct(&mut self, types: &str, direction: &str) -> String {
        let sdp = self.sdp(types, direction);
        let answer = self.request("INVITE", &sdp);
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
        self.send("ACK", "");
        answer.lines().last().unwrap().trim_start_matches("a=").to_owned()
    }

    fn sdp(&self, types: &str, direction: &str) -> String {
        let port = self.ear.address.port();
        format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP {types}\r\n\
             a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        )
    }

    /// Presses a key, by INFO.
    pub fn press(&mut self, key: char) {
        let answer = self.request("INFO", &format!("Signal={key}\r\nDuration=160\r\n"));
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }

    /// Says something, in mu-law.
    pub fn speak(&mut self, sound: &[i16]) {
        for payload in encode(Codec::Pcmu, sound).chunks(160) {
            self.ear.socket.send_to(&self.sender.packet(payload, 160), self.sound).unwrap();
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a request of the PBX, answers it with `status`, and returns it.
    pub fn answer_request(&self, method: &str, status: &str) -> String {
        let (began, mut datagram) = (Instant::now(), [0; 4096]);
        loop {
            assert!(began.elapsed() < Duration::from_secs(10), "the PBX sends {method} within 10 s");
            let Ok(length) = self.sip.recv(&mut datagram) else { continue };
            let request = String::from_utf8_lossy(&datagram[..length]).into_owned();
            if request.starts_with(method) {
                let copied = ["Via: ", "From: ", "To: ", "Call-ID: ", "CSeq: "];
                let copied = request.lines().filter(|line| copied.iter().any(|name| line.starts_with(name)));
                let headers = copied.fold(String::new(), |headers, line| headers + line + "\r\n");
                let answer =
                    format!("SIP/2.0 {status}\r\n{headers}Contact: <sip:2002@{}>\r\nContent-Length: 0\r\n\r\n", self.address());
                self.sip.send_to(answer.as_bytes(), self.pbx).unwrap();
                return request;
            }
        }
    }

    /// Says how far the transfer is that the PBX has asked for.
    pub fn notify(&mut self, status: &str) {
        let answer = self.request("NOTIFY", &format!("SIP/2.0 {status}\r\n"));
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }

    fn address(&self) -> SocketAddr {
        self.sip.local_addr().unwrap()
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        let answer = self.request("BYE", "");
        assert!(answer.starts_with("SIP/2.0 200 "), "{answer}");
    }

    /// Sends a request, and returns its final answer.
    fn request(&mut self, method: &str, body: &str) -> String {
        self.cseq += 1;
        self.response(method, || self.send(method, body))
    }

    /// Waits for the final answer to the last request, and sends that again as RFC 3261 §17.1 says: rsipstack drops what comes before it has
    /// seen the ACK.
    fn response(&self, method: &str, send: impl Fn()) -> String {
        let cseq = format!("CSeq: {} {method}", self.cseq);
        let (began, mut datagram) = (Instant::now(), [0; 4096]);
        send();
        loop {
            let Ok(length) = self.sip.recv(&mut datagram) else {
                assert!(began.elapsed() < Duration::from_secs(10), "the PBX answers {cseq} within 10 s");
                send();
                continue;
            };
            let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            if text.contains(&cseq) && !text.starts_with("SIP/2.0 1") {
                return text;
            }
        }
    }

    fn send(&self, method: &str, body: &str) {
        let content = match method {
            "INFO" => "application/dtmf-relay",
            "NOTIFY" => "message/sipfrag\r\nEvent: refer\r\nSubscription-State: active;expires=60",
            _ => "application/sdp",
        };
        let (here, pbx, cseq) = (self.address(), self.pbx, self.cseq);
        let text = format!(
            "{method} sip:{}@{pbx} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{method}{cseq}x{}\r\nMax-Forwards: 70\r\n\
             From: \"Anna\" <sip:2002@{here}>;tag=1\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:2002@{here}>\r\n\
             Content-Type: {content}\r\nContent-Length: {}\r\n\r\n{body}",
            self.number,
            here.port(),
            self.to,
            here.port(),
            body.len(),
        );
        self.sip.send_to(text.as_bytes(), pbx).unwrap();
    }
}

/// A port for sound, which writes down what comes.
pub struct Ear {
    /// Its address, for an SDP.
    pub address: SocketAddr,
    /// Sends from that address.
    pub socket: UdpSocket,
    heard: Arc<Mutex<Received>>,
}

#[derive(Default)]
struct Received {
    packets: Vec<Packet>,
    last: Option<Instant>,
}

impl Ear {
    /// Opens a port.
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (address, listens) = (socket.local_addr().unwrap(), socket.try_clone().unwrap());
        let heard = Arc::new(Mutex::new(Received::default()));
        let writes = Arc::clone(&heard);
        thread::spawn(move || {
            let mut datagram = [0; 2048];
            // It ends with the process.
            while let Ok(length) = listens.recv(&mut datagram) {
                if let Ok(packet) = Packet::parse(&Bytes::copy_from_slice(&datagram[..length])) {
                    let mut heard = writes.lock().unwrap();
                    heard.packets.push(packet);
                    heard.last = Some(Instant::now());
                }
            }
        });
        Self { address, socket, heard }
    }

    /// Waits until something has been heard, and then nothing for 300 ms.
    pub fn wait_for_silence(&self) {
        let began = Instant::now();
        while !self.heard.lock().unwrap().last.is_some_and(|last| last > began && last.elapsed() > Duration::from_millis(300)) {
            assert!(began.elapsed() < Duration::from_secs(60), "the PBX says something, and then nothing");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Returns how many packets have come.
    pub fn packets(&self) -> usize {
        self.heard.lock().unwrap().packets.len()
    }

    /// Waits until more than `packets` have come.
    pub fn wait_for_more_than(&self, packets: usize) {
        let began = Instant::now();
        while self.packets() <= packets {
            assert!(began.elapsed() < Duration::from_secs(20), "the PBX says something");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns what has been heard, with silence where nothing came.
    pub fn heard(&self) -> Vec<i16> {
        let heard = self.heard.lock().unwrap();
        let Some(first) = heard.packets.first().map(|packet| packet.timestamp) else { return Vec::new() };
        let mut samples = Vec::new();
        for packet in &heard.packets {
            let decode = if packet.payload_type == 8 { from_a_law } else { from_mu_law };
            let at = packet.timestamp.wrapping_sub(first) as usize;
            samples.resize(samples.len().max(at + packet.payload.len()), 0);
            samples[at..at + packet.payload.len()]
                .copy_from_slice(&packet.payload.iter().map(|byte| decode(*byte)).collect::<Vec<_>>());
        }
        samples
    }
}
