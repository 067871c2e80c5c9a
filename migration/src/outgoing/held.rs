//! The source's hold on its guest: whatever way a migration ends, even by a panic, the guest runs
//! on here unless it was committed to the destination.

use std::time::{Duration, Instant};

use crate::vm::{SourceVm, Stopped, VmError};

/// The hold. Dropping it gives the guest back.
pub(super) struct Held<'a> {
    vm: &'a dyn SourceVm,
    tracking: bool,
    stopped: Option<(Stopped, Instant)>,
    committed: bool,
}

impl<'a> Held<'a> {
    pub(super) fn new(vm: &'a dyn SourceVm) -> Self {
        Self {
            vm,
            tracking: false,
            stopped: None,
            committed: false,
        }
    }

    pub(super) fn vm(&self) -> &'a dyn SourceVm {
        self.vm
    }

    /// Switches dirty tracking on.
    pub(super) fn track(&mut self) {
        self.tracking = true;
        self.vm.ram().track(true);
    }

    /// Stops the guest, unless it was stopped before.
    pub(super) fn stop(&mut self) -> Result<Stopped, VmError> {
        if let Some((stopped, _)) = self.stopped {
            return Ok(stopped);
        }
        let begun = Instant::now();
        let stopped = self.vm.stop()?;
        self.stopped = Some((stopped, begun));
        Ok(stopped)
    }

    /// When the guest stopped, if it was stopped.
    pub(super) fn stopped(&self) -> Option<Stopped> {
        self.stopped.map(|(stopped, _)| stopped)
    }

    /// How long it has been stopped for the migration.
    pub(super) fn stopped_for(&self) -> Duration {
        self.stopped.map_or(Duration::ZERO, |(_, at)| at.elapsed())
    }

    /// The destination may have the guest from now on: it is never taken back.
    pub(super) fn commit(&mut self) {
        self.committed = true;
    }

    /// Lets go now, not when dropped.
    pub(super) fn release(&mut self) {
        if std::mem::take(&mut self.tracking) {
            self.vm.ram().track(false);
        }
        if self.stopped.take().is_some() {
            if self.committed {
                self.vm.hand_over();
            } else {
                self.vm.take_back();
            }
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.release();
    }
}
