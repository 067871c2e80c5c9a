//! Interruptions that any CPU may take: the service signal, later I/O and machine checks.
//!
//! Not here: which CPU takes one, and when ([`super::interrupt`]).

use std::sync::atomic::{AtomicU64, Ordering};

use super::handle;
use super::slots::CpuSlots;

/// Marks a pending service signal beside its 32-bit parameter.
const PENDING: u64 = 1 << 32;

/// Pending interruptions of the configuration.
#[derive(Debug, Default)]
pub struct Floating {
    /// [`PENDING`] and the parameter.
    service: AtomicU64,
}

impl Floating {
    /// Makes a service signal pending. A second one before the first is taken merges: the
    /// address of the completed SCCB (a multiple of 8) and the event-pending bit (1) are kept.
    pub fn service_signal(&self, cpus: &CpuSlots, parameter: u32) {
        self.service
            .fetch_or(PENDING | u64::from(parameter), Ordering::AcqRel);
        for cpu in cpus.iter() {
            cpu.kick(handle::INTERRUPT);
        }
    }

    /// Whether a service signal is pending.
    pub fn has_service_signal(&self) -> bool {
        self.service.load(Ordering::Acquire) != 0
    }

    /// Whether a completed service call has not been told yet; events alone do not count.
    pub fn has_service_call(&self) -> bool {
        const SCCB: u64 = 0xffff_fff8;
        self.service.load(Ordering::Acquire) & SCCB != 0
    }

    /// Takes the service signal: its parameter.
    pub fn take_service_signal(&self) -> Option<u32> {
        match self.service.swap(0, Ordering::AcqRel) {
            0 => None,
            word => Some(word as u32),
        }
    }

    /// What a system reset clears.
    pub fn reset(&self) {
        self.service.store(0, Ordering::Release);
    }

    /// The pending service signal for saving.
    pub fn saved(&self) -> Option<u32> {
        match self.service.load(Ordering::Acquire) {
            0 => None,
            word => Some(word as u32),
        }
    }

    /// Takes over what was saved.
    pub fn restore(&self, service: Option<u32>) {
        let word = service.map_or(0, |parameter| PENDING | u64::from(parameter));
        self.service.store(word, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_signals_merge_until_one_is_taken() {
        let floating = Floating::default();
        assert_eq!(floating.take_service_signal(), None);
        floating.service_signal(&CpuSlots::new(0), 0x1000);
        floating.service_signal(&CpuSlots::new(0), 1);
        assert!(floating.has_service_signal());
        assert_eq!(floating.take_service_signal(), Some(0x1001));
        assert_eq!(floating.take_service_signal(), None);
        // A signal without any parameter is one all the same.
        floating.service_signal(&CpuSlots::new(0), 0);
        assert_eq!(floating.take_service_signal(), Some(0));
    }
}
