//! EXECUTE and EXECUTE RELATIVE LONG.
//!
//! A helper fetches the target when the instruction is executed, so that changed code and a
//! changed mapping are seen. Field instructions (MVC, CLC, XC, TR, ...), which programs execute
//! for their lengths' sake, it does at once; any other target becomes a block of its own, by way
//! of the block key.

use tcg::ir::{Cond, Exit, Val};

use super::{Flow, Tx, require};
use crate::cpu::ProgramCode;
use crate::helpers::execute as h;
use crate::insn::Insn;

/// EXECUTE.
pub(crate) fn ex(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.demand(!tx.executed, ProgramCode::Execute));
    let target = tx.ea2(i);
    execute(tx, i, target)
}

/// EXECUTE RELATIVE LONG.
pub(crate) fn exrl(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.demand(!tx.executed, ProgramCode::Execute));
    let target = tx.relative_value(i.i2);
    execute(tx, i, target)
}

fn execute(tx: &mut Tx<'_>, i: &Insn, target: Val) -> Flow {
    let modifier = match i.r1 {
        0 => tx.c64(0),
        register => tx.r64(register),
    };
    let done = tx.call(&h::EXECUTE, &[target, modifier]);
    let (not_done, pc) = (tx.c64(h::NOT_DONE), tx.c64(tx.pc));
    let lookup = Exit::Lookup { pc: Some(pc) };
    tx.b.exit_if(Cond::Eq, done, not_done, lookup);
    Flow::Next
}
