//! Certificates for the examples.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use voicemail::node::NodeBuilder;

use super::Failure;

/// A certificate chain and its private key, both in PEM.
pub struct Identity {
    /// The certificate of the node, and those of its issuers. Clients may trust a self-signed one.
    pub chain: Vec<u8>,
    key: Vec<u8>,
    /// The files, for errors.
    files: String,
}

impl Identity {
    /// Makes a self-signed certificate for `name`, in memory.
    pub fn self_signed(name: &str) -> Result<Self, Failure> {
        let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
        let (chain, key) = (made.cert.pem().into_bytes(), made.signing_key.serialize_pem().into_bytes());
        Ok(Self { chain, key, files: "the certificate in memory".to_owned() })
    }

    /// Reads the self-signed certificate in the file `certificate` and its key beside it; makes them first if they are missing. Clients
    /// that trust the certificate still do after the next start.
    pub fn self_signed_in(certificate: &Path, name: &str) -> Result<Self, Failure> {
        let key = beside(certificate, ".key");
        if !(certificate.exists() && key.exists()) {
            make(certificate, &key, name).map_err(|error| format!("{}: {error}", certificate.display()))?;
        }
        Ok(Self::from_files(certificate, &key)?)
    }

    /// Reads the certificate chain and the key in two PEM files.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, String> {
        let files = format!("{} and {}", certificate.display(), key.display());
        Ok(Self { chain: read(certificate)?, key: read(key)?, files })
    }

    /// Lets the listeners of `node` offer TLS.
    pub fn offer(&self, node: NodeBuilder) -> Result<NodeBuilder, Failure> {
        Ok(node.tls_pem(&self.chain, &self.key).map_err(|error| format!("{}: {error}", self.files))?)
    }
}

/// Reads a file; the error names it.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Makes a certificate and its key. No half-written file is ever found: each gets its name when it is complete, the key first.
fn make(certificate: &Path, key: &Path, name: &str) -> Result<(), Failure> {
    let made = rcgen::generate_simple_self_signed([name.to_owned()])?;
    certificate.parent().map_or(Ok(()), fs::create_dir_all)?;
    if certificate.exists() {
        fs::remove_file(certificate)?;
    }
    for (path, text) in [(key, made.signing_key.serialize_pem()), (certificate, made.cert.pem())] {
        let draft = beside(path, ".new");
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?.write_all(text.as_bytes())?;
        fs::rename(draft, path)?;
    }
    Ok(())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
