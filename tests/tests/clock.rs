//! The TOD clock over stop and cont, seen by a guest that logs every step of it.

use std::time::Duration;

use serde_json::{Value, json};
use tests::guests::image;
use tests::{Emu, EmuBuilder, Qmp};

fn todlog(extra: &[&str]) -> (Emu, Qmp) {
    let emu = EmuBuilder::s390x()
        .args(["-m", "64M", "-hostclock", "test"])
        .args(extra.iter().copied())
        .kernel(&image("todlog"))
        .append("every=0 gap=4000000000000")
        .start();
    emu.expect("TODLOG start", 60);
    let qmp = emu.qmp();
    (emu, qmp)
}

/// The longest step since the last `x`, in TOD units, from the answer to a key.
fn longest_step(emu: &Emu) -> u64 {
    emu.type_text("r");
    emu.expect("TODLOG max=", 60);
    let value = emu.expect(" ", 60);
    u64::from_str_radix(value.trim(), 16).expect("a hexadecimal step")
}

fn tod(clocks: &Value) -> &Value {
    clocks["clocks"]
        .as_array()
        .and_then(|all| all.iter().find(|clock| clock["name"] == "tod"))
        .unwrap_or_else(|| panic!("no clock 'tod' in {clocks:#}"))
}

const UNITS_PER_SECOND: u64 = 4_096_000_000;

#[test]
fn an_hours_stop_is_no_step_for_the_guest() {
    let (emu, mut qmp) = todlog(&[]);
    emu.type_text("x");
    emu.expect("TODLOG max=", 60);
    for _ in 0..10 {
        qmp.ok("stop", json!({}));
        qmp.ok("x-clock-push", json!({ "ns": 3_600_000_000_000u64 }));
        qmp.ok("cont", json!({}));
    }
    let step = longest_step(&emu);
    // Far below the hour, far above what a slow host does to a thread.
    assert!(step < 60 * UNITS_PER_SECOND, "a step of {step} units");
    let text = emu.console.text();
    assert!(!text.contains("BACKWARDS"), "{text}");
}

#[test]
fn a_clock_that_was_not_captured_shows_the_stop() {
    // The control: without the capture the hour does show, so the test above can fail.
    let (emu, mut qmp) = todlog(&[]);
    emu.type_text("x");
    emu.expect("TODLOG max=", 60);
    // The guest itself announces a step above 976 s. A stop that catches it while it prints is
    // not in its steps, so there is more than one try.
    for _ in 0..20 {
        let fault = json!({ "clock": "tod", "point": "capture", "count": 1 });
        qmp.ok("x-clock-fail", fault);
        qmp.ok("stop", json!({}));
        qmp.ok("x-clock-push", json!({ "ns": 3_600_000_000_000u64 }));
        qmp.ok("cont", json!({}));
        if emu
            .console
            .expect("GAP step=", Duration::from_secs(5))
            .is_ok()
        {
            let step = emu.expect(" ", 60);
            let step = u64::from_str_radix(step.trim(), 16).expect("a hexadecimal step");
            // The hour, as exactly as the counter's rate is known so soon after the start.
            assert!(step >= 3590 * UNITS_PER_SECOND, "a step of {step} units");
            return;
        }
    }
    panic!("no step in {}", emu.console.text());
}

#[test]
fn ten_thousand_cycles_lose_nothing_against_the_ledger() {
    let (emu, mut qmp) = todlog(&[]);
    for _ in 0..10_000 {
        qmp.ok("stop", json!({}));
        qmp.ok("cont", json!({}));
    }
    qmp.ok("stop", json!({}));
    let ledger = qmp.ok("query-ledger", json!({}));
    assert_eq!(ledger["verified"], true, "{ledger:#}");
    let accounts = ledger["accounts"].as_array().expect("accounts");
    let tod_account = accounts
        .iter()
        .find(|a| a["clock"] == "tod")
        .expect("the TOD's account");
    assert_eq!(tod_account["unexplained-units"], 0, "{ledger:#}");
    let clocks = qmp.ok("query-clock", json!({}));
    assert_eq!(tod(&clocks)["failures"], 0, "{clocks:#}");
    qmp.ok("cont", json!({}));
    emu.type_text("r");
    emu.expect("TODLOG max=", 60);
    assert!(!emu.console.text().contains("BACKWARDS"));
}

#[test]
fn a_second_stop_and_a_second_cont_change_nothing() {
    let (_emu, mut qmp) = todlog(&[]);
    qmp.ok("stop", json!({}));
    let first = tod(&qmp.ok("query-clock", json!({}))).clone();
    qmp.ok("stop", json!({}));
    let second = tod(&qmp.ok("query-clock", json!({}))).clone();
    assert_eq!(first["state"], second["state"]);
    assert_eq!(first["guest"], second["guest"]);
    qmp.ok("cont", json!({}));
    qmp.event("RESUME").unwrap();
    qmp.ok("cont", json!({}));
    assert!(!qmp.taken_events().contains(&"RESUME"));
}
