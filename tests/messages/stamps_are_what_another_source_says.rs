//! Stamps against Python's zoneinfo: 40 zones, every hour around every transition from 2020 to 2030.
//!
//! The table is `zones/transitions.txt`; `zones/make.py` made it, from the IANA data of the version that the crate carries.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use voicemail::message::Stamp;

/// A zone's offsets in seconds, each with the second since 1970 from which on it is in force.
struct Zone {
    zone: Tz,
    offsets: Vec<(i64, i32)>,
}

impl Zone {
    fn offset_at(&self, second: i64) -> i32 {
        let (_, offset) = self.offsets.iter().rev().find(|(from, _)| *from <= second).unwrap();
        *offset
    }
}

fn table() -> Vec<Zone> {
    let mut zones: Vec<Zone> = Vec::new();
    for line in include_str!("../zones/transitions.txt").lines().filter(|line| !line.starts_with('#')) {
        let (first, offset) = line.trim().split_once(' ').unwrap();
        let offset = offset.parse().unwrap();
        match line.strip_prefix("  ") {
            Some(_) => zones.last_mut().unwrap().offsets.push((first.parse().unwrap(), offset)),
            None => zones.push(Zone { zone: first.parse().unwrap(), offsets: vec![(FROM, offset)] }),
        }
    }
    zones
}

/// How many stamps were compared.
fn check(zone: &Zone, seconds: impl Iterator<Item = i64>) -> usize {
    let mut checked = 0;
    for second in seconds.filter(|second| (FROM..TO).contains(second)) {
        let instant = DateTime::<Utc>::from_timestamp(second, 0).unwrap();
        let stamp = Stamp::new(instant, zone.zone).local();
        let offset = zone.offset_at(second);
        let wall = (instant + TimeDelta::seconds(offset.into())).naive_utc();
        assert_eq!((stamp.naive_local(), stamp.offset().local_minus_utc()), (wall, offset), "{} at {instant}", zone.zone);
        checked += 1;
    }
    checked
}

#[test]
fn hours_around_the_transitions_of_40_zones_are_right() {
    let table = table();
    assert_eq!(table.len(), 40);
    let (mut transitions, mut hours) = (0, 0);
    for zone in &table {
        for (at, _) in &zone.offsets[1..] {
            transitions += 1;
            // Two days before and after, by the hour, and the seconds on both sides.
            hours += check(zone, (-48..=48).map(|hour| at + hour * 3600).chain([at - 1, at + 1]));
        }
    }
    assert!(transitions > 500 && hours > 50_000, "{transitions} transitions, {hours} hours");
}

#[test]
fn there_are_no_other_transitions() {
    for zone in &table() {
        // By the day, as no zone has had an offset for less.
        check(zone, (FROM..TO).step_by(24 * 3600));
    }
}

/// 2020-01-01 and 2031-01-01.
const FROM: i64 = 1_577_836_800;
const TO: i64 = 1_924_992_000;
