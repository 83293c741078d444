//! The client's state machine against the server's, without sockets and clocks: the bytes between them are cut, delayed and lost at every
//! byte.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use encodify::base64::STANDARD;

use super::client::{
    BodyFraming, Client, ClientError, Envelope, Event, FirstLine, MessageNumber, NoStartTls, OpeningGoal, Output, Pipelining,
    SendResult, Timeouts,
};
use super::dot_stuffing::DotStuffing;
use super::extensions::{Extensions, SizeLimit};
use super::sasl::client::{ClientExchange, Secret};
use super::sasl::{Mechanism, NONCE_LEN, SERVER_MECHANISMS, scram};
use super::server::{
    Access, Action, Delivery, Dialogue, KnownPeer, Limits, LoginAttempt, LoginOutcome, LoginPermit, Lookup, MemoryGrant, Peer,
    PeerName, Policy, Recipient, Sites, Spill, StoredPassword,
};
use super::{BodyType, Outcome, Reply};
use crate::message::{Origin, TlsVersion};

/// One session, and the outcome that it must have without a disturbance.
struct Scenario {
    name: &'static str,
    policy: Policy,
    goal: OpeningGoal,
    /// The mechanism that the client uses, and its password.
    login: Option<(Mechanism, &'static str)>,
    /// Chooses the extensions that the client uses.
    offered: fn(Extensions) -> Extensions,
    pipelining: Pipelining,
    /// The recipients and the content of each message.
    messages: Vec<(&'static [&'static str], Bytes)>,
    /// Commands that the client must have sent, in this order.
    commands: &'static [&'static str],
    /// The outcomes of each message.
    outcomes: &'static [&'static str],
}

/// A disturbance of the connection.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    /// None: all bytes arrive at once.
    Nothing,
    /// This many bytes arrive at a time.
    Pieces(usize),
    /// The bytes before this one arrive first, and those from it on after both sides have acted on them.
    Split(Direction, usize),
    /// The connection is closed instead of carrying this byte; a client may notice by a write that fails.
    Close(Direction, usize, Noticed),
    /// From this byte on, neither side gets anything.
    Silence(Direction, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noticed {
    Reading,
    Writing,
}

/// One direction of the connection.
#[derive(Default)]
struct Pipe {
    waiting: VecDeque<u8>,
    delivered: Vec<u8>,
}

impl Pipe {
    fn deliver(&mut self, len: usize) -> Vec<u8> {
        let bytes: Vec<u8> = self.waiting.drain(..len).collect();
        self.delivered.extend_from_slice(&bytes);
        bytes
    }
}

/// The result of a message, and how many bytes had arrived at the client when it was known.
type MessageResult = (Result<Vec<Outcome>, ClientError>, usize);

/// Both state machines, and the connection between them.
struct Pair<'a> {
    scenario: &'a Scenario,
    disturbance: Disturbance,
    start: Instant,
    now: Instant,
    client: Client,
    /// The extensions that the client uses.
    extensions: Extensions,
    server: Dialogue,
    server_input: BytesMut,
    to_server: Pipe,
    to_client: Pipe,
    /// The positions of the messages among the bytes to the server, with the dot that ends them.
    bodies: Vec<Range<usize>>,
    stored: Vec<Delivery>,
    /// The result of each message, and how many bytes had arrived at the client then.
    results: Vec<Option<MessageResult>>,
    /// The error that ended the connection outside of a transaction.
    failure: Option<ClientError>,
    client_ended: Option<Instant>,
    server_ended: Option<Instant>,
}

const TIMEOUTS: fn() -> Timeouts = || Timeouts {
    greeting: Duration::from_secs(11),
    command: Duration::from_secs(13),
    block: Duration::from_secs(3),
    end_of_data: Duration::from_secs(17),
    ..Timeouts::default()
};
const COMMAND_TIME: Duration = Duration::from_secs(200);
const COMMAND_LINE_TIME: Duration = Duration::from_secs(40);
/// The time that the minimum rate allows for messages of less than 256 bytes.
const BODY_TIME: Duration = Duration::from_secs(60);

impl<'a> Pair<'a> {
    fn new(scenario: &'a Scenario, disturbance: Disturbance) -> Self {
        let start = Instant::now();
        let address = Some([192, 0, 2, 7].into());
        Self {
            scenario,
            disturbance,
            start,
            now: start,
            client: Client::new("edge.example", FirstLine::Greeting, scenario.goal, TIMEOUTS(), start),
            extensions: Extensions::default(),
            server: Dialogue::new(Arc::new(scenario.policy.clone()), Peer { address, ..Peer::default() }, start),
            server_input: BytesMut::new(),
            to_server: Pipe::default(),
            to_client: Pipe::default(),
            bodies: Vec::new(),
            stored: Vec::new(),
            results: scenario.messages.iter().map(|_| None).collect(),
            failure: None,
            client_ended: None,
            server_ended: None,
        }
    }

    /// Runs the session until nothing more can happen.
    fn run(mut self) -> Self {
        self.server.handle_time(self.now);
        self.exchange();
        match self.disturbance {
            Disturbance::Close(direction, _, noticed) if self.is_disturbed() => self.close(direction, noticed),
            Disturbance::Silence(..) if self.is_disturbed() => self.wait_for_both(),
            _ => {}
        }
        self
    }

    /// Carries bytes in both directions as long as any may pass.
    fn exchange(&mut self) {
        loop {
            self.act();
            let pieces = [Direction::ToServer, Direction::ToClient].map(|direction| (direction, self.passing(direction)));
            if pieces.iter().all(|(_, len)| *len == 0) {
                return;
            }
            for (direction, _) in pieces {
                let len = self.passing(direction);
                self.deliver(direction, len);
                self.act();
            }
        }
    }

    fn deliver(&mut self, direction: Direction, len: usize) {
        match direction {
            Direction::ToServer => {
                let bytes = self.to_server.deliver(len);
                self.server_input.extend_from_slice(&bytes);
            }
            Direction::ToClient => {
                let bytes = self.to_client.deliver(len);
                if !bytes.is_empty() {
                    self.client.handle_input(&bytes, self.now);
                }
            }
        }
    }

    /// Returns how many bytes may pass at once.
    fn passing(&self, direction: Direction) -> usize {
        let pipe = self.pipe(direction);
        let (waiting, delivered) = (pipe.waiting.len(), pipe.delivered.len());
        match self.disturbance {
            Disturbance::Pieces(len) => len.min(waiting),
            Disturbance::Split(at, byte) if at == direction && delivered < byte => waiting.min(byte - delivered),
            Disturbance::Close(..) | Disturbance::Silence(..) if self.is_disturbed() => 0,
            Disturbance::Close(at, byte, _) | Disturbance::Silence(at, byte) if at == direction => waiting.min(byte - delivered),
            Disturbance::Nothing | Disturbance::Split(..) | Disturbance::Close(..) | Disturbance::Silence(..) => waiting,
        }
    }

    fn pipe(&self, direction: Direction) -> &Pipe {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// Whether the connection has reached the byte from which it is closed or silent.
    fn is_disturbed(&self) -> bool {
        match self.disturbance {
            Disturbance::Close(at, byte, _) | Disturbance::Silence(at, byte) => self.pipe(at).delivered.len() == byte,
            Disturbance::Nothing | Disturbance::Pieces(_) | Disturbance::Split(..) => false,
        }
    }

    /// Lets both sides do all that they can with the bytes that have arrived.
    fn act(&mut self) {
        self.serve();
        self.drive_client();
        if self.client.is_closed() {
            self.client_ended.get_or_insert(self.now);
        }
        if self.server.is_closed() {
            self.server_ended.get_or_insert(self.now);
        }
    }

    fn drive_client(&mut self) {
        loop {
            while let Some(output) = self.client.poll_output() {
                match output {
                    Output::Bytes(bytes) => self.to_server.waiting.extend(&bytes),
                    Output::Body(number, framing) => self.send_body(number, framing),
                }
                self.client.handle_sent(true, self.now);
            }
            let Some(event) = self.client.poll_event() else { return };
            self.handle_event(event);
        }
    }

    fn send_body(&mut self, number: MessageNumber, framing: BodyFraming) {
        let content = &self.scenario.messages[usize::try_from(number).unwrap()].1;
        let begin = self.to_server.delivered.len() + self.to_server.waiting.len();
        match framing {
            BodyFraming::Chunk => self.to_server.waiting.extend(content),
            BodyFraming::Dots => {
                let mut stuffing = DotStuffing::default();
                stuffing.push(content, |part| self.to_server.waiting.extend(&part));
                self.to_server.waiting.extend(&stuffing.end());
            }
        }
        self.bodies.push(begin..self.to_server.delivered.len() + self.to_server.waiting.len());
        self.client.handle_body_sent(number, self.now);
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Opened(extensions) => {
                self.extensions = (self.scenario.offered)(extensions);
                if let Some((mechanism, password)) = self.scenario.login {
                    assert!(extensions.auth.contains(mechanism));
                    let secret = Secret::Password { user: "berlin".to_owned(), password: password.to_owned() };
                    self.client.authenticate(ClientExchange::new(mechanism, secret, [9; NONCE_LEN]), self.now);
                } else {
                    self.send_messages();
                }
            }
            Event::Authenticated => self.send_messages(),
            // TLS itself is not part of the test: the bytes pass unchanged.
            Event::TlsReady => {
                self.client = Client::new("edge.example", FirstLine::Ehlo, OpeningGoal::Messages, TIMEOUTS(), self.now);
            }
            Event::Done(number, SendResult { outcomes, .. }) => {
                let result = &mut self.results[usize::try_from(number).unwrap()];
                assert!(result.is_none(), "message {number} ended twice");
                *result = Some((outcomes, self.to_client.delivered.len()));
                if self.results.iter().all(Option::is_some) {
                    self.client.quit(self.now);
                }
            }
            Event::Failed(error) | Event::NoStartTls(NoStartTls::Failed(error)) => self.failure = Some(error),
            Event::NoStartTls(reason @ (NoStartTls::NotOffered | NoStartTls::Declined(_))) => panic!("{reason:?}"),
            Event::Alive => panic!("the test sends no NOOP"),
        }
    }

    fn send_messages(&mut self) {
        for (number, (to, content)) in (0..).zip(&self.scenario.messages) {
            let envelope = Envelope {
                from: Some("voicemail@edge.example".parse().unwrap()),
                to: to.iter().map(|to| format!("{to}@vm.example").parse().unwrap()).collect(),
                size: content.len(),
                body: BodyType::Text,
                report_id: None,
            };
            self.client.send(number, envelope, self.extensions, self.scenario.pipelining, self.now);
        }
    }

    fn serve(&mut self) {
        loop {
            self.server.handle_input(&mut self.server_input, self.now);
            let action = self.server.poll_action();
            self.to_client.waiting.extend(self.server.poll_output().into_iter().flatten());
            match action {
                Some(Action::LookUp(Recipient::Mailbox(mailbox), _)) => {
                    let lookup = match mailbox.as_str() {
                        "201" | "202" => Lookup::Found,
                        "666" => Lookup::Failed,
                        _ => Lookup::NotFound,
                    };
                    self.server.handle_lookup(lookup, self.now);
                }
                Some(Action::Reserve) => {
                    let at = "2025-03-30T00:59:40Z".parse().unwrap();
                    self.server.handle_memory_grant(MemoryGrant::Granted { at }, self.now);
                }
                Some(Action::Spill(bytes)) => self.server.handle_spill(Spill::NoPlace(bytes), self.now),
                Some(Action::PermitLogin) => {
                    self.server.handle_login_permit(LoginPermit::Granted { nonce: [7; NONCE_LEN] }, self.now);
                }
                Some(Action::CheckLogin(attempt)) => {
                    let outcome = checked(attempt).map_or(LoginOutcome::Refused, LoginOutcome::Proven);
                    self.server.handle_login(outcome, self.now);
                }
                Some(Action::Store(delivery)) => {
                    let full = delivery.mail.windows(FULL.len()).any(|word| word == FULL);
                    let reply = if full { Reply::new(452, "4.2.2 full") } else { Reply::new(250, "2.0.0 kept") };
                    if !full {
                        self.stored.push(delivery);
                    }
                    self.server.handle_stored(&reply, self.now);
                }
                Some(Action::StartTls) => self.server.handle_tls(TlsVersion::V1_3, Origin::Unproven, self.now),
                Some(Action::LookUp(Recipient::Postmaster | Recipient::NodeSender | Recipient::ReturnPath(_), _)) => {
                    panic!("no message is for it")
                }
                Some(Action::Close) | None => return,
            }
        }
    }

    /// Closes the connection; the bytes of the other direction still arrive.
    fn close(&mut self, direction: Direction, noticed: Noticed) {
        if noticed == Noticed::Writing {
            self.client.handle_write_failure("broken pipe", self.now);
        }
        let other = match direction {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        };
        self.deliver(other, self.pipe(other).waiting.len());
        self.act();
        self.client.handle_end("the connection was closed");
        self.drive_client();
    }

    /// Lets time pass until each side has ended the session by itself.
    fn wait_for_both(&mut self) {
        loop {
            let client_due = self.client.poll_timeout().filter(|_| !self.client.is_closed());
            let server_due = self.server.poll_timeout().filter(|_| !self.server.is_closed());
            let Some(due) = client_due.into_iter().chain(server_due).min() else { return };
            self.now = due;
            self.client.handle_timeout(due);
            self.server.handle_time(due);
            self.act();
        }
    }

    /// Returns the outcomes of each message as text, `?` where the client does not know them.
    fn outcomes(&self) -> Vec<String> {
        let show = |outcome: &Outcome| match outcome {
            Outcome::Accepted | Outcome::Relayed => "accepted".to_owned(),
            Outcome::Deferred(reply) => format!("deferred {}", reply.code),
            Outcome::Refused(reply) => format!("refused {}", reply.code),
        };
        let result = |result: &Option<MessageResult>| match result {
            Some((Ok(outcomes), _)) => outcomes.iter().map(show).collect::<Vec<_>>().join(", "),
            Some((Err(ClientError::Refused { reply, .. }), _)) => format!("refused {}", reply.code),
            Some((Err(_), _)) | None => "?".to_owned(),
        };
        self.results.iter().map(result).collect()
    }

    /// Checks that the server has each message whole or not at all, and that the client's outcomes say the same as far as it knows them.
    fn assert_outcomes_are_true(&self) {
        let context = || format!("{}: {:?}: {:?}", self.scenario.name, self.disturbance, self.results);
        let contents: Vec<&[u8]> = self.stored.iter().map(|delivery| without_trace(&delivery.mail)).collect();
        for content in &contents {
            assert!(self.scenario.messages.iter().any(|(_, whole)| whole == content), "not a whole message: {}", context());
        }
        for ((to, whole), result) in self.scenario.messages.iter().zip(&self.results) {
            for (nth, to) in to.iter().enumerate() {
                let has = |(delivery, content): &(&Delivery, &&[u8])| {
                    *content == whole && delivery.mailboxes.iter().any(|mailbox| mailbox.as_str() == *to)
                };
                let copies = self.stored.iter().zip(&contents).filter(has).count();
                let known = match result {
                    Some((Ok(outcomes), _)) => Some(outcomes[nth] == Outcome::Accepted),
                    Some((Err(ClientError::Refused { .. }), _)) => Some(false),
                    Some((Err(_), _)) | None => None,
                };
                assert!(copies <= 1, "stored {copies} times: {}", context());
                assert!(known.is_none_or(|accepted| accepted == (copies == 1)), "{to} has {copies}: {}", context());
            }
        }
    }

    /// Returns the step at which the client timed out, and after which time.
    fn client_timeout(&self) -> Option<(&'static str, Duration)> {
        let errors = self.results.iter().flatten().filter_map(|(result, _)| result.as_ref().err()).chain(&self.failure);
        let mut steps = errors.filter_map(|error| if let ClientError::TimedOut(step) = error { Some(*step) } else { None });
        Some((steps.next()?, self.client_ended? - self.start))
    }

    /// Returns how long the client must wait for the reply to `step`, by its timeouts.
    fn client_patience(&self, step: &str) -> Duration {
        let Timeouts { greeting, command, block, end_of_data, .. } = TIMEOUTS();
        let Extensions { pipelining, .. } = self.extensions;
        let at_once = pipelining && self.extensions.takes_chunks() && self.scenario.pipelining == Pipelining::On;
        match step {
            "greeting" => greeting,
            "end of data" => end_of_data + block,
            "MAIL" | "RCPT" | "RSET" if at_once => command + block,
            _ => command,
        }
    }

    /// Returns how long the server must wait for the next byte, by its limits.
    fn server_patience(&self) -> Duration {
        let len = self.to_server.delivered.len();
        let said: Vec<u8> = self.to_client.delivered.iter().chain(&self.to_client.waiting).copied().collect();
        // The last reply says that the time is over.
        let go_ahead = String::from_utf8(said).unwrap().lines().rev().nth(1).is_some_and(|line| line.starts_with("354 "));
        if go_ahead || self.bodies.iter().any(|body| body.contains(&len)) {
            BODY_TIME
        } else if len == 0 || self.to_server.delivered.ends_with(b"\r\n") || self.bodies.iter().any(|body| body.end == len) {
            COMMAND_TIME
        } else {
            COMMAND_LINE_TIME
        }
    }
}

/// Returns a message without the trace that the server has put before it.
fn without_trace(mail: &[u8]) -> &[u8] {
    const END: &[u8] = b"+0000\r\n";
    let end = mail.windows(END.len()).position(|word| word == END).unwrap();
    &mail[end + END.len()..]
}

thread_local! {
    static CHECKED: RefCell<Vec<(LoginAttempt, Option<PeerName>)>> = const { RefCell::new(Vec::new()) };
}

/// Checks a login attempt; the same attempt is checked only once, because a check takes milliseconds.
fn checked(attempt: LoginAttempt) -> Option<PeerName> {
    CHECKED.with_borrow_mut(|checked| {
        if let Some((_, peer)) = checked.iter().find(|(known, _)| *known == attempt) {
            return peer.clone();
        }
        let peer = attempt.clone().check();
        checked.push((attempt, peer.clone()));
        peer
    })
}

/// A stored password with the fewest iterations that a client accepts.
static PASSWORD: LazyLock<StoredPassword> = LazyLock::new(|| {
    let salted = scram::salted_password(b"correct horse", b"sixteen byte salt", NonZeroU32::new(4096).unwrap());
    let [salt, stored, server] =
        [&b"sixteen byte salt"[..], &scram::stored_key(&scram::client_key(&salted)), &scram::server_key(&salted)]
            .map(|bytes| STANDARD.encode(bytes));
    format!("SCRAM-SHA-256$4096:{salt}${stored}:{server}").parse().unwrap()
});

/// The store refuses a message that contains this: its mailbox is full.
const FULL: &[u8] = b"full";

/// The end of an envelope and the beginning of its message, sent together.
const ALL_AT_ONCE: &str = "RCPT TO:<201@vm.example>\r\nBDAT";

fn content(text: &str) -> Bytes {
    Bytes::from(format!("Subject: {text}\r\n\r\n.\r\n..a\r\n{text}\r\n"))
}

#[expect(clippy::too_many_lines, reason = "a table of scenarios")]
fn scenarios() -> Vec<Scenario> {
    let mut policy = Policy::new("vm1.example", "vm.example");
    policy.limits = Limits { command_time: COMMAND_TIME, command_line_time: COMMAND_LINE_TIME, message: 90, ..Limits::default() };
    policy.access = Access::anyone_anywhere();
    let plain = |name, offered, commands, outcomes| Scenario {
        name,
        policy: policy.clone(),
        goal: OpeningGoal::Messages,
        login: None,
        offered,
        pipelining: Pipelining::On,
        messages: vec![(&["201"], content("one"))],
        commands,
        outcomes,
    };
    let as_offered = |extensions| extensions;
    let three: Vec<(&[&str], _)> =
        vec![(&["201"], content("one")), (&["202", "201"], content("two")), (&["202"], content("three"))];
    let several: &[&str] = &["201", "999", "202", "666"];
    let big: Vec<(&[&str], _)> = vec![(&["201"], content(&"x".repeat(50))), (&["201"], content("after"))];
    let full: Vec<(&[&str], _)> = vec![(&["201"], content("full"))];
    let mut tls = policy.clone();
    tls.offers_tls = true;
    let with_login = |name, mechanism, password: &'static str, commands, outcomes| {
        let berlin = KnownPeer::new("berlin".parse().unwrap(), Sites::All).password(PASSWORD.clone());
        let access = Access::peers([berlin]).passwords_even_in_plain_text();
        let scenario = plain(name, |extensions| extensions, commands, outcomes);
        Scenario { policy: Policy { access, ..policy.clone() }, login: Some((mechanism, password)), ..scenario }
    };
    let mut scenarios = vec![
        Scenario {
            messages: three.clone(),
            ..plain(
                "pipelined with BDAT",
                as_offered,
                &[ALL_AT_ONCE, "MAIL", "RSET\r\nMAIL", "QUIT"],
                &["accepted", "accepted, accepted", "accepted"],
            )
        },
        Scenario {
            messages: three.clone(),
            pipelining: Pipelining::Off,
            ..plain(
                "BDAT after its envelope",
                as_offered,
                &["RCPT", "BDAT", "MAIL", "BDAT", "MAIL", "BDAT"],
                &["accepted", "accepted, accepted", "accepted"],
            )
        },
        Scenario {
            messages: three.clone(),
            ..plain(
                "DATA",
                Extensions::without_chunking,
                &["RCPT TO:<201@vm.example>\r\nDATA", "MAIL", "DATA", "MAIL"],
                &["accepted", "accepted, accepted", "accepted"],
            )
        },
        plain(
            "steps with BDAT",
            |extensions| Extensions { pipelining: false, ..extensions },
            &["MAIL", "RCPT", "BDAT", "QUIT"],
            &["accepted"],
        ),
        Scenario {
            messages: three,
            ..plain(
                "steps with DATA",
                |extensions| Extensions { pipelining: false, chunking: false, ..extensions },
                &["MAIL", "RCPT", "DATA"],
                &["accepted", "accepted, accepted", "accepted"],
            )
        },
        Scenario {
            messages: vec![(several, content("several"))],
            ..plain("several recipients with BDAT", as_offered, &[ALL_AT_ONCE_SEVERAL], &[EACH])
        },
        Scenario {
            messages: vec![(several, content("several"))],
            ..plain("several recipients with DATA", Extensions::without_chunking, &["DATA"], &[EACH])
        },
        Scenario {
            messages: vec![(&["999"], content("nobody"))],
            ..plain("no recipient with BDAT", as_offered, &["BDAT"], &["refused 550"])
        },
        Scenario {
            messages: vec![(&["999"], content("nobody"))],
            ..plain("no recipient with DATA", Extensions::without_chunking, &["DATA"], &["refused 550"])
        },
        Scenario {
            messages: big.clone(),
            ..plain(
                "too big by its SIZE",
                |extensions| Extensions { size: SizeLimit::Unlimited, ..extensions },
                &["SIZE=", "BDAT"],
                &["refused 552", "accepted"],
            )
        },
        Scenario {
            messages: big.clone(),
            ..plain(
                "too big when it has come by BDAT",
                |extensions| Extensions { size: SizeLimit::NotOffered, ..extensions },
                &["BDAT"],
                &["refused 552", "accepted"],
            )
        },
        Scenario {
            messages: big.clone(),
            ..plain(
                "too big when it has come by DATA",
                |extensions| Extensions { size: SizeLimit::NotOffered, chunking: false, ..extensions },
                &["DATA"],
                &["refused 552", "accepted"],
            )
        },
        Scenario {
            messages: big,
            ..plain("bigger than the server offers", as_offered, &["MAIL", "QUIT"], &["refused 552", "accepted"])
        },
        Scenario { messages: full, ..plain("a full mailbox", as_offered, &["BDAT"], &["deferred 452"]) },
        Scenario {
            policy: tls,
            goal: OpeningGoal::StartTls,
            ..plain("STARTTLS", as_offered, &["EHLO", "STARTTLS", "EHLO", "MAIL"], &["accepted"])
        },
        with_login("a wrong password", Mechanism::Plain, "another horse", &["AUTH PLAIN"], &["?"]),
    ];
    for mechanism in SERVER_MECHANISMS {
        let commands: &[&str] = match mechanism {
            Mechanism::Plain => &["AUTH PLAIN ", "MAIL"],
            Mechanism::Login => &["AUTH LOGIN\r\n", "MAIL"],
            Mechanism::ScramSha256 => &["AUTH SCRAM-SHA-256 ", "MAIL"],
            Mechanism::Xoauth2 | Mechanism::OauthBearer => panic!("a server does not have it"),
        };
        scenarios.push(with_login(mechanism.name(), mechanism, "correct horse", commands, &["accepted"]));
    }
    scenarios
}

/// The outcomes of a message to two mailboxes that exist, one that does not, and one that cannot be looked up.
const EACH: &str = "accepted, refused 550, accepted, deferred 451";

/// The same for a message to several recipients.
const ALL_AT_ONCE_SEVERAL: &str = "RCPT TO:<666@vm.example>\r\nBDAT";

/// Runs the scenario without a disturbance, and checks the commands and the outcomes.
fn undisturbed(scenario: &Scenario) -> Pair<'_> {
    let pair = Pair::new(scenario, Disturbance::Nothing).run();
    let sent = String::from_utf8(pair.to_server.delivered.clone()).unwrap();
    let mut rest = &sent[..];
    for command in scenario.commands {
        let at = rest.find(command).unwrap_or_else(|| panic!("{}: no {command:?} in {sent}", scenario.name));
        rest = &rest[at + 1..];
    }
    assert_eq!(pair.outcomes(), scenario.outcomes, "{}: {sent}", scenario.name);
    assert_eq!((pair.client_ended, pair.failure.is_some()), (Some(pair.start), scenario.outcomes == ["?"]), "{}", scenario.name);
    pair.assert_outcomes_are_true();
    pair
}

/// Returns every byte of the session, in each direction.
fn every_byte(whole: &Pair<'_>) -> Vec<(Direction, usize)> {
    let bytes = |direction| (0..whole.pipe(direction).delivered.len()).map(move |byte| (direction, byte));
    bytes(Direction::ToServer).chain(bytes(Direction::ToClient)).collect()
}

/// Runs `check` with every scenario, and names those that fail.
fn check_all(check: fn(&Scenario)) {
    let scenarios = scenarios();
    let fails = |scenario: &&Scenario| catch_unwind(AssertUnwindSafe(|| check(scenario))).is_err();
    let failed: Vec<&str> = scenarios.iter().filter(fails).map(|scenario| scenario.name).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn bytes_split_anywhere_lead_to_the_same_outcome() {
    check_all(|scenario| {
        let whole = undisturbed(scenario);
        let splits = every_byte(&whole).into_iter().map(|(direction, byte)| Disturbance::Split(direction, byte));
        for disturbance in splits.chain([1, 2, 7].map(Disturbance::Pieces)) {
            let cut = Pair::new(scenario, disturbance).run();
            let context = format!("{}: {disturbance:?}", scenario.name);
            assert_eq!(cut.outcomes(), whole.outcomes(), "{context}");
            assert_eq!(cut.stored, whole.stored, "{context}");
            for direction in [Direction::ToServer, Direction::ToClient] {
                let said = [&cut, &whole].map(|pair| String::from_utf8_lossy(&pair.pipe(direction).delivered).into_owned());
                assert_eq!(said[0], said[1], "{context}");
            }
            cut.assert_outcomes_are_true();
        }
    });
}

#[test]
fn a_connection_closed_at_any_byte_leaves_a_true_outcome() {
    check_all(|scenario| {
        let whole = undisturbed(scenario);
        for (direction, byte) in every_byte(&whole) {
            let writing = (direction == Direction::ToServer).then_some(Noticed::Writing);
            for noticed in writing.into_iter().chain([Noticed::Reading]) {
                let closed = Pair::new(scenario, Disturbance::Close(direction, byte, noticed)).run();
                closed.assert_outcomes_are_true();
                assert!(closed.client_ended.is_some() || closed.client.is_closed(), "{}: {direction:?} {byte}", scenario.name);
                // A reply that has arrived decides, even if the connection is closed after it.
                for (nth, result) in whole.results.iter().enumerate() {
                    let known = result.as_ref().is_some_and(|(_, at)| *at <= closed.to_client.delivered.len());
                    let (is, was) = (&closed.outcomes()[nth], &whole.outcomes()[nth]);
                    assert!(!known || is == was, "{}: {direction:?} {byte}: message {nth}: {is}, not {was}", scenario.name);
                }
            }
        }
    });
}

#[test]
fn silence_from_any_byte_ends_both_sides_in_time() {
    check_all(|scenario| {
        let whole = undisturbed(scenario);
        for (direction, byte) in every_byte(&whole) {
            let silent = Pair::new(scenario, Disturbance::Silence(direction, byte)).run();
            let context = format!("{}: {direction:?} {byte}", scenario.name);
            silent.assert_outcomes_are_true();
            let (step, client_waited) = silent.client_timeout().unwrap_or_else(|| panic!("{context}: {:?}", silent.outcomes()));
            assert_eq!(client_waited, silent.client_patience(step), "{context}: {step}");
            let server_waited = silent.server_ended.unwrap() - silent.start;
            if !silent.to_server.delivered.ends_with(b"QUIT\r\n") {
                assert_eq!(server_waited, silent.server_patience(), "{context}");
            }
        }
    });
}
