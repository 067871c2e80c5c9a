//! The guest's memory: where RAM lies, and RAM as a migration sees it.
//!
//! A migration is told of a page when KVM's log has it, for vCPUs, or the marks of
//! [`machine::GuestRam`] have it, for everybody else. Not here: what is written into memory at
//! boot ([`crate::boot`]) and device registers.

mod layout;
mod moved;

use std::sync::Arc;

use machine::{GuestRam, MachineError};

use crate::cpu::Crew;
use crate::kvm::Vm;
use moved::Writes;

pub use layout::{HIGH_START, LOW_END, Layout, Stretch};

/// Guest RAM by physical address.
pub struct Memory {
    ram: Arc<GuestRam>,
    layout: Layout,
    /// What vCPUs write to it, if there are any.
    writes: Option<Arc<Writes>>,
}

impl Memory {
    /// RAM in the guest's physical address space; the virtual machine, if there is one, has it in
    /// its slots, and these are all its vCPUs.
    #[must_use]
    pub fn new(ram: Arc<GuestRam>, cpus: Option<(Arc<Vm>, Arc<Crew>)>) -> Self {
        let layout = Layout::new(ram.size());
        let writes = cpus.map(|(vm, crew)| Writes::new(vm, crew, ram.size()));
        Self {
            ram,
            layout,
            writes,
        }
    }

    /// RAM by offset.
    #[must_use]
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }

    /// Where it lies.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Copies out of physical memory.
    ///
    /// # Errors
    /// [`MachineError::Memory`] at the first address that is no RAM; what is in `buffer` is of no
    /// use then.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), MachineError> {
        let mut rest = buffer;
        for piece in self.pieces(address, rest.len())? {
            let (now, later) = rest.split_at_mut((piece.end - piece.start) as usize);
            // A piece is in RAM.
            let _ = self.ram.read(piece.start, now);
            rest = later;
        }
        Ok(())
    }

    /// Copies into physical memory and marks the pages.
    ///
    /// # Errors
    /// [`MachineError::Memory`] at the first address that is no RAM; nothing is written then.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<(), MachineError> {
        let mut rest = bytes;
        for piece in self.pieces(address, rest.len())? {
            let (now, later) = rest.split_at((piece.end - piece.start) as usize);
            // A piece is in RAM.
            let _ = self.ram.write(piece.start, now);
            rest = later;
        }
        Ok(())
    }

    fn pieces(
        &self,
        address: u64,
        length: usize,
    ) -> Result<Vec<std::ops::Range<u64>>, MachineError> {
        self.layout
            .pieces(address, length as u64)
            .map_err(|address| MachineError::Memory {
                address,
                why: "there is no RAM".into(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_above_the_hole_come_back_and_the_hole_has_none() {
        let memory = Memory::new(Arc::new(GuestRam::new(LOW_END + 4096).unwrap()), None);
        memory.write(HIGH_START + 8, &[1, 2, 3]).unwrap();
        let mut back = [0; 3];
        memory.read(HIGH_START + 8, &mut back).unwrap();
        assert_eq!(back, [1, 2, 3]);
        assert!(memory.ram().is_dirty(LOW_END));
        let error = memory.write(LOW_END - 1, &[9, 9]).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot access guest memory at 0xc0000000: there is no RAM"
        );
        memory.read(LOW_END - 1, &mut back[..1]).unwrap();
        assert_eq!(back[0], 0);
    }
}
