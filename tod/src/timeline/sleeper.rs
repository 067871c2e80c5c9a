//! Where an idle vCPU sleeps: until a deadline or a kick, without polling.

use super::{Timeline, fine, want_exact_timeouts};
use crate::clock::EpochClock;
use crate::host::Waiting;
use crate::timebase::Waiter;
use crate::value::{Tod, VmTime};
use serde::Serialize;
use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

thread_local! {
    /// Whether this thread has asked for exact time-outs.
    static EXACT: Cell<bool> = const { Cell::new(false) };
}

/// When a sleeper wakes by itself: at the earlier of two deadlines.
#[derive(Clone, Copy, Default)]
pub struct Deadline<'a> {
    /// On the VM timeline (a CPU timer); reached when the timeline shows it.
    pub vm: Option<VmTime>,
    /// On a guest clock (a clock comparator); reached when the clock shows this
    /// value or, by the shorter way round, a later one.
    pub clock: Option<(&'a EpochClock, Tod)>,
}

impl<'a> Deadline<'a> {
    /// No deadline: only a kick wakes.
    pub const NEVER: Self = Self {
        vm: None,
        clock: None,
    };

    /// When the VM timeline shows `time`.
    #[must_use]
    pub const fn vm(time: VmTime) -> Self {
        Self {
            vm: Some(time),
            clock: None,
        }
    }

    /// When `clock` shows `value`.
    #[must_use]
    pub const fn clock(clock: &'a EpochClock, value: Tod) -> Self {
        Self {
            vm: None,
            clock: Some((clock, value)),
        }
    }
}

/// Why a sleeper woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woke {
    /// A deadline was reached.
    Deadline,
    /// Somebody kicked, since the last time this was answered.
    Kicked,
}

/// What a sleeper does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SleepState {
    /// Its thread does something else.
    Awake,
    /// Its thread sleeps.
    Asleep {
        /// Until this, on the VM timeline.
        vm: Option<VmTime>,
        /// Until this, on a guest clock.
        clock: Option<Tod>,
    },
}

/// One sleeper, for inspection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SleeperInfo {
    /// The name it was created with.
    pub name: String,
    /// What it does.
    pub state: SleepState,
}

struct State {
    kicked: bool,
    look_again: bool,
    sleep: SleepState,
}

/// The place where one thread sleeps. Any thread may kick it; a kick is kept
/// until the sleeper has answered it, so no wake-up is lost.
pub struct Sleeper {
    name: String,
    track: Arc<super::TimerCore>,
    state: Mutex<State>,
    wake: Condvar,
}

impl Sleeper {
    /// A sleeper on this timeline, visible in [`Timeline::sleepers`].
    #[must_use]
    pub fn new(timeline: &Timeline, name: &str) -> Arc<Self> {
        let sleeper = Arc::new(Self {
            name: name.into(),
            track: Arc::clone(&timeline.core),
            state: Mutex::new(State {
                kicked: false,
                look_again: false,
                sleep: SleepState::Awake,
            }),
            wake: Condvar::new(),
        });
        let mut sleepers = timeline.lock_sleepers();
        sleepers.retain(|sleeper| sleeper.strong_count() > 0);
        sleepers.push(Arc::downgrade(&sleeper));
        let weak: Weak<Self> = Arc::downgrade(&sleeper);
        timeline.timebase().add_waiter(weak as Weak<dyn Waiter>);
        sleeper
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until the deadline or a kick. A kick that came before returns at
    /// once; one kick or many are answered by one [`Woke::Kicked`]. While the
    /// deadline's clock or timeline stands, only a kick or its running on wakes.
    pub fn sleep_until(&self, deadline: &Deadline<'_>) -> Woke {
        if !EXACT.replace(true) {
            want_exact_timeouts();
        }
        let real = self.track.track.timebase().waiting() == Waiting::Real;
        let mut state = self.lock();
        let woke = loop {
            if state.kicked {
                state.kicked = false;
                break Woke::Kicked;
            }
            state.look_again = false;
            let left = self.ns_left(deadline);
            if left == Some(0) {
                break Woke::Deadline;
            }
            state.sleep = SleepState::Asleep {
                vm: deadline.vm,
                clock: deadline.clock.map(|(_, value)| value),
            };
            while !state.kicked && !state.look_again {
                state = match left.filter(|_| real) {
                    Some(ns) => {
                        let (guard, timeout) = self
                            .wake
                            .wait_timeout(state, Duration::from_nanos(ns))
                            .unwrap_or_else(PoisonError::into_inner);
                        if timeout.timed_out() {
                            state = guard;
                            break;
                        }
                        guard
                    }
                    None => self
                        .wake
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner),
                };
            }
        };
        state.sleep = SleepState::Awake;
        woke
    }

    /// Nanoseconds to the earlier deadline; zero when one is reached.
    fn ns_left(&self, deadline: &Deadline<'_>) -> Option<u64> {
        let vm = deadline
            .vm
            .and_then(|time| self.track.track.ns_until(fine(time)));
        let clock = deadline
            .clock
            .and_then(|(clock, value)| clock.ns_until(value));
        match (vm, clock) {
            (Some(vm), Some(clock)) => Some(vm.min(clock)),
            (one, other) => one.or(other),
        }
    }

    /// Wakes the sleeper, or makes its next sleep return at once.
    pub fn kick(&self) {
        let mut state = self.lock();
        state.kicked = true;
        let asleep = state.sleep != SleepState::Awake;
        drop(state);
        if asleep {
            self.wake.notify_one();
        }
    }

    /// What the sleeper does.
    #[must_use]
    pub fn info(&self) -> SleeperInfo {
        SleeperInfo {
            name: self.name.clone(),
            state: self.lock().sleep,
        }
    }
}

impl Waiter for Sleeper {
    fn look_again(&self) {
        let mut state = self.lock();
        state.look_again = true;
        let asleep = state.sleep != SleepState::Awake;
        drop(state);
        if asleep {
            self.wake.notify_one();
        }
    }
}
