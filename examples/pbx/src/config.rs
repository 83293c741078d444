//! [`Config`]: the file that describes the PBXs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use voicemail::MailboxId;
use voicemail::Network;
use voicemail::call::TransferTarget;
use voicemail::message::{Language, SiteId};
use voicemail::network::NetworkDescription;
use voicemail::telephone::Pin;

/// The contents of the file, checked. Folders are relative to the file.
pub struct Config {
    /// The folder for mailboxes, spools and PINs.
    pub folder: PathBuf,
    /// The folder of recorded prompts, and their language.
    pub prompts: Option<(PathBuf, Language)>,
    /// Where callers who press 0 are connected to.
    pub operator: Option<TransferTarget>,
    /// The SIP address of each PBX, the central one first.
    pub telephones: Vec<(SiteId, SocketAddr)>,
    /// The first PIN of each mailbox, which its owner changes at the first call.
    pub pins: Vec<(MailboxId, Pin)>,
    /// The network.
    pub network: Network,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    folder: PathBuf,
    prompts: Option<Prompts>,
    operator: Option<String>,
    telephones: BTreeMap<String, String>,
    #[serde(default)]
    first_pins: BTreeMap<String, String>,
    network: NetworkDescription,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prompts {
    folder: PathBuf,
    language: String,
}

impl Config {
    /// Reads the file at `path`.
    ///
    /// # Errors
    ///
    /// All faults of the network, or all others, one a line.
    pub fn load(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| format!("{name}: {error}; give the path of a file like examples/pbx.toml"))?;
        let file: File = toml::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
        let network = file.network.check().map_err(|faults| format!("{name}: [network]: {faults}"))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let mut faults = Vec::new();
        let mut fault = |key: &str, fault: String| faults.push(format!("{name}: {key}: {fault}"));

        let mut telephones = Vec::new();
        for (site, address) in &file.telephones {
            let key = format!("[telephones] {site}");
            let known = site.parse().ok().filter(|site| network.recording_node(site).is_some());
            match (known, address.parse::<SocketAddr>()) {
                (None, _) => fault(&key, format!("no PBX of [network] is called {site}, or it has no voicemail")),
                (_, Err(_)) => fault(&key, format!("{address} is no IP address with a port, such as 127.0.0.1:5060")),
                (_, Ok(address)) if address.ip().is_unspecified() => {
                    fault(&key, format!("telephones cannot send sound to {}; write the address that they reach", address.ip()));
                }
                (Some(site), Ok(address)) => telephones.push((site, address)),
            }
        }
        telephones.sort_by_key(|(site, _)| site != network.central().id());
        if telephones.first().is_some_and(|(site, _)| site != network.central().id()) {
            fault("[telephones]", format!("the central PBX, {}, has no address: owners listen there", network.central().id()));
        }

        let mut pins = Vec::new();
        for (mailbox, pin) in &file.first_pins {
            let key = format!("[first_pins] {mailbox}");
            let known = mailbox.parse().ok().filter(|mailbox| network.mailbox(mailbox).is_some());
            match (known, pin.parse::<Pin>()) {
                (None, _) => fault(&key, format!("no PBX of [network] has the mailbox {mailbox}")),
                (_, Err(error)) => fault(&key, format!("{error}; choose another PIN")),
                (Some(mailbox), Ok(pin)) => pins.push((mailbox, pin)),
            }
        }

        let operator = file.operator.and_then(|operator| match operator.parse() {
            Ok(operator) => Some(operator),
            Err(error) => {
                fault("operator", format!("{error}"));
                None
            }
        });
        let prompts = file.prompts.and_then(|prompts| match prompts.language.parse() {
            Ok(language) => Some((base.join(prompts.folder), language)),
            Err(error) => {
                fault("prompts.language", format!("{error}"));
                None
            }
        });
        if faults.is_empty() {
            Ok(Self { folder: base.join(file.folder), prompts, operator, telephones, pins, network })
        } else {
            Err(faults.join("\n"))
        }
    }
}
