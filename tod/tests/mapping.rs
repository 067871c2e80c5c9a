//! The mapping from the host counter, there and back.

use std::sync::Arc;

use proptest::prelude::*;
use tod::{EpochClock, FineSpan, SimHost, Timebase, Tod};

proptest! {
    #[test]
    fn a_counter_is_found_again_and_is_the_first(
        hz in 17_000_000_u64..6_000_000_000,
        since in -4_000_000_000_i64..1 << 50,
        part in 0_i128..1 << 55,
    ) {
        let host = SimHost::with_counter_hz(hz);
        let timebase = Timebase::new(Arc::new(host)).unwrap();
        let now = timebase.reading();
        prop_assert_eq!(timebase.host_at(now.counter), now.host);
        let counter = now.counter.saturating_add_signed(since);
        let shown = timebase.host_at(counter);
        prop_assert_eq!(timebase.counter_at(shown), counter);
        // A tick is more than half a unit, so this lies between two counters.
        let later = shown.wrapping_add(FineSpan::from_bits(part + 1));
        let first = timebase.counter_at(later);
        prop_assert!(timebase.host_at(first).since(later) >= FineSpan::ZERO);
        prop_assert!(timebase.host_at(first - 1).since(later) < FineSpan::ZERO);
    }
    /// A clock never steps back, at no uptime and at no value of its 72 bits: where a conversion
    /// in pieces goes wrong (2^55 ns after the start QEMU's steps back by 93 ns) and where bits
    /// 0-63 roll over. It moves by what has passed, to the unit and what the rate is known to.
    #[test]
    fn no_step_back_at_any_uptime(
        start in 0_u128..1 << 72,
        near_roll_over: bool,
        power in 30_u32..62,
        before in 0_u64..5_000,
        steps in prop::collection::vec(0_u64..2_000, 1..40),
    ) {
        let host = SimHost::new();
        let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
        let uptime = (1_u64 << power) - before;
        let roll_over = |start: u128| start >> 64 << 64;
        let value = if near_roll_over {
            // Rolls over at that uptime, more or less.
            Tod::from_units(roll_over(start)).wrapping_add(-i128::from(uptime) * 512 / 125 - 9_000)
        } else {
            Tod::from_units(start)
        };
        let clock = EpochClock::new(&timebase, value, &timebase.reading());
        let began = clock.now();
        host.advance(uptime);
        let (mut passed, mut last) = (uptime, clock.now());
        for step in steps {
            host.advance(step);
            passed += step;
            let now = clock.now();
            prop_assert!(now.signed_units_since(last) >= 0, "{now:?} after {last:?}");
            let moved = now.units_since(began);
            let exact = u128::from(passed) * 512 / 125;
            // The simulated host states its rate in 2^-56 unit a tick, of which two are a nanosecond.
            let rate = 1 + u128::from(passed >> 55);
            prop_assert!(moved.abs_diff(exact) <= 1 + rate, "{moved} of {exact} units");
            last = now;
        }
    }
}
