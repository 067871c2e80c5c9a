//! Service call, diagnose, channel subsystem and system information: checks and condition codes.
//!
//! What the machine answers is in [`crate::console`], [`crate::machine`] and [`crate::css`].

use super::{Flow, Tx, require};
use crate::helpers::system as h;
use crate::insn::Insn;

/// DIAGNOSE.
pub(crate) fn diag(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let function = tx.ea2(i);
    let registers = tx.c64(u64::from(i.r1) << 4 | u64::from(i.r3));
    tx.call(&h::DIAG, &[function, registers]);
    Flow::NewBlock
}

/// SERVICE CALL.
pub(crate) fn servc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let command = tx.r64(i.r1);
    let sccb = tx.r64(i.r2);
    let cc = tx.call(&h::SERVC, &[command, sccb]);
    tx.set_cc_value(cc);
    Flow::NewBlock
}

/// STORE SYSTEM INFORMATION.
pub(crate) fn stsi(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let mode = tx.data_mode_arg(i.b2);
    let cc = tx.call(&h::STSI, &[address, mode]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// STORE CPU ID.
pub(crate) fn stidp(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let id = tx.call(&h::CPU_ID, &[]);
    tx.store_aligned(tcg::ir::MemSize::B8, i.b2, address, id);
    Flow::Next
}

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
pub(crate) fn no_subchannel(tx: &mut Tx<'_>, _i: &Insn) -> Flow {
    require!(tx.privileged());
    let subchannel = tx.r64(1);
    tx.call(&h::SUBCHANNEL, &[subchannel]);
    tx.set_cc_const(3);
    Flow::Next
}

/// Instructions that name a subchannel in GR1 and a block on a word boundary.
pub(crate) fn no_subchannel_operand(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let subchannel = tx.r64(1);
    tx.call(&h::SUBCHANNEL_BLOCK, &[address, subchannel]);
    tx.set_cc_const(3);
    Flow::Next
}

/// TEST PENDING INTERRUPTION: there is none.
pub(crate) fn tpi(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    tx.call(&h::WORD_ALIGNED, &[address]);
    tx.set_cc_const(0);
    Flow::Next
}

/// SET ADDRESS LIMIT: taken, and of no effect without devices.
pub(crate) fn sal(tx: &mut Tx<'_>, _i: &Insn) -> Flow {
    require!(tx.privileged());
    let limit = tx.r64(1);
    tx.call(&h::ADDRESS_LIMIT, &[limit]);
    Flow::Next
}

/// PERFORM TOPOLOGY FUNCTION.
pub(crate) fn ptf(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let r1 = tx.c64(i.r1.into());
    let cc = tx.call(&h::PTF, &[r1]);
    tx.set_cc_value(cc);
    Flow::Next
}

/// STORE CHANNEL REPORT WORD: there is none, so zeros are stored.
pub(crate) fn stcrw(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let zero = tx.c32(0);
    tx.store_aligned(tcg::ir::MemSize::B4, i.b2, address, zero);
    tx.set_cc_const(1);
    Flow::Next
}

/// STORE CHANNEL PATH STATUS: no path is active.
pub(crate) fn stcps(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let mode = tx.data_mode_arg(i.b2);
    tx.call(&h::STCPS, &[address, mode]);
    Flow::Next
}

/// RESET CHANNEL PATH: it is not operational.
pub(crate) fn rchp(tx: &mut Tx<'_>, _i: &Insn) -> Flow {
    require!(tx.privileged());
    let path = tx.r64(1);
    tx.call(&h::CHANNEL_PATH, &[path]);
    tx.set_cc_const(3);
    Flow::Next
}

/// SET CHANNEL MONITOR: nothing is measured without devices.
pub(crate) fn schm(tx: &mut Tx<'_>, _i: &Insn) -> Flow {
    require!(tx.privileged());
    let (flags, origin) = (tx.r64(1), tx.r64(2));
    tx.call(&h::CHANNEL_MONITOR, &[flags, origin]);
    Flow::Next
}
