//! Where two-operand instructions take their operands from: one function per shape, each giving
//! the first and the second source operand.
//!
//! Names: `rr` register and register, `rrk` second and third register (the distinct-operands
//! forms), `rx` register and storage, `ri` register and signed immediate, `ru` register and
//! unsigned immediate, `rik` third register and signed immediate, `rl` register and storage at a
//! relative address, `sil` storage and immediate; then the width of the operation, then how the
//! second operand is widened: `h` signed halfword, `uh` unsigned halfword, `f` signed word, `uf`
//! unsigned word. `hh` and `hl` are high halves.

use tcg::ir::{MemSize, Ty, Val};

use super::Tx;
use super::operand::{B2, B4, B8};
use crate::insn::Insn;

/// First and second source operand.
pub(crate) type Pair = (Val, Val);

/// A function that gives both operands.
pub(crate) type Source = fn(&mut Tx<'_>, &Insn) -> Pair;

fn storage(tx: &mut Tx<'_>, i: &Insn, ty: Ty, size: MemSize, signed: bool) -> Val {
    let address = tx.ea2(i);
    if signed {
        tx.load_signed(ty, size, i.b2, address)
    } else {
        tx.load(ty, size, i.b2, address)
    }
}

pub(crate) fn rr32(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    (tx.r32(i.r1), tx.r32(i.r2))
}

pub(crate) fn rr64(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    (tx.r64(i.r1), tx.r64(i.r2))
}

pub(crate) fn rr64f(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let low = tx.r32(i.r2);
    let b = tx.b.sext(low);
    (tx.r64(i.r1), b)
}

pub(crate) fn rr64uf(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let low = tx.r32(i.r2);
    let b = tx.b.zext(low);
    (tx.r64(i.r1), b)
}

pub(crate) fn rrk32(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    (tx.r32(i.r2), tx.r32(i.r3))
}

pub(crate) fn rrk64(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    (tx.r64(i.r2), tx.r64(i.r3))
}

/// High halves of the second and third register.
pub(crate) fn rrk_hh(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    (tx.r32h(i.r2), tx.r32h(i.r3))
}

/// High half of the second, low half of the third register.
pub(crate) fn rrk_hl(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    (tx.r32h(i.r2), tx.r32(i.r3))
}

/// High halves of the first and second register.
pub(crate) fn rr_hh(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    (tx.r32h(i.r1), tx.r32h(i.r2))
}

/// High half of the first, low half of the second register.
pub(crate) fn rr_hl(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    (tx.r32h(i.r1), tx.r32(i.r2))
}

pub(crate) fn rx32(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = storage(tx, i, Ty::I32, B4, false);
    (tx.r32(i.r1), b)
}

pub(crate) fn rx32h(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = storage(tx, i, Ty::I32, B2, true);
    (tx.r32(i.r1), b)
}

/// High half of the register and a word in storage.
pub(crate) fn rx_h(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = storage(tx, i, Ty::I32, B4, false);
    (tx.r32h(i.r1), b)
}

pub(crate) fn rx64(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = storage(tx, i, Ty::I64, B8, false);
    (tx.r64(i.r1), b)
}

pub(crate) fn rx64f(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = storage(tx, i, Ty::I64, B4, true);
    (tx.r64(i.r1), b)
}

pub(crate) fn rx64uf(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = storage(tx, i, Ty::I64, B4, false);
    (tx.r64(i.r1), b)
}

pub(crate) fn rx64h(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = storage(tx, i, Ty::I64, B2, true);
    (tx.r64(i.r1), b)
}

pub(crate) fn ri32(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c32(i.i2 as u32);
    (tx.r32(i.r1), b)
}

pub(crate) fn ri64(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c64(i.i2 as u64);
    (tx.r64(i.r1), b)
}

/// A 32-bit immediate, not extended by its sign.
pub(crate) fn ru64(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c64(i.u32().into());
    (tx.r64(i.r1), b)
}

/// A 16-bit immediate, not extended by its sign; 32-bit operation.
pub(crate) fn ru32h(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c32(i.u16().into());
    (tx.r32(i.r1), b)
}

/// A 16-bit immediate, not extended by its sign; 64-bit operation.
pub(crate) fn ru64h(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c64(i.u16().into());
    (tx.r64(i.r1), b)
}

/// An 8-bit immediate, not extended by its sign; 32-bit operation.
pub(crate) fn ru32b(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c32(i.u8().into());
    (tx.r32(i.r1), b)
}

/// An 8-bit immediate, not extended by its sign; 64-bit operation.
pub(crate) fn ru64b(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c64(i.u8().into());
    (tx.r64(i.r1), b)
}

/// High half of the register and a signed immediate.
pub(crate) fn ri_h(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c32(i.i2 as u32);
    (tx.r32h(i.r1), b)
}

pub(crate) fn rik32(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c32(i.i2 as u32);
    (tx.r32(i.r3), b)
}

pub(crate) fn rik64(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = tx.c64(i.i2 as u64);
    (tx.r64(i.r3), b)
}

/// An operand at a relative address; it must be on its natural boundary if it is longer than a
/// halfword (a halfword always is).
pub(crate) fn relative(tx: &mut Tx<'_>, i: &Insn, ty: Ty, size: MemSize, signed: bool) -> Val {
    let address = tx.relative_value(i.i2);
    let mem = tcg::ir::MemOp {
        signed,
        ..tx.relative_op(size)
    };
    tx.b.load(ty, mem, address)
}

pub(crate) fn rl32(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = relative(tx, i, Ty::I32, B4, false);
    (tx.r32(i.r1), b)
}

pub(crate) fn rl32h(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = relative(tx, i, Ty::I32, B2, true);
    (tx.r32(i.r1), b)
}

pub(crate) fn rl32uh(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = relative(tx, i, Ty::I32, B2, false);
    (tx.r32(i.r1), b)
}

pub(crate) fn rl64(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = relative(tx, i, Ty::I64, B8, false);
    (tx.r64(i.r1), b)
}

pub(crate) fn rl64f(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = relative(tx, i, Ty::I64, B4, true);
    (tx.r64(i.r1), b)
}

pub(crate) fn rl64uf(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = relative(tx, i, Ty::I64, B4, false);
    (tx.r64(i.r1), b)
}

pub(crate) fn rl64h(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = relative(tx, i, Ty::I64, B2, true);
    (tx.r64(i.r1), b)
}

pub(crate) fn rl64uh(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let b = relative(tx, i, Ty::I64, B2, false);
    (tx.r64(i.r1), b)
}

/// The storage operand at D1(B1), sign-extended to a type.
fn first(tx: &mut Tx<'_>, i: &Insn, ty: Ty, size: MemSize, signed: bool) -> Val {
    let address = tx.ea1(i);
    if signed {
        tx.load_signed(ty, size, i.b1, address)
    } else {
        tx.load(ty, size, i.b1, address)
    }
}

/// Signed halfword in storage and signed immediate.
pub(crate) fn sil_h(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let a = first(tx, i, Ty::I32, B2, true);
    (a, tx.c32(i.i2 as u32))
}

/// Word in storage and signed immediate.
pub(crate) fn sil32(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let a = first(tx, i, Ty::I32, B4, false);
    (a, tx.c32(i.i2 as u32))
}

/// Doubleword in storage and signed immediate.
pub(crate) fn sil64(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let a = first(tx, i, Ty::I64, B8, false);
    (a, tx.c64(i.i2 as u64))
}

/// Halfword in storage and immediate, both unsigned.
pub(crate) fn sil_uh(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let a = first(tx, i, Ty::I32, B2, false);
    (a, tx.c32(i.u16().into()))
}

/// Word in storage and unsigned immediate.
pub(crate) fn sil32u(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let a = first(tx, i, Ty::I32, B4, false);
    (a, tx.c32(i.u16().into()))
}

/// Doubleword in storage and unsigned immediate.
pub(crate) fn sil64u(tx: &mut Tx<'_>, i: &Insn) -> Pair {
    let a = first(tx, i, Ty::I64, B8, false);
    (a, tx.c64(i.u16().into()))
}
