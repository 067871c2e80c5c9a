//! The translated part of a vCPU, and what all vCPUs of a machine share.
//!
//! [`CpuCore`] is the first field of every [`crate::Guest`]. Not here: guest registers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use machine::GuestRam;

/// A word that other threads set to get a vCPU's attention; not zero makes it leave its blocks
/// at the next block boundary and ask [`crate::Guest::poll`]. Bits 0-23 are the architecture's.
#[derive(Debug, Default)]
pub struct Attention(AtomicU32);

impl Attention {
    /// Sets bits. What was written before is seen by the vCPU when it sees the bits.
    pub fn raise(&self, bits: u32) {
        self.0.fetch_or(bits, Ordering::Release);
    }

    /// Clears bits and returns those which were set.
    pub fn take(&self, bits: u32) -> u32 {
        self.0.fetch_and(!bits, Ordering::AcqRel) & bits
    }

    /// All bits.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

/// What all vCPUs of one machine share.
pub struct System {
    ram: Arc<GuestRam>,
    pub(crate) blocks: crate::exec::Blocks,
}

impl System {
    /// Translation for a machine with this RAM.
    pub fn new(ram: Arc<GuestRam>) -> Arc<Self> {
        Arc::new(Self {
            blocks: crate::exec::Blocks::new(ram.size()),
            ram,
        })
    }

    /// The machine's RAM.
    pub fn ram(&self) -> &Arc<GuestRam> {
        &self.ram
    }
}

/// The part of a vCPU that engines know. Plain fields are guest state.
#[repr(C)]
pub struct CpuCore {
    /// Guest address: of the current instruction in a helper or trap, of the next one between
    /// blocks.
    pub pc: u64,
    /// Length in bytes of the current instruction, in a helper or trap.
    pub ilen: u32,
    /// Kind of the last recorded condition-code operation.
    pub cc_kind: u32,
    /// Its first operand.
    pub cc_a: u64,
    /// Its second operand.
    pub cc_b: u64,
    /// Guest instructions executed.
    pub insns: u64,
    /// Not 0: what the running block was made for may have changed; it is left after the
    /// current instruction.
    pub(crate) leave_block: AtomicU32,
    attention: Arc<Attention>,
    system: Arc<System>,
}

impl CpuCore {
    /// A vCPU of a machine.
    pub fn new(system: Arc<System>) -> Self {
        Self {
            pc: 0,
            ilen: 0,
            cc_kind: 0,
            cc_a: 0,
            cc_b: 0,
            insns: 0,
            leave_block: AtomicU32::new(0),
            attention: Arc::default(),
            system,
        }
    }

    /// The word by which others get this vCPU's attention.
    pub fn attention(&self) -> &Arc<Attention> {
        &self.attention
    }

    /// What all vCPUs share.
    pub fn system(&self) -> &Arc<System> {
        &self.system
    }

    /// The meaning of address-space tags, or protection under them, has changed for this CPU
    /// only in what [`crate::Guest::space_tag`] answers: engines ask again. Entries stay valid
    /// under their tags.
    pub fn spaces_changed(&mut self) {
        *self.leave_block.get_mut() = 1;
    }

    /// Forgets every translation of this vCPU (s390x: PTLB).
    pub fn flush_tlb(&mut self) {
        *self.leave_block.get_mut() = 1;
    }

    /// Forgets this vCPU's translations of one page in all address spaces.
    pub fn flush_page(&mut self, _address: u64) {
        *self.leave_block.get_mut() = 1;
    }
}
