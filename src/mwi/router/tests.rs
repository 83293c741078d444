//! The sink that gets each state, for every status of the central PBX.

use std::sync::Mutex;

use chrono::DateTime;
use futures::FutureExt as _;

use super::*;
use crate::directory::{DirectoryError, Owner, StaticDirectory};
use crate::message::Summary;
use crate::mwi::ChannelSink;

/// A sink that records the mailboxes that it was shown.
#[derive(Debug, Clone, Default)]
struct RecordingSink(Arc<Mutex<Vec<String>>>);

impl RecordingSink {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[async_trait]
impl MwiSink for RecordingSink {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.0.lock().unwrap().push(state.mailbox.to_string());
        Ok(())
    }
}

fn site(name: &str) -> SiteId {
    name.parse().unwrap()
}

/// 2001 is at home in London, 2003 in Berlin, 2008 in Tokyo.
fn directory() -> StaticDirectory {
    let owner = |home: &str| Owner::new(site(home), chrono_tz::UTC);
    [("2001", "london"), ("2003", "berlin"), ("2008", "tokyo"), ("2041", "london")]
        .map(|(number, home)| (number.parse().unwrap(), owner(home)))
        .into_iter()
        .collect()
}

fn router() -> MwiRouter {
    MwiRouter::new(directory(), site("london"), Some(site("berlin")))
}

fn connected<const N: usize>(sites: [&str; N]) -> (MwiRouter, [RecordingSink; N]) {
    let router = router();
    let sinks = sites.map(|name| {
        let sink = RecordingSink::default();
        router.connect(site(name), sink.clone());
        sink
    });
    assert_eq!(router.lost().now_or_never(), Some(()));
    (router, sinks)
}

fn state(number: &str) -> MwiState {
    MwiState { mailbox: number.parse().unwrap(), summary: Summary::default(), version: 1, as_of: DateTime::UNIX_EPOCH }
}

#[tokio::test]
async fn a_mailbox_is_shown_on_its_home_pbx_and_on_no_other() {
    let (router, [london, berlin, tokyo]) = connected(["london", "berlin", "tokyo"]);
    for number in ["2001", "2003", "2008"] {
        router.show(&state(number)).await.unwrap();
    }
    assert_eq!([london.take(), berlin.take(), tokyo.take()], [["2001"], ["2003"], ["2008"]]);
}

#[tokio::test]
async fn the_fallback_shows_and_forwards_while_it_has_taken_over() {
    // Tokyo has no sink of its own: the central PBX passes its lamps on.
    let (router, [london, berlin]) = connected(["london", "berlin"]);
    let all = ["2001", "2003", "2008"];
    for (central_pbx, at_london, at_berlin) in [
        (CentralPbx::FallbackActive, &[][..], &["2001", "2003", "2008"][..]),
        (CentralPbx::Reachable, &["2001", "2008"], &["2003"]),
    ] {
        router.set_central_pbx(central_pbx).unwrap();
        for number in all {
            router.show(&state(number)).await.unwrap();
        }
        assert_eq!(london.take(), at_london, "{central_pbx:?}");
        assert_eq!(berlin.take(), at_berlin, "{central_pbx:?}");
    }
}

#[tokio::test]
async fn without_central_pbx_and_fallback_only_its_lamps_wait() {
    let (router, [london, berlin, tokyo]) = connected(["london", "berlin", "tokyo"]);
    router.set_central_pbx(CentralPbx::Unreachable).unwrap();
    let waits = router.show(&state("2001")).await.unwrap_err();
    assert!(waits.is_transient(), "{waits}");
    router.show(&state("2003")).await.unwrap();
    router.show(&state("2008")).await.unwrap();
    assert_eq!((london.take().len(), berlin.take().len(), tokyo.take().len()), (0, 1, 1));
}

#[tokio::test]
async fn without_a_fallback_none_can_take_over() {
    let router = MwiRouter::new(directory(), site("london"), None);
    assert_eq!(router.set_central_pbx(CentralPbx::FallbackActive), Err(NoFallback));
    assert_eq!(router.central_pbx(), CentralPbx::Reachable);
    assert_eq!(router.set_central_pbx(CentralPbx::Unreachable), Ok(CentralPbx::Reachable));
}

#[tokio::test]
async fn every_change_of_a_route_is_a_loss_and_nothing_else_is() {
    let (router, [london]) = connected(["london"]);
    let lost = || router.lost().now_or_never().is_some();
    assert!(!lost());
    router.set_central_pbx(CentralPbx::Reachable).unwrap();
    router.disconnect(&site("tokyo"));
    router.show(&state("2001")).await.unwrap();
    assert!(!lost(), "nothing has changed");
    router.set_central_pbx(CentralPbx::FallbackActive).unwrap();
    router.set_central_pbx(CentralPbx::Reachable).unwrap();
    assert!(lost() && !lost(), "reported once for all changes before");
    router.disconnect(&site("london"));
    assert!(lost());
    router.connect(site("tokyo"), london);
    assert!(lost());
    router.set_central(site("tokyo"), None);
    assert!(lost());
}

#[tokio::test]
async fn no_mailbox_or_no_sink_is_final_and_no_directory_transient() {
    #[derive(Debug)]
    struct OutOfOrder;
    #[async_trait]
    impl Directory for OutOfOrder {
        async fn find(&self, _mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
            Err(DirectoryError::Unavailable("out of order".into()))
        }
    }
    let (router, [_berlin]) = connected(["berlin"]);
    for number in ["9999", "2001"] {
        let refused = router.show(&state(number)).await.unwrap_err();
        assert!(matches!(&refused, MwiError::NoSuchMailbox(mailbox) if mailbox.as_str() == number), "{refused}");
    }
    let router = MwiRouter::new(OutOfOrder, site("london"), None);
    assert!(router.show(&state("2001")).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn keeps_the_contract() {
    crate::conformance::mwi::run_all(|| {
        let (sink, mut states) = ChannelSink::new(8);
        let router = router();
        router.connect(site("london"), sink);
        let mut last = None;
        let look = move || {
            while let Ok(state) = states.try_recv() {
                last = Some(state.summary);
            }
            std::future::ready(last)
        };
        (router, look)
    })
    .await;
}
