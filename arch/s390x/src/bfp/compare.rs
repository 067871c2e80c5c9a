//! Comparison, classification and the operations on signs.
//!
//! Principles of Operation, chapter 19: COMPARE, COMPARE AND SIGNAL, LOAD AND TEST, LOAD
//! COMPLEMENT, LOAD NEGATIVE, LOAD POSITIVE, TEST DATA CLASS.

use super::format::Format;
use super::fpc::{Control, Fpc};
use super::round::{invalid, propagate};
use super::{Done, Outcome};

/// COMPARE: condition code 0 equal, 1 first low, 2 first high, 3 unordered.
///
/// # Errors
/// A trapped invalid operation (signalling NaN) suppresses it.
pub fn compare<F: Format>(fpc: Fpc, a: F, b: F) -> Outcome<u8> {
    if a.is_signaling() || b.is_signaling() {
        return invalid(Control::of(fpc), 3);
    }
    Ok(Done::exact(order(a, b)))
}

/// COMPARE AND SIGNAL: as [`compare`], but any NaN is an invalid operation.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn compare_and_signal<F: Format>(fpc: Fpc, a: F, b: F) -> Outcome<u8> {
    match order(a, b) {
        3 => invalid(Control::of(fpc), 3),
        cc => Ok(Done::exact(cc)),
    }
}

fn order<F: Format>(a: F, b: F) -> u8 {
    if a.is_nan() || b.is_nan() {
        return 3;
    }
    if a.is_zero() && b.is_zero() {
        return 0;
    }
    // Patterns of one sign are ordered as the magnitudes are.
    let low = match (a.is_negative(), b.is_negative()) {
        (true, false) => true,
        (false, true) => false,
        (negative, _) => {
            if a == b {
                return 0;
            }
            (a.raw() < b.raw()) != negative
        }
    };
    if low { 1 } else { 2 }
}

/// The condition code that a result stands for: 0 zero, 1 negative, 2 positive, 3 NaN.
#[must_use]
pub fn result_cc<F: Format>(x: F) -> u8 {
    if x.is_nan() {
        3
    } else if x.is_zero() {
        0
    } else if x.is_negative() {
        1
    } else {
        2
    }
}

/// LOAD AND TEST: the operand, a signalling NaN made quiet; [`result_cc`] gives its condition
/// code.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn load_and_test<F: Format>(fpc: Fpc, x: F) -> Outcome<F> {
    if x.is_nan() {
        propagate(Control::of(fpc), &[x])
    } else {
        Ok(Done::exact(x))
    }
}

/// LOAD COMPLEMENT: the sign inverted, even of a NaN; never an exception.
#[must_use]
pub fn load_complement<F: Format>(x: F) -> F {
    F::from_raw(x.raw() ^ F::SIGN)
}

/// LOAD NEGATIVE: the sign made negative, even of a NaN; never an exception.
#[must_use]
pub fn load_negative<F: Format>(x: F) -> F {
    F::from_raw(x.raw() | F::SIGN)
}

/// LOAD POSITIVE: the sign made positive, even of a NaN; never an exception.
#[must_use]
pub fn load_positive<F: Format>(x: F) -> F {
    F::from_raw(x.raw() & !F::SIGN)
}

/// TEST DATA CLASS: condition code 1 if the class and sign of `x` have their bit in `mask` (the
/// low 12 bits of the second-operand address), else 0. Never an exception.
#[must_use]
pub fn test_data_class<F: Format>(x: F, mask: u64) -> u8 {
    let magnitude = x.raw() & !F::SIGN;
    // Bits 52 to 63 of the address: zero, normal, subnormal, infinity, quiet and signalling NaN,
    // each plus and minus.
    let class = if magnitude == 0 {
        0
    } else if x.is_signaling() {
        5
    } else if x.is_nan() {
        4
    } else if magnitude == F::INFINITY {
        3
    } else if magnitude < F::QUIET * 2 {
        2
    } else {
        1
    };
    let bit = 11 - 2 * class - u32::from(x.is_negative());
    (mask >> bit & 1) as u8
}
