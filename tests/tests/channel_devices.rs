//! What `-device` adds to an s390x machine, under Debian's unmodified kernel: its drivers bind, work
//! and go on working over stop, cont, a live and an offline move.

use serde_json::json;
use tests::guests::Debian;
use tests::moving::{Meeting, Side};
use tests::stall::{BOOT_S, TWO_MINUTES_NS, push};
use tests::{EmuBuilder, skipped};

/// Seconds after which Linux's driver lets the watchdog run out.
const WATCHDOG_S: u64 = 30;
const SECOND_NS: u64 = 1_000_000_000;

fn debian(test: &str) -> Option<Debian> {
    Debian::find().map_err(|why| skipped(test, &why)).ok()
}

/// A machine with these devices, whose guest takes commands.
fn builder(debian: &Debian, devices: &[&str]) -> EmuBuilder {
    EmuBuilder::s390x()
        .args(["-m", "256M", "-hostclock", "test"])
        .args(devices)
        .kernel(&debian.kernel)
        .initrd(&debian.initrd)
        .append("emu.run=shell")
}

fn boot(builder: EmuBuilder) -> Side {
    let side = Side::start(builder);
    side.emu.expect("READY shell", BOOT_S);
    side
}

/// What a command in the guest's shell prints.
fn ask(side: &Side, command: &str) -> String {
    side.emu
        .type_text(&format!("echo BE''GIN; {command}; echo E''ND\n"));
    side.emu.expect("BEGIN", 120);
    let text = side.emu.expect("END", 120).replace('\r', "");
    text.trim_end_matches("END").trim().into()
}

fn load_modules(side: &Side, names: &[&str]) {
    for name in names {
        let told = ask(side, &format!("insmod /modules/{name}.ko && echo IN"));
        assert!(told.contains("IN"), "{name}: {told}");
    }
}

/// Packets that the guest has sent.
fn sent(side: &Side) -> u64 {
    ask(side, "cat /sys/class/net/eth0/statistics/tx_packets")
        .parse()
        .expect("a number of packets")
}

/// Sends a few; whether all of them have been completed, which frees the driver's buffers.
fn send(side: &Side) -> u64 {
    let before = sent(side);
    ask(side, "arping -q -c 3 -w 4 -I eth0 10.0.0.1");
    let count = sent(side) - before;
    assert!(count >= 3, "{count} packets were sent");
    count
}

/// Stops a guest, moves it, and lets it go on two minutes later.
fn moved_offline(mut source: Side, builder: EmuBuilder) -> Side {
    let meeting = Meeting::new();
    let address = meeting.address("channel");
    let mut destination = Side::waiting(builder, &address);
    source.qmp.ok("stop", json!({}));
    source.give(&address);
    while destination.state() == "inmigrate" {}
    push(&mut destination.qmp, TWO_MINUTES_NS);
    destination.qmp.ok("cont", json!({}));
    destination
}

#[test]
fn debian_drives_a_network_device_and_moves_with_it() {
    let Some(debian) = debian("debian_drives_a_network_device_and_moves_with_it") else {
        return;
    };
    let devices = [
        "-device",
        "virtio-net-ccw,mac=52:54:00:ab:cd:ef,devno=fe.0.0100",
    ];
    let mut source = boot(builder(&debian, &devices));
    load_modules(&source, &["failover", "net_failover", "virtio_net"]);
    let device = ask(
        &source,
        "cd /sys/bus/ccw/devices; ls; cat 0.0.0100/cutype 0.0.0100/online; cd /",
    );
    assert_eq!(device, "0.0.0100\n3832/01\n1");
    let link = ask(&source, "ifconfig eth0 10.0.0.2 up; ip link show eth0");
    assert!(link.contains("52:54:00:ab:cd:ef"), "{link}");
    assert!(link.contains("UP") && link.contains("LOWER_UP"), "{link}");
    send(&source);
    let so_far = sent(&source);

    source.qmp.ok("stop", json!({}));
    push(&mut source.qmp, TWO_MINUTES_NS);
    source.qmp.ok("cont", json!({}));
    send(&source);

    let meeting = Meeting::new();
    let address = meeting.address("channel");
    let destination = Side::waiting(builder(&debian, &devices), &address);
    source.give(&address);
    assert!(sent(&destination) >= so_far + 3);
    send(&destination);
    let mut destination = moved_offline(destination, builder(&debian, &devices));
    send(&destination);
    // Down and up: the driver sets the device up anew, on the other machine.
    let again = ask(
        &destination,
        "echo 0 >/sys/bus/ccw/devices/0.0.0100/online; ls /sys/class/net; \
         echo 1 >/sys/bus/ccw/devices/0.0.0100/online; ifconfig eth0 10.0.0.2 up; \
         cat /sys/class/net/eth0/carrier",
    );
    assert_eq!(again, "lo\n1");
    send(&destination);

    // Debian's kernel takes a restart interruption for the operator's wish that it end.
    assert_eq!(destination.qmp.hmp("nmi"), "");
    let event = destination.qmp.event("GUEST_PANICKED").unwrap();
    assert_eq!(event["data"]["info"]["reason"], "disabled-wait");
}

#[test]
fn debians_watchdog_counts_while_the_guest_runs_and_moves_with_it() {
    let test = "debians_watchdog_counts_while_the_guest_runs_and_moves_with_it";
    let Some(debian) = debian(test) else { return };
    let devices = [
        "-device",
        "diag288,id=watchdog0",
        "-watchdog-action",
        "debug",
    ];
    let mut source = boot(builder(&debian, &devices));
    load_modules(&source, &["watchdog", "diag288_wdt"]);
    // It counts from when it is opened, and nobody pets it.
    ask(&source, "exec 3>/dev/watchdog");
    source.qmp.ok("stop", json!({}));
    push(&mut source.qmp, TWO_MINUTES_NS);
    source.qmp.ok("cont", json!({}));

    let meeting = Meeting::new();
    let address = meeting.address("channel");
    let mut destination = Side::waiting(builder(&debian, &devices), &address);
    push(&mut destination.qmp, TWO_MINUTES_NS);
    source.give(&address);
    let answer = ask(&destination, "echo HERE");
    assert_eq!(answer, "HERE");
    let mut destination = moved_offline(destination, builder(&debian, &devices));
    assert_eq!(ask(&destination, "echo THERE"), "THERE");
    for side in [&mut source, &mut destination] {
        side.qmp.ok("query-status", json!({}));
        assert!(!side.qmp.taken_events().contains(&"WATCHDOG"));
    }
    destination
        .qmp
        .ok("watchdog-set-action", json!({ "action": "pause" }));
    push(&mut destination.qmp, WATCHDOG_S * SECOND_NS);
    let event = destination.qmp.event("WATCHDOG").unwrap();
    assert_eq!(event["data"]["action"], "pause");
    destination.qmp.event("STOP").unwrap();
    assert_eq!(destination.state(), "watchdog");
    // Petted again, and turned off by the driver's magic word.
    destination.qmp.ok("cont", json!({}));
    assert_eq!(
        ask(&destination, "printf V >&3; exec 3>&-; echo OFF"),
        "OFF"
    );
    push(&mut destination.qmp, 2 * WATCHDOG_S * SECOND_NS);
    assert_eq!(ask(&destination, "echo STILL"), "STILL");
    assert!(!destination.qmp.taken_events().contains(&"WATCHDOG"));
}
