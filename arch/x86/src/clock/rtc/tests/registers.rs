//! The registers, as the data sheet has them.

use super::{BINARY, Bench};
use crate::clock::rtc::spec::{self, b, c};
use crate::clock::rtc::{Output, RtcConfig};

/// UIP is up for 8 ticks of 32,768 Hz, 244,140.625 ns.
const UIP_NS: i64 = 244_140;

#[test]
fn the_date_is_the_references_at_power_on() {
    let mut bench = Bench::new();
    assert_eq!(bench.date(), [0x20, 0x26, 0x11, 0x22]);
    assert_eq!(bench.time(), [0x06, 0x05, 0x04]);
    assert_eq!(bench.read(spec::DAY_OF_WEEK), 1, "a Sunday");
    assert_eq!(bench.read(spec::CENTURY_PS2), 0x20);
    bench.write(spec::REG_B, BINARY);
    assert_eq!(bench.date(), [20, 26, 11, 22]);
    assert_eq!(bench.read(spec::REG_A), 0x26);
    assert_eq!(bench.read(spec::REG_C), 0);
    assert_eq!(bench.read(spec::REG_D), 0x80);
    bench.write(spec::REG_D, 0);
    assert_eq!(bench.read(spec::REG_D), 0x80);
    let time = bench.rtc.time(bench.now());
    assert_eq!((time.tm_year, time.tm_mon, time.tm_mday), (126, 10, 22));
    assert_eq!((time.tm_hour, time.tm_min, time.tm_sec), (6, 5, 4));
}

#[test]
fn all_four_modes_count_over_noon_midnight_and_the_day() {
    let twelve_bcd: [([u8; 3], [u8; 3]); 6] = [
        ([0x81, 0x59, 0x59], [0x82, 0x00, 0x00]),
        ([0x09, 0x59, 0x59], [0x10, 0x00, 0x00]),
        ([0x12, 0x59, 0x59], [0x01, 0x00, 0x00]),
        ([0x92, 0x59, 0x59], [0x81, 0x00, 0x00]),
        ([0x11, 0x59, 0x59], [0x92, 0x00, 0x00]),
        ([0x91, 0x59, 0x59], [0x12, 0x00, 0x00]),
    ];
    let twelve_binary: [([u8; 3], [u8; 3]); 4] = [
        ([0x8C, 59, 59], [0x81, 0, 0]),
        ([0x0C, 59, 59], [0x01, 0, 0]),
        ([0x0B, 59, 59], [0x8C, 0, 0]),
        ([0x8B, 59, 59], [0x0C, 0, 0]),
    ];
    let bcd = [
        ([0x09, 0x59, 0x59], [0x10, 0x00, 0x00]),
        ([0x23, 0x59, 0x59], [0x00, 0x00, 0x00]),
    ];
    let binary = [([9, 59, 59], [10, 0, 0]), ([23, 59, 59], [0, 0, 0])];
    let all = [
        (0, &twelve_bcd[..]),
        (b::DM, &twelve_binary[..]),
        (b::HOURS_24, &bcd[..]),
        (BINARY, &binary[..]),
    ];
    for (mode, steps) in all {
        for (from, to) in steps {
            let mut bench = Bench::new();
            bench.set_in_reset(mode, *from);
            assert_eq!(bench.time(), *from, "mode {mode:#x}");
            bench.seconds(1);
            assert_eq!(bench.time(), *to, "mode {mode:#x} after {from:x?}");
        }
    }
}

#[test]
fn a_mode_that_changes_shows_the_same_time() {
    let mut bench = Bench::new();
    bench.set_in_reset(BINARY, [13, 59, 30]);
    bench.write(spec::REG_B, 0);
    assert_eq!(bench.time(), [0x81, 0x59, 0x30]);
    bench.write(spec::REG_B, b::HOURS_24);
    assert_eq!(bench.time(), [0x13, 0x59, 0x30]);
}

#[test]
fn the_first_update_ends_half_a_second_after_a_divider_reset() {
    for nanos in [0, 1, 333_333_333, 999_999_999] {
        let mut bench = Bench::starting(RtcConfig::default(), nanos);
        bench.write(spec::REG_B, b::HOURS_24);
        bench.write(spec::REG_A, 0x76);
        bench.set_time([0x02, 0x04, 0x58]);
        bench.set_date([0x20, 0x11, 0x02, 0x02]);
        bench.seconds(1);
        assert_eq!(bench.time(), [0x02, 0x04, 0x58]);
        assert_eq!(bench.date(), [0x20, 0x11, 0x02, 0x02]);
        bench.write(spec::REG_A, 0x26);
        bench.step(500_000_000 - UIP_NS - 1);
        assert_eq!(bench.read(spec::REG_A), 0x26);
        assert_eq!(bench.time(), [0x02, 0x04, 0x58]);
        bench.step(1);
        assert_eq!(bench.read(spec::REG_A), 0xA6);
        bench.step(UIP_NS - 1);
        assert_eq!(bench.time(), [0x02, 0x04, 0x58]);
        bench.step(1);
        assert_eq!(bench.read(spec::REG_A), 0x26);
        assert_eq!(bench.time(), [0x02, 0x04, 0x59]);
        bench.seconds(1);
        assert_eq!(bench.time(), [0x02, 0x05, 0x00]);
    }
}

#[test]
fn the_second_after_59_is_the_next_minutes() {
    let mut bench = Bench::new();
    bench.set_in_reset(b::HOURS_24, [0x02, 0x04, 0x59]);
    bench.step(500_000_000);
    assert_eq!(bench.time(), [0x02, 0x05, 0x00]);
}

#[test]
fn uip_cannot_get_stuck_and_set_takes_it_away() {
    let mut bench = Bench::new();
    bench.set_in_reset(b::HOURS_24, [0x02, 0x04, 0x58]);
    bench.step(500_000_000);
    assert_eq!(bench.read(spec::REG_C) & c::UF, c::UF);
    bench.write(spec::HOURS_ALARM, 0x02);
    bench.write(spec::MINUTES_ALARM, 0xC0);
    bench.write(spec::SECONDS_ALARM, 0xC0);
    bench.step(1_000_000_000 - UIP_NS / 2);
    assert_eq!(bench.read(spec::REG_A), 0xA6);
    bench.write(spec::HOURS_ALARM, 0x03);
    bench.step(UIP_NS);
    assert_eq!(bench.read(spec::REG_A), 0x26);

    bench.step(1_000_000_000 - UIP_NS);
    assert_eq!(bench.read(spec::REG_A), 0xA6);
    bench.write(spec::REG_B, b::HOURS_24 | b::SET);
    assert_eq!(bench.read(spec::REG_A), 0x26);
}

#[test]
fn set_holds_the_registers_and_takes_the_update_interrupt_away() {
    let mut bench = Bench::new();
    bench.write(spec::REG_B, b::HOURS_24 | b::UIE);
    bench.write(spec::REG_B, b::HOURS_24 | b::UIE | b::SET);
    assert_eq!(bench.read(spec::REG_B), b::HOURS_24 | b::SET);
    bench.set_time([0x02, 0x04, 0x58]);
    bench.set_date([0x20, 0x11, 0x02, 0x02]);
    bench.seconds(1);
    assert_eq!(bench.time(), [0x02, 0x04, 0x58]);
    assert_eq!(bench.read(spec::REG_C) & (c::UF | c::AF), 0);
    bench.write(spec::REG_B, b::HOURS_24);
    assert_eq!(bench.time(), [0x02, 0x04, 0x58]);
    assert_eq!(bench.date(), [0x20, 0x11, 0x02, 0x02]);
    bench.seconds(1);
    assert_eq!(bench.time(), [0x02, 0x04, 0x59]);
}

#[test]
fn years_from_1980_to_2080_are_dates() {
    for (century, year) in [(0x19, 0x80), (0x20, 0x11), (0x20, 0x80), (0x21, 0x00)] {
        let mut bench = Bench::new();
        bench.write(spec::REG_B, b::HOURS_24);
        bench.write(spec::REG_A, 0x76);
        bench.set_date([century, year, 0x02, 0x02]);
        bench.set_time([0x02, 0x04, 0x58]);
        bench.write(spec::REG_A, 0x26);
        assert_eq!(bench.date(), [century, year, 0x02, 0x02]);
        assert_eq!(bench.time(), [0x02, 0x04, 0x58]);
    }
}

#[test]
fn an_alarm_interrupts_at_its_second_and_reading_c_ends_it() {
    let mut bench = Bench::new();
    bench.write(spec::REG_B, BINARY);
    bench.write(spec::SECONDS_ALARM, 6);
    bench.write(spec::MINUTES_ALARM, 0xC0);
    bench.write(spec::HOURS_ALARM, 0xFF);
    bench.write(spec::REG_B, BINARY | b::AIE);
    bench.step(1_999_999_999);
    assert!(!bench.rtc.irq());
    bench.step(1);
    assert!(bench.rtc.irq());
    assert_eq!(bench.rtc.take_outputs(), [Output::Raise]);
    assert_eq!(
        bench.read(spec::REG_C),
        c::IRQF | c::AF | c::UF | c::PF,
        "a period has ended, too"
    );
    assert_eq!(bench.rtc.take_outputs(), [Output::Lower]);
    assert_eq!(bench.read(spec::REG_C), 0);
    bench.seconds(59);
    assert!(!bench.rtc.irq());
    bench.seconds(1);
    assert!(bench.rtc.irq());
}

#[test]
fn an_alarm_differs_between_morning_and_afternoon() {
    for (hour, fires) in [(0x82, true), (0x02, false)] {
        let mut bench = Bench::new();
        bench.write(spec::MINUTES_ALARM, 0xC0);
        bench.write(spec::SECONDS_ALARM, 0xC0);
        bench.write(spec::HOURS_ALARM, hour);
        bench.set_in_reset(b::DM, [3, 0, 0]);
        bench.read(spec::REG_C);
        bench.seconds(11 * 3600);
        assert_eq!(bench.read(spec::HOURS), 0x82);
        assert_eq!(bench.read(spec::REG_C) & c::AF != 0, fires);
    }
}

#[test]
fn an_interrupt_enabled_after_its_flag_is_raised_at_once() {
    let mut bench = Bench::new();
    bench.seconds(1);
    assert!(!bench.rtc.irq());
    bench.write(spec::REG_B, b::HOURS_24 | b::UIE);
    assert!(bench.rtc.irq());
    bench.write(spec::REG_B, b::HOURS_24);
    assert!(!bench.rtc.irq());
    assert_eq!(bench.rtc.take_outputs(), [Output::Raise, Output::Lower]);
}

#[test]
fn the_index_is_masked_and_its_top_bit_masks_nmi() {
    let mut bench = Bench::new();
    let now = bench.now();
    bench
        .rtc
        .write_port(spec::INDEX_PORT, 0x80 | spec::REG_D, now);
    assert!(bench.rtc.nmi_masked());
    assert_eq!(bench.rtc.read_port(spec::DATA_PORT, now), 0x80);
    assert_eq!(bench.rtc.read_port(spec::INDEX_PORT, now), 0xFF);
    bench.rtc.write_port(spec::INDEX_PORT, 0x7F, now);
    assert!(!bench.rtc.nmi_masked());
    bench.rtc.write_port(spec::DATA_PORT, 0x5A, now);
    assert_eq!(bench.rtc.read_port(spec::DATA_PORT, now), 0x5A);
    bench.rtc.write_port(0x72, 0xFF, now);
    assert_eq!(bench.rtc.read_port(0x72, now), 0xFF);
    assert_eq!(bench.rtc.read(0x7F, now), 0x5A);
}

#[test]
fn a_reset_disables_interrupts_and_keeps_date_alarm_and_ram() {
    let mut bench = Bench::new();
    bench.write(spec::HOURS_ALARM, 0x12);
    bench.write(0x40, 7);
    bench.set_time([0x10, 0x11, 0x12]);
    bench.write(spec::REG_B, 0x7E);
    bench.seconds(2);
    assert!(bench.rtc.irq());
    let now = bench.now();
    bench.rtc.reset(now);
    assert!(!bench.rtc.irq());
    assert_eq!(bench.read(spec::REG_C), 0);
    assert_eq!(bench.read(spec::REG_B), BINARY);
    assert_eq!(bench.time(), [10, 11, 14]);
    assert_eq!((bench.read(spec::HOURS_ALARM), bench.read(0x40)), (0x12, 7));
}
