//! End to end: guests, stall regressions, fault injection and benchmarks.
//!
//! The library is the harness: it starts the program as a user would, types at its console and
//! talks QMP to it. The tests are in `tests/`, the benchmarks in `src/bin/`. Nothing here reaches
//! into the program.

pub mod bench;
pub mod console;
pub mod each;
pub mod engines;
pub mod guests;
pub mod moving;
pub mod process;
pub mod qmp;
pub mod qtest;
pub mod rollover;
pub mod self_checking;
pub mod stall;
pub mod x86;

pub use console::Console;
pub use engines::engines;
pub use process::{Emu, EmuBuilder};
pub use qmp::Qmp;
pub use qtest::Qtest;

/// Says visibly that a test could not run here, and why.
pub fn skipped(test: &str, why: &str) {
    // nextest shows captured output of passing tests only on request; a line straight to the
    // terminal is seen in any case.
    let line = format!("SKIPPED: {test}: {why}\n");
    eprint!("{line}");
    if let Ok(mut tty) = std::fs::OpenOptions::new().append(true).open("/dev/tty") {
        use std::io::Write;
        let _ = tty.write_all(line.as_bytes());
    }
}
