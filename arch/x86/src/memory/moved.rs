//! RAM as a migration sees it: read, written, and told which pages were written.
//!
//! KVM keeps its log only while pages are tracked. Taking it write-protects the pages before it
//! returns, so a page that is written after that is in the next one, and whoever reads the pages
//! afterwards sees what the log stands for. Not here: which pages are sent when.

use std::sync::atomic::Ordering;

use machine::ram::OutOfRam;
use migration::ram::PageSet;
use migration::vm::Ram;

use super::Memory;

impl Ram for Memory {
    fn size(&self) -> u64 {
        self.ram.size()
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRam> {
        self.ram.read(address, buffer)
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutOfRam> {
        self.ram.write(address, bytes)
    }

    fn zero(&self, address: u64, length: u64) -> Result<(), OutOfRam> {
        self.ram.zero(address, length)
    }

    fn is_fresh(&self) -> bool {
        self.ram.is_fresh()
    }

    fn touched(&self) -> PageSet {
        self.ram.touched()
    }

    fn track(&self, on: bool) {
        if self.tracking.swap(on, Ordering::SeqCst) == on {
            return;
        }
        if on {
            self.ram.clear_marks();
        }
        let Some(vm) = &self.vm else { return };
        if let Err(error) = vm.set_slots(on) {
            log::warn!("which pages vCPUs write is not known: {error}");
        }
    }

    fn take_dirty(&self, into: &mut PageSet) {
        self.ram.take_dirty(into);
        if !self.tracking.load(Ordering::SeqCst) {
            return;
        }
        let Some(vm) = &self.vm else { return };
        if let Err(error) = vm.take_log(into) {
            log::warn!("all pages count as written, for the host does not tell which: {error}");
            into.insert_range(0..into.size());
        }
    }

    /// KVM has nothing by which a write could be made to wait.
    fn set_toll(&self, _ns: u32) {}
}
