//! Strings, checksums, translation by tables and conversions between encodings: instructions
//! whose operands are in general registers, each one call of a helper.

use tcg::HelperDef;

use super::{Flow, Tx, require};
use crate::insn::Insn;

/// MVST, CLST, CUSE, TRE: `(r1, r2, spaces)`; no demands on the registers but those of the
/// caller.
pub(crate) fn two(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let [r1, r2] = tx.numbers([i.r1, i.r2]);
    let spaces = tx.spaces(i.r1, i.r2);
    let cc = tx.call(def, &[r1, r2, spaces]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// The same with R1 designating a pair.
pub(crate) fn pair_and_one(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.even(i.r1));
    two(tx, i, def)
}

/// The same with two pairs.
pub(crate) fn two_pairs(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.even(i.r1));
    require!(tx.even(i.r2));
    two(tx, i, def)
}

/// SRST, SRSTU: `(r1, r2, space of the second operand)`.
pub(crate) fn search(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let [r1, r2] = tx.numbers([i.r1, i.r2]);
    let space = tx.data_mode_arg(i.r2);
    let cc = tx.call(def, &[r1, r2, space]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// CKSM: `(r1, r2, space of the second operand)`, R2 designating a pair.
pub(crate) fn checksum(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.even(i.r2));
    search(tx, i, def)
}

/// CU12 and its kin: `(r1, r2, m3, spaces)`, two pairs.
pub(crate) fn convert(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.even(i.r1));
    require!(tx.even(i.r2));
    let [r1, r2, m3] = tx.numbers([i.r1, i.r2, i.m3]);
    let spaces = tx.spaces(i.r1, i.r2);
    let cc = tx.call(def, &[r1, r2, m3, spaces]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// TROO and its kin: `(r1, r2, m3, spaces)`; the table that register 1 designates is in the
/// third space.
pub(crate) fn by_table(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.even(i.r1));
    let [r1, r2, m3] = tx.numbers([i.r1, i.r2, i.m3]);
    let operands = crate::helpers::operand::spaces(tx.data_mode(i.r1), tx.data_mode(i.r2));
    let spaces = tx.c64(operands | u64::from(tx.data_mode(1).0) << 16);
    let cc = tx.call(def, &[r1, r2, m3, spaces]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// TRTE, TRTRE: `(r1, r2, m3, spaces)`; the table that register 1 designates is in the second
/// space.
pub(crate) fn test_by_table(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    require!(tx.even(i.r1));
    let [r1, r2, m3] = tx.numbers([i.r1, i.r2, i.m3]);
    let spaces = tx.spaces(i.r1, 1);
    let cc = tx.call(def, &[r1, r2, m3, spaces]);
    tx.set_cc_value(cc);
    Flow::Next
}
