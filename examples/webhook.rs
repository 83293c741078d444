//! A node reports to another system, by web hooks, what happens to its messages; the receiver checks each request.
//!
//! Run: `cargo run --example webhook --features http-client,memory`. You will see a request as its receiver gets it, another one that a stranger has made, and
//! a URL that leads into the own network:
//!
//! ```text
//! accepted voicemail.message.heard {"mailbox":"2041","id":".."}
//! accepted voicemail.message.removed {"mailbox":"2041","id":".."}
//! refused a request of a stranger: no signature matches the request
//! not sent to https://169.254.169.254/: the address 169.254.169.254 is not public, and no allowed network has it
//! ```

use std::error::Error;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use voicemail::arrival::webhook::{SignedHeaders, WebhookQueue, WebhookSecret, Webhooks};
use voicemail::audio::Format;
use voicemail::chrono::Utc;
use voicemail::clock::SystemClock;
use voicemail::disk::OsDisk;
use voicemail::http::{HttpClient, HttpRequest, TargetPolicy};
use voicemail::jobs::FolderJobs;
use voicemail::mwi::LogSink;
use voicemail::network::{LicenceClass, Mailbox, NodeAddress, SecretSource, Site, TimeSource, VoicemailType, Webhook};
use voicemail::record::CallFacts;
use voicemail::store::{MemoryStore, MessageStoreExt as _};
use voicemail::{MailboxId, MessageStore as _, Network, Node};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (secret, listener) = (WebhookSecret::random(), TcpListener::bind("127.0.0.1:0").await?);
    let address = listener.local_addr()?;

    // The receiver is on the own premises, so its network, its port and plain text are allowed for it.
    let policy = TargetPolicy::default().allow_prefix("127.0.0.1".parse()?).allow_port(address.port()).allow_plain_text();
    let folder = std::env::temp_dir().join(format!("voicemail-webhook-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("crm.secret"), secret.to_text())?;
    // In a file: [webhook.crm] with url = "http://..", secrets = [{ file = ".." }], prefixes, ports and plain_text.
    let url = format!("http://{address}/voicemail").parse()?;
    let mut webhook = Webhook::new("crm".parse()?, url, SecretSource::File(folder.join("crm.secret")));
    webhook.policy = policy.clone();
    let (network, owner) = network(webhook)?;
    let (client, jobs) = (HttpClient::builder().build(), FolderJobs::open(OsDisk, folder.join("hooks")).await?);
    let webhooks = Webhooks::of_network(client.clone(), network.clone())?.jobs(jobs.clone());

    let node = open_node(network, &owner, &webhooks, &folder).await?;
    let queue = WebhookQueue::new(webhooks, jobs, SystemClock);
    let events = node.events();
    let reports = queue.run(events);

    let story = async {
        let mut call = node.record(&"london".parse()?, CallFacts::to(owner.clone()), Format::TELEPHONE_L16).await?;
        for _ in 0..100 {
            call.push_samples(&[0; 160])?;
        }
        call.finish().await?;
        let store = node.store().ok_or("a central node has a store")?;
        let id = store.list(&owner).await?.first().ok_or("a message")?.head.id;
        store.mark_old(&owner, id).await?;
        println!("{}", receive(&listener, &secret).await?);
        store.remove(&owner, id).await?;
        println!("{}", receive(&listener, &secret).await?);

        let forged = HttpRequest::post(format!("http://{address}/voicemail").parse()?, policy, "{}")
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", Utc::now().timestamp().to_string())
            .header("webhook-signature", WebhookSecret::random().sign("msg_1", Utc::now().timestamp(), b"{}"));
        let (sent, received) = tokio::join!(client.send(forged), receive(&listener, &secret));
        println!("{}", received?);
        assert_eq!(sent?.status, 401);

        let own = HttpRequest::post("https://169.254.169.254/".parse()?, TargetPolicy::default(), "{}");
        let refused = client.send(own).await.err().and_then(|error| error.source().map(ToString::to_string));
        println!("not sent to https://169.254.169.254/: {}", refused.ok_or("a refusal")?);
        Ok::<(), Box<dyn Error>>(())
    };
    tokio::select! {
        ended = story => ended?,
        () = reports => {}
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

/// Receives one request, checks its signature, and answers.
async fn receive(listener: &TcpListener, secret: &WebhookSecret) -> Result<String, Box<dyn Error>> {
    let (mut stream, _) = listener.accept().await?;
    let (head, body) = read(&mut stream).await?;
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value)).unwrap_or_default()
    };
    let headers = SignedHeaders::new(field("webhook-id"), field("webhook-timestamp"), field("webhook-signature"));
    let (status, line) = match secret.verify(headers, body.as_bytes(), Utc::now()) {
        Ok(()) => {
            let kind = body.split('"').nth(3).unwrap_or_default();
            let data = body.split_once("\"data\":").map_or("", |(_, data)| data.strip_suffix('}').unwrap_or(data));
            ("204 No Content", format!("accepted {kind} {data}"))
        }
        Err(fault) => ("401 Unauthorized", format!("refused a request of a stranger: {fault}")),
    };
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
    Ok(line)
}

/// Reads the head and the body of a request.
async fn read(stream: &mut TcpStream) -> Result<(String, String), Box<dyn Error>> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Ok((head.to_owned(), body.to_owned()));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err("the request has ended too early".into());
        }
    }
}

/// The network of one PBX with one mailbox.
fn network(webhook: Webhook) -> Result<(Network, MailboxId), Box<dyn Error>> {
    let owner: MailboxId = "2041".parse()?;
    let london = Site::builder("london".parse()?, VoicemailType::Central, voicemail::chrono_tz::Europe::London)
        .node("vm.example".parse()?)
        .time(TimeSource::Sntp(vec!["ntp.example".parse()?]))
        .licence(LicenceClass::Voicemail)
        .ports(8)
        .mailbox(Mailbox::new(owner.clone()));
    Ok((Network::builder("voicemail.example").site(london).webhook(webhook).build()?, owner))
}

async fn open_node(network: Network, owner: &MailboxId, webhooks: &Webhooks, folder: &Path) -> Result<Node, Box<dyn Error>> {
    let address: NodeAddress = "vm.example".parse()?;
    let node = Node::builder(address, network.clone(), network.directory(), folder.join("spool"))
        .store(MemoryStore::new([owner.clone()]))
        .sink(LogSink)
        // Each network that the node adopts brings its web hooks.
        .observe_network(webhooks.clone())
        .open();
    Ok(node.await?)
}
