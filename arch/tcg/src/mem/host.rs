//! The raw accesses to guest RAM through host addresses. Everything else in `mem` says where.
//!
//! Guest memory is shared with other vCPUs and devices: single accesses are volatile, so the
//! compiler makes each exactly one machine access, and on x86-64 an aligned one is then seen
//! whole and in the order that the z/Architecture asks for. Elsewhere aligned accesses are
//! acquire loads and release stores.
#![allow(
    unsafe_code,
    reason = "guest RAM is reached by host address, checked by the TLB or against RAM's size"
)]

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::ir::{AtomicOp, MemSize};

/// A number at any alignment.
#[repr(C, packed)]
#[derive(Clone, Copy)]
struct Loose<T: Copy>(T);

macro_rules! access {
    ($read:ident, $write:ident, $ty:ident, $atomic:ident) => {
        /// Reads a big-endian number.
        ///
        /// # Safety
        /// `host` is the address of that many bytes of mapped guest RAM.
        #[inline(always)]
        pub(crate) unsafe fn $read(host: u64) -> $ty {
            let place = host as usize as *const Loose<$ty>;
            if cfg!(target_arch = "x86_64") || host % (size_of::<$ty>() as u64) != 0 {
                // SAFETY: the caller's promise; `Loose` has no alignment.
                $ty::from_be(unsafe { place.read_volatile() }.0)
            } else {
                // SAFETY: the caller's promise, and it is aligned.
                $ty::from_be(unsafe { (*place.cast::<$atomic>()).load(Ordering::Acquire) })
            }
        }

        /// Writes a big-endian number.
        ///
        /// # Safety
        /// `host` is the address of that many bytes of mapped guest RAM.
        #[inline(always)]
        pub(crate) unsafe fn $write(host: u64, value: $ty) {
            let place = host as usize as *mut Loose<$ty>;
            if cfg!(target_arch = "x86_64") || host % (size_of::<$ty>() as u64) != 0 {
                // SAFETY: the caller's promise; `Loose` has no alignment.
                unsafe { place.write_volatile(Loose(value.to_be())) };
            } else {
                // SAFETY: the caller's promise, and it is aligned.
                unsafe { (*place.cast::<$atomic>()).store(value.to_be(), Ordering::Release) };
            }
        }
    };
}

access!(read_u8, write_u8, u8, AtomicU8);
access!(read_u16, write_u16, u16, AtomicU16);
access!(read_u32, write_u32, u32, AtomicU32);
access!(read_u64, write_u64, u64, AtomicU64);

/// Reads a big-endian number, zero-extended.
///
/// # Safety
/// `host` is the address of that many bytes of mapped guest RAM.
#[inline]
pub(crate) unsafe fn read(host: u64, size: MemSize) -> u64 {
    // SAFETY: passed on.
    unsafe {
        match size {
            MemSize::B1 => u64::from(read_u8(host)),
            MemSize::B2 => u64::from(read_u16(host)),
            MemSize::B4 => u64::from(read_u32(host)),
            MemSize::B8 => read_u64(host),
        }
    }
}

/// Writes the low bytes of a number.
///
/// # Safety
/// `host` is the address of that many bytes of mapped guest RAM.
#[inline]
pub(crate) unsafe fn write(host: u64, size: MemSize, value: u64) {
    // SAFETY: passed on.
    unsafe {
        match size {
            MemSize::B1 => write_u8(host, value as u8),
            MemSize::B2 => write_u16(host, value as u16),
            MemSize::B4 => write_u32(host, value as u32),
            MemSize::B8 => write_u64(host, value),
        }
    }
}

/// Copies guest bytes out.
///
/// # Safety
/// `host` is the address of that many bytes of mapped guest RAM.
pub(crate) unsafe fn read_bytes(host: u64, buffer: &mut [u8]) {
    // SAFETY: the caller's promise; ours is no guest memory.
    unsafe {
        std::ptr::copy_nonoverlapping(
            host as usize as *const u8,
            buffer.as_mut_ptr(),
            buffer.len(),
        );
    }
}

/// Copies bytes into guest memory.
///
/// # Safety
/// `host` is the address of that many bytes of mapped guest RAM.
pub(crate) unsafe fn write_bytes(host: u64, bytes: &[u8]) {
    // SAFETY: the caller's promise; ours is no guest memory.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), host as usize as *mut u8, bytes.len());
    }
}

/// Sets guest bytes.
///
/// # Safety
/// `host` is the address of that many bytes of mapped guest RAM.
pub(crate) unsafe fn fill(host: u64, byte: u8, length: usize) {
    let place = host as usize as *mut u8;
    #[cfg(target_arch = "x86_64")]
    if wide::serves(length) {
        // SAFETY: the caller's promise; the host has AVX2.
        unsafe { wide::fill(place, byte, length) };
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { std::ptr::write_bytes(place, byte, length) };
}

/// Fields of up to some pages by AVX2: the C library begins its long ones with instructions that
/// take 10 ns to get going (measured on Zen 4).
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_set1_epi8, _mm256_storeu_si256};

    /// Bytes of one pass.
    const PASS: usize = 128;

    /// Whether this is the way for a field.
    #[inline]
    pub(super) fn serves(length: usize) -> bool {
        (512..=16384).contains(&length) && std::arch::is_x86_feature_detected!("avx2")
    }

    /// # Safety
    /// The host has AVX2; `place` is the address of that many bytes, at least [`PASS`].
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn fill(place: *mut u8, byte: u8, length: usize) {
        let value = _mm256_set1_epi8(byte as i8);
        let last = length - PASS;
        let mut at = 0;
        loop {
            for part in 0..4 {
                // SAFETY: the caller's promise: `at` is `last` at most.
                unsafe {
                    let to = place.add(at + part * 32).cast::<__m256i>();
                    _mm256_storeu_si256(to, value);
                }
            }
            if at == last {
                return;
            }
            at = (at + PASS).min(last);
        }
    }

    /// Copies from left to right: the target may begin before the source, not in it.
    ///
    /// # Safety
    /// The host has AVX2; both are the addresses of that many bytes, at least [`PASS`].
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn copy(to: *mut u8, from: *const u8, length: usize) {
        let mut at = 0;
        while at + PASS <= length {
            // SAFETY: the caller's promise. All of a pass is loaded before it is stored.
            unsafe {
                let load =
                    |part: usize| _mm256_loadu_si256(from.add(at + part * 32).cast::<__m256i>());
                let parts = [load(0), load(1), load(2), load(3)];
                for (part, value) in parts.into_iter().enumerate() {
                    _mm256_storeu_si256(to.add(at + part * 32).cast::<__m256i>(), value);
                }
            }
            at += PASS;
        }
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy(from.add(at), to.add(at), length - at) };
    }
}

/// Copies guest memory byte by byte from left to right, as observed: where the destination
/// begins inside the source, what was copied is copied again.
///
/// # Safety
/// Both are addresses of that many bytes of mapped guest RAM.
pub(crate) unsafe fn copy_forward(to: u64, from: u64, length: usize) {
    let (dst, src) = (to as usize as *mut u8, from as usize as *const u8);
    let ahead = to.wrapping_sub(from);
    if ahead == 0 {
        return;
    }
    if ahead >= length as u64 {
        // SAFETY: the caller's promise. Overlap with the source ahead of the destination reads
        // every byte before it is replaced, as byte by byte does.
        #[cfg(target_arch = "x86_64")]
        if wide::serves(length) {
            // SAFETY: the same; the host has AVX2.
            unsafe { wide::copy(dst, src, length) };
            return;
        }
        // SAFETY: as above.
        unsafe { std::ptr::copy(src, dst, length) };
        return;
    }
    // The first `ahead` bytes repeat. Each step copies twice as many as the one before.
    let period = ahead as usize;
    let mut done = 0;
    while done < length {
        let count = (period + done).min(length - done);
        // SAFETY: the caller's promise; `[src, src + period + done)` is complete by now and ends
        // where the destination of this step begins.
        unsafe { std::ptr::copy_nonoverlapping(src, dst.add(done), count) };
        done += count;
    }
}

/// Guest bytes as a slice to compare with.
///
/// # Safety
/// `host` is the address of that many bytes of mapped guest RAM, and the slice is dropped before
/// this thread writes them. Other threads may write them: what is compared then is undetermined,
/// as for the guest.
pub(crate) unsafe fn view<'a>(host: u64, length: usize) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(host as usize as *const u8, length) }
}

macro_rules! sized {
    ($size:expr, $atomic:ident => $body:expr) => {
        match $size {
            MemSize::B1 => sized!(@one AtomicU8, u8, $atomic => $body),
            MemSize::B2 => sized!(@one AtomicU16, u16, $atomic => $body),
            MemSize::B4 => sized!(@one AtomicU32, u32, $atomic => $body),
            MemSize::B8 => sized!(@one AtomicU64, u64, $atomic => $body),
        }
    };
    (@one $type:ident, $int:ident, $atomic:ident => $body:expr) => {{
        type $atomic = $type;
        type Int = $int;
        u64::from($body)
    }};
}

/// Compares and swaps a big-endian number; the old value, zero-extended.
///
/// # Safety
/// `host` is the address of that many bytes of mapped guest RAM, a multiple of the size.
#[inline]
pub(crate) unsafe fn compare_swap(host: u64, size: MemSize, expected: u64, new: u64) -> u64 {
    sized!(size, Cell => {
        // SAFETY: the caller's promise.
        let cell = unsafe { &*(host as usize as *const Cell) };
        let old = cell.compare_exchange(
            (expected as Int).to_be(),
            (new as Int).to_be(),
            Ordering::SeqCst,
            Ordering::SeqCst,
        );
        Int::from_be(match old {
            Ok(old) | Err(old) => old,
        })
    })
}

/// An interlocked update of a big-endian number; the old value, zero-extended.
///
/// # Safety
/// `host` is the address of that many bytes of mapped guest RAM, a multiple of the size.
#[inline]
pub(crate) unsafe fn update(host: u64, size: MemSize, op: AtomicOp, v: u64) -> u64 {
    sized!(size, Cell => {
        // SAFETY: the caller's promise.
        let cell = unsafe { &*(host as usize as *const Cell) };
        let swapped = (v as Int).to_be();
        Int::from_be(match op {
            AtomicOp::And => cell.fetch_and(swapped, Ordering::SeqCst),
            AtomicOp::Or => cell.fetch_or(swapped, Ordering::SeqCst),
            AtomicOp::Xor => cell.fetch_xor(swapped, Ordering::SeqCst),
            AtomicOp::Exchange => cell.swap(swapped, Ordering::SeqCst),
            AtomicOp::Add => {
                let mut old = cell.load(Ordering::Relaxed);
                loop {
                    let new = Int::from_be(old).wrapping_add(v as Int).to_be();
                    match cell.compare_exchange_weak(old, new, Ordering::SeqCst, Ordering::Relaxed)
                    {
                        Ok(_) => break old,
                        Err(now) => old = now,
                    }
                }
            }
        })
    })
}

/// Compares and swaps 16 bytes, as big-endian numbers; the old value. `None` where the host has
/// no such instruction.
///
/// # Safety
/// `host` is the address of 16 bytes of mapped guest RAM, a multiple of 16.
#[inline(always)]
pub(crate) unsafe fn compare_swap_16(host: u64, expected: u128, new: u128) -> Option<u128> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("cmpxchg16b") {
        let (old, new) = (expected.to_be(), new.to_be());
        let (mut low, mut high) = (old as u64, (old >> 64) as u64);
        // SAFETY: the caller's promise: valid and aligned; the host has the instruction, and rbx,
        // which the compiler keeps for itself, is as before.
        unsafe {
            std::arch::asm!(
                "xchg rsi, rbx",
                "lock cmpxchg16b [rdi]",
                "mov rbx, rsi",
                // Named, so that neither is rbx.
                inout("rsi") new as u64 => _,
                in("rdi") host,
                in("rcx") (new >> 64) as u64,
                inout("rax") low,
                inout("rdx") high,
                options(nostack),
            );
        }
        return Some(u128::from_be(u128::from(high) << 64 | u128::from(low)));
    }
    let _ = (host, expected, new);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_fields_are_as_byte_by_byte() {
        for length in [511, 512, 513, 639, 640, 1000, 4095, 4096] {
            for (to, from) in [(0, 8192), (8192, 0), (100, 101), (0, 300), (1, 0), (700, 0)] {
                let start: Vec<u8> = (0..16384u32).map(|n| ((n * 7) >> 3) as u8).collect();
                let mut expected = start.clone();
                for i in 0..length {
                    expected[to + i] = expected[from + i];
                }
                let mut got = start;
                let base = got.as_mut_ptr().addr() as u64;
                // SAFETY: both are in the vector.
                unsafe { copy_forward(base + to as u64, base + from as u64, length) };
                assert!(got == expected, "{length} bytes from {from} to {to}");
                expected[to..to + length].fill(0x5a);
                // SAFETY: as above.
                unsafe { fill(base + to as u64, 0x5a, length) };
                assert!(got == expected, "{length} bytes at {to}");
            }
        }
    }
}
