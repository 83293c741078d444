//! An IMAP server for tests: Dovecot, on the Maildirs of a store.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A Dovecot on its own port, stopped when dropped.
pub struct Imap {
    port: u16,
    server: Child,
}

impl Imap {
    /// Starts it for the mailbox 2001 of the store in `folder`.
    pub fn start(dovecot: &Path, folder: &Path) -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let (base, config) = (folder.join("imap"), folder.join("dovecot.conf"));
        std::fs::create_dir(&base).unwrap();
        std::fs::write(base.join("users"), "2001:{PLAIN}secret:65534:65534::/nonexistent\n").unwrap();
        let (base, mail) = (base.display(), folder.join("store/mail"));
        let text = format!(
            "protocols = imap\nlisten = 127.0.0.1\nbase_dir = {base}/run\nlog_path = {base}/log\nssl = no\n\
             disable_plaintext_auth = no\nmail_location = maildir:{}/%n:INDEX={base}/%n:CONTROL={base}/%n\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n\
             default_internal_user = nobody\ndefault_login_user = nobody\n\
             passdb {{\n driver = passwd-file\n args = {base}/users\n}}\nuserdb {{\n driver = passwd-file\n args = {base}/users\n}}\n\
             service imap-login {{\n chroot =\n inet_listener imap {{\n port = {port}\n }}\n inet_listener imaps {{\n port = 0\n }}\n}}\n",
            mail.display()
        );
        std::fs::write(&config, text).unwrap();
        // An IMAP server opens no mail as root.
        let owned = Command::new("chown").args(["-R", "65534:65534"]).arg(folder).status().unwrap();
        assert!(owned.success());
        let server = Command::new(dovecot).arg("-F").arg("-c").arg(&config).stderr(Stdio::inherit()).spawn().unwrap();
        Self { port, server }
    }

    /// Connects and logs in.
    pub fn client(&self) -> ImapClient {
        let deadline = Instant::now() + Duration::from_secs(20);
        let stream = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
                Ok(stream) => break stream,
                Err(error) => assert!(Instant::now() < deadline, "the IMAP server does not answer: {error}"),
            }
            std::thread::yield_now();
        };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut client = ImapClient { stream: BufReader::new(stream) };
        let mut greeting = String::new();
        client.stream.read_line(&mut greeting).unwrap();
        let login = client.ask("LOGIN 2001 secret");
        assert!(login.contains("a OK"), "{greeting}{login}");
        client
    }
}

impl Drop for Imap {
    fn drop(&mut self) {
        // TERM, so that it ends its own children too.
        let _ = Command::new("kill").arg(self.server.id().to_string()).status();
        let _ = self.server.wait();
    }
}

/// A client that has logged in.
pub struct ImapClient {
    stream: BufReader<TcpStream>,
}

impl ImapClient {
    /// Sends a command and returns all lines of the answer.
    pub fn ask(&mut self, command: &str) -> String {
        self.stream.get_mut().write_all(format!("a {command}\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        loop {
            let start = answer.len();
            assert_ne!(self.stream.read_line(&mut answer).unwrap(), 0, "the IMAP server hung up: {answer}");
            if answer[start..].starts_with("a ") {
                return answer;
            }
        }
    }
}

/// The path of a program; prints that the test is skipped if it is not installed.
pub fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        std::env::split_paths(&folders).chain(["/usr/sbin".into()]).map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: {name} is not installed");
    }
    found
}
