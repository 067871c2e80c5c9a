//! The bare-metal x86 guests under KVM: starting them, and what they and the monitor say of their
//! clocks.
//!
//! Where the host has no KVM nothing here runs, and a test says so.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guests::x86_image;
use crate::moving::Side;
use crate::{Emu, EmuBuilder, Qmp, skipped};

/// How long a guest may take for an answer. Generous: machines are slow.
const LIMIT: Duration = Duration::from_secs(120);

/// The guest's clocks, by the names that monitors know.
pub const CLOCKS: [&str; 3] = ["rtc", "kvmclock", "tsc"];

/// Whether guests can run here; said visibly if not.
pub fn kvm_is_there(test: &str) -> bool {
    let device = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm");
    if let Err(error) = &device {
        skipped(test, &format!("/dev/kvm: {error}"));
    }
    device.is_ok()
}

/// A number from the environment, for longer runs of a test than usual.
pub fn count(variable: &str, usual: u32) -> u32 {
    let given = std::env::var(variable).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A guest by its name.
pub fn guest(name: &str, cpus: u32, append: &str) -> EmuBuilder {
    EmuBuilder::pc()
        .args(["-m", "16M", "-hostclock", "test"])
        .args(["-smp".to_owned(), cpus.to_string()])
        .kernel(&x86_image(name))
        .append(append)
}

/// The guest `clocks`.
pub fn clocks_guest(cpus: u32) -> EmuBuilder {
    guest("clocks", cpus, &format!("cpus={cpus}"))
}

/// What one CPU says in the guest `clocks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuClocks {
    /// The CPU's number.
    pub cpu: u32,
    /// Readings so far.
    pub readings: u64,
    /// kvmclock, in ns.
    pub kvm_ns: u64,
    /// The longest step of kvmclock since the extremes were forgotten.
    pub step_ns: u64,
    /// How often kvmclock has shown less than before.
    pub back: u64,
    /// How far it was behind what another CPU had read before.
    pub behind_ns: u64,
    /// The TSC from which `kvm_ns` is made.
    pub tsc: u64,
    /// How often the TSC has shown less than before.
    pub tsc_back: u64,
    /// How far it was behind what another CPU had read before, in cycles.
    pub tsc_behind: u64,
    /// How far kvmclock was before the time by the TSC, at most.
    pub fast_ns: u64,
    /// How far it was behind that.
    pub slow_ns: u64,
    /// How often the host has told that the guest was stopped.
    pub told: u64,
    /// Whether the host says that all CPUs' clocks are one.
    pub stable: bool,
    /// The RTC's date.
    pub rtc: String,
}

impl CpuClocks {
    /// What follows `CLOCKS cpu=`.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let cpu = words.next()?.parse().ok()?;
        let mut word = |name: &str| {
            let (key, value) = words.next()?.split_once('=')?;
            (key == name).then_some(value)
        };
        let mut number = |name: &str| word(name)?.parse::<u64>().ok();
        Some(Self {
            cpu,
            readings: number("n")?,
            kvm_ns: number("kvm")?,
            step_ns: number("step")?,
            back: number("least").and_then(|_| number("back"))?,
            behind_ns: number("behind")?,
            tsc: number("tsc")?,
            tsc_back: number("tback")?,
            tsc_behind: number("tbehind")?,
            fast_ns: number("fast")?,
            slow_ns: number("slow")?,
            told: number("told")?,
            stable: number("stable")? == 1,
            rtc: word("rtc")?.to_owned(),
        })
    }

    /// Never back, and where the host says that all clocks are one, they are.
    pub fn check(&self, what: &str) {
        assert_eq!((self.back, self.tsc_back), (0, 0), "{what}: {self:?}");
        if self.stable {
            assert_eq!(
                (self.behind_ns, self.tsc_behind),
                (0, 0),
                "{what}: {self:?}"
            );
        }
    }
}

/// Waits until the guest `clocks` has all its CPUs.
pub fn clocks_started(side: &Side) {
    side.emu.expect("CLOCKS start", 120);
    side.emu.expect("\n", 60);
}

/// Asks the guest `clocks` for its report; `x` forgets the extremes then, `r` does not.
pub fn clocks_report(side: &Side, key: &str, cpus: u32) -> Vec<CpuClocks> {
    side.emu.type_text(key);
    let mut next = |_| {
        let line = side
            .emu
            .console
            .expect("CLOCKS cpu=", LIMIT)
            .and_then(|_| side.emu.console.line(LIMIT))
            .unwrap_or_else(|why| panic!("{why}\nstderr: {}", side.emu.stderr()));
        CpuClocks::parse(&line).unwrap_or_else(|| panic!("no report: {line:?}"))
    };
    (0..cpus).map(&mut next).collect()
}

/// A clock's entry in `query-clock`.
pub fn clock(qmp: &mut Qmp, name: &str) -> Value {
    let clocks = qmp.ok("query-clock", json!({}));
    clock_of(&clocks, name).clone()
}

/// A clock's entry in an answer of `query-clock`.
pub fn clock_of<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let all = answer["clocks"].as_array();
    all.and_then(|all| all.iter().find(|clock| clock["name"] == name))
        .unwrap_or_else(|| panic!("no clock '{name}' in {answer:#}"))
}

/// How far the VM's timeline and kvmclock are, in ns.
pub fn timeline_and_kvmclock(qmp: &mut Qmp) -> (i64, i64) {
    let answer = qmp.ok("query-clock", json!({}));
    let kvmclock = &clock_of(&answer, "kvmclock")["guest"]["ns"];
    let both = (answer["timeline-ns"].as_i64(), kvmclock.as_i64());
    let (Some(timeline), Some(kvmclock)) = both else {
        panic!("{answer:#}");
    };
    (timeline, kvmclock)
}

/// Whether the host lets a guest's TSC be set, and so stand; where it does not, the machine says
/// so, and the TSC counts a stop's time.
pub fn tsc_can_be_set(qmp: &mut Qmp) -> bool {
    clock(qmp, "tsc")["policy"] == "freeze"
}

/// What the program has said on standard error beyond that its host cannot set a TSC.
#[must_use]
pub fn complaints(emu: &Emu) -> String {
    let said = emu.stderr();
    let others = said.lines().filter(|line| {
        !line.contains("KVM cannot set the guest's time stamp counter")
            && !line.contains("could not set the TSC: the host's KVM cannot do that")
    });
    others.map(|line| format!("{line}\n")).collect()
}

/// The ledger adds up. What it cannot explain is none of the RTC, and little of clocks that the
/// host keeps by its own idea of its counter's frequency.
pub fn ledger_adds_up(qmp: &mut Qmp) {
    const TWENTY_MICROSECONDS: i64 = 20 * 4096;
    let ledger = qmp.ok("query-ledger", json!({}));
    assert_eq!(ledger["verified"], true, "{ledger:#}");
    let accounts = ledger["accounts"].as_array().cloned().unwrap_or_default();
    for (name, most) in [("rtc", 0), ("kvmclock", TWENTY_MICROSECONDS)] {
        let account = accounts.iter().find(|account| account["clock"] == name);
        let units = account.and_then(|account| account["unexplained-units"].as_i64());
        assert!(
            units.is_some_and(|units| units.abs() <= most),
            "{name}: {ledger:#}"
        );
    }
}

/// The host's own time while something is done, and of that the time in which a guest that was
/// stopped in between cannot have run.
#[derive(Debug)]
pub struct HostTime {
    start: Instant,
    stood: Duration,
}

impl HostTime {
    /// From now.
    #[expect(
        clippy::new_without_default,
        reason = "it reads a clock, which a default should not"
    )]
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            stood: Duration::ZERO,
        }
    }

    /// Does something while the guest stands.
    pub fn stands<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = act();
        self.stood += start.elapsed();
        result
    }

    /// The most that the guest can have run since, in ns.
    #[must_use]
    pub fn most_run_ns(&self) -> u64 {
        let most = self.start.elapsed() - self.stood;
        u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let line = "1 n=22 kvm=1000 step=33 least=30 back=0 behind=5 tsc=9 tback=2 tbehind=3 \
                    fast=1 slow=7 told=4 stable=1 rtc=2026-11-22T08:00:00";
        let report = CpuClocks::parse(line).unwrap_or_else(|| panic!("{line}"));
        assert_eq!((report.cpu, report.kvm_ns, report.step_ns), (1, 1000, 33));
        assert_eq!((report.behind_ns, report.tsc_behind), (5, 3));
        assert_eq!((report.fast_ns, report.slow_ns), (1, 7));
        assert_eq!(report.rtc, "2026-11-22T08:00:00");
        assert!(report.stable);
        assert_eq!(CpuClocks::parse("1 n=22 kvm=1000"), None);
    }
}
