//! Interlocked updates that the IR does not say: CDSG, CSST, LPD and LPDG.
//!
//! Not here: CS, CSG, LAA and their kin, which are IR operations; PLO ([`super::plo`]).

use std::sync::OnceLock;
use std::sync::atomic::{Ordering, fence};

use tcg::helper::{Effects, HelperDef};
use tcg::ir::{MemMode, MemOp, MemSize};
use tcg::{Access, Trap, mem};

use super::operand::{address, first, low_half, second};
use crate::cpu::{ProgramCode, S390Cpu, sets};

/// CDSG with these registers: `(r1, r3, address, space)`; the condition code. Each pair of pairs
/// has a definition of its own, which says that no other register is touched.
pub fn cdsg_of(r1: u8, r3: u8) -> &'static HelperDef {
    static DEFS: [OnceLock<HelperDef>; 64] = [const { OnceLock::new() }; 64];
    DEFS[usize::from(r1 >> 1 & 7) << 3 | usize::from(r3 >> 1 & 7)].get_or_init(|| {
        let (target, other) = (sets::pair(r1), sets::pair(r3));
        let effects = Effects::ALL
            .within(target.and(other), target)
            .writing_at_trap(sets::NONE);
        HelperDef::new4("cdsg", effects, cdsg)
    })
}
/// CSST: `(first address, second address, r3, spaces)`; the condition code.
pub static CSST: HelperDef =
    HelperDef::new4("csst", Effects::ALL.within(sets::GPRS, sets::GPRS), csst);
/// LPD, LPDG: `(first address, second address, r3, 1 for 64 bits, spaces)`; the condition code.
pub static LOAD_PAIR: HelperDef = HelperDef::new5(
    "lpd",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    load_pair,
);

/// Facility: compare-and-swap-and-store 2 (16-byte operands).
const SWAP_AND_STORE_2: u16 = 33;

/// Traps unless the address is a multiple of the size.
pub(super) fn aligned(at: u64, size: u64) -> Result<(), Trap> {
    if at.is_multiple_of(size) {
        Ok(())
    } else {
        Err(ProgramCode::Specification.into())
    }
}

/// The shape of an aligned operand of up to 8 bytes.
fn shape(mode: MemMode, bytes: u64) -> MemOp {
    MemOp {
        size: match bytes {
            1 => MemSize::B1,
            2 => MemSize::B2,
            4 => MemSize::B4,
            _ => MemSize::B8,
        },
        signed: false,
        aligned: true,
        mode,
    }
}

/// Loads an aligned operand of 1, 2, 4, 8 or 16 bytes, whole.
pub(super) fn load(cpu: &mut S390Cpu, mode: MemMode, at: u64, bytes: u64) -> Result<u128, Trap> {
    aligned(at, bytes)?;
    if bytes <= 8 {
        return mem::load(cpu, shape(mode, bytes), at).map(u128::from);
    }
    mem::load_16(cpu, mode, at)
}

/// Stores an aligned operand of 1, 2, 4, 8 or 16 bytes, whole.
pub(super) fn store(
    cpu: &mut S390Cpu,
    mode: MemMode,
    at: u64,
    bytes: u64,
    value: u128,
) -> Result<(), Trap> {
    aligned(at, bytes)?;
    if bytes <= 8 {
        mem::store(cpu, shape(mode, bytes), at, value as u64)
    } else {
        mem::store_16(cpu, mode, at, value)
    }
}

/// Checks that an aligned operand may be stored.
pub(super) fn demand_store(
    cpu: &mut S390Cpu,
    mode: MemMode,
    at: u64,
    bytes: u64,
) -> Result<(), Trap> {
    aligned(at, bytes)?;
    mem::probe(cpu, mode, Access::Write, at, bytes)
}

fn compare_swap(
    cpu: &mut S390Cpu,
    mode: MemMode,
    at: u64,
    bytes: u64,
    (expected, new): (u128, u128),
) -> Result<u128, Trap> {
    if bytes == 16 {
        mem::compare_swap_16(cpu, mode, at, expected, new)
    } else {
        mem::compare_swap(cpu, shape(mode, bytes), at, expected as u64, new as u64).map(u128::from)
    }
}

/// The value of a register pair, the even one on the left.
fn pair(cpu: &S390Cpu, even: usize) -> u128 {
    u128::from(cpu.gpr[even]) << 64 | u128::from(cpu.gpr[even + 1])
}

fn set_pair(cpu: &mut S390Cpu, even: usize, value: u128) {
    cpu.gpr[even] = (value >> 64) as u64;
    cpu.gpr[even + 1] = value as u64;
}

fn cdsg(cpu: &mut S390Cpu, r1: u64, r3: u64, at: u64, space: u64) -> Result<u64, Trap> {
    let (r1, r3) = (r1 as usize & 14, r3 as usize & 14);
    let (expected, new) = (pair(cpu, r1), pair(cpu, r3));
    let old = mem::compare_swap_16(cpu, MemMode(space as u8), at, expected, new)?;
    set_pair(cpu, r1, old);
    Ok(u64::from(old != expected))
}

/// Register 0 holds the sizes of comparison (bits 56-63: 4, 8 or 16 bytes) and store (bits
/// 48-55: 1 to 16 bytes); register 1 designates the replacement value and, 16 bytes on, the
/// store value, on a quadword boundary whose low bits are ignored.
fn csst(cpu: &mut S390Cpu, target: u64, other: u64, r3: u64, spaces: u64) -> Result<u64, Trap> {
    let r3 = r3 as usize & 15;
    let (function, store_code) = (cpu.gpr[0] & 0xff, cpu.gpr[0] >> 8 & 0xff);
    let wide = u64::from(cpu.control.facilities.has(SWAP_AND_STORE_2));
    if function > 1 + wide || store_code > 3 + wide || (function == 2 && !r3.is_multiple_of(2)) {
        return Err(ProgramCode::Specification.into());
    }
    let (size, store_size) = (4u64 << function, 1u64 << store_code);
    aligned(target, size)?;
    aligned(other, store_size)?;
    let parameters = address(cpu, 1) & !15;
    let list = MemMode((spaces >> 16) as u8);
    let new = load(cpu, list, parameters, size)?;
    let stored = load(cpu, list, cpu.wrap(parameters + 16), store_size)?;
    demand_store(cpu, second(spaces), other, store_size)?;
    let expected = match function {
        0 => u128::from(cpu.gpr[r3] as u32),
        1 => u128::from(cpu.gpr[r3]),
        _ => pair(cpu, r3),
    };
    let old = compare_swap(cpu, first(spaces), target, size, (expected, new))?;
    if old == expected {
        store(cpu, second(spaces), other, store_size, stored)?;
        fence(Ordering::SeqCst);
        return Ok(0);
    }
    match function {
        0 => cpu.gpr[r3] = low_half(cpu.gpr[r3], old as u64),
        1 => cpu.gpr[r3] = old as u64,
        _ => set_pair(cpu, r3, old),
    }
    Ok(1)
}

/// Loads two operands as at one moment: condition code 0. Within 16 aligned bytes one access
/// does; else no other CPU runs meanwhile. (Code 3 would tell that something came between; there
/// are programs that repeat the instruction for as long as it does.)
fn load_pair(
    cpu: &mut S390Cpu,
    a: u64,
    b: u64,
    r3: u64,
    wide: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let r3 = r3 as usize & 14;
    let size = if wide != 0 { 8 } else { 4 };
    aligned(a, size)?;
    aligned(b, size)?;
    let modes = (first(spaces), second(spaces));
    let (left, right) = if modes.0 == modes.1 && a / 16 == b / 16 {
        let both = mem::load_16(cpu, modes.0, a & !15)?;
        let part = |at: u64| (both >> (128 - 8 * (at % 16 + size))) as u64;
        (part(a), part(b))
    } else {
        let both = |cpu: &mut S390Cpu| -> Result<_, Trap> {
            let left = load(cpu, modes.0, a, size)? as u64;
            Ok((left, load(cpu, modes.1, b, size)? as u64))
        };
        if cpu.control.shared.cpus.count() == 1 {
            both(cpu)?
        } else {
            tcg::alone(cpu, both)?
        }
    };
    for (register, value) in [(r3, left), (r3 + 1, right)] {
        cpu.gpr[register] = if wide != 0 {
            value
        } else {
            low_half(cpu.gpr[register], value)
        };
    }
    Ok(0)
}
