//! A central node sends an owner the mails that the rules want, to a mail server of this example, which prints them.
//!
//! Run: `cargo run --example mail_on_arrival`. You will see two mails for one message: a copy with the sound, after which the message counts as heard, and an
//! alert; then `mailbox 2041: 0/1 (0/0)`. With `-- FILE`, the rules are those of the file, in the form of `voicemail::rules`: for `content fax` you
//! will see which line is wrong, and exit status 1.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use voicemail::arrival::mail::OwnerRules;
use voicemail::event::Event;
use voicemail::forward::SmtpForwarder;
use voicemail::forward::smtp::Security;
use voicemail::message::{Caller, CallerName, MailboxId};
use voicemail::mwi::LogSink;
use voicemail::network::{LicenceClass, Mailbox, Network, NodeAddress, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::rules::ArrivalRules;
use voicemail::store::{MemoryStore, MessageStore as _};

const RULES: &str = "\
voicemail rules 1

rule office
content copy
then heard

rule mobile
content alert
to +4915112345678@sms.example
";

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", voicemail::error_chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let text = std::env::args().nth(1).map_or(Ok(RULES.to_owned()), std::fs::read_to_string)?;
    let rules = ArrivalRules::from_text(&text)?;
    let mailbox: MailboxId = "2041".parse()?;
    let (address, network) = network(&mailbox, rules)?;
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let out = SmtpForwarder::builder(server.local_addr()?.to_string(), network.domain()).node(address.as_str());
    let out = out.security(Security::PlainText).build()?; // it stays on this machine
    let (spool, store) = (tempfile::tempdir()?, Arc::new(MemoryStore::new([mailbox.clone()])));
    let node = Node::builder(address, network.clone(), network.directory(), spool.path())
        .store(Arc::clone(&store))
        .sink(LogSink)
        .mail_owners(OwnerRules::new(network.directory()), out)
        .open()
        .await?;
    let mut events = node.events();
    let events_of_a_call = async {
        let caller = Caller::new("+493023125014".parse().ok(), CallerName::cleaned("Jürgen Groß"));
        let facts = CallFacts::to(mailbox.clone()).caller(caller);
        let sound = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/recordings/vm01.wav"))?;
        node.deposit_wav(&"berlin".parse()?, facts, sound.into()).await?;
        for _ in 0..network.owner(&mailbox).map_or(0, |owner| owner.rules.len()) {
            while !matches!(events.recv().await?.event, Event::StepDone { .. } | Event::StepGivenUp { .. }) {}
        }
        println!("mailbox {mailbox}: {}", store.summary(&mailbox).await?);
        Ok::<_, Failure>(())
    };
    tokio::select! {
        result = events_of_a_call => result,
        ran = node.run(std::future::pending()) => Ok(ran?),
        ran = serve(server) => Ok(ran?),
    }
}

/// One PBX, whose node this is, with one mailbox.
fn network(mailbox: &MailboxId, rules: ArrivalRules) -> Result<(NodeAddress, Network), Failure> {
    let address: NodeAddress = "central.voicemail.example".parse()?;
    let berlin = Site::builder("berlin".parse()?, VoicemailType::Central, chrono_tz::Europe::Berlin)
        .node(address.clone())
        .time(TimeSource::Sntp(vec!["ntp.example".parse()?]))
        .licence(LicenceClass::Voicemail)
        .ports(8)
        .rules(rules)
        .mailbox(Mailbox::new(mailbox.clone()).with_email("anna@example.com".parse()?));
    Ok((address, Network::builder("voicemail.example").site(berlin).build()?))
}

async fn serve(server: TcpListener) -> std::io::Result<()> {
    loop {
        let (client, _) = server.accept().await?;
        tokio::spawn(receive(client));
    }
}

/// A mail server that accepts every mail and prints its beginning.
async fn receive(client: TcpStream) -> std::io::Result<()> {
    let (mut client, mut line, mut mail) = (BufReader::new(client), String::new(), None);
    client.write_all(b"220 mail.example\r\n").await?;
    while client.read_line(&mut line).await? > 0 {
        let reply = match (line.trim_end(), &mut mail) {
            (".", Some(lines)) => {
                let lines: &mut Vec<String> = lines;
                println!("{}\n    ..\n", lines[..lines.len().min(36)].join("\n"));
                mail = None;
                "250 2.0.0 accepted\r\n"
            }
            (text, Some(lines)) => {
                lines.push(format!("    {text}"));
                ""
            }
            ("DATA", None) => {
                mail = Some(Vec::new());
                "354 go on\r\n"
            }
            ("QUIT", None) => "221 2.0.0 bye\r\n",
            (_, None) => "250 2.0.0 yes\r\n",
        };
        client.write_all(reply.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}
