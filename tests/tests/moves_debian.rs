//! Debian's unmodified kernel, moved while it runs and while it is stopped, with its stall
//! detectors at their strictest: it notices nothing.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::moving::{Meeting, Side};
use tests::stall::{
    TWO_MINUTES_NS, guest, moved_by_running_time_only, no_complaint, push, ready, stamp,
};
use tests::{EmuBuilder, skipped};

/// Two hours between stop and cont.
const TWO_HOURS_NS: u64 = 7_200_000_000_000;

/// How a guest is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    Live,
    /// Stopped, with two hours of the host before the move and two minutes after it.
    Offline,
}

/// Moves a guest several times in a row, asks it for its clocks each time, and at the end for
/// what its kernel has complained of.
fn moves(test: &str, load: &str, cpus: u32, engines: &[&str], moves: &[Move]) {
    let known = tests::engines();
    if let Some(lacking) = engines
        .iter()
        .find(|name| !name.is_empty() && known.iter().all(|program| program.name != **name))
    {
        return skipped(test, &format!("there is no engine '{lacking}' here"));
    }
    let builder = |number: usize| -> Option<EmuBuilder> {
        let builder = guest(test, load, cpus)?;
        Some(match engines[number % engines.len()] {
            "" => builder,
            engine => builder.args(["-accel".to_owned(), format!("tcg,engine={engine}")]),
        })
    };
    let Some(first) = builder(0) else { return };
    let mut source = Side::start(first);
    ready(&source.emu);
    let (start, mut granted) = (Instant::now(), Duration::ZERO);
    let before = stamp(&source.emu);
    for (number, how) in moves.iter().enumerate() {
        let meeting = Meeting::new();
        let address = meeting.address("channel");
        let Some(next) = builder(number + 1) else {
            return;
        };
        let mut destination = Side::waiting(next, &address);
        // In the middle of it, so that the last passes matter.
        source.emu.type_text("timer 1\n");
        source.emu.expect("TIMER-START", 120);
        if *how == Move::Offline {
            source.qmp.ok("stop", json!({}));
            push(&mut source.qmp, TWO_HOURS_NS);
        }
        source.give(&address);
        if *how == Move::Offline {
            while destination.state() == "inmigrate" {}
            push(&mut destination.qmp, TWO_MINUTES_NS);
            destination.qmp.ok("cont", json!({}));
        }
        destination.emu.expect("TIMER-END elapsed_ns=", 120);
        let elapsed: u64 = destination
            .emu
            .expect(" ", 60)
            .trim()
            .parse()
            .expect("a number behind elapsed_ns=");
        granted += Duration::from_nanos(elapsed);
        assert!(
            elapsed >= 1_000_000_000 && u128::from(elapsed) <= start.elapsed().as_nanos(),
            "move {number} ({how:?}): a sleep of 1 s took {elapsed} ns of guest time"
        );
        source.qmp.ok("quit", json!({}));
        assert_eq!(source.emu.wait(60).code(), Some(0));
        source = destination;
    }
    assert!(granted > Duration::ZERO);
    let after = stamp(&source.emu);
    moved_by_running_time_only(before, after, start.elapsed());
    no_complaint(&mut source.emu);
}

#[test]
fn an_idle_guest_moves_alive() {
    moves(
        "an_idle_guest_moves_alive",
        "idle",
        1,
        &[""],
        &[Move::Live; 3],
    );
}

#[test]
fn a_busy_guest_moves_alive_from_engine_to_engine() {
    let test = "a_busy_guest_moves_alive_from_engine_to_engine";
    moves(test, "busy", 1, &["native", "interp"], &[Move::Live; 2]);
}

#[test]
fn two_busy_cpus_move_alive_and_stopped() {
    let test = "two_busy_cpus_move_alive_and_stopped";
    moves(
        test,
        "busy",
        2,
        &[""],
        &[Move::Live, Move::Offline, Move::Live],
    );
}

#[test]
fn four_idle_cpus_move_alive_and_stopped() {
    let test = "four_idle_cpus_move_alive_and_stopped";
    moves(test, "idle", 4, &[""], &[Move::Offline, Move::Live]);
}

#[test]
fn an_idle_guest_moves_stopped() {
    let test = "an_idle_guest_moves_stopped";
    moves(test, "idle", 1, &["interp", "native"], &[Move::Offline; 2]);
}
