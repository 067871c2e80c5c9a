//! Binary floating-point instructions.
//!
//! Each is a helper call. In short and long the helper gets the operands' bits and gives the
//! result's, which is written here with the condition code that it stands for; only a result
//! whose exception is signalled after it is written is left behind by the helper, which gets the
//! target's number for that. Extended operations leave everything to the helper. What they
//! compute is [`crate::bfp`]; the helpers are in [`helper`]. Not here: the instructions that only
//! move floating-point registers ([`super::fps`]).

pub mod helper;

use tcg::HelperDef;
use tcg::ir::{BinOp, Ty, Val};

use super::operand::{B4, B8};
use super::{Flow, Tx, require};
use crate::bfp::{Control, Dxc, Fpc};
use crate::cpu::cc::CcKind;
use crate::cpu::{ProgramCheck, ProgramCode, key};
use crate::insn::Insn;

impl Tx<'_> {
    /// Demands that CR0's AFP-register control is one, as BFP instructions and those on the FPC
    /// register do: else a data exception.
    ///
    /// # Errors
    /// The flow to return.
    pub fn bfp(&mut self) -> Result<(), Flow> {
        let installed = self.flags.0 & key::AFP != 0;
        self.demand(installed, ProgramCheck::data(Dxc::BFP_INSTRUCTION.0))
    }

    /// Demands an assigned rounding method; the constant for a helper: M3 and M4.
    ///
    /// # Errors
    /// The flow to return.
    fn modifiers(&mut self, rounding: u8, m4: u8) -> Result<Val, Flow> {
        let assigned = Control::with_modifiers(Fpc::default(), rounding, m4).is_ok();
        self.demand(assigned, ProgramCode::Specification)?;
        Ok(self.c64(helper::modifiers(rounding, m4)))
    }

    fn number(&mut self, register: u8) -> Val {
        self.c64(register.into())
    }

    /// Both halves of an extended operand.
    fn extended(&mut self, register: u8) -> (Val, Val) {
        (self.f64(register), self.f64(register + 2))
    }

    fn short_storage(&mut self, i: &Insn) -> Val {
        let address = self.ea2(i);
        self.load(Ty::I32, B4, i.b2, address)
    }

    fn long_storage(&mut self, i: &Insn) -> Val {
        let address = self.ea2(i);
        self.load(Ty::I64, B8, i.b2, address)
    }
}

/// The format of a source in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the left half of a register.
    Short,
    /// In a register.
    Long,
}

impl Source {
    fn register(self, tx: &mut Tx<'_>, register: u8) -> Val {
        match self {
            Self::Short => tx.f32(register),
            Self::Long => tx.f64(register),
        }
    }

    fn storage(self, tx: &mut Tx<'_>, i: &Insn) -> Val {
        match self {
            Self::Short => tx.short_storage(i),
            Self::Long => tx.long_storage(i),
        }
    }
}

/// Whether the target is an extended operand, in a pair of registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// Short, long or no floating-point register.
    One,
    /// Extended.
    Pair,
}

impl To {
    fn demand(self, tx: &mut Tx<'_>, register: u8) -> Result<(), Flow> {
        match self {
            Self::One => Ok(()),
            Self::Pair => tx.fp_pair(register),
        }
    }
}

/// What an operation in short and long sets from its helper's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sets {
    /// R1, a result of this format.
    Result(Source),
    /// The same, and the condition code by the result.
    ResultAndCode(Source),
    /// The condition code.
    Code,
}

impl Sets {
    fn set(self, tx: &mut Tx<'_>, r1: u8, v: Val) {
        match self {
            Self::Code => tx.set_cc_value(v),
            Self::Result(Source::Short) => {
                let v = tx.b.trunc(v);
                tx.set_f32(r1, v);
            }
            Self::Result(Source::Long) => tx.set_f64(r1, v),
            Self::ResultAndCode(Source::Short) => {
                let v = tx.b.trunc(v);
                tx.set_f32(r1, v);
                tx.set_cc1(CcKind::Float32, v);
            }
            Self::ResultAndCode(Source::Long) => {
                tx.set_f64(r1, v);
                tx.set_cc1(CcKind::Float64, v);
            }
        }
    }
}

/// An operation in short or long: its operands' format, what it sets, and its helper.
#[derive(Debug, Clone, Copy)]
pub struct Operation(pub Source, pub Sets, pub &'static HelperDef);

/// RRE: one operand.
pub fn rre1(tx: &mut Tx<'_>, i: &Insn, Operation(source, sets, def): Operation) -> Flow {
    require!(tx.bfp());
    let (b, r1) = (source.register(tx, i.r2), tx.number(i.r1));
    let v = tx.call(def, &[b, r1]);
    sets.set(tx, i.r1, v);
    Flow::Next
}

/// RXE: the same with the operand in storage.
pub fn rxe1(tx: &mut Tx<'_>, i: &Insn, Operation(source, sets, def): Operation) -> Flow {
    require!(tx.bfp());
    let (b, r1) = (source.storage(tx, i), tx.number(i.r1));
    let v = tx.call(def, &[b, r1]);
    sets.set(tx, i.r1, v);
    Flow::Next
}

/// RRE: two operands, of which R1 has the first.
pub fn rre2(tx: &mut Tx<'_>, i: &Insn, Operation(source, sets, def): Operation) -> Flow {
    require!(tx.bfp());
    let (a, b) = (source.register(tx, i.r1), source.register(tx, i.r2));
    let r1 = tx.number(i.r1);
    let v = tx.call(def, &[a, b, r1]);
    sets.set(tx, i.r1, v);
    Flow::Next
}

/// RXE: the same with the second operand in storage.
pub fn rxe2(tx: &mut Tx<'_>, i: &Insn, Operation(source, sets, def): Operation) -> Flow {
    require!(tx.bfp());
    let b = source.storage(tx, i);
    let (a, r1) = (source.register(tx, i.r1), tx.number(i.r1));
    let v = tx.call(def, &[a, b, r1]);
    sets.set(tx, i.r1, v);
    Flow::Next
}

/// RRE to an extended target: the helper gets R1's number and the second operand.
pub fn rre(tx: &mut Tx<'_>, i: &Insn, source: Source, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    require!(tx.fp_pair(i.r1));
    let (r1, b) = (tx.number(i.r1), source.register(tx, i.r2));
    tx.call(def, &[r1, b]);
    Flow::Next
}

/// RXE: the same with the second operand in storage.
pub fn rxe(tx: &mut Tx<'_>, i: &Insn, source: Source, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    require!(tx.fp_pair(i.r1));
    let (r1, b) = (tx.number(i.r1), source.storage(tx, i));
    tx.call(def, &[r1, b]);
    Flow::Next
}

/// RRE with both operands extended.
pub fn rre_extended(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    require!(tx.fp_pair(i.r1));
    require!(tx.fp_pair(i.r2));
    let (r1, (high, low)) = (tx.number(i.r1), tx.extended(i.r2));
    tx.call(def, &[r1, high, low]);
    Flow::Next
}

/// RRF with a rounding method in M3 and M4, from a short or long operand.
pub fn rrf(tx: &mut Tx<'_>, i: &Insn, Operation(source, sets, def): Operation) -> Flow {
    require!(tx.bfp());
    let modifiers = match tx.modifiers(i.m3, i.m4) {
        Ok(modifiers) => modifiers,
        Err(flow) => return flow,
    };
    let (b, r1) = (source.register(tx, i.r2), tx.number(i.r1));
    let v = tx.call(def, &[b, modifiers, r1]);
    sets.set(tx, i.r1, v);
    Flow::Next
}

/// RRF to an integer in a general register: 32 bits, with a bit above them that says whether the
/// type has the value, or signed 64 bits.
pub fn rrf_integer(
    tx: &mut Tx<'_>,
    i: &Insn,
    source: Source,
    ty: Ty,
    def: &'static HelperDef,
) -> Flow {
    require!(tx.bfp());
    let modifiers = match tx.modifiers(i.m3, i.m4) {
        Ok(modifiers) => modifiers,
        Err(flow) => return flow,
    };
    let (b, r1) = (source.register(tx, i.r2), tx.number(i.r1));
    let v = tx.call(def, &[b, modifiers, r1]);
    let (kind, told) = match ty {
        Ty::I32 => {
            let narrow = tx.b.trunc(v);
            tx.set_r32(i.r1, narrow);
            let special = tx.b.bin_imm(BinOp::Shr, v, 32);
            match source {
                Source::Short => (CcKind::Converted32, special),
                Source::Long => (CcKind::Converted64, special),
            }
        }
        Ty::I64 => {
            tx.set_r64(i.r1, v);
            match source {
                Source::Short => (CcKind::ConvertedLong32, v),
                Source::Long => (CcKind::ConvertedLong64, v),
            }
        }
    };
    tx.set_cc(kind, b, told);
    Flow::Next
}

/// RRF to an unsigned 64-bit integer: the helper gets R1's number first.
pub fn rrf_first(tx: &mut Tx<'_>, i: &Insn, source: Source, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    let modifiers = match tx.modifiers(i.m3, i.m4) {
        Ok(modifiers) => modifiers,
        Err(flow) => return flow,
    };
    let (r1, b) = (tx.number(i.r1), source.register(tx, i.r2));
    tx.call(def, &[r1, b, modifiers]);
    Flow::Next
}

/// The same from an extended operand. LOAD ROUNDED has a pair as its target, too, because a
/// trapped result may need one.
pub fn rrf_extended(tx: &mut Tx<'_>, i: &Insn, to: To, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    require!(to.demand(tx, i.r1));
    require!(tx.fp_pair(i.r2));
    let modifiers = match tx.modifiers(i.m3, i.m4) {
        Ok(modifiers) => modifiers,
        Err(flow) => return flow,
    };
    let (r1, (high, low)) = (tx.number(i.r1), tx.extended(i.r2));
    tx.call(def, &[r1, high, low, modifiers]);
    Flow::Next
}

fn general(tx: &mut Tx<'_>, i: &Insn, ty: Ty) -> Val {
    match ty {
        Ty::I32 => tx.r32(i.r2),
        Ty::I64 => tx.r64(i.r2),
    }
}

/// RRF from 32 or 64 bits of a general register to short or long.
pub fn rrf_general(tx: &mut Tx<'_>, i: &Insn, ty: Ty, to: Source, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    let modifiers = match tx.modifiers(i.m3, i.m4) {
        Ok(modifiers) => modifiers,
        Err(flow) => return flow,
    };
    let (b, r1) = (general(tx, i, ty), tx.number(i.r1));
    let v = tx.call(def, &[b, modifiers, r1]);
    Sets::Result(to).set(tx, i.r1, v);
    Flow::Next
}

/// The same to extended.
pub fn rrf_general_extended(tx: &mut Tx<'_>, i: &Insn, ty: Ty, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    require!(tx.fp_pair(i.r1));
    let modifiers = match tx.modifiers(i.m3, i.m4) {
        Ok(modifiers) => modifiers,
        Err(flow) => return flow,
    };
    let (r1, b) = (tx.number(i.r1), general(tx, i, ty));
    tx.call(def, &[r1, b, modifiers]);
    Flow::Next
}

/// RRD: multiply and add or subtract; R1 has the addend.
pub fn rrd(tx: &mut Tx<'_>, i: &Insn, source: Source, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    let second = source.register(tx, i.r2);
    fused(tx, i, source, second, def)
}

/// RXF: the same with the second operand in storage.
pub fn rxf(tx: &mut Tx<'_>, i: &Insn, source: Source, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    let second = source.storage(tx, i);
    fused(tx, i, source, second, def)
}

fn fused(tx: &mut Tx<'_>, i: &Insn, source: Source, second: Val, def: &'static HelperDef) -> Flow {
    let (third, first) = (source.register(tx, i.r3), source.register(tx, i.r1));
    let r1 = tx.number(i.r1);
    let v = tx.call(def, &[third, second, first, r1]);
    Sets::Result(source).set(tx, i.r1, v);
    Flow::Next
}

/// DIEBR, DIDBR: three different registers, and a rounding method in M4.
pub fn divide_to_integer(
    tx: &mut Tx<'_>,
    i: &Insn,
    source: Source,
    def: &'static HelperDef,
) -> Flow {
    require!(tx.bfp());
    let distinct = i.r1 != i.r2 && i.r1 != i.r3 && i.r2 != i.r3;
    require!(tx.demand(distinct, ProgramCode::Specification));
    let rounding = match tx.modifiers(i.m4, 0) {
        Ok(modifiers) => modifiers,
        Err(flow) => return flow,
    };
    let (r1, r3, b) = (tx.number(i.r1), tx.number(i.r3), source.register(tx, i.r2));
    tx.call(def, &[r1, r3, b, rounding]);
    Flow::Next
}

/// TEST DATA CLASS of a short or long operand.
pub fn test_data_class(tx: &mut Tx<'_>, i: &Insn, source: Source, def: &'static HelperDef) -> Flow {
    require!(tx.bfp());
    let (a, mask) = (source.register(tx, i.r1), tx.ea2(i));
    let cc = tx.call(def, &[a, mask]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// TEST DATA CLASS of an extended operand.
pub fn tcxb(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.bfp());
    require!(tx.fp_pair(i.r1));
    let ((high, low), mask) = (tx.extended(i.r1), tx.ea2(i));
    let cc = tx.call(&helper::TCXB, &[high, low, mask]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// What LOAD POSITIVE, LOAD NEGATIVE and LOAD COMPLEMENT do to the sign bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Makes it zero.
    Positive,
    /// Makes it one.
    Negative,
    /// Inverts it.
    Complement,
}

impl Sign {
    /// The value, its sign bit being the leftmost, with another sign.
    pub(super) fn apply(self, tx: &mut Tx<'_>, v: Val) -> Val {
        let sign = 1 << (tx.b.ty(v).bits() - 1);
        let op = match self {
            Self::Positive => BinOp::AndNot,
            Self::Negative => BinOp::Or,
            Self::Complement => BinOp::Xor,
        };
        tx.b.bin_imm(op, v, sign)
    }
}

/// LPEBR, LNEBR, LCEBR.
pub fn sign_short(tx: &mut Tx<'_>, i: &Insn, sign: Sign) -> Flow {
    require!(tx.bfp());
    let source = tx.f32(i.r2);
    let v = sign.apply(tx, source);
    tx.set_f32(i.r1, v);
    tx.set_cc1(CcKind::Float32, v);
    Flow::Next
}

/// LPDBR, LNDBR, LCDBR.
pub fn sign_long(tx: &mut Tx<'_>, i: &Insn, sign: Sign) -> Flow {
    require!(tx.bfp());
    let source = tx.f64(i.r2);
    let v = sign.apply(tx, source);
    tx.set_f64(i.r1, v);
    tx.set_cc1(CcKind::Float64, v);
    Flow::Next
}

/// LPXBR, LNXBR, LCXBR.
pub fn sign_extended(tx: &mut Tx<'_>, i: &Insn, sign: Sign) -> Flow {
    require!(tx.bfp());
    require!(tx.fp_pair(i.r1));
    require!(tx.fp_pair(i.r2));
    let (high, low) = tx.extended(i.r2);
    let high = sign.apply(tx, high);
    tx.set_f64(i.r1, high);
    tx.set_f64(i.r1 + 2, low);
    let cc = tx.call(&helper::CC_EXTENDED, &[high, low]);
    tx.set_cc_value(cc);
    Flow::Next
}

#[cfg(test)]
mod tests;
