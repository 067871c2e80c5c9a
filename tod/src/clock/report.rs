//! The clocks as monitors show them (`info clock`, `query-clock`).

use super::{Arrival, Policy, Scale, Shown, StoppedAt};
use crate::timebase::HostReading;
use crate::value::{Tod, VmTime};
use serde::Serialize;

/// A clock's state, for monitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    tag = "state"
)]
pub enum ClockStateReport {
    /// It runs.
    Running,
    /// It runs and makes up for a gap.
    Slewing {
        /// What is left of the gap.
        left_ns: i64,
    },
    /// It stands.
    Stopped {
        /// For how long already, on this host's CLOCK_BOOTTIME; none when it was stopped on
        /// another host whose clocks have not been measured against this one's.
        for_ns: Option<u64>,
    },
    /// It could not be read or set, and runs by itself.
    FreeRunning {
        /// What failed: "capture", "install", "save" or "load".
        phase: super::Phase,
        /// How, in one sentence.
        error: String,
        /// For how long already, on this host's CLOCK_BOOTTIME.
        for_ns: u64,
    },
}

/// One clock, for monitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClockReport {
    /// The clock's name.
    pub name: String,
    /// What it does about gaps.
    pub policy: Policy,
    /// Its state.
    #[serde(flatten)]
    pub state: ClockStateReport,
    /// What it counts.
    #[serde(flatten)]
    pub scale: Scale,
    /// What the guest reads (or will, when it runs on); none when the clock
    /// cannot be read.
    pub guest: Option<Tod>,
    /// The same in the clock's own terms.
    pub shown: Option<Shown>,
    /// The host's CLOCK_REALTIME, as the same kind of value as a date's `guest`.
    pub host: Tod,
    /// Host less guest: how far the guest is behind the host's wallclock. None of a clock that
    /// shows no date.
    pub gap_ns: Option<i64>,
    /// The error bound of the last capture; none before the first.
    pub error_ns: Option<u64>,
    /// How often the clock could not be read or set.
    pub failures: u64,
}

/// All clocks, for monitors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClocksReport {
    /// The VM timeline: how long the VM has run.
    pub timeline: VmTime,
    /// The same in nanoseconds.
    pub timeline_ns: u64,
    /// What the host counter is: "tsc", "monotonic" or "simulated".
    pub counter: &'static str,
    /// How far the counter's rate may be off, in parts per 10^9.
    pub rate_error_ppb: u64,
    /// Every clock.
    pub clocks: Vec<ClockReport>,
}

impl StoppedAt {
    pub(super) fn for_ns(&self, now: &HostReading) -> Option<u64> {
        match self {
            Self::Here(_)
            | Self::Elsewhere(Arrival {
                offset: Some(_), ..
            }) => Some(self.gap(format_args!("the clock"), now).ns),
            Self::Elsewhere(Arrival { offset: None, .. }) => None,
        }
    }
}
