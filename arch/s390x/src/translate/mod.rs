//! Translation: from decoded instructions to IR.
//!
//! [`Tx`] is what an instruction's function gets: the builder, the decoded instruction's place
//! and the words of the architecture (registers, effective addresses, condition code, program
//! checks). Each group of instructions has a module of its own; semantics that the IR does not
//! say are helpers in [`crate::translate`]'s sibling `helpers`.

use tcg::ir::Builder;

use crate::cpu::key::Flags;

/// What follows an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next instruction in the same block.
    Next,
    /// Nothing: the block has been ended by an exit.
    Ended,
    /// The next instruction, but in a block of its own: state that the key depends on, or an
    /// interruption mask, may have changed. The loop emits the exit (`Lookup` at the next pc).
    NewBlock,
}

/// The translation of one instruction.
pub struct Tx<'a> {
    /// Where ops go.
    pub b: &'a mut Builder,
    /// The block's flags.
    pub flags: Flags,
    /// Address of the instruction (of the EXECUTE, for its target).
    pub pc: u64,
    /// Address of the next sequential instruction.
    pub next_pc: u64,
}
