//! For comparison: a receiver that only frames, writes, flushes and answers 250.
//!
//! It understands the commands of [`Client`](super::client::Client) and no others, checks none of them, and does not look into the mails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use voicemail::message::MessageId;

use super::disk::create_durably;

/// Serves each client that connects, until it is dropped.
pub(crate) async fn serve(listener: TcpListener, folder: PathBuf, tls: Arc<ServerConfig>) {
    let mut sessions = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("an option of TCP");
        let (folder, acceptor) = (folder.clone(), TlsAcceptor::from(Arc::clone(&tls)));
        sessions.spawn(async move {
            let mut stream = BufStream::with_capacity(ROOM, ROOM, stream);
            stream.write_all(b"220 bare ESMTP\r\n").await?;
            if converse(&mut stream, &folder).await? == EndReason::StartTls {
                let stream = acceptor.accept(stream.into_inner()).await?;
                converse(&mut BufStream::with_capacity(ROOM, ROOM, stream), &folder).await?;
            }
            io::Result::Ok(())
        });
    }
}

#[derive(PartialEq, Eq)]
enum EndReason {
    HungUp,
    StartTls,
}

async fn converse<S>(stream: &mut BufStream<S>, folder: &Path) -> io::Result<EndReason>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        stream.flush().await?;
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(EndReason::HungUp);
        }
        let reply: &[u8] = match line.get(..4) {
            Some("EHLO") => b"250-bare\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 CHUNKING\r\n",
            Some("STAR") => {
                stream.write_all(b"220 go ahead\r\n").await?;
                stream.flush().await?;
                return Ok(EndReason::StartTls);
            }
            Some("BDAT") => {
                let size = line.split(' ').nth(1).and_then(|size| size.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
                body = receive(stream, folder, size, body).await?;
                b"250 2.0.0 kept\r\n"
            }
            _ => b"250 2.1.0 ok\r\n",
        };
        stream.write_all(reply).await?;
    }
}

/// Reads `size` bytes into `body` and creates a file of them durably.
async fn receive<S>(stream: &mut BufStream<S>, folder: &Path, size: u64, mut body: Vec<u8>) -> io::Result<Vec<u8>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    body.reserve(usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?);
    let mut mail = stream.take(size);
    while mail.limit() > 0 {
        if mail.read_buf(&mut body).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let folder = folder.to_owned();
    let kept = spawn_blocking(move || {
        create_durably(&folder, &MessageId::random().to_string(), &body)?;
        body.clear();
        Ok(body)
    });
    kept.await?
}

/// The size of a read.
const ROOM: usize = 64 * 1024;
