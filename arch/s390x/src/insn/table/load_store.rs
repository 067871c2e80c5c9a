//! Loads and stores of general and access registers, addresses, prefetches.

use tcg::ir::MemSize::{B1, B2, B4, B8};
use tcg::ir::Ty::{I32, I64};

use super::row;
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::load_store::*;
use crate::translate::source::*;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    // Words and doublewords.
    row("LR", 0x18, RR, BASE, |t, i| load(t, i, rr32)),
    row("L", 0x58, RXa, BASE, |t, i| load(t, i, rx32)),
    row("LY", 0xe358, RXYa, 18, |t, i| load(t, i, rx32)),
    row("LRL", 0xc4d, RILb, 34, |t, i| load(t, i, rl32)),
    row("LGR", 0xb904, RRE, BASE, |t, i| load(t, i, rr64)),
    row("LGFR", 0xb914, RRE, BASE, |t, i| load(t, i, rr64f)),
    row("LG", 0xe304, RXYa, BASE, |t, i| load(t, i, rx64)),
    row("LGF", 0xe314, RXYa, BASE, |t, i| load(t, i, rx64f)),
    row("LGRL", 0xc48, RILb, 34, |t, i| load(t, i, rl64)),
    row("LGFRL", 0xc4c, RILb, 34, |t, i| load(t, i, rl64f)),
    row("LGFI", 0xc01, RILa, 21, |t, i| load(t, i, ri64)),
    row("LLGF", 0xe316, RXYa, BASE, |t, i| load(t, i, rx64uf)),
    row("LLGFR", 0xb916, RRE, BASE, |t, i| load(t, i, rr64uf)),
    row("LLGFRL", 0xc4e, RILb, 34, |t, i| load(t, i, rl64uf)),
    row("LLGT", 0xe317, RXYa, BASE, |t, i| {
        load_31_bits(t, i, rx64uf)
    }),
    row("LLGTR", 0xb917, RRE, BASE, |t, i| load_31_bits(t, i, rr64)),
    row("LFH", 0xe3ca, RXYa, 45, |t, i| load_high(t, i, B4, false)),
    // Halfwords.
    row("LH", 0x48, RXa, BASE, |t, i| load_part(t, i, I32, B2, true)),
    row("LHY", 0xe378, RXYa, 18, |t, i| {
        load_part(t, i, I32, B2, true)
    }),
    row("LGH", 0xe315, RXYa, BASE, |t, i| {
        load_part(t, i, I64, B2, true)
    }),
    row("LLH", 0xe395, RXYa, 21, |t, i| {
        load_part(t, i, I32, B2, false)
    }),
    row("LLGH", 0xe391, RXYa, BASE, |t, i| {
        load_part(t, i, I64, B2, false)
    }),
    row("LHR", 0xb927, RRE, 21, |t, i| extend(t, i, I32, 16, true)),
    row("LGHR", 0xb907, RRE, 21, |t, i| extend(t, i, I64, 16, true)),
    row("LLHR", 0xb995, RRE, 21, |t, i| extend(t, i, I32, 16, false)),
    row("LLGHR", 0xb985, RRE, 21, |t, i| {
        extend(t, i, I64, 16, false)
    }),
    row("LHI", 0xa78, RIa, BASE, |t, i| load(t, i, ri32)),
    row("LGHI", 0xa79, RIa, BASE, |t, i| load(t, i, ri64)),
    row("LHRL", 0xc45, RILb, 34, |t, i| load(t, i, rl32h)),
    row("LGHRL", 0xc44, RILb, 34, |t, i| load(t, i, rl64h)),
    row("LLHRL", 0xc42, RILb, 34, |t, i| load(t, i, rl32uh)),
    row("LLGHRL", 0xc46, RILb, 34, |t, i| load(t, i, rl64uh)),
    row("LHH", 0xe3c4, RXYa, 45, |t, i| load_high(t, i, B2, true)),
    row("LLHH", 0xe3c6, RXYa, 45, |t, i| load_high(t, i, B2, false)),
    // Bytes.
    row("LB", 0xe376, RXYa, 18, |t, i| {
        load_part(t, i, I32, B1, true)
    }),
    row("LGB", 0xe377, RXYa, 18, |t, i| {
        load_part(t, i, I64, B1, true)
    }),
    row("LLC", 0xe394, RXYa, 21, |t, i| {
        load_part(t, i, I32, B1, false)
    }),
    row("LLGC", 0xe390, RXYa, BASE, |t, i| {
        load_part(t, i, I64, B1, false)
    }),
    row("LBR", 0xb926, RRE, 21, |t, i| extend(t, i, I32, 8, true)),
    row("LGBR", 0xb906, RRE, 21, |t, i| extend(t, i, I64, 8, true)),
    row("LLCR", 0xb994, RRE, 21, |t, i| extend(t, i, I32, 8, false)),
    row("LLGCR", 0xb984, RRE, 21, |t, i| extend(t, i, I64, 8, false)),
    row("LBH", 0xe3c0, RXYa, 45, |t, i| load_high(t, i, B1, true)),
    row("LLCH", 0xe3c2, RXYa, 45, |t, i| load_high(t, i, B1, false)),
    row("IC", 0x43, RXa, BASE, ic),
    row("ICY", 0xe373, RXYa, 18, ic),
    row("ICM", 0xbf, RSb, BASE, |t, i| icm(t, i, 0)),
    row("ICMY", 0xeb81, RSYb, 18, |t, i| icm(t, i, 0)),
    row("ICMH", 0xeb80, RSYb, BASE, |t, i| icm(t, i, 32)),
    // Reversed.
    row("LRVR", 0xb91f, RRE, BASE, |t, i| {
        load_register_reversed(t, i, I32)
    }),
    row("LRVGR", 0xb90f, RRE, BASE, |t, i| {
        load_register_reversed(t, i, I64)
    }),
    row("LRVH", 0xe31f, RXYa, BASE, |t, i| load_reversed(t, i, B2)),
    row("LRV", 0xe31e, RXYa, BASE, |t, i| load_reversed(t, i, B4)),
    row("LRVG", 0xe30f, RXYa, BASE, |t, i| load_reversed(t, i, B8)),
    row("STRVH", 0xe33f, RXYa, BASE, |t, i| store_reversed(t, i, B2)),
    row("STRV", 0xe33e, RXYa, BASE, |t, i| store_reversed(t, i, B4)),
    row("STRVG", 0xe32f, RXYa, BASE, |t, i| store_reversed(t, i, B8)),
    // Stores.
    row("ST", 0x50, RXa, BASE, |t, i| store(t, i, B4)),
    row("STY", 0xe350, RXYa, 18, |t, i| store(t, i, B4)),
    row("STG", 0xe324, RXYa, BASE, |t, i| store(t, i, B8)),
    row("STH", 0x40, RXa, BASE, |t, i| store(t, i, B2)),
    row("STHY", 0xe370, RXYa, 18, |t, i| store(t, i, B2)),
    row("STC", 0x42, RXa, BASE, |t, i| store(t, i, B1)),
    row("STCY", 0xe372, RXYa, 18, |t, i| store(t, i, B1)),
    row("STRL", 0xc4f, RILb, 34, |t, i| store_relative(t, i, B4)),
    row("STGRL", 0xc4b, RILb, 34, |t, i| store_relative(t, i, B8)),
    row("STHRL", 0xc47, RILb, 34, |t, i| store_relative(t, i, B2)),
    row("STCH", 0xe3c3, RXYa, 45, |t, i| store_high(t, i, B1)),
    row("STHH", 0xe3c7, RXYa, 45, |t, i| store_high(t, i, B2)),
    row("STFH", 0xe3cb, RXYa, 45, |t, i| store_high(t, i, B4)),
    row("STCM", 0xbe, RSb, BASE, |t, i| stcm(t, i, 0)),
    row("STCMY", 0xeb2d, RSYb, 18, |t, i| stcm(t, i, 0)),
    row("STCMH", 0xeb2c, RSYb, BASE, |t, i| stcm(t, i, 32)),
    row("MVI", 0x92, SI, BASE, |t, i| store_immediate(t, i, B1)),
    row("MVIY", 0xeb52, SIY, 18, |t, i| store_immediate(t, i, B1)),
    row("MVHHI", 0xe544, SIL, 34, |t, i| store_immediate(t, i, B2)),
    row("MVHI", 0xe54c, SIL, 34, |t, i| store_immediate(t, i, B4)),
    row("MVGHI", 0xe548, SIL, 34, |t, i| store_immediate(t, i, B8)),
    // Several registers.
    row("LM", 0x98, RSa, BASE, |t, i| load_multiple32(t, i, Low)),
    row("LMY", 0xeb98, RSYa, 18, |t, i| load_multiple32(t, i, Low)),
    row("LMH", 0xeb96, RSYa, BASE, |t, i| {
        load_multiple32(t, i, High)
    }),
    row("LMG", 0xeb04, RSYa, BASE, load_multiple64),
    row("LMD", 0xef, SSe, BASE, lmd),
    row("STM", 0x90, RSa, BASE, |t, i| store_multiple32(t, i, Low)),
    row("STMY", 0xeb90, RSYa, 18, |t, i| store_multiple32(t, i, Low)),
    row("STMH", 0xeb26, RSYa, BASE, |t, i| {
        store_multiple32(t, i, High)
    }),
    row("STMG", 0xeb24, RSYa, BASE, store_multiple64),
    row("LAM", 0x9a, RSa, BASE, lam),
    row("LAMY", 0xeb9a, RSYa, 18, lam),
    row("STAM", 0x9b, RSa, BASE, stam),
    row("STAMY", 0xeb9b, RSYa, 18, stam),
    row("LPQ", 0xe38f, RXYa, BASE, lpq),
    row("STPQ", 0xe38e, RXYa, BASE, stpq),
    // On condition, and with a trap.
    row("LOCR", 0xb9f2, RRFc, 45, |t, i| locr(t, i, I32)),
    row("LOCGR", 0xb9e2, RRFc, 45, |t, i| locr(t, i, I64)),
    row("LOC", 0xebf2, RSYb, 45, |t, i| loc(t, i, B4)),
    row("LOCG", 0xebe2, RSYb, 45, |t, i| loc(t, i, B8)),
    row("STOC", 0xebf3, RSYb, 45, |t, i| stoc(t, i, B4)),
    row("STOCG", 0xebe3, RSYb, 45, |t, i| stoc(t, i, B8)),
    row("LAT", 0xe39f, RXYa, 49, |t, i| load_and_trap(t, i, rx32)),
    row("LGAT", 0xe385, RXYa, 49, |t, i| load_and_trap(t, i, rx64)),
    row("LLGFAT", 0xe39d, RXYa, 49, |t, i| {
        load_and_trap(t, i, rx64uf)
    }),
    row("LLGTAT", 0xe39c, RXYa, 49, load_31_bits_and_trap),
    row("LFHAT", 0xe3c8, RXYa, 49, load_high_and_trap),
    // Addresses and access registers.
    row("LA", 0x41, RXa, BASE, la),
    row("LAY", 0xe371, RXYa, 18, la),
    row("LAE", 0x51, RXa, BASE, lae),
    row("LAEY", 0xe375, RXYa, 34, lae),
    row("LARL", 0xc00, RILb, BASE, larl),
    row("EAR", 0xb24f, RRE, BASE, ear),
    row("SAR", 0xb24e, RRE, BASE, sar),
    row("CPYA", 0xb24d, RRE, BASE, cpya),
    // Hints.
    row("PFD", 0xe336, RXYb, 34, hint),
    row("PFDRL", 0xc62, RILc, 34, hint),
    // A perform-processor-assist function that is not there does nothing either.
    row("PPA", 0xb2e8, RRFc, 49, hint),
    row("NIAI", 0xb2fa, IE, 49, hint),
    row("BPP", 0xc7, SMI, 49, hint),
    row("BPRP", 0xc5, MII, 49, hint),
];
