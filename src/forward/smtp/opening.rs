//! [`Opening`]: what is said on a connection before any message: the greeting, EHLO and STARTTLS.

use std::future::{Future, poll_fn};
use std::str::FromStr as _;
use std::time::Duration;

use bytes::Bytes;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::capabilities::Capabilities;
use super::channel::Channel;
use super::dial::Transport;
use super::fault::Fault;
use super::payload::Piece;
use super::reply;
use super::timeouts::Timeouts;
use super::tls::NoTls;
use crate::forward::Reply;

/// A connection on which no message was spoken of yet.
#[derive(Debug)]
pub(super) struct Opening<'a> {
    channel: Channel,
    timeouts: &'a Timeouts,
}

impl<'a> Opening<'a> {
    pub(super) fn new(transport: Box<dyn Transport>, timeouts: &'a Timeouts) -> Self {
        Self { channel: Channel::new(transport), timeouts }
    }

    /// Waits for the peer's greeting.
    pub(super) async fn greeting(&mut self) -> Result<(), Fault> {
        let (greeting, _) = within("greeting", self.timeouts.greeting, self.reply()).await?;
        match greeting.code {
            220 => Ok(()),
            400..600 => Err(Fault::not_served("greeting", greeting)),
            _ => Err(Fault::unexpected("greeting", &greeting)),
        }
    }

    /// Says who we are and hears what the peer can do. One that does not know EHLO can do nothing more, and is told HELO.
    ///
    /// # Source
    ///
    /// RFC 5321 §3.2.
    pub(super) async fn hello(&mut self, node: &str) -> Result<Capabilities, Fault> {
        let (reply, response) = self.ask("EHLO", format!("EHLO {node}\r\n")).await?;
        match reply.code {
            250 => Ok(Capabilities::read(response.message())),
            500..600 => self.plain_hello(node).await,
            400..500 => Err(Fault::not_served("EHLO", reply)),
            _ => Err(Fault::unexpected("EHLO", &reply)),
        }
    }

    async fn plain_hello(&mut self, node: &str) -> Result<Capabilities, Fault> {
        let (reply, _) = self.ask("HELO", format!("HELO {node}\r\n")).await?;
        match reply.code {
            250 => Ok(Capabilities::default()),
            400..600 => Err(Fault::not_served("HELO", reply)),
            _ => Err(Fault::unexpected("HELO", &reply)),
        }
    }

    /// Asks the peer to begin TLS; the transport is then ready for the handshake.
    ///
    /// # Errors
    ///
    /// `Ok(Err(_))` when the peer cannot or will not, which a policy may forgive. A peer that sends more than the answer is not
    /// forgiven: what stands there in plain text would be read as if it had come under TLS.
    pub(super) async fn starttls(mut self) -> Result<Result<Box<dyn Transport>, NoTls>, Fault> {
        let reply = match self.ask("STARTTLS", "STARTTLS\r\n".to_owned()).await {
            Ok((reply, _)) => reply,
            Err(Fault::TimedOut(step)) => return Ok(Err(NoTls::TooSlow(step))),
            Err(Fault::Lost(cause)) => return Ok(Err(NoTls::Broken(cause))),
            Err(Fault::Nonsense(what)) => return Ok(Err(NoTls::Broken(what.into()))),
            Err(fault) => return Err(fault),
        };
        if reply.code != 220 {
            return Ok(Err(NoTls::Declined(reply)));
        }
        let clean = self.channel.into_transport().ok_or_else(|| Fault::Nonsense("plain text before the TLS handshake".into()))?;
        Ok(Ok(clean))
    }

    /// The channel, for the messages.
    pub(super) fn into_channel(self) -> Channel {
        self.channel
    }

    async fn ask(&mut self, step: &'static str, command: String) -> Result<(Reply, Response), Fault> {
        if self.channel.has_surplus() {
            return Err(Fault::Nonsense(format!("a reply before {step} was said")));
        }
        let limit = self.timeouts.command;
        self.channel.queue(Piece::Bytes(Bytes::from(command)));
        within(step, limit, async {
            poll_fn(|cx| self.channel.poll_flush(cx)).await?;
            self.reply().await
        })
        .await
    }

    async fn reply(&mut self) -> Result<(Reply, Response), Fault> {
        let mut text = String::new();
        loop {
            let line = poll_fn(|cx| self.channel.poll_line(cx)).await?;
            text.push_str(&line);
            if !reply::is_continued(&line) {
                break;
            }
        }
        let response = Response::from_str(&text).map_err(|_| Fault::Nonsense("a reply that is none".to_owned()))?;
        Ok((reply::positive(&response), response))
    }
}

/// Waits for `step`, but not for ever.
async fn within<T>(step: &'static str, limit: Duration, doing: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(limit, doing).await.unwrap_or(Err(Fault::TimedOut(step)))
}
