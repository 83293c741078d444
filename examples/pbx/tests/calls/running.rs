//! [`Running`]: the program, with a network of two PBXs.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use voicemail::message::{MailboxId, Message};
use voicemail::network::NetworkDescription;
use voicemail::store::{MaildirStore, MessageStore as _};
use voicemail::telephone::{PinFolder, PinHash};
use voicemail::{Network, disk::OsDisk};

use crate::sound::short_speech;
use crate::telephone::Telephone;

/// The PIN of each mailbox.
pub const PIN: &str = "480913";

/// The operator.
pub const OPERATOR: &str = "sip:operator@192.0.2.10";

/// The running program; it ends when this is dropped.
pub struct Running {
    /// The SIP address of the central PBX.
    pub london: SocketAddr,
    /// The SIP address of the distributed PBX.
    pub kathmandu: SocketAddr,
    child: Child,
    lines: mpsc::Receiver<String>,
    printed: Vec<String>,
    folder: tempfile::TempDir,
}

impl Running {
    /// Starts the program. The owners of all mailboxes have chosen the [`PIN`], and the operator is [`OPERATOR`].
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pins = PinFolder::open(OsDisk, folder.path().join("pins")).await.unwrap();
        let hash = PinHash::new(&PIN.parse().unwrap());
        for (_, mailbox) in network().mailboxes() {
            pins.set(mailbox.number.clone(), hash.clone()).await.unwrap();
        }
        let config = example().replace("../target/voicemail/pbx", &folder.path().display().to_string());
        let config = config.replace("127.0.0.1:5060", "127.0.0.1:0").replace("127.0.0.1:5062", "127.0.0.1:0");
        let path = folder.path().join("pbx.toml");
        let config = format!("operator = \"{OPERATOR}\"\n{config}");
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_voicemail-pbx-example"));
        let mut child = command.arg(path).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let none = SocketAddr::from(([0; 4], 0));
        let mut running = Self { london: none, kathmandu: none, child, lines, printed: Vec::new(), folder };
        running.london = running.wait_for("listening sip london ").parse().unwrap();
        running.kathmandu = running.wait_for("listening sip kathmandu ").parse().unwrap();
        running.wait_for("dial ");
        running
    }

    /// Waits for a line that begins with `start`, and returns the rest of it.
    pub fn wait_for(&mut self, start: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("the program did not print {start:?} within 90 s, but:\n{}", self.printed.join("\n"));
            };
            self.printed.push(line.clone());
            if let Some(rest) = line.strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// Returns the messages in `mailbox`.
    pub async fn messages(&self, mailbox: &str) -> Vec<Message> {
        let mailbox: MailboxId = mailbox.parse().unwrap();
        let folder = self.folder.path().join("mailboxes");
        let store = MaildirStore::builder(folder).directory(network().directory()).open().await.unwrap();
        let mut messages = Vec::new();
        for entry in store.list(&mailbox).await.unwrap() {
            messages.push(store.retrieve(&mailbox, entry.head.id).await.unwrap());
        }
        messages
    }

    /// Leaves a message for 2010 from the telephone of 2002.
    pub fn leave_message(&mut self) {
        let mut call = Telephone::call(self.kathmandu, "2010", "0 101");
        call.ear.wait_for_silence();
        call.speak(&short_speech());
        call.press('#');
        call.hang_up();
        self.wait_for("stored ");
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            self.printed.extend(self.lines.try_iter());
            eprintln!("the program printed:\n{}", self.printed.join("\n"));
        }
    }
}

/// Whether `program` is installed; says that a test was skipped if not.
pub fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

/// The path of a file among the examples.
pub fn examples(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn example() -> String {
    std::fs::read_to_string(examples("pbx.toml")).unwrap()
}

/// The network of the example's configuration.
fn network() -> Network {
    let config: toml::Table = example().parse().unwrap();
    let description: NetworkDescription = config["network"].clone().try_into().unwrap();
    description.check().unwrap()
}
