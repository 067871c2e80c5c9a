//! Add, subtract, multiply, divide, square root, multiply and add or subtract.
//!
//! Principles of Operation, chapter 19, the figures "Results: ADD", "MULTIPLY", "DIVIDE",
//! "MULTIPLY AND ADD" (parts 1 and 2) and the description of SQUARE ROOT.

use super::format::{Class, Format, classify};
use super::fpc::{Control, Fpc, RoundingMode};
use super::number::Number;
use super::round::{division_by_zero, invalid, propagate, round};
use super::{Done, Outcome};

fn default_nan<F: Format>() -> F {
    F::from_raw(F::DEFAULT_NAN)
}

fn infinity<F: Format>(negative: bool) -> F {
    F::signed(negative, F::INFINITY)
}

/// The zero that operands of opposite value add up to.
fn zero_difference<F: Format>(control: Control) -> F {
    F::signed(control.rounding == RoundingMode::Down, 0)
}

fn rounded_sum<F: Format>(control: Control, sum: Option<Number>) -> Done<F> {
    match sum {
        Some(x) => round(control, x),
        None => Done::exact(zero_difference(control)),
    }
}

/// ADD.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn add<F: Format>(fpc: Fpc, a: F, b: F) -> Outcome<F> {
    add_with(Control::of(fpc), a, b, b.is_negative())
}

/// SUBTRACT: ADD with the second operand's sign inverted, except that of a NaN.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn subtract<F: Format>(fpc: Fpc, a: F, b: F) -> Outcome<F> {
    add_with(Control::of(fpc), a, b, !b.is_negative())
}

#[inline]
fn add_with<F: Format>(control: Control, a: F, b: F, b_negative: bool) -> Outcome<F> {
    let a_negative = a.is_negative();
    Ok(match (classify(a), classify(b)) {
        (Class::Finite(x), Class::Finite(y)) => rounded_sum(
            control,
            x.sum(Number {
                negative: b_negative,
                ..y
            }),
        ),
        (Class::Nan, _) | (_, Class::Nan) => return propagate(control, &[a, b]),
        (Class::Infinity, Class::Infinity) if a_negative != b_negative => {
            return invalid(control, default_nan());
        }
        (Class::Infinity, _) => Done::exact(a),
        (_, Class::Infinity) => Done::exact(infinity(b_negative)),
        (Class::Zero, Class::Zero) if a_negative == b_negative => Done::exact(a),
        (Class::Zero, Class::Zero) => Done::exact(zero_difference(control)),
        // A tiny operand added to zero is tiny still.
        (Class::Zero, Class::Finite(y)) => round(
            control,
            Number {
                negative: b_negative,
                ..y
            },
        ),
        (Class::Finite(x), Class::Zero) => round(control, x),
    })
}

/// MULTIPLY within one format.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn multiply<F: Format>(fpc: Fpc, a: F, b: F) -> Outcome<F> {
    multiply_into(fpc, a, b, F::from_raw)
}

/// MULTIPLY short to long (MDEBR), long to extended (MXDBR): the product is exact.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn multiply_longer<S: Format, D: Format>(fpc: Fpc, a: S, b: S) -> Outcome<D> {
    multiply_into(fpc, a, b, |nan| {
        super::convert::lengthen_nan::<S, D>(S::from_raw(nan))
    })
}

#[inline]
fn multiply_into<S: Format, D: Format>(
    fpc: Fpc,
    a: S,
    b: S,
    nan: impl FnOnce(u128) -> D,
) -> Outcome<D> {
    let control = Control::of(fpc);
    let negative = a.is_negative() != b.is_negative();
    Ok(match (classify(a), classify(b)) {
        (Class::Finite(x), Class::Finite(y)) => round(control, x.product(y)),
        (Class::Nan, _) | (_, Class::Nan) => {
            return Ok(propagate(control, &[a, b])?.map(|x| nan(x.raw())));
        }
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) => {
            return invalid(control, default_nan());
        }
        (Class::Infinity, _) | (_, Class::Infinity) => Done::exact(infinity(negative)),
        (Class::Zero, _) | (_, Class::Zero) => Done::exact(D::signed(negative, 0)),
    })
}

/// DIVIDE.
///
/// # Errors
/// A trapped invalid operation or division by zero suppresses it.
pub fn divide<F: Format>(fpc: Fpc, a: F, b: F) -> Outcome<F> {
    let control = Control::of(fpc);
    let negative = a.is_negative() != b.is_negative();
    Ok(match (classify(a), classify(b)) {
        (Class::Finite(x), Class::Finite(y)) => round(control, x.quotient::<F>(y)),
        (Class::Nan, _) | (_, Class::Nan) => return propagate(control, &[a, b]),
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => {
            return invalid(control, default_nan());
        }
        (Class::Finite(_), Class::Zero) => return division_by_zero(control, infinity(negative)),
        (Class::Infinity, _) => Done::exact(infinity(negative)),
        (Class::Zero, _) | (_, Class::Infinity) => Done::exact(F::signed(negative, 0)),
    })
}

/// SQUARE ROOT.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn square_root<F: Format>(fpc: Fpc, a: F) -> Outcome<F> {
    let control = Control::of(fpc);
    Ok(match classify(a) {
        Class::Nan => return propagate(control, &[a]),
        Class::Zero => Done::exact(a),
        _ if a.is_negative() => return invalid(control, default_nan()),
        Class::Infinity => Done::exact(a),
        Class::Finite(x) => round(control, x.root::<F>()),
    })
}

/// MULTIPLY AND ADD: `third * second + first`, rounded once. The operands are in the order of
/// the instruction's description: the first is the addend (R1), then R3 and R2.
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn multiply_add<F: Format>(fpc: Fpc, first: F, third: F, second: F) -> Outcome<F> {
    fused(Control::of(fpc), first, first.is_negative(), third, second)
}

/// MULTIPLY AND SUBTRACT: `third * second - first`, rounded once; see [`multiply_add`].
///
/// # Errors
/// A trapped invalid operation suppresses it.
pub fn multiply_subtract<F: Format>(fpc: Fpc, first: F, third: F, second: F) -> Outcome<F> {
    fused(Control::of(fpc), first, !first.is_negative(), third, second)
}

fn fused<F: Format>(control: Control, c: F, c_negative: bool, a: F, b: F) -> Outcome<F> {
    let negative = a.is_negative() != b.is_negative();
    let (a_class, b_class, c_class) = (classify(a), classify(b), classify(c));
    if matches!(a_class, Class::Nan)
        || matches!(b_class, Class::Nan)
        || matches!(c_class, Class::Nan)
    {
        // The product comes first: an invalid product is not hidden by a NaN in the addend.
        if matches!(
            (a_class, b_class),
            (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity)
        ) {
            return invalid(control, default_nan());
        }
        return propagate(control, &[a, b, c]);
    }
    Ok(match (a_class, b_class, c_class) {
        (Class::Finite(x), Class::Finite(y), Class::Finite(z)) => rounded_sum(
            control,
            x.fused(
                y,
                Number {
                    negative: c_negative,
                    ..z
                },
            ),
        ),
        (Class::Finite(x), Class::Finite(y), Class::Zero) => round(control, x.product(y)),
        (Class::Infinity, Class::Zero, _) | (Class::Zero, Class::Infinity, _) => {
            return invalid(control, default_nan());
        }
        (Class::Infinity, ..) | (_, Class::Infinity, _) => match c_class {
            Class::Infinity if c_negative != negative => return invalid(control, default_nan()),
            _ => Done::exact(infinity(negative)),
        },
        (_, _, Class::Infinity) => Done::exact(infinity(c_negative)),
        // The product is a zero.
        (_, _, Class::Finite(z)) => round(
            control,
            Number {
                negative: c_negative,
                ..z
            },
        ),
        _ if negative == c_negative => Done::exact(F::signed(negative, 0)),
        _ => Done::exact(zero_difference(control)),
    })
}
