//! The clock that a configuration asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use voicemail::clock::{Clock, SntpClock, SystemClock};
use voicemail::error_chain;
use voicemail::network::{Network, NodeAddress};

use super::keys::Keys;
use super::lines::print_notice;

/// The source of a node's time.
pub enum TimeFrom {
    /// The operating system.
    System,
    /// These time servers, each a host and a port.
    Sntp(BTreeSet<String>),
}

impl TimeFrom {
    /// Reads the key `clock`: `system`, which is the default, or `sntp` for the time servers that the network names for the node's PBXs.
    pub fn read(keys: &mut Keys, node: Option<&NodeAddress>, network: Option<&Network>) -> Option<Self> {
        match keys.optional::<String>("clock").as_deref() {
            None | Some("system") => Some(Self::System),
            Some("sntp") => {
                let sites = network?.sites_of(node?);
                Some(Self::Sntp(sites.flat_map(|(site, _)| site.time_servers()).map(ToString::to_string).collect()))
            }
            Some(other) => {
                keys.fault(format!("clock = {other:?}: choose system, or sntp for the time servers that the network names"))
            }
        }
    }

    /// Makes the clock. One that follows time servers has queried them; if none answers, this prints so, and the node queries them
    /// again while it runs.
    pub async fn clock(self) -> Arc<dyn Clock> {
        let Self::Sntp(servers) = self else { return Arc::new(SystemClock) };
        let named = servers.iter().cloned().collect::<Vec<_>>().join(", ");
        let clock = SntpClock::new(servers);
        if let Err(error) = clock.measure().await {
            let why = error_chain(&error);
            print_notice(format!("no time server answers ({named}): {why}; until one does, the system's time goes on")).await;
        }
        Arc::new(clock)
    }
}
