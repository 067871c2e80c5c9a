//! The channel's accesses to storage: by absolute address, checked against the subchannel key.

use tcg::CpuCore;
use tcg::mem::{PAGE_SIZE, read_absolute, write_absolute};

use crate::memory::keys::StorageKeys;

/// Where the channel subsystem finds the machine's storage.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// The CPU on whose thread the work is done.
    pub core: &'a CpuCore,
    /// Storage keys.
    pub keys: &'a StorageKeys,
}

/// Why an access is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It is not in storage.
    Addressing,
    /// The keys do not match.
    Protection,
}

/// The manual's fetch-protection bit of a storage key.
const FETCH_PROTECTED: u8 = 0x08;

impl Host<'_> {
    /// Fetches bytes under an access key (0 to 15).
    ///
    /// # Errors
    /// [`Denied`]; the buffer is as it was.
    pub fn fetch(&self, key: u8, address: u64, buffer: &mut [u8]) -> Result<(), Denied> {
        self.check(key, address, buffer.len(), false)?;
        read_absolute(self.core, address, buffer);
        Ok(())
    }

    /// Stores bytes under an access key.
    ///
    /// # Errors
    /// [`Denied`]; nothing is stored.
    pub fn store(&self, key: u8, address: u64, bytes: &[u8]) -> Result<(), Denied> {
        self.check(key, address, bytes.len(), true)?;
        write_absolute(self.core, address, bytes);
        Ok(())
    }

    /// Sets bits of a byte, interlocked, with key 0; the byte before. Outside storage nothing
    /// happens, and the answer is 0.
    pub fn set_bits(&self, address: u64, bits: u8) -> u8 {
        if self.check(0, address, 1, true).is_err() {
            return 0;
        }
        let shift = 56 - 8 * (address % 8);
        let aligned = address & !7;
        let mut old = tcg::mem::load_absolute(self.core, aligned, tcg::ir::MemSize::B8);
        loop {
            let new = old | u64::from(bits) << shift;
            let found = tcg::mem::compare_swap_absolute(self.core, aligned, old, new);
            if found == old {
                return (old >> shift) as u8;
            }
            old = found;
        }
    }

    fn check(&self, key: u8, address: u64, length: usize, store: bool) -> Result<(), Denied> {
        if length == 0 {
            return Ok(());
        }
        if !self.core.system().ram().contains(address, length as u64) {
            return Err(Denied::Addressing);
        }
        let first = address / PAGE_SIZE;
        let last = (address + length as u64 - 1) / PAGE_SIZE;
        for page in first..=last {
            let storage = self.keys.get(page * PAGE_SIZE).unwrap_or(0);
            let matches = key == 0 || key == storage >> 4;
            if !matches && (store || storage & FETCH_PROTECTED != 0) {
                return Err(Denied::Protection);
            }
        }
        for page in first..=last {
            self.keys.touch(page * PAGE_SIZE, store);
        }
        Ok(())
    }
}
