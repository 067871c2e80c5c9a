//! The guest's clocks over stop and cont, as the guest reads them in a tight loop on every CPU.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tod::clock::{ClockStateReport, Shown};
use tod::{Cause, FaultPoint, Policy};

use crate::rig::{Rig, Wanted, has_kvm};

/// `tests/guests/x86/clocks.c` says what it reads and reports.
fn clocks(cpus: u32) -> Rig {
    let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/x86/images/clocks");
    let mut rig = Rig::new(Wanted {
        image: Some(std::fs::read(image).unwrap()),
        cpus,
        cmdline: format!("cpus={cpus}"),
        ..Wanted::default()
    });
    rig.cont();
    rig.wait(|rig| rig.console().contains("khz=") && rig.console().ends_with('\n'));
    assert!(rig.console().contains("kvmclock=yes"), "{}", rig.console());
    rig
}

/// The fields of a CPU's report.
type Report = HashMap<String, u64>;

/// Every CPU's report, each of a reading that it has made after this was called; then they forget
/// their extremes.
fn report(rig: &Rig, cpus: u32) -> Vec<Report> {
    let before = typed(rig, cpus, "r");
    loop {
        let now = typed(rig, cpus, "r");
        if now
            .iter()
            .zip(&before)
            .all(|(now, before)| now["n"] > before["n"])
        {
            typed(rig, cpus, "x");
            return now;
        }
    }
}

/// What the CPUs answer to a key. What is in it may be from before a stop.
fn typed(rig: &Rig, cpus: u32, key: &str) -> Vec<Report> {
    rig.forget_console();
    rig.type_keys(key);
    let done = |rig: &Rig| {
        let text = rig.console();
        text.lines().count() == cpus as usize && text.ends_with('\n')
    };
    rig.wait(done);
    let fields = |line: &str| -> Report {
        let fields = line.split_whitespace().filter_map(|field| {
            let (name, value) = field.split_once('=')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        fields.collect()
    };
    rig.console().lines().map(fields).collect()
}

fn ns(rig: &Rig, name: &str) -> (u64, ClockStateReport) {
    let report = rig.clocks.report();
    let clock = report.clocks.iter().find(|one| one.name == name).unwrap();
    let value = match clock.shown.unwrap() {
        Shown::ElapsedNs(ns) => ns,
        Shown::Cycles(cycles) => cycles,
        Shown::Date(tod) => u64::try_from(tod.to_ns()).unwrap(),
    };
    (value, clock.state.clone())
}

/// A thousand times, as told by the guest: nothing goes back, no CPU is behind another, the
/// longest step is no longer than those that the host makes by itself; and by the manager's
/// account kvmclock moves by what the VM has run.
#[test]
fn a_thousand_stops_and_conts_are_not_seen_by_the_guest() {
    if !has_kvm() {
        return;
    }
    for cpus in [1, 2, 4] {
        let mut rig = clocks(cpus);
        let hidden = (0..10).map(|_| {
            std::thread::sleep(Duration::from_millis(100));
            let reports = report(&rig, cpus);
            reports.iter().map(|cpu| cpu["step"]).max().unwrap()
        });
        let by_itself = hidden.max().unwrap();
        rig.stop();
        let begin = (ns(&rig, "kvmclock").0, rig.clocks.timeline().now().as_ns());
        let mut worst = 0;
        for cycle in 0..1000_u64 {
            std::thread::sleep(Duration::from_micros(100 + cycle % 300));
            let before = (ns(&rig, "kvmclock").0, rig.clocks.timeline().now().as_ns());
            rig.cont();
            std::thread::sleep(Duration::from_micros(500 + cycle % 1000));
            rig.stop();
            let clock = ns(&rig, "kvmclock").0 - before.0;
            let ran = rig.clocks.timeline().now().as_ns() - before.1;
            worst = worst.max(clock.abs_diff(ran));
        }
        let clock = ns(&rig, "kvmclock").0 - begin.0;
        let ran = rig.clocks.timeline().now().as_ns() - begin.1;
        rig.cont();
        let reports = report(&rig, cpus);
        let most = |field: &str| reports.iter().map(|cpu| cpu[field]).max().unwrap();
        println!(
            "{cpus} CPUs: in a cycle kvmclock moved at most {worst} ns beyond the time run, in all \
             {} ns in {ran} ns; longest step in the guest {} ns, without a stop {by_itself} ns",
            clock as i64 - ran as i64,
            most("step"),
        );
        for field in ["back", "behind", "tback", "tbehind"] {
            assert_eq!(most(field), 0, "{field}: {reports:?}");
        }
        assert!(worst < 20_000, "{worst}");
        // It is told on every CPU that looks at its clock in between.
        assert!(reports.iter().all(|cpu| cpu["told"] > 0), "{reports:?}");
        assert_eq!(
            rig.clocks
                .report()
                .clocks
                .iter()
                .map(|one| one.failures)
                .sum::<u64>(),
            0
        );
        rig.clocks.ledger().verify().unwrap();
    }
}

#[test]
fn clocks_stand_while_the_vm_is_stopped() {
    if !has_kvm() {
        return;
    }
    let mut rig = clocks(2);
    rig.stop();
    let stopped = (ns(&rig, "kvmclock").0, ns(&rig, "tsc").0, ns(&rig, "rtc").0);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(ns(&rig, "kvmclock").0, stopped.0);
    assert_eq!(ns(&rig, "tsc").0, stopped.1);
    assert_eq!(ns(&rig, "rtc").0, stopped.2);
    let before = report_of_tsc(&rig);
    rig.cont();
    let reports = report(&rig, 2);
    for cpu in &reports {
        let step = cpu["step"];
        assert!(
            step < 200_000_000,
            "the gap of 300 ms is in kvmclock: {step} ns"
        );
    }
    // A host that cannot set the TSC says so, and its guests see the gap in it.
    let (_, policy) = before;
    let slow = reports[0]["slow"];
    match policy {
        Policy::Freeze => assert!(slow < 1_000_000, "{slow}"),
        _ => assert!(slow > 299_000_000, "{slow}"),
    }
}

fn report_of_tsc(rig: &Rig) -> (u64, Policy) {
    let report = rig.clocks.report();
    let clock = report.clocks.iter().find(|one| one.name == "tsc").unwrap();
    (clock.failures, clock.policy)
}

#[test]
fn a_clock_that_cannot_be_kept_runs_on_and_the_guest_with_it() {
    if !has_kvm() {
        return;
    }
    let mut rig = clocks(1);
    for point in [FaultPoint::Capture, FaultPoint::Install] {
        for clock in ["kvmclock", "tsc", "rtc"] {
            rig.clocks.inject(clock, point, 1).unwrap();
        }
        let before = report(&rig, 1)[0]["kvm"];
        rig.stop();
        std::thread::sleep(Duration::from_millis(100));
        rig.cont();
        let after = report(&rig, 1)[0].clone();
        assert!(after["kvm"] - before >= 100_000_000, "{after:?}");
        assert_eq!((after["back"], after["tback"]), (0, 0));
    }
    let failures = |name: &str| {
        let report = rig.clocks.report();
        let clock = report.clocks.iter().find(|one| one.name == name);
        clock.unwrap().failures
    };
    for clock in ["kvmclock", "tsc", "rtc"] {
        assert_eq!(failures(clock), 2, "{clock}");
    }
    rig.clocks.ledger().verify().unwrap();
}

#[test]
fn saved_clocks_go_on_in_another_machine() {
    if !has_kvm() {
        return;
    }
    let mut here = clocks(2);
    let before = report(&here, 2);
    for _ in 0..5 {
        here.stop();
        let stopped = ns(&here, "kvmclock").0;
        let mut there = crate::moves::empty(2);
        crate::moves::copy(&here, &there).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(ns(&there, "kvmclock").0, stopped, "it stands (R5)");
        there.cont();
        let reports = report(&there, 2);
        for (cpu, before) in reports.iter().zip(&before) {
            assert!(cpu["kvm"] > before["kvm"]);
            for field in ["back", "behind"] {
                assert_eq!(cpu[field], 0, "{field}: {reports:?}");
            }
        }
        here = there;
    }
    assert_eq!(here.clocks.on_save(Cause::Snapshot).clocks.len(), 3);
    here.clocks.ledger().verify().unwrap();
}
