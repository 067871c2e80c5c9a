//! Bitwise operations, tests under mask, insertion of immediates, bit counts.

use tcg::ir::{AtomicOp, BinOp, MemSize, Ty, UnOp, Val};
use tcg::{Effects, HelperDef};

use super::source::Source;
use super::{Flow, Tx, require};
use crate::cpu::S390Cpu;
use crate::cpu::cc::CcKind;
use crate::insn::Insn;

/// A bitwise operation; the width is the operands'. cc 0 if the result is zero, else 1.
pub(crate) fn bitwise(tx: &mut Tx<'_>, i: &Insn, op: BinOp, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    let result = tx.b.bin(op, a, b);
    match tx.b.ty(result) {
        Ty::I32 => tx.set_r32(i.r1, result),
        Ty::I64 => tx.set_r64(i.r1, result),
    }
    tx.set_cc1(CcKind::NonZero, result);
    Flow::Next
}

/// EXCLUSIVE OR of a register with itself is zero.
pub(crate) fn xr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.r1 != i.r2 {
        return bitwise(tx, i, BinOp::Xor, super::source::rr32);
    }
    let zero = tx.c32(0);
    tx.set_r32(i.r1, zero);
    tx.set_cc_const(0);
    Flow::Next
}

/// The same with 64 bits.
pub(crate) fn xgr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.r1 != i.r2 {
        return bitwise(tx, i, BinOp::Xor, super::source::rr64);
    }
    let zero = tx.c64(0);
    tx.set_r64(i.r1, zero);
    tx.set_cc_const(0);
    Flow::Next
}

/// A bitwise operation of an immediate field with as many bits of the first register, `shift`
/// from the right; the others stay. The condition code is of those bits.
pub(crate) fn bitwise_field(tx: &mut Tx<'_>, i: &Insn, op: BinOp, shift: u8, bits: u8) -> Flow {
    let field = field_mask(shift, bits);
    let imm = (i.i2 as u64) << shift & field;
    let imm = if op == BinOp::And { imm | !field } else { imm };
    let old = tx.r64(i.r1);
    let result = tx.b.bin_imm(op, old, imm);
    tx.set_r64(i.r1, result);
    let selected = tx.b.bin_imm(BinOp::And, result, field);
    tx.set_cc1(CcKind::NonZero, selected);
    Flow::Next
}

fn field_mask(shift: u8, bits: u8) -> u64 {
    ((1 << bits) - 1) << shift
}

/// INSERT IMMEDIATE: an immediate replaces bits of the register.
pub(crate) fn insert_field(tx: &mut Tx<'_>, i: &Insn, shift: u8, bits: u8) -> Flow {
    let old = tx.r64(i.r1);
    let imm = tx.c64(i.i2 as u64);
    let result = tx.b.deposit(old, imm, shift, bits);
    tx.set_r64(i.r1, result);
    Flow::Next
}

/// LOAD LOGICAL IMMEDIATE: an immediate, zeros elsewhere.
pub(crate) fn load_field(tx: &mut Tx<'_>, i: &Insn, shift: u8, bits: u8) -> Flow {
    let v = tx.c64((i.i2 as u64) << shift & field_mask(shift, bits));
    tx.set_r64(i.r1, v);
    Flow::Next
}

/// A bitwise operation of an immediate with a byte in storage, interlocked (facility 52).
pub(crate) fn bitwise_storage(tx: &mut Tx<'_>, i: &Insn, op: AtomicOp) -> Flow {
    let address = tx.ea1(i);
    let mem = tx.mem_op(MemSize::B1, i.b1);
    let imm = tx.c32(i.u8().into());
    let old = tx.b.atomic(op, mem, address, imm);
    let op = match op {
        AtomicOp::And => BinOp::And,
        AtomicOp::Or => BinOp::Or,
        _ => BinOp::Xor,
    };
    let result = tx.b.bin(op, old, imm);
    tx.set_cc1(CcKind::NonZero, result);
    Flow::Next
}

/// TEST UNDER MASK of a byte in storage.
pub(crate) fn test_storage(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea1(i);
    let v = tx.load(Ty::I64, MemSize::B1, i.b1, address);
    test(tx, CcKind::TestMask, v, i.u8().into())
}

/// TEST UNDER MASK of 16 bits of a register, `shift` from the right.
pub(crate) fn test_field(tx: &mut Tx<'_>, i: &Insn, shift: u8) -> Flow {
    let mask = u64::from(i.u16()) << shift;
    let v = if shift < 32 {
        let v = tx.r32(i.r1);
        tx.b.zext(v)
    } else {
        tx.r64(i.r1)
    };
    let lowest = mask.trailing_zeros();
    if mask.checked_shr(lowest) == Some(0b11) {
        // Two bits side by side are the condition code.
        let v = tx.b.bin_imm(BinOp::Shr, v, lowest.into());
        let v = tx.b.bin_imm(BinOp::And, v, 0b11);
        tx.set_cc_value(v);
        return Flow::Next;
    }
    test(tx, CcKind::TestMaskLeft, v, mask)
}

fn test(tx: &mut Tx<'_>, kind: CcKind, v: Val, mask: u64) -> Flow {
    if mask == 0 {
        tx.set_cc_const(0);
    } else {
        let mask = tx.c64(mask);
        tx.set_cc(kind, v, mask);
    }
    Flow::Next
}

/// FIND LEFTMOST ONE: its bit number (64 if none) and the operand without it. cc 0 none, 2 found.
pub(crate) fn flogr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.even(i.r1));
    let v = tx.r64(i.r2);
    let zeros = tx.b.un(UnOp::CountLeadingZeros, v);
    // Shifts count modulo 64, so the bit for 64 is the leftmost one, which is zero then.
    let left = tx.c64(1 << 63);
    let bit = tx.b.bin(BinOp::Shr, left, zeros);
    let rest = tx.b.bin(BinOp::AndNot, v, bit);
    tx.set_r64(i.r1, zeros);
    tx.set_r64(i.r1 + 1, rest);
    tx.set_cc1(CcKind::CompareLogical64, v);
    Flow::Next
}

/// Ones in each byte.
static POPULATION_COUNT: HelperDef =
    HelperDef::new1("popcnt", Effects::PURE, |_: &mut S390Cpu, v: u64| {
        Ok(u64::from_be_bytes(
            v.to_be_bytes().map(|byte| byte.count_ones() as u8),
        ))
    });

/// POPULATION COUNT: of each byte, or with the control of facility 61 of all.
pub(crate) fn popcnt(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = tx.r64(i.r2);
    let counts = if i.m3 & 8 == 0 {
        tx.call(&POPULATION_COUNT, &[v])
    } else {
        tx.b.un(UnOp::CountOnes, v)
    };
    tx.set_r64(i.r1, counts);
    tx.set_cc1(CcKind::NonZero, counts);
    Flow::Next
}
