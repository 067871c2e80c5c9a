//! A machine of threads and a console, without a guest, and what tests do with it.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test file uses its part, and a test may fail by a panic"
)]

pub mod fake;
pub mod rig;
