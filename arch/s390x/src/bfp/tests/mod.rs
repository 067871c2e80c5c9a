//! Tests of the BFP operations: against rustc_apfloat as an independent oracle, and against
//! vectors for the results that only this architecture defines.

mod conversions;
mod divide_to_integer;
mod operations;
mod oracle;
mod roots;
mod vectors;

use proptest::prelude::*;

use super::{Extended, Format, Fpc, Long, RoundingMode, Short};

/// All values that an FPC register's rounding-mode field can have.
const MODES: [u32; 5] = [0, 1, 2, 3, 7];

/// Bit patterns where something can go wrong: every class, exponents at both ends and in the
/// middle, fractions of few ones or few zeros.
fn any_format<F: Format + 'static>() -> impl Strategy<Value = F> {
    let top = F::MAX_EXPONENT * 2 + 1;
    let p = F::PRECISION as i32;
    let exponent = prop_oneof![
        0..=top,
        0..=3i32,
        (top - 4)..=top,
        (F::MAX_EXPONENT - p - 2)..=(F::MAX_EXPONENT + p + 2),
        (F::MAX_EXPONENT - 2)..=(F::MAX_EXPONENT + 2),
        // products and quotients at the edge of the range
        (F::MAX_EXPONENT / 2 - p)..=(F::MAX_EXPONENT / 2 + p),
        (F::MAX_EXPONENT * 3 / 2 - 3)..=(F::MAX_EXPONENT * 3 / 2 + 3),
    ];
    let bit = 0..F::FRACTION_BITS;
    let fraction = prop_oneof![
        any::<u128>(),
        Just(0),
        Just(u128::MAX),
        bit.clone().prop_map(|n| 1 << n),
        bit.clone().prop_map(|n| !(1 << n)),
        bit.clone().prop_map(|n| u128::MAX << n),
        (any::<u128>(), bit).prop_map(|(x, n)| x << n),
    ];
    (any::<bool>(), exponent, fraction).prop_map(|(negative, exponent, fraction)| {
        let fraction = fraction & (F::QUIET * 2 - 1);
        F::signed(negative, (exponent as u128) << F::FRACTION_BITS | fraction)
    })
}

/// An FPC register: any mode, and masks either all zero or anything.
fn any_fpc() -> impl Strategy<Value = Fpc> {
    let masks = prop_oneof![Just(0u32), (0..32u32).prop_map(|m| m << 27)];
    (masks, prop::sample::select(&MODES))
        .prop_map(|(masks, mode)| Fpc::new(masks | mode).expect("assigned bits"))
}

/// Every rounding mode, those which only a modifier can ask for included.
fn any_mode() -> impl Strategy<Value = RoundingMode> {
    prop::sample::select(&[
        RoundingMode::NearestEven,
        RoundingMode::NearestAway,
        RoundingMode::TowardZero,
        RoundingMode::Up,
        RoundingMode::Down,
        RoundingMode::ShorterPrecision,
    ])
}

fn short() -> impl Strategy<Value = Short> {
    any_format()
}

fn long() -> impl Strategy<Value = Long> {
    any_format()
}

fn extended() -> impl Strategy<Value = Extended> {
    any_format()
}
