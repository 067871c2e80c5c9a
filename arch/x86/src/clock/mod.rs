//! The clocks of an x86 guest.
//!
//! The RTC is emulated on the VM's timeline ([`rtc`]). kvmclock and the time stamp counters are
//! kept by KVM, and so are the interval timers ([`kvm_time`]).

#[cfg(test)]
mod fake;
mod host_tsc;
pub mod kvm_parts;
#[cfg(test)]
mod kvm_tests;
pub mod kvm_time;
pub mod kvmclock;
pub mod rtc;
mod timers;
pub mod tsc;

pub use kvm_parts::{KvmTimePart, TimersPart};
pub use kvm_time::{KvmTime, KvmTimeListener};
pub use kvmclock::{KVMCLOCK, KvmClock};
pub use tsc::{TSC, Tsc, TscSetting};
