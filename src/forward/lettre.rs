//! [`LettreMailOut`]: mail sent through a transport of the crate `lettre`.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use ::lettre::address::Envelope;
use ::lettre::transport::smtp::Error as SmtpError;
use ::lettre::{Address, AsyncTransport};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::timeout;

use super::{ForwardError, MailOut, Outcome, Reply, Sender};
use crate::clock::Clock;
use crate::message::{MailAddress, MessageId};
use crate::smtp::ReturnPaths;

/// Sends mail through a transport of the crate `lettre`, such as one that a program uses already.
///
/// With [`AsyncSmtpTransport`](lettre::AsyncSmtpTransport), a server's refusal of the mail is an outcome. Every error of
/// any other transport counts as transient, because nothing is known about it.
///
/// ```
/// use lettre::transport::stub::AsyncStubTransport;
/// use voicemail::forward::LettreMailOut;
///
/// let mail = LettreMailOut::new(AsyncStubTransport::new_ok(), &"voicemail@vm.example".parse()?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct LettreMailOut<T> {
    transport: T,
    node: Address,
    return_paths: Option<(ReturnPaths, Arc<dyn Clock>)>,
}

impl<T: AsyncTransport> LettreMailOut<T> {
    /// Sends mail through `transport`; `node` is the reverse-path, to which delivery reports come back.
    ///
    /// # Errors
    ///
    /// [`ForwardError::Unsendable`] if lettre does not accept that address.
    pub fn new(transport: T, node: &MailAddress) -> Result<Self, ForwardError> {
        Ok(Self { transport, node: address(node)?, return_paths: None })
    }

    /// Sends the mails with messages of owners with return paths that `paths` signs at the time of `clock`, so that reports about them can be believed; by
    /// default they have the reverse-path of all others. The node takes the reports by the same keys, see
    /// [`IntakeBuilder::return_paths`](crate::intake::IntakeBuilder::return_paths).
    #[must_use]
    pub fn return_paths(mut self, paths: ReturnPaths, clock: impl Clock) -> Self {
        self.return_paths = Some((paths, Arc::new(clock)));
        self
    }

    /// Returns the address to which reports about a message come back.
    fn return_path(&self, id: MessageId) -> Address {
        let paths = self.return_paths.as_ref();
        let signed = paths.and_then(|(paths, clock)| Address::new(paths.sign(id, clock.now().instant), paths.node()).ok());
        signed.unwrap_or_else(|| self.node.clone())
    }
}

#[async_trait]
impl<T> MailOut for LettreMailOut<T>
where
    T: AsyncTransport<Ok: Send, Error: StdError + Send + Sync + 'static> + Debug + Send + Sync + 'static,
{
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        let from = match sender {
            Sender::Node => Some(self.node.clone()),
            Sender::Message(id) => Some(self.return_path(id)),
            Sender::Null => None,
        };
        let envelope = Envelope::new(from, vec![address(to)?]).map_err(|error| ForwardError::Unsendable(error.to_string()))?;
        match timeout(LIMIT, self.transport.send_raw(&envelope, mail)).await {
            Ok(Ok(_)) => Ok(Outcome::Accepted),
            Ok(Err(error)) => outcome(error),
            Err(_) => Err(ForwardError::TimedOut { peer: PEER.to_owned(), step: "the whole call" }),
        }
    }
}

/// Converts an error into the outcome for the mail.
fn outcome(error: impl StdError + Send + Sync + 'static) -> Result<Outcome, ForwardError> {
    let unreachable = |source: Box<dyn StdError + Send + Sync>| ForwardError::Unreachable { peer: PEER.to_owned(), source };
    let error: Box<dyn StdError + Send + Sync> = Box::new(error);
    let Some(smtp) = error.downcast_ref::<SmtpError>() else { return Err(unreachable(error)) };
    match smtp.status().map(u16::from) {
        // RFC 4954 §6: authentication may succeed another time, and the mail is not at fault.
        Some(530 | 534 | 535 | 538) => Err(unreachable(error)),
        Some(code) => {
            let reply = Reply::new(code, smtp.source().map(ToString::to_string).unwrap_or_default());
            Ok(if smtp.is_permanent() { Outcome::Refused(reply) } else { Outcome::Deferred(reply) })
        }
        None if smtp.is_timeout() => Err(ForwardError::TimedOut { peer: PEER.to_owned(), step: "a reply" }),
        None if smtp.is_client() => Err(ForwardError::Unsendable(error.to_string())),
        None => Err(unreachable(error)),
    }
}

fn address(address: &MailAddress) -> Result<Address, ForwardError> {
    Address::new(address.local_part(), address.domain()).map_err(|error| ForwardError::Unsendable(error.to_string()))
}

/// lettre does not say which server a transport goes to.
const PEER: &str = "the mail transport";

/// RFC 5321 §4.5.3.2.6: how long a client waits for the reply to a message.
const LIMIT: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use ::lettre::transport::stub::AsyncStubTransport;
    use ::lettre::{AsyncSmtpTransport, Tokio1Executor};
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;

    fn to() -> MailAddress {
        "anna@example.com".parse().unwrap()
    }

    async fn send<T>(transport: T, sender: Sender) -> Result<Outcome, ForwardError>
    where
        T: AsyncTransport<Ok: Send, Error: StdError + Send + Sync + 'static> + Debug + Send + Sync + 'static,
    {
        let out = LettreMailOut::new(transport, &"voicemail@edge.example".parse().unwrap()).unwrap();
        out.send(sender, &to(), &Bytes::from_static(b"Subject: x\r\n\r\nx\r\n")).await
    }

    /// Sends a mail to a server that gives these `replies` in turn; returns the result, and the commands that the server received.
    async fn replied(replies: &[&str]) -> (Result<Outcome, ForwardError>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.split();
            let (mut lines, mut heard) = (BufReader::new(read).lines(), Vec::new());
            for reply in replies {
                write.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
                let mut body = reply.starts_with("354");
                while let Ok(Some(line)) = lines.next_line().await {
                    if !body {
                        heard.push(line);
                        break;
                    }
                    body = line != ".";
                    if !body {
                        break;
                    }
                }
            }
            heard
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").port(port).build();
        tokio::join!(send(transport, Sender::Null), serve)
    }

    #[tokio::test]
    async fn the_reply_of_the_server_is_the_outcome() {
        let ok = ["220 x", "250 x", "250 2.1.0 ok", "250 2.1.5 ok", "354 go", "250 2.6.0 kept", "221 bye"];
        let (answer, heard) = replied(&ok).await;
        assert_eq!(answer.unwrap(), Outcome::Accepted);
        assert!(heard.iter().any(|line| line.starts_with("MAIL FROM:<>")), "{heard:?}");

        let at_recipient = |reply| ["220 x", "250 x", "250 2.1.0 ok", reply, "221 bye"];
        let (answer, _) = replied(&at_recipient("550 5.1.1 nobody here")).await;
        assert_eq!(answer.unwrap(), Outcome::Refused(Reply::new(550, "5.1.1 nobody here")));
        let (answer, _) = replied(&at_recipient("451 4.3.0 later")).await;
        assert_eq!(answer.unwrap(), Outcome::Deferred(Reply::new(451, "4.3.0 later")));
        let (answer, _) = replied(&at_recipient("530 5.7.0 log in first")).await;
        assert!(answer.unwrap_err().is_transient());
    }

    #[tokio::test]
    async fn errors_of_a_transport_without_smtp_are_transient() {
        assert_eq!(send(AsyncStubTransport::new_ok(), Sender::Node).await.unwrap(), Outcome::Accepted);
        let error = send(AsyncStubTransport::new_error(), Sender::Node).await.unwrap_err();
        assert!(matches!(error, ForwardError::Unreachable { .. }), "{error:?}");
    }
}
