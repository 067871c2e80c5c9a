//! Guest RAM: one type everywhere, with its dirty bitmap.
//!
//! A thin owner of `vm-memory`'s anonymous mapping from guest-absolute address 0. Translation
//! marks what vCPUs write, devices and loaders write through the methods here, migration reads
//! and clears the marks. Not here: address translation, protection, or code tracking.
#![allow(
    unsafe_code,
    reason = "hands out the mapping's host address to the translated memory path"
)]

mod host_pages;

use std::sync::atomic::{AtomicU64, Ordering};

use migration::ram::PageSet;
use vm_memory::bitmap::{AtomicBitmap, Bitmap};
use vm_memory::{Bytes, GuestAddress, GuestMemory, GuestMemoryMmap, GuestMemoryRegion};

/// Bytes of a page, of the dirty bitmap and of both architectures.
pub const PAGE_SIZE: u64 = 4096;

/// Guest RAM from absolute address 0.
pub struct GuestRam {
    memory: GuestMemoryMmap<AtomicBitmap>,
    host: *mut u8,
    size: u64,
    /// Where the last large write that went further than all before it ended.
    filled: AtomicU64,
}

// SAFETY: `host` is the address of the mapping which `memory` owns for as long as `self` lives;
// the mapping is shared memory which every access treats as such (atomics or volatile copies).
unsafe impl Send for GuestRam {}
// SAFETY: as above.
unsafe impl Sync for GuestRam {}

/// RAM could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot map {bytes} bytes of guest memory: {why}")]
pub struct RamError {
    /// Bytes asked for.
    pub bytes: u64,
    /// The host's reason.
    pub why: String,
}

pub use migration::vm::OutOfRam;

/// Bytes from which on a write is large.
const LARGE_WRITE: u64 = 8 * PAGE_SIZE;

/// Zeros to write where the host does not take memory back.
static ZEROS: [u8; PAGE_SIZE as usize] = [0; PAGE_SIZE as usize];

impl GuestRam {
    /// Maps `bytes` of zeroed memory, rounded up to whole pages.
    ///
    /// # Errors
    /// [`RamError`] if the host refuses the mapping.
    pub fn new(bytes: u64) -> Result<Self, RamError> {
        let fail = |why: String| RamError { bytes, why };
        let size = bytes
            .checked_next_multiple_of(PAGE_SIZE)
            .filter(|&size| size > 0)
            .ok_or_else(|| fail("the size is out of range".into()))?;
        let length = usize::try_from(size).map_err(|e| fail(e.to_string()))?;
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), length)])
            .map_err(|e| fail(e.to_string()))?;
        let host = memory
            .get_host_address(GuestAddress(0))
            .map_err(|e| fail(e.to_string()))?;
        Ok(Self {
            memory,
            host,
            size,
            filled: AtomicU64::new(0),
        })
    }

    /// Bytes of RAM; addresses from 0 to this, exclusive, exist.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Host address of guest-absolute 0. Valid for `size()` bytes while `self` lives. Accesses
    /// race with other vCPUs: use atomics or volatile copies, and mark what is written.
    pub fn host_base(&self) -> *mut u8 {
        self.host
    }

    /// The `vm-memory` view, for loaders and devices that want its API. Writes through it mark
    /// their pages.
    pub fn memory(&self) -> &GuestMemoryMmap<AtomicBitmap> {
        &self.memory
    }

    /// True if `length` bytes from `address` are all in RAM.
    pub fn contains(&self, address: u64, length: u64) -> bool {
        address
            .checked_add(length)
            .is_some_and(|end| end <= self.size)
    }

    /// Copies guest memory out.
    ///
    /// # Errors
    /// [`OutOfRam`]; nothing useful is in `buffer` then.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRam> {
        self.memory
            .read_slice(buffer, GuestAddress(address))
            .map_err(|_| OutOfRam {
                address,
                length: buffer.len() as u64,
            })
    }

    /// Copies into guest memory and marks the pages. The caller tells the translator if code may
    /// live there.
    ///
    /// # Errors
    /// [`OutOfRam`]; nothing is written then.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutOfRam> {
        let length = bytes.len() as u64;
        if !self.contains(address, length) {
            return Err(OutOfRam { address, length });
        }
        if length >= LARGE_WRITE {
            self.find_memory(address, length);
        }
        self.memory
            .write_slice(bytes, GuestAddress(address))
            .map_err(|_| OutOfRam { address, length })
    }

    /// Has the host find memory for the pages of a large write that goes further than all before
    /// it, as RAM that is loaded or migrated in arrives in the order of addresses. Later writes go
    /// where memory is, and asking again would only cost.
    fn find_memory(&self, address: u64, length: u64) {
        let (end, page) = (address + length, host_pages::page_bytes());
        if self.filled.fetch_max(end, Ordering::Relaxed) > address {
            return;
        }
        let (first, last) = (address.next_multiple_of(page), end / page * page);
        if first < last {
            let host = self.host.wrapping_add(first as usize);
            // SAFETY: whole pages of this mapping, which vm-memory has made private and anonymous.
            unsafe { host_pages::find_memory(host, (last - first) as usize) };
        }
    }

    /// Sets a range to zero and marks its pages; the memory of whole pages of the host goes back to
    /// it. The caller tells the translator if code may live there. No vCPU runs meanwhile.
    ///
    /// # Errors
    /// [`OutOfRam`]; nothing is written then.
    pub fn zero(&self, address: u64, length: u64) -> Result<(), OutOfRam> {
        if !self.contains(address, length) {
            return Err(OutOfRam { address, length });
        }
        let (end, page) = (address + length, host_pages::page_bytes());
        let (first, last) = (address.next_multiple_of(page), end / page * page);
        if first < last {
            // SAFETY: whole pages of this mapping, which vm-memory has made private and anonymous.
            let given_back = unsafe {
                host_pages::give_back(
                    self.host.wrapping_add(first as usize),
                    (last - first) as usize,
                )
            };
            if given_back.is_ok() {
                self.mark_dirty(first, last - first);
                self.fill_zero(address, first)?;
                return self.fill_zero(last, end);
            }
        }
        self.fill_zero(address, end)
    }

    fn fill_zero(&self, mut address: u64, end: u64) -> Result<(), OutOfRam> {
        while address < end {
            let count = (end - address).min(PAGE_SIZE);
            self.write(address, &ZEROS[..count as usize])?;
            address += count;
        }
        Ok(())
    }

    /// A set that holds every page which may hold other bytes than zero: those that have memory
    /// of the host. All pages if the host does not tell which.
    pub fn touched(&self) -> PageSet {
        let pages = self.size / PAGE_SIZE;
        let per_host_page = host_pages::page_bytes() / PAGE_SIZE;
        let mut set = PageSet::empty(pages);
        let told = host_pages::touched(self.host, self.size, |first, count| {
            set.insert_range(first * per_host_page..(first + count) * per_host_page);
        });
        match told {
            Ok(()) => set,
            Err(e) => {
                log::debug!("which pages have memory cannot be read ({e}): all are taken to have");
                PageSet::full(pages)
            }
        }
    }

    /// True if nothing was ever written, so that every byte is zero. False if the host does not
    /// tell.
    pub fn is_fresh(&self) -> bool {
        self.touched().is_empty()
    }

    /// Adds the marked pages to `into` and clears the marks, each in one step. Translation caches
    /// the fact that a page is marked: tell it afterwards, and read the pages after that.
    pub fn take_dirty(&self, into: &mut PageSet) {
        let Some(bitmap) = self.bitmap() else { return };
        let per_bit = host_pages::page_bytes() / PAGE_SIZE;
        for (bits, index) in bitmap.get_and_reset().into_iter().zip(0u64..) {
            if per_bit == 1 {
                into.insert_word(index, bits);
                continue;
            }
            // A mark stands for a page of the host.
            for bit in (0..64).filter(|bit| bits >> bit & 1 != 0) {
                let first = (index * 64 + bit) * per_bit;
                into.insert_range(first..first + per_bit);
            }
        }
    }

    /// Clears all marks. As [`Self::clear_dirty`].
    pub fn clear_marks(&self) {
        if let Some(bitmap) = self.bitmap() {
            bitmap.reset();
        }
    }

    fn bitmap(&self) -> Option<&AtomicBitmap> {
        self.memory.iter().next().map(GuestMemoryRegion::bitmap)
    }

    /// Marks the pages of an absolute range as written.
    pub fn mark_dirty(&self, address: u64, length: u64) {
        if let Some(bitmap) = self.bitmap() {
            bitmap.mark_dirty(address as usize, length as usize);
        }
    }

    /// Clears the marks of the pages of an absolute range. Translation caches the fact that a
    /// page is marked: tell it afterwards.
    pub fn clear_dirty(&self, address: u64, length: u64) {
        if let Some(bitmap) = self.bitmap() {
            bitmap.reset_addr_range(address as usize, length as usize);
        }
    }

    /// Whether the page that holds this absolute address is marked.
    pub fn is_dirty(&self, address: u64) -> bool {
        self.bitmap()
            .is_some_and(|bitmap| bitmap.dirty_at(address as usize))
    }
}

/// Of what is written by the methods of [`GuestRam`]; a machine's own knows also what its vCPUs
/// write.
impl migration::vm::Ram for GuestRam {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRam> {
        Self::read(self, address, buffer)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutOfRam> {
        Self::write(self, address, bytes)
    }

    fn zero(&self, address: u64, length: u64) -> Result<(), OutOfRam> {
        Self::zero(self, address, length)
    }

    fn is_fresh(&self) -> bool {
        Self::is_fresh(self)
    }

    fn touched(&self) -> PageSet {
        Self::touched(self)
    }

    fn track(&self, on: bool) {
        if on {
            self.clear_marks();
        }
    }

    fn take_dirty(&self, into: &mut PageSet) {
        Self::take_dirty(self, into);
    }

    fn set_toll(&self, _ns: u32) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_marks_its_pages_and_no_others() {
        let ram = GuestRam::new(3 * PAGE_SIZE).unwrap();
        ram.write(PAGE_SIZE - 1, &[1, 2]).unwrap();
        assert!(ram.is_dirty(0) && ram.is_dirty(PAGE_SIZE) && !ram.is_dirty(2 * PAGE_SIZE));
        let mut back = [0; 2];
        ram.read(PAGE_SIZE - 1, &mut back).unwrap();
        assert_eq!(back, [1, 2]);
    }

    #[test]
    fn a_write_across_the_end_changes_nothing() {
        let ram = GuestRam::new(PAGE_SIZE).unwrap();
        assert_eq!(
            ram.write(PAGE_SIZE - 1, &[7, 7]),
            Err(OutOfRam {
                address: PAGE_SIZE - 1,
                length: 2
            })
        );
        let mut last = [9];
        ram.read(PAGE_SIZE - 1, &mut last).unwrap();
        assert_eq!(last, [0]);
    }

    #[test]
    fn pages_without_memory_are_known_and_come_back() {
        let pages = 300;
        let ram = GuestRam::new(pages * PAGE_SIZE).unwrap();
        if ram.touched().len() == pages {
            println!("SKIPPED: this host does not tell which pages have memory");
            return;
        }
        assert!(ram.is_fresh());
        for page in [0, 77, 78, 299] {
            ram.write(page * PAGE_SIZE + 5, &[1]).unwrap();
        }
        let touched = ram.touched();
        let written = [0..1, 77..79, 299..300];
        for page in written.clone().into_iter().flatten() {
            assert!(touched.contains(page), "{page}");
        }
        assert!(!ram.is_fresh());
        let mut taken = PageSet::empty(pages);
        ram.take_dirty(&mut taken);
        if host_pages::page_bytes() == PAGE_SIZE {
            assert_eq!(taken.runs().collect::<Vec<_>>(), written);
        }
        taken.clear();
        ram.take_dirty(&mut taken);
        assert!(taken.is_empty());
        // Whole pages and parts of two.
        ram.write(76 * PAGE_SIZE, &[7; 4 * PAGE_SIZE as usize])
            .unwrap();
        ram.zero(77 * PAGE_SIZE - 1, 2 * PAGE_SIZE + 2).unwrap();
        let mut bytes = vec![0; 4 * PAGE_SIZE as usize];
        ram.read(76 * PAGE_SIZE, &mut bytes).unwrap();
        let zeros = PAGE_SIZE as usize - 1..3 * PAGE_SIZE as usize + 1;
        for (at, byte) in bytes.iter().enumerate() {
            assert_eq!(*byte == 0, zeros.contains(&at), "{at}");
        }
        ram.take_dirty(&mut taken);
        assert!((76..80).all(|page| taken.contains(page)));
        let beyond = pages * PAGE_SIZE - 1;
        assert!(ram.zero(beyond, 2).is_err() && ram.zero(u64::MAX, 2).is_err());
        ram.zero(0, pages * PAGE_SIZE).unwrap();
        assert!(ram.is_fresh());
    }
}
