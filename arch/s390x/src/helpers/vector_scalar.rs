//! Helpers of vector floating-point instructions whose single-element control is one, in short
//! and long: what compilers make of scalar floating point.
//!
//! They take elements 0 and give the result's bits, so that native code can do the same inline.
//! The others are in [`super::vector_float`].

use tcg::ir::Ty;
use tcg::{Effects, FloatOp, HelperDef, Trap};

use super::vector_float::{completed, fpc};
use crate::bfp::{self, Control, Done, Format, Long, Outcome, Rounded, Short};
use crate::cpu::{ProgramCode, S390Cpu};
use crate::translate::bfp::helper::intrinsic;
use crate::vector::float;

/// An operation's helpers.
#[derive(Debug, Clone, Copy)]
pub struct Scalar {
    /// In short.
    pub short: &'static HelperDef,
    /// In long.
    pub long: &'static HelperDef,
}

fn value<F: Format>(cpu: &mut S390Cpu, outcome: Outcome<F>) -> Result<u64, Trap> {
    completed(cpu, float::first(outcome)).map(|value| value.raw() as u64)
}

fn code(cpu: &mut S390Cpu, outcome: Outcome<u8>) -> Result<u64, Trap> {
    completed(cpu, float::first(outcome)).map(u64::from)
}

/// From what [`crate::translate::bfp::helper::modifiers`] makes of M5 and M4.
fn control(cpu: &S390Cpu, modifiers: u64) -> Result<Control, Trap> {
    Control::with_modifiers(fpc(cpu), modifiers as u8, (modifiers >> 8) as u8)
        .map_err(|_| ProgramCode::Specification.into())
}

macro_rules! scalars {
    ($(
        $doc:literal $name:ident $short:ident $long:ident $new:ident $op:ident $end:ident
        |$fpc:ident $(, $arg:ident)*| $body:expr;
    )*) => {$(
        static $short: HelperDef = HelperDef::$new(
            stringify!($short),
            Effects::TRAPS,
            |cpu: &mut S390Cpu $(, $arg)*| {
                let $fpc = fpc(cpu);
                $(let $arg = Short($arg as u32);)*
                $end(cpu, $body)
            },
        )
        .with_intrinsic(intrinsic(FloatOp::$op, Ty::I32));
        static $long: HelperDef = HelperDef::$new(
            stringify!($long),
            Effects::TRAPS,
            |cpu: &mut S390Cpu $(, $arg)*| {
                let $fpc = fpc(cpu);
                $(let $arg = Long($arg);)*
                $end(cpu, $body)
            },
        )
        .with_intrinsic(intrinsic(FloatOp::$op, Ty::I64));
        #[doc = $doc]
        pub static $name: Scalar = Scalar { short: &$short, long: &$long };
    )*};
}

scalars! {
    "VECTOR FP ADD: `(a, b)`." WFA WFASB WFADB new2 Add value |fpc, a, b| bfp::add(fpc, a, b);
    "VECTOR FP SUBTRACT: `(a, b)`." WFS WFSSB WFSDB new2 Sub value
        |fpc, a, b| bfp::subtract(fpc, a, b);
    "VECTOR FP MULTIPLY: `(a, b)`." WFM WFMSB WFMDB new2 Mul value
        |fpc, a, b| bfp::multiply(fpc, a, b);
    "VECTOR FP DIVIDE: `(a, b)`." WFD WFDSB WFDDB new2 Div value
        |fpc, a, b| bfp::divide(fpc, a, b);
    "VECTOR FP SQUARE ROOT: `(a)`." WFSQ WFSQSB WFSQDB new1 Sqrt value
        |fpc, a| bfp::square_root(fpc, a);
    "VECTOR FP MULTIPLY AND ADD: `(a, b, c)`." WFMA WFMASB WFMADB new3 MulAdd value
        |fpc, a, b, c| bfp::multiply_add(fpc, c, a, b);
    "VECTOR FP MULTIPLY AND SUBTRACT: `(a, b, c)`." WFMS WFMSSB WFMSDB new3 MulSub value
        |fpc, a, b, c| bfp::multiply_subtract(fpc, c, a, b);
    "VECTOR FP COMPARE SCALAR: `(a, b)` gives the condition code." WFC WFCSB WFCDB new2 Compare code
        |fpc, a, b| bfp::compare(fpc, a, b);
    "VECTOR FP COMPARE AND SIGNAL SCALAR: `(a, b)` gives the condition code."
        WFK WFKSB WFKDB new2 Compare code |fpc, a, b| bfp::compare_and_signal(fpc, a, b);
}

/// VECTOR FP LOAD LENGTHENED, short to long: `(a)`.
pub static WFLLS: HelperDef = HelperDef::new1("WFLLS", Effects::TRAPS, |cpu: &mut S390Cpu, a| {
    let outcome = bfp::load_lengthened::<Short, Long>(fpc(cpu), Short(a as u32));
    value(cpu, outcome)
})
.with_intrinsic(intrinsic(FloatOp::Lengthen, Ty::I32));

/// VECTOR FP LOAD ROUNDED, long to short: `(a, modifiers)`.
pub static WFLRD: HelperDef =
    HelperDef::new2("WFLRD", Effects::TRAPS, |cpu: &mut S390Cpu, a, m| {
        let outcome = bfp::load_rounded::<Long, Short>(control(cpu, m)?, Long(a));
        let outcome = outcome.map(|done| Done {
            value: match done.value {
                Rounded::Target(short) => short,
                // Only where a trap follows, which suppresses it.
                Rounded::Source(_) => Short(0),
            },
            flags: done.flags,
            trap: done.trap,
        });
        value(cpu, outcome)
    })
    .with_intrinsic(intrinsic(FloatOp::Shorten, Ty::I64));

/// VECTOR FP CONVERT FROM FIXED, 64 bits: `(a, modifiers)`.
pub static WCDGB: HelperDef =
    HelperDef::new2("WCDGB", Effects::TRAPS, |cpu: &mut S390Cpu, a, m| {
        let done = bfp::convert_from_fixed::<i64, Long>(control(cpu, m)?, a as i64);
        value(cpu, Ok(done))
    })
    .with_intrinsic(intrinsic(FloatOp::FromInt(Ty::I64), Ty::I64));

/// VECTOR FP CONVERT TO FIXED, 64 bits: `(a, modifiers)`.
pub static WCGDB: HelperDef =
    HelperDef::new2("WCGDB", Effects::TRAPS, |cpu: &mut S390Cpu, a, m| {
        let outcome = bfp::convert_to_fixed::<Long, i64>(control(cpu, m)?, Long(a));
        let (value, _) = completed(cpu, float::first(outcome))?;
        Ok(value as u64)
    })
    .with_intrinsic(intrinsic(FloatOp::ToInt(Ty::I64), Ty::I64));
