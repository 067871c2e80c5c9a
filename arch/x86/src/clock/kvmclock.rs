//! kvmclock: nanoseconds since the guest's boot, kept by KVM.
//!
//! The guest computes it from its time stamp counter by what KVM writes into its memory
//! (`Documentation/virt/kvm/x86/msr.rst`, MSR_KVM_SYSTEM_TIME_NEW). It cannot be stopped: it runs
//! on from the value that KVM_SET_CLOCK sets.
//!
//! Measured (Linux 6.18, AMD EPYC, para-virtual nested KVM):
//! - KVM_GET_CLOCK takes 0.3 us. It has the flags TSC_STABLE, REALTIME and HOST_TSC once the
//!   guest's vCPUs have run or the clock has been set with all vCPUs' TSCs alike; before that
//!   none of them, so they are looked at in every answer.
//! - KVM_SET_CLOCK takes 0.8 us, and the clock shows the value that was set some 0.4 us after the
//!   call began. When exactly, KVM_GET_CLOCK says afterwards, to the nanosecond.
//! - What it says is rounded down, so the value of a stop is up to a nanosecond less than the
//!   clock was, and at a start the clock is up to a nanosecond more than the value: together
//!   nothing, over many cycles. A vCPU leaves the guest some hundred nanoseconds before the stop,
//!   so it sees none of that.
//! - No flag is passed when it is set: with REALTIME the kernel would add the gap, and what is
//!   done about a gap is decided by the clock manager.

use std::io;
use std::sync::Arc;

use tod::clock::scale::{elapsed_from_ns, ns_from_elapsed};
use tod::clock::{Captured, ClockBackend, ClockError, Hz, Ready, Scale};
use tod::{FineSpan, FineTod, HostReading, Timebase};

use super::host_tsc::HostTsc;
use super::kvm_time::{KvmTime, failed};
use crate::kvm::ClockCalls;

/// The clock's name.
pub const KVMCLOCK: &str = "kvmclock";

/// MSR_KVM_SYSTEM_TIME_NEW: where KVM writes a vCPU's page of kvmclock, with bit 0 if it does.
/// The old number is another name of the same register.
const MSR_SYSTEM_TIME: u32 = 0x4b56_4d01;

/// How often the clock is read where only brackets say when.
const BRACKETS: usize = 4;

/// kvmclock, as a backend of the clock manager.
pub struct KvmClock(Arc<KvmTime>);

impl KvmClock {
    /// That of a machine.
    #[must_use]
    pub fn new(time: &Arc<KvmTime>) -> Self {
        Self(Arc::clone(time))
    }
}

impl ClockBackend for KvmClock {
    fn scale(&self) -> Scale {
        Scale::Elapsed
    }

    fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError> {
        self.0.capture_clock(at)
    }

    fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError> {
        self.0.install_clock(value.value, at)
    }

    fn make_ready(&mut self, value: &Captured, at: &HostReading) -> Result<Ready, ClockError> {
        self.0.make_clock_ready(value.value, at)?;
        Ok(Ready::Launched)
    }
}

/// Nanoseconds of a value, rounded up.
fn ns_up(value: FineTod) -> u64 {
    let ns = ns_from_elapsed(value);
    if value.since(elapsed_from_ns(ns)).bits() > 0 {
        ns.wrapping_add(1)
    } else {
        ns
    }
}

/// What kvmclock showed, as a value at the host counter `counter`.
#[derive(Debug, Clone, Copy)]
struct Shown {
    value: FineTod,
    counter: u64,
    error_ns: u64,
}

/// Reads the clock. Where the kernel does not say when it did, the value is the most that it may
/// have been: who was told less than a guest has seen would set it back.
fn read(calls: &mut dyn ClockCalls, timebase: &Timebase, hz: Hz) -> io::Result<Shown> {
    let source = timebase.counter();
    let mut best: Option<Shown> = None;
    for _ in 0..BRACKETS {
        let before = source.read();
        let data = calls.clock()?;
        let after = source.read();
        let value = elapsed_from_ns(data.clock_ns);
        if let Some(counter) = said(&data, calls, timebase, hz, before, after) {
            return Ok(Shown {
                value,
                counter,
                error_ns: 1,
            });
        }
        let width = timebase.host_at(after).since(timebase.host_at(before));
        let error_ns = u64::try_from(width.as_ns()).unwrap_or(0).saturating_add(2);
        if best.is_none_or(|best| error_ns < best.error_ns) {
            best = Some(Shown {
                value,
                counter: before,
                error_ns,
            });
        }
    }
    best.ok_or_else(|| io::Error::other("KVM_GET_CLOCK has not been called"))
}

/// The host counter at which the kernel read the clock, if it says so and can be right: between
/// the two readings.
fn said(
    data: &crate::kvm::ClockData,
    calls: &mut dyn ClockCalls,
    timebase: &Timebase,
    hz: Hz,
    before: u64,
    after: u64,
) -> Option<u64> {
    /// Counters of different cores may differ by some ticks.
    const SKEW: u64 = 4096;
    let tsc = data.host_tsc?;
    let counter = HostTsc::now(calls, timebase, hz).counter_at(timebase, tsc);
    (before.saturating_sub(SKEW)..=after.saturating_add(SKEW))
        .contains(&counter)
        .then_some(counter)
}

/// The clock at a host reading a moment ago, less what it was ahead by since its start.
pub(super) fn capture(
    calls: &mut dyn ClockCalls,
    timebase: &Timebase,
    hz: Hz,
    ahead: FineSpan,
    at: &HostReading,
) -> Result<Captured, ClockError> {
    let shown = read(calls, timebase, hz).map_err(|error| failed("read kvmclock", error))?;
    let since = timebase.host_at(shown.counter).since(at.host);
    let since = since.wrapping_add(ahead);
    let value = shown.value.bits().wrapping_sub(since.bits() as u128);
    Ok(Captured {
        value: FineTod::from_bits(value),
        error_ns: shown.error_ns,
        stepped: None,
    })
}

/// Sets the clock: it shows `value` at `at`, and runs.
pub(super) fn install(
    calls: &mut dyn ClockCalls,
    timebase: &Timebase,
    value: FineTod,
    at: &HostReading,
) -> Result<(), ClockError> {
    let since = timebase.host_at(timebase.counter().read()).since(at.host);
    calls
        .set_clock(ns_up(value.wrapping_add(since)))
        .map_err(|error| failed("set kvmclock", error))
}

/// When a clock that was set shows its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    /// The first host counter at which it does.
    pub(super) from: u64,
    /// How far it is beyond the value then: less than a tick, to be taken off at the next stop.
    pub(super) ahead: FineSpan,
}

/// Sets the clock to some nanoseconds before `value`, and says when it will show `value`: within
/// a nanosecond where the kernel says when it set it, and not before it does.
pub(super) fn install_ahead(
    calls: &mut dyn ClockCalls,
    timebase: &Timebase,
    hz: Hz,
    value: FineTod,
    ahead_ns: u64,
) -> Result<Ahead, ClockError> {
    let source = timebase.counter();
    let set_to = ns_up(value).saturating_sub(ahead_ns);
    calls
        .set_clock(set_to)
        .map_err(|error| failed("set kvmclock", error))?;
    let set = source.read();
    // It is set. If it cannot be read, it is known well enough when that was.
    let (shown, at) = match calls.clock() {
        Ok(data) => match said(&data, calls, timebase, hz, set, source.read()) {
            Some(counter) => (data.clock_ns, counter),
            None => (set_to, set),
        },
        Err(_) => (set_to, set),
    };
    let left = value.since(elapsed_from_ns(shown));
    let shows = timebase.host_at(at).wrapping_add(left);
    let from = timebase.counter_at(shows);
    Ok(Ahead {
        from,
        ahead: timebase.host_at(from).since(shows),
    })
}

/// Where KVM writes every vCPU's page, 0 if nowhere; none where that cannot be read.
///
/// Where it has written the date of boot (MSR_KVM_WALL_CLOCK) is not asked: it does so once, when
/// that register is set, and a guest sets it whenever it wants to know. Set again by somebody
/// else, it would write into memory that the guest may long have used for something else.
pub(super) fn pages(calls: &mut dyn ClockCalls) -> Vec<Option<u64>> {
    let count = calls.vcpus();
    let page = |vcpu| match calls.msr(vcpu, MSR_SYSTEM_TIME) {
        Ok(page) => Some(page),
        Err(error) => {
            // EINVAL: there is no such register.
            if error.raw_os_error() != Some(libc::EINVAL) {
                log::warn!("where vCPU {vcpu} has its kvmclock cannot be read ({error})");
            }
            None
        }
    };
    (0..count).map(page).collect()
}

/// Has KVM write the pages there.
pub(super) fn set_pages(
    calls: &mut dyn ClockCalls,
    pages: &[Option<u64>],
) -> Result<(), ClockError> {
    for (vcpu, page) in pages.iter().enumerate() {
        if let Some(page) = page {
            calls
                .set_msr(vcpu, MSR_SYSTEM_TIME, *page)
                .map_err(|error| failed("set where kvmclock is written to", error))?;
        }
    }
    Ok(())
}
