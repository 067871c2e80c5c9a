//! Guest time: the timeline, run states, listeners, the clock manager and its ledger

/// Placeholder names so that dependants compile before the crate lands; replaced wholly.
pub mod clock {
    /// Replaced.
    pub struct ClockManager;
    /// Replaced.
    pub struct StartToken;
}
/// Replaced.
pub mod host {
    /// Replaced.
    pub trait HostClock: Send + Sync {}
}
/// Replaced.
pub mod run {
    /// Replaced.
    pub struct AllParked;
}
