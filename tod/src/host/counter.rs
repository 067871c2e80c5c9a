//! The host counter: the one thing read on every guest clock read.
//!
//! An enum instead of a trait object, so that the read inlines. Not a clock: a
//! tick means something only together with a [`super::CounterRate`].
#![allow(unsafe_code, reason = "the time stamp counter is read by an intrinsic")]

use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where host counter ticks come from.
#[derive(Debug, Clone)]
pub enum CounterSource {
    /// The time stamp counter of an x86-64 host.
    #[cfg(target_arch = "x86_64")]
    Tsc,
    /// The time stamp counter plus this many ticks.
    #[cfg(target_arch = "x86_64")]
    PushedTsc(Arc<AtomicU64>),
    /// CLOCK_MONOTONIC in nanoseconds.
    MonotonicNs,
    /// CLOCK_MONOTONIC in nanoseconds, plus this many.
    PushedMonotonicNs(Arc<AtomicU64>),
    /// A simulated counter.
    Simulated(Arc<AtomicU64>),
}

impl CounterSource {
    /// The counter, read after everything that precedes in program order, so
    /// that who learns of an event reads a later counter than who caused it.
    #[inline(always)]
    #[must_use]
    pub fn read(&self) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Tsc => tsc_ordered(),
            #[cfg(target_arch = "x86_64")]
            Self::PushedTsc(offset) => tsc_ordered().wrapping_add(offset.load(Ordering::Acquire)),
            Self::MonotonicNs => monotonic_ns(),
            Self::PushedMonotonicNs(offset) => {
                monotonic_ns().wrapping_add(offset.load(Ordering::Acquire))
            }
            Self::Simulated(counter) => counter.load(Ordering::SeqCst),
        }
    }

    /// The counter without order against other memory accesses: for reads that
    /// need not serialise (STORE CLOCK FAST). Some nanoseconds cheaper.
    #[inline(always)]
    #[must_use]
    pub fn read_unordered(&self) -> u64 {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Tsc => tsc(),
            #[cfg(target_arch = "x86_64")]
            Self::PushedTsc(offset) => tsc().wrapping_add(offset.load(Ordering::Relaxed)),
            _ => self.read(),
        }
    }

    /// Ticks that are to be added to the raw counter, for generated code that
    /// reads the raw counter itself; none when there is nothing to add.
    #[must_use]
    pub fn offset_cell(&self) -> Option<&Arc<AtomicU64>> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::PushedTsc(offset) => Some(offset),
            Self::PushedMonotonicNs(offset) => Some(offset),
            _ => None,
        }
    }

    /// "tsc", "monotonic" or "simulated".
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MonotonicNs | Self::PushedMonotonicNs(_) => "monotonic",
            Self::Simulated(_) => "simulated",
            #[cfg(target_arch = "x86_64")]
            Self::Tsc | Self::PushedTsc(_) => "tsc",
        }
    }

    /// Whether the raw counter is the time stamp counter.
    #[must_use]
    pub fn is_tsc(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        return matches!(self, Self::Tsc | Self::PushedTsc(_));
        #[cfg(not(target_arch = "x86_64"))]
        false
    }
}

/// RDTSC after LFENCE: the counter is read after all earlier loads are done
/// (Intel SDM volume 2B, "RDTSC"; on AMD, Linux makes LFENCE serialise dispatch).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn tsc_ordered() -> u64 {
    // SAFETY: LFENCE and RDTSC exist on every x86-64 CPU; a kernel that makes
    // RDTSC fault in user mode does not have the TSC as its clocksource, and
    // then this source is not chosen.
    unsafe {
        core::arch::x86_64::_mm_lfence();
        core::arch::x86_64::_rdtsc()
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn tsc() -> u64 {
    // SAFETY: as in `tsc_ordered`.
    unsafe { core::arch::x86_64::_rdtsc() }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Whether the CPU says that its time stamp counter runs at one rate through
/// all power states (CPUID 0x80000007, EDX bit 8).
#[cfg(target_arch = "x86_64")]
#[allow(
    unused_unsafe,
    reason = "CPUID became a safe intrinsic in later compilers"
)]
pub(super) fn tsc_is_invariant() -> bool {
    // SAFETY: CPUID exists on every x86-64 CPU.
    unsafe {
        core::arch::x86_64::__cpuid(0x8000_0000).eax >= 0x8000_0007
            && core::arch::x86_64::__cpuid(0x8000_0007).edx & (1 << 8) != 0
    }
}
