//! The mapping from the host counter, there and back.

use std::sync::Arc;

use proptest::prelude::*;
use tod::{FineSpan, SimHost, Timebase};

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
}
