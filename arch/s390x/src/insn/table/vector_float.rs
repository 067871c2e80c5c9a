//! Vector facility: floating point.

use super::row;
use crate::cpu::facility::{VECTOR, VECTOR_ENHANCEMENTS_1};
use crate::helpers::vector_float as h;
use crate::helpers::vector_scalar as s;
use crate::insn::Format::*;
use crate::insn::Row;
use crate::translate::vector::float as t;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("VFTCI", 0xe74a, VRIe, VECTOR, |tx, i| {
        t::test_data_class(tx, i, &h::VFTCI)
    }),
    row("VFMS", 0xe78e, VRRe, VECTOR, |tx, i| {
        t::of_three(tx, i, &h::VFMS, &s::WFMS)
    }),
    row("VFMA", 0xe78f, VRRe, VECTOR, |tx, i| {
        t::of_three(tx, i, &h::VFMA, &s::WFMA)
    }),
    row("VFNMS", 0xe79e, VRRe, VECTOR_ENHANCEMENTS_1, |tx, i| {
        t::negative(tx, i, &h::VFNMS)
    }),
    row("VFNMA", 0xe79f, VRRe, VECTOR_ENHANCEMENTS_1, |tx, i| {
        t::negative(tx, i, &h::VFNMA)
    }),
    row("VCLGD", 0xe7c0, VRRa, VECTOR, |tx, i| {
        t::convert(tx, i, &h::VCLFP)
    }),
    row("VCDLG", 0xe7c1, VRRa, VECTOR, |tx, i| {
        t::convert(tx, i, &h::VCFPL)
    }),
    row("VCGD", 0xe7c2, VRRa, VECTOR, |tx, i| {
        t::convert_fixed(tx, i, &h::VCSFP, &s::WCGDB)
    }),
    row("VCDG", 0xe7c3, VRRa, VECTOR, |tx, i| {
        t::convert_fixed(tx, i, &h::VCFPS, &s::WCDGB)
    }),
    row("VFLL", 0xe7c4, VRRa, VECTOR, |tx, i| {
        t::load_lengthened(tx, i, &h::VFLL)
    }),
    row("VFLR", 0xe7c5, VRRa, VECTOR, |tx, i| {
        t::load_rounded(tx, i, &h::VFLR)
    }),
    row("VFI", 0xe7c7, VRRa, VECTOR, |tx, i| {
        t::load_integral(tx, i, &h::VFI)
    }),
    row("WFK", 0xe7ca, VRRa, VECTOR, |tx, i| {
        t::compare_scalar(tx, i, &h::WFK, &s::WFK)
    }),
    row("WFC", 0xe7cb, VRRa, VECTOR, |tx, i| {
        t::compare_scalar(tx, i, &h::WFC, &s::WFC)
    }),
    row("VFPSO", 0xe7cc, VRRa, VECTOR, |tx, i| {
        t::perform_sign(tx, i, &h::VFPSO)
    }),
    row("VFSQ", 0xe7ce, VRRa, VECTOR, |tx, i| {
        t::vfsq(tx, i, &h::VFSQ)
    }),
    row("VFS", 0xe7e2, VRRc, VECTOR, |tx, i| {
        t::of_two(tx, i, &h::VFS, &s::WFS)
    }),
    row("VFA", 0xe7e3, VRRc, VECTOR, |tx, i| {
        t::of_two(tx, i, &h::VFA, &s::WFA)
    }),
    row("VFD", 0xe7e5, VRRc, VECTOR, |tx, i| {
        t::of_two(tx, i, &h::VFD, &s::WFD)
    }),
    row("VFM", 0xe7e7, VRRc, VECTOR, |tx, i| {
        t::of_two(tx, i, &h::VFM, &s::WFM)
    }),
    row("VFCE", 0xe7e8, VRRc, VECTOR, |tx, i| {
        t::compare(tx, i, &h::VFCE, &h::VFCE_CC)
    }),
    row("VFCHE", 0xe7ea, VRRc, VECTOR, |tx, i| {
        t::compare(tx, i, &h::VFCHE, &h::VFCHE_CC)
    }),
    row("VFCH", 0xe7eb, VRRc, VECTOR, |tx, i| {
        t::compare(tx, i, &h::VFCH, &h::VFCH_CC)
    }),
    row("VFMIN", 0xe7ee, VRRc, VECTOR_ENHANCEMENTS_1, |tx, i| {
        t::extreme(tx, i, &h::VFMIN)
    }),
    row("VFMAX", 0xe7ef, VRRc, VECTOR_ENHANCEMENTS_1, |tx, i| {
        t::extreme(tx, i, &h::VFMAX)
    }),
];
