//! Load and store on condition 2 and load and zero rightmost byte (facility 53), and the
//! miscellaneous-instruction extensions 2 and 3 (facilities 58 and 61).
//!
//! Programs that find the vector facility take the first of them for granted (glibc does). Not
//! here: what these share with older instructions ([`super::arith`], [`super::muldiv`]).

use tcg::ir::{BinOp, Cond, Exit, MemMode, Ty, UnOp, Val};
use tcg::{Access, Effects, HelperDef, mem};

use super::arith::overflow;
use super::operand::{B4, B8};
use super::source::{Source, rr_hh};
use super::{Flow, Target, Tx, branch, require};
use crate::cpu::S390Cpu;
use crate::cpu::cc::CcKind;
use crate::insn::Insn;

/// The first value if the condition code is one that the mask names, else the second.
fn on_condition(tx: &mut Tx<'_>, mask: u8, met: Val, else_: Val) -> Val {
    let holds = tx.test_cc(mask);
    let zero = tx.c32(0);
    tx.b.select(Cond::Ne, holds, zero, met, else_)
}

/// LOCHI.
pub(crate) fn lochi(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (new, old) = (tx.c32(i.i2 as u32), tx.r32(i.r1));
    let v = on_condition(tx, i.m3, new, old);
    tx.set_r32(i.r1, v);
    Flow::Next
}

/// LOCGHI.
pub(crate) fn locghi(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (new, old) = (tx.c64(i.i2 as u64), tx.r64(i.r1));
    let v = on_condition(tx, i.m3, new, old);
    tx.set_r64(i.r1, v);
    Flow::Next
}

/// LOCHHI.
pub(crate) fn lochhi(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (new, old) = (tx.c32(i.i2 as u32), tx.r32h(i.r1));
    let v = on_condition(tx, i.m3, new, old);
    tx.set_r32h(i.r1, v);
    Flow::Next
}

/// LOCFHR.
pub(crate) fn locfhr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (old, new) = rr_hh(tx, i);
    let v = on_condition(tx, i.m3, new, old);
    tx.set_r32h(i.r1, v);
    Flow::Next
}

/// LOCFH: storage is not looked at if the condition is not met.
pub(crate) fn locfh(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.m3 != 15 {
        let met = tx.test_cc(i.m3);
        let zero = tx.c32(0);
        let next = Exit::Jump { pc: tx.next_pc };
        tx.b.exit_if(Cond::Eq, met, zero, next);
    }
    let address = tx.ea2(i);
    let v = tx.load(Ty::I32, B4, i.b2, address);
    tx.set_r32h(i.r1, v);
    Flow::Next
}

/// STOCFH.
pub(crate) fn stocfh(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let met = tx.test_cc(i.m3);
    let v = tx.r32h(i.r1);
    let mem = tx.mem_op(B4, i.b2);
    tx.b.store_if(met, mem, address, v);
    Flow::Next
}

/// LZRF.
pub(crate) fn lzrf(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let v = tx.load(Ty::I32, B4, i.b2, address);
    let v = tx.b.bin_imm(BinOp::And, v, 0xffff_ff00);
    tx.set_r32(i.r1, v);
    Flow::Next
}

/// LZRG, LLZRGF.
pub(crate) fn lzrg(tx: &mut Tx<'_>, i: &Insn, size: tcg::ir::MemSize) -> Flow {
    let address = tx.ea2(i);
    let v = tx.load(Ty::I64, size, i.b2, address);
    let v = tx.b.bin_imm(BinOp::And, v, !0xff);
    tx.set_r64(i.r1, v);
    Flow::Next
}

/// SELR.
pub(crate) fn selr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (a, b) = (tx.r32(i.r2), tx.r32(i.r3));
    let v = on_condition(tx, i.m4, a, b);
    tx.set_r32(i.r1, v);
    Flow::Next
}

/// SELGR.
pub(crate) fn selgr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (a, b) = (tx.r64(i.r2), tx.r64(i.r3));
    let v = on_condition(tx, i.m4, a, b);
    tx.set_r64(i.r1, v);
    Flow::Next
}

/// SELFHR.
pub(crate) fn selfhr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (a, b) = (tx.r32h(i.r2), tx.r32h(i.r3));
    let v = on_condition(tx, i.m4, a, b);
    tx.set_r32h(i.r1, v);
    Flow::Next
}

/// Sets R1 and the condition code to a bitwise result.
fn set_bits(tx: &mut Tx<'_>, i: &Insn, v: Val) -> Flow {
    match tx.b.ty(v) {
        Ty::I32 => tx.set_r32(i.r1, v),
        Ty::I64 => tx.set_r64(i.r1, v),
    }
    tx.set_cc1(CcKind::NonZero, v);
    Flow::Next
}

/// NNRK, NORK, NXRK and their 64-bit forms: what the operation gives, inverted.
pub(crate) fn inverted(tx: &mut Tx<'_>, i: &Insn, op: BinOp, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    let v = tx.b.bin(op, a, b);
    let v = tx.b.un(UnOp::Not, v);
    set_bits(tx, i, v)
}

/// OCRK, OCGRK.
pub(crate) fn or_complement(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    let b = tx.b.un(UnOp::Not, b);
    let v = tx.b.or(a, b);
    set_bits(tx, i, v)
}

/// MSC, MSRKC, MSGC, MSGRKC: the low half of the product; cc 3 if that is not the product.
pub(crate) fn multiply_single_cc(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (a, b) = source(tx, i);
    let low = tx.b.bin(BinOp::Mul, a, b);
    let high = tx.b.bin(BinOp::MulHighS, a, b);
    let (ty, sign) = match tx.b.ty(low) {
        Ty::I32 => (Ty::I32, 31),
        Ty::I64 => (Ty::I64, 63),
    };
    let extension = tx.b.bin_imm(BinOp::Sar, low, sign);
    let zero = tx.b.constant(ty, 0);
    let codes = [0, 1, 2, 3].map(|code| tx.c32(code));
    let code = tx.b.select(Cond::LtS, low, zero, codes[1], codes[2]);
    let code = tx.b.select(Cond::Eq, low, zero, codes[0], code);
    let code = tx.b.select(Cond::Ne, high, extension, codes[3], code);
    match ty {
        Ty::I32 => tx.set_r32(i.r1, low),
        Ty::I64 => tx.set_r64(i.r1, low),
    }
    tx.set_cc_value(code);
    overflow(tx)
}

/// MG, MGRK: 128-bit signed product to the pair.
pub(crate) fn multiply_pair(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    require!(tx.even(i.r1));
    let (a, b) = source(tx, i);
    let high = tx.b.bin(BinOp::MulHighS, a, b);
    let low = tx.b.bin(BinOp::Mul, a, b);
    tx.set_r64(i.r1, high);
    tx.set_r64(i.r1 + 1, low);
    Flow::Next
}

/// The register behind R1 and a doubleword in storage.
pub(crate) fn odd_and_storage(tx: &mut Tx<'_>, i: &Insn) -> (Val, Val) {
    let address = tx.ea2(i);
    let b = tx.load(Ty::I64, B8, i.b2, address);
    (tx.r64(i.r1 + 1), b)
}

/// BIC: the branch address is in storage.
pub(crate) fn bic(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let v = tx.load(Ty::I64, B8, i.b2, address);
    let target = Target::Computed(tx.wrap(v));
    branch::on_condition(tx, i.m1, target)
}

/// Longest field.
const FIELD: usize = 256;

/// MVCRL: first and second operand, length, and the spaces of both, the second one's in bits
/// 8-15.
static MOVE_RIGHT_TO_LEFT: HelperDef = HelperDef::new4(
    "mvcrl",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, to, from, length, spaces| {
        let (to_mode, from_mode) = (MemMode(spaces as u8), MemMode((spaces >> 8) as u8));
        let count = (length as usize).min(FIELD);
        let mut field = [0; FIELD];
        let field = &mut field[..count];
        mem::read_bytes(cpu, from_mode, from, field)?;
        mem::probe(cpu, to_mode, Access::Write, to, length)?;
        // What is stored to the right of a byte that is read later replaces it.
        let distance = cpu.wrap(from.wrapping_sub(to));
        if let Ok(distance @ 1..FIELD) = usize::try_from(distance) {
            for n in (0..count.saturating_sub(distance)).rev() {
                field[n] = field[n + distance];
            }
        }
        mem::write_bytes(cpu, to_mode, to, field)?;
        Ok(0)
    },
);

/// MVCRL: the length is one more than the last byte of general register 0.
pub(crate) fn mvcrl(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (to, from) = (tx.ea1(i), tx.ea2(i));
    let length = tx.r64(0);
    let length = tx.b.bin_imm(BinOp::And, length, 0xff);
    let length = tx.b.bin_imm(BinOp::Add, length, 1);
    let spaces = tx.spaces(i.b1, i.b2);
    tx.call(&MOVE_RIGHT_TO_LEFT, &[to, from, length, spaces]);
    Flow::Next
}
