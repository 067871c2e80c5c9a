//! What a clock counts: the manager handles all values alike, as TOD units with their fraction,
//! and who shows a value, or hands it to a kernel, needs to know of what.
//!
//! Conversions go both ways without a loss: nanoseconds and cycles are rounded up to the next
//! 2^-56 unit, and come back as what they were by rounding down. No clock is read here.

use crate::value::{FRACTION_BITS, FineTod, Tod, UNITS_PER_SECOND};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;

/// One second in 2^-56 units: 88 bits.
const SECOND: u128 = (UNITS_PER_SECOND as u128) << FRACTION_BITS;

/// One nanosecond in 2^-56 units is this over 125.
const NANOSECOND_125: u128 = 512 << FRACTION_BITS;

/// How many ticks of a counter are a second: 2^24 to 2^40, within which 64 bits of ticks
/// and a clock's 72 bits of units hold each other's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Hz(NonZeroU64);

/// No counter of a guest has this frequency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frequency of {0} Hz is none of a clock that counts cycles (17 MHz to 1 THz)")]
pub struct FrequencyError(pub u64);

impl Hz {
    /// A frequency.
    ///
    /// # Errors
    /// [`FrequencyError`] outside 2^24 to 2^40 Hz.
    pub fn new(hz: u64) -> Result<Self, FrequencyError> {
        match NonZeroU64::new(hz) {
            Some(value) if (1 << 24..=1 << 40).contains(&hz) => Ok(Self(value)),
            _ => Err(FrequencyError(hz)),
        }
    }

    /// Ticks per second.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl TryFrom<u64> for Hz {
    type Error = FrequencyError;

    fn try_from(hz: u64) -> Result<Self, FrequencyError> {
        Self::new(hz)
    }
}

impl From<Hz> for u64 {
    fn from(hz: Hz) -> Self {
        hz.get()
    }
}

/// What a clock's value is a count of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    tag = "scale"
)]
pub enum Scale {
    /// A date: time since 1900-01-01T00:00:00 UTC, as the TOD clock's.
    #[default]
    Date,
    /// Time since some zero of the clock's own, such as the guest's boot.
    Elapsed,
    /// Cycles since some zero of the clock's own, as the time that they take.
    Cycles {
        /// Cycles per second.
        hz: Hz,
    },
}

/// A clock's value in the clock's own terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Shown {
    /// Of a [`Scale::Date`].
    Date(Tod),
    /// Of a [`Scale::Elapsed`]: nanoseconds, rounded down.
    ElapsedNs(u64),
    /// Of a [`Scale::Cycles`], rounded down.
    Cycles(u64),
}

impl Scale {
    /// A value as a user of this clock knows it.
    #[must_use]
    pub fn show(self, value: FineTod) -> Shown {
        match self {
            Self::Date => Shown::Date(value.tod()),
            Self::Elapsed => Shown::ElapsedNs(ns_from_elapsed(value)),
            Self::Cycles { hz } => Shown::Cycles(cycles_from_elapsed(value, hz)),
        }
    }
}

/// Nanoseconds since a clock's zero, as its value.
#[must_use]
pub const fn elapsed_from_ns(ns: u64) -> FineTod {
    let whole = (ns / 125) as u128 * NANOSECOND_125;
    let rest = ((ns % 125) as u128 * NANOSECOND_125).div_ceil(125);
    FineTod::from_bits(whole + rest)
}

/// The value of a clock that counts time from its zero as nanoseconds, rounded down, modulo
/// 2^64.
#[must_use]
pub const fn ns_from_elapsed(value: FineTod) -> u64 {
    let bits = value.bits();
    let whole = (bits / NANOSECOND_125).wrapping_mul(125);
    let rest = (bits % NANOSECOND_125) * 125 / NANOSECOND_125;
    whole.wrapping_add(rest) as u64
}

/// Cycles since a clock's zero, as its value: the time that they take.
#[must_use]
pub const fn elapsed_from_cycles(cycles: u64, hz: Hz) -> FineTod {
    let hz = hz.get();
    let whole = (cycles / hz) as u128 * SECOND;
    let rest = ((cycles % hz) as u128 * SECOND).div_ceil(hz as u128);
    FineTod::from_bits(whole + rest)
}

/// The value of a clock that counts cycles from its zero as cycles, rounded down, modulo 2^64.
#[must_use]
pub const fn cycles_from_elapsed(value: FineTod, hz: Hz) -> u64 {
    let (bits, hz) = (value.bits(), hz.get() as u128);
    let whole = (bits / SECOND).wrapping_mul(hz);
    let rest = (bits % SECOND) * hz / SECOND;
    whole.wrapping_add(rest) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_scale_shows_values_in_its_own_terms() {
        let hz = Hz::new(2_596_134_000).unwrap();
        let second = FineTod::from(Tod::from_units(4_096_000_000));
        assert_eq!(Scale::Date.show(second), Shown::Date(second.tod()));
        assert_eq!(Scale::Elapsed.show(second), Shown::ElapsedNs(1_000_000_000));
        assert_eq!(
            Scale::Cycles { hz }.show(second),
            Shown::Cycles(2_596_134_000)
        );
    }

    #[test]
    fn a_frequency_that_no_counter_has_is_refused() {
        for hz in [0, 1, (1 << 24) - 1, (1 << 40) + 1, u64::MAX] {
            assert_eq!(Hz::new(hz), Err(FrequencyError(hz)));
        }
        for hz in [1 << 24, 1_000_000_000, 1 << 40] {
            assert_eq!(Hz::new(hz).map(Hz::get), Ok(hz));
        }
    }

    proptest! {
        #[test]
        fn no_nanosecond_is_lost_on_the_way(ns: u64) {
            prop_assert_eq!(ns_from_elapsed(elapsed_from_ns(ns)), ns);
        }

        #[test]
        fn no_cycle_is_lost_on_the_way(cycles: u64, hz in 1_u64 << 24..=1 << 40) {
            let hz = Hz::new(hz).unwrap();
            prop_assert_eq!(cycles_from_elapsed(elapsed_from_cycles(cycles, hz), hz), cycles);
        }

        #[test]
        fn more_time_is_no_fewer_cycles(
            a in 0_u128..1 << 120,
            b in 0_u128..1 << 120,
            hz in 1_u64 << 24..=1 << 32,
        ) {
            let (early, late) = (FineTod::from_bits(a.min(b)), FineTod::from_bits(a.max(b)));
            let hz = Hz::new(hz).unwrap();
            let cycles = |value| u128::from(cycles_from_elapsed(value, hz));
            let true_cycles = |bits: u128| {
                (bits / SECOND * u128::from(hz.get()) + bits % SECOND * u128::from(hz.get()) / SECOND)
                    % (1 << 64)
            };
            prop_assert_eq!(cycles(early), true_cycles(early.bits()));
            prop_assert_eq!(cycles(late), true_cycles(late.bits()));
        }
    }
}
