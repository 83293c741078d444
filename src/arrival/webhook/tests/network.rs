//! Tests of web hooks that a network describes.

use super::*;
use crate::http::HttpUrl;
use crate::network::{NetworkObserver as _, SecretSource, Webhook};

fn network(webhooks: impl IntoIterator<Item = Webhook>) -> Arc<Network> {
    let address: NodeAddress = "vm.example".parse().unwrap();
    let london = Site::builder("london".parse().unwrap(), VoicemailType::Central, chrono_tz::Europe::London)
        .node(address)
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .licence(LicenceClass::Voicemail)
        .ports(8)
        .mailbox(Mailbox::new(mailbox()));
    let network = Network::builder("voicemail.example").site(london);
    Arc::new(webhooks.into_iter().fold(network, crate::network::NetworkBuilder::webhook).build().unwrap())
}

/// A web hook to `server`, whose secrets are in these files.
fn webhook(name: &str, server: &TestServer, secrets: &[std::path::PathBuf]) -> Webhook {
    let url: HttpUrl = server.url("/hook").parse().unwrap();
    let secrets = secrets.iter().cloned().map(SecretSource::File).collect();
    let policy = end_point(name, server).policy;
    let nowhere = SecretSource::Variable("VOICEMAIL_NO_SUCH_VARIABLE".to_owned());
    Webhook { secrets, policy, ..Webhook::new(name.parse().unwrap(), url, nowhere) }
}

async fn signature(webhooks: &Webhooks, server: &TestServer) -> String {
    let (store, id) = store_with_message().await;
    let arrived = Arrived::new(mailbox(), id, start());
    let run = StepRun::new(&StepName::WEBHOOK, "crm", &arrived, &store, start());
    WebhookStep::new(webhooks.clone()).run(&run).await.unwrap();
    let request = server.request().await;
    let (id, signed) = (field(&request, "webhook-id").unwrap(), field(&request, "webhook-signature").unwrap());
    let known: Vec<_> = [SECRET, OTHER_SECRET]
        .into_iter()
        .filter(|secret| {
            let secret: WebhookSecret = secret.parse().unwrap();
            signed.contains(&secret.sign(id, start().timestamp(), body(&request).as_bytes()))
        })
        .collect();
    known.join(" ")
}

#[tokio::test]
async fn a_network_that_is_adopted_brings_its_web_hooks_and_secrets() {
    let server = TestServer::start("127.0.0.1", [ok(), ok(), ok()]).await;
    let folder = tempfile::tempdir().unwrap();
    let (newer, older) = (folder.path().join("newer"), folder.path().join("older"));
    std::fs::write(&older, format!("{SECRET}\n")).unwrap();
    let client = HttpClient::builder().build();
    let webhooks = Webhooks::of_network(client, network([webhook("crm", &server, std::slice::from_ref(&older))])).unwrap();
    assert_eq!(signature(&webhooks, &server).await, SECRET);

    // The secret is being replaced: the receiver accepts both for a while.
    std::fs::write(&newer, format!("  {OTHER_SECRET}")).unwrap();
    let both = network([webhook("crm", &server, &[newer.clone(), older.clone()])]);
    webhooks.prepare(&both).unwrap()();
    assert_eq!(signature(&webhooks, &server).await, format!("{SECRET} {OTHER_SECRET}"));

    // One secret is missing: the network is refused, and the former one stays in force.
    std::fs::remove_file(&older).unwrap();
    assert!(webhooks.prepare(&both).is_err());
    assert_eq!(signature(&webhooks, &server).await, format!("{SECRET} {OTHER_SECRET}"));
    let none = network([]);
    webhooks.prepare(&none).unwrap()();
    let parts =
        WebhookStep::new(webhooks).parts(&Arrived::new(mailbox(), MessageId::random(), start()), &MemoryStore::new([])).await;
    assert_eq!(parts.unwrap(), [""; 0]);
}

#[tokio::test]
async fn each_secret_that_cannot_be_read_is_reported() {
    let server = TestServer::start("127.0.0.1", []).await;
    let folder = tempfile::tempdir().unwrap();
    let (missing, bad, long) = (folder.path().join("missing"), folder.path().join("bad"), folder.path().join("long"));
    std::fs::write(&bad, "whsec_c2hvcnQ=").unwrap();
    std::fs::write(&long, "w".repeat(5000)).unwrap();
    let nowhere = SecretSource::Variable("VOICEMAIL_NO_SUCH_VARIABLE".to_owned());
    let unset = Webhook { secrets: vec![nowhere], ..webhook("unset", &server, &[]) };
    let network = network([webhook("crm", &server, &[missing, bad]), webhook("long", &server, &[long]), unset]);
    let faults = Webhooks::of_network(HttpClient::builder().build(), network).unwrap_err();
    let names: Vec<_> = faults.iter().map(|fault| fault.id.as_str()).collect();
    assert_eq!(names, ["crm", "crm", "long", "unset"]);
    let shown = faults.to_string();
    assert!(shown.lines().count() == 4 && !shown.contains("c2hvcnQ"), "{shown}");
    assert!(shown.contains("variable VOICEMAIL_NO_SUCH_VARIABLE") && shown.contains("4 kB"), "{shown}");
}

#[tokio::test]
async fn end_points_made_in_code_stay_when_a_network_is_adopted() {
    let server = TestServer::start("127.0.0.1", []).await;
    let (webhooks, _) = webhooks([end_point("crm", &server)]);
    webhooks.prepare(&network([])).unwrap()();
    assert!(webhooks.end_points().enabled("crm").is_some());
}

const OTHER_SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";
