//! The parts of a machine that hold KVM's time beside the clocks' values: they come before the
//! clocks, which are installed by them.
//!
//! The values themselves travel with all clocks ([`tod::SavedClocks`]).

use std::sync::Arc;

use migration::StatePart;

use super::kvm_time::{KvmTime, SavedTime};
use super::timers::SavedTimers;

/// No machine of 254 vCPUs needs more.
const MAX_BYTES: usize = 16 << 10;

/// The TSCs' frequency, how vCPUs' differ, and where KVM writes kvmclock for each.
pub struct KvmTimePart(Arc<KvmTime>);

impl KvmTimePart {
    /// That of a machine.
    #[must_use]
    pub fn new(time: &Arc<KvmTime>) -> Self {
        Self(Arc::clone(time))
    }
}

impl StatePart for KvmTimePart {
    const NAME: &'static str = "kvm-time";
    const MAX_BYTES: usize = MAX_BYTES;
    type State = SavedTime;

    fn state(&self) -> Result<SavedTime, String> {
        Ok(self.0.save())
    }

    fn take_over(&mut self, saved: SavedTime) -> Result<(), String> {
        self.0.load(&saved).map_err(|error| error.to_string())
    }
}

/// The APIC timers and the PIT, as at the stop. To be loaded after the vCPUs' and the interrupt
/// controllers' registers.
pub struct TimersPart(Arc<KvmTime>);

impl TimersPart {
    /// That of a machine.
    #[must_use]
    pub fn new(time: &Arc<KvmTime>) -> Self {
        Self(Arc::clone(time))
    }
}

impl StatePart for TimersPart {
    const NAME: &'static str = "interval-timers";
    const MAX_BYTES: usize = MAX_BYTES;
    type State = SavedTimers;

    fn state(&self) -> Result<SavedTimers, String> {
        Ok(self.0.save_timers())
    }

    fn take_over(&mut self, saved: SavedTimers) -> Result<(), String> {
        self.0.load_timers(saved).map_err(|error| error.to_string())
    }
}
