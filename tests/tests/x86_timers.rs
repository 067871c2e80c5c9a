//! The interval timers that KVM keeps for a guest, over stop and cont and over moves (R8): nothing
//! fires while the guest stands, and afterwards it fires after what was left.
//!
//! What is compared is the guest's own count of time with the guest's own count of interrupts,
//! and only in the direction that a slow host does not change: never early, never too many.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;
use tests::moving::{Meeting, Side};
use tests::x86::{complaints, guest, kvm_is_there, tsc_can_be_set};
use tests::{Emu, EmuBuilder, skipped};

/// How far away a timer is armed, and how long the guest stands before it has come.
const AWAY_MS: u64 = 1500;
const STANDS: Duration = Duration::from_millis(2500);

const HZ: u64 = 40;

fn builder(append: &str) -> EmuBuilder {
    guest("timers", 1, &format!("in={AWAY_MS} hz={HZ} {append}"))
}

/// The number behind `key=` in the rest of a line.
fn number(emu: &Emu, key: &str) -> u64 {
    emu.expect(&format!("{key}="), 120);
    let text = emu.expect("\n", 60);
    let word = text.split_whitespace().next().unwrap_or_default();
    word.parse().unwrap_or_else(|_| panic!("{key}={text:?}"))
}

/// Stands for a while; then runs here, or elsewhere.
fn stand(mut side: Side, append: &str, moves: bool) -> Side {
    side.qmp.ok("stop", json!({}));
    sleep(STANDS);
    if moves {
        let meeting = Meeting::new();
        let address = meeting.address("channel");
        let mut destination = Side::waiting(builder(append), &address);
        side.give(&address);
        while destination.state() == "inmigrate" {}
        side = destination;
    }
    side.qmp.ok("cont", json!({}));
    side
}

#[test]
fn a_timer_comes_after_what_was_left() {
    if !kvm_is_there("a_timer_comes_after_what_was_left") {
        return;
    }
    for (key, how, moves) in [
        ("a", "count", false),
        ("d", "deadline", false),
        ("a", "count", true),
        ("d", "deadline", true),
    ] {
        let mut side = Side::start(builder(""));
        if side.emu.expect("deadline=", 120).is_empty() || side.emu.expect("\n", 60).contains("no")
        {
            continue;
        }
        if how == "deadline" && !tsc_can_be_set(&mut side.qmp) {
            let why = "this host's KVM cannot set a guest's TSC, which then counts a stop's time";
            skipped("a_timer_comes_after_what_was_left (TSC deadline)", why);
            continue;
        }
        side.emu.type_text(key);
        side.emu.expect(&format!("TIMERS armed how={how}"), 60);
        let side = stand(side, "", moves);
        let after_us = number(&side.emu, "after");
        // The APIC's frequency is KVM's own; a hundredth is for how it is rounded.
        let least_us = AWAY_MS * 990;
        assert!(
            after_us >= least_us,
            "{how}, moved: {moves}: came {after_us} us after it was armed for {least_us}"
        );
        side.emu.type_text("q");
        assert_eq!(number(&side.emu, "pit"), 0);
        assert_eq!(complaints(&side.emu), "");
    }
}

#[test]
fn periodic_timers_give_nothing_back_for_a_stop() {
    if !kvm_is_there("periodic_timers_give_nothing_back_for_a_stop") {
        return;
    }
    for (append, key) in [("periodic", "apic"), ("pit", "pit")] {
        for moves in [false, true] {
            let side = Side::start(builder(append));
            side.emu.expect("TIMERS start", 120);
            sleep(Duration::from_millis(300));
            let side = stand(side, append, moves);
            sleep(Duration::from_millis(500));
            side.emu.type_text("r");
            side.emu.expect("TIMERS now us=", 120);
            let text = side.emu.expect("\n", 60);
            let mut words = text.split_whitespace();
            let us: u64 = words.next().and_then(|us| us.parse().ok()).unwrap_or(0);
            let count = words
                .filter_map(|word| word.split_once('='))
                .find(|(name, _)| *name == key)
                .and_then(|(_, count)| count.parse::<u64>().ok());
            let count = count.unwrap_or_else(|| panic!("{text}"));
            // As many as the guest's own time has room for: those of the stop are not among them.
            let most = us * HZ / 1_000_000 + 2;
            assert!(
                (1..=most).contains(&count),
                "{key}, moved: {moves}: {count} interrupts, room for {most}: {text}"
            );
        }
    }
}
