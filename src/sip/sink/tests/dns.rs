//! Servers that are found by DNS, with a DNS server in the test.

use std::net::{Ipv4Addr, SocketAddr};

use hickory_resolver::proto::op::{Message as DnsMessage, MessageType, OpCode};
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SRV};
use hickory_resolver::proto::rr::{Name as DomainName, RData, Record, RecordType};
use tokio::net::UdpSocket;

use super::super::super::message::{SipMessage, StatusCode};
use super::super::{SipSink, SipTargets};
use super::{MwiSink as _, state};

/// Answers queries about `pbx.example`, whose two servers are at these ports of this machine.
async fn serve_dns(socket: UdpSocket, ports: [u16; 2]) {
    let mut buffer = [0; 4096];
    loop {
        let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
        let question = DnsMessage::from_vec(&buffer[..len]).unwrap();
        let query = question.queries[0].clone();
        let mut answer = DnsMessage::new(question.metadata.id, MessageType::Response, OpCode::Query);
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        for data in records(&query.name.to_ascii(), query.query_type, ports) {
            answer.add_answer(Record::from_rdata(query.name.clone(), 60, data));
        }
        socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
    }
}

fn records(name: &str, of: RecordType, ports: [u16; 2]) -> Vec<RData> {
    let domain = |name: &str| DomainName::from_ascii(name).unwrap();
    let bytes = |text: &str| text.as_bytes().to_vec().into_boxed_slice();
    let naptr = |order, service: &str, replacement: &str| {
        RData::NAPTR(NAPTR::new(order, 1, bytes("s"), bytes(service), bytes(""), domain(replacement)))
    };
    let srv = |priority, port, target: &str| RData::SRV(SRV::new(priority, 0, port, domain(target)));
    match (name, of) {
        ("pbx.example.", RecordType::NAPTR) => {
            vec![naptr(2, "SIP+D2T", "_sip._tcp.pbx.example."), naptr(1, "SIP+D2U", "_sip._udp.pbx.example.")]
        }
        ("_sip._udp.pbx.example.", RecordType::SRV) => vec![srv(2, ports[1], "two.example."), srv(1, ports[0], "one.example.")],
        ("one.example." | "two.example.", RecordType::A) => vec![RData::A(A(Ipv4Addr::LOCALHOST))],
        _ => Vec::new(),
    }
}

/// Answers one request with `status`.
async fn answer(socket: &UdpSocket, status: StatusCode) {
    let mut buffer = [0; 4096];
    let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
    let Ok(SipMessage::Request(request)) = SipMessage::parse(&buffer[..len]) else { panic!("no request") };
    socket.send_to(&request.response(status, "peer").to_bytes(), from).await.unwrap();
}

#[tokio::test]
async fn the_second_server_of_a_domain_is_tried_after_the_first() {
    let local = || UdpSocket::bind("127.0.0.1:0");
    let (dns, first, second) = (local().await.unwrap(), local().await.unwrap(), local().await.unwrap());
    let server: SocketAddr = dns.local_addr().unwrap();
    let ports = [&first, &second].map(|socket| socket.local_addr().unwrap().port());
    let serving = tokio::spawn(serve_dns(dns, ports));
    let targets = SipTargets::template("sip:{mailbox}@pbx.example").unwrap();
    let builder = SipSink::builder("sip:voicemail@vm.example".parse().unwrap(), targets);
    let sink = builder.dns_servers([server]).unwrap().build();
    let shown = state(1, 7);
    let busy = answer(&first, StatusCode::SERVICE_UNAVAILABLE);
    let (result, (), ()) = tokio::join!(sink.show(&shown), busy, answer(&second, StatusCode::OK));
    result.unwrap();
    serving.abort();
}
