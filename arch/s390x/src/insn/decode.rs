//! From bytes to a decoded instruction.

use super::Insn;

/// The length in bytes that the first byte of an instruction gives.
pub fn length(first: u8) -> u8 {
    match first >> 6 {
        0 => 2,
        1 | 2 => 4,
        _ => 6,
    }
}

/// Decodes the instruction in the low 48 bits (left-aligned in them); `None` if no row has its
/// operation code.
pub fn decode(_bytes: u64) -> Option<Insn> {
    None
}
