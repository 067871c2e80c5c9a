//! Floating-point support: registers, storage and the FPC register.

use super::row;
use crate::insn::Format::*;
use crate::insn::{BASE, Facility, Row};
use crate::translate::bfp::Sign::{Complement, Negative, Positive};
use crate::translate::bfp::helper as h;
use crate::translate::fps as t;

/// Long displacement.
const LONG_DISPLACEMENT: Facility = 18;
/// Floating-point-support enhancement.
const SUPPORT: Facility = 41;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("LDR", 0x28, RR, BASE, t::ldr),
    row("LER", 0x38, RR, BASE, t::ler),
    row("LXR", 0xb365, RRE, BASE, t::lxr),
    row("LZER", 0xb374, RRE, BASE, t::lzer),
    row("LZDR", 0xb375, RRE, BASE, t::lzdr),
    row("LZXR", 0xb376, RRE, BASE, t::lzxr),
    row("LPDFR", 0xb370, RRE, SUPPORT, |tx, i| {
        t::sign(tx, i, Positive)
    }),
    row("LNDFR", 0xb371, RRE, SUPPORT, |tx, i| {
        t::sign(tx, i, Negative)
    }),
    row("CPSDR", 0xb372, RRFb, SUPPORT, t::cpsdr),
    row("LCDFR", 0xb373, RRE, SUPPORT, |tx, i| {
        t::sign(tx, i, Complement)
    }),
    row("LDGR", 0xb3c1, RRE, SUPPORT, t::ldgr),
    row("LGDR", 0xb3cd, RRE, SUPPORT, t::lgdr),
    row("STD", 0x60, RXa, BASE, t::std),
    row("LD", 0x68, RXa, BASE, t::ld),
    row("STE", 0x70, RXa, BASE, t::ste),
    row("LE", 0x78, RXa, BASE, t::le),
    row("LEY", 0xed64, RXYa, LONG_DISPLACEMENT, t::le),
    row("LDY", 0xed65, RXYa, LONG_DISPLACEMENT, t::ld),
    row("STEY", 0xed66, RXYa, LONG_DISPLACEMENT, t::ste),
    row("STDY", 0xed67, RXYa, LONG_DISPLACEMENT, t::std),
    row("SRNM", 0xb299, S, BASE, |tx, i| {
        t::set_rounding_mode(tx, i, 0x03)
    }),
    row("STFPC", 0xb29c, S, BASE, t::stfpc),
    row("LFPC", 0xb29d, S, BASE, |tx, i| {
        t::load_fpc(tx, i, &h::SET_FPC)
    }),
    // facility 37, see the BFP table
    row("SRNMB", 0xb2b8, S, BASE, |tx, i| {
        t::set_rounding_mode(tx, i, 0xff)
    }),
    row("LFAS", 0xb2bd, S, SUPPORT, |tx, i| {
        t::load_fpc(tx, i, &h::SET_FPC_AND_SIGNAL)
    }),
    row("SFPC", 0xb384, RRE, BASE, |tx, i| {
        t::set_fpc(tx, i, &h::SET_FPC)
    }),
    row("SFASR", 0xb385, RRE, SUPPORT, |tx, i| {
        t::set_fpc(tx, i, &h::SET_FPC_AND_SIGNAL)
    }),
    row("EFPC", 0xb38c, RRE, BASE, t::efpc),
];
