//! VECTOR FP CONVERT FROM and TO FIXED and LOGICAL, LOAD FP INTEGER, LOAD LENGTHENED, LOAD
//! ROUNDED.

use super::lane::{self, Lane};
use super::{Elements, Gathered, Outcome, Vector, map};
use crate::bfp::{self, Control, Done, Extended, Fixed, Format, Fpc, Long, Rounded, Short};

fn from_integer<I: Fixed + Lane, F: Format + Lane>(
    control: Control,
    elements: Elements,
    a: Vector,
) -> Outcome {
    map(elements, a, |x: I| {
        Ok(bfp::convert_from_fixed::<I, F>(control, x))
    })
}

fn to_integer<F: Format + Lane, I: Fixed + Lane>(
    control: Control,
    elements: Elements,
    a: Vector,
) -> Outcome {
    map(elements, a, |x: F| -> bfp::Outcome<I> {
        let done = bfp::convert_to_fixed::<F, I>(control, x)?;
        let (value, _) = done.value;
        Ok(Done {
            value,
            flags: done.flags,
            trap: done.trap,
        })
    })
}

/// A format that integers of its own width are converted from and to.
pub trait Convertible: Format + Lane {
    /// The signed integer.
    type Fixed: Fixed + Lane;
    /// The unsigned one.
    type Logical: Fixed + Lane;
}

impl Convertible for Short {
    type Fixed = i32;
    type Logical = u32;
}

impl Convertible for Long {
    type Fixed = i64;
    type Logical = u64;
}

/// VECTOR FP CONVERT FROM FIXED.
///
/// # Errors
/// An exception that traps.
pub fn from_fixed<F: Convertible>(control: Control, elements: Elements, a: Vector) -> Outcome {
    from_integer::<F::Fixed, F>(control, elements, a)
}

/// VECTOR FP CONVERT FROM LOGICAL.
///
/// # Errors
/// An exception that traps.
pub fn from_logical<F: Convertible>(control: Control, elements: Elements, a: Vector) -> Outcome {
    from_integer::<F::Logical, F>(control, elements, a)
}

/// VECTOR FP CONVERT TO FIXED: as the scalar instruction, without a condition code.
///
/// # Errors
/// An exception that traps.
pub fn to_fixed<F: Convertible>(control: Control, elements: Elements, a: Vector) -> Outcome {
    to_integer::<F, F::Fixed>(control, elements, a)
}

/// VECTOR FP CONVERT TO LOGICAL: as the scalar instruction, without a condition code.
///
/// # Errors
/// An exception that traps.
pub fn to_logical<F: Convertible>(control: Control, elements: Elements, a: Vector) -> Outcome {
    to_integer::<F, F::Logical>(control, elements, a)
}

/// VECTOR LOAD FP INTEGER.
///
/// # Errors
/// An exception that traps.
pub fn load_integral<F: Format + Lane>(control: Control, elements: Elements, a: Vector) -> Outcome {
    map(elements, a, |x: F| bfp::load_fp_integer(control, x))
}

/// VECTOR FP LOAD LENGTHENED, short to long: the even elements. A [`super::Vxc`] has the index of
/// the source's element.
///
/// # Errors
/// An exception that traps.
pub fn load_lengthened(fpc: Fpc, elements: Elements, a: Vector) -> Outcome {
    let mut gathered = Gathered::default();
    for n in 0..elements.of::<Long>() {
        let x: Short = lane::element(a, 2 * n);
        gathered.put(2 * n, n, bfp::load_lengthened::<Short, Long>(fpc, x))?;
    }
    gathered.complete()
}

/// VECTOR FP LOAD LENGTHENED, long to extended: element 0.
///
/// # Errors
/// An exception that traps.
pub fn load_lengthened_extended(fpc: Fpc, a: Vector) -> Outcome {
    let mut gathered = Gathered::default();
    let x: Long = lane::element(a, 0);
    gathered.put(0, 0, bfp::load_lengthened::<Long, Extended>(fpc, x))?;
    gathered.complete()
}

/// LOAD ROUNDED. Where there is no result in the target's format a trap follows, which
/// suppresses it.
fn rounded<S: Format, D: Format>(control: Control, x: S) -> bfp::Outcome<D> {
    let done = bfp::load_rounded::<S, D>(control, x)?;
    Ok(Done {
        value: match done.value {
            Rounded::Target(value) => value,
            Rounded::Source(_) => D::from_raw(0),
        },
        flags: done.flags,
        trap: done.trap,
    })
}

/// VECTOR FP LOAD ROUNDED, long to short: to the even elements; the others become zero. A
/// [`super::Vxc`] has the index of the source's element.
///
/// # Errors
/// An exception that traps.
pub fn load_rounded(control: Control, elements: Elements, a: Vector) -> Outcome {
    let mut gathered = Gathered::default();
    for n in 0..elements.of::<Long>() {
        gathered.put(
            n,
            2 * n,
            rounded::<Long, Short>(control, lane::element(a, n)),
        )?;
    }
    gathered.complete()
}

/// VECTOR FP LOAD ROUNDED, extended to long: to element 0; element 1 becomes zero.
///
/// # Errors
/// An exception that traps.
pub fn load_rounded_extended(control: Control, a: Vector) -> Outcome {
    let mut gathered = Gathered::default();
    gathered.put(
        0,
        0,
        rounded::<Extended, Long>(control, lane::element(a, 0)),
    )?;
    gathered.complete()
}
