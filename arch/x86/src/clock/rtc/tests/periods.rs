//! The periodic interrupt.

use super::Bench;
use crate::clock::rtc::spec::{self, b, c};
use crate::clock::rtc::{DriftFix, Output, RtcConfig};
use tod::Tod;

/// Hertz of rates 1 to 15 on a PC.
const HERTZ: [u64; 15] = [
    256, 128, 8192, 4096, 2048, 1024, 512, 256, 128, 64, 32, 16, 8, 4, 2,
];

fn slewing() -> Bench {
    Bench::with(RtcConfig {
        drift_fix: DriftFix::Slew,
        ..RtcConfig::default()
    })
}

/// Interrupts until `until`, each acknowledged when it comes.
fn interrupts(bench: &mut Bench, until: Tod) -> u64 {
    let mut count = 0;
    while let Some(due) = bench.rtc.next_event() {
        if until.is_before(due) {
            break;
        }
        bench.rtc.advance(due);
        assert!(bench.rtc.irq());
        assert_eq!(bench.rtc.read(spec::REG_C, due) & c::PF, c::PF);
        count += 1;
    }
    count
}

#[test]
fn every_rate_keeps_time_over_a_minute_to_the_unit() {
    for (rate, hertz) in (1u8..).zip(HERTZ) {
        for divider in [0x00, 0x20, 0x70] {
            let mut bench = Bench::new();
            bench.write(spec::REG_A, divider | rate);
            bench.write(spec::REG_B, b::HOURS_24 | b::PIE);
            bench.read(spec::REG_C);
            let end = bench.now().wrapping_add(60 * spec::SECOND_UNITS);
            assert_eq!(interrupts(&mut bench, end), 60 * hertz, "rate {rate}");
            // The last came exactly at the end.
            assert_eq!(bench.rtc.next_event().unwrap().units_since(end), {
                (spec::SECOND_UNITS as u128) / u128::from(hertz)
            });
        }
    }
}

#[test]
fn a_year_at_1024_hz_loses_nothing() {
    let mut bench = Bench::new();
    bench.write(spec::REG_B, b::HOURS_24 | b::PIE);
    bench.read(spec::REG_C);
    let start = bench.now();
    // Seen at odd moments.
    for look in 1..1000i128 {
        let now = start.wrapping_add(look * 31_536 * spec::SECOND_UNITS + look * 12_345_678);
        bench.rtc.advance(now);
        bench.rtc.read(spec::REG_C, now);
        let passed = bench.rtc.next_event().unwrap().units_since(start);
        assert_eq!(passed % 4_000_000, 0);
    }
}

#[test]
fn periods_are_events_also_for_a_guest_that_does_not_acknowledge() {
    let mut bench = Bench::new();
    bench.seconds(1);
    // The flag is up already, so the line rises at once.
    bench.write(spec::REG_A, 0x2D);
    bench.write(spec::REG_B, b::HOURS_24 | b::PIE);
    assert!(bench.rtc.irq());
    for period in 1..=3 {
        let due = bench.now().wrapping_add(period * spec::SECOND_UNITS / 8);
        assert_eq!(bench.rtc.next_event(), Some(due));
        bench.rtc.advance(due);
    }
}

#[test]
fn rate_zero_is_none() {
    let mut bench = Bench::new();
    bench.write(spec::REG_A, 0x20);
    bench.write(spec::REG_B, b::HOURS_24 | b::PIE);
    bench.read(spec::REG_C);
    bench.seconds(10);
    assert_eq!(bench.rtc.next_event(), None);
    assert_eq!(bench.read(spec::REG_C) & c::PF, 0);
}

#[test]
fn another_rate_goes_on_from_the_last_period() {
    // 8 Hz and 2 Hz in turn, as often as one likes: 0.625 s a pair.
    let mut bench = Bench::new();
    bench.write(spec::REG_A, 13);
    bench.write(spec::REG_B, b::HOURS_24 | b::PIE);
    bench.read(spec::REG_C);
    let start = bench.now();
    for pair in 1..=50 {
        for rate in [13, 15] {
            let now = bench.now();
            bench.rtc.write(spec::REG_A, rate, now);
            let due = bench.rtc.next_event().unwrap();
            let ns = tod::value::ns_from_units_ceil(due.signed_units_since(bench.now()));
            bench.step(i64::try_from(ns).unwrap());
            assert!(bench.rtc.irq());
            bench.read(spec::REG_C);
        }
        let passed = bench.now().units_since(start) as i128;
        assert_eq!(passed * 8, pair * 5 * spec::SECOND_UNITS);
    }
}

#[test]
fn missed_periods_are_lost_without_driftfix() {
    let mut bench = Bench::new();
    bench.write(spec::REG_B, b::HOURS_24 | b::PIE);
    bench.seconds(1);
    assert_eq!(bench.rtc.missed_periods(), 0);
    bench.rtc.take_outputs();
    bench.read(spec::REG_C);
    assert_eq!(bench.rtc.take_outputs(), [Output::Lower]);
}

#[test]
fn slewing_gives_every_missed_period_back() {
    let mut bench = slewing();
    bench.write(spec::REG_B, b::HOURS_24 | b::PIE);
    bench.read(spec::REG_C);
    // A second without an acknowledgement.
    bench.seconds(1);
    assert_eq!(bench.rtc.missed_periods(), 1023);
    bench.rtc.take_outputs();
    assert_eq!(bench.read(spec::REG_C), c::IRQF | c::PF | c::UF);
    assert_eq!(
        bench.rtc.take_outputs(),
        [Output::Lower, Output::Raise],
        "the line falls between two"
    );
    // From here on the guest is quick.
    let end = bench.now().wrapping_add(spec::SECOND_UNITS);
    let mut told = 1;
    while bench.rtc.missed_periods() > 0 {
        let due = bench.rtc.next_event();
        let now = match due {
            Some(due) if !bench.rtc.irq() => due,
            _ => bench.rtc.seen(),
        };
        bench.rtc.advance(now);
        if bench.rtc.read(spec::REG_C, now) & c::PF != 0 {
            told += 1;
        }
        assert!(now.is_before(end), "within a second");
    }
    let regular = bench.rtc.seen().units_since(bench.now()) / 4_000_000;
    let pending = u128::from(bench.rtc.irq());
    assert_eq!(told + pending, 1024 + regular);
}

#[test]
fn what_is_missed_keeps_its_time_when_the_rate_changes() {
    let mut bench = slewing();
    bench.write(spec::REG_B, b::HOURS_24 | b::PIE);
    bench.read(spec::REG_C);
    bench.seconds(1);
    let missed = bench.rtc.missed_periods();
    bench.write(spec::REG_A, 0x20 | 10);
    assert_eq!(bench.rtc.missed_periods(), missed / 16);
    bench.write(spec::REG_A, 0x26);
    assert_eq!(bench.rtc.missed_periods(), missed);
}

#[test]
fn missed_periods_are_forgotten_when_asked_and_without_the_interrupt() {
    let mut bench = slewing();
    bench.write(spec::REG_B, b::HOURS_24 | b::PIE);
    bench.seconds(1);
    assert!(bench.rtc.missed_periods() > 0);
    bench.rtc.reset_reinjection();
    assert_eq!(bench.rtc.missed_periods(), 0);
    bench.seconds(1);
    assert!(bench.rtc.missed_periods() > 0);
    bench.write(spec::REG_B, b::HOURS_24);
    assert_eq!(bench.rtc.missed_periods(), 0);
}
