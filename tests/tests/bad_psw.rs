//! New PSWs that lead nowhere: a CPU whose interruptions have no end crashes the guest with KVM's
//! reason for it, as `-action panic=` says; one that is merely busy without end can be stopped; an
//! invalid new PSW of another class is the program interruption that the architecture says.
//! Whatever it was, the machine answers, and a reset brings the guest back.

use serde_json::json;
use tests::bench::Program;
use tests::guests::image;
use tests::moving::Side;
use tests::{EmuBuilder, engines};

/// A guest that waits for `cont`, so that nothing it does is missed.
fn guest(engine: &Program, kind: u32, panic: &str) -> EmuBuilder {
    engine
        .machine()
        .args(["-m".to_owned(), "64M".into(), "-action".into()])
        .args([format!("panic={panic}"), "-S".into()])
        .kernel(&image("badpsw"))
        .append(&format!("kind={kind}"))
}

fn started(engine: &Program, kind: u32, panic: &str) -> Side {
    let mut side = Side::start(guest(engine, kind, panic));
    side.qmp.ok("cont", json!({}));
    side.emu.expect(&format!("BADPSW kind={kind}"), 60);
    side
}

/// A stop is answered, and after a reset the guest is as at its beginning.
fn answers(mut side: Side, kind: u32) {
    side.qmp.ok("stop", json!({}));
    assert!(!side.runs(), "kind {kind}");
    assert!(side.qmp.hmp("info registers").contains("PSW="));
    side.qmp.ok("system_reset", json!({}));
    side.qmp.ok("cont", json!({}));
    side.emu.expect(&format!("BADPSW kind={kind}"), 60);
    side.qmp.ok("quit", json!({}));
    assert_eq!(side.emu.wait(60).code(), Some(0));
}

/// The kinds of the guest which crash, with the reason.
const LOOPS: [(u32, &str); 7] = [
    (0, "pgmint-loop"),
    (1, "pgmint-loop"),
    (2, "pgmint-loop"),
    (3, "pgmint-loop"),
    (4, "opint-loop"),
    (8, "extint-loop"),
    (10, "pgmint-loop"),
];

/// The kinds that begin with a restart interruption.
fn restarted(side: &mut Side, kind: u32) {
    if kind >= 9 {
        side.emu.expect("BADPSW ready", 60);
        side.qmp.ok("inject-nmi", json!({}));
    }
}

#[test]
fn interruptions_without_end_crash_the_guest_which_a_reset_brings_back() {
    for engine in engines() {
        for (kind, reason) in LOOPS {
            let mut side = started(engine, kind, "pause");
            restarted(&mut side, kind);
            let event = side.qmp.event("GUEST_PANICKED").expect("it crashes");
            assert_eq!(event["data"]["action"], "pause");
            let info = &event["data"]["info"];
            assert_eq!(
                (&info["type"], &info["core"], &info["reason"]),
                (&json!("s390"), &json!(0), &json!(reason)),
                "kind {kind}"
            );
            assert_eq!(side.state(), "guest-panicked");
            answers(side, kind);
        }
    }
}

#[test]
fn what_follows_a_crash_is_the_users_choice() {
    let engine = &engines()[0];
    for (panic, action, status) in [("shutdown", "poweroff", 0), ("exit-failure", "poweroff", 1)] {
        let side = Side::start(guest(engine, 0, panic));
        let Side { mut emu, mut qmp } = side;
        qmp.ok("cont", json!({}));
        let event = qmp.event("GUEST_PANICKED").expect("it crashes");
        assert_eq!(event["data"]["action"], action);
        let event = qmp.event("SHUTDOWN").expect("it ends");
        let data = json!({ "guest": true, "reason": "guest-panic" });
        assert_eq!(event["data"], data);
        assert_eq!(emu.wait(60).code(), Some(status), "{panic}");
    }
    let mut side = started(engine, 4, "none");
    let event = side.qmp.event("GUEST_PANICKED").expect("it crashes");
    assert_eq!(event["data"]["action"], "run");
    assert_eq!(side.state(), "running");
    answers(side, 4);
}

#[test]
fn a_cpu_that_is_busy_without_end_can_be_stopped() {
    for engine in engines() {
        for kind in [5, 6] {
            let mut side = started(engine, kind, "pause");
            for _ in 0..20 {
                side.qmp.ok("stop", json!({}));
                assert_eq!(side.state(), "paused");
                side.qmp.ok("cont", json!({}));
            }
            answers(side, kind);
        }
    }
}

#[test]
fn an_invalid_new_psw_is_a_program_interruption() {
    for engine in engines() {
        for kind in [7, 9] {
            let mut side = started(engine, kind, "pause");
            restarted(&mut side, kind);
            side.emu.expect("BADPSW pgm=", 60);
            let told = side.emu.expect("\n", 60);
            // A specification exception without an instruction's length; the old PSW is the one
            // that was loaded.
            assert_eq!(
                told.trim(),
                "0000000000000006 old=8000000180000000,0000000000002468"
            );
            assert_eq!(side.emu.wait(60).code(), Some(0));
        }
    }
}
