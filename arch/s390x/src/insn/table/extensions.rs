//! Load and store on condition 2 (facility 53) and the miscellaneous-instruction extensions 2
//! and 3 (facilities 58 and 61).

use tcg::ir::BinOp::{And, AndNot, Or, Xor};
use tcg::ir::MemSize::{B4, B8};

use super::row;
use crate::cpu::facility::EXTENSIONS_3;
use crate::insn::Format::*;
use crate::insn::{Facility, Row};
use crate::translate::arith::{add64, sub64};
use crate::translate::extensions::*;
use crate::translate::logic::bitwise;
use crate::translate::muldiv::multiply_single;
use crate::translate::source::{rrk32, rrk64, rx32, rx64, rx64h};

/// Load and store on condition 2, load and zero rightmost byte.
const CONDITION_2: Facility = 53;
/// Miscellaneous-instruction extensions 2.
const EXTENSIONS_2: Facility = 58;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("LOCHI", 0xec42, RIEg, CONDITION_2, lochi),
    row("LOCGHI", 0xec46, RIEg, CONDITION_2, locghi),
    row("LOCHHI", 0xec4e, RIEg, CONDITION_2, lochhi),
    row("LOCFHR", 0xb9e0, RRFc, CONDITION_2, locfhr),
    row("LOCFH", 0xebe0, RSYb, CONDITION_2, locfh),
    row("STOCFH", 0xebe1, RSYb, CONDITION_2, stocfh),
    row("LZRF", 0xe33b, RXYa, CONDITION_2, lzrf),
    row("LZRG", 0xe32a, RXYa, CONDITION_2, |t, i| lzrg(t, i, B8)),
    row("LLZRGF", 0xe33a, RXYa, CONDITION_2, |t, i| lzrg(t, i, B4)),
    row("AGH", 0xe338, RXYa, EXTENSIONS_2, |t, i| add64(t, i, rx64h)),
    row("SGH", 0xe339, RXYa, EXTENSIONS_2, |t, i| sub64(t, i, rx64h)),
    row("MGH", 0xe33c, RXYa, EXTENSIONS_2, |t, i| {
        multiply_single(t, i, rx64h)
    }),
    row("MG", 0xe384, RXYa, EXTENSIONS_2, |t, i| {
        multiply_pair(t, i, odd_and_storage)
    }),
    row("MGRK", 0xb9ec, RRFa, EXTENSIONS_2, |t, i| {
        multiply_pair(t, i, rrk64)
    }),
    row("MSC", 0xe353, RXYa, EXTENSIONS_2, |t, i| {
        multiply_single_cc(t, i, rx32)
    }),
    row("MSGC", 0xe383, RXYa, EXTENSIONS_2, |t, i| {
        multiply_single_cc(t, i, rx64)
    }),
    row("MSRKC", 0xb9fd, RRFa, EXTENSIONS_2, |t, i| {
        multiply_single_cc(t, i, rrk32)
    }),
    row("MSGRKC", 0xb9ed, RRFa, EXTENSIONS_2, |t, i| {
        multiply_single_cc(t, i, rrk64)
    }),
    row("BIC", 0xe347, RXYb, EXTENSIONS_2, bic),
    row("NCRK", 0xb9f5, RRFa, EXTENSIONS_3, |t, i| {
        bitwise(t, i, AndNot, rrk32)
    }),
    row("NCGRK", 0xb9e5, RRFa, EXTENSIONS_3, |t, i| {
        bitwise(t, i, AndNot, rrk64)
    }),
    row("NNRK", 0xb974, RRFa, EXTENSIONS_3, |t, i| {
        inverted(t, i, And, rrk32)
    }),
    row("NNGRK", 0xb964, RRFa, EXTENSIONS_3, |t, i| {
        inverted(t, i, And, rrk64)
    }),
    row("NORK", 0xb976, RRFa, EXTENSIONS_3, |t, i| {
        inverted(t, i, Or, rrk32)
    }),
    row("NOGRK", 0xb966, RRFa, EXTENSIONS_3, |t, i| {
        inverted(t, i, Or, rrk64)
    }),
    row("NXRK", 0xb977, RRFa, EXTENSIONS_3, |t, i| {
        inverted(t, i, Xor, rrk32)
    }),
    row("NXGRK", 0xb967, RRFa, EXTENSIONS_3, |t, i| {
        inverted(t, i, Xor, rrk64)
    }),
    row("OCRK", 0xb975, RRFa, EXTENSIONS_3, |t, i| {
        or_complement(t, i, rrk32)
    }),
    row("OCGRK", 0xb965, RRFa, EXTENSIONS_3, |t, i| {
        or_complement(t, i, rrk64)
    }),
    row("SELR", 0xb9f0, RRFa, EXTENSIONS_3, selr),
    row("SELGR", 0xb9e3, RRFa, EXTENSIONS_3, selgr),
    row("SELFHR", 0xb9c0, RRFa, EXTENSIONS_3, selfhr),
    row("MVCRL", 0xe50a, SSE, EXTENSIONS_3, mvcrl),
];
