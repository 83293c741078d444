//! [`NetworkDescription`]: the description of a network in a file.

mod limits;
mod rules;
mod systems;
#[cfg(feature = "http-client")]
mod webhooks;

use serde::Deserialize;

use super::builder::{ListBuilder, NetworkBuilder, Setting, SiteBuilder};
use super::table_reader::TableReader;
use super::value::Value;
use super::{Faults, FormRule, Licence, Mailbox, Network, NodeAddress, NodeHost, PbxName, Rule, TimeServer, TimeSource};
use crate::directory::Group;
use crate::message::{Language, MailboxId};

/// The description of a network in a file, in TOML or any other self-describing format of serde.
///
/// Reading fails only if the file breaks the rules of its format. All other faults, also an unknown key or a number in place of a
/// text, are reported together by [`check`](Self::check).
///
/// ```
/// use voicemail::network::{Network, NetworkDescription};
///
/// let description: NetworkDescription = toml::from_str(
///     r#"
///     domain = "voicemail.example"                # the mailboxes' addresses are 2001@voicemail.example
///     undeliverable = "2001"                      # gets a copy of each message that was refused for good; by default none
///
///     [lists]
///     2900 = ["2001"]                             # messages of owners to 2900 go to these mailboxes; 1 to 360
///
///     [[pbx]]
///     id = "london"
///     voicemail = "central"                       # or "centralized", or "distributed"
///     node = "central.voicemail.example"          # not for centralized
///     hosts = ["10.1.1.5", "10.1.1.6:2525"]       # of the central node, in order; by default its own name
///     engine = "company-mail"                     # of the central node: where the mailboxes are kept, a name
///     zone = "Europe/London"
///     language = "en-GB"                          # in which callers and owners are spoken to; by default none
///     time = { sntp = ["ntp.example"] }
///     ports = 8                                   # recordings at once; not for centralized
///     licences = ["voicemail", { class = "campaigns", until = 2027-01-01 }]
///     holds = { messages = 500, minutes = 240 }   # limits of each of its mailboxes; by default none
///     retention = { old_days = 90, removed_days = 7 }  # messages stay so long; by default as the store is set
///     warnings = { percent = 80, days = 7 }       # the owner is warned; by default at 90 percent, and 3 days before
///     owner_rules = true                          # owners may change their rules; by default they may not
///
///     [[pbx.on_arrival]]                          # a rule of each mailbox without rules; by default none
///     id = "mail"
///     content = "copy"                            # a mail with the sound; notice: without; alert: 160 characters
///
///     [pbx.mailbox.2001]
///     name = "Anna Whitfield"                     # all of a mailbox's keys may be left out
///     zone = "Europe/Berlin"                      # by default that of the PBX
///     language = "de"                             # by default that of the PBX
///     min_seconds = 2                             # by default 1
///     max_seconds = 120                           # by default 300
///     holds = { bytes = 50000000 }                # for each key, by default that of the PBX
///     retention = { new_days = 365 }              # for each key, by default that of the PBX
///     email = "anna@voicemail.example"            # to which rules send that have no address
///
///     [[pbx.mailbox.2001.on_arrival]]             # in place of the PBX's rules; on_arrival = false switches these off
///     id = "mobile"
///     content = "alert"
///     to = "+447700900123@sms.example"            # by default the owner's email
///     urgent_only = true                          # by default all messages
///     times = ["mon-fri 18:00-08:00", "sat,sun 00:00-24:00"]  # in the owner's zone; by default always
///     delay_seconds = 600                         # by default at once
///     then = "keep"                               # after the mail: or "heard", or "remove"
///     private = false                             # true sends private messages, too
///     sound = "wav"                               # in a copy; or "stored", the bytes as they are
///
///     [system.boston]                             # another voicemail system, which owners send messages to
///     domain = "vpim.boston.example"
///     prefixes = ["8617"]                         # the numbers that lead there begin so
///     addresses = { 5501 = "anna@partner.example" }  # whole numbers, each with its address; beside prefixes, or in place of them
///     strip = 1                                   # characters of the number that are not in the address; by default 0
///     add = "+1"                                  # put in front of the rest; by default nothing
///     dialect = "vpim"                            # or "vpim-as-stored", or "mail"
///     private = true                              # it keeps private messages private; by default none is sent there
///     spoken_name = true                          # mails in VPIM have the recorded name of the sender; by default true
///     business_card = true                        # and the sender's business card; by default true
///
///     [[pbx]]
///     id = "berlin"
///     voicemail = "centralized"
///     trunk_groups = { main = "london" }          # name = the PBX it leads to
///     destination = "main"                        # not for central
///     zone = "Europe/Berlin"
///     time = { sntp = ["ntp.example", "10.1.1.5:1123"] }
///     fallback = true                             # takes over from the central PBX
///     backup_node = "backup.voicemail.example"    # only with fallback; serves the same engine
///     "#,
/// )?;
/// let network: Network = description.check()?;
/// assert_eq!(network.sites().len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Web hooks
///
#[cfg_attr(feature = "http-client", doc = "[`Webhook`](super::Webhook) shows the table of a web hook. ")]
/// A description with web hooks is read by a program with the feature `http-client`, and is a fault in any other.
///
/// A PBX with distributed voicemail may say how its node reaches the central one, by the value of [`Custody`](crate::forward::Custody): `custody = "final"`,
/// the default, `"auto"` or `"relay"`.
///
/// # Examples
///
/// All faults are reported, and each is displayed on a line:
///
/// ```
/// # use voicemail::network::NetworkDescription;
/// let description: NetworkDescription = toml::from_str(r#"pbx = [{ id = "london", voicemail = "centrall", zone = "Europa/London" }]"#)?;
/// let faults = description.check().unwrap_err();
/// assert_eq!(faults.iter().map(|fault| fault.rule.code()).collect::<Vec<_>>(), ["N32", "N35", "N37", "N15"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct NetworkDescription(Value);

impl NetworkDescription {
    /// Checks the description and returns the network.
    ///
    /// # Errors
    ///
    /// [`Faults`], which lists everything that cannot be read and every rule that is broken.
    pub fn check(self) -> Result<Network, Faults> {
        network(self.0).build()
    }
}

impl TryFrom<NetworkDescription> for Network {
    type Error = Faults;

    fn try_from(description: NetworkDescription) -> Result<Self, Faults> {
        description.check()
    }
}

fn network(value: Value) -> NetworkBuilder {
    let Value::Table(table) = value else {
        let rule = FormRule::WrongKind { key: "the description".to_owned(), wanted: "a table", found: value.to_string() };
        return NetworkBuilder { faults: vec![rule.into()], ..NetworkBuilder::new(Setting::Unreadable) };
    };
    let mut fields = TableReader::new(table, "");
    fields.must_have("domain");
    let mut network = NetworkBuilder::new(fields.text("domain"));
    for (place, value) in fields.list("pbx").value().unwrap_or_default().into_iter().enumerate() {
        network = network.site(site(value, place + 1));
    }
    network.lists = lists(&mut fields);
    network.systems = systems::read(&mut fields);
    read_webhooks(&mut fields, &mut network);
    network.undeliverable = undeliverable(&mut fields);
    network.faults = fields.end();
    network
}

#[cfg(feature = "http-client")]
fn read_webhooks(fields: &mut TableReader, network: &mut NetworkBuilder) {
    network.webhooks = webhooks::read(fields);
}

/// Web hooks that no node of this program would send are a fault.
#[cfg(not(feature = "http-client"))]
fn read_webhooks(fields: &mut TableReader, _: &mut NetworkBuilder) {
    if !matches!(fields.read(WEBHOOK, "a table", Ok), Setting::Missing) {
        fields.fault(Rule::WebhooksUnsupported);
    }
}

fn lists(fields: &mut TableReader) -> Vec<ListBuilder> {
    let lists = fields.table("lists").value().unwrap_or_default();
    lists.into_iter().filter_map(|(number, members)| list(number, members, fields)).collect()
}

fn list(number: String, members: Value, fields: &mut TableReader) -> Option<ListBuilder> {
    let path = format!("lists.{number}");
    let number = fields.parse(number, |found| FormRule::InvalidMailbox { found }).value();
    let Value::List(members) = members else {
        fields.wrong_kind(&path, "a list of mailboxes and lists", &members);
        return None;
    };
    let members = members.into_iter().map(|value| member(value, &path, fields)).collect();
    Some(ListBuilder { number: number?, members })
}

fn member(value: Value, path: &str, fields: &mut TableReader) -> Option<MailboxId> {
    match value {
        Value::Text(text) => fields.parse(text, |found| FormRule::InvalidMailbox { found }).value(),
        other => {
            fields.wrong_kind(path, "a list of mailboxes and lists", &other);
            None
        }
    }
}

fn site(value: Value, place: usize) -> SiteBuilder {
    let Value::Table(table) = value else {
        let rule = FormRule::WrongKind { key: "pbx".to_owned(), wanted: "a table", found: value.to_string() };
        return SiteBuilder { time: Setting::Unreadable, faults: vec![rule.into()], ..SiteBuilder::named(PbxName::Place(place)) };
    };
    let mut fields = TableReader::new(table, "");
    for key in ["id", "voicemail", "zone"] {
        fields.must_have(key);
    }
    let mut site = SiteBuilder::named(name(&mut fields, place));
    site.voicemail = fields.parsed("voicemail", |found| FormRule::UnknownVoicemailType { found });
    site.zone = fields.parsed("zone", |found| FormRule::UnknownZone { key: "zone".to_owned(), found });
    site.language = language(&mut fields);
    site.node = address(&mut fields, "node");
    site.hosts = hosts(&mut fields);
    site.engine = fields.parsed("engine", |found| FormRule::InvalidEngineName { found });
    site.destination = fields.text("destination");
    read_trunk_groups(&mut fields, &mut site);
    site.licences = licences(&mut fields);
    site.ports = fields.number("ports");
    site.custody = fields.parsed("custody", |found| FormRule::UnknownCustody { found });
    site.time = time(&mut fields);
    site.is_fallback = fields.boolean("fallback");
    site.backup_node = address(&mut fields, "backup_node");
    site.holding = limits::holding(&mut fields);
    site.retention = limits::retention(&mut fields);
    site.warnings = limits::warnings(&mut fields);
    site.undeliverable = undeliverable(&mut fields);
    site.rules = rules::of_pbx(&mut fields);
    site.owners_change_rules = fields.boolean("owner_rules").value().unwrap_or(false);
    site.mailboxes = mailboxes(&mut fields);
    site.faults = fields.end();
    site
}

/// Reads the mailbox for undeliverable messages. One that cannot be read is none.
fn undeliverable(fields: &mut TableReader) -> Option<MailboxId> {
    fields.parsed("undeliverable", |found| FormRule::InvalidMailbox { found }).value()
}

fn name(fields: &mut TableReader, place: usize) -> PbxName {
    let Setting::Value(text) = fields.text("id") else { return PbxName::Place(place) };
    match fields.parse(text.clone(), |found| FormRule::InvalidId { found }) {
        Setting::Value(id) => PbxName::Id(id),
        Setting::Unreadable | Setting::Missing => PbxName::Text(text),
    }
}

fn address(fields: &mut TableReader, key: &'static str) -> Setting<NodeAddress> {
    fields.parsed(key, |found| FormRule::InvalidNodeAddress { key, found })
}

/// Reads the language of a PBX or a mailbox. One that cannot be read is none.
fn language(fields: &mut TableReader) -> Option<Language> {
    let key = fields.path_of("language");
    fields.parsed("language", |found| FormRule::InvalidLanguage { key, found }).value()
}

fn hosts(fields: &mut TableReader) -> Vec<NodeHost> {
    let hosts = fields.list("hosts").value().unwrap_or_default();
    hosts.into_iter().filter_map(|value| host(value, fields)).collect()
}

fn host(value: Value, fields: &mut TableReader) -> Option<NodeHost> {
    match value {
        Value::Text(text) => fields.parse(text, |found| FormRule::InvalidHost { found }).value(),
        other => {
            fields.wrong_kind("hosts", "a list of host names and IP addresses", &other);
            None
        }
    }
}

fn read_trunk_groups(fields: &mut TableReader, site: &mut SiteBuilder) {
    match fields.table("trunk_groups") {
        Setting::Value(groups) => {
            for (name, value) in groups {
                let leads_to = match value {
                    Value::Text(pbx) => Some(pbx),
                    other => {
                        fields.wrong_kind(&format!("trunk_groups.{name}"), "the id of a PBX", &other);
                        None
                    }
                };
                site.trunk_groups.insert(name, leads_to);
            }
        }
        // Whether the destination is one of them is not known.
        Setting::Unreadable => site.destination = Setting::Unreadable,
        Setting::Missing => {}
    }
}

fn licences(fields: &mut TableReader) -> Vec<Option<Licence>> {
    match fields.list("licences") {
        Setting::Value(values) => values.into_iter().map(|value| licence(value, fields)).collect(),
        Setting::Unreadable => vec![None],
        Setting::Missing => Vec::new(),
    }
}

/// Reads a class alone, or a table of a class and its last day.
fn licence(value: Value, fields: &mut TableReader) -> Option<Licence> {
    let unknown = |found| FormRule::UnknownLicenceClass { found };
    match value {
        Value::Text(class) => fields.parse(class, unknown).value().map(Licence::perpetual),
        Value::Table(table) => {
            let mut parts = TableReader::new(table, "licences.");
            parts.must_have("class");
            let class = parts.parsed("class", unknown).value();
            let last_day = parts.parsed("until", |found| FormRule::InvalidDate { found }).value();
            fields.end_inner(parts);
            class.map(|class| last_day.map_or(Licence::perpetual(class), |last_day| Licence::until(class, last_day)))
        }
        other => {
            fields.wrong_kind("licences", "a list of names and tables", &other);
            None
        }
    }
}

/// Reads a table with a list of SNTP servers, or the name of another source of time.
fn time(fields: &mut TableReader) -> Setting<TimeSource> {
    let time = fields.read("time", "a table such as { sntp = [\"ntp.example\"] }", |value| match value {
        Value::Text(_) | Value::Table(_) => Ok(value),
        other => Err(other),
    });
    match time {
        Setting::Value(Value::Table(table)) => {
            let mut parts = TableReader::new(table, "time.");
            let servers = parts.list("sntp").value().unwrap_or_default();
            let servers = servers.into_iter().filter_map(|server| time_server(server, &mut parts)).collect();
            let is_faulty = fields.end_inner(parts);
            if is_faulty { Setting::Unreadable } else { Setting::Value(TimeSource::Sntp(servers)) }
        }
        Setting::Value(Value::Text(name)) if name == "none" => Setting::Value(TimeSource::None),
        Setting::Value(Value::Text(name)) => Setting::Value(TimeSource::Other(name)),
        Setting::Value(_) | Setting::Unreadable => Setting::Unreadable,
        Setting::Missing => Setting::Missing,
    }
}

fn time_server(value: Value, parts: &mut TableReader) -> Option<TimeServer> {
    match value {
        Value::Text(text) => parts.parse(text, |found| FormRule::InvalidTimeServer { found }).value(),
        other => {
            parts.wrong_kind("sntp", "a list of host names and IP addresses", &other);
            None
        }
    }
}

fn mailboxes(fields: &mut TableReader) -> Vec<Mailbox> {
    let tables = fields.table("mailbox").value().unwrap_or_default();
    tables.into_iter().filter_map(|(number, value)| mailbox(number, value, fields)).collect()
}

fn mailbox(number: String, value: Value, fields: &mut TableReader) -> Option<Mailbox> {
    let path = format!("mailbox.{number}");
    let id = fields.parse(number, |found| FormRule::InvalidMailbox { found }).value();
    let Value::Table(table) = value else {
        fields.wrong_kind(&path, "a table", &value);
        return id.map(Mailbox::new);
    };
    let mut parts = TableReader::new(table, format!("{path}."));
    let name = parts.text("name").value();
    let zone = parts.parsed("zone", |found| FormRule::UnknownZone { key: format!("{path}.zone"), found }).value();
    let language = language(&mut parts);
    let recording = limits::recording(&mut parts);
    let holding = limits::holding(&mut parts);
    let retention = limits::retention(&mut parts);
    let warnings = limits::warnings(&mut parts);
    let (email, rules) = rules::of_mailbox(&mut parts);
    let group = group(&mut parts, id.as_ref());
    let copies_to = members(&mut parts, "copies_to").unwrap_or_default();
    fields.end_inner(parts);
    id.map(|number| Mailbox {
        number,
        name,
        zone,
        language,
        recording,
        holding,
        retention,
        warnings,
        email,
        rules,
        group,
        copies_to,
    })
}

/// Reads the members of a group, and whether one of them owns a message.
fn group(parts: &mut TableReader, id: Option<&MailboxId>) -> Option<Group> {
    let has_members = members(parts, "members");
    let first_owns = parts.boolean("first_owns").value();
    if let (None, Some(_), Some(number)) = (&has_members, first_owns, id) {
        parts.fault(Rule::FirstOwnsWithoutMembers { number: number.clone() });
    }
    let group = Group::new(has_members?);
    Some(if first_owns == Some(true) { group.first_owns() } else { group })
}

/// Reads mailboxes and lists; `None` if the key is not there or is no list. A member that cannot be read is left out.
fn members(parts: &mut TableReader, key: &'static str) -> Option<Vec<MailboxId>> {
    let members = parts.list(key).value()?;
    Some(members.into_iter().filter_map(|value| member(value, key, parts)).collect())
}

/// The key of the web hooks.
const WEBHOOK: &str = "webhook";

#[cfg(test)]
mod tests;
