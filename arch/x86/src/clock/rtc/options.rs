//! `-rtc base=...,clock=...,driftfix=...`, as values.

use machine::RtcBase;
use tod::value::TodRangeError;
use tod::{HostReading, Policy, Tod, UnixTime};

use super::spec::SECOND_UNITS;

/// `clock=`: what the RTC runs by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RtcClock {
    /// The host's clock: it counts the time during which the VM stands, too.
    Host,
    /// The host's monotonic clock, with the same consequence.
    Rt,
    /// The VM's own time: it stands while the VM stands.
    #[default]
    Vm,
}

impl RtcClock {
    /// What the RTC does about time during which the VM stood.
    #[must_use]
    pub fn policy(self) -> Policy {
        match self {
            Self::Host | Self::Rt => Policy::CatchUp,
            Self::Vm => Policy::Freeze,
        }
    }
}

/// `driftfix=`: what becomes of periodic interrupts that come before the guest has acknowledged
/// the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DriftFix {
    /// They are lost.
    #[default]
    None,
    /// They are given back, faster than they would come.
    Slew,
}

/// What a time means that a program wrote while register B's SET held the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhileSet {
    /// The time at the moment when SET is cleared, as on the chip, whose seconds stand under SET.
    #[default]
    Stands,
    /// The time at the moment when SET was set: it has run on since. So Xen's HVM guests are
    /// served.
    Counts,
}

/// What a machine chooses of an RTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RtcConfig {
    /// Missed periodic interrupts.
    pub drift_fix: DriftFix,
    /// The meaning of a time that is set.
    pub while_set: WhileSet,
}

/// The time an RTC starts with: `-rtc base=` at a host reading.
///
/// # Errors
/// [`TodRangeError`] for a date before 1900, or after the last that the clock can show.
pub fn base_time(base: RtcBase, at: &HostReading) -> Result<Tod, TodRangeError> {
    match base {
        RtcBase::Utc => Ok(at.realtime_tod()),
        RtcBase::Localtime { utc_offset_s } => Ok(at
            .realtime_tod()
            .wrapping_add(i128::from(utc_offset_s) * SECOND_UNITS)),
        RtcBase::Date { unix_s } => UnixTime::new(unix_s, 0).and_then(Tod::from_unix),
    }
}
