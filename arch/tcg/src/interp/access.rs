//! Steps that touch guest memory or call helpers: whatever may trap.
//!
//! Every function here is a step: its contract is [`Handler`](super::Handler)'s, with offsets
//! inside the CPU. `a` holds the address, to which `imm` is added.
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every block relies on the same contract, stated above"
)]

use std::sync::atomic::{AtomicU64, Ordering};

use super::Step;
use super::leave::{core, finish_insn, trapped};
use super::ops::{W32, W64, read, write};
use crate::cpu::CpuCore;
use crate::eval;
use crate::guest::Guest;
use crate::helper::{HelperDef, HelperRet};
use crate::ir::{AtomicOp, MemMode, MemOp, MemSize, Ty};
use crate::mem::tlb::{PAGE_MASK, Tlb};
use crate::mem::{self, PAGE_SIZE, host};

/// Sizes, so that a generic parameter can name one.
pub(super) const SIZES: [MemSize; 4] = [MemSize::B1, MemSize::B2, MemSize::B4, MemSize::B8];

#[inline(always)]
unsafe fn address<const INDEX: bool>(cpu: *mut u8, step: *const Step) -> u64 {
    unsafe {
        let base = read::<W64>(cpu, (*step).a).wrapping_add((*step).imm);
        if INDEX {
            base.wrapping_add(read::<W64>(cpu, (*step).c))
        } else {
            base
        }
    }
}

/// The host address, if the TLB knows it; `write` chooses the tag.
#[inline(always)]
unsafe fn hit<const WRITE: bool>(
    core: &CpuCore,
    mode: u16,
    address: u64,
    bytes: u64,
) -> Option<u64> {
    unsafe {
        let entry = core.tlb.entries.get_unchecked(Tlb::slot(address));
        let tag = core.tlb.tags.get_unchecked(usize::from(mode));
        let wanted = (address.wrapping_add(bytes - 1) & PAGE_MASK) | tag;
        let have = if WRITE { entry.write } else { entry.read };
        (have == wanted).then(|| address.wrapping_add(entry.addend))
    }
}

/// Whether a line of the stored bytes, all in one page, holds code.
#[inline(always)]
unsafe fn is_code(core: &CpuCore, place: u64, bytes: u64) -> bool {
    // Not before the store: see `CodeLines`.
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
    let absolute = place.wrapping_sub(core.ram_host);
    let word = (core.lines + absolute / PAGE_SIZE * 8) as usize as *const AtomicU64;
    // SAFETY: one word for each page of RAM, and the TLB leads to RAM only.
    let lines = unsafe { (*word).load(Ordering::Relaxed) };
    lines != 0 && lines & mem::code_lines::bits(absolute, bytes) != 0
}

/// `d` = memory operand, extended.
pub(super) unsafe fn load<
    G: Guest,
    const SIZE: usize,
    const SIGNED: bool,
    const WIDE: bool,
    const INDEX: bool,
>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let address = address::<INDEX>(cpu, step);
        let size = SIZES[SIZE];
        if let Some(place) = hit::<false>(core(cpu), (*step).b, address, size.bytes()) {
            let value = host::read(place, size);
            let ty = if WIDE { Ty::I64 } else { Ty::I32 };
            let value = eval::extend(ty, value, 8 * size.bytes() as u8, SIGNED);
            write::<WIDE>(cpu, (*step).d, value);
            return step.add(1);
        }
        let mem = MemOp {
            size,
            signed: SIGNED,
            aligned: false,
            mode: MemMode((*step).b as u8),
        };
        load_slow::<G, WIDE>(cpu, step, mem, address)
    }
}

#[cold]
#[inline(never)]
unsafe fn load_slow<G: Guest, const WIDE: bool>(
    cpu: *mut u8,
    step: *const Step,
    mem: MemOp,
    address: u64,
) -> *const Step {
    unsafe {
        match mem::load(&mut *cpu.cast::<G>(), mem, address) {
            Ok(value) => {
                write::<WIDE>(cpu, (*step).d, value);
                step.add(1)
            }
            Err(trap) => trapped(cpu, step, trap),
        }
    }
}

/// Memory operand = low bytes of `d`.
pub(super) unsafe fn store<G: Guest, const SIZE: usize, const INDEX: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let address = address::<INDEX>(cpu, step);
        let size = SIZES[SIZE];
        // The low bytes of a narrower place are at its start.
        let value = if size.bytes() == 8 {
            read::<W64>(cpu, (*step).d)
        } else {
            read::<W32>(cpu, (*step).d)
        };
        if let Some(place) = hit::<true>(core(cpu), (*step).b, address, size.bytes()) {
            host::write(place, size, value);
            if !is_code(core(cpu), place, size.bytes()) {
                return step.add(1);
            }
            return stored_code(cpu, step, place, size.bytes());
        }
        let mem = MemOp {
            size,
            signed: false,
            aligned: false,
            mode: MemMode((*step).b as u8),
        };
        store_slow::<G>(cpu, step, mem, address, value)
    }
}

#[cold]
#[inline(never)]
unsafe fn stored_code(cpu: *mut u8, step: *const Step, place: u64, bytes: u64) -> *const Step {
    unsafe {
        mem::stored(core(cpu), place, bytes);
        after(cpu, step)
    }
}

#[cold]
#[inline(never)]
unsafe fn store_slow<G: Guest>(
    cpu: *mut u8,
    step: *const Step,
    mem: MemOp,
    address: u64,
    value: u64,
) -> *const Step {
    unsafe {
        match mem::store(&mut *cpu.cast::<G>(), mem, address, value) {
            Ok(()) => after(cpu, step),
            Err(trap) => trapped(cpu, step, trap),
        }
    }
}

/// After something that may have changed code or translation.
#[inline(always)]
unsafe fn after(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        if core(cpu).leave_block.load(Ordering::Relaxed) == 0 {
            step.add(1)
        } else {
            finish_insn(cpu, step)
        }
    }
}

/// A memory operand's shape in a number: for steps that are no fast path.
pub(super) fn pack(mem: MemOp) -> u64 {
    let size = SIZES.iter().position(|&s| s == mem.size).unwrap_or(0) as u64;
    size | u64::from(mem.signed) << 2 | u64::from(mem.aligned) << 3 | u64::from(mem.mode.0) << 8
}

fn unpack(packed: u64) -> MemOp {
    MemOp {
        size: SIZES[(packed & 3) as usize],
        signed: packed & 4 != 0,
        aligned: packed & 8 != 0,
        mode: MemMode((packed >> 8) as u8),
    }
}

/// `d` = memory operand at `a` of shape `imm`, which demands alignment.
pub(super) unsafe fn load_aligned<G: Guest, const WIDE: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe { load_slow::<G, WIDE>(cpu, step, unpack((*step).imm), read::<W64>(cpu, (*step).a)) }
}

/// Memory operand at `a` of shape `imm`, which demands alignment = low bytes of `d`.
pub(super) unsafe fn store_aligned<G: Guest>(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        let mem = unpack((*step).imm);
        let value = if mem.size == MemSize::B8 {
            read::<W64>(cpu, (*step).d)
        } else {
            read::<W32>(cpu, (*step).d)
        };
        store_slow::<G>(cpu, step, mem, read::<W64>(cpu, (*step).a), value)
    }
}

/// `d` = memory operand at `a` of shape `imm`; replaced by `c` if it is `b`.
pub(super) unsafe fn compare_swap<G: Guest, const WIDE: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let mem = unpack((*step).imm);
        let address = read::<W64>(cpu, (*step).a);
        let (expected, new) = (read::<WIDE>(cpu, (*step).b), read::<WIDE>(cpu, (*step).c));
        match mem::compare_swap(&mut *cpu.cast::<G>(), mem, address, expected, new) {
            Ok(old) => {
                write::<WIDE>(cpu, (*step).d, old);
                after(cpu, step)
            }
            Err(trap) => trapped(cpu, step, trap),
        }
    }
}

/// All interlocked updates.
pub(super) const ATOMICS: [AtomicOp; 5] = [
    AtomicOp::Add,
    AtomicOp::And,
    AtomicOp::Or,
    AtomicOp::Xor,
    AtomicOp::Exchange,
];

/// `d` = memory operand at `a` of shape `imm`, extended; updated with `b` by operation `c`.
pub(super) unsafe fn atomic<G: Guest, const WIDE: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let mem = unpack((*step).imm);
        let op = ATOMICS[usize::from((*step).c)];
        let address = read::<W64>(cpu, (*step).a);
        let v = read::<WIDE>(cpu, (*step).b);
        match mem::atomic(&mut *cpu.cast::<G>(), op, mem, address, v) {
            Ok(old) => {
                let ty = if WIDE { Ty::I64 } else { Ty::I32 };
                let bits = 8 * mem.size.bytes() as u8;
                write::<WIDE>(cpu, (*step).d, eval::extend(ty, old, bits, mem.signed));
                after(cpu, step)
            }
            Err(trap) => trapped(cpu, step, trap),
        }
    }
}

/// How an argument of a call is found: an `I64`'s place.
pub(super) const ARG_WIDE: u16 = 0;
/// An `I32`'s place.
pub(super) const ARG_NARROW: u16 = 1;
/// A constant.
pub(super) const ARG_CONST: u16 = 2;

/// What a call needs to know.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallData {
    pub(super) def: &'static HelperDef,
    /// The instruction.
    pub(super) pc: u64,
    pub(super) ilen: u32,
    /// How each argument is found, two bits for each.
    pub(super) kinds: u16,
    /// Offsets or constants.
    pub(super) args: [u64; 5],
}

/// Calls the helper that the [`CallData`] at `imm` names: `d` = its value. `CHECK`: it may have
/// changed code or translation.
pub(super) unsafe fn call<const COUNT: usize, const CHECK: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let data = &*((*step).imm as usize as *const CallData);
        let mut args = [0; 5];
        let mut kinds = data.kinds;
        for (value, &arg) in args.iter_mut().zip(&data.args).take(COUNT) {
            *value = match kinds & 3 {
                ARG_WIDE => read::<W64>(cpu, arg as u16),
                ARG_NARROW => read::<W32>(cpu, arg as u16),
                _ => arg,
            };
            kinds >>= 2;
        }
        let core = core(cpu);
        core.pc = data.pc;
        core.ilen = data.ilen;
        let HelperRet { value, trap } =
            (data.def.func)(cpu.cast(), args[0], args[1], args[2], args[3], args[4]);
        if let Err(trap) = (HelperRet { value, trap }).into_result() {
            return trapped(cpu, step, trap);
        }
        write::<W64>(cpu, (*step).d, value);
        if CHECK { after(cpu, step) } else { step.add(1) }
    }
}
