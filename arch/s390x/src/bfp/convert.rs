//! Conversions: between formats, to integral values, from and to binary integers.
//!
//! Principles of Operation, chapter 19: LOAD LENGTHENED, LOAD ROUNDED, LOAD FP INTEGER, CONVERT
//! FROM FIXED, CONVERT FROM LOGICAL, CONVERT TO FIXED, CONVERT TO LOGICAL.

use super::format::{Class, Format, classify};
use super::fpc::{Control, Dxc, Flags, Fpc};
use super::number::{Number, Rounding, cut};
use super::round::{inexact, invalid, pack_normal, propagate, round, to_precision};
use super::{Done, Outcome};

/// A NaN in a longer format, the payload kept at the left.
pub(super) fn lengthen_nan<S: Format, D: Format>(x: S) -> D {
    let payload = x.raw() & (S::QUIET * 2 - 1);
    D::signed(
        x.is_negative(),
        D::INFINITY | payload << (D::FRACTION_BITS - S::FRACTION_BITS),
    )
}

/// A NaN in a shorter format, the payload cut at the right.
fn shorten_nan<S: Format, D: Format>(x: S) -> D {
    let payload = x.raw() & (S::QUIET * 2 - 1);
    D::signed(
        x.is_negative(),
        D::INFINITY | payload >> (S::FRACTION_BITS - D::FRACTION_BITS),
    )
}

/// LOAD LENGTHENED.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn load_lengthened<S: Format, D: Format>(fpc: Fpc, x: S) -> Outcome<D> {
    Ok(Done::exact(match classify(x) {
        Class::Nan => return Ok(propagate(Control::of(fpc), &[x])?.map(lengthen_nan)),
        Class::Infinity => D::signed(x.is_negative(), D::INFINITY),
        Class::Zero => D::signed(x.is_negative(), 0),
        // Every number of a shorter format is a normal number of the longer one.
        Class::Finite(number) => pack_normal(number),
    }))
}

/// What LOAD ROUNDED leaves in the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounded<S, D> {
    /// The result in the target format.
    Target(D),
    /// After a trapped overflow or underflow: rounded to the target's precision, scaled, but
    /// in the source's format.
    Source(S),
}

/// LOAD ROUNDED.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn load_rounded<S: Format, D: Format>(control: Control, x: S) -> Outcome<Rounded<S, D>> {
    let negative = x.is_negative();
    let number = match classify(x) {
        Class::Nan => {
            return Ok(propagate(control, &[x])?.map(|nan| Rounded::Target(shorten_nan(nan))));
        }
        Class::Infinity => {
            return Ok(Done::exact(Rounded::Target(D::signed(
                negative,
                D::INFINITY,
            ))));
        }
        Class::Zero => return Ok(Done::exact(Rounded::Target(D::signed(negative, 0)))),
        Class::Finite(number) => number,
    };
    let digits = to_precision::<D>(number, control.rounding);
    let (condition, scale) = if number.lead() < D::MIN_EXPONENT {
        (Flags::UNDERFLOW, S::LOAD_ROUNDED_SCALE)
    } else if digits.number.lead() > D::MAX_EXPONENT {
        (Flags::OVERFLOW, -S::LOAD_ROUNDED_SCALE)
    } else {
        return Ok(round::<D>(control, number).map(Rounded::Target));
    };
    if !control.traps(condition) {
        return Ok(round::<D>(control, number).map(Rounded::Target));
    }
    let scaled = Number {
        exponent: digits.number.exponent + scale,
        ..digits.number
    };
    Ok(Done {
        value: Rounded::Source(pack_normal(scaled)),
        flags: Flags::empty(),
        trap: Some(Dxc(condition.bits() | digits.rounding.dxc())),
    })
}

/// LOAD FP INTEGER: rounded to an integral value in the same format.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn load_fp_integer<F: Format>(control: Control, x: F) -> Outcome<F> {
    let number = match classify(x) {
        Class::Nan => return propagate(control, &[x]),
        Class::Infinity | Class::Zero => return Ok(Done::exact(x)),
        Class::Finite(number) if number.exponent >= 0 => return Ok(Done::exact(x)),
        Class::Finite(number) => number,
    };
    let (significand, rounding) = cut(
        number.significand,
        -number.exponent,
        number.negative,
        control.rounding,
    );
    let value = match significand {
        0 => F::signed(number.negative, 0),
        _ => pack_normal(Number {
            significand,
            exponent: 0,
            ..number
        }),
    };
    Ok(inexact(control, value, Flags::empty(), rounding))
}

/// A binary integer that BFP converts from and to: signed (FIXED) or unsigned (LOGICAL).
pub trait Fixed: Copy + Eq + core::fmt::Debug {
    /// The smallest value.
    const LEAST: i128;
    /// The largest value.
    const GREATEST: i128;
    /// What a NaN is converted to: the smallest value (which is zero in LOGICAL).
    const OF_NAN: Self;
    /// From a value in range.
    fn from_wide(x: i128) -> Self;
    /// The value.
    fn wide(self) -> i128;
}

macro_rules! fixed {
    ($($integer:ty),*) => {$(
        impl Fixed for $integer {
            const LEAST: i128 = <$integer>::MIN as i128;
            const GREATEST: i128 = <$integer>::MAX as i128;
            const OF_NAN: Self = <$integer>::MIN;

            fn from_wide(x: i128) -> Self {
                x as $integer
            }
            fn wide(self) -> i128 {
                i128::from(self)
            }
        }
    )*};
}

fixed!(i32, i64, u32, u64);

/// CONVERT FROM FIXED and CONVERT FROM LOGICAL.
pub fn convert_from_fixed<I: Fixed, F: Format>(control: Control, x: I) -> Done<F> {
    match x.wide() {
        0 => Done::exact(F::from_raw(0)),
        wide => round(
            control,
            Number {
                negative: wide < 0,
                exponent: 0,
                significand: wide.unsigned_abs(),
            },
        ),
    }
}

/// CONVERT TO FIXED and CONVERT TO LOGICAL: the integer and the condition code, which follows
/// from the source: 0 zero, 1 negative, 2 positive, 3 NaN or out of range.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn convert_to_fixed<F: Format, I: Fixed>(control: Control, x: F) -> Outcome<(I, u8)> {
    let negative = x.is_negative();
    let limit = if negative { I::LEAST } else { I::GREATEST };
    let number = match classify(x) {
        Class::Nan => return out_of_range(control, I::OF_NAN),
        Class::Infinity => return out_of_range(control, I::from_wide(limit)),
        Class::Zero => return Ok(Done::exact((I::from_wide(0), 0))),
        Class::Finite(number) => number,
    };
    if number.lead() > 64 {
        return out_of_range(control, I::from_wide(limit));
    }
    let (magnitude, rounding) = cut(
        number.significand,
        -number.exponent,
        negative,
        control.rounding,
    );
    // At most 2 to the 65th, so that it fits.
    let value = if negative {
        -(magnitude as i128)
    } else {
        magnitude as i128
    };
    if !(I::LEAST..=I::GREATEST).contains(&value) {
        return out_of_range(control, I::from_wide(limit));
    }
    Ok(inexact(
        control,
        (I::from_wide(value), if negative { 1 } else { 2 }),
        Flags::empty(),
        rounding,
    ))
}

/// An untrapped invalid conversion is inexact, too (figure "Results: CONVERT TO FIXED").
fn out_of_range<I: Fixed>(control: Control, value: I) -> Outcome<(I, u8)> {
    let done = invalid(control, (value, 3))?;
    Ok(inexact(
        control,
        done.value,
        done.flags,
        Rounding::Truncated,
    ))
}
