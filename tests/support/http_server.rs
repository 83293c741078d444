//! An HTTP server for tests, on a separate thread.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// A request as the server has read it.
#[derive(Debug, Clone)]
pub struct Request {
    /// The path with the query.
    pub path: String,
    /// The lines of the header.
    pub header: Vec<String>,
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a field of the header; empty if it is missing.
    pub fn field(&self, name: &str) -> &str {
        let mut fields = self.header.iter().filter_map(|line| line.split_once(": "));
        fields.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value)).unwrap_or_default()
    }
}

/// An answer: its status, the type of its body, and the body.
pub type Answer = (&'static str, &'static str, Vec<u8>);

/// Starts a server, which answers each request by `answer` until the test ends, and returns its address.
pub fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, answer) = (stream.unwrap(), answer.clone());
            thread::spawn(move || serve(&stream, answer));
        }
    });
    address
}

/// Answers one request. A client that goes away gets no answer.
fn serve(mut stream: &TcpStream, answer: impl Fn(&Request) -> Answer) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut text = String::new();
        reader.read_line(&mut text).ok().filter(|read| *read > 0).map(|_| text.trim_end().to_owned())
    };
    let path = line()?.split(' ').nth(1)?.to_owned();
    let mut header = Vec::new();
    loop {
        match line()? {
            text if text.is_empty() => break,
            text => header.push(text),
        }
    }
    let mut request = Request { path, header, body: Vec::new() };
    request.body.resize(request.field("content-length").parse().unwrap_or(0), 0);
    reader.read_exact(&mut request.body).ok()?;
    let (status, kind, body) = answer(&request);
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).ok()
}
