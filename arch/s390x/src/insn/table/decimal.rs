//! Decimal instructions.

use super::row;
use crate::helpers::{decimal as h, decimal_format as f, edit};
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::{decimal as t, storage};

/// Long displacements.
const LONG: u16 = 18;
/// Extended-translation facility 2.
const ETF2: u16 = 16;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("MVO", 0xf1, SSb, BASE, |tx, i| t::plain(tx, i, &f::MVO)),
    row("PACK", 0xf2, SSb, BASE, |tx, i| t::plain(tx, i, &f::PACK)),
    row("UNPK", 0xf3, SSb, BASE, |tx, i| t::plain(tx, i, &f::UNPK)),
    row("PKA", 0xe9, SSf, ETF2, |tx, i| t::pack(tx, i, 1, &f::PKA)),
    row("PKU", 0xe1, SSf, ETF2, |tx, i| t::pack(tx, i, 2, &f::PKU)),
    row("UNPKA", 0xea, SSa, ETF2, |tx, i| {
        t::unpack(tx, i, 1, &f::UNPKA)
    }),
    row("UNPKU", 0xe2, SSa, ETF2, |tx, i| {
        t::unpack(tx, i, 2, &f::UNPKU)
    }),
    row("AP", 0xfa, SSb, BASE, |tx, i| t::plain(tx, i, &h::AP)),
    row("SP", 0xfb, SSb, BASE, |tx, i| t::plain(tx, i, &h::SP)),
    row("ZAP", 0xf8, SSb, BASE, |tx, i| t::plain(tx, i, &h::ZAP)),
    row("CP", 0xf9, SSb, BASE, |tx, i| t::with_cc(tx, i, &h::CP)),
    row("MP", 0xfc, SSb, BASE, |tx, i| t::plain(tx, i, &h::MP)),
    row("DP", 0xfd, SSb, BASE, |tx, i| t::plain(tx, i, &h::DP)),
    row("SRP", 0xf0, SSc, BASE, |tx, i| t::srp(tx, i, &h::SRP)),
    row("TP", 0xebc0, RSLa, ETF2, |tx, i| t::tp(tx, i, &h::TP)),
    row("ED", 0xde, SSa, BASE, |tx, i| {
        storage::with_cc(tx, i, &edit::ED)
    }),
    row("EDMK", 0xdf, SSa, BASE, |tx, i| {
        storage::with_cc(tx, i, &edit::EDMK)
    }),
    row("CVB", 0x4f, RXa, BASE, |tx, i| t::to_binary(tx, i, &h::CVB)),
    row("CVBY", 0xe306, RXYa, LONG, |tx, i| {
        t::to_binary(tx, i, &h::CVB)
    }),
    row("CVBG", 0xe30e, RXYa, BASE, |tx, i| {
        t::to_binary(tx, i, &h::CVBG)
    }),
    row("CVD", 0x4e, RXa, BASE, |tx, i| {
        t::from_binary(tx, i, &h::CVD)
    }),
    row("CVDY", 0xe326, RXYa, LONG, |tx, i| {
        t::from_binary(tx, i, &h::CVD)
    }),
    row("CVDG", 0xe32e, RXYa, BASE, |tx, i| {
        t::from_binary(tx, i, &h::CVDG)
    }),
];
