use std::collections::HashMap;
use std::sync::Mutex;

use super::*;

/// DNS records of the test; it records the lookups.
#[derive(Debug, Default)]
struct Zone {
    naptr: HashMap<&'static str, Vec<Naptr>>,
    srv: HashMap<&'static str, Vec<Srv>>,
    addresses: HashMap<&'static str, Vec<IpAddr>>,
    asked: Mutex<Vec<String>>,
}

impl Zone {
    fn note(&self, kind: &str, name: &str) {
        self.asked.lock().unwrap().push(format!("{kind} {name}"));
    }
}

#[async_trait]
impl Resolve for Zone {
    async fn naptr(&self, name: &str) -> io::Result<Vec<Naptr>> {
        self.note("NAPTR", name);
        Ok(self.naptr.get(name).cloned().unwrap_or_default())
    }

    async fn srv(&self, name: &str) -> io::Result<Vec<Srv>> {
        self.note("SRV", name);
        Ok(self.srv.get(name).cloned().unwrap_or_default())
    }

    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        self.note("A", name);
        Ok(self.addresses.get(name).cloned().unwrap_or_default())
    }
}

fn zone() -> Zone {
    let naptr = |order, services: &str, replacement: &str| Naptr {
        order,
        preference: 1,
        flags: "s".into(),
        services: services.into(),
        replacement: replacement.into(),
    };
    let srv = |priority, port, target: &str| Srv { priority, weight: 0, port, target: target.into() };
    let ip = |last: u8| IpAddr::from([192, 0, 2, last]);
    Zone {
        naptr: HashMap::from([(
            "pbx.example",
            vec![naptr(2, "SIP+D2T", "_sip._tcp.pbx.example"), naptr(1, "SIPS+D2T", "_sips._tcp.pbx.example")],
        )]),
        srv: HashMap::from([
            ("_sips._tcp.pbx.example", vec![srv(2, 5071, "two.example"), srv(1, 5061, "one.example")]),
            ("_sip._tcp.pbx.example", vec![srv(1, 5060, "one.example")]),
            ("_sip._udp.plain.example", vec![srv(1, 5090, "two.example")]),
        ]),
        addresses: HashMap::from([
            ("one.example", vec![ip(1), ip(11)]),
            ("two.example", vec![ip(2)]),
            ("pbx.example", vec![ip(9)]),
            ("bare.example", vec![ip(8)]),
        ]),
        asked: Mutex::default(),
    }
}

/// The servers of `target`, each as `transport address`, and what was looked up.
async fn located(target: &str, transport: Option<Transport>, tls: bool) -> (Vec<String>, Vec<String>) {
    let zone = zone();
    let found = locate(&zone, &target.parse().unwrap(), LocateOptions { transport, tls }).await.unwrap();
    let found = found.into_iter().map(|each| format!("{} {} {}", each.transport.name(), each.address, each.name));
    (found.map(|text| text.trim_end().to_owned()).collect(), zone.asked.into_inner().unwrap())
}

#[tokio::test]
async fn records_of_a_domain_give_its_servers_and_transports() {
    let (found, asked) = located("sip:2041@pbx.example", None, true).await;
    let domain = "pbx.example";
    let expected = ["TLS 192.0.2.1:5061", "TLS 192.0.2.11:5061", "TLS 192.0.2.2:5071"].map(|each| format!("{each} {domain}"));
    assert_eq!(found, expected, "by priority, each address of a name, and the domain is on the certificate");
    assert_eq!(asked, ["NAPTR pbx.example", "SRV _sips._tcp.pbx.example", "A one.example", "A two.example"]);
    let (found, _) = located("sip:2041@pbx.example", None, false).await;
    assert_eq!(found, ["TCP 192.0.2.1:5060", "TCP 192.0.2.11:5060"], "the best that is spoken");
}

#[tokio::test]
async fn ports_transports_and_ips_in_a_uri_are_not_looked_up() {
    for (target, transport, found, asked) in [
        ("sip:a@192.0.2.5", None, "UDP 192.0.2.5:5060", &[][..]),
        ("sips:a@[2001:db8::1]", None, "TLS [2001:db8::1]:5061 2001:db8::1", &[]),
        ("sip:a@pbx.example:5099", None, "UDP 192.0.2.9:5099", &["A pbx.example"]),
        ("sip:a@pbx.example;transport=udp", None, "UDP 192.0.2.9:5060", &["SRV _sip._udp.pbx.example", "A pbx.example"]),
        ("sip:a@bare.example", Some(Transport::Tcp), "TCP 192.0.2.8:5060", &["SRV _sip._tcp.bare.example", "A bare.example"]),
        (
            "sip:a@bare.example",
            None,
            "UDP 192.0.2.8:5060",
            &["NAPTR bare.example", "SRV _sip._udp.bare.example", "SRV _sip._tcp.bare.example", "A bare.example"],
        ),
        (
            "sip:a@plain.example",
            None,
            "UDP 192.0.2.2:5090",
            &["NAPTR plain.example", "SRV _sip._udp.plain.example", "A two.example"],
        ),
    ] {
        assert_eq!(
            located(target, transport, true).await,
            (vec![found.to_owned()], asked.iter().map(|s| (*s).to_owned()).collect())
        );
    }
    let nowhere = "sip:a@nowhere.example".parse().unwrap();
    assert!(locate(&zone(), &nowhere, LocateOptions { transport: None, tls: false }).await.is_err());
}
