//! Decimal instructions, each one call of a helper.

use tcg::HelperDef;
use tcg::ir::Val;

use super::{Flow, Tx, require};
use crate::cpu::ProgramCode;
use crate::insn::Insn;

/// A call with `(first, second, length codes as the instruction has them, spaces)`.
fn two_lengths(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Val {
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let codes = tx.c64(u64::from(i.l1) << 4 | u64::from(i.l2));
    let spaces = tx.spaces(i.b1, i.b2);
    tx.call(def, &[first, second, codes, spaces])
}

/// AP and its kin: the helper sets the condition code, or there is none.
pub(crate) fn plain(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    two_lengths(tx, i, def);
    Flow::Next
}

/// CP: the helper returns the condition code.
pub(crate) fn with_cc(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let cc = two_lengths(tx, i, def);
    tx.set_cc_value(cc);
    Flow::Next
}

/// UNPKA, UNPKU, PKA, PKU: one length code.
fn one_length(tx: &mut Tx<'_>, i: &Insn, code: u8, def: &'static HelperDef) -> Val {
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let spaces = tx.spaces(i.b1, i.b2);
    let length = tx.c64(u64::from(code) + 1);
    tx.call(def, &[first, second, length, spaces])
}

/// At most 32 characters of `unit` bytes.
fn characters(tx: &mut Tx<'_>, code: u8, unit: u64) -> Result<(), Flow> {
    let length = u64::from(code) + 1;
    tx.demand(
        length <= 32 * unit && length % unit == 0,
        ProgramCode::Specification,
    )
}

/// PKA, PKU.
pub(crate) fn pack(tx: &mut Tx<'_>, i: &Insn, unit: u64, def: &'static HelperDef) -> Flow {
    require!(characters(tx, i.l2, unit));
    one_length(tx, i, i.l2, def);
    Flow::Next
}

/// UNPKA, UNPKU.
pub(crate) fn unpack(tx: &mut Tx<'_>, i: &Insn, unit: u64, def: &'static HelperDef) -> Flow {
    require!(characters(tx, i.l1, unit));
    let cc = one_length(tx, i, i.l1, def);
    tx.set_cc_value(cc);
    Flow::Next
}

/// SRP: the second operand's address is the shift.
pub(crate) fn srp(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let first = tx.ea1(i);
    let shift = tx.unwrapped_address(i.b2, 0, i.d2);
    let codes = tx.c64(u64::from(i.l1) << 4 | u64::from(i.i3));
    let spaces = tx.spaces(i.b1, i.b1);
    tx.call(def, &[first, shift, codes, spaces]);
    Flow::Next
}

/// TP.
pub(crate) fn tp(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let first = tx.ea1(i);
    let code = tx.c64(u64::from(i.l1 & 15));
    let space = tx.data_mode_arg(i.b1);
    let cc = tx.call(def, &[first, code, space]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// CVB and its kin: `(r1, address, space)`.
pub(crate) fn to_binary(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let address = tx.ea2(i);
    let [r1] = tx.numbers([i.r1]);
    let space = tx.data_mode_arg(i.b2);
    tx.call(def, &[r1, address, space]);
    Flow::Next
}

/// CVD and its kin: `(value, address, space)`.
pub(crate) fn from_binary(tx: &mut Tx<'_>, i: &Insn, def: &'static HelperDef) -> Flow {
    let address = tx.ea2(i);
    let v = tx.r64(i.r1);
    let space = tx.data_mode_arg(i.b2);
    tx.call(def, &[v, address, space]);
    Flow::Next
}
