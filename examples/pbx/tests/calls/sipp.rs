//! [`Scenario`]: a call that SIPp makes.

use std::fmt::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use voicemail::audio::{Codec, encode};

/// The steps of a call, as SIPp's XML.
pub struct Scenario {
    xml: String,
    number: String,
    from: String,
    codec: Codec,
    cseq: u32,
}

impl Scenario {
    /// A call of the telephone `from` to `number`, which is answered; the sound of the PBX goes to `ear`, or to SIPp.
    pub fn call(from: &str, number: &str, codec: Codec, ear: Option<SocketAddr>) -> Self {
        let (xml, number, from) = (String::new(), number.to_owned(), from.to_owned());
        let mut scenario = Self { xml, number, from, codec, cseq: 1 };
        let (payload_type, port) = (scenario.payload_type(), ear.map_or("[media_port]".to_owned(), |ear| ear.port().to_string()));
        let name = codec.rtp_name();
        // SIPp sends keys only if its media port is in a line of the SDP about audio.
        let sdp = format!(
            "v=0\no=- 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=audio {port} RTP/AVP {payload_type} 96\n\
             a=rtpmap:{payload_type} {name}/8000\na=rtpmap:96 telephone-event/8000\na=x-audio-from:[media_port]\n"
        );
        scenario.send("INVITE", "application/sdp", &sdp);
        scenario.xml += "<recv response=\"100\" optional=\"true\"/>\n<recv response=\"200\" rrs=\"true\"/>\n";
        scenario.send("ACK", "", "");
        scenario
    }

    /// Waits.
    pub fn pause(mut self, millis: u32) -> Self {
        let _ = writeln!(self.xml, "<pause milliseconds=\"{millis}\"/>");
        self
    }

    /// Says `sound`, for as long as it takes; `folder` keeps its file.
    pub fn speak(mut self, sound: &[i16], folder: &Path) -> Self {
        let file = folder.join(format!("{}.raw", self.xml.len()));
        std::fs::write(&file, encode(self.codec, sound)).unwrap();
        let (file, payload_type) = (file.display(), self.payload_type());
        let _ = writeln!(self.xml, "<nop><action><exec rtp_stream=\"{file},1,{payload_type}\"/></action></nop>");
        self.pause(u32::try_from(sound.len() / 8 + 200).unwrap())
    }

    /// Presses keys by INFO, `wait` milliseconds apart.
    pub fn press_by_info(mut self, keys: &str, wait: u32) -> Self {
        for key in keys.chars() {
            self.cseq += 1;
            self.send("INFO", "application/dtmf-relay", &format!("Signal={key}\nDuration=160\n"));
            self.xml += "<recv response=\"200\"/>\n";
            self = self.pause(wait);
        }
        self
    }

    /// Presses keys by RFC 4733, and waits until SIPp has sent them.
    pub fn press_by_rtp(mut self, keys: &str) -> Self {
        let _ = writeln!(self.xml, "<nop><action><exec play_dtmf=\"{keys}\"/></action></nop>");
        // It begins after up to 0.8 s, and a key takes 0.4 s; another one before that would cut it off.
        self.pause(1200 + 400 * u32::try_from(keys.len()).unwrap())
    }

    /// Hangs up.
    pub fn hang_up(mut self) -> Self {
        self.cseq += 1;
        self.send("BYE", "", "");
        self.xml += "<recv response=\"200\"/>\n";
        self
    }

    /// Makes the call at `pbx`, with files in `folder`; everything has to happen as the steps say.
    pub async fn run(self, pbx: SocketAddr, folder: &Path) {
        let file = folder.join(format!("call-{}.xml", self.xml.len()));
        let xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<scenario name=\"call\">\n{}</scenario>\n", self.xml);
        std::fs::write(&file, xml).unwrap();
        let media_port = free_ports();
        let mut command = Command::new("sipp");
        command.arg("-sf").arg(&file).args(["-i", "127.0.0.1", "-mp", &media_port.to_string(), "-m", "1", "-nostdin"]);
        command.args(["-timeout", "120s", "-timeout_error", "-trace_err", "-error_file", "/dev/stderr"]).arg(pbx.to_string());
        command.stdin(Stdio::null()).current_dir(folder);
        let Output { status, stdout, stderr } = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
        assert!(status.success(), "sipp: {status}\n{stderr}\n{}", &stdout[stdout.len().saturating_sub(4000)..]);
    }

    fn send(&mut self, method: &str, content: &str, body: &str) {
        let (number, from, cseq) = (&self.number, &self.from, self.cseq);
        let retransmit = if method == "ACK" { "" } else { " retrans=\"500\"" };
        let to = if method == "INVITE" { "" } else { "[peer_tag_param]" };
        let uri = if method == "INVITE" { format!("sip:{number}@[remote_ip]:[remote_port]") } else { "[next_url]".to_owned() };
        let content = if body.is_empty() { String::new() } else { format!("Content-Type: {content}\n") };
        let _ = write!(
            self.xml,
            "<send{retransmit}><![CDATA[\n\n{method} {uri} SIP/2.0\nVia: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]\n\
             Max-Forwards: 70\nFrom: \"Anna Whitfield\" <sip:{from}@[local_ip]:[local_port]>;tag=[pid]x[call_number]\n\
             To: <sip:{number}@[remote_ip]:[remote_port]>{to}\nCall-ID: [call_id]\nCSeq: {cseq} {method}\n\
             Contact: <sip:{from}@[local_ip]:[local_port]>\n{content}Content-Length: [len]\n\n{body}\n]]></send>\n"
        );
    }

    fn payload_type(&self) -> u8 {
        if self.codec == Codec::Pcma { 8 } else { 0 }
    }
}

/// Returns the first of some ports that are free: SIPp needs several.
fn free_ports() -> u16 {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port() & !1;
        drop(socket);
        if (port..port.saturating_add(6)).all(|port| UdpSocket::bind(("127.0.0.1", port)).is_ok()) {
            return port;
        }
    }
}
