//! The portable interpreter: IR lowered to a flat list of steps, each a function pointer with
//! its operands.
//!
//! Operands are byte offsets from the start of the CPU: guest registers at their own places,
//! intermediate values in `CpuCore::scratch`. So an op reads and writes guest registers directly
//! wherever that is legal. A step returns the next one; [`enter`] is the loop around it.
//! [`lower`] decides where values live, [`ops`] and [`access`] are the steps.
#![allow(
    unsafe_code,
    reason = "steps work on the CPU through raw pointers and offsets fixed when lowering"
)]

mod access;
mod leave;
mod lower;
mod ops;
mod pick;

use std::ptr::null;
use std::sync::atomic::AtomicU32;

use crate::cache::StoredBlock;
use crate::cpu::CpuCore;
use crate::engine::Leave;
use crate::guest::Guest;

pub(crate) use lower::compile;

/// A step: the CPU (a `G` whose first field is its core) and the step itself; the next step, or
/// null to leave, with the reason in [`Running::left`].
type Handler = unsafe fn(*mut u8, *const Step) -> *const Step;

/// One step of a block.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Step {
    handler: Handler,
    /// Where the result goes, or what is stored.
    d: u16,
    a: u16,
    b: u16,
    c: u16,
    imm: u64,
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            d, a, b, c, imm, ..
        } = self;
        write!(f, "{:?} {d:#x} {a:#x} {b:#x} {c:#x} {imm:#x}", self.handler)
    }
}

/// Where a guest instruction's steps begin.
#[derive(Debug, Clone, Copy)]
struct Mark {
    /// Index of its first step.
    step: u32,
    /// Instructions of the block before it.
    before: u32,
    pc: u64,
    len: u8,
}

/// A block for the interpreter.
#[derive(Debug)]
pub(crate) struct Code {
    steps: Box<[Step]>,
    marks: Box<[Mark]>,
    /// What the steps that call point to.
    calls: Box<[access::CallData]>,
}

// SAFETY: steps hold function pointers, numbers and addresses of statics.
unsafe impl Send for Code {}
// SAFETY: as above, and they never change.
unsafe impl Sync for Code {}

impl Code {
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.steps) + size_of_val(&*self.marks) + size_of_val(&*self.calls)
    }

    pub(crate) fn first(&self) -> *const Step {
        self.steps.as_ptr()
    }
}

/// What the interpreter keeps in a CPU's core while it executes.
pub(crate) struct Running {
    block: *const StoredBlock,
    attention: *const AtomicU32,
    left: Leave,
}

// SAFETY: used by the vCPU's thread alone, and set anew whenever a block is entered.
unsafe impl Send for Running {}

impl Running {
    pub(crate) fn new() -> Self {
        Self {
            block: null(),
            attention: null(),
            left: Leave::Lookup,
        }
    }
}

/// Executes a block and those it is linked with.
pub(crate) fn enter<G: Guest>(cpu: &mut G, block: &StoredBlock, code: &Code) -> Leave {
    let core = cpu.core_mut();
    core.running.block = block;
    core.running.attention = core.attention().word();
    let cpu = std::ptr::from_mut(cpu).cast::<u8>();
    let mut step = code.first();
    'run: loop {
        // Several calls in a row: fewer jumps, and each has its own history of targets.
        for _ in 0..4 {
            // SAFETY: steps come from `lower`, for this guest type, and return steps of blocks that
            // live until this vCPU announces an epoch; the CPU is borrowed exclusively.
            step = unsafe { ((*step).handler)(cpu, step) };
            if step.is_null() {
                break 'run;
            }
        }
    }
    // SAFETY: the core is the CPU's first field; no step is executing.
    let core = unsafe { &mut *cpu.cast::<CpuCore>() };
    std::mem::replace(&mut core.running.left, Leave::Lookup)
}
