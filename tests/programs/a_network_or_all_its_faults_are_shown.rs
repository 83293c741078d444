//! `check_network` prints a network that keeps every rule, as in the documentation of `network`; for any other it prints every fault and
//! ends with status 1.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::programs;

use programs::{Ended, run};

fn example() -> String {
    format!("{}/examples/network.toml", env!("CARGO_MANIFEST_DIR"))
}

fn check(path: &str) -> Ended {
    run("check_network", [path])
}

#[test]
fn the_example_network_is_shown_word_for_word_as_in_the_docs() {
    let ended = check(&example());
    assert_eq!((ended.status, &ended.printed.err[..]), (Some(0), &[][..]));
    let printed = ended.printed.out.join("\n");
    let (tables, picture) = printed.trim_end().rsplit_once("\n\n").unwrap();
    assert_eq!(tables.split("\n\n").count(), 8, "{tables}");
    assert!(picture.starts_with("flowchart "), "{picture}");
    let page = include_str!("../../src/network/example.md");
    for block in [format!("```text\n{tables}\n```\n"), format!("```mermaid\n{picture}\n```\n")] {
        assert!(page.contains(&block), "src/network/example.md lacks what `cargo run --example check_network` prints:\n{block}");
    }
}

#[test]
fn every_fault_is_shown_with_its_pbx_its_code_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.toml");
    let text = std::fs::read_to_string(example()).unwrap();
    let broken = text
        .replace("backup_node = \"backup.voicemail.example\"", "backup_node = \"himalaya.voicemail.example\"")
        .replace("destination = \"satellite\"", "destination = \"satelite\"")
        .replace("ports = 4", "ports = 0");
    std::fs::write(&path, broken).unwrap();
    let ended = check(path.to_str().unwrap());
    let faults = [
        "PBX berlin: N17 a backup node is no distributed node; found himalaya.voicemail.example, the distributed node of PBX \
         kathmandu; give the fallback another backup_node",
        "PBX tokyo: N19 a PBX with distributed voicemail and its licence has ports; found none; add ports = N, at least 1",
        "PBX kiritimati: N09 a destination is one of the PBX's trunk groups; found \"satelite\", which is none; add it to \
         trunk_groups, or name another",
    ];
    assert_eq!(
        (ended.status, &ended.printed.err[..], &ended.printed.out[..]),
        (Some(1), &faults.map(str::to_owned)[..], &[][..])
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_status_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.toml");
    let text = path.to_str().unwrap();
    let missing = check(text);
    assert_eq!(
        (missing.status, &missing.printed.err[..]),
        (Some(1), &[format!("{text}: No such file or directory (os error 2)")][..])
    );
    std::fs::write(&path, "domain = \"voicemail.example\"\n[[pbx]\n").unwrap();
    let no_toml = check(text);
    assert!(no_toml.status == Some(1) && no_toml.printed.err[0].starts_with(&format!("{text}:2: ")), "{no_toml:#?}");
    let nothing = run("check_network", [""; 0]);
    assert_eq!((nothing.status, &nothing.printed.err[..]), (Some(1), &["usage: check_network FILE".to_owned()][..]));
}
