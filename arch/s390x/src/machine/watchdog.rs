//! The watchdog of DIAGNOSE X'288'.
//!
//! It counts on the VM's timeline: it stands while the VM stands and has what was left of it
//! after a `cont` or a move (R8). What follows when it runs out is for run control to say. Not
//! here: the instruction's checks ([`super::diagnose`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::channel::Sender;
use machine::GuestEvent;
use serde::{Deserialize, Serialize};
use tod::timeline::Timer;
use tod::{Timeline, VmDuration, VmTime};

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WatchdogState {
    /// Nothing: no program has started it.
    #[default]
    Off,
    /// It counts.
    Counting {
        /// When it runs out: TOD units on the VM's timeline.
        until: u64,
    },
    /// It has run out without the guest being told: a program may set it anew.
    RunOut,
}

/// The watchdog.
pub struct Watchdog {
    state: Arc<Mutex<WatchdogState>>,
    timeline: Arc<Timeline>,
    timer: Timer,
}

fn lock(state: &Mutex<WatchdogState>) -> MutexGuard<'_, WatchdogState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watchdog {
    /// A watchdog that is off, on this timeline; run control listens at `events`.
    pub fn new(timeline: &Arc<Timeline>, events: Sender<GuestEvent>) -> Self {
        let state = Arc::new(Mutex::new(WatchdogState::Off));
        let at_end = Arc::clone(&state);
        let timer = timeline.timer("watchdog", move |now| {
            let mut state = lock(&at_end);
            // A program may have set it anew, or cancelled it, a moment ago.
            if matches!(*state, WatchdogState::Counting { until } if until <= now.units()) {
                *state = WatchdogState::RunOut;
                drop(state);
                if events.send(GuestEvent::Watchdog).is_err() {
                    log::debug!("run control has gone; the watchdog is not heard");
                }
            }
        });
        Self {
            state,
            timeline: Arc::clone(timeline),
            timer,
        }
    }

    /// Starts it, from now on.
    pub fn start(&self, timeout: Duration) {
        let ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        let until = self
            .timeline
            .now()
            .saturating_add(VmDuration::from_ns_ceil(ns));
        self.set(WatchdogState::Counting {
            until: until.units(),
        });
    }

    /// Starts it anew, if a program has started it; false if not.
    pub fn change(&self, timeout: Duration) -> bool {
        let on = self.state() != WatchdogState::Off;
        if on {
            self.start(timeout);
        }
        on
    }

    /// Turns it off; false if it was.
    pub fn cancel(&self) -> bool {
        let on = self.state() != WatchdogState::Off;
        self.set(WatchdogState::Off);
        on
    }

    /// The guest is told of its end: it is off, unless a program has started it again meanwhile.
    pub fn is_told(&self) {
        let mut now = lock(&self.state);
        if *now == WatchdogState::RunOut {
            *now = WatchdogState::Off;
        }
    }

    /// What it does.
    pub fn state(&self) -> WatchdogState {
        *lock(&self.state)
    }

    /// Takes over a state. One that counts may be set before the timeline it counts on.
    pub fn set(&self, state: WatchdogState) {
        let mut now = lock(&self.state);
        *now = state;
        match state {
            WatchdogState::Counting { until } => self.timer.arm(VmTime::from_units(until)),
            WatchdogState::Off | WatchdogState::RunOut => self.timer.disarm(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::testing::Bench;

    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn it_runs_out_once_and_counts_only_while_the_vm_runs() {
        let bench = Bench::new(1);
        let (events, heard) = crossbeam::channel::unbounded();
        let watchdog = Watchdog::new(&bench.shared.timeline, events);
        assert!(!watchdog.change(Duration::from_secs(15)));
        assert!(!watchdog.cancel());
        watchdog.start(Duration::from_secs(15));
        bench.advance(10 * SECOND_NS);
        bench.stop();
        bench.advance(1000 * SECOND_NS);
        bench.cont();
        bench.advance(5 * SECOND_NS - 1000);
        assert!(heard.is_empty());
        assert!(watchdog.change(Duration::from_secs(20)));
        bench.advance(20 * SECOND_NS - 1000);
        assert!(heard.is_empty());
        bench.advance(1000);
        assert_eq!(heard.try_recv(), Ok(GuestEvent::Watchdog));
        assert_eq!(watchdog.state(), WatchdogState::RunOut);
        bench.advance(60 * SECOND_NS);
        assert!(heard.is_empty());
        assert!(watchdog.change(Duration::from_secs(15)));
        watchdog.is_told();
        assert!(watchdog.cancel());
        bench.advance(60 * SECOND_NS);
        assert!(heard.is_empty());
        // Once the guest has been told, it is off.
        watchdog.start(Duration::from_secs(15));
        bench.advance(15 * SECOND_NS);
        assert_eq!(heard.try_recv(), Ok(GuestEvent::Watchdog));
        watchdog.is_told();
        assert!(!watchdog.change(Duration::from_secs(15)));
        assert!(!watchdog.cancel());
    }

    #[test]
    fn it_has_what_was_left_where_it_is_taken_over() {
        let there = Bench::new(1);
        let (events, _) = crossbeam::channel::unbounded();
        let watchdog = Watchdog::new(&there.shared.timeline, events);
        there.advance(100 * SECOND_NS);
        watchdog.start(Duration::from_secs(30));
        there.advance(12 * SECOND_NS);
        there.stop();
        let (state, clocks) = (
            watchdog.state(),
            there.clocks.on_save(tod::Cause::Migration),
        );

        let here = Bench::new(1);
        let (events, heard) = crossbeam::channel::unbounded();
        let watchdog = Watchdog::new(&here.shared.timeline, events);
        // This VM has run for longer than the other: the state is loaded before the timeline.
        here.advance(500 * SECOND_NS);
        here.stop();
        watchdog.set(state);
        here.clocks
            .on_load(clocks, None, tod::Cause::Migration)
            .expect("it has the same clock");
        here.cont();
        here.advance(18 * SECOND_NS - 1000);
        assert!(heard.is_empty());
        here.advance(1000);
        assert_eq!(heard.try_recv(), Ok(GuestEvent::Watchdog));
    }
}
