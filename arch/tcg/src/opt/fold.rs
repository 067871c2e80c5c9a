//! Constants, identities and cheaper forms of single operations.

use super::Forward;
use crate::eval;
use crate::guest::Guest;
use crate::ir::{BinOp, CarryOp, MemSize, Op, Ty, Val};

/// How many ops back an equal operation is looked for.
const RECENT: usize = 8;

fn is_commutative(op: BinOp) -> bool {
    matches!(
        op,
        BinOp::Add
            | BinOp::Mul
            | BinOp::MulHighU
            | BinOp::MulHighS
            | BinOp::And
            | BinOp::Or
            | BinOp::Xor
    )
}

impl<G: Guest> Forward<G> {
    /// Appends what an operation on values comes down to.
    pub(super) fn fold(&mut self, op: &Op) -> Val {
        match *op {
            Op::Un(un, ty, v) => match self.as_const(v) {
                Some(c) => self.constant(ty, eval::un(un, ty, c)),
                None => self.push(*op),
            },
            Op::Bin(bin, ty, a, b) => self.bin(bin, ty, a, b),
            Op::Carry(carry, ty, a, b, c) => self.carry(carry, ty, a, b, c),
            Op::Trunc(v) => self.trunc(v),
            Op::Extend {
                ty,
                v,
                bits,
                signed,
            } => self.extend(ty, v, bits, signed),
            Op::Deposit {
                ty,
                base,
                v,
                pos,
                len,
            } => {
                if let (Some(x), Some(y)) = (self.as_const(base), self.as_const(v)) {
                    return self.constant(ty, eval::deposit(ty, x, y, pos, len));
                }
                if u32::from(len) == ty.bits() {
                    return v;
                }
                // Bits that are replaced again do not count.
                if let Op::Deposit {
                    base: inner,
                    pos: at,
                    len: bits,
                    ..
                } = *self.def(base)
                    && pos <= at
                    && at + bits <= pos + len
                {
                    return self.fold(&Op::Deposit {
                        ty,
                        base: inner,
                        v,
                        pos,
                        len,
                    });
                }
                // A half that is extended fits as it is where the other half is zero.
                if pos == 0 && len == 32 && ty == Ty::I64 && self.is_low(base) && self.is_low(v) {
                    return v;
                }
                self.push(*op)
            }
            _ => self.push(*op),
        }
    }

    fn bin(&mut self, op: BinOp, ty: Ty, a: Val, b: Val) -> Val {
        let (x, y) = (self.as_const(a), self.as_const(b));
        if let (Some(x), Some(y)) = (x, y) {
            return self.constant(ty, eval::bin(op, ty, x, y));
        }
        let (a, b, y) = match x {
            Some(x) if is_commutative(op) => (b, a, Some(x)),
            _ => (a, b, y),
        };
        if a == b {
            match op {
                BinOp::Sub | BinOp::Xor | BinOp::AndNot => return self.constant(ty, 0),
                BinOp::And | BinOp::Or => return a,
                _ => {}
            }
        }
        match y {
            Some(c) => self.bin_const(op, ty, a, c),
            None => {
                // The sum or difference that a condition is about has often just been made.
                let first = self.ops.len().saturating_sub(RECENT);
                let found = self.ops[first..].iter().position(
                    |known| matches!(*known, Op::Bin(o, t, x, y) if (o, t, x, y) == (op, ty, a, b)),
                );
                match found {
                    Some(n) => Val((first + n) as u32),
                    None => self.push(Op::Bin(op, ty, a, b)),
                }
            }
        }
    }

    /// An operation whose right side is a constant and whose left side is none.
    fn bin_const(&mut self, op: BinOp, ty: Ty, a: Val, c: u64) -> Val {
        let ones = ty.mask();
        match (op, c) {
            (BinOp::Add | BinOp::Sub | BinOp::Or | BinOp::Xor | BinOp::AndNot, 0) => return a,
            (BinOp::And | BinOp::Mul | BinOp::MulHighU | BinOp::MulHighS, 0) => {
                return self.constant(ty, 0);
            }
            (BinOp::Mul, 1) => return a,
            (BinOp::And, c) if c == ones => return a,
            (BinOp::Or, c) if c == ones => return self.constant(ty, ones),
            (BinOp::AndNot, c) => return self.bin_const(BinOp::And, ty, a, !c & ones),
            (BinOp::Sub, c) => return self.bin_const(BinOp::Add, ty, a, c.wrapping_neg() & ones),
            (BinOp::Mul, c) if c.is_power_of_two() => {
                return self.bin_const(BinOp::Shl, ty, a, u64::from(c.trailing_zeros()));
            }
            (BinOp::Shl | BinOp::Shr | BinOp::Sar | BinOp::Rotl, c) => {
                let count = c % u64::from(ty.bits());
                if count == 0 {
                    return a;
                }
                if count != c {
                    return self.bin_const(op, ty, a, count);
                }
            }
            _ => {}
        }
        // Two of a kind in a row are one.
        if let Op::Bin(inner, _, x, k) = *self.def(a)
            && inner == op
            && let Some(k) = self.as_const(k)
        {
            let joined = match op {
                BinOp::Add | BinOp::And | BinOp::Or | BinOp::Xor => Some(eval::bin(op, ty, k, c)),
                BinOp::Shl | BinOp::Shr if k + c < u64::from(ty.bits()) => Some(k + c),
                _ => None,
            };
            if let Some(joined) = joined {
                return self.bin_const(op, ty, x, joined);
            }
        }
        // The truth of a comparison has one bit.
        if let Op::SetCond(cond, t, x, y) = *self.def(a) {
            match (op, c) {
                (BinOp::And, c) if c & 1 == 1 => return a,
                (BinOp::Xor, 1) => return self.set_cond(cond.negate(), t, x, y),
                _ => {}
            }
        }
        if op == BinOp::And
            && let Some(v) = self.mask(ty, a, c)
        {
            return v;
        }
        let b = self.constant(ty, c);
        self.push(Op::Bin(op, ty, a, b))
    }

    /// Whether the high half of a wide value is certainly zero.
    fn is_low(&self, v: Val) -> bool {
        match *self.def(v) {
            Op::Const(_, c) => c >> 32 == 0,
            Op::Extend {
                bits,
                signed: false,
                ..
            } => bits <= 32,
            Op::Load { mem, .. } => !mem.signed && mem.size != MemSize::B8,
            Op::Bin(BinOp::And, _, _, c) => self.as_const(c).is_some_and(|c| c >> 32 == 0),
            Op::Bin(BinOp::Shr, _, _, c) => self.as_const(c).is_some_and(|c| (32..64).contains(&c)),
            _ => false,
        }
    }

    /// Selected bits of a value, where that is something simpler.
    fn mask(&mut self, ty: Ty, a: Val, c: u64) -> Option<Val> {
        match *self.def(a) {
            // Bits of a rotated value which all come from one side of it.
            Op::Bin(BinOp::Rotl, _, x, count) => {
                let count = self.as_const(count)?;
                let left = u64::from(ty.bits()) - count;
                if c & ((1 << count) - 1) == 0 {
                    let shifted = self.bin_const(BinOp::Shl, ty, x, count);
                    let rest = c | ((1 << count) - 1);
                    return Some(if rest == ty.mask() {
                        shifted
                    } else {
                        self.bin_const(BinOp::And, ty, shifted, c)
                    });
                }
                if c >> count == 0 {
                    let shifted = self.bin_const(BinOp::Shr, ty, x, left);
                    return Some(if c == (1 << count) - 1 {
                        shifted
                    } else {
                        self.bin_const(BinOp::And, ty, shifted, c)
                    });
                }
                None
            }
            // A narrow operation does, if the other half is zero anyway.
            Op::Extend {
                ty: Ty::I64,
                v,
                bits: 32,
                signed,
            } if self.ty(v) == Ty::I32 && (!signed || c >> 32 == 0) => {
                let narrow = self.bin_const(BinOp::And, Ty::I32, v, c & Ty::I32.mask());
                Some(self.extend(Ty::I64, narrow, 32, false))
            }
            _ if matches!(c, 0xff | 0xffff | 0xffff_ffff) => {
                Some(self.extend(ty, a, c.count_ones() as u8, false))
            }
            _ => None,
        }
    }

    fn carry(&mut self, op: CarryOp, ty: Ty, a: Val, b: Val, c: Val) -> Val {
        if self.as_const(c).is_some_and(|c| c & 1 == 0) {
            match op {
                CarryOp::Add => return self.bin(BinOp::Add, ty, a, b),
                CarryOp::Sub => return self.bin(BinOp::Sub, ty, a, b),
                CarryOp::AddCarry | CarryOp::SubBorrow => {}
            }
        }
        if let (Some(x), Some(y), Some(z)) = (self.as_const(a), self.as_const(b), self.as_const(c))
        {
            let value = eval::carry(op, ty, x, y, z);
            let ty = match op {
                CarryOp::Add | CarryOp::Sub => ty,
                CarryOp::AddCarry | CarryOp::SubBorrow => Ty::I32,
            };
            return self.constant(ty, value);
        }
        self.push(Op::Carry(op, ty, a, b, c))
    }

    fn trunc(&mut self, v: Val) -> Val {
        if let Some(c) = self.as_const(v) {
            return self.constant(Ty::I32, c);
        }
        match *self.def(v) {
            // The low half of an extended half is that half.
            Op::Extend {
                v: inner, bits: 32, ..
            } => match self.ty(inner) {
                Ty::I32 => inner,
                Ty::I64 => self.trunc(inner),
            },
            Op::Extend {
                v: inner,
                bits,
                signed,
                ..
            } if bits < 32 => self.extend(Ty::I32, inner, bits, signed),
            // Only bits from the new value are left.
            Op::Deposit { v, pos: 0, len, .. } if len >= 32 => self.trunc(v),
            Op::Deposit { base, pos, .. } if pos >= 32 => self.trunc(base),
            Op::Bin(op, _, a, b) => match self.narrow(op, a, b) {
                Some(narrow) => narrow,
                None => self.push(Op::Trunc(v)),
            },
            _ => self.push(Op::Trunc(v)),
        }
    }

    /// Whether a wide value is a constant or comes from 32 bits or fewer; if it was extended,
    /// whether by its sign.
    fn is_extended(&self, v: Val) -> Option<Option<bool>> {
        match *self.def(v) {
            Op::Const(..) => Some(None),
            Op::Extend { bits, signed, .. } if bits <= 32 => Some(Some(signed)),
            _ => None,
        }
    }

    /// The low half of a wide operation, as an operation on low halves, where that saves the
    /// wide one.
    fn narrow(&mut self, op: BinOp, a: Val, b: Val) -> Option<Val> {
        let left = self.is_extended(a)?;
        match op {
            BinOp::Add | BinOp::Sub | BinOp::Mul | BinOp::And | BinOp::Or | BinOp::Xor => {
                self.is_extended(b)?;
                let (a, b) = (self.trunc(a), self.trunc(b));
                Some(self.bin(op, Ty::I32, a, b))
            }
            BinOp::Shl | BinOp::Shr | BinOp::Sar => {
                let count = self.as_const(b)? % 64;
                let count = match op {
                    BinOp::Shl if count < 32 => count,
                    BinOp::Shr if left == Some(false) && count < 32 => count,
                    BinOp::Sar if left == Some(true) => count.min(31),
                    BinOp::Shl => return Some(self.constant(Ty::I32, 0)),
                    BinOp::Shr if left == Some(false) => return Some(self.constant(Ty::I32, 0)),
                    _ => return None,
                };
                let a = self.trunc(a);
                let count = self.constant(Ty::I32, count);
                Some(self.bin(op, Ty::I32, a, count))
            }
            _ => None,
        }
    }

    fn extend(&mut self, ty: Ty, v: Val, bits: u8, signed: bool) -> Val {
        if let Some(c) = self.as_const(v) {
            return self.constant(ty, eval::extend(ty, c, bits, signed));
        }
        if self.ty(v) == ty && u32::from(bits) >= ty.bits() {
            return v;
        }
        match *self.def(v) {
            // What was extended from as many bits or fewer is so already.
            Op::Extend {
                ty: whole,
                v: inner,
                bits: from,
                signed: sign,
            } if u32::from(bits) <= whole.bits()
                && (from < bits && (sign == signed || !sign)
                    || from == bits && u32::from(bits) <= whole.bits()) =>
            {
                let sign = if from == bits { signed } else { sign };
                self.extend(ty, inner, from, sign)
            }
            // Fewer bits of an extended value are those of the value itself.
            Op::Extend {
                v: inner,
                bits: from,
                ..
            } if bits < from => self.extend(ty, inner, bits, signed),
            Op::Load { ty: whole, mem, .. }
                if whole == ty
                    && !mem.signed
                    && !signed
                    && 8 * mem.size.bytes() <= u64::from(bits) =>
            {
                v
            }
            _ => self.push(Op::Extend {
                ty,
                v,
                bits,
                signed,
            }),
        }
    }
}
