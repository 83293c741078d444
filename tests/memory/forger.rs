//! Sends forged reports about messages of a node.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::net::SocketAddr;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use voicemail::message::MessageId;
use voicemail::smtp::ReturnPaths;

use crate::support::HIMALAYA;

/// A client that knows the return paths of a node.
pub(super) struct Forger {
    pub(super) peer: SocketAddr,
    pub(super) paths: ReturnPaths,
    pub(super) now: DateTime<Utc>,
}

/// A fault of a return path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    OtherKey,
    OtherNode,
    OldDay,
    OtherId,
    OtherSignature,
    NoReturnPath,
}

pub(super) const REFUSED: [Kind; 6] =
    [Kind::OtherKey, Kind::OtherNode, Kind::OldDay, Kind::OtherId, Kind::OtherSignature, Kind::NoReturnPath];

/// The reply that each report gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    RefusedAtRcpt,
    Received,
}

impl Forger {
    /// Returns the return path that the node has signed for a message.
    pub(super) fn signed(&self, id: MessageId) -> String {
        self.paths.sign(id, self.now)
    }

    /// Returns a return path for the message `id` that is wrong, another one for each `nth`.
    pub(super) fn address(&self, kind: Kind, id: MessageId, nth: usize) -> String {
        let right = self.signed(id);
        match kind {
            Kind::OtherKey => ReturnPaths::new(HIMALAYA, &[9; 32]).sign(MessageId::random(), self.now),
            Kind::OtherNode => ReturnPaths::new("other.example", &[2; 32]).sign(id, self.now),
            Kind::OldDay => self.paths.sign(id, self.now - TimeDelta::days(31 + i64::try_from(nth % 900).unwrap())),
            Kind::OtherId => right.replace(&id.to_string(), &MessageId::random().to_string()),
            Kind::OtherSignature => {
                let at = right.len() - 1 - nth % 16;
                let other = if right[at..].starts_with('a') { "b" } else { "a" };
                [&right[..at], other, &right[at + 1..]].concat()
            }
            Kind::NoReturnPath => format!("vm+{nth}"),
        }
    }

    /// Sends `count` reports, ten on each connection, to the local part that `to` returns; each gets `reply`.
    pub(super) async fn send_all(&self, count: usize, to: impl Fn(usize) -> String, reply: Reply) {
        for first in (0..count).step_by(10) {
            let mut stream = BufReader::new(TcpStream::connect(self.peer).await.unwrap());
            read_replies(&mut stream, 1).await;
            send(&mut stream, b"EHLO relay.example\r\n").await;
            read_replies(&mut stream, 1).await;
            for nth in first..first + 10 {
                send(&mut stream, format!("MAIL FROM:<>\r\nRCPT TO:<{}@{HIMALAYA}>\r\n", to(nth)).as_bytes()).await;
                let last = read_replies(&mut stream, 2).await;
                match reply {
                    Reply::RefusedAtRcpt => {
                        assert!(last.starts_with("550 5.7.1"), "{last}");
                        send(&mut stream, b"RSET\r\n").await;
                    }
                    Reply::Received => {
                        let report = report(nth);
                        send(&mut stream, format!("BDAT {} LAST\r\n{report}", report.len()).as_bytes()).await;
                    }
                }
                let last = read_replies(&mut stream, 1).await;
                assert!(last.starts_with("250"), "{last}");
            }
        }
    }
}

/// A report that the message was delivered or delayed, or no report. Each hundredth is long.
fn report(nth: usize) -> String {
    let filling = "x".repeat(72) + "\r\n";
    match (nth % 100, ["delivered", "delayed", "relayed"].get(nth % 4)) {
        (0, _) => format!("Subject: Out of office\r\n\r\n{}", filling.repeat(4_000)),
        (_, Some(action)) => format!(
            "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; relay.example\r\n\r\nFinal-Recipient: rfc822; 2001@voicemail.example\r\nAction: {action}\r\n\
             Status: 4.4.1\r\nX-Voicemail-Custody: 1;{HIMALAYA};AAAA\r\n\r\n--x--\r\n"
        ),
        (_, None) => format!("Subject: Out of office {nth}\r\n\r\nI am away.\r\n"),
    }
}

async fn send(stream: &mut BufReader<TcpStream>, bytes: &[u8]) {
    stream.get_mut().write_all(bytes).await.unwrap();
}

/// Reads so many replies; returns the last line.
async fn read_replies(stream: &mut BufReader<TcpStream>, count: usize) -> String {
    let mut line = String::new();
    for _ in 0..count {
        line.clear();
        while line.as_bytes().get(3) != Some(&b' ') {
            line.clear();
            assert!(stream.read_line(&mut line).await.unwrap() > 0, "the connection stays open");
        }
    }
    line
}
