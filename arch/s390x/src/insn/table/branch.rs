//! Branches.

use super::row;
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::branch as t;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("BCR", 0x07, RR, BASE, t::bcr),
    row("BC", 0x47, RXb, BASE, t::bc),
    row("BRC", 0xa74, RIc, BASE, t::brc),
    row("BRCL", 0xc04, RILc, BASE, t::brc),
];
