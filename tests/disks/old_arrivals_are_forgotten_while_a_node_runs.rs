//! Nobody has to call anything for it: a node lets its store forget what arrived long ago, a step every minute.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use crate::support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use support::{CENTRAL, clock, mailbox, network, node, run, site, wav};
use voicemail::disk::{Disk as _, PowerCutDisk};
use voicemail::message::Status;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MessageStore as _};

#[tokio::test(start_paused = true)]
async fn an_arrival_is_remembered_for_90_days_after_its_message_came() {
    let (disk, clock) = (PowerCutDisk::new(), clock());
    let builder = MaildirStore::builder("/store").disk(Arc::new(disk.clone())).clock(Arc::clone(&clock));
    let store = Arc::new(builder.directory(Arc::new(network().directory())).open().await.unwrap());
    let builder = node(CENTRAL, Path::new("/spool")).disk(disk.clone()).store(Arc::clone(&store)).clock(Arc::clone(&clock));
    let node = builder.open().await.unwrap();
    let facts = CallFacts::to(mailbox("2001"));
    let kept = node.deposit_wav(&site("london"), facts, wav(1_500, 7).into()).await.unwrap();
    store.mark(&mailbox("2001"), kept.id, Status::Removed).await.unwrap();
    store.expunge(&mailbox("2001")).await.unwrap();
    let remembered = || disk.list(Path::new("/store/arrivals/2001")).unwrap().len() - 1;

    let running = run(&node);
    for (days, left) in [(89, 1), (1, 1), (1, 0)] {
        clock.advance(TimeDelta::days(days));
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert_eq!(remembered(), left, "{days} days later");
    }
    running.stop().await;
}
