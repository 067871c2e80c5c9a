//! The table of instructions, a file per group.

mod arith;
mod bfp;
mod branch;
mod control;
mod decimal;
mod extensions;
mod fps;
mod interlocked;
mod load_store;
mod logic;
mod storage;
mod system;
mod vector;
mod vector_float;
mod vector_integer;

use super::{Facility, Format, Insn, Row};
use crate::translate::{Flow, Tx};

/// Every group's rows.
static GROUPS: &[&[Row]] = &[
    arith::ROWS,
    bfp::ROWS,
    branch::ROWS,
    control::ROWS,
    fps::ROWS,
    decimal::ROWS,
    extensions::ROWS,
    interlocked::ROWS,
    load_store::ROWS,
    logic::ROWS,
    storage::ROWS,
    system::ROWS,
    vector::ROWS,
    vector_float::ROWS,
    vector_integer::ROWS,
];

/// All rows.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    GROUPS.iter().copied().flatten()
}

/// One row, short to write.
const fn row(
    name: &'static str,
    opcode: u16,
    format: Format,
    facility: Facility,
    translate: fn(&mut Tx<'_>, &Insn) -> Flow,
) -> Row {
    Row {
        name,
        opcode,
        format,
        facility,
        translate,
    }
}
