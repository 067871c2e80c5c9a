//! VECTOR FP MAXIMUM and MINIMUM: the functions that M6 selects.
//!
//! Principles of Operation, chapter 24, the figures of VECTOR FP MAXIMUM and VECTOR FP MINIMUM.

use super::lane::Lane;
use super::{Elements, Outcome, Vector, map2};
use crate::bfp::{self, Done, Dxc, Flags, Format, Fpc, Suppressed};

/// Which of two values is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extreme {
    /// VECTOR FP MAXIMUM.
    Maximum,
    /// VECTOR FP MINIMUM.
    Minimum,
}

/// How languages and standards treat NaNs, and zeros of both signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// A number wins against a quiet NaN; minus zero is less than plus zero.
    Ieee,
    /// A NaN wins; minus zero is less than plus zero.
    Java,
    /// `a > b ? a : b`: the second of equal operands, and of unordered ones, which are an invalid
    /// operation.
    CMacro,
    /// `a < b ? b : a`: the first of them.
    Cpp,
    /// fmax(), fmin(): as IEEE, but nothing is said about a signalling NaN's result.
    C,
}

/// What is compared and returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operands {
    /// The operands.
    AsTheyAre,
    /// The operands, those of greater magnitude being the greater ones.
    ByMagnitude,
    /// Their absolute values.
    Absolute,
}

/// What M6 selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    rule: Rule,
    operands: Operands,
}

impl Function {
    /// From M6; `None` is a specification exception.
    #[must_use]
    pub const fn from_mask(mask: u8) -> Option<Self> {
        let rule = match mask & 7 {
            0 => Rule::Ieee,
            1 => Rule::Java,
            2 => Rule::CMacro,
            3 => Rule::Cpp,
            4 => Rule::C,
            _ => return None,
        };
        let operands = match (mask & 8, rule) {
            (0, _) => Operands::AsTheyAre,
            (_, Rule::Ieee) => Operands::ByMagnitude,
            _ => Operands::Absolute,
        };
        Some(Self { rule, operands })
    }
}

/// VECTOR FP MAXIMUM and VECTOR FP MINIMUM.
///
/// # Errors
/// An exception that traps.
pub fn min_max<F: Format + Lane>(
    fpc: Fpc,
    elements: Elements,
    extreme: Extreme,
    function: Function,
    operands: (Vector, Vector),
) -> Outcome {
    map2(elements, operands, |a: F, b: F| {
        let (a, b) = match function.operands {
            Operands::Absolute => (bfp::load_positive(a), bfp::load_positive(b)),
            Operands::AsTheyAre | Operands::ByMagnitude => (a, b),
        };
        if a.is_nan() || b.is_nan() {
            of_nans(fpc, function.rule, a, b)
        } else {
            Ok(exact(of_numbers(extreme, function, a, b)))
        }
    })
}

fn exact<F>(value: F) -> Done<F> {
    Done {
        value,
        flags: Flags::empty(),
        trap: None,
    }
}

fn invalid<F>(fpc: Fpc, value: F) -> bfp::Outcome<F> {
    if fpc.masks().contains(Flags::INVALID) {
        return Err(Suppressed(Dxc::INVALID));
    }
    Ok(Done {
        value,
        flags: Flags::INVALID,
        trap: None,
    })
}

/// The result where at least one operand is a NaN.
fn of_nans<F: Format>(fpc: Fpc, rule: Rule, a: F, b: F) -> bfp::Outcome<F> {
    let signaling = a.is_signaling() || b.is_signaling();
    match rule {
        Rule::Ieee | Rule::Java if a.is_signaling() => invalid(fpc, a.quieted()),
        Rule::Ieee | Rule::Java if b.is_signaling() => invalid(fpc, b.quieted()),
        Rule::Java => Ok(exact(if a.is_nan() { a } else { b })),
        Rule::Ieee | Rule::C => {
            let value = if b.is_nan() { a } else { b };
            if signaling {
                invalid(fpc, value)
            } else {
                Ok(exact(value))
            }
        }
        Rule::CMacro => invalid(fpc, b),
        Rule::Cpp => invalid(fpc, a),
    }
}

fn of_numbers<F: Format>(extreme: Extreme, function: Function, a: F, b: F) -> F {
    // Minus zero counts as less than plus zero in the rules that tell them apart; the others
    // take them as equal.
    let order = match (function.rule, function.operands) {
        (Rule::CMacro | Rule::Cpp, _) if a.is_zero() && b.is_zero() => core::cmp::Ordering::Equal,
        (_, Operands::ByMagnitude) => magnitude(a).cmp(&magnitude(b)).then(rank(a).cmp(&rank(b))),
        _ => rank(a).cmp(&rank(b)),
    };
    let order = match extreme {
        Extreme::Maximum => order,
        Extreme::Minimum => order.reverse(),
    };
    match (order, function.rule) {
        (core::cmp::Ordering::Greater, _) => a,
        (core::cmp::Ordering::Less, _) | (_, Rule::CMacro) => b,
        (core::cmp::Ordering::Equal, _) => a,
    }
}

fn magnitude<F: Format>(x: F) -> u128 {
    x.raw() & !F::SIGN
}

/// A number's place in the order of numbers.
fn rank<F: Format>(x: F) -> i128 {
    // The magnitude has 127 bits at most.
    let magnitude = magnitude(x) as i128;
    if x.is_negative() {
        -1 - magnitude
    } else {
        magnitude
    }
}
