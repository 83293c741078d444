//! A telephone's lamp by SIP: the telephone subscribes, a caller leaves a message, its owner hears it.
//!
//! Run: `cargo run --example sip_lamp --features sip`, and have a telephone subscribe at the address that it prints: user 2001, password
//! `an example`, message waiting indication on. It takes no REGISTER, so a telephone that must register does so at a PBX that passes
//! SUBSCRIBEs on, as kamailio does in `tests/support/telephones.rs`. You will see: `subscribed: 1`, and the lamp go on after 20 seconds and
//! off after 40. It ends after 60. `-- 10.1.1.5:5060 600` takes another address, and so many seconds.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UdpSocket};
use tokio::time::sleep;
use voicemail::error_chain;
use voicemail::message::{MailboxId, Status};
use voicemail::network::{LicenceClass, Mailbox, Network, NodeAddress, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::sip::{SipNotifier, digest::DigestAlgorithm};
use voicemail::store::{MemoryStore, MessageStore as _};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).collect::<Vec<_>>().into_iter();
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:5070".into());
    let secs = arguments.next().unwrap_or_else(|| "60".into());
    let third = Duration::from_secs(secs.parse().map_err(|error| format!("{secs} seconds: {error}"))?) / 3;
    let not_there = |error| format!("cannot listen on {listen}: {error}; name another address");
    let owner: MailboxId = "2001".parse()?;
    let notifier = SipNotifier::builder("vm.example")
        .user("2001", "an example", [owner.clone()])
        .algorithms([DigestAlgorithm::Md5]) // for telephones that fail when others are offered, too
        .udp(UdpSocket::bind(&listen).await.map_err(not_there)?)
        .tcp(TcpListener::bind(&listen).await.map_err(not_there)?)
        .build()?;
    let notifier = Arc::new(notifier);
    let spool = tempfile::tempdir()?;
    let (address, network) = network(&owner)?;
    let node = Node::builder(address, network.clone(), network.directory(), spool.path())
        .store(MemoryStore::new([owner.clone()]))
        .sink(Arc::clone(&notifier))
        .open()
        .await?;
    println!("for {} s: sip:2001@{listen}, password \"an example\"", third.as_secs() * 3);
    let story = async {
        sleep(third).await;
        println!("subscribed: {}", notifier.subscriptions());
        let sound = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/recordings/vm01.wav"))?;
        let kept = node.deposit_wav(&"london".parse()?, CallFacts::to(owner.clone()), sound.into()).await?;
        println!("a caller leaves a message: the lamp goes on");
        sleep(third).await;
        node.store().ok_or("the node is central")?.mark(&owner, kept.id, Status::Old).await?;
        println!("its owner hears it: the lamp goes off");
        sleep(third).await;
        Ok::<_, Failure>(())
    };
    tokio::select! {
        result = story => result,
        ran = node.run(std::future::pending()) => Ok(ran?),
        () = notifier.run(&node, std::future::pending()) => Ok(()),
    }
}

/// One PBX, whose node this is.
fn network(owner: &MailboxId) -> Result<(NodeAddress, Network), Failure> {
    let address: NodeAddress = "vm.example".parse()?;
    let london = Site::builder("london".parse()?, VoicemailType::Central, chrono_tz::Europe::London)
        .node(address.clone())
        .time(TimeSource::Sntp(vec!["ntp.example".parse()?]))
        .licence(LicenceClass::Voicemail)
        .ports(8)
        .mailbox(Mailbox::new(owner.clone()));
    Ok((address, Network::builder("vm.example").site(london).build()?))
}
