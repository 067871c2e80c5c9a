//! Vector shifts and rotations.
//!
//! Where the count is a constant, and where elements are doublewords, it is done in halves of the
//! registers; else a helper does it. Not here: arithmetic ([`super::integer`]).

use tcg::HelperDef;
use tcg::ir::{BinOp, Val};

use super::integer::{binary, halves1, halves2, halves3, imm, repeated};
use crate::cpu::ProgramCode;
use crate::insn::Insn;
use crate::translate::{Flow, Tx, require};
use crate::vector::ElementSize::{self, Byte, Doubleword};

/// VESLV, VESRAV, VESRLV, VERLLV: by the helper but for doublewords.
pub(crate) fn each(tx: &mut Tx<'_>, i: &Insn, op: BinOp, helpers: &'static [HelperDef]) -> Flow {
    if i.m4 != Doubleword as u8 {
        return binary(tx, i, helpers);
    }
    halves2(tx, i, |tx, a, count| tx.b.bin(op, a, count))
}

/// VESL, VESRA, VESRL, VERLL: the count is the second operand's address, modulo the elements'
/// bits.
pub(crate) fn all(tx: &mut Tx<'_>, i: &Insn, op: BinOp, helpers: &'static [HelperDef]) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    if i.b2 == 0 {
        let count = i.d2 as u32 % size.bits();
        return halves1(tx, i, i.v3, |tx, v| shifted(tx, size, op, v, count));
    }
    let count = tx.unwrapped_address(i.b2, 0, i.d2);
    if size == Doubleword {
        return halves1(tx, i, i.v3, |tx, v| tx.b.bin(op, v, count));
    }
    let operands = tx.vector_operands(i);
    tx.call(&helpers[size as usize], &[operands, count]);
    Flow::Next
}

/// The elements of a half by a count less than their bits.
fn shifted(tx: &mut Tx<'_>, size: ElementSize, op: BinOp, v: Val, count: u32) -> Val {
    if size == Doubleword || count == 0 {
        return imm(tx, op, v, count.into());
    }
    let bits = size.bits();
    let all = u64::MAX >> (64 - bits);
    match op {
        BinOp::Shl => {
            let v = imm(tx, op, v, count.into());
            imm(tx, BinOp::And, v, repeated(size, all << count & all))
        }
        BinOp::Shr => {
            let v = imm(tx, op, v, count.into());
            imm(tx, BinOp::And, v, repeated(size, all >> count))
        }
        BinOp::Sar => {
            let low = shifted(tx, size, BinOp::Shr, v, count);
            // Where the leftmost bit is one: the difference of that bit doubled and of its place
            // in the result doubled is what has come in. The first may leave the element, not
            // the difference.
            let sign = imm(tx, BinOp::And, v, repeated(size, 1 << (bits - 1)));
            let (upper, lower) = (
                imm(tx, BinOp::Shl, sign, 1),
                imm(tx, BinOp::Shr, sign, (count - 1).into()),
            );
            let copies = tx.b.sub(upper, lower);
            tx.b.or(low, copies)
        }
        _ => {
            let left = shifted(tx, size, BinOp::Shl, v, count);
            let right = shifted(tx, size, BinOp::Shr, v, bits - count);
            tx.b.or(left, right)
        }
    }
}

/// VERIM: V2's elements rotated, inserted into V1 under the mask in V3.
pub(crate) fn rotate_insert(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m5, Byte..=Doubleword));
    let count = u32::from(i.i4) % size.bits();
    // V1 stands where halves3 looks for V4.
    let with_target = Insn { v4: i.v1, ..*i };
    halves3(tx, &with_target, |tx, v, mask, old| {
        let rotated = shifted(tx, size, BinOp::Rotl, v, count);
        let new = tx.b.and(rotated, mask);
        let kept = tx.b.bin(BinOp::AndNot, old, mask);
        tx.b.or(new, kept)
    })
}

/// VSLDB (a count of bytes to 15), VSLD (a count of bits to 7): V2 and V3 as one, to the left.
pub(crate) fn left_double(tx: &mut Tx<'_>, i: &Insn, unit: Unit) -> Flow {
    let bits = require!(double_count(tx, i, unit));
    let words = words(tx, i);
    let first = (bits / 64) as usize;
    let result = (
        joined(tx, words[first], words[first + 1], bits % 64),
        joined(tx, words[first + 1], words[first + 2], bits % 64),
    );
    tx.set_v128(i.v1, result);
    Flow::Next
}

/// VSRD: V2 and V3 as one, to the right by up to 7 bits.
pub(crate) fn right_double(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let bits = require!(double_count(tx, i, Unit::Bits));
    let words = words(tx, i);
    // To the right by none is to the left by 64 from one word before.
    let result = match bits {
        0 => (words[2], words[3]),
        _ => (
            joined(tx, words[1], words[2], 64 - bits),
            joined(tx, words[2], words[3], 64 - bits),
        ),
    };
    tx.set_v128(i.v1, result);
    Flow::Next
}

/// What a count in I4 counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Bytes,
    Bits,
}

/// The count in bits.
fn double_count(tx: &mut Tx<'_>, i: &Insn, unit: Unit) -> Result<u32, Flow> {
    let (last, bits) = match unit {
        Unit::Bytes => (15, 8),
        Unit::Bits => (7, 1),
    };
    tx.demand(i.i4 <= last, ProgramCode::Specification)?;
    Ok(u32::from(i.i4) * bits)
}

fn words(tx: &mut Tx<'_>, i: &Insn) -> [Val; 4] {
    let ((a, b), (c, d)) = (tx.v128(i.v2), tx.v128(i.v3));
    [a, b, c, d]
}

/// The left half of two words shifted left by fewer than 64 bits.
fn joined(tx: &mut Tx<'_>, left: Val, right: Val, bits: u32) -> Val {
    if bits == 0 {
        return left;
    }
    let left = imm(tx, BinOp::Shl, left, bits.into());
    let right = imm(tx, BinOp::Shr, right, (64 - bits).into());
    tx.b.or(left, right)
}
