//! EXECUTE and EXECUTE RELATIVE LONG.
//!
//! The target of EXECUTE RELATIVE LONG is mostly known: a field instruction in the same page then
//! becomes what it is by itself, but for its length. Else a helper fetches the target when the instruction is executed, so that changed code and a
//! changed mapping are seen. Field instructions (MVC, CLC, XC, TR, ...), which programs execute
//! for their lengths' sake, it does at once; any other target becomes a block of its own, by way
//! of the block key.

use tcg::ir::{BinOp, Cond, Exit, Val};

use super::{Flow, Tx, require, storage};
use crate::cpu::ProgramCode;
use crate::helpers::execute as h;
use crate::insn::Insn;
use crate::insn::decode::decode;

/// EXECUTE.
pub(crate) fn ex(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.demand(!tx.executed, ProgramCode::Execute));
    let target = tx.ea2(i);
    execute(tx, i, target)
}

/// EXECUTE RELATIVE LONG.
pub(crate) fn exrl(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.demand(!tx.executed, ProgramCode::Execute));
    if let Some(flow) = known(tx, i) {
        return flow;
    }
    let target = tx.relative_value(i.i2);
    execute(tx, i, target)
}

/// A field instruction as the target, if that is known.
fn known(tx: &mut Tx<'_>, i: &Insn) -> Option<Flow> {
    let image = tx.target?;
    let target = decode(image)?;
    let code = (image >> 40) as u8;
    if !storage::is_field(code) {
        return None;
    }
    let length = match i.r1 {
        0 => tx.c64(u64::from(target.l1)),
        register => {
            let modifier = tx.r64(register);
            let modifier = tx.b.bin_imm(BinOp::And, modifier, 0xff);
            tx.b.bin_imm(BinOp::Or, modifier, target.l1.into())
        }
    };
    let length = tx.b.bin_imm(BinOp::Add, length, 1);
    Some(storage::field_of(tx, &target, code, length))
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
