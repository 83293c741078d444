//! Runs the example programs as processes: starts them, reads their output, signals and kills them.

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

/// A running example program.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<(Stream, String)>,
    printed: Printed,
}

/// The lines that a program has printed so far.
#[derive(Debug, Default, Clone)]
pub struct Printed {
    /// The lines on standard output.
    pub out: Vec<String>,
    /// The lines on standard error.
    pub err: Vec<String>,
}

/// The exit status of a program (none if a signal ended it) and its output.
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
    /// Starts the example `name`; [`write_input`](Self::write_input) writes to its standard input.
    pub fn start<S: AsRef<str>>(name: &'static str, arguments: impl IntoIterator<Item = S>) -> Self {
        Self::spawn(Command::new(example(name)), name, arguments)
    }

    /// Starts the example `name`, which may have at most `files` files open.
    pub fn start_with_files<S: AsRef<str>>(name: &'static str, files: u32, arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]).arg(example(name));
        Self::spawn(command, name, arguments)
    }

    fn spawn<S: AsRef<str>>(mut command: Command, name: &'static str, arguments: impl IntoIterator<Item = S>) -> Self {
        let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        read_lines(child.stdout.take().unwrap(), Stream::Out, sender.clone());
        read_lines(child.stderr.take().unwrap(), Stream::Err, sender);
        let stdin = child.stdin.take();
        Self { name, child, stdin, lines, printed: Printed::default() }
    }

    /// Waits until `found` returns a value for the output so far, and returns it; panics when the program ends before, or after 30 s.
    pub fn wait_until<T>(&mut self, found: impl Fn(&Printed) -> Option<T>) -> T {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(found) = found(&self.printed) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.printed.add(line),
                Err(error) => panic!("{} has not printed what it should: {error}\n{:#?}", self.name, self.printed),
            }
        }
    }

    /// Waits for a line on standard output that begins with `word` and a space, and returns the rest of the first one.
    pub fn wait_for(&mut self, word: &str) -> String {
        self.wait_until(|printed| printed.lines_of(word).next().map(str::to_owned))
    }

    /// Writes `text` to its standard input; returns whether that was still open.
    pub fn write_input(&mut self, text: &str) -> bool {
        self.stdin.as_mut().is_some_and(|stdin| stdin.write_all(text.as_bytes()).is_ok())
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Stops reading its output, as when the reader of a pipe has ended.
    pub fn stop_reading(&mut self) {
        self.lines = mpsc::channel().1;
    }

    /// Sends it the signal `TERM` or `INT`.
    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Kills it as `kill -9` does, and returns its output.
    pub fn kill(mut self) -> Printed {
        self.child.kill().unwrap();
        self.end().printed
    }

    /// Sends it SIGTERM and waits until it has ended.
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        self.end()
    }

    /// Waits until it has ended by itself. Its standard input stays open until then.
    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + TIMEOUT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < deadline, "{} has not ended\n{:#?}", self.name, self.printed);
            // A line, the end of all lines, or time to check again.
            match self.lines.recv_timeout(POLL_INTERVAL) {
                Ok(line) => self.printed.add(line),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => thread::sleep(POLL_INTERVAL),
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
        // A failed test must leave nothing running; a process that has ended is no error.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Printed {
    /// The rest of each line of standard output that begins with `word` and a space.
    pub fn lines_of<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
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

/// A folder with the configuration and data of a central node and a distributed node.
#[derive(Debug)]
pub struct NodeFiles {
    folder: tempfile::TempDir,
}

impl NodeFiles {
    /// Writes the configuration of a central node for `mailboxes`, each a number and the zone of its owner.
    pub fn new<'a>(mailboxes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        let mailboxes = mailboxes.into_iter().collect::<BTreeMap<_, _>>().into_iter();
        let mailboxes = mailboxes.map(|(number, zone)| format!("[pbx.mailbox.{number}]\nzone = \"{zone}\"\n"));
        place.write("network.toml", NETWORK.to_owned() + &mailboxes.collect::<String>());
        place.set_listen_address("127.0.0.1:0");
        place
    }

    /// The path of `name` in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of `name` in the folder, as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Starts the central node and writes `distributed.toml` for a node that connects to it.
    pub fn central(&self) -> Program {
        let mut central = Program::start("central_node", ["--config", &self.text("central.toml")]);
        let address = central.wait_for("listening smtp");
        self.set_central_address(&address);
        central
    }

    /// Writes `distributed.toml` for a node that connects to the central node at `address`.
    pub fn set_central_address(&self, address: &str) {
        self.write("distributed.toml", DISTRIBUTED.replace("ADDRESS", address));
    }

    /// Writes `central.toml`, with which the central node listens at `address` from its next start.
    pub fn set_listen_address(&self, address: &str) {
        self.write("central.toml", CENTRAL.replace("LISTEN", address));
    }

    /// Starts a distributed node with `arguments` after its configuration.
    pub fn distributed(&self, arguments: &[&str]) -> Program {
        let config = self.text("distributed.toml");
        Program::start("distributed_node", ["--config", &config].into_iter().chain(arguments.iter().copied()))
    }

    /// Runs `retrieve` with `arguments` after its configuration.
    pub fn retrieve(&self, arguments: &[&str]) -> Ended {
        let config = self.text("central.toml");
        run("retrieve", ["--config", &config].into_iter().chain(arguments.iter().copied()))
    }

    /// The lines that `retrieve --list` prints for a mailbox, without the first one, which is the summary.
    pub fn list(&self, mailbox: &str) -> Vec<String> {
        let ended = self.retrieve(&[mailbox, "--list"]);
        assert_eq!(ended.status, Some(0), "{ended:#?}");
        ended.printed.out.into_iter().skip(1).collect()
    }

    /// The file names of the messages in the distributed node's spool.
    pub fn waiting(&self) -> Vec<String> {
        let folder = self.path("distributed/queue/central.voicemail.example");
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// An address of this machine with a port that is unused and outside the range from which the operating system chooses ports.
pub fn unused_address() -> String {
    let random = u16::from_le_bytes(*MessageId::random().as_bytes().first_chunk().unwrap()) % 10_000;
    let mut ports = (0..10_000).map(|step| 20_000 + (random + step) % 10_000).map(|port| format!("127.0.0.1:{port}"));
    ports.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

/// The path of the example `name`, which is beside the tests. `cargo test --test ..` builds no examples: they are built here if one is
/// missing or older than a source file of it.
fn example(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap();
        let folder = profile.join("examples");
        if !EXAMPLES.iter().all(|name| is_fresh(&folder.join(name))) {
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--target-dir"]).arg(profile.parent().unwrap());
            build.args(EXAMPLES.iter().flat_map(|name| ["--example", name]));
            build.args(profile.ends_with("release").then_some("--release"));
            assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success(), "the examples build");
        }
        folder
    });
    folder.join(name)
}

/// Whether `program` is there, and neither a source file of it nor a manifest is newer. Cargo lists the
/// source files in a file beside it, as `program: source source ..`.
fn is_fresh(program: &Path) -> bool {
    let modified = |path: &Path| fs::metadata(path)?.modified();
    let (Ok(built_at), Ok(list)) = (modified(program), fs::read_to_string(program.with_extension("d"))) else { return false };
    let sources = list.split_once(": ").map_or("", |(_, sources)| sources).replace("\\ ", "\0");
    let sources = sources.split_whitespace().map(|source| PathBuf::from(source.replace('\0', " ")));
    let manifests = ["Cargo.toml", "Cargo.lock"].map(|file| Path::new(env!("CARGO_MANIFEST_DIR")).join(file));
    sources.chain(manifests).all(|source| modified(&source).is_ok_and(|changed_at| changed_at <= built_at))
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

/// The examples that tests run.
const EXAMPLES: [&str; 4] = ["central_node", "distributed_node", "retrieve", "check_network"];

/// How long a program may take to print or to end.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often to check whether a program has ended that prints nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// London is central and Kathmandu has a distributed node. [`NodeFiles::new`] appends the mailboxes of London.
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
