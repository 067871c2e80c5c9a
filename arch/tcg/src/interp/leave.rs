//! Steps and paths that leave a block: exits, links, traps, and leaving after the current
//! instruction.

use std::ptr::null;
use std::sync::atomic::Ordering;

use super::{Mark, Step};
use crate::cache::StoredBlock;
use crate::cache::block::ExitSlot;
use crate::cpu::CpuCore;
use crate::engine::{Compiled, Leave};
use crate::exec::find_jump;
use crate::guest::{BlockKey, Guest, Trap};

/// The core of a CPU.
///
/// # Safety
/// `cpu` is valid, and no other reference into it is live while this one is used.
#[inline(always)]
pub(super) unsafe fn core<'a>(cpu: *mut u8) -> &'a mut CpuCore {
    // SAFETY: the core is the first field (`Guest`'s contract), and the caller's promise.
    unsafe { &mut *cpu.cast::<CpuCore>() }
}

/// Goes on to a block, unless somebody wants the vCPU's attention.
///
/// # Safety
/// `target` is valid until the vCPU announces an epoch; for the rest as [`core`].
#[inline(always)]
unsafe fn go(cpu: *mut u8, target: *const StoredBlock) -> *const Step {
    // SAFETY: the caller's promises; the attention word lives as long as the core.
    unsafe {
        let core = core(cpu);
        let target = &*target;
        let attention = (*core.running.attention).load(Ordering::Relaxed);
        if attention != 0 || target.entry.is_null() {
            core.pc = target.key.pc;
            core.running.left = Leave::Jump {
                flags: target.key.flags,
            };
            return null();
        }
        core.running.block = target;
        target.entry
    }
}

/// Takes an exit that can be linked: writes its register, then goes on.
///
/// # Safety
/// As a step's: the slot is one of the running block's.
#[inline(always)]
unsafe fn take(cpu: *mut u8, slot: &ExitSlot) -> *const Step {
    // SAFETY: the caller's promise; linked targets are valid until this vCPU's next epoch.
    unsafe {
        cpu.add(slot.put_at as usize)
            .cast::<u64>()
            .write(slot.value);
        let core = core(cpu);
        core.insns += u64::from(slot.insns);
        let target = slot.target.load(Ordering::Acquire);
        if target.is_null() {
            return unlinked(cpu, slot);
        }
        go(cpu, target)
    }
}

/// Leaves at an exit that is not linked.
///
/// # Safety
/// As [`take`]'s.
#[cold]
#[inline(never)]
unsafe fn unlinked(cpu: *mut u8, slot: &ExitSlot) -> *const Step {
    // SAFETY: the caller's promise.
    unsafe {
        let core = core(cpu);
        let block = &*core.running.block;
        let exit = std::ptr::from_ref(slot).offset_from(block.exits.as_ptr()) as u32;
        core.pc = slot.pc;
        core.running.left = Leave::Chain { from: block, exit };
    }
    null()
}

/// Takes exit number `exit`.
///
/// # Safety
/// As a step's: `exit` is one of the running block's.
#[inline(always)]
pub(super) unsafe fn take_exit(cpu: *mut u8, exit: u16) -> *const Step {
    // SAFETY: the caller's promise.
    unsafe {
        let block = &*core(cpu).running.block;
        take(cpu, block.exits.get_unchecked(usize::from(exit)))
    }
}

/// To a constant address: the exit at `imm`.
pub(super) unsafe fn exit_jump(cpu: *mut u8, step: *const Step) -> *const Step {
    // SAFETY: a step's contract; the slot lives as long as the block.
    unsafe { take(cpu, &*((*step).imm as usize as *const ExitSlot)) }
}

/// To the address in `a`; `imm` instructions executed.
pub(super) unsafe fn exit_jump_reg<G: Guest>(cpu: *mut u8, step: *const Step) -> *const Step {
    // SAFETY: a step's contract.
    unsafe {
        let pc = cpu.add(usize::from((*step).a)).cast::<u64>().read();
        let core = core(cpu);
        core.insns += (*step).imm;
        core.pc = pc;
        let key = BlockKey {
            pc,
            flags: (*core.running.block).key.flags,
            aux: 0,
        };
        match find_jump::<G>(core, &key) {
            Some(target) => go(cpu, target),
            None => {
                core.running.left = Leave::Jump { flags: key.flags };
                null()
            }
        }
    }
}

/// To wherever the key leads, with the address in `a`; `imm` instructions executed.
pub(super) unsafe fn exit_lookup(cpu: *mut u8, step: *const Step) -> *const Step {
    // SAFETY: a step's contract.
    unsafe {
        let pc = cpu.add(usize::from((*step).a)).cast::<u64>().read();
        core(cpu).pc = pc;
        exit_lookup_set(cpu, step)
    }
}

/// To wherever the key leads, with the address set by a helper; `imm` instructions executed.
pub(super) unsafe fn exit_lookup_set(cpu: *mut u8, step: *const Step) -> *const Step {
    // SAFETY: a step's contract.
    unsafe {
        let core = core(cpu);
        core.insns += (*step).imm;
        core.running.left = Leave::Lookup;
    }
    null()
}

/// The marks of the running block, and the number of a step in it.
///
/// # Safety
/// `step` is a step of the running block.
unsafe fn position<'a>(cpu: *mut u8, step: *const Step) -> (&'a [Mark], u32) {
    // SAFETY: the caller's promise; the block lives until this vCPU's next epoch.
    unsafe {
        let block = &*core(cpu).running.block;
        match &block.compiled {
            Compiled::Interp(code) => {
                let index = step.offset_from(code.first()) as u32;
                (&code.marks, index)
            }
            _ => (&[], 0),
        }
    }
}

/// Leaves with a trap of the instruction that `step` belongs to.
///
/// # Safety
/// As a step's.
#[cold]
#[inline(never)]
pub(super) unsafe fn trapped(cpu: *mut u8, step: *const Step, trap: Trap) -> *const Step {
    // SAFETY: a step's contract.
    unsafe {
        let (marks, index) = position(cpu, step);
        let core = core(cpu);
        let at = marks.partition_point(|mark| mark.step <= index);
        if let Some(mark) = at.checked_sub(1).and_then(|at| marks.get(at)) {
            core.pc = mark.pc;
            core.ilen = u32::from(mark.len);
            core.insns += u64::from(mark.before);
        }
        core.running.left = Leave::Trap(trap);
    }
    null()
}

/// `step` has changed what the block was made for: finishes its instruction, then leaves.
///
/// # Safety
/// As a step's.
#[cold]
#[inline(never)]
pub(super) unsafe fn finish_insn(cpu: *mut u8, step: *const Step) -> *const Step {
    // SAFETY: a step's contract.
    unsafe {
        let (marks, index) = position(cpu, step);
        let next = marks.get(marks.partition_point(|mark| mark.step <= index));
        let mut now = step.add(1);
        let mut at = index + 1;
        loop {
            if let Some(mark) = next
                && at >= mark.step
            {
                let core = core(cpu);
                core.pc = mark.pc;
                core.insns += u64::from(mark.before);
                core.running.left = Leave::Lookup;
                return null();
            }
            let block = core(cpu).running.block;
            let after = ((*now).handler)(cpu, now);
            if after.is_null() {
                return after;
            }
            if core(cpu).running.block != block || after <= now {
                // It has gone on to a block, perhaps the same one.
                let core = core(cpu);
                core.pc = (*core.running.block).key.pc;
                core.running.left = Leave::Lookup;
                return null();
            }
            at += after.offset_from(now) as u32;
            now = after;
        }
    }
}
