//! Single elements of vector registers, as values of 64 bits.

use tcg::ir::{BinOp, Cond, Val};

use crate::cpu::{Half, ProgramCode};
use crate::translate::{Flow, Tx};
use crate::vector::ElementSize;

impl Tx<'_> {
    /// The element size of that number, which must be one of these: else a specification
    /// exception.
    ///
    /// # Errors
    /// The flow to return.
    pub fn element_size(
        &mut self,
        number: u8,
        sizes: std::ops::RangeInclusive<ElementSize>,
    ) -> Result<ElementSize, Flow> {
        match ElementSize::new(number) {
            Some(size) if sizes.contains(&size) => Ok(size),
            _ => Err(self.raise(ProgramCode::Specification)),
        }
    }

    /// Demands the index of an element: else a specification exception.
    ///
    /// # Errors
    /// The flow to return.
    pub fn element_index(&mut self, index: u16, size: ElementSize) -> Result<(), Flow> {
        let valid = usize::from(index) < size.count();
        self.demand(valid, ProgramCode::Specification)
    }
}

/// The half with an element of up to a doubleword, and how far it is from that half's right end.
fn place(size: ElementSize, index: u8) -> (Half, u8) {
    let in_half = 64 / size.bits() as u8;
    let half = if index < in_half {
        Half::Left
    } else {
        Half::Right
    };
    let shift = 64 - size.bits() as u8 * (index % in_half + 1);
    (half, shift)
}

/// An element of a register, zero-extended.
pub fn get(tx: &mut Tx<'_>, register: u8, size: ElementSize, index: u8) -> Val {
    let (half, shift) = place(size, index);
    let v = tx.v64(register, half);
    let v = tx.b.bin_imm(BinOp::Shr, v, shift.into());
    tx.b.bin_imm(BinOp::And, v, size.mask() as u64)
}

/// Sets an element of a register to a value's rightmost bits.
pub fn set(tx: &mut Tx<'_>, register: u8, size: ElementSize, index: u8, v: Val) {
    let (half, shift) = place(size, index);
    let v = if size == ElementSize::Doubleword {
        v
    } else {
        let old = tx.v64(register, half);
        tx.b.deposit(old, v, shift, size.bits() as u8)
    };
    tx.set_v64(register, half, v);
}

/// A zero-extended element in all places of 64 bits.
pub fn replicate(tx: &mut Tx<'_>, v: Val, size: ElementSize) -> Val {
    let ones = u64::MAX / size.mask() as u64;
    tx.b.bin_imm(BinOp::Mul, v, ones)
}

/// Whether the element of a computed index (of which the last bits count) is in the left half: 0
/// if so; and how far it is from that half's right end.
fn computed_place(tx: &mut Tx<'_>, size: ElementSize, index: Val) -> (Val, Val) {
    let in_half = u64::from(64 / size.bits());
    let half = tx.b.bin_imm(BinOp::And, index, in_half);
    let n = tx.b.bin_imm(BinOp::And, index, in_half - 1);
    let from_right = tx.b.bin_imm(BinOp::Xor, n, in_half - 1);
    let shift = tx.b.bin_imm(BinOp::Mul, from_right, size.bits().into());
    (half, shift)
}

/// The element of a computed index, of which the last bits count, zero-extended.
pub fn get_computed(tx: &mut Tx<'_>, register: u8, size: ElementSize, index: Val) -> Val {
    let (half, shift) = computed_place(tx, size, index);
    let (left, right) = tx.v128(register);
    let zero = tx.c64(0);
    let v = tx.b.select(Cond::Eq, half, zero, left, right);
    let v = tx.b.bin(BinOp::Shr, v, shift);
    tx.b.bin_imm(BinOp::And, v, size.mask() as u64)
}

/// Sets the element of a computed index, of which the last bits count.
pub fn set_computed(tx: &mut Tx<'_>, register: u8, size: ElementSize, index: Val, v: Val) {
    let (half, shift) = computed_place(tx, size, index);
    let mask = tx.c64(size.mask() as u64);
    let mask = tx.b.bin(BinOp::Shl, mask, shift);
    let v = tx.b.bin(BinOp::Shl, v, shift);
    let v = tx.b.and(v, mask);
    let zero = tx.c64(0);
    let (left, right) = tx.v128(register);
    for (part, old, cond) in [(Half::Left, left, Cond::Eq), (Half::Right, right, Cond::Ne)] {
        let rest = tx.b.bin(BinOp::AndNot, old, mask);
        let new = tx.b.or(rest, v);
        let new = tx.b.select(cond, half, zero, new, old);
        tx.set_v64(register, part, new);
    }
}
