//! The host's clocks as guest time sees them (R13).
//!
//! A host clock offers a *counter* that every vCPU can read in nanoseconds and
//! that never fails, and *samples*: all of the host's clocks read within a
//! stated bracket. Real ([`LinuxHost`]), real with a push ([`PushableHost`]) and
//! simulated ([`SimHost`]) hosts are alike behind [`HostClock`].
//!
//! Nothing here knows of guests; [`crate::Timebase`] turns counters into TOD units.

mod counter;
mod linux;
mod pushable;
mod sim;

pub use counter::CounterSource;
pub use linux::LinuxHost;
pub use pushable::{HostPusher, PushableHost};
pub use sim::{SimHost, SleepingCounter};

use crate::value::FRACTION_BITS;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Called when a host clock jumped, so that waiting threads look again.
pub type WakeFn = Arc<dyn Fn() + Send + Sync>;

/// How fast the host counter goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CounterRate {
    /// TOD units per counter tick, 56 fraction bits: counters from 16 MHz up.
    pub mult: u64,
    /// How far the true rate may be from `mult`, in parts per 10^9; 0 when the
    /// counter is CLOCK_MONOTONIC itself, so that there is nothing to measure.
    pub error_ppb: u64,
}

impl CounterRate {
    /// A counter of nanoseconds: 4.096 units per tick, to 3 parts in 10^18.
    pub const NANOSECONDS: Self = Self {
        mult: ((512u128 << FRACTION_BITS) / 125) as u64,
        error_ppb: 0,
    };
}

/// All host clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostSample {
    /// The host counter, in ticks.
    pub counter: u64,
    /// CLOCK_MONOTONIC: stands while the host sleeps.
    pub monotonic_ns: u64,
    /// CLOCK_BOOTTIME: runs while the host sleeps.
    pub boottime_ns: u64,
    /// CLOCK_REALTIME: steps when somebody sets it.
    pub realtime_ns: i64,
    /// The clocks were read at most this far apart from `monotonic_ns`.
    pub error_ns: u64,
}

/// Whether waiting on this host clock takes real time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A wait of n host nanoseconds lasts n real nanoseconds, less any push.
    Real,
    /// Time moves by hand: a wait lasts until the clock is moved.
    Stepped,
}

/// A host clock could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostClockError {
    /// The named clock cannot be read.
    #[error("could not read the host's {clock} clock: {reason}")]
    Read {
        /// Which clock.
        clock: &'static str,
        /// What the host said.
        reason: String,
    },
}

/// What the host offers guest time.
pub trait HostClock: Send + Sync {
    /// The counter behind every fast read. The same for the host clock's life.
    fn counter(&self) -> CounterSource;

    /// The counter's rate as known now; a later answer may be more exact.
    fn rate(&self) -> CounterRate;

    /// All clocks, the narrowest of several brackets.
    ///
    /// # Errors
    /// [`HostClockError`] when a clock cannot be read. The counter still can.
    fn sample(&self) -> Result<HostSample, HostClockError>;

    /// Whether waits take real time.
    fn waiting(&self) -> Waiting;

    /// Registers a function to call after the clocks jumped. Hosts whose clocks
    /// cannot be moved by this process need not call it.
    fn on_jump(&self, wake: WakeFn);
}

/// The counter's rate between two samples, against CLOCK_MONOTONIC, with the
/// error that the samples' brackets leave. None when no counter of 16 MHz or
/// more advanced between them.
pub(crate) fn measured_rate(first: &HostSample, second: &HostSample) -> Option<CounterRate> {
    let span_ns = second
        .monotonic_ns
        .checked_sub(first.monotonic_ns)
        .filter(|ns| *ns > 0)?;
    let ticks = second
        .counter
        .checked_sub(first.counter)
        .filter(|ticks| *ticks > 0)?;
    let mult = u64::try_from(crate::value::fine_from_ns(span_ns) / u128::from(ticks)).ok()?;
    let slack_ns = u128::from(first.error_ns) + u128::from(second.error_ns);
    let error_ppb = (slack_ns * 1_000_000_000).div_ceil(u128::from(span_ns)) + 1;
    Some(CounterRate {
        mult,
        error_ppb: u64::try_from(error_ppb).unwrap_or(u64::MAX),
    })
}
