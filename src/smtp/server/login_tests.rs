//! Tests of access and authentication, without sockets.

use encodify::base64::STANDARD;

use super::tests::{TestPeer, codes, policy};
use super::*;
use crate::smtp::server::{KnownPeer, Sites, StoredPassword};

const EHLO: &str = "EHLO pbx.example\r\n";
const MAIL: &str = "MAIL FROM:<node@berlin.example>\r\n";
const RCPT: &str = "RCPT TO:<201@vm.example>\r\n";

fn berlin() -> KnownPeer {
    let password = StoredPassword::of("correct horse").unwrap();
    KnownPeer::new("berlin".parse().unwrap(), Sites::All).password(password)
}

fn peer(access: Access) -> TestPeer {
    TestPeer::with(Policy { access, ..policy(Limits::default()) })
}

/// A greeted test peer, under TLS if asked for, of a server that knows one peer.
fn known(access: impl FnOnce(Access) -> Access, tls: bool) -> TestPeer {
    let mut peer = peer(access(Access::peers([berlin()])));
    if tls {
        peer.say(EHLO);
        peer.say("STARTTLS\r\n");
    }
    peer.say(EHLO);
    peer
}

fn plain(password: &str) -> String {
    format!("AUTH PLAIN {}\r\n", STANDARD.encode(format!("\0berlin\0{password}").as_bytes()))
}

fn line(text: &str) -> String {
    format!("{}\r\n", STANDARD.encode(text.as_bytes()))
}

#[test]
fn a_peer_without_permission_learns_only_how_to_get_it() {
    let mut peer = known(|access| access, false);
    for (said, reply) in [
        (MAIL, "530 5.7.0 say STARTTLS first"),
        (RCPT, "503 5.5.1 say MAIL first"),
        ("DATA\r\n", "503 "),
        ("BDAT 4 LAST\r\nabcd", "503 "),
        ("VRFY 201\r\n", "252 "),
        (&plain("correct horse"), "538 5.7.11 no password is taken without TLS"),
        ("STARTTLS\r\n", "220 "),
        (MAIL, "503 5.5.1 say EHLO first"),
        (&plain("correct horse"), "503 5.5.1 say EHLO first"),
        (EHLO, "250-vm1.example"),
        (MAIL, "530 5.7.0 prove who you are first"),
    ] {
        let replies = peer.say(said);
        assert!(replies.starts_with(reply), "{said}{replies}");
    }
    assert_eq!(peer.lookups, 0, "a stranger does not learn which mailboxes exist");
}

#[test]
fn auth_is_offered_only_where_a_password_may_be_sent() {
    let offered = |peer: &mut TestPeer| peer.say(EHLO).contains("250-AUTH SCRAM-SHA-256 PLAIN LOGIN\r\n");
    assert!(!offered(&mut known(|access| access, false)));
    assert!(offered(&mut known(|access| access, true)));
    assert!(offered(&mut known(Access::passwords_even_in_plain_text, false)));
    let certificate_only = Access::peers([KnownPeer::new("bonn".parse().unwrap(), Sites::All)]);
    let mut peer = peer(certificate_only.passwords_even_in_plain_text());
    assert!(!offered(&mut peer));
    assert!(peer.say(plain("correct horse")).starts_with("502 "));
}

#[test]
fn each_mechanism_authenticates_and_the_trace_says_so() {
    let after_user = format!("AUTH LOGIN {}", line("berlin"));
    for (steps, replies) in [
        (vec![plain("correct horse")], "235"),
        (vec!["auth plain\r\n".into(), line("\0berlin\0correct horse")], "334 235"),
        (vec!["AUTH LOGIN\r\n".into(), line("berlin"), line("correct horse")], "334 334 235"),
        (vec![after_user, line("correct horse")], "334 235"),
    ] {
        let mut peer = known(|access| access, true);
        let said: Vec<String> = steps.iter().map(|step| codes(&peer.say(step))).collect();
        assert_eq!(said.join(" "), replies);
        assert!(!peer.say(EHLO).contains("AUTH"), "AUTH is not offered after authentication");
        assert_eq!(peer.codes(format!("{}{MAIL}{RCPT}DATA\r\n", plain("correct horse"))), "503 250 250 354");
        assert_eq!(peer.codes("x\r\n.\r\n"), "250");
        let delivery = peer.stored.last().unwrap();
        assert_eq!(delivery.origin, Origin::Peer("berlin".into()));
        assert!(String::from_utf8_lossy(&delivery.mail).contains(" with ESMTPSA (TLS 1.3)\r\n"));
    }
}

#[test]
fn a_failed_login_changes_neither_peer_nor_dialogue() {
    for steps in [
        vec![plain("wrong horse")],
        vec!["AUTH LOGIN\r\n".into(), line("bonn"), line("correct horse")],
        vec!["AUTH PLAIN\r\n".into(), "*\r\n".into()],
        vec!["AUTH PLAIN\r\n".into(), "no base64!\r\n".into()],
        vec!["AUTH PLAIN\r\n".into(), "AG\nA=\r\n".into()],
        vec!["AUTH PLAIN\r\n".into(), format!("{:4000}\r\n", "A")],
        vec!["AUTH PLAIN =\r\n".into()],
        vec!["AUTH PLAIN ====\r\n".into()],
        vec!["AUTH CRAM-MD5\r\n".into()],
        vec!["AUTH\r\n".into()],
        vec!["AUTH SCRAM-SHA-256\r\n".into(), line("n,,n=berlin,r=abc"), line("c=biws,r=abc,p=AAAA")],
        vec!["AUTH SCRAM-SHA-256-PLUS\r\n".into()],
    ] {
        let mut peer = known(|access| access, true);
        let last = steps.iter().map(|step| peer.say(step)).last().unwrap();
        assert!(last.starts_with('5'), "{steps:?}: {last}");
        assert_eq!(peer.codes(MAIL), "530", "{steps:?}");
        assert_eq!(peer.codes(plain("correct horse")), "235", "{steps:?}");
        assert_eq!(peer.codes(MAIL), "250", "{steps:?}");
    }
}

#[test]
fn a_command_where_a_response_is_due_is_a_response() {
    let mut peer = known(|access| access, true);
    assert_eq!(peer.codes(format!("AUTH LOGIN\r\n{MAIL}NOOP\r\n")), "334 501 250");
    assert_eq!(peer.codes(format!("AUTH LOGIN\r\nQUIT\r\n{}NOOP\r\n", line("x"))), "334 334 535 250", "QUIT is base64, too");
}

#[test]
fn auth_is_refused_in_the_middle_of_a_transaction() {
    let mut peer = known(|access| access.and_anyone_on(crate::smtp::server::Cidr::ANYWHERE), true);
    assert_eq!(peer.codes(format!("{MAIL}{}{RCPT}", plain("correct horse"))), "250 503 250");
}

#[test]
fn starttls_forgets_an_authentication() {
    let mut peer = known(Access::passwords_even_in_plain_text, false);
    assert_eq!(peer.codes(format!("{}{MAIL}RSET\r\n", plain("correct horse"))), "235 250 250");
    peer.say("STARTTLS\r\n");
    assert_eq!(peer.codes(format!("{EHLO}{MAIL}")), "250 530");
}

#[test]
fn too_many_failed_logins_end_the_session_before_a_check() {
    let mut peer = known(|access| access, true);
    peer.may_log_in = false;
    assert_eq!(peer.say(plain("correct horse")), "421 4.7.0 too many failed logins from your address, try again later\r\n");
    assert!(peer.dialogue.is_closed());
}

#[test]
fn a_peer_that_falls_silent_in_an_exchange_times_out() {
    let mut peer = known(|access| access, true);
    peer.say("AUTH LOGIN\r\n");
    let time = Limits::default().command_time;
    assert_eq!(peer.pass(time / 2), "");
    assert!(peer.pass(time / 2).starts_with("421 4.4.2"));
}

#[test]
fn a_peer_that_can_never_deliver_is_refused_at_the_greeting() {
    let now = Instant::now();
    let policy = Policy { access: Access::this_machine(), ..policy(Limits::default()) };
    let mut dialogue = Dialogue::new(Arc::new(policy), Peer { address: Some([192, 0, 2, 7].into()), ..Peer::default() }, now);
    dialogue.handle_time(now);
    assert_eq!(dialogue.poll_output().unwrap(), "554 5.7.1 no mail is taken from your address here\r\n");
    assert!(dialogue.is_closed());
}

#[test]
fn mail_may_have_auth_only_where_there_are_passwords() {
    let has_auth = "MAIL FROM:<a@b> AUTH=<>\r\n";
    let mut peer = known(|access| access.and_anyone_on(crate::smtp::server::Cidr::ANYWHERE), true);
    assert_eq!(peer.codes(has_auth), "250");
    assert_eq!(self::peer(Access::anyone_anywhere()).codes(format!("{EHLO}{has_auth}")), "250 555");
}
