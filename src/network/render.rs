//! A network for people to look at: a table, and a Mermaid flowchart.

use std::array;
use std::collections::BTreeMap;

use super::{Network, Site, VoicemailType};

impl Network {
    /// One line for each PBX under a line of headings, in columns of plain text; every line ends in a line feed.
    ///
    /// ```text
    /// PBX        VOICEMAIL    NODE                        DESTINATION  PORTS  LICENCES
    /// london     central      central.voicemail.example   -            8      voicemail, unified-messaging
    /// kathmandu  distributed  himalaya.voicemail.example  main         2      voicemail, campaigns until 2027-01-01
    /// ```
    pub fn to_table(&self) -> String {
        let rows: Vec<_> = [HEADINGS.map(str::to_owned)].into_iter().chain(self.sites().map(row)).collect();
        let widths: [usize; COLUMNS] = array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
        let mut table = String::new();
        for row in &rows {
            let cells = row.iter().zip(widths).map(|(cell, widest)| format!("{cell}{}", " ".repeat(widest - width(cell))));
            table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            table.push('\n');
        }
        table
    }

    /// A flowchart in Mermaid's language: the callers' way from each PBX to the node that records, and the messages' way from there to
    /// the central node.
    pub fn to_mermaid(&self) -> String {
        let central = self.central_node();
        // Names of our own, because an id such as `end` has a meaning in Mermaid.
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
            lines.push(format!("    p{place} -->|\"{}\"| {}", callers_way(site), nodes[node]));
        }
        let forwarding = nodes.iter().filter(|(address, _)| **address != central);
        lines.extend(forwarding.map(|(_, name)| format!("    {name} ==>|\"SMTP\"| n0")));
        lines.join("\n") + "\n"
    }
}

fn row(site: &Site) -> [String; COLUMNS] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let licences: Vec<_> = site.licences().iter().map(ToString::to_string).collect();
    let fallback = if site.fallback().is_some() { " (fallback)" } else { "" };
    [
        site.id().to_string(),
        format!("{}{fallback}", site.voicemail()),
        or_dash(site.node().map(ToString::to_string)),
        or_dash(site.destination().map(str::to_owned)),
        or_dash((site.ports() > 0).then(|| site.ports().to_string())),
        or_dash((!licences.is_empty()).then(|| licences.join(", "))),
    ]
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

fn callers_way(site: &Site) -> String {
    match (site.voicemail(), site.destination()) {
        (VoicemailType::Centralized, Some(trunk_group)) => format!("centralized, on {}", escaped(trunk_group)),
        (voicemail, _) => voicemail.to_string(),
    }
}

/// In the entity codes of Mermaid, so that no name ends the label it stands in.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

const HEADINGS: [&str; COLUMNS] = ["PBX", "VOICEMAIL", "NODE", "DESTINATION", "PORTS", "LICENCES"];
const COLUMNS: usize = 6;

#[cfg(test)]
mod tests {
    use super::super::samples::{self, central, centralized, distributed, id};
    use super::super::{Fallback, Licence, LicenceClass};

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
    fn the_flowchart_shows_the_way_of_callers_and_of_messages() {
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
