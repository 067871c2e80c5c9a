//! The seam between a machine's battery-backed real-time clock and the monitors.
//!
//! Not here: the chip, which is the machine's, and the VM's clocks, which the clock manager
//! knows.

/// A date as QEMU's property `rtc-time` shows it: C's `struct tm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtcTime {
    /// Years since 1900.
    pub tm_year: i64,
    /// Months, 0 to 11.
    pub tm_mon: i64,
    /// Day of the month, from 1.
    pub tm_mday: i64,
    /// Hours, 0 to 23.
    pub tm_hour: i64,
    /// Minutes.
    pub tm_min: i64,
    /// Seconds.
    pub tm_sec: i64,
}

/// A machine's real-time clock. Methods may be called from any thread, whether the VM runs or
/// not.
pub trait RealTimeClock: Send + Sync {
    /// The date that the guest would read now.
    fn time(&self) -> RtcTime;

    /// That date less what `-rtc base=` leads to, in seconds: what the guest has changed.
    fn offset_s(&self) -> i64;

    /// Forgets the periodic interrupts that are still to be given back (`driftfix=slew`), after
    /// the guest's date was set from outside.
    fn reset_reinjection(&self);
}
