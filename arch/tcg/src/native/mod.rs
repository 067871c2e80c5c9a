//! The native engine for x86-64 hosts: IR to machine code.
//!
//! Inside generated code rbp points into the CPU, and the guest registers that the architecture
//! calls hot ([`Guest::HOT`]) live in host registers ([`PINS`]) across linked blocks; all others
//! stay in the CPU. Values of the running block live in the remaining registers. Globals in the
//! CPU are right whenever anybody can look: helpers that read them find the pinned ones stored.
//!
//! One room each: [`asm`] encodes instructions, [`buffer`] holds them, [`alloc`] says where values
//! live, [`lower`] takes a block op by op, [`arith`] has those that are instructions of the host,
//! [`memory`] does accesses through the TLB, of which [`group`] finds those that share a look-up,
//! [`interlocked`] those that others may not see half done, [`call`] calls helpers, [`condition`]
//! keeps the condition code, [`leave`] leaves blocks, [`loops`] those that jump to themselves,
//! [`thunks`] has the code that all blocks share and the Rust functions behind it. Not here: what a
//! block is stored and found by ([`crate::cache`]).
#![allow(
    unsafe_code,
    reason = "generated code is entered through a raw function pointer, and works on the CPU"
)]

mod alloc;
mod arith;
mod asm;
pub(crate) mod buffer;
mod bytes;
mod call;
mod clock;
mod condition;
mod float;
mod group;
mod interlocked;
mod intrinsic;
mod leave;
mod lengths;
mod loops;
mod lower;
mod memory;
mod show;
mod thunks;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::cache::StoredBlock;
use crate::cache::block::ExitSlot;
use crate::cpu::CpuCore;
use crate::engine::Leave;
use crate::guest::{BlockKey, Guest};
use crate::ir::{Block, Global, MemMode, Ty};
use crate::system::{Options, System};
use asm::{R9, R10, R11, R12, R13, R14, R15, RBX, Reg};
use buffer::Piece;
pub(crate) use thunks::{THUNKS, Thunks};

/// Where pinned registers live, in the order of [`Guest::HOT`]. The last three do not survive
/// calls.
const PINS: [Reg; 8] = [RBX, R12, R13, R14, R15, R9, R10, R11];

/// How many of them survive calls.
const PINS_KEPT: usize = 5;

/// What a vCPU of this guest keeps in host registers: (host register, global, byte offset).
fn pins<G: Guest>() -> impl Iterator<Item = (Reg, Global, usize)> {
    PINS.iter().zip(G::HOT).map(|(&reg, &global)| {
        let decl = &G::GLOBALS[usize::from(global.0)];
        debug_assert!(decl.ty == Ty::I64, "only 64-bit globals are pinned");
        (reg, global, decl.offset)
    })
}

/// rbp = address of the CPU + this: the first globals are within a byte's displacement, and so is
/// the core's end where they follow it.
fn bias<G: Guest>() -> i32 {
    const NEAR: usize = size_of::<CpuCore>() - std::mem::offset_of!(CpuCore, attention_at);
    let first = G::GLOBALS.first().map_or(0, |decl| decl.offset);
    (first + 128 - NEAR) as i32
}

/// What the host can do beyond x86-64's first version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Features {
    pub(crate) movbe: bool,
    pub(crate) bmi1: bool,
    pub(crate) bmi2: bool,
    pub(crate) lzcnt: bool,
    pub(crate) popcnt: bool,
    pub(crate) sse41: bool,
    pub(crate) fma: bool,
    pub(crate) avx2: bool,
}

impl Features {
    /// What this host has. The environment variable `EMU_HOST_FEATURES` takes features away: it
    /// names those that may be used, separated by commas (for tests).
    fn detect() -> Self {
        let allowed = std::env::var("EMU_HOST_FEATURES").ok();
        let may = |name: &str| {
            allowed
                .as_deref()
                .is_none_or(|list| list.split(',').any(|other| other == name))
        };
        #[cfg(target_arch = "x86_64")]
        {
            Self {
                movbe: may("movbe") && std::arch::is_x86_feature_detected!("movbe"),
                bmi1: may("bmi1") && std::arch::is_x86_feature_detected!("bmi1"),
                bmi2: may("bmi2") && std::arch::is_x86_feature_detected!("bmi2"),
                lzcnt: may("lzcnt") && std::arch::is_x86_feature_detected!("lzcnt"),
                popcnt: may("popcnt") && std::arch::is_x86_feature_detected!("popcnt"),
                sse41: may("sse41") && std::arch::is_x86_feature_detected!("sse4.1"),
                fma: may("fma") && std::arch::is_x86_feature_detected!("fma"),
                avx2: may("avx2") && std::arch::is_x86_feature_detected!("avx2"),
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = may;
            Self {
                movbe: false,
                bmi1: false,
                bmi2: false,
                lzcnt: false,
                popcnt: false,
                sse41: false,
                fma: false,
                avx2: false,
            }
        }
    }
}

/// Why a block has no machine code: the interpreter executes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// An instruction needs more host registers than there are, or a jump reaches too far.
    Shape,
    /// The buffer is full until dropped blocks are freed.
    Full,
}

/// The native engine of one machine.
#[derive(Debug)]
pub(crate) struct Native {
    thunks: Thunks,
    features: Features,
    /// Whether instructions are counted.
    counts: bool,
    /// Flags of block keys by the numbers that code knows them by.
    flags: Mutex<Vec<u64>>,
}

impl Native {
    /// The engine of a machine of this guest type; `None` if the host cannot run it.
    pub(crate) fn new<G: Guest>(options: &Options) -> Option<Self> {
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
            return None;
        }
        // Dropped blocks may take as much as stored ones.
        let thunks = Thunks::new::<G>(options.cache_bytes.saturating_mul(2).max(256 << 10));
        match thunks {
            Ok(thunks) => Some(Self {
                thunks,
                features: Features::detect(),
                counts: options.count,
                flags: Mutex::default(),
            }),
            Err(error) => {
                log::warn!("no memory for native code, so the interpreter runs: {error}");
                None
            }
        }
    }

    /// The number of a key's flags.
    fn flags_number(&self, flags: u64) -> u32 {
        let mut known = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().position(|&other| other == flags);
        found.unwrap_or_else(|| {
            known.push(flags);
            known.len() - 1
        }) as u32
    }

    fn flags_of(&self, number: u32) -> u64 {
        let known = self.flags.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(number as usize).copied().unwrap_or_default()
    }

    /// Where blocks go that are no longer in the store.
    pub(crate) fn stale(&self) -> u64 {
        self.thunks.stale()
    }
}

/// Where a block's code is entered, in bytes from its first entry, which looks at the attention
/// word.
#[derive(Debug, Clone, Copy)]
struct Entries {
    /// Does not look.
    unchecked: u16,
    /// Another pass of a block that is a loop.
    again: Option<u16>,
}

/// A block's machine code.
pub(crate) struct Code {
    piece: Piece,
    entries: Entries,
}

impl Code {
    pub(crate) fn bytes(&self) -> usize {
        self.piece.bytes()
    }

    /// Where it is entered.
    pub(crate) fn entry(&self) -> u64 {
        self.piece.address()
    }

    /// Where it is entered without a look at the attention word.
    pub(crate) fn unchecked_entry(&self) -> u64 {
        self.piece.address() + u64::from(self.entries.unchecked)
    }

    /// Where the block's own jump back goes; none if it is not a loop.
    pub(crate) fn again(&self) -> Option<u64> {
        let again = self.entries.again?;
        Some(self.piece.address() + u64::from(again))
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        show::disassemble(f, self.piece.code(), self.piece.address())
    }
}

/// What a compilation needs to know beside the block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) key: BlockKey,
    /// It reaches into a second page.
    pub(crate) two_pages: bool,
    /// Somebody else can see the order of the vCPU's accesses to memory.
    pub(crate) barriers: bool,
}

/// Compiles a block.
pub(crate) fn compile<G: Guest>(
    native: &Native,
    block: &Block,
    place: Place,
) -> Result<(Code, Box<[ExitSlot]>), Unfit> {
    let (bytes, entries, mut exits) = lower::lower::<G>(native, block, place)?;
    let piece = native.thunks.buffer().place(&bytes).ok_or(Unfit::Full)?;
    for exit in &mut exits {
        exit.jump = piece.jump(exit.jump_at as usize);
    }
    Ok((Code { piece, entries }, exits))
}

/// Executes a block and those it is linked with or jumps to.
pub(crate) fn enter<G: Guest>(cpu: &mut G, native: &Native, entry: u64) -> Leave {
    let core = cpu.core_mut();
    if core.native.thunks[0] == 0 {
        core.native.thunks = native.thunks.addresses();
    }
    let cpu = std::ptr::from_mut(cpu);
    // SAFETY: the entry is that of a block which lives until this vCPU announces an epoch; the
    // CPU is borrowed exclusively, and of the type that the code was made for.
    let (code, detail) = unsafe { native.thunks.enter(cpu.cast(), entry) };
    // SAFETY: generated code is left, so nothing else uses the CPU.
    let core = unsafe { &mut *cpu.cast::<CpuCore>() };
    match code {
        thunks::LOOKUP => Leave::Lookup,
        thunks::JUMP => Leave::Jump {
            flags: native.flags_of(detail as u32),
        },
        slot => {
            // SAFETY: code leaves with a slot of a block that lives as above.
            let slot = unsafe { &*(slot as usize as *const ExitSlot) };
            core.pc = slot.pc;
            Leave::Chain {
                from: slot.owner(),
                exit: slot.number,
            }
        }
    }
}

/// What generated code keeps in a CPU's core.
#[repr(C)]
pub(crate) struct State {
    /// Addresses of the shared pieces of code.
    pub(crate) thunks: [u64; THUNKS],
    /// Address of the code-line word of host page 0.
    pub(crate) lines: u64,
    /// Address of the jump table.
    pub(crate) jumps: u64,
    /// By mode: its address-space number and the table's generation, or 0 if one is not known.
    pub(crate) jump_tags: [u64; crate::mem::tlb::MODES],
    /// Operands and results of the slow paths.
    pub(crate) address: u64,
    pub(crate) value: u64,
    pub(crate) second: u64,
    pub(crate) third: u64,
    pub(crate) shape: u32,
    /// What is looked up for a group of accesses, see [`thunks::span_number`].
    pub(crate) span: u32,
    /// Instructions of the block that were completed before the current one.
    pub(crate) before: u32,
    /// A helper and its arguments.
    pub(crate) function: u64,
    pub(crate) arguments: [u64; 5],
    /// Where a register is put aside for a moment.
    pub(crate) aside: u64,
    table: Box<[Jump; JUMPS]>,
    generation: u64,
    /// Flags of keys that were looked up, with their numbers.
    numbered: [(u64, u32); NUMBERED],
}

/// How many flags a CPU knows the numbers of.
const NUMBERED: usize = 16;

/// Entries of the jump table; a power of two.
const JUMPS: usize = 4096;

/// An entry: where a jump to an address goes.
#[repr(C)]
#[derive(Clone, Copy)]
struct Jump {
    pc: u64,
    /// The mode's word in `jump_tags` plus the number of the block's flags. Never 0.
    check: u64,
    /// Address of the block's word that holds its entry.
    entry: u64,
    unused: u64,
}

const NO_JUMP: Jump = Jump {
    pc: 0,
    // No mode's word plus number is that.
    check: u64::MAX,
    entry: 0,
    unused: 0,
};

/// Bits of a jump tag that the number of the flags takes. Above them are 12 of the address space's
/// number in the TLB, and the rest is the generation.
const FLAGS_BITS: u32 = 20;
const GENERATION_BITS: u32 = 64 - 12 - FLAGS_BITS;

/// The slot of an address.
fn jump_slot(pc: u64) -> usize {
    ((pc >> 1 ^ pc >> 13) as usize) % JUMPS
}

impl State {
    pub(crate) fn new(lines: u64, ram_host: u64) -> Self {
        let table = Box::new([NO_JUMP; JUMPS]);
        Self {
            thunks: [0; THUNKS],
            lines: lines.wrapping_sub(ram_host >> 12 << 3),
            jumps: std::ptr::from_ref(&*table).addr() as u64,
            jump_tags: [0; crate::mem::tlb::MODES],
            address: 0,
            value: 0,
            second: 0,
            third: 0,
            shape: 0,
            span: 0,
            before: 0,
            function: 0,
            arguments: [0; 5],
            aside: 0,
            table,
            generation: 0,
            numbered: [(u64::MAX, 0); NUMBERED],
        }
    }

    /// The place of a key's flags among those that are numbered.
    fn numbered_slot(flags: u64) -> usize {
        (flags.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as usize % NUMBERED
    }

    /// The number of these flags, if it is known here.
    fn number_of(&self, flags: u64) -> Option<u32> {
        let known = self.numbered[Self::numbered_slot(flags)];
        (known.0 == flags).then_some(known.1)
    }

    /// The flags of this number, if they are known here.
    fn flags_of(&self, number: u32) -> Option<u64> {
        let mut known = self.numbered.iter();
        known
            .find(|known| known.1 == number && known.0 != u64::MAX)
            .map(|known| known.0)
    }

    /// This is the number of these flags.
    fn number_flags(&mut self, flags: u64, number: u32) {
        self.numbered[Self::numbered_slot(flags)] = (flags, number);
    }

    /// The entry of a key's block, if the table has it: that of code which leaves for the run loop
    /// if the block has been dropped.
    fn find(&self, key: &BlockKey, mode: MemMode) -> Option<u64> {
        let number = self.number_of(key.flags)?;
        let jump = &self.table[jump_slot(key.pc)];
        let check = self.jump_tags[usize::from(mode.0)] + u64::from(number);
        if key.aux != 0 || jump.pc != key.pc || jump.check != check {
            return None;
        }
        // SAFETY: entries are of blocks that live until this vCPU announces an epoch, at which
        // they are forgotten; `entry` is that of an atomic word of theirs.
        let entry = unsafe { &*(jump.entry as usize as *const AtomicU64) };
        Some(entry.load(Ordering::Acquire))
    }

    /// What the modes mean has changed.
    pub(crate) fn forget_tags(&mut self) {
        self.jump_tags = [0; crate::mem::tlb::MODES];
    }

    /// No entry is good any more: a translation is gone.
    pub(crate) fn flush(&mut self) {
        self.generation += 1;
        if self.generation >> GENERATION_BITS != 0 {
            // Numbers come again: no entry may be left that has one.
            self.generation = 0;
            self.forget_blocks();
        }
        self.forget_tags();
    }

    /// The blocks may be freed from here on.
    pub(crate) fn forget_blocks(&mut self) {
        self.table.fill(NO_JUMP);
    }

    /// Remembers where a jump goes. `space` is the mode's number in the TLB. The block was found just
    /// now through the translations of its one or two pages: they hold until [`Self::flush`].
    fn remember(&mut self, pc: u64, mode: usize, space: u64, flags: u32, block: &StoredBlock) {
        if block.key.aux != 0 || flags >> FLAGS_BITS != 0 {
            return;
        }
        let tag = (self.generation << 12 | space) << FLAGS_BITS;
        self.jump_tags[mode] = tag;
        self.table[jump_slot(pc)] = Jump {
            pc,
            check: tag + u64::from(flags),
            entry: block.native.as_ptr().addr() as u64,
            unused: 0,
        };
    }
}

/// The engine of a machine, made when it is first asked for.
pub(crate) fn of<G: Guest>(system: &System) -> Option<&Native> {
    system
        .native
        .get_or_init(|| {
            let native = Native::new::<G>(system.options());
            if let Some(native) = &native {
                system.cache.set_stale(native.stale());
            }
            native
        })
        .as_ref()
}
