//! Tests the contract of [`LampLease`].
//!
//! Every function takes two holders of new leases, as two nodes have them. They wait for the term of the leases by tokio's timers, which a test of a lease
//! in memory can pause.

use tokio::time::{Duration, Instant, sleep, sleep_until};

use crate::message::SiteId;
use crate::mwi::LampLease;

/// Runs every test of this module, each on two new holders from `make`.
///
/// # Panics
///
/// When a sentence of the contract is broken; the panic names it.
pub async fn run_all<L: LampLease, F: Future<Output = (L, L)>>(make: impl Fn() -> F) {
    let (one, other) = make().await;
    one_holder(&one, &other).await;
    let (one, other) = make().await;
    kept(&one, &other).await;
    let (one, other) = make().await;
    lost_by_silence(&one, &other).await;
    let (one, other) = make().await;
    freed(&one, &other).await;
}

/// **One holder.** A lease that was answered goes to no other holder before the term has passed. Other leases do not depend on it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn one_holder(one: &impl LampLease, other: &impl LampLease) {
    assert!(one.term() > Duration::from_secs(2), "one holder: the term {:?} is too short for any use", one.term());
    let asked = Instant::now();
    assert_eq!(renew(one, "one holder", &["london"]).await, ["london"], "one holder: a free lease was not taken");
    assert_eq!(renew(other, "one holder", &["berlin", "london"]).await, ["berlin"], "one holder: a lease went to two holders");
    sleep_until(asked + one.term().mul_f64(0.9)).await;
    assert_eq!(
        renew(other, "one holder", &["london"]).await,
        [""; 0],
        "one holder: it went to another before the term had passed"
    );
}

/// **Kept.** The holder that renews a lease in time keeps it.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn kept(one: &impl LampLease, other: &impl LampLease) {
    for _ in 0..4 {
        assert_eq!(renew(one, "kept", &["london"]).await, ["london"], "kept: a lease was lost though it was renewed in time");
        sleep(one.term() / 2).await;
        assert_eq!(renew(other, "kept", &["london"]).await, [""; 0], "kept: a lease was lost though it was renewed in time");
    }
}

/// **Lost by silence.** A lease that is not renewed is free when the term has passed.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn lost_by_silence(one: &impl LampLease, other: &impl LampLease) {
    renew(one, "lost by silence", &["london"]).await;
    sleep(one.term() + Duration::from_millis(20)).await;
    assert_eq!(renew(other, "lost by silence", &["london"]).await, ["london"], "lost by silence: it is not free after the term");
    assert_eq!(renew(one, "lost by silence", &["london"]).await, [""; 0], "lost by silence: a lease has two holders");
}

/// **Freed.** After `release`, each lease of this holder is free, and those of others are not.
///
/// # Panics
///
/// When the sentence is broken.
pub async fn freed(one: &impl LampLease, other: &impl LampLease) {
    renew(one, "freed", &["london", "berlin"]).await;
    renew(other, "freed", &["tokyo"]).await;
    assert!(one.release().await.is_ok(), "freed: the leases could not be given up");
    let all = ["berlin", "london", "tokyo"];
    assert_eq!(renew(other, "freed", &all).await, all, "freed: a lease that was given up is not free");
    assert!(one.release().await.is_ok(), "freed: giving up nothing failed");
    assert_eq!(renew(one, "freed", &all).await, [""; 0], "freed: a lease of another was given up");
}

/// Renews the leases of `sites`; returns those that are held, sorted.
async fn renew(lease: &impl LampLease, sentence: &str, sites: &[&str]) -> Vec<String> {
    let sites: Vec<SiteId> = sites.iter().map(|site| site.parse().expect("the name of a PBX")).collect();
    let held = lease.renew(&sites).await;
    assert!(held.is_ok(), "{sentence}: the leases cannot be renewed: {held:?}");
    let mut held: Vec<String> = held.into_iter().flatten().map(|site| site.to_string()).collect();
    held.sort();
    held
}
