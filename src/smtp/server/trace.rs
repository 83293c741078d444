//! [`Trace`]: the trace header that a server adds to a message.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, Utc};

use super::Protocol;
use crate::message::{MailboxId, TlsVersion};

/// A `Received:` header; its [`Display`](fmt::Display) ends with a line end.
///
/// # Source
///
/// RFC 5321 §4.4; RFC 3848 for the names of the protocols.
#[derive(Debug)]
pub(super) struct Trace<'a> {
    /// The name that the peer gave in EHLO, HELO or LHLO.
    pub(super) name: &'a str,
    /// Whether the command was EHLO or LHLO.
    pub(super) extended: bool,
    /// The peer's address.
    pub(super) address: Option<IpAddr>,
    /// The TLS version, if TLS protects the connection.
    pub(super) tls: Option<TlsVersion>,
    /// The protocol of the session.
    pub(super) protocol: Protocol,
    /// Whether the peer has logged in.
    pub(super) logged_in: bool,
    /// The host name of this node.
    pub(super) node: &'a str,
    /// The number of the session, the first part of the message's id.
    pub(super) session: u64,
    /// The number of the message in its session, the second part.
    pub(super) message: u64,
    /// The only recipient; `None` for several, because a recipient must not learn of the others (RFC 5321 §7.2).
    pub(super) recipient: Option<(&'a MailboxId, &'a str)>,
    /// When the message began to arrive.
    pub(super) at: DateTime<Utc>,
}

impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Received: from ")?;
        self.name.chars().map(|c| if is_harmless(c) { c } else { '?' }).try_for_each(|c| fmt::Write::write_char(f, c))?;
        match self.address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => write!(f, " ([{address}])")?,
            Some(IpAddr::V6(address)) => write!(f, " ([IPv6:{address}])")?,
            None => {}
        }
        let protocol = match (self.protocol, self.tls, self.logged_in, self.extended) {
            (Protocol::Smtp, Some(_), true, _) => "ESMTPSA",
            (Protocol::Smtp, Some(_), false, _) => "ESMTPS",
            (Protocol::Smtp, None, true, _) => "ESMTPA",
            (Protocol::Smtp, None, false, true) => "ESMTP",
            (Protocol::Smtp, None, false, false) => "SMTP",
            (Protocol::Lmtp, Some(_), true, _) => "LMTPSA",
            (Protocol::Lmtp, Some(_), false, _) => "LMTPS",
            (Protocol::Lmtp, None, true, _) => "LMTPA",
            (Protocol::Lmtp, None, false, _) => "LMTP",
        };
        write!(f, "\r\n\tby {} with {protocol}", self.node)?;
        if let Some(version) = self.tls {
            write!(f, " ({version})")?;
        }
        write!(f, "\r\n\tid {:016x}.{}", self.session, self.message)?;
        if let Some((mailbox, domain)) = self.recipient {
            write!(f, " for <{mailbox}@{domain}>")?;
        }
        write!(f, ";\r\n\t{}\r\n", self.at.to_rfc2822())
    }
}

/// Whether a character of a name has no meaning in a trace header, unlike spaces, parentheses, quotes, semicolons and controls.
fn is_harmless(c: char) -> bool {
    c.is_ascii_alphanumeric() || ".-_:[]".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_breaks_no_header() {
        let mailbox = "2041".parse().unwrap();
        let mut trace = Trace {
            name: "a\r\nBcc:(x)<y>;\"\u{e9}",
            extended: true,
            address: Some("::ffff:192.0.2.7".parse().unwrap()),
            tls: Some(TlsVersion::V1_3),
            protocol: Protocol::Smtp,
            logged_in: false,
            node: "vm.example",
            session: 0xab,
            message: 3,
            recipient: Some((&mailbox, "vm.example")),
            at: "2025-03-30T00:59:40Z".parse().unwrap(),
        };
        assert_eq!(
            trace.to_string(),
            "Received: from a??Bcc:?x??y???? ([192.0.2.7])\r\n\tby vm.example with ESMTPS (TLS 1.3)\r\n\t\
             id 00000000000000ab.3 for <2041@vm.example>;\r\n\tSun, 30 Mar 2025 00:59:40 +0000\r\n"
        );
        trace = Trace {
            name: "[::1]",
            extended: false,
            address: Some("2001:db8::1".parse().unwrap()),
            tls: None,
            recipient: None,
            ..trace
        };
        assert!(trace.to_string().starts_with("Received: from [::1] ([IPv6:2001:db8::1])\r\n\tby vm.example with SMTP\r\n\tid "));
        for (tls, logged_in, name) in [
            (None, false, "LMTP"),
            (None, true, "LMTPA"),
            (Some(TlsVersion::V1_2), false, "LMTPS"),
            (Some(TlsVersion::V1_3), true, "LMTPSA"),
        ] {
            trace = Trace { protocol: Protocol::Lmtp, tls, logged_in, ..trace };
            assert_eq!(trace.to_string().split_whitespace().skip_while(|word| *word != "with").nth(1), Some(name));
        }
    }
}
