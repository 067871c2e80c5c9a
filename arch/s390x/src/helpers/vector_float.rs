//! Helpers of the vector floating-point instructions.
//!
//! They take an instruction's [`Operands`], stand around the functions of
//! [`crate::vector::float`], keep the FPC register, and turn an exception that traps into a
//! vector-processing exception; nothing has changed then. The translator has seen that masks
//! are assigned. Operations on one element in short or long are in [`super::vector_scalar`].

use tcg::{Effects, GlobalSet, HelperDef, Trap};

use crate::bfp::{Control, Extended, Fpc, Long, Short};
use crate::cpu::{ProgramCheck, ProgramCode, S390Cpu, sets};
use crate::translate::vector::Operands;
use crate::vector::Vector;
use crate::vector::float::{
    self, Completed, Elements, Extreme, Function, Fused, Outcome, Relation, Sign, VectorFormat, Vxc,
};

/// Reads and writes vector registers, and may trap before it writes any.
const RESULT: Effects = Effects::GLOBALS.within(sets::VECTORS, sets::VECTORS);
/// The same with the condition code.
const RESULT_CC: Effects = Effects::GLOBALS.within(sets::VECTORS, sets::VECTORS.and(GlobalSet::CC));

pub(super) fn fpc(cpu: &S390Cpu) -> Fpc {
    Fpc::from_register(cpu.fpc)
}

/// What a mask's single-element control says.
fn elements(mask: u8) -> Elements {
    if mask & 8 == 0 {
        Elements::All
    } else {
        Elements::First
    }
}

/// Raises flags, or traps.
pub(super) fn completed<T>(cpu: &mut S390Cpu, outcome: Outcome<T>) -> Result<T, Trap> {
    let Completed { value, flags } = outcome.map_err(|Vxc(vxc)| ProgramCheck::vector(vxc))?;
    cpu.fpc = fpc(cpu).with_flags(flags).bits();
    Ok(value)
}

/// Ends an instruction whose result goes to V1.
fn finish(cpu: &mut S390Cpu, o: Operands, outcome: Outcome) -> Result<u64, Trap> {
    cpu.vr[o.v1()] = completed(cpu, outcome)?;
    Ok(0)
}

fn assigned<T>(value: Option<T>) -> Result<T, Trap> {
    value.ok_or_else(|| ProgramCode::Specification.into())
}

/// V2 and V3.
fn pair(cpu: &S390Cpu, o: Operands) -> (Vector, Vector) {
    (cpu.vr[o.v2()], cpu.vr[o.v3()])
}

/// `$body` with `$f` the type of a format.
macro_rules! in_format {
    ($mask:expr, $f:ident => $body:expr) => {
        match assigned(VectorFormat::from_mask($mask))? {
            VectorFormat::Short => {
                type $f = Short;
                $body
            }
            VectorFormat::Long => {
                type $f = Long;
                $body
            }
            VectorFormat::Extended => {
                type $f = Extended;
                $body
            }
        }
    };
}

/// The same of the formats that have integers.
macro_rules! in_integer_format {
    ($mask:expr, $f:ident => $body:expr) => {
        match assigned(VectorFormat::from_mask($mask))? {
            VectorFormat::Short => {
                type $f = Short;
                $body
            }
            VectorFormat::Long => {
                type $f = Long;
                $body
            }
            VectorFormat::Extended => return Err(ProgramCode::Specification.into()),
        }
    };
}

macro_rules! helpers {
    ($effects:expr; $($(#[$doc:meta])* $name:ident |$cpu:ident, $o:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        pub static $name: HelperDef = HelperDef::new1(
            stringify!($name),
            $effects,
            |$cpu: &mut S390Cpu, word| {
                let $o = Operands(word);
                $body
            },
        );
    )*};
}

/// VRR-c with format M4 and single-element control in M5: an operation of V2 and V3.
macro_rules! of_two {
    ($($doc:literal $name:ident $f:ident;)*) => {
        helpers! {
            RESULT;
            $(#[doc = $doc] $name |cpu, o| {
                let (fpc, elements, (a, b)) = (fpc(cpu), elements(o.m5()), pair(cpu, o));
                let outcome = in_format!(o.m4(), F => float::$f::<F>(fpc, elements, a, b));
                finish(cpu, o, outcome)
            };)*
        }
    };
}

of_two! {
    "VECTOR FP ADD." VFA add;
    "VECTOR FP SUBTRACT." VFS subtract;
    "VECTOR FP MULTIPLY." VFM multiply;
    "VECTOR FP DIVIDE." VFD divide;
}

/// The four of multiply and add: VRR-e with format M6 and single-element control in M5.
macro_rules! of_three {
    ($($doc:literal $name:ident $fused:ident;)*) => {
        helpers! {
            RESULT;
            $(#[doc = $doc] $name |cpu, o| {
                let operands = [o.v2(), o.v3(), o.v4()].map(|n| cpu.vr[n]);
                let (fpc, elements) = (fpc(cpu), elements(o.m5()));
                let outcome = in_format!(o.m6(), F => {
                    float::multiply_add::<F>(fpc, elements, Fused::$fused, operands)
                });
                finish(cpu, o, outcome)
            };)*
        }
    };
}

of_three! {
    "VECTOR FP MULTIPLY AND ADD." VFMA Add;
    "VECTOR FP MULTIPLY AND SUBTRACT." VFMS Subtract;
    "VECTOR FP NEGATIVE MULTIPLY AND ADD." VFNMA NegativeAdd;
    "VECTOR FP NEGATIVE MULTIPLY AND SUBTRACT." VFNMS NegativeSubtract;
}

fn extreme(cpu: &mut S390Cpu, o: Operands, extreme: Extreme) -> Result<u64, Trap> {
    let (fpc, elements, operands) = (fpc(cpu), elements(o.m5()), pair(cpu, o));
    let function = assigned(Function::from_mask(o.m6()))?;
    let outcome = in_format!(o.m4(), F => {
        float::min_max::<F>(fpc, elements, extreme, function, operands)
    });
    finish(cpu, o, outcome)
}

/// VECTOR FP COMPARE: M5 has the single-element control and the signal-on-QNaN control (bit 1).
fn compare(cpu: &mut S390Cpu, o: Operands, relation: Relation) -> Result<float::Compared, Trap> {
    let (fpc, elements, operands) = (fpc(cpu), elements(o.m5()), pair(cpu, o));
    let signal = o.m5() & 4 != 0;
    let outcome = in_format!(o.m4(), F => {
        float::compare::<F>(fpc, elements, relation, signal, operands)
    });
    let compared = completed(cpu, outcome)?;
    cpu.vr[o.v1()] = compared.mask;
    Ok(compared)
}

fn compare_scalar(cpu: &mut S390Cpu, o: Operands, signal: bool) -> Result<u64, Trap> {
    let (a, b) = (cpu.vr[o.v1()], cpu.vr[o.v2()]);
    let outcome = in_format!(o.m3(), F => float::compare_scalar::<F>(fpc(cpu), signal, a, b));
    let cc = completed(cpu, outcome)?;
    cpu.set_cc(cc);
    Ok(0)
}

macro_rules! comparisons {
    ($($doc:literal $name:ident $with_cc:ident $relation:ident;)*) => {
        helpers! {
            RESULT;
            $(#[doc = $doc] $name |cpu, o| {
                compare(cpu, o, Relation::$relation)?;
                Ok(0)
            };)*
        }
        helpers! {
            RESULT_CC;
            $(#[doc = concat!($doc, " Sets the condition code.")] $with_cc |cpu, o| {
                let compared = compare(cpu, o, Relation::$relation)?;
                cpu.set_cc(compared.cc);
                Ok(0)
            };)*
        }
    };
}

comparisons! {
    "VECTOR FP COMPARE EQUAL." VFCE VFCE_CC Equal;
    "VECTOR FP COMPARE HIGH." VFCH VFCH_CC High;
    "VECTOR FP COMPARE HIGH OR EQUAL." VFCHE VFCHE_CC HighOrEqual;
}

/// What governs a conversion: M5 is the rounding method, M4 has the inexact-exception control.
fn control(cpu: &S390Cpu, o: Operands) -> Result<Control, Trap> {
    Control::with_modifiers(fpc(cpu), o.m5(), o.m4()).map_err(|_| ProgramCode::Specification.into())
}

/// VRR-a with format M3, single-element and inexact-exception controls in M4, rounding method
/// M5: a conversion between integers and floating point.
macro_rules! conversions {
    ($($doc:literal $name:ident $f:ident;)*) => {
        helpers! {
            RESULT;
            $(#[doc = $doc] $name |cpu, o| {
                let (control, elements, a) = (control(cpu, o)?, elements(o.m4()), cpu.vr[o.v2()]);
                let outcome = in_integer_format!(o.m3(), F => float::$f::<F>(control, elements, a));
                finish(cpu, o, outcome)
            };)*
        }
    };
}

conversions! {
    "VECTOR FP CONVERT FROM FIXED." VCFPS from_fixed;
    "VECTOR FP CONVERT FROM LOGICAL." VCFPL from_logical;
    "VECTOR FP CONVERT TO FIXED." VCSFP to_fixed;
    "VECTOR FP CONVERT TO LOGICAL." VCLFP to_logical;
}

helpers! {
    RESULT;
    /// VECTOR FP MAXIMUM.
    VFMAX |cpu, o| extreme(cpu, o, Extreme::Maximum);
    /// VECTOR FP MINIMUM.
    VFMIN |cpu, o| extreme(cpu, o, Extreme::Minimum);
    /// VECTOR FP SQUARE ROOT.
    VFSQ |cpu, o| {
        let (fpc, elements, a) = (fpc(cpu), elements(o.m4()), cpu.vr[o.v2()]);
        let outcome = in_format!(o.m3(), F => float::square_root::<F>(fpc, elements, a));
        finish(cpu, o, outcome)
    };
    /// VECTOR LOAD FP INTEGER.
    VFI |cpu, o| {
        let (control, elements, a) = (control(cpu, o)?, elements(o.m4()), cpu.vr[o.v2()]);
        let outcome = in_format!(o.m3(), F => float::load_integral::<F>(control, elements, a));
        finish(cpu, o, outcome)
    };
    /// VECTOR FP LOAD LENGTHENED.
    VFLL |cpu, o| {
        let (fpc, a) = (fpc(cpu), cpu.vr[o.v2()]);
        let outcome = match assigned(VectorFormat::from_mask(o.m3()))? {
            VectorFormat::Short => float::load_lengthened(fpc, elements(o.m4()), a),
            VectorFormat::Long => float::load_lengthened_extended(fpc, a),
            VectorFormat::Extended => return Err(ProgramCode::Specification.into()),
        };
        finish(cpu, o, outcome)
    };
    /// VECTOR FP LOAD ROUNDED. Element 1 of a long result is unpredictable; it stays.
    VFLR |cpu, o| {
        let (control, a) = (control(cpu, o)?, cpu.vr[o.v2()]);
        match assigned(VectorFormat::from_mask(o.m3()))? {
            VectorFormat::Short => Err(ProgramCode::Specification.into()),
            VectorFormat::Long => {
                finish(cpu, o, float::load_rounded(control, elements(o.m4()), a))
            }
            VectorFormat::Extended => {
                let done = completed(cpu, float::load_rounded_extended(control, a))?;
                cpu.vr[o.v1()].left = done.left;
                Ok(0)
            }
        }
    };
    /// VECTOR FP PERFORM SIGN OPERATION.
    VFPSO |cpu, o| {
        let sign = assigned(Sign::from_mask(o.m5()))?;
        let (elements, a) = (elements(o.m4()), cpu.vr[o.v2()]);
        cpu.vr[o.v1()] = in_format!(o.m3(), F => float::perform_sign::<F>(elements, sign, a));
        Ok(0)
    };
}

helpers! {
    RESULT_CC;
    /// VECTOR FP COMPARE SCALAR.
    WFC |cpu, o| compare_scalar(cpu, o, false);
    /// VECTOR FP COMPARE AND SIGNAL SCALAR.
    WFK |cpu, o| compare_scalar(cpu, o, true);
    /// VECTOR FP TEST DATA CLASS IMMEDIATE.
    VFTCI |cpu, o| {
        let (elements, first, a) = (elements(o.m5()), cpu.vr[o.v1()], cpu.vr[o.v2()]);
        let tested = in_format!(o.m4(), F => {
            float::test_data_class::<F>(elements, first, a, o.immediate() & 0xfff)
        });
        cpu.vr[o.v1()] = tested.mask;
        cpu.set_cc(tested.cc);
        Ok(0)
    };
}
