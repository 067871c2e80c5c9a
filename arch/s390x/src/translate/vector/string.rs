//! Vector string instructions: each one call of a helper whose value is the condition code.

use tcg::HelperDef;

use crate::cpu::ProgramCode;
use crate::insn::Insn;
use crate::translate::{Flow, Tx, require};

/// The helper for the size in a field, and the condition code where it is asked for.
fn search(
    tx: &mut Tx<'_>,
    i: &Insn,
    size: u8,
    sets_code: bool,
    helpers: &'static [HelperDef; 3],
) -> Flow {
    let Some(helper) = helpers.get(usize::from(size)) else {
        return tx.raise(ProgramCode::Specification);
    };
    let cc = tx.call_vector(i, helper);
    if sets_code {
        tx.set_cc_value(cc);
    }
    Flow::Next
}

/// VFAE, and VFEE and VFENE, whose M5 has only some of the bits.
pub(crate) fn find(tx: &mut Tx<'_>, i: &Insn, m5: u8, helpers: &'static [HelperDef; 3]) -> Flow {
    require!(tx.demand(i.m5 & !m5 == 0, ProgramCode::Specification));
    search(tx, i, i.m4, i.m5 & 1 != 0, helpers)
}

/// VISTR.
pub(crate) fn isolate(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef; 3]) -> Flow {
    require!(tx.demand(i.m5 & !1 == 0, ProgramCode::Specification));
    search(tx, i, i.m3, i.m5 & 1 != 0, helpers)
}

/// VSTRC.
pub(crate) fn in_ranges(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef; 3]) -> Flow {
    search(tx, i, i.m5, i.m6 & 1 != 0, helpers)
}

/// VSTRS: it always sets the condition code; M6 has the zero-search flag alone.
pub(crate) fn find_string(tx: &mut Tx<'_>, i: &Insn, helpers: &'static [HelperDef; 3]) -> Flow {
    require!(tx.demand(i.m6 & !2 == 0, ProgramCode::Specification));
    search(tx, i, i.m5, true, helpers)
}
