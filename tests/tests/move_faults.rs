//! What goes wrong while a guest is moved: the channel ends, stands still or lies, a side is
//! killed. Whatever happens, never both sides run the guest, and it is never lost.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::EmuBuilder;
use tests::engines;
use tests::guests::image;
use tests::moving::{Direction, Fault, FaultyChannel, LIMIT, Meeting, Side};

/// Milliseconds without progress after which a side gives up, in these tests.
const STALL_MS: u64 = 400;

fn guest() -> EmuBuilder {
    engines()[0]
        .machine()
        .args(["-m", "32M"])
        .kernel(&image("move"))
        .append("mb=1")
}

fn started(builder: EmuBuilder) -> Side {
    let mut side = Side::start(builder);
    side.emu.expect("MOVE start", 60);
    impatient(&mut side);
    side
}

fn impatient(side: &mut Side) {
    side.qmp.ok(
        "migrate-set-parameters",
        json!({ "x-stall-timeout": STALL_MS }),
    );
}

/// A destination that gives up soon.
fn waiting(address: &str) -> Side {
    let mut side = Side::start(guest().args(["-incoming", "defer"]));
    impatient(&mut side);
    side.qmp.ok("migrate-incoming", json!({ "uri": address }));
    side
}

/// One move through a channel with a fault; bytes that went forth and back. Judges who runs.
fn moved_with(live: bool, direction: Direction, at: u64, fault: Fault) -> (u64, u64) {
    let what = format!("{fault:?} at {at} {direction:?}, live: {live}");
    let meeting = Meeting::new();
    let mut source = started(guest());
    let mut destination = waiting(&meeting.address("out"));
    let channel = FaultyChannel::new(
        &meeting.path("in"),
        &meeting.path("out"),
        direction,
        at,
        fault,
    );
    if !live {
        source.qmp.ok("stop", json!({}));
    }
    source
        .qmp
        .ok("migrate", json!({ "uri": meeting.address("in") }));
    let answer = source.migration(&["completed", "failed"]);
    // It runs, stands, or has ended; all of that is soon decided.
    let until = Instant::now() + LIMIT;
    let there = loop {
        if let Some(status) = destination.emu.ends_within(Duration::from_millis(1)) {
            let said = destination.emu.stderr();
            assert_eq!(status.code(), Some(1), "{what}: {said}");
            assert_eq!(said.lines().count(), 1, "{what}: {said}");
            break None;
        }
        match destination.qmp.command("query-status", json!({})) {
            Ok(status) if status["status"] != "inmigrate" => break Some(status),
            _ => assert!(Instant::now() < until, "{what}: the destination hangs"),
        }
    };
    let runs_there = there.as_ref().is_some_and(|state| state["running"] == true);
    let state_here = source.state();
    let runs_here = source.runs();
    assert!(!(runs_here && runs_there), "{what}: both run");
    if fault == Fault::None {
        assert_eq!(answer["status"], "completed", "{what}: {answer}");
    }
    if live {
        assert!(
            runs_here || runs_there || state_here == "postmigrate",
            "{what}: {state_here}, {answer}"
        );
    } else {
        assert!(!runs_here && !runs_there, "{what}: {answer}");
        assert!(
            state_here == "postmigrate" || state_here == "paused",
            "{what}: {state_here}"
        );
    }
    if answer["status"] == "failed" {
        assert!(answer["error-desc"].is_string(), "{what}: {answer}");
        assert!(there.is_none(), "{what}: {there:?}");
        assert_eq!(runs_here, live, "{what}: {state_here}");
    }
    // The guest is whole, on the one side that has it.
    let keeper = match &there {
        Some(_) => &mut destination,
        None => &mut source,
    };
    if !keeper.runs() {
        keeper.qmp.ok("cont", json!({}));
    }
    let (one, two) = (keeper.report(), keeper.report());
    assert!(two.tod > one.tod, "{what}");
    let text = keeper.emu.console.text();
    for complaint in ["LOST", "BACKWARDS", "EARLY", "MISSED", "UNEXPECTED"] {
        assert!(!text.contains(complaint), "{what}: {text}");
    }
    let bytes = (channel.forth(), channel.back());
    drop((source, destination));
    channel.join();
    bytes
}

/// Places in a stream of so many bytes: its start, its end, and some between.
fn places(length: u64) -> Vec<u64> {
    let mut places: Vec<_> = [0, 5, 20, 90, 400]
        .into_iter()
        .chain((1..6).map(|part| length * part / 6))
        .chain([300, 120, 40, 9, 1].map(|back| length.saturating_sub(back)))
        .filter(|place| *place < length)
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

fn every_place(live: bool, faults: &[Fault]) {
    let (forth, back) = moved_with(live, Direction::Forth, 0, Fault::None);
    assert!(forth > 1000 && back > 0, "{forth} bytes forth, {back} back");
    for (direction, length) in [(Direction::Forth, forth), (Direction::Back, back)] {
        for (number, at) in places(length).into_iter().enumerate() {
            moved_with(live, direction, at, faults[number % faults.len()]);
        }
    }
}

#[test]
fn a_channel_that_ends_loses_no_guest() {
    every_place(true, &[Fault::Cut]);
    every_place(false, &[Fault::Cut]);
}

#[test]
fn a_channel_that_lies_loses_no_guest() {
    every_place(true, &[Fault::Flip(0), Fault::Drop, Fault::Flip(7)]);
}

#[test]
fn a_channel_that_stands_still_is_given_up() {
    every_place(true, &[Fault::Stall]);
}

/// A destination that dies costs the source nothing; one whose source dies says so and ends.
#[test]
fn a_side_that_is_killed_takes_nobody_with_it() {
    for after_ms in [0, 2, 10, 40] {
        for kill_destination in [true, false] {
            let meeting = Meeting::new();
            let address = meeting.address("channel");
            let mut source = started(guest());
            let mut destination = waiting(&address);
            // Slow enough that it is still under way.
            source.qmp.ok(
                "migrate-set-parameters",
                json!({ "max-bandwidth": 8 << 20 }),
            );
            source.qmp.ok("migrate", json!({ "uri": address }));
            std::thread::sleep(Duration::from_millis(after_ms));
            if kill_destination {
                drop(destination);
                let answer = source.migration(&["completed", "failed"]);
                if answer["status"] == "failed" {
                    assert!(source.runs(), "{answer}");
                    source.report();
                }
            } else {
                let gone = source.qmp.ok("query-migrate", json!({}))["status"] == "completed";
                drop(source);
                if !gone && destination.qmp.command("query-status", json!({})).is_err() {
                    let status = destination.emu.wait(60);
                    let said = destination.emu.stderr();
                    assert_eq!(status.code(), Some(1), "{said}");
                    assert_eq!(said.lines().count(), 1, "{said}");
                }
            }
        }
    }
}

/// Cancelled at any time: the source has the guest, and the next attempt succeeds.
#[test]
fn a_cancelled_move_can_be_made_again() {
    let mut source = started(guest());
    for after_ms in [0, 1, 3, 10, 30, 60] {
        let meeting = Meeting::new();
        let address = meeting.address("channel");
        let mut destination = waiting(&address);
        source.qmp.ok(
            "migrate-set-parameters",
            json!({ "max-bandwidth": 8 << 20 }),
        );
        source.qmp.ok("migrate", json!({ "uri": address }));
        std::thread::sleep(Duration::from_millis(after_ms));
        source.qmp.ok("migrate_cancel", json!({}));
        let answer = source.migration(&["completed", "failed", "cancelled"]);
        if answer["status"] == "completed" {
            // It was too late: the guest is there.
            assert_eq!(source.state(), "postmigrate");
            destination.report();
            source = destination;
            impatient(&mut source);
            continue;
        }
        assert_eq!(answer["status"], "cancelled", "{answer}");
        assert!(source.runs());
        source.report();
        match destination.emu.ends_within(Duration::from_secs(5)) {
            Some(status) => assert_eq!(status.code(), Some(1)),
            // Cancelled before it had connected: the destination waits for somebody else.
            None => assert_eq!(destination.state(), "inmigrate"),
        }
    }
    let meeting = Meeting::new();
    let address = meeting.address("channel");
    let destination = waiting(&address);
    source.qmp.ok(
        "migrate-set-parameters",
        json!({ "max-bandwidth": 1u64 << 40 }),
    );
    source.give(&address);
    destination.report();
}
