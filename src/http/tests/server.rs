//! [`TestServer`]: a server that answers what a test says.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// A server that answers each request with the next of its answers, and closes the connection.
#[derive(Debug)]
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    requests: Mutex<mpsc::UnboundedReceiver<String>>,
}

impl TestServer {
    /// Starts a server at a free port of `host`; after the last answer, it leaves requests without one.
    pub(crate) async fn start(host: &str, answers: impl IntoIterator<Item = String>) -> Self {
        Self::start_with(host, answers, None).await
    }

    pub(crate) async fn start_with(
        host: &str,
        answers: impl IntoIterator<Item = String>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let answers: Vec<String> = answers.into_iter().collect();
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answers.next();
                let (sender, tls) = (sender.clone(), tls.clone());
                tokio::spawn(async move {
                    let (mut reader, mut writer): (Reader, Writer) = if let Some(config) = tls {
                        let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
                        let (reader, writer) = tokio::io::split(stream);
                        (Box::new(reader), Box::new(writer))
                    } else {
                        let (reader, writer) = stream.into_split();
                        (Box::new(reader), Box::new(writer))
                    };
                    let request = Box::pin(read_request(&mut *reader)).await;
                    sender.send(request).unwrap();
                    match answer {
                        Some(answer) => {
                            let _ = writer.write_all(answer.as_bytes()).await;
                            let _ = writer.shutdown().await;
                        }
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, requests: Mutex::new(requests) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request, head and body.
    pub(crate) async fn request(&self) -> String {
        let wait = Duration::from_secs(20);
        tokio::time::timeout(wait, async { self.requests.lock().await.recv().await }).await.expect("a request").unwrap()
    }

    /// Whether a request has come that nobody has looked at.
    pub(crate) async fn has_request(&self) -> bool {
        !self.requests.lock().await.is_empty()
    }
}

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// An answer with this status line and these further lines.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len())
}

/// The value of a header field of a request.
pub(crate) fn field<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = request.split_once("\r\n\r\n")?;
    head.lines()
        .find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// The body of a request.
pub(crate) fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

async fn read_request(stream: &mut (dyn AsyncRead + Send + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let len: usize = field(&text, "content-length").map_or(0, |len| len.parse().unwrap());
            if bytes.len() >= head.len() + 4 + len {
                return text;
            }
        }
        let mut more = [0; 16 * 1024];
        let read = stream.read(&mut more).await.unwrap_or(0);
        if read == 0 {
            return text;
        }
        bytes.extend_from_slice(&more[..read]);
    }
}
