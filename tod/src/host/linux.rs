//! The clocks of a Linux host.
//!
//! The counter is the time stamp counter where the CPU says that it is
//! invariant *and* the kernel itself trusts it as its clocksource; CLOCK_MONOTONIC
//! in nanoseconds otherwise. The time stamp counter's rate is measured against
//! CLOCK_MONOTONIC, quickly at the start; [`crate::Timebase::check`] refines it.

use super::{CounterRate, CounterSource, HostClock, HostClockError, HostSample, Waiting, WakeFn};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Brackets tried for one sample; the narrowest is kept.
const BRACKETS: usize = 4;

/// A bracket this narrow is taken at once.
const NARROW_NS: u64 = 150;

/// Where the kernel names the clocksource in use.
const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// The clocks of this Linux host.
#[derive(Debug)]
pub struct LinuxHost {
    source: CounterSource,
    rate: CounterRate,
}

impl LinuxHost {
    /// Picks the best counter and measures its rate: about 4 ms.
    #[must_use]
    pub fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        if super::counter::tsc_is_invariant()
            && std::fs::read_to_string(CLOCKSOURCE).is_ok_and(|name| name.trim() == "tsc")
            && let Some(rate) = calibrate(&CounterSource::Tsc)
        {
            return Self {
                source: CounterSource::Tsc,
                rate,
            };
        }
        Self::with_monotonic_counter()
    }

    /// The host with CLOCK_MONOTONIC as its counter, whatever else it has.
    #[must_use]
    pub fn with_monotonic_counter() -> Self {
        Self {
            source: CounterSource::MonotonicNs,
            rate: CounterRate::NANOSECONDS,
        }
    }
}

impl Default for LinuxHost {
    fn default() -> Self {
        Self::new()
    }
}

impl HostClock for LinuxHost {
    fn counter(&self) -> CounterSource {
        self.source.clone()
    }

    fn rate(&self) -> CounterRate {
        self.rate
    }

    fn sample(&self) -> Result<HostSample, HostClockError> {
        Ok(bracketed(&self.source))
    }

    fn waiting(&self) -> Waiting {
        Waiting::Real
    }

    fn on_jump(&self, _wake: WakeFn) {}
}

fn ns(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// All clocks between two reads of CLOCK_MONOTONIC, the narrowest of several.
fn bracketed(source: &CounterSource) -> HostSample {
    let mut best = bracket(source);
    for _ in 1..BRACKETS {
        if best.error_ns * 2 <= NARROW_NS {
            break;
        }
        let next = bracket(source);
        // The later one when equal: its counter is nearer to now.
        if next.error_ns <= best.error_ns {
            best = next;
        }
    }
    best
}

fn bracket(source: &CounterSource) -> HostSample {
    let before = ns(clock_gettime(ClockId::Monotonic)) as u64;
    let counter = source.read();
    let realtime_ns = ns(clock_gettime(ClockId::Realtime));
    let boottime_ns = ns(clock_gettime(ClockId::Boottime)) as u64;
    let after = ns(clock_gettime(ClockId::Monotonic)) as u64;
    let width = after.saturating_sub(before);
    HostSample {
        counter,
        monotonic_ns: before + width / 2,
        boottime_ns,
        realtime_ns,
        error_ns: width.div_ceil(2),
    }
}

/// The rate of `source` against CLOCK_MONOTONIC over a few milliseconds; none
/// when the counter does not advance as a usable counter does.
#[cfg(target_arch = "x86_64")]
fn calibrate(source: &CounterSource) -> Option<CounterRate> {
    const SPAN_NS: u64 = 4_000_000;
    let first = bracketed(source);
    loop {
        std::thread::sleep(std::time::Duration::from_nanos(SPAN_NS));
        let second = bracketed(source);
        let span_ns = second.monotonic_ns.checked_sub(first.monotonic_ns)?;
        if span_ns < SPAN_NS {
            continue;
        }
        return super::measured_rate(&first, &second);
    }
}
