//! Integer arithmetic, comparison, compare and branch, compare and trap.

use tcg::ir::MemSize::{B4, B8};

use super::row;
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::arith::*;
use crate::translate::compare::{
    Signed, Unsigned, and_branch, and_branch_relative, and_trap, cli, under_mask,
};
use crate::translate::muldiv::*;
use crate::translate::source::*;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    // Addition.
    row("AR", 0x1a, RR, BASE, |t, i| add32(t, i, rr32)),
    row("A", 0x5a, RXa, BASE, |t, i| add32(t, i, rx32)),
    row("AY", 0xe35a, RXYa, 18, |t, i| add32(t, i, rx32)),
    row("AH", 0x4a, RXa, BASE, |t, i| add32(t, i, rx32h)),
    row("AHY", 0xe37a, RXYa, 18, |t, i| add32(t, i, rx32h)),
    row("AHI", 0xa7a, RIa, BASE, |t, i| add32(t, i, ri32)),
    row("AFI", 0xc29, RILa, 21, |t, i| add32(t, i, ri32)),
    row("ARK", 0xb9f8, RRFa, 45, |t, i| add32(t, i, rrk32)),
    row("AHIK", 0xecd8, RIEd, 45, |t, i| add32(t, i, rik32)),
    row("AGR", 0xb908, RRE, BASE, |t, i| add64(t, i, rr64)),
    row("AGFR", 0xb918, RRE, BASE, |t, i| add64(t, i, rr64f)),
    row("AG", 0xe308, RXYa, BASE, |t, i| add64(t, i, rx64)),
    row("AGF", 0xe318, RXYa, BASE, |t, i| add64(t, i, rx64f)),
    row("AGHI", 0xa7b, RIa, BASE, |t, i| add64(t, i, ri64)),
    row("AGFI", 0xc28, RILa, 21, |t, i| add64(t, i, ri64)),
    row("AGRK", 0xb9e8, RRFa, 45, |t, i| add64(t, i, rrk64)),
    row("AGHIK", 0xecd9, RIEd, 45, |t, i| add64(t, i, rik64)),
    row("AHHHR", 0xb9c8, RRFa, 45, |t, i| add_high(t, i, rrk_hh)),
    row("AHHLR", 0xb9d8, RRFa, 45, |t, i| add_high(t, i, rrk_hl)),
    row("AIH", 0xcc8, RILa, 45, |t, i| add_high(t, i, ri_h)),
    row("ASI", 0xeb6a, SIY, 34, |t, i| add_storage(t, i, B4, false)),
    row("AGSI", 0xeb7a, SIY, 34, |t, i| add_storage(t, i, B8, false)),
    // Logical addition.
    row("ALR", 0x1e, RR, BASE, |t, i| add_logical32(t, i, rr32)),
    row("AL", 0x5e, RXa, BASE, |t, i| add_logical32(t, i, rx32)),
    row("ALY", 0xe35e, RXYa, 18, |t, i| add_logical32(t, i, rx32)),
    row("ALFI", 0xc2b, RILa, 21, |t, i| add_logical32(t, i, ri32)),
    row("ALRK", 0xb9fa, RRFa, 45, |t, i| add_logical32(t, i, rrk32)),
    row("ALHSIK", 0xecda, RIEd, 45, |t, i| {
        add_logical32(t, i, rik32)
    }),
    row("ALGR", 0xb90a, RRE, BASE, |t, i| add_logical64(t, i, rr64)),
    row("ALGFR", 0xb91a, RRE, BASE, |t, i| {
        add_logical64(t, i, rr64uf)
    }),
    row("ALG", 0xe30a, RXYa, BASE, |t, i| add_logical64(t, i, rx64)),
    row("ALGF", 0xe31a, RXYa, BASE, |t, i| {
        add_logical64(t, i, rx64uf)
    }),
    row("ALGFI", 0xc2a, RILa, 21, |t, i| add_logical64(t, i, ru64)),
    row("ALGRK", 0xb9ea, RRFa, 45, |t, i| add_logical64(t, i, rrk64)),
    row("ALGHSIK", 0xecdb, RIEd, 45, |t, i| {
        add_logical64(t, i, rik64)
    }),
    row("ALHHHR", 0xb9ca, RRFa, 45, |t, i| {
        add_logical_high(t, i, rrk_hh)
    }),
    row("ALHHLR", 0xb9da, RRFa, 45, |t, i| {
        add_logical_high(t, i, rrk_hl)
    }),
    row("ALSIH", 0xcca, RILa, 45, |t, i| {
        add_logical_high(t, i, ri_h)
    }),
    row("ALSIHN", 0xccb, RILa, 45, add_high_no_cc),
    row("ALSI", 0xeb6e, SIY, 34, |t, i| add_storage(t, i, B4, true)),
    row("ALGSI", 0xeb7e, SIY, 34, |t, i| add_storage(t, i, B8, true)),
    row("ALCR", 0xb998, RRE, BASE, |t, i| add_carry(t, i, rr32)),
    row("ALC", 0xe398, RXYa, BASE, |t, i| add_carry(t, i, rx32)),
    row("ALCGR", 0xb988, RRE, BASE, |t, i| add_carry(t, i, rr64)),
    row("ALCG", 0xe388, RXYa, BASE, |t, i| add_carry(t, i, rx64)),
    // Subtraction.
    row("SR", 0x1b, RR, BASE, sr),
    row("S", 0x5b, RXa, BASE, |t, i| sub32(t, i, rx32)),
    row("SY", 0xe35b, RXYa, 18, |t, i| sub32(t, i, rx32)),
    row("SH", 0x4b, RXa, BASE, |t, i| sub32(t, i, rx32h)),
    row("SHY", 0xe37b, RXYa, 18, |t, i| sub32(t, i, rx32h)),
    row("SRK", 0xb9f9, RRFa, 45, |t, i| sub32(t, i, rrk32)),
    row("SGR", 0xb909, RRE, BASE, sgr),
    row("SGFR", 0xb919, RRE, BASE, |t, i| sub64(t, i, rr64f)),
    row("SG", 0xe309, RXYa, BASE, |t, i| sub64(t, i, rx64)),
    row("SGF", 0xe319, RXYa, BASE, |t, i| sub64(t, i, rx64f)),
    row("SGRK", 0xb9e9, RRFa, 45, |t, i| sub64(t, i, rrk64)),
    row("SHHHR", 0xb9c9, RRFa, 45, |t, i| sub_high(t, i, rrk_hh)),
    row("SHHLR", 0xb9d9, RRFa, 45, |t, i| sub_high(t, i, rrk_hl)),
    // Logical subtraction.
    row("SLR", 0x1f, RR, BASE, |t, i| sub_logical32(t, i, rr32)),
    row("SL", 0x5f, RXa, BASE, |t, i| sub_logical32(t, i, rx32)),
    row("SLY", 0xe35f, RXYa, 18, |t, i| sub_logical32(t, i, rx32)),
    row("SLFI", 0xc25, RILa, 21, |t, i| sub_logical32(t, i, ri32)),
    row("SLRK", 0xb9fb, RRFa, 45, |t, i| sub_logical32(t, i, rrk32)),
    row("SLGR", 0xb90b, RRE, BASE, |t, i| sub_logical64(t, i, rr64)),
    row("SLGFR", 0xb91b, RRE, BASE, |t, i| {
        sub_logical64(t, i, rr64uf)
    }),
    row("SLG", 0xe30b, RXYa, BASE, |t, i| sub_logical64(t, i, rx64)),
    row("SLGF", 0xe31b, RXYa, BASE, |t, i| {
        sub_logical64(t, i, rx64uf)
    }),
    row("SLGFI", 0xc24, RILa, 21, |t, i| sub_logical64(t, i, ru64)),
    row("SLGRK", 0xb9eb, RRFa, 45, |t, i| sub_logical64(t, i, rrk64)),
    row("SLHHHR", 0xb9cb, RRFa, 45, |t, i| {
        sub_logical_high(t, i, rrk_hh)
    }),
    row("SLHHLR", 0xb9db, RRFa, 45, |t, i| {
        sub_logical_high(t, i, rrk_hl)
    }),
    row("SLBR", 0xb999, RRE, BASE, |t, i| sub_borrow(t, i, rr32)),
    row("SLB", 0xe399, RXYa, BASE, |t, i| sub_borrow(t, i, rx32)),
    row("SLBGR", 0xb989, RRE, BASE, |t, i| sub_borrow(t, i, rr64)),
    row("SLBG", 0xe389, RXYa, BASE, |t, i| sub_borrow(t, i, rx64)),
    // Signs.
    row("LPR", 0x10, RR, BASE, |t, i| load_positive(t, i, rr32)),
    row("LPGR", 0xb900, RRE, BASE, |t, i| load_positive(t, i, rr64)),
    row("LPGFR", 0xb910, RRE, BASE, |t, i| {
        load_positive(t, i, rr64f)
    }),
    row("LNR", 0x11, RR, BASE, |t, i| load_negative(t, i, rr32)),
    row("LNGR", 0xb901, RRE, BASE, |t, i| load_negative(t, i, rr64)),
    row("LNGFR", 0xb911, RRE, BASE, |t, i| {
        load_negative(t, i, rr64f)
    }),
    row("LTR", 0x12, RR, BASE, |t, i| load_and_test(t, i, rr32)),
    row("LTGR", 0xb902, RRE, BASE, |t, i| load_and_test(t, i, rr64)),
    row("LTGFR", 0xb912, RRE, BASE, |t, i| {
        load_and_test(t, i, rr64f)
    }),
    row("LT", 0xe312, RXYa, 21, |t, i| load_and_test(t, i, rx32)),
    row("LTG", 0xe302, RXYa, 21, |t, i| load_and_test(t, i, rx64)),
    row("LTGF", 0xe332, RXYa, 34, |t, i| load_and_test(t, i, rx64f)),
    row("LCR", 0x13, RR, BASE, |t, i| load_complement(t, i, rr32)),
    row("LCGR", 0xb903, RRE, BASE, |t, i| {
        load_complement(t, i, rr64)
    }),
    row("LCGFR", 0xb913, RRE, BASE, |t, i| {
        load_complement(t, i, rr64f)
    }),
    // Comparison.
    row("CR", 0x19, RR, BASE, |t, i| compare(t, i, rr32)),
    row("C", 0x59, RXa, BASE, |t, i| compare(t, i, rx32)),
    row("CY", 0xe359, RXYa, 18, |t, i| compare(t, i, rx32)),
    row("CH", 0x49, RXa, BASE, |t, i| compare(t, i, rx32h)),
    row("CHY", 0xe379, RXYa, 18, |t, i| compare(t, i, rx32h)),
    row("CHI", 0xa7e, RIa, BASE, |t, i| compare(t, i, ri32)),
    row("CFI", 0xc2d, RILa, 21, |t, i| compare(t, i, ri32)),
    row("CRL", 0xc6d, RILb, 34, |t, i| compare(t, i, rl32)),
    row("CHRL", 0xc65, RILb, 34, |t, i| compare(t, i, rl32h)),
    row("CGR", 0xb920, RRE, BASE, |t, i| compare(t, i, rr64)),
    row("CGFR", 0xb930, RRE, BASE, |t, i| compare(t, i, rr64f)),
    row("CG", 0xe320, RXYa, BASE, |t, i| compare(t, i, rx64)),
    row("CGF", 0xe330, RXYa, BASE, |t, i| compare(t, i, rx64f)),
    row("CGH", 0xe334, RXYa, 34, |t, i| compare(t, i, rx64h)),
    row("CGHI", 0xa7f, RIa, BASE, |t, i| compare(t, i, ri64)),
    row("CGFI", 0xc2c, RILa, 21, |t, i| compare(t, i, ri64)),
    row("CGRL", 0xc68, RILb, 34, |t, i| compare(t, i, rl64)),
    row("CGFRL", 0xc6c, RILb, 34, |t, i| compare(t, i, rl64f)),
    row("CGHRL", 0xc64, RILb, 34, |t, i| compare(t, i, rl64h)),
    row("CHHR", 0xb9cd, RRE, 45, |t, i| compare(t, i, rr_hh)),
    row("CHLR", 0xb9dd, RRE, 45, |t, i| compare(t, i, rr_hl)),
    row("CHF", 0xe3cd, RXYa, 45, |t, i| compare(t, i, rx_h)),
    row("CIH", 0xccd, RILa, 45, |t, i| compare(t, i, ri_h)),
    row("CHHSI", 0xe554, SIL, 34, |t, i| compare(t, i, sil_h)),
    row("CHSI", 0xe55c, SIL, 34, |t, i| compare(t, i, sil32)),
    row("CGHSI", 0xe558, SIL, 34, |t, i| compare(t, i, sil64)),
    // Logical comparison.
    row("CLR", 0x15, RR, BASE, |t, i| compare_logical(t, i, rr32)),
    row("CL", 0x55, RXa, BASE, |t, i| compare_logical(t, i, rx32)),
    row("CLY", 0xe355, RXYa, 18, |t, i| compare_logical(t, i, rx32)),
    row("CLFI", 0xc2f, RILa, 21, |t, i| compare_logical(t, i, ri32)),
    row("CLRL", 0xc6f, RILb, 34, |t, i| compare_logical(t, i, rl32)),
    row("CLHRL", 0xc67, RILb, 34, |t, i| {
        compare_logical(t, i, rl32uh)
    }),
    row("CLGR", 0xb921, RRE, BASE, |t, i| {
        compare_logical(t, i, rr64)
    }),
    row("CLGFR", 0xb931, RRE, BASE, |t, i| {
        compare_logical(t, i, rr64uf)
    }),
    row("CLG", 0xe321, RXYa, BASE, |t, i| {
        compare_logical(t, i, rx64)
    }),
    row("CLGF", 0xe331, RXYa, BASE, |t, i| {
        compare_logical(t, i, rx64uf)
    }),
    row("CLGFI", 0xc2e, RILa, 21, |t, i| compare_logical(t, i, ru64)),
    row("CLGRL", 0xc6a, RILb, 34, |t, i| compare_logical(t, i, rl64)),
    row("CLGFRL", 0xc6e, RILb, 34, |t, i| {
        compare_logical(t, i, rl64uf)
    }),
    row("CLGHRL", 0xc66, RILb, 34, |t, i| {
        compare_logical(t, i, rl64uh)
    }),
    row("CLHHR", 0xb9cf, RRE, 45, |t, i| {
        compare_logical(t, i, rr_hh)
    }),
    row("CLHLR", 0xb9df, RRE, 45, |t, i| {
        compare_logical(t, i, rr_hl)
    }),
    row("CLHF", 0xe3cf, RXYa, 45, |t, i| compare_logical(t, i, rx_h)),
    row("CLIH", 0xccf, RILa, 45, |t, i| compare_logical(t, i, ri_h)),
    row("CLHHSI", 0xe555, SIL, 34, |t, i| {
        compare_logical(t, i, sil_uh)
    }),
    row("CLFHSI", 0xe55d, SIL, 34, |t, i| {
        compare_logical(t, i, sil32u)
    }),
    row("CLGHSI", 0xe559, SIL, 34, |t, i| {
        compare_logical(t, i, sil64u)
    }),
    row("CLI", 0x95, SI, BASE, cli),
    row("CLIY", 0xeb55, SIY, 18, cli),
    row("CLM", 0xbd, RSb, BASE, |t, i| under_mask(t, i, 0)),
    row("CLMY", 0xeb21, RSYb, 18, |t, i| under_mask(t, i, 0)),
    row("CLMH", 0xeb20, RSYb, BASE, |t, i| under_mask(t, i, 32)),
    // Compare and branch.
    row("CRB", 0xecf6, RRS, 34, |t, i| {
        and_branch(t, i, Signed, rr32)
    }),
    row("CGRB", 0xece4, RRS, 34, |t, i| {
        and_branch(t, i, Signed, rr64)
    }),
    row("CIB", 0xecfe, RIS, 34, |t, i| {
        and_branch(t, i, Signed, ri32)
    }),
    row("CGIB", 0xecfc, RIS, 34, |t, i| {
        and_branch(t, i, Signed, ri64)
    }),
    row("CLRB", 0xecf7, RRS, 34, |t, i| {
        and_branch(t, i, Unsigned, rr32)
    }),
    row("CLGRB", 0xece5, RRS, 34, |t, i| {
        and_branch(t, i, Unsigned, rr64)
    }),
    row("CLIB", 0xecff, RIS, 34, |t, i| {
        and_branch(t, i, Unsigned, ru32b)
    }),
    row("CLGIB", 0xecfd, RIS, 34, |t, i| {
        and_branch(t, i, Unsigned, ru64b)
    }),
    row("CRJ", 0xec76, RIEb, 34, |t, i| {
        and_branch_relative(t, i, Signed, rr32)
    }),
    row("CGRJ", 0xec64, RIEb, 34, |t, i| {
        and_branch_relative(t, i, Signed, rr64)
    }),
    row("CIJ", 0xec7e, RIEc, 34, |t, i| {
        and_branch_relative(t, i, Signed, ri32)
    }),
    row("CGIJ", 0xec7c, RIEc, 34, |t, i| {
        and_branch_relative(t, i, Signed, ri64)
    }),
    row("CLRJ", 0xec77, RIEb, 34, |t, i| {
        and_branch_relative(t, i, Unsigned, rr32)
    }),
    row("CLGRJ", 0xec65, RIEb, 34, |t, i| {
        and_branch_relative(t, i, Unsigned, rr64)
    }),
    row("CLIJ", 0xec7f, RIEc, 34, |t, i| {
        and_branch_relative(t, i, Unsigned, ru32b)
    }),
    row("CLGIJ", 0xec7d, RIEc, 34, |t, i| {
        and_branch_relative(t, i, Unsigned, ru64b)
    }),
    // Compare and trap.
    row("CRT", 0xb972, RRFc, 34, |t, i| and_trap(t, i, Signed, rr32)),
    row("CGRT", 0xb960, RRFc, 34, |t, i| {
        and_trap(t, i, Signed, rr64)
    }),
    row("CIT", 0xec72, RIEa, 34, |t, i| and_trap(t, i, Signed, ri32)),
    row("CGIT", 0xec70, RIEa, 34, |t, i| {
        and_trap(t, i, Signed, ri64)
    }),
    row("CLRT", 0xb973, RRFc, 34, |t, i| {
        and_trap(t, i, Unsigned, rr32)
    }),
    row("CLGRT", 0xb961, RRFc, 34, |t, i| {
        and_trap(t, i, Unsigned, rr64)
    }),
    row("CLFIT", 0xec73, RIEa, 34, |t, i| {
        and_trap(t, i, Unsigned, ru32h)
    }),
    row("CLGIT", 0xec71, RIEa, 34, |t, i| {
        and_trap(t, i, Unsigned, ru64h)
    }),
    row("CLT", 0xeb23, RSYb, 49, |t, i| {
        and_trap(t, i, Unsigned, rx32)
    }),
    row("CLGT", 0xeb2b, RSYb, 49, |t, i| {
        and_trap(t, i, Unsigned, rx64)
    }),
    // Multiplication.
    row("MR", 0x1c, RR, BASE, |t, i| multiply(t, i, r32)),
    row("M", 0x5c, RXa, BASE, |t, i| multiply(t, i, m32)),
    row("MFY", 0xe35c, RXYa, 34, |t, i| multiply(t, i, m32)),
    row("MH", 0x4c, RXa, BASE, |t, i| multiply_single(t, i, rx32h)),
    row("MHY", 0xe37c, RXYa, 34, |t, i| multiply_single(t, i, rx32h)),
    row("MHI", 0xa7c, RIa, BASE, |t, i| multiply_single(t, i, ri32)),
    row("MGHI", 0xa7d, RIa, BASE, |t, i| multiply_single(t, i, ri64)),
    row("MLR", 0xb996, RRE, BASE, |t, i| {
        multiply_logical32(t, i, r32)
    }),
    row("ML", 0xe396, RXYa, BASE, |t, i| {
        multiply_logical32(t, i, m32)
    }),
    row("MLGR", 0xb986, RRE, BASE, |t, i| {
        multiply_logical64(t, i, r64)
    }),
    row("MLG", 0xe386, RXYa, BASE, |t, i| {
        multiply_logical64(t, i, m64)
    }),
    row("MSR", 0xb252, RRE, BASE, |t, i| multiply_single(t, i, rr32)),
    row("MS", 0x71, RXa, BASE, |t, i| multiply_single(t, i, rx32)),
    row("MSY", 0xe351, RXYa, 18, |t, i| multiply_single(t, i, rx32)),
    row("MSFI", 0xc21, RILa, 34, |t, i| multiply_single(t, i, ri32)),
    row("MSGR", 0xb90c, RRE, BASE, |t, i| {
        multiply_single(t, i, rr64)
    }),
    row("MSGFR", 0xb91c, RRE, BASE, |t, i| {
        multiply_single(t, i, rr64f)
    }),
    row("MSG", 0xe30c, RXYa, BASE, |t, i| {
        multiply_single(t, i, rx64)
    }),
    row("MSGF", 0xe31c, RXYa, BASE, |t, i| {
        multiply_single(t, i, rx64f)
    }),
    row("MSGFI", 0xc20, RILa, 34, |t, i| multiply_single(t, i, ri64)),
    // Division.
    row("DR", 0x1d, RR, BASE, |t, i| divide(t, i, r32)),
    row("D", 0x5d, RXa, BASE, |t, i| divide(t, i, m32)),
    row("DLR", 0xb997, RRE, BASE, |t, i| divide_logical32(t, i, r32)),
    row("DL", 0xe397, RXYa, BASE, |t, i| divide_logical32(t, i, m32)),
    row("DLGR", 0xb987, RRE, BASE, |t, i| {
        divide_logical64(t, i, r64)
    }),
    row("DLG", 0xe387, RXYa, BASE, |t, i| {
        divide_logical64(t, i, m64)
    }),
    row("DSGR", 0xb90d, RRE, BASE, |t, i| divide_single(t, i, r64)),
    row("DSGFR", 0xb91d, RRE, BASE, |t, i| {
        divide_single(t, i, r32_signed)
    }),
    row("DSG", 0xe30d, RXYa, BASE, |t, i| divide_single(t, i, m64)),
    row("DSGF", 0xe31d, RXYa, BASE, |t, i| {
        divide_single(t, i, m32_signed)
    }),
];
