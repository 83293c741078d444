//! The example programs as processes of their own: started, listened to, signalled and killed.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use voicemail::message::MessageId;

/// An example that runs.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<(Stream, String)>,
    printed: Printed,
}

/// What a program has printed so far, line by line.
#[derive(Debug, Default, Clone)]
pub struct Printed {
    /// On standard output.
    pub out: Vec<String>,
    /// On standard error.
    pub err: Vec<String>,
}

/// What a program has printed, and the status it ended with; none if a signal ended it.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub printed: Printed,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Out,
    Err,
}

impl Program {
    /// Starts the example `name`; what it is given on standard input is up to [`feed`](Self::feed).
    pub fn start<S: AsRef<str>>(name: &'static str, arguments: impl IntoIterator<Item = S>) -> Self {
        Self::start_by(Command::new(example(name)), name, arguments)
    }

    /// Starts the example `name` where it may have so many files open.
    pub fn start_with_files<S: AsRef<str>>(name: &'static str, files: u32, arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]).arg(example(name));
        Self::start_by(command, name, arguments)
    }

    fn start_by<S: AsRef<str>>(mut command: Command, name: &'static str, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        read_lines(child.stdout.take().unwrap(), Stream::Out, sender.clone());
        read_lines(child.stderr.take().unwrap(), Stream::Err, sender);
        let stdin = child.stdin.take();
        Self { name, child, stdin, lines, printed: Printed::default() }
    }

    /// Waits until `found` makes something of what it has printed; fails when it ends before, or takes too long.
    pub fn when<T>(&mut self, found: impl Fn(&Printed) -> Option<T>) -> T {
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(&self.printed) {
                return found;
            }
            let left = patience.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.printed.add(line),
                Err(error) => panic!("{} has not printed what it should: {error}\n{:#?}", self.name, self.printed),
            }
        }
    }

    /// Waits for a line on standard output that begins with `word` and a space; answers with the rest of the first one.
    pub fn told(&mut self, word: &str) -> String {
        self.when(|printed| printed.told(word).next().map(str::to_owned))
    }

    /// Writes `text` to its standard input; answers whether it could still be written.
    pub fn feed(&mut self, text: &str) -> bool {
        self.stdin.as_mut().is_some_and(|stdin| stdin.write_all(text.as_bytes()).is_ok())
    }

    /// Ends its standard input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Stops to read what it prints, as a pipe's reader that has ended.
    pub fn deafen(&mut self) {
        self.lines = mpsc::channel().1;
    }

    /// Sends the signal `TERM` or `INT`.
    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Ends it as `kill -9` does, and reads what it had printed.
    pub fn kill(mut self) -> Printed {
        self.child.kill().unwrap();
        self.end().printed
    }

    /// Asks it to stop with SIGTERM, and waits for its end.
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        self.end()
    }

    /// Waits until it has ended by itself. Its standard input stays open until then.
    pub fn end(mut self) -> Ended {
        let patience = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < patience, "{} has not ended\n{:#?}", self.name, self.printed);
            // A line, the end of all lines, or time to look again.
            match self.lines.recv_timeout(GLANCE) {
                Ok(line) => self.printed.add(line),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => thread::sleep(GLANCE),
            }
        };
        while let Ok(line) = self.lines.recv() {
            self.printed.add(line);
        }
        Ended { status, printed: std::mem::take(&mut self.printed) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that failed leaves nothing running; one that has ended is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Printed {
    /// What follows `word` and a space in each line of standard output that begins so.
    pub fn told<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        self.out.iter().filter_map(move |line| line.strip_prefix(word)?.strip_prefix(' '))
    }

    fn add(&mut self, (stream, line): (Stream, String)) {
        match stream {
            Stream::Out => self.out.push(line),
            Stream::Err => self.err.push(line),
        }
    }
}

/// Runs the example `name` to its end, without input.
pub fn run<S: AsRef<str>>(name: &'static str, arguments: impl IntoIterator<Item = S>) -> Ended {
    let mut program = Program::start(name, arguments);
    program.close_input();
    program.end()
}

/// A folder with the files of a central node and of a distributed one.
#[derive(Debug)]
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// With a central node for `mailboxes`, each a number and the zone of its owner.
    pub fn new<'a>(mailboxes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let mailboxes = mailboxes.into_iter().collect::<BTreeMap<_, _>>().into_iter();
        let mailboxes = mailboxes.map(|(number, zone)| format!("[pbx.mailbox.{number}]\nzone = \"{zone}\"\n"));
        place.write("network.toml", NETWORK.to_owned() + &mailboxes.collect::<String>());
        place.let_central_listen("127.0.0.1:0");
        place
    }

    /// The path of `name` in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Starts the central node at any free port, and writes `distributed.toml` for a node that is to reach it.
    pub fn central(&self) -> Program {
        let mut central = Program::start("central_node", ["--config", &self.text("central.toml")]);
        let address = central.told("listening smtp");
        self.let_distributed_reach(&address);
        central
    }

    /// Writes `distributed.toml` for a node that is to reach the central one at `address`.
    pub fn let_distributed_reach(&self, address: &str) {
        self.write("distributed.toml", DISTRIBUTED.replace("ADDRESS", address));
    }

    /// Lets the central node listen at `address` from its next start.
    pub fn let_central_listen(&self, address: &str) {
        self.write("central.toml", CENTRAL.replace("LISTEN", address));
    }

    /// Starts a distributed node with these `arguments` besides its configuration.
    pub fn distributed(&self, arguments: &[&str]) -> Program {
        let config = self.text("distributed.toml");
        Program::start("distributed_node", ["--config", &config].into_iter().chain(arguments.iter().copied()))
    }

    /// Runs `retrieve` with these `arguments` besides its configuration.
    pub fn retrieve(&self, arguments: &[&str]) -> Ended {
        let config = self.text("central.toml");
        run("retrieve", ["--config", &config].into_iter().chain(arguments.iter().copied()))
    }

    /// The lines of a mailbox's list, without the first one, which counts them.
    pub fn list(&self, mailbox: &str) -> Vec<String> {
        let ended = self.retrieve(&[mailbox, "--list"]);
        assert_eq!(ended.status, Some(0), "{ended:#?}");
        ended.printed.out.into_iter().skip(1).collect()
    }

    /// The messages that wait in the distributed node's spool, by the names of their files.
    pub fn waiting(&self) -> Vec<String> {
        let folder = self.path("distributed/queue/central.voicemail.example");
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// An address of this machine at a port where nobody listens, and which the operating system gives to nobody who does not ask.
pub fn unused_address() -> String {
    let random = u16::from_le_bytes(*MessageId::random().as_bytes().first_chunk().unwrap()) % 10_000;
    let mut ports = (0..10_000).map(|step| 20_000 + (random + step) % 10_000).map(|port| format!("127.0.0.1:{port}"));
    ports.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

/// Where the example `name` is: beside the tests. Built if it is missing, as when one test is built alone.
fn example(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let folder = profile.join("examples");
        if !["central_node", "distributed_node", "retrieve", "check_network"].iter().all(|name| folder.join(name).exists()) {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--examples", "--target-dir"]).arg(profile.parent().unwrap());
            build.args(profile.ends_with("release").then_some("--release"));
            assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success(), "the examples build");
        }
        folder
    });
    folder.join(name)
}

fn read_lines(stream: impl Read + Send + 'static, which: Stream, lines: Sender<(Stream, String)>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if lines.send((which, line)).is_err() {
                return;
            }
        }
    });
}

/// How long a program may take to print or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked whether a program has ended that prints nothing.
const GLANCE: Duration = Duration::from_millis(2);

/// London is central; Kathmandu has a distributed node. Mailboxes of London follow.
const NETWORK: &str = r#"
domain = "voicemail.example"

[[pbx]]
id = "kathmandu"
voicemail = "distributed"
node = "himalaya.voicemail.example"
trunk_groups = { main = "london" }
destination = "main"
zone = "Asia/Kathmandu"
time = { sntp = ["ntp.example"] }
ports = 2
licences = ["voicemail"]

[[pbx]]
id = "london"
voicemail = "central"
node = "central.voicemail.example"
zone = "Europe/London"
time = { sntp = ["ntp.example"] }
ports = 8
licences = ["voicemail", "networked-messaging"]
"#;

const CENTRAL: &str = r#"
node = "central.voicemail.example"
network = "network.toml"
spool = "central"
store = "store"
listen = "LISTEN"
tls = { self_signed = "central.pem" }
"#;

const DISTRIBUTED: &str = r#"
node = "himalaya.voicemail.example"
network = "network.toml"
spool = "distributed"
site = "kathmandu"

[central]
connect = "ADDRESS"
ca = "central.pem"
"#;
