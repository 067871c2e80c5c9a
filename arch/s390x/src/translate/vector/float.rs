//! Vector floating-point instructions: their masks are checked, the rest is a helper's.
//!
//! Not here: the helpers ([`crate::helpers::vector_float`]) and what they compute
//! ([`crate::vector::float`]).

use tcg::HelperDef;

use crate::bfp::{Control, Fpc};
use crate::cpu::ProgramCode;
use crate::cpu::facility::{VECTOR_ENHANCEMENTS_1, VECTOR_ENHANCEMENTS_2};
use crate::insn::Insn;
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

/// VFA, VFS, VFM, VFD.
pub fn of_two(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m4));
    require!(tx.bits_of_mask(i.m5, SINGLE));
    tx.float_helper(i, def)
}

/// VFMA, VFMS, VFNMA, VFNMS.
pub fn of_three(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m6));
    require!(tx.bits_of_mask(i.m5, SINGLE));
    tx.float_helper(i, def)
}

/// VFSQ.
pub fn of_one(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m3));
    require!(tx.bits_of_mask(i.m4, SINGLE));
    tx.float_helper(i, def)
}

/// VFMAX, VFMIN.
pub fn extreme(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.specification(Function::from_mask(i.m6).is_some()));
    of_two(tx, i, def)
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
pub fn compare_scalar(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m3));
    require!(tx.bits_of_mask(i.m4, 0));
    tx.float_helper(i, def)
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
    tx.float_helper(i, def)
}

/// VFLR: M3 is the source's format.
pub fn load_rounded(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.vector_format(i.m3));
    require!(tx.specification(VectorFormat::from_mask(i.m3) != Some(VectorFormat::Short)));
    require!(tx.rounding_masks(i));
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
