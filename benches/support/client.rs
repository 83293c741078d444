//! A sender that never keeps a receiver waiting: BDAT, a whole message pipelined, the next one sent before the reply.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use memchr::memmem;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use voicemail::message::{Message, MessageId};
use voicemail::wire::TransferEncoding;

use super::mail::mail;
use super::network::{CENTRAL, EDGE, next_mailbox};

/// A mail that can be sent any number of times, each time with another message id.
pub(crate) struct Template {
    /// The mail up to the end of the message id.
    head: Vec<u8>,
    /// The positions of the id in `head`.
    places: Vec<usize>,
    rest: Bytes,
}

impl Template {
    pub(crate) fn new(message: &Message) -> Self {
        let (mail, id) = (mail(message, TransferEncoding::Base64), message.head().id.to_string());
        let places: Vec<_> = memmem::find_iter(&mail, &id).collect();
        let end = places.last().expect("the mail contains its id") + id.len();
        Self { head: mail[..end].to_vec(), places, rest: mail.slice(end..) }
    }

    /// The mail itself.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        [&self.head[..], &self.rest].concat()
    }

    pub(crate) fn len(&self) -> usize {
        self.head.len() + self.rest.len()
    }

    /// The whole transaction that sends it once, as a new message.
    fn transaction(&self) -> impl Buf {
        let commands = format!(
            "MAIL FROM:<node@{EDGE}> SIZE={len}\r\nRCPT TO:<{to}@voicemail.example>\r\nBDAT {len} LAST\r\n",
            to = next_mailbox(),
            len = self.len(),
        );
        let (start, id) = (commands.len(), MessageId::random().to_string());
        let mut bytes = commands.into_bytes();
        bytes.extend_from_slice(&self.head);
        for place in &self.places {
            bytes[start + place..][..id.len()].copy_from_slice(id.as_bytes());
        }
        Bytes::from(bytes).chain(self.rest.clone())
    }
}

/// One connection to a receiver.
pub(crate) struct Client {
    reader: BufReader<ReadHalf<Box<dyn Stream>>>,
    writer: WriteHalf<Box<dyn Stream>>,
}

impl Client {
    /// Connects in plain text.
    pub(crate) async fn plain(address: SocketAddr) -> Self {
        let mut client = Self::over(tcp(address).await);
        client.greet().await;
        client
    }

    /// Connects, and goes on under TLS after STARTTLS.
    pub(crate) async fn tls(address: SocketAddr, config: Arc<ClientConfig>) -> Self {
        let mut client = Self::over(tcp(address).await);
        client.greet().await;
        client.command("STARTTLS").await;
        let stream = client.reader.into_inner().unsplit(client.writer);
        let name = ServerName::try_from(CENTRAL).expect("a name");
        let stream = TlsConnector::from(config).connect(name, stream).await.expect("a handshake");
        let mut client = Self::over(Box::new(stream));
        client.command(&format!("EHLO {EDGE}")).await;
        client
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = split(stream);
        Self { reader: BufReader::new(reader), writer }
    }

    async fn greet(&mut self) {
        self.reply().await;
        self.command(&format!("EHLO {EDGE}")).await;
    }

    async fn command(&mut self, command: &str) {
        self.writer.write_all(format!("{command}\r\n").as_bytes()).await.expect("the peer listens");
        self.writer.flush().await.expect("the peer listens");
        self.reply().await;
    }

    /// Reads one reply, which must be positive.
    async fn reply(&mut self) {
        read_reply(&mut self.reader, &mut String::new()).await;
    }

    /// Sends `messages` messages made from `template`, and returns when all are answered with 250.
    pub(crate) async fn send(&mut self, messages: u64, template: &Template) {
        let window = Semaphore::new(WINDOW);
        let Self { reader, writer } = self;
        let write = async {
            for _ in 0..messages {
                window.acquire().await.expect("it is never closed").forget();
                writer.write_all_buf(&mut template.transaction()).await.expect("the peer listens");
                writer.flush().await.expect("the peer listens");
            }
        };
        let read = async {
            let mut line = String::new();
            for _ in 0..messages {
                for _ in ["MAIL", "RCPT", "BDAT"] {
                    read_reply(reader, &mut line).await;
                }
                window.add_permits(1);
            }
        };
        tokio::join!(write, read);
    }
}

/// A stream in plain text or under TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn tcp(address: SocketAddr) -> Box<dyn Stream> {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("an option of TCP");
    Box::new(stream)
}

async fn read_reply(reader: &mut BufReader<ReadHalf<Box<dyn Stream>>>, line: &mut String) {
    loop {
        line.clear();
        reader.read_line(line).await.expect("the peer answers");
        assert!(line.starts_with('2'), "the peer says {line:?}");
        if line.as_bytes()[3] == b' ' {
            return;
        }
    }
}

/// How many messages are under way on a connection: the next one arrives while the last one is stored.
const WINDOW: usize = 2;
