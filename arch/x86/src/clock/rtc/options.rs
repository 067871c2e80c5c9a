//! What a machine chooses of an RTC, and the time it starts with. `-rtc` itself is in [`machine::config`].

pub use machine::{DriftFix, RtcBase, RtcClock};
use tod::value::TodRangeError;
use tod::{HostReading, Tod, UnixTime};

use super::spec::SECOND_UNITS;

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
