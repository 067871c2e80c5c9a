//! A simulated host: its clocks move only when told to, and do everything that
//! a real host's clocks do to a VM (R13).

use super::{CounterRate, CounterSource, HostClock, HostClockError, HostSample, Waiting, WakeFn};
use crate::value::{FRACTION_BITS, UNITS_PER_SECOND};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the host counter does while the host sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SleepingCounter {
    /// It stands, as CLOCK_MONOTONIC does.
    Stands,
    /// It runs on, as a time stamp counter does in suspend-to-idle.
    Runs,
    /// It starts again from this value, as one that lost its power does.
    Resets(u64),
}

#[derive(Debug)]
struct State {
    counter: Arc<AtomicU64>,
    /// Ticks below one, in 10^-18 ticks.
    tick_rest: u128,
    monotonic_ns: u64,
    boottime_ns: u64,
    realtime_ns: i64,
    error_ns: u64,
    frequency_error_ppb: i64,
    failures: u32,
}

/// A host whose clocks are moved by hand. Shared by cloning.
#[derive(Clone)]
pub struct SimHost {
    counter_hz: u64,
    counter: Arc<AtomicU64>,
    state: Arc<Mutex<State>>,
    wakers: Arc<Mutex<Vec<WakeFn>>>,
}

impl SimHost {
    /// A host with a counter of nominally 2 GHz, at 2026-01-01T00:00:00 UTC,
    /// up for one hour, whose counter started with it.
    #[must_use]
    pub fn new() -> Self {
        Self::with_counter_hz(2_000_000_000)
    }

    /// The same with a counter of `counter_hz` ticks a second, at least 16 MHz
    /// (lower rates are taken as 16 MHz).
    #[must_use]
    pub fn with_counter_hz(counter_hz: u64) -> Self {
        let counter_hz = counter_hz.max(16_000_001);
        let counter = Arc::new(AtomicU64::new(3600 * counter_hz));
        Self {
            counter_hz,
            counter: Arc::clone(&counter),
            state: Arc::new(Mutex::new(State {
                counter,
                tick_rest: 0,
                monotonic_ns: 3_600_000_000_000,
                boottime_ns: 3_600_000_000_000,
                realtime_ns: 1_767_225_600_000_000_000,
                error_ns: 0,
                frequency_error_ppb: 0,
                failures: 0,
            })),
            wakers: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        let wakers = self
            .wakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for wake in wakers {
            wake();
        }
    }

    fn tick(&self, state: &mut State, ns: u64) {
        let per_ns = u128::from(self.counter_hz)
            * 1_000_000_000u128.saturating_add_signed(i128::from(state.frequency_error_ppb));
        let sum = per_ns * u128::from(ns) + state.tick_rest;
        state.tick_rest = sum % 1_000_000_000_000_000_000;
        state
            .counter
            .fetch_add((sum / 1_000_000_000_000_000_000) as u64, Ordering::SeqCst);
    }

    /// All clocks move forward by `ns` (the counter at its true rate), and all
    /// waiters look again.
    pub fn advance(&self, ns: u64) {
        {
            let mut state = self.state();
            state.monotonic_ns = state.monotonic_ns.saturating_add(ns);
            state.boottime_ns = state.boottime_ns.saturating_add(ns);
            state.realtime_ns = state.realtime_ns.saturating_add_unsigned(ns);
            self.tick(&mut state, ns);
        }
        self.wake();
    }

    /// Somebody sets the host's wallclock forward or back.
    pub fn step(&self, ns: i64) {
        let mut state = self.state();
        state.realtime_ns = state.realtime_ns.saturating_add(ns);
    }

    /// Sets the host's wallclock.
    pub fn set_realtime_ns(&self, ns: i64) {
        self.state().realtime_ns = ns;
    }

    /// The host sleeps for `ns`.
    pub fn sleep(&self, ns: u64, counter: SleepingCounter) {
        {
            let mut state = self.state();
            state.boottime_ns = state.boottime_ns.saturating_add(ns);
            state.realtime_ns = state.realtime_ns.saturating_add_unsigned(ns);
            match counter {
                SleepingCounter::Stands => {}
                SleepingCounter::Runs => self.tick(&mut state, ns),
                SleepingCounter::Resets(to) => state.counter.store(to, Ordering::SeqCst),
            }
        }
        self.wake();
    }

    /// The counter jumps to `to` while all other clocks run on.
    pub fn reset_counter(&self, to: u64) {
        self.state().counter.store(to, Ordering::SeqCst);
    }

    /// From now on the counter is this much faster than its nominal rate, in
    /// parts per 10^9; slower when negative. The host states this error, so set
    /// it before the timebase is made.
    pub fn set_frequency_error_ppb(&self, ppb: i64) {
        self.state().frequency_error_ppb = ppb.clamp(-999_999_999, 999_999_999);
    }

    /// Samples have this error bound from now on.
    pub fn set_error_ns(&self, ns: u64) {
        self.state().error_ns = ns;
    }

    /// The next `count` samples fail.
    pub fn fail_samples(&self, count: u32) {
        self.state().failures = count;
    }
}

impl Default for SimHost {
    fn default() -> Self {
        Self::new()
    }
}

impl HostClock for SimHost {
    fn counter(&self) -> CounterSource {
        CounterSource::Simulated(Arc::clone(&self.counter))
    }

    fn rate(&self) -> CounterRate {
        let mult = (u128::from(UNITS_PER_SECOND) << FRACTION_BITS) / u128::from(self.counter_hz);
        CounterRate {
            mult: mult as u64,
            error_ppb: self.state().frequency_error_ppb.unsigned_abs(),
        }
    }

    fn sample(&self) -> Result<HostSample, HostClockError> {
        let mut state = self.state();
        if state.failures > 0 {
            state.failures -= 1;
            return Err(HostClockError::Read {
                clock: "simulated",
                reason: "a failure was asked for".into(),
            });
        }
        Ok(HostSample {
            counter: state.counter.load(Ordering::SeqCst),
            monotonic_ns: state.monotonic_ns,
            boottime_ns: state.boottime_ns,
            realtime_ns: state.realtime_ns,
            error_ns: state.error_ns,
        })
    }

    fn waiting(&self) -> Waiting {
        Waiting::Stepped
    }

    fn on_jump(&self, wake: WakeFn) {
        self.wakers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(wake);
    }
}
