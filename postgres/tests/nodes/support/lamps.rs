//! [`Lamps`]: what the PBXs show, and each state that came after a newer one. Nodes of other processes show it by TCP.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use voicemail::mwi::{MwiError, MwiSink, MwiState};

use super::network::NUMBERS;

/// The lamps of all mailboxes. Clones are the same lamps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lamps(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    shown: Mutex<Shown>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Shown {
    /// The newest version and summary of each mailbox.
    lamps: BTreeMap<String, (u64, String)>,
    /// Each state that came after a newer one.
    faults: Vec<String>,
    /// How many states were shown by each node.
    by_node: BTreeMap<String, usize>,
}

impl Lamps {
    /// Begins to listen for nodes of other processes; answers where.
    pub(crate) async fn listen(&self) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, lamps) = (listener.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            while let Ok((node, _)) = listener.accept().await {
                let lamps = lamps.clone();
                tokio::spawn(async move { lamps.serve(node).await });
            }
        });
        address
    }

    async fn serve(&self, node: TcpStream) {
        let mut node = BufReader::new(node);
        let mut line = String::new();
        while matches!(node.read_line(&mut line).await, Ok(1..)) {
            // A line that a killed node has sent in part is no state.
            let Some(whole) = line.strip_suffix('\n') else { return };
            let mut words = whole.splitn(4, ' ');
            let [name, number, version, summary] = [(); 4].map(|()| words.next().unwrap());
            self.show(name, number, version.parse().unwrap(), summary);
            line.clear();
            if node.write_all(b"\n").await.is_err() {
                return;
            }
        }
    }

    fn show(&self, node: &str, number: &str, version: u64, summary: &str) {
        let mut shown = self.0.shown.lock().unwrap();
        let before = shown.lamps.insert(number.to_owned(), (version, summary.to_owned()));
        if before.as_ref().is_some_and(|before| before.0 > version) {
            shown.faults.push(format!("{node} shows {number} {summary} of version {version} after {before:?}"));
        }
        *shown.by_node.entry(node.to_owned()).or_default() += 1;
        drop(shown);
        self.0.changed.notify_waiters();
    }

    /// The sink of a node of this process.
    pub(crate) fn sink(&self, node: &str) -> LampSink {
        LampSink { lamps: self.clone(), node: node.to_owned() }
    }

    /// The states that all lamps show, in the order of their numbers; "unknown" for those that show nothing yet.
    pub(crate) fn summaries(&self) -> Vec<String> {
        let shown = self.0.shown.lock().unwrap();
        let summary = |number| shown.lamps.get(number).map_or_else(|| "unknown".to_owned(), |(_, summary)| summary.clone());
        NUMBERS.into_iter().map(summary).collect()
    }

    /// How many states `node` has shown.
    pub(crate) fn shown_by(&self, node: &str) -> usize {
        self.0.shown.lock().unwrap().by_node.get(node).copied().unwrap_or_default()
    }

    /// Waits until the lamps fulfil `wanted`.
    pub(crate) async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.0.changed.notified();
            if wanted(self) {
                return;
            }
            changed.await;
        }
    }

    /// Fails the test if a state came after a newer one.
    pub(crate) fn assert_none_went_back(&self) {
        assert_eq!(self.0.shown.lock().unwrap().faults, Vec::<String>::new());
    }
}

/// Shows states on the lamps of this process.
#[derive(Debug)]
pub(crate) struct LampSink {
    lamps: Lamps,
    node: String,
}

#[async_trait]
impl MwiSink for LampSink {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.lamps.show(&self.node, state.mailbox.as_str(), state.version, &state.summary.to_string());
        Ok(())
    }
}

/// Shows states on the lamps of another process.
#[derive(Debug)]
pub(crate) struct FarLampSink {
    lamps: SocketAddr,
    node: String,
}

impl FarLampSink {
    pub(crate) fn new(lamps: SocketAddr, node: &str) -> Self {
        Self { lamps, node: node.to_owned() }
    }
}

#[async_trait]
impl MwiSink for FarLampSink {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        let failed = |error: std::io::Error| MwiError::Unavailable(error.into());
        let line = format!("{} {} {} {}\n", self.node, state.mailbox, state.version, state.summary);
        let mut lamps = BufReader::new(TcpStream::connect(self.lamps).await.map_err(failed)?);
        lamps.write_all(line.as_bytes()).await.map_err(failed)?;
        match lamps.read_line(&mut String::new()).await.map_err(failed)? {
            0 => Err(MwiError::Unavailable("the lamps are gone".into())),
            _ => Ok(()),
        }
    }
}
