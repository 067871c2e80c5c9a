//! The TOD clock under translation: one [`EpochClock`], its setter, and how CPUs read it.
//!
//! A CPU sees the clock in steps of 64 units (15.6 ns), with its own number in the low six bits.
//! So two CPUs never store the same value, and since 15.6 ns is less than it takes to tell
//! another CPU anything, readings also keep the order of cause and effect across CPUs. All
//! instructions of a CPU read it that way, and the comparator is compared with such a reading.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tcg::ClockRecipe;
use tod::clock::{Captured, ClockBackend, ClockError, Ready};
use tod::value::FineSpan;
use tod::{EpochClock, HostReading, Tod};

use crate::cpu::handle::{self, CpuHandle};

/// Units between two readings of one CPU that differ.
pub(super) const GRAIN: u64 = 64;

/// The TOD clock of the configuration.
pub struct TodClock {
    clock: Arc<EpochClock>,
    /// Counts how often a program has set the clock.
    settings: AtomicU64,
}

impl TodClock {
    /// The clock that all CPUs share.
    pub fn new(clock: Arc<EpochClock>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            settings: AtomicU64::new(0),
        })
    }

    /// The clock itself.
    pub fn clock(&self) -> &Arc<EpochClock> {
        &self.clock
    }

    /// The clock as a CPU reads it.
    #[inline]
    pub fn read(&self, cpu: u16) -> Tod {
        let units = self.clock.now().units();
        let number = u128::from(cpu) % u128::from(GRAIN);
        Tod::from_units(units & !u128::from(GRAIN - 1) | number)
    }

    /// The clock for code that reads it itself, as a CPU reads it; none if the host's counter is
    /// not the time stamp counter.
    pub(crate) fn recipe(&self, cpu: u16) -> Option<ClockRecipe> {
        let counter = self.clock.timebase().counter();
        if !counter.is_tsc() {
            return None;
        }
        ClockRecipe::new(
            Arc::clone(self.clock.published()),
            |epoch| epoch.words(),
            counter.offset_cell().cloned(),
            GRAIN,
            u64::from(cpu) % GRAIN,
        )
    }

    /// How often a program has set the clock: values before and after have no order.
    pub fn setting(&self) -> u64 {
        self.settings.load(Ordering::Acquire)
    }

    /// A program sets the clock; every CPU looks at its comparator anew.
    pub fn set(&self, value: Tod, cpus: &[Arc<CpuHandle>]) {
        self.clock.set(value);
        self.settings.fetch_add(1, Ordering::AcqRel);
        look_again(cpus);
    }
}

/// Comparators may have passed, or not any more.
fn look_again(cpus: &[Arc<CpuHandle>]) {
    for cpu in cpus {
        cpu.kick(handle::INTERRUPT);
    }
}

/// The least value that CPU number `cpu` can read which is above `comparator`; none if that is
/// beyond the 64 bits. It is read as soon as the clock shows the value without the number.
pub(super) fn first_reading_above(comparator: u64, cpu: u16) -> Option<u64> {
    let number = u64::from(cpu) % GRAIN;
    let step = comparator & !(GRAIN - 1);
    if step | number > comparator {
        Some(step)
    } else {
        step.checked_add(GRAIN)
    }
}

/// The TOD clock as the clock manager handles it; registered under the name "tod".
pub struct TodBackend {
    tod: Arc<TodClock>,
    cpus: Vec<Arc<CpuHandle>>,
}

impl TodBackend {
    /// The backend of a machine's TOD clock and CPUs.
    pub fn new(tod: Arc<TodClock>, cpus: Vec<Arc<CpuHandle>>) -> Self {
        Self { tod, cpus }
    }
}

impl ClockBackend for TodBackend {
    fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError> {
        self.tod.clock.clone().capture(at)
    }

    fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError> {
        self.tod.clock.clone().install(value, at)?;
        look_again(&self.cpus);
        Ok(())
    }

    fn make_ready(&mut self, value: &Captured, at: &HostReading) -> Result<Ready, ClockError> {
        // No CPU need look again: the clock has not moved against the timeline.
        self.tod.clock.clone().make_ready(value, at)
    }

    fn advance(&mut self, by: FineSpan, at: &HostReading) -> Result<(), ClockError> {
        self.tod.clock.clone().advance(by, at)?;
        look_again(&self.cpus);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reading_above_a_comparator() {
        // CPU 5 reads 5, 69, 133 ...
        assert_eq!(first_reading_above(0, 5), Some(0));
        assert_eq!(first_reading_above(4, 5), Some(0));
        assert_eq!(first_reading_above(5, 5), Some(64));
        assert_eq!(first_reading_above(68, 5), Some(64));
        assert_eq!(first_reading_above(69, 5), Some(128));
        assert_eq!(first_reading_above(0, 0), Some(64));
        assert_eq!(first_reading_above(u64::MAX, 63), None);
        assert_eq!(first_reading_above(u64::MAX - 1, 63), Some(u64::MAX - 63));
    }
}
