//! The qtest server end to end: a test drives the program's devices and its virtual time over a
//! socket, as QEMU's own device tests do. What their test of the RTC looks at is looked at here
//! too; `scripts/qemu-rtc-test` runs theirs.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tests::Qtest;
use tests::qmp::LIMIT;

const SECOND: u64 = 1_000_000_000;

const SECONDS: u8 = 0x00;
const SECONDS_ALARM: u8 = 0x01;
const MINUTES: u8 = 0x02;
const MINUTES_ALARM: u8 = 0x03;
const HOURS: u8 = 0x04;
const HOURS_ALARM: u8 = 0x05;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const A: u8 = 0x0A;
const B: u8 = 0x0B;
const C: u8 = 0x0C;
const CENTURY: u8 = 0x32;

/// Register A: divider in reset, and the usual value.
const RESET: u8 = 0x76;
const RUN: u8 = 0x26;
const UIP: u8 = 0x80;
/// Register B.
const SET: u8 = 0x80;
const PERIODIC: u8 = 0x40;
const ALARM: u8 = 0x20;
const BINARY: u8 = 0x04;
const HOURS_24: u8 = 0x02;
/// An alarm byte that every value matches.
const ANY: u8 = 0xC0;

const IRQ: u32 = 8;

fn pc(arguments: &[&str]) -> Qtest {
    let mut machine = Qtest::start("x86_64", &[&["-rtc", "clock=vm"], arguments].concat());
    assert_eq!(machine.ask("endianness"), "little");
    assert_eq!(machine.ask("irq_intercept_in ioapic"), "");
    machine
}

fn get(machine: &mut Qtest, register: u8) -> u8 {
    machine.outb(0x70, register);
    machine.inb(0x71)
}

fn set(machine: &mut Qtest, register: u8, value: u8) {
    machine.outb(0x70, register);
    machine.outb(0x71, value);
}

fn time(machine: &mut Qtest) -> [u8; 3] {
    [HOURS, MINUTES, SECONDS].map(|register| get(machine, register))
}

/// Sets the time while the divider is in reset: the first second ends half a second later.
fn set_time(machine: &mut Qtest, mode: u8, time: [u8; 3]) {
    set(machine, B, mode);
    set(machine, A, RESET);
    for (register, value) in [HOURS, MINUTES, SECONDS].into_iter().zip(time) {
        set(machine, register, value);
    }
    set(machine, A, RUN);
}

fn host_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

/// Seconds of a date since 1970, for years from 2001 to 2099.
fn seconds_of(date: [u8; 6]) -> i64 {
    let [year, month, day, hour, minute, second] = date.map(i64::from);
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: i64 = lengths.iter().take(month as usize - 1).sum();
    let leap_day = i64::from(month > 2 && year % 4 == 0);
    // 2000-01-01 is day 10957; 2000 was a leap year.
    let days = 10957 + year * 365 + (year + 3) / 4 + months + leap_day + day - 1;
    days * 86400 + hour * 3600 + minute * 60 + second
}

fn from_bcd(value: u8) -> u8 {
    (value >> 4) * 10 + (value & 0x0F)
}

#[test]
fn the_date_is_the_hosts_at_launch_and_moves_with_virtual_time_only() {
    let before = host_seconds();
    let mut machine = pc(&[]);
    let after = host_seconds();
    let registers = [YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS];
    set(&mut machine, B, HOURS_24);
    let bcd = registers.map(|register| from_bcd(get(&mut machine, register)));
    set(&mut machine, B, HOURS_24 | BINARY);
    let binary = registers.map(|register| get(&mut machine, register));
    assert_eq!(bcd, binary);
    let start = seconds_of(binary);
    assert!(
        (before..=after).contains(&start),
        "{before} {start} {after}"
    );
    assert_eq!(machine.step(100_000 * SECOND), 100_000 * SECOND);
    let later = registers.map(|register| get(&mut machine, register));
    assert_eq!(seconds_of(later), start + 100_000);
    machine.finish();
}

#[test]
fn an_alarm_raises_its_line_at_its_second_and_reading_c_lowers_it() {
    let mut machine = pc(&[]);
    set_time(&mut machine, HOURS_24 | BINARY, [3, 0, 58]);
    set(&mut machine, SECONDS_ALARM, 0);
    set(&mut machine, MINUTES_ALARM, ANY);
    set(&mut machine, HOURS_ALARM, ANY);
    get(&mut machine, C);
    set(&mut machine, B, HOURS_24 | BINARY | ALARM);
    let start = machine.step(1);
    assert!(!machine.line(IRQ));
    assert_eq!(machine.step_to_timer(), start - 1 + 3 * SECOND / 2);
    assert!(machine.line(IRQ));
    assert_eq!(time(&mut machine), [3, 1, 0]);
    assert_eq!(machine.changes(), [(IRQ, true)]);
    // The periodic flag is there, too, whoever wants to know.
    assert_eq!(get(&mut machine, C) & !PERIODIC, 0x80 | ALARM | 0x10);
    assert_eq!(machine.changes(), [(IRQ, false)]);
    assert_eq!(get(&mut machine, C), 0);
    machine.step(59 * SECOND);
    assert_eq!(machine.changes(), []);
    machine.step(SECOND);
    assert_eq!(machine.changes(), [(IRQ, true)]);
    machine.finish();
}

#[test]
fn an_alarm_knows_morning_from_afternoon_over_eleven_hours() {
    let mut machine = pc(&[]);
    for (alarm, fires) in [(0x82, true), (0x02, false)] {
        set(&mut machine, MINUTES_ALARM, ANY);
        set(&mut machine, SECONDS_ALARM, ANY);
        set(&mut machine, HOURS_ALARM, alarm);
        set_time(&mut machine, BINARY, [3, 0, 0]);
        get(&mut machine, C);
        machine.step(11 * 3600 * SECOND);
        assert_eq!(get(&mut machine, HOURS), 0x82);
        assert_eq!(get(&mut machine, C) & ALARM != 0, fires, "{alarm:#x}");
    }
    machine.finish();
}

#[test]
fn all_modes_count_over_noon_and_midnight() {
    let mut machine = pc(&[]);
    for (mode, before, after) in [
        (HOURS_24, [0x09, 0x59, 0x59], [0x10, 0x00, 0x00]),
        (HOURS_24, [0x23, 0x59, 0x59], [0x00, 0x00, 0x00]),
        (HOURS_24 | BINARY, [23, 59, 59], [0, 0, 0]),
        (0, [0x11, 0x59, 0x59], [0x92, 0x00, 0x00]),
        (0, [0x91, 0x59, 0x59], [0x12, 0x00, 0x00]),
        (0, [0x12, 0x59, 0x59], [0x01, 0x00, 0x00]),
        (BINARY, [0x0B, 59, 59], [0x8C, 0, 0]),
        (BINARY, [0x8B, 59, 59], [0x0C, 0, 0]),
        (BINARY, [0x8C, 59, 59], [0x81, 0, 0]),
    ] {
        set_time(&mut machine, mode, before);
        assert_eq!(time(&mut machine), before, "{mode:#x}");
        machine.step(SECOND);
        assert_eq!(time(&mut machine), after, "{mode:#x} {before:x?}");
    }
    machine.finish();
}

#[test]
fn years_before_and_after_2000_are_set_and_kept() {
    let mut machine = pc(&[]);
    set(&mut machine, B, HOURS_24);
    for (century, year) in [(0x20, 0x11), (0x19, 0x80), (0x20, 0x80)] {
        set(&mut machine, A, RESET);
        for (register, value) in [(YEAR, year), (CENTURY, century), (MONTH, 2), (DAY, 2)] {
            set(&mut machine, register, value);
        }
        set(&mut machine, A, RUN);
        let date = [CENTURY, YEAR, MONTH, DAY].map(|register| get(&mut machine, register));
        assert_eq!(date, [century, year, 2, 2]);
    }
    machine.finish();
}

#[test]
fn set_holds_the_registers() {
    let mut machine = pc(&[]);
    set(&mut machine, B, HOURS_24 | SET);
    for (register, value) in [(HOURS, 0x02), (MINUTES, 0x04), (SECONDS, 0x58)] {
        set(&mut machine, register, value);
    }
    machine.step(10 * SECOND);
    assert_eq!(time(&mut machine), [0x02, 0x04, 0x58]);
    set(&mut machine, B, HOURS_24);
    assert_eq!(time(&mut machine), [0x02, 0x04, 0x58]);
    machine.step(SECOND);
    assert_eq!(time(&mut machine), [0x02, 0x04, 0x59]);
    machine.finish();
}

#[test]
fn an_update_ends_half_a_second_after_a_divider_reset_and_is_announced() {
    let mut machine = pc(&[]);
    set_time(&mut machine, HOURS_24, [0x02, 0x04, 0x56]);
    machine.step(SECOND / 2 - 244_141);
    assert_eq!(get(&mut machine, A), RUN);
    machine.step(1);
    assert_eq!(get(&mut machine, A), RUN | UIP);
    machine.step(244_139);
    assert_eq!(get(&mut machine, A), RUN | UIP);
    assert_eq!(get(&mut machine, SECONDS), 0x56);
    machine.step(1);
    assert_eq!(get(&mut machine, A), RUN);
    assert_eq!(get(&mut machine, SECONDS), 0x57);
    machine.finish();
}

#[test]
fn periods_are_timers_of_their_own_and_lose_nothing() {
    let mut machine = pc(&[]);
    let start = machine.step(1);
    // 1024 Hz: 976,562.5 ns, which no count of whole nanoseconds keeps. The divider starts anew,
    // or one of the host's seconds could end within the nine periods and show its own flag in C.
    set_time(&mut machine, HOURS_24, [0x02, 0x04, 0x56]);
    get(&mut machine, C);
    set(&mut machine, B, HOURS_24 | PERIODIC);
    for period in 1..=9_u64 {
        let due = start + (period * SECOND).div_ceil(1024);
        assert_eq!(machine.step_to_timer(), due, "period {period}");
        assert_eq!(machine.changes(), [(IRQ, true)]);
        assert_eq!(get(&mut machine, C), 0x80 | PERIODIC);
        assert_eq!(machine.changes(), [(IRQ, false)]);
    }
    // A thousand periods in one step are one interrupt for a guest that does not look.
    machine.step(SECOND);
    assert_eq!(machine.changes(), [(IRQ, true)]);
    machine.finish();
}

#[test]
fn any_accesses_with_any_steps_are_survived() {
    let mut machine = pc(&[]);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |limit: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % limit
    };
    for _ in 0..3000 {
        let register = next(128) as u8;
        match next(3) {
            0 => set(&mut machine, register, next(256) as u8),
            1 => {
                get(&mut machine, register);
            }
            _ => {
                machine.step(1 + next(3 * SECOND));
            }
        }
    }
    machine.finish();
}

#[test]
fn memory_is_read_and_written_on_both_machines() {
    for (arch, order, word) in [("x86_64", "little", 0x2211), ("s390x", "big", 0x1122)] {
        let mut machine = Qtest::start(arch, &["-m", "16"]);
        assert_eq!(machine.ask("endianness"), order);
        assert_eq!(machine.ask("write 0x10000 4 0x11223344"), "");
        assert_eq!(machine.read("readw", 0x10000), word);
        machine.ask("writeq 0x10008 0x8877665544332211");
        assert_eq!(machine.read("readq", 0x10008), 0x8877_6655_4433_2211);
        assert_eq!(machine.ask("b64read 0x10000 4"), "ESIzRA==");
        machine.ask("b64write 0x20000 4 ESIzRA==");
        assert_eq!(machine.ask("read 0x20000 6"), "0x112233440000");
        machine.ask("memset 0xffe 0x1004 0x5a");
        assert_eq!(machine.ask("read 0xffd 3"), "0x005a5a");
        assert_eq!(machine.ask("read 0x2001 3"), "0x5a0000");
        // The end of memory, and far beyond it.
        machine.ask("write 0xfffffe 4 0xaabbccdd");
        assert_eq!(machine.ask("read 0xfffffe 2"), "0xaabb");
        machine.ask("writel 0x7fffffffffff0000 1");
        machine.ask("write 0xfffffffffffffff0 0x70 0x70");
        machine.ask("memset 0xffffffffffff0000 0x100000 0xff");
        assert_eq!(machine.read("readq", 0xffff_ffff_ffff_fff8), 0);
        assert_eq!(machine.read("readb", 0), 0);
        assert_eq!(machine.read("readl", 0x7fff_ffff_ffff_0000), 0);
        machine.finish();
    }
}

#[test]
fn what_is_no_command_here_fails_and_nothing_else_does() {
    let mut machine = pc(&[]);
    for (command, why) in [
        ("rtas get-time-of-day 0 0 0 0", "Unknown command 'rtas'"),
        ("module_load x y", "Unknown command 'module_load'"),
        ("irq_intercept_in moon", "IRQ intercept already enabled"),
        ("set_irq_in moon unnamed-gpio-in 0 1", "Unknown device"),
        (
            "set_irq_in ioapic unnamed-gpio-in 24 1",
            "the device has no such interrupt line",
        ),
        ("clock_step 0", "could not advance time"),
    ] {
        assert_eq!(machine.try_ask(command), Err(why.to_owned()), "{command}");
    }
    machine.ask("set_irq_in /machine/unattached/ioapic unnamed-gpio-in 3 1");
    assert_eq!(machine.inb(0x1234), 0xFF);
    assert_eq!(machine.ask("inl 0x1234"), "0xffffffff");
    let log = fs::read_to_string(machine.path("log")).expect("the log");
    assert!(log.contains("] inl 0x1234\n[S +"), "{log}");
    assert!(log.contains("] FAIL Unknown command 'rtas'\n"), "{log}");
    machine.finish();
}

#[test]
fn time_stands_while_the_machine_is_stopped() {
    let mut machine = pc(&["-S"]);
    set(&mut machine, B, HOURS_24);
    let refused = Err("could not advance time".to_owned());
    assert_eq!(machine.try_ask("clock_step 1000"), refused);
    machine.qmp.ok("cont", json!({}));
    set_time(&mut machine, HOURS_24, [0x10, 0x00, 0x00]);
    machine.step(SECOND);
    machine.qmp.ok("stop", json!({}));
    assert_eq!(machine.try_ask("clock_step 1000"), refused);
    assert_eq!(
        machine.try_ask("clock_step"),
        Err(
            "cannot advance clock to the next deadline because there is no pending deadline".into()
        )
    );
    assert_eq!(time(&mut machine), [0x10, 0x00, 0x01]);
    machine.qmp.ok("cont", json!({}));
    assert_eq!(machine.step(SECOND), 2 * SECOND);
    assert_eq!(time(&mut machine), [0x10, 0x00, 0x02]);
    machine.finish();
}

#[test]
fn a_changed_date_is_told_as_the_whole_difference() {
    let mut machine = pc(&["-rtc", "base=2026-11-22T06:05:04,clock=vm"]);
    set(&mut machine, B, HOURS_24);
    assert_eq!(time(&mut machine), [0x06, 0x05, 0x04]);
    let offset = |machine: &mut Qtest| {
        let event = machine.qmp.event("RTC_CHANGE").expect("an event");
        event["data"]["offset"].as_i64().expect("an offset")
    };
    set(&mut machine, HOURS, 0x08);
    assert_eq!(offset(&mut machine), 7200);
    set(&mut machine, MINUTES, 0x06);
    set(&mut machine, DAY, 0x23);
    while offset(&mut machine) != 7200 + 60 + 86400 {}
    machine.step(3600 * SECOND);
    set(&mut machine, HOURS, 0x08);
    assert_eq!(offset(&mut machine), 3600 + 60 + 86400);
    let arguments = json!({ "path": "/machine", "property": "rtc-time" });
    let date = machine.qmp.ok("qom-get", arguments);
    assert_eq!(date["tm_mday"], 23);
    assert_eq!(date["tm_hour"], 8);
    machine.finish();
}

#[test]
fn the_serial_port_writes_to_its_file_and_drives_line_4() {
    let mut machine = pc(&["-serial", "file:@/serial"]);
    for byte in b"hello\n" {
        assert_eq!(machine.inb(0x3FD) & 0x60, 0x60);
        machine.outb(0x3F8, *byte);
    }
    machine.outb(0x3F9, 0x02);
    assert_eq!(machine.changes(), [(4, true)]);
    assert_eq!(machine.inb(0x3FA) & 0x0F, 0x02);
    assert_eq!(machine.changes(), [(4, false)]);
    let file = machine.path("serial");
    let until = Instant::now() + LIMIT;
    while fs::read(&file).expect("the serial port's file") != b"hello\n" {
        assert!(Instant::now() < until, "nothing comes out");
        std::thread::sleep(Duration::from_millis(2));
    }
    machine.finish();
}

#[test]
fn what_is_typed_waits_until_the_serial_port_is_read() {
    let mut machine = pc(&["-serial", "unix:@/console,server=on,wait=off"]);
    let mut console = UnixStream::connect(machine.path("console")).expect("the console");
    // More than the port holds.
    let typed: Vec<u8> = (0..1000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    console.write_all(&typed).expect("typing");
    machine.outb(0x3F9, 0x01);
    let until = Instant::now() + LIMIT;
    let mut read = Vec::new();
    while read.len() < typed.len() {
        assert!(Instant::now() < until, "{} bytes came", read.len());
        if machine.inb(0x3FD) & 0x01 != 0 {
            assert!(machine.line(4), "after {} bytes", read.len());
            read.push(machine.inb(0x3F8));
        }
    }
    assert_eq!(read, typed);
    assert_eq!(machine.inb(0x3FD) & 0x01, 0);
    assert!(!machine.line(4));
    machine.finish();
}

#[test]
fn a_guest_resets_turns_off_and_exits_through_ports() {
    let mut machine = pc(&["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]);
    set(&mut machine, B, HOURS_24 | PERIODIC);
    machine.outb(0xCF9, 0x06);
    let event = machine.qmp.event("RESET").expect("an event");
    assert_eq!(event["data"]["guest"], true);
    assert_eq!(get(&mut machine, B), HOURS_24);
    machine.send("outl 0xf4 0x10");
    assert_eq!(machine.wait().code(), Some(0x21));

    let mut machine = pc(&[]);
    machine.send("outw 0x604 0x2000");
    let event = machine.qmp.event("SHUTDOWN").expect("an event");
    assert_eq!(event["data"]["reason"], "guest-shutdown");
    assert_eq!(machine.wait().code(), Some(0));
}

fn clock(machine: &mut Qtest, name: &str) -> Value {
    let report = machine.qmp.ok("query-clock", json!({}));
    let clocks = report["clocks"].as_array().expect("clocks").clone();
    let found = clocks.into_iter().find(|clock| clock["name"] == name);
    found.unwrap_or_else(|| panic!("no clock '{name}': {report}"))
}

#[test]
fn the_s390x_clock_lives_in_virtual_time_too() {
    let mut machine = Qtest::start("s390x", &[]);
    let refused = machine.try_ask("irq_intercept_in ioapic");
    assert_eq!(refused, Err("Unknown device".to_owned()));
    assert_eq!(machine.ask("inb 0x70"), "0x00ff");
    let before = clock(&mut machine, "tod");
    let again = clock(&mut machine, "tod");
    assert_eq!(before["guest"], again["guest"], "it moves by commands only");
    machine.step(3600 * SECOND);
    let after = clock(&mut machine, "tod");
    assert_ne!(before["guest"], after["guest"]);
    assert_eq!(before["gap-ns"], after["gap-ns"], "an hour here and there");
    machine.finish();
}

#[test]
fn a_date_that_was_set_comes_back_with_a_snapshot() {
    let mut machine = pc(&["-snapshot-dir", "@"]);
    set_time(&mut machine, HOURS_24, [0x20, 0x00, 0x00]);
    set(&mut machine, A, RUN);
    set(&mut machine, B, HOURS_24 | PERIODIC);
    machine.step(SECOND);
    assert_eq!(get(&mut machine, C), 0xC0 | 0x10);
    machine.changes();
    assert_eq!(machine.qmp.hmp("savevm here"), "");
    machine.step(5000 * SECOND);
    set_time(&mut machine, BINARY, [1, 2, 3]);
    assert_eq!(machine.qmp.hmp("loadvm here"), "");
    assert_eq!(time(&mut machine), [0x20, 0x00, 0x01]);
    get(&mut machine, C);
    machine.changes();
    let now = machine.step(1);
    assert_eq!(machine.step_to_timer(), now - 1 + SECOND.div_ceil(1024));
    assert_eq!(machine.changes(), [(IRQ, true)]);
    machine.step(3 * SECOND);
    assert_eq!(time(&mut machine), [0x20, 0x00, 0x04]);
    machine.finish();
}

#[test]
fn a_devices_own_line_is_told_by_its_own_number() {
    let mut machine = Qtest::start("x86_64", &[]);
    let refused = machine.try_ask("irq_intercept_in rtc");
    assert_eq!(refused, Err("the device has no such interrupt line".into()));
    machine.ask("irq_intercept_out /machine/rtc");
    set(&mut machine, A, RUN);
    set(&mut machine, B, HOURS_24 | PERIODIC);
    machine.step_to_timer();
    assert_eq!(machine.changes(), [(0, true)]);
    machine.finish();
}

#[test]
fn a_date_that_was_set_and_its_alarm_move_to_another_program() {
    let base = ["-rtc", "base=2026-11-22T06:05:04,clock=vm"];
    let mut source = pc(&base);
    set(&mut source, B, HOURS_24);
    set(&mut source, HOURS, 0x08);
    set(&mut source, SECONDS_ALARM, 0x14);
    set(&mut source, MINUTES_ALARM, ANY);
    set(&mut source, HOURS_ALARM, ANY);
    set(&mut source, B, HOURS_24 | ALARM);
    source.ask("memset 0x100000 0x1000 0x77");
    source.step(3 * SECOND);

    let mut destination = pc(&["-incoming", "defer", base[0], base[1]]);
    let uri = format!("unix:{}", source.path("moved").display());
    let arguments = json!({ "uri": uri });
    destination.qmp.ok("migrate-incoming", arguments.clone());
    source.qmp.ok("migrate", arguments);
    let until = Instant::now() + LIMIT;
    loop {
        let state = source.qmp.ok("query-migrate", json!({}));
        match state["status"].as_str() {
            Some("completed") => break,
            Some("failed" | "cancelled") => panic!("{state}"),
            _ => assert!(Instant::now() < until, "{state}"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    while destination.qmp.ok("query-status", json!({}))["status"] != "running" {
        assert!(Instant::now() < until, "the guest does not run");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(time(&mut destination), [0x08, 0x05, 0x07]);
    assert_eq!(destination.ask("read 0x100ffe 4"), "0x77770000");
    assert_eq!(destination.changes(), []);
    destination.step(7 * SECOND - 1);
    assert_eq!(destination.changes(), []);
    destination.step(1);
    assert_eq!(destination.changes(), [(IRQ, true)]);
    assert_eq!(time(&mut destination), [0x08, 0x05, 0x14]);
    assert_eq!(get(&mut destination, C) & ALARM, ALARM);
    destination.step(59 * SECOND);
    assert_eq!(destination.changes(), [(IRQ, false)]);
    assert_eq!(
        source.try_ask("clock_step 1000"),
        Err("could not advance time".into())
    );
    source.finish();
    destination.finish();
}
