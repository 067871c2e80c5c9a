//! Vector integer instructions.
//!
//! What is short in halves of a register is done there: elements of a half are added, compared
//! and shifted together, with their leftmost bits kept apart where a carry must not cross. The
//! rest calls a helper. Not here: shifts ([`super::shift`]).

use tcg::HelperDef;
use tcg::ir::{BinOp, CarryOp, Cond, Ty, UnOp, Val};

use crate::cpu::cc::CcKind;
use crate::cpu::facility::VECTOR_ENHANCEMENTS_1;
use crate::cpu::{Half, ProgramCode};
use crate::insn::Insn;
use crate::translate::compare::Sign;
use crate::translate::{Flow, Tx, require};
use crate::vector::ElementSize::{self, Byte, Doubleword, Halfword, Quadword, Word};

/// Both halves of a register.
pub(super) type Pair = (Val, Val);

impl Tx<'_> {
    /// Calls a helper with an instruction's operands.
    pub(super) fn call_vector(&mut self, i: &Insn, def: &'static HelperDef) -> Val {
        let operands = self.vector_operands(i);
        self.call(def, &[operands])
    }
}

/// An element's bits in all elements of a half.
pub(super) const fn repeated(size: ElementSize, bits: u64) -> u64 {
    u64::MAX / (u64::MAX >> (64 - size.bits())) * bits
}

/// The leftmost bits of all elements of a half.
const fn signs(size: ElementSize) -> u64 {
    repeated(size, 1 << (size.bits() - 1))
}

/// `V1 = f(V2)`, half by half.
pub(super) fn halves1(
    tx: &mut Tx<'_>,
    i: &Insn,
    from: u8,
    mut f: impl FnMut(&mut Tx<'_>, Val) -> Val,
) -> Flow {
    let a = tx.v128(from);
    let result = (f(tx, a.0), f(tx, a.1));
    tx.set_v128(i.v1, result);
    Flow::Next
}

/// `V1 = f(V2, V3)`, half by half.
pub(super) fn halves2(
    tx: &mut Tx<'_>,
    i: &Insn,
    mut f: impl FnMut(&mut Tx<'_>, Val, Val) -> Val,
) -> Flow {
    let (a, b) = (tx.v128(i.v2), tx.v128(i.v3));
    let result = (f(tx, a.0, b.0), f(tx, a.1, b.1));
    tx.set_v128(i.v1, result);
    Flow::Next
}

/// `V1 = f(V2, V3, V4)`, half by half.
pub(super) fn halves3(
    tx: &mut Tx<'_>,
    i: &Insn,
    mut f: impl FnMut(&mut Tx<'_>, Val, Val, Val) -> Val,
) -> Flow {
    let (a, b, c) = (tx.v128(i.v2), tx.v128(i.v3), tx.v128(i.v4));
    let result = (f(tx, a.0, b.0, c.0), f(tx, a.1, b.1, c.1));
    tx.set_v128(i.v1, result);
    Flow::Next
}

pub(super) fn imm(tx: &mut Tx<'_>, op: BinOp, a: Val, imm: u64) -> Val {
    tx.b.bin_imm(op, a, imm)
}

/// Sums of a half's elements.
fn add(tx: &mut Tx<'_>, size: ElementSize, a: Val, b: Val) -> Val {
    if size == Doubleword {
        return tx.b.add(a, b);
    }
    let signs = signs(size);
    let (x, y) = (
        imm(tx, BinOp::And, a, !signs),
        imm(tx, BinOp::And, b, !signs),
    );
    let sum = tx.b.add(x, y);
    let unlike = tx.b.xor(a, b);
    let unlike = imm(tx, BinOp::And, unlike, signs);
    tx.b.xor(sum, unlike)
}

/// Differences of a half's elements.
fn sub(tx: &mut Tx<'_>, size: ElementSize, a: Val, b: Val) -> Val {
    if size == Doubleword {
        return tx.b.sub(a, b);
    }
    let signs = signs(size);
    let (x, y) = (imm(tx, BinOp::Or, a, signs), imm(tx, BinOp::And, b, !signs));
    let difference = tx.b.sub(x, y);
    let unlike = tx.b.xor(a, b);
    let all = tx.c64(signs);
    let alike = tx.b.bin(BinOp::AndNot, all, unlike);
    tx.b.xor(difference, alike)
}

/// 1 in each element whose sum has a carry.
fn carries(tx: &mut Tx<'_>, size: ElementSize, a: Val, b: Val) -> Val {
    if size == Doubleword {
        let none = tx.c32(0);
        let carry = tx.b.carry(CarryOp::AddCarry, a, b, none);
        return tx.b.zext(carry);
    }
    // Out of the leftmost bits: both are one, or one is and the sum's is zero.
    let sum = add(tx, size, a, b);
    let (both, any) = (tx.b.and(a, b), tx.b.or(a, b));
    let passed = tx.b.bin(BinOp::AndNot, any, sum);
    let carry = tx.b.or(both, passed);
    ones(tx, size, carry)
}

/// 1 in each element whose difference has no borrow.
fn no_borrows(tx: &mut Tx<'_>, size: ElementSize, a: Val, b: Val) -> Val {
    if size == Doubleword {
        let none = tx.b.set_cond(Cond::GeU, a, b);
        return tx.b.zext(none);
    }
    // The carry out of the sum with the complement.
    let difference = sub(tx, size, a, b);
    let complement = tx.b.un(UnOp::Not, b);
    let (both, any) = (tx.b.and(a, complement), tx.b.or(a, complement));
    let passed = tx.b.bin(BinOp::AndNot, any, difference);
    let carry = tx.b.or(both, passed);
    ones(tx, size, carry)
}

/// The elements' leftmost bits alone, each moved to the right of its element.
fn ones(tx: &mut Tx<'_>, size: ElementSize, v: Val) -> Val {
    let v = imm(tx, BinOp::Shr, v, (size.bits() - 1).into());
    imm(tx, BinOp::And, v, repeated(size, 1))
}

/// A sum of 128 bits, and its carry (an `I32`, as the one that comes in).
fn add_quad(tx: &mut Tx<'_>, a: Pair, b: Pair, carry: Val) -> (Pair, Val) {
    let right = tx.b.carry(CarryOp::Add, a.1, b.1, carry);
    let carry = tx.b.carry(CarryOp::AddCarry, a.1, b.1, carry);
    let left = tx.b.carry(CarryOp::Add, a.0, b.0, carry);
    let carry = tx.b.carry(CarryOp::AddCarry, a.0, b.0, carry);
    ((left, right), carry)
}

/// What of a sum or difference is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// It itself.
    Result,
    /// Its carry; of a difference 1 if there is no borrow.
    Carry,
}

/// Addition or subtraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Subtract,
}

/// 128 bits with a carry that comes in.
fn quad(tx: &mut Tx<'_>, i: &Insn, operation: Operation, carry: Val, wanted: Wanted) -> Flow {
    let (a, b) = (tx.v128(i.v2), tx.v128(i.v3));
    let b = match operation {
        Operation::Add => b,
        Operation::Subtract => (tx.b.un(UnOp::Not, b.0), tx.b.un(UnOp::Not, b.1)),
    };
    let (sum, carry) = add_quad(tx, a, b, carry);
    let result = match wanted {
        Wanted::Result => sum,
        Wanted::Carry => (tx.c64(0), tx.b.zext(carry)),
    };
    tx.set_v128(i.v1, result);
    Flow::Next
}

/// VA, VACC, VS, VSCBI.
pub(crate) fn add_sub(tx: &mut Tx<'_>, i: &Insn, operation: Operation, wanted: Wanted) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Quadword));
    if size == Quadword {
        let carry = tx.c32((operation == Operation::Subtract).into());
        return quad(tx, i, operation, carry, wanted);
    }
    let f = match (operation, wanted) {
        (Operation::Add, Wanted::Result) => add,
        (Operation::Add, Wanted::Carry) => carries,
        (Operation::Subtract, Wanted::Result) => sub,
        (Operation::Subtract, Wanted::Carry) => no_borrows,
    };
    halves2(tx, i, |tx, a, b| f(tx, size, a, b))
}

/// VAC, VACCC, VSBI, VSBCBI: quadwords, and the rightmost bit of V4 is the carry.
pub(crate) fn with_carry(tx: &mut Tx<'_>, i: &Insn, operation: Operation, wanted: Wanted) -> Flow {
    require!(tx.demand(i.m5 == Quadword as u8, ProgramCode::Specification));
    let carry = tx.v64(i.v4, Half::Right);
    let carry = imm(tx, BinOp::And, carry, 1);
    let carry = tx.b.trunc(carry);
    quad(tx, i, operation, carry, wanted)
}

/// A size in a mask field, and the helper for it: V1 is a function of V2, or of V2 and V3, or of
/// V2, V3 and V4.
fn sized(
    tx: &mut Tx<'_>,
    i: &Insn,
    field: u8,
    first: ElementSize,
    helpers: &'static [HelperDef],
) -> Flow {
    let index = usize::from(field).wrapping_sub(first as usize);
    let Some(helper) = helpers.get(index) else {
        return tx.raise(ProgramCode::Specification);
    };
    tx.call_vector(i, helper);
    Flow::Next
}

/// V1 from V2 by the helper for the size in M3.
pub(crate) fn unary(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef]) -> Flow {
    sized(tx, i, i.m3, Byte, helpers)
}

/// V1 from V2 and V3 by the helper for the size in M4.
pub(crate) fn binary(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef]) -> Flow {
    sized(tx, i, i.m4, Byte, helpers)
}

/// The same where the first helper is for another size than bytes.
pub(crate) fn binary_from(
    tx: &mut Tx<'_>,
    i: &Insn,
    first: ElementSize,
    helpers: &'static [HelperDef],
) -> Flow {
    sized(tx, i, i.m4, first, helpers)
}

/// V1 from V2, V3 and V4 by the helper for the size in M5.
pub(crate) fn ternary(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef]) -> Flow {
    sized(tx, i, i.m5, Byte, helpers)
}

/// V1 from the other registers, no size.
pub(crate) fn whole(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    tx.call_vector(i, def);
    Flow::Next
}

/// VMSL: of doublewords only.
pub(crate) fn vmsl(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.demand(i.m5 == Doubleword as u8, ProgramCode::Specification));
    whole(tx, i, def)
}

/// VLC: complements.
pub(crate) fn complement(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m3, Byte..=Doubleword));
    halves1(tx, i, i.v2, |tx, a| {
        let zero = tx.c64(0);
        sub(tx, size, zero, a)
    })
}

/// VLP: magnitudes. The least number has none and stays.
pub(crate) fn positive(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m3, Byte..=Doubleword));
    halves1(tx, i, i.v2, |tx, a| {
        let negative = imm(tx, BinOp::And, a, signs(size));
        let mask = spread(tx, size, negative);
        let complement = tx.b.xor(a, mask);
        // The inverted elements have a zero on the left, so that adding one stays inside.
        let one = imm(tx, BinOp::Shr, negative, (size.bits() - 1).into());
        tx.b.add(complement, one)
    })
}

/// VCLZ: by the helper but for doublewords.
pub(crate) fn leading_zeros(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef]) -> Flow {
    if i.m3 != Doubleword as u8 {
        return unary(tx, i, helpers);
    }
    halves1(tx, i, i.v2, |tx, a| tx.b.un(UnOp::CountLeadingZeros, a))
}

/// VCTZ: the same.
pub(crate) fn trailing_zeros(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef]) -> Flow {
    if i.m3 != Doubleword as u8 {
        return unary(tx, i, helpers);
    }
    halves1(tx, i, i.v2, |tx, a| {
        // Ones where the zeros are.
        let less = imm(tx, BinOp::Sub, a, 1);
        let zeros = tx.b.bin(BinOp::AndNot, less, a);
        tx.b.un(UnOp::CountOnes, zeros)
    })
}

/// VPOPCT: of bytes only, without the vector-enhancements facility 1.
pub(crate) fn population(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let allowed = i.m3 == Byte as u8 || tx.has(VECTOR_ENHANCEMENTS_1);
    require!(tx.demand(allowed, ProgramCode::Specification));
    let size = require!(tx.element_size(i.m3, Byte..=Doubleword));
    halves1(tx, i, i.v2, |tx, a| match size {
        Doubleword => tx.b.un(UnOp::CountOnes, a),
        _ => count_ones(tx, size, a),
    })
}

/// Ones of each element: of pairs of bits, of four bits, and so on.
fn count_ones(tx: &mut Tx<'_>, size: ElementSize, v: Val) -> Val {
    let neighbours = |tx: &mut Tx<'_>, v, bits: u64, mask| {
        let left = imm(tx, BinOp::Shr, v, bits);
        let (left, right) = (
            imm(tx, BinOp::And, left, mask),
            imm(tx, BinOp::And, v, mask),
        );
        tx.b.add(left, right)
    };
    let mut counts = neighbours(tx, v, 1, repeated(Byte, 0x55));
    counts = neighbours(tx, counts, 2, repeated(Byte, 0x33));
    counts = neighbours(tx, counts, 4, repeated(Byte, 0x0f));
    if size >= Halfword {
        counts = neighbours(tx, counts, 8, repeated(Halfword, 0xff));
    }
    if size >= Word {
        counts = neighbours(tx, counts, 16, repeated(Word, 0xffff));
    }
    counts
}

/// VEC, VECL: the elements at the right end of the left halves.
pub(crate) fn compare(tx: &mut Tx<'_>, i: &Insn, sign: Sign) -> Flow {
    let size = require!(tx.element_size(i.m3, Byte..=Doubleword));
    let element = |tx: &mut Tx<'_>, n| {
        let v = tx.v64(n, Half::Left);
        match size {
            Doubleword => v,
            _ => {
                tx.b.extend(Ty::I64, v, size.bits() as u8, sign == Sign::Signed)
            }
        }
    };
    let (a, b) = (element(tx, i.v1), element(tx, i.v2));
    let kind = match sign {
        Sign::Signed => CcKind::Compare64,
        Sign::Unsigned => CcKind::CompareLogical64,
    };
    tx.set_cc(kind, a, b);
    Flow::Next
}

/// Ones in the elements of a half that are equal.
fn equal(tx: &mut Tx<'_>, size: ElementSize, a: Val, b: Val) -> Val {
    if size == Doubleword {
        return if_holds(tx, Cond::Eq, a, b);
    }
    // The leftmost bit of each element that is not zero, after adding to the others what carries.
    let rest = !signs(size);
    let unlike = tx.b.xor(a, b);
    let low = imm(tx, BinOp::And, unlike, rest);
    let low = imm(tx, BinOp::Add, low, rest);
    let some = tx.b.or(low, unlike);
    let all = tx.c64(signs(size));
    let none = tx.b.bin(BinOp::AndNot, all, some);
    spread(tx, size, none)
}

/// Ones in the elements whose leftmost bits are one; all other bits are zero.
fn spread(tx: &mut Tx<'_>, size: ElementSize, signs: Val) -> Val {
    let right = imm(tx, BinOp::Shr, signs, (size.bits() - 1).into());
    let below = tx.b.sub(signs, right);
    tx.b.or(below, signs)
}

/// Ones in the elements of a half where `a` is the greater one.
fn greater(tx: &mut Tx<'_>, size: ElementSize, (a, b): Pair, sign: Sign) -> Val {
    if size == Doubleword {
        return if_holds(tx, greater_than(sign), a, b);
    }
    let (a, b) = (
        as_unsigned(tx, size, a, sign),
        as_unsigned(tx, size, b, sign),
    );
    // The borrow out of b - a.
    let difference = sub(tx, size, b, a);
    let (made, stopped) = (tx.b.bin(BinOp::AndNot, a, b), tx.b.bin(BinOp::AndNot, b, a));
    let passed = tx.b.bin(BinOp::AndNot, difference, stopped);
    let borrow = tx.b.or(made, passed);
    let borrow = imm(tx, BinOp::And, borrow, signs(size));
    spread(tx, size, borrow)
}

fn greater_than(sign: Sign) -> Cond {
    match sign {
        Sign::Signed => Cond::GtS,
        Sign::Unsigned => Cond::GtU,
    }
}

/// Unsigned numbers in the same order, and back.
fn as_unsigned(tx: &mut Tx<'_>, size: ElementSize, v: Val, sign: Sign) -> Val {
    match sign {
        Sign::Signed => imm(tx, BinOp::Xor, v, signs(size)),
        Sign::Unsigned => v,
    }
}

/// Ones or zeros.
fn if_holds(tx: &mut Tx<'_>, cond: Cond, a: Val, b: Val) -> Val {
    let holds = tx.b.set_cond(cond, a, b);
    let holds = tx.b.zext(holds);
    tx.b.un(UnOp::Neg, holds)
}

/// VCEQ.
pub(crate) fn compare_equal(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    halves2(tx, i, |tx, a, b| equal(tx, size, a, b));
    compared(tx, i)
}

/// VCH, VCHL.
pub(crate) fn compare_high(tx: &mut Tx<'_>, i: &Insn, sign: Sign) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    halves2(tx, i, |tx, a, b| greater(tx, size, (a, b), sign));
    compared(tx, i)
}

/// The greater or the lesser of two elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extreme {
    Maximum,
    Minimum,
}

/// VMX, VMXL, VMN, VMNL.
pub(crate) fn extreme(tx: &mut Tx<'_>, i: &Insn, which: Extreme, sign: Sign) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    halves2(tx, i, |tx, a, b| {
        let (if_greater, otherwise) = match which {
            Extreme::Maximum => (a, b),
            Extreme::Minimum => (b, a),
        };
        if size == Doubleword {
            return tx.b.select(greater_than(sign), a, b, if_greater, otherwise);
        }
        let mask = greater(tx, size, (a, b), sign);
        let first = tx.b.and(if_greater, mask);
        let second = tx.b.bin(BinOp::AndNot, otherwise, mask);
        tx.b.or(first, second)
    })
}

/// VAVG, VAVGL: halves of the sums, rounded up.
pub(crate) fn average(tx: &mut Tx<'_>, i: &Insn, sign: Sign) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    halves2(tx, i, |tx, a, b| {
        let (a, b) = (
            as_unsigned(tx, size, a, sign),
            as_unsigned(tx, size, b, sign),
        );
        // a + b is twice their union less their difference, of which no half borrows.
        let (union, unlike) = (tx.b.or(a, b), tx.b.xor(a, b));
        let half = imm(tx, BinOp::Shr, unlike, 1);
        let half = imm(tx, BinOp::And, half, !signs(size));
        let average = tx.b.sub(union, half);
        as_unsigned(tx, size, average, sign)
    })
}

/// The condition code of a comparison with its bit of M5: 0 if it holds for all elements, 1 for
/// some, 3 for none.
fn compared(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.m5 & 1 != 0 {
        let (left, right) = tx.v128(i.v1);
        let (all, any) = (tx.b.and(left, right), tx.b.or(left, right));
        let [zero, ones] = [0, u64::MAX].map(|v| tx.c64(v));
        let [for_all, for_some, for_none] = [0, 1, 3].map(|cc| tx.c32(cc));
        let cc = tx.b.select(Cond::Eq, any, zero, for_none, for_some);
        let cc = tx.b.select(Cond::Eq, all, ones, for_all, cc);
        tx.set_cc_value(cc);
    }
    Flow::Next
}

/// VTM: the bits of V1 that V2 selects.
pub(crate) fn test_under_mask(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (a, mask) = (tx.v128(i.v1), tx.v128(i.v2));
    let (left, right) = (tx.b.and(a.0, mask.0), tx.b.and(a.1, mask.1));
    let any = tx.b.or(left, right);
    let left = tx.b.bin(BinOp::AndNot, mask.0, a.0);
    let right = tx.b.bin(BinOp::AndNot, mask.1, a.1);
    let missing = tx.b.or(left, right);
    let zero = tx.c64(0);
    let [all_zeros, mixed, all_ones] = [0, 1, 3].map(|cc| tx.c32(cc));
    let cc = tx.b.select(Cond::Eq, missing, zero, all_ones, mixed);
    let cc = tx.b.select(Cond::Eq, any, zero, all_zeros, cc);
    tx.set_cc_value(cc);
    Flow::Next
}

/// Which words of the halves are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    Even,
    Odd,
}

fn word(tx: &mut Tx<'_>, half: Val, words: Words, sign: Sign) -> Val {
    match (words, sign) {
        (Words::Even, Sign::Signed) => imm(tx, BinOp::Sar, half, 32),
        (Words::Even, Sign::Unsigned) => imm(tx, BinOp::Shr, half, 32),
        (Words::Odd, _) => tx.b.extend(Ty::I64, half, 32, sign == Sign::Signed),
    }
}

fn product(tx: &mut Tx<'_>, a: Val, b: Val, words: Words, sign: Sign) -> Val {
    let (a, b) = (word(tx, a, words, sign), word(tx, b, words, sign));
    tx.b.bin(BinOp::Mul, a, b)
}

/// VME, VMLE, VMO, VMLO: by the helper but for words.
pub(crate) fn multiply(
    tx: &mut Tx<'_>,
    i: &Insn,
    (words, sign): (Words, Sign),
    helpers: &'static [HelperDef],
) -> Flow {
    if i.m4 != Word as u8 {
        return binary(tx, i, helpers);
    }
    halves2(tx, i, |tx, a, b| product(tx, a, b, words, sign))
}

/// VMAE, VMALE, VMAO, VMALO: by the helper but for words.
pub(crate) fn multiply_add(
    tx: &mut Tx<'_>,
    i: &Insn,
    (words, sign): (Words, Sign),
    helpers: &'static [HelperDef],
) -> Flow {
    if i.m5 != Word as u8 {
        return ternary(tx, i, helpers);
    }
    halves3(tx, i, |tx, a, b, c| {
        let product = product(tx, a, b, words, sign);
        tx.b.add(product, c)
    })
}

/// VML: by the helper but for words.
pub(crate) fn multiply_low(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef]) -> Flow {
    if i.m4 != Word as u8 {
        return binary(tx, i, helpers);
    }
    halves2(tx, i, low_words)
}

/// VMAL: the same.
pub(crate) fn multiply_add_low(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef]) -> Flow {
    if i.m5 != Word as u8 {
        return ternary(tx, i, helpers);
    }
    halves3(tx, i, |tx, a, b, c| {
        let product = low_words(tx, a, b);
        add(tx, Word, product, c)
    })
}

/// Right halves of the products of a half's words.
fn low_words(tx: &mut Tx<'_>, a: Val, b: Val) -> Val {
    let odd = tx.b.bin(BinOp::Mul, a, b);
    let (a, b) = (imm(tx, BinOp::Shr, a, 32), imm(tx, BinOp::Shr, b, 32));
    let even = tx.b.bin(BinOp::Mul, a, b);
    tx.b.deposit(odd, even, 32, 32)
}
