//! The boundary between the run loop and the engines: what a block is compiled to, how it is
//! entered, and how it is left.
//!
//! An engine is a module with two functions, `compile` and `enter`, and a variant of
//! [`EngineKind`] and [`Compiled`]. It keeps these rules:
//! - Between blocks it looks at the attention word, in every loop at least once a turn, and leaves
//!   with [`Leave::Lookup`] and `core.pc` at the next block if any bit is set. The block that the
//!   run loop enters is executed in any case: the run loop has looked.
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
use crate::native;
use crate::reference;
use crate::system::{EngineKind, System};

/// A block as an engine executes it.
#[derive(Debug)]
pub(crate) enum Compiled {
    /// IR as it is.
    Reference(Block),
    /// The interpreter's code.
    Interp(interp::Code),
    /// Machine code.
    Native(native::Code),
}

impl Compiled {
    /// Bytes of memory it takes, roughly.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Reference(block) => block.ops.len() * size_of::<crate::ir::Op>(),
            Self::Interp(code) => code.bytes(),
            Self::Native(code) => code.bytes(),
        }
    }
}

/// How execution came back to the run loop.
#[derive(Debug)]
pub(crate) enum Leave {
    /// `core.pc` is the next instruction; ask for the key.
    Lookup,
    /// `core.pc` is the next instruction, under the flags of the block that was entered.
    Jump {
        /// Those flags.
        flags: u64,
    },
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

/// There is no room for the block until dropped ones are freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

/// Compiles a block; also the exits that can be linked. Their place in memory stays, so that the
/// engine's code can refer to it.
pub(crate) fn compile<G: Guest>(
    system: &System,
    block: Block,
    place: native::Place,
) -> Result<(Compiled, Box<[ExitSlot]>), Full> {
    let kind = system.options().engine;
    if kind == EngineKind::Native
        && let Some(native) = native::of::<G>(system)
    {
        match native::compile::<G>(native, &block, place) {
            Ok((code, exits)) => return Ok((Compiled::Native(code), exits)),
            Err(native::Unfit::Full) => return Err(Full),
            Err(unfit) => log::debug!("a block is interpreted: {unfit:?}"),
        }
    }
    if kind != EngineKind::Reference && cfg!(target_endian = "little") {
        match interp::compile::<G>(&block) {
            Ok((code, exits)) => return Ok((Compiled::Interp(code), exits)),
            Err(unfit) => log::debug!("a block is executed as IR: {unfit:?}"),
        }
    }
    Ok((Compiled::Reference(block), Box::default()))
}

/// Executes a block and those it is linked with, all under the same flags.
pub(crate) fn enter<G: Guest>(cpu: &mut G, block: &StoredBlock) -> Leave {
    match &block.compiled {
        // The store tells when its code changes.
        Compiled::Reference(ir) => match reference::execute(cpu, ir, &mut Vec::new(), |_| true) {
            Ok(_) => Leave::Lookup,
            Err(trap) => Leave::Trap(trap),
        },
        Compiled::Interp(code) => interp::enter(cpu, block, code),
        Compiled::Native(code) => {
            // The run loop has looked at the attention word. What stays up there must not keep the
            // vCPU from its next block.
            let entry = code.unchecked_entry();
            let system = std::sync::Arc::clone(cpu.core().system());
            match native::of::<G>(&system) {
                Some(native) => native::enter(cpu, native, entry),
                // Code is made by an engine that is there.
                None => Leave::Lookup,
            }
        }
    }
}
