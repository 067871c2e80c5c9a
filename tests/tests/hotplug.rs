//! A CPU that comes while Debian's unmodified kernel runs: Linux finds it, starts it and runs on it;
//! it keeps the clock that all others have over stop and cont, and moves with the guest.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::guests::Debian;
use tests::moving::{Meeting, Side};
use tests::stall::{BOOT_S, TWO_MINUTES_NS, push, stopped_for};
use tests::{EmuBuilder, skipped};

/// Two hours between stop and cont.
const TWO_HOURS_NS: u64 = 7_200_000_000_000;

/// The CPU that comes: not the next number, so that Linux's number for it is another.
const CORE: u32 = 3;
/// Linux's number for it.
const LINUX: u32 = 2;

/// A machine of two CPUs that can have four, with these devices.
fn builder(debian: &Debian, devices: &[&str]) -> EmuBuilder {
    EmuBuilder::s390x()
        .args(["-m", "512M", "-hostclock", "test", "-smp", "2,maxcpus=4"])
        .args(devices)
        .kernel(&debian.kernel)
        .initrd(&debian.initrd)
        .append("emu.run=shell")
}

/// What a command in the guest's shell prints.
fn ask(side: &Side, command: &str) -> String {
    side.emu
        .type_text(&format!("echo BE''GIN; {command}; echo E''ND\n"));
    side.emu.expect("BEGIN", 120);
    let text = side.emu.expect("END", 120).replace('\r', "");
    text.trim_end_matches("END").trim().into()
}

/// CLOCK_MONOTONIC in ns as each of the guest's CPUs reads it in turn, several times; one reading
/// follows the other.
fn readings(side: &Side) -> Vec<u64> {
    let command = "for n in 1 2 3 4; do for cpus in 1 4 2 4; do \
                   taskset $cpus grep ^now /proc/timer_list; done; done";
    let text = ask(side, command);
    let values = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2)?.parse().ok());
    values.collect()
}

fn in_order(readings: &[u64]) {
    assert_eq!(readings.len(), 16, "{readings:?}");
    assert!(readings.is_sorted(), "a step back: {readings:?}");
}

#[test]
fn debian_takes_a_cpu_and_moves_with_it() {
    let debian = match Debian::find() {
        Ok(debian) => debian,
        Err(why) => return skipped("debian_takes_a_cpu_and_moves_with_it", &why),
    };
    let snapshots = tempfile::tempdir().expect("a temporary folder");
    let snapshots = snapshots.path().to_string_lossy().into_owned();
    let mut source = Side::start(builder(&debian, &["-snapshot-dir", &snapshots]));
    source.emu.expect("READY shell", BOOT_S);
    let present = "cat /sys/devices/system/cpu/present";
    assert_eq!(ask(&source, present), "0-1");
    assert_eq!(source.qmp.hmp("savevm before"), "");

    let cpu = json!({ "driver": "qemu-s390x-cpu", "id": "late", "core-id": CORE });
    source.qmp.ok("device_add", cpu.clone());
    let again = source.qmp.command("device_add", cpu).unwrap_err();
    assert!(again.contains("Duplicate device ID"), "{again}");
    let possible = source.qmp.ok("query-hotpluggable-cpus", json!({}));
    let there = possible.as_array().map(|cpus| {
        let there = cpus.iter().filter(|cpu| cpu["qom-path"].is_string());
        (cpus.len(), there.count())
    });
    assert_eq!(there, Some((4, 3)), "{possible}");
    let gone = source.qmp.command("device_del", json!({ "id": "late" }));
    assert!(gone.unwrap_err().contains("not supported"));

    let limit = Instant::now() + Duration::from_secs(120);
    while ask(&source, present) != "0-2" {
        assert!(Instant::now() < limit, "the guest has not looked again");
    }
    let online = format!("/sys/devices/system/cpu/cpu{LINUX}/online");
    ask(&source, &format!("echo 1 >{online}"));
    let all = "cat /sys/devices/system/cpu/online";
    assert_eq!(ask(&source, all), "0-2");
    let where_it_runs = "taskset 4 cat /proc/self/stat | cut -d ' ' -f 39";
    assert_eq!(ask(&source, where_it_runs), LINUX.to_string());

    // A guest of before the CPU came finds it as it found it then.
    assert_eq!(source.qmp.hmp("loadvm before"), "");
    let limit = Instant::now() + Duration::from_secs(120);
    while ask(&source, present) != "0-2" {
        assert!(Instant::now() < limit, "the guest has not looked again");
    }
    assert_eq!(ask(&source, all), "0-1");
    ask(&source, &format!("echo 1 >{online}"));
    assert_eq!(ask(&source, all), "0-2");
    assert_eq!(ask(&source, where_it_runs), LINUX.to_string());

    // The guest gives it back and takes it again.
    let configure = format!("/sys/devices/system/cpu/cpu{LINUX}/configure");
    let text = ask(
        &source,
        &format!("echo 0 >{online}; echo 0 >{configure}; cat {configure}"),
    );
    assert_eq!(text, "0");
    ask(&source, &format!("echo 1 >{configure}; echo 1 >{online}"));
    assert_eq!(ask(&source, all), "0-2");

    let start = Instant::now();
    let before = readings(&source);
    in_order(&before);
    stopped_for(&mut source.qmp, TWO_MINUTES_NS);
    let stopped = readings(&source);
    in_order(&stopped);
    assert!(stopped[0] > before[15]);

    // Where there is no such CPU the guest cannot go, and it stays.
    let meeting = Meeting::new();
    let address = meeting.address("none");
    let other = ["-device", "qemu-s390x-cpu,core-id=2"];
    let mut wrong = Side::waiting(builder(&debian, &other), &address);
    source.qmp.ok("migrate", json!({ "uri": address }));
    let answer = source.migration(&["failed", "completed"]);
    assert_eq!(answer["status"], "failed");
    let _ = wrong.emu.ends_within(Duration::from_secs(60));
    let why = wrong.emu.stderr();
    assert!(
        why.contains(
            "the guest has CPUs with the core ids 0-1, 3, and this machine, with 0-2, lacks 3"
        ),
        "{why}"
    );
    assert_eq!(ask(&source, all), "0-2");

    let device = ["-device", "qemu-s390x-cpu,core-id=3"];
    let mut last = readings(&source);
    for (name, offline) in [("live", false), ("offline", true)] {
        let address = meeting.address(name);
        let mut destination = Side::waiting(builder(&debian, &device), &address);
        if offline {
            source.qmp.ok("stop", json!({}));
            push(&mut source.qmp, TWO_HOURS_NS);
        }
        source.give(&address);
        if offline {
            while destination.state() == "inmigrate" {}
            push(&mut destination.qmp, TWO_MINUTES_NS);
            destination.qmp.ok("cont", json!({}));
        }
        let now = readings(&destination);
        in_order(&now);
        assert!(now[0] > last[15], "{name}: {last:?} {now:?}");
        assert_eq!(ask(&destination, all), "0-2");
        assert_eq!(ask(&destination, where_it_runs), LINUX.to_string());
        source.qmp.ok("quit", json!({}));
        source.emu.wait(60);
        (source, last) = (destination, now);
    }
    let moved = u128::from(last[15] - before[0]);
    assert!(
        moved <= start.elapsed().as_nanos(),
        "the guest's clock has run for {moved} ns, the host's for {} ns",
        start.elapsed().as_nanos()
    );
    let complaints = "dmesg | grep -icE 'stall|lockup|unstable|BUG:|WARNING:'";
    assert_eq!(ask(&source, complaints), "0");
}

/// A CPU added to a machine that is stopped is there when it goes on; nonsense is refused in one
/// sentence each.
#[test]
fn cpus_that_cannot_be_are_refused() {
    let emu = EmuBuilder::s390x()
        .args(["-smp", "1,maxcpus=3", "-S", "-cpu", "max"])
        .start();
    let mut qmp = emu.qmp();
    let mut refused =
        |properties: serde_json::Value| qmp.command("device_add", properties).unwrap_err();
    let wrong_model = refused(json!({ "driver": "qemu-s390x-cpu", "core-id": 1 }));
    assert!(
        wrong_model.contains("expected max-s390x-cpu"),
        "{wrong_model}"
    );
    let beyond = refused(json!({ "driver": "max-s390x-cpu", "core-id": 3 }));
    assert!(beyond.contains("the greatest is 2"), "{beyond}");
    let taken = refused(json!({ "driver": "max-s390x-cpu", "core-id": 0 }));
    assert!(taken.contains("already"), "{taken}");
    let nowhere = refused(json!({ "driver": "max-s390x-cpu", "core-id": 1, "socket-id": 9 }));
    assert!(nowhere.contains("there is no socket 9"), "{nowhere}");
    let other = refused(json!({ "driver": "sclpconsole" }));
    assert!(other.contains("hotplugging"), "{other}");
    qmp.ok(
        "device_add",
        json!({ "driver": "max-s390x-cpu", "core-id": 2 }),
    );
    let cpus = qmp.ok("query-cpus-fast", json!({}));
    let numbers: Vec<_> = cpus
        .as_array()
        .into_iter()
        .flatten()
        .map(|cpu| cpu["props"]["core-id"].clone())
        .collect();
    assert_eq!(numbers, [json!(0), json!(2)]);
    let text = qmp.hmp("info hotpluggable-cpus");
    assert_eq!(text.matches("max-s390x-cpu").count(), 3, "{text}");
    assert_eq!(text.matches("qom_path").count(), 2, "{text}");
}

/// What CPUs can be, are, and where they are, as programs ask for it.
#[test]
fn models_features_and_the_topology_are_told() {
    let emu = EmuBuilder::s390x()
        .args(["-smp", "2,maxcpus=8,books=2,sockets=2,cores=2", "-S"])
        .args(["-cpu", "qemu,ctop=on,mvcos=off,vx=off"])
        .start();
    let mut qmp = emu.qmp();
    let models = qmp.ok("query-cpu-definitions", json!({}));
    let named = |name: &str| {
        let mut models = models.as_array().into_iter().flatten();
        models.any(|model| model["name"] == name)
    };
    assert!(named("qemu") && named("max") && named("zEC12"), "{models}");
    let mut expand = |model: serde_json::Value| {
        let arguments = json!({ "type": "full", "model": model });
        qmp.command("query-cpu-model-expansion", arguments)
    };
    let all = expand(json!({ "name": "qemu", "props": { "mvcos": false } })).unwrap();
    let props = &all["model"]["props"];
    assert_eq!(
        (&props["mvcos"], &props["stfle"], &props["ctop"]),
        (&json!(false), &json!(true), &json!(false))
    );
    let absent = expand(json!({ "name": "qemu", "props": { "te": true } })).unwrap_err();
    assert!(absent.contains("'te' is not implemented"), "{absent}");
    assert!(expand(json!({ "name": "z99" })).is_err());

    let place = |cpus: &serde_json::Value| {
        let props = &cpus[1]["props"];
        ["drawer-id", "book-id", "socket-id"].map(|key| props[key].as_u64())
    };
    let before = qmp.ok("query-cpus-fast", json!({}));
    assert_eq!(place(&before), [Some(0); 3], "{before}");
    let moved = json!({ "core-id": 1, "book-id": 1, "socket-id": 1, "dedicated": true });
    qmp.ok("set-cpu-topology", moved);
    let after = qmp.ok("query-cpus-fast", json!({}));
    assert_eq!(place(&after), [Some(0), Some(1), Some(1)], "{after}");
    assert_eq!(after[1]["entitlement"], "high");
    let polarization = qmp.ok("query-s390x-cpu-polarization", json!({}));
    assert_eq!(polarization["polarization"], "horizontal");
    let nowhere = qmp.command("set-cpu-topology", json!({ "core-id": 1, "drawer-id": 4 }));
    assert!(nowhere.unwrap_err().contains("no socket"));
}
