//! KVM's memory slots over guest RAM, and the log of what vCPUs write.
//!
//! One slot for each stretch of RAM. With logging on, KVM keeps a bit for each page that vCPUs
//! have written since it was last asked. Not here: marks of what others write
//! ([`machine::GuestRam`]).
#![allow(
    unsafe_code,
    reason = "the kernel is given the address of guest RAM's mapping"
)]

use kvm_bindings::{KVM_MEM_LOG_DIRTY_PAGES, kvm_userspace_memory_region};
use machine::ram::PAGE_SIZE;
use migration::ram::PageSet;

use super::{KvmError, Vm};

impl Vm {
    /// Sets all slots, with logging or without. Vcpus may run meanwhile, once the slots exist.
    ///
    /// # Errors
    /// [`KvmError`].
    pub fn set_slots(&self, log: bool) -> Result<(), KvmError> {
        for (slot, stretch) in (0..).zip(self.layout.stretches()) {
            let host = self.ram.host_base().wrapping_add(stretch.offset as usize);
            let region = kvm_userspace_memory_region {
                slot,
                flags: if log { KVM_MEM_LOG_DIRTY_PAGES } else { 0 },
                guest_phys_addr: stretch.address,
                memory_size: stretch.bytes,
                userspace_addr: host.addr() as u64,
            };
            // SAFETY: the stretch lies in RAM's mapping, which `self` keeps alive and whose
            // accesses all expect that others access it too.
            unsafe { self.fd.set_user_memory_region(region) }
                .map_err(KvmError::call("placing guest memory"))?;
        }
        Ok(())
    }

    /// Adds the pages that vCPUs have written since the last call, or since logging began, to
    /// `into`, by their offsets in RAM. A page that is written after this is in the next call's.
    ///
    /// # Errors
    /// [`KvmError`]; some of the pages may have been added.
    pub fn take_log(&self, into: &mut PageSet) -> Result<(), KvmError> {
        for (slot, stretch) in (0..).zip(self.layout.stretches()) {
            let words = self
                .fd
                .get_dirty_log(slot, stretch.bytes as usize)
                .map_err(KvmError::call("reading the log of written pages"))?;
            // Stretches begin at multiples of 64 pages.
            let first = stretch.offset / PAGE_SIZE / 64;
            for (word, index) in words.into_iter().zip(first..) {
                if word != 0 {
                    into.insert_word(index, word);
                }
            }
        }
        Ok(())
    }
}
