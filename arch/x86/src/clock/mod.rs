//! The clocks of an x86 guest.

pub mod rtc;
