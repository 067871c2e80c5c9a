//! VECTOR FP COMPARE and its kin, TEST DATA CLASS IMMEDIATE, PERFORM SIGN OPERATION.

use super::lane::{self, Lane};
use super::{Completed, Elements, Outcome, Vector, untrapped};
use crate::bfp::{self, Flags, Format, Fpc};

/// What VECTOR FP COMPARE looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// EQUAL.
    Equal,
    /// HIGH: the second operand is the greater one.
    High,
    /// HIGH OR EQUAL.
    HighOrEqual,
}

impl Relation {
    /// Whether a scalar comparison's condition code stands for it.
    const fn holds(self, cc: u8) -> bool {
        match self {
            Self::Equal => cc == 0,
            Self::High => cc == 2,
            Self::HighOrEqual => cc == 0 || cc == 2,
        }
    }
}

/// Elements of ones and zeros, and the condition code: 0 all are ones, 1 some, 3 none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The mask of the elements.
    pub mask: Vector,
    /// The condition code, for instructions that set it.
    pub cc: u8,
}

/// What elements with and without a match make the condition code.
const fn code(matched: u32, of: u32) -> u8 {
    if matched == of {
        0
    } else if matched > 0 {
        1
    } else {
        3
    }
}

fn ones<T: Lane>(n: u32) -> u128 {
    lane::placed(T::from_bits(u128::MAX), n)
}

fn compared<F: Format>(fpc: Fpc, signal: bool, a: F, b: F) -> bfp::Outcome<u8> {
    if signal {
        bfp::compare_and_signal(fpc, a, b)
    } else {
        bfp::compare(fpc, a, b)
    }
}

/// VECTOR FP COMPARE EQUAL, HIGH, HIGH OR EQUAL; `signal` makes any NaN an invalid operation.
///
/// # Errors
/// An exception that traps.
pub fn compare<F: Format + Lane>(
    fpc: Fpc,
    elements: Elements,
    relation: Relation,
    signal: bool,
    (a, b): (Vector, Vector),
) -> Outcome<Compared> {
    let (mut mask, mut matched, mut flags) = (0, 0, Flags::empty());
    let count = elements.of::<F>();
    for n in 0..count {
        let (a, b) = (lane::element(a, n), lane::element(b, n));
        let done = untrapped(n, compared::<F>(fpc, signal, a, b))?;
        flags |= done.flags;
        if relation.holds(done.value) {
            mask |= ones::<F>(n);
            matched += 1;
        }
    }
    let value = Compared {
        mask: Vector::from(mask),
        cc: code(matched, count),
    };
    Ok(Completed { value, flags })
}

/// VECTOR FP COMPARE SCALAR, and COMPARE AND SIGNAL SCALAR: the condition code of elements 0.
///
/// # Errors
/// An exception that traps.
pub fn compare_scalar<F: Format + Lane>(
    fpc: Fpc,
    signal: bool,
    a: Vector,
    b: Vector,
) -> Outcome<u8> {
    let (a, b) = (lane::element(a, 0), lane::element(b, 0));
    untrapped(0, compared::<F>(fpc, signal, a, b))
}

/// VECTOR FP TEST DATA CLASS IMMEDIATE: elements whose class has its bit in `classes` (12 bits)
/// become ones. `first` is the target, whose other elements stay when only element 0 is tested.
#[must_use]
pub fn test_data_class<F: Format + Lane>(
    elements: Elements,
    first: Vector,
    a: Vector,
    classes: u16,
) -> Compared {
    let mut mask = u128::from(first);
    let (mut matched, count) = (0, elements.of::<F>());
    for n in 0..count {
        mask &= !ones::<F>(n);
        if bfp::test_data_class::<F>(lane::element(a, n), classes.into()) != 0 {
            mask |= ones::<F>(n);
            matched += 1;
        }
    }
    Compared {
        mask: Vector::from(mask),
        cc: code(matched, count),
    }
}

/// What VECTOR FP PERFORM SIGN OPERATION does to the sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Inverts it.
    Complement,
    /// Makes it one.
    Negative,
    /// Makes it zero.
    Positive,
}

impl Sign {
    /// From M5; `None` is a specification exception.
    #[must_use]
    pub const fn from_mask(mask: u8) -> Option<Self> {
        match mask {
            0 => Some(Self::Complement),
            1 => Some(Self::Negative),
            2 => Some(Self::Positive),
            _ => None,
        }
    }
}

/// VECTOR FP PERFORM SIGN OPERATION: even of NaNs, never an exception. The other elements are
/// those of `a` when only element 0 is wanted.
#[must_use]
pub fn perform_sign<F: Format + Lane>(elements: Elements, sign: Sign, a: Vector) -> Vector {
    let signs = (0..elements.of::<F>())
        .map(|n| lane::placed(F::from_raw(F::SIGN), n))
        .fold(0, |all, sign| all | sign);
    let bits = u128::from(a);
    Vector::from(match sign {
        Sign::Complement => bits ^ signs,
        Sign::Negative => bits | signs,
        Sign::Positive => bits & !signs,
    })
}
