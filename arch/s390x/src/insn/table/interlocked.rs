//! Interlocked updates.

use tcg::ir::{AtomicOp, BinOp, Ty};

use super::row;
use crate::cpu::cc::CcKind;
use crate::helpers::interlocked as h;
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::interlocked as t;
use crate::translate::operand::{B4, B8};

/// Long displacements.
const LONG: u16 = 18;
/// Compare-and-swap-and-store.
const SWAP_AND_STORE: u16 = 32;
/// Interlocked access 1.
const INTERLOCKED: u16 = 45;

const AND: (AtomicOp, BinOp) = (AtomicOp::And, BinOp::And);
const OR: (AtomicOp, BinOp) = (AtomicOp::Or, BinOp::Or);
const XOR: (AtomicOp, BinOp) = (AtomicOp::Xor, BinOp::Xor);

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("CS", 0xba, RSa, BASE, t::cs),
    row("CSY", 0xeb14, RSYa, LONG, t::cs),
    row("CSG", 0xeb30, RSYa, BASE, t::csg),
    row("CDS", 0xbb, RSa, BASE, t::cds),
    row("CDSY", 0xeb31, RSYa, LONG, t::cds),
    row("CDSG", 0xeb3e, RSYa, BASE, t::cdsg),
    row("CSST", 0xc82, SSF, SWAP_AND_STORE, t::csst),
    row("PLO", 0xee, SSe, BASE, t::plo),
    row("TS", 0x93, S, BASE, t::ts),
    row("LAA", 0xebf8, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_add(tx, i, B4, CcKind::Add32)
    }),
    row("LAAG", 0xebe8, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_add(tx, i, B8, CcKind::Add64)
    }),
    row("LAAL", 0xebfa, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_add(tx, i, B4, CcKind::AddLogical32)
    }),
    row("LAALG", 0xebea, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_add(tx, i, B8, CcKind::AddLogical64)
    }),
    row("LAN", 0xebf4, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_logical(tx, i, B4, AND)
    }),
    row("LANG", 0xebe4, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_logical(tx, i, B8, AND)
    }),
    row("LAO", 0xebf6, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_logical(tx, i, B4, OR)
    }),
    row("LAOG", 0xebe6, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_logical(tx, i, B8, OR)
    }),
    row("LAX", 0xebf7, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_logical(tx, i, B4, XOR)
    }),
    row("LAXG", 0xebe7, RSYa, INTERLOCKED, |tx, i| {
        t::load_and_logical(tx, i, B8, XOR)
    }),
    row("LPD", 0xc84, SSF, INTERLOCKED, |tx, i| {
        t::load_pair(tx, i, Ty::I32, &h::LOAD_PAIR)
    }),
    row("LPDG", 0xc85, SSF, INTERLOCKED, |tx, i| {
        t::load_pair(tx, i, Ty::I64, &h::LOAD_PAIR)
    }),
];
