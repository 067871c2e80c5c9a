//! Stall regressions on Debian's unmodified kernel, with its detectors at their strictest.
//!
//! The host clock is one that the test pushes forward, so that a stop of two minutes takes none;
//! one test waits for real. What is compared is exact: the guest's clocks against each other, and
//! against the host time that passed around them.
//!
//! They run on the default engine; `EMU_STALL_ENGINE=interp` takes another one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::stall::{
    self, BOOT_S, TWO_MINUTES_NS, moved_by_running_time_only, no_complaint, ready, stamp,
    stopped_for,
};
use tests::{Emu, Qmp, skipped};

/// The guest in its stall scenario; `None`, said visibly, where Debian's kernel is not there.
fn boot(test: &str, load: &str) -> Option<Emu> {
    boot_with(test, load, 1)
}

/// [`boot`] with so many CPUs.
fn boot_with(test: &str, load: &str, cpus: u32) -> Option<Emu> {
    stall::guest(test, load, cpus).map(tests::EmuBuilder::start)
}

/// A timer that was due in one second fires after what was left of it, with two minutes of stop
/// in between.
fn a_timer_over_a_stop(emu: &mut Emu, qmp: &mut Qmp) {
    let start = Instant::now();
    emu.type_text("timer 1\n");
    emu.expect("TIMER-START", 120);
    stopped_for(qmp, TWO_MINUTES_NS);
    emu.expect("TIMER-END elapsed_ns=", 120);
    let elapsed: u128 = emu
        .expect(" ", 60)
        .trim()
        .parse()
        .expect("a number behind elapsed_ns=");
    assert!(
        (1_000_000_000..=start.elapsed().as_nanos()).contains(&elapsed),
        "a sleep of 1 s took {elapsed} ns of guest time"
    );
}

#[test]
fn an_idle_guest_does_not_notice_two_minutes() {
    let Some(mut emu) = boot("an_idle_guest_does_not_notice_two_minutes", "idle") else {
        return;
    };
    ready(&emu);
    let mut qmp = emu.qmp();
    let start = Instant::now();
    let before = stamp(&emu);
    stopped_for(&mut qmp, TWO_MINUTES_NS);
    let after = stamp(&emu);
    moved_by_running_time_only(before, after, start.elapsed());

    a_timer_over_a_stop(&mut emu, &mut qmp);
    no_complaint(&mut emu);
}

#[test]
fn a_busy_guest_does_not_notice_twenty_stops() {
    let Some(mut emu) = boot("a_busy_guest_does_not_notice_twenty_stops", "busy") else {
        return;
    };
    ready(&emu);
    let mut qmp = emu.qmp();
    let start = Instant::now();
    let before = stamp(&emu);
    for _ in 0..20 {
        stopped_for(&mut qmp, TWO_MINUTES_NS);
    }
    let after = stamp(&emu);
    moved_by_running_time_only(before, after, start.elapsed());
    no_complaint(&mut emu);
}

#[test]
fn stops_during_early_boot_are_not_noticed() {
    let Some(mut emu) = boot("stops_during_early_boot_are_not_noticed", "idle") else {
        return;
    };
    let mut qmp = emu.qmp();
    // In the decompressor and before the first line, ...
    for _ in 0..5 {
        stopped_for(&mut qmp, TWO_MINUTES_NS);
        std::thread::sleep(Duration::from_millis(300));
    }
    // ... and on the way to process 1.
    emu.expect("Linux version", BOOT_S);
    for _ in 0..5 {
        stopped_for(&mut qmp, TWO_MINUTES_NS);
        std::thread::sleep(Duration::from_millis(200));
    }
    ready(&emu);
    no_complaint(&mut emu);
}

#[test]
fn two_real_minutes_are_not_noticed() {
    let Some(mut emu) = boot("two_real_minutes_are_not_noticed", "idle") else {
        return;
    };
    ready(&emu);
    let mut qmp = emu.qmp();
    let before = stamp(&emu);
    let asked = Instant::now();
    qmp.ok("stop", json!({}));
    let stopped = Instant::now();
    std::thread::sleep(Duration::from_secs(120));
    let pause = stopped.elapsed();
    qmp.ok("cont", json!({}));
    let after = stamp(&emu);
    // The guest could run for all the time but the pause; and before the first request.
    let ran = asked.elapsed() - pause + Duration::from_secs(30);
    moved_by_running_time_only(before, after, ran);
    no_complaint(&mut emu);
}

/// After a failure the guest goes on with a clock that ran all along, and it is said once
/// each on stderr, as an event and in the ledger.
fn a_failure_lets_the_clock_run(test: &str, point: &str) {
    let Some(mut emu) = boot(test, "idle") else {
        return;
    };
    ready(&emu);
    let mut qmp = emu.qmp();
    let before = stamp(&emu);
    qmp.ok(
        "x-clock-fail",
        json!({ "clock": "tod", "point": point, "count": 1 }),
    );
    stopped_for(&mut qmp, TWO_MINUTES_NS);
    let after = stamp(&emu);
    let moved = after.mono_ns - before.mono_ns;
    assert!(
        moved >= i128::from(TWO_MINUTES_NS),
        "the clock should have run on for two minutes, it moved by {moved} ns"
    );
    let event = qmp
        .event("CLOCK_FALLBACK")
        .expect("a fallback is told as an event");
    assert_eq!(event["data"]["clock"], "tod", "{event}");
    assert_eq!(event["data"]["phase"], point, "{event}");
    let stderr = emu.stderr();
    assert_eq!(stderr.lines().count(), 1, "one warning is wanted: {stderr}");
    assert!(
        stderr.contains("warning") && stderr.contains("tod"),
        "{stderr}"
    );
    let ledger = qmp.ok("query-ledger", json!({}));
    assert!(
        mentions(&ledger, "fallback"),
        "no ledger entry of the failure: {ledger:#}"
    );
    // The next stop works again, and is not noticed any more.
    let start = Instant::now();
    let before = stamp(&emu);
    stopped_for(&mut qmp, TWO_MINUTES_NS);
    moved_by_running_time_only(before, stamp(&emu), start.elapsed());
    emu.type_text("quit\n");
    assert_eq!(emu.wait(120).code(), Some(0));
}

fn mentions(value: &Value, word: &str) -> bool {
    value.to_string().contains(word)
}

#[test]
fn a_capture_that_fails_costs_a_warning() {
    a_failure_lets_the_clock_run("a_capture_that_fails_costs_a_warning", "capture");
}

#[test]
fn an_install_that_fails_costs_a_warning() {
    a_failure_lets_the_clock_run("an_install_that_fails_costs_a_warning", "install");
}

/// Several CPUs, idle and busy: twenty stops of two minutes, of which none of them notices
/// anything, and a timer over one more.
fn several_cpus(test: &str, load: &str, cpus: u32) {
    let Some(mut emu) = boot_with(test, load, cpus) else {
        return;
    };
    ready(&emu);
    let mut qmp = emu.qmp();
    assert_eq!(online(&mut qmp), cpus as usize, "CPUs brought up");
    let start = Instant::now();
    let before = stamp(&emu);
    for _ in 0..20 {
        stopped_for(&mut qmp, TWO_MINUTES_NS);
    }
    let after = stamp(&emu);
    moved_by_running_time_only(before, after, start.elapsed());
    a_timer_over_a_stop(&mut emu, &mut qmp);
    no_complaint(&mut emu);
}

/// How many CPUs operate.
fn online(qmp: &mut Qmp) -> usize {
    let cpus = qmp.ok("query-cpus-fast", json!({}));
    let cpus = cpus.as_array().map(Vec::as_slice).unwrap_or_default();
    cpus.iter()
        .filter(|cpu| cpu["cpu-state"] == "operating")
        .count()
}

#[test]
fn two_busy_cpus_do_not_notice_twenty_stops() {
    several_cpus("two_busy_cpus_do_not_notice_twenty_stops", "busy", 2);
}

#[test]
fn four_idle_cpus_do_not_notice_twenty_stops() {
    several_cpus("four_idle_cpus_do_not_notice_twenty_stops", "idle", 4);
}

#[test]
fn eight_idle_cpus_do_not_notice_twenty_stops() {
    several_cpus("eight_idle_cpus_do_not_notice_twenty_stops", "idle", 8);
}

#[test]
fn four_busy_cpus_do_not_notice_twenty_stops() {
    several_cpus("four_busy_cpus_do_not_notice_twenty_stops", "busy", 4);
}

#[test]
fn eight_busy_cpus_do_not_notice_twenty_stops() {
    let test = "eight_busy_cpus_do_not_notice_twenty_stops";
    // A host with few CPUs may keep a vCPU waiting for as long as the kernel's detectors allow.
    if std::env::var_os("EMU_STALL_MANY").is_none() {
        return skipped(
            test,
            "it wants a host with CPUs to spare; EMU_STALL_MANY=1 runs it",
        );
    }
    several_cpus(test, "busy", 8);
}
