//! Detection of clients that speak another protocol than SMTP.
//!
//! An attacker can make a browser send a request to any port, with text of the attacker's choice in it. A server that only refuses the
//! lines it does not know would execute the SMTP commands among them.

/// Whether a line, or the beginning of one, is an HTTP request. No SMTP command has such a verb.
pub(crate) fn is_http(line: &[u8]) -> bool {
    METHODS.iter().any(|method| {
        line.get(..method.len()).is_some_and(|verb| verb.eq_ignore_ascii_case(method.as_bytes()))
            && line.get(method.len()) == Some(&b' ')
    })
}

/// Whether a line that is no SMTP command is a request of a protocol like HTTP, such as SIP or RTSP: `METHOD target NAME/version`.
pub(crate) fn is_request(line: &[u8]) -> bool {
    let mut words = line.trim_ascii().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (Some(_), Some(_), Some(protocol), None) = (words.next(), words.next(), words.next(), words.next()) else { return false };
    let mut name = protocol.splitn(2, |byte| *byte == b'/');
    let (Some(name), Some(version)) = (name.next(), name.next()) else { return false };
    !name.is_empty() && name.iter().all(u8::is_ascii_uppercase) && version.first().is_some_and(u8::is_ascii_digit)
}

/// Whether a session's first line, or the beginning of it, is SSH or a protocol that does not begin with text, such as TLS.
pub(crate) fn is_binary_or_ssh(line: &[u8]) -> bool {
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~');
    line.first().is_some_and(|byte| !is_text(byte)) || line.starts_with(b"SSH-")
}

/// The methods of RFC 9110 §9 and RFC 5789, and the first word of HTTP/2 (RFC 9113 §3.4).
const METHODS: [&str; 10] = ["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "DELETE", "PATCH", "TRACE", "PRI"];
