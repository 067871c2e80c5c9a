//! Instructions: formats, the table, and decoding.
//!
//! One [`Row`] per instruction drives decoding, translation and the cross-check against
//! capstone. Not here: what instructions do ([`crate::translate`]).

#[cfg(test)]
mod capstone_check;
pub mod decode;
pub mod encode;
pub mod format;
pub mod table;
pub mod text;

use crate::translate::{Flow, Tx};

pub use decode::decode;
pub use format::{Format, Insn};

/// Facility that must be installed for an instruction, by its bit number in the facility list;
/// [`BASE`] for those that every z/Architecture machine has.
pub type Facility = u16;

/// Not optional.
pub const BASE: Facility = u16::MAX;

/// One instruction.
#[derive(Clone, Copy)]
pub struct Row {
    /// Mnemonic as in the Principles of Operation.
    pub name: &'static str,
    /// Operation code, all of its digits as the manual writes them: `0x1A`, `0xA7A` (RI),
    /// `0xB908` (RRE), `0xE304` (RXY: first and last byte), `0xC04` (RIL).
    pub opcode: u16,
    /// Format.
    pub format: Format,
    /// Facility.
    pub facility: Facility,
    /// Emits the instruction's IR.
    pub translate: fn(&mut Tx<'_>, &Insn) -> Flow,
}
