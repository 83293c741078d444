//! [`locate`]: finds the servers of a SIP URI, in the order in which they are tried.

#[cfg(feature = "sip-dns")]
mod dns;
mod records;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;

#[cfg(feature = "sip-dns")]
pub(super) use self::dns::DnsResolver;
use self::records::{Naptr, Service, Srv, default_services, in_trial_order, naptr_services};
use super::transport::Destination;
use super::{SipUri, Transport};

/// Resolves domain names.
#[async_trait]
pub(super) trait Resolve: Debug + Send + Sync {
    /// The NAPTR records of `name`; empty if it has none.
    async fn naptr(&self, name: &str) -> io::Result<Vec<Naptr>>;

    /// The SRV records of `name`; empty if it has none.
    async fn srv(&self, name: &str) -> io::Result<Vec<Srv>>;

    /// The addresses of `name`; empty if it has none.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver, which looks up addresses only.
#[derive(Debug)]
pub(super) struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn naptr(&self, _name: &str) -> io::Result<Vec<Naptr>> {
        Ok(Vec::new())
    }

    async fn srv(&self, _name: &str) -> io::Result<Vec<Srv>> {
        Ok(Vec::new())
    }

    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The settings that limit which servers are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LocateOptions {
    /// The transport to use. Without one, the records of the domain choose it; it is UDP where there are no records.
    pub(super) transport: Option<Transport>,
    /// Whether TLS is configured.
    pub(super) tls: bool,
}

/// Returns the servers of `target`, in order; at least one. Under TLS, each must have a certificate of the domain, not of the server name.
///
/// # Errors
///
/// When no name can be resolved, or none has an address.
///
/// # Source
///
/// RFC 3263 §4; RFC 5922 §4 for the name on the certificate.
pub(super) async fn locate(resolver: &dyn Resolve, target: &SipUri, options: LocateOptions) -> io::Result<Vec<Destination>> {
    let host = target.host().trim_start_matches('[').trim_end_matches(']');
    let required = if target.is_secure() { Some(Transport::Tls) } else { options.transport.or(target.transport()) };
    let transport = required.unwrap_or(Transport::Udp);
    let at = |ip: IpAddr, port: u16| Destination::new(transport, SocketAddr::new(ip, port), host);
    let port = target.port().unwrap_or(transport.default_port());
    if let Some(ip) = target.ip() {
        return Ok(vec![at(ip, port)]);
    }
    if target.port().is_none() {
        let servers = servers(resolver, host, required, options.tls).await;
        if !servers.is_empty() {
            return Ok(servers);
        }
    }
    let addresses = resolver.addresses(host).await?;
    let found: Vec<_> = addresses.into_iter().take(MAX_ADDRESSES_PER_NAME).map(|ip| at(ip, port)).collect();
    if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
}

/// The servers that the records of `domain` name, of the first service that has any. A record that cannot be looked up counts as missing.
async fn servers(resolver: &dyn Resolve, domain: &str, required: Option<Transport>, tls: bool) -> Vec<Destination> {
    let services: Vec<Service> = if let Some(transport) = required {
        default_services(domain, [transport])
    } else {
        let naptr_services = naptr_services(&resolver.naptr(domain).await.unwrap_or_default(), tls);
        let in_clear = Transport::ALL.into_iter().filter(|transport| !transport.is_secure());
        if naptr_services.is_empty() { default_services(domain, in_clear) } else { naptr_services }
    };
    for Service { transport, name } in services {
        let mut found = Vec::new();
        for Srv { target, port, .. } in in_trial_order(resolver.srv(&name).await.unwrap_or_default(), random) {
            let addresses = resolver.addresses(&target).await.unwrap_or_default();
            found.extend(
                addresses
                    .into_iter()
                    .take(MAX_ADDRESSES_PER_NAME)
                    .map(|ip| Destination::new(transport, (ip, port).into(), domain)),
            );
            if found.len() >= MAX_SERVERS {
                break;
            }
        }
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

/// A random number up to `most`.
fn random(most: u32) -> u32 {
    let mut bytes = [0; 4];
    // Without random numbers, the first of equal records is chosen.
    let _ = getrandom::fill(&mut bytes);
    let number = (u64::from(u32::from_be_bytes(bytes)) * (u64::from(most) + 1)) >> 32;
    u32::try_from(number).unwrap_or(most)
}

const MAX_ADDRESSES_PER_NAME: usize = 8;
const MAX_SERVERS: usize = 16;
