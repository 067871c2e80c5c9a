//! Gaps: since when a clock stands, and for how long, on one host or across two.
//!
//! A gap on one host is a difference of its CLOCK_BOOTTIME, which also runs while the host
//! sleeps. Across two hosts it needs the difference of their clocks, measured over the channel
//! between them by whoever loads the record; else their wallclocks are trusted to agree.
//! Nothing here decides what a clock does about a gap; that is its policy.

use crate::run::Cause;
use crate::timebase::{HostReading, ReadingQuality};
use crate::value::FineSpan;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A moment on a host's CLOCK_BOOTTIME.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BootMoment {
    /// Nanoseconds; negative for a moment before the host was booted, at which a VM that was
    /// moved there stood elsewhere.
    pub boottime_ns: i64,
    /// Plus or minus.
    pub error_ns: u64,
}

impl BootMoment {
    /// The moment of a reading.
    #[must_use]
    pub fn of(reading: &HostReading) -> Self {
        Self {
            boottime_ns: i64::try_from(reading.boottime_ns).unwrap_or(i64::MAX),
            error_ns: reading.error_ns(),
        }
    }
}

impl BootMoment {
    /// This moment on the clock of another host.
    #[must_use]
    pub fn on(self, offset: &HostOffset) -> Self {
        Self {
            boottime_ns: self.boottime_ns.saturating_add(offset.ns),
            error_ns: self.error_ns.saturating_add(offset.error_ns),
        }
    }
}

/// The other host's CLOCK_BOOTTIME plus this is one's own, as measured between the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostOffset {
    /// Nanoseconds.
    pub ns: i64,
    /// Plus or minus.
    pub error_ns: u64,
}

/// For how long a VM ran nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Downtime {
    /// From the last vCPU that left the guest to the first one that entered it. By its error it
    /// may come out negative.
    pub ns: i64,
    /// Plus or minus.
    pub error_ns: u64,
}

impl Downtime {
    /// From `stop` to `start`, both on one host's clock.
    #[must_use]
    pub fn between(stop: &BootMoment, start: &BootMoment) -> Self {
        Self {
            ns: start.boottime_ns.saturating_sub(stop.boottime_ns),
            error_ns: start.error_ns.saturating_add(stop.error_ns),
        }
    }
}

/// How long something had stood when it was saved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stood {
    /// Nanoseconds.
    pub ns: u64,
    /// Plus or minus.
    pub error_ns: u64,
}

/// When a record was made, on the clocks of the host that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SavedAt {
    /// CLOCK_BOOTTIME.
    pub boottime_ns: u64,
    /// CLOCK_REALTIME.
    pub realtime_ns: i64,
    /// Plus or minus, of both.
    pub error_ns: u64,
}

impl SavedAt {
    pub(super) fn of(reading: &HostReading) -> Self {
        Self {
            boottime_ns: reading.boottime_ns,
            realtime_ns: reading.realtime_ns,
            error_ns: reading.error_ns(),
        }
    }
}

/// A saved record that was loaded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When it was made, on the clocks of the host that made it.
    pub saved_at: SavedAt,
    /// How long the clock (or the VM) had stood by then.
    pub stood: Stood,
    /// That host's clocks against this one's, if they have been measured.
    pub offset: Option<HostOffset>,
    /// What it was loaded for.
    pub cause: Cause,
}

impl Arrival {
    /// When it was made, on this host's CLOCK_BOOTTIME; as far as the two wallclocks agree, if
    /// the hosts' clocks have not been measured.
    fn saved(&self, now: &HostReading) -> BootMoment {
        let then = &self.saved_at;
        let there = |boottime_ns| BootMoment {
            boottime_ns,
            error_ns: then.error_ns,
        };
        if let Some(offset) = &self.offset {
            return there(i64::try_from(then.boottime_ns).unwrap_or(i64::MAX)).on(offset);
        }
        let passed = now.realtime_ns.saturating_sub(then.realtime_ns);
        there(BootMoment::of(now).boottime_ns.saturating_sub(passed))
    }

    /// The downtime of a migration whose VM runs on at `start`; none if the hosts' clocks have
    /// not been measured.
    pub(super) fn downtime(&self, start: &HostReading) -> Option<Downtime> {
        if self.cause != Cause::Migration || self.offset.is_none() {
            return None;
        }
        let stopped = StoppedAt::Elsewhere(*self).moment(start);
        Some(Downtime::between(&stopped, &BootMoment::of(start)))
    }
}

/// Since when a clock (or the VM) stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedAt {
    /// It was captured on this host.
    Here(HostReading),
    /// It came with a saved record.
    Elsewhere(Arrival),
}

impl StoppedAt {
    /// Since when, on this host's CLOCK_BOOTTIME.
    pub(super) fn moment(&self, now: &HostReading) -> BootMoment {
        match self {
            Self::Here(then) => BootMoment::of(then),
            Self::Elsewhere(arrival) => {
                let saved = arrival.saved(now);
                BootMoment {
                    boottime_ns: saved.boottime_ns.saturating_sub_unsigned(arrival.stood.ns),
                    error_ns: saved.error_ns.saturating_add(arrival.stood.error_ns),
                }
            }
        }
    }

    /// For how long by `now`; `what` names it in the warning of a gap that cannot be.
    pub(super) fn gap(&self, what: fmt::Arguments<'_>, now: &HostReading) -> Gap {
        let (since, stood) = match self {
            Self::Here(then) => (BootMoment::of(then), Stood::default()),
            Self::Elsewhere(arrival) => (arrival.saved(now), arrival.stood),
        };
        let passed = Downtime::between(&since, &BootMoment::of(now));
        if passed.ns < 0 && passed.ns.unsigned_abs() > passed.error_ns {
            log::warn!(
                "{what}: by this host's clock the saved state is {} ns in the future;                  that much is taken as no time",
                passed.ns.unsigned_abs()
            );
        }
        let ns = u64::try_from(passed.ns).unwrap_or(0);
        let extrapolated = match self {
            Self::Here(then) => is_extrapolated(then) || is_extrapolated(now),
            Self::Elsewhere(_) => is_extrapolated(now),
        };
        Gap {
            ns: ns.saturating_add(stood.ns),
            error_ns: passed
                .error_ns
                .saturating_add(stood.error_ns)
                .saturating_add(if extrapolated { ns } else { 0 }),
        }
    }
}

/// A gap.
pub(super) struct Gap {
    pub(super) ns: u64,
    pub(super) error_ns: u64,
}

impl Gap {
    pub(super) fn span(&self) -> FineSpan {
        FineSpan::from_ns(self.ns)
    }

    pub(super) fn stood(&self) -> Stood {
        Stood {
            ns: self.ns,
            error_ns: self.error_ns,
        }
    }
}

fn is_extrapolated(reading: &HostReading) -> bool {
    matches!(reading.quality, ReadingQuality::Extrapolated { .. })
}
