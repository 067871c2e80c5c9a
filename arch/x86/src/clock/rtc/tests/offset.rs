//! What guests write is an offset, and what becomes of it.

use proptest::prelude::*;

use super::{BINARY, Bench};
use crate::clock::rtc::spec::{self, b, c};
use crate::clock::rtc::xen::{Layout, Record, RecordError};
use crate::clock::rtc::{Output, RtcConfig, StateError, WhileSet};

const HOUR: i64 = 3600;

#[test]
fn set_and_clear_without_a_write_change_nothing() {
    for nanos in [0, 999_999_875] {
        for held_ns in [0, 125, 600_000_000, 5_400_000_000] {
            let mut bench = Bench::starting(RtcConfig::default(), nanos);
            bench.write(spec::REG_B, BINARY | b::SET);
            bench.step(held_ns);
            assert_eq!(bench.time(), [0x06, 0x05, 0x04], "held");
            bench.write(spec::REG_B, BINARY);
            assert_eq!(bench.offset_s(), 0);
            assert_eq!(bench.changes(), []);
            let passed = (i64::from(nanos) + held_ns) / 1_000_000_000;
            assert_eq!(bench.time()[2], 0x04 + passed as u8);
        }
    }
}

#[test]
fn a_write_under_set_counts_from_when_set_is_cleared() {
    let mut bench = Bench::starting(RtcConfig::default(), 700_000_000);
    bench.write(spec::REG_B, b::HOURS_24 | b::SET);
    bench.write(spec::HOURS, 0x08);
    bench.seconds(3);
    bench.write(spec::REG_B, b::HOURS_24);
    assert_eq!(bench.time(), [0x08, 0x05, 0x04], "as written");
    assert_eq!(bench.offset_s(), 2 * HOUR - 3);
    // The part of the second has not been touched.
    bench.step(300_000_000);
    assert_eq!(bench.time(), [0x08, 0x05, 0x05]);
}

#[test]
fn a_write_under_set_counts_from_the_frozen_time_for_xen() {
    let mut bench = Bench::with(RtcConfig {
        while_set: WhileSet::Counts,
        ..RtcConfig::default()
    });
    bench.write(spec::REG_B, b::HOURS_24 | b::SET);
    bench.write(spec::HOURS, 0x08);
    bench.seconds(3);
    bench.write(spec::REG_B, b::HOURS_24);
    assert_eq!(bench.offset_s(), 2 * HOUR, "written less frozen");
    assert_eq!(bench.changes(), [2 * HOUR]);
    assert_eq!(bench.time(), [0x08, 0x05, 0x07]);
}

#[test]
fn clearing_set_decodes_in_the_old_mode() {
    // The same write that clears SET changes BCD to binary and 24 hours to 12.
    let mut bench = Bench::new();
    bench.write(spec::REG_B, b::HOURS_24 | b::SET);
    bench.set_time([0x18, 0x30, 0x15]);
    bench.write(spec::REG_B, b::DM);
    assert_eq!(bench.time(), [0x86, 30, 15]);
    assert_eq!(bench.offset_s(), 12 * HOUR + 25 * 60 + 11);
    // And the other way.
    bench.write(spec::REG_B, b::DM | b::SET);
    bench.set_time([0x81, 59, 58]);
    bench.write(spec::REG_B, b::HOURS_24);
    assert_eq!(bench.time(), [0x13, 0x59, 0x58]);
}

#[test]
fn without_set_each_write_applies_its_own_change() {
    let mut bench = Bench::new();
    bench.write(spec::HOURS, 0x08);
    assert_eq!(bench.changes(), [2 * HOUR]);
    bench.write(spec::MINUTES, 0x06);
    assert_eq!(bench.changes(), [2 * HOUR + 60]);
    bench.write(spec::SECONDS, 0x03);
    assert_eq!(bench.changes(), [2 * HOUR + 59]);
    bench.write(spec::SECONDS, 0x03);
    bench.write(spec::DAY_OF_WEEK, 0x05);
    assert_eq!(bench.changes(), [], "nothing has changed");
    assert_eq!(bench.read(spec::DAY_OF_WEEK), 0x01, "it follows the date");
}

#[test]
fn a_changed_offset_is_told_when_the_divider_is_let_go() {
    let mut bench = Bench::new();
    bench.set_in_reset(b::HOURS_24, [0x08, 0x05, 0x04]);
    // The second begins anew at its half.
    assert_eq!(bench.changes(), [2 * HOUR + 1]);
    assert_eq!(bench.time(), [0x08, 0x05, 0x04]);
}

#[test]
fn a_day_that_is_none_shows_until_midnight() {
    let mut bench = Bench::new();
    bench.write(spec::REG_B, BINARY);
    bench.set_time([23, 59, 58]);
    bench.write(spec::DAY_OF_MONTH, 31);
    assert_eq!(bench.date(), [20, 26, 11, 31], "30 days hath November");
    bench.write(spec::REG_B, BINARY | b::SET);
    bench.write(spec::REG_B, BINARY);
    assert_eq!(
        bench.date(),
        [20, 26, 11, 31],
        "set and cleared without a write"
    );
    bench.seconds(1);
    assert_eq!(bench.date(), [20, 26, 11, 31]);
    bench.seconds(1);
    assert_eq!(bench.date(), [20, 26, 12, 2]);
}

fn any_date() -> impl Strategy<Value = [u8; 7]> {
    (
        19u8..=21,
        0u8..=99,
        1u8..=12,
        1u8..=31,
        0u8..24,
        0u8..60,
        0u8..60,
    )
        .prop_map(|(century, year, month, day, hour, minute, second)| {
            let leap = year % 4 == 0 && (year != 0 || century == 20);
            let length = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            [century, year, month, day.min(length), hour, minute, second]
        })
}

const REGISTERS: [u8; 7] = [
    spec::CENTURY,
    spec::YEAR,
    spec::MONTH,
    spec::DAY_OF_MONTH,
    spec::HOURS,
    spec::MINUTES,
    spec::SECONDS,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// A guest that writes the registers one by one, in any order, from any date to any other,
    /// loses no part of the change, with and without SET.
    #[test]
    fn six_writes_lose_nothing(
        from in any_date(),
        to in any_date(),
        order in Just([0usize, 1, 2, 3, 4, 5, 6]).prop_shuffle(),
        set: bool,
        looks: bool,
    ) {
        let mut bench = Bench::new();
        bench.write(spec::REG_B, BINARY | b::SET);
        for (register, value) in REGISTERS.into_iter().zip(from) {
            bench.write(register, value);
        }
        bench.write(spec::REG_B, BINARY);
        if set {
            bench.write(spec::REG_B, BINARY | b::SET);
        }
        for place in order {
            bench.write(REGISTERS[place], to[place]);
            if looks {
                prop_assert_eq!(bench.read(REGISTERS[place]), to[place]);
            }
        }
        bench.write(spec::REG_B, BINARY);
        prop_assert_eq!(REGISTERS.map(|register| bench.read(register)), to);
        let time = bench.rtc.time(bench.now());
        prop_assert_eq!(time.tm_year + 1900, i64::from(to[0]) * 100 + i64::from(to[1]));
        prop_assert_eq!(bench.changes().last().copied().unwrap_or(0), bench.offset_s());
    }

    /// The record comes back as it was, and bytes from anywhere do no harm.
    #[test]
    fn records_come_back(registers: [u8; 14], index: u8, offset_s: i64, junk: Vec<u8>) {
        let record = Record { registers, index, offset_s };
        prop_assert_eq!(Record::read(&record.write(Layout::New)), Ok(record));
        let old = Record { offset_s: 0, ..record };
        prop_assert_eq!(Record::read(&record.write(Layout::Old)), Ok(old));
        let mut bench = Bench::new();
        let now = bench.now();
        bench.rtc.load_xen(&record, now);
        for register in 0..128 {
            bench.read(register);
        }
        bench.rtc.advance(now.wrapping_add(100_000 * spec::SECOND_UNITS));
        let _ = Record::read(&junk);
    }
}

/// A guest two hours ahead with an alarm at 09:00:00.
fn two_hours_ahead() -> Bench {
    let mut bench = Bench::new();
    bench.write(spec::HOURS, 0x08);
    bench.write(spec::HOURS_ALARM, 0x09);
    bench.write(spec::REG_B, b::HOURS_24 | b::AIE);
    bench.rtc.take_outputs();
    bench
}

#[test]
fn a_xen_record_has_the_layout_of_xens_headers() {
    let mut bench = two_hours_ahead();
    let now = bench.now();
    let record = bench.rtc.xen_record(now);
    let bytes = record.write(Layout::New);
    assert_eq!(bytes[..8], [11, 0, 0, 0, 24, 0, 0, 0]);
    assert_eq!(
        bytes[8..22],
        [
            0x04, 0, 0x05, 0, 0x08, 0x09, 1, 0x22, 0x11, 0x26, 0x26, 0x22, 0, 0x80
        ]
    );
    assert_eq!(bytes[22..24], [spec::REG_B, 0]);
    assert_eq!(bytes[24..], 7200i64.to_le_bytes());
    assert_eq!(bytes.len(), 32);
    assert_eq!(record.write(Layout::Old).len(), 24);
}

#[test]
fn a_record_restores_offset_and_alarm() {
    let mut source = two_hours_ahead();
    let now = source.now();
    let record = source.rtc.xen_record(now);
    let mut bench = Bench::new();
    // Ten minutes later by the reference.
    bench.seconds(600);
    let now = bench.now();
    bench.rtc.load_xen(&record, now);
    assert_eq!(
        bench.rtc.take_outputs(),
        [Output::OffsetLoaded { offset_s: 7200 }]
    );
    assert_eq!(bench.time(), [0x08, 0x15, 0x04]);
    // The alarm is found anew: 09:00:00 is 44 minutes and 56 seconds away.
    bench.seconds(44 * 60 + 55);
    assert!(!bench.rtc.irq());
    bench.seconds(1);
    assert!(bench.rtc.irq());
    assert_eq!(bench.time(), [0x09, 0x00, 0x00]);
}

#[test]
fn the_toolstacks_offset_wins_over_the_records() {
    let mut source = two_hours_ahead();
    let now = source.now();
    let record = source.rtc.xen_record(now);
    let state = source.rtc.save(now);

    for xen in [true, false] {
        let mut bench = Bench::new();
        let now = bench.now();
        bench.rtc.set_offset(-HOUR, now);
        if xen {
            bench.rtc.load_xen(&record, now);
        } else {
            bench.rtc.load(&state).unwrap();
        }
        assert_eq!(
            bench.rtc.take_outputs(),
            [Output::OffsetLoaded { offset_s: -HOUR }]
        );
        assert_eq!(bench.time(), [0x05, 0x05, 0x04]);
        assert_eq!(bench.read(spec::HOURS_ALARM), 0x09);
        // The guest's own writes do not make it the toolstack's.
        bench.write(spec::HOURS, 0x07);
        assert_eq!(bench.changes(), [HOUR]);
    }
    // What a guest has written before is none of the toolstack's.
    let mut bench = Bench::new();
    bench.write(spec::HOURS, 0x23);
    let now = bench.now();
    bench.rtc.load_xen(&record, now);
    assert_eq!(bench.offset_s(), 7200);
}

#[test]
fn an_older_record_reads_with_zeros_and_a_longer_one_is_refused() {
    let mut source = two_hours_ahead();
    let now = source.now();
    let bytes = source.rtc.xen_record(now).write(Layout::New);
    let with_length = |length: u8| {
        let mut bytes = bytes.clone();
        bytes[4] = length;
        bytes.resize(8 + usize::from(length), 0xEE);
        bytes
    };
    let old = Record::read(&with_length(16)).unwrap();
    assert_eq!(old.offset_s, 0);
    assert_eq!(old.registers[11], 0x22);
    let short = Record::read(&with_length(11)).unwrap();
    assert_eq!((short.registers[10], short.registers[11]), (0x26, 0));
    assert_eq!(Record::read(&with_length(0)), Ok(Record::default()));
    assert_eq!(Record::read(&with_length(25)), Err(RecordError::Length(25)));
    assert_eq!(
        Record::read(&bytes[..31]),
        Err(RecordError::CutOff {
            expected: 32,
            found: 31
        })
    );
    assert!(matches!(
        Record::read(&bytes[..7]),
        Err(RecordError::CutOff { found: 7, .. })
    ));
    let mut other = bytes.clone();
    other[0] = 12;
    assert_eq!(Record::read(&other), Err(RecordError::Type(12)));
    other[0] = 11;
    other[2] = 1;
    assert_eq!(Record::read(&other), Err(RecordError::Instance(1)));
    // Loaded, the date is the reference's, as it was without an offset.
    let mut bench = Bench::new();
    let now = bench.now();
    bench.rtc.load_xen(&old, now);
    assert_eq!(bench.time(), [0x06, 0x05, 0x04]);
}

#[test]
fn a_record_under_set_shows_the_date_and_fires_no_alarm() {
    let record = Record {
        registers: [
            0x59, 0xC0, 0x59, 0xC0, 0x23, 0xC0, 1, 0x31, 0x12, 0x99, 0x26, 0xA2, 0, 0x80,
        ],
        index: 0xFF,
        offset_s: HOUR,
    };
    let mut bench = Bench::new();
    let now = bench.now();
    bench.rtc.load_xen(&record, now);
    assert_eq!(bench.rtc.read_port(spec::DATA_PORT, now), 0, "index masked");
    assert_eq!(bench.time(), [0x07, 0x05, 0x04]);
    assert_eq!(bench.date(), [0x20, 0x26, 0x11, 0x22]);
    bench.seconds(5);
    assert!(!bench.rtc.irq());
    assert_eq!(bench.time(), [0x07, 0x05, 0x04], "held");
    bench.write(spec::REG_B, 0x22);
    assert_eq!(bench.time(), [0x07, 0x05, 0x09]);
    bench.seconds(1);
    assert!(bench.rtc.irq());
    // While the flag is up, the alarm is not armed.
    let armed = bench.rtc.next_event();
    assert_eq!(armed, None);
    assert_eq!(bench.read(spec::REG_C) & c::AF, c::AF);
    assert!(bench.rtc.next_event().is_some());
}

#[test]
fn damaged_states_are_refused_and_change_nothing() {
    let mut bench = two_hours_ahead();
    let now = bench.now();
    let state = bench.rtc.save(now);
    let good = migration::encode(&state).unwrap();
    let (mut taken, mut refused) = (0, 0);
    for place in 0..good.len() {
        for value in [0, 1, 0x7F, 0x80, 0xFF] {
            let mut bytes = good.clone();
            bytes[place] = value;
            let Ok(state) = migration::decode::<crate::clock::rtc::RtcState>(&bytes, 1024) else {
                continue;
            };
            let mut other = Bench::new();
            match other.rtc.load(&state) {
                Ok(()) => {
                    taken += 1;
                    for register in 0..128 {
                        other.read(register);
                    }
                    other.write(spec::DAY_OF_MONTH, 0xFF);
                    let now = other.now();
                    other
                        .rtc
                        .advance(now.wrapping_add(200_000 * spec::SECOND_UNITS));
                }
                Err(StateError::Ram(_) | StateError::Time | StateError::Registers { .. }) => {
                    refused += 1;
                    assert_eq!(other.time(), [0x06, 0x05, 0x04]);
                }
            }
        }
    }
    assert!(
        taken > 100 && refused > 20,
        "{taken} taken, {refused} refused"
    );
}
