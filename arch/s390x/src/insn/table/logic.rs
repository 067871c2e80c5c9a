//! Bitwise operations, shifts, rotations, tests under mask, immediates.

use tcg::ir::AtomicOp;
use tcg::ir::BinOp::{And, Or, Rotl, Shl, Shr, Xor};

use super::row;
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::logic::*;
use crate::translate::shift as s;
use crate::translate::source::*;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    // And.
    row("NR", 0x14, RR, BASE, |t, i| bitwise(t, i, And, rr32)),
    row("N", 0x54, RXa, BASE, |t, i| bitwise(t, i, And, rx32)),
    row("NY", 0xe354, RXYa, 18, |t, i| bitwise(t, i, And, rx32)),
    row("NRK", 0xb9f4, RRFa, 45, |t, i| bitwise(t, i, And, rrk32)),
    row("NGR", 0xb980, RRE, BASE, |t, i| bitwise(t, i, And, rr64)),
    row("NG", 0xe380, RXYa, BASE, |t, i| bitwise(t, i, And, rx64)),
    row("NGRK", 0xb9e4, RRFa, 45, |t, i| bitwise(t, i, And, rrk64)),
    row("NI", 0x94, SI, BASE, |t, i| {
        bitwise_storage(t, i, AtomicOp::And)
    }),
    row("NIY", 0xeb54, SIY, 18, |t, i| {
        bitwise_storage(t, i, AtomicOp::And)
    }),
    row("NIHH", 0xa54, RIa, BASE, |t, i| {
        bitwise_field(t, i, And, 48, 16)
    }),
    row("NIHL", 0xa55, RIa, BASE, |t, i| {
        bitwise_field(t, i, And, 32, 16)
    }),
    row("NILH", 0xa56, RIa, BASE, |t, i| {
        bitwise_field(t, i, And, 16, 16)
    }),
    row("NILL", 0xa57, RIa, BASE, |t, i| {
        bitwise_field(t, i, And, 0, 16)
    }),
    row("NIHF", 0xc0a, RILa, 21, |t, i| {
        bitwise_field(t, i, And, 32, 32)
    }),
    row("NILF", 0xc0b, RILa, 21, |t, i| {
        bitwise_field(t, i, And, 0, 32)
    }),
    // Or.
    row("OR", 0x16, RR, BASE, |t, i| bitwise(t, i, Or, rr32)),
    row("O", 0x56, RXa, BASE, |t, i| bitwise(t, i, Or, rx32)),
    row("OY", 0xe356, RXYa, 18, |t, i| bitwise(t, i, Or, rx32)),
    row("ORK", 0xb9f6, RRFa, 45, |t, i| bitwise(t, i, Or, rrk32)),
    row("OGR", 0xb981, RRE, BASE, |t, i| bitwise(t, i, Or, rr64)),
    row("OG", 0xe381, RXYa, BASE, |t, i| bitwise(t, i, Or, rx64)),
    row("OGRK", 0xb9e6, RRFa, 45, |t, i| bitwise(t, i, Or, rrk64)),
    row("OI", 0x96, SI, BASE, |t, i| {
        bitwise_storage(t, i, AtomicOp::Or)
    }),
    row("OIY", 0xeb56, SIY, 18, |t, i| {
        bitwise_storage(t, i, AtomicOp::Or)
    }),
    row("OIHH", 0xa58, RIa, BASE, |t, i| {
        bitwise_field(t, i, Or, 48, 16)
    }),
    row("OIHL", 0xa59, RIa, BASE, |t, i| {
        bitwise_field(t, i, Or, 32, 16)
    }),
    row("OILH", 0xa5a, RIa, BASE, |t, i| {
        bitwise_field(t, i, Or, 16, 16)
    }),
    row("OILL", 0xa5b, RIa, BASE, |t, i| {
        bitwise_field(t, i, Or, 0, 16)
    }),
    row("OIHF", 0xc0c, RILa, 21, |t, i| {
        bitwise_field(t, i, Or, 32, 32)
    }),
    row("OILF", 0xc0d, RILa, 21, |t, i| {
        bitwise_field(t, i, Or, 0, 32)
    }),
    // Exclusive or.
    row("XR", 0x17, RR, BASE, xr),
    row("X", 0x57, RXa, BASE, |t, i| bitwise(t, i, Xor, rx32)),
    row("XY", 0xe357, RXYa, 18, |t, i| bitwise(t, i, Xor, rx32)),
    row("XRK", 0xb9f7, RRFa, 45, |t, i| bitwise(t, i, Xor, rrk32)),
    row("XGR", 0xb982, RRE, BASE, xgr),
    row("XG", 0xe382, RXYa, BASE, |t, i| bitwise(t, i, Xor, rx64)),
    row("XGRK", 0xb9e7, RRFa, 45, |t, i| bitwise(t, i, Xor, rrk64)),
    row("XI", 0x97, SI, BASE, |t, i| {
        bitwise_storage(t, i, AtomicOp::Xor)
    }),
    row("XIY", 0xeb57, SIY, 18, |t, i| {
        bitwise_storage(t, i, AtomicOp::Xor)
    }),
    row("XIHF", 0xc06, RILa, 21, |t, i| {
        bitwise_field(t, i, Xor, 32, 32)
    }),
    row("XILF", 0xc07, RILa, 21, |t, i| {
        bitwise_field(t, i, Xor, 0, 32)
    }),
    // Immediates to registers.
    row("IIHH", 0xa50, RIa, BASE, |t, i| insert_field(t, i, 48, 16)),
    row("IIHL", 0xa51, RIa, BASE, |t, i| insert_field(t, i, 32, 16)),
    row("IILH", 0xa52, RIa, BASE, |t, i| insert_field(t, i, 16, 16)),
    row("IILL", 0xa53, RIa, BASE, |t, i| insert_field(t, i, 0, 16)),
    row("IIHF", 0xc08, RILa, 21, |t, i| insert_field(t, i, 32, 32)),
    row("IILF", 0xc09, RILa, 21, |t, i| insert_field(t, i, 0, 32)),
    row("LLIHH", 0xa5c, RIa, BASE, |t, i| load_field(t, i, 48, 16)),
    row("LLIHL", 0xa5d, RIa, BASE, |t, i| load_field(t, i, 32, 16)),
    row("LLILH", 0xa5e, RIa, BASE, |t, i| load_field(t, i, 16, 16)),
    row("LLILL", 0xa5f, RIa, BASE, |t, i| load_field(t, i, 0, 16)),
    row("LLIHF", 0xc0e, RILa, 21, |t, i| load_field(t, i, 32, 32)),
    row("LLILF", 0xc0f, RILa, 21, |t, i| load_field(t, i, 0, 32)),
    // Tests under mask, bit counts.
    row("TM", 0x91, SI, BASE, test_storage),
    row("TMY", 0xeb51, SIY, 18, test_storage),
    row("TMLH", 0xa70, RIa, BASE, |t, i| test_field(t, i, 16)),
    row("TMLL", 0xa71, RIa, BASE, |t, i| test_field(t, i, 0)),
    row("TMHH", 0xa72, RIa, BASE, |t, i| test_field(t, i, 48)),
    row("TMHL", 0xa73, RIa, BASE, |t, i| test_field(t, i, 32)),
    row("FLOGR", 0xb983, RRE, 21, flogr),
    row("POPCNT", 0xb9e1, RRFc, 45, popcnt),
    // Shifts.
    row("SLL", 0x89, RSa, BASE, |t, i| s::logical32(t, i, i.r1, Shl)),
    row("SLLK", 0xebdf, RSYa, 45, |t, i| {
        s::logical32(t, i, i.r3, Shl)
    }),
    row("SLLG", 0xeb0d, RSYa, BASE, |t, i| s::logical64(t, i, Shl)),
    row("SRL", 0x88, RSa, BASE, |t, i| s::logical32(t, i, i.r1, Shr)),
    row("SRLK", 0xebde, RSYa, 45, |t, i| {
        s::logical32(t, i, i.r3, Shr)
    }),
    row("SRLG", 0xeb0c, RSYa, BASE, |t, i| s::logical64(t, i, Shr)),
    row("SLA", 0x8b, RSa, BASE, |t, i| s::left32(t, i, i.r1)),
    row("SLAK", 0xebdd, RSYa, 45, |t, i| s::left32(t, i, i.r3)),
    row("SLAG", 0xeb0b, RSYa, BASE, s::left64),
    row("SRA", 0x8a, RSa, BASE, |t, i| s::right32(t, i, i.r1)),
    row("SRAK", 0xebdc, RSYa, 45, |t, i| s::right32(t, i, i.r3)),
    row("SRAG", 0xeb0a, RSYa, BASE, s::right64),
    row("SLDA", 0x8f, RSa, BASE, s::left_double),
    row("SRDA", 0x8e, RSa, BASE, s::right_double),
    row("SLDL", 0x8d, RSa, BASE, |t, i| s::logical_double(t, i, Shl)),
    row("SRDL", 0x8c, RSa, BASE, |t, i| s::logical_double(t, i, Shr)),
    // Rotations.
    row("RLL", 0xeb1d, RSYa, BASE, s::rotate32),
    row("RLLG", 0xeb1c, RSYa, BASE, |t, i| s::logical64(t, i, Rotl)),
    row("RISBG", 0xec55, RIEf, 34, |t, i| {
        s::rotate_insert(t, i, true)
    }),
    row("RISBGN", 0xec59, RIEf, 49, |t, i| {
        s::rotate_insert(t, i, false)
    }),
    row("RISBHG", 0xec5d, RIEf, 45, s::rotate_insert_high),
    row("RISBLG", 0xec51, RIEf, 45, s::rotate_insert_low),
    row("RNSBG", 0xec54, RIEf, 34, |t, i| {
        s::rotate_bitwise(t, i, And)
    }),
    row("ROSBG", 0xec56, RIEf, 34, |t, i| {
        s::rotate_bitwise(t, i, Or)
    }),
    row("RXSBG", 0xec57, RIEf, 34, |t, i| {
        s::rotate_bitwise(t, i, Xor)
    }),
];
