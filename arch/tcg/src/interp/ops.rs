//! Steps on registers and intermediate values. Each reads its operands, then writes its result.
//!
//! Every function here is a step: its contract is [`Handler`](super::Handler)'s, with offsets
//! inside the CPU.
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "every block relies on the same contract, stated above"
)]

use super::Step;
use super::leave::{core, take_exit};
use crate::eval;
use crate::guest::Guest;
use crate::ir::{BinOp, CarryOp, Cond, Ty, UnOp};

/// Widths, as constants that generic parameters can be.
pub(super) const W32: bool = false;
/// 64 bits.
pub(super) const W64: bool = true;

const fn ty(wide: bool) -> Ty {
    if wide { Ty::I64 } else { Ty::I32 }
}

/// Reads a value of a width.
#[inline(always)]
pub(super) unsafe fn read<const WIDE: bool>(cpu: *mut u8, at: u16) -> u64 {
    unsafe {
        let place = cpu.add(usize::from(at));
        if WIDE {
            place.cast::<u64>().read()
        } else {
            u64::from(place.cast::<u32>().read())
        }
    }
}

/// Writes a value of a width.
#[inline(always)]
pub(super) unsafe fn write<const WIDE: bool>(cpu: *mut u8, at: u16, value: u64) {
    unsafe {
        let place = cpu.add(usize::from(at));
        if WIDE {
            place.cast::<u64>().write(value);
        } else {
            place.cast::<u32>().write(value as u32);
        }
    }
}

/// `d = imm`.
pub(super) unsafe fn mov_imm<const WIDE: bool>(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        write::<WIDE>(cpu, (*step).d, (*step).imm);
        step.add(1)
    }
}

/// `d = a`.
pub(super) unsafe fn mov<const WIDE: bool>(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        write::<WIDE>(cpu, (*step).d, read::<WIDE>(cpu, (*step).a));
        step.add(1)
    }
}

/// All two-operand operations, so that a generic parameter can name one.
pub(super) const BIN: [BinOp; 13] = [
    BinOp::Add,
    BinOp::Sub,
    BinOp::Mul,
    BinOp::MulHighU,
    BinOp::MulHighS,
    BinOp::And,
    BinOp::Or,
    BinOp::Xor,
    BinOp::AndNot,
    BinOp::Shl,
    BinOp::Shr,
    BinOp::Sar,
    BinOp::Rotl,
];

/// `d = a op b`.
pub(super) unsafe fn bin<const OP: usize, const WIDE: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let (a, b) = (read::<WIDE>(cpu, (*step).a), read::<WIDE>(cpu, (*step).b));
        write::<WIDE>(cpu, (*step).d, eval::bin(BIN[OP], ty(WIDE), a, b));
        step.add(1)
    }
}

/// `d = a op imm`.
pub(super) unsafe fn bin_imm<const OP: usize, const WIDE: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let a = read::<WIDE>(cpu, (*step).a);
        write::<WIDE>(cpu, (*step).d, eval::bin(BIN[OP], ty(WIDE), a, (*step).imm));
        step.add(1)
    }
}

/// All one-operand operations.
pub(super) const UN: [UnOp; 5] = [
    UnOp::Neg,
    UnOp::Not,
    UnOp::ByteSwap,
    UnOp::CountLeadingZeros,
    UnOp::CountOnes,
];

/// `d = op a`.
pub(super) unsafe fn un<const OP: usize, const WIDE: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let a = read::<WIDE>(cpu, (*step).a);
        write::<WIDE>(cpu, (*step).d, eval::un(UN[OP], ty(WIDE), a));
        step.add(1)
    }
}

/// All operations with a carry.
pub(super) const CARRY: [CarryOp; 4] = [
    CarryOp::Add,
    CarryOp::AddCarry,
    CarryOp::Sub,
    CarryOp::SubBorrow,
];

/// `d = a op b op c`, where `c` is an `I32`.
pub(super) unsafe fn carry<const OP: usize, const WIDE: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let (a, b) = (read::<WIDE>(cpu, (*step).a), read::<WIDE>(cpu, (*step).b));
        let c = read::<W32>(cpu, (*step).c);
        let value = eval::carry(CARRY[OP], ty(WIDE), a, b, c);
        match CARRY[OP] {
            CarryOp::Add | CarryOp::Sub => write::<WIDE>(cpu, (*step).d, value),
            CarryOp::AddCarry | CarryOp::SubBorrow => write::<W32>(cpu, (*step).d, value),
        }
        step.add(1)
    }
}

/// `d = a` extended from `BITS` bits (0: from `imm` bits).
pub(super) unsafe fn extend<const BITS: u8, const SIGNED: bool, const WIDE: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let place = cpu.add(usize::from((*step).a));
        // Hosts are little-endian: the low bits of a narrower place are at its start.
        let v = match BITS {
            8 => u64::from(place.read()),
            16 => u64::from(place.cast::<u16>().read()),
            32 => u64::from(place.cast::<u32>().read()),
            _ => place.cast::<u64>().read(),
        };
        let bits = if BITS == 0 { (*step).imm as u8 } else { BITS };
        write::<WIDE>(cpu, (*step).d, eval::extend(ty(WIDE), v, bits, SIGNED));
        step.add(1)
    }
}

/// `d = a` with bits of `b`: position in `imm` bits 0-7, count in 8-15.
pub(super) unsafe fn deposit<const WIDE: bool>(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        let (a, b) = (read::<WIDE>(cpu, (*step).a), read::<WIDE>(cpu, (*step).b));
        let (pos, len) = ((*step).imm as u8, ((*step).imm >> 8) as u8);
        write::<WIDE>(cpu, (*step).d, eval::deposit(ty(WIDE), a, b, pos, len));
        step.add(1)
    }
}

/// All comparisons.
pub(super) const CONDS: [Cond; 10] = [
    Cond::Eq,
    Cond::Ne,
    Cond::LtS,
    Cond::LeS,
    Cond::GtS,
    Cond::GeS,
    Cond::LtU,
    Cond::LeU,
    Cond::GtU,
    Cond::GeU,
];

#[inline(always)]
unsafe fn holds<const COND: usize, const WIDE: bool, const IMM: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> bool {
    unsafe {
        let a = read::<WIDE>(cpu, (*step).a);
        let b = if IMM {
            (*step).imm
        } else {
            read::<WIDE>(cpu, (*step).b)
        };
        CONDS[COND].holds(ty(WIDE), a, b)
    }
}

/// `d = a cond b` (or `imm`).
pub(super) unsafe fn set_cond<const COND: usize, const WIDE: bool, const IMM: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let truth = holds::<COND, WIDE, IMM>(cpu, step);
        write::<W32>(cpu, (*step).d, u64::from(truth));
        step.add(1)
    }
}

/// Takes exit `c` if `a cond b` (or `imm`).
pub(super) unsafe fn exit_if<const COND: usize, const WIDE: bool, const IMM: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        if holds::<COND, WIDE, IMM>(cpu, step) {
            take_exit(cpu, (*step).c)
        } else {
            step.add(1)
        }
    }
}

/// Passes over `c` steps if `a cond b` (or `imm`).
pub(super) unsafe fn skip_if<const COND: usize, const WIDE: bool, const IMM: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        if holds::<COND, WIDE, IMM>(cpu, step) {
            step.add(1 + usize::from((*step).c))
        } else {
            step.add(1)
        }
    }
}

/// `SetCc` of kind `d` with the operands compared, then takes exit `c` if the comparison holds.
pub(super) unsafe fn cc_exit_if<const COND: usize, const WIDE: bool, const IMM: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let a = read::<WIDE>(cpu, (*step).a);
        let b = if IMM {
            (*step).imm
        } else {
            read::<WIDE>(cpu, (*step).b)
        };
        let core = core(cpu);
        core.cc_kind = u32::from((*step).d);
        core.cc_a = a;
        core.cc_b = b;
        if CONDS[COND].holds(ty(WIDE), a, b) {
            take_exit(cpu, (*step).c)
        } else {
            step.add(1)
        }
    }
}

/// Passes over `imm` steps if the `I32` `a` is 0.
pub(super) unsafe fn skip_if_zero(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        if read::<W32>(cpu, (*step).a) == 0 {
            step.add(1 + (*step).imm as usize)
        } else {
            step.add(1)
        }
    }
}

/// `d = b` if the `I32` `a` is not 0, else `c`.
pub(super) unsafe fn select<const WIDE: bool>(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        let (t, f) = (read::<WIDE>(cpu, (*step).b), read::<WIDE>(cpu, (*step).c));
        let v = if read::<W32>(cpu, (*step).a) != 0 {
            t
        } else {
            f
        };
        write::<WIDE>(cpu, (*step).d, v);
        step.add(1)
    }
}

/// Records condition-code operation `c` on `a` and `b`.
pub(super) unsafe fn set_cc<const A: bool, const B: bool>(
    cpu: *mut u8,
    step: *const Step,
) -> *const Step {
    unsafe {
        let (a, b) = (read::<A>(cpu, (*step).a), read::<B>(cpu, (*step).b));
        let core = core(cpu);
        core.cc_kind = u32::from((*step).c);
        core.cc_a = a;
        core.cc_b = b;
        step.add(1)
    }
}

/// Records condition-code operation `c` on `a` and `imm`.
pub(super) unsafe fn set_cc_imm<const A: bool>(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        let a = read::<A>(cpu, (*step).a);
        let core = core(cpu);
        core.cc_kind = u32::from((*step).c);
        core.cc_a = a;
        core.cc_b = (*step).imm;
        step.add(1)
    }
}

/// `d` = the condition code.
pub(super) unsafe fn get_cc<G: Guest>(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        let core = core(cpu);
        let cc = G::cc_evaluate(core.cc_kind as u8, core.cc_a, core.cc_b);
        write::<W32>(cpu, (*step).d, u64::from(cc));
        step.add(1)
    }
}

/// `d` = whether selector `imm` names the condition code.
pub(super) unsafe fn test_cc<G: Guest>(cpu: *mut u8, step: *const Step) -> *const Step {
    unsafe {
        let core = core(cpu);
        let cc = G::cc_evaluate(core.cc_kind as u8, core.cc_a, core.cc_b);
        let named = G::cc_selected(cc, (*step).imm as u8);
        write::<W32>(cpu, (*step).d, u64::from(named));
        step.add(1)
    }
}

/// Serialisation.
pub(super) unsafe fn fence(_cpu: *mut u8, step: *const Step) -> *const Step {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
    unsafe { step.add(1) }
}
