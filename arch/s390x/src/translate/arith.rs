//! Integer addition and subtraction, sign changes, comparison.
//!
//! Not here: multiplication and division ([`super::muldiv`]).

use tcg::ir::{AtomicOp, BinOp, CarryOp, Cond, MemOp, MemSize, Ty, UnOp, Val};

use tcg::eval;

use super::source::{Pair, Source};
use super::{Flow, Tx};
use crate::cpu::ProgramCode;
use crate::cpu::cc::CcKind;
use crate::insn::Insn;

/// After an operation that sets cc 3 on overflow: with the fixed-point-overflow mask one, the
/// interruption that follows its completion.
pub(crate) fn overflow(tx: &mut Tx<'_>) -> Flow {
    if tx.flags.fixed_overflow() {
        let overflow = tx.test_cc(1);
        tx.raise_if(overflow, ProgramCode::FixedPointOverflow);
    }
    Flow::Next
}

/// Records the condition code of a signed sum. Adding a constant is recorded as subtracting its
/// negative, which tests for zero without looking at overflow.
fn sum_cc(tx: &mut Tx<'_>, a: Val, b: Val) {
    let ty = tx.b.ty(a);
    let (add, least) = match ty {
        Ty::I32 => (CcKind::Add32, i32::MIN as u32 as u64),
        Ty::I64 => (CcKind::Add64, i64::MIN as u64),
    };
    match tx.b.as_const(b) {
        Some(c) if c != least => {
            let negative = tx.b.constant(ty, c.wrapping_neg());
            difference_cc(tx, a, negative);
        }
        _ => tx.set_cc(add, a, b),
    }
}

/// Records the condition code of a signed difference; more is known of it where the second
/// operand is a constant.
fn difference_cc(tx: &mut Tx<'_>, a: Val, b: Val) {
    let ty = tx.b.ty(a);
    let sign =
        tx.b.as_const(b)
            .map(|c| eval::extend(Ty::I64, c, ty.bits() as u8, true) as i64);
    let kind = match (ty, sign) {
        (Ty::I32, Some(0)) => CcKind::Compare32,
        (Ty::I64, Some(0)) => CcKind::Compare64,
        (Ty::I32, Some(1..)) => CcKind::SubPositive32,
        (Ty::I64, Some(1..)) => CcKind::SubPositive64,
        (Ty::I32, Some(_)) => CcKind::SubNegative32,
        (Ty::I64, Some(_)) => CcKind::SubNegative64,
        (Ty::I32, None) => CcKind::Sub32,
        (Ty::I64, None) => CcKind::Sub64,
    };
    tx.set_cc(kind, a, b);
}

/// Which part of the first register takes a result.
#[derive(Debug, Clone, Copy)]
enum Into {
    Low,
    High,
    Full,
}

fn put(tx: &mut Tx<'_>, register: u8, into: Into, v: Val) {
    match into {
        Into::Low => tx.set_r32(register, v),
        Into::High => tx.set_r32h(register, v),
        Into::Full => tx.set_r64(register, v),
    }
}

fn add(tx: &mut Tx<'_>, i: &Insn, (a, b): Pair, into: Into) -> Flow {
    // First, while the register still has the operand.
    sum_cc(tx, a, b);
    let sum = tx.b.add(a, b);
    put(tx, i.r1, into, sum);
    overflow(tx)
}

/// ADD, 32 bits.
pub(crate) fn add32(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    add(tx, i, pair, Into::Low)
}

/// ADD, 64 bits.
pub(crate) fn add64(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    add(tx, i, pair, Into::Full)
}

/// ADD HIGH.
pub(crate) fn add_high(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    add(tx, i, pair, Into::High)
}

fn sub(tx: &mut Tx<'_>, i: &Insn, (a, b): Pair, into: Into) -> Flow {
    difference_cc(tx, a, b);
    let difference = tx.b.sub(a, b);
    put(tx, i.r1, into, difference);
    overflow(tx)
}

/// SUBTRACT, 32 bits.
pub(crate) fn sub32(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    sub(tx, i, pair, Into::Low)
}

/// SUBTRACT, 64 bits.
pub(crate) fn sub64(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    sub(tx, i, pair, Into::Full)
}

/// SUBTRACT HIGH.
pub(crate) fn sub_high(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    sub(tx, i, pair, Into::High)
}

/// SUBTRACT of a register from itself: zero.
pub(crate) fn sr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.r1 != i.r2 {
        return sub32(tx, i, super::source::rr32);
    }
    let zero = tx.c32(0);
    tx.set_r32(i.r1, zero);
    tx.set_cc_const(0);
    Flow::Next
}

/// The same with 64 bits.
pub(crate) fn sgr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.r1 != i.r2 {
        return sub64(tx, i, super::source::rr64);
    }
    let zero = tx.c64(0);
    tx.set_r64(i.r1, zero);
    tx.set_cc_const(0);
    Flow::Next
}

fn add_logical(tx: &mut Tx<'_>, i: &Insn, (a, b): Pair, into: Into) -> Flow {
    let kind = match tx.b.ty(a) {
        Ty::I32 => CcKind::AddLogical32,
        Ty::I64 => CcKind::AddLogical64,
    };
    tx.set_cc(kind, a, b);
    let sum = tx.b.add(a, b);
    put(tx, i.r1, into, sum);
    Flow::Next
}

/// ADD LOGICAL, 32 bits; also with a signed immediate, which is added as an unsigned number.
pub(crate) fn add_logical32(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    add_logical(tx, i, pair, Into::Low)
}

/// ADD LOGICAL, 64 bits.
pub(crate) fn add_logical64(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    add_logical(tx, i, pair, Into::Full)
}

/// ADD LOGICAL HIGH.
pub(crate) fn add_logical_high(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    add_logical(tx, i, pair, Into::High)
}

/// ADD LOGICAL WITH SIGNED IMMEDIATE HIGH that leaves the condition code alone (ALSIHN).
pub(crate) fn add_high_no_cc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (a, b) = super::source::ri_h(tx, i);
    let sum = tx.b.add(a, b);
    tx.set_r32h(i.r1, sum);
    Flow::Next
}

fn sub_logical(tx: &mut Tx<'_>, i: &Insn, (a, b): Pair, into: Into) -> Flow {
    let kind = match tx.b.ty(a) {
        Ty::I32 => CcKind::SubLogical32,
        Ty::I64 => CcKind::SubLogical64,
    };
    tx.set_cc(kind, a, b);
    let difference = tx.b.sub(a, b);
    put(tx, i.r1, into, difference);
    Flow::Next
}

/// SUBTRACT LOGICAL, 32 bits.
pub(crate) fn sub_logical32(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    sub_logical(tx, i, pair, Into::Low)
}

/// SUBTRACT LOGICAL, 64 bits.
pub(crate) fn sub_logical64(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    sub_logical(tx, i, pair, Into::Full)
}

/// SUBTRACT LOGICAL HIGH.
pub(crate) fn sub_logical_high(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let pair = source(tx, i);
    sub_logical(tx, i, pair, Into::High)
}

/// ADD LOGICAL WITH CARRY; the width is the operands'.
pub(crate) fn add_carry(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    let carry = tx.test_cc(0b0011);
    let sum = tx.b.carry(CarryOp::Add, a, b, carry);
    let out = tx.b.carry(CarryOp::AddCarry, a, b, carry);
    put_width(tx, i.r1, sum);
    tx.set_cc(CcKind::ResultCarry, sum, out);
    Flow::Next
}

/// SUBTRACT LOGICAL WITH BORROW; the width is the operands'.
pub(crate) fn sub_borrow(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    let borrow = tx.test_cc(0b1100);
    let difference = tx.b.carry(CarryOp::Sub, a, b, borrow);
    let out = tx.b.carry(CarryOp::SubBorrow, a, b, borrow);
    let no_borrow = tx.b.bin_imm(BinOp::Xor, out, 1);
    put_width(tx, i.r1, difference);
    tx.set_cc(CcKind::ResultCarry, difference, no_borrow);
    Flow::Next
}

/// Sets the register, or its low half, by the value's width.
fn put_width(tx: &mut Tx<'_>, register: u8, v: Val) {
    match tx.b.ty(v) {
        Ty::I32 => tx.set_r32(register, v),
        Ty::I64 => tx.set_r64(register, v),
    }
}

/// ADD IMMEDIATE and ADD LOGICAL WITH SIGNED IMMEDIATE to storage. Interlocked where the operand
/// is on its natural boundary (facility 45).
pub(crate) fn add_storage(tx: &mut Tx<'_>, i: &Insn, size: MemSize, logical: bool) -> Flow {
    let ty = if size == MemSize::B8 {
        Ty::I64
    } else {
        Ty::I32
    };
    let address = tx.ea1(i);
    let mem = MemOp {
        aligned: false,
        ..tx.mem_op(size, i.b1)
    };
    let imm = tx.b.constant(ty, i.i2 as u64);
    let old = tx.b.atomic(AtomicOp::Add, mem, address, imm);
    if logical {
        let kind = match ty {
            Ty::I32 => CcKind::AddLogical32,
            Ty::I64 => CcKind::AddLogical64,
        };
        tx.set_cc(kind, old, imm);
        return Flow::Next;
    }
    sum_cc(tx, old, imm);
    overflow(tx)
}

/// Records a comparison with zero, of the value's width.
pub(crate) fn cc_sign(tx: &mut Tx<'_>, v: Val) {
    let kind = match tx.b.ty(v) {
        Ty::I32 => CcKind::Compare32,
        Ty::I64 => CcKind::Compare64,
    };
    tx.set_cc1(kind, v);
}

/// LOAD AND TEST: the second operand to the first register.
pub(crate) fn load_and_test(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (_, v) = source(tx, i);
    put_width(tx, i.r1, v);
    cc_sign(tx, v);
    Flow::Next
}

/// LOAD POSITIVE.
pub(crate) fn load_positive(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (_, v) = source(tx, i);
    let ty = tx.b.ty(v);
    let zero = tx.b.constant(ty, 0);
    let negated = tx.b.un(UnOp::Neg, v);
    let result = tx.b.select(Cond::LtS, v, zero, negated, v);
    let kind = match ty {
        Ty::I32 => CcKind::Absolute32,
        Ty::I64 => CcKind::Absolute64,
    };
    tx.set_cc1(kind, v);
    put_width(tx, i.r1, result);
    overflow(tx)
}

/// LOAD NEGATIVE.
pub(crate) fn load_negative(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (_, v) = source(tx, i);
    let ty = tx.b.ty(v);
    let zero = tx.b.constant(ty, 0);
    let negated = tx.b.un(UnOp::Neg, v);
    let result = tx.b.select(Cond::GtS, v, zero, negated, v);
    put_width(tx, i.r1, result);
    cc_sign(tx, result);
    Flow::Next
}

/// LOAD COMPLEMENT.
pub(crate) fn load_complement(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (_, v) = source(tx, i);
    let ty = tx.b.ty(v);
    let zero = tx.b.constant(ty, 0);
    let negated = tx.b.un(UnOp::Neg, v);
    let kind = match ty {
        Ty::I32 => CcKind::Sub32,
        Ty::I64 => CcKind::Sub64,
    };
    tx.set_cc(kind, zero, v);
    put_width(tx, i.r1, negated);
    overflow(tx)
}

/// COMPARE; the width is the operands'.
pub(crate) fn compare(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    let kind = match tx.b.ty(a) {
        Ty::I32 => CcKind::Compare32,
        Ty::I64 => CcKind::Compare64,
    };
    tx.set_cc(kind, a, b);
    Flow::Next
}

/// COMPARE LOGICAL; the width is the operands'.
pub(crate) fn compare_logical(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    let kind = match tx.b.ty(a) {
        Ty::I32 => CcKind::CompareLogical32,
        Ty::I64 => CcKind::CompareLogical64,
    };
    tx.set_cc(kind, a, b);
    Flow::Next
}
