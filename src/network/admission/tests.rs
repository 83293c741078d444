//! Admission by licences and ports, also by many threads at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use super::super::GraceDays;
use super::super::samples::{self, CENTRAL_NODE, HIMALAYA_NODE, central, centralized, distributed, id, node};
use super::*;

const VOICEMAIL: LicenceClass = LicenceClass::Voicemail;

fn now() -> DateTime<Utc> {
    "2026-11-22T18:00:00Z".parse().unwrap()
}

fn with_ports(london: u32, tokyo: u32) -> Network {
    samples::of(vec![central("london").ports(london), distributed("tokyo").ports(tokyo), centralized("berlin")]).unwrap()
}

fn in_use(admission: &Admission, site: &str) -> (u32, u32) {
    let ports = admission.ports(&id(site)).unwrap();
    (ports.in_use, ports.limit)
}

#[test]
fn of_64_threads_at_once_as_many_as_there_are_ports_get_one() {
    let admission = Admission::new(&with_ports(1, 7));
    let (start, tokyo) = (Barrier::new(64), id("tokyo"));
    let answers: Vec<_> = thread::scope(|scope| {
        let ask = || {
            start.wait();
            admission.admit(&tokyo, VOICEMAIL, now())
        };
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 7);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(Refusal::AllPortsBusy { limit: 7, .. }))).count(), 57);
    drop(answers);
    assert_eq!(in_use(&admission, "tokyo"), (0, 7));
}

#[test]
fn ports_are_never_exceeded_while_the_network_is_replaced() {
    let (network, tokyo) = (with_ports(1, 5), id("tokyo"));
    let admission = Admission::new(&network);
    let (start, done, inside, highest) = (Barrier::new(65), AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        let come_and_go = || {
            start.wait();
            for _ in 0..500 {
                if let Ok(port) = admission.admit(&tokyo, VOICEMAIL, now()) {
                    highest.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(port);
                }
            }
        };
        let threads: Vec<_> = (0..64).map(|_| scope.spawn(come_and_go)).collect();
        scope.spawn(|| {
            start.wait();
            while !done.load(Ordering::Relaxed) {
                admission.replace(&network);
                thread::yield_now();
            }
        });
        for thread in threads {
            thread.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!((1..=5).contains(&highest.into_inner()));
    assert_eq!(in_use(&admission, "tokyo"), (0, 5));
}

#[test]
fn a_port_is_free_again_however_its_recording_ends() {
    let (admission, tokyo) = (Admission::new(&with_ports(1, 1)), id("tokyo"));
    let port = admission.admit(&tokyo, VOICEMAIL, now()).unwrap();
    assert_eq!(admission.admit(&tokyo, VOICEMAIL, now()).unwrap_err(), Refusal::AllPortsBusy { pbx: tokyo.clone(), limit: 1 });
    let ends_badly = thread::spawn(move || {
        let _port = port;
        std::panic::resume_unwind(Box::new("the recording's task ends badly"));
    });
    assert!(ends_badly.join().is_err());
    assert!(admission.admit(&tokyo, VOICEMAIL, now()).is_ok());
}

#[test]
fn pbxs_on_one_node_have_ports_and_licences_of_their_own() {
    let far_east = [distributed("tokyo"), distributed("kathmandu").licence(LicenceClass::Campaigns)];
    let network = samples::of([central("london")].into_iter().chain(far_east).collect()).unwrap();
    let admission = Admission::of_node(node(HIMALAYA_NODE), &network);
    let _busy = admission.admit(&id("tokyo"), VOICEMAIL, now()).unwrap();
    assert!(admission.admit(&id("kathmandu"), LicenceClass::Campaigns, now()).is_ok());
    let unlicensed = Refusal::Unlicensed { pbx: id("tokyo"), class: LicenceClass::Campaigns };
    assert_eq!(admission.admit(&id("tokyo"), LicenceClass::Campaigns, now()).unwrap_err(), unlicensed);
}

#[test]
fn centralized_voicemail_uses_the_central_ports_and_licences() {
    let berlin = centralized("berlin").licence(LicenceClass::CallArchive);
    let london = central("london").licence(LicenceClass::UnifiedMessaging).licence(LicenceClass::TextToSpeech).ports(1);
    let admission = Admission::new(&samples::of(vec![berlin, london]).unwrap());
    assert_eq!(admission.check(&id("berlin"), LicenceClass::TextToSpeech, now()), Ok(()));
    assert_eq!(admission.check(&id("berlin"), LicenceClass::CallArchive, now()), Ok(()));
    let not_the_central_ones = Refusal::Unlicensed { pbx: id("berlin"), class: LicenceClass::UnifiedMessaging };
    assert_eq!(admission.check(&id("berlin"), LicenceClass::UnifiedMessaging, now()), Err(not_the_central_ones));

    let _port = admission.admit(&id("berlin"), VOICEMAIL, now()).unwrap();
    assert_eq!(
        admission.admit(&id("london"), VOICEMAIL, now()).unwrap_err(),
        Refusal::AllPortsBusy { pbx: id("london"), limit: 1 }
    );
    assert_eq!((in_use(&admission, "berlin"), in_use(&admission, "london")), ((1, 1), (1, 1)));
}

#[test]
fn an_expired_licence_admits_nobody() {
    let on = "2026-11-22".parse().unwrap();
    let tokyo = distributed("tokyo").licence(Licence::until(LicenceClass::CallArchive, on));
    let admission = Admission::new(&samples::of(vec![central("london"), tokyo]).unwrap());
    // Midnight in Tokyo, where it is the 23rd from now on.
    let midnight = "2026-11-22T15:00:00Z".parse().unwrap();
    let before = midnight - chrono::TimeDelta::seconds(1);
    assert!(admission.admit(&id("tokyo"), LicenceClass::CallArchive, before).is_ok());
    let expired = Refusal::Expired { pbx: id("tokyo"), class: LicenceClass::CallArchive, on };
    assert_eq!(admission.admit(&id("tokyo"), LicenceClass::CallArchive, midnight).unwrap_err(), expired);
    assert_eq!(expired.to_string(), "the licence of the PBX tokyo for call-archive expired after 2026-11-22");
    assert_eq!(in_use(&admission, "tokyo"), (0, 1));
}

#[test]
fn an_expired_licence_counts_for_the_days_of_the_grace_rule() {
    #[derive(Debug)]
    struct TokyoOnly;
    impl GraceRule for TokyoOnly {
        fn days_after(&self, site: &SiteId, _licence: &Licence) -> u32 {
            if site.as_str() == "tokyo" { 30 } else { 0 }
        }
    }
    let on = "2026-11-01".parse().unwrap();
    let archive = Licence::until(LicenceClass::CallArchive, on);
    let sites = vec![central("london"), distributed("tokyo").licence(archive), distributed("osaka").licence(archive)];
    let network = samples::of(sites).unwrap();
    let ask = |admission: &Admission, site| admission.check(&id(site), LicenceClass::CallArchive, now());
    let expired = |pbx| Err(Refusal::Expired { pbx: id(pbx), class: LicenceClass::CallArchive, on });
    assert_eq!(ask(&Admission::new(&network), "tokyo"), expired("tokyo"));

    let lenient = Admission::new(&network).grace(TokyoOnly);
    assert_eq!((ask(&lenient, "tokyo"), ask(&lenient, "osaka")), (Ok(()), expired("osaka")));
    lenient.replace(&network);
    assert_eq!(ask(&lenient, "tokyo"), Ok(()), "the rule stays when the network is replaced");
    assert_eq!(ask(&Admission::new(&network).grace(GraceDays(21)), "tokyo"), expired("tokyo"), "it is the 23rd in Tokyo");
    assert_eq!(ask(&Admission::new(&network).grace(GraceDays(22)), "tokyo"), Ok(()));
}

#[test]
fn check_needs_voicemail_too_except_for_two_classes() {
    let on = "2026-01-01".parse().unwrap();
    let mut tokyo = distributed("tokyo").licence(LicenceClass::CallArchive).licence(LicenceClass::TextToSpeech);
    tokyo.licences[0] = Some(Licence::until(VOICEMAIL, on));
    let admission = Admission::new(&samples::of(vec![central("london"), tokyo]).unwrap());
    assert_eq!(admission.check(&id("tokyo"), LicenceClass::CallArchive, now()), Ok(()));
    let expired = Refusal::Expired { pbx: id("tokyo"), class: VOICEMAIL, on };
    assert_eq!(admission.check(&id("tokyo"), LicenceClass::TextToSpeech, now()), Err(expired));
}

#[test]
fn a_class_of_an_integrator_is_licensed_like_any_other() {
    let fax = LicenceClass::Other("x-fax".parse().unwrap());
    let network = samples::of(vec![central("london").licence(fax), distributed("tokyo")]).unwrap();
    let admission = Admission::new(&network);
    assert_eq!(admission.check(&id("london"), fax, now()), Ok(()));
    assert_eq!(admission.check(&id("tokyo"), fax, now()), Err(Refusal::Unlicensed { pbx: id("tokyo"), class: fax }));
}

#[test]
fn admit_refuses_a_feature_when_voicemail_has_expired() {
    let on = "2026-01-01".parse().unwrap();
    let mut tokyo = distributed("tokyo").licence(LicenceClass::CallArchive);
    tokyo.licences[0] = Some(Licence::until(VOICEMAIL, on));
    let admission = Admission::new(&samples::of(vec![central("london"), tokyo]).unwrap());
    let expired = Refusal::Expired { pbx: id("tokyo"), class: VOICEMAIL, on };
    assert_eq!(admission.admit(&id("tokyo"), LicenceClass::CallArchive, now()).unwrap_err(), expired);
}

#[test]
fn a_node_admits_only_on_the_pbxs_that_it_serves() {
    let network = with_ports(1, 1);
    let central = Admission::of_node(node(CENTRAL_NODE), &network);
    assert!(central.check(&id("berlin"), VOICEMAIL, now()).is_ok());
    assert_eq!(central.admit(&id("tokyo"), VOICEMAIL, now()).unwrap_err(), Refusal::NotServedHere(id("tokyo")));
    assert_eq!(
        Admission::new(&network).admit(&id("atlantis"), VOICEMAIL, now()).unwrap_err(),
        Refusal::NotServedHere(id("atlantis"))
    );
    assert!(central.ports(&id("tokyo")).is_none());
}

#[test]
fn another_network_counts_the_ports_in_use() {
    let (admission, tokyo) = (Admission::new(&with_ports(1, 2)), id("tokyo"));
    let ports = [(); 2].map(|()| admission.admit(&tokyo, VOICEMAIL, now()).unwrap());
    admission.replace(&with_ports(1, 3));
    assert_eq!(in_use(&admission, "tokyo"), (2, 3));
    let third = admission.admit(&tokyo, VOICEMAIL, now()).unwrap();
    admission.replace(&with_ports(1, 1));
    assert_eq!(in_use(&admission, "tokyo"), (3, 1));
    drop(third);
    assert_eq!(admission.admit(&tokyo, VOICEMAIL, now()).unwrap_err(), Refusal::AllPortsBusy { pbx: tokyo.clone(), limit: 1 });
    drop(ports);
    assert!(admission.admit(&tokyo, VOICEMAIL, now()).is_ok());
}

#[test]
fn a_pbx_that_leaves_and_returns_finds_its_ports_in_use() {
    let (admission, tokyo) = (Admission::new(&with_ports(1, 1)), id("tokyo"));
    let port = admission.admit(&tokyo, VOICEMAIL, now()).unwrap();
    admission.replace(&samples::of(vec![central("london")]).unwrap());
    assert_eq!(admission.admit(&tokyo, VOICEMAIL, now()).unwrap_err(), Refusal::NotServedHere(tokyo));
    admission.replace(&with_ports(1, 1));
    assert_eq!(in_use(&admission, "tokyo"), (1, 1));
    drop(port);
    assert_eq!(in_use(&admission, "tokyo"), (0, 1));
}

#[test]
fn a_port_can_be_sent_to_another_thread() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Port>();
}
