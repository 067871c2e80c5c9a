//! Vector instructions that move elements between registers, and bitwise operations.

use tcg::HelperDef;
use tcg::ir::{BinOp, UnOp, Val};

use super::{Operands, REGISTERS, element};
use crate::cpu::cc::CcKind;
use crate::cpu::{Half, S390Cpu};
use crate::insn::Insn;
use crate::translate::{Flow, Tx, require};
use crate::vector::ElementSize::{self, Byte, Doubleword, Halfword, Word};
use crate::vector::Vector;
use crate::vector::permute::{self, Overflow};

/// VLR.
pub fn vlr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = tx.v128(i.v2);
    tx.set_v128(i.v1, v);
    Flow::Next
}

/// Sets both halves of a register from those of two others.
fn by_halves(tx: &mut Tx<'_>, i: &Insn, mut f: impl FnMut(&mut Tx<'_>, Val, Val) -> Val) -> Flow {
    let (a, b) = (tx.v128(i.v2), tx.v128(i.v3));
    let (left, right) = (f(tx, a.0, b.0), f(tx, a.1, b.1));
    tx.set_v128(i.v1, (left, right));
    Flow::Next
}

/// VN, VO, VX, VNC.
pub fn bitwise(tx: &mut Tx<'_>, i: &Insn, op: BinOp) -> Flow {
    by_halves(tx, i, |tx, a, b| tx.b.bin(op, a, b))
}

/// VNN, VNO, VNX: what the operation gives, inverted.
pub fn inverted(tx: &mut Tx<'_>, i: &Insn, op: BinOp) -> Flow {
    by_halves(tx, i, |tx, a, b| {
        let v = tx.b.bin(op, a, b);
        tx.b.un(UnOp::Not, v)
    })
}

/// VOC.
pub fn voc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    by_halves(tx, i, |tx, a, b| {
        let b = tx.b.un(UnOp::Not, b);
        tx.b.or(a, b)
    })
}

/// VSEL.
pub fn vsel(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (a, b, mask) = (tx.v128(i.v2), tx.v128(i.v3), tx.v128(i.v4));
    let select = |tx: &mut Tx<'_>, a: Val, b: Val, mask: Val| {
        let a = tx.b.and(a, mask);
        let b = tx.b.bin(BinOp::AndNot, b, mask);
        tx.b.or(a, b)
    };
    let left = select(tx, a.0, b.0, mask.0);
    let right = select(tx, a.1, b.1, mask.1);
    tx.set_v128(i.v1, (left, right));
    Flow::Next
}

/// Sets a register to constants.
fn set_constant(tx: &mut Tx<'_>, register: u8, left: u64, right: u64) -> Flow {
    let v = (tx.c64(left), tx.c64(right));
    tx.set_v128(register, v);
    Flow::Next
}

/// VGBM: a byte of ones for each one of the mask.
pub fn vgbm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = Vector::from_elements(Byte, |n| match i.u16() >> (15 - n) & 1 {
        0 => 0,
        _ => 0xff,
    });
    set_constant(tx, i.v1, v.left, v.right)
}

/// VGM: ones from bit I2 to bit I3 of each element, around its end if I3 is less.
pub fn vgm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    let bits = size.bits();
    let all = size.mask() as u64;
    let (first, last) = (u32::from(i.u8()) % bits, u32::from(i.i3) % bits);
    let from_first = all >> first;
    let to_last = all ^ (all >> last >> 1);
    let element = if first <= last {
        from_first & to_last
    } else {
        from_first | to_last
    };
    let half = u64::MAX / all * element;
    set_constant(tx, i.v1, half, half)
}

/// VREPI.
pub fn vrepi(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m3, Byte..=Doubleword));
    let all = size.mask() as u64;
    let half = (u64::MAX / all).wrapping_mul(i.i2 as u64 & all);
    set_constant(tx, i.v1, half, half)
}

/// VREP.
pub fn vrep(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    require!(tx.element_index(i.u16(), size));
    let v = element::get(tx, i.v3, size, i.u8());
    let v = element::replicate(tx, v, size);
    tx.set_v128(i.v1, (v, v));
    Flow::Next
}

/// VLEIB, VLEIH, VLEIF, VLEIG.
pub fn vlei(tx: &mut Tx<'_>, i: &Insn, size: ElementSize) -> Flow {
    require!(tx.element_index(i.m3.into(), size));
    let v = tx.c64(i.i2 as u64);
    element::set(tx, i.v1, size, i.m3, v);
    Flow::Next
}

/// The element that the second operand's address names, if that is known now.
fn constant_index(i: &Insn, size: ElementSize) -> Option<u8> {
    (i.b2 == 0).then_some(i.d2 as u8 & (size.count() as u8 - 1))
}

/// VLGV.
pub fn vlgv(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    let v = match constant_index(i, size) {
        Some(index) => element::get(tx, i.v3, size, index),
        None => {
            let index = tx.ea2(i);
            element::get_computed(tx, i.v3, size, index)
        }
    };
    tx.set_r64(i.r1, v);
    Flow::Next
}

/// VLVG.
pub fn vlvg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    let v = tx.r64(i.r3);
    match constant_index(i, size) {
        Some(index) => element::set(tx, i.v1, size, index, v),
        None => {
            let index = tx.ea2(i);
            element::set_computed(tx, i.v1, size, index, v);
        }
    }
    Flow::Next
}

/// VLVGP.
pub fn vlvgp(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = (tx.r64(i.r2), tx.r64(i.r3));
    tx.set_v128(i.v1, v);
    Flow::Next
}

/// VPDI.
pub fn vpdi(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let half = |bit: u8| {
        if i.m4 & bit == 0 {
            Half::Left
        } else {
            Half::Right
        }
    };
    let v = (tx.v64(i.v2, half(4)), tx.v64(i.v3, half(1)));
    tx.set_v128(i.v1, v);
    Flow::Next
}

/// VSEG.
pub fn vseg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m3, Byte..=Word));
    let (left, right) = tx.v128(i.v2);
    let unused = u64::from(64 - size.bits());
    let mut extend = |v: Val| {
        let v = tx.b.bin_imm(BinOp::Shl, v, unused);
        tx.b.bin_imm(BinOp::Sar, v, unused)
    };
    let v = (extend(left), extend(right));
    tx.set_v128(i.v1, v);
    Flow::Next
}

/// Calls a helper with the instruction's operands.
fn call(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let operands = tx.vector_operands(i);
    tx.call(def, &[operands]);
    Flow::Next
}

/// The element size of an instruction that a helper executes; the translator has let none pass
/// that there is not.
fn size_of(number: u8) -> ElementSize {
    ElementSize::new(number).unwrap_or(Byte)
}

static MERGE_HIGH: HelperDef =
    HelperDef::new1("vector_merge_high", REGISTERS, |cpu: &mut S390Cpu, word| {
        merge(cpu, Operands(word), false)
    });
static MERGE_LOW: HelperDef =
    HelperDef::new1("vector_merge_low", REGISTERS, |cpu: &mut S390Cpu, word| {
        merge(cpu, Operands(word), true)
    });

fn merge(cpu: &mut S390Cpu, o: Operands, low: bool) -> Result<u64, tcg::Trap> {
    let (a, b) = (cpu.vr[o.v2()], cpu.vr[o.v3()]);
    cpu.vr[o.v1()] = permute::merge(a, b, size_of(o.m4()), low);
    Ok(0)
}

/// VMRH, VMRL.
pub fn merge_elements(tx: &mut Tx<'_>, i: &Insn, half: Half) -> Flow {
    let size = require!(tx.element_size(i.m4, Byte..=Doubleword));
    let (a, b) = (tx.v64(i.v2, half), tx.v64(i.v3, half));
    match size {
        Doubleword => tx.set_v128(i.v1, (a, b)),
        Word => {
            let left_b = tx.b.bin_imm(BinOp::Shr, b, 32);
            let left = tx.b.deposit(a, left_b, 0, 32);
            let right = tx.b.deposit(b, a, 32, 32);
            tx.set_v128(i.v1, (left, right));
        }
        _ => {
            return match half {
                Half::Left => call(tx, i, &MERGE_HIGH),
                Half::Right => call(tx, i, &MERGE_LOW),
            };
        }
    }
    Flow::Next
}

fn pack(cpu: &mut S390Cpu, o: Operands, overflow: Overflow) -> u32 {
    let (a, b) = (cpu.vr[o.v2()], cpu.vr[o.v3()]);
    let (v, saturated) = permute::pack(a, b, size_of(o.m4()), overflow);
    cpu.vr[o.v1()] = v;
    saturated
}

static PACK: HelperDef = HelperDef::new1("vector_pack", REGISTERS, |cpu: &mut S390Cpu, word| {
    pack(cpu, Operands(word), Overflow::Wrap);
    Ok(0)
});

/// Their value is how many elements were saturated.
static PACK_SIGNED: HelperDef = HelperDef::new1(
    "vector_pack_signed",
    REGISTERS,
    |cpu: &mut S390Cpu, word| Ok(pack(cpu, Operands(word), Overflow::Signed).into()),
);
static PACK_UNSIGNED: HelperDef = HelperDef::new1(
    "vector_pack_unsigned",
    REGISTERS,
    |cpu: &mut S390Cpu, word| Ok(pack(cpu, Operands(word), Overflow::Unsigned).into()),
);

/// VPK.
pub fn vpk(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let size = require!(tx.element_size(i.m4, Halfword..=Doubleword));
    if size != Doubleword {
        return call(tx, i, &PACK);
    }
    by_pairs(tx, i, |tx, left, right| tx.b.deposit(right, left, 32, 32))
}

/// Sets the left half of a register from both halves of the second operand, and the right half
/// from those of the third.
fn by_pairs(tx: &mut Tx<'_>, i: &Insn, mut f: impl FnMut(&mut Tx<'_>, Val, Val) -> Val) -> Flow {
    let (a, b) = (tx.v128(i.v2), tx.v128(i.v3));
    let v = (f(tx, a.0, a.1), f(tx, b.0, b.1));
    tx.set_v128(i.v1, v);
    Flow::Next
}

/// VPKS, VPKLS: condition code 0 if no element was saturated, 3 if all were, else 1.
pub fn pack_saturated(tx: &mut Tx<'_>, i: &Insn, overflow: Overflow) -> Flow {
    let size = require!(tx.element_size(i.m4, Halfword..=Doubleword));
    let def = if overflow == Overflow::Signed {
        &PACK_SIGNED
    } else {
        &PACK_UNSIGNED
    };
    let operands = tx.vector_operands(i);
    let saturated = tx.call(def, &[operands]);
    if i.m5 & 1 != 0 {
        let all = tx.c64(2 * size.count() as u64);
        let zero = tx.c64(0);
        let (three, one) = (tx.c64(3), tx.c64(1));
        let some = tx.b.select(tcg::ir::Cond::Eq, saturated, zero, zero, one);
        let code = tx.b.select(tcg::ir::Cond::Eq, saturated, all, three, some);
        tx.set_cc1(CcKind::Code, code);
    }
    Flow::Next
}

static PERMUTE: HelperDef =
    HelperDef::new1("vector_permute", REGISTERS, |cpu: &mut S390Cpu, word| {
        let o = Operands(word);
        cpu.vr[o.v1()] = permute::permute(cpu.vr[o.v2()], cpu.vr[o.v3()], cpu.vr[o.v4()]);
        Ok(0)
    });

/// VPERM.
pub fn vperm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    call(tx, i, &PERMUTE)
}

/// Which elements VUPH, VUPL, VUPLH and VUPLL unpack, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpack {
    /// Whose elements.
    pub half: Half,
    /// They are signed.
    pub signed: bool,
}

static UNPACK: HelperDef = HelperDef::new2(
    "vector_unpack",
    REGISTERS,
    |cpu: &mut S390Cpu, word, how| {
        let o = Operands(word);
        let (low, signed) = (how & 1 != 0, how & 2 != 0);
        cpu.vr[o.v1()] = permute::unpack(cpu.vr[o.v2()], size_of(o.m3()), low, signed);
        Ok(0)
    },
);

/// VUPH, VUPL, VUPLH, VUPLL.
pub fn unpack(tx: &mut Tx<'_>, i: &Insn, how: Unpack) -> Flow {
    let size = require!(tx.element_size(i.m3, Byte..=Word));
    if size != Word {
        let operands = tx.vector_operands(i);
        let low = u64::from(how.half == Half::Right);
        let how = tx.c64(low | u64::from(how.signed) << 1);
        tx.call(&UNPACK, &[operands, how]);
        return Flow::Next;
    }
    let op = if how.signed { BinOp::Sar } else { BinOp::Shr };
    let v = tx.v64(i.v2, how.half);
    let left = tx.b.bin_imm(op, v, 32);
    let right = tx.b.bin_imm(BinOp::Shl, v, 32);
    let right = tx.b.bin_imm(op, right, 32);
    tx.set_v128(i.v1, (left, right));
    Flow::Next
}
