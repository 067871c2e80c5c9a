//! A part of guest memory that is contiguous on the host: the rest of a page at most.
#![allow(
    unsafe_code,
    reason = "uses host addresses checked against the size of RAM"
)]

use crate::cpu::CpuCore;
use crate::guest::{Access, Guest, Trap};
use crate::ir::MemMode;

use super::access::{page_host, stored};
use super::{PAGE_SIZE, host};

/// Bytes of guest memory in one page that may be accessed as was asked for. Valid until the
/// guest executes its next instruction; the methods take the core of the vCPU it was made for.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    absolute: u64,
    length: usize,
}

/// Finds the bytes from `address` on, up to `length` or the end of the page.
///
/// # Errors
/// The trap of accessing the first byte.
pub fn span<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    access: Access,
    address: u64,
    length: u64,
) -> Result<Span, Trap> {
    let address = cpu.wrap_address(address);
    let room = PAGE_SIZE - address % PAGE_SIZE;
    let place = page_host(cpu, mode, access, address, length)?;
    Ok(Span {
        absolute: place - cpu.core().ram_host,
        length: length.min(room) as usize,
    })
}

impl Span {
    /// Guest-absolute address of the first byte.
    #[inline]
    pub fn absolute(&self) -> u64 {
        self.absolute
    }

    /// Bytes in it.
    #[inline]
    pub fn len(&self) -> usize {
        self.length
    }

    /// True if it holds no byte.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The first `length` bytes (at most those there are).
    #[must_use]
    #[inline]
    pub fn first(&self, length: usize) -> Self {
        Self {
            length: length.min(self.length),
            ..*self
        }
    }

    /// What is left after the first `count` bytes (at most those there are).
    #[must_use]
    #[inline]
    pub fn skip(&self, count: usize) -> Self {
        let count = count.min(self.length);
        Self {
            absolute: self.absolute + count as u64,
            length: self.length - count,
        }
    }

    /// The host address; 0-length spans have one too. Checked against this core's RAM, so that
    /// a span of another machine cannot reach beyond it.
    #[inline]
    fn place(&self, core: &CpuCore) -> u64 {
        assert!(
            self.absolute + self.length as u64 <= core.ram_size,
            "a span is used on the machine it was made for"
        );
        core.ram_host + self.absolute
    }

    /// Copies bytes out, as many as fit both.
    #[inline]
    pub fn read(&self, core: &CpuCore, buffer: &mut [u8]) {
        let count = buffer.len().min(self.length);
        // SAFETY: checked by `place`.
        unsafe { host::read_bytes(self.place(core), &mut buffer[..count]) };
    }

    /// Copies bytes in, as many as fit both.
    #[inline]
    pub fn write(&self, core: &CpuCore, bytes: &[u8]) {
        let count = bytes.len().min(self.length);
        let place = self.place(core);
        // SAFETY: checked by `place`.
        unsafe { host::write_bytes(place, &bytes[..count]) };
        stored(core, place, count as u64);
    }

    /// Sets every byte.
    #[inline]
    pub fn fill(&self, core: &CpuCore, byte: u8) {
        let place = self.place(core);
        // SAFETY: checked by `place`.
        unsafe { host::fill(place, byte, self.length) };
        stored(core, place, self.length as u64);
    }

    /// Copies from another span, byte by byte from left to right as observed, as many as fit
    /// both.
    #[inline]
    pub fn copy_from(&self, core: &CpuCore, source: &Self) {
        let count = self.length.min(source.length);
        let (to, from) = (self.place(core), source.place(core));
        // SAFETY: checked by `place`.
        unsafe { host::copy_forward(to, from, count) };
        stored(core, to, count as u64);
    }

    /// Replaces every byte by `f(own, source's)`, from left to right, as many as fit both; true
    /// if any result is not 0.
    pub fn combine(&self, core: &CpuCore, source: &Self, f: impl Fn(u8, u8) -> u8) -> bool {
        let count = self.length.min(source.length);
        let (to, from) = (self.place(core), source.place(core));
        let ahead = to.wrapping_sub(from);
        let mut any = 0;
        if ahead > 0 && ahead < count as u64 {
            for i in 0..count as u64 {
                // SAFETY: checked by `place`.
                unsafe {
                    let v = f(host::read_u8(to + i), host::read_u8(from + i));
                    any |= v;
                    host::write_u8(to + i, v);
                }
            }
        } else {
            // Results never become operands later on: work on copies, which vectorises.
            let (mut own, mut other) = ([0u8; 256], [0u8; 256]);
            for start in (0..count).step_by(256) {
                let n = (count - start).min(256);
                let at = start as u64;
                // SAFETY: checked by `place`.
                unsafe {
                    host::read_bytes(to + at, &mut own[..n]);
                    host::read_bytes(from + at, &mut other[..n]);
                }
                for (own, other) in own[..n].iter_mut().zip(&other[..n]) {
                    *own = f(*own, *other);
                    any |= *own;
                }
                // SAFETY: checked by `place`.
                unsafe { host::write_bytes(to + at, &own[..n]) };
            }
        }
        stored(core, to, count as u64);
        any != 0
    }

    /// Where two spans first differ, as many bytes as both have: the offset and the two bytes.
    pub fn first_difference(&self, core: &CpuCore, other: &Self) -> Option<(usize, u8, u8)> {
        let count = self.length.min(other.length);
        let (a, b) = (self.place(core), other.place(core));
        // SAFETY: checked by `place`; both are dropped below without a write.
        let (a, b) = unsafe { (host::view(a, count), host::view(b, count)) };
        if a == b {
            return None;
        }
        let at = a.iter().zip(b).position(|(a, b)| a != b)?;
        Some((at, a[at], b[at]))
    }

    /// Where a byte first occurs.
    pub fn position(&self, core: &CpuCore, byte: u8) -> Option<usize> {
        // SAFETY: checked by `place`; dropped below without a write.
        let bytes = unsafe { host::view(self.place(core), self.length) };
        bytes.iter().position(|&b| b == byte)
    }
}
