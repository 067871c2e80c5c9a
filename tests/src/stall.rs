//! Debian's kernel as a guest that would notice a clock that jumps (`emu.run=stall` of
//! `scripts/guest-init`): starting it, asking it for its clocks, and judging them.
//!
//! What is compared is exact: the guest's clocks against each other, and against the host time
//! that passed around them. What is done to the guest in between is the tests' business.

use std::time::Duration;

use serde_json::json;

use crate::guests::Debian;
use crate::{Emu, EmuBuilder, Qmp, skipped};

/// A stop of two minutes.
pub const TWO_MINUTES_NS: u64 = 120_000_000_000;

/// How long a boot may take on a slow machine, in seconds.
pub const BOOT_S: u64 = 600;

/// The guest in its stall scenario with a host clock that can be pushed; `None`, said visibly,
/// where Debian's kernel is not there. `load` is `idle` or `busy`.
pub fn guest(test: &str, load: &str, cpus: u32) -> Option<EmuBuilder> {
    let debian = match Debian::find() {
        Ok(debian) => debian,
        Err(why) => {
            skipped(test, &why);
            return None;
        }
    };
    let mut builder = EmuBuilder::s390x();
    if let Ok(engine) = std::env::var("EMU_STALL_ENGINE") {
        builder = builder.args(["-accel".to_owned(), format!("tcg,engine={engine}")]);
    }
    Some(
        builder
            .args(["-m", "512M", "-hostclock", "test"])
            .args(["-smp".to_owned(), cpus.to_string()])
            .kernel(&debian.kernel)
            .initrd(&debian.initrd)
            .append(&format!("emu.run=stall emu.load={load}")),
    )
}

/// Waits until the guest takes commands.
pub fn ready(emu: &Emu) {
    emu.expect("READY stall", BOOT_S);
}

/// Both clocks of the guest: CLOCK_REALTIME was read between the two readings of the other.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// CLOCK_MONOTONIC, first reading.
    pub mono_ns: i128,
    /// CLOCK_REALTIME in microseconds.
    pub real_us: i128,
    /// CLOCK_MONOTONIC, second reading.
    pub mono_after_ns: i128,
}

impl Stamp {
    fn parse(line: &str) -> Self {
        let number = |key: &str| {
            line.split_whitespace()
                .find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
                .unwrap_or_else(|| panic!("no {key} in {line:?}"))
        };
        Self {
            mono_ns: number("mono_ns"),
            real_us: number("real_us"),
            mono_after_ns: number("mono_after_ns"),
        }
    }

    /// Least and greatest CLOCK_REALTIME - CLOCK_MONOTONIC that the readings allow, in ns.
    fn offset_ns(self) -> (i128, i128) {
        (
            self.real_us * 1000 - self.mono_after_ns,
            self.real_us * 1000 + 999 - self.mono_ns,
        )
    }
}

/// Asks for a stamp that is made after this call.
pub fn stamp(emu: &Emu) -> Stamp {
    // Regular stamps come by themselves; the one that answers is behind the marker's echo.
    emu.type_text("stamp\nmark\n");
    emu.expect("UNKNOWN mark", 120);
    emu.expect("STAMP ", 120);
    Stamp::parse(&emu.expect("\n", 60))
}

/// The guest's two clocks have not moved against each other, and CLOCK_MONOTONIC by no more
/// than the host time that passed while the guest could run.
pub fn moved_by_running_time_only(before: Stamp, after: Stamp, host: Duration) {
    let ((low1, high1), (low2, high2)) = (before.offset_ns(), after.offset_ns());
    assert!(
        low1 <= high2 && low2 <= high1,
        "CLOCK_REALTIME moved against CLOCK_MONOTONIC: {before:?} {after:?}"
    );
    let moved = after.mono_ns - before.mono_ns;
    assert!(
        moved > 0 && moved <= host.as_nanos() as i128,
        "CLOCK_MONOTONIC moved by {moved} ns while {} ns passed",
        host.as_nanos()
    );
}

/// Pushes the host's clocks.
pub fn push(qmp: &mut Qmp, ns: u64) {
    qmp.ok("x-clock-push", json!({ "ns": ns }));
}

/// Stops the guest for so long, by the host's clocks.
pub fn stopped_for(qmp: &mut Qmp, ns: u64) {
    qmp.ok("stop", json!({}));
    push(qmp, ns);
    qmp.ok("cont", json!({}));
}

/// The kernel's own log shows nothing, and the guest powers off by itself.
pub fn no_complaint(emu: &mut Emu) {
    emu.type_text("quit\n");
    let text = emu.expect("STALL-REPORT: ", 120);
    let count = emu.expect("\n", 60);
    assert_eq!(count.trim(), "0", "the kernel complains:\n{text}");
    assert_eq!(emu.wait(120).code(), Some(0));
    assert_eq!(emu.stderr(), "");
}
