//! Debian's unmodified kernel while its clock passes the roll-over of the TOD clock's 64 bits
//! (2042-09-17) and the last second of 31 bits (2038-01-19): running, stopped and continued,
//! moved alive and stopped, with 1, 2 and 4 CPUs, and one that starts beyond. Its stall detectors
//! are at their strictest, and its timers, dates and CPU times must be right.
//!
//! `EMU_ROLLOVER_LONG=1` runs every combination of edge, load and number of CPUs on every engine
//! (`every_way`), each a test of its own, two at a time, in 25 minutes on a busy host with two
//! cores; runs over the roll-over with one idle CPU
//! then start 47 seconds before it.

use std::time::Instant;

use serde_json::json;
use tests::moving::{Meeting, Side};
use tests::rollover::{Edge, TIME_2038, TOD_2042};
use tests::stall::{
    BOOT_S, TWO_MINUTES_NS, guest, moved_by_running_time_only, no_complaint, push, ready, stamp,
    stopped_for,
};
use tests::{Emu, EmuBuilder, engines, skipped};

fn long() -> bool {
    std::env::var_os("EMU_ROLLOVER_LONG").is_some()
}

/// How many seconds before an edge a guest's clock starts.
const BEFORE_S: i64 = 5;

/// A guest of a test on an engine (the default one if empty), with its clock before an edge.
fn before(edge: Edge, test: &str, load: &str, cpus: u32, engine: &str) -> Option<EmuBuilder> {
    Some(on(edge.starts(guest(test, load, cpus)?, -BEFORE_S), engine))
}

fn on(builder: EmuBuilder, engine: &str) -> EmuBuilder {
    if engine.is_empty() {
        builder
    } else {
        builder.args(["-accel".to_owned(), format!("tcg,engine={engine}")])
    }
}

/// A sleep of so many seconds in the guest, begun now: how long it took by the guest's clock.
fn sleep_begins(emu: &Emu, seconds: u32) {
    emu.type_text(&format!("timer {seconds}\n"));
    emu.expect("TIMER-START", 120);
}

fn sleep_ends(emu: &Emu, seconds: u64, start: Instant) {
    emu.expect("TIMER-END elapsed_ns=", 240);
    let elapsed: u64 = emu
        .expect(" ", 60)
        .trim()
        .parse()
        .expect("a number behind elapsed_ns=");
    assert!(
        elapsed >= seconds * 1_000_000_000 && u128::from(elapsed) <= start.elapsed().as_nanos(),
        "a sleep of {seconds} s took {elapsed} ns of guest time"
    );
}

/// It runs over the edge from so many seconds before it, with a sleep that ends beyond.
fn runs_over(edge: Edge, before_s: i64, test: &str, load: &str, cpus: u32, engine: &str) {
    let Some(builder) = guest(test, load, cpus) else {
        return;
    };
    let start = Instant::now();
    let mut emu = on(edge.starts(builder, -before_s), engine).start();
    ready(&emu);
    let mut qmp = emu.qmp();
    let first = stamp(&emu);
    let seconds = u32::try_from(before_s + 2).expect("seconds");
    sleep_begins(&emu, seconds);
    edge.wait(&mut qmp);
    let beyond = edge.seen_by_guest(&mut qmp, || stamp(&emu));
    moved_by_running_time_only(first, beyond, start.elapsed());
    sleep_ends(&emu, seconds.into(), start);
    // And sleeps as ever.
    let again = Instant::now();
    sleep_begins(&emu, 1);
    sleep_ends(&emu, 1, again);
    times_add_up(&emu, cpus);
    no_complaint(&mut emu);
}

/// CPU times, as the kernel accounts for them by CPU timer and TOD clock, are no more than the
/// time there was: no CPU has stolen, or idle, time of an epoch.
fn times_add_up(emu: &Emu, cpus: u32) {
    emu.type_text("times\n");
    emu.expect("TIMES cpu", 120);
    let line = emu.expect("\n", 60);
    let mut words = line.split_whitespace();
    let mut next = || -> u64 {
        let word = words.next().unwrap_or_default();
        word.parse()
            .unwrap_or_else(|_| panic!("no number in {line:?}"))
    };
    let uptime_cs = next();
    let times: Vec<u64> = (0..8).map(|_| next()).collect();
    let limit = u64::from(cpus) * (uptime_cs + 100);
    let sum: u64 = times.iter().sum();
    assert!(sum <= limit, "{sum} cs of {limit}: {line}");
}

/// What is done to a guest while its clock goes over an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Stopped, and continued two minutes later by the host's clock.
    Stop,
    /// Moved to another program while it runs.
    Live,
    /// Stopped, moved two minutes later, and continued there after two more.
    Offline,
}

/// One step after the other until the clock is beyond the edge, and each kind once more. The
/// programs take the engines in turn.
fn journey(edge: Edge, test: &str, load: &str, cpus: u32, on_engines: &[&str], steps: &[Step]) {
    let build = |number: usize| {
        before(
            edge,
            test,
            load,
            cpus,
            on_engines[number % on_engines.len()],
        )
    };
    let start = Instant::now();
    let Some(first) = build(0) else { return };
    let mut side = Side::start(first);
    ready(&side.emu);
    let before = stamp(&side.emu);
    let mut beyond = 0;
    for (number, step) in steps.iter().cycle().enumerate() {
        let over = edge.is_passed(&mut side.qmp);
        let sleep = Instant::now();
        sleep_begins(&side.emu, 1);
        match step {
            Step::Stop => stopped_for(&mut side.qmp, TWO_MINUTES_NS),
            Step::Live | Step::Offline => {
                let Some(next) = build(number + 1) else {
                    return;
                };
                side = moved(side, next, *step == Step::Offline);
            }
        }
        sleep_ends(&side.emu, 1, sleep);
        beyond += usize::from(over);
        if beyond == steps.len() {
            break;
        }
    }
    let emu = &side.emu;
    let after = edge.seen_by_guest(&mut side.qmp, || stamp(emu));
    moved_by_running_time_only(before, after, start.elapsed());
    times_add_up(emu, cpus);
    no_complaint(&mut side.emu);
}

/// The guest in another program.
fn moved(mut source: Side, next: EmuBuilder, offline: bool) -> Side {
    let meeting = Meeting::new();
    let address = meeting.address("channel");
    let mut destination = Side::waiting(next, &address);
    if offline {
        source.qmp.ok("stop", json!({}));
        push(&mut source.qmp, TWO_MINUTES_NS);
    }
    source.give(&address);
    if offline {
        while destination.state() == "inmigrate" {}
        push(&mut destination.qmp, TWO_MINUTES_NS);
        destination.qmp.ok("cont", json!({}));
    }
    source.qmp.ok("quit", json!({}));
    assert_eq!(source.emu.wait(60).code(), Some(0));
    destination
}

/// It starts at a date beyond the edge, or a moment before, so that it boots over it.
fn starts_at(edge: Edge, test: &str, after_s: i64, cpus: u32, engine: &str) {
    let Some(builder) = guest(test, "idle", cpus) else {
        return;
    };
    let start = Instant::now();
    let mut emu = on(edge.starts(builder, after_s), engine).start();
    emu.expect("Linux version", BOOT_S);
    ready(&emu);
    let mut qmp = emu.qmp();
    edge.wait(&mut qmp);
    let first = edge.seen_by_guest(&mut qmp, || stamp(&emu));
    // The kernel has counted from its own start, not from an epoch's.
    assert!(
        first.mono_after_ns as u128 <= start.elapsed().as_nanos(),
        "{first:?}"
    );
    stopped_for(&mut qmp, TWO_MINUTES_NS);
    let again = Instant::now();
    sleep_begins(&emu, 1);
    sleep_ends(&emu, 1, again);
    let second = edge.seen_by_guest(&mut qmp, || stamp(&emu));
    moved_by_running_time_only(first, second, start.elapsed());
    times_add_up(&emu, cpus);
    no_complaint(&mut emu);
}

/// Bare-metal guests over the roll-over of 2042: they start a second before it and look at
/// every reading and every interruption.
mod bare_metal {
    use super::*;
    use tests::bench::Program;
    use tests::guests::image;

    /// What the guest `move` prints when something is wrong.
    const COMPLAINTS: [&str; 5] = ["LOST", "BACKWARDS", "EARLY", "MISSED", "UNEXPECTED"];

    fn moving(engine: &Program, append: &str) -> EmuBuilder {
        let builder = engine
            .machine()
            .args(["-m", "64M", "-hostclock", "test"])
            .kernel(&image("move"))
            .append(append);
        TOD_2042.starts(builder, -1)
    }

    /// Reports until the clock is beyond the roll-over, and two more.
    fn beyond(side: &mut Side) -> bool {
        let report = side.report();
        TOD_2042.is_passed(&mut side.qmp) && report.tod >> 63 == 0
    }

    fn ends_well(mut side: Side) {
        let text = side.emu.console.text();
        for complaint in COMPLAINTS {
            assert!(!text.contains(complaint), "{text}");
        }
        side.qmp.ok("quit", json!({}));
        assert_eq!(side.emu.wait(60).code(), Some(0), "{}", side.emu.stderr());
        assert_eq!(side.emu.stderr(), "");
    }

    /// The guest shows dates one after the other, woken by its comparator each time.
    #[test]
    fn the_clock_guest_shows_dates_on_both_sides() {
        for engine in engines() {
            let builder = engine
                .machine()
                .args(["-m", "64M"])
                .kernel(&image("clock"))
                .append("raw period=250");
            let emu = TOD_2042.starts(builder, -1).start();
            let (mut last, mut index) = (String::new(), 0);
            while index < 3 {
                emu.expect("CLOCK n=", 120);
                let line = emu.expect("\n", 60);
                let word = |name: &str| {
                    let found = line
                        .split_whitespace()
                        .find_map(|word| word.strip_prefix(name));
                    found.unwrap_or_else(|| panic!("no {name} in {line:?}"))
                };
                let (utc, stcke) = (word("utc="), word("stcke="));
                assert!(utc.starts_with("2042-09-17T23:5"), "{line}");
                assert!(utc > last.as_str(), "{line} after {last}");
                utc.clone_into(&mut last);
                let beyond = utc > "2042-09-17T23:53:47.370496";
                assert_eq!(&stcke[..2], if beyond { "01" } else { "00" }, "{line}");
                index += u32::from(beyond);
            }
            emu.type_text("q");
            emu.expect("CLOCK end", 60);
        }
    }

    #[test]
    fn stopped_again_and_again_on_the_way_over() {
        for engine in engines() {
            let mut side = Side::start(moving(engine, "mb=1"));
            side.emu.expect("MOVE start", 60);
            let mut last = side.report();
            while !beyond(&mut side) {
                stopped_for(&mut side.qmp, TWO_MINUTES_NS);
                std::thread::sleep(std::time::Duration::from_millis(20));
                let report = side.report();
                let step = report.tod.wrapping_sub(last.tod);
                assert!(step < 1 << 38, "{last:?} {report:?}");
                last = report;
            }
            let before = side.report();
            while side.report().ticks == before.ticks {}
            // People are told the date as well.
            let shown = side.qmp.hmp("info clock");
            assert!(shown.contains("2042-09-17T23:5"), "{shown}");
            ends_well(side);
        }
    }

    /// Alive and stopped in turn, from engine to engine.
    #[test]
    fn moved_again_and_again_on_the_way_over() {
        let all = engines();
        let mut source = Side::start(moving(&all[0], "mb=8"));
        source.emu.expect("MOVE start", 60);
        let mut moved = 0;
        for number in 1.. {
            let over = beyond(&mut source);
            let meeting = Meeting::new();
            let address = meeting.address("channel");
            let next = moving(&all[number % all.len()], "mb=8");
            let mut destination = Side::waiting(next, &address);
            if number % 3 == 0 {
                source.qmp.ok("stop", json!({}));
                push(&mut source.qmp, TWO_MINUTES_NS);
            }
            source.give(&address);
            if number % 3 == 0 {
                while destination.state() == "inmigrate" {}
                push(&mut destination.qmp, TWO_MINUTES_NS);
                destination.qmp.ok("cont", json!({}));
            }
            let first = destination.report();
            while destination.report().ticks == first.ticks {}
            ends_well(source);
            source = destination;
            moved += u32::from(over);
            if moved == 3 {
                break;
            }
        }
        ends_well(source);
    }
}

const ALL: [Step; 3] = [Step::Stop, Step::Live, Step::Offline];

mod over_2042 {
    use super::*;

    #[test]
    fn an_idle_cpu_runs_over() {
        runs_over(
            TOD_2042,
            BEFORE_S,
            "over_2042::an_idle_cpu_runs_over",
            "idle",
            1,
            "",
        );
    }

    #[test]
    fn two_busy_cpus_are_stopped_and_moved_on_the_way() {
        let test = "over_2042::two_busy_cpus_are_stopped_and_moved_on_the_way";
        journey(TOD_2042, test, "busy", 2, &[""], &ALL);
    }

    #[test]
    fn four_idle_cpus_are_stopped_and_moved_on_the_way() {
        let test = "over_2042::four_idle_cpus_are_stopped_and_moved_on_the_way";
        journey(TOD_2042, test, "idle", 4, &[""], &ALL);
    }

    #[test]
    fn a_guest_goes_over_from_engine_to_engine() {
        let test = "over_2042::a_guest_goes_over_from_engine_to_engine";
        let both = ["native", "interp"];
        if let Some(lacking) = both
            .iter()
            .find(|name| engines().iter().all(|known| known.name != **name))
        {
            return skipped(test, &format!("there is no engine '{lacking}' here"));
        }
        journey(TOD_2042, test, "idle", 1, &both, &[Step::Live]);
    }

    #[test]
    fn a_guest_boots_over() {
        starts_at(TOD_2042, "over_2042::a_guest_boots_over", -1, 2, "");
    }

    #[test]
    fn a_guest_starts_beyond() {
        starts_at(
            TOD_2042,
            "over_2042::a_guest_starts_beyond",
            86_400 * 365,
            1,
            "",
        );
    }
}

mod over_2038 {
    use super::*;

    #[test]
    fn an_idle_cpu_is_stopped_and_moved_on_the_way() {
        let test = "over_2038::an_idle_cpu_is_stopped_and_moved_on_the_way";
        journey(TIME_2038, test, "idle", 1, &[""], &ALL);
    }

    #[test]
    fn a_guest_starts_at_its_last_second() {
        let test = "over_2038::a_guest_starts_at_its_last_second";
        starts_at(TIME_2038, test, 0, 1, "");
    }
}

/// Everything with everything, where `EMU_ROLLOVER_LONG` asks for it.
mod every_way {
    use super::*;

    fn over(edge: Edge, test: &str, load: &str, cpus: u32, engine: &str) {
        if !asked_for(test, engine) {
            return;
        }
        let far = load == "idle" && cpus == 1 && edge.unix_s == TOD_2042.unix_s;
        let before_s = if far { 47 } else { BEFORE_S };
        runs_over(edge, before_s, test, load, cpus, engine);
        journey(edge, test, load, cpus, &[engine], &ALL);
    }

    fn asked_for(test: &str, engine: &str) -> bool {
        let why = if !long() {
            "EMU_ROLLOVER_LONG=1 runs it".to_owned()
        } else if engines().iter().all(|known| known.name != engine) {
            format!("there is no engine '{engine}' here")
        } else {
            return true;
        };
        skipped(&format!("every_way::{test}"), &why);
        false
    }

    macro_rules! ways {
        ($($name:ident: $edge:expr, $load:literal, $cpus:literal;)*) => {
            mod native {
                use super::*;
                $(#[test] fn $name() {
                    over($edge, concat!("native::", stringify!($name)), $load, $cpus, "native");
                })*
            }
            mod interp {
                use super::*;
                $(#[test] fn $name() {
                    over($edge, concat!("interp::", stringify!($name)), $load, $cpus, "interp");
                })*
            }
        };
    }

    ways! {
        over_2042_idle: TOD_2042, "idle", 1;
        over_2042_busy: TOD_2042, "busy", 1;
        over_2042_busy_on_two: TOD_2042, "busy", 2;
        over_2042_idle_on_four: TOD_2042, "idle", 4;
        over_2042_busy_on_four: TOD_2042, "busy", 4;
        over_2038_idle: TIME_2038, "idle", 1;
        over_2038_busy: TIME_2038, "busy", 1;
        over_2038_busy_on_two: TIME_2038, "busy", 2;
        over_2038_idle_on_four: TIME_2038, "idle", 4;
        over_2038_busy_on_four: TIME_2038, "busy", 4;
    }

    #[test]
    fn four_cpus_start_beyond() {
        for engine in ["native", "interp"] {
            if asked_for("four_cpus_start_beyond", engine) {
                starts_at(TOD_2042, "every_way::four_cpus_start_beyond", 1, 4, engine);
            }
        }
    }
}
