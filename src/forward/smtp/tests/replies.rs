//! Peers with unusual replies: a BDAT that does not work, any 2yz at the end, surplus replies, failures of a whole transaction.

use super::*;

fn blocks(peer: &ScriptedPeer) -> usize {
    peer.heard().iter().filter(|line| line.starts_with("BDAT")).count()
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_know_bdat_gets_data() {
    for reply in ["500 what\r\n", "501 5.5.4 what\r\n", "502 5.5.1 command not implemented\r\n", "504 5.5.4 what\r\n"] {
        for keywords in EXTENSION_SETS.into_iter().filter(|keywords| goes_by_block(keywords)) {
            let peer = ScriptedPeer::offering(keywords);
            peer.fail_at_bdat(Fault::Say(reply));
            let forwarder = in_plain_text(&peer);
            for _ in 0..2 {
                let message = message();
                assert_eq!(send(&forwarder, &message).await.unwrap(), Outcome::Accepted, "{reply} {keywords:?}");
                assert_eq!(peer.kept("2041").last().unwrap().audio(), message.audio());
            }
            assert_eq!((blocks(&peer), peer.kept("2041").len()), (1, 2), "{reply} {keywords:?}");
        }
    }
}

/// Answers 502 to BDAT, although it offers CHUNKING, and `250 2.0.0` to all else.
#[tokio::test(start_paused = true)]
async fn a_peer_that_says_250_to_all_but_bdat_gets_data() {
    let peer = ScriptedPeer::offering(&["PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING"]);
    peer.fail_at_bdat(Fault::Say("502 5.5.1 command not implemented\r\n"));
    for step in [Step::Mail, Step::Rcpt, Step::Mail, Step::Rcpt] {
        peer.fail(step, Fault::SayAndGoOn("250 2.0.0 ok\r\n"));
    }
    assert_eq!(send(&in_plain_text(&peer), &message()).await.unwrap(), Outcome::Accepted);
    assert_eq!((blocks(&peer), peer.kept("2041").len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_ends_the_connection_in_bdat_gets_data_at_last() {
    for fault in [Fault::Drop, Fault::Stall, Fault::Say("503 5.5.1 bad sequence\r\n")] {
        let peer = ScriptedPeer::offering(&["PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING"]);
        peer.fail_at_bdat(fault);
        let forwarder = in_plain_text(&peer);
        let first = send(&forwarder, &message()).await;
        assert_eq!(end(&first), End::Transient, "{fault:?}: {first:?}");
        assert_eq!(send(&forwarder, &message()).await.unwrap(), Outcome::Accepted, "{fault:?}");
        assert_eq!(send(&forwarder, &message()).await.unwrap(), Outcome::Accepted, "{fault:?}");
        assert_eq!(blocks(&peer), 2, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_path_does_not_end_the_use_of_bdat() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let forwarder = in_plain_text(&peer);
    sent(&forwarder, &["2042"]).await;
    for _ in 0..4 {
        peer.fail(Step::MidBody, Fault::Drop);
        assert_eq!(end(&send(&forwarder, &message()).await), End::Transient);
    }
    assert_eq!(send(&forwarder, &message()).await.unwrap(), Outcome::Accepted);
    assert!(!peer.heard().contains(&"DATA".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn chunking_can_be_switched_off() {
    for keywords in EXTENSION_SETS {
        let peer = ScriptedPeer::offering(keywords);
        let forwarder = builder(&peer).security(Security::PlainText).without_chunking().build().unwrap();
        assert_eq!(send(&forwarder, &message()).await.unwrap(), Outcome::Accepted);
        assert_eq!(blocks(&peer), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn any_2yz_at_the_end_means_accepted() {
    for reply in
        ["200\r\n", "250 2.1.5 ok\r\n", "250 2.1.0 ok\r\n", "251 2.6.0 x\r\n", "250 ok\r\n", "252-a\r\n252 b\r\n", "299 ok\r\n"]
    {
        for keywords in EXTENSION_SETS {
            let peer = ScriptedPeer::offering(keywords);
            let forwarder = in_plain_text(&peer);
            for _ in 0..3 {
                peer.fail(Step::Kept, Fault::SayAndGoOn(reply));
                let answer = send(&forwarder, &message()).await;
                assert_eq!(end(&answer), End::Accepted, "{reply:?} {keywords:?}: {answer:?}");
            }
            assert_eq!(peer.kept("2041").len(), 3, "{reply:?} {keywords:?}: copies");
        }
    }
}

/// The texts of these replies are alike, so the client must count them.
#[tokio::test(start_paused = true)]
async fn a_surplus_reply_is_never_taken_for_acceptance() {
    const ONCE: &str = "250 2.0.0 ok\r\n";
    const TWICE: &str = "250 2.0.0 ok\r\n250 2.0.0 ok\r\n";
    const ALL: [&str; 4] = ["250 ok\r\n250 ok\r\n", TWICE, "250 2.1.5 x\r\n250 2.1.5 x\r\n", "250 2.6.0 x\r\n250 2.6.0 x\r\n"];
    for keywords in EXTENSION_SETS {
        for twice in ALL {
            for (mail, recipient) in [(twice, ONCE), (ONCE, twice), (twice, twice)] {
                let peer = ScriptedPeer::offering(keywords);
                peer.fail(Step::Mail, Fault::SayAndGoOn(mail));
                peer.fail(Step::Rcpt, Fault::SayAndGoOn(recipient));
                peer.fail(Step::BodyEnd, Fault::Stall); // nothing is kept
                let answer = send(&in_plain_text(&peer), &message()).await;
                assert_eq!(end(&answer), End::Transient, "{mail:?} {recipient:?} {keywords:?}: {answer:?}");
                assert!(peer.kept("2041").is_empty());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_4yz_to_the_whole_transaction_ends_the_connection() {
    let later = Fault::Say("451 4.3.0 later\r\n");
    for keywords in EXTENSION_SETS {
        for step in [Step::Mail, Step::Data, Step::BodyEnd, Step::Rcpt] {
            if goes_by_block(keywords) && step == Step::Data {
                continue;
            }
            let peer = ScriptedPeer::offering(keywords);
            let forwarder = in_plain_text(&peer);
            peer.fail(step, later);
            assert_eq!(end(&send(&forwarder, &message()).await), End::Transient);
            assert_eq!(send(&forwarder, &message()).await.unwrap(), Outcome::Accepted);
            // The failure of one recipient is not one of the peer.
            let (connections, farewells) = if step == Step::Rcpt { (1, 0) } else { (2, 1) };
            let quits = peer.heard().iter().filter(|line| *line == "QUIT").count();
            assert_eq!((peer.connections(), quits), (connections, farewells), "{step:?} {keywords:?}");
        }
    }
}
