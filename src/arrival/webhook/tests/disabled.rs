//! Tests of end points that are disabled, over restarts and on several nodes.

use std::io::ErrorKind;

use super::*;
use crate::disk::{Disk, FaultyDisk, InjectedFault, PowerCutDisk, Unsynced};

const HOURS_90: Duration = Duration::from_secs(90 * 3600);

/// Asks the step of `webhooks` to report a message, and returns whether a request was accepted.
async fn report(webhooks: &Webhooks, now: DateTime<Utc>) -> Result<(), StepError> {
    report_after(0, webhooks, now).await
}

/// The same for a report of which so many tries have failed.
async fn report_after(tries: u32, webhooks: &Webhooks, now: DateTime<Utc>) -> Result<(), StepError> {
    let (store, id) = store_with_message().await;
    let arrived = Arrived::new(mailbox(), id, start());
    let run = StepRun::new(&StepName::WEBHOOK, "crm", &arrived, &store, now).after(tries);
    WebhookStep::new(webhooks.clone()).run(&run).await.map(|_| ())
}

fn refused() -> String {
    answer("500 Internal Server Error", "", "")
}

async fn disabled(webhooks: &Webhooks) -> Vec<String> {
    let disabled = webhooks.disabled().await.unwrap();
    disabled.into_iter().map(|(id, reason)| format!("{id}: {reason}")).collect()
}

async fn jobs_on(disk: &(impl Disk + Clone)) -> FolderJobs {
    FolderJobs::open(disk.clone(), "/hooks").await.unwrap()
}

#[tokio::test]
async fn a_disabled_end_point_stays_disabled_over_a_restart() {
    let gone = || answer("410 Gone", "", "");
    let server = TestServer::start("127.0.0.1", [gone(), ok(), ok()]).await;
    let disk = PowerCutDisk::new();
    let before = webhooks([end_point("crm", &server)]).0.jobs(jobs_on(&disk).await);
    report(&before, start()).await.unwrap_err();
    assert_eq!(disabled(&before).await, ["crm: it has answered 410"]);
    server.request().await;
    drop(before);
    disk.power_cut(Unsynced::Forgotten);

    let jobs = jobs_on(&disk).await;
    let after = webhooks([end_point("crm", &server)]).0.jobs(jobs.clone());
    let arrived = Arrived::new(mailbox(), MessageId::random(), start());
    let step = WebhookStep::new(after.clone());
    assert_eq!(step.parts(&arrived, &MemoryStore::new([])).await.unwrap(), [""; 0], "known before the first request");
    assert!(matches!(report(&after, start()).await, Err(StepError::Final(_))));
    assert!(!server.has_request().await);
    assert_eq!(disabled(&after).await, ["crm: it has answered 410"]);

    // Under another URL, it is another end point.
    let moved = EndPoint { url: server.url("/other").parse().unwrap(), ..end_point("crm", &server) };
    let elsewhere = webhooks([moved]).0.jobs(jobs.clone());
    report(&elsewhere, start()).await.unwrap();

    let crm = "crm".parse().unwrap();
    assert!(after.enable(&crm).await.unwrap() && !after.enable(&crm).await.unwrap());
    drop(after);
    disk.power_cut(Unsynced::Forgotten);
    let last = webhooks([end_point("crm", &server)]).0.jobs(jobs_on(&disk).await);
    assert_eq!(disabled(&last).await, [""; 0]);
    report(&last, start()).await.unwrap();
}

#[tokio::test]
async fn an_end_point_whose_tries_are_exhausted_is_kept_disabled() {
    let server = TestServer::start("127.0.0.1", [refused(), refused()]).await;
    let disk = PowerCutDisk::new();
    let webhooks_on = async |jobs| webhooks([end_point("crm", &server)]).0.jobs(jobs);
    let before = webhooks_on(jobs_on(&disk).await).await;
    report(&before, start()).await.unwrap_err();
    pass(HOURS_90).await;
    assert!(matches!(report_after(9, &before, start() + TimeDelta::hours(90)).await, Err(StepError::Final(_))));
    drop(before);
    disk.power_cut(Unsynced::Forgotten);
    let after = webhooks_on(jobs_on(&disk).await).await;
    assert_eq!(disabled(&after).await, ["crm: it has accepted nothing for as long as a request is tried"]);
}

#[tokio::test]
async fn a_request_that_fails_for_days_disables_nothing_by_a_restart() {
    let server = TestServer::start("127.0.0.1", [refused(), ok(), refused(), refused(), refused()]).await;
    let disk = PowerCutDisk::new();
    let before = webhooks([end_point("crm", &server)]).0.jobs(jobs_on(&disk).await);
    // The receiver never accepts one of its requests, and all others.
    report(&before, start()).await.unwrap_err();
    pass(HOURS_90).await;
    report(&before, start() + TimeDelta::hours(80)).await.unwrap();
    drop(before);
    disk.power_cut(Unsynced::Forgotten);

    let after = webhooks([end_point("crm", &server)]).0.jobs(jobs_on(&disk).await);
    let last_try = async || report_after(9, &after, start() + TimeDelta::hours(90)).await;
    assert!(matches!(last_try().await, Err(StepError::Final(_))), "the request is given up");
    assert_eq!(disabled(&after).await, [""; 0], "this process has not seen the days before");
    pass(Duration::from_secs(71 * 3600)).await;
    last_try().await.unwrap_err();
    assert_eq!(disabled(&after).await, [""; 0]);
    pass(Duration::from_secs(3600)).await;
    last_try().await.unwrap_err();
    assert_eq!(disabled(&after).await.len(), 1, "it has seen three days of failures");
}

#[tokio::test]
async fn a_clock_that_is_set_ahead_disables_no_end_point() {
    let server = TestServer::start("127.0.0.1", (0..12).map(|_| refused())).await;
    let webhooks = webhooks([end_point("crm", &server)]).0;
    report(&webhooks, start()).await.unwrap_err();
    let set_to = start() + TimeDelta::days(56 * 365);
    for tries in 1..5 {
        let failed = report_after(tries, &webhooks, set_to).await;
        assert!(matches!(failed, Err(StepError::Deferred { .. })), "after {tries} tries: {failed:?}");
    }
    assert!(matches!(report_after(5, &webhooks, set_to).await, Err(StepError::Final(_))));
    assert_eq!(disabled(&webhooks).await, [""; 0]);
}

#[tokio::test]
async fn nodes_that_share_jobs_disable_and_enable_together() {
    let server = TestServer::start("127.0.0.1", [answer("410 Gone", "", ""), ok()]).await;
    let jobs = jobs_on(&PowerCutDisk::new()).await;
    let node = || webhooks([end_point("crm", &server)]).0.jobs(jobs.clone());
    let (one, other) = (node(), node());
    assert_eq!(disabled(&other).await, [""; 0]);
    report(&one, start()).await.unwrap_err();
    assert_eq!(disabled(&other).await, ["crm: it has answered 410"]);
    assert!(other.enable(&"crm".parse().unwrap()).await.unwrap());
    assert_eq!(disabled(&one).await, [""; 0]);
    report(&one, start()).await.unwrap();
}

#[tokio::test]
async fn what_could_not_be_kept_is_kept_later() {
    let server = TestServer::start("127.0.0.1", [answer("410 Gone", "", "")]).await;
    let disk = FaultyDisk::new(PowerCutDisk::new());
    let before = webhooks([end_point("crm", &server)]).0.jobs(jobs_on(&disk).await);
    assert_eq!(disabled(&before).await, [""; 0]);
    disk.fail(InjectedFault::after(0, ErrorKind::StorageFull).lasting());
    report(&before, start()).await.unwrap_err();
    assert!(before.disabled().await.is_err());
    assert_eq!(before.end_points().disabled().len(), 1, "it is disabled meanwhile");
    disk.mend();
    assert_eq!(disabled(&before).await.len(), 1);
    drop(before);
    let after = webhooks([end_point("crm", &server)]).0.jobs(jobs_on(&disk).await);
    assert_eq!(disabled(&after).await.len(), 1);
}
