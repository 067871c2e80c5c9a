//! Integer addition, subtraction and comparison.

use tcg::ir::Ty;

use super::Flow;
use super::Tx;
use super::operand::{B4, B8};
use crate::cpu::ProgramCode;
use crate::cpu::cc::CcKind;
use crate::insn::Insn;
use tcg::ir::Val;

/// First operand, second operand, 32 bits: register and register.
pub(crate) fn rr32(tx: &mut Tx<'_>, i: &Insn) -> (Val, Val) {
    (tx.r32(i.r1), tx.r32(i.r2))
}

/// Register and storage, 32 bits.
pub(crate) fn rx32(tx: &mut Tx<'_>, i: &Insn) -> (Val, Val) {
    let address = tx.ea2(i);
    let b = tx.load(Ty::I32, B4, i.b2, address);
    (tx.r32(i.r1), b)
}

/// Register and storage, 64 bits.
pub(crate) fn rx64(tx: &mut Tx<'_>, i: &Insn) -> (Val, Val) {
    let address = tx.ea2(i);
    let b = tx.load(Ty::I64, B8, i.b2, address);
    (tx.r64(i.r1), b)
}

/// ADD, 32 bits: sum to R1, condition code, fixed-point overflow.
pub(crate) fn add32(tx: &mut Tx<'_>, r1: u8, (a, b): (Val, Val)) -> Flow {
    let sum = tx.b.add(a, b);
    tx.set_r32(r1, sum);
    tx.set_cc(CcKind::Add32, a, b);
    overflow(tx)
}

/// ADD, 64 bits.
pub(crate) fn add64(tx: &mut Tx<'_>, r1: u8, (a, b): (Val, Val)) -> Flow {
    let sum = tx.b.add(a, b);
    tx.set_r64(r1, sum);
    tx.set_cc(CcKind::Add64, a, b);
    overflow(tx)
}

/// After an operation that sets cc 3 on overflow: with the fixed-point-overflow mask one, the
/// interruption that follows its completion.
pub(crate) fn overflow(tx: &mut Tx<'_>) -> Flow {
    if tx.flags.fixed_overflow() {
        let overflow = tx.test_cc(1);
        tx.raise_if(overflow, ProgramCode::FixedPointOverflow);
    }
    Flow::Next
}
