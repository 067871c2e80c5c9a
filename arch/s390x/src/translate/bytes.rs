//! Bytes of a word under a mask: what ICM, CLM and STCM share.
//!
//! A mask of four bits names bytes of a word, its highest bit the leftmost. The bytes selected
//! are contiguous in storage; *packed* means so as a number, the last one lowest.

use tcg::ir::{BinOp, MemSize, Ty, Val};

use super::Tx;

/// How many bytes a mask selects.
pub(crate) fn count(mask: u8) -> u8 {
    (mask & 15).count_ones() as u8
}

/// For each byte selected, from left to right: its position in the word, in bits from the right.
fn positions(mask: u8) -> impl Iterator<Item = u8> {
    (0..4).filter_map(move |n| (mask & 8 >> n != 0).then_some(24 - 8 * n))
}

/// Whether the bytes selected are neighbours in the word.
fn contiguous(mask: u8) -> bool {
    let trimmed = mask >> mask.trailing_zeros().min(3);
    trimmed & trimmed.wrapping_add(1) == 0
}

/// Loads as many bytes as the mask selects, packed (`I64`). For an empty mask one byte is loaded
/// all the same, for its access exceptions, and the value is 0.
pub(crate) fn load(tx: &mut Tx<'_>, mask: u8, base: u8, address: Val) -> Val {
    let piece = |tx: &mut Tx<'_>, size, offset| {
        let address = tx.address_plus(address, offset);
        tx.load(Ty::I64, size, base, address)
    };
    match count(mask) {
        0 => {
            piece(tx, MemSize::B1, 0);
            tx.c64(0)
        }
        1 => piece(tx, MemSize::B1, 0),
        2 => piece(tx, MemSize::B2, 0),
        3 => {
            let high = piece(tx, MemSize::B2, 0);
            let low = piece(tx, MemSize::B1, 2);
            let high = tx.b.bin_imm(BinOp::Shl, high, 8);
            tx.b.or(high, low)
        }
        _ => piece(tx, MemSize::B4, 0),
    }
}

/// The selected bytes of a word (the low half of an `I64`), packed.
pub(crate) fn gather(tx: &mut Tx<'_>, word: Val, mask: u8) -> Val {
    let mask = mask & 15;
    if mask == 0 {
        return tx.c64(0);
    }
    if contiguous(mask) {
        let shift = 8 * u64::from(mask.trailing_zeros() as u8);
        let v = tx.b.bin_imm(BinOp::Shr, word, shift);
        let bits = (1 << (8 * count(mask))) - 1;
        return tx.b.bin_imm(BinOp::And, v, bits);
    }
    let mut packed = tx.c64(0);
    for position in positions(mask) {
        let byte = tx.b.bin_imm(BinOp::Shr, word, position.into());
        let byte = tx.b.bin_imm(BinOp::And, byte, 0xff);
        packed = tx.b.bin_imm(BinOp::Shl, packed, 8);
        packed = tx.b.or(packed, byte);
    }
    packed
}

/// `word` (an `I64`) with packed bytes in the places that the mask selects; the word begins
/// `shift` bits from the right.
pub(crate) fn scatter(tx: &mut Tx<'_>, word: Val, packed: Val, mask: u8, shift: u8) -> Val {
    let mask = mask & 15;
    if mask == 0 {
        return word;
    }
    if contiguous(mask) {
        let position = shift + 8 * mask.trailing_zeros() as u8;
        return tx.b.deposit(word, packed, position, 8 * count(mask));
    }
    let mut word = word;
    let mut left = 8 * count(mask);
    for position in positions(mask) {
        left -= 8;
        let byte = tx.b.bin_imm(BinOp::Shr, packed, left.into());
        word = tx.b.deposit(word, byte, shift + position, 8);
    }
    word
}

/// Stores the packed bytes that a mask selects. For an empty mask nothing is stored.
pub(crate) fn store(tx: &mut Tx<'_>, mask: u8, base: u8, address: Val, packed: Val) {
    match count(mask) {
        0 => {}
        1 => tx.store(MemSize::B1, base, address, packed),
        2 => tx.store(MemSize::B2, base, address, packed),
        3 => {
            // The last byte first: if it cannot be stored, none is, as far as one page goes.
            let last = tx.address_plus(address, 2);
            let high = tx.b.bin_imm(BinOp::Shr, packed, 8);
            tx.store(MemSize::B1, base, last, packed);
            tx.store(MemSize::B2, base, address, high);
        }
        _ => tx.store(MemSize::B4, base, address, packed),
    }
}
