//! Accesses by guest-absolute address: lowcore, translation tables, channel programs.
#![allow(
    unsafe_code,
    reason = "uses host addresses checked against the size of RAM"
)]

use crate::cpu::CpuCore;
use crate::ir::MemSize;

use super::access::stored_code;
use super::host;

/// The host address of `length` bytes of RAM.
#[inline]
fn place(core: &CpuCore, absolute: u64, length: u64) -> Option<u64> {
    let end = absolute.checked_add(length)?;
    (end <= core.ram_size).then(|| core.ram_host + absolute)
}

#[inline]
fn written(core: &CpuCore, absolute: u64, length: u64) {
    let system = core.system();
    if system.is_tracking_dirty() {
        system.ram().mark_dirty(absolute, length);
    }
    if system.lines.any(absolute, length) {
        stored_code(core, absolute, length);
    }
}

/// Reads at a guest-absolute address that is in RAM (lowcore, tables); elsewhere zeros.
pub fn read_absolute(core: &CpuCore, absolute: u64, buffer: &mut [u8]) {
    match place(core, absolute, buffer.len() as u64) {
        // SAFETY: checked by `place`.
        Some(host) => unsafe { host::read_bytes(host, buffer) },
        None => buffer.fill(0),
    }
}

/// Writes at a guest-absolute address that is in RAM, with dirty marks and code invalidation;
/// elsewhere nothing happens: callers have checked what the guest may do.
pub fn write_absolute(core: &CpuCore, absolute: u64, bytes: &[u8]) {
    if let Some(host) = place(core, absolute, bytes.len() as u64) {
        // SAFETY: checked by `place`.
        unsafe { host::write_bytes(host, bytes) };
        written(core, absolute, bytes.len() as u64);
    }
}

/// Reads a big-endian number at a naturally aligned absolute address, whole; 0 outside RAM.
#[inline]
pub fn load_absolute(core: &CpuCore, absolute: u64, size: MemSize) -> u64 {
    match place(core, absolute, size.bytes()) {
        // SAFETY: checked by `place`.
        Some(host) => unsafe { host::read(host, size) },
        None => 0,
    }
}

/// Writes a big-endian number at a naturally aligned absolute address, whole; nothing happens
/// outside RAM.
#[inline]
pub fn store_absolute(core: &CpuCore, absolute: u64, size: MemSize, value: u64) {
    if let Some(host) = place(core, absolute, size.bytes()) {
        // SAFETY: checked by `place`.
        unsafe { host::write(host, size, value) };
        written(core, absolute, size.bytes());
    }
}

/// Reads two big-endian doublewords that follow each other at an aligned absolute address, each
/// whole; zeros outside RAM.
#[inline]
pub fn load_pair_absolute(core: &CpuCore, absolute: u64) -> [u64; 2] {
    match place(core, absolute, 16) {
        // SAFETY: checked by `place`.
        Some(host) => unsafe { [host::read_u64(host), host::read_u64(host + 8)] },
        None => [0; 2],
    }
}

/// Writes two such doublewords; nothing happens outside RAM.
#[inline]
pub fn store_pair_absolute(core: &CpuCore, absolute: u64, values: [u64; 2]) {
    if let Some(host) = place(core, absolute, 16) {
        // SAFETY: checked by `place`.
        unsafe {
            host::write_u64(host, values[0]);
            host::write_u64(host + 8, values[1]);
        }
        written(core, absolute, 16);
    }
}

/// Compares and swaps a big-endian doubleword at an aligned absolute address in RAM (table
/// entries), interlocked; returns the old value, 0 outside RAM. Low
/// address bits are ignored.
pub fn compare_swap_absolute(core: &CpuCore, absolute: u64, expected: u64, new: u64) -> u64 {
    match place(core, absolute & !7, 8) {
        Some(host) => {
            // SAFETY: checked by `place`; RAM begins at a page, so the address is aligned.
            let old = unsafe { host::compare_swap(host, MemSize::B8, expected, new) };
            if old == expected {
                written(core, absolute & !7, 8);
            }
            old
        }
        None => 0,
    }
}
