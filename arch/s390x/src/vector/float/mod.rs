//! Vector floating point (Principles of Operation, chapter 24): what its instructions compute,
//! as pure functions of vectors, masks and the floating-point-control register.
//!
//! An element is computed by [`crate::bfp`]; here are the elements of a vector, what becomes of
//! their exceptions, and the operations that only vectors have. It is NOT the instructions:
//! registers, CR0's controls and interruptions are the business of the helpers and the
//! translator.
//!
//! Exceptions differ from those of the scalar instructions. One whose mask bit is one suppresses
//! the whole instruction, even overflow, underflow and inexact, and even after other elements
//! have been computed: no register, flag or condition code changes. Its vector-exception code
//! ([`Vxc`]) tells the leftmost such element. Otherwise the flags of all elements are raised
//! together.
//!
//! With the single-element control only element 0 of the source is computed. What the rest of the
//! target holds then is unpredictable in the architecture; here it is zero, except where stated.

mod arith;
mod compare;
mod convert;
mod lane;
mod min_max;
#[cfg(test)]
mod tests;

pub use arith::{Fused, add, divide, multiply, multiply_add, square_root, subtract};
pub use compare::{
    Compared, Relation, Sign, compare, compare_scalar, perform_sign, test_data_class,
};
pub use convert::{
    from_fixed, from_logical, load_integral, load_lengthened, load_lengthened_extended,
    load_rounded, load_rounded_extended, to_fixed, to_logical,
};
pub use min_max::{Extreme, Function, min_max};

use super::Vector;
use crate::bfp::{self, Dxc, Flags, Format, Suppressed};
use lane::Lane;

/// The format of a vector's floating-point elements, as the instructions' mask names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VectorFormat {
    /// Four elements (mask 2).
    Short,
    /// Two elements (mask 3).
    Long,
    /// One element (mask 4).
    Extended,
}

impl VectorFormat {
    /// From the instruction's mask; `None` is a specification exception.
    #[must_use]
    pub const fn from_mask(mask: u8) -> Option<Self> {
        match mask {
            2 => Some(Self::Short),
            3 => Some(Self::Long),
            4 => Some(Self::Extended),
            _ => None,
        }
    }
}

/// Which elements an instruction computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elements {
    /// All.
    All,
    /// Element 0 (the single-element control is one).
    First,
}

impl Elements {
    /// How many of those in a vector of `T`.
    const fn of<T: Lane>(self) -> u32 {
        match self {
            Self::All => 128 / T::BITS,
            Self::First => 1,
        }
    }
}

/// A vector-exception code: the index of the element in the left four bits, and the vector
/// interruption code in the others (Principles of Operation, chapter 6, "Vector-Exception Code").
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("IEEE exception with VXC {0:#04x} suppresses the vector instruction")]
pub struct Vxc(pub u8);

impl Vxc {
    /// An element's exception by its data-exception code: the highest-ranking one counts.
    fn new(element: u32, dxc: Dxc) -> Self {
        let flags = Flags::from_bits_truncate(dxc.0);
        let code = if flags.contains(Flags::INVALID) {
            1
        } else if flags.contains(Flags::DIVISION_BY_ZERO) {
            2
        } else if flags.contains(Flags::OVERFLOW) {
            3
        } else if flags.contains(Flags::UNDERFLOW) {
            4
        } else {
            5
        };
        Self((element as u8) << 4 | code)
    }
}

/// What an operation leaves behind when it is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Completed<T = Vector> {
    /// The result.
    pub value: T,
    /// Flags to OR into the FPC register.
    pub flags: Flags,
}

/// What a vector floating-point operation yields: an exception suppresses it.
pub type Outcome<T = Vector> = Result<Completed<T>, Vxc>;

/// An element's value and flags, if no exception traps.
fn untrapped<T>(element: u32, outcome: bfp::Outcome<T>) -> Outcome<T> {
    match outcome {
        Ok(done) => match done.trap {
            None => Ok(Completed {
                value: done.value,
                flags: done.flags,
            }),
            Some(dxc) => Err(Vxc::new(element, dxc)),
        },
        Err(Suppressed(dxc)) => Err(Vxc::new(element, dxc)),
    }
}

/// What becomes of an operation on elements 0 alone.
///
/// # Errors
/// An exception that traps.
pub fn first<T>(outcome: bfp::Outcome<T>) -> Outcome<T> {
    untrapped(0, outcome)
}

/// Elements that have been computed.
#[derive(Default)]
struct Gathered {
    bits: u128,
    flags: Flags,
}

impl Gathered {
    /// Adds element `place`, computed from element `source`.
    fn put<T: Lane>(
        &mut self,
        source: u32,
        place: u32,
        outcome: bfp::Outcome<T>,
    ) -> Result<(), Vxc> {
        let done = untrapped(source, outcome)?;
        self.bits |= lane::placed(done.value, place);
        self.flags |= done.flags;
        Ok(())
    }

    fn complete(self) -> Outcome {
        Ok(Completed {
            value: Vector::from(self.bits),
            flags: self.flags,
        })
    }
}

/// An operation of one operand.
fn map<S: Lane, D: Lane>(
    elements: Elements,
    a: Vector,
    f: impl Fn(S) -> bfp::Outcome<D>,
) -> Outcome {
    let mut gathered = Gathered::default();
    for n in 0..elements.of::<S>() {
        gathered.put(n, n, f(lane::element(a, n)))?;
    }
    gathered.complete()
}

/// An operation of two operands.
fn map2<F: Format + Lane>(
    elements: Elements,
    (a, b): (Vector, Vector),
    f: impl Fn(F, F) -> bfp::Outcome<F>,
) -> Outcome {
    let mut gathered = Gathered::default();
    for n in 0..elements.of::<F>() {
        gathered.put(n, n, f(lane::element(a, n), lane::element(b, n)))?;
    }
    gathered.complete()
}
