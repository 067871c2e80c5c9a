//! A guest clock in software: one published epoch over the host counter.
//!
//! The TOD clock of a translated machine is one of these. It runs as hardware
//! does, also while the VM is stopped, until the manager makes it ready for the
//! next start: then it stands for a moment, and runs on with the first vCPU that
//! enters the guest.

use super::{Captured, ClockBackend, ClockError, Ready};
use crate::epoch::PublishedEpoch;
use crate::timebase::{HostReading, Moved, Timebase, Track};
use crate::value::{FineSpan, FineTod, Tod};
use std::sync::{Arc, Mutex, PoisonError};

/// A running clock that any thread may read without a lock.
pub struct EpochClock {
    track: Track,
    /// How far [`EpochClock::set`] has moved the clock since it was installed.
    stepped: Mutex<FineSpan>,
}

impl EpochClock {
    /// A clock that shows `value` at `at` and runs.
    #[must_use]
    pub fn new(timebase: &Arc<Timebase>, value: Tod, at: &HostReading) -> Arc<Self> {
        let track = Track::running(timebase, value.into(), at);
        Arc::new(Self {
            track,
            stepped: Mutex::new(FineSpan::ZERO),
        })
    }

    /// A clock that shows the host's CLOCK_REALTIME as it is now, and from then
    /// on runs by the host counter (R4).
    #[must_use]
    pub fn at_host_time(timebase: &Arc<Timebase>) -> Arc<Self> {
        let at = timebase.reading();
        Self::new(timebase, at.realtime_tod(), &at)
    }

    /// The clock now, rounded down. Takes no lock (R12). Ordered: who learns of
    /// this reading from another vCPU reads the same value or a later one.
    #[inline(always)]
    #[must_use]
    pub fn now(&self) -> Tod {
        self.track.now().tod()
    }

    /// The clock now, not ordered against other memory accesses.
    #[inline(always)]
    #[must_use]
    pub fn now_unordered(&self) -> Tod {
        self.track.now_unordered().tod()
    }

    /// The clock now, with its fraction.
    #[inline(always)]
    #[must_use]
    pub fn fine_now(&self) -> FineTod {
        self.track.now()
    }

    /// The clock at a host reading.
    #[must_use]
    pub fn at(&self, reading: &HostReading) -> FineTod {
        self.track.at(reading)
    }

    /// Sets the clock: it shows `value` now. Safe while other threads read;
    /// sleepers on this clock look again. How far it has moved.
    pub fn set(&self, value: Tod) -> FineSpan {
        let by = {
            let mut stepped = self.stepped.lock().unwrap_or_else(PoisonError::into_inner);
            let by = self.track.set(value.into());
            *stepped = stepped.wrapping_add(by);
            by
        };
        self.track.timebase().wake_waiters(Moved::Jumped);
        by
    }

    /// Host nanoseconds until the clock shows `value`, rounded up; zero when it
    /// shows `value` or, by the shorter way round, a later one.
    #[must_use]
    pub fn ns_until(&self, value: Tod) -> Option<u64> {
        self.track.ns_until(value.into())
    }

    /// The first host counter at which the clock shows `value` or more.
    #[must_use]
    pub fn counter_at(&self, value: Tod) -> Option<u64> {
        self.track.counter_at(value.into())
    }

    /// The published epoch, for generated code.
    #[must_use]
    pub fn published(&self) -> &Arc<PublishedEpoch> {
        self.track.published()
    }

    /// The clock as a track on the mapping.
    pub(crate) fn track(&self) -> &Track {
        &self.track
    }

    /// The mapping the clock runs on.
    #[must_use]
    pub fn timebase(&self) -> &Arc<Timebase> {
        self.track.timebase()
    }
}

impl ClockBackend for Arc<EpochClock> {
    fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError> {
        let stepped = self.stepped.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Captured {
            value: self.track.at(at),
            error_ns: 0,
            stepped: Some(*stepped),
        })
    }

    fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError> {
        {
            let mut stepped = self.stepped.lock().unwrap_or_else(PoisonError::into_inner);
            self.track.run_from(value.value, at);
            *stepped = FineSpan::ZERO;
        }
        self.track.timebase().wake_waiters(Moved::Jumped);
        Ok(())
    }

    fn make_ready(&mut self, value: &Captured, _at: &HostReading) -> Result<Ready, ClockError> {
        let mut stepped = self.stepped.lock().unwrap_or_else(PoisonError::into_inner);
        self.track.stand_at(value.value);
        *stepped = FineSpan::ZERO;
        Ok(Ready::Stands(Arc::clone(self)))
    }

    fn advance(&mut self, by: FineSpan, _at: &HostReading) -> Result<(), ClockError> {
        self.track.advance(by);
        self.track.timebase().wake_waiters(Moved::Jumped);
        Ok(())
    }
}
