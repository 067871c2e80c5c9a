//! Instructions by which a program talks to the machine: service call, diagnose, channel
//! subsystem, system information.

use super::row;
use crate::cpu::facility::TOPOLOGY;
use crate::insn::Format::*;
use crate::insn::{BASE, Row};
use crate::translate::{io, system as t};

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("DIAG", 0x83, RSa, BASE, t::diag),
    row("SERVC", 0xb220, RRE, BASE, t::servc),
    row("STSI", 0xb27d, S, BASE, t::stsi),
    row("STIDP", 0xb202, S, BASE, t::stidp),
    row("CHSC", 0xb25f, RRE, BASE, io::chsc),
    row("PTF", 0xb9a2, RRE, TOPOLOGY, t::ptf),
    row("CSCH", 0xb230, S, BASE, io::csch),
    row("HSCH", 0xb231, S, BASE, io::hsch),
    row("MSCH", 0xb232, S, BASE, io::msch),
    row("SSCH", 0xb233, S, BASE, io::ssch),
    row("STSCH", 0xb234, S, BASE, io::stsch),
    row("TSCH", 0xb235, S, BASE, io::tsch),
    row("TPI", 0xb236, S, BASE, io::tpi),
    row("SAL", 0xb237, S, BASE, io::sal),
    row("RSCH", 0xb238, S, BASE, io::rsch),
    row("STCRW", 0xb239, S, BASE, io::stcrw),
    row("STCPS", 0xb23a, S, BASE, io::stcps),
    row("RCHP", 0xb23b, S, BASE, io::rchp),
    row("SCHM", 0xb23c, S, BASE, io::schm),
    row("XSCH", 0xb276, S, BASE, io::xsch),
];
