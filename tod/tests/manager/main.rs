//! The clock manager and all that hangs on it, on a simulated host.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod moves;
mod rules;
mod start;
mod state_machine;
mod vm;
