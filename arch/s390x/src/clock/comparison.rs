//! How the clock comparator is compared with the TOD clock: bits 0-63 of both, as unsigned
//! numbers, or as signed ones under the clock-comparator sign control of the multiple-epoch
//! facility (CR0 bit 10).
//!
//! The epoch index takes no part. Unsigned, a comparator cannot lie beyond the roll-over of bits
//! 0-63 (2042-09-17T23:53:47.370496Z and every 142 years from there); signed, it cannot lie beyond
//! the roll-over of bits 1-63 half-way between two of these. A program that runs over one of them
//! chooses the other comparison.

use super::tod_tcg::Grain;
use tod::Tod;

/// CR0 bit 10: the clock-comparator sign control.
pub const SIGN_CONTROL: u64 = 1 << 53;

/// The order in which values of the clock are compared with the comparator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// As unsigned numbers.
    Unsigned,
    /// As signed numbers.
    Signed,
}

impl Comparison {
    /// The one that CR0 chooses on a machine with or without the multiple-epoch facility.
    pub(super) fn of(cr0: u64, multiple_epochs: bool) -> Self {
        if multiple_epochs && cr0 & SIGN_CONTROL != 0 {
            Self::Signed
        } else {
            Self::Unsigned
        }
    }

    /// A number that is greater, unsigned, exactly if the value comes later in this order. The
    /// inverse of itself.
    fn rank(self, clock: u64) -> u64 {
        match self {
            Self::Unsigned => clock,
            Self::Signed => clock ^ 1 << 63,
        }
    }

    /// Whether the comparator's condition holds at a value of the clock.
    pub(super) fn holds(self, clock: u64, comparator: u64) -> bool {
        self.rank(clock) > self.rank(comparator)
    }

    /// The first value of the clock from `now` on at which the condition holds for a CPU that reads
    /// it in steps of `grain`; `now` itself, if it does; none if it does not before the values
    /// begin anew in this order.
    pub(super) fn due(self, now: Tod, comparator: u64, grain: Grain, cpu: u16) -> Option<Tod> {
        if self.holds(now.clock(), comparator) {
            return Some(now);
        }
        // The low bits, which a grain is about, are the same in a rank.
        let due = grain.first_reading_above(self.rank(comparator), cpu)?;
        let left = due.saturating_sub(self.rank(now.clock()));
        Some(now.wrapping_add(left.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALONE: Grain = Grain::ALONE;

    #[test]
    fn the_sign_control_needs_the_facility() {
        assert_eq!(Comparison::of(SIGN_CONTROL, true), Comparison::Signed);
        assert_eq!(Comparison::of(SIGN_CONTROL, false), Comparison::Unsigned);
        assert_eq!(Comparison::of(!SIGN_CONTROL, true), Comparison::Unsigned);
        // Bit 10, counted from the left.
        assert_eq!(SIGN_CONTROL, 1 << (63 - 10));
    }

    #[test]
    fn over_the_roll_over_of_2042() {
        let before = Tod::new(0, u64::MAX - 99);
        let after = 500;
        assert_eq!(
            Comparison::Signed.due(before, after, ALONE, 0),
            Some(Tod::new(1, 501))
        );
        // Unsigned the comparator is long past, and once the clock is beyond it a comparator
        // before the roll-over is ahead again.
        assert_eq!(
            Comparison::Unsigned.due(before, after, ALONE, 0),
            Some(before)
        );
        assert!(Comparison::Unsigned.holds(u64::MAX, u64::MAX - 1));
        assert!(!Comparison::Unsigned.holds(0, u64::MAX - 1));
        assert!(Comparison::Signed.holds(0, u64::MAX - 1));
    }

    #[test]
    fn the_greatest_value_is_never_passed() {
        let now = Tod::new(0, 0xe000_0000_0000_0000);
        let never = |comparison: Comparison, comparator| {
            assert_eq!(comparison.due(now, comparator, ALONE, 0), None);
        };
        never(Comparison::Unsigned, u64::MAX);
        never(Comparison::Signed, u64::MAX >> 1);
        // All ones is an ordinary value of the signed comparison.
        let due = Comparison::Signed.due(now, u64::MAX, ALONE, 0);
        assert_eq!(due, Some(Tod::new(1, 0)));
        // The least one always holds, but at itself.
        assert!(Comparison::Signed.holds(now.clock(), 1 << 63));
        assert!(!Comparison::Signed.holds(1 << 63, 1 << 63));
    }

    fn comparisons() -> impl Strategy<Value = Comparison> {
        prop_oneof![Just(Comparison::Unsigned), Just(Comparison::Signed)]
    }

    /// Values over all 72 bits, and near every edge of a comparison.
    fn clocks() -> impl Strategy<Value = u64> {
        let edges = [0, 1 << 55, 1 << 62, 1 << 63, u64::MAX];
        prop_oneof![
            any::<u64>(),
            (prop::sample::select(edges.to_vec()), -600i64..600)
                .prop_map(|(edge, by)| edge.wrapping_add_signed(by)),
        ]
    }

    proptest! {
        /// It is due at the first reading at which it holds: not at the one before, and it holds
        /// there.
        #[test]
        fn due_is_the_first_reading_at_which_it_holds(
            comparison in comparisons(),
            index in any::<u8>(),
            clock in clocks(),
            comparator in clocks(),
            cpus in 1u16..=248,
            cpu in 0u16..248,
        ) {
            let grain = Grain::for_cpus(cpus);
            let cpu = cpu % cpus;
            let reading = |tod: Tod| grain.reading(tod, cpu);
            let now = reading(Tod::new(index, clock));
            match comparison.due(now, comparator, grain, cpu) {
                Some(due) => {
                    prop_assert!(comparison.holds(reading(due).clock(), comparator));
                    if due != now {
                        let before = due.wrapping_add(-1);
                        prop_assert!(!before.is_before(now));
                        prop_assert!(!comparison.holds(reading(before).clock(), comparator));
                    }
                }
                None => {
                    // Nothing that the CPU can read is greater.
                    prop_assert!(!comparison.holds(now.clock(), comparator));
                    let last = comparison.rank(u64::MAX);
                    let greatest = reading(Tod::new(index, last)).clock();
                    prop_assert!(!comparison.holds(greatest, comparator));
                }
            }
        }

        /// The comparison is the manual's.
        #[test]
        fn holds_compares_unsigned_or_signed(clock in clocks(), comparator in clocks()) {
            prop_assert_eq!(Comparison::Unsigned.holds(clock, comparator), clock > comparator);
            let signed = clock.cast_signed() > comparator.cast_signed();
            prop_assert_eq!(Comparison::Signed.holds(clock, comparator), signed);
        }
    }
}
