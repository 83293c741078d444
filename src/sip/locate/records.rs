//! Selects and orders the SIP servers of a domain from its NAPTR and SRV records, without looking anything up.

use super::super::Transport;

/// A NAPTR record: one service of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct Naptr {
    pub(in crate::sip) order: u16,
    pub(in crate::sip) preference: u16,
    /// `s` where `replacement` names SRV records.
    pub(in crate::sip) flags: String,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`, or another.
    pub(in crate::sip) services: String,
    /// The name of the SRV records of the service.
    pub(in crate::sip) replacement: String,
}

/// An SRV record: one server of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct Srv {
    /// The lowest priority is tried first.
    pub(in crate::sip) priority: u16,
    /// The share of requests among servers of the same priority.
    pub(in crate::sip) weight: u16,
    pub(in crate::sip) port: u16,
    pub(in crate::sip) target: String,
}

/// A transport, and the name of the SRV records of its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sip) struct Service {
    pub(in crate::sip) transport: Transport,
    pub(in crate::sip) name: String,
}

/// The services in `records` whose transport is supported, the preferred one first; those under TLS only if `tls`.
///
/// # Source
///
/// RFC 3263 §4.1, RFC 3403 §4.1.
pub(super) fn naptr_services(records: &[Naptr], tls: bool) -> Vec<Service> {
    let mut records: Vec<&Naptr> = records.iter().filter(|record| record.flags.eq_ignore_ascii_case("s")).collect();
    records.sort_by_key(|record| (record.order, record.preference));
    let service = |record: &Naptr| {
        let named = |transport: &Transport| transport.naptr_service().eq_ignore_ascii_case(&record.services);
        let transport = Transport::ALL.into_iter().find(named).filter(|transport| tls || !transport.is_secure())?;
        Some(Service { transport, name: record.replacement.clone() })
    };
    records.into_iter().filter_map(service).collect()
}

/// The services of `domain` over `transports`, by their default names.
///
/// # Source
///
/// RFC 3263 §4.1.
pub(super) fn default_services(domain: &str, transports: impl IntoIterator<Item = Transport>) -> Vec<Service> {
    let service = |transport: Transport| Service { transport, name: format!("{}.{domain}", transport.srv_prefix()) };
    transports.into_iter().map(service).collect()
}

/// Sorts `records` by priority; records of the same priority are drawn at random, with chances in proportion to their weights. `random`
/// returns a number from 0 to its argument. A record whose target is `.` says that the service is not offered, and is dropped.
///
/// # Source
///
/// RFC 2782.
pub(super) fn in_trial_order(mut records: Vec<Srv>, mut random: impl FnMut(u32) -> u32) -> Vec<Srv> {
    records.retain(|record| !record.target.is_empty() && record.target != ".");
    // Records of weight 0 come first, so that they have a small chance.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let equals = records.iter().take_while(|record| record.priority == priority);
        let drawn = random(equals.clone().map(|record| u32::from(record.weight)).sum());
        let mut sum = 0;
        let chosen = equals.take_while(|record| {
            sum += u32::from(record.weight);
            sum < drawn
        });
        let chosen = chosen.count();
        ordered.push(records.remove(chosen));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.into() }
    }

    fn targets(records: Vec<Srv>) -> Vec<String> {
        records.into_iter().map(|record| record.target).collect()
    }

    #[test]
    fn servers_are_tried_by_priority_and_weight() {
        let records = || vec![srv(20, 9, "last"), srv(10, 30, "b"), srv(10, 0, "c"), srv(10, 70, "a")];
        assert_eq!(targets(in_trial_order(records(), |_| 0)), ["c", "b", "a", "last"]);
        assert_eq!(targets(in_trial_order(records(), |most| most)), ["a", "b", "c", "last"]);
        assert_eq!(targets(in_trial_order(records(), |most| most.min(30))), ["b", "a", "c", "last"]);
        let mut firsts = 0;
        for drawn in 0..=100 {
            let ordered = targets(in_trial_order(records(), |most| if most == 100 { drawn } else { 0 }));
            assert_eq!((ordered.len(), ordered[3].as_str()), (4, "last"));
            firsts += u32::from(ordered[0] == "a");
        }
        assert_eq!(firsts, 70, "seventy in a hundred");
        assert_eq!(in_trial_order(vec![srv(0, 0, "."), srv(0, 0, "")], |_| 0), [], "the service is not offered");
    }

    #[test]
    fn supported_services_are_tried_by_order_and_preference() {
        let naptr = |order, preference, services: &str| Naptr {
            order,
            preference,
            flags: "S".into(),
            services: services.into(),
            replacement: format!("{services}.example"),
        };
        let mut records = vec![
            naptr(20, 1, "SIP+D2U"),
            naptr(10, 20, "sip+d2t"),
            naptr(10, 10, "SIPS+D2T"),
            naptr(5, 1, "SIP+D2S"),
            Naptr { flags: "u".into(), ..naptr(1, 1, "SIP+D2U") },
        ];
        records.reverse();
        let transports = |tls| naptr_services(&records, tls).into_iter().map(|service| service.transport).collect::<Vec<_>>();
        assert_eq!(transports(true), [Transport::Tls, Transport::Tcp, Transport::Udp]);
        assert_eq!(transports(false), [Transport::Tcp, Transport::Udp]);
        assert_eq!(naptr_services(&records, false)[0].name, "sip+d2t.example");
    }
}
