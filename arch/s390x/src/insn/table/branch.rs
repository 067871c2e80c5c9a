//! Branches, linkage, addressing modes, program mask, supervisor and monitor calls.

use super::row;
use crate::cpu::key::Addressing::{A24, A31, A64};
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::branch::*;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("BCR", 0x07, RR, BASE, bcr),
    row("BC", 0x47, RXb, BASE, bc),
    row("BRC", 0xa74, RIc, BASE, brc),
    row("BRCL", 0xc04, RILc, BASE, brc),
    row("BALR", 0x05, RR, BASE, balr),
    row("BAL", 0x45, RXa, BASE, bal),
    row("BASR", 0x0d, RR, BASE, basr),
    row("BAS", 0x4d, RXa, BASE, bas),
    row("BRAS", 0xa75, RIb, BASE, bras),
    row("BRASL", 0xc05, RILb, BASE, bras),
    row("BASSM", 0x0c, RR, BASE, bassm),
    row("BSM", 0x0b, RR, BASE, bsm),
    row("BCTR", 0x06, RR, BASE, bctr),
    row("BCT", 0x46, RXa, BASE, bct),
    row("BCTGR", 0xb946, RRE, BASE, bctgr),
    row("BCTG", 0xe346, RXYa, BASE, bctg),
    row("BRCT", 0xa76, RIb, BASE, brct),
    row("BRCTG", 0xa77, RIb, BASE, brctg),
    row("BRCTH", 0xcc6, RILb, 45, brcth),
    row("BXH", 0x86, RSa, BASE, |t, i| bx32(t, i, High)),
    row("BXLE", 0x87, RSa, BASE, |t, i| bx32(t, i, LowOrEqual)),
    row("BXHG", 0xeb44, RSYa, BASE, |t, i| bx64(t, i, High)),
    row("BXLEG", 0xeb45, RSYa, BASE, |t, i| bx64(t, i, LowOrEqual)),
    row("BRXH", 0x84, RSI, BASE, |t, i| brx32(t, i, High)),
    row("BRXLE", 0x85, RSI, BASE, |t, i| brx32(t, i, LowOrEqual)),
    row("BRXHG", 0xec44, RIEe, BASE, |t, i| brx64(t, i, High)),
    row("BRXLG", 0xec45, RIEe, BASE, |t, i| brx64(t, i, LowOrEqual)),
    row("TAM", 0x010b, E, BASE, tam),
    row("SAM24", 0x010c, E, BASE, |t, i| sam(t, i, A24)),
    row("SAM31", 0x010d, E, BASE, |t, i| sam(t, i, A31)),
    row("SAM64", 0x010e, E, BASE, |t, i| sam(t, i, A64)),
    row("IPM", 0xb222, RRE, BASE, ipm),
    row("SPM", 0x04, RR, BASE, spm),
    row("SVC", 0x0a, I, BASE, svc),
    row("MC", 0xaf, SI, BASE, mc),
    row("ECAG", 0xeb4c, RSYa, 34, ecag),
];
