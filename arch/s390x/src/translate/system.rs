//! Service call, diagnose and system information: checks and condition codes.
//!
//! What the machine answers is in [`crate::console`] and [`crate::machine`]. I/O instructions are
//! in [`super::io`].

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

/// PERFORM TOPOLOGY FUNCTION.
pub(crate) fn ptf(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let r1 = tx.c64(i.r1.into());
    let cc = tx.call(&h::PTF, &[r1]);
    tx.set_cc_value(cc);
    Flow::Next
}
