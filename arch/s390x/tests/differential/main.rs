//! Differential tests: every engine does to an s390x guest what the reference does.
//!
//! `EMU_DIFF_CASES` scales them (1 unless told): 100 runs a hundred times as many cases. A
//! difference is printed with the guest's code, its IR, what the engine made of that, and the
//! items of the state that differ.
//!
//! What is left out, and why:
//! - Orders of SIGNAL PROCESSOR to another CPU: they wait for that CPU's thread; here is one CPU.
//!   Orders to itself are in.
//! - Clocks that move: the host's clock stands, so that both engines read the same; STORE CLOCK's
//!   uniqueness, the comparator and the CPU timer are in.
//! - The CPU-timer and comparator interruptions that fall due while code runs: due ones are in.
//! - Times at which other CPUs see a store: see the tests of single operations for atomicity.
#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

mod blocks;
mod case;
mod dice;
mod fields;
mod guests;
mod lab;
#[path = "../../../tcg/tests/engines/logged.rs"]
mod logged;
mod plant;
mod program;
mod single;
mod state;

/// How many cases to try where `usual` are.
fn scaled(usual: u32) -> u32 {
    let scale: f64 = std::env::var("EMU_DIFF_CASES")
        .ok()
        .and_then(|scale| scale.parse().ok())
        .unwrap_or(1.0);
    ((f64::from(usual) * scale) as u32).max(1)
}
