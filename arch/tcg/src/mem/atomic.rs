//! Interlocked updates of guest memory, with the host's own atomic instructions.
#![allow(
    unsafe_code,
    reason = "uses host addresses that the TLB or a fill has just given"
)]

use std::sync::PoisonError;

use crate::guest::{Access, Guest, Trap};
use crate::ir::{AtomicOp, MemMode, MemOp};

use super::access::{page_host, stored};
use super::{host, load, probe, store};

/// Compares an aligned operand of 4 or 8 bytes with `expected` and replaces it by `new` if equal,
/// as one interlocked update; the old value, zero-extended.
///
/// # Errors
/// The trap of storing there, also when nothing would be replaced.
#[inline]
pub fn compare_swap<G: Guest>(
    cpu: &mut G,
    mem: MemOp,
    address: u64,
    expected: u64,
    new: u64,
) -> Result<u64, Trap> {
    let bytes = mem.size.bytes();
    if !address.is_multiple_of(bytes) {
        return Err(cpu.unaligned(address, mem.mode));
    }
    let address = cpu.wrap_address(address);
    let place = page_host(cpu, mem.mode, Access::Write, address, bytes)?;
    // SAFETY: the fill's answer for an aligned operand, which no page boundary divides.
    let old = unsafe { host::compare_swap(place, mem.size, expected, new) };
    if old == expected & (u64::MAX >> (64 - 8 * bytes)) {
        stored(cpu.core(), place, bytes);
    }
    Ok(old)
}

/// An interlocked update of an operand; the old value, zero-extended. Without alignment (where
/// `mem` allows that) the bytes are read and written as single accesses.
///
/// # Errors
/// The trap of storing there.
#[inline]
pub fn atomic<G: Guest>(
    cpu: &mut G,
    op: AtomicOp,
    mem: MemOp,
    address: u64,
    v: u64,
) -> Result<u64, Trap> {
    let bytes = mem.size.bytes();
    if !address.is_multiple_of(bytes) {
        if mem.aligned {
            return Err(cpu.unaligned(address, mem.mode));
        }
        probe(cpu, mem.mode, Access::Write, address, bytes)?;
        let unsigned = MemOp {
            signed: false,
            ..mem
        };
        let old = load(cpu, unsigned, address)?;
        store(cpu, mem, address, crate::eval::atomic(op, old, v))?;
        return Ok(old);
    }
    let address = cpu.wrap_address(address);
    let place = page_host(cpu, mem.mode, Access::Write, address, bytes)?;
    // SAFETY: the fill's answer for an aligned operand, which no page boundary divides.
    let old = unsafe { host::update(place, mem.size, op, v) };
    stored(cpu.core(), place, bytes);
    Ok(old)
}

/// Finds an operand of 16 aligned bytes.
#[inline(always)]
fn place_16<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    access: Access,
    address: u64,
) -> Result<u64, Trap> {
    if !address.is_multiple_of(16) {
        return Err(cpu.unaligned(address, mode));
    }
    let address = cpu.wrap_address(address);
    page_host(cpu, mode, access, address, 16)
}

/// Compares and swaps 16 aligned bytes as one interlocked update (s390x: CDSG); the old value.
/// On hosts without such an instruction it is one only among its like.
///
/// # Errors
/// The trap of storing there, also when nothing would be replaced, and that of a missing
/// alignment.
#[inline]
pub fn compare_swap_16<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    address: u64,
    expected: u128,
    new: u128,
) -> Result<u128, Trap> {
    let place = place_16(cpu, mode, Access::Write, address)?;
    let old = swap_16(cpu, place, expected, new);
    if old == expected {
        stored(cpu.core(), place, 16);
    }
    Ok(old)
}

/// Loads 16 aligned bytes as one access (s390x: LPQ).
///
/// # Errors
/// The access's trap, and that of a missing alignment.
pub fn load_16<G: Guest>(cpu: &mut G, mode: MemMode, address: u64) -> Result<u128, Trap> {
    let place = place_16(cpu, mode, Access::Read, address)?;
    // Replacing a value by itself reads it whole.
    Ok(swap_16(cpu, place, 0, 0))
}

/// Stores 16 aligned bytes as one access (s390x: STPQ).
///
/// # Errors
/// The access's trap, and that of a missing alignment.
pub fn store_16<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    address: u64,
    value: u128,
) -> Result<(), Trap> {
    let place = place_16(cpu, mode, Access::Write, address)?;
    let mut seen = 0;
    loop {
        let old = swap_16(cpu, place, seen, value);
        if old == seen {
            break;
        }
        seen = old;
    }
    stored(cpu.core(), place, 16);
    Ok(())
}

#[inline(always)]
fn swap_16<G: Guest>(cpu: &G, place: u64, expected: u128, new: u128) -> u128 {
    // SAFETY: callers have found 16 aligned bytes in a page of RAM at `place`.
    match unsafe { host::compare_swap_16(place, expected, new) } {
        Some(old) => old,
        None => swap_16_locked(cpu, place, expected, new),
    }
}

/// The same where the host has no such instruction.
#[cold]
#[inline(never)]
fn swap_16_locked<G: Guest>(cpu: &G, place: u64, expected: u128, new: u128) -> u128 {
    let wide = &cpu.core().system().wide;
    let _one = wide.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: as above.
    unsafe {
        let old = u128::from(host::read_u64(place)) << 64 | u128::from(host::read_u64(place + 8));
        if old == expected {
            host::write_u64(place, (new >> 64) as u64);
            host::write_u64(place + 8, new as u64);
        }
        old
    }
}
