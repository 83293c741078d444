//! The example is read correctly, and everything that is wrong in a description is reported.

use std::time::Duration;

use proptest::prelude::*;

use super::super::samples::{id, node};
use super::super::{LicenceClass, Role};
use super::*;
use crate::directory::{MailboxLimits, Retention};
use crate::rules::{ArrivalRule, Content, MessageFilter};

const EXAMPLE: &str = include_str!("../../../examples/network.toml");

fn example() -> Network {
    toml::from_str::<NetworkDescription>(EXAMPLE).unwrap().check().unwrap()
}

/// The PBXs and codes of the faults of a text.
fn faults(text: &str) -> Vec<String> {
    let description: NetworkDescription = toml::from_str(text).unwrap();
    let name = |pbx: Option<PbxName>| pbx.map_or_else(|| "network".to_owned(), |pbx| pbx.to_string());
    let faults = description.check().err().into_iter().flatten();
    faults.map(|fault| format!("{} {}", name(fault.pbx), fault.rule.code())).collect()
}

#[test]
fn the_example_reads_as_it_is_meant() {
    let network = example();
    let himalaya = node("himalaya.voicemail.example");
    let shared: Vec<_> = network.sites_of(&himalaya).map(|(site, role)| (site.id().as_str(), role)).collect();
    assert_eq!(shared, [("kathmandu", Role::Distributed), ("tokyo", Role::Distributed)]);
    let central = node("central.voicemail.example");
    let roles = ["london", "berlin", "york"].map(|site| network.role(&central, &id(site)));
    assert_eq!(roles, [Some(Role::Central), Some(Role::Central), Some(Role::Distributed)]);
    let hosts: Vec<_> = network.central_hosts().iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["central-1.voicemail.example:25", "central-2.voicemail.example:25", "backup.voicemail.example:25"]);
    let tokyo = network.site(&id("tokyo")).unwrap();
    let last_day = tokyo.licence(LicenceClass::Campaigns).unwrap().last_day().unwrap();
    assert_eq!((tokyo.ports(), last_day.to_string().as_str()), (4, "2036-12-31"));
    assert_eq!(
        tokyo.trunk_groups().map(|(name, to)| (name, to.as_str())).collect::<Vec<_>>(),
        [("main", "london"), ("west", "kathmandu")]
    );
    let berlin = network.site(&id("berlin")).unwrap();
    assert_eq!(berlin.fallback().unwrap().backup_node, Some(node("backup.voicemail.example")));
    assert_eq!(
        network.central().time_servers().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["ntp1.example", "ntp2.example"]
    );
}

#[test]
fn owners_of_the_example_have_the_rules_that_it_gives() {
    let network = example();
    let rules = |number: &str| {
        let owner = network.owner(&number.parse().unwrap()).unwrap();
        let rules: Vec<_> = owner.rules.iter().map(|rule| rule.id.to_string()).collect();
        (rules.join(" "), owner.email.is_some(), owner.may_change_rules)
    };
    assert_eq!(rules("2001"), ("mail".to_owned(), true, true), "those of the PBX");
    assert_eq!(rules("2002"), ("office mobile".to_owned(), true, true), "in place of those of the PBX");
    assert_eq!(rules("2005"), (String::new(), false, true), "switched off");
    assert_eq!(rules("2003"), (String::new(), false, false), "a PBX without rules");
    let mobile = network.owner(&"2002".parse().unwrap()).unwrap().rules.find("mobile").cloned().unwrap();
    let expected = ArrivalRule::new("mobile".parse().unwrap(), Content::Alert)
        .to("+4915112345678@sms.example".parse().unwrap())
        .with_messages(MessageFilter::Urgent)
        .with_delay(Duration::from_secs(600));
    assert_eq!(mobile, expected);
}

#[test]
fn mailboxes_of_the_example_have_the_zones_of_the_recordings() {
    let network = example();
    let zones: Vec<_> = network
        .mailboxes()
        .map(|(site, mailbox)| (mailbox.number.as_str(), mailbox.zone.unwrap_or(site.zone()).name()))
        .collect();
    let expected = [
        ("2001", "Europe/London"),
        ("2002", "Europe/Berlin"),
        ("2005", "Europe/Warsaw"),
        ("2014", "America/Sao_Paulo"),
        ("2500", "Europe/London"),
        ("2600", "Europe/London"),
        ("sales", "Europe/London"),
        ("2003", "Europe/Paris"),
        ("2010", "Asia/Kathmandu"),
        ("2008", "Asia/Tokyo"),
        ("2019", "Pacific/Chatham"),
        ("2024", "Pacific/Kiritimati"),
        ("2027", "Europe/London"),
    ];
    assert_eq!(zones, expected);
    let (_, limited) = network.mailbox(&"2024".parse().unwrap()).unwrap();
    assert_eq!((limited.recording.min.as_secs(), limited.recording.max.as_secs()), (1, 120));
}

#[test]
fn a_mailbox_has_its_own_limits_and_else_those_of_its_pbx() {
    let network = example();
    let limits =
        |messages, minutes: u64, bytes| MailboxLimits { messages, length: Some(Duration::from_secs(60 * minutes)), bytes };
    let holding = |number: &str| network.owner(&number.parse().unwrap()).unwrap().holding;
    assert_eq!(holding("2001"), limits(Some(500), 240, None));
    assert_eq!(holding("2014"), limits(Some(500), 60, Some(50_000_000)));
    assert!(holding("2008").is_unlimited());
}

#[test]
fn messages_stay_as_the_mailbox_says_and_else_as_its_pbx() {
    let network = example();
    let days = |days: u64| Duration::from_secs(86_400 * days);
    let retention = |number: &str| network.owner(&number.parse().unwrap()).unwrap().retention;
    let of_pbx = Retention::default().old_for(days(90)).removed_for(days(7));
    assert_eq!(retention("2001"), of_pbx);
    assert_eq!(retention("2014"), of_pbx.new_for(days(365)).old_for(days(180)));
    assert!(retention("2008").is_for_ever());
}

#[test]
fn an_owner_has_the_language_of_the_mailbox_or_of_the_pbx() {
    let network = example();
    let languages = ["2001", "2002", "2008"].map(|number| network.owner(&number.parse().unwrap()).unwrap().language);
    assert_eq!(languages, [Some("en-GB".parse().unwrap()), Some("de".parse().unwrap()), None]);
    assert_eq!(network.central().language().map(Language::primary), Some("en"));
}

/// Slips in the example: the text, the slip in its place, and the fault.
const SLIPS: &[(&str, &str, &str)] = &[
    ("domain = \"voicemail.example\"", "", "network N32"),
    ("domain = \"voicemail.example\"", "domain = \"voicemail_example\"", "network N23"),
    ("domain = \"voicemail.example\"", "domain = 7", "network N33"),
    ("[lists]", "[list]", "network N31"),
    ("2901 = [", "2001 = [", "network N28"),
    ("2901 = [", "Help = [\"2001\"]\nhelp = [", "network N28"),
    ("2901 = [", "290x = [", "network N38"),
    ("\"2010\", \"2008\"]", "\"2010\", \"2025\"]", "network N29"),
    ("\"2010\", \"2008\"]", "\"2010\", \"2008x\"]", "network N38"),
    ("\"2010\", \"2008\"]", "\"2010\", \"2008\", \"2900\"]", "network N50"),
    ("[\"2001\", \"2010\", \"2008\"]", "[]", "network N30"),
    ("[\"2001\", \"2010\", \"2008\"]", "[2001]", "network N33"),
    ("[\"2900\", \"2019\", \"2027\"]", "\"2001\"", "network N33"),
    ("domain = ", "color = \"red\"\ndomain = ", "network N31"),
    ("id = \"kiritimati\"", "", "#5 N32"),
    ("id = \"kiritimati\"", "id = 5", "#5 N33"),
    ("id = \"kiritimati\"", "id = \"line islands\"", "\"line islands\" N34"),
    ("id = \"london\"\nvoicemail = \"central\"", "id = \"london\"\nvoicemail = \"centrall\"", "london N35"),
    ("voicemail = \"centralized\"", "voicemail = \"Centralized\"", "berlin N35"),
    ("voicemail = \"centralized\"", "", "berlin N32"),
    ("node = \"pacific.voicemail.example\"", "node = \"pacific.voicemail.example:25\"", "kiritimati N36"),
    ("node = \"pacific.voicemail.example\"", "node = false", "kiritimati N33"),
    ("backup_node = \"backup.voicemail.example\"", "backup_node = \"backup node\"", "berlin N36"),
    ("engine = \"company-mail\"", "", "berlin N45"),
    ("engine = \"company-mail\"", "engine = \"postgres://one.example/mail\"", "london N46"),
    ("zone = \"Asia/Tokyo\"", "zone = \"Asia/Tokio\"", "tokyo N37"),
    ("zone = \"Asia/Tokyo\"", "", "tokyo N32"),
    ("zone = \"Europe/Warsaw\"", "zone = \"CEST\"", "london N37"),
    ("language = \"en-GB\"", "language = \"en_GB\"", "london N43"),
    ("language = \"de\"", "language = \"german!\"", "london N43"),
    ("language = \"de\"", "language = 49", "london N33"),
    ("[\"2005\", \"2003\"]", "[\"2005\", \"2103\"]", "london N53"),
    ("[\"2005\", \"2003\"]", "[]", "london N54"),
    ("[\"2005\", \"2003\"]", "[\"2005\", \"sales\"]", "london N55"),
    ("[\"2005\", \"2003\"]", "[\"2005\", \"2500\"]", "london N55"),
    ("[\"2005\", \"2003\"]", "[\"2005\", \"2600\"]", "london N55"),
    ("[\"2005\", \"2003\"]", "[\"2005\", 2003]", "london N33"),
    ("copies_to = [\"2001\", \"2003\", \"2008\"]", "copies_to = [\"2001\", \"2600\"]", "london N55"),
    ("copies_to = [\"2001\", \"2003\", \"2008\"]", "copies_to = [\"2902\"]", "london N53"),
    ("copies_to = [\"2001\", \"2003\", \"2008\"]", "copies_to = \"2901\"", "london N33"),
    ("copies_to = [\"2001\", \"2003\", \"2008\"]", "first_owns = false", "london N57"),
    ("first_owns = true", "copies_to = [\"2001\", \"2003\", \"2008\"]", "london N56"),
    ("[pbx.mailbox.2024]", "[pbx.mailbox.2024a]", "kiritimati N38"),
    ("[pbx.mailbox.2024]", "[pbx.mailbox.Voicemail]", "kiritimati N38"),
    ("[pbx.mailbox.2024]", "[pbx.mailbox.desk]\n[pbx.mailbox.Desk]\n[pbx.mailbox.2024]", "kiritimati N04"),
    ("max_seconds = 120", "max_secs = 120", "kiritimati N31"),
    ("max_seconds = 120", "max_seconds = \"120\"", "kiritimati N33"),
    ("max_seconds = 120", "min_seconds = 301", "kiritimati N21"),
    ("max_seconds = 120", "holds = 120", "kiritimati N33"),
    ("max_seconds = 120", "holds = { hours = 2 }", "kiritimati N31"),
    ("max_seconds = 120", "holds = { minutes = 4294967296 }", "kiritimati N33"),
    ("max_seconds = 120", "holds = { minutes = -1 }", "kiritimati N33"),
    ("max_seconds = 120", "holds = { messages = 0 }", "kiritimati N27"),
    ("max_seconds = 120", "retention = 30", "kiritimati N33"),
    ("max_seconds = 120", "retention = { new_weeks = 1 }", "kiritimati N31"),
    ("max_seconds = 120", "retention = { removed_days = -1 }", "kiritimati N33"),
    ("max_seconds = 120", "retention = { old_days = 0 }", "kiritimati N58"),
    ("old_days = 90", "new_days = 0", "london N58"),
    ("percent = 80", "percent = 0", "london N33"),
    ("percent = 80", "percent = 101", "london N33"),
    ("days = 7 }", "days = -1 }", "london N33"),
    ("percent = 80", "minutes = 80", "london N31"),
    ("undeliverable = \"2001\"", "undeliverable = \"2999\"", "network N60"),
    ("undeliverable = \"2001\"", "undeliverable = \"20x1\"", "network N38"),
    ("undeliverable = \"2001\"", "undeliverable = 2001", "network N33"),
    ("messages = 500", "messages = 0", "london N27"),
    ("bytes = 50_000_000", "bytes = 0", "london N27"),
    ("bytes = 50_000_000", "bytes = 1.5", "london N33"),
    ("content = \"alert\"", "content = \"fax\"", "london N48"),
    ("content = \"alert\"", "", "london N32"),
    ("content = \"alert\"", "content = \"alert\"\nthen = \"remove\"", "london N49"),
    ("id = \"mobile\"", "id = \"office\"", "london N49"),
    ("id = \"mobile\"", "id = \"Mobile\"", "london N48"),
    ("mon-fri 08:00-18:00", "mon-fri 8-18", "london N48"),
    ("[\"mon-fri 08:00-18:00\"]", "[8]", "london N33"),
    ("\"+4915112345678@sms.example\"", "\"+4915112345678\"", "london N48"),
    ("urgent_only = true", "urgent_only = \"yes\"", "london N33"),
    ("urgent_only = true", "urgent = true", "london N31"),
    ("delay_seconds = 600", "delay_seconds = 604801", "london N49"),
    ("on_arrival = false", "on_arrival = true", "london N33"),
    ("on_arrival = false", "on_arrival = [\"mail\"]", "london N33"),
    ("owner_rules = true", "owner_rules = 1", "london N33"),
    ("email = \"karla@voicemail.example\"", "", "london N47"),
    ("email = \"karla@voicemail.example\"", "email = \"karla\"", "london N48"),
    ("\"call-archive\"", "\"call archive\"", "tokyo N39"),
    ("\"call-archive\"", "3", "tokyo N33"),
    ("class = \"campaigns\"", "class = \"campains\"", "tokyo N39"),
    ("class = \"campaigns\",", "", "tokyo N32"),
    ("2036-12-31", "\"2036-02-30\"", "tokyo N40"),
    ("until = ", "untill = ", "tokyo N31"),
    ("ports = 4", "ports = -4", "tokyo N33"),
    ("ports = 4", "ports = 4.5", "tokyo N33"),
    ("ports = 4", "port = 4\nports = 4", "tokyo N31"),
    ("\"10.4.0.1\"", "\"10.4.0.1:\"", "kathmandu N41"),
    ("\"10.4.0.1\"", "10.4", "kathmandu N33"),
    ("time = { sntp = [\"ntp1.example\", \"ntp2.example\"] }", "time = { ntp = [\"ntp1.example\"] }", "london N31"),
    ("time = { sntp = [\"ntp1.example\", \"ntp2.example\"] }", "time = { sntp = [] }", "london N15"),
    ("time = { sntp = [\"ntp1.example\", \"ntp2.example\"] }", "time = \"none\"", "london N15"),
    ("time = { sntp = [\"ntp1.example\", \"ntp2.example\"] }", "time = [\"ntp1.example\"]", "london N33"),
    ("satellite = \"london\"", "satellite = 1", "kiritimati N33"),
    ("satellite = \"london\"", "satellite = \"lundon\"", "kiritimati N11"),
    ("trunk_groups = { satellite = \"london\" }", "trunk_groups = [\"satellite\"]", "kiritimati N33"),
    ("ports = 4", "ports = 4\ncustody = \"Auto\"", "tokyo N76"),
    ("ports = 4", "ports = 4\ncustody = true", "tokyo N33"),
    ("fallback = true", "fallback = true\ncustody = \"relay\"", "berlin N75"),
    ("fallback = true", "fallback = \"yes\"", "berlin N33"),
    ("\"central-2.voicemail.example\"", "\"central-2.voicemail.example:smtp\"", "london N42"),
    ("\"central-2.voicemail.example\"", "25", "london N33"),
    ("\"central-2.voicemail.example\"", "\"central-1.voicemail.example:25\"", "london N26"),
    ("hosts = [\"central-1.voicemail.example\", \"central-2.voicemail.example\"]", "hosts = \"central-1\"", "london N33"),
    ("node = \"pacific.voicemail.example\"", "node = \"pacific.voicemail.example\"\nhosts = [\"10.1.1.5\"]", "kiritimati N25"),
];

#[test]
fn each_mistake_is_one_fault_at_its_pbx() {
    assert_eq!(faults(EXAMPLE), [""; 0]);
    for (written, slip, fault) in SLIPS {
        let text = EXAMPLE.replacen(written, slip, 1);
        assert_ne!(text, EXAMPLE, "{written}");
        assert_eq!(faults(&text), [*fault], "{slip}");
    }
}

#[test]
fn a_pbx_with_an_invalid_id_is_still_checked_by_all_rules() {
    let text = r#"
        domain = "voicemail.example"
        [[pbx]]
        id = "head office"
        voicemail = "central"
        zone = "Europe/London"
        [[pbx]]
        id = "berlin"
        voicemail = "centralized"
        trunk_groups = { main = "head office" }
        destination = "main"
        zone = "Europe/Berlin"
        time = { sntp = ["ntp.example"] }
    "#;
    let expected = ["N34", "N05", "N12", "N15"].map(|code| format!("\"head office\" {code}"));
    assert_eq!(faults(text), expected);
}

#[test]
fn a_value_that_is_no_table_is_a_fault_and_the_rest_is_read() {
    assert_eq!(faults("domain = \"voicemail.example\"\npbx = [7, \"london\"]"), ["#1 N33", "#2 N33"]);
    assert_eq!(faults("domain = \"voicemail.example\"\npbx = 7"), ["network N33", "network N01"]);
}

#[test]
fn a_key_given_twice_ends_reading() {
    let entries = || [("domain", "a.example"), ("domain", "b.example")].into_iter();
    let error = NetworkDescription::deserialize(serde::de::value::MapDeserializer::<_, serde::de::value::Error>::new(entries()));
    assert_eq!(error.unwrap_err().to_string(), "\"domain\" is given twice");
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![".{0,12}", "(london|central|centralized|distributed|voicemail|main|none|Europe/London|2001)"];
    let leaf = prop_oneof![
        Just(Value::Nothing),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(|number| Value::Integer(number.into())),
        text.prop_map(Value::Text),
    ];
    let keys = "([\n\ta]{1,2}|domain|lists|pbx|id|voicemail|zone|language|node|destination|trunk_groups|licences|class|until|ports|time|sntp|fallback|\
                backup_node|engine|mailbox|2001|min_seconds|max_seconds|holds|members|first_owns|copies_to|messages|minutes|bytes|\
                retention|new_days|old_days|removed_days|warnings|percent|days|undeliverable|x)";
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            proptest::collection::btree_map(keys, inner, 0..12).prop_map(Value::Table),
        ]
    })
}

proptest! {
    #[test]
    fn nonsense_is_faults_each_on_one_line(pbxs in proptest::collection::vec(any_value(), 0..4), domain in any_value()) {
        let table = [("domain".to_owned(), domain), ("pbx".to_owned(), Value::List(pbxs))];
        let faults = NetworkDescription(Value::Table(table.into())).check().unwrap_err();
        prop_assert_eq!(faults.to_string().lines().count(), faults.iter().count());
    }
}
