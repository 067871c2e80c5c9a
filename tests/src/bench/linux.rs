//! Debian's kernel as benchmark rows: to its first process, and a fixed shell loop.

use std::time::{Duration, Instant};

use crate::guests::Debian;

use super::guest::{Program, RowOutcome};

/// From the program's start to the first process of the guest.
pub const BOOT: &str = "linux.boot";
/// One turn of the shell's loop, measured by the guest.
pub const LOOP: &str = "linux.shell-loop";
/// Turns of the loop.
const COUNT: u32 = 20_000;

/// What the guest's loop must print (`tests/scripts/guest-init`).
fn checksum() -> u64 {
    (1..=u64::from(COUNT)).fold(1, |sum, i| (sum * 31 + i) & 0xffff_ffff)
}

/// Boots, runs the loop, powers off.
pub fn run(program: &Program, debian: &Debian, limit: Duration) -> Vec<(String, RowOutcome)> {
    let start = Instant::now();
    let mut emu = program
        .machine()
        .args(["-m", "512M"])
        .kernel(&debian.kernel)
        .initrd(&debian.initrd)
        .append(&format!("emu.run=loop emu.count={COUNT}"))
        .start();
    let boot = match emu.console.expect("READY loop", limit) {
        Ok(_) => RowOutcome::Measured(start.elapsed().as_secs_f64() * 1e9),
        Err(why) => {
            let tail: Vec<_> = why.lines().rev().take(5).collect();
            let why = format!("{}; stderr: {}", tail.join(" / "), emu.stderr().trim());
            return vec![(BOOT.into(), RowOutcome::Failed(why))];
        }
    };
    let end = emu.ends_within(limit);
    let text = emu.console.text();
    let value = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().parse().ok()
    };
    let turns = match (value("LOOP-CHECKSUM:"), value("LOOP-TIME-NS:"), end) {
        (Some(sum), _, _) if sum != checksum() => {
            RowOutcome::Failed(format!("checksum {sum}, expected {}", checksum()))
        }
        (Some(_), Some(ns), Some(status)) if status.success() => {
            RowOutcome::Measured(ns as f64 / f64::from(COUNT))
        }
        (_, _, end) => RowOutcome::Failed(format!(
            "the loop did not come to its end ({end:?}); stderr: {}",
            emu.stderr().trim()
        )),
    };
    vec![(BOOT.into(), boot), (LOOP.into(), turns)]
}
