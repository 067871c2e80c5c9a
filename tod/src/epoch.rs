//! The published epoch: how a vCPU reads a clock without a lock (R12).
//!
//! A writer publishes `value = base + (counter - counter_base) * mult` under a
//! sequence lock made of atomics only; helpers, generated code and clock
//! backends read it alike. The arithmetic is exact: `base` has 72 bits of TOD
//! units and 56 of fraction, `mult` is units per counter tick with 56 fraction
//! bits, and the product of two 64-bit numbers fits 128 bits.
//!
//! This module is not a clock: it knows neither the host counter nor when to
//! publish. See [`crate::Track`] for that.
//!
//! # For generated code
//! The layout is `repr(C)`, every field a native-endian `u64`, offsets in the
//! `*_OFFSET` constants. Load `seq`; while it is odd, load it again. Load the
//! fields, then the counter, then `seq` again; start over when it changed. When
//! `counter - counter_base` is negative as `i64`, the host counter has gone
//! back: call [`crate::EpochClock::now`] instead. A standing epoch has
//! `mult` 0, so the same arithmetic serves.

use crate::value::FineTod;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// The atomic word and the fences that an epoch is made of, so that a model
/// checker can put its own in their place.
pub trait Word {
    /// A word of this value.
    fn new(value: u64) -> Self;
    /// Atomic load.
    fn load(&self, order: Ordering) -> u64;
    /// Atomic store.
    fn store(&self, value: u64, order: Ordering);
    /// Atomic compare and exchange; whether it was exchanged.
    fn swap_if(&self, old: u64, new: u64) -> bool;
    /// A memory fence.
    fn fence(order: Ordering);
    /// Called while another thread is in the middle of a write.
    fn relax(spins: u32);
}

impl Word for AtomicU64 {
    fn new(value: u64) -> Self {
        Self::new(value)
    }

    #[inline(always)]
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    #[inline(always)]
    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }

    fn swap_if(&self, old: u64, new: u64) -> bool {
        self.compare_exchange(old, new, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    #[inline(always)]
    fn fence(order: Ordering) {
        fence(order);
    }

    #[cold]
    fn relax(spins: u32) {
        // A write takes some 100 ns; a longer one has been preempted.
        if spins < 64 {
            std::hint::spin_loop()
        } else {
            std::thread::yield_now()
        }
    }
}

/// One epoch: how a clock's value follows from the host counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Epoch {
    /// The clock runs.
    Running {
        /// The host counter at `base`. Host counters stay below 2^63.
        counter_base: u64,
        /// TOD units per counter tick, 56 fraction bits.
        mult: u64,
        /// The clock's value at `counter_base`.
        base: FineTod,
    },
    /// The clock stands.
    Standing {
        /// Its value.
        value: FineTod,
    },
}

impl Epoch {
    /// The clock's value when the host counter shows `counter`; its base for a
    /// counter before the epoch's.
    #[must_use]
    pub fn at(&self, counter: u64) -> FineTod {
        match *self {
            Self::Running {
                counter_base,
                mult,
                base,
            } => {
                let ticks = counter.saturating_sub(counter_base);
                FineTod::from_bits(
                    base.bits()
                        .wrapping_add(u128::from(ticks) * u128::from(mult)),
                )
            }
            Self::Standing { value } => value,
        }
    }
}

/// The host counter is before the epoch's `counter_base`: it was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterBehind;

/// An [`Epoch`] that any thread may read while one writes it.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct PublishedEpoch<W: Word = AtomicU64> {
    seq: W,
    counter_base: W,
    mult: W,
    base_low: W,
    base_high: W,
    running: W,
}

impl PublishedEpoch {
    /// Byte offset of the sequence word: odd while a write is under way.
    pub const SEQ_OFFSET: usize = offset_of!(Self, seq);
    /// Byte offset of the counter base.
    pub const COUNTER_BASE_OFFSET: usize = offset_of!(Self, counter_base);
    /// Byte offset of the multiplier.
    pub const MULT_OFFSET: usize = offset_of!(Self, mult);
    /// Byte offset of the low 64 bits of the 128-bit base.
    pub const BASE_LOW_OFFSET: usize = offset_of!(Self, base_low);
    /// Byte offset of the high 64 bits of the 128-bit base.
    pub const BASE_HIGH_OFFSET: usize = offset_of!(Self, base_high);
    /// Byte offset of the running flag: 1 running, 0 standing.
    pub const RUNNING_OFFSET: usize = offset_of!(Self, running);
}

impl<W: Word> PublishedEpoch<W> {
    /// Publishes a first epoch.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        let [counter_base, mult, low, high, running] = words(&epoch);
        Self {
            seq: W::new(0),
            counter_base: W::new(counter_base),
            mult: W::new(mult),
            base_low: W::new(low),
            base_high: W::new(high),
            running: W::new(running),
        }
    }

    /// The words that a reader of its own needs, in the order of their offsets: sequence, counter
    /// base, multiplier, low and high half of the base.
    #[must_use]
    pub fn words(&self) -> [&W; 5] {
        [
            &self.seq,
            &self.counter_base,
            &self.mult,
            &self.base_low,
            &self.base_high,
        ]
    }

    /// The clock's value now. `counter` reads the host counter; it is called
    /// between the two looks at the sequence word, so a value is never made of
    /// an epoch and of a counter that the next epoch already covers.
    ///
    /// # Errors
    /// [`CounterBehind`] when the counter was reset since the epoch was
    /// published.
    #[inline(always)]
    pub fn read(&self, counter: impl Fn() -> u64) -> Result<FineTod, CounterBehind> {
        let mut spins = 0;
        loop {
            let before = self.seq.load(Ordering::Acquire);
            if before & 1 == 0 {
                let counter_base = self.counter_base.load(Ordering::Relaxed);
                let mult = self.mult.load(Ordering::Relaxed);
                let low = self.base_low.load(Ordering::Relaxed);
                let high = self.base_high.load(Ordering::Relaxed);
                let ticks = counter().wrapping_sub(counter_base);
                W::fence(Ordering::Acquire);
                if self.seq.load(Ordering::Relaxed) == before {
                    if (ticks as i64) < 0 {
                        return Err(CounterBehind);
                    }
                    let base = u128::from(high) << 64 | u128::from(low);
                    return Ok(FineTod::from_bits(
                        base.wrapping_add(u128::from(ticks) * u128::from(mult)),
                    ));
                }
            }
            W::relax(spins);
            spins = spins.saturating_add(1);
        }
    }

    /// The epoch as it stands: all of one write, never parts of two.
    #[must_use]
    pub fn load(&self) -> Epoch {
        let mut spins = 0;
        loop {
            let before = self.seq.load(Ordering::Acquire);
            if before & 1 == 0 {
                let counter_base = self.counter_base.load(Ordering::Relaxed);
                let mult = self.mult.load(Ordering::Relaxed);
                let low = self.base_low.load(Ordering::Relaxed);
                let high = self.base_high.load(Ordering::Relaxed);
                let running = self.running.load(Ordering::Relaxed);
                W::fence(Ordering::Acquire);
                if self.seq.load(Ordering::Relaxed) == before {
                    let base = FineTod::from_bits(u128::from(high) << 64 | u128::from(low));
                    return if running == 0 {
                        Epoch::Standing { value: base }
                    } else {
                        Epoch::Running {
                            counter_base,
                            mult,
                            base,
                        }
                    };
                }
            }
            W::relax(spins);
            spins = spins.saturating_add(1);
        }
    }

    /// Begins a write: readers wait until the returned writer is dropped, so
    /// hold it for nanoseconds. Another writer waits, too.
    pub fn begin_write(&self) -> EpochWriter<'_, W> {
        let mut spins = 0;
        loop {
            let seq = self.seq.load(Ordering::Relaxed);
            if seq & 1 == 0 && self.seq.swap_if(seq, seq.wrapping_add(1)) {
                // Who sees one of the stores that follow also sees the odd number.
                W::fence(Ordering::Release);
                return EpochWriter { epoch: self, seq };
            }
            W::relax(spins);
            spins = spins.saturating_add(1);
        }
    }
}

/// A write under way; dropping it publishes.
#[derive(Debug)]
pub struct EpochWriter<'a, W: Word = AtomicU64> {
    epoch: &'a PublishedEpoch<W>,
    /// The even number from before the write.
    seq: u64,
}

impl<W: Word> EpochWriter<'_, W> {
    /// Stores the new epoch; readers see it when the writer is dropped.
    pub fn write(&mut self, epoch: &Epoch) {
        let [counter_base, mult, low, high, running] = words(epoch);
        self.epoch
            .counter_base
            .store(counter_base, Ordering::Relaxed);
        self.epoch.mult.store(mult, Ordering::Relaxed);
        self.epoch.base_low.store(low, Ordering::Relaxed);
        self.epoch.base_high.store(high, Ordering::Relaxed);
        self.epoch.running.store(running, Ordering::Relaxed);
    }
}

impl<W: Word> Drop for EpochWriter<'_, W> {
    fn drop(&mut self) {
        self.epoch
            .seq
            .store(self.seq.wrapping_add(2), Ordering::Release);
    }
}

fn words(epoch: &Epoch) -> [u64; 5] {
    match *epoch {
        Epoch::Running {
            counter_base,
            mult,
            base,
        } => [
            counter_base,
            mult,
            base.bits() as u64,
            (base.bits() >> 64) as u64,
            1,
        ],
        // The multiplier 0 makes the value stand for every counter; the base 0
        // keeps every counter from looking reset.
        Epoch::Standing { value } => [0, 0, value.bits() as u64, (value.bits() >> 64) as u64, 0],
    }
}
