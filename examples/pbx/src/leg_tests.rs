//! The leg keeps the contract of `CallLeg` in calls of a bare telephone.

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "../tests/calls/telephone.rs"]
mod telephone;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;
use voicemail::MailboxId;
use voicemail::conformance::call::{OtherEnd, run_all};
use voicemail::mwi::{CurrentState, MwiSource};
use voicemail::telephone::Digit;

use self::telephone::Telephone;
use crate::leg::RtpLeg;
use crate::signalling::{Lamps, SipPort};

/// The telephone, which sees later that it was answered.
struct Caller {
    telephone: Telephone,
    answered: bool,
    /// How many samples of the other end were read.
    read: usize,
}

impl Caller {
    fn answered(&mut self) -> &mut Telephone {
        if !std::mem::replace(&mut self.answered, true) {
            self.telephone.wait_for_answer();
        }
        &mut self.telephone
    }
}

#[async_trait]
impl OtherEnd for Caller {
    async fn press(&mut self, digit: Digit) {
        self.answered().press(digit.to_char());
    }

    async fn speak(&mut self) {
        self.answered().speak(&[8000; 800]);
    }

    async fn hang_up(&mut self) {
        self.answered().hang_up();
    }

    async fn heard(&mut self) -> Vec<i16> {
        let new = self.answered().ear.heard().split_off(self.read);
        self.read += new.len();
        new
    }
}

/// A network without mailboxes.
#[derive(Debug)]
struct NoMailboxes;

#[async_trait]
impl MwiSource for NoMailboxes {
    async fn current(&self, _mailbox: &MailboxId) -> CurrentState {
        CurrentState::NoSuchMailbox
    }
}

// The telephone waits for the PBX, which needs another thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_a_telephone_keeps_the_contract() {
    let port = SipPort::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = port.address();
    let (legs, mut received) = mpsc::unbounded_channel();
    tokio::spawn(Arc::new(port).serve(Lamps::default(), Arc::new(NoMailboxes), move |call, media| {
        let legs = legs.clone();
        async move { legs.send(RtpLeg::new(call, media)).unwrap() }
    }));
    run_all(async || {
        let telephone = Telephone::ring(address, "2001", "0 101");
        let leg = received.recv().await.expect("the call comes");
        (leg, Caller { telephone, answered: false, read: 0 })
    })
    .await;
}
