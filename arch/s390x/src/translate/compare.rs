//! Comparison together with a branch or a trap, and comparison under mask.

use tcg::ir::{BinOp, Cond, MemSize, Ty, Val};

use super::source::Source;
use super::{Flow, Target, Tx, bytes};
use crate::cpu::ProgramCheck;
use crate::cpu::cc::CcKind;
use crate::insn::Insn;

/// DXC of the compare-and-trap and load-and-trap instructions.
pub(crate) const DXC_TRAP: u8 = 0xff;

/// Whether a comparison is of signed numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Signed,
    Unsigned,
}
pub(crate) use Sign::{Signed, Unsigned};

/// What a mask over "equal, low, high" (8, 4, 2) asks.
enum Asked {
    Never,
    Always,
    If(Cond),
}

fn asked(mask: u8, sign: Sign) -> Asked {
    let (low, high) = match sign {
        Signed => (Cond::LtS, Cond::GtS),
        Unsigned => (Cond::LtU, Cond::GtU),
    };
    match mask & 0b1110 {
        0b0000 => Asked::Never,
        0b1110 => Asked::Always,
        0b1000 => Asked::If(Cond::Eq),
        0b0110 => Asked::If(Cond::Ne),
        0b0100 => Asked::If(low),
        0b1010 => Asked::If(low.negate()),
        0b0010 => Asked::If(high),
        _ => Asked::If(high.negate()),
    }
}

fn branch(tx: &mut Tx<'_>, mask: u8, sign: Sign, (a, b): (Val, Val), target: Target) -> Flow {
    match asked(mask, sign) {
        Asked::Never => Flow::Next,
        Asked::Always => tx.jump(target),
        Asked::If(cond) => tx.branch_if(cond, a, b, target),
    }
}

/// COMPARE (LOGICAL) AND BRANCH: to the fourth operand's address.
pub(crate) fn and_branch(tx: &mut Tx<'_>, i: &Insn, sign: Sign, source: Source) -> Flow {
    let pair = source(tx, i);
    let target = Target::Computed(tx.ea4(i));
    branch(tx, i.m3, sign, pair, target)
}

/// COMPARE (LOGICAL) AND BRANCH RELATIVE.
pub(crate) fn and_branch_relative(tx: &mut Tx<'_>, i: &Insn, sign: Sign, source: Source) -> Flow {
    let pair = source(tx, i);
    let target = tx.relative(i.ri4.into());
    branch(tx, i.m3, sign, pair, target)
}

/// COMPARE (LOGICAL) AND TRAP.
pub(crate) fn and_trap(tx: &mut Tx<'_>, i: &Insn, sign: Sign, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    match asked(i.m3, sign) {
        Asked::Never => Flow::Next,
        Asked::Always => tx.raise(ProgramCheck::data(DXC_TRAP)),
        Asked::If(cond) => {
            let trap = tx.b.set_cond(cond, a, b);
            tx.raise_if(trap, ProgramCheck::data(DXC_TRAP));
            Flow::Next
        }
    }
}

/// COMPARE LOGICAL with an immediate byte (CLI).
pub(crate) fn cli(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea1(i);
    let a = tx.load(Ty::I32, MemSize::B1, i.b1, address);
    let b = tx.c32(i.u8().into());
    tx.set_cc(CcKind::CompareLogical32, a, b);
    Flow::Next
}

/// COMPARE LOGICAL CHARACTERS UNDER MASK: the bytes of a word in the register that the mask
/// selects with as many in storage. `shift` is 32 for the high half.
pub(crate) fn under_mask(tx: &mut Tx<'_>, i: &Insn, shift: u8) -> Flow {
    let address = tx.ea2(i);
    let b = bytes::load(tx, i.m3, i.b2, address);
    let word = tx.r64(i.r1);
    let word = tx.b.bin_imm(BinOp::Shr, word, shift.into());
    let a = bytes::gather(tx, word, i.m3);
    tx.set_cc(CcKind::CompareLogical64, a, b);
    Flow::Next
}
