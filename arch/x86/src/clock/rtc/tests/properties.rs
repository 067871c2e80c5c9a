//! The RTC against the model.

use proptest::prelude::*;

use super::model::Model;
use super::{Bench, START_S};
use crate::clock::rtc::Rtc;
use crate::clock::rtc::RtcConfig;
use crate::clock::rtc::spec::{self, SECOND_UNITS, b, c};
use tod::{Tod, UnixTime};

/// Alarm bytes: mostly such as a time has, or wildcards.
fn alarm_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        3 => 0u8..60,
        3 => (0u8..6, 0u8..10).prop_map(|(tens, ones)| tens << 4 | ones),
        2 => (1u8..13).prop_map(|hour| hour | 0x80),
        2 => Just(0xC0u8),
        1 => any::<u8>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// For any alarm bytes, mode and time: at each second of more than a day the flag is set if,
    /// and only if, the registers then read what the alarm bytes say.
    #[test]
    fn the_alarm_is_set_when_its_time_is_read_and_never_otherwise(
        alarm in [alarm_byte(), alarm_byte(), alarm_byte()],
        mode in 0u8..4,
        start in 0i64..86_400,
        nanos in 0u32..1_000_000_000,
    ) {
        let mode = mode << 1;
        let now = Tod::from_unix(UnixTime::new(START_S + start, nanos).unwrap()).unwrap();
        let mut rtc = Rtc::new(RtcConfig::default(), now);
        rtc.write(spec::REG_B, mode | b::AIE, now);
        for (register, byte) in [1, 3, 5].into_iter().zip(alarm) {
            rtc.write(register, byte, now);
        }
        // The first second boundary.
        let phase = (now.units() as i128).rem_euclid(SECOND_UNITS);
        let boundary = now.wrapping_add(SECOND_UNITS - phase);
        // Another RTC only says how each second reads.
        let mut reader = Rtc::new(RtcConfig::default(), now);
        reader.write(spec::REG_B, mode, now);
        let (mut fired, mut expected) = (0, rtc.next_event());
        for second in 0..90_000i128 {
            let at = boundary.wrapping_add(second * SECOND_UNITS);
            let reads = [0, 2, 4].map(|register| reader.read(register, at));
            let matches = alarm
                .iter()
                .zip(reads)
                .all(|(alarm, byte)| alarm & 0xC0 == 0xC0 || *alarm == byte);
            if matches {
                prop_assert_eq!(expected, Some(at), "it asks for a look then");
                prop_assert!(!rtc.irq());
                rtc.advance(at);
                prop_assert!(rtc.irq());
                prop_assert_eq!(rtc.read(spec::REG_C, at) & c::AF, c::AF);
                expected = rtc.next_event();
                fired += 1;
                if fired == 100 {
                    break;
                }
            } else if second % 61 == 0 {
                // Lazily found flags are no others.
                prop_assert_eq!(rtc.read(spec::REG_C, at) & c::AF, 0);
            }
        }
        if fired == 0 {
            prop_assert_eq!(expected, None);
        }
    }
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }

    /// A register and what to write to it.
    fn write(&mut self) -> (u8, u8) {
        let register = match self.below(8) {
            0 => self.one_of(&[0x32, 0x37]),
            1 => self.below(128) as u8,
            2 => self.one_of(&[0xA, 0xB, 0xB]),
            _ => self.below(10) as u8,
        };
        let any = self.next() as u8;
        let value = match (register, self.below(4)) {
            (_, 0) => any,
            (0xA, _) => any & 0x0F | self.one_of(&[0x20, 0x20, 0x20, 0x00, 0x70]),
            (0xB, 1) => any,
            (0xB, _) => any & 0x7F,
            (1 | 3 | 5, 1) => 0xC0,
            (_, 1) => self.below(60) as u8,
            (_, _) => (self.below(6) << 4 | self.below(10)) as u8,
        };
        (register, value)
    }

    fn units(&mut self) -> i128 {
        let second = SECOND_UNITS as u64;
        i128::from(match self.below(8) {
            0 => 0,
            1 => self.below(2_000_000),
            2 => self.below(120 * second),
            3 => self.below(3600 * second),
            // On a boundary, or a unit beside it.
            4 => (self.below(3) + 1) * second / 2 - self.below(2),
            _ => self.below(2 * second),
        })
    }
}

/// Moves both to `now + units`, looking at the RTC only when it asks for it: its line must be
/// the model's at every moment.
fn step(rtc: &mut Rtc, model: &mut Model, now: &mut Tod, units: i128) {
    let end = now.wrapping_add(units);
    // No event lets the line fall.
    while !rtc.irq()
        && let Some(due) = rtc.next_event()
        && due.signed_units_since(end) <= 0
    {
        let left = due.signed_units_since(*now);
        assert!(left > 0, "an event in the past");
        model.step(left - 1);
        assert_eq!(model.irq(), rtc.irq(), "one unit before its event");
        model.step(1);
        rtc.advance(due);
        assert_eq!(model.irq(), rtc.irq(), "at its event");
        *now = due;
    }
    model.step(end.signed_units_since(*now));
    assert_eq!(model.irq(), rtc.irq(), "without an event");
    *now = end;
}

fn ten_thousand_accesses(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let start = Bench::new().now();
    let (mut rtc, mut model, mut now) =
        (Rtc::new(RtcConfig::default(), start), Model::new(), start);
    let mut interrupts = 0;
    for access in 0..10_000 {
        let units = random.units();
        step(&mut rtc, &mut model, &mut now, units);
        let (register, value) = random.write();
        let about = || format!("seed {seed}, access {access}, register {register:#x}");
        if random.below(2) == 0 {
            rtc.write(register, value, now);
            model.write(register, value);
        } else {
            assert_eq!(rtc.read(register, now), model.read(register), "{}", about());
        }
        for register in [0xA, 0, 2, 4, 6, 7, 8, 9, 0x32] {
            assert_eq!(
                rtc.read(register, now),
                model.read(register),
                "register {register:#x} after {value:#x}, {}",
                about()
            );
        }
        assert_eq!(rtc.irq(), model.irq(), "{}", about());
        interrupts += u32::from(rtc.irq());
        if random.below(4) == 0 {
            assert_eq!(rtc.read(0xC, now), model.read(0xC), "{}", about());
        }
        if random.below(50) == 0 {
            // It goes through a saved state, and back.
            let state = rtc.save(now);
            let line = rtc.irq();
            rtc = Rtc::new(RtcConfig::default(), start);
            rtc.load(&state).unwrap();
            assert_eq!(rtc.irq(), line);
        }
        rtc.take_outputs();
    }
    assert!((100..9_900).contains(&interrupts), "{interrupts}");
}

#[test]
fn random_accesses_agree_with_the_model() {
    for seed in 1..=20 {
        ten_thousand_accesses(seed);
    }
}

#[test]
fn the_reference_may_go_back() {
    let mut random = Random(42);
    let start = Bench::new().now();
    let mut rtc = Rtc::new(RtcConfig::default(), start);
    for _ in 0..10_000 {
        let now = start.wrapping_add(random.units() * i128::from(random.below(1000)));
        let (register, value) = random.write();
        rtc.write(register, value, now);
        rtc.read(register, now);
        if let Some(due) = rtc.next_event() {
            assert!(now.is_before(due), "an event in the past");
            assert!(due.signed_units_since(now) <= 86_400 * SECOND_UNITS);
        }
    }
}
