//! The watchdog's end in a whole VM, for each action that can be chosen: the event, what follows,
//! in which order, and what a program finds of the watchdog afterwards. A bare-metal guest starts
//! it; the host's clocks are pushed by the 15 seconds it takes.
//!
//! What is expected is what QEMU 7.2 did with the same guest (which had to wait).

use serde_json::{Value, json};
use tests::guests::image;
use tests::moving::Side;
use tests::stall::push;
use tests::{Emu, EmuBuilder, Qmp};

/// The least time that the watchdog takes.
const SHORTEST_NS: u64 = 15_000_000_000;

/// How an action is chosen.
#[derive(Debug, Clone, Copy)]
enum By {
    /// `-action watchdog=`.
    Action,
    /// `-watchdog-action`.
    Option,
    /// QMP's `watchdog-set-action`, while the watchdog counts.
    Qmp,
    /// HMP's `watchdog_action`.
    Hmp,
}

const EVERY_WAY: [By; 4] = [By::Action, By::Option, By::Qmp, By::Hmp];

fn builder(extra: &[&str]) -> EmuBuilder {
    EmuBuilder::s390x()
        .args(["-m", "64M", "-hostclock", "test", "-device", "diag288"])
        .args(extra)
        .kernel(&image("wdog"))
}

/// A guest whose watchdog has just run out, with this action.
fn run_out(action: &str, by: By, extra: &[&str]) -> Side {
    let chosen = match by {
        By::Action => vec!["-action".into(), format!("watchdog={action}")],
        By::Option => vec!["-watchdog-action".into(), action.into()],
        By::Qmp | By::Hmp => vec![],
    };
    let mut side = Side::start(builder(extra).args(chosen));
    side.emu.expect("WDOG start", 60);
    assert_eq!(told(&side.emu, 's', "started"), 0);
    match by {
        By::Action | By::Option => {}
        By::Qmp => {
            let argument = json!({ "action": action });
            side.qmp.ok("watchdog-set-action", argument);
        }
        By::Hmp => {
            let answer = side.qmp.hmp(&format!("watchdog_action {action}"));
            assert_eq!(answer, "");
        }
    }
    push(&mut side.qmp, SHORTEST_NS);
    side
}

/// What the guest tells of a key: the code of the program interruption, 0 if there was none.
fn told(emu: &Emu, key: char, what: &str) -> u32 {
    emu.type_text(&key.to_string());
    code(emu, what)
}

fn code(emu: &Emu, what: &str) -> u32 {
    emu.expect(&format!("WDOG {what} pgm="), 60);
    let code = emu.expect("\n", 60);
    code.trim()
        .parse()
        .unwrap_or_else(|e| panic!("{code:?}: {e}"))
}

/// The next event that is not about clocks, with its data.
fn event(qmp: &mut Qmp, name: &str) -> Value {
    let event = qmp.event(name).unwrap_or_else(|why| panic!("{why}"));
    event["data"].clone()
}

/// The event of the watchdog itself comes first.
fn fired(side: &mut Side, action: &str) {
    assert_eq!(
        event(&mut side.qmp, "WATCHDOG"),
        json!({ "action": action })
    );
}

fn ends(mut side: Side) {
    side.qmp.ok("quit", json!({}));
    assert_eq!(side.emu.wait(60).code(), Some(0));
}

/// The guest can set the watchdog anew as if it still counted, and it runs out again.
fn still_on(side: &mut Side, action: &str) {
    assert_eq!(told(&side.emu, 'c', "changed"), 0);
    push(&mut side.qmp, SHORTEST_NS);
    fired(side, action);
    side.qmp.ok("cont", json!({}));
    assert_eq!(told(&side.emu, 'o', "cancelled"), 0);
    assert_eq!(told(&side.emu, 'o', "cancelled"), 6);
}

/// It is off: only a start brings it back.
fn is_off(emu: &Emu) {
    assert_eq!(told(emu, 'c', "changed"), 6);
    assert_eq!(told(emu, 'o', "cancelled"), 6);
    assert_eq!(told(emu, 's', "started"), 0);
    assert_eq!(told(emu, 'c', "changed"), 0);
}

#[test]
fn reset_starts_the_guest_again() {
    for by in EVERY_WAY {
        let mut side = run_out("reset", by, &[]);
        fired(&mut side, "reset");
        let data = event(&mut side.qmp, "RESET");
        assert_eq!(data, json!({ "guest": true, "reason": "guest-reset" }));
        side.emu.expect("WDOG start", 60);
        is_off(&side.emu);
        ends(side);
    }
}

#[test]
fn reset_ends_the_program_where_there_is_no_reboot() {
    let mut side = run_out("reset", By::Option, &["-no-reboot"]);
    fired(&mut side, "reset");
    let data = event(&mut side.qmp, "SHUTDOWN");
    assert_eq!(data, json!({ "guest": true, "reason": "guest-reset" }));
    assert_eq!(side.emu.wait(60).code(), Some(0));
}

#[test]
fn shutdown_asks_the_guest_to_power_down() {
    for by in EVERY_WAY {
        let mut side = run_out("shutdown", by, &[]);
        fired(&mut side, "shutdown");
        event(&mut side.qmp, "POWERDOWN");
        // This guest does not listen, and goes on.
        is_off(&side.emu);
        assert_eq!(side.state(), "running");
        ends(side);
    }
}

#[test]
fn poweroff_ends_the_program_at_once() {
    for by in EVERY_WAY {
        let mut side = run_out("poweroff", by, &[]);
        fired(&mut side, "poweroff");
        assert_eq!(side.emu.wait(60).code(), Some(0));
        // Nobody is told of a shutdown: it is none.
        let next = side.qmp.event("SHUTDOWN");
        assert!(next.is_err(), "{next:?}");
    }
}

#[test]
fn pause_stops_the_guest_which_can_go_on() {
    for by in EVERY_WAY {
        let mut side = run_out("pause", by, &[]);
        fired(&mut side, "pause");
        event(&mut side.qmp, "STOP");
        assert_eq!(side.state(), "watchdog");
        let shown = side.qmp.hmp("info status");
        assert_eq!(shown.trim(), "VM status: paused (watchdog)");
        side.qmp.ok("cont", json!({}));
        still_on(&mut side, "pause");
        ends(side);
    }
}

#[test]
fn debug_and_none_change_nothing() {
    for by in EVERY_WAY {
        for action in ["debug", "none"] {
            let mut side = run_out(action, by, &[]);
            fired(&mut side, action);
            assert_eq!(side.state(), "running");
            let said = side.emu.stderr().contains("watchdog: timer fired");
            assert_eq!(said, action == "debug");
            if let By::Action = by {
                still_on(&mut side, action);
            }
            ends(side);
        }
    }
}

#[test]
fn an_injected_nmi_is_a_restart_interruption() {
    for by in EVERY_WAY {
        let mut side = run_out("inject-nmi", by, &["-smp", "2"]);
        fired(&mut side, "inject-nmi");
        // When the guest hears of it the watchdog is off.
        assert_eq!(code(&side.emu, "restart changed"), 6);
        is_off(&side.emu);
        // The same by hand.
        side.qmp.ok("inject-nmi", json!({}));
        assert_eq!(code(&side.emu, "restart changed"), 0);
        assert_eq!(side.qmp.hmp("nmi"), "");
        assert_eq!(code(&side.emu, "restart changed"), 0);
        ends(side);
    }
}

/// One that has run out is as it was where the guest moves.
#[test]
fn what_has_run_out_has_done_so_after_a_move_too() {
    let mut side = run_out("none", By::Action, &[]);
    fired(&mut side, "none");
    let meeting = tests::moving::Meeting::new();
    let address = meeting.address("channel");
    let next = builder(&["-watchdog-action", "pause"]);
    let mut destination = Side::waiting(next, &address);
    side.give(&address);
    ends(side);
    while destination.state() == "inmigrate" {}
    still_on_there(&mut destination);
    ends(destination);
}

fn still_on_there(side: &mut Side) {
    assert_eq!(told(&side.emu, 'c', "changed"), 0);
    push(&mut side.qmp, SHORTEST_NS);
    fired(side, "pause");
}
