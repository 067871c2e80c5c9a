//! Holds `README.md` of this crate against the decoder and the feature table.

use std::collections::BTreeMap;

use crate::cpu::facility::TOPOLOGY;
use crate::cpu::features::{Availability, FEATURES};
use crate::insn::{BASE, table};

const README: &str = include_str!("../README.md");

/// The cells of the rows of the table below a heading.
fn table_below(heading: &str) -> Vec<Vec<&'static str>> {
    let section = README
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .expect("the heading is there");
    let rows = section.lines().filter(|line| line.starts_with('|'));
    rows.skip(2)
        .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

#[test]
fn every_instruction_is_counted() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in table::rows() {
        let name = match row.facility {
            BASE => "base".to_owned(),
            number => number.to_string(),
        };
        *counts.entry(name).or_default() += 1;
    }
    let names: Vec<&str> = table::rows().map(|row| row.name).collect();
    for cells in table_below("Instructions") {
        let here: usize = cells[1].parse().expect("a number");
        let counted = counts.remove(cells[0]).unwrap_or(0);
        assert_eq!(counted, here, "facility {}", cells[0]);
        for name in cells[3].split_whitespace() {
            assert!(names.contains(&name), "{name} is not here");
        }
        for name in cells[4].split_whitespace() {
            assert!(!names.contains(&name), "{name} is here");
        }
    }
    assert_eq!(counts, BTreeMap::new(), "facilities without a row");
}

#[test]
fn every_facility_has_its_row() {
    let said = |availability| match availability {
        Availability::Absent => "no",
        Availability::Old => "yes",
        Availability::New => "yes, not zEC12",
        Availability::OnRequest => "max, or =on",
    };
    let rows = table_below("Facilities");
    for cells in &rows {
        let feature = FEATURES.iter().find(|feature| feature.name == cells[1]);
        let feature = feature.expect("a feature of that name");
        if let Ok(number) = cells[0].parse::<u16>() {
            assert_eq!(feature.number, number, "{}", feature.name);
        }
        assert_eq!(cells[3], said(feature.availability), "{}", feature.name);
    }
    for feature in FEATURES {
        let numbered = feature.number < 256 || feature.number == TOPOLOGY;
        let named = rows.iter().any(|cells| cells[1] == feature.name);
        let absent = feature.availability == Availability::Absent;
        assert!(named || absent || !numbered, "{} has no row", feature.name);
    }
}
