//! VECTOR FP ADD, SUBTRACT, MULTIPLY, DIVIDE, SQUARE ROOT, and the four of multiply and add.

use super::lane::Lane;
use super::{Elements, Outcome, Vector, map, map2};
use crate::bfp::{self, Done, Format, Fpc};

/// VECTOR FP ADD: `a + b`.
///
/// # Errors
/// An exception that traps.
pub fn add<F: Format + Lane>(fpc: Fpc, elements: Elements, a: Vector, b: Vector) -> Outcome {
    map2(elements, (a, b), |a: F, b| bfp::add(fpc, a, b))
}

/// VECTOR FP SUBTRACT: `a - b`.
///
/// # Errors
/// An exception that traps.
pub fn subtract<F: Format + Lane>(fpc: Fpc, elements: Elements, a: Vector, b: Vector) -> Outcome {
    map2(elements, (a, b), |a: F, b| bfp::subtract(fpc, a, b))
}

/// VECTOR FP MULTIPLY: `a * b`.
///
/// # Errors
/// An exception that traps.
pub fn multiply<F: Format + Lane>(fpc: Fpc, elements: Elements, a: Vector, b: Vector) -> Outcome {
    map2(elements, (a, b), |a: F, b| bfp::multiply(fpc, a, b))
}

/// VECTOR FP DIVIDE: `a / b`.
///
/// # Errors
/// An exception that traps.
pub fn divide<F: Format + Lane>(fpc: Fpc, elements: Elements, a: Vector, b: Vector) -> Outcome {
    map2(elements, (a, b), |a: F, b| bfp::divide(fpc, a, b))
}

/// VECTOR FP SQUARE ROOT.
///
/// # Errors
/// An exception that traps.
pub fn square_root<F: Format + Lane>(fpc: Fpc, elements: Elements, a: Vector) -> Outcome {
    map(elements, a, |a: F| bfp::square_root(fpc, a))
}

/// What is made of a product and an addend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fused {
    /// MULTIPLY AND ADD.
    Add,
    /// MULTIPLY AND SUBTRACT.
    Subtract,
    /// NEGATIVE MULTIPLY AND ADD.
    NegativeAdd,
    /// NEGATIVE MULTIPLY AND SUBTRACT.
    NegativeSubtract,
}

impl Fused {
    fn negative(self) -> bool {
        matches!(self, Self::NegativeAdd | Self::NegativeSubtract)
    }

    fn subtracts(self) -> bool {
        matches!(self, Self::Subtract | Self::NegativeSubtract)
    }
}

/// VECTOR FP MULTIPLY AND ADD and its kin: `a * b` plus or minus `c`, rounded once. The negative
/// ones invert the sign of the rounded result unless it is a NaN.
///
/// # Errors
/// An exception that traps.
pub fn multiply_add<F: Format + Lane>(
    fpc: Fpc,
    elements: Elements,
    fused: Fused,
    [a, b, c]: [Vector; 3],
) -> Outcome {
    let one = |a: F, b: F, c: F| -> bfp::Outcome<F> {
        let done = if fused.subtracts() {
            bfp::multiply_subtract(fpc, c, a, b)
        } else {
            bfp::multiply_add(fpc, c, a, b)
        }?;
        let value = if fused.negative() && !done.value.is_nan() {
            bfp::load_complement(done.value)
        } else {
            done.value
        };
        Ok(Done { value, ..done })
    };
    let mut gathered = super::Gathered::default();
    for n in 0..elements.of::<F>() {
        let [a, b, c] = [a, b, c].map(|v| super::lane::element(v, n));
        gathered.put(n, n, one(a, b, c))?;
    }
    gathered.complete()
}
