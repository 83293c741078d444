//! With default features a program can build both nodes: it records at one, forwards under TLS, keeps in a Maildir and lights a lamp.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use voicemail::audio::Format;
use voicemail::forward::SmtpForwarder;
use voicemail::intake::{Access, ListenMode, ListenerPolicy};
use voicemail::message::{MailboxId, Status};
use voicemail::mwi::{LogSink, MwiError, MwiSink, MwiState};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, SiteBuilder, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MessageStore as _};

type Failure = Box<dyn Error + Send + Sync>;

const CENTRAL: &str = "central.voicemail.example";
const DISTRIBUTED: &str = "himalaya.voicemail.example";

/// A lamp of the program's own, for mailbox 2001.
#[derive(Debug, Clone)]
struct Lamp(Arc<watch::Sender<u32>>);

#[async_trait]
impl MwiSink for Lamp {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        if state.mailbox.to_string() == "2001" {
            self.0.send_replace(state.summary.new);
        }
        LogSink.show(state).await
    }
}

/// London is central and has mailbox 2001; Kathmandu has a distributed node.
fn network() -> Result<Network, Failure> {
    let licensed = |site: SiteBuilder| -> Result<SiteBuilder, Failure> {
        Ok(site.time(TimeSource::Sntp(vec!["ntp.example".parse()?])).licence(LicenceClass::Voicemail).ports(4))
    };
    let london = Site::builder("london".parse()?, VoicemailType::Central, chrono_tz::Europe::London).node(CENTRAL.parse()?);
    let kathmandu = Site::builder("kathmandu".parse()?, VoicemailType::Distributed, chrono_tz::Asia::Kathmandu);
    let kathmandu = kathmandu.node(DISTRIBUTED.parse()?).trunk_group("main", &"london".parse()?).destination("main");
    let london = licensed(london)?.mailbox(Mailbox::new("2001".parse()?));
    Ok(Network::builder("voicemail.example").site(london).site(licensed(kathmandu)?).build()?)
}

#[tokio::test]
async fn a_recording_is_forwarded_kept_and_lights_a_lamp() -> Result<(), Failure> {
    let (folder, network, owner) = (tempfile::tempdir()?, network()?, "2001".parse::<MailboxId>()?);
    let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()])?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let central_at = listener.local_addr()?.to_string();
    let (lamp, mut new_messages) = watch::channel(0);

    let store = MaildirStore::builder(folder.path().join("mailboxes")).directory(network.directory()).open().await?;
    let central = Node::builder(CENTRAL.parse()?, network.clone(), network.directory(), folder.path().join("central"))
        .store(store)
        .sink(Lamp(Arc::new(lamp)))
        .tls_pem(certificate.as_bytes(), key.as_bytes())?
        .listen(listener, ListenerPolicy::new(ListenMode::StartTls, Access::default()))
        .open()
        .await?;
    let forwarder = SmtpForwarder::builder(central_at, network.domain())
        .node(DISTRIBUTED)
        .server_name(CENTRAL)
        .ca_pem(certificate.as_bytes())
        .build()?;
    let distributed =
        Node::builder(DISTRIBUTED.parse()?, network.clone(), network.directory(), folder.path().join("distributed"))
            .forwarder(forwarder)
            .open()
            .await?;
    let (stop, running): (Vec<_>, Vec<_>) = [&central, &distributed].into_iter().cloned().map(start).unzip();

    let mut call = distributed.record(&"kathmandu".parse()?, CallFacts::to(owner.clone()), Format::TELEPHONE_L16).await?;
    for _ in 0..100 {
        call.push_samples(&[7; 160])?;
    }
    let kept = call.finish().await?;
    tokio::time::timeout(Duration::from_secs(30), new_messages.wait_for(|new| *new == 1)).await??;

    let store = central.store().ok_or("the central node has a store")?;
    let message = store.retrieve(&owner, kept.id).await?;
    assert_eq!((message.head().length, message.audio().len()), (Duration::from_secs(2), 44 + 32_000));
    store.mark(&owner, kept.id, Status::Old).await?;
    tokio::time::timeout(Duration::from_secs(30), new_messages.wait_for(|new| *new == 0)).await??;
    drop(stop);
    for node in running {
        node.await??;
    }
    Ok(())
}

/// Runs `node` until the returned sender is dropped.
fn start(node: Node) -> (oneshot::Sender<()>, tokio::task::JoinHandle<Result<(), voicemail::node::NodeError>>) {
    let (stop, stopped) = oneshot::channel();
    (stop, tokio::spawn(async move { node.run(async { drop(stopped.await) }).await }))
}
