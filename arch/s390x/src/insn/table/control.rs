//! Control instructions (Principles of Operation, chapter 10), and those general ones that read
//! clocks.

use super::super::Format::*;
use super::super::{BASE, Row};
use super::row;
use crate::translate::control::{clock, moves, protection, psw, registers, signal, storage};

pub(super) const ROWS: &[Row] = &[
    // The PSW
    row("LPSW", 0x82, S, BASE, psw::lpsw),
    row("LPSWE", 0xb2b2, S, BASE, psw::lpswe),
    row("SSM", 0x80, S, BASE, psw::ssm),
    row("STNSM", 0xac, SI, BASE, psw::stnsm),
    row("STOSM", 0xad, SI, BASE, psw::stosm),
    row("SPKA", 0xb20a, S, BASE, psw::spka),
    row("IPK", 0xb20b, S, BASE, psw::ipk),
    row("EPSW", 0xb98d, RRE, BASE, psw::epsw),
    row("SAC", 0xb219, S, BASE, psw::sac),
    row("SACF", 0xb279, S, BASE, psw::sacf),
    row("IAC", 0xb224, RRE, BASE, psw::iac),
    row("EPAR", 0xb226, RRE, BASE, psw::epar),
    row("ESAR", 0xb227, RRE, BASE, psw::esar),
    row("LPP", 0xb280, S, 40, psw::lpp),
    // Control registers, prefix, identity
    row("LCTL", 0xb7, RSa, BASE, registers::lctl),
    row("LCTLG", 0xeb2f, RSYa, BASE, registers::lctlg),
    row("STCTL", 0xb6, RSa, BASE, registers::stctl),
    row("STCTG", 0xeb25, RSYa, BASE, registers::stctg),
    row("STAP", 0xb212, S, BASE, registers::stap),
    row("STPX", 0xb211, S, BASE, registers::stpx),
    row("SPX", 0xb210, S, BASE, registers::spx),
    row("STFL", 0xb2b1, S, BASE, registers::stfl),
    row("STFLE", 0xb2b0, S, 7, registers::stfle),
    // Clocks
    row("STCK", 0xb205, S, BASE, clock::stck),
    row("STCKF", 0xb27c, S, 25, clock::stckf),
    row("STCKE", 0xb278, S, BASE, clock::stcke),
    row("SCK", 0xb204, S, BASE, clock::sck),
    row("SCKPF", 0x0107, E, BASE, clock::sckpf),
    row("SCKC", 0xb206, S, BASE, clock::sckc),
    row("STCKC", 0xb207, S, BASE, clock::stckc),
    row("SPT", 0xb208, S, BASE, clock::spt),
    row("STPT", 0xb209, S, BASE, clock::stpt),
    row("PTFF", 0x0104, E, 28, clock::ptff),
    row("ECTG", 0xc81, SSF, 31, clock::ectg),
    // Storage
    row("LRA", 0xb1, RXa, BASE, storage::lra),
    row("LRAY", 0xe313, RXYa, 18, storage::lra),
    row("LRAG", 0xe303, RXYa, BASE, storage::lrag),
    row("STRAG", 0xe502, SSE, BASE, storage::strag),
    row("LURA", 0xb24b, RRE, BASE, storage::lura),
    row("LURAG", 0xb905, RRE, BASE, storage::lurag),
    row("STURA", 0xb246, RRE, BASE, storage::stura),
    row("STURG", 0xb925, RRE, BASE, storage::sturg),
    row("IPTE", 0xb221, RRFa, BASE, storage::ipte),
    row("IDTE", 0xb98e, RRFb, 3, storage::idte),
    row("CRDTE", 0xb98f, RRFb, 78, storage::crdte),
    row("PTLB", 0xb20d, S, BASE, storage::ptlb),
    row("PALB", 0xb248, RRE, BASE, storage::ptlb),
    row("CSP", 0xb250, RRE, BASE, storage::csp),
    row("CSPG", 0xb98a, RRE, 3, storage::cspg),
    row("TPROT", 0xe501, SSE, BASE, protection::tprot),
    row("TB", 0xb22c, RRE, BASE, storage::tb),
    row("ISKE", 0xb229, RRE, BASE, protection::iske),
    row("IVSK", 0xb223, RRE, BASE, protection::ivsk),
    row("SSKE", 0xb22b, RRFc, BASE, protection::sske),
    row("RRBE", 0xb22a, RRE, BASE, protection::rrbe),
    row("PFMF", 0xb9af, RRE, 8, protection::pfmf),
    row("TAR", 0xb24c, RRE, BASE, protection::tar),
    // Moves
    row("MVCOS", 0xc80, SSF, 27, moves::mvcos),
    row("MVCP", 0xda, SSd, BASE, moves::mvcp),
    row("MVCS", 0xdb, SSd, BASE, moves::mvcs),
    row("MVCK", 0xd9, SSd, BASE, moves::mvck),
    row("MVCSK", 0xe50e, SSE, BASE, moves::mvcsk),
    row("MVCDK", 0xe50f, SSE, BASE, moves::mvcdk),
    row("MVPG", 0xb254, RRE, BASE, moves::mvpg),
    // Other CPUs
    row("SIGP", 0xae, RSa, BASE, signal::sigp),
];
