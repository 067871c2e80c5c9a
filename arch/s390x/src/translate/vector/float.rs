//! Vector floating-point instructions: their masks are checked, the rest is a helper's.
//!
//! Not here: the helpers ([`crate::helpers::vector_float`]) and what they compute
//! ([`crate::vector::float`]).

use tcg::HelperDef;
use tcg::ir::Val;

use crate::bfp::{Control, Fpc};
use crate::cpu::facility::{VECTOR_ENHANCEMENTS_1, VECTOR_ENHANCEMENTS_2};
use crate::cpu::{Half, ProgramCode, vr};
use crate::helpers::vector_scalar::{self as scalar, Scalar};
use crate::insn::Insn;
use crate::translate::bfp::helper::modifiers;
use crate::translate::{Flow, Tx, require};
use crate::vector::float::{Function, Sign, VectorFormat};

/// The single-element control.
const SINGLE: u8 = 8;
/// The inexact-exception control of M4, and the signal-on-QNaN control of VECTOR FP COMPARE's M5.
const SECOND: u8 = 4;

impl Tx<'_> {
    fn specification(&mut self, holds: bool) -> Result<(), Flow> {
        self.demand(holds, ProgramCode::Specification)
    }

    /// Demands that a mask has no bits but these.
    fn bits_of_mask(&mut self, mask: u8, assigned: u8) -> Result<(), Flow> {
        self.specification(mask & !assigned == 0)
    }

    /// Demands a format that is installed: long, or any with the first enhancements.
    fn vector_format(&mut self, mask: u8) -> Result<(), Flow> {
        let installed = match VectorFormat::from_mask(mask) {
            Some(VectorFormat::Long) => true,
            Some(_) => self.has(VECTOR_ENHANCEMENTS_1),
            None => false,
        };
        self.specification(installed)
    }

    fn float_helper(&mut self, i: &Insn, def: &'static HelperDef) -> Flow {
        let operands = self.vector_operands(i);
        self.call(def, &[operands]);
        Flow::Next
    }

    /// Demands inexact-exception and single-element controls, and an assigned rounding method.
    fn rounding_masks(&mut self, i: &Insn) -> Result<(), Flow> {
        self.bits_of_mask(i.m4, SINGLE | SECOND)?;
        let assigned = Control::with_modifiers(Fpc::default(), i.m5, i.m4).is_ok();
        self.specification(assigned)
    }
}

/// A format whose element 0 is an operand in IR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Short,
    Long,
}

impl Element {
    /// The format of a mask, if there is one.
    fn new(format: u8) -> Option<Self> {
        match VectorFormat::from_mask(format)? {
            VectorFormat::Short => Some(Self::Short),
            VectorFormat::Long => Some(Self::Long),
            VectorFormat::Extended => None,
        }
    }

    /// The same if only element 0 is computed.
    fn single(format: u8, controls: u8) -> Option<Self> {
        Self::new(format).filter(|_| controls & SINGLE != 0)
    }

    fn of(self, tx: &mut Tx<'_>, register: u8) -> Val {
        match self {
            Self::Short => tx.b.get_high(vr(register, Half::Left)),
            Self::Long => tx.v64(register, Half::Left),
        }
    }

    /// Calls the helper of the format with elements 0 of registers.
    fn call(self, tx: &mut Tx<'_>, scalar: &Scalar, registers: &[u8]) -> Val {
        let operands: Vec<_> = registers.iter().map(|&v| self.of(tx, v)).collect();
        let def = match self {
            Self::Short => scalar.short,
            Self::Long => scalar.long,
        };
        tx.call(def, &operands)
    }

    /// Makes a helper's value element 0 of a register that is zero else.
    fn set(self, tx: &mut Tx<'_>, register: u8, v: Val) -> Flow {
        let zero = tx.c64(0);
        tx.set_v64(register, Half::Right, zero);
        match self {
            Self::Short => {
                tx.set_v64(register, Half::Left, zero);
                let v = tx.b.trunc(v);
                tx.b.put_high(vr(register, Half::Left), v);
            }
            Self::Long => tx.set_v64(register, Half::Left, v),
        }
        Flow::Next
    }
}

/// VFA, VFS, VFM, VFD.
pub fn of_two(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef, scalar: &Scalar) -> Flow {
    require!(tx.vector_format(i.m4));
    require!(tx.bits_of_mask(i.m5, SINGLE));
    match Element::single(i.m4, i.m5) {
        Some(element) => {
            let v = element.call(tx, scalar, &[i.v2, i.v3]);
            element.set(tx, i.v1, v)
        }
        None => tx.float_helper(i, def),
    }
}

/// VFMA, VFMS.
pub fn of_three(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef, scalar: &Scalar) -> Flow {
    require!(tx.vector_format(i.m6));
    require!(tx.bits_of_mask(i.m5, SINGLE));
    match Element::single(i.m6, i.m5) {
        Some(element) => {
            let v = element.call(tx, scalar, &[i.v2, i.v3, i.v4]);
            element.set(tx, i.v1, v)
        }
        None => tx.float_helper(i, def),
    }
}

/// VFNMA, VFNMS.
pub fn negative(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m6));
    require!(tx.bits_of_mask(i.m5, SINGLE));
    tx.float_helper(i, def)
}

/// VFSQ.
pub fn vfsq(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m3));
    require!(tx.bits_of_mask(i.m4, SINGLE));
    match Element::single(i.m3, i.m4) {
        Some(element) => {
            let v = element.call(tx, &scalar::WFSQ, &[i.v2]);
            element.set(tx, i.v1, v)
        }
        None => tx.float_helper(i, def),
    }
}

/// VFMAX, VFMIN.
pub fn extreme(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.specification(Function::from_mask(i.m6).is_some()));
    require!(tx.vector_format(i.m4));
    require!(tx.bits_of_mask(i.m5, SINGLE));
    tx.float_helper(i, def)
}

/// VFCE, VFCH, VFCHE: helpers that leave, and that set the condition code.
pub fn compare(
    tx: &mut Tx<'_>,
    i: &Insn,
    plain: &'static HelperDef,
    with_cc: &'static HelperDef,
) -> Flow {
    const SETS_CC: u8 = 1;
    require!(tx.vector_format(i.m4));
    let signal = if tx.has(VECTOR_ENHANCEMENTS_1) {
        SECOND
    } else {
        0
    };
    require!(tx.bits_of_mask(i.m5, SINGLE | signal));
    require!(tx.bits_of_mask(i.m6, SETS_CC));
    tx.float_helper(i, if i.m6 == 0 { plain } else { with_cc })
}

/// WFC, WFK.
pub fn compare_scalar(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef, scalar: &Scalar) -> Flow {
    require!(tx.vector_format(i.m3));
    require!(tx.bits_of_mask(i.m4, 0));
    match Element::new(i.m3) {
        Some(element) => {
            let cc = element.call(tx, scalar, &[i.v1, i.v2]);
            tx.set_cc_value(cc);
            Flow::Next
        }
        None => tx.float_helper(i, def),
    }
}

/// VCDG and VCGD: as [`convert`], of which `scalar` converts one element of 64 bits.
pub fn convert_fixed(
    tx: &mut Tx<'_>,
    i: &Insn,
    def: &'static HelperDef,
    scalar: &'static HelperDef,
) -> Flow {
    if Element::single(i.m3, i.m4) != Some(Element::Long) {
        return convert(tx, i, def);
    }
    require!(tx.rounding_masks(i));
    rounded(tx, i, Element::Long, scalar)
}

/// An operation on element 0, long, with a rounding method.
fn rounded(tx: &mut Tx<'_>, i: &Insn, to: Element, def: &'static HelperDef) -> Flow {
    let operand = Element::Long.of(tx, i.v2);
    let rounding = tx.c64(modifiers(i.m5, i.m4));
    let v = tx.call(def, &[operand, rounding]);
    to.set(tx, i.v1, v)
}

/// The conversions between integers and floating point: of 64 bits, or of 32 with the second
/// enhancements.
pub fn convert(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let installed = match VectorFormat::from_mask(i.m3) {
        Some(VectorFormat::Long) => true,
        Some(VectorFormat::Short) => tx.has(VECTOR_ENHANCEMENTS_2),
        Some(VectorFormat::Extended) | None => false,
    };
    require!(tx.specification(installed));
    require!(tx.rounding_masks(i));
    tx.float_helper(i, def)
}

/// VFI.
pub fn load_integral(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m3));
    require!(tx.rounding_masks(i));
    tx.float_helper(i, def)
}

/// VFLL: M3 is the source's format.
pub fn load_lengthened(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let installed = match VectorFormat::from_mask(i.m3) {
        Some(VectorFormat::Short) => true,
        Some(VectorFormat::Long) => tx.has(VECTOR_ENHANCEMENTS_1),
        Some(VectorFormat::Extended) | None => false,
    };
    require!(tx.specification(installed));
    require!(tx.bits_of_mask(i.m4, SINGLE));
    if Element::single(i.m3, i.m4) == Some(Element::Short) {
        let operand = Element::Short.of(tx, i.v2);
        let v = tx.call(&scalar::WFLLS, &[operand]);
        return Element::Long.set(tx, i.v1, v);
    }
    tx.float_helper(i, def)
}

/// VFLR: M3 is the source's format.
pub fn load_rounded(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m3));
    require!(tx.specification(VectorFormat::from_mask(i.m3) != Some(VectorFormat::Short)));
    require!(tx.rounding_masks(i));
    if Element::single(i.m3, i.m4) == Some(Element::Long) {
        return rounded(tx, i, Element::Short, &scalar::WFLRD);
    }
    tx.float_helper(i, def)
}

/// VFPSO.
pub fn perform_sign(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m3));
    require!(tx.bits_of_mask(i.m4, SINGLE));
    require!(tx.specification(Sign::from_mask(i.m5).is_some()));
    tx.float_helper(i, def)
}

/// VFTCI.
pub fn test_data_class(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m4));
    require!(tx.bits_of_mask(i.m5, SINGLE));
    tx.float_helper(i, def)
}
