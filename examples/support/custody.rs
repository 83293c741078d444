//! Keys for a mail server in between: each has 32 bytes, and is in a file or an environment variable as 64 hexadecimal digits.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::keys::Keys;

/// Where a key is.
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// In an environment variable.
    Variable(String),
}

/// The keys of a distributed node behind a mail server.
pub struct CustodyConfig {
    /// The key of this node, which the central node has printed.
    pub key: KeySource,
    /// The key that signs return paths; without it, one is made in the spool.
    pub return_paths: Option<KeySource>,
}

impl KeySource {
    /// Reads the table under `key`, which must be present and says where a key is; `what` describes the key.
    pub fn required(keys: &mut Keys, key: &'static str, what: &str) -> Option<Self> {
        keys.required_section(key, &format!("{what}; {WHERE}"), Self::read)
    }

    fn read(keys: &mut Keys) -> Option<Self> {
        match (keys.path("file"), keys.optional("env")) {
            (Some(file), None) => Some(Self::File(file)),
            (None, Some(variable)) => Some(Self::Variable(variable)),
            _ => keys.fault(WHERE),
        }
    }

    /// Returns the key. No error shows any of it.
    pub fn load(&self) -> Result<[u8; 32], String> {
        let (place, text) = match self {
            Self::File(path) => {
                let text = fs::read_to_string(path);
                (path.display().to_string(), text.map_err(|error| format!("{}: {error}; {MAKE}", path.display()))?)
            }
            Self::Variable(name) => {
                let place = format!("the environment variable {name}");
                let text = std::env::var(name).map_err(|_| format!("{place} is not set"))?;
                (place, text)
            }
        };
        parse(text.trim()).ok_or_else(|| format!("{place}: a key has 64 hexadecimal digits; {MAKE}"))
    }
}

impl CustodyConfig {
    /// Reads the section of a distributed node.
    pub fn read(keys: &mut Keys) -> Option<Self> {
        let key =
            KeySource::required(keys, "key", "the key that central_node --config FILE --custody-key NODE prints for this node");
        let return_paths = keys.section("return_paths", KeySource::read);
        Some(Self { key: key?, return_paths })
    }

    /// Returns the key that signs return paths. One in the spool is made at the first start.
    pub fn return_path_key(&self, spool: &Path) -> Result<[u8; 32], String> {
        if let Some(source) = &self.return_paths {
            return source.load();
        }
        let path = spool.join("return-path.key");
        if !path.exists() {
            make(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        KeySource::File(path).load()
    }
}

/// Returns a key as text.
pub fn to_hex(key: &[u8; 32]) -> String {
    key.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let bytes: Vec<u8> = digits?.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if text.len() == 64 { bytes.try_into().ok() } else { None }
}

/// Makes a key that only its owner may read. The file gets its name when it is complete.
fn make(path: &Path) -> std::io::Result<()> {
    let mut key = [0; 32];
    fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let draft = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", to_hex(&key))?;
    file.sync_all()?;
    match fs::hard_link(&draft, path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => fs::remove_file(draft),
    }
}

const WHERE: &str = "say where it is: { file = \"..\" } or { env = \"..\" }";
const MAKE: &str = "openssl rand -hex 32 makes one";
