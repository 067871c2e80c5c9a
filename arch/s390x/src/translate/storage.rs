//! Fields in storage: MVC and its kin, and operands with lengths in registers.
//!
//! Fields of 1, 2, 4 or 8 bytes that certainly do not overlap become loads and stores; the rest
//! calls [`crate::helpers`].

use tcg::HelperDef;
use tcg::ir::{BinOp, Cond, Exit, MemSize, Ty, Val};

use super::operand::{B1, B2, B4, B8};
use super::{Flow, Tx, require};
use crate::cpu::cc::CcKind;
use crate::helpers::operand::RESTART;
use crate::helpers::storage as h;
use crate::insn::Insn;

impl Tx<'_> {
    /// The spaces of two operands by their base registers, as helpers take them.
    pub(crate) fn spaces(&mut self, first: u8, second: u8) -> Val {
        let spaces = crate::helpers::operand::spaces(self.data_mode(first), self.data_mode(second));
        self.c64(spaces)
    }

    /// Register numbers as constants.
    pub(crate) fn numbers<const N: usize>(&mut self, registers: [u8; N]) -> [Val; N] {
        registers.map(|n| self.c64(n.into()))
    }

    /// Sets the condition code from the value of an interruptible instruction's helper, or
    /// executes the instruction again.
    pub(crate) fn cc_or_restart(&mut self, v: Val) -> Flow {
        let restart = self.c64(RESTART);
        let again = Exit::Jump { pc: self.pc };
        self.b.exit_if(Cond::Eq, v, restart, again);
        self.set_cc_value(v);
        Flow::Next
    }
}

/// The size of a field that one load or store covers.
fn whole(i: &Insn) -> Option<MemSize> {
    match i.l1 {
        0 => Some(B1),
        1 => Some(B2),
        3 => Some(B4),
        7 => Some(B8),
        _ => None,
    }
}

/// True if no byte of one field is certain to be a byte of the other, or the fields are the same.
/// Fields with different bases may overlap; single bytes do no harm if they do.
fn apart(i: &Insn) -> bool {
    i.l1 == 0 || (i.b1 == i.b2 && (i.d1 - i.d2).unsigned_abs() > i.l1.into()) || same(i)
}

/// Both operands are one field.
fn same(i: &Insn) -> bool {
    i.b1 == i.b2 && i.d1 == i.d2
}

/// A call of a helper that takes `(first, second, length, spaces)`.
fn field(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Val {
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let length = tx.c64(u64::from(i.l1) + 1);
    let spaces = tx.spaces(i.b1, i.b2);
    tx.call(def, &[first, second, length, spaces])
}

/// A field instruction that leaves the condition code alone.
pub(crate) fn plain(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    field(tx, i, def);
    Flow::Next
}

/// A field instruction whose helper returns the condition code.
pub(crate) fn with_cc(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let cc = field(tx, i, def);
    tx.set_cc_value(cc);
    Flow::Next
}

/// MOVE (characters).
pub(crate) fn mvc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let Some(size) = whole(i).filter(|_| apart(i)) else {
        return plain(tx, i, &h::MVC);
    };
    let (dst, src) = (tx.ea1(i), tx.ea2(i));
    let v = tx.load(Ty::I64, size, i.b2, src);
    tx.store(size, i.b1, dst, v);
    Flow::Next
}

/// AND, OR and EXCLUSIVE OR (characters).
pub(crate) fn logical(tx: &mut Tx<'_>, i: &Insn, op: BinOp, def: &'static HelperDef) -> Flow {
    if op == BinOp::Xor && same(i) {
        return clear(tx, i);
    }
    let Some(size) = whole(i).filter(|_| apart(i)) else {
        return with_cc(tx, i, def);
    };
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let a = tx.load(Ty::I64, size, i.b1, first);
    let b = tx.load(Ty::I64, size, i.b2, second);
    let result = tx.b.bin(op, a, b);
    tx.store(size, i.b1, first, result);
    tx.set_cc1(CcKind::NonZero, result);
    Flow::Next
}

/// EXCLUSIVE OR of a field with itself.
fn clear(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let first = tx.ea1(i);
    if let Some(size) = whole(i) {
        let zero = tx.c64(0);
        tx.store(size, i.b1, first, zero);
    } else {
        let length = tx.c64(u64::from(i.l1) + 1);
        let spaces = tx.spaces(i.b1, i.b2);
        tx.call(&h::CLEAR, &[first, length, spaces]);
    }
    tx.set_cc_const(0);
    Flow::Next
}

/// Whether an operation code is one of those that [`field_of`] knows.
pub(crate) fn is_field(code: u8) -> bool {
    matches!(code, 0xd1..=0xd7 | 0xdc | 0xe8)
}

/// MVN, MVC, MVZ, NC, CLC, OC, XC, TR or MVCIN, by its operation code, with another length.
pub(crate) fn field_of(tx: &mut Tx<'_>, i: &Insn, code: u8, length: Val) -> Flow {
    let (def, sets_cc) = match code {
        0xd1 => (&h::MVN, false),
        0xd2 => (&h::MVC, false),
        0xd3 => (&h::MVZ, false),
        0xd4 => (&h::NC, true),
        0xd5 => (&h::CLC, true),
        0xd6 => (&h::OC, true),
        0xd7 if same(i) => {
            let (first, spaces) = (tx.ea1(i), tx.spaces(i.b1, i.b2));
            tx.call(&h::CLEAR, &[first, length, spaces]);
            tx.set_cc_const(0);
            return Flow::Next;
        }
        0xd7 => (&h::XC, true),
        0xdc => (&crate::helpers::translate_bytes::TR, false),
        _ => (&h::MVCIN, false),
    };
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let spaces = tx.spaces(i.b1, i.b2);
    let v = tx.call(def, &[first, second, length, spaces]);
    if sets_cc {
        tx.set_cc_value(v);
    }
    Flow::Next
}

/// COMPARE LOGICAL (characters).
pub(crate) fn clc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let Some(size) = whole(i) else {
        return with_cc(tx, i, &h::CLC);
    };
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let a = tx.load(Ty::I64, size, i.b1, first);
    let b = tx.load(Ty::I64, size, i.b2, second);
    tx.set_cc(CcKind::CompareLogical64, a, b);
    Flow::Next
}

/// MVCL, CLCL: `(r1, r2, spaces)`.
pub(crate) fn long(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.even(i.r1));
    require!(tx.even(i.r2));
    let [r1, r2] = tx.numbers([i.r1, i.r2]);
    let spaces = tx.spaces(i.r1, i.r2);
    let v = tx.call(def, &[r1, r2, spaces]);
    tx.cc_or_restart(v)
}

/// MVCLE, CLCLE, MVCLU, CLCLU: `(r1, r3, pad, spaces)`.
pub(crate) fn long_extended(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.even(i.r1));
    require!(tx.even(i.r3));
    let [r1, r3] = tx.numbers([i.r1, i.r3]);
    let pad = tx.unwrapped_address(i.b2, 0, i.d2);
    let spaces = tx.spaces(i.r1, i.r3);
    let cc = tx.call(def, &[r1, r3, pad, spaces]);
    tx.set_cc_value(cc);
    Flow::Next
}
