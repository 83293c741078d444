//! Telephones make offers, and the PBX answers or refuses them.

use std::thread;
use std::time::Duration;

use crate::running::Running;
use crate::telephone::Telephone;

#[tokio::test]
async fn a_call_on_hold_hears_nothing_until_it_is_back() {
    let pbx = Running::start().await;
    let mut telephone = Telephone::call(pbx.kathmandu, "2010", "8 101");
    telephone.ear.wait_for_more_than(5);
    assert_eq!(telephone.direct("8 101", "sendonly"), "recvonly");
    // Packets that were on their way have come.
    thread::sleep(Duration::from_millis(100));
    let before = telephone.ear.packets();
    thread::sleep(Duration::from_millis(300));
    assert_eq!(telephone.ear.packets(), before);
    assert_eq!(telephone.direct("8 101", "sendrecv"), "sendrecv");
    telephone.ear.wait_for_more_than(before);
    telephone.hang_up();
}

#[tokio::test]
async fn a_call_without_offer_is_offered_g711() {
    let pbx = Running::start().await;
    let mut telephone = Telephone::call_without_offer(pbx.kathmandu, "2010");
    telephone.ear.wait_for_more_than(5);
    telephone.hang_up();
}

#[tokio::test]
async fn what_cannot_be_recorded_is_refused() {
    let pbx = Running::start().await;
    let answer = Telephone::refused(pbx.kathmandu, "2010", "9");
    assert!(answer.starts_with("SIP/2.0 488 "), "{answer}");
    for number in ["2999", "%00"] {
        let answer = Telephone::refused(pbx.kathmandu, number, "0");
        assert!(answer.starts_with("SIP/2.0 404 "), "{answer}");
    }
}
