//! What an architecture implements to be translated: one trait and the types it speaks in.
//!
//! Not here: how blocks are built ([`crate::ir`]), stored or executed.
#![allow(
    unsafe_code,
    reason = "declares the layout contract that engines rely on"
)]

use std::num::NonZeroU64;

use crate::cpu::CpuCore;
use crate::ir::{Builder, Cond, Global, GlobalDecl, MemMode, Ty};

/// Why the current instruction cannot complete normally: an architecture-defined code in 64
/// bits. Details that do not fit live in the CPU. Passed from helpers and memory accesses to
/// [`Guest::deliver`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trap(pub NonZeroU64);

/// What a block was translated for. Two blocks of equal keys are the same code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BlockKey {
    /// Guest virtual address of the first instruction.
    pub pc: u64,
    /// Whatever of the CPU's state the translation depends on (addressing mode, address space,
    /// problem state, ...), defined by the architecture. Jumps inside a block keep it.
    pub flags: u64,
    /// An instruction image that is executed instead of what memory holds at `pc` (s390x:
    /// the target of EXECUTE), architecture-defined; 0 for ordinary code. Jumps clear it.
    pub aux: u64,
}

impl BlockKey {
    /// The key of ordinary code.
    pub(crate) fn plain(pc: u64, flags: u64) -> Self {
        Self { pc, flags, aux: 0 }
    }
}

/// What is done at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// An operand is fetched.
    Read,
    /// An operand is stored.
    Write,
    /// An instruction is fetched.
    Execute,
}

/// What the softmmu may remember of a translated page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    /// Further reads of the page need not ask again.
    pub read: bool,
    /// Further writes of the page need not ask again. False also where only part of the page is
    /// protected (s390x: low-address protection).
    pub write: bool,
    /// Further fetches of the page need not ask again.
    pub execute: bool,
}

/// The answer of [`Guest::translate_address`]: this very access is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageMapping {
    /// Guest-absolute address of the page (4 KiB aligned), certainly in RAM.
    pub page: u64,
    /// What may be remembered for the page under the current address-space tag.
    pub protection: Protection,
}

/// What a vCPU is to do after [`Guest::poll`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poll {
    /// Execute guest code at the CPU's current state.
    Run,
    /// Leave the execution loop; the owner of the vCPU's thread looks at the CPU for why
    /// (stop request, waiting for an interruption, stopped, ...).
    Leave,
}

/// One side of the comparison that a condition-code test comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CcOperand {
    /// The first operand recorded by `SetCc`.
    A,
    /// The second operand recorded by `SetCc`.
    B,
    /// A constant.
    Imm(u64),
    /// `A & B`.
    AAndB,
    /// `A + B`, wrapping in the comparison's type.
    APlusB,
    /// `A - B`, wrapping in the comparison's type.
    AMinusB,
    /// `A` plus a constant, wrapping in the comparison's type.
    APlusImm(u64),
    /// `A + A`, wrapping in the comparison's type: `A` without its sign bit.
    APlusA,
    /// `A` and a constant.
    AAndImm(u64),
}

/// What testing a recorded condition-code operation against a selector comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CcTest {
    /// The same for all operands.
    Always(bool),
    /// One comparison of the recorded operands, in a type (they are truncated to it).
    Compare {
        /// Compare in this width.
        ty: Ty,
        /// The condition.
        cond: Cond,
        /// Left side.
        left: CcOperand,
        /// Right side.
        right: CcOperand,
    },
    /// Needs the condition code itself: evaluate and test.
    Evaluate,
}

/// An architecture under translation.
///
/// The run loop ([`crate::exec::run`]) drives it so:
/// 1. While bits 0-23 of the attention word are set it asks [`Self::poll`] before a block.
/// 2. It asks [`Self::key`] and finds the block of that key at the absolute address which
///    [`Self::translate_address`] gives for the instruction, or has it made by
///    [`Self::translate`]. After [`crate::ir::Exit::Jump`] and `JumpReg` it takes the flags of
///    the block that was left and asks for no key.
/// 3. A trap of a helper or a memory access ends the block: registers are as all earlier ops
///    left them, `CpuCore::pc` and `ilen` name the instruction, and [`Self::deliver`] makes it an
///    interruption, which sets `pc`. If the block's first instruction could not be fetched,
///    `ilen` is 0.
/// 4. `CpuCore::insns` counts the completed instructions; one that traps is not counted.
///
/// A helper that changes what address translation answers tells the core
/// ([`CpuCore::spaces_changed`], [`CpuCore::flush_tlb`] and their kin); the block is then left
/// after the current instruction, provided that its effects say that it writes globals or memory.
///
/// # Safety
/// The implementing type is `#[repr(C)]` and its first field is a [`CpuCore`]: engines and
/// helpers convert between pointers to the two. Every [`GlobalDecl`] names a field of the
/// declared size inside the type.
pub unsafe trait Guest: Send + Sized + 'static {
    /// Registers that the IR names, with their places in the CPU.
    const GLOBALS: &'static [GlobalDecl];

    /// The 64-bit registers that are used most, in that order: a native engine keeps the first
    /// few in host registers.
    const HOT: &'static [Global] = &[];

    /// The address-space indexes that [`MemMode`] may hold are below this (at most 32).
    const MEM_MODES: usize;

    /// Evaluates a recorded condition-code operation: kind and operands as given to `SetCc`.
    fn cc_evaluate(kind: u8, a: u64, b: u64) -> u32;

    /// What testing kind `kind` against the selector `mask` comes down to. The selector's
    /// meaning is the architecture's (s390x: the branch mask, bit 8 for condition code 0).
    fn cc_test(kind: u8, mask: u8) -> CcTest;

    /// Whether a selector names a condition code. Unless the architecture says otherwise, bit 3
    /// (value 8) selects code 0, bit 2 code 1, and so on, as in s390x branch masks.
    fn cc_selected(cc: u32, mask: u8) -> bool {
        (u32::from(mask) << cc) & 8 != 0
    }

    /// Whether a kind's condition code is its first operand itself, which is then no other value
    /// than a code.
    fn cc_is_operand(_kind: u8) -> bool {
        false
    }

    /// A name for a kind of condition-code operation, for printed IR.
    fn cc_name(kind: u8) -> &'static str;

    /// The block key of the CPU's current state.
    fn key(&self) -> BlockKey;

    /// The address space that instructions come from under these block-key flags.
    fn code_mode(flags: u64) -> MemMode;

    /// Translates from `key.pc` until the builder says that the block is full or an instruction
    /// ends it. Fetches code through [`crate::mem::fetch`].
    ///
    /// # Errors
    /// The trap of fetching the first instruction. Later fetches that fail end the block before
    /// that instruction. Instructions that are not valid are translated to code that traps.
    fn translate(&mut self, key: &BlockKey, builder: &mut Builder) -> Result<(), Trap>;

    /// Translates one virtual address and checks the access; may set access bits in tables.
    ///
    /// # Errors
    /// The access's trap, with its details recorded in the CPU.
    fn translate_address(
        &mut self,
        address: u64,
        access: Access,
        mode: MemMode,
    ) -> Result<PageMapping, Trap>;

    /// Bytes of one page are about to be stored, whose address has just been translated since no
    /// earlier translation was remembered for writing. An architecture that wants to know of all
    /// stores lets none be remembered ([`Protection::write`]). The store may be told of more than
    /// once, and may still fail at bytes of another page.
    fn about_to_store(&mut self, _address: u64, _length: u64, _mode: MemMode) {}

    /// The tag of the address space that a mode means now, below 2^11: TLB entries made under a
    /// tag are found under the same tag only. Engines ask after `CpuCore::spaces_changed`.
    fn space_tag(&mut self, mode: MemMode) -> u16;

    /// The trap of an access whose operation demands alignment and whose address has none.
    fn unaligned(&mut self, address: u64, mode: MemMode) -> Trap;

    /// Wraps a data address after an increment across the end of the address space (s390x:
    /// 24-, 31- or 64-bit mode). Used for accesses that cross a page.
    fn wrap_address(&self, address: u64) -> u64;

    /// Looks at pending interruptions and requests; called before a block whenever the
    /// attention word is not zero. Takes what is to be taken, and clears what it has handled.
    fn poll(&mut self) -> Poll;

    /// Makes a trap the guest's interruption. `CpuCore::pc` and `ilen` tell the instruction.
    fn deliver(&mut self, trap: Trap);

    /// Disassembles one instruction for `-d in_asm`: length and text.
    fn disassemble(&self, address: u64, code: &[u8]) -> (usize, String);

    /// The translated part of the CPU.
    fn core(&self) -> &CpuCore;

    /// The translated part of the CPU.
    fn core_mut(&mut self) -> &mut CpuCore;
}
