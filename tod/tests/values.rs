//! The value types against exact arithmetic, and the roll-over of 2042.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use tod::value::{
    UNITS_PER_SECOND, ns_from_units, ns_from_units_ceil, units_from_ns, units_from_ns_ceil,
};
use tod::{FineSpan, FineTod, TOD_UNIX_EPOCH, Tod, UnixTime, VmDuration, VmTime};

const LAST: u128 = (1 << 72) - 1;

fn any_tod() -> impl Strategy<Value = Tod> {
    prop_oneof![
        (0..=LAST).prop_map(Tod::from_units),
        (0u128..4096).prop_map(Tod::from_units),
        (0u128..4096).prop_map(|back| Tod::from_units(LAST - back)),
        (-4096i128..4096).prop_map(|off| Tod::new(1, 0).wrapping_add(off)),
    ]
}

#[test]
fn unix_epoch_is_the_architecture_s() {
    assert_eq!(
        u128::from(TOD_UNIX_EPOCH),
        2_208_988_800 * u128::from(UNITS_PER_SECOND)
    );
    assert_eq!(Tod::UNIX_EPOCH.to_unix(), UnixTime::new(0, 0).unwrap());
    assert_eq!(
        Tod::from_unix(UnixTime::from_ns(0)).unwrap(),
        Tod::new(0, TOD_UNIX_EPOCH)
    );
    // Linux, arch/s390: bit 51 is a microsecond.
    assert_eq!(
        Tod::from_unix(UnixTime::from_ns(1000)).unwrap().clock() - TOD_UNIX_EPOCH,
        4096
    );
}

/// The clock's 64 bits wrap at 2042-09-17T23:53:47.370496 UTC (s390x-machine.md
/// gives the microsecond; the arithmetic gives the rest).
#[test]
fn roll_over_of_2042() {
    // 2042-09-17T23:53:47 is day 26557 since 1970.
    let secs = 26_557 * 86_400 + 23 * 3600 + 53 * 60 + 47;
    let last = Tod::new(0, u64::MAX);
    let first = last.wrapping_add(1);
    assert_eq!((first.epoch_index(), first.clock()), (1, 0));
    assert_eq!(first.to_unix(), UnixTime::new(secs, 370_496_000).unwrap());
    assert!(last.to_unix() < first.to_unix());
    assert!(last.is_before(first) && !first.is_before(last));
    assert_eq!(first.units_since(last), 1);
    assert_eq!(
        last.stcke_image(0)[..9],
        [0, 255, 255, 255, 255, 255, 255, 255, 255]
    );
    assert_eq!(first.stcke_image(0)[..9], [1, 0, 0, 0, 0, 0, 0, 0, 0]);
    // As the 16 bytes order, so does time.
    assert!(last.stcke_image(0xffff) < first.stcke_image(0));
}

#[test]
fn last_epoch_wraps_to_the_first() {
    assert_eq!(Tod::MAX.wrapping_add(1), Tod::new(0, 0));
    assert!(Tod::MAX.is_before(Tod::new(0, 0)));
    // Two values half the circle apart are each before the other.
    let half = Tod::from_units(1 << 71);
    assert!(half.is_before(Tod::new(0, 0)) && Tod::new(0, 0).is_before(half));
}

#[test]
fn times_outside_the_epochs_are_refused() {
    let too_early = UnixTime::new(-2_208_988_801, 999_999_999).unwrap();
    assert_eq!(
        Tod::from_unix(too_early).unwrap_err().to_string(),
        "Unix time -2208988801 s + 999999999 ns is outside the TOD clock's 256 epochs, \
         which start 1900-01-01"
    );
    assert!(Tod::from_unix(UnixTime::new(i64::MAX, 0).unwrap()).is_err());
    assert!(Tod::from_unix(UnixTime::new(i64::MIN, 0).unwrap()).is_err());
    assert!(UnixTime::new(0, 1_000_000_000).is_err());
    // Rounding up may only reach the first value.
    assert_eq!(
        Tod::from_unix_ceil(too_early).unwrap_err(),
        Tod::from_unix(too_early).unwrap_err()
    );
}

proptest! {
    #[test]
    fn unit_conversions_round_as_stated(ns in -(1i128 << 90)..(1i128 << 90)) {
        let (down, up) = (units_from_ns(ns), units_from_ns_ceil(ns));
        // down <= ns * 512 / 125 < down + 1, up the other way.
        prop_assert!(down * 125 <= ns * 512 && ns * 512 < (down + 1) * 125);
        prop_assert!((up - 1) * 125 < ns * 512 && ns * 512 <= up * 125);
        // A nanosecond is more than four units, so none is lost on the way back.
        prop_assert_eq!(ns_from_units(up), ns);
        prop_assert_eq!(ns_from_units_ceil(down), ns);
    }

    #[test]
    fn nanoseconds_of_units_round_as_stated(units in -(1i128 << 90)..(1i128 << 90)) {
        let (down, up) = (ns_from_units(units), ns_from_units_ceil(units));
        prop_assert!(down * 512 <= units * 125 && units * 125 < (down + 1) * 512);
        prop_assert!((up - 1) * 512 < units * 125 && units * 125 <= up * 512);
    }

    #[test]
    fn unix_time_and_back_over_all_bits(tod in any_tod()) {
        let unix = tod.to_unix();
        let ns = i128::from(unix.secs()) * 1_000_000_000 + i128::from(unix.nanos());
        prop_assert_eq!(ns, (tod.units() as i128 * 125).div_euclid(512) - 2_208_988_800_000_000_000);
        // Floor and floor stay within one nanosecond's units, never later.
        let back = Tod::from_unix(unix).unwrap();
        prop_assert!(tod.units_since(back) <= 5);
        // The time a deadline is rounded up to is never before it.
        let ceil = tod.to_unix_ceil();
        if let Ok(deadline) = Tod::from_unix(ceil) {
            prop_assert!(tod.units() <= deadline.units() + 4);
            prop_assert!(Tod::from_unix_ceil(ceil).is_err() || Tod::from_unix_ceil(ceil).unwrap().units() >= tod.units());
        }
        prop_assert_eq!(Tod::from_ns_ceil(tod.to_ns()).to_ns(), tod.to_ns());
    }

    #[test]
    fn parts_and_images(tod in any_tod(), programmable: u16) {
        prop_assert_eq!(Tod::new(tod.epoch_index(), tod.clock()), tod);
        let image = tod.stcke_image(programmable);
        prop_assert_eq!(image[0], tod.epoch_index());
        prop_assert_eq!(u64::from_be_bytes(image[1..9].try_into().unwrap()), tod.clock());
        prop_assert_eq!(u16::from_be_bytes([image[14], image[15]]), programmable);
        prop_assert_ne!(&image[9..14], &[0u8; 5][..]);
        prop_assert_eq!(Tod::from_stcke_image(image), (tod, programmable));
    }

    #[test]
    fn images_order_as_time(a in any_tod(), b in any_tod(), pa: u16, pb: u16) {
        prop_assume!(a != b);
        prop_assert_eq!(a.units() < b.units(), a.stcke_image(pa) < b.stcke_image(pb));
    }

    #[test]
    fn distances_agree(a in any_tod(), by in -(1i128 << 71)..(1i128 << 71)) {
        let b = a.wrapping_add(by);
        prop_assert_eq!(b.signed_units_since(a), by);
        prop_assert_eq!(b.units_since(a), by.rem_euclid(1 << 72) as u128);
        prop_assert_eq!(a.is_before(b), by > 0 || by == -(1 << 71));
        let (fa, fb) = (FineTod::from(a), FineTod::from(b));
        prop_assert_eq!(fb.since(fa).units(), by);
        prop_assert_eq!(fa.wrapping_add(fb.since(fa)), fb);
    }

    #[test]
    fn pairs_for_serde_are_exact(bits: u128, span: i128) {
        let fine = FineTod::from_bits(bits);
        prop_assert_eq!(FineTod::from(<(u64, u64)>::from(fine)), fine);
        let span = FineSpan::from_bits(span);
        prop_assert_eq!(FineSpan::from(<(i64, u64)>::from(span)), span);
        prop_assert_eq!(fine.tod().units() << 56 | u128::from(fine.fraction()), bits);
    }

    #[test]
    fn durations_become_deadlines_upwards(ns in 0..u64::MAX / 5, at in 0..u64::MAX / 16) {
        let duration = VmDuration::from_ns_ceil(ns);
        prop_assert_eq!(duration.as_ns(), ns);
        prop_assert!(duration.as_ns_ceil() >= ns);
        let at = VmTime::from_units(at);
        let deadline = at.saturating_add(duration);
        prop_assert_eq!(deadline.saturating_since(at), duration);
        prop_assert_eq!(at.saturating_since(deadline), VmDuration::ZERO);
    }
}

#[test]
fn durations_saturate() {
    assert_eq!(VmDuration::from_ns_ceil(u64::MAX).units(), u64::MAX);
    assert_eq!(
        VmTime::NEVER.saturating_add(VmDuration::from_units(1)),
        VmTime::NEVER
    );
}
