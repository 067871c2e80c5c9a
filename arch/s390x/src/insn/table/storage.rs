//! Fields and strings in storage, and EXECUTE.

use tcg::ir::BinOp;

use super::row;
use crate::helpers::{long, storage as h, string, translate_bytes as trans, unicode};
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::storage as t;
use crate::translate::{execute, string as s};

/// Extended-translation facility 2.
const ETF2: u16 = 16;
/// Extended-translation facility 3.
const ETF3: u16 = 22;
/// Parsing-enhancement facility.
const PARSING: u16 = 26;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("MVC", 0xd2, SSa, BASE, t::mvc),
    row("CLC", 0xd5, SSa, BASE, t::clc),
    row("NC", 0xd4, SSa, BASE, |tx, i| {
        t::logical(tx, i, BinOp::And, &h::NC)
    }),
    row("OC", 0xd6, SSa, BASE, |tx, i| {
        t::logical(tx, i, BinOp::Or, &h::OC)
    }),
    row("XC", 0xd7, SSa, BASE, |tx, i| {
        t::logical(tx, i, BinOp::Xor, &h::XC)
    }),
    row("MVN", 0xd1, SSa, BASE, |tx, i| t::plain(tx, i, &h::MVN)),
    row("MVZ", 0xd3, SSa, BASE, |tx, i| t::plain(tx, i, &h::MVZ)),
    row("MVCIN", 0xe8, SSa, BASE, |tx, i| t::plain(tx, i, &h::MVCIN)),
    row("TR", 0xdc, SSa, BASE, |tx, i| t::plain(tx, i, &trans::TR)),
    row("TRT", 0xdd, SSa, BASE, |tx, i| {
        t::with_cc(tx, i, &trans::TRT)
    }),
    row("TRTR", 0xd0, SSa, ETF3, |tx, i| {
        t::with_cc(tx, i, &trans::TRTR)
    }),
    row("EX", 0x44, RXa, BASE, execute::ex),
    row("EXRL", 0xc60, RILb, 35, execute::exrl),
    row("MVCL", 0x0e, RR, BASE, |tx, i| t::long(tx, i, &long::MVCL)),
    row("CLCL", 0x0f, RR, BASE, |tx, i| t::long(tx, i, &long::CLCL)),
    row("MVCLE", 0xa8, RSa, BASE, |tx, i| {
        t::long_extended(tx, i, long::mvcle_of(i.r1, i.r3))
    }),
    row("CLCLE", 0xa9, RSa, BASE, |tx, i| {
        t::long_extended(tx, i, &long::CLCLE)
    }),
    row("MVCLU", 0xeb8e, RSYa, ETF2, |tx, i| {
        t::long_extended(tx, i, &long::MVCLU)
    }),
    row("CLCLU", 0xeb8f, RSYa, ETF2, |tx, i| {
        t::long_extended(tx, i, &long::CLCLU)
    }),
    row("MVST", 0xb255, RRE, BASE, |tx, i| {
        s::two(tx, i, &string::MVST)
    }),
    row("CLST", 0xb25d, RRE, BASE, |tx, i| {
        s::two(tx, i, &string::CLST)
    }),
    row("SRST", 0xb25e, RRE, BASE, |tx, i| {
        s::search(tx, i, &string::SRST)
    }),
    row("SRSTU", 0xb9be, RRE, ETF3, |tx, i| {
        s::search(tx, i, &string::SRSTU)
    }),
    row("CUSE", 0xb257, RRE, BASE, |tx, i| {
        s::two_pairs(tx, i, &string::CUSE)
    }),
    row("CKSM", 0xb241, RRE, BASE, |tx, i| {
        s::checksum(tx, i, &string::CKSM)
    }),
    row("TRE", 0xb2a5, RRE, BASE, |tx, i| {
        s::pair_and_one(tx, i, &trans::TRE)
    }),
    row("TRTT", 0xb990, RRFc, ETF2, |tx, i| {
        s::by_table(tx, i, &trans::TRTT)
    }),
    row("TRTO", 0xb991, RRFc, ETF2, |tx, i| {
        s::by_table(tx, i, &trans::TRTO)
    }),
    row("TROT", 0xb992, RRFc, ETF2, |tx, i| {
        s::by_table(tx, i, &trans::TROT)
    }),
    row("TROO", 0xb993, RRFc, ETF2, |tx, i| {
        s::by_table(tx, i, &trans::TROO)
    }),
    row("TRTE", 0xb9bf, RRFc, PARSING, |tx, i| {
        s::test_by_table(tx, i, &trans::TRTE)
    }),
    row("TRTRE", 0xb9bd, RRFc, PARSING, |tx, i| {
        s::test_by_table(tx, i, &trans::TRTRE)
    }),
    row("CU12", 0xb2a7, RRFc, BASE, |tx, i| {
        s::convert(tx, i, &unicode::CU12)
    }),
    row("CU21", 0xb2a6, RRFc, BASE, |tx, i| {
        s::convert(tx, i, &unicode::CU21)
    }),
    row("CU14", 0xb9b0, RRFc, ETF3, |tx, i| {
        s::convert(tx, i, &unicode::CU14)
    }),
    row("CU24", 0xb9b1, RRFc, ETF3, |tx, i| {
        s::convert(tx, i, &unicode::CU24)
    }),
    row("CU41", 0xb9b2, RRE, ETF3, |tx, i| {
        s::convert(tx, i, &unicode::CU41)
    }),
    row("CU42", 0xb9b3, RRE, ETF3, |tx, i| {
        s::convert(tx, i, &unicode::CU42)
    }),
];
