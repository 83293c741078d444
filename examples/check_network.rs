//! Checks the description of a network, and prints the network.
//!
//! Run: `cargo run --example check_network -- examples/network.toml`. You will see: a table of six PBXs, a table of three nodes
//! with the role of each for its PBXs, a table of the mailboxes, one of the distribution lists, one of other voicemail systems, one of the shared mailboxes, one of the rules
//! for messages that arrive, one of the mailboxes for undeliverable messages, a Mermaid flowchart, and exit status 0; or, for a file with
//! faults, each fault on one line, and exit status 1.

use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use voicemail::network::{Network, NetworkDescription};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: check_network FILE");
        return ExitCode::FAILURE;
    };
    match read(&path) {
        Ok(network) => {
            let tables = [
                network.to_table(),
                network.to_node_table(),
                network.to_mailbox_table(),
                network.to_list_table(),
                network.to_system_table(),
                network.to_shared_table(),
                network.to_rule_table(),
                network.to_undeliverable_table(),
                network.to_mermaid(),
            ];
            match writeln!(io::stdout(), "{}", tables.join("\n")) {
                // A reader such as `head` may have enough.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    eprintln!("the network cannot be printed: {error}");
                    ExitCode::FAILURE
                }
                _ => ExitCode::SUCCESS,
            }
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: &str) -> Result<Network, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let description: NetworkDescription = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("{path}:{line}: {}", error.message())
    })?;
    description.check().map_err(|faults| faults.to_string())
}
