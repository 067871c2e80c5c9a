//! Interval timers that the kernel keeps (local APIC timers and the PIT) across stop and cont
//! (R8): nothing fires while the VM stands, and afterwards everything after what was left.
//!
//! They are read when the vCPUs have parked and started again with the clocks, for the same
//! moment. A timer is late by what a call takes, some microseconds, and never early. One whose
//! state the kernel does not give is left alone, with a warning: it runs as if there had been no
//! stop. A tick of a periodic APIC timer that expires in the microseconds between a vCPU's last
//! exit and the stop may be lost: the kernel does not tell whether it has been delivered.
//!
//! Not here: timers of emulated devices; those are on the VM's timeline.

mod lapic;
mod pit;

use kvm_bindings::kvm_pit_state2;
use serde::{Deserialize, Serialize};
use tod::value::ns_from_units_ceil;
use tod::{FineSpan, HostReading, Timebase};

use crate::kvm::ClockCalls;
use lapic::{Armed, LapicTimer, Left};

/// All interval timers of a machine, as they were when it parked or stopped.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Timers {
    lapics: Vec<SeenTimer>,
    pit: Option<kvm_pit_state2>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct SeenTimer {
    timer: LapicTimer,
    /// At this host counter, or a little earlier; none when it is as at the stop.
    at: Option<u64>,
}

/// As they travel: as at the stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedTimers {
    lapics: Vec<LapicTimer>,
    pit: Option<kvm_pit_state2>,
}

/// Saved timers that no such machine can have had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TimersLoadError {
    /// Another number of vCPUs.
    #[error("it has the APIC timers of {found} vCPUs, not of {expected}")]
    Vcpus { found: usize, expected: usize },
    /// The PIT's counters or modes are none.
    #[error("its interval timer (PIT) is in a state that none has")]
    Pit,
}

fn between(timebase: &Timebase, from: u64, to: u64) -> FineSpan {
    timebase.host_at(to).since(timebase.host_at(from))
}

impl Timers {
    /// Reads them, and takes the PIT's out: no vCPU is in the guest.
    pub(super) fn park(calls: &mut dyn ClockCalls, timebase: &Timebase) -> Self {
        let mut timers = Self::default();
        timers.read_lapics(calls, timebase);
        timers.pit = match calls.pit() {
            Ok(pit) => pit,
            Err(error) => {
                log::warn!("the interval timer cannot be read ({error}); it runs on");
                None
            }
        };
        if let Some(pit) = &timers.pit
            && let Err(error) = calls.set_pit(&pit::without_timer(pit))
        {
            log::warn!("the interval timer cannot be held ({error}); it ticks until the next cont");
        }
        timers
    }

    /// Reads the APIC timers as they are now.
    fn read_lapics(&mut self, calls: &mut dyn ClockCalls, timebase: &Timebase) {
        let lapics = (0..calls.vcpus()).map(|vcpu| {
            let timer = LapicTimer::read(calls, vcpu).unwrap_or_else(|error| {
                log::warn!("the APIC timer of vCPU {vcpu} cannot be read ({error}); it runs on");
                LapicTimer::Idle
            });
            SeenTimer {
                timer,
                at: Some(timebase.counter().read()),
            }
        });
        self.lapics = lapics.collect();
    }

    /// They parked a little after the stop at `at`: as they were then.
    pub(super) fn back_to(&mut self, timebase: &Timebase, at: &HostReading) {
        for seen in &mut self.lapics {
            if let Some(counter) = seen.at.take() {
                let span = between(timebase, at.counter, counter);
                let ns = ns_from_units_ceil(span.units_ceil());
                seen.timer = seen.timer.earlier(u64::try_from(ns).unwrap_or(0));
            }
        }
        if let Some(pit) = &mut self.pit {
            *pit = pit::at_stop(pit, at.monotonic_ns);
        }
    }

    /// Starts them, for a VM that runs from host counter `start` on, which may be to come. Those
    /// that cannot be started before it are the answer.
    pub(super) fn arm(
        &self,
        calls: &mut dyn ClockCalls,
        timebase: &Timebase,
        start: u64,
    ) -> Vec<usize> {
        let mut later = Vec::new();
        for (vcpu, seen) in self.lapics.iter().enumerate() {
            if arm_one(*seen, calls, timebase, vcpu, start, false) == Armed::Later {
                later.push(vcpu);
            }
        }
        if let Some(pit) = &self.pit
            && let Err(error) = calls.set_pit(pit)
        {
            log::warn!("the interval timer cannot be set ({error}); it does not tick");
        }
        later
    }

    /// Starts those that could not be started before the VM ran.
    pub(super) fn arm_late(
        &self,
        calls: &mut dyn ClockCalls,
        timebase: &Timebase,
        start: u64,
        vcpus: &[usize],
    ) {
        for &vcpu in vcpus {
            if let Some(seen) = self.lapics.get(vcpu) {
                arm_one(*seen, calls, timebase, vcpu, start, true);
            }
        }
    }

    /// For a migration or a snapshot.
    pub(super) fn save(&self) -> SavedTimers {
        SavedTimers {
            lapics: self.lapics.iter().map(|seen| seen.timer).collect(),
            pit: self.pit,
        }
    }

    /// What was saved, for a machine of so many vCPUs.
    pub(super) fn load(saved: SavedTimers, vcpus: usize) -> Result<Self, TimersLoadError> {
        let (found, expected) = (saved.lapics.len(), vcpus);
        if found != expected {
            return Err(TimersLoadError::Vcpus { found, expected });
        }
        if !saved.pit.as_ref().is_none_or(pit::is_sound) {
            return Err(TimersLoadError::Pit);
        }
        let lapics = saved.lapics.into_iter();
        Ok(Self {
            lapics: lapics.map(|timer| SeenTimer { timer, at: None }).collect(),
            pit: saved.pit,
        })
    }
}

fn arm_one(
    seen: SeenTimer,
    calls: &mut dyn ClockCalls,
    timebase: &Timebase,
    vcpu: usize,
    start: u64,
    is_last_chance: bool,
) -> Armed {
    let left = |left_ns: u64| {
        let passed = between(timebase, start, timebase.counter().read());
        let ns = i128::from(left_ns) - passed.as_ns();
        Left {
            ns: u64::try_from(ns.max(0)).unwrap_or(u64::MAX),
            is_last_chance,
        }
    };
    match seen.timer.arm(calls, vcpu, left) {
        Ok(armed) => armed,
        Err(error) => {
            log::warn!("the APIC timer of vCPU {vcpu} cannot be set ({error}); it has run on");
            Armed::Yes
        }
    }
}
