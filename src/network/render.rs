//! Presents a network for people to read: as tables, and as a Mermaid flowchart.

use std::array;
use std::collections::BTreeMap;

use super::{DistributionList, Mailbox, Network, NodeAddress, Role, Site, VoicemailType};
use crate::directory::{MailboxLimits, Retention, VoicemailSystem};
use crate::message::MailboxId;
use crate::rules::{ArrivalRule, PrivateMessages};

impl Network {
    /// Returns a table of plain text with a line for each PBX, under a line of headings. Every line ends with a line feed.
    ///
    /// ```text
    /// PBX        VOICEMAIL    NODE                        DESTINATION  PORTS  LICENCES
    /// london     central      central.voicemail.example   -            8      voicemail, unified-messaging
    /// kathmandu  distributed  himalaya.voicemail.example  main         2      voicemail, campaigns until 2027-01-01
    /// ```
    pub fn to_table(&self) -> String {
        in_columns(PBX_HEADINGS, self.sites().map(row))
    }

    /// Returns a table with a line for each voicemail node: its hosts, if the description gives any, and the PBXs for which it is
    /// central or distributed. The form is that of [`to_table`](Self::to_table).
    ///
    /// ```text
    /// NODE                        HOSTS         CENTRAL FOR     DISTRIBUTED FOR
    /// central.voicemail.example   10.1.1.5:25   london, berlin  york
    /// himalaya.voicemail.example  -             -               kathmandu, tokyo
    /// ```
    pub fn to_node_table(&self) -> String {
        let mut nodes: Vec<&NodeAddress> = Vec::new();
        for node in [self.central_node()].into_iter().chain(self.backup_node()).chain(self.sites().filter_map(Site::node)) {
            if !nodes.contains(&node) {
                nodes.push(node);
            }
        }
        let served = |node: &NodeAddress, as_what| {
            let sites = self.sites_of(node).filter(|(_, role)| *role == as_what);
            or_dash(sites.map(|(site, _)| site.id().to_string()))
        };
        let row = |node: &NodeAddress| {
            let hosts = if node == self.central_node() { self.central().hosts() } else { &[] };
            let hosts = or_dash(hosts.iter().map(ToString::to_string));
            [node.to_string(), hosts, served(node, Role::Central), served(node, Role::Distributed)]
        };
        in_columns(NODE_HEADINGS, nodes.into_iter().map(row))
    }

    /// Returns a table with a line for each mailbox: its PBX, the zone and the language of its owner, the minimum and maximum length of a
    /// message in seconds, how much it may hold, how many days its messages stay,
    /// and when its owner is warned. The form is that of [`to_table`](Self::to_table).
    ///
    /// ```text
    /// MAILBOX  PBX     ZONE           LANGUAGE  SECONDS   HOLDS                      DAYS               WARNED
    /// 2001     london  Europe/London  en-GB     1 to 300  messages 500, minutes 240  old 90, removed 7  80 %, 7 days
    /// 2008     tokyo   Asia/Tokyo     -         2 to 120  -                          -                  90 %, 3 days
    /// ```
    pub fn to_mailbox_table(&self) -> String {
        in_columns(MAILBOX_HEADINGS, self.mailboxes().map(mailbox_row))
    }

    /// Returns a table with a line for each PBX that has a mailbox for its undeliverable messages, its own or the network's. The form is that of
    /// [`to_table`](Self::to_table).
    ///
    /// ```text
    /// PBX     UNDELIVERABLE TO
    /// london  2001
    /// tokyo   2008
    /// ```
    pub fn to_undeliverable_table(&self) -> String {
        let row = |site: &Site| Some([site.id().to_string(), self.undeliverable(Some(site.id()))?.to_string()]);
        in_columns(UNDELIVERABLE_HEADINGS, self.sites().filter_map(row))
    }

    /// Returns a table with a line for each distribution list: how many mailboxes it has with those of the lists inside it, and its members. The form
    /// is that of [`to_table`](Self::to_table).
    ///
    /// ```text
    /// LIST  MAILBOXES  MEMBERS
    /// 2900  3          2001, 2002, 2008
    /// 2901  4          2900, 2019
    /// ```
    pub fn to_list_table(&self) -> String {
        let row = |(number, list): (&MailboxId, &DistributionList)| {
            [number.to_string(), list.mailboxes.len().to_string(), names(&list.members)]
        };
        in_columns(LIST_HEADINGS, self.lists.iter().map(row))
    }

    /// Returns a table with a line for each other voicemail system: its domain, the prefixes of the numbers that lead there and what they become, the
    /// numbers with an address, the form of the mails, and whether private messages are sent there. The form is that of [`to_table`](Self::to_table).
    ///
    /// ```text
    /// SYSTEM  DOMAIN               PREFIXES  ADDRESSES                 STRIP  ADD  DIALECT  PRIVATE
    /// boston  vpim.boston.example  8617      5501 anna@boston.example  1      +1   vpim     yes
    /// ```
    pub fn to_system_table(&self) -> String {
        let row = |system: &VoicemailSystem| {
            let add = if system.add.is_empty() { "-" } else { &system.add };
            let private = if system.honours_privacy { "yes" } else { "no" };
            [
                system.name.clone(),
                system.domain.clone(),
                names(&system.prefixes),
                or_dash(system.addresses().map(|(number, address)| format!("{number} {address}"))),
                system.strip.to_string(),
                add.to_owned(),
                system.dialect.to_string(),
                private.to_owned(),
            ]
        };
        in_columns(SYSTEM_HEADINGS, self.systems().map(row))
    }

    /// Returns a table with a line for each mailbox that several owners share: whether its messages are for a group, for the first member of a
    /// group who accepts them, or copied to each of the mailboxes. The form is that of [`to_table`](Self::to_table).
    ///
    /// ```text
    /// SHARED  AS           MAILBOXES
    /// sales   group        2001, 2003
    /// help    first owns   2002, 2008
    /// 2600    copies       2001, 2002, 2008
    /// ```
    pub fn to_shared_table(&self) -> String {
        let row = |mailbox: &Mailbox| {
            let (kind, members) = match &mailbox.group {
                Some(group) if group.first_owns => ("first owns", &group.members),
                Some(group) => ("group", &group.members),
                None if mailbox.copies_to.is_empty() => return None,
                None => ("copies", &mailbox.copies_to),
            };
            Some([mailbox.number.to_string(), kind.to_owned(), names(members)])
        };
        in_columns(SHARED_HEADINGS, self.mailboxes().filter_map(|(_, mailbox)| row(mailbox)))
    }

    /// Returns a table with a line for each rule for messages that arrive: the mailbox, the rule, what its mail contains, where it goes and when, and
    /// what becomes of the message. Rules of the PBX have a line for each mailbox. The form is that of [`to_table`](Self::to_table).
    ///
    /// ```text
    /// MAILBOX  RULE    CONTENT  TO                MESSAGES      TIMES                DELAY  THEN
    /// 2001     office  copy     anna@example.com  all           mon-fri 08:00-18:00  -      heard
    /// 2002     mail    copy     nobody            urgent        -                    600 s  keep
    /// 2002     own     notice   karl@example.com  all, private  -                    -      keep
    /// ```
    pub fn to_rule_table(&self) -> String {
        let rules = self.mailboxes().flat_map(|(site, mailbox)| {
            let rules = mailbox.rules.as_ref().unwrap_or(site.rules());
            rules.iter().map(move |rule| rule_row(mailbox, rule))
        });
        in_columns(RULE_HEADINGS, rules)
    }

    /// Returns a table with a line for each web hook: its server without the path, which may be a secret, the types that it reports, the PBXs, whether
    /// it gets callers, and where its secrets are. The form is that of [`to_table`](Self::to_table).
    ///
    /// ```text
    /// WEBHOOK  SERVER                         TYPES                     PBX     CALLERS  SECRETS
    /// audit    https://audit.example          messages                  all     no       variable AUDIT_SECRET
    /// crm      https://crm.corp.example:8443  voicemail.message.stored  london  yes      file /etc/voicemail/crm
    /// ```
    #[cfg(feature = "http-client")]
    pub fn to_webhook_table(&self) -> String {
        let row = |webhook: &super::Webhook| {
            let scheme = if webhook.url.is_https() { "https" } else { "http" };
            [
                webhook.id.to_string(),
                format!("{scheme}://{}", webhook.url.authority()),
                if webhook.types.is_empty() { "messages".to_owned() } else { names(&webhook.types) },
                if webhook.sites.is_empty() { "all".to_owned() } else { names(&webhook.sites) },
                if webhook.caller == crate::http::webhook::CallerData::Included { "yes" } else { "no" }.to_owned(),
                names(&webhook.secrets),
            ]
        };
        in_columns(WEBHOOK_HEADINGS, self.webhooks().map(row))
    }

    /// Returns a flowchart in the Mermaid language: callers go from each PBX to the node that records, and messages from there to
    /// the central node.
    pub fn to_mermaid(&self) -> String {
        let central = self.central_node();
        // Other names than the ids, because an id such as `end` has a meaning in Mermaid.
        let mut nodes = BTreeMap::from([(central, "n0".to_owned())]);
        for node in self.sites().filter_map(Site::node) {
            let name = format!("n{}", nodes.len());
            nodes.entry(node).or_insert(name);
        }
        let mut lines = vec!["flowchart LR".to_owned()];
        for (address, name) in &nodes {
            let what = if *address == central { "central node" } else { "distributed node" };
            lines.push(format!("    {name}([\"{address}<br/>{what}\"])"));
        }
        for (place, site) in self.sites().enumerate() {
            lines.push(format!("    p{place}[\"{}<br/>{}\"]", site.id(), site.zone().name()));
            let node = site.node().unwrap_or(central);
            lines.push(format!("    p{place} -->|\"{}\"| {}", caller_route(site), nodes[node]));
        }
        let forwarding = nodes.iter().filter(|(address, _)| **address != central);
        lines.extend(forwarding.map(|(_, name)| format!("    {name} ==>|\"SMTP\"| n0")));
        lines.join("\n") + "\n"
    }
}

fn in_columns<const COLUMNS: usize>(headings: [&str; COLUMNS], rows: impl Iterator<Item = [String; COLUMNS]>) -> String {
    let rows: Vec<_> = [headings.map(str::to_owned)].into_iter().chain(rows).collect();
    let widths: [usize; COLUMNS] = array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, widest)| format!("{cell}{}", " ".repeat(widest - width(cell))));
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

fn row(site: &Site) -> [String; 6] {
    let fallback = if site.fallback().is_some() { " (fallback)" } else { "" };
    [
        site.id().to_string(),
        format!("{}{fallback}", site.voicemail()),
        or_dash(site.node().map(ToString::to_string)),
        or_dash(site.destination().map(str::to_owned)),
        or_dash((site.ports() > 0).then(|| site.ports().to_string())),
        or_dash(site.licences().iter().map(ToString::to_string)),
    ]
}

fn mailbox_row((site, mailbox): (&Site, &Mailbox)) -> [String; 8] {
    [
        mailbox.number.to_string(),
        site.id().to_string(),
        mailbox.zone.unwrap_or(site.zone()).name().to_owned(),
        or_dash(mailbox.language.as_ref().or(site.language()).map(ToString::to_string)),
        format!("{} to {}", mailbox.recording.min.as_secs(), mailbox.recording.max.as_secs()),
        or_dash(limits(mailbox.holding)),
        or_dash(days(mailbox.retention)),
        format!("{} %, {} days", mailbox.warnings.percent(), mailbox.warnings.days()),
    ]
}

fn rule_row(mailbox: &Mailbox, rule: &ArrivalRule) -> [String; 8] {
    let to = rule.to.address(mailbox.email.as_ref());
    let private = if rule.private == PrivateMessages::Send { ", private" } else { "" };
    [
        mailbox.number.to_string(),
        rule.id.to_string(),
        rule.content.to_string(),
        to.map_or_else(|| "nobody".to_owned(), ToString::to_string),
        format!("{}{private}", rule.messages),
        or_dash(rule.timetable.spans().iter().map(ToString::to_string)),
        or_dash((!rule.delay.is_zero()).then(|| format!("{} s", rule.delay.as_secs()))),
        rule.then.to_string(),
    ]
}

fn limits(holding: MailboxLimits) -> impl Iterator<Item = String> {
    let length = holding.length.map(|length| match length.as_secs() {
        seconds if seconds.is_multiple_of(60) => format!("minutes {}", seconds / 60),
        seconds => format!("seconds {seconds}"),
    });
    let messages = holding.messages.map(|messages| format!("messages {messages}"));
    let bytes = holding.bytes.map(|bytes| format!("bytes {bytes}"));
    [messages, length, bytes].into_iter().flatten()
}

fn days(retention: Retention) -> impl Iterator<Item = String> {
    let times = [("new", retention.new), ("old", retention.old), ("removed", retention.removed)];
    times.into_iter().filter_map(|(status, time)| {
        Some(match time?.as_secs() {
            seconds if seconds.is_multiple_of(86_400) => format!("{status} {}", seconds / 86_400),
            seconds => format!("{status} {seconds} s"),
        })
    })
}

fn names<'a, T: ToString + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    or_dash(items.into_iter().map(ToString::to_string))
}

fn or_dash(texts: impl IntoIterator<Item = String>) -> String {
    let texts: Vec<_> = texts.into_iter().collect();
    if texts.is_empty() { "-".to_owned() } else { texts.join(", ") }
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

fn caller_route(site: &Site) -> String {
    match (site.voicemail(), site.destination()) {
        (VoicemailType::Centralized, Some(trunk_group)) => format!("centralized, on {}", escaped(trunk_group)),
        (voicemail, _) => voicemail.to_string(),
    }
}

/// Escapes `text` with the entity codes of Mermaid, so that no name can end the label that contains it.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

const PBX_HEADINGS: [&str; 6] = ["PBX", "VOICEMAIL", "NODE", "DESTINATION", "PORTS", "LICENCES"];
const MAILBOX_HEADINGS: [&str; 8] = ["MAILBOX", "PBX", "ZONE", "LANGUAGE", "SECONDS", "HOLDS", "DAYS", "WARNED"];
const RULE_HEADINGS: [&str; 8] = ["MAILBOX", "RULE", "CONTENT", "TO", "MESSAGES", "TIMES", "DELAY", "THEN"];
const UNDELIVERABLE_HEADINGS: [&str; 2] = ["PBX", "UNDELIVERABLE TO"];
const SYSTEM_HEADINGS: [&str; 8] = ["SYSTEM", "DOMAIN", "PREFIXES", "ADDRESSES", "STRIP", "ADD", "DIALECT", "PRIVATE"];
const LIST_HEADINGS: [&str; 3] = ["LIST", "MAILBOXES", "MEMBERS"];
const SHARED_HEADINGS: [&str; 3] = ["SHARED", "AS", "MAILBOXES"];
#[cfg(feature = "http-client")]
const WEBHOOK_HEADINGS: [&str; 6] = ["WEBHOOK", "SERVER", "TYPES", "PBX", "CALLERS", "SECRETS"];
const NODE_HEADINGS: [&str; 4] = ["NODE", "HOSTS", "CENTRAL FOR", "DISTRIBUTED FOR"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::samples::{self, CENTRAL_NODE, central, centralized, distributed, id, node};
    use super::super::{Fallback, Licence, LicenceClass, Mailbox};
    use crate::directory::{MailboxLimits, Retention, WarningThresholds};
    use crate::rules::{ArrivalRule, ArrivalRules, Content, PrivateMessages};

    fn network() -> super::Network {
        let campaigns = Licence::until(LicenceClass::Campaigns, "2027-01-01".parse().unwrap());
        let berlin = centralized("berlin").trunk_group("West \"7\"", &id("london")).destination("West \"7\"");
        let sites = vec![central("london"), berlin.fallback(Fallback::default()), distributed("end").licence(campaigns)];
        samples::of(sites).unwrap()
    }

    #[test]
    fn the_table_has_a_line_for_each_pbx_in_columns() {
        let expected = "\
PBX     VOICEMAIL               NODE                        DESTINATION  PORTS  LICENCES
london  central                 central.voicemail.example   -            2      voicemail
berlin  centralized (fallback)  -                           West \"7\"     -      -
end     distributed             himalaya.voicemail.example  main         1      voicemail, campaigns until 2027-01-01
";
        assert_eq!(network().to_table(), expected);
    }

    #[test]
    fn the_table_of_nodes_shows_the_role_of_each_for_its_pbxs() {
        let shared = distributed("leeds").node(node(CENTRAL_NODE));
        let london = central("london").host("10.1.1.5".parse().unwrap()).host("10.1.1.6:2525".parse().unwrap());
        let sites = vec![distributed("tokyo"), london, centralized("berlin"), distributed("end"), shared];
        let expected = "\
NODE                        HOSTS                       CENTRAL FOR     DISTRIBUTED FOR
central.voicemail.example   10.1.1.5:25, 10.1.1.6:2525  london, berlin  leeds
himalaya.voicemail.example  -                           -               tokyo, end
";
        assert_eq!(samples::of(sites).unwrap().to_node_table(), expected);
    }

    #[test]
    fn the_table_of_mailboxes_has_languages_and_limits() {
        let holding = MailboxLimits { messages: Some(1), length: Some(Duration::from_secs(90)), bytes: Some(5) };
        let retention = Retention::default().old_for(Duration::from_secs(30 * 86_400)).removed_for(Duration::from_secs(60));
        let limited = Mailbox { holding, retention, ..samples::mailbox("2009") }
            .with_warnings(WarningThresholds::default().with_percent(80))
            .with_language("de".parse().unwrap());
        let hours = MailboxLimits { length: Some(Duration::from_secs(7200)), ..MailboxLimits::default() };
        let london = central("london")
            .language("en-GB".parse().unwrap())
            .holding(hours)
            .mailbox(samples::mailbox("2001"))
            .mailbox(limited);
        let sites = vec![london, distributed("tokyo").mailbox(samples::mailbox("2008"))];
        let expected = "\
MAILBOX  PBX     ZONE           LANGUAGE  SECONDS   HOLDS                            DAYS                  WARNED
2001     london  Europe/London  en-GB     1 to 300  minutes 120                      -                     90 %, 3 days
2009     london  Europe/London  de        1 to 300  messages 1, seconds 90, bytes 5  old 30, removed 60 s  80 %, 3 days
2008     tokyo   Asia/Tokyo     -         1 to 300  -                                -                     90 %, 3 days
";
        assert_eq!(samples::of(sites).unwrap().to_mailbox_table(), expected);
    }

    #[test]
    fn the_table_of_undeliverable_messages_has_each_pbx_with_one() {
        let leeds = distributed("leeds").mailbox(samples::mailbox("2008"));
        let sites = vec![central("london"), leeds.undeliverable("2008".parse().unwrap())];
        assert_eq!(samples::of(sites).unwrap().to_undeliverable_table(), "PBX    UNDELIVERABLE TO\nleeds  2008\n");
    }

    #[test]
    fn the_table_of_rules_shows_who_gets_a_mail() {
        let rule = |id: &str, content| ArrivalRule::new(id.parse().unwrap(), content);
        let own = rule("own", Content::Notice)
            .to("karl@example.com".parse().unwrap())
            .with_private(PrivateMessages::Send)
            .with_timetable(["sat 22:00-02:00".parse().unwrap()].into_iter().collect())
            .with_delay(Duration::from_secs(60));
        let own = ArrivalRules::new([own]).unwrap();
        let london = central("london")
            .rules(ArrivalRules::new([rule("mail", Content::Copy)]).unwrap())
            .mailbox(samples::mailbox("2001"))
            .mailbox(samples::mailbox("2002").with_email("anna@example.com".parse().unwrap()))
            .mailbox(samples::mailbox("2003").with_rules(own))
            .mailbox(samples::mailbox("2004").with_rules(ArrivalRules::default()));
        let expected = "\
MAILBOX  RULE  CONTENT  TO                MESSAGES      TIMES            DELAY  THEN
2001     mail  copy     nobody            all           -                -      keep
2002     mail  copy     anna@example.com  all           -                -      keep
2003     own   notice   karl@example.com  all, private  sat 22:00-02:00  60 s   keep
";
        assert_eq!(samples::of(vec![london]).unwrap().to_rule_table(), expected);
    }

    #[test]
    fn the_flowchart_shows_where_callers_and_messages_go() {
        let expected = r#"flowchart LR
    n0(["central.voicemail.example<br/>central node"])
    n1(["himalaya.voicemail.example<br/>distributed node"])
    p0["london<br/>Europe/London"]
    p0 -->|"central"| n0
    p1["berlin<br/>Europe/Berlin"]
    p1 -->|"centralized, on West #quot;7#quot;"| n0
    p2["end<br/>Asia/Tokyo"]
    p2 -->|"distributed"| n1
    n1 ==>|"SMTP"| n0
"#;
        assert_eq!(network().to_mermaid(), expected);
    }
}
