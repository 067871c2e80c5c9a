//! Guest RAM: one type everywhere, with its dirty bitmap.
//!
//! A thin owner of `vm-memory`'s anonymous mapping from guest-absolute address 0. Translation
//! marks what vCPUs write, devices and loaders write through the methods here, migration reads
//! and clears the marks. Not here: address translation, protection, or code tracking.
#![allow(
    unsafe_code,
    reason = "hands out the mapping's host address to the translated memory path"
)]

use vm_memory::bitmap::{AtomicBitmap, Bitmap};
use vm_memory::{Bytes, GuestAddress, GuestMemory, GuestMemoryMmap, GuestMemoryRegion};

/// Bytes of a page, of the dirty bitmap and of both architectures.
pub const PAGE_SIZE: u64 = 4096;

/// Guest RAM from absolute address 0.
pub struct GuestRam {
    memory: GuestMemoryMmap<AtomicBitmap>,
    host: *mut u8,
    size: u64,
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

/// An absolute address range is not all in RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("guest memory holds no {length} bytes at {address:#x}")]
pub struct OutOfRam {
    /// First byte, guest-absolute.
    pub address: u64,
    /// Bytes.
    pub length: u64,
}

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
        Ok(Self { memory, host, size })
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
        self.memory
            .write_slice(bytes, GuestAddress(address))
            .map_err(|_| OutOfRam { address, length })
    }

    /// Marks the pages of an absolute range as written.
    pub fn mark_dirty(&self, address: u64, length: u64) {
        if let Some(region) = self.memory.iter().next() {
            region
                .bitmap()
                .mark_dirty(address as usize, length as usize);
        }
    }

    /// Clears the marks of the pages of an absolute range. Translation caches the fact that a
    /// page is marked: tell it afterwards.
    pub fn clear_dirty(&self, address: u64, length: u64) {
        if let Some(region) = self.memory.iter().next() {
            region
                .bitmap()
                .reset_addr_range(address as usize, length as usize);
        }
    }

    /// Whether the page that holds this absolute address is marked.
    pub fn is_dirty(&self, address: u64) -> bool {
        self.memory
            .iter()
            .next()
            .is_some_and(|region| region.bitmap().dirty_at(address as usize))
    }
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
}
