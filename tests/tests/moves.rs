//! Guests that are moved from one program to another, live and offline, as their users do it: by
//! QMP. The guest `move` checks its memory and its clocks by itself all the while.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use tests::bench::Program;
use tests::guests::image;
use tests::moving::{Meeting, Report, Side};
use tests::{EmuBuilder, engines};

/// Units of the TOD clock in 50 microseconds: what a move may cost a guest's clock.
const FIFTY_MICROSECONDS: i64 = 50 * 4096;

const AN_HOUR_NS: u64 = 3_600_000_000_000;

/// What the guest `move` prints when something is wrong.
const COMPLAINTS: [&str; 5] = ["LOST", "BACKWARDS", "EARLY", "MISSED", "UNEXPECTED"];

fn guest(engine: &Program, append: &str) -> EmuBuilder {
    engine
        .machine()
        .args(["-m", "128M", "-hostclock", "test"])
        .kernel(&image("move"))
        .append(append)
}

fn started(builder: EmuBuilder) -> Side {
    let side = Side::start(builder);
    side.emu.expect("MOVE start", 60);
    side
}

fn no_complaint(side: &Side) {
    let text = side.emu.console.text();
    for complaint in COMPLAINTS {
        assert!(!text.contains(complaint), "{text}");
    }
}

/// The least disturbed of some reports: the host may take the CPU away between the two clocks
/// that a report compares, and then they seem further apart than they are.
fn calm_report(side: &Side) -> Report {
    (0..10)
        .map(|_| side.report())
        .max_by_key(|report| report.apart)
        .unwrap_or_else(|| unreachable!())
}

fn ends_well(mut side: Side) {
    no_complaint(&side);
    side.qmp.ok("quit", json!({}));
    assert_eq!(side.emu.wait(60).code(), Some(0), "{}", side.emu.stderr());
    assert_eq!(side.emu.stderr(), "");
}

fn pairs() -> Vec<(&'static Program, &'static Program)> {
    let all = engines();
    let next = all.iter().cycle().skip(1);
    let mut pairs: Vec<_> = all.iter().zip(next).collect();
    pairs.push((&all[0], &all[0]));
    pairs
}

#[test]
fn a_guest_that_writes_all_the_time_moves_alive() {
    for (from, to) in pairs() {
        let meeting = Meeting::new();
        let address = meeting.address("channel");
        let mut source = started(guest(from, "mb=32"));
        let mut destination = Side::waiting(guest(to, "mb=32"), &address);
        // All of it has been written once, so all of it travels.
        while source.report().sweeps < 2 {}
        let before = calm_report(&source);
        let told = source.give(&address);
        let after = calm_report(&destination);
        assert!(
            (after.apart - before.apart).abs() < FIFTY_MICROSECONDS,
            "{before:?} {after:?}"
        );
        assert!(after.sweeps >= before.sweeps && after.tod > before.tod);
        while destination.report().ticks == after.ticks {}
        assert_eq!(source.state(), "postmigrate");
        assert_eq!(destination.state(), "running");
        assert!(
            told["ram"]["transferred"].as_u64() > Some(32 << 20),
            "{told}"
        );
        no_complaint(&source);
        ends_well(destination);
        ends_well(source);
        assert!(
            !meeting.path("channel").exists(),
            "the socket is left behind"
        );
    }
}

fn tod_value(side: &mut Side) -> Value {
    let clocks = side.qmp.ok("query-clock", json!({}));
    let all = clocks["clocks"].as_array().cloned().unwrap_or_default();
    let tod = all.iter().find(|clock| clock["name"] == "tod");
    tod.unwrap_or_else(|| panic!("{clocks}"))["guest"].clone()
}

/// Offline, with hours before, between and after: the guest sees none of them.
#[test]
fn a_stopped_guest_moves_with_its_clock_standing() {
    for (from, to) in pairs() {
        let meeting = Meeting::new();
        let address = meeting.address("channel");
        let mut source = started(guest(from, "mb=1"));
        let mut destination = Side::waiting(guest(to, "mb=1"), &address);
        let before = calm_report(&source);
        source.emu.type_text("x");
        source.report();
        let push = |side: &mut Side| side.qmp.ok("x-clock-push", json!({ "ns": AN_HOUR_NS }));
        source.qmp.ok("stop", json!({}));
        push(&mut source);
        // Typed while nobody reads: it belongs to the guest, wherever that is.
        source.emu.type_text("r");
        let stood_at = tod_value(&mut source);
        push(&mut destination);
        source.give(&address);
        while destination.state() == "inmigrate" {}
        assert_eq!(destination.state(), "paused");
        assert_eq!(source.state(), "postmigrate");
        push(&mut destination);
        assert_eq!(tod_value(&mut destination), stood_at);
        destination.qmp.ok("cont", json!({}));
        let first = destination.next_report();
        let after = calm_report(&destination);
        assert!(
            (after.apart - before.apart).abs() < FIFTY_MICROSECONDS,
            "{before:?} {after:?}"
        );
        // Far below an hour, far above what a slow host does.
        let minute = 60 * 4_096_000_000;
        assert!(
            first.step < minute && after.late < minute,
            "{first:?} {after:?}"
        );
        ends_well(destination);
        ends_well(source);
    }
}

/// There and back, fifty times, through all engines: nothing adds up.
#[test]
fn fifty_moves_leave_no_trace() {
    let meeting = Meeting::new();
    let all = engines();
    let mut source = started(guest(&all[0], "mb=4"));
    let before = calm_report(&source);
    for round in 0..50 {
        let address = meeting.address("channel");
        let engine = &all[(round + 1) % all.len()];
        let mut destination = Side::waiting(guest(engine, "mb=4"), &address);
        let offline = round % 3 == 0;
        if offline {
            source.qmp.ok("stop", json!({}));
            source.qmp.ok("x-clock-push", json!({ "ns": AN_HOUR_NS }));
        }
        source.give(&address);
        if offline {
            while destination.state() == "inmigrate" {}
            destination.qmp.ok("cont", json!({}));
        }
        ends_well(std::mem::replace(&mut source, destination));
    }
    let after = calm_report(&source);
    assert!(
        (after.apart - before.apart).abs() < FIFTY_MICROSECONDS,
        "{before:?} {after:?}"
    );
    let ledger = source.qmp.ok("query-ledger", json!({}));
    let accounts = ledger["accounts"].as_array().cloned().unwrap_or_default();
    assert!(!accounts.is_empty(), "{ledger}");
    for account in accounts {
        assert_eq!(account["unexplained-units"], 0, "{account}");
    }
    ends_well(source);
}

/// Through a file, and through programs.
#[test]
fn a_guest_moves_through_files_and_programs() {
    let engine = &engines()[0];
    let folder = Meeting::new();
    let file = folder.path("state");
    let there = format!("file:{}", file.display());
    let packed = format!("exec:gzip -1 > {}", file.display());
    let unpacked = format!("exec:gzip -dc < {}", file.display());
    for (to, from) in [(&there, &there), (&packed, &unpacked)] {
        let mut source = started(guest(engine, "mb=4"));
        let before = source.report();
        source.give(to);
        assert_eq!(source.state(), "postmigrate");
        ends_well(source);
        let destination = Side::start(guest(engine, "mb=4").args(["-incoming", from]));
        let after = destination.report();
        assert!(after.tod > before.tod && after.sweeps >= before.sweeps);
        ends_well(destination);
    }
}

/// What cannot be written costs the guest nothing.
#[test]
fn a_move_to_where_nothing_can_be_written_leaves_the_guest_running() {
    let engine = &engines()[0];
    let mut source = started(guest(engine, "mb=4"));
    let bad = [
        "file:/dev/full".to_owned(),
        "exec:exit 3".to_owned(),
        "exec:head -c 100000 >/dev/null".to_owned(),
        "unix:/nowhere/at/all".to_owned(),
        "tcp:127.0.0.1:1".to_owned(),
        "nonsense".to_owned(),
    ];
    let mut texts = BTreeSet::new();
    for address in bad {
        let why = match source.qmp.command("migrate", json!({ "uri": address })) {
            Err(why) => why,
            Ok(_) => {
                let answer = source.migration(&["completed", "failed"]);
                assert_eq!(answer["status"], "failed", "{address}: {answer}");
                answer["error-desc"].as_str().unwrap_or_default().to_owned()
            }
        };
        assert!(!why.is_empty(), "{address}: no reason is given");
        texts.insert(why);
        assert!(source.runs(), "{address}");
        let (one, two) = (source.report(), source.report());
        assert!(two.tod > one.tod);
    }
    assert!(texts.len() > 3, "one text for all: {texts:?}");
    no_complaint(&source);
    source.qmp.ok("quit", json!({}));
    assert_eq!(source.emu.wait(60).code(), Some(0));
}

/// One that does not suit is told by name, and the guest stays where it is.
#[test]
fn a_machine_of_another_size_is_refused_by_name() {
    let engine = &engines()[0];
    for (other, named) in [
        (vec!["-m", "64M"], "RAM"),
        (vec!["-m", "128M", "-smp", "2"], "CPU"),
    ] {
        let meeting = Meeting::new();
        let address = meeting.address("channel");
        let mut source = started(guest(engine, "mb=4"));
        let builder = engine.machine().args(other).kernel(&image("move"));
        let mut destination = Side::waiting(builder, &address);
        source.qmp.ok("migrate", json!({ "uri": address }));
        let answer = source.migration(&["failed"]);
        let why = answer["error-desc"].as_str().unwrap_or_default();
        assert!(why.to_lowercase().contains(&named.to_lowercase()), "{why}");
        assert!(source.runs());
        assert_eq!(destination.emu.wait(60).code(), Some(1));
        let said = destination.emu.stderr();
        assert!(
            said.to_lowercase().contains(&named.to_lowercase()),
            "{said}"
        );
        no_complaint(&source);
    }
}

/// A saved state that ends too early or has been changed is refused with one sentence.
#[test]
fn a_damaged_file_is_refused() {
    let engine = &engines()[0];
    let folder = Meeting::new();
    let file = folder.path("state");
    let mut source = started(guest(engine, "mb=1"));
    source.give(&format!("file:{}", file.display()));
    ends_well(source);
    let whole = std::fs::read(&file).expect("the file that was just written");
    let damaged = folder.path("damaged");
    let refused = |bytes: &[u8]| {
        std::fs::write(&damaged, bytes).expect("a file");
        let mut destination = incoming_file(engine, &damaged);
        let status = destination.wait(60);
        let said = destination.stderr();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    };
    let last = whole.len() - 1;
    for length in [0, 1, 7, 8, 100, 5000, whole.len() / 2, last - 40, last] {
        refused(&whole[..length]);
    }
    for (place, bit) in [
        (0, 1),
        (9, 0),
        (60, 3),
        (whole.len() / 3, 7),
        (last - 100, 5),
        (last, 0),
    ] {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << bit;
        refused(&bytes);
    }
    let mut twice = whole.clone();
    twice.extend_from_slice(&whole);
    // Something after the end is nobody's state; the guest is whole.
    std::fs::write(&damaged, &whole).expect("a file");
    let side = Side::start(guest(engine, "mb=1").args(incoming(&damaged)));
    side.report();
    ends_well(side);
}

fn incoming(file: &Path) -> [String; 2] {
    ["-incoming".into(), format!("file:{}", file.display())]
}

fn incoming_file(engine: &Program, file: &Path) -> tests::Emu {
    guest(engine, "mb=1").args(incoming(file)).start()
}

/// A person who waits at a monitor for a migration that fails is told why there, and only there;
/// nobody waits for a detached one, so the log tells.
#[test]
fn why_a_migration_has_failed_is_told_once() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let monitor = folder.path().join("monitor");
    let chardev = format!(
        "socket,id=hmp,path={},server=on,wait=off",
        monitor.display()
    );
    let emu = EmuBuilder::s390x()
        .args(["-S", "-chardev", &chardev, "-mon", "chardev=hmp"])
        .start();
    let mut qmp = emu.qmp();
    qmp.ok("query-status", json!({}));
    let mut stream = std::os::unix::net::UnixStream::connect(&monitor).expect("a monitor");
    stream
        .set_read_timeout(Some(std::time::Duration::from_secs(60)))
        .expect("a time-out");
    let mut prompt = |text: &str| {
        stream.write_all(text.as_bytes()).expect("it reads");
        let mut said = String::new();
        while !said.contains("(qemu) ") {
            let mut bytes = [0; 256];
            let count = stream.read(&mut bytes).expect("it answers");
            said += &String::from_utf8_lossy(&bytes[..count]);
        }
        said
    };
    prompt("");
    let address = format!("unix:{}/none", folder.path().display());
    let why = "No such file";
    let said = prompt(&format!("migrate {address}\n"));
    assert_eq!(said.matches(why).count(), 1, "{said}");
    assert!(!emu.stderr().contains(why), "{}", emu.stderr());

    prompt(&format!("migrate -d {address}\n"));
    while qmp.ok("query-migrate", json!({}))["status"] != "failed" {}
    while !emu.stderr().contains(why) {}
    assert_eq!(emu.stderr().matches(why).count(), 1, "{}", emu.stderr());
}
