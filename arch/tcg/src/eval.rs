//! What the IR's operations compute: one definition for the optimiser and all engines.

use crate::ir::{AtomicOp, BinOp, CarryOp, Ty, UnOp};

/// One operand, one result.
#[inline]
pub fn un(op: UnOp, ty: Ty, v: u64) -> u64 {
    let v = v & ty.mask();
    let result = match (op, ty) {
        (UnOp::Neg, _) => v.wrapping_neg(),
        (UnOp::Not, _) => !v,
        (UnOp::ByteSwap, Ty::I32) => u64::from((v as u32).swap_bytes()),
        (UnOp::ByteSwap, Ty::I64) => v.swap_bytes(),
        (UnOp::CountLeadingZeros, Ty::I32) => u64::from((v as u32).leading_zeros()),
        (UnOp::CountLeadingZeros, Ty::I64) => u64::from(v.leading_zeros()),
        (UnOp::CountOnes, _) => u64::from(v.count_ones()),
    };
    result & ty.mask()
}

/// Two operands, one result.
#[inline]
pub fn bin(op: BinOp, ty: Ty, a: u64, b: u64) -> u64 {
    let (a, b) = (a & ty.mask(), b & ty.mask());
    let (sa, sb) = match ty {
        Ty::I32 => (i64::from(a as i32), i64::from(b as i32)),
        Ty::I64 => (a as i64, b as i64),
    };
    let count = (b % u64::from(ty.bits())) as u32;
    let result = match op {
        BinOp::Add => a.wrapping_add(b),
        BinOp::Sub => a.wrapping_sub(b),
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::MulHighU => ((u128::from(a) * u128::from(b)) >> ty.bits()) as u64,
        BinOp::MulHighS => ((i128::from(sa) * i128::from(sb)) >> ty.bits()) as u64,
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::AndNot => a & !b,
        BinOp::Shl => a << count,
        BinOp::Shr => a >> count,
        BinOp::Sar => (sa >> count) as u64,
        BinOp::Rotl => match ty {
            Ty::I32 => u64::from((a as u32).rotate_left(count)),
            Ty::I64 => a.rotate_left(count),
        },
    };
    result & ty.mask()
}

/// Sum or difference with a carry, or its carry out.
#[inline]
pub fn carry(op: CarryOp, ty: Ty, a: u64, b: u64, c: u64) -> u64 {
    let (a, b) = (u128::from(a & ty.mask()), u128::from(b & ty.mask()));
    let c = u128::from(c & 1);
    let sum = a + b + c;
    match op {
        CarryOp::Add => sum as u64 & ty.mask(),
        CarryOp::AddCarry => (sum >> ty.bits()) as u64,
        CarryOp::Sub => a.wrapping_sub(b).wrapping_sub(c) as u64 & ty.mask(),
        CarryOp::SubBorrow => u64::from(a < b + c),
    }
}

/// The low bits of a value, extended.
#[inline]
pub fn extend(ty: Ty, v: u64, bits: u8, signed: bool) -> u64 {
    let shift = 64 - u32::from(bits.clamp(1, 64));
    let v = v << shift;
    let v = if signed {
        ((v as i64) >> shift) as u64
    } else {
        v >> shift
    };
    v & ty.mask()
}

/// Replaces bits `pos..pos+len`.
#[inline]
pub fn deposit(ty: Ty, base: u64, v: u64, pos: u8, len: u8) -> u64 {
    let ones = u64::MAX >> (64 - u32::from(len.clamp(1, 64)));
    let mask = ones << pos;
    ((base & !mask) | ((v << pos) & mask)) & ty.mask()
}

/// The new value of an interlocked update.
#[inline]
pub fn atomic(op: AtomicOp, old: u64, v: u64) -> u64 {
    match op {
        AtomicOp::Add => old.wrapping_add(v),
        AtomicOp::And => old & v,
        AtomicOp::Or => old | v,
        AtomicOp::Xor => old ^ v,
        AtomicOp::Exchange => v,
    }
}
