//! The x86 machine. So far its clocks, beginning with the MC146818 real-time clock.

pub mod clock;
