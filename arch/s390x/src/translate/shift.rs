//! Shifts and rotations, and operations on rotated and selected bits.
//!
//! Shift counts are the low six bits of the second-operand address, so 32-bit operands are
//! shifted in 64 bits.

use tcg::ir::{BinOp, Ty, Val};

use super::arith::{cc_sign, overflow};
use super::{Flow, Tx, require};
use crate::cpu::cc::CcKind;
use crate::insn::Insn;

/// The shift count as an `I64` 0 to 63.
fn count(tx: &mut Tx<'_>, i: &Insn) -> Val {
    if i.b2 == 0 {
        return tx.c64((i.d2 & 63) as u64);
    }
    let address = tx.unwrapped_address(i.b2, 0, i.d2);
    tx.b.bin_imm(BinOp::And, address, 63)
}

/// Shifts a 32-bit register by a 64-bit operation.
fn shift32(tx: &mut Tx<'_>, i: &Insn, from: u8, op: BinOp) -> Val {
    let count = count(tx, i);
    let v = tx.r32(from);
    let wide = match op {
        BinOp::Sar => tx.b.sext(v),
        _ => tx.b.zext(v),
    };
    let shifted = tx.b.bin(op, wide, count);
    tx.b.trunc(shifted)
}

/// Logical shift, 32 bits, of register `from`.
pub(crate) fn logical32(tx: &mut Tx<'_>, i: &Insn, from: u8, op: BinOp) -> Flow {
    let v = shift32(tx, i, from, op);
    tx.set_r32(i.r1, v);
    Flow::Next
}

/// Logical shift or rotation, 64 bits, of R3 into R1.
pub(crate) fn logical64(tx: &mut Tx<'_>, i: &Insn, op: BinOp) -> Flow {
    let count = count(tx, i);
    let v = tx.r64(i.r3);
    let v = tx.b.bin(op, v, count);
    tx.set_r64(i.r1, v);
    Flow::Next
}

/// ROTATE LEFT SINGLE LOGICAL, 32 bits.
pub(crate) fn rotate32(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let count = count(tx, i);
    let count = tx.b.trunc(count);
    let v = tx.r32(i.r3);
    let v = tx.b.bin(BinOp::Rotl, v, count);
    tx.set_r32(i.r1, v);
    Flow::Next
}

/// SHIFT RIGHT SINGLE, 32 bits, of register `from`.
pub(crate) fn right32(tx: &mut Tx<'_>, i: &Insn, from: u8) -> Flow {
    let v = shift32(tx, i, from, BinOp::Sar);
    tx.set_r32(i.r1, v);
    cc_sign(tx, v);
    Flow::Next
}

/// SHIFT RIGHT SINGLE, 64 bits.
pub(crate) fn right64(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let count = count(tx, i);
    let v = tx.r64(i.r3);
    let v = tx.b.bin(BinOp::Sar, v, count);
    tx.set_r64(i.r1, v);
    cc_sign(tx, v);
    Flow::Next
}

/// The sign bit of `old` with the other bits of `shifted`.
fn keep_sign(tx: &mut Tx<'_>, old: Val, shifted: Val) -> Val {
    let ty = tx.b.ty(old);
    let sign = 1 << (ty.bits() - 1);
    let sign_bit = tx.b.bin_imm(BinOp::And, old, sign);
    let rest = tx.b.bin_imm(BinOp::And, shifted, sign - 1);
    tx.b.or(sign_bit, rest)
}

/// SHIFT LEFT SINGLE, 32 bits, of register `from`.
pub(crate) fn left32(tx: &mut Tx<'_>, i: &Insn, from: u8) -> Flow {
    let count = count(tx, i);
    let v = tx.r32(from);
    let wide = tx.b.zext(v);
    let shifted = tx.b.bin(BinOp::Shl, wide, count);
    let shifted = tx.b.trunc(shifted);
    let result = keep_sign(tx, v, shifted);
    tx.set_r32(i.r1, result);
    tx.set_cc(CcKind::ShiftLeft32, v, count);
    overflow(tx)
}

/// SHIFT LEFT SINGLE, 64 bits.
pub(crate) fn left64(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let count = count(tx, i);
    let v = tx.r64(i.r3);
    let shifted = tx.b.bin(BinOp::Shl, v, count);
    let result = keep_sign(tx, v, shifted);
    tx.set_r64(i.r1, result);
    tx.set_cc(CcKind::ShiftLeft64, v, count);
    overflow(tx)
}

/// SHIFT LEFT DOUBLE.
pub(crate) fn left_double(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.even(i.r1));
    let count = count(tx, i);
    let v = tx.pair32(i.r1);
    let shifted = tx.b.bin(BinOp::Shl, v, count);
    let result = keep_sign(tx, v, shifted);
    tx.set_pair32(i.r1, result);
    tx.set_cc(CcKind::ShiftLeft64, v, count);
    overflow(tx)
}

/// SHIFT RIGHT DOUBLE.
pub(crate) fn right_double(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.even(i.r1));
    let count = count(tx, i);
    let v = tx.pair32(i.r1);
    let v = tx.b.bin(BinOp::Sar, v, count);
    tx.set_pair32(i.r1, v);
    cc_sign(tx, v);
    Flow::Next
}

/// SHIFT LEFT or RIGHT DOUBLE LOGICAL.
pub(crate) fn logical_double(tx: &mut Tx<'_>, i: &Insn, op: BinOp) -> Flow {
    require!(tx.even(i.r1));
    let count = count(tx, i);
    let v = tx.pair32(i.r1);
    let v = tx.b.bin(op, v, count);
    tx.set_pair32(i.r1, v);
    Flow::Next
}

/// The mask of bits `start` to `end` (0 to 63, counted from the left), wrapping round if `end`
/// is less than `start`.
pub(crate) fn selection(start: u8, end: u8) -> u64 {
    let from_start = u64::MAX >> (start & 63);
    let to_end = u64::MAX << (63 - (end & 63));
    if start & 63 <= end & 63 {
        from_start & to_end
    } else {
        from_start | to_end
    }
}

fn rotated(tx: &mut Tx<'_>, i: &Insn) -> Val {
    let v = tx.r64(i.r2);
    match i.i5 & 63 {
        0 => v,
        count => tx.b.bin_imm(BinOp::Rotl, v, count.into()),
    }
}

/// Selected bits of `new` in place of those of `old`, or zeros elsewhere.
fn insert_selected(tx: &mut Tx<'_>, old: Val, new: Val, mask: u64, zero: bool) -> Val {
    let selected = match mask {
        u64::MAX => new,
        _ => tx.b.bin_imm(BinOp::And, new, mask),
    };
    if zero || mask == u64::MAX {
        return selected;
    }
    let kept = tx.b.bin_imm(BinOp::And, old, !mask);
    tx.b.or(kept, selected)
}

/// The selected bits as a field, where inserting one is cheap: its position from the right, its
/// bits, and by how many bits to rotate the operand so that it is at the right.
fn field(i: &Insn) -> Option<(u8, u8, u8)> {
    let (start, end) = (i.i3 & 63, i.i4 & 63);
    if start > end {
        return None;
    }
    let (pos, len) = (63 - end, end - start + 1);
    let rotate = i.i5.wrapping_sub(pos) & 63;
    (rotate == 0 || pos == 0 || pos == 32 && len == 32).then_some((pos, len, rotate))
}

/// ROTATE THEN INSERT SELECTED BITS, with or without a condition code.
pub(crate) fn rotate_insert(tx: &mut Tx<'_>, i: &Insn, cc: bool) -> Flow {
    let mask = selection(i.i3, i.i4);
    let zero = i.i4 & 0x80 != 0;
    let old = tx.r64(i.r1);
    let result = match field(i).filter(|_| !zero && mask != u64::MAX) {
        Some((pos, len, rotate)) => {
            let v = tx.r64(i.r2);
            let v = tx.b.bin_imm(BinOp::Rotl, v, rotate.into());
            tx.b.deposit(old, v, pos, len)
        }
        None => {
            let new = rotated(tx, i);
            insert_selected(tx, old, new, mask, zero)
        }
    };
    tx.set_r64(i.r1, result);
    if cc {
        cc_sign(tx, result);
    }
    Flow::Next
}

/// ROTATE THEN INSERT SELECTED BITS LOW.
pub(crate) fn rotate_insert_low(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let new = rotated(tx, i);
    let new = tx.b.trunc(new);
    let old = tx.r32(i.r1);
    let v = insert_half(tx, i, old, new);
    tx.set_r32(i.r1, v);
    Flow::Next
}

/// ROTATE THEN INSERT SELECTED BITS HIGH.
pub(crate) fn rotate_insert_high(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let new = rotated(tx, i);
    let new = tx.b.bin_imm(BinOp::Shr, new, 32);
    let new = tx.b.trunc(new);
    let old = tx.r32h(i.r1);
    let v = insert_half(tx, i, old, new);
    tx.set_r32h(i.r1, v);
    Flow::Next
}

/// Five-bit positions within a half.
fn insert_half(tx: &mut Tx<'_>, i: &Insn, old: Val, new: Val) -> Val {
    debug_assert_eq!(tx.b.ty(old), Ty::I32);
    let (start, end) = (u32::from(i.i3 & 31), u32::from(i.i4 & 31));
    let (from_start, to_end) = (u32::MAX >> start, u32::MAX << (31 - end));
    let mask = if start <= end {
        from_start & to_end
    } else {
        from_start | to_end
    };
    let selected = tx.b.bin_imm(BinOp::And, new, mask.into());
    if i.i4 & 0x80 != 0 {
        return selected;
    }
    let kept = tx.b.bin_imm(BinOp::And, old, u64::from(!mask));
    tx.b.or(kept, selected)
}

/// ROTATE THEN AND, OR, EXCLUSIVE OR SELECTED BITS. With the leftmost bit of I3 only the
/// condition code is set.
pub(crate) fn rotate_bitwise(tx: &mut Tx<'_>, i: &Insn, op: BinOp) -> Flow {
    let new = rotated(tx, i);
    let old = tx.r64(i.r1);
    let mask = selection(i.i3, i.i4);
    // What changes nothing stands where no bit is selected.
    let new = if op == BinOp::And {
        tx.b.bin_imm(BinOp::Or, new, !mask)
    } else {
        tx.b.bin_imm(BinOp::And, new, mask)
    };
    let result = tx.b.bin(op, old, new);
    if i.i3 & 0x80 == 0 {
        tx.set_r64(i.r1, result);
    }
    let selected = tx.b.bin_imm(BinOp::And, result, mask);
    tx.set_cc1(CcKind::NonZero, selected);
    Flow::Next
}
