//! [`RunningNode`]: a central node in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use tempfile::{TempDir, tempdir};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use voicemail::forward::smtp::{Security, SmtpForwarder};
use voicemail::forward::{Forwarder as _, Outcome};
use voicemail::intake::ListenMode;
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, MessageId, RecordedAt};
use voicemail::node::{Node, NodeError};
use voicemail::store::MessageStore;
use voicemail_postgres::Database;

use super::lamps::Lamps;
use super::network::{CENTRAL, NUMBERS};
use super::process::central_node;
use super::{mailbox, soon};

/// A central node in this process, with an intake.
pub(crate) struct RunningNode {
    pub(crate) node: Node,
    sender: SmtpForwarder,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), NodeError>>,
    _spool: TempDir,
}

impl RunningNode {
    pub(crate) async fn start(name: &str, database: &Database, lamps: &Lamps) -> Self {
        let (spool, listener) = (tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let intake: SocketAddr = listener.local_addr().unwrap();
        let sender = SmtpForwarder::builder(intake.to_string(), "voicemail.example").node("himalaya.voicemail.example");
        let sender = sender.security(Security::PlainText).build().unwrap();
        let node = central_node(database, name, spool.path()).sink(lamps.sink(name)).listen(listener, ListenMode::StartTls);
        let node = node.open().await.unwrap();
        assert_eq!(node.address().as_str(), CENTRAL);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = node.clone();
        let task = tokio::spawn(async move { running.run(async { drop(stopped.await) }).await });
        Self { node, sender, stop, task, _spool: spool }
    }

    pub(crate) fn store(&self) -> &Arc<dyn MessageStore> {
        self.node.store().unwrap()
    }

    /// Sends a message to the intake; answers its reply code if it does not accept the message.
    pub(crate) async fn accepts(&self, message: &Message) -> Result<(), u16> {
        let sent = soon("the intake answers", self.sender.forward(message, &[mailbox(NUMBERS[0])])).await.unwrap();
        match &sent.outcomes[..] {
            [Outcome::Accepted] => Ok(()),
            [Outcome::Deferred(reply)] => Err(reply.code),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
    }
}

/// A message that no other one equals.
pub(crate) fn message() -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new("2026-03-29T00:59:40Z".parse().unwrap(), chrono_tz::UTC, quality);
    let sound = MessageId::random().as_bytes().to_vec();
    Message::builder(Audio::new(AudioType::Wav, sound), recorded_at).build()
}
