//! The boundary between the run loop and the engines: what a block is compiled to, how it is
//! entered, and how it is left.
//!
//! An engine is a module with two functions, `compile` and `enter`, and a variant of
//! [`EngineKind`] and [`Compiled`]. It keeps these rules:
//! - At every block entry, chained ones too, it looks at the attention word and leaves with
//!   [`Leave::Lookup`] and `core.pc` at that block if any bit is set.
//! - After every op that may write memory or change translation it sees whether
//!   `core.leave_block` is set, and leaves at the next instruction if so; in between it finishes
//!   the instruction.
//! - At [`Exit::Jump`](crate::ir::Exit::Jump) it follows the exit's slot if that is not null, and
//!   leaves with [`Leave::Chain`] if it is. Slots are set and cleared by the store at any time.
//! - When it leaves, globals, the condition code, `core.pc` and `core.insns` are right.

use crate::cache::StoredBlock;
use crate::cache::block::ExitSlot;
use crate::guest::{Guest, Trap};
use crate::interp;
use crate::ir::Block;
use crate::reference;
use crate::system::EngineKind;

/// A block as an engine executes it.
#[derive(Debug)]
pub(crate) enum Compiled {
    /// IR as it is.
    Reference(Block),
    /// The interpreter's code.
    Interp(interp::Code),
}

impl Compiled {
    /// Bytes of memory it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Reference(block) => block.ops.len() * size_of::<crate::ir::Op>(),
            Self::Interp(code) => code.bytes(),
        }
    }
}

/// How execution came back to the run loop.
#[derive(Debug)]
pub(crate) enum Leave {
    /// `core.pc` is the next instruction; ask for the key.
    Lookup,
    /// `core.pc` is the next instruction, under the flags of the block that was entered.
    Jump,
    /// As `Jump`, and the exit of that block could be linked to the target.
    Chain {
        /// The block that was left.
        from: *const StoredBlock,
        /// Its exit.
        exit: u32,
    },
    /// The instruction at `core.pc` of length `core.ilen` trapped.
    Trap(Trap),
}

/// Compiles a block; also the exits that can be linked. Their place in memory stays, so that the
/// engine's code can refer to it.
pub(crate) fn compile<G: Guest>(kind: EngineKind, block: Block) -> (Compiled, Box<[ExitSlot]>) {
    if kind == EngineKind::Interp && cfg!(target_endian = "little") {
        match interp::compile::<G>(&block) {
            Ok((code, exits)) => return (Compiled::Interp(code), exits),
            Err(unfit) => log::debug!("a block is executed as IR: {unfit:?}"),
        }
    }
    (Compiled::Reference(block), Box::default())
}

/// Executes a block and those it is linked with, all under the same flags.
pub(crate) fn enter<G: Guest>(cpu: &mut G, block: &StoredBlock) -> Leave {
    match &block.compiled {
        Compiled::Reference(ir) => match reference::execute(cpu, ir) {
            Ok(()) => Leave::Lookup,
            Err(trap) => Leave::Trap(trap),
        },
        Compiled::Interp(code) => interp::enter(cpu, block, code),
    }
}
