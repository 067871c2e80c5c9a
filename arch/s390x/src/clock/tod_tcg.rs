//! The TOD clock under translation: one [`EpochClock`], its setter, and how CPUs read it.
//!
//! The low bits of what a CPU reads are its own number, in as many bits as the numbers of the
//! machine's CPUs need: one CPU sees every unit of the clock (0.24 ns), eight see it in steps of
//! eight (2 ns), and 248 in steps of 256 (62.5 ns). So two CPUs never store the same value, and
//! since a step is less than it takes to tell another CPU anything, readings also keep the order
//! of cause and effect across CPUs. All instructions of a CPU read it that way, and the
//! comparator is compared with such a reading.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tcg::ClockRecipe;
use tod::clock::{Captured, ClockBackend, ClockError, Ready};
use tod::value::FineSpan;
use tod::{EpochClock, HostReading, Timeline, Tod};

use crate::cpu::handle;
use crate::cpu::slots::CpuSlots;

/// The TOD clock of the configuration.
pub struct TodClock {
    clock: Arc<EpochClock>,
    grain: Grain,
    /// Counts how often a program has set the clock.
    settings: AtomicU64,
    /// By how many units programs have set the clock forward in all, modulo 2^64. Held while one
    /// does.
    set_by: Mutex<u64>,
}

impl TodClock {
    /// The clock that this many CPUs share.
    pub fn new(clock: Arc<EpochClock>, cpu_count: u16) -> Arc<Self> {
        Arc::new(Self {
            clock,
            grain: Grain::for_cpus(cpu_count),
            settings: AtomicU64::new(0),
            set_by: Mutex::new(0),
        })
    }

    /// The clock itself.
    pub fn clock(&self) -> &Arc<EpochClock> {
        &self.clock
    }

    /// The clock as a CPU reads it.
    #[inline]
    pub fn read(&self, cpu: u16) -> Tod {
        self.grain.reading(self.clock.now(), cpu)
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
            self.grain.0,
            self.grain.number(cpu),
        )
    }

    /// How far apart two readings of one CPU are, if they differ.
    pub(super) fn grain(&self) -> Grain {
        self.grain
    }

    /// How often a program has set the clock: values before and after have no order.
    pub fn setting(&self) -> u64 {
        self.settings.load(Ordering::Acquire)
    }

    /// A program sets the clock; every CPU looks at its comparator anew. By how many units the
    /// clock has moved forward, modulo 2^64.
    pub fn set(&self, value: Tod, cpus: &CpuSlots) -> u64 {
        let by = {
            let mut set_by = self.lock_set_by();
            let by = self.clock.set(value).units() as u64;
            *set_by = set_by.wrapping_add(by);
            by
        };
        self.settings.fetch_add(1, Ordering::AcqRel);
        look_again(cpus);
        by
    }

    /// The clock as a CPU reads it, and by how many units programs have set it forward in all,
    /// modulo 2^64.
    pub fn read_with_set_by(&self, cpu: u16) -> (Tod, u64) {
        let set_by = self.lock_set_by();
        (self.read(cpu), *set_by)
    }

    /// A CPU was restored whose programs have set the clock forward by `new` units in all, in the
    /// place of one whose have by `old`.
    pub(super) fn restore_set_by(&self, old: u64, new: u64) {
        let mut set_by = self.lock_set_by();
        *set_by = set_by.wrapping_add(new.wrapping_sub(old));
    }

    fn lock_set_by(&self) -> MutexGuard<'_, u64> {
        self.set_by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Comparators may have passed, or not any more.
fn look_again(cpus: &CpuSlots) {
    for cpu in cpus.iter() {
        cpu.kick(handle::INTERRUPT);
    }
}

/// Units between two readings of one CPU that differ: a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grain(u64);

impl Grain {
    /// Of a machine with one CPU, which sees every unit.
    #[cfg(test)]
    pub(super) const ALONE: Self = Self(1);

    /// Of a machine that may have so many CPUs.
    pub(super) fn for_cpus(count: u16) -> Self {
        Self(u64::from(count).next_power_of_two())
    }

    /// What a CPU reads when the clock shows `tod`.
    #[inline]
    pub(super) fn reading(self, tod: Tod, cpu: u16) -> Tod {
        let below = u128::from(self.0 - 1);
        Tod::from_units(tod.units() & !below | u128::from(cpu) & below)
    }

    /// The units.
    pub(super) fn units(self) -> u64 {
        self.0
    }

    /// What a CPU's readings have in their low bits.
    fn number(self, cpu: u16) -> u64 {
        u64::from(cpu) & (self.0 - 1)
    }

    /// The least value that CPU number `cpu` can read which is above `comparator`; none if that is
    /// beyond the 64 bits. It is read as soon as the clock shows the value without the number.
    pub(super) fn first_reading_above(self, comparator: u64, cpu: u16) -> Option<u64> {
        let step = comparator & !(self.0 - 1);
        if step | self.number(cpu) > comparator {
            Some(step)
        } else {
            step.checked_add(self.0)
        }
    }
}

/// The TOD clock as the clock manager handles it; registered under the name "tod".
pub struct TodBackend {
    tod: Arc<TodClock>,
    cpus: Arc<CpuSlots>,
}

impl TodBackend {
    /// The backend of a machine's TOD clock and CPUs.
    pub fn new(tod: Arc<TodClock>, cpus: Arc<CpuSlots>) -> Self {
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

/// The VM's timeline in TOD units, for code that reads it itself; none if the host's counter is not
/// the time stamp counter.
pub(super) fn timeline_recipe(timeline: &Timeline) -> Option<ClockRecipe> {
    let track = timeline.track();
    let counter = track.timebase().counter();
    if !counter.is_tsc() {
        return None;
    }
    let (words, push) = (
        Arc::clone(track.published()),
        counter.offset_cell().cloned(),
    );
    ClockRecipe::new(words, |epoch| epoch.words(), push, 1, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reading_above_a_comparator() {
        // With 64 CPUs, number 5 reads 5, 69, 133 ...
        let grain = Grain::for_cpus(64);
        assert_eq!(grain.first_reading_above(0, 5), Some(0));
        assert_eq!(grain.first_reading_above(4, 5), Some(0));
        assert_eq!(grain.first_reading_above(5, 5), Some(64));
        assert_eq!(grain.first_reading_above(68, 5), Some(64));
        assert_eq!(grain.first_reading_above(69, 5), Some(128));
        assert_eq!(grain.first_reading_above(0, 0), Some(64));
        assert_eq!(grain.first_reading_above(u64::MAX, 63), None);
        assert_eq!(
            grain.first_reading_above(u64::MAX - 1, 63),
            Some(u64::MAX - 63)
        );
    }

    #[test]
    fn every_cpu_has_a_number_of_its_own() {
        for (cpus, units) in [(1, 1), (2, 2), (3, 4), (8, 8), (64, 64), (248, 256)] {
            let grain = Grain::for_cpus(cpus);
            assert_eq!(grain.units(), units);
            let mut numbers: Vec<_> = (0..cpus).map(|cpu| grain.number(cpu)).collect();
            numbers.dedup();
            assert_eq!(numbers.len(), usize::from(cpus));
        }
        let alone = Grain::for_cpus(1);
        assert_eq!(alone.first_reading_above(9, 0), Some(10));
        assert_eq!(alone.first_reading_above(u64::MAX, 0), None);
    }
}
