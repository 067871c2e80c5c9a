//! Vector facility: integer and string instructions.

use tcg::ir::BinOp;

use super::row;
use crate::cpu::facility::{VECTOR, VECTOR_ENHANCEMENTS_1, VECTOR_ENHANCEMENTS_2};
use crate::helpers::{vector_integer as h, vector_string};
use crate::insn::Format::*;
use crate::insn::Row;
use crate::translate::compare::Sign::{Signed, Unsigned};
use crate::translate::vector::integer::Extreme::{Maximum, Minimum};
use crate::translate::vector::integer::Operation::{Add, Subtract};
use crate::translate::vector::integer::Wanted::{Carry, Result};
use crate::translate::vector::integer::Words::{Even, Odd};
use crate::translate::vector::shift::Unit::{Bits, Bytes};
use crate::translate::vector::{integer as t, shift, string};
use crate::vector::ElementSize::{Halfword, Word};

/// The rows.
pub(super) const ROWS: &[Row] = &[
    // sums and differences
    row("VA", 0xe7f3, VRRc, VECTOR, |tx, i| {
        t::add_sub(tx, i, Add, Result)
    }),
    row("VACC", 0xe7f1, VRRc, VECTOR, |tx, i| {
        t::add_sub(tx, i, Add, Carry)
    }),
    row("VS", 0xe7f7, VRRc, VECTOR, |tx, i| {
        t::add_sub(tx, i, Subtract, Result)
    }),
    row("VSCBI", 0xe7f5, VRRc, VECTOR, |tx, i| {
        t::add_sub(tx, i, Subtract, Carry)
    }),
    row("VAC", 0xe7bb, VRRd, VECTOR, |tx, i| {
        t::with_carry(tx, i, Add, Result)
    }),
    row("VACCC", 0xe7b9, VRRd, VECTOR, |tx, i| {
        t::with_carry(tx, i, Add, Carry)
    }),
    row("VSBI", 0xe7bf, VRRd, VECTOR, |tx, i| {
        t::with_carry(tx, i, Subtract, Result)
    }),
    row("VSBCBI", 0xe7bd, VRRd, VECTOR, |tx, i| {
        t::with_carry(tx, i, Subtract, Carry)
    }),
    row("VAVG", 0xe7f2, VRRc, VECTOR, |tx, i| {
        t::average(tx, i, Signed)
    }),
    row("VAVGL", 0xe7f0, VRRc, VECTOR, |tx, i| {
        t::average(tx, i, Unsigned)
    }),
    row("VSUM", 0xe764, VRRc, VECTOR, |tx, i| {
        t::binary(tx, i, &h::VSUM)
    }),
    row("VSUMG", 0xe765, VRRc, VECTOR, |tx, i| {
        t::binary_from(tx, i, Halfword, &h::VSUMG)
    }),
    row("VSUMQ", 0xe767, VRRc, VECTOR, |tx, i| {
        t::binary_from(tx, i, Word, &h::VSUMQ)
    }),
    row("VCKSM", 0xe766, VRRc, VECTOR, |tx, i| {
        t::whole(tx, i, &h::VCKSM)
    }),
    // comparisons
    row("VEC", 0xe7db, VRRa, VECTOR, |tx, i| {
        t::compare(tx, i, Signed)
    }),
    row("VECL", 0xe7d9, VRRa, VECTOR, |tx, i| {
        t::compare(tx, i, Unsigned)
    }),
    row("VCEQ", 0xe7f8, VRRb, VECTOR, t::compare_equal),
    row("VCH", 0xe7fb, VRRb, VECTOR, |tx, i| {
        t::compare_high(tx, i, Signed)
    }),
    row("VCHL", 0xe7f9, VRRb, VECTOR, |tx, i| {
        t::compare_high(tx, i, Unsigned)
    }),
    row("VMX", 0xe7ff, VRRc, VECTOR, |tx, i| {
        t::extreme(tx, i, Maximum, Signed)
    }),
    row("VMXL", 0xe7fd, VRRc, VECTOR, |tx, i| {
        t::extreme(tx, i, Maximum, Unsigned)
    }),
    row("VMN", 0xe7fe, VRRc, VECTOR, |tx, i| {
        t::extreme(tx, i, Minimum, Signed)
    }),
    row("VMNL", 0xe7fc, VRRc, VECTOR, |tx, i| {
        t::extreme(tx, i, Minimum, Unsigned)
    }),
    row("VTM", 0xe7d8, VRRa, VECTOR, t::test_under_mask),
    // signs and counts
    row("VLC", 0xe7de, VRRa, VECTOR, t::complement),
    row("VLP", 0xe7df, VRRa, VECTOR, t::positive),
    row("VCLZ", 0xe753, VRRa, VECTOR, |tx, i| {
        t::leading_zeros(tx, i, &h::VCLZ)
    }),
    row("VCTZ", 0xe752, VRRa, VECTOR, |tx, i| {
        t::trailing_zeros(tx, i, &h::VCTZ)
    }),
    row("VPOPCT", 0xe750, VRRa, VECTOR, t::population),
    row("VBPERM", 0xe785, VRRc, VECTOR_ENHANCEMENTS_1, |tx, i| {
        t::whole(tx, i, &h::VBPERM)
    }),
    // products
    row("VML", 0xe7a2, VRRc, VECTOR, |tx, i| {
        t::multiply_low(tx, i, &h::VML)
    }),
    row("VMH", 0xe7a3, VRRc, VECTOR, |tx, i| {
        t::binary(tx, i, &h::VMH)
    }),
    row("VMLH", 0xe7a1, VRRc, VECTOR, |tx, i| {
        t::binary(tx, i, &h::VMLH)
    }),
    row("VME", 0xe7a6, VRRc, VECTOR, |tx, i| {
        t::multiply(tx, i, (Even, Signed), &h::VME)
    }),
    row("VMLE", 0xe7a4, VRRc, VECTOR, |tx, i| {
        t::multiply(tx, i, (Even, Unsigned), &h::VMLE)
    }),
    row("VMO", 0xe7a7, VRRc, VECTOR, |tx, i| {
        t::multiply(tx, i, (Odd, Signed), &h::VMO)
    }),
    row("VMLO", 0xe7a5, VRRc, VECTOR, |tx, i| {
        t::multiply(tx, i, (Odd, Unsigned), &h::VMLO)
    }),
    row("VMAL", 0xe7aa, VRRd, VECTOR, |tx, i| {
        t::multiply_add_low(tx, i, &h::VMAL)
    }),
    row("VMAH", 0xe7ab, VRRd, VECTOR, |tx, i| {
        t::ternary(tx, i, &h::VMAH)
    }),
    row("VMALH", 0xe7a9, VRRd, VECTOR, |tx, i| {
        t::ternary(tx, i, &h::VMALH)
    }),
    row("VMAE", 0xe7ae, VRRd, VECTOR, |tx, i| {
        t::multiply_add(tx, i, (Even, Signed), &h::VMAE)
    }),
    row("VMALE", 0xe7ac, VRRd, VECTOR, |tx, i| {
        t::multiply_add(tx, i, (Even, Unsigned), &h::VMALE)
    }),
    row("VMAO", 0xe7af, VRRd, VECTOR, |tx, i| {
        t::multiply_add(tx, i, (Odd, Signed), &h::VMAO)
    }),
    row("VMALO", 0xe7ad, VRRd, VECTOR, |tx, i| {
        t::multiply_add(tx, i, (Odd, Unsigned), &h::VMALO)
    }),
    row("VMSL", 0xe7b8, VRRd, VECTOR_ENHANCEMENTS_1, |tx, i| {
        t::vmsl(tx, i, &h::VMSL)
    }),
    row("VGFM", 0xe7b4, VRRc, VECTOR, |tx, i| {
        t::binary(tx, i, &h::VGFM)
    }),
    row("VGFMA", 0xe7bc, VRRd, VECTOR, |tx, i| {
        t::ternary(tx, i, &h::VGFMA)
    }),
    // shifts
    row("VESLV", 0xe770, VRRc, VECTOR, |tx, i| {
        shift::each(tx, i, BinOp::Shl, &h::VESLV)
    }),
    row("VESRAV", 0xe77a, VRRc, VECTOR, |tx, i| {
        shift::each(tx, i, BinOp::Sar, &h::VESRAV)
    }),
    row("VESRLV", 0xe778, VRRc, VECTOR, |tx, i| {
        shift::each(tx, i, BinOp::Shr, &h::VESRLV)
    }),
    row("VERLLV", 0xe773, VRRc, VECTOR, |tx, i| {
        shift::each(tx, i, BinOp::Rotl, &h::VERLLV)
    }),
    row("VESL", 0xe730, VRSa, VECTOR, |tx, i| {
        shift::all(tx, i, BinOp::Shl, &h::VESL)
    }),
    row("VESRA", 0xe73a, VRSa, VECTOR, |tx, i| {
        shift::all(tx, i, BinOp::Sar, &h::VESRA)
    }),
    row("VESRL", 0xe738, VRSa, VECTOR, |tx, i| {
        shift::all(tx, i, BinOp::Shr, &h::VESRL)
    }),
    row("VERLL", 0xe733, VRSa, VECTOR, |tx, i| {
        shift::all(tx, i, BinOp::Rotl, &h::VERLL)
    }),
    row("VERIM", 0xe772, VRId, VECTOR, shift::rotate_insert),
    row("VSL", 0xe774, VRRc, VECTOR, |tx, i| {
        t::whole(tx, i, &h::VSL)
    }),
    row("VSLB", 0xe775, VRRc, VECTOR, |tx, i| {
        t::whole(tx, i, &h::VSLB)
    }),
    row("VSRA", 0xe77e, VRRc, VECTOR, |tx, i| {
        t::whole(tx, i, &h::VSRA)
    }),
    row("VSRAB", 0xe77f, VRRc, VECTOR, |tx, i| {
        t::whole(tx, i, &h::VSRAB)
    }),
    row("VSRL", 0xe77c, VRRc, VECTOR, |tx, i| {
        t::whole(tx, i, &h::VSRL)
    }),
    row("VSRLB", 0xe77d, VRRc, VECTOR, |tx, i| {
        t::whole(tx, i, &h::VSRLB)
    }),
    row("VSLDB", 0xe777, VRId, VECTOR, |tx, i| {
        shift::left_double(tx, i, Bytes)
    }),
    row("VSLD", 0xe786, VRId, VECTOR_ENHANCEMENTS_2, |tx, i| {
        shift::left_double(tx, i, Bits)
    }),
    row(
        "VSRD",
        0xe787,
        VRId,
        VECTOR_ENHANCEMENTS_2,
        shift::right_double,
    ),
    // strings
    row("VFAE", 0xe782, VRRb, VECTOR, |tx, i| {
        string::find(tx, i, 15, &vector_string::VFAE)
    }),
    row("VFEE", 0xe780, VRRb, VECTOR, |tx, i| {
        string::find(tx, i, 3, &vector_string::VFEE)
    }),
    row("VFENE", 0xe781, VRRb, VECTOR, |tx, i| {
        string::find(tx, i, 3, &vector_string::VFENE)
    }),
    row("VISTR", 0xe75c, VRRa, VECTOR, |tx, i| {
        string::isolate(tx, i, &vector_string::VISTR)
    }),
    row("VSTRC", 0xe78a, VRRd, VECTOR, |tx, i| {
        string::in_ranges(tx, i, &vector_string::VSTRC)
    }),
    row("VSTRS", 0xe78b, VRRd, VECTOR_ENHANCEMENTS_2, |tx, i| {
        string::find_string(tx, i, &vector_string::VSTRS)
    }),
];
