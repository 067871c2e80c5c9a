//! Snapshots of real guests, to files: saved, loaded into the same program and into another. The
//! guest `move` checks its memory and its clocks by itself all the while.

use std::path::Path;

use serde_json::json;
use tests::bench::Program;
use tests::guests::image;
use tests::moving::{Report, Side};
use tests::{EmuBuilder, engines};

/// What the guest `move` prints when something is wrong.
const COMPLAINTS: [&str; 5] = ["LOST", "BACKWARDS", "EARLY", "MISSED", "UNEXPECTED"];

const AN_HOUR_NS: u64 = 3_600_000_000_000;

const UNITS_PER_SECOND: u64 = 4_096_000_000;

fn guest(engine: &Program, folder: &Path) -> EmuBuilder {
    engine
        .machine()
        .args(["-m", "128M", "-smp", "1", "-hostclock", "test"])
        .args(["-snapshot-dir".into(), folder.as_os_str().to_owned()])
        .kernel(&image("move"))
        .append("mb=16")
}

#[track_caller]
fn says_nothing(side: &mut Side, command: &str) {
    assert_eq!(side.qmp.hmp(command), "", "{command}");
}

/// The guest has no complaint, and answers with a report.
#[track_caller]
fn sound(side: &Side) -> Report {
    let report = side.report();
    let text = side.emu.console.text();
    for complaint in COMPLAINTS {
        assert!(!text.contains(complaint), "{text}");
    }
    report
}

#[test]
fn a_guest_comes_back_as_it_was_saved() {
    for engine in engines() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut side = Side::start(guest(engine, folder.path()));
        side.emu.expect("MOVE start", 60);
        let before = sound(&side);
        says_nothing(&mut side, "savevm one");
        let later = sound(&side);
        assert!(later.sweeps >= before.sweeps && later.tod > before.tod);

        // Back to it, an hour later: the guest does not see the hour.
        side.qmp.ok("stop", json!({}));
        side.qmp.ok("x-clock-push", json!({ "ns": AN_HOUR_NS }));
        side.qmp.ok("cont", json!({}));
        says_nothing(&mut side, "loadvm one");
        assert!(side.runs());
        let again = sound(&side);
        let passed = again.tod.wrapping_sub(before.tod);
        assert!(passed < 600 * UNITS_PER_SECOND, "{before:?} {again:?}");
        assert!(again.sweeps >= before.sweeps);
        let ledger = side.qmp.ok("query-ledger", json!({}));
        assert_eq!(ledger["verified"], true, "{ledger:#}");
        side.qmp.ok("quit", json!({}));
        assert_eq!(side.emu.wait(60).code(), Some(0));
        assert_eq!(side.emu.stderr(), "");

        // Another program begins with it, and may wait for the user.
        let mut side = Side::start(guest(engine, folder.path()).args(["-loadvm", "one", "-S"]));
        side.migration(&["completed"]);
        assert_eq!(side.state(), "paused");
        side.qmp.ok("cont", json!({}));
        let other = sound(&side);
        let passed = other.tod.wrapping_sub(before.tod);
        assert!(passed < 600 * UNITS_PER_SECOND, "{before:?} {other:?}");
        assert!(other.sweeps >= before.sweeps);
    }
}

#[test]
fn a_snapshot_that_is_not_whole_changes_nothing() {
    let engine = &engines()[0];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut side = Side::start(guest(engine, folder.path()));
    side.emu.expect("MOVE start", 60);
    says_nothing(&mut side, "savevm one");
    let whole = std::fs::read(folder.path().join("one.emusnap")).expect("the snapshot");
    let bad = folder.path().join("bad.emusnap");
    let places = 24;
    for step in 0..places {
        let at = whole.len() * step / places;
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        for bytes in [&whole[..at], &flipped] {
            std::fs::write(&bad, bytes).expect("a damaged snapshot");
            let said = side.qmp.hmp("loadvm bad");
            assert!(
                said.starts_with("Error: Snapshot 'bad': "),
                "at {at}: {said:?}"
            );
            assert_eq!(said.lines().count(), 1, "at {at}: {said:?}");
            assert!(side.runs(), "at {at}");
        }
    }
    sound(&side);
    // Nor does a program begin with it.
    let mut other = guest(engine, folder.path())
        .args(["-loadvm", "bad"])
        .start();
    assert_eq!(other.wait(60).code(), Some(1));
    assert_eq!(other.stderr().lines().count(), 1, "{}", other.stderr());
}
