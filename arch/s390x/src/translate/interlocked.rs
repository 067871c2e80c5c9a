//! Interlocked updates: CS, CDS, CSG, LAA and their kin, TS; and the calls for CDSG, CSST, PLO
//! and LPD, which the IR does not say.
//!
//! An interlocked update serialises by itself.

use tcg::HelperDef;
use tcg::ir::{AtomicOp, BinOp, MemSize, Ty, Val};

use super::operand::{B1, B4, B8};
use super::{Flow, Tx, require};
use crate::cpu::cc::CcKind;
use crate::helpers::interlocked as h;
use crate::insn::Insn;

/// 0 if the two are equal, else 1.
fn set_cc_differ(tx: &mut Tx<'_>, a: Val, b: Val) {
    let differ = tx.b.xor(a, b);
    tx.set_cc1(CcKind::NonZero, differ);
}

/// COMPARE AND SWAP, 32 bits.
pub(crate) fn cs(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let (expected, new) = (tx.r32(i.r1), tx.r32(i.r3));
    let mem = tx.aligned_op(B4, i.b2);
    let old = tx.b.compare_swap(mem, address, expected, new);
    tx.set_r32(i.r1, old);
    set_cc_differ(tx, old, expected);
    Flow::Next
}

/// COMPARE AND SWAP, 64 bits.
pub(crate) fn csg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let (expected, new) = (tx.r64(i.r1), tx.r64(i.r3));
    let mem = tx.aligned_op(B8, i.b2);
    let old = tx.b.compare_swap(mem, address, expected, new);
    tx.set_r64(i.r1, old);
    set_cc_differ(tx, old, expected);
    Flow::Next
}

/// COMPARE DOUBLE AND SWAP, 32 bits each.
pub(crate) fn cds(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.even(i.r1));
    require!(tx.even(i.r3));
    let address = tx.ea2(i);
    let (expected, new) = (tx.pair32(i.r1), tx.pair32(i.r3));
    let mem = tx.aligned_op(B8, i.b2);
    let old = tx.b.compare_swap(mem, address, expected, new);
    tx.set_pair32(i.r1, old);
    set_cc_differ(tx, old, expected);
    Flow::Next
}

/// COMPARE DOUBLE AND SWAP, 64 bits each.
pub(crate) fn cdsg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.even(i.r1));
    require!(tx.even(i.r3));
    let [r1, r3] = tx.numbers([i.r1, i.r3]);
    let address = tx.ea2(i);
    let space = tx.data_mode_arg(i.b2);
    let cc = tx.call(h::cdsg_of(i.r1, i.r3), &[r1, r3, address, space]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// The old value of an operand that is updated, and the register operand.
fn load_and(tx: &mut Tx<'_>, i: &Insn, op: AtomicOp, size: MemSize) -> (Val, Val) {
    let address = tx.ea2(i);
    let v = if size == B8 {
        tx.r64(i.r3)
    } else {
        tx.r32(i.r3)
    };
    let mem = tx.aligned_op(size, i.b2);
    let old = tx.b.atomic(op, mem, address, v);
    if size == B8 {
        tx.set_r64(i.r1, old);
    } else {
        tx.set_r32(i.r1, old);
    }
    (old, v)
}

/// LOAD AND ADD: the kind says of which width and sign.
pub(crate) fn load_and_add(tx: &mut Tx<'_>, i: &Insn, size: MemSize, kind: CcKind) -> Flow {
    let (old, v) = load_and(tx, i, AtomicOp::Add, size);
    tx.set_cc(kind, old, v);
    match kind {
        CcKind::Add32 | CcKind::Add64 => super::arith::overflow(tx),
        _ => Flow::Next,
    }
}

/// LOAD AND AND, OR, EXCLUSIVE OR.
pub(crate) fn load_and_logical(
    tx: &mut Tx<'_>,
    i: &Insn,
    size: MemSize,
    (atomic, op): (AtomicOp, BinOp),
) -> Flow {
    let (old, v) = load_and(tx, i, atomic, size);
    let result = tx.b.bin(op, old, v);
    tx.set_cc1(CcKind::NonZero, result);
    Flow::Next
}

/// TEST AND SET.
pub(crate) fn ts(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let mem = tx.mem_op(B1, i.b2);
    let ones = tx.c32(0xff);
    let old = tx.b.atomic(AtomicOp::Exchange, mem, address, ones);
    let leftmost = tx.b.bin_imm(BinOp::Shr, old, 7);
    tx.set_cc_value(leftmost);
    Flow::Next
}

/// LOAD PAIR DISJOINT.
pub(crate) fn load_pair(tx: &mut Tx<'_>, i: &Insn, ty: Ty, def: &'static HelperDef) -> Flow {
    require!(tx.even(i.r3));
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let spaces = tx.spaces(i.b1, i.b2);
    let [r3] = tx.numbers([i.r3]);
    let wide = tx.c64(u64::from(ty == Ty::I64));
    let cc = tx.call(def, &[first, second, r3, wide, spaces]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// COMPARE AND SWAP AND STORE.
pub(crate) fn csst(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let operands = crate::helpers::operand::spaces(tx.data_mode(i.b1), tx.data_mode(i.b2));
    let spaces = tx.c64(operands | u64::from(tx.data_mode(1).0) << 16);
    let [r3] = tx.numbers([i.r3]);
    let cc = tx.call(&h::CSST, &[first, second, r3, spaces]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// PERFORM LOCKED OPERATION.
pub(crate) fn plo(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (second, fourth) = (tx.ea2(i), tx.ea4(i));
    let registers = tx.c64(u64::from(i.r1) | u64::from(i.r3) << 8);
    let operands = crate::helpers::operand::spaces(tx.data_mode(i.b2), tx.data_mode(i.b4));
    let spaces = tx.c64(operands | u64::from(tx.data_mode(i.r3).0) << 16);
    let cc = tx.call(
        &crate::helpers::plo::PLO,
        &[registers, second, fourth, spaces],
    );
    tx.set_cc_value(cc);
    Flow::Next
}
