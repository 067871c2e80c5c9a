//! Integer arithmetic and comparison.

use super::row;
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::arith::{self as t, rr32, rx32, rx64};

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("AR", 0x1a, RR, BASE, |tx, i| {
        let o = rr32(tx, i);
        t::add32(tx, i.r1, o)
    }),
    row("A", 0x5a, RXa, BASE, |tx, i| {
        let o = rx32(tx, i);
        t::add32(tx, i.r1, o)
    }),
    row("AG", 0xe308, RXYa, BASE, |tx, i| {
        let o = rx64(tx, i);
        t::add64(tx, i.r1, o)
    }),
];
