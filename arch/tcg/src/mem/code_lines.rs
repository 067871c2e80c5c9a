//! Which 64-byte lines of RAM hold code that blocks were made from: one word of bits a page.
//!
//! A vCPU that stores looks here *after* the store; a vCPU that translates sets the bits
//! *before* it reads the code for good. One of the two sees the other, provided that neither
//! pair is reordered: the translator's side pays for that ([`CodeLines::publish`]), stores do
//! not. Not here: the blocks themselves ([`crate::cache`]).
#![allow(
    unsafe_code,
    reason = "membarrier has no safe wrapper that needs no further crate"
)]

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::PAGE_SIZE;

/// Bytes of a line.
const LINE: u64 = 64;

/// The bits of all RAM.
pub(crate) struct CodeLines {
    words: Box<[AtomicU64]>,
    expedited: bool,
}

/// The bits of a range inside one page; `length` is at least 1.
pub(crate) fn bits(absolute: u64, length: u64) -> u64 {
    let first = absolute % PAGE_SIZE / LINE;
    let last = (absolute + (length - 1)) % PAGE_SIZE / LINE;
    (u64::MAX >> (63 - last)) & (u64::MAX << first)
}

/// Calls `f(start, length)` for the part of a range in each page it touches.
pub(crate) fn for_pages(absolute: u64, length: u64, mut f: impl FnMut(u64, u64)) {
    let end = absolute.saturating_add(length);
    let mut at = absolute;
    while at < end {
        let room = PAGE_SIZE - at % PAGE_SIZE;
        let count = room.min(end - at);
        f(at, count);
        at += count;
    }
}

const MEMBARRIER_PRIVATE_EXPEDITED: i32 = 1 << 3;
const MEMBARRIER_REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;

fn membarrier(command: i32) -> bool {
    // SAFETY: membarrier(2) reads and writes no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

impl CodeLines {
    pub(crate) fn new(ram_bytes: u64) -> Self {
        Self {
            words: (0..ram_bytes / PAGE_SIZE)
                .map(|_| AtomicU64::new(0))
                .collect(),
            expedited: membarrier(MEMBARRIER_REGISTER_PRIVATE_EXPEDITED),
        }
    }

    /// Address of the first page's word, for engines.
    pub(crate) fn base(&self) -> u64 {
        self.words.as_ptr().addr() as u64
    }

    /// Whether any line of a range holds code.
    #[inline]
    pub(crate) fn any(&self, absolute: u64, length: u64) -> bool {
        // Compilers may not move the look before the store it follows.
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
        if length <= PAGE_SIZE - absolute % PAGE_SIZE {
            return length > 0
                && self
                    .words
                    .get((absolute / PAGE_SIZE) as usize)
                    .is_some_and(|word| {
                        word.load(Ordering::Relaxed) & bits(absolute, length) != 0
                    });
        }
        let mut any = false;
        for_pages(absolute, length, |start, count| {
            any |= self
                .words
                .get((start / PAGE_SIZE) as usize)
                .is_some_and(|word| word.load(Ordering::Relaxed) & bits(start, count) != 0);
        });
        any
    }

    /// Adds the lines of a range; true if any was not there.
    pub(crate) fn add(&self, absolute: u64, length: u64) -> bool {
        let mut fresh = false;
        for_pages(absolute, length, |start, count| {
            if let Some(word) = self.words.get((start / PAGE_SIZE) as usize) {
                let added = bits(start, count);
                fresh |= word.fetch_or(added, Ordering::SeqCst) & added != added;
            }
        });
        fresh
    }

    /// The lines of a page (by number) are these.
    pub(crate) fn set_page(&self, page: u64, bits: u64) {
        if let Some(word) = self.words.get(page as usize) {
            word.store(bits, Ordering::SeqCst);
        }
    }

    /// After this every store that did not see the added lines is visible to this thread.
    pub(crate) fn publish(&self, alone: bool) {
        if alone {
            fence(Ordering::SeqCst);
        } else if !(self.expedited && membarrier(MEMBARRIER_PRIVATE_EXPEDITED)) {
            // Hosts without it: the stores' side is one load later than its store at most for
            // as long as a store buffer drains, which this outlasts in practice.
            fence(Ordering::SeqCst);
            std::thread::yield_now();
            fence(Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_cover_exactly_the_lines() {
        assert_eq!(bits(0, 1), 1);
        assert_eq!(bits(63, 2), 3);
        assert_eq!(bits(0x1000, 4096), u64::MAX);
        assert_eq!(bits(0x1fff, 1), 1 << 63);
    }

    #[test]
    fn a_range_over_pages_is_seen_in_each() {
        let lines = CodeLines::new(4 * PAGE_SIZE);
        lines.add(0x1ffe, 4);
        assert!(lines.any(0x1fc0, 1) && lines.any(0x203f, 1));
        assert!(!lines.any(0x2040, 0xfc0) && !lines.any(0, 0x1fc0));
        assert!(lines.any(0, 3 * PAGE_SIZE));
    }
}
