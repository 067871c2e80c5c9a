//! Integer multiplication and division.

use tcg::ir::{BinOp, MemSize, Ty, Val};
use tcg::{Effects, HelperDef, Trap};

use super::source::Source;
use super::{Flow, Tx, require};
use crate::cpu::{ProgramCode, S390Cpu};
use crate::insn::Insn;

/// MULTIPLY SINGLE and MULTIPLY HALFWORD: the low half of the product.
pub(crate) fn multiply_single(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    let product = tx.b.bin(BinOp::Mul, a, b);
    match tx.b.ty(product) {
        Ty::I32 => tx.set_r32(i.r1, product),
        Ty::I64 => tx.set_r64(i.r1, product),
    }
    Flow::Next
}

/// The second operand: a register, or storage.
type Operand = fn(&mut Tx<'_>, &Insn) -> Val;

pub(crate) fn r32(tx: &mut Tx<'_>, i: &Insn) -> Val {
    tx.r32(i.r2)
}

pub(crate) fn r64(tx: &mut Tx<'_>, i: &Insn) -> Val {
    tx.r64(i.r2)
}

pub(crate) fn r32_signed(tx: &mut Tx<'_>, i: &Insn) -> Val {
    let low = tx.r32(i.r2);
    tx.b.sext(low)
}

pub(crate) fn m32(tx: &mut Tx<'_>, i: &Insn) -> Val {
    let address = tx.ea2(i);
    tx.load(Ty::I32, MemSize::B4, i.b2, address)
}

pub(crate) fn m64(tx: &mut Tx<'_>, i: &Insn) -> Val {
    let address = tx.ea2(i);
    tx.load(Ty::I64, MemSize::B8, i.b2, address)
}

pub(crate) fn m32_signed(tx: &mut Tx<'_>, i: &Insn) -> Val {
    let address = tx.ea2(i);
    tx.load_signed(Ty::I64, MemSize::B4, i.b2, address)
}

/// MULTIPLY: the odd register's low half by a word, signed; 64-bit product to the pair.
pub(crate) fn multiply(tx: &mut Tx<'_>, i: &Insn, operand: Operand) -> Flow {
    require!(tx.even(i.r1));
    let b = operand(tx, i);
    let a = tx.r32(i.r1 + 1);
    let (a, b) = (tx.b.sext(a), tx.b.sext(b));
    let product = tx.b.bin(BinOp::Mul, a, b);
    tx.set_pair32(i.r1, product);
    Flow::Next
}

/// MULTIPLY LOGICAL, 32 bits.
pub(crate) fn multiply_logical32(tx: &mut Tx<'_>, i: &Insn, operand: Operand) -> Flow {
    require!(tx.even(i.r1));
    let b = operand(tx, i);
    let a = tx.r32(i.r1 + 1);
    let (a, b) = (tx.b.zext(a), tx.b.zext(b));
    let product = tx.b.bin(BinOp::Mul, a, b);
    tx.set_pair32(i.r1, product);
    Flow::Next
}

/// MULTIPLY LOGICAL, 64 bits: 128-bit product.
pub(crate) fn multiply_logical64(tx: &mut Tx<'_>, i: &Insn, operand: Operand) -> Flow {
    require!(tx.even(i.r1));
    let b = operand(tx, i);
    let a = tx.r64(i.r1 + 1);
    let high = tx.b.bin(BinOp::MulHighU, a, b);
    let low = tx.b.bin(BinOp::Mul, a, b);
    tx.set_r64(i.r1, high);
    tx.set_r64(i.r1 + 1, low);
    Flow::Next
}

fn divide_check<T>(quotient: Option<T>) -> Result<T, Trap> {
    quotient.ok_or_else(|| ProgramCode::FixedPointDivide.into())
}

/// Signed quotient of a 64-bit dividend and a 32-bit divisor; it must fit in 32 bits.
static DIVIDE_32: HelperDef =
    HelperDef::new2("divide_32", Effects::TRAPS, |_: &mut S390Cpu, a, b| {
        let quotient = (a as i64).checked_div(i64::from(b as i32));
        let quotient = quotient.and_then(|q| i32::try_from(q).ok());
        divide_check(quotient).map(|q| i64::from(q) as u64)
    });

/// Unsigned quotient of a 64-bit dividend and a 32-bit divisor; it must fit in 32 bits.
static DIVIDE_LOGICAL_32: HelperDef = HelperDef::new2(
    "divide_logical_32",
    Effects::TRAPS,
    |_: &mut S390Cpu, a, b| {
        let quotient = a.checked_div(u64::from(b as u32));
        let quotient = quotient.and_then(|q| u32::try_from(q).ok());
        divide_check(quotient).map(u64::from)
    },
);

/// Signed quotient of 64-bit numbers.
static DIVIDE_64: HelperDef =
    HelperDef::new2("divide_64", Effects::TRAPS, |_: &mut S390Cpu, a, b| {
        divide_check((a as i64).checked_div(b as i64)).map(|q| q as u64)
    });

/// Unsigned quotient of a 128-bit dividend (high, low) and a 64-bit divisor.
static DIVIDE_LOGICAL_64: HelperDef = HelperDef::new3(
    "divide_logical_64",
    Effects::TRAPS,
    |_: &mut S390Cpu, high, low, divisor| {
        // The quotient fits exactly if the dividend's high half is below the divisor.
        if high >= divisor {
            return Err(ProgramCode::FixedPointDivide.into());
        }
        let dividend = u128::from(high) << 64 | u128::from(low);
        Ok((dividend / u128::from(divisor)) as u64)
    },
);

/// The remainder belonging to a quotient, in wrapping arithmetic.
fn remainder(tx: &mut Tx<'_>, dividend: Val, quotient: Val, divisor: Val) -> Val {
    let product = tx.b.bin(BinOp::Mul, quotient, divisor);
    tx.b.sub(dividend, product)
}

fn set_halves(tx: &mut Tx<'_>, i: &Insn, remainder: Val, quotient: Val) -> Flow {
    let (remainder, quotient) = (tx.b.trunc(remainder), tx.b.trunc(quotient));
    tx.set_r32(i.r1, remainder);
    tx.set_r32(i.r1 + 1, quotient);
    Flow::Next
}

/// DIVIDE: a 64-bit dividend in a pair's low halves by a word.
pub(crate) fn divide(tx: &mut Tx<'_>, i: &Insn, operand: Operand) -> Flow {
    require!(tx.even(i.r1));
    let divisor = operand(tx, i);
    let divisor = tx.b.sext(divisor);
    let dividend = tx.pair32(i.r1);
    let quotient = tx.call(&DIVIDE_32, &[dividend, divisor]);
    let rest = remainder(tx, dividend, quotient, divisor);
    set_halves(tx, i, rest, quotient)
}

/// DIVIDE LOGICAL, 32 bits.
pub(crate) fn divide_logical32(tx: &mut Tx<'_>, i: &Insn, operand: Operand) -> Flow {
    require!(tx.even(i.r1));
    let divisor = operand(tx, i);
    let divisor = tx.b.zext(divisor);
    let dividend = tx.pair32(i.r1);
    let quotient = tx.call(&DIVIDE_LOGICAL_32, &[dividend, divisor]);
    let rest = remainder(tx, dividend, quotient, divisor);
    set_halves(tx, i, rest, quotient)
}

/// DIVIDE SINGLE: the odd register by a doubleword (or a widened word).
pub(crate) fn divide_single(tx: &mut Tx<'_>, i: &Insn, operand: Operand) -> Flow {
    require!(tx.even(i.r1));
    let divisor = operand(tx, i);
    let dividend = tx.r64(i.r1 + 1);
    let quotient = tx.call(&DIVIDE_64, &[dividend, divisor]);
    let rest = remainder(tx, dividend, quotient, divisor);
    tx.set_r64(i.r1, rest);
    tx.set_r64(i.r1 + 1, quotient);
    Flow::Next
}

/// DIVIDE LOGICAL, 64 bits: a 128-bit dividend in a pair.
pub(crate) fn divide_logical64(tx: &mut Tx<'_>, i: &Insn, operand: Operand) -> Flow {
    require!(tx.even(i.r1));
    let divisor = operand(tx, i);
    let (high, low) = (tx.r64(i.r1), tx.r64(i.r1 + 1));
    let quotient = tx.call(&DIVIDE_LOGICAL_64, &[high, low, divisor]);
    let rest = remainder(tx, low, quotient, divisor);
    tx.set_r64(i.r1, rest);
    tx.set_r64(i.r1 + 1, quotient);
    Flow::Next
}
