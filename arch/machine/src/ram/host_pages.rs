//! What the host keeps behind guest RAM: which pages have memory, and giving it back.
//!
//! The mapping is private and anonymous: a page of the host that was never written has no memory
//! of its own and reads as zeros, and one that was given back is such a page again. Not here:
//! what the guest has written since when ([`super::GuestRam`]'s marks).
#![allow(unsafe_code, reason = "madvise(2) on the mapping that the caller owns")]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::mm::Advice;

/// Where the kernel tells of this process's pages (Documentation/admin-guide/mm/pagemap.rst): a
/// word of 8 bytes in native order for each, bit 63 present, bit 62 swapped out.
const PAGEMAP: &str = "/proc/self/pagemap";
const PRESENT_OR_SWAPPED: u64 = 3 << 62;

/// Words read at once.
const CHUNK: usize = 8192;

/// Bytes of the host's pages, a multiple of 4096.
pub(super) fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// Calls `found` with each run of pages of the host that have memory, or may have some: first
/// page and how many, counted from `host`, which is the start of a page.
///
/// # Errors
/// The host does not tell.
pub(super) fn touched(
    host: *mut u8,
    bytes: u64,
    mut found: impl FnMut(u64, u64),
) -> io::Result<()> {
    let file = File::open(PAGEMAP)?;
    let page = page_bytes();
    let (first, pages) = (host.addr() as u64 / page, bytes.div_ceil(page));
    let mut words = vec![0; CHUNK * 8];
    let mut done = 0;
    while done < pages {
        let count = (pages - done).min(CHUNK as u64);
        let words = &mut words[..count as usize * 8];
        file.read_exact_at(words, (first + done) * 8)?;
        let mut run = None;
        for (word, number) in words.chunks_exact(8).zip(done..) {
            let word = u64::from_ne_bytes(word.try_into().unwrap_or_default());
            match (word & PRESENT_OR_SWAPPED != 0, run) {
                (true, None) => run = Some(number),
                (false, Some(start)) => {
                    found(start, number - start);
                    run = None;
                }
                _ => {}
            }
        }
        done += count;
        if let Some(start) = run {
            found(start, done - start);
        }
    }
    Ok(())
}

/// Has the host find memory for whole pages at once, which takes it two thirds of the time that a
/// fault on each of them takes (measured). It changes no byte. A host that cannot (Linux before
/// 5.14) or will not leaves it to the faults.
///
/// # Safety
/// The range is whole pages of the host in a private anonymous mapping, which stays what it is.
pub(super) unsafe fn find_memory(host: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { rustix::mm::madvise(host.cast(), bytes, Advice::LinuxPopulateWrite) };
}

/// Gives the memory of whole pages back to the host: they read as zeros afterwards.
///
/// # Errors
/// The host refuses; nothing has changed then.
///
/// # Safety
/// The range is whole pages of the host in a private anonymous mapping, which stays what it is;
/// nobody holds a reference into it.
pub(super) unsafe fn give_back(host: *mut u8, bytes: usize) -> io::Result<()> {
    // SAFETY: the caller's promise.
    unsafe { rustix::mm::madvise(host.cast(), bytes, Advice::LinuxDontNeed) }.map_err(Into::into)
}
