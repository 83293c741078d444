//! Sends an owner the mails that the rules want, to a mail server of its own, and prints what the owner gets.
//!
//! Run: `cargo run --example mail_on_arrival`. You will see two mails: a copy with the sound, after which the message counts as heard, and an alert. With
//! `-- FILE`, the rules are those of the file, in the form of `voicemail::rules`: try a file with `content fax`. You will see which line is wrong, and
//! exit status 1.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use voicemail::arrival::mail::{MailStep, OwnerRules};
use voicemail::arrival::{ArrivalStep as _, Arrived, StepRun};
use voicemail::clock::{Clock as _, SystemClock};
use voicemail::directory::{Owner, StaticDirectory};
use voicemail::forward::SmtpForwarder;
use voicemail::forward::smtp::Security;
use voicemail::message::{Audio, AudioType, Caller, CallerName, MailboxId, Message, Origin, RecordedAt, Urgency};
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
when urgent
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let text = std::env::args().nth(1).map_or(Ok(RULES.to_owned()), std::fs::read_to_string)?;
    let mut owner = Owner::new("berlin".parse()?, chrono_tz::Europe::Berlin);
    owner.email = Some("anna@example.com".parse()?);
    owner.rules = ArrivalRules::from_text(&text)?;
    let mailbox: MailboxId = "2041".parse()?;
    let directory: StaticDirectory = [(mailbox.clone(), owner)].into_iter().collect();

    let server = TcpListener::bind("127.0.0.1:0").await?;
    let out = SmtpForwarder::builder(server.local_addr()?.to_string(), "voicemail.example").node("central.voicemail.example");
    let out = out.security(Security::PlainText).build()?; // it stays on this machine
    let from = "voicemail@voicemail.example".parse()?;
    let step = MailStep::builder(OwnerRules::new(directory), out, from).node("central.voicemail.example").build();

    let store = MemoryStore::new([mailbox.clone()]);
    let now = SystemClock.now();
    let recorded_at = RecordedAt::new(now.instant, chrono_tz::Europe::London, now.quality);
    let message = Message::builder(Audio::new(AudioType::Basic, vec![0xff; 4 * 8000]), recorded_at)
        .caller(Caller::new("+493023125014".parse().ok(), CallerName::cleaned("Jürgen Groß")))
        .urgency(Urgency::Urgent)
        .length(Duration::from_secs(4));
    let message = message.build();
    store.deposit(&mailbox, &Origin::Here, &message).await?;

    tokio::spawn(async move {
        while let Ok((client, _)) = server.accept().await {
            tokio::spawn(receive(client));
        }
    });
    let (arrived, name) = (Arrived::new(mailbox.clone(), message.id(), now.instant), step.name());
    for part in step.parts(&arrived, &store).await? {
        let outcome = step.run(&StepRun::new(&name, &part, &arrived, &store, now.instant)).await?;
        println!("{part}: {outcome:?}\n");
    }
    println!("mailbox {mailbox}: {} (new/old, and urgent ones)", store.summary(&mailbox).await?);
    Ok(())
}

/// A mail server that accepts every mail and prints the first 30 lines.
async fn receive(client: TcpStream) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    client.write_all(b"220 mail.example\r\n").await?;
    let (mut line, mut lines, mut is_mail) = (String::new(), 0, false);
    while client.read_line(&mut line).await? > 0 {
        let reply = match line.trim_end() {
            "." if is_mail => Some("250 2.0.0 accepted"),
            text if is_mail => {
                lines += 1;
                if lines <= 30 {
                    println!("    {text}");
                }
                None
            }
            "DATA" => Some("354 go on"),
            "QUIT" => Some("221 2.0.0 bye"),
            _ => Some("250 2.0.0 yes"),
        };
        is_mail = line.starts_with("DATA") || (is_mail && line.trim_end() != ".");
        if !is_mail {
            lines = 0;
        }
        if let Some(reply) = reply {
            client.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
        line.clear();
    }
    Ok(())
}
