//! What all vCPUs of one machine share: RAM, translated blocks, and ways to reach every vCPU.
//!
//! A vCPU is *online* while it is inside [`crate::exec::run`]. What must be gone from every
//! vCPU before somebody goes on (a flushed translation) is asked of the online ones, which answer
//! at their next block boundary or while they wait for an answer themselves; the others look when
//! they come online. Not here: a vCPU's own state ([`crate::cpu`]).

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use machine::GuestRam;

use crate::alone::Alone;
use crate::cache::{BlockCache, CacheStats};
use crate::cold::Warmth;
use crate::cpu::{ATTENTION_SERVICE, Attention, CpuCore};
use crate::mem::code_lines::CodeLines;
use crate::native::Native;
use crate::shootdown::{Flush, Requests, Ticket};

/// Which engine executes the blocks of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineKind {
    /// Executes IR as written, without the optimiser (`reference`).
    Reference,
    /// The portable interpreter (`interp`).
    #[cfg_attr(not(target_arch = "x86_64"), default)]
    Interp,
    /// Machine code for x86-64 hosts (`native`); on others the interpreter.
    #[cfg_attr(target_arch = "x86_64", default)]
    Native,
}

impl EngineKind {
    /// The engines that this host has.
    pub const ALL: &[Self] = if cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        &[Self::Reference, Self::Interp, Self::Native]
    } else {
        &[Self::Reference, Self::Interp]
    };
}

/// How translation works on one machine.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The engine.
    pub engine: EngineKind,
    /// Bytes that translated blocks may take; beyond it all are dropped and made anew. 64 MiB
    /// unless told.
    pub cache_bytes: usize,
    /// Whether [`CpuCore::insns`] is kept. Yes unless told: tests and debugging want it. It costs
    /// native code an update in memory in each block.
    pub count: bool,
    /// How often a block is executed as IR before the engine compiles it: much code of a booting
    /// system runs once or twice. 0 unless told.
    pub cold_runs: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: EngineKind::default(),
            cache_bytes: 64 << 20,
            count: true,
            cold_runs: 0,
        }
    }
}

/// What translation prints, for [`System::set_trace`]. Text goes to the `log` crate at trace
/// level under the target named here.
pub mod trace {
    /// `tcg::in_asm`: guest code of each block when it is translated.
    pub const IN_ASM: u32 = 1;
    /// `tcg::op`: its IR as the front end made it.
    pub const OP: u32 = 2;
    /// `tcg::op_opt`: its IR after the optimiser.
    pub const OP_OPT: u32 = 4;
    /// `tcg::out_asm`: what the engine made of it.
    pub const OUT_ASM: u32 = 8;
    /// `tcg::exec`: each block when it is entered, except from one that was linked to it before this
    /// was switched on.
    pub const EXEC: u32 = 16;
    /// `tcg::int`: each trap that is delivered.
    pub const INT: u32 = 32;
}

/// The value of [`CpuShared::epoch`] of a vCPU outside the run loop.
const OFFLINE: u64 = u64::MAX;

/// What other threads see of a vCPU.
#[derive(Debug)]
pub(crate) struct CpuShared {
    pub(crate) attention: Arc<Attention>,
    /// The last reclamation epoch at whose beginning this vCPU held no block, or [`OFFLINE`].
    epoch: AtomicU64,
    /// What others ask it to forget.
    pub(crate) requests: Requests,
    /// It stands still for another one; see [`crate::alone`].
    pub(crate) aside: AtomicBool,
}

impl CpuShared {
    pub(crate) fn is_online(&self) -> bool {
        self.epoch.load(Ordering::SeqCst) != OFFLINE
    }

    /// Asks for a flush.
    fn ask(&self, flush: Flush) -> Ticket {
        let ticket = self.requests.ask(flush);
        self.attention.raise(ATTENTION_SERVICE);
        ticket
    }
}

/// What all vCPUs of one machine share.
pub struct System {
    ram: Arc<GuestRam>,
    options: Options,
    pub(crate) lines: CodeLines,
    pub(crate) cache: BlockCache,
    pub(crate) warmth: Warmth,
    cpus: Mutex<Vec<Arc<CpuShared>>>,
    /// Reclamation epoch; see [`crate::cache::reclaim`].
    epoch: AtomicU64,
    track_dirty: AtomicBool,
    /// What a vCPU waits at its first write to a clean page, in nanoseconds ([`crate::migrate`]).
    pub(crate) toll_ns: AtomicU32,
    memory_shared: AtomicBool,
    trace: AtomicU32,
    pub(crate) alone: Alone,
    /// Makes 16-byte updates one on hosts that have no such instruction.
    pub(crate) wide: Mutex<()>,
    /// The native engine, once it was asked for; `None` inside if the host has none.
    pub(crate) native: OnceLock<Option<Native>>,
}

impl System {
    /// Translation for a machine with this RAM, with default options.
    pub fn new(ram: Arc<GuestRam>) -> Arc<Self> {
        Self::with_options(ram, Options::default())
    }

    /// Translation for a machine with this RAM.
    pub fn with_options(ram: Arc<GuestRam>, options: Options) -> Arc<Self> {
        Arc::new(Self {
            lines: CodeLines::new(ram.size()),
            cache: BlockCache::new(options.cache_bytes),
            warmth: Warmth::new(options.cold_runs),
            ram,
            options,
            cpus: Mutex::default(),
            epoch: AtomicU64::new(0),
            track_dirty: AtomicBool::new(false),
            toll_ns: AtomicU32::new(0),
            memory_shared: AtomicBool::new(false),
            trace: AtomicU32::new(0),
            alone: Alone::default(),
            wide: Mutex::default(),
            native: OnceLock::new(),
        })
    }

    /// The machine's RAM.
    #[inline]
    pub fn ram(&self) -> &Arc<GuestRam> {
        &self.ram
    }

    /// The options it was made with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Whether [`CpuCore::insns`] is kept: portable engines always do.
    pub fn counts_instructions(&self) -> bool {
        self.options.count || self.options.engine != EngineKind::Native
    }

    /// Chooses what is printed: bits of [`trace`].
    pub fn set_trace(&self, bits: u32) {
        self.trace.store(bits, Ordering::Relaxed);
    }

    /// What is printed.
    #[inline]
    pub fn trace(&self) -> u32 {
        self.trace.load(Ordering::Relaxed)
    }

    /// Whether vCPUs mark the pages they write in the RAM's dirty bitmap.
    #[inline]
    pub fn is_tracking_dirty(&self) -> bool {
        self.track_dirty.load(Ordering::SeqCst)
    }

    /// Starts or stops marking pages that vCPUs write. When this returns, every later write by
    /// a vCPU is marked (or none is). Pages written while it was off are not marked. Called by
    /// a thread that is no vCPU.
    pub fn dirty_tracking(&self, on: bool) {
        self.track_dirty.store(on, Ordering::SeqCst);
        if on {
            self.flush_all_cpus();
        }
    }

    /// Makes every vCPU mark again what it writes: called after marks were cleared and before
    /// the pages are read. Called by a thread that is no vCPU.
    pub fn dirty_marks_cleared(&self) {
        if self.is_tracking_dirty() {
            self.flush_all_cpus();
        }
    }

    /// Forgets every translation of every vCPU; on return no vCPU uses an old one. Called by a
    /// thread that is no vCPU; vCPUs call [`CpuCore::flush_tlb_everywhere`].
    pub fn flush_all_cpus(&self) {
        self.flush_others(None, Flush::All);
    }

    /// Forgets the blocks made from these bytes, which something other than a vCPU has changed
    /// (a device, a loader). vCPUs see it at their next block boundary.
    pub fn code_changed(&self, absolute: u64, length: u64) {
        if self.lines.any(absolute, length) {
            self.cache.written(self, absolute, length);
        }
    }

    /// Forgets every block (system reset). vCPUs see it at their next block boundary.
    pub fn forget_blocks(&self) {
        self.cache.clear(self);
    }

    /// Numbers about the store of blocks.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache.stats()
    }

    /// Whether the order of a vCPU's accesses to guest memory can be seen by anybody but itself.
    /// As long as it cannot, barriers are left out,
    /// and interlocked updates are loads and stores.
    pub(crate) fn is_memory_shared(&self) -> bool {
        self.memory_shared.load(Ordering::SeqCst)
    }

    /// Says that something other than a vCPU uses guest memory while vCPUs run, in a way in which
    /// the order of accesses counts: a device with a thread of its own and queues in memory.
    /// Who only copies memory, as migration does, need not say so: it asks each vCPU first
    /// ([`System::dirty_marks_cleared`]). A second vCPU does it by itself.
    pub fn share_memory(&self) {
        if !self.memory_shared.swap(true, Ordering::SeqCst) {
            self.forget_blocks();
            // None is being executed any more.
            self.flush_all_cpus();
        }
    }

    /// Whether there is one vCPU only.
    pub(crate) fn is_single(&self) -> bool {
        self.cpus().len() <= 1
    }

    fn cpus(&self) -> MutexGuard<'_, Vec<Arc<CpuShared>>> {
        self.cpus.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn register(&self) -> Arc<CpuShared> {
        let shared = Arc::new(CpuShared {
            attention: Arc::default(),
            epoch: AtomicU64::new(OFFLINE),
            requests: Requests::default(),
            aside: AtomicBool::new(false),
        });
        let count = {
            let mut cpus = self.cpus();
            cpus.push(Arc::clone(&shared));
            cpus.len()
        };
        if count > 1 {
            self.share_memory();
        }
        shared
    }

    pub(crate) fn unregister(&self, shared: &Arc<CpuShared>) {
        self.cpus().retain(|other| !Arc::ptr_eq(other, shared));
    }

    /// All vCPUs but one.
    pub(crate) fn others(&self, own: &Arc<CpuShared>) -> Vec<Arc<CpuShared>> {
        let cpus = self.cpus();
        let others = cpus.iter().filter(|cpu| !Arc::ptr_eq(own, cpu));
        others.map(Arc::clone).collect()
    }

    /// Asks all vCPUs but the caller for a flush and waits until none can use what it forgets. The
    /// caller rests meanwhile, so two that wait for each other both go on; it holds no translation.
    pub(crate) fn flush_others(&self, caller: Option<&mut CpuCore>, flush: Flush) {
        let own = caller.as_ref().map(|core| Arc::clone(core.shared()));
        let waiting: Vec<_> = self
            .cpus()
            .iter()
            .filter(|cpu| own.as_ref().is_none_or(|own| !Arc::ptr_eq(own, cpu)))
            .map(|cpu| (Arc::clone(cpu), cpu.ask(flush)))
            .collect();
        if waiting.is_empty() {
            return;
        }
        if let Some(core) = &caller {
            core.rest();
        }
        for (cpu, ticket) in waiting {
            let mut spins = 0u32;
            // One that is offline serves what was asked before it uses a translation.
            while cpu.is_online() && !cpu.requests.is_over(ticket) {
                if let Some(own) = &own {
                    self.alone.make_way(own);
                }
                spins += 1;
                if spins < 200 {
                    std::hint::spin_loop();
                } else {
                    std::thread::yield_now();
                }
            }
        }
        if let Some(core) = caller {
            core.resume();
        }
    }

    /// The current reclamation epoch.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Begins an epoch and has every vCPU pass through its run loop; the new epoch.
    pub(crate) fn begin_epoch(&self) -> u64 {
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        for cpu in self.cpus().iter() {
            cpu.attention.raise(ATTENTION_SERVICE);
        }
        epoch
    }

    /// The epoch that every online vCPU has reached.
    pub(crate) fn epoch_reached(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.cpus()
            .iter()
            .map(|cpu| cpu.epoch.load(Ordering::SeqCst))
            .min()
            .unwrap_or(OFFLINE)
    }

    /// A vCPU holds no block (its jump cache included) and has seen this epoch.
    pub(crate) fn announce(&self, shared: &CpuShared, epoch: u64) {
        shared.epoch.store(epoch, Ordering::SeqCst);
    }

    /// A vCPU leaves the run loop.
    pub(crate) fn go_offline(&self, shared: &CpuShared) {
        shared.epoch.store(OFFLINE, Ordering::SeqCst);
    }
}
