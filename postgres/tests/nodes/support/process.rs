//! [`NodeProcess`]: a central node in a process of its own, which is the test's program once more.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use voicemail::intake::ListenMode;
use voicemail::node::{Node, NodeBuilder};
use voicemail_postgres::{Database, PostgresLease, PostgresStore};

use super::lamps::FarLampSink;
use super::network::{CENTRAL, network};

/// A central node in a process of its own. It ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    child: Child,
    /// Kept open, so that the process can print until its end.
    _printed: BufReader<ChildStdout>,
}

/// The settings of a node in a process of its own.
#[derive(Debug, Clone)]
pub(crate) struct NodeConfig {
    pub(crate) name: String,
    pub(crate) listen: SocketAddr,
    pub(crate) database: String,
    pub(crate) lamps: SocketAddr,
}

impl NodeProcess {
    /// Starts a node, and waits until it listens.
    pub(crate) fn start(config: &NodeConfig) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "support::process::a_central_node", "--ignored", "--nocapture"]);
        command.env(NAME, &config.name).env(LISTEN, config.listen.to_string());
        command.env(DATABASE, &config.database).env(LAMPS, config.lamps.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        let is_ready = printed.by_ref().lines().map(Result::unwrap).any(|line| line.ends_with(READY));
        assert!(is_ready, "node {} did not start", config.name);
        Self { child, _printed: printed }
    }

    /// Kills the process with a signal that it cannot handle.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops the node cleanly.
    pub(crate) fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "the node ended cleanly");
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Not a test of its own: the program of [`NodeProcess`].
#[test]
#[ignore = "other tests start it in a process of its own"]
fn a_central_node() {
    let Ok(name) = std::env::var(NAME) else { return };
    let [listen, database, lamps] = [LISTEN, DATABASE, LAMPS].map(|variable| std::env::var(variable).unwrap());
    let config = NodeConfig { name, listen: listen.parse().unwrap(), database, lamps: lamps.parse().unwrap() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(config));
}

/// Runs a central node until the standard input ends.
async fn run(config: NodeConfig) {
    let spool = tempfile::tempdir().unwrap();
    let database = Database::builder(&config.database).open().await.unwrap();
    let sink = FarLampSink::new(config.lamps, &config.name);
    let listener = tokio::net::TcpListener::bind(config.listen).await.unwrap();
    let node = central_node(&database, &config.name, spool.path()).sink(sink).listen(listener, ListenMode::StartTls);
    let node = node.shutdown_timeout(Duration::from_secs(4)).open().await.unwrap();
    println!("{READY}");
    node.run(async { drop(tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await) }).await.unwrap();
}

/// A central node whose mailboxes are in `database`.
pub(crate) fn central_node(database: &Database, name: &str, spool: &std::path::Path) -> NodeBuilder {
    let network = network(&[]);
    let directory = network.directory();
    let store = PostgresStore::builder(database).directory(directory.clone()).build();
    let node = Node::builder(CENTRAL.parse().unwrap(), network, directory, spool);
    node.store(store).lamp_lease(PostgresLease::new(database, name))
}

const NAME: &str = "VOICEMAIL_TEST_NODE";
const LISTEN: &str = "VOICEMAIL_TEST_LISTEN";
const DATABASE: &str = "VOICEMAIL_TEST_DATABASE";
const LAMPS: &str = "VOICEMAIL_TEST_LAMPS";
const READY: &str = "the node listens";
