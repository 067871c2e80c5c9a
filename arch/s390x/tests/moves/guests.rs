//! Guests that check themselves, moved again and again while they do, from one engine to the
//! other.

use std::sync::Arc;
use std::time::Duration;

use machine::{Engine, GuestEvent, ShutdownCause};
use tod::FineSpan;
use tod::ledger::Account;

use crate::rig::{ENGINES, Kind, Screen, Vm};

/// How long a guest stays before it is moved on.
const STAY: Duration = Duration::from_millis(8);
/// After so many moves it may finish where it is.
const MOVES: usize = 40;
/// Longer than any guest goes on without a word.
const LONG: Duration = Duration::from_secs(300);

/// Runs a guest to its end with moves in between: how many, and what it has said.
fn run(kind: &Kind) -> (usize, GuestEvent, String) {
    let screen = Arc::new(Screen::default());
    let mut vm = Vm::start(kind, ENGINES[0], &screen);
    for moves in 0.. {
        let stay = if moves < MOVES { STAY } else { LONG };
        if let Some(event) = vm.event(stay) {
            let ledger = vm.clocks.ledger();
            ledger.verify().unwrap();
            // One that was never stopped has no account yet (R4).
            let known = |account: &&Account| account.value().is_some();
            for account in ledger.accounts().iter().filter(known) {
                assert_eq!(account.unexplained(), FineSpan::ZERO, "{account:?}");
                assert_eq!(account.granted(), FineSpan::ZERO, "{account:?}");
            }
            vm.end();
            return (moves, event, screen.text());
        }
        assert!(moves < MOVES, "it does not end:\n{}", screen.text());
        vm = vm.moved(kind, ENGINES[(moves + 1) % ENGINES.len()], &screen);
    }
    unreachable!("the loop returns or fails")
}

fn passes(name: &str, cmdline: &str, cpus: u32) {
    let (moves, event, text) = run(&Kind::image(name, cmdline, cpus));
    assert_eq!(event, GuestEvent::Shutdown(ShutdownCause::Guest), "{text}");
    let failed: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}\n{text}");
    assert!(text.contains("EXIT: STATUS=1"), "{text}");
    println!("{name} with {cpus} CPUs: {moves} moves");
}

#[test]
fn one_cpu() {
    for name in [
        "insn", "string", "decimal", "float", "pgm", "dat", "keys", "smc",
    ] {
        passes(name, "", 1);
    }
}

#[test]
fn interruptions_of_the_clock_comparator() {
    passes("ckc", "", 1);
}

/// Vector registers go with the guest, from one engine to the other.
#[test]
fn vectors() {
    passes("vector", "", 1);
}

/// Epoch index, sign control and the physical clock of PTFF go with the guest.
#[test]
fn a_clock_beyond_64_bits() {
    passes("epoch", "", 1);
}

/// Comparators, CPU timers and SET CLOCK of several CPUs.
#[test]
fn clocks_of_several_cpus() {
    for cpus in [2, 4] {
        passes("probe", "rounds=100", cpus);
    }
}

#[test]
fn cpus_that_signal_each_other() {
    for cpus in [2, 4] {
        passes("smp", "rounds=40", cpus);
    }
}

#[test]
fn interlocked_updates() {
    for cpus in [2, 4] {
        passes("atomic", "rounds=40000", cpus);
    }
}

#[test]
fn translations_that_are_purged() {
    for cpus in [2, 4] {
        passes("smpdat", "rounds=60", cpus);
    }
}

#[test]
fn one_clock_for_all() {
    for cpus in [2, 4] {
        passes("smptod", "rounds=3000", cpus);
    }
}

#[test]
fn code_that_changes() {
    for cpus in [2, 4] {
        passes("smpcode", "rounds=160", cpus);
    }
}

/// A guest that has begun and stands, with the end of what it says still to come. On a busy host a
/// short one may have come to its end before it could be stopped: it is not what is wanted.
fn begun(kind: &Kind, engine: Engine) -> (Vm, Arc<Screen>) {
    const ATTEMPTS: usize = 1000;
    for _ in 0..ATTEMPTS {
        let screen = Arc::new(Screen::default());
        let mut vm = Vm::start(kind, engine, &screen);
        std::thread::sleep(Duration::from_millis(1));
        vm.stop();
        if !screen.text().contains("SUMMARY") {
            return (vm, screen);
        }
        vm.end();
    }
    panic!("the guest is always over within a millisecond");
}

/// A snapshot is gone back to on the machine where the guest has gone on since, and ended.
#[test]
fn the_same_machine_again_and_again() {
    for &engine in ENGINES {
        for (name, cmdline, cpus) in [("smc", "", 1), ("dat", "", 1), ("smpdat", "rounds=20", 2)] {
            let kind = Kind::image(name, cmdline, cpus);
            let (mut vm, screen) = begun(&kind, engine);
            let saved = vm.save();
            for turn in 1..=4 {
                vm.cont();
                let event = vm.event(LONG);
                let text = screen.text();
                assert_eq!(
                    event,
                    Some(GuestEvent::Shutdown(ShutdownCause::Guest)),
                    "{text}"
                );
                assert!(!text.contains("FAIL"), "{text}");
                let ends = text.matches("EXIT: STATUS=1").count();
                assert_eq!(ends, turn, "{name} on {engine:?}:\n{text}");
                vm.stop();
                vm.load(&saved);
            }
            vm.end();
        }
    }
}

/// Debian's kernel up to its user space, moved all the way.
#[test]
fn debian() {
    for cpus in [1, 2] {
        let Some(kind) = Kind::debian(cpus) else {
            return;
        };
        let screen = Arc::new(Screen::default());
        let mut vm = Vm::start(&kind, ENGINES[0], &screen);
        let mut moves = 0;
        while !screen.text().contains("Run /init as init process") {
            if let Some(event) = vm.event(Duration::from_millis(400)) {
                panic!("{event:?}\n{}", screen.text());
            }
            vm = vm.moved(&kind, ENGINES[(moves + 1) % ENGINES.len()], &screen);
            moves += 1;
            assert!(moves < 2000, "it does not come up:\n{}", screen.text());
        }
        let text = screen.text();
        for bad in ["stall", "lockup", "Kernel panic", "WARNING:", "BUG:"] {
            assert!(!text.contains(bad), "{text}");
        }
        vm.clocks.ledger().verify().unwrap();
        println!("Debian with {cpus} CPUs: {moves} moves");
        vm.end();
    }
}
