//! [`DnsResolver`]: looks up NAPTR, SRV and address records in the DNS.

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};

use super::Resolve;
use super::records::{Naptr, Srv};

/// Queries DNS servers, and caches their answers for their time to live.
#[derive(Debug, Clone)]
pub(in crate::sip) struct DnsResolver(TokioResolver);

impl DnsResolver {
    /// Queries the servers that the operating system is configured with.
    pub(in crate::sip) fn of_system() -> io::Result<Self> {
        Ok(Self(TokioResolver::builder_tokio().and_then(ResolverBuilder::build).map_err(io::Error::other)?))
    }

    /// Queries these servers, over UDP and TCP.
    pub(in crate::sip) fn of_servers(servers: impl IntoIterator<Item = SocketAddr>) -> io::Result<Self> {
        let server = |address: SocketAddr| {
            let mut server = NameServerConfig::udp_and_tcp(address.ip());
            for connection in &mut server.connections {
                connection.port = address.port();
            }
            server
        };
        let config = ResolverConfig::from_name_servers(servers.into_iter().map(server).collect());
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        Ok(Self(builder.build().map_err(io::Error::other)?))
    }

    /// The records of `name`, converted by `read`.
    async fn records<T>(&self, name: &str, of: RecordType, read: impl Fn(&RData) -> Option<T>) -> io::Result<Vec<T>> {
        // With a dot at the end, no search domain is appended.
        match self.0.lookup(format!("{}.", name.trim_end_matches('.')), of).await {
            Ok(found) => Ok(found.answers().iter().filter_map(|record: &Record| read(&record.data)).collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

#[async_trait]
impl Resolve for DnsResolver {
    async fn naptr(&self, name: &str) -> io::Result<Vec<Naptr>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let read = |data: &RData| match data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                services: text(&naptr.services),
                replacement: naptr.replacement.to_ascii(),
            }),
            _ => None,
        };
        self.records(name, RecordType::NAPTR, read).await
    }

    async fn srv(&self, name: &str) -> io::Result<Vec<Srv>> {
        let read = |data: &RData| match data {
            RData::SRV(srv) => {
                Some(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: srv.target.to_ascii() })
            }
            _ => None,
        };
        self.records(name, RecordType::SRV, read).await
    }

    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let read = |data: &RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        let (old, new) = futures::join!(self.records(name, RecordType::A, read), self.records(name, RecordType::AAAA, read));
        match (old, new) {
            (Ok(old), Ok(new)) => Ok(new.into_iter().chain(old).collect()),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}
