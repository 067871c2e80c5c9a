//! kvmclock and the TSC of a guest under real KVM, over stop and cont and over migrations.
//!
//! `EMU_X86_CYCLES` and `EMU_X86_MOVES` make the runs longer; what is measured is printed.

use std::thread::sleep;
use std::time::Duration;

use serde_json::json;
use tests::guests::top;
use tests::moving::{Meeting, Side};
use tests::skipped;
use tests::x86::{
    CLOCKS, CpuClocks, HostTime, clock, clocks_guest, clocks_report, clocks_started, complaints,
    count, kvm_is_there, ledger_adds_up, timeline_and_kvmclock, tsc_can_be_set,
};

const CPUS: u32 = 2;

/// How long the guest stands in a cycle; it would see that if its clocks ran on.
const STANDS: Duration = Duration::from_millis(3);

fn started(cpus: u32) -> Side {
    let side = Side::start(clocks_guest(cpus));
    clocks_started(&side);
    side
}

fn check(reports: &[CpuClocks], what: &str) {
    for report in reports {
        report.check(what);
    }
}

/// Between two reports the clocks of every CPU have moved by what the guest can have run.
fn moved_by_running_time(before: &[CpuClocks], after: &[CpuClocks], most_ns: u64) {
    for (one, two) in before.iter().zip(after) {
        assert!(two.readings > one.readings, "{one:?} {two:?}");
        let moved = two.kvm_ns - one.kvm_ns;
        assert!(
            moved > 0 && moved <= most_ns,
            "kvmclock moved by {moved} ns while the guest ran for {most_ns} ns at most"
        );
    }
}

/// Where both can be set kvmclock and the TSC run on together: not 20 us of each cycle's time is
/// between them.
fn close_to_the_tsc(reports: &[CpuClocks], cycles: u32) {
    for report in reports {
        let apart = report.fast_ns.max(report.slow_ns);
        assert!(apart < 20_000 * u64::from(cycles), "{report:?}");
    }
}

fn ends_well(mut side: Side) {
    side.emu.type_text("q");
    side.emu.expect("CLOCKS end", 120);
    assert_eq!(side.emu.wait(60).code(), Some(0), "{}", side.emu.stderr());
    assert_eq!(complaints(&side.emu), "");
}

#[test]
fn the_clocks_stand_while_the_guest_does() {
    if !kvm_is_there("the_clocks_stand_while_the_guest_does") {
        return;
    }
    let cycles = count("EMU_X86_CYCLES", 40);
    let mut side = started(CPUS);
    side.qmp.ok("stop", json!({}));
    let first = timeline_and_kvmclock(&mut side.qmp);
    side.qmp.ok("cont", json!({}));
    // The report's readings are older than its text.
    let mut host = HostTime::new();
    let before = clocks_report(&side, "x", CPUS);
    let mut last = first;
    // What kvmclock has moved beyond the timeline, of each cycle.
    let mut beyond = Vec::new();
    for _ in 0..cycles {
        side.qmp.ok("stop", json!({}));
        let now = timeline_and_kvmclock(&mut side.qmp);
        beyond.push((now.1 - last.1) - (now.0 - last.0));
        last = now;
        host.stands(|| sleep(STANDS));
        assert_eq!(
            timeline_and_kvmclock(&mut side.qmp),
            now,
            "it does not stand"
        );
        side.qmp.ok("cont", json!({}));
    }
    let after = clocks_report(&side, "r", CPUS);
    check(&after, "after all cycles");
    moved_by_running_time(&before, &after, host.most_run_ns());
    if tsc_can_be_set(&mut side.qmp) {
        close_to_the_tsc(&after, cycles);
    } else {
        skipped(
            "the_clocks_stand_while_the_guest_does (TSC)",
            "this host's KVM cannot set a guest's TSC: only kvmclock is looked at",
        );
    }
    for report in &after {
        assert!(report.told >= 1, "nobody told the guest: {report:?}");
    }
    ledger_adds_up(&mut side.qmp);
    beyond.sort_unstable_by_key(|ns| ns.abs());
    let total: i64 = beyond.iter().sum();
    eprintln!(
        "MEASURED: {cycles} stop/cont cycles: kvmclock beyond the running time: mean {} ns, \
         median {} ns, most {} ns; against the TSC: {} ns fast, {} ns slow",
        total / i64::from(cycles),
        beyond[beyond.len() / 2],
        beyond[beyond.len() - 1],
        after.iter().map(|report| report.fast_ns).max().unwrap_or(0),
        after.iter().map(|report| report.slow_ns).max().unwrap_or(0),
    );
    ends_well(side);
}

/// The longest step of kvmclock that a CPU has seen while something was done, in ns.
fn longest_step(side: &mut Side, act: impl FnOnce(&mut Side)) -> u64 {
    clocks_report(side, "x", CPUS);
    act(side);
    let steps = clocks_report(side, "x", CPUS);
    steps.iter().map(|report| report.step_ns).max().unwrap_or(0)
}

/// What a guest sees of a stop, beside what its host takes from it anyway: printed, not judged,
/// but for that it is not the stop's own length.
#[test]
fn a_stop_is_no_step_for_the_guest() {
    if !kvm_is_there("a_stop_is_no_step_for_the_guest") {
        return;
    }
    const LONG: Duration = Duration::from_millis(400);
    let mut side = started(CPUS);
    let rounds = count("EMU_X86_STEPS", 10);
    let (mut stopped, mut running) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        stopped.push(longest_step(&mut side, |side| {
            side.qmp.ok("stop", json!({}));
            sleep(LONG);
            side.qmp.ok("cont", json!({}));
        }));
        running.push(longest_step(&mut side, |_| sleep(STANDS)));
    }
    for steps in [&mut stopped, &mut running] {
        steps.sort_unstable();
    }
    let shown = |steps: &[u64]| {
        let last = steps.len() - 1;
        format!("{} ns ({}-{})", steps[last / 2], steps[0], steps[last])
    };
    eprintln!(
        "MEASURED: longest step of kvmclock in a guest of {CPUS} CPUs: over stop and cont {}, without \
         a stop {}",
        shown(&stopped),
        shown(&running)
    );
    let long_ns = LONG.as_nanos() as u64;
    assert!(stopped[0] < long_ns, "every stop was seen: {stopped:?}");
    ends_well(side);
}

/// There and back, live and offline.
#[test]
fn moves_leave_the_clocks_right() {
    if !kvm_is_there("moves_leave_the_clocks_right") {
        return;
    }
    let moves = count("EMU_X86_MOVES", 8);
    let meeting = Meeting::new();
    let mut source = started(CPUS);
    let mut host = HostTime::new();
    let before = clocks_report(&source, "x", CPUS);
    // How far kvmclock is before the timeline, at every other move.
    let mut beyond = Vec::new();
    for round in 0..moves {
        let address = meeting.address("channel");
        let mut destination = Side::waiting(clocks_guest(CPUS), &address);
        let offline = round % 2 == 0;
        if offline {
            source.qmp.ok("stop", json!({}));
            let stood_at = timeline_and_kvmclock(&mut source.qmp);
            beyond.push(stood_at.1 - stood_at.0);
            host.stands(|| {
                sleep(STANDS);
                source.give(&address);
                while destination.state() == "inmigrate" {}
                assert_eq!(timeline_and_kvmclock(&mut destination.qmp), stood_at);
            });
            destination.qmp.ok("cont", json!({}));
        } else {
            source.give(&address);
        }
        let reports = clocks_report(&destination, "r", CPUS);
        check(&reports, &format!("after move {round}"));
        source.qmp.ok("quit", json!({}));
        assert_eq!(
            source.emu.wait(60).code(),
            Some(0),
            "{}",
            source.emu.stderr()
        );
        assert_eq!(complaints(&source.emu), "");
        source = destination;
    }
    let after = clocks_report(&source, "r", CPUS);
    moved_by_running_time(&before, &after, host.most_run_ns());
    ledger_adds_up(&mut source.qmp);
    let steps = beyond.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    eprintln!(
        "MEASURED: {moves} moves, every other one live: kvmclock beyond the running time: {} ns \
         in all, {} ns at most in two moves",
        beyond
            .last()
            .zip(beyond.first())
            .map_or(0, |(last, first)| last - first),
        steps.max().unwrap_or(0)
    );
    if tsc_can_be_set(&mut source.qmp) {
        close_to_the_tsc(&after, moves);
    }
    ends_well(source);
}

/// R1, R2: whichever clock cannot be read or set, the guest runs on, and it is told.
#[test]
fn a_clock_that_fails_runs_free() {
    if !kvm_is_there("a_clock_that_fails_runs_free") {
        return;
    }
    for name in CLOCKS {
        for point in ["capture", "install"] {
            let mut side = started(CPUS);
            let fault = json!({ "clock": name, "point": point, "count": 1 });
            side.qmp.ok("x-clock-fail", fault);
            side.qmp.ok("stop", json!({}));
            sleep(STANDS);
            side.qmp.ok("cont", json!({}));
            let event = side.qmp.event("CLOCK_FALLBACK");
            let event = event.unwrap_or_else(|why| panic!("{name} {point}: {why}"));
            assert_eq!(event["data"]["clock"], name, "{event}");
            assert_eq!(event["data"]["phase"], point, "{event}");
            let shown = clock(&mut side.qmp, name);
            assert_eq!(shown["failures"], 1, "{shown:#}");
            for report in clocks_report(&side, "r", CPUS) {
                assert_eq!(
                    (report.back, report.tsc_back),
                    (0, 0),
                    "{name} {point}: {report:?}"
                );
            }
            // The next time it works again.
            side.qmp.ok("stop", json!({}));
            assert_eq!(clock(&mut side.qmp, name)["state"], "stopped");
            side.qmp.ok("cont", json!({}));
            clocks_report(&side, "r", CPUS);
            side.qmp.ok("quit", json!({}));
            assert_eq!(side.emu.wait(60).code(), Some(0));
            let said = side.emu.stderr();
            assert!(said.contains(name), "{name} {point}: {said:?}");
        }
    }
}

/// R6: a clock that cannot be read for a move costs neither the guest nor its clock.
#[test]
fn a_move_without_a_clock_is_told_on_both_sides() {
    if !kvm_is_there("a_move_without_a_clock_is_told_on_both_sides") {
        return;
    }
    for name in CLOCKS {
        let meeting = Meeting::new();
        let address = meeting.address("channel");
        let mut source = started(CPUS);
        let mut destination = Side::waiting(clocks_guest(CPUS), &address);
        let fault = json!({ "clock": name, "point": "capture", "count": 9 });
        source.qmp.ok("x-clock-fail", fault);
        source.give(&address);
        while !destination.runs() {}
        // It goes on; a clock that was lost begins anew, where the other host's begins.
        clocks_report(&destination, "r", CPUS);
        for side in [&source, &destination] {
            assert!(
                side.emu.stderr().contains(&format!("clock '{name}'")),
                "{name}: {:?}",
                side.emu.stderr()
            );
        }
    }
}

#[test]
fn the_monitor_shows_each_clock_in_its_own_terms() {
    if !kvm_is_there("the_monitor_shows_each_clock_in_its_own_terms") {
        return;
    }
    let mut side = started(CPUS);
    let qmp = &mut side.qmp;
    assert_eq!(qmp.ok("query-target", json!({}))["arch"], "x86_64");
    assert_eq!(
        qmp.ok("query-kvm", json!({})),
        json!({ "enabled": true, "present": true })
    );
    let rtc = clock(qmp, "rtc");
    assert_eq!(
        (&rtc["scale"], &rtc["offset"]),
        (&json!("date"), &json!(0)),
        "{rtc:#}"
    );
    assert!(
        rtc["date"].as_str().is_some_and(|date| date.len() == 19),
        "{rtc:#}"
    );
    let kvmclock = clock(qmp, "kvmclock");
    assert_eq!(kvmclock["scale"], "elapsed", "{kvmclock:#}");
    assert!(kvmclock["guest"]["ns"].as_u64() > Some(0), "{kvmclock:#}");
    let tsc = clock(qmp, "tsc");
    let tsc_stands = tsc_can_be_set(qmp);
    assert_eq!(tsc["scale"], "cycles", "{tsc:#}");
    assert!(tsc["hz"].as_u64() > Some(1_000_000), "{tsc:#}");
    assert!(tsc["guest"]["cycles"].as_u64() > Some(0), "{tsc:#}");
    let text = qmp.hmp("info clock");
    for wanted in [
        "clock rtc: running",
        "clock kvmclock: running",
        "clock tsc: running",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    for wanted in [
        " s since its start",
        " cycles at ",
        " s from what it runs by",
    ] {
        assert!(text.contains(wanted), "{text}");
    }
    qmp.ok("stop", json!({}));
    let text = qmp.hmp("info clock");
    assert!(text.contains("clock kvmclock: stopped"), "{text}");
    let jumps = text.contains("catch-up: jumps over a gap at cont");
    assert_eq!(jumps, !tsc_stands, "{text}");
    assert!(text.contains("adds up"), "{text}");
    assert!(qmp.hmp("info registers").contains("RIP="), "{text}");
    assert_eq!(qmp.hmp("info cpus").lines().count(), CPUS as usize);
    qmp.ok("cont", json!({}));
    ends_well(side);
}

#[test]
fn the_images_match_their_sources() {
    let check = std::process::Command::new(top().join("tests/guests/x86/build"))
        .arg("--check")
        .output()
        .unwrap_or_else(|why| panic!("tests/guests/x86/build: {why}"));
    let text = String::from_utf8_lossy(&check.stdout) + String::from_utf8_lossy(&check.stderr);
    match check.status.code() {
        Some(0) if text.contains("SKIPPED") => {
            skipped("the_images_match_their_sources", text.trim());
        }
        Some(0) => {}
        // No compiler.
        Some(2) => skipped("the_images_match_their_sources", text.trim()),
        _ => panic!("{text}"),
    }
}
