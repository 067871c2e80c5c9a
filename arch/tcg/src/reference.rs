//! Executes IR as it is written: the plainest engine, against which the others are tested, and the
//! one that executes blocks too cold to be compiled ([`crate::cold`]).
//!
//! Not here: any speed.
#![allow(
    unsafe_code,
    reason = "reads and writes globals at their offsets in the CPU and calls helpers"
)]

use std::sync::atomic::{Ordering, fence};

use crate::cpu::CpuCore;
use crate::eval::{bin, carry, deposit, extend, un};
use crate::guest::{Guest, Trap};
use crate::ir::{Block, Exit, ExitPut, Global, MemOp, Op, Part, Ty, Val};
use crate::mem;

fn read_global<G: Guest>(cpu: &G, g: Global, part: Part) -> u64 {
    let decl = &G::GLOBALS[usize::from(g.0)];
    let place = std::ptr::from_ref(cpu).cast::<u8>();
    // SAFETY: `Guest`'s contract: the global is a field of that type inside the CPU.
    let value = unsafe {
        match decl.ty {
            Ty::I32 => u64::from(place.add(decl.offset).cast::<u32>().read()),
            Ty::I64 => place.add(decl.offset).cast::<u64>().read(),
        }
    };
    match part {
        Part::Full => value,
        Part::Low32 => value & 0xffff_ffff,
        Part::High32 => value >> 32,
    }
}

fn write_global<G: Guest>(cpu: &mut G, g: Global, part: Part, v: u64) {
    let decl = &G::GLOBALS[usize::from(g.0)];
    let value = match part {
        Part::Full => v,
        Part::Low32 => deposit(Ty::I64, read_global(cpu, g, Part::Full), v, 0, 32),
        Part::High32 => deposit(Ty::I64, read_global(cpu, g, Part::Full), v, 32, 32),
    };
    let place = std::ptr::from_mut(cpu).cast::<u8>();
    // SAFETY: `Guest`'s contract: the global is a field of that type inside the CPU.
    unsafe {
        match decl.ty {
            Ty::I32 => place.add(decl.offset).cast::<u32>().write(value as u32),
            Ty::I64 => place.add(decl.offset).cast::<u64>().write(value),
        }
    }
}

fn extend_loaded(ty: Ty, mem: MemOp, v: u64) -> u64 {
    extend(ty, v, 8 * mem.size.bytes() as u8, mem.signed)
}

/// How a block was left that did not trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// For an address under the same flags.
    Jump,
    /// For wherever the key leads.
    Lookup,
}

/// Executes one block from its top. Afterwards `core.pc` is the next instruction's address, or
/// after an error the trapping one's (with `ilen`), and `core.insns` counts the completed
/// instructions.
///
/// After an instruction that may have changed code, or that waits for what others have written,
/// `is_current` is asked: if it says no, the block ends there.
pub(crate) fn execute<G: Guest>(
    cpu: &mut G,
    block: &Block,
    values: &mut Vec<u64>,
    is_current: impl Fn(&G) -> bool,
) -> Result<Left, Trap> {
    values.clear();
    values.resize(block.ops.len(), 0);
    let mut begun = 0;
    let result = run_ops(cpu, block, values, &mut begun, is_current);
    let completed = match result {
        Ok(_) => begun,
        Err(_) => begun - 1,
    };
    cpu.core_mut().insns += completed;
    result
}

fn run_ops<G: Guest>(
    cpu: &mut G,
    block: &Block,
    values: &mut [u64],
    begun: &mut u64,
    is_current: impl Fn(&G) -> bool,
) -> Result<Left, Trap> {
    // An op since the last look may have changed code.
    let mut changes = false;
    for (index, op) in block.ops.iter().enumerate() {
        let val = |v: Val| values[v.0 as usize];
        changes |= op.may_leave_after_insn() || matches!(op, Op::Fence);
        let made = match *op {
            Op::Insn { pc, len } => {
                if *begun > 0
                    && (std::mem::take(cpu.core_mut().leave_block.get_mut()) != 0
                        || std::mem::take(&mut changes) && !is_current(cpu))
                {
                    cpu.core_mut().pc = pc;
                    return Ok(Left::Lookup);
                }
                *begun += 1;
                let core = cpu.core_mut();
                core.pc = pc;
                core.ilen = u32::from(len);
                0
            }
            Op::Const(_, c) => c,
            Op::Get(g, part) => read_global(cpu, g, part),
            Op::Put(g, part, v) => {
                write_global(cpu, g, part, val(v));
                0
            }
            Op::Un(op, ty, v) => un(op, ty, val(v)),
            Op::Bin(op, ty, a, b) => bin(op, ty, val(a), val(b)),
            Op::Carry(op, ty, a, b, c) => carry(op, ty, val(a), val(b), val(c)),
            Op::Trunc(v) => val(v) & Ty::I32.mask(),
            Op::Extend {
                ty,
                v,
                bits,
                signed,
            } => extend(ty, val(v), bits, signed),
            Op::Deposit {
                ty,
                base,
                v,
                pos,
                len,
            } => deposit(ty, val(base), val(v), pos, len),
            Op::SetCond(cond, ty, a, b) => u64::from(cond.holds(ty, val(a), val(b))),
            Op::Select {
                cond,
                cty,
                a,
                b,
                t,
                f,
                ..
            } => {
                if cond.holds(cty, val(a), val(b)) {
                    val(t)
                } else {
                    val(f)
                }
            }
            Op::Load { ty, mem, addr } => {
                let loaded = mem::load(cpu, mem, val(addr))?;
                extend_loaded(ty, mem, loaded)
            }
            Op::Store { mem, addr, v, pred } => {
                if pred.is_none_or(|p| val(p) as u32 != 0) {
                    mem::store(cpu, mem, val(addr), val(v))?;
                }
                0
            }
            Op::CompareSwap {
                mem,
                addr,
                expected,
                new,
                ..
            } => mem::compare_swap(cpu, mem, val(addr), val(expected), val(new))?,
            Op::Atomic {
                op,
                ty,
                mem,
                addr,
                v,
            } => {
                let old = mem::atomic(cpu, op, mem, val(addr), val(v))?;
                extend_loaded(ty, mem, old)
            }
            Op::Fence => {
                fence(Ordering::SeqCst);
                0
            }
            Op::SetCc { kind, a, b } => {
                let (a, b) = (val(a), val(b));
                let core = cpu.core_mut();
                core.cc_kind = u32::from(kind);
                core.cc_a = a;
                core.cc_b = b;
                0
            }
            Op::GetCc => u64::from(get_cc(cpu)),
            Op::TestCc { mask } => u64::from(test_cc(cpu, mask)),
            Op::Call { def, args } => {
                let [a, b, c, d, e] = args.map(|arg| arg.map_or(0, val));
                let core = std::ptr::from_mut(cpu).cast::<CpuCore>();
                // SAFETY: the core is the first field of this CPU, which is borrowed exclusively.
                let ret = unsafe { (def.func)(core, a, b, c, d, e) };
                ret.into_result()?
            }
            Op::ExitIf {
                cond,
                ty,
                a,
                b,
                exit,
                put,
            } => {
                if cond.holds(ty, val(a), val(b)) {
                    if let Some(ExitPut { global, value }) = put {
                        write_global(cpu, global, Part::Full, value);
                    }
                    return Ok(leave(cpu, exit, values));
                }
                0
            }
            Op::Exit(exit) => {
                return Ok(leave(cpu, exit, values));
            }
        };
        values[index] = made;
    }
    Ok(Left::Lookup)
}

/// The condition code that the recorded operation gives.
pub(crate) fn get_cc<G: Guest>(cpu: &G) -> u32 {
    let core = cpu.core();
    G::cc_evaluate(core.cc_kind as u8, core.cc_a, core.cc_b)
}

/// Whether the selector names the recorded operation's condition code.
pub(crate) fn test_cc<G: Guest>(cpu: &G, mask: u8) -> bool {
    let core = cpu.core();
    let cc = G::cc_evaluate(core.cc_kind as u8, core.cc_a, core.cc_b);
    G::cc_selected(cc, mask)
}

fn leave<G: Guest>(cpu: &mut G, exit: Exit, values: &[u64]) -> Left {
    let (pc, left) = match exit {
        Exit::Jump { pc } => (pc, Left::Jump),
        Exit::JumpReg { pc } => (values[pc.0 as usize], Left::Jump),
        Exit::Lookup { pc: Some(pc) } => (values[pc.0 as usize], Left::Lookup),
        Exit::Lookup { pc: None } => return Left::Lookup,
    };
    cpu.core_mut().pc = pc;
    left
}
