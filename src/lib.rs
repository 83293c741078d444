//! Voicemail for PBXs: record at any site, forward by SMTP over TLS, keep in mailboxes, light the lamps.
//!
//! ```text
//! caller → Recording → Message → Spool → Forwarder ══ SMTP/TLS ══ Intake → MessageStore → Summary → MwiSink → lamp
//!          └──────── distributed node, at a site ───────┘        └──────── central node, for all ────────┘
//! ```
//!
//! A company has PBXs at many sites. One *central* node keeps all mailboxes and lights all lamps. A remote site may have a
//! *distributed* node: it records there, and forwards each finished message to the central node. This crate is the engine of both, for
//! programs that have calls. A first program:
//!
#![cfg_attr(feature = "node", doc = "```")]
#![cfg_attr(not(feature = "node"), doc = "```ignore")]
//! use voicemail::audio::Format;
//! use voicemail::mwi::LogSink;
//! use voicemail::network::{LicenceClass, Mailbox, NodeAddress, Site, TimeSource, VoicemailType};
//! use voicemail::record::CallFacts;
//! use voicemail::store::MaildirStore;
//! use voicemail::{MailboxId, MessageStore as _, Network, Node};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (address, owner): (NodeAddress, MailboxId) = ("vm.example".parse()?, "2041".parse()?);
//! let london = Site::builder("london".parse()?, VoicemailType::Central, chrono_tz::Europe::London)
//!     .node(address.clone())
//!     .time(TimeSource::Sntp(vec!["ntp.example".parse()?]))
//!     .licence(LicenceClass::Voicemail)
//!     .ports(8)
//!     .mailbox(Mailbox::new(owner.clone()));
//! let network = Network::builder("voicemail.example").site(london).build()?;
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let store = MaildirStore::builder(folder.join("mailboxes")).directory(network.directory()).open().await?;
//! let node = Node::builder(address, network.clone(), network.directory(), folder.join("spool"))
//!     .store(store)
//!     .sink(LogSink)
//!     .open()
//!     .await?;
//! let mut call = node.record(&"london".parse()?, CallFacts::to(owner.clone()), Format::TELEPHONE_L16).await?;
//! for _ in 0..100 {
//!     call.push_samples(&[0; 160])?; // 20 ms from the media thread
//! }
//! let kept = call.finish().await?; // on stable storage
//! assert_eq!(kept.length.as_secs(), 2);
//! assert_eq!(node.store().unwrap().summary(&owner).await?.to_string(), "1/0 (0/0)");
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//!
//! Each module uses only those above it in this table.
//!
//! | module | what is in it |
//! |---|---|
//! | [`retry`] | when a failed attempt is made again, and how often a changing state is shown |
//! | [`disk`] | the few operations of a file system that spool and Maildir store use: the trait [`Disk`](disk::Disk) |
//! | [`message`] | message, mailbox, caller, language, summary, stamp; values only |
//! | [`audio`] | types of sound: length, format, and decoding to frames for a call; RTP packets, speech and silence |
//! | [`clock`] | the trait [`Clock`](clock::Clock) and its implementations |
//! | [`sent`] | the messages that owners have sent and follow: the trait [`SentStore`](sent::SentStore) |
//! | [`rules`] | what owners want by mail when a message arrives: rules as data, and the trait [`RuleStore`](rules::RuleStore) |
//! | [`directory`] | the trait [`Directory`](directory::Directory): the owner of a mailbox, how much it may hold, and distribution lists |
//! | [`greeting`] | greetings that owners have recorded for their callers, and their spoken names, on disk |
//! | [`mwi`] | the trait [`MwiSink`](mwi::MwiSink), its implementations, and the router that finds the PBX of a lamp |
//! | [`wire`] | a message as an Internet message, and back |
//! | `sip` | lamps by SIP: a sink that sends unsolicited NOTIFYs, a notifier for telephones that subscribe, and the protocol |
//! | [`smtp`] | SMTP as state machines without sockets: replies, commands, SASL, client and server |
//! | [`http`] | requests to other systems, and the servers that they may go to |
//! | [`store`] | the trait [`MessageStore`] and its implementations |
//! | [`event`] | the events of a node, such as a message kept, forwarded or stored |
//! | [`telephone`] | the dialogues with owners and callers as state machines; keys as data; PINs and lockouts, in memory or on disk |
//! | [`voice`] | prompts as sound: the trait [`Voice`](voice::Voice), sound packs, and the English text of each prompt |
//! | [`forward`] | the trait [`Forwarder`](forward::Forwarder) and its implementations |
//! | [`intake`] | the SMTP receiver, which stores messages in mailboxes |
//! | `metrics` | events as counters, gauges and histograms for an exporter |
//! | [`network`] | the PBXs, the node, role and licences of each, and the rules for them |
//! | [`spool`] | messages that wait to be forwarded, on disk |
//! | [`retrieval`] | services for owners: pass a message on, answer it, send a new one, copy it by e-mail, send a receipt |
//! | [`jobs`] | the trait [`JobStore`](jobs::JobStore): work that must be done although processes die; and jobs in a folder |
//! | [`outbox`] | receipts and copies by e-mail that wait to be sent |
//! | [`arrival`] | steps that a node does by itself for each message that it has stored |
//! | [`record`] | recordings of calls, which become messages on stable storage |
//! | [`node`] | a node of the network, made of all modules above |
//! | [`call`] | the conversation with a caller or an owner on the telephone: [`CallDriver`](call::CallDriver), and the trait [`CallLeg`](call::CallLeg) that joins it to a PBX |
//! | [`conformance`] | a test suite for each trait, for integrators who implement one |
//! | [`fuzz`] | functions for a fuzzer, one for each reader of untrusted bytes |
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | none of them | | the values in `message`, `audio`, the traits of store, forwarder, sink, clock and directory, the network's rules |
//! | `memory` | | for tests: stores and forwarders in memory, `ManualClock`, `ChannelSink` |
//! | `wire` | yes | `wire`, `retrieval`, `telephone`, `voice` |
//! | `fs` | yes | `disk`, `MaildirStore`, `GreetingFolder`, `PinFolder`, `SoundPack` |
//! | `smtp` | yes | `smtp`, `SmtpForwarder`, `intake` |
//! | `node` | yes | `spool`, `record`, `jobs`, `outbox`, `node`, `call`; turns on `fs` and `smtp` |
//! | `sip` | | `sip`: `SipSink`, `SipNotifier` |
//! | `sip-tls` | | SIP over TLS, for both |
//! | `sip-dns` | | finds the servers of a SIP domain by NAPTR and SRV records |
//! | `sntp` | | `SntpClock` |
//! | `http-client` | | `http::HttpClient`, and with it web hooks, and transcripts by a server |
//! | `program` | | transcripts by a program that is run for each message |
//! | `metrics` | | `metrics`: what happens, as counters, gauges and histograms |
//! | `serde` | | reads a network description |
//! | `conformance` | | `conformance`, `fuzz`; with `fs`, `disk::FaultyDisk` and `disk::PowerCutDisk`; turns on `memory` |
//!
//! # Guarantees
//!
//! The module `guarantees` lists what the crate promises, with the tests that show it, and its limits.
//!
//! # Left to others
//!
//! Signalling: the PBX accepts, transfers and ends calls, and negotiates their codecs; its [`CallLeg`](call::CallLeg) is all that
//! [`CallDriver`](call::CallDriver) needs of it. Recorded words: a
//! [sound pack](voice::Voice) or text-to-speech has them, and none come with the crate. Stored sound is never transcoded; sound that is
//! played to a call is decoded. A [`Directory`](directory::Directory) says who owns a mailbox. The crate starts no tasks that outlive their future and installs no global state. It logs by `tracing`, and its logs
//! contain neither callers nor the content of messages.
//!
//! # Standards
//!
//! SMTP: RFC 5321, 1870 (SIZE), 2034 and 3463 (enhanced codes), 2920 (pipelining), 3030 (BDAT), 3207 (STARTTLS), 4616, 4954, 5802,
//! 7628 and 7677 (AUTH), 6152 (8BITMIME), 8314 (implicit TLS). Messages: RFC 5322, 2045 to 2047 (MIME), 3458 (Message-Context), 3801 (VPIM), 3803 (Content-Duration), 3939
//! (caller), 4239 (Internet voice messaging), 9557 (stamps with zones). Lamps: RFC 3842, 3261
//! (SIP), 3263 (servers), 3581 (rport), 5630 and 5922 (SIP over TLS), 6665 (events), 7616 and 8760 (digest). Calls: RFC 3550 and 3551
//! (RTP), 3389 (comfort noise), 4733 (keys), 4961 (one port for both directions), 5806 (diversion), 5646 (languages).
//! Other systems: RFC 9110 and 9112 (HTTP), Standard Webhooks 1.0.0.
//! Sound: ITU-T G.711, G.726; ETSI EN 300 961 (GSM 06.10).

// Compiles the README's program with the tests.
#[cfg(all(doctest, feature = "node", feature = "serde"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(feature = "node")]
pub mod arrival;
pub mod audio;
#[cfg(feature = "node")]
pub mod call;
pub mod clock;
#[cfg(any(test, doc, feature = "conformance"))]
pub mod conformance;
#[cfg(any(feature = "smtp", feature = "sip"))]
mod descriptors;
pub mod directory;
#[cfg(feature = "fs")]
pub mod disk;
mod error_chain;
#[cfg(any(feature = "fs", feature = "smtp", feature = "metrics"))]
pub mod event;
pub mod forward;
#[cfg(all(any(test, doc, feature = "conformance"), feature = "wire"))]
pub mod fuzz;
pub mod greeting;
#[cfg(doc)]
pub mod guarantees;
#[cfg(feature = "node")]
pub mod http;
#[cfg(feature = "smtp")]
pub mod intake;
#[cfg(feature = "node")]
pub mod jobs;
mod lock;
pub mod message;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod mwi;
pub mod network;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "node")]
pub mod outbox;
mod pages;
#[cfg(feature = "node")]
pub mod record;
#[cfg(feature = "wire")]
pub mod retrieval;
pub mod retry;
pub mod rules;
pub mod sent;
#[cfg(feature = "sip")]
pub mod sip;
pub mod smtp;
#[cfg(feature = "node")]
pub mod spool;
mod static_asserts;
pub mod store;
#[cfg(feature = "wire")]
pub mod telephone;
#[cfg(feature = "wire")]
pub mod voice;
#[cfg(feature = "wire")]
pub mod wire;

pub use self::error_chain::error_chain;
pub use self::message::{MailboxId, Message};
pub use self::network::Network;
#[cfg(feature = "node")]
pub use self::node::Node;
pub use self::store::MessageStore;

// The crates whose types stand in this crate's signatures, in the versions that it uses.
pub use bytes;
pub use chrono;
pub use chrono_tz;
#[cfg(any(feature = "smtp", feature = "sip-tls"))]
pub use tokio_rustls::rustls;
