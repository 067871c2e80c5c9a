//! Bare-metal guests, from the command line to the exit status.

use serde_json::json;
use tests::guests::{image, top};
use tests::self_checking::Run;
use tests::{Emu, EmuBuilder, engines, skipped};

fn run(name: &str, append: &str) -> Emu {
    let builder = EmuBuilder::s390x().args(["-m", "64M"]).kernel(&image(name));
    if append.is_empty() {
        builder.start()
    } else {
        builder.append(append).start()
    }
}

/// Runs a self-checking guest to its end on each engine; every line of it must be a PASS.
fn passes(name: &str) {
    let run = Run {
        name,
        ..Run::default()
    };
    for engine in engines() {
        run.passes(engine);
    }
}

#[test]
fn hello_ends_the_process_with_status_0() {
    let mut emu = run("hello", "");
    assert_eq!(emu.wait(60).code(), Some(0));
    assert!(
        emu.console.text().to_lowercase().contains("hello"),
        "{}",
        emu.console.text()
    );
    assert_eq!(emu.stderr(), "");
}

#[test]
fn instructions_are_right() {
    passes("insn");
}

#[test]
fn storage_and_string_instructions_are_right() {
    passes("string");
}

#[test]
fn binary_floating_point_is_right() {
    passes("float");
}

#[test]
fn decimal_instructions_are_right() {
    passes("decimal");
}

#[test]
fn program_interruptions_are_right() {
    passes("pgm");
}

#[test]
fn program_events_are_recorded() {
    passes("per");
}

#[test]
fn storage_keys_protect() {
    passes("keys");
}

#[test]
fn address_translation_is_right() {
    passes("dat");
}

#[test]
fn code_may_change_itself() {
    passes("smc");
}

#[test]
fn code_may_be_changed_by_every_instruction_that_stores() {
    passes("selfmod");
}

#[test]
fn comparator_and_timer_are_conditions() {
    passes("ckc");
}

#[test]
fn a_disabled_wait_is_reported_as_a_panic() {
    let emu = EmuBuilder::s390x()
        .args(["-m", "64M", "-S", "-action", "panic=pause"])
        .kernel(&image("dwait"))
        .start();
    let mut qmp = emu.qmp();
    qmp.ok("cont", json!({}));
    let event = qmp.event("GUEST_PANICKED").unwrap();
    assert_eq!(event["data"]["info"]["type"], "s390");
    assert_eq!(event["data"]["info"]["reason"], "disabled-wait");
    assert_eq!(event["data"]["action"], "pause");
    assert_eq!(
        qmp.ok("query-status", json!({}))["status"],
        "guest-panicked"
    );
}

#[test]
fn a_panic_may_fail_the_process() {
    let mut emu = EmuBuilder::s390x()
        .args(["-m", "64M", "-action", "panic=exit-failure"])
        .kernel(&image("dwait"))
        .start();
    assert_eq!(emu.wait(60).code(), Some(1));
}

#[test]
fn an_orderly_wait_ends_the_process_with_status_0() {
    let mut emu = run("dwait", "code=4095");
    assert_eq!(emu.wait(60).code(), Some(0));
}

#[test]
fn a_guest_restarts_from_its_image_as_often_as_it_is_reset() {
    let emu = run("spin", "");
    let mut qmp = emu.qmp();
    for _ in 0..3 {
        qmp.ok("system_reset", json!({}));
        qmp.event("RESET").unwrap();
    }
    assert_eq!(qmp.ok("query-status", json!({}))["status"], "running");
    qmp.ok("quit", json!({}));
}

#[test]
fn the_images_match_their_sources() {
    let name = "the_images_match_their_sources";
    let assembler = std::process::Command::new("s390x-linux-gnu-as")
        .arg("--version")
        .output();
    if assembler.is_err() {
        return skipped(name, "binutils-s390x-linux-gnu is not installed");
    }
    let check = std::process::Command::new(top().join("tests/guests/build"))
        .arg("--check")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&check.stdout) + String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{text}");
}
