//! The machine under real KVM, with guests of a few instructions, without the program.
//!
//! Where there is no /dev/kvm each test says so and has tested nothing.

#![allow(clippy::unwrap_used, reason = "what is unexpected fails the test")]

mod clocks;
mod guests;
mod memory;
mod moves;
mod rig;
mod runs;
mod timers;
