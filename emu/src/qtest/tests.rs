//! The protocol, with the x86 real-time clock and some memory as the machine.

use super::server::{MAX_BYTES, Way};
use super::{Direction, Server, Target, Width};
use proptest::prelude::*;
use tod::value::{ns_from_units_ceil, units_from_ns};
use tod::{Tod, UnixTime};
use x86::clock::rtc::{Output, Rtc, RtcConfig, spec};

/// 2026-11-22 06:05:04 UTC.
const START_S: i64 = 1_795_327_504;

struct Bench {
    rtc: Rtc,
    start: Tod,
    ns: u64,
    memory: Vec<u8>,
    big_endian: bool,
    stopped: bool,
    lines: Vec<(u32, bool)>,
    forced: Vec<(u32, bool)>,
}

impl Bench {
    fn new() -> Self {
        let start = Tod::from_unix(UnixTime::new(START_S, 0).unwrap()).unwrap();
        Self {
            rtc: Rtc::new(RtcConfig::default(), start),
            start,
            ns: 0,
            memory: vec![0; 0x10000],
            big_endian: false,
            stopped: false,
            lines: Vec::new(),
            forced: Vec::new(),
        }
    }

    fn now(&self) -> Tod {
        self.start.wrapping_add(units_from_ns(self.ns.into()))
    }

    fn follow(&mut self) {
        for output in self.rtc.take_outputs() {
            match output {
                Output::Raise => self.lines.push((spec::IRQ.into(), true)),
                Output::Lower => self.lines.push((spec::IRQ.into(), false)),
                Output::TimeChanged { .. } | Output::OffsetLoaded { .. } => {}
            }
        }
    }
}

impl Target for Bench {
    fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    fn read_port(&mut self, port: u16, width: Width) -> u32 {
        let value = match (port, width) {
            (spec::INDEX_PORT | spec::DATA_PORT, Width::Byte) => {
                self.rtc.read_port(port, self.now()).into()
            }
            _ => u32::MAX,
        };
        self.follow();
        value
    }

    fn write_port(&mut self, port: u16, width: Width, value: u32) {
        if width == Width::Byte {
            self.rtc.write_port(port, value as u8, self.now());
        }
        self.follow();
    }

    fn read_memory(&mut self, address: u64, bytes: &mut [u8]) {
        for (byte, at) in bytes.iter_mut().zip(0..) {
            if let Some(there) = self.memory.get(address.wrapping_add(at) as usize) {
                *byte = *there;
            }
        }
    }

    fn write_memory(&mut self, address: u64, bytes: &[u8]) {
        for (byte, at) in bytes.iter().zip(0..) {
            if let Some(there) = self.memory.get_mut(address.wrapping_add(at) as usize) {
                *there = *byte;
            }
        }
    }

    fn now_ns(&self) -> u64 {
        self.ns
    }

    fn next_deadline_ns(&self) -> Option<u64> {
        let due = self.rtc.next_event()?;
        u64::try_from(ns_from_units_ceil(due.signed_units_since(self.start))).ok()
    }

    fn move_to(&mut self, ns: u64) {
        if !self.stopped {
            self.ns = ns;
            self.rtc.advance(self.now());
            self.follow();
        }
    }

    fn intercept(&mut self, direction: Direction, device: &str) -> Result<(), String> {
        if direction == Direction::In && device == "ioapic" {
            Ok(())
        } else {
            Err("Unknown device".into())
        }
    }

    fn drive_line(&mut self, device: &str, line: u32, level: bool) -> Result<(), String> {
        if device != "ioapic" {
            return Err("Unknown device".into());
        }
        self.forced.push((line, level));
        Ok(())
    }

    fn take_lines(&mut self) -> Vec<(u32, bool)> {
        std::mem::take(&mut self.lines)
    }
}

fn server() -> Server<Bench> {
    Server::new(Bench::new(), None)
}

fn ask(server: &mut Server<Bench>, line: &str) -> String {
    server.receive(format!("{line}\n").as_bytes())
}

fn write(server: &mut Server<Bench>, register: u8, value: u8) -> String {
    let mut replies = ask(server, &format!("outb 0x70 {register:#x}"));
    replies += &ask(server, &format!("outb 0x71 {value:#x}"));
    replies
}

fn read(server: &mut Server<Bench>, register: u8) -> String {
    assert_eq!(ask(server, &format!("outb 0x70 {register:#x}")), "OK\n");
    ask(server, "inb 0x71")
}

#[test]
fn ports_are_read_and_written() {
    let mut server = server();
    assert_eq!(ask(&mut server, "endianness"), "OK little\n");
    assert_eq!(read(&mut server, 0x0B), "OK 0x0002\n");
    assert_eq!(read(&mut server, 0x04), "OK 0x0006\n");
    assert_eq!(ask(&mut server, "inw 0x71"), "OK 0xffff\n");
    assert_eq!(ask(&mut server, "inl 0x71"), "OK 0xffffffff\n");
    assert_eq!(ask(&mut server, "inb 0x80"), "OK 0x00ff\n");
    assert_eq!(ask(&mut server, "frob"), "FAIL Unknown command 'frob'\n");
}

#[test]
fn commands_come_in_pieces_and_in_heaps() {
    let mut server = server();
    assert_eq!(server.receive(b"outb 0x70 0x"), "");
    assert_eq!(server.receive(b"d\ninb 0x71\n\nendian"), "OK\nOK 0x0080\n");
    assert_eq!(server.receive(b"ness\n"), "OK little\n");
    assert_eq!(
        server.receive(b"\xFF\xFE\n"),
        "FAIL Unknown command '\u{FFFD}\u{FFFD}'\n"
    );
    // A line that no command needs; what follows it is understood again.
    let mut long = vec![b'x'; 2 * MAX_BYTES as usize + 1000];
    long.extend(b"\nendianness\n");
    assert_eq!(
        server.receive(&long),
        "FAIL a line has more than 33554688 bytes\nOK little\n"
    );
}

#[test]
fn memory_is_read_and_written_in_the_guests_byte_order() {
    for big_endian in [false, true] {
        let mut server = Server::new(
            Bench {
                big_endian,
                ..Bench::new()
            },
            None,
        );
        let order = if big_endian { "big" } else { "little" };
        assert_eq!(ask(&mut server, "endianness"), format!("OK {order}\n"));
        assert_eq!(ask(&mut server, "writel 0x100 0x11223344"), "OK\n");
        let bytes = if big_endian { "11223344" } else { "44332211" };
        assert_eq!(
            ask(&mut server, "read 0x100 5"),
            format!("OK 0x{bytes}00\n")
        );
        assert_eq!(ask(&mut server, "readl 0x100"), "OK 0x0000000011223344\n");
        let word = if big_endian { "1122" } else { "3344" };
        assert_eq!(
            ask(&mut server, "readw 0x100"),
            format!("OK 0x000000000000{word}\n")
        );
        assert_eq!(ask(&mut server, "writeq 0x108 0x8877665544332211"), "OK\n");
        assert_eq!(ask(&mut server, "readq 0x108"), "OK 0x8877665544332211\n");
        assert_eq!(ask(&mut server, "writeb 0x108 0x1ff"), "OK\n");
        assert_eq!(ask(&mut server, "readb 0x108"), "OK 0x00000000000000ff\n");
        assert_eq!(ask(&mut server, "write 0x200 4 0xabcd"), "OK\n");
        assert_eq!(ask(&mut server, "read 0x200 4"), "OK 0xabcd0000\n");
        assert_eq!(ask(&mut server, "memset 0x200 3 0x5a"), "OK\n");
        assert_eq!(ask(&mut server, "memset 0x200 0 0xff"), "OK\n");
        assert_eq!(ask(&mut server, "read 0x200 4"), "OK 0x5a5a5a00\n");
        assert!(ask(&mut server, "memset 0 0x1000000001 0").starts_with("FAIL"));
        assert!(ask(&mut server, "read 0x200 0").starts_with("FAIL"));
        assert!(ask(&mut server, "read 0x200 0x1000001").starts_with("FAIL"));
        // Where there is no memory.
        assert_eq!(
            ask(&mut server, "readb 0xfffffffff"),
            "OK 0x0000000000000000\n"
        );
        assert_eq!(
            ask(&mut server, "memset 0xffffffffffffff00 0x1000 1"),
            "OK\n"
        );
    }
}

#[test]
fn virtual_time_moves_by_commands_only() {
    let mut server = server();
    assert_eq!(
        ask(&mut server, "clock_step"),
        "FAIL cannot advance clock to the next deadline because there is no pending deadline\n"
    );
    assert_eq!(ask(&mut server, "clock_step 1000000000"), "OK 1000000000\n");
    assert_eq!(read(&mut server, 0x00), "OK 0x0005\n");
    assert_eq!(
        ask(&mut server, "clock_step 0"),
        "FAIL could not advance time\n"
    );
    assert_eq!(ask(&mut server, "clock_set 1500000000"), "OK 1500000000\n");
    assert_eq!(ask(&mut server, "clock_set 3"), "FAIL 1500000000\n");
    server.target().stopped = true;
    assert_eq!(
        ask(&mut server, "clock_step 1000"),
        "FAIL could not advance time\n"
    );
}

#[test]
fn interrupts_are_told_before_the_reply_and_only_when_the_level_changes() {
    let mut server = server();
    assert_eq!(
        ask(&mut server, "irq_intercept_in pic"),
        "FAIL Unknown device\n"
    );
    assert_eq!(ask(&mut server, "irq_intercept_in ioapic"), "OK\n");
    assert_eq!(ask(&mut server, "irq_intercept_in ioapic"), "OK\n");
    assert_eq!(
        ask(&mut server, "irq_intercept_out ioapic"),
        "FAIL IRQ intercept already enabled\n"
    );
    // An alarm two seconds from now, as a test program sets it.
    write(&mut server, 0x01, 0x06);
    write(&mut server, 0x03, 0xC0);
    write(&mut server, 0x05, 0xC0);
    assert_eq!(write(&mut server, 0x0B, 0x22), "OK\nOK\n");
    assert_eq!(ask(&mut server, "clock_step 1000000000"), "OK 1000000000\n");
    assert_eq!(
        ask(&mut server, "clock_step 1000000000"),
        "IRQ raise 8\nOK 2000000000\n"
    );
    assert_eq!(ask(&mut server, "clock_step 1"), "OK 2000000001\n");
    assert_eq!(ask(&mut server, "outb 0x70 0xc"), "OK\n");
    assert_eq!(ask(&mut server, "inb 0x71"), "IRQ lower 8\nOK 0x00f0\n");
}

#[test]
fn timers_fire_at_their_own_deadlines_during_a_step() {
    let mut server = server();
    ask(&mut server, "irq_intercept_in ioapic");
    // 2 Hz.
    write(&mut server, 0x0A, 0x2F);
    write(&mut server, 0x0B, 0x42);
    assert_eq!(
        ask(&mut server, "clock_step"),
        "IRQ raise 8\nOK 500000000\n"
    );
    assert_eq!(read(&mut server, 0x0C), "IRQ lower 8\nOK 0x00c0\n");
    assert_eq!(
        ask(&mut server, "clock_step 700000000"),
        "IRQ raise 8\nOK 1200000000\n"
    );
    assert_eq!(read(&mut server, 0x0C), "IRQ lower 8\nOK 0x00d0\n");
    assert_eq!(
        ask(&mut server, "clock_step"),
        "IRQ raise 8\nOK 1500000000\n",
        "the period has kept its place"
    );
}

#[test]
fn bytes_travel_as_base64_too() {
    let mut server = server();
    assert_eq!(ask(&mut server, "b64write 0x100 4 AQIDBA=="), "OK\n");
    assert_eq!(ask(&mut server, "read 0x100 5"), "OK 0x0102030400\n");
    assert_eq!(ask(&mut server, "b64read 0x100 5"), "OK AQIDBAA=\n");
    // No more than was said, and no more than there is.
    assert_eq!(ask(&mut server, "b64write 0x200 2 AQIDBA=="), "OK\n");
    assert_eq!(ask(&mut server, "b64write 0x300 9 AQ=="), "OK\n");
    assert_eq!(ask(&mut server, "read 0x200 4"), "OK 0x01020000\n");
    assert_eq!(ask(&mut server, "read 0x300 2"), "OK 0x0100\n");
    assert!(ask(&mut server, "b64write 0x100 4 A-A").starts_with("FAIL "));
    assert!(ask(&mut server, "b64read 0x100 0").starts_with("FAIL "));
}

#[test]
fn a_test_drives_lines_by_their_number() {
    let mut server = server();
    let drive = "set_irq_in ioapic unnamed-gpio-in 5";
    assert_eq!(ask(&mut server, &format!("{drive} 1")), "OK\n");
    assert_eq!(ask(&mut server, &format!("{drive} 0")), "OK\n");
    assert_eq!(server.target().forced, [(5, true), (5, false)]);
    assert_eq!(
        ask(&mut server, "set_irq_in moon unnamed-gpio-in 5 1"),
        "FAIL Unknown device\n"
    );
    assert!(ask(&mut server, "set_irq_in ioapic named 5 1").starts_with("FAIL "));
}

#[test]
fn the_log_has_every_line_both_ways() {
    let (sender, lines) = std::sync::mpsc::channel();
    let log = move |way, line: &str| sender.send((way, line.to_owned())).unwrap();
    let mut server = Server::new(Bench::new(), Some(Box::new(log)));
    ask(&mut server, "irq_intercept_in ioapic");
    write(&mut server, 0x0A, 0x2F);
    write(&mut server, 0x0B, 0x42);
    lines.try_iter().for_each(drop);
    server.receive(b"clock_step\r\n\nfrob\n");
    let logged: Vec<_> = lines.try_iter().collect();
    let told = |way, line: &str| (way, line.to_owned());
    assert_eq!(
        logged,
        [
            told(Way::Received, "clock_step"),
            told(Way::Sent, "IRQ raise 8"),
            told(Way::Sent, "OK 500000000"),
            told(Way::Received, ""),
            told(Way::Received, "frob"),
            told(Way::Sent, "FAIL Unknown command 'frob'"),
        ]
    );
}

#[test]
fn another_test_starts_afresh() {
    let mut server = server();
    ask(&mut server, "irq_intercept_in ioapic");
    write(&mut server, 0x0A, 0x2F);
    write(&mut server, 0x0B, 0x42);
    assert_eq!(
        ask(&mut server, "clock_step"),
        "IRQ raise 8\nOK 500000000\n"
    );
    server.receive(b"half a li");
    server.connected();
    // The line is high, which the new test has not been told.
    assert_eq!(ask(&mut server, "irq_intercept_in ioapic"), "OK\n");
    assert_eq!(read(&mut server, 0x0C), "OK 0x00c0\n");
}

/// A word that may stand in a command.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec![
            "0", "1", "4", "0x70", "0x71", "0xb", "0x8a", "4096", "65536", "0xffff", "0x1000000",
            "0x1000001", "0xfffffffffffffff0", "0xffffffffffffffff", "0x10000000000000000", "-1",
            "08", "0x", "ioapic", "rtc", "unnamed-gpio-in", "0x00", "0xabc", "AQIDBA==", "=",
        ]).prop_map(str::to_owned),
        1 => (0u64..10_000_000_000).prop_map(|number| number.to_string()),
        1 => any::<u64>().prop_map(|number| format!("{number:#x}")),
        1 => "[ -~]{0,12}",
        1 => any::<String>(),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let command = prop_oneof![
        8 => prop::sample::select(vec![
            "endianness", "outb", "outw", "outl", "inb", "inw", "inl", "inq", "writeb", "writew",
            "writel", "writeq", "readb", "readw", "readl", "readq", "read", "write", "b64read",
            "b64write", "irq_intercept_in", "irq_intercept_out", "set_irq_in", "clock_set",
            "rtas", "module_load",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    (command, prop::collection::vec(word(), 0..5))
        .prop_map(|(command, words)| format!("{command} {}", words.join(" ")))
}

/// What comes back is one answer for each line that is not empty, after any lines of its own.
fn answers(replies: &str) -> usize {
    replies
        .lines()
        .filter(|line| {
            assert!(
                ["OK", "FAIL", "IRQ"].contains(&line.split(' ').next().unwrap_or("")),
                "{line}"
            );
            !line.starts_with("IRQ ")
        })
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_lines_are_answered_one_by_one(lines in prop::collection::vec(line(), 1..20)) {
        let mut server = server();
        for line in lines {
            let line = line.replace('\n', " ");
            let expected = usize::from(!line.trim_ascii().is_empty());
            // What is to come of a year's steps has its own tests.
            prop_assume!(!line.contains("clock_set") || line.len() < 22);
            let replies = server.receive(format!("{line}\n").as_bytes());
            prop_assert_eq!(answers(&replies), expected, "{}: {}", line, replies);
        }
    }

    #[test]
    fn any_bytes_in_any_pieces_are_survived(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20),
        lines in prop::collection::vec(line(), 0..10),
    ) {
        let mut server = server();
        for (piece, line) in pieces.iter().zip(lines.iter().cycle()) {
            prop_assume!(!line.contains("clock_set"));
            server.receive(piece);
            server.receive(line.as_bytes());
        }
        // Whatever came before, a line of its own is understood.
        server.receive(b"\n");
        prop_assert_eq!(server.receive(b"endianness\n"), "OK little\n");
    }
}
