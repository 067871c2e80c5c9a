//! The code that all blocks share, and the Rust functions behind it.
//!
//! A block calls a thunk for what it does seldom: the thunk puts registers aside, calls the Rust
//! function, and comes back with everything but flags as it was; or there was a trap, which is
//! delivered here, and it goes on wherever that leads. The run loop is for what is not at hand.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::State;
use super::asm::{Asm, Cc, Mem, RAX, RBP, RCX, RDI, RDX, RSI, Reg, Width, at};
use super::buffer::{CodeBuffer, Piece};
use super::memory::shape_of;
use crate::cpu::CpuCore;
use crate::exec::{deliver, find_jump};
use crate::guest::{Access, BlockKey, Guest, Trap};
use crate::helper::HelperRet;
use crate::ir::AtomicOp;
use crate::mem;
use dynasmrt::{DynasmApi, dynasm};

/// Left for the run loop to ask for the key.
pub(super) const LOOKUP: u64 = 0;
/// Left for the run loop to find `core.pc` under the flags of the number in the second word. Any
/// other code is the address of an exit's slot.
pub(super) const JUMP: u64 = 1;

/// Numbers of the thunks that code calls through `State::thunks`.
pub(super) const LEAVE: usize = 0;
/// With a trap's code in rdx.
pub(super) const TRAPPED: usize = 1;
/// To wherever the key leads.
pub(super) const LOOK_UP: usize = 2;
/// To the address in rax under the flags of the number in ecx.
pub(super) const JUMP_SLOW: usize = 3;
/// A load.
pub(super) const LOAD: usize = 4;
/// A store.
pub(super) const STORE: usize = 5;
/// A compare and swap.
pub(super) const COMPARE_SWAP: usize = 6;
const ATOMICS: usize = 7;
/// A store changed code.
pub(super) const STORED: usize = 12;
/// The condition code.
pub(super) const CONDITION_CODE: usize = 13;
const STALE: usize = 14;
const ENTER: usize = 15;
/// A helper that inline code stands for: `State::function` with `State::arguments`.
pub(super) const HELPER: usize = 16;
/// The page of a group, after its leader's slow path.
pub(super) const SPAN: usize = 17;
/// How many there are.
pub(crate) const THUNKS: usize = 18;

const ATOMIC_OPS: [AtomicOp; 5] = [
    AtomicOp::Add,
    AtomicOp::And,
    AtomicOp::Or,
    AtomicOp::Xor,
    AtomicOp::Exchange,
];

/// The thunk of an interlocked update.
pub(super) fn atomic(op: AtomicOp) -> usize {
    ATOMICS + ATOMIC_OPS.iter().position(|&o| o == op).unwrap_or(0)
}

/// What a group's leader looks up, as a number: so many bytes (at most `0x7fff`), from this
/// distance to its own first one, to be written or not.
pub(super) fn span_number(from: i32, bytes: i32, write: bool) -> i32 {
    from << 16 | i32::from(write) << 15 | bytes
}

/// Offset in the core of a field of [`State`].
pub(super) fn state(field: usize) -> usize {
    std::mem::offset_of!(CpuCore, native) + field
}

/// Offset in the core of the address of a thunk.
pub(super) fn thunk(number: usize) -> usize {
    state(std::mem::offset_of!(State, thunks)) + number * 8
}

/// Offset in the core of the word where a register is put aside.
pub(super) fn aside() -> usize {
    state(std::mem::offset_of!(State, aside))
}

/// The shared code of a machine.
#[derive(Debug)]
pub(crate) struct Thunks {
    buffer: Arc<CodeBuffer>,
    addresses: [u64; THUNKS],
    /// Keeps the code.
    _piece: Piece,
}

impl Thunks {
    pub(super) fn new<G: Guest>(bytes: usize) -> io::Result<Self> {
        let buffer = CodeBuffer::new(bytes)?;
        let mut writer = Writer::<G>::new();
        writer.write_all();
        let offsets = writer.offsets;
        let code = writer
            .asm
            .finish()
            .ok_or_else(|| io::Error::other("labels that are nowhere"))?;
        let piece = buffer
            .place(&code)
            .ok_or_else(|| io::Error::other("no room"))?;
        Ok(Self {
            buffer,
            addresses: offsets.map(|offset| piece.address() + offset as u64),
            _piece: piece,
        })
    }

    pub(super) fn buffer(&self) -> &Arc<CodeBuffer> {
        &self.buffer
    }

    pub(super) fn addresses(&self) -> [u64; THUNKS] {
        self.addresses
    }

    /// Where the jump table's entries of dropped blocks go: leaves for the address in rax.
    pub(super) fn stale(&self) -> u64 {
        self.addresses[STALE]
    }

    /// Enters generated code; the reason why it was left.
    ///
    /// # Safety
    /// `core` is the core of a CPU of the type that this was made for, used by nobody else, and
    /// `entry` the entry of a block of the same machine that stays until the call returns.
    pub(super) unsafe fn enter(&self, core: *mut CpuCore, entry: u64) -> (u64, u64) {
        type Enter = unsafe extern "C" fn(*mut CpuCore, u64) -> HelperRet;
        // SAFETY: the thunk follows the C calling convention with these operands.
        let enter: Enter = unsafe { std::mem::transmute(self.addresses[ENTER] as usize) };
        // SAFETY: the caller's promise.
        let ret = unsafe { enter(core, entry) };
        (ret.value, ret.trap)
    }
}

struct Writer<G> {
    asm: Asm,
    offsets: [usize; THUNKS],
    guest: std::marker::PhantomData<G>,
}

impl<G: Guest> Writer<G> {
    fn new() -> Self {
        Self {
            asm: Asm::new(),
            offsets: [0; THUNKS],
            guest: std::marker::PhantomData,
        }
    }

    fn core(&self, offset: usize) -> Mem {
        at(RBP, offset as i32 - super::bias::<G>())
    }

    fn begin(&mut self, thunk: usize) {
        self.asm.align(16);
        self.offsets[thunk] = self.asm.offset();
    }

    #[expect(
        clippy::useless_conversion,
        reason = "dynasm converts what it is given"
    )]
    fn push(&mut self, reg: Reg) {
        let n = reg.0;
        dynasm!(self.asm.ops ; .arch x64 ; push Rq(n));
    }

    #[expect(
        clippy::useless_conversion,
        reason = "dynasm converts what it is given"
    )]
    fn pop(&mut self, reg: Reg) {
        let n = reg.0;
        dynasm!(self.asm.ops ; .arch x64 ; pop Rq(n));
    }

    fn call(&mut self, function: u64) {
        self.asm.mov_imm_keep_flags(RAX, function);
        self.asm.call_reg(RAX);
    }

    fn core_to_rdi(&mut self) {
        let bias = super::bias::<G>();
        self.asm.lea(Width::W64, RDI, at(RBP, -bias));
    }

    fn write_all(&mut self) {
        let leave = self.asm.label();
        let saved = [3u8, 5, 12, 13, 14, 15].map(Reg);

        self.begin(ENTER);
        for reg in saved {
            self.push(reg);
        }
        dynasm!(self.asm.ops ; .arch x64 ; sub rsp, 8);
        let bias = super::bias::<G>();
        self.asm.lea(Width::W64, RBP, at(RDI, bias));
        for (reg, _, offset) in super::pins::<G>() {
            let place = self.core(offset);
            self.asm.mov(Width::W64, reg, place);
        }
        dynasm!(self.asm.ops ; .arch x64 ; jmp rsi);

        self.begin(LEAVE);
        self.asm.bind(leave);
        for (reg, _, offset) in super::pins::<G>() {
            let place = self.core(offset);
            self.asm.store(Width::W64, place, reg);
        }
        dynasm!(self.asm.ops ; .arch x64 ; add rsp, 8);
        for reg in saved.into_iter().rev() {
            self.pop(reg);
        }
        dynasm!(self.asm.ops ; .arch x64 ; ret);

        self.begin(TRAPPED);
        let trapped = self.asm.label();
        self.asm.bind(trapped);
        let before = self.core(state(std::mem::offset_of!(State, before)));
        let insns = self.core(std::mem::offset_of!(CpuCore, insns));
        self.asm.mov(Width::W32, RAX, before);
        self.asm
            .alu_mem(super::asm::Alu::Add, Width::W64, insns, RAX);
        self.asm.mov(Width::W64, RSI, RDX);
        for (reg, _, offset) in super::pins::<G>() {
            let place = self.core(offset);
            self.asm.store(Width::W64, place, reg);
        }
        self.core_to_rdi();
        self.call(trapped_at::<G> as *const () as usize as u64);
        for (reg, _, offset) in super::pins::<G>() {
            let place = self.core(offset);
            self.asm.mov(Width::W64, reg, place);
        }
        let none = self.asm.label();
        self.go_to_entry(none);
        self.asm.bind(none);
        self.asm.mov_imm_keep_flags(RAX, LOOKUP);
        self.asm.jmp(leave);

        self.begin(STALE);
        let pc = self.core(std::mem::offset_of!(CpuCore, pc));
        self.asm.store(Width::W64, pc, RAX);
        self.asm.mov_imm_keep_flags(RAX, LOOKUP);
        self.asm.jmp(leave);

        self.begin(LOOK_UP);
        self.find(look_up::<G> as *const () as usize as u64, None);
        self.asm.mov_imm_keep_flags(RAX, LOOKUP);
        self.asm.jmp(leave);

        self.begin(JUMP_SLOW);
        let shape = self.core(state(std::mem::offset_of!(State, shape)));
        self.find(jump_slow::<G> as *const () as usize as u64, Some(shape));
        self.asm.mov(Width::W32, RDX, shape);
        self.asm.mov_imm_keep_flags(RAX, JUMP);
        self.asm.jmp(leave);

        let slow: [(usize, u64); 11] = [
            (SPAN, look_up_span as *const () as usize as u64),
            (LOAD, load::<G> as *const () as usize as u64),
            (STORE, store::<G> as *const () as usize as u64),
            (COMPARE_SWAP, compare_swap::<G> as *const () as usize as u64),
            (ATOMICS, atomic_op::<G, 0> as *const () as usize as u64),
            (ATOMICS + 1, atomic_op::<G, 1> as *const () as usize as u64),
            (ATOMICS + 2, atomic_op::<G, 2> as *const () as usize as u64),
            (ATOMICS + 3, atomic_op::<G, 3> as *const () as usize as u64),
            (ATOMICS + 4, atomic_op::<G, 4> as *const () as usize as u64),
            (STORED, stored as *const () as usize as u64),
            (
                CONDITION_CODE,
                condition_code::<G> as *const () as usize as u64,
            ),
        ];
        for (number, function) in slow {
            self.begin(number);
            self.slow(function, trapped);
        }
        self.begin(HELPER);
        self.helper(trapped);
    }

    /// The call of a helper: all pinned registers are stored, since it may look at them if it
    /// traps, and write them.
    fn helper(&mut self, trapped: super::asm::Label) {
        let value = self.core(state(std::mem::offset_of!(State, value)));
        let function = self.core(state(std::mem::offset_of!(State, function)));
        for (reg, _, offset) in super::pins::<G>() {
            let place = self.core(offset);
            self.asm.store(Width::W64, place, reg);
        }
        for reg in super::call::NOT_KEPT {
            self.push(reg);
        }
        for &reg in super::call::pins_not_kept() {
            self.push(reg);
        }
        self.core_to_rdi();
        for (n, reg) in super::call::ARGUMENTS.into_iter().enumerate() {
            let argument = state(std::mem::offset_of!(State, arguments) + n * 8);
            let argument = self.core(argument);
            self.asm.mov(Width::W64, reg, argument);
        }
        self.asm.call_mem(function);
        for &reg in super::call::pins_not_kept().iter().rev() {
            self.pop(reg);
        }
        let trap = self.asm.label();
        self.asm.test(Width::W64, RDX, RDX);
        self.asm.jcc(Cc::Ne, trap);
        self.asm.store(Width::W64, value, RAX);
        for reg in super::call::NOT_KEPT.into_iter().rev() {
            self.pop(reg);
        }
        dynasm!(self.asm.ops ; .arch x64 ; ret);
        self.asm.bind(trap);
        let pushed = 8 * (super::call::NOT_KEPT.len() as i32 + 1);
        dynasm!(self.asm.ops ; .arch x64 ; add rsp, pushed);
        for (reg, _, offset) in super::pins::<G>() {
            let place = self.core(offset);
            self.asm.mov(Width::W64, reg, place);
        }
        self.asm.jmp(trapped);
    }

    /// Asks `function` for an entry and jumps there; falls through if there is none.
    fn find(&mut self, function: u64, shape: Option<Mem>) {
        if let Some(shape) = shape {
            self.asm.store(Width::W32, shape, RCX);
        }
        for &reg in super::call::pins_not_kept() {
            self.push(reg);
        }
        dynasm!(self.asm.ops ; .arch x64 ; sub rsp, 8);
        self.asm.mov(Width::W64, RSI, RAX);
        self.asm.mov(Width::W32, RDX, RCX);
        self.core_to_rdi();
        self.call(function);
        dynasm!(self.asm.ops ; .arch x64 ; add rsp, 8);
        for &reg in super::call::pins_not_kept().iter().rev() {
            self.pop(reg);
        }
        let none = self.asm.label();
        self.go_to_entry(none);
        self.asm.bind(none);
    }

    /// To the entry in rax if there is one; else to the label. The block may have been dropped: what
    /// [`STALE`] wants is in rax then.
    fn go_to_entry(&mut self, none: super::asm::Label) {
        let pc = self.core(std::mem::offset_of!(CpuCore, pc));
        self.asm.test(Width::W64, RAX, RAX);
        self.asm.jcc(Cc::E, none);
        self.asm.mov(Width::W64, RCX, RAX);
        self.asm.mov(Width::W64, RAX, pc);
        self.asm.jmp_reg(RCX);
    }

    /// A slow path: called with its operands in [`State`].
    fn slow(&mut self, function: u64, trapped: super::asm::Label) {
        let address = self.core(state(std::mem::offset_of!(State, address)));
        let value = self.core(state(std::mem::offset_of!(State, value)));
        let shape = self.core(state(std::mem::offset_of!(State, shape)));
        // With the return address that makes a multiple of 16 bytes.
        for reg in super::call::NOT_KEPT {
            self.push(reg);
        }
        for &reg in super::call::pins_not_kept() {
            self.push(reg);
        }
        self.core_to_rdi();
        self.asm.mov(Width::W64, RSI, address);
        self.asm.mov(Width::W32, RDX, shape);
        self.call(function);
        for &reg in super::call::pins_not_kept().iter().rev() {
            self.pop(reg);
        }
        let trap = self.asm.label();
        self.asm.test(Width::W64, RDX, RDX);
        self.asm.jcc(Cc::Ne, trap);
        self.asm.store(Width::W64, value, RAX);
        for reg in super::call::NOT_KEPT.into_iter().rev() {
            self.pop(reg);
        }
        dynasm!(self.asm.ops ; .arch x64 ; ret);
        self.asm.bind(trap);
        let pushed = 8 * (super::call::NOT_KEPT.len() as i32 + 1);
        dynasm!(self.asm.ops ; .arch x64 ; add rsp, pushed);
        self.asm.jmp(trapped);
    }
}

/// The CPU that a core is the first field of.
///
/// # Safety
/// As [`Thunks::enter`]'s: generated code runs for that CPU, and uses it by no reference.
unsafe fn cpu<'a, G: Guest>(core: *mut CpuCore) -> &'a mut G {
    // SAFETY: the caller's promise; the core is the first field (`Guest`'s contract).
    unsafe { &mut *core.cast::<G>() }
}

unsafe extern "C" fn load<G: Guest>(core: *mut CpuCore, address: u64, shape: u32) -> HelperRet {
    // SAFETY: called from generated code.
    let cpu = unsafe { cpu::<G>(core) };
    mem::load(cpu, shape_of(shape), address).into()
}

unsafe extern "C" fn store<G: Guest>(core: *mut CpuCore, address: u64, shape: u32) -> HelperRet {
    // SAFETY: called from generated code.
    let cpu = unsafe { cpu::<G>(core) };
    let value = cpu.core().native.value;
    mem::store(cpu, shape_of(shape), address, value)
        .map(|()| 0)
        .into()
}

/// Looks up the page that a group lies in, after its leader's access: [`State::second`] is the
/// entry's addend or 0, [`State::third`] the address of the page's word of code lines.
unsafe extern "C" fn look_up_span(core: *mut CpuCore, address: u64, shape: u32) -> HelperRet {
    // SAFETY: called from generated code, which uses the core by no reference.
    let core = unsafe { &mut *core };
    let span = core.native.span;
    let first = address.wrapping_add_signed(i64::from(span as i32 >> 16));
    let access = if span >> 15 & 1 != 0 {
        Access::Write
    } else {
        Access::Read
    };
    let bytes = u64::from(span & 0x7fff);
    let found = core.tlb.find(access, shape_of(shape).mode, first, bytes);
    (core.native.second, core.native.third) = found.unwrap_or((0, 0));
    Ok(0).into()
}

unsafe extern "C" fn compare_swap<G: Guest>(
    core: *mut CpuCore,
    address: u64,
    shape: u32,
) -> HelperRet {
    // SAFETY: called from generated code.
    let cpu = unsafe { cpu::<G>(core) };
    let (expected, new) = (cpu.core().native.value, cpu.core().native.second);
    let mem = shape_of(shape);
    let mask = u64::MAX >> (64 - 8 * mem.size.bytes());
    mem::compare_swap(cpu, mem, address, expected & mask, new & mask).into()
}

unsafe extern "C" fn atomic_op<G: Guest, const OP: usize>(
    core: *mut CpuCore,
    address: u64,
    shape: u32,
) -> HelperRet {
    // SAFETY: called from generated code.
    let cpu = unsafe { cpu::<G>(core) };
    let value = cpu.core().native.value;
    mem::atomic(cpu, ATOMIC_OPS[OP], shape_of(shape), address, value).into()
}

/// Bytes at a host address were stored, in a page that has code.
unsafe extern "C" fn stored(core: *mut CpuCore, host: u64, bytes: u32) -> HelperRet {
    // SAFETY: called from generated code, which uses the core by no reference.
    let core = unsafe { &*core };
    mem::stored(core, host, bytes.into());
    Ok(0).into()
}

/// The condition code; with a selector that is no negative number, whether it selects it.
unsafe extern "C" fn condition_code<G: Guest>(
    core: *mut CpuCore,
    _address: u64,
    selector: u32,
) -> HelperRet {
    // SAFETY: called from generated code, which uses the core by no reference.
    let core = unsafe { &*core };
    let cc = G::cc_evaluate(core.cc_kind as u8, core.cc_a, core.cc_b);
    Ok(match u8::try_from(selector) {
        Ok(mask) => u64::from(G::cc_selected(cc, mask)),
        Err(_) => u64::from(cc),
    })
    .into()
}

/// Delivers a trap of the instruction at `core.pc`; the entry of what it leads to, or 0.
unsafe extern "C" fn trapped_at<G: Guest>(core: *mut CpuCore, trap: u64) -> u64 {
    // SAFETY: called from generated code.
    let cpu = unsafe { cpu::<G>(core) };
    if let Some(code) = NonZeroU64::new(trap) {
        deliver(cpu, Trap(code));
    }
    // SAFETY: as this.
    unsafe { look_up::<G>(core) }
}

/// The entry of the block that the key leads to, if it is at hand; else 0.
unsafe extern "C" fn look_up<G: Guest>(core: *mut CpuCore) -> u64 {
    // SAFETY: called from generated code.
    let cpu = unsafe { cpu::<G>(core) };
    let core = cpu.core();
    if core.attention().get() != 0 {
        return 0;
    }
    // What it asks for is done: the block is left.
    core.leave_block.store(0, Ordering::Relaxed);
    let key = cpu.key();
    let mode = G::code_mode(key.flags);
    let core = cpu.core_mut();
    if let Some(entry) = core.native.find(&key, mode) {
        return entry;
    }
    let number = match core.native.number_of(key.flags) {
        Some(number) => number,
        None => {
            let system = Arc::clone(core.system());
            let Some(Some(native)) = system.native.get() else {
                return 0;
            };
            let number = native.flags_number(key.flags);
            core.native.number_flags(key.flags, number);
            number
        }
    };
    entry::<G>(core, &key, number)
}

/// The entry of the block at an address under known flags, if it is at hand; else 0, with
/// `core.pc` set.
unsafe extern "C" fn jump_slow<G: Guest>(core: *mut CpuCore, pc: u64, number: u32) -> u64 {
    // SAFETY: called from generated code.
    let cpu = unsafe { cpu::<G>(core) };
    cpu.core_mut().pc = pc;
    let core = cpu.core();
    if core.attention().get() != 0 {
        return 0;
    }
    let flags = match core.native.flags_of(number) {
        Some(flags) => flags,
        None => {
            let system = Arc::clone(core.system());
            let Some(Some(native)) = system.native.get() else {
                return 0;
            };
            let flags = native.flags_of(number);
            cpu.core_mut().native.number_flags(flags, number);
            flags
        }
    };
    let key = BlockKey { pc, flags, aux: 0 };
    entry::<G>(cpu.core_mut(), &key, number)
}

/// The entry of a key's block, if it is at hand; else 0. `flags` is the number of its flags.
fn entry<G: Guest>(core: &mut CpuCore, key: &BlockKey, flags: u32) -> u64 {
    let Some(place) = find_jump::<G>(core, key) else {
        return 0;
    };
    // SAFETY: valid until this vCPU announces an epoch, which it does in the run loop only.
    let block = unsafe { &*place };
    let entry = block.native.load(Ordering::Acquire);
    if block.is_invalid() {
        // Dropped since it was found: what is read above is no entry.
        return 0;
    }
    if entry != 0 {
        let mode = G::code_mode(key.flags);
        if let Some(space) = core.tlb.tag(mode) {
            core.native
                .remember(key.pc, usize::from(mode.0), space, flags, block);
        }
    }
    entry
}
