use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const MINUTE: Duration = Duration::from_secs(60);
const URI: &str = "sip:vm.example";

fn authenticator(now: Instant) -> DigestAuthenticator {
    let secret = |user: &str, password: &str| (user.to_owned(), DigestSecret::of(user, "vm.example", password));
    DigestAuthenticator::new("vm.example", [7; DigestAuthenticator::KEY_LEN], now)
        .users([secret("2041", "correct horse"), secret("2042", "another horse")])
}

fn credentials() -> DigestCredentials {
    DigestCredentials::new("2041", "correct horse")
}

/// The values of the examples in RFC 7616 §3.9.1, whose method is GET.
#[test]
fn the_examples_of_rfc_7616_are_computed() {
    let credentials = DigestCredentials::new("Mufasa", "Circle of Life");
    for (algorithm, expected) in [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ] {
        let asked = format!(
            "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
             nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
        );
        let challenge = DigestChallenge::parse(&asked).unwrap();
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let answer = challenge.answer(&credentials, "GET", "/dir/index.html", 1, cnonce);
        assert!(answer.contains(&format!("response=\"{expected}\"")), "{answer}");
        assert!(answer.contains("nc=00000001") && answer.contains("qop=auth") && answer.contains("opaque=\"FQhe"), "{answer}");
    }
}

/// RFC 2617 §3.5 without its `qop`: what RFC 2069 had, by its formula.
#[test]
fn a_challenge_without_qop_is_answered_as_in_rfc_2069() {
    let challenge = DigestChallenge::parse("digest realm=\"r\", nonce=\"n\"").unwrap();
    let answer = challenge.answer(&DigestCredentials::new("u", "p"), "NOTIFY", "sip:x", 1, "c");
    let expected = DigestAlgorithm::Md5.hash(&[
        &DigestAlgorithm::Md5.hash(&["u", "r", "p"]),
        "n",
        &DigestAlgorithm::Md5.hash(&["NOTIFY", "sip:x"]),
    ]);
    let whole = format!("Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"{expected}\"");
    assert_eq!(answer, whole);
}

#[test]
fn unsupported_challenges_are_skipped() {
    for value in [
        "Basic realm=\"r\"",
        "Digest realm=\"r\"",
        "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-512-256",
        "Digest realm=\"r\", nonce=\"n\", algorithm=MD5-sess",
        "Digest realm=\"r\", nonce=\"n\", qop=\"auth-int\"",
        "Digest realm=\"r\", nonce=\"n\", nonce=\"m\"",
        "Digest realm=\"r, nonce=\"n\"",
        "Digest",
        "",
    ] {
        assert_eq!(DigestChallenge::parse(value), None, "{value}");
    }
    let chosen =
        DigestChallenge::choose(["Digest realm=\"a\", nonce=\"n\", algorithm=X", "Digest realm=\"b\\\"c\", nonce=\"n\""]);
    assert!(chosen.unwrap().answer(&credentials(), "NOTIFY", "sip:x", 1, "c").contains(r#"realm="b\"c""#));
}

#[test]
fn both_algorithms_accept_only_the_right_password() {
    let now = Instant::now();
    let mut authenticator = authenticator(now);
    for challenge in authenticator.challenge(HERE, false, now) {
        let challenge = DigestChallenge::parse(&challenge).unwrap();
        assert!(!challenge.is_stale());
        let mut answered = |credentials: &DigestCredentials, count: u32, method: &str| {
            let answer = challenge.answer(credentials, "SUBSCRIBE", URI, count, "c");
            authenticator.check(&answer, method, HERE, now)
        };
        let wrong = |user: Option<&str>| DigestVerdict::Wrong { user: user.map(str::to_owned) };
        // Each count is good once, and each of the two algorithms may use the nonce from where the other left it.
        let first = if challenge.answer(&credentials(), "", "", 1, "").contains("SHA-256") { 1 } else { 4 };
        assert_eq!(answered(&credentials(), first, "SUBSCRIBE"), DigestVerdict::Authenticated("2041".into()));
        assert_eq!(answered(&credentials(), first + 1, "SUBSCRIBE"), DigestVerdict::Authenticated("2041".into()));
        assert_eq!(answered(&credentials(), first + 1, "SUBSCRIBE"), DigestVerdict::Stale);
        assert_eq!(answered(&credentials(), first + 2, "NOTIFY"), wrong(Some("2041")));
        assert_eq!(answered(&DigestCredentials::new("2041", "another horse"), first + 2, "SUBSCRIBE"), wrong(Some("2041")));
        assert_eq!(answered(&DigestCredentials::new("2043", "correct horse"), first + 2, "SUBSCRIBE"), wrong(None));
        assert_eq!(answered(&DigestCredentials::new("2043", ""), first + 2, "SUBSCRIBE"), wrong(None));
        assert_eq!(answered(&credentials(), first + 2, "SUBSCRIBE"), DigestVerdict::Authenticated("2041".into()));
    }
}

#[test]
fn an_algorithm_that_was_not_offered_is_refused() {
    let now = Instant::now();
    let mut authenticator = authenticator(now).algorithms([DigestAlgorithm::Sha256]);
    let challenges = authenticator.challenge(HERE, false, now);
    assert_eq!(challenges.len(), 1);
    let weaker = DigestChallenge::parse(&challenges[0].replace("SHA-256", "MD5")).unwrap();
    assert_eq!(
        authenticator.check(&weaker.answer(&credentials(), "SUBSCRIBE", URI, 1, "c"), "SUBSCRIBE", HERE, now),
        DigestVerdict::NotApplicable
    );
}

#[test]
fn a_nonce_is_valid_for_one_address_and_its_lifetime() {
    let start = Instant::now();
    let mut authenticator = authenticator(start);
    let challenge = DigestChallenge::parse(&authenticator.challenge(HERE, true, start)[0]).unwrap();
    assert!(challenge.is_stale());
    let answer = challenge.answer(&credentials(), "SUBSCRIBE", URI, 1, "c");
    assert_eq!(authenticator.check(&answer, "SUBSCRIBE", THERE, start), DigestVerdict::NotApplicable);
    let later = start + MINUTE + Duration::from_millis(1);
    assert_eq!(authenticator.check(&answer, "SUBSCRIBE", HERE, later), DigestVerdict::Stale);
    let wrong = challenge.answer(&DigestCredentials::new("2041", "guess"), "SUBSCRIBE", URI, 1, "c");
    assert_eq!(authenticator.check(&wrong, "SUBSCRIBE", HERE, later), DigestVerdict::Wrong { user: Some("2041".into()) });
    assert_eq!(authenticator.check(&answer, "SUBSCRIBE", HERE, start + MINUTE), DigestVerdict::Authenticated("2041".into()));
}

#[test]
fn a_nonce_of_another_server_reveals_nothing_about_a_guess() {
    let now = Instant::now();
    let mut other = DigestAuthenticator::new("vm.example", [8; DigestAuthenticator::KEY_LEN], now);
    let mut authenticator = authenticator(now);
    for challenge in [other.challenge(HERE, false, now)[0].clone(), "Digest realm=\"vm.example\", nonce=\"n\"".to_owned()] {
        let challenge = DigestChallenge::parse(&challenge).unwrap();
        for credentials in [credentials(), DigestCredentials::new("2041", "guess"), DigestCredentials::new("2043", "guess")] {
            let answer = challenge.answer(&credentials, "SUBSCRIBE", URI, 1, "c");
            assert_eq!(authenticator.check(&answer, "SUBSCRIBE", HERE, now), DigestVerdict::NotApplicable);
        }
    }
    for value in
        ["", "Digest", "Basic MjA0MTp4", "Digest username=\"2041\", realm=\"vm.example\", nonce=\"\", uri=\"\", response=\"\""]
    {
        assert_eq!(authenticator.check(value, "SUBSCRIBE", HERE, now), DigestVerdict::NotApplicable);
    }
}

#[test]
fn used_nonces_take_limited_memory() {
    let mut now = Instant::now();
    let mut authenticator = authenticator(now);
    let mut first = None;
    for _ in 0..4097 {
        let challenge = DigestChallenge::parse(&authenticator.challenge(HERE, false, now)[1]).unwrap();
        let answer = challenge.answer(&credentials(), "SUBSCRIBE", URI, 1, "c");
        assert_eq!(authenticator.check(&answer, "SUBSCRIBE", HERE, now), DigestVerdict::Authenticated("2041".into()));
        first.get_or_insert(challenge);
    }
    // The oldest was forgotten, and is not good again for that.
    let answer = first.unwrap().answer(&credentials(), "SUBSCRIBE", URI, 1, "c");
    assert_eq!(authenticator.check(&answer, "SUBSCRIBE", HERE, now), DigestVerdict::Stale);
    now += 2 * MINUTE;
    let challenge = DigestChallenge::parse(&authenticator.challenge(HERE, false, now)[1]).unwrap();
    let answer = challenge.answer(&credentials(), "SUBSCRIBE", URI, 1, "c");
    assert_eq!(authenticator.check(&answer, "SUBSCRIBE", HERE, now), DigestVerdict::Authenticated("2041".into()));
    assert_eq!(authenticator.used_nonces(), 1);
}

#[test]
fn no_password_is_shown() {
    let shown =
        format!("{:?} {:?} {:?}", credentials(), DigestSecret::of("2041", "r", "correct horse"), authenticator(Instant::now()));
    assert!(!shown.contains("horse") && !shown.contains("[7, 7") && shown.contains("2041"), "{shown}");
    let secret = DigestAlgorithm::Md5.hash(&["2041", "vm.example", "correct horse"]);
    assert!(!shown.contains(&secret), "{shown}");
}
