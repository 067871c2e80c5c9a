//! Branches.

use super::{Flow, Target, Tx};
use crate::insn::Insn;

/// BRANCH RELATIVE ON CONDITION (LONG).
pub(crate) fn brc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = tx.relative(i.i2);
    on_condition(tx, i.m1, target)
}

/// BRANCH ON CONDITION.
pub(crate) fn bc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = Target::Computed(tx.ea2(i));
    on_condition(tx, i.m1, target)
}

/// BRANCH ON CONDITION to a register. Masks 15 and 14 with register 0 serialise; the mask 14 is
/// the fast form of facility 45.
pub(crate) fn bcr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.r2 == 0 {
        if i.m1 >= 14 {
            tx.b.fence();
        }
        return Flow::Next;
    }
    let target = Target::Computed(tx.register_address(i.r2));
    on_condition(tx, i.m1, target)
}

fn on_condition(tx: &mut Tx<'_>, mask: u8, target: Target) -> Flow {
    match mask {
        0 => Flow::Next,
        15 => tx.jump(target),
        _ => {
            let taken = tx.test_cc(mask);
            tx.branch_if_true(taken, target)
        }
    }
}
