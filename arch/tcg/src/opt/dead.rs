//! Drops ops whose result nobody reads: values, writes of registers, recorded condition codes.

use crate::ir::{Global, GlobalDecl, Op, Part, Val};

/// The halves of a register that a part covers.
fn halves(part: Part) -> u8 {
    match part {
        Part::Full => 3,
        Part::Low32 => 1,
        Part::High32 => 2,
    }
}

/// The ops that count, renumbered.
pub(super) fn remove(mut ops: Vec<Op>, globals: &[GlobalDecl]) -> Vec<Op> {
    let keep = live(&ops, globals);
    let mut renamed = Vec::with_capacity(ops.len());
    let mut kept = 0;
    // Renamed first and moved later: see `Forward::rewrite`.
    for (op, &keep) in ops.iter_mut().zip(&keep) {
        renamed.push(Val(kept));
        if keep {
            op.for_operands_mut(|v| *v = renamed[v.0 as usize]);
            kept += 1;
        }
    }
    let mut keep = keep.into_iter();
    ops.retain(|_| keep.next().unwrap_or(true));
    ops
}

fn live(ops: &[Op], globals: &[GlobalDecl]) -> Vec<bool> {
    // Whether the instruction before each `Insn` may end the block early.
    let mut seen_at = vec![false; ops.len()];
    let mut may_leave = false;
    for (seen, op) in seen_at.iter_mut().zip(ops) {
        if matches!(op, Op::Insn { .. }) {
            *seen = std::mem::take(&mut may_leave);
        }
        may_leave |= op.may_leave_after_insn();
    }
    let mut keep = vec![false; ops.len()];
    let mut used = vec![false; ops.len()];
    // Halves of each register that are written again before anybody sees them.
    let mut dead = vec![0u8; globals.len()];
    let mut cc_dead = false;
    for (i, op) in ops.iter().enumerate().rev() {
        let wanted = match *op {
            Op::Put(g, part, _) => {
                let halves = halves(part);
                let dead = &mut dead[usize::from(g.0)];
                let wanted = halves & !*dead != 0;
                *dead |= halves;
                wanted
            }
            Op::SetCc { .. } => !std::mem::replace(&mut cc_dead, true),
            _ => used[i] || op.has_effect(),
        };
        if !wanted {
            continue;
        }
        keep[i] = true;
        op.for_operands(|v| used[v.0 as usize] = true);
        match *op {
            Op::Get(g, part) => dead[usize::from(g.0)] &= !halves(part),
            Op::GetCc | Op::TestCc { .. } => cc_dead = false,
            _ => {}
        }
        if let Op::Call { def, .. } = *op
            && !def.effects.traps
        {
            // It shows nothing to anybody but itself.
            for (n, dead) in dead.iter_mut().enumerate() {
                if def.effects.may_read(Global(n as u16)) {
                    *dead = 0;
                }
            }
            cc_dead &= !def.effects.may_read_cc();
        } else if op.observes_globals() || seen_at[i] {
            // What a side exit writes itself, it does not see.
            let written = match *op {
                Op::ExitIf { put: Some(put), .. } => {
                    let global = usize::from(put.global.0);
                    Some((global, dead[global]))
                }
                _ => None,
            };
            dead.fill(0);
            cc_dead = false;
            if let Some((global, halves)) = written {
                dead[global] = halves;
            }
        }
    }
    keep
}
