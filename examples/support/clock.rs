//! The clock that a configuration asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use voicemail::clock::{Clock, SntpClock, SystemClock};
use voicemail::error_chain;
use voicemail::network::{Network, NodeAddress};

use super::keys::Keys;
use super::lines::remark;

/// Where a node has its time from.
pub enum TimeFrom {
    /// From the operating system.
    System,
    /// From these servers, host and port.
    Sntp(BTreeSet<String>),
}

impl TimeFrom {
    /// What `clock` says: the system unless told; or the time servers that the network names for the PBXs of the node.
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

    /// The clock. One that follows time servers has asked them; if none answers, that is said, and the node asks on as it runs.
    pub async fn clock(self) -> Arc<dyn Clock> {
        let Self::Sntp(servers) = self else { return Arc::new(SystemClock) };
        let named = servers.iter().cloned().collect::<Vec<_>>().join(", ");
        let clock = SntpClock::new(servers);
        if let Err(error) = clock.measure().await {
            let why = error_chain(&error);
            remark(format!("no time server answers ({named}): {why}; until one does, the system's time goes on")).await;
        }
        Arc::new(clock)
    }
}
