//! Single accesses and short runs of bytes, through the TLB.
#![allow(
    unsafe_code,
    reason = "uses host addresses that the TLB or a fill has just given"
)]

use crate::cpu::CpuCore;
use crate::guest::{Access, Guest, Trap};
use crate::ir::{MemMode, MemOp, MemSize};

use super::{PAGE_SIZE, host};

/// The host address of an access of `size` bytes (at most a page); `None` if it crosses a page.
///
/// The address is that of mapped RAM until this vCPU's thread gives up control of its system.
#[inline(always)]
pub(crate) fn host_address<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    access: Access,
    address: u64,
    size: u64,
) -> Result<Option<u64>, Trap> {
    match cpu.core().tlb.hit(access, mode, address, size) {
        Some(host) => Ok(Some(host)),
        None => host_address_slow(cpu, mode, access, address, size),
    }
}

/// [`host_address`] where the TLB has missed.
#[cold]
#[inline(never)]
pub(crate) fn host_address_slow<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    access: Access,
    address: u64,
    size: u64,
) -> Result<Option<u64>, Trap> {
    let address = cpu.wrap_address(address);
    if address % PAGE_SIZE + size > PAGE_SIZE {
        return Ok(None);
    }
    page_host(cpu, mode, access, address, size).map(Some)
}

/// The host address of the first of `length` bytes, by the TLB or by asking the architecture,
/// which is told of a store's bytes up to the page's end.
#[inline]
pub(crate) fn page_host<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    access: Access,
    address: u64,
    length: u64,
) -> Result<u64, Trap> {
    match cpu.core().tlb.hit(access, mode, address, 1) {
        Some(host) => Ok(host),
        None => page_host_slow(cpu, mode, access, address, length),
    }
}

/// [`page_host`] where the TLB has missed, or the mode's address space is to be asked for.
#[cold]
#[inline(never)]
fn page_host_slow<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    access: Access,
    address: u64,
    length: u64,
) -> Result<u64, Trap> {
    let tag = match cpu.core().tlb.tag(mode) {
        Some(tag) => tag,
        None => {
            let space = cpu.space_tag(mode);
            cpu.core_mut().tlb.set_space(mode, space)
        }
    };
    if let Some(host) = cpu.core().tlb.hit(access, mode, address, 1) {
        return Ok(host);
    }
    let mapping = cpu.translate_address(address, access, mode)?;
    if access == Access::Write {
        let room = PAGE_SIZE - address % PAGE_SIZE;
        cpu.about_to_store(address, length.min(room), mode);
    }
    let core = cpu.core_mut();
    debug_assert!(mapping.page % PAGE_SIZE == 0);
    debug_assert!(mapping.page < core.ram_size);
    // An architecture that names a page outside RAM gets the last one instead of the host's.
    let page = (mapping.page & tlb_page_mask()).min(core.ram_size - PAGE_SIZE);
    let mut protection = mapping.protection;
    let system = core.system();
    if system.is_tracking_dirty() {
        if access == Access::Write {
            if !system.ram().is_dirty(page) {
                system.ram().mark_dirty(page, 1);
                core.pay_toll();
            }
        } else if !system.ram().is_dirty(page) {
            // The first write comes here again, to mark it.
            protection.write = false;
        }
    }
    let host = core.ram_host + page;
    let lines = core.lines + page / PAGE_SIZE * 8;
    // The architecture may have found meanwhile that the mode means another space.
    if core.tlb.tag(mode) == Some(tag) {
        core.tlb
            .insert(address, tag, access, protection, (host, lines));
    }
    Ok(host + address % PAGE_SIZE)
}

const fn tlb_page_mask() -> u64 {
    super::tlb::PAGE_MASK
}

/// To be called after a store to `length` bytes in one page: forgets the blocks made from them.
#[inline(always)]
pub(crate) fn stored(core: &CpuCore, host: u64, length: u64) {
    let absolute = host.wrapping_sub(core.ram_host);
    if core.system().lines.any(absolute, length) {
        stored_code(core, absolute, length);
    }
}

#[cold]
#[inline(never)]
pub(super) fn stored_code(core: &CpuCore, absolute: u64, length: u64) {
    let system = core.system();
    if system.cache.written(system, absolute, length) {
        core.leave_block();
    }
}

/// Loads an operand: zero- or sign-extended to 64 bits as `mem` says.
///
/// # Errors
/// The access's trap.
#[inline]
pub fn load<G: Guest>(cpu: &mut G, mem: MemOp, address: u64) -> Result<u64, Trap> {
    let bytes = mem.size.bytes();
    if mem.aligned && !address.is_multiple_of(bytes) {
        return Err(cpu.unaligned(address, mem.mode));
    }
    let value = match host_address(cpu, mem.mode, Access::Read, address, bytes)? {
        // SAFETY: the TLB's answer for this many bytes.
        Some(place) => unsafe { host::read(place, mem.size) },
        None => {
            let mut buffer = [0; 8];
            read_bytes(cpu, mem.mode, address, &mut buffer[8 - bytes as usize..])?;
            u64::from_be_bytes(buffer)
        }
    };
    let shift = 64 - 8 * bytes;
    Ok(if mem.signed {
        ((value << shift) as i64 >> shift) as u64
    } else {
        value
    })
}

/// Loads two doublewords that follow each other at an aligned address, each whole.
///
/// # Errors
/// The access's trap.
#[inline]
pub fn load_pair<G: Guest>(cpu: &mut G, mode: MemMode, address: u64) -> Result<[u64; 2], Trap> {
    if address.is_multiple_of(8)
        && let Some(place) = cpu.core().tlb.hit(Access::Read, mode, address, 16)
    {
        // SAFETY: the TLB's answer for this many bytes.
        return Ok(unsafe { [host::read_u64(place), host::read_u64(place + 8)] });
    }
    let mem = MemOp {
        size: MemSize::B8,
        signed: false,
        aligned: true,
        mode,
    };
    let first = load(cpu, mem, address)?;
    let next = cpu.wrap_address(address.wrapping_add(8));
    Ok([first, load(cpu, mem, next)?])
}

/// Stores the low bytes of a value.
///
/// # Errors
/// The access's trap; nothing is stored then.
#[inline]
pub fn store<G: Guest>(cpu: &mut G, mem: MemOp, address: u64, value: u64) -> Result<(), Trap> {
    let bytes = mem.size.bytes();
    if mem.aligned && !address.is_multiple_of(bytes) {
        return Err(cpu.unaligned(address, mem.mode));
    }
    match host_address(cpu, mem.mode, Access::Write, address, bytes)? {
        Some(place) => {
            // SAFETY: the TLB's answer for this many bytes.
            unsafe { host::write(place, mem.size, value) };
            stored(cpu.core(), place, bytes);
            Ok(())
        }
        None => write_bytes(
            cpu,
            mem.mode,
            address,
            &value.to_be_bytes()[8 - bytes as usize..],
        ),
    }
}

/// Checks that `length` bytes (at most a page) can be accessed, without accessing them. For a
/// write the pages are marked as written.
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
    if length == 0 {
        return Ok(());
    }
    if cpu.core().tlb.hit(access, mode, address, length).is_some() {
        return Ok(());
    }
    let first = cpu.wrap_address(address);
    page_host(cpu, mode, access, first, length)?;
    let room = PAGE_SIZE - first % PAGE_SIZE;
    if length > room {
        let second = cpu.wrap_address(first.wrapping_add(room));
        page_host(cpu, mode, access, second, length - room)?;
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
        let count = rest.len().min((PAGE_SIZE - address % PAGE_SIZE) as usize);
        let (now, later) = rest.split_at_mut(count);
        let place = page_host(cpu, mode, Access::Read, address, count as u64)?;
        // SAFETY: the rest of the page that was just found.
        unsafe { host::read_bytes(place, now) };
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
        let count = rest.len().min((PAGE_SIZE - address % PAGE_SIZE) as usize);
        let (now, later) = rest.split_at(count);
        let place = page_host(cpu, mode, Access::Write, address, count as u64)?;
        // SAFETY: the rest of the page that was just found.
        unsafe { host::write_bytes(place, now) };
        stored(cpu.core(), place, count as u64);
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
    let place = match cpu.core().tlb.hit(Access::Execute, mode, address, 2) {
        Some(place) => place,
        None => page_host(cpu, mode, Access::Execute, address & !1, 2)?,
    };
    // SAFETY: the TLB's or the fill's answer; an even address has two bytes in its page.
    let code = unsafe { host::read_u16(place) };
    let core = cpu.core_mut();
    let absolute = place - core.ram_host;
    if let Some(fetched) = core.fetched.as_mut() {
        fetched.push((absolute, code));
    }
    Ok(code)
}
