//! The host's time stamp counter beside the host counter of guest time.
//!
//! KVM counts in the host's TSC, the clock manager in the host counter. On a host that trusts
//! its TSC they are the same but for a push (`x-clock-push`); else the two are read together.

use tod::clock::Hz;
use tod::{FineSpan, Timebase};

use crate::kvm::ClockCalls;

/// One second in the units of a [`FineSpan`]: 2^-56 TOD units.
const SECOND: i128 = 4_096_000_000 << 56;

/// Cycles that fit into `span`, rounded down.
pub(super) fn cycles_in(span: FineSpan, hz: Hz) -> i128 {
    let hz = i128::from(hz.get());
    let bits = span.bits();
    bits.div_euclid(SECOND) * hz + bits.rem_euclid(SECOND) * hz / SECOND
}

/// The time that so many cycles take.
pub(super) fn span_of(cycles: i64, hz: Hz) -> FineSpan {
    let hz = i128::from(hz.get());
    let cycles = i128::from(cycles);
    FineSpan::from_bits(cycles.div_euclid(hz) * SECOND + cycles.rem_euclid(hz) * SECOND / hz)
}

/// How the two counters belong together, for some milliseconds around now.
#[derive(Debug, Clone, Copy)]
pub(super) enum HostTsc {
    /// The host counter is the TSC and so many ticks.
    Same { pushed: u64 },
    /// The TSC showed `tsc` when the host counter showed `counter`, and goes at this rate.
    Beside { counter: u64, tsc: u64, hz: Hz },
}

impl HostTsc {
    /// Now.
    pub(super) fn now(calls: &mut dyn ClockCalls, timebase: &Timebase, hz: Hz) -> Self {
        let source = timebase.counter();
        if calls.counter_is_tsc(source) {
            let pushed = source.offset_cell();
            let pushed = pushed.map_or(0, |cell| cell.load(std::sync::atomic::Ordering::Acquire));
            return Self::Same { pushed };
        }
        let before = source.read();
        let tsc = calls.host_tsc();
        let after = source.read();
        Self::Beside {
            counter: before + after.saturating_sub(before) / 2,
            tsc,
            hz,
        }
    }

    /// The TSC when the host counter shows `counter`.
    pub(super) fn at_counter(self, timebase: &Timebase, counter: u64) -> u64 {
        match self {
            Self::Same { pushed } => counter.wrapping_sub(pushed),
            Self::Beside {
                counter: then,
                tsc,
                hz,
            } => {
                let span = timebase.host_at(counter).since(timebase.host_at(then));
                tsc.wrapping_add(cycles_in(span, hz) as u64)
            }
        }
    }

    /// The host counter when the TSC shows `tsc`.
    pub(super) fn counter_at(self, timebase: &Timebase, tsc: u64) -> u64 {
        match self {
            Self::Same { pushed } => tsc.wrapping_add(pushed),
            Self::Beside {
                counter,
                tsc: then,
                hz,
            } => {
                let span = span_of(tsc.wrapping_sub(then) as i64, hz);
                timebase.counter_at(timebase.host_at(counter).wrapping_add(span))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cycles_and_spans_are_one_another_s_inverse(
            cycles: i64,
            hz in 1_u64 << 24..1 << 34,
        ) {
            let hz = Hz::new(hz).unwrap();
            let span = span_of(cycles, hz);
            let back = cycles_in(span, hz);
            // Rounded down twice.
            prop_assert!((back - i128::from(cycles)).abs() <= 1);
            let up = FineSpan::from_bits(span.bits() + 1);
            prop_assert_eq!(cycles_in(up, hz), i128::from(cycles));
        }
    }
}
