//! Condition-code operations: kinds, their evaluation, and what a branch mask over them means.
//!
//! Instructions record a kind and two operands; the code is computed when somebody looks. The
//! selector of a test is the branch mask: 8 for cc 0, 4 for 1, 2 for 2, 1 for 3.

use tcg::ir::{Cond, Ty};
use tcg::{CcOperand, CcTest};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Kinds of condition-code operation. Operands narrower than 64 bits are zero-extended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum CcKind {
            $($(#[$doc])* $name,)*
        }

        impl CcKind {
            /// All kinds, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in printed IR.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

kinds! {
    /// The code itself, in `a`.
    Code,
    /// 0 if `a` is zero, else 1 (logical operations); 64 bits.
    NonZero,
    /// 0 equal, 1 `a` low, 2 `a` high; signed 32 bits.
    Compare32,
    /// 0 equal, 1 `a` low, 2 `a` high; signed 64 bits.
    Compare64,
    /// 0 equal, 1 `a` low, 2 `a` high; unsigned 32 bits.
    CompareLogical32,
    /// 0 equal, 1 `a` low, 2 `a` high; unsigned 64 bits.
    CompareLogical64,
    /// Signed 32-bit sum of `a` and `b`: 0 zero, 1 negative, 2 positive, 3 overflow.
    Add32,
    /// Signed 64-bit sum of `a` and `b`.
    Add64,
    /// Signed 32-bit difference `a - b`: 0 zero, 1 negative, 2 positive, 3 overflow.
    Sub32,
    /// Signed 64-bit difference `a - b`.
    Sub64,
    /// The same as `Sub32` where `b` is greater than zero.
    SubPositive32,
    /// The same as `Sub64` where `b` is greater than zero.
    SubPositive64,
    /// The same as `Sub32` where `b` is less than zero.
    SubNegative32,
    /// The same as `Sub64` where `b` is less than zero.
    SubNegative64,
    /// Unsigned 32-bit sum of `a` and `b`: 2 * carry + (result not zero).
    AddLogical32,
    /// Unsigned 64-bit sum of `a` and `b`.
    AddLogical64,
    /// Unsigned 32-bit difference `a - b`: 2 * (no borrow) + (result not zero).
    SubLogical32,
    /// Unsigned 64-bit difference `a - b`.
    SubLogical64,
    /// 2 * `b` + (`a` not zero): a result and its carry (or absence of borrow), 0 or 1.
    ResultCarry,
    /// Absolute value of signed 32-bit `a`: 0 zero, 2 positive, 3 overflow.
    Absolute32,
    /// Absolute value of signed 64-bit `a`.
    Absolute64,
    /// Test under mask, `a & b` with `b` not zero: 0 all zeros, 1 mixed, 3 all ones.
    TestMask,
    /// The same, but 2 if mixed and the leftmost selected bit is one.
    TestMaskLeft,
    /// Arithmetic left shift of signed 32-bit `a` by `b` (0-63): 0, 1, 2 by the result's sign,
    /// 3 if a bit unlike the sign was shifted out.
    ShiftLeft32,
    /// Arithmetic left shift of signed 64-bit `a` by `b` (0-63).
    ShiftLeft64,
    /// Short BFP `a`: 0 zero, 1 less, 2 greater than zero, 3 a NaN.
    Float32,
    /// Long BFP `a`.
    Float64,
    /// Short BFP `a` that was converted to an integer: as `Float32`, but 3 if `b` is not 0, which
    /// says that the integer's type does not have the value.
    Converted32,
    /// The same from long BFP.
    Converted64,
    /// Short BFP `a` that was converted to the signed 64-bit integer `b`: as `Float32`, but 3 if
    /// the type does not have the value.
    ConvertedLong32,
    /// The same from long BFP.
    ConvertedLong64,
}

impl CcKind {
    /// The kind of that number.
    pub fn from_number(kind: u8) -> Option<Self> {
        Self::ALL.get(usize::from(kind)).copied()
    }
}

fn order(ordering: std::cmp::Ordering) -> u32 {
    match ordering {
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Less => 1,
        std::cmp::Ordering::Greater => 2,
    }
}

/// The code of a signed result that may have overflowed.
fn signed(result: i64, overflow: bool) -> u32 {
    if overflow { 3 } else { order(result.cmp(&0)) }
}

fn logical(result: u64, carry: bool) -> u32 {
    u32::from(result != 0) | u32::from(carry) << 1
}

fn test_mask(a: u64, b: u64) -> u32 {
    match a & b {
        0 => 0,
        all if all == b => 3,
        _ => 1,
    }
}

/// The condition code that a recorded operation gives.
pub fn evaluate(kind: u8, a: u64, b: u64) -> u32 {
    let (a32, b32) = (a as u32, b as u32);
    let Some(kind) = CcKind::from_number(kind) else {
        return (a & 3) as u32;
    };
    match kind {
        CcKind::Code => (a & 3) as u32,
        CcKind::NonZero => u32::from(a != 0),
        CcKind::Compare32 => order((a32 as i32).cmp(&(b32 as i32))),
        CcKind::Compare64 => order((a as i64).cmp(&(b as i64))),
        CcKind::CompareLogical32 => order(a32.cmp(&b32)),
        CcKind::CompareLogical64 => order(a.cmp(&b)),
        CcKind::Add32 => {
            let (result, overflow) = (a32 as i32).overflowing_add(b32 as i32);
            signed(result.into(), overflow)
        }
        CcKind::Add64 => {
            let (result, overflow) = (a as i64).overflowing_add(b as i64);
            signed(result, overflow)
        }
        CcKind::Sub32 | CcKind::SubPositive32 | CcKind::SubNegative32 => {
            let (result, overflow) = (a32 as i32).overflowing_sub(b32 as i32);
            signed(result.into(), overflow)
        }
        CcKind::Sub64 | CcKind::SubPositive64 | CcKind::SubNegative64 => {
            let (result, overflow) = (a as i64).overflowing_sub(b as i64);
            signed(result, overflow)
        }
        CcKind::AddLogical32 => {
            let (result, carry) = a32.overflowing_add(b32);
            logical(result.into(), carry)
        }
        CcKind::AddLogical64 => {
            let (result, carry) = a.overflowing_add(b);
            logical(result, carry)
        }
        CcKind::SubLogical32 => {
            let (result, borrow) = a32.overflowing_sub(b32);
            logical(result.into(), !borrow)
        }
        CcKind::SubLogical64 => {
            let (result, borrow) = a.overflowing_sub(b);
            logical(result, !borrow)
        }
        CcKind::ResultCarry => logical(a, b != 0),
        CcKind::Absolute32 => match a32 as i32 {
            0 => 0,
            i32::MIN => 3,
            _ => 2,
        },
        CcKind::Absolute64 => match a as i64 {
            0 => 0,
            i64::MIN => 3,
            _ => 2,
        },
        CcKind::TestMask => test_mask(a, b),
        CcKind::TestMaskLeft => match test_mask(a, b) {
            1 if (a & b).leading_zeros() == b.leading_zeros() => 2,
            cc => cc,
        },
        // The 64-bit shift of a left-aligned 32-bit value loses the same bits.
        CcKind::ShiftLeft32 => shift_left(i64::from(a32 as i32) << 32, b),
        CcKind::ShiftLeft64 => shift_left(a as i64, b),
        CcKind::Float32 => float(a32.into(), Ty::I32),
        CcKind::Float64 => float(a, Ty::I64),
        CcKind::Converted32 if b == 0 => float(a32.into(), Ty::I32),
        CcKind::Converted64 if b == 0 => float(a, Ty::I64),
        CcKind::Converted32 | CcKind::Converted64 => 3,
        CcKind::ConvertedLong32 => match float(a32.into(), Ty::I32) {
            _ if beyond_long(f32::from_bits(a32).into(), b) => 3,
            cc => cc,
        },
        CcKind::ConvertedLong64 => match float(a, Ty::I64) {
            _ if beyond_long(f64::from_bits(a), b) => 3,
            cc => cc,
        },
    }
}

/// Sign bit and infinity of short and long BFP.
const fn float_bits(ty: Ty) -> (u64, u64) {
    match ty {
        Ty::I32 => (1 << 31, 0x7f80_0000),
        Ty::I64 => (1 << 63, 0x7ff0_0000_0000_0000),
    }
}

/// The code of a BFP value of no more bits than the type has.
fn float(a: u64, ty: Ty) -> u32 {
    let (sign, infinity) = float_bits(ty);
    match a & !sign {
        0 => 0,
        magnitude if magnitude > infinity => 3,
        _ if a & sign != 0 => 1,
        _ => 2,
    }
}

/// Whether a number became the 64-bit integer `result` because it lies beyond its type. No BFP
/// number is rounded to the greatest one, and the least one is a BFP number itself.
fn beyond_long(x: f64, result: u64) -> bool {
    result == i64::MAX as u64 || result == i64::MIN as u64 && x < i64::MIN as f64
}

/// Tests of a BFP value, where one comparison tells: magnitudes compare as integers.
fn float_test(ty: Ty, mask: u8) -> CcTest {
    use CcOperand::{APlusA, APlusImm, Imm};
    let (sign, infinity) = float_bits(ty);
    let magnitude = |cond, c| compare(ty, cond, APlusA, Imm(c));
    let from =
        |first: u64, cond| compare(ty, cond, APlusImm(first.wrapping_neg()), Imm(infinity - 1));
    match mask {
        0b1000 => magnitude(Cond::Eq, 0),
        0b0111 => magnitude(Cond::Ne, 0),
        0b0001 => magnitude(Cond::GtU, infinity << 1),
        0b1110 => magnitude(Cond::LeU, infinity << 1),
        0b0100 => from(sign + 1, Cond::LeU),
        0b1011 => from(sign + 1, Cond::GtU),
        0b0010 => from(1, Cond::LeU),
        0b1101 => from(1, Cond::GtU),
        _ => CcTest::Evaluate,
    }
}

/// The code of an arithmetic left shift: the sign stays, the other 63 bits shift.
fn shift_left(value: i64, count: u64) -> u32 {
    let count = (count & 63) as u32;
    let magnitude = ((value as u64) << count) & i64::MAX as u64;
    // The bits that leave: `count` of them right of the sign.
    let kept = value >> (63 - count);
    let overflow = kept != 0 && kept != -1;
    let result = (value & i64::MIN) | magnitude as i64;
    signed(result, overflow)
}

fn compare(ty: Ty, cond: Cond, left: CcOperand, right: CcOperand) -> CcTest {
    CcTest::Compare {
        ty,
        cond,
        left,
        right,
    }
}

/// A test of a three-way comparison of `a` and `b`.
fn three_way(ty: Ty, less: Cond, greater: Cond, mask: u8) -> CcTest {
    // cc 3 does not occur, so the mask's lowest bit does not matter.
    let cond = match mask & 0b1110 {
        0b0000 => return CcTest::Always(false),
        0b1110 => return CcTest::Always(true),
        0b1000 => Cond::Eq,
        0b0110 => Cond::Ne,
        0b0100 => less,
        0b1010 => less.negate(),
        0b0010 => greater,
        _ => greater.negate(),
    };
    compare(ty, cond, CcOperand::A, CcOperand::B)
}

/// A test of an unsigned sum or difference: `zero` compares the result with zero, `carry` is the
/// comparison that holds when cc is 2 or 3.
fn carry_out(mask: u8, zero: CcTest, carry: CcTest) -> CcTest {
    let negated = |test| match test {
        CcTest::Compare {
            ty,
            cond,
            left,
            right,
        } => compare(ty, cond.negate(), left, right),
        other => other,
    };
    match mask {
        0b0011 => carry,
        0b1100 => negated(carry),
        0b1010 => zero,
        0b0101 => negated(zero),
        _ => CcTest::Evaluate,
    }
}

/// What testing a kind against a branch mask comes down to.
pub fn test(kind: u8, mask: u8) -> CcTest {
    use CcOperand::{A, AAndImm, APlusB, APlusImm, B, Imm};

    if mask == 0 || mask == 15 {
        return CcTest::Always(mask == 15);
    }
    let Some(kind) = CcKind::from_number(kind) else {
        return CcTest::Evaluate;
    };
    match kind {
        CcKind::Code => match mask.count_ones() {
            1 => compare(
                Ty::I32,
                Cond::Eq,
                A,
                Imm(u64::from(mask.leading_zeros() - 4)),
            ),
            3 => compare(
                Ty::I32,
                Cond::Ne,
                A,
                Imm(u64::from((!mask & 15).leading_zeros() - 4)),
            ),
            _ => match mask {
                0b1100 => compare(Ty::I32, Cond::LtU, A, Imm(2)),
                0b0011 => compare(Ty::I32, Cond::GeU, A, Imm(2)),
                0b1010 => compare(Ty::I32, Cond::Eq, AAndImm(1), Imm(0)),
                0b0101 => compare(Ty::I32, Cond::Ne, AAndImm(1), Imm(0)),
                0b0110 => compare(Ty::I32, Cond::LtU, APlusImm(u64::MAX), Imm(2)),
                _ => compare(Ty::I32, Cond::GeU, APlusImm(u64::MAX), Imm(2)),
            },
        },
        CcKind::NonZero => match mask & 0b1100 {
            0b1000 => compare(Ty::I64, Cond::Eq, A, Imm(0)),
            0b0100 => compare(Ty::I64, Cond::Ne, A, Imm(0)),
            both => CcTest::Always(both != 0),
        },
        CcKind::Compare32 => three_way(Ty::I32, Cond::LtS, Cond::GtS, mask),
        CcKind::Compare64 => three_way(Ty::I64, Cond::LtS, Cond::GtS, mask),
        CcKind::CompareLogical32 => three_way(Ty::I32, Cond::LtU, Cond::GtU, mask),
        CcKind::CompareLogical64 => three_way(Ty::I64, Cond::LtU, Cond::GtU, mask),
        CcKind::Add32 | CcKind::Add64 => CcTest::Evaluate,
        CcKind::Sub32 => difference(Ty::I32, mask),
        CcKind::Sub64 => difference(Ty::I64, mask),
        CcKind::SubPositive32 => signed_difference(Ty::I32, false, mask),
        CcKind::SubPositive64 => signed_difference(Ty::I64, false, mask),
        CcKind::SubNegative32 => signed_difference(Ty::I32, true, mask),
        CcKind::SubNegative64 => signed_difference(Ty::I64, true, mask),
        CcKind::AddLogical32 => carry_out(
            mask,
            compare(Ty::I32, Cond::Eq, APlusB, Imm(0)),
            compare(Ty::I32, Cond::LtU, APlusB, A),
        ),
        CcKind::AddLogical64 => carry_out(
            mask,
            compare(Ty::I64, Cond::Eq, APlusB, Imm(0)),
            compare(Ty::I64, Cond::LtU, APlusB, A),
        ),
        // cc 1 is less, 2 equal, 3 greater; 0 does not occur.
        CcKind::SubLogical32 => three_way(Ty::I32, Cond::LtU, Cond::GtU, order_mask(mask)),
        CcKind::SubLogical64 => three_way(Ty::I64, Cond::LtU, Cond::GtU, order_mask(mask)),
        CcKind::ResultCarry => carry_out(
            mask,
            compare(Ty::I64, Cond::Eq, A, Imm(0)),
            compare(Ty::I64, Cond::Ne, B, Imm(0)),
        ),
        CcKind::Absolute32 => absolute(Ty::I32, mask),
        CcKind::Absolute64 => absolute(Ty::I64, mask),
        // cc 2 does not occur with TestMask.
        CcKind::TestMask => test_mask_test(mask | (mask & 4) >> 1),
        CcKind::TestMaskLeft => test_mask_test(mask),
        CcKind::ShiftLeft32 | CcKind::ShiftLeft64 => CcTest::Evaluate,
        CcKind::Float32 => float_test(Ty::I32, mask),
        CcKind::Float64 => float_test(Ty::I64, mask),
        CcKind::Converted32
        | CcKind::Converted64
        | CcKind::ConvertedLong32
        | CcKind::ConvertedLong64 => CcTest::Evaluate,
    }
}

/// Tests of a signed difference: equal operands never overflow. Other codes depend on overflow.
fn difference(ty: Ty, mask: u8) -> CcTest {
    match mask {
        0b1000 => compare(ty, Cond::Eq, CcOperand::A, CcOperand::B),
        0b0111 => compare(ty, Cond::Ne, CcOperand::A, CcOperand::B),
        _ => CcTest::Evaluate,
    }
}

/// Tests of a signed difference from a number of known sign. It can overflow on one side only,
/// and there the wrapped result has the other sign than the difference.
fn signed_difference(ty: Ty, negative: bool, mask: u8) -> CcTest {
    use CcOperand::{A, AMinusB, B, Imm};
    let order = |cond| compare(ty, cond, A, B);
    let result = |cond| compare(ty, cond, AMinusB, Imm(0));
    match (negative, mask) {
        (_, 0b1000) => order(Cond::Eq),
        (_, 0b0111) => order(Cond::Ne),
        // Overflow makes what is less positive.
        (false, 0b0100) => result(Cond::LtS),
        (false, 0b1011) => result(Cond::GeS),
        (false, 0b0010) => order(Cond::GtS),
        (false, 0b1101) => order(Cond::LeS),
        (false, 0b1100) => result(Cond::LeS),
        (false, 0b0011) => result(Cond::GtS),
        (false, 0b0101) => order(Cond::LtS),
        (false, 0b1010) => order(Cond::GeS),
        // Overflow makes what is greater negative.
        (true, 0b0100) => order(Cond::LtS),
        (true, 0b1011) => order(Cond::GeS),
        (true, 0b0010) => result(Cond::GtS),
        (true, 0b1101) => result(Cond::LeS),
        (true, 0b1100) => order(Cond::LeS),
        (true, 0b0011) => order(Cond::GtS),
        (true, 0b0101) => result(Cond::LtS),
        (true, 0b1010) => result(Cond::GeS),
        _ => CcTest::Evaluate,
    }
}

/// A mask over less, equal and greater (cc 1, 2, 3) as a mask over equal, less and greater.
fn order_mask(mask: u8) -> u8 {
    (mask & 2) << 2 | mask & 4 | (mask & 1) << 1
}

fn absolute(ty: Ty, mask: u8) -> CcTest {
    // cc 1 does not occur.
    match mask & 0b1011 {
        0b1000 => compare(ty, Cond::Eq, CcOperand::A, CcOperand::Imm(0)),
        0b0011 => compare(ty, Cond::Ne, CcOperand::A, CcOperand::Imm(0)),
        0b0000 => CcTest::Always(false),
        0b1011 => CcTest::Always(true),
        _ => CcTest::Evaluate,
    }
}

/// Tests of `a & b`, where cc 1 and 2 are asked for together or not at all.
fn test_mask_test(mask: u8) -> CcTest {
    use CcOperand::{AAndB, B, Imm};
    match mask {
        0b1000 => compare(Ty::I64, Cond::Eq, AAndB, Imm(0)),
        0b0111 => compare(Ty::I64, Cond::Ne, AAndB, Imm(0)),
        0b0001 => compare(Ty::I64, Cond::Eq, AAndB, B),
        0b1110 => compare(Ty::I64, Cond::Ne, AAndB, B),
        _ => CcTest::Evaluate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [u64; 28] = [
        // BFP around infinity and below one, short and long.
        0x7f7f_ffff,
        0x7f80_0000,
        0x7f80_0001,
        0xff80_0000,
        0xff80_0001,
        0x3f00_0000,
        0x7fef_ffff_ffff_ffff,
        0x7ff0_0000_0000_0000,
        0x7ff0_0000_0000_0001,
        0xfff0_0000_0000_0000,
        0xfff0_0000_0000_0001,
        0xbfe0_0000_0000_0000,
        0,
        1,
        2,
        3,
        0x7fff_ffff,
        0x8000_0000,
        0x8000_0001,
        0xffff_ffff,
        0x1_0000_0000,
        0x7fff_ffff_ffff_ffff,
        0x8000_0000_0000_0000,
        0x8000_0000_0000_0001,
        0xffff_ffff_0000_0000,
        0xffff_ffff_8000_0000,
        0xffff_ffff_ffff_fffe,
        0xffff_ffff_ffff_ffff,
    ];

    fn operand(operand: CcOperand, a: u64, b: u64) -> u64 {
        match operand {
            CcOperand::A => a,
            CcOperand::B => b,
            CcOperand::Imm(v) => v,
            CcOperand::AAndB => a & b,
            CcOperand::APlusB => a.wrapping_add(b),
            CcOperand::AMinusB => a.wrapping_sub(b),
            CcOperand::APlusImm(c) => a.wrapping_add(c),
            CcOperand::APlusA => a.wrapping_add(a),
            CcOperand::AAndImm(c) => a & c,
        }
    }

    /// Whether operands can occur with a kind.
    fn occurs(kind: CcKind, a: u64, b: u64) -> bool {
        match kind {
            CcKind::Code => a < 4,
            CcKind::ResultCarry => b < 2,
            CcKind::SubPositive32 => b as i32 > 0,
            CcKind::SubPositive64 => b as i64 > 0,
            CcKind::SubNegative32 => (b as i32) < 0,
            CcKind::SubNegative64 => (b as i64) < 0,
            CcKind::TestMask | CcKind::TestMaskLeft => b != 0,
            CcKind::ShiftLeft32 | CcKind::ShiftLeft64 => b < 64,
            _ => true,
        }
    }

    /// A test that is one comparison says what the condition code itself says.
    #[test]
    fn tests_agree_with_codes() {
        let mut compared = 0;
        for &kind in CcKind::ALL {
            assert_eq!(CcKind::from_number(kind as u8), Some(kind));
            for mask in 0..16u8 {
                let test = test(kind as u8, mask);
                for a in VALUES {
                    for b in VALUES {
                        if !occurs(kind, a, b) {
                            continue;
                        }
                        let code = evaluate(kind as u8, a, b);
                        assert!(code < 4);
                        let expected = mask & 8 >> code != 0;
                        let found = match test {
                            CcTest::Always(always) => always,
                            CcTest::Evaluate => expected,
                            CcTest::Compare {
                                ty,
                                cond,
                                left,
                                right,
                            } => {
                                compared += 1;
                                cond.holds(ty, operand(left, a, b), operand(right, a, b))
                            }
                        };
                        assert_eq!(found, expected, "{kind:?} {mask:04b} {a:x} {b:x} {test:?}");
                    }
                }
            }
        }
        assert!(compared > 10_000);
    }

    /// The tests that compiled code makes most are single comparisons.
    #[test]
    fn frequent_tests_are_comparisons() {
        for (kind, masks) in [
            (CcKind::Compare64, &[8u8, 7, 4, 11, 2, 13][..]),
            (CcKind::CompareLogical32, &[8, 7, 4, 11, 2, 13]),
            (CcKind::NonZero, &[8, 7]),
            (CcKind::TestMask, &[8, 7, 1, 14]),
            (CcKind::TestMaskLeft, &[8, 7, 1, 14]),
            (CcKind::AddLogical64, &[3, 12]),
            (CcKind::ResultCarry, &[3, 12]),
            (CcKind::SubPositive32, &[8, 7, 4, 11, 2, 13, 12, 3, 5, 10]),
            (CcKind::SubNegative64, &[8, 7, 4, 11, 2, 13, 12, 3, 5, 10]),
            (CcKind::Float64, &[8, 7, 4, 11, 2, 13, 1, 14]),
            (
                CcKind::Code,
                &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
            ),
            (CcKind::SubLogical64, &[4, 2, 1, 6, 5, 3]),
            (CcKind::Sub32, &[8, 7]),
            (CcKind::Sub64, &[8, 7]),
        ] {
            for &mask in masks {
                let test = test(kind as u8, mask);
                assert!(
                    matches!(test, CcTest::Compare { .. }),
                    "{kind:?} {mask:04b}"
                );
            }
        }
    }
}
