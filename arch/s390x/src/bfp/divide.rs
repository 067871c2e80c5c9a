//! DIVIDE TO INTEGER (DIEBR, DIDBR): an integral quotient and what remains.
//!
//! Principles of Operation, chapter 19, DIVIDE TO INTEGER and its figure of results in two parts.

use super::format::{Class, Format, classify};
use super::fpc::Control;
use super::number::{Number, Rounding, cut};
use super::round::{invalid, pack_normal, propagate, round, to_precision};
use super::{Done, Outcome, RoundingMode};

/// Results of DIVIDE TO INTEGER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DividedToInteger<F> {
    /// For the third operand's location.
    pub quotient: F,
    /// For the first operand's location.
    pub remainder: F,
    /// 0 remainder complete, 1 the same and the quotient overflowed or is a NaN, 2 remainder
    /// incomplete, 3 the same and the quotient overflowed.
    pub cc: u8,
}

/// `a / b` as an integer rounded by `quotient_rounding` (the instruction's M4), and the remainder
/// rounded as `control` says. If the integers on both sides of the precise quotient are not both
/// representable, the quotient is partial: truncated to the format's precision.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn divide_to_integer<F: Format>(
    control: Control,
    quotient_rounding: RoundingMode,
    a: F,
    b: F,
) -> Outcome<DividedToInteger<F>> {
    let both = |x: F| DividedToInteger {
        quotient: x,
        remainder: x,
        cc: 1,
    };
    let negative = a.is_negative() != b.is_negative();
    let (x, y) = match (classify(a), classify(b)) {
        (Class::Finite(x), Class::Finite(y)) => (x, y),
        (Class::Nan, _) | (_, Class::Nan) => return Ok(propagate(control, &[a, b])?.map(both)),
        (Class::Infinity, _) | (_, Class::Zero) => {
            return invalid(control, both(F::from_raw(F::DEFAULT_NAN)));
        }
        (Class::Zero, _) | (_, Class::Infinity) => {
            return Ok(Done::exact(DividedToInteger {
                quotient: F::signed(negative, 0),
                remainder: a,
                cc: 0,
            }));
        }
    };

    let precise = x.quotient::<F>(y);
    let (integer, partial) = if precise.lead() < F::PRECISION as i32 {
        let (significand, _) = cut(
            precise.significand,
            -precise.exponent,
            negative,
            quotient_rounding,
        );
        (
            Number {
                significand,
                exponent: 0,
                ..precise
            },
            false,
        )
    } else {
        let digits = to_precision::<F>(precise, RoundingMode::TowardZero);
        (digits.number, digits.rounding != Rounding::Exact)
    };
    let remainder = match integer.significand {
        0 => Some(x),
        _ => integer.negated().fused(y, x),
    };
    let (quotient, overflowed) = match integer {
        Number { significand: 0, .. } => (F::signed(negative, 0), false),
        n if n.lead() > F::MAX_EXPONENT => (
            pack_normal(Number {
                exponent: n.exponent - F::SCALE,
                ..n
            }),
            true,
        ),
        n => (pack_normal(n), false),
    };
    let cc = u8::from(overflowed) + 2 * u8::from(partial);
    let remainder = match remainder {
        Some(r) => round(control, r),
        None => Done::exact(F::signed(a.is_negative(), 0)),
    };
    Ok(remainder.map(|remainder| DividedToInteger {
        quotient,
        remainder,
        cc,
    }))
}
