//! The places for CPUs: one for each CPU address that the machine can have, filled when a CPU is
//! plugged in, at the start or while the guest runs. None is ever taken out.
//!
//! A CPU that is plugged in is *configured*, or *standby* after the guest has deconfigured it: then
//! it is there, but no order reaches it. Not here: threads and the CPUs themselves
//! ([`crate::machine::vcpu`]).

use std::ops::Index;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::handle::CpuHandle;

/// CPUs as others see them, by CPU address.
pub struct CpuSlots {
    slots: Vec<OnceLock<Arc<CpuHandle>>>,
    plugged: AtomicUsize,
}

impl CpuSlots {
    /// Places for CPU addresses below `max_cpus`, all empty.
    pub fn new(max_cpus: u16) -> Arc<Self> {
        Arc::new(Self {
            slots: (0..max_cpus).map(|_| OnceLock::new()).collect(),
            plugged: AtomicUsize::new(0),
        })
    }

    /// Puts a CPU into the place of its address; false if there is none or it is taken.
    pub fn plug(&self, cpu: Arc<CpuHandle>) -> bool {
        let place = self.slots.get(usize::from(cpu.address()));
        let done = place.is_some_and(|place| place.set(cpu).is_ok());
        if done {
            self.plugged.fetch_add(1, Ordering::Release);
        }
        done
    }

    /// The CPU of that address, if one is plugged in.
    pub fn get(&self, address: u16) -> Option<&Arc<CpuHandle>> {
        self.slots.get(usize::from(address))?.get()
    }

    /// All that are plugged in, in the order of their addresses.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<CpuHandle>> {
        self.slots.iter().filter_map(OnceLock::get)
    }

    /// How many are plugged in.
    pub fn count(&self) -> usize {
        self.plugged.load(Ordering::Acquire)
    }

    /// How many are configured.
    pub fn configured(&self) -> u16 {
        self.iter().filter(|cpu| cpu.is_configured()).count() as u16
    }

    /// How many can be plugged in.
    pub fn max(&self) -> u16 {
        self.slots.len() as u16
    }
}

impl Index<usize> for CpuSlots {
    type Output = Arc<CpuHandle>;

    /// The CPU of that address.
    ///
    /// # Panics
    /// If none is plugged in.
    fn index(&self, address: usize) -> &Arc<CpuHandle> {
        self.slots[address]
            .get()
            .expect("a CPU of this address is plugged in")
    }
}
