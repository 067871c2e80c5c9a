//! The parts of a machine that hold KVM's time beside the clocks' values: they come before the
//! clocks, which are installed by them.
//!
//! The values themselves travel with all clocks ([`tod::SavedClocks`]).

use std::sync::Arc;

use migration::{Part, PartError, part};

use super::kvm_time::KvmTime;

/// No machine of 254 vCPUs needs more.
const MAX_BYTES: usize = 16 << 10;

/// The TSCs' frequency, how vCPUs' differ, and where KVM writes kvmclock for each.
pub struct KvmTimePart(Arc<KvmTime>);

impl KvmTimePart {
    const NAME: &'static str = "kvm-time";
    const VERSION: u32 = 1;

    /// That of a machine.
    #[must_use]
    pub fn new(time: &Arc<KvmTime>) -> Self {
        Self(Arc::clone(time))
    }
}

impl Part for KvmTimePart {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        Self::VERSION
    }

    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        part::save(self, &self.0.save())
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let saved = part::load(self, version, payload)?;
        self.0
            .load(&saved)
            .map_err(|error| part::unsuitable(self, error))
    }
}

/// The APIC timers and the PIT, as at the stop. To be loaded after the vCPUs' and the interrupt
/// controllers' registers.
pub struct TimersPart(Arc<KvmTime>);

impl TimersPart {
    const NAME: &'static str = "interval-timers";
    const VERSION: u32 = 1;

    /// That of a machine.
    #[must_use]
    pub fn new(time: &Arc<KvmTime>) -> Self {
        Self(Arc::clone(time))
    }
}

impl Part for TimersPart {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn version(&self) -> u32 {
        Self::VERSION
    }

    fn max_bytes(&self) -> usize {
        MAX_BYTES
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        part::save(self, &self.0.save_timers())
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let saved = part::load(self, version, payload)?;
        self.0
            .load_timers(saved)
            .map_err(|error| part::unsuitable(self, error))
    }
}
