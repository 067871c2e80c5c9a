//! Rounding into a format, with the exceptions that it brings: overflow, underflow, inexact.
//!
//! Principles of Operation, chapter 19, "IEEE Exceptions" and the figures "Results: Rounding
//! and Range Action". Tininess is detected before rounding.

use super::fpc::{Control, Dxc, Flags, RoundingMode};
use super::number::{Number, Rounding, cut};
use super::{Done, Format, Outcome, Suppressed};

impl Rounding {
    /// The low bits of a DXC: inexact and truncated, or inexact and incremented.
    pub(super) const fn dxc(self) -> u8 {
        match self {
            Self::Exact => 0,
            Self::Truncated => 0x08,
            Self::Incremented => 0x0c,
        }
    }
}

/// Digits rounded to a precision, still with an unbounded exponent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits {
    pub(super) number: Number,
    pub(super) rounding: Rounding,
}

/// Rounds to the precision of `F`, whatever the exponent.
pub(super) fn to_precision<F: Format>(x: Number, mode: RoundingMode) -> Digits {
    let drop = x.lead() - x.exponent - F::FRACTION_BITS as i32;
    let (significand, rounding) = cut(x.significand, drop, x.negative, mode);
    Digits {
        number: Number {
            significand,
            exponent: x.exponent + drop,
            ..x
        },
        rounding,
    }
}

/// Packs a number which has no more digits than `F` and whose lead lies in the normal range.
pub(super) fn pack_normal<F: Format>(x: Number) -> F {
    let drop = x.lead() - x.exponent - F::FRACTION_BITS as i32;
    // A carry out of rounding may have left a zero below; nothing else is shifted out.
    let significand = if drop >= 0 {
        x.significand >> drop
    } else {
        x.significand << -drop
    };
    let field = (x.lead() - F::MIN_EXPONENT) as u128;
    F::signed(x.negative, (field << F::FRACTION_BITS) + significand)
}

/// Rounds a number into `F`.
#[inline]
pub(super) fn round<F: Format>(control: Control, x: Number) -> Done<F> {
    let lead = x.lead();
    let tiny = lead < F::MIN_EXPONENT;
    if tiny && control.traps(Flags::UNDERFLOW) {
        let digits = to_precision::<F>(x, control.rounding);
        return scaled(digits, F::SCALE, Flags::UNDERFLOW);
    }
    let bottom = lead.max(F::MIN_EXPONENT) - F::FRACTION_BITS as i32;
    let (significand, rounding) = cut(
        x.significand,
        bottom - x.exponent,
        x.negative,
        control.rounding,
    );
    if lead > F::MAX_EXPONENT || lead == F::MAX_EXPONENT && significand >> F::PRECISION != 0 {
        return overflow(
            control,
            Digits {
                number: Number {
                    significand,
                    exponent: bottom,
                    ..x
                },
                rounding,
            },
        );
    }
    // The implied one, or a carry into the next binade, adds itself to the exponent field.
    let field = (bottom + F::FRACTION_BITS as i32 - F::MIN_EXPONENT) as u128;
    let value = F::signed(x.negative, (field << F::FRACTION_BITS) + significand);
    let flags = if tiny && rounding != Rounding::Exact {
        Flags::UNDERFLOW
    } else {
        Flags::empty()
    };
    inexact(control, value, flags, rounding)
}

/// A trapped overflow or underflow: the digits with the exponent moved by `scale`.
fn scaled<F: Format>(digits: Digits, scale: i32, condition: Flags) -> Done<F> {
    let number = Number {
        exponent: digits.number.exponent + scale,
        ..digits.number
    };
    Done {
        value: pack_normal(number),
        flags: Flags::empty(),
        trap: Some(Dxc(condition.bits() | digits.rounding.dxc())),
    }
}

fn overflow<F: Format>(control: Control, digits: Digits) -> Done<F> {
    if control.traps(Flags::OVERFLOW) {
        return scaled(digits, -F::SCALE, Flags::OVERFLOW);
    }
    let negative = digits.number.negative;
    let (magnitude, rounding) = overflowed::<F>(negative, control.rounding);
    inexact(
        control,
        F::signed(negative, magnitude),
        Flags::OVERFLOW,
        rounding,
    )
}

/// Magnitude of an untrapped overflow's result.
pub(super) fn overflowed<F: Format>(negative: bool, mode: RoundingMode) -> (u128, Rounding) {
    let infinite = match mode {
        RoundingMode::NearestEven | RoundingMode::NearestAway => true,
        RoundingMode::TowardZero | RoundingMode::ShorterPrecision => false,
        RoundingMode::Up => !negative,
        RoundingMode::Down => negative,
    };
    if infinite {
        (F::INFINITY, Rounding::Incremented)
    } else {
        (F::MAX, Rounding::Truncated)
    }
}

/// Adds the inexact exception to a result.
#[inline]
pub(super) fn inexact<T>(control: Control, value: T, flags: Flags, rounding: Rounding) -> Done<T> {
    if rounding == Rounding::Exact || control.suppress_inexact {
        Done {
            value,
            flags,
            trap: None,
        }
    } else if control.traps(Flags::INEXACT) {
        Done {
            value,
            flags,
            trap: Some(Dxc(rounding.dxc())),
        }
    } else {
        Done {
            value,
            flags: flags | Flags::INEXACT,
            trap: None,
        }
    }
}

/// An invalid operation with the result it has when not trapped.
#[cold]
pub(super) fn invalid<T>(control: Control, value: T) -> Outcome<T> {
    if control.traps(Flags::INVALID) {
        return Err(Suppressed(Dxc::INVALID));
    }
    Ok(Done {
        value,
        flags: Flags::INVALID,
        trap: None,
    })
}

/// A division by zero with the result it has when not trapped.
#[cold]
pub(super) fn division_by_zero<T>(control: Control, value: T) -> Outcome<T> {
    if control.traps(Flags::DIVISION_BY_ZERO) {
        return Err(Suppressed(Dxc::DIVISION_BY_ZERO));
    }
    Ok(Done {
        value,
        flags: Flags::DIVISION_BY_ZERO,
        trap: None,
    })
}

/// The result when an operand is a NaN: the first signalling one, made quiet, with an invalid
/// operation; else the first quiet one.
#[cold]
pub(super) fn propagate<F: Format>(control: Control, operands: &[F]) -> Outcome<F> {
    if let Some(x) = operands.iter().find(|x| x.is_signaling()) {
        return invalid(control, x.quieted());
    }
    let quiet = operands.iter().find(|x| x.is_nan()).copied();
    Ok(Done::exact(quiet.unwrap_or(F::from_raw(F::DEFAULT_NAN))))
}
