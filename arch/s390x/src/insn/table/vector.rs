//! Vector facility: loads, stores, moves, permutations and bitwise operations.

use tcg::ir::BinOp;

use super::row;
use crate::cpu::facility::VECTOR;
use crate::insn::Format::*;
use crate::insn::Row;
use crate::translate::vector as t;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("VL", 0xe706, VRX, VECTOR, t::vl),
    row("VST", 0xe70e, VRX, VECTOR, t::vst),
    row("VLR", 0xe756, VRRa, VECTOR, t::vlr),
    row("VN", 0xe768, VRRc, VECTOR, |tx, i| {
        t::bitwise(tx, i, BinOp::And)
    }),
];
