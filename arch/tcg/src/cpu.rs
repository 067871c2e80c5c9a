//! The translated part of a vCPU.
//!
//! [`CpuCore`] is the first field of every [`crate::Guest`]. Not here: guest registers, and what
//! all vCPUs of a machine share ([`crate::system`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::clock::ClockReader;
use crate::exec::JumpCache;
use crate::interp::Running;
use crate::ir::MemMode;
use crate::mem::tlb::Tlb;
use crate::native;
use crate::shootdown::Flush;
use crate::system::CpuShared;
pub use crate::system::System;

/// A word that other threads set to get a vCPU's attention; not zero makes it leave its blocks
/// at the next block boundary and ask [`crate::Guest::poll`]. Bits 0-23 are the architecture's.
#[derive(Debug, Default)]
pub struct Attention(AtomicU32);

/// The attention bits that belong to the engine.
pub(crate) const ENGINE_ATTENTION: u32 = 0xff00_0000;
/// Another thread wants translations forgotten or memory reclaimed.
pub(crate) const ATTENTION_SERVICE: u32 = 1 << 24;

impl Attention {
    /// Sets bits. What was written before is seen by the vCPU when it sees the bits.
    pub fn raise(&self, bits: u32) {
        self.0.fetch_or(bits, Ordering::Release);
    }

    /// Clears bits and returns those which were set.
    pub fn take(&self, bits: u32) -> u32 {
        self.0.fetch_and(!bits, Ordering::AcqRel) & bits
    }

    /// The word itself, for engines.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0
    }

    /// All bits.
    #[inline]
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

/// Words for intermediate values: all of the interpreter's, and those that the native engine has no
/// register for.
pub(crate) const SCRATCH_WORDS: usize = 192;

/// The part of a vCPU that engines know. Plain fields are guest state.
#[repr(C)]
pub struct CpuCore {
    /// Host address of guest-absolute 0, and bytes of RAM; `system` keeps it mapped.
    pub(crate) ram_host: u64,
    pub(crate) ram_size: u64,
    /// Address of the code-line words, one a page of RAM; `system` keeps them.
    pub(crate) lines: u64,
    pub(crate) scratch: [u64; SCRATCH_WORDS],
    pub(crate) tlb: Tlb,
    pub(crate) native: native::State,
    /// How generated code reads the guest's clock.
    pub clock: ClockReader,
    /// The same for a timer that counts down.
    pub timer: ClockReader,
    pub(crate) jumps: JumpCache,
    pub(crate) running: Running,
    /// What `translate` fetched (absolute address, halfword), while it runs.
    pub(crate) fetched: Option<Vec<(u64, u16)>>,
    /// Intermediate values of blocks that are executed as IR: kept for its memory.
    pub(crate) cold_values: Vec<u64>,
    shared: Arc<CpuShared>,
    system: Arc<System>,
    // From here on: near the guest's registers, which follow, so that generated code names these
    // with few bytes.
    /// Address of the attention word.
    pub(crate) attention_at: u64,
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
    /// Guest instructions executed: exact between blocks, behind inside helpers. One that traps
    /// is not counted. Means nothing unless [`crate::Options::count`] is set.
    pub insns: u64,
    /// Not 0: what the running block was made for may have changed; it is left after the
    /// current instruction.
    pub(crate) leave_block: AtomicU32,
}

impl CpuCore {
    /// A vCPU of a machine.
    pub fn new(system: Arc<System>) -> Self {
        let shared = system.register();
        let ram_host = system.ram().host_base().addr() as u64;
        let native = native::State::new(system.lines.base(), ram_host);
        Self {
            pc: 0,
            ilen: 0,
            cc_kind: 0,
            cc_a: 0,
            cc_b: 0,
            insns: 0,
            leave_block: AtomicU32::new(0),
            ram_host,
            ram_size: system.ram().size(),
            lines: system.lines.base(),
            scratch: [0; SCRATCH_WORDS],
            tlb: Tlb::new(),
            native,
            clock: ClockReader::new(),
            timer: ClockReader::new(),
            jumps: JumpCache::new(),
            running: Running::new(),
            fetched: None,
            cold_values: Vec::new(),
            attention_at: std::ptr::from_ref(shared.attention.word()).addr() as u64,
            shared,
            system,
        }
    }

    /// The word by which others get this vCPU's attention.
    #[inline]
    pub fn attention(&self) -> &Arc<Attention> {
        &self.shared.attention
    }

    /// What all vCPUs share.
    #[inline]
    pub fn system(&self) -> &Arc<System> {
        &self.system
    }

    pub(crate) fn shared(&self) -> &Arc<CpuShared> {
        &self.shared
    }

    /// The running block is left after the current instruction, and everything it was chosen by
    /// is looked at again.
    #[inline]
    pub fn leave_block(&self) {
        self.leave_block.store(1, Ordering::Relaxed);
    }

    /// What [`crate::Guest::space_tag`] answers has changed for this CPU: engines ask again.
    /// Entries stay valid under their tags.
    pub fn spaces_changed(&mut self) {
        self.tlb.forget_tags();
        self.native.forget_tags();
        self.leave_block();
    }

    /// The same of one mode, in which no block accesses memory: only helpers do.
    pub fn space_changed(&mut self, mode: MemMode) {
        self.tlb.forget_tag(mode);
    }

    /// Forgets every translation of this vCPU (s390x: PTLB).
    pub fn flush_tlb(&mut self) {
        self.tlb.flush();
        self.native.flush();
        self.leave_block();
    }

    /// Forgets this vCPU's translations of one page in all address spaces.
    pub fn flush_page(&mut self, address: u64) {
        self.flush_pages(address, u64::MAX);
    }

    /// Forgets this vCPU's translations of the pages whose addresses agree with `address` in the
    /// bits of `mask`, in all address spaces.
    pub fn flush_pages(&mut self, address: u64, mask: u64) {
        self.tlb.flush_pages(address, mask);
        self.native.flush();
        self.leave_block();
    }

    /// Forgets every translation of every vCPU (s390x: IDTE, CSPG). On return no vCPU uses an
    /// old one. Takes no lock that another vCPU waits for; the caller must hold none either.
    pub fn flush_tlb_everywhere(&mut self) {
        self.flush_tlb();
        let system = Arc::clone(&self.system);
        system.flush_others(Some(self), Flush::All);
    }

    /// Forgets the translations of one page in all address spaces of every vCPU.
    /// As [`Self::flush_tlb_everywhere`].
    pub fn flush_page_everywhere(&mut self, address: u64) {
        self.flush_pages_everywhere(address, u64::MAX);
    }

    /// [`Self::flush_pages`] on every vCPU (s390x: IPTE, which names a page by its index in the
    /// page table). As [`Self::flush_tlb_everywhere`].
    pub fn flush_pages_everywhere(&mut self, address: u64, mask: u64) {
        self.flush_pages(address, mask);
        let system = Arc::clone(&self.system);
        system.flush_others(Some(self), Flush::Pages(address, mask));
    }

    /// Does what other threads asked of this vCPU: the flushes, and standing still while one of
    /// them runs alone. The run loop does; a helper that waits for another vCPU does too, again
    /// and again, since that one may wait for this one.
    pub fn serve_flushes(&mut self) {
        self.forget_asked();
        self.system.alone.make_way(&self.shared);
    }

    /// From here on to [`Self::resume`] no translation is used, and nobody waits for this vCPU to
    /// forget one: for a helper that waits for another vCPU.
    pub fn rest(&self) {
        self.shared.requests.rest();
    }

    /// The end of a rest.
    pub fn resume(&mut self) {
        let shared = Arc::clone(&self.shared);
        shared.requests.resume(|flush| self.forget(flush));
    }

    /// The flushes alone.
    pub(crate) fn forget_asked(&mut self) {
        let shared = Arc::clone(&self.shared);
        shared.requests.serve(|flush| self.forget(flush));
    }

    /// Does what was asked.
    pub(crate) fn forget(&mut self, flush: Flush) {
        match flush {
            Flush::All => self.flush_tlb(),
            Flush::Pages(address, mask) => self.flush_pages(address, mask),
        }
    }
}

impl Drop for CpuCore {
    fn drop(&mut self) {
        self.system.unregister(&self.shared);
    }
}
