//! The softmmu as helpers and front ends use it: guest virtual memory by address and mode.
//!
//! Every write marks its page dirty and invalidates the blocks made from the bytes it changes.
//! Multi-byte values are big-endian in guest memory. Aligned accesses of 1, 2, 4 and 8 bytes are
//! seen whole by other CPUs.

use std::sync::atomic::Ordering;

use vm_memory::{Bytes, GuestAddress};

use crate::cpu::{CpuCore, System};
use crate::guest::{Access, Guest, Trap};
use crate::ir::{AtomicOp, MemMode, MemOp, MemSize};

/// Bytes of a page.
pub const PAGE_SIZE: u64 = machine::ram::PAGE_SIZE;

/// Loads an operand: zero- or sign-extended to 64 bits as `mem` says.
///
/// # Errors
/// The access's trap.
pub fn load<G: Guest>(cpu: &mut G, mem: MemOp, address: u64) -> Result<u64, Trap> {
    let bytes = mem.size.bytes();
    if mem.aligned && address % bytes != 0 {
        return Err(cpu.unaligned(address, mem.mode));
    }
    let mut buffer = [0; 8];
    read_bytes(cpu, mem.mode, address, &mut buffer[8 - bytes as usize..])?;
    let value = u64::from_be_bytes(buffer);
    let shift = 64 - 8 * bytes;
    Ok(if mem.signed {
        ((value << shift) as i64 >> shift) as u64
    } else {
        value
    })
}

/// Stores the low bytes of a value.
///
/// # Errors
/// The access's trap; nothing is stored then.
pub fn store<G: Guest>(cpu: &mut G, mem: MemOp, address: u64, value: u64) -> Result<(), Trap> {
    let bytes = mem.size.bytes();
    if mem.aligned && address % bytes != 0 {
        return Err(cpu.unaligned(address, mem.mode));
    }
    write_bytes(
        cpu,
        mem.mode,
        address,
        &value.to_be_bytes()[8 - bytes as usize..],
    )
}

/// Compares an aligned operand of 4 or 8 bytes with `expected` and replaces it by `new` if equal,
/// as one interlocked update; the old value, zero-extended.
///
/// # Errors
/// The trap of storing there, also when nothing would be replaced.
pub fn compare_swap<G: Guest>(
    cpu: &mut G,
    mem: MemOp,
    address: u64,
    expected: u64,
    new: u64,
) -> Result<u64, Trap> {
    let mask = u64::MAX >> (64 - 8 * mem.size.bytes());
    let old = update(cpu, mem, address, |old| {
        (old == expected & mask).then_some(new)
    })?;
    Ok(old)
}

/// An interlocked update of an operand of 1 byte, or of 4 or 8 aligned ones; the old value,
/// zero-extended.
///
/// # Errors
/// The trap of storing there.
pub fn atomic<G: Guest>(
    cpu: &mut G,
    op: AtomicOp,
    mem: MemOp,
    address: u64,
    v: u64,
) -> Result<u64, Trap> {
    update(cpu, mem, address, |old| {
        Some(crate::reference::atomic(op, old, v))
    })
}

fn update<G: Guest>(
    cpu: &mut G,
    mem: MemOp,
    address: u64,
    f: impl Fn(u64) -> Option<u64>,
) -> Result<u64, Trap> {
    let bytes = mem.size.bytes();
    if mem.aligned && address % bytes != 0 {
        return Err(cpu.unaligned(address, mem.mode));
    }
    probe(cpu, mem.mode, Access::Write, address, bytes)?;
    let unsigned = MemOp {
        signed: false,
        ..mem
    };
    let old = load(cpu, unsigned, address)?;
    if let Some(new) = f(old) {
        store(cpu, mem, address, new)?;
    }
    Ok(old)
}

/// Checks that `length` bytes (at most a page) can be accessed, without accessing them.
///
/// # Errors
/// The trap of the first byte that cannot.
pub fn probe<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    access: Access,
    address: u64,
    length: u64,
) -> Result<(), Trap> {
    let first = cpu.wrap_address(address);
    cpu.translate_address(first, access, mode)?;
    let room = PAGE_SIZE - first % PAGE_SIZE;
    if length > room {
        let second = cpu.wrap_address(first.wrapping_add(room));
        cpu.translate_address(second, access, mode)?;
    }
    Ok(())
}

/// Reads bytes at consecutive (wrapping) addresses.
///
/// # Errors
/// The trap of the first byte that cannot be read.
pub fn read_bytes<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    address: u64,
    buffer: &mut [u8],
) -> Result<(), Trap> {
    let mut address = cpu.wrap_address(address);
    let mut rest = buffer;
    while !rest.is_empty() {
        let offset = address % PAGE_SIZE;
        let page = cpu.translate_address(address, Access::Read, mode)?.page;
        let count = rest.len().min((PAGE_SIZE - offset) as usize);
        let (now, later) = rest.split_at_mut(count);
        read_absolute(cpu.core(), page + offset, now);
        address = cpu.wrap_address(address.wrapping_add(count as u64));
        rest = later;
    }
    Ok(())
}

/// Writes bytes at consecutive (wrapping) addresses, all or nothing for up to a page's length.
///
/// # Errors
/// The trap of the first byte that cannot be written.
pub fn write_bytes<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    address: u64,
    bytes: &[u8],
) -> Result<(), Trap> {
    if bytes.len() as u64 <= PAGE_SIZE {
        probe(cpu, mode, Access::Write, address, bytes.len() as u64)?;
    }
    let mut address = cpu.wrap_address(address);
    let mut rest = bytes;
    while !rest.is_empty() {
        let offset = address % PAGE_SIZE;
        let page = cpu.translate_address(address, Access::Write, mode)?.page;
        let count = rest.len().min((PAGE_SIZE - offset) as usize);
        let (now, later) = rest.split_at(count);
        write_absolute(cpu.core(), page + offset, now);
        address = cpu.wrap_address(address.wrapping_add(count as u64));
        rest = later;
    }
    Ok(())
}

/// Fetches two bytes of code at an even address.
///
/// # Errors
/// The fetch's trap.
pub fn fetch<G: Guest>(cpu: &mut G, mode: MemMode, address: u64) -> Result<u16, Trap> {
    let page = cpu.translate_address(address, Access::Execute, mode)?.page;
    let mut bytes = [0; 2];
    read_absolute(cpu.core(), page + address % PAGE_SIZE, &mut bytes);
    Ok(u16::from_be_bytes(bytes))
}

/// Reads at a guest-absolute address that is in RAM (lowcore, tables); elsewhere zeros.
pub fn read_absolute(core: &CpuCore, absolute: u64, buffer: &mut [u8]) {
    if core.system().ram().read(absolute, buffer).is_err() {
        buffer.fill(0);
    }
}

/// Writes at a guest-absolute address that is in RAM, with dirty marks and code invalidation;
/// elsewhere nothing happens.
pub fn write_absolute(core: &CpuCore, absolute: u64, bytes: &[u8]) {
    let system: &System = core.system();
    // Outside RAM there is nothing to change; callers have checked what the guest may do.
    let _ = system.ram().write(absolute, bytes);
    if system.blocks.written(absolute, bytes.len() as u64) {
        core.leave_block.store(1, Ordering::Relaxed);
    }
}

/// Reads a big-endian number at a naturally aligned absolute address, whole.
pub fn load_absolute(core: &CpuCore, absolute: u64, size: MemSize) -> u64 {
    let mut buffer = [0; 8];
    read_absolute(core, absolute, &mut buffer[8 - size.bytes() as usize..]);
    u64::from_be_bytes(buffer)
}

/// Writes a big-endian number at a naturally aligned absolute address, whole.
pub fn store_absolute(core: &CpuCore, absolute: u64, size: MemSize, value: u64) {
    write_absolute(
        core,
        absolute,
        &value.to_be_bytes()[8 - size.bytes() as usize..],
    );
}

/// Compares and swaps a big-endian doubleword at an aligned absolute address in RAM (table
/// entries); returns the old value.
pub fn compare_swap_absolute(core: &CpuCore, absolute: u64, expected: u64, new: u64) -> u64 {
    let memory = core.system().ram().memory();
    let address = GuestAddress(absolute);
    let old = u64::from_be(memory.load(address, Ordering::SeqCst).unwrap_or(0));
    if old == expected {
        let _ = memory.store(new.to_be(), address, Ordering::SeqCst);
    }
    old
}
