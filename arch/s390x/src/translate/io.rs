//! I/O instructions (Principles of Operation, chapter 14): registers, privilege and condition
//! codes. Their operands are [`crate::helpers::io`]'s.

use tcg::HelperDef;

use super::{Flow, Tx, require};
use crate::helpers::io as h;
use crate::insn::Insn;

/// CHANNEL SUBSYSTEM CALL.
pub(crate) fn chsc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let address = tx.register_address(i.r1);
    let mode = tx.data_mode_arg(i.r1);
    tx.call(&h::CHSC, &[address, mode]);
    tx.set_cc_const(0);
    Flow::Next
}

/// Instructions that name a subchannel in GR1 and nothing else.
fn on_subchannel(tx: &mut Tx<'_>, helper: &'static HelperDef) -> Flow {
    require!(tx.privileged());
    let subchannel = tx.r64(1);
    let cc = tx.call(helper, &[subchannel]);
    tx.set_cc_value(cc);
    Flow::NewBlock
}

/// Instructions that name a subchannel in GR1 and a block.
fn with_block(tx: &mut Tx<'_>, i: &Insn, helper: &'static HelperDef) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let mode = tx.data_mode_arg(i.b2);
    let subchannel = tx.r64(1);
    let cc = tx.call(helper, &[address, mode, subchannel]);
    tx.set_cc_value(cc);
    Flow::NewBlock
}

/// Instructions that name a place in storage.
fn with_place(tx: &mut Tx<'_>, i: &Insn, helper: &'static HelperDef) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let mode = tx.data_mode_arg(i.b2);
    let cc = tx.call(helper, &[address, mode]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// STORE SUBCHANNEL.
pub(crate) fn stsch(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    with_block(tx, i, &h::STSCH)
}

/// MODIFY SUBCHANNEL.
pub(crate) fn msch(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    with_block(tx, i, &h::MSCH)
}

/// START SUBCHANNEL.
pub(crate) fn ssch(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    with_block(tx, i, &h::SSCH)
}

/// TEST SUBCHANNEL.
pub(crate) fn tsch(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    with_block(tx, i, &h::TSCH)
}

/// RESUME SUBCHANNEL.
pub(crate) fn rsch(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    on_subchannel(tx, &h::RSCH)
}

/// CLEAR SUBCHANNEL.
pub(crate) fn csch(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    on_subchannel(tx, &h::CSCH)
}

/// HALT SUBCHANNEL.
pub(crate) fn hsch(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    on_subchannel(tx, &h::HSCH)
}

/// CANCEL SUBCHANNEL.
pub(crate) fn xsch(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    on_subchannel(tx, &h::XSCH)
}

/// TEST PENDING INTERRUPTION.
pub(crate) fn tpi(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    with_place(tx, i, &h::TPI)
}

/// STORE CHANNEL REPORT WORD.
pub(crate) fn stcrw(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    with_place(tx, i, &h::STCRW)
}

/// SET ADDRESS LIMIT.
pub(crate) fn sal(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    require!(tx.privileged());
    let limit = tx.r64(1);
    tx.call(&h::SAL, &[limit]);
    Flow::Next
}

/// STORE CHANNEL PATH STATUS.
pub(crate) fn stcps(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let mode = tx.data_mode_arg(i.b2);
    tx.call(&h::STCPS, &[address, mode]);
    Flow::Next
}

/// RESET CHANNEL PATH.
pub(crate) fn rchp(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    on_subchannel(tx, &h::RCHP)
}

/// SET CHANNEL MONITOR.
pub(crate) fn schm(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    require!(tx.privileged());
    let (controls, origin) = (tx.r64(1), tx.r64(2));
    tx.call(&h::SCHM, &[controls, origin]);
    Flow::Next
}
