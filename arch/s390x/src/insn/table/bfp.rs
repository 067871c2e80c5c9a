//! Binary floating point.

use tcg::ir::Ty::{I32, I64};

use super::row;
use crate::insn::Format::*;
use crate::insn::{BASE, Facility, Row};
use crate::translate::bfp::Operation;
use crate::translate::bfp::Sets::{Code, Result, ResultAndCode};
use crate::translate::bfp::Sign::{Complement, Negative, Positive};
use crate::translate::bfp::Source::{Long, Short};
use crate::translate::bfp::To::{One, Pair};
use crate::translate::bfp::helper as h;
use crate::translate::bfp::{self as t};

/// Facility 37, floating-point extension. Its instructions are there without its bit in the
/// facility list, which would claim decimal floating point (42), too.
const EXTENSION: Facility = BASE;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    // signs
    row("LPEBR", 0xb300, RRE, BASE, |tx, i| {
        t::sign_short(tx, i, Positive)
    }),
    row("LNEBR", 0xb301, RRE, BASE, |tx, i| {
        t::sign_short(tx, i, Negative)
    }),
    row("LCEBR", 0xb303, RRE, BASE, |tx, i| {
        t::sign_short(tx, i, Complement)
    }),
    row("LPDBR", 0xb310, RRE, BASE, |tx, i| {
        t::sign_long(tx, i, Positive)
    }),
    row("LNDBR", 0xb311, RRE, BASE, |tx, i| {
        t::sign_long(tx, i, Negative)
    }),
    row("LCDBR", 0xb313, RRE, BASE, |tx, i| {
        t::sign_long(tx, i, Complement)
    }),
    row("LPXBR", 0xb340, RRE, BASE, |tx, i| {
        t::sign_extended(tx, i, Positive)
    }),
    row("LNXBR", 0xb341, RRE, BASE, |tx, i| {
        t::sign_extended(tx, i, Negative)
    }),
    row("LCXBR", 0xb343, RRE, BASE, |tx, i| {
        t::sign_extended(tx, i, Complement)
    }),
    // short
    row("LTEBR", 0xb302, RRE, BASE, |tx, i| {
        t::rre1(tx, i, Operation(Short, ResultAndCode(Short), &h::LTEB))
    }),
    row("KEBR", 0xb308, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Short, Code, &h::KEB))
    }),
    row("CEBR", 0xb309, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Short, Code, &h::CEB))
    }),
    row("AEBR", 0xb30a, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Short, ResultAndCode(Short), &h::AEB))
    }),
    row("SEBR", 0xb30b, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Short, ResultAndCode(Short), &h::SEB))
    }),
    row("MDEBR", 0xb30c, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Short, Result(Long), &h::MDEB))
    }),
    row("DEBR", 0xb30d, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Short, Result(Short), &h::DEB))
    }),
    row("MAEBR", 0xb30e, RRD, BASE, |tx, i| {
        t::rrd(tx, i, Short, &h::MAEB)
    }),
    row("MSEBR", 0xb30f, RRD, BASE, |tx, i| {
        t::rrd(tx, i, Short, &h::MSEB)
    }),
    row("SQEBR", 0xb314, RRE, BASE, |tx, i| {
        t::rre1(tx, i, Operation(Short, Result(Short), &h::SQEB))
    }),
    row("MEEBR", 0xb317, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Short, Result(Short), &h::MEEB))
    }),
    row("DIEBR", 0xb353, RRFb, BASE, |tx, i| {
        t::divide_to_integer(tx, i, Short, &h::DIEB)
    }),
    row("FIEBR", 0xb357, RRFe, BASE, |tx, i| {
        t::rrf(tx, i, Operation(Short, Result(Short), &h::FIEB))
    }),
    row("KEB", 0xed08, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Short, Code, &h::KEB))
    }),
    row("CEB", 0xed09, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Short, Code, &h::CEB))
    }),
    row("AEB", 0xed0a, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Short, ResultAndCode(Short), &h::AEB))
    }),
    row("SEB", 0xed0b, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Short, ResultAndCode(Short), &h::SEB))
    }),
    row("MDEB", 0xed0c, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Short, Result(Long), &h::MDEB))
    }),
    row("DEB", 0xed0d, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Short, Result(Short), &h::DEB))
    }),
    row("MAEB", 0xed0e, RXF, BASE, |tx, i| {
        t::rxf(tx, i, Short, &h::MAEB)
    }),
    row("MSEB", 0xed0f, RXF, BASE, |tx, i| {
        t::rxf(tx, i, Short, &h::MSEB)
    }),
    row("TCEB", 0xed10, RXE, BASE, |tx, i| {
        t::test_data_class(tx, i, Short, &h::TCEB)
    }),
    row("SQEB", 0xed14, RXE, BASE, |tx, i| {
        t::rxe1(tx, i, Operation(Short, Result(Short), &h::SQEB))
    }),
    row("MEEB", 0xed17, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Short, Result(Short), &h::MEEB))
    }),
    // long
    row("LTDBR", 0xb312, RRE, BASE, |tx, i| {
        t::rre1(tx, i, Operation(Long, ResultAndCode(Long), &h::LTDB))
    }),
    row("SQDBR", 0xb315, RRE, BASE, |tx, i| {
        t::rre1(tx, i, Operation(Long, Result(Long), &h::SQDB))
    }),
    row("KDBR", 0xb318, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Long, Code, &h::KDB))
    }),
    row("CDBR", 0xb319, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Long, Code, &h::CDB))
    }),
    row("ADBR", 0xb31a, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Long, ResultAndCode(Long), &h::ADB))
    }),
    row("SDBR", 0xb31b, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Long, ResultAndCode(Long), &h::SDB))
    }),
    row("MDBR", 0xb31c, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Long, Result(Long), &h::MDB))
    }),
    row("DDBR", 0xb31d, RRE, BASE, |tx, i| {
        t::rre2(tx, i, Operation(Long, Result(Long), &h::DDB))
    }),
    row("MADBR", 0xb31e, RRD, BASE, |tx, i| {
        t::rrd(tx, i, Long, &h::MADB)
    }),
    row("MSDBR", 0xb31f, RRD, BASE, |tx, i| {
        t::rrd(tx, i, Long, &h::MSDB)
    }),
    row("DIDBR", 0xb35b, RRFb, BASE, |tx, i| {
        t::divide_to_integer(tx, i, Long, &h::DIDB)
    }),
    row("FIDBR", 0xb35f, RRFe, BASE, |tx, i| {
        t::rrf(tx, i, Operation(Long, Result(Long), &h::FIDB))
    }),
    row("TCDB", 0xed11, RXE, BASE, |tx, i| {
        t::test_data_class(tx, i, Long, &h::TCDB)
    }),
    row("SQDB", 0xed15, RXE, BASE, |tx, i| {
        t::rxe1(tx, i, Operation(Long, Result(Long), &h::SQDB))
    }),
    row("KDB", 0xed18, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Long, Code, &h::KDB))
    }),
    row("CDB", 0xed19, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Long, Code, &h::CDB))
    }),
    row("ADB", 0xed1a, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Long, ResultAndCode(Long), &h::ADB))
    }),
    row("SDB", 0xed1b, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Long, ResultAndCode(Long), &h::SDB))
    }),
    row("MDB", 0xed1c, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Long, Result(Long), &h::MDB))
    }),
    row("DDB", 0xed1d, RXE, BASE, |tx, i| {
        t::rxe2(tx, i, Operation(Long, Result(Long), &h::DDB))
    }),
    row("MADB", 0xed1e, RXF, BASE, |tx, i| {
        t::rxf(tx, i, Long, &h::MADB)
    }),
    row("MSDB", 0xed1f, RXF, BASE, |tx, i| {
        t::rxf(tx, i, Long, &h::MSDB)
    }),
    // extended
    row("MXDBR", 0xb307, RRE, BASE, |tx, i| {
        t::rre(tx, i, Long, &h::MXDB)
    }),
    row("SQXBR", 0xb316, RRE, BASE, |tx, i| {
        t::rre_extended(tx, i, &h::SQXB)
    }),
    row("LTXBR", 0xb342, RRE, BASE, |tx, i| {
        t::rre_extended(tx, i, &h::LTXB)
    }),
    row("FIXBR", 0xb347, RRFe, BASE, |tx, i| {
        t::rrf_extended(tx, i, Pair, &h::FIXB)
    }),
    row("KXBR", 0xb348, RRE, BASE, |tx, i| {
        t::rre_extended(tx, i, &h::KXB)
    }),
    row("CXBR", 0xb349, RRE, BASE, |tx, i| {
        t::rre_extended(tx, i, &h::CXB)
    }),
    row("AXBR", 0xb34a, RRE, BASE, |tx, i| {
        t::rre_extended(tx, i, &h::AXB)
    }),
    row("SXBR", 0xb34b, RRE, BASE, |tx, i| {
        t::rre_extended(tx, i, &h::SXB)
    }),
    row("MXBR", 0xb34c, RRE, BASE, |tx, i| {
        t::rre_extended(tx, i, &h::MXB)
    }),
    row("DXBR", 0xb34d, RRE, BASE, |tx, i| {
        t::rre_extended(tx, i, &h::DXB)
    }),
    row("MXDB", 0xed07, RXE, BASE, |tx, i| {
        t::rxe(tx, i, Long, &h::MXDB)
    }),
    row("TCXB", 0xed12, RXE, BASE, t::tcxb),
    // between formats
    row("LDEBR", 0xb304, RRE, BASE, |tx, i| {
        t::rre1(tx, i, Operation(Short, Result(Long), &h::LDEB))
    }),
    row("LXDBR", 0xb305, RRE, BASE, |tx, i| {
        t::rre(tx, i, Long, &h::LXDB)
    }),
    row("LXEBR", 0xb306, RRE, BASE, |tx, i| {
        t::rre(tx, i, Short, &h::LXEB)
    }),
    row("LEDBR", 0xb344, RRFe, BASE, |tx, i| {
        t::rrf(tx, i, Operation(Long, Result(Short), &h::LEDB))
    }),
    row("LDXBR", 0xb345, RRFe, BASE, |tx, i| {
        t::rrf_extended(tx, i, Pair, &h::LDXB)
    }),
    row("LEXBR", 0xb346, RRFe, BASE, |tx, i| {
        t::rrf_extended(tx, i, Pair, &h::LEXB)
    }),
    row("LDEB", 0xed04, RXE, BASE, |tx, i| {
        t::rxe1(tx, i, Operation(Short, Result(Long), &h::LDEB))
    }),
    row("LXDB", 0xed05, RXE, BASE, |tx, i| {
        t::rxe(tx, i, Long, &h::LXDB)
    }),
    row("LXEB", 0xed06, RXE, BASE, |tx, i| {
        t::rxe(tx, i, Short, &h::LXEB)
    }),
    // from integers
    row("CELFBR", 0xb390, RRFe, EXTENSION, |tx, i| {
        t::rrf_general(tx, i, I32, Short, &h::CELFB)
    }),
    row("CDLFBR", 0xb391, RRFe, EXTENSION, |tx, i| {
        t::rrf_general(tx, i, I32, Long, &h::CDLFB)
    }),
    row("CXLFBR", 0xb392, RRFe, EXTENSION, |tx, i| {
        t::rrf_general_extended(tx, i, I32, &h::CXLFB)
    }),
    row("CEFBR", 0xb394, RRFe, BASE, |tx, i| {
        t::rrf_general(tx, i, I32, Short, &h::CEFB)
    }),
    row("CDFBR", 0xb395, RRFe, BASE, |tx, i| {
        t::rrf_general(tx, i, I32, Long, &h::CDFB)
    }),
    row("CXFBR", 0xb396, RRFe, BASE, |tx, i| {
        t::rrf_general_extended(tx, i, I32, &h::CXFB)
    }),
    row("CELGBR", 0xb3a0, RRFe, EXTENSION, |tx, i| {
        t::rrf_general(tx, i, I64, Short, &h::CELGB)
    }),
    row("CDLGBR", 0xb3a1, RRFe, EXTENSION, |tx, i| {
        t::rrf_general(tx, i, I64, Long, &h::CDLGB)
    }),
    row("CXLGBR", 0xb3a2, RRFe, EXTENSION, |tx, i| {
        t::rrf_general_extended(tx, i, I64, &h::CXLGB)
    }),
    row("CEGBR", 0xb3a4, RRFe, BASE, |tx, i| {
        t::rrf_general(tx, i, I64, Short, &h::CEGB)
    }),
    row("CDGBR", 0xb3a5, RRFe, BASE, |tx, i| {
        t::rrf_general(tx, i, I64, Long, &h::CDGB)
    }),
    row("CXGBR", 0xb3a6, RRFe, BASE, |tx, i| {
        t::rrf_general_extended(tx, i, I64, &h::CXGB)
    }),
    // to integers
    row("CFEBR", 0xb398, RRFe, BASE, |tx, i| {
        t::rrf_integer(tx, i, Short, I32, &h::CFEB)
    }),
    row("CFDBR", 0xb399, RRFe, BASE, |tx, i| {
        t::rrf_integer(tx, i, Long, I32, &h::CFDB)
    }),
    row("CFXBR", 0xb39a, RRFe, BASE, |tx, i| {
        t::rrf_extended(tx, i, One, &h::CFXB)
    }),
    row("CLFEBR", 0xb39c, RRFe, EXTENSION, |tx, i| {
        t::rrf_integer(tx, i, Short, I32, &h::CLFEB)
    }),
    row("CLFDBR", 0xb39d, RRFe, EXTENSION, |tx, i| {
        t::rrf_integer(tx, i, Long, I32, &h::CLFDB)
    }),
    row("CLFXBR", 0xb39e, RRFe, EXTENSION, |tx, i| {
        t::rrf_extended(tx, i, One, &h::CLFXB)
    }),
    row("CGEBR", 0xb3a8, RRFe, BASE, |tx, i| {
        t::rrf_integer(tx, i, Short, I64, &h::CGEB)
    }),
    row("CGDBR", 0xb3a9, RRFe, BASE, |tx, i| {
        t::rrf_integer(tx, i, Long, I64, &h::CGDB)
    }),
    row("CGXBR", 0xb3aa, RRFe, BASE, |tx, i| {
        t::rrf_extended(tx, i, One, &h::CGXB)
    }),
    row("CLGEBR", 0xb3ac, RRFe, EXTENSION, |tx, i| {
        t::rrf_first(tx, i, Short, &h::CLGEB)
    }),
    row("CLGDBR", 0xb3ad, RRFe, EXTENSION, |tx, i| {
        t::rrf_first(tx, i, Long, &h::CLGDB)
    }),
    row("CLGXBR", 0xb3ae, RRFe, EXTENSION, |tx, i| {
        t::rrf_extended(tx, i, One, &h::CLGXB)
    }),
];
