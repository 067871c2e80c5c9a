//! Where an idle vCPU sleeps: until a deadline or a kick, without polling.

use super::{Timeline, fine, want_exact_timeouts};
use crate::clock::EpochClock;
use crate::host::Waiting;
use crate::timebase::{Moved, Wait, Waiter};
use crate::value::{Tod, VmTime};
use serde::Serialize;
use std::cell::Cell;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;
use sync::{Condvar, Mutex, MutexGuard};

/// The sleeper's locks: the product's, or in tests those of a scheduler that
/// tries interleavings.
mod sync {
    #[cfg(test)]
    pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    #[cfg(not(test))]
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
}

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
    wait: Wait,
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
                wait: Wait::None,
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
            let (left, wait) = self.ns_left(deadline);
            if left == Some(0) {
                break Woke::Deadline;
            }
            let left = left.filter(|_| real);
            state.wait = if real { wait } else { Wait::Untimed };
            state.sleep = SleepState::Asleep {
                vm: deadline.vm,
                clock: deadline.clock.map(|(_, value)| value),
            };
            while !state.kicked && !state.look_again {
                state = match left {
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
        state.wait = Wait::None;
        woke
    }

    /// Nanoseconds to the earlier deadline, zero when one is reached, and whether that is all
    /// there is to wait for: what stands has no time-out.
    fn ns_left(&self, deadline: &Deadline<'_>) -> (Option<u64>, Wait) {
        let vm = deadline
            .vm
            .map(|time| self.track.track.ns_until(fine(time)));
        let clock = deadline.clock.map(|(clock, value)| clock.ns_until(value));
        let left = [vm, clock].into_iter().flatten();
        let wait = match left.clone().all(|left| left.is_some()) {
            true => Wait::Timed,
            false => Wait::Untimed,
        };
        (left.flatten().min(), wait)
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
    fn look_again(&self, moved: Moved) {
        let mut state = self.lock();
        state.look_again = true;
        let wanted = state.wait.is_ended_by(moved);
        drop(state);
        if wanted {
            self.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Deadline, Sleeper, Woke};
    use crate::clock::{ClockManager, EpochClock};
    use crate::host::SimHost;
    use crate::run::{Cause, VcpuGate};
    use crate::timebase::Timebase;
    use crate::timeline::Timeline;
    use crate::value::VmTime;
    use shuttle::thread;
    use std::sync::Arc;

    /// Every kick that is answered before the next is given is answered.
    fn no_kick_is_lost() {
        let timebase = Timebase::new(Arc::new(SimHost::new())).unwrap();
        let timeline = Timeline::new(&timebase);
        let (ping, pong) = (
            Sleeper::new(&timeline, "ping"),
            Sleeper::new(&timeline, "pong"),
        );
        let other = {
            let (ping, pong) = (Arc::clone(&ping), Arc::clone(&pong));
            thread::spawn(move || {
                for _ in 0..3 {
                    assert_eq!(pong.sleep_until(&Deadline::NEVER), Woke::Kicked);
                    ping.kick();
                }
            })
        };
        for _ in 0..3 {
            pong.kick();
            assert_eq!(ping.sleep_until(&Deadline::NEVER), Woke::Kicked);
        }
        other.join().unwrap();
    }

    /// Whenever the clock or the host moves, the sleeper sees it: there is no
    /// time-out on a simulated host that would save it.
    fn no_jump_is_missed() {
        let host = SimHost::with_counter_hz(2_048_000_000);
        let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
        let timeline = Timeline::new(&timebase);
        let tod = EpochClock::at_host_time(&timebase);
        let sleeper = Sleeper::new(&timeline, "cpu0");
        let value = tod.now().wrapping_add(4_096_000_000);
        let mover = {
            let tod = Arc::clone(&tod);
            thread::spawn(move || {
                host.advance(500_000_000);
                tod.set(value.wrapping_add(-4_096_000));
                host.advance(1_000_000);
            })
        };
        assert_eq!(
            sleeper.sleep_until(&Deadline::clock(&tod, value)),
            Woke::Deadline
        );
        assert!(!tod.now().is_before(value));
        mover.join().unwrap();
    }

    /// A timeline that stands has no time-out: the sleeper must be told that it runs.
    fn no_start_is_missed() {
        let host = SimHost::with_counter_hz(2_048_000_000);
        let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
        let timeline = Timeline::new(&timebase);
        let clocks = ClockManager::new(Arc::clone(&timeline));
        let sleeper = Sleeper::new(&timeline, "cpu0");
        let starter = thread::spawn(move || {
            VcpuGate::new(Vec::new()).open(clocks.on_cont(Cause::Monitor));
        });
        assert_eq!(
            sleeper.sleep_until(&Deadline::vm(VmTime::ZERO)),
            Woke::Deadline
        );
        starter.join().unwrap();
        let timeline = Arc::clone(&timeline);
        let due = VmTime::from_units(4096);
        let starter = thread::spawn(move || host.advance(1_000));
        assert_eq!(sleeper.sleep_until(&Deadline::vm(due)), Woke::Deadline);
        assert!(timeline.now() >= due);
        starter.join().unwrap();
    }

    #[test]
    fn no_interleaving_misses_a_start() {
        shuttle::check_random(no_start_is_missed, 3000);
        shuttle::check_pct(no_start_is_missed, 3000, 3);
    }

    #[test]
    fn no_interleaving_loses_a_kick() {
        shuttle::check_random(no_kick_is_lost, 3000);
        shuttle::check_pct(no_kick_is_lost, 3000, 3);
    }

    #[test]
    fn no_interleaving_misses_a_jump() {
        shuttle::check_random(no_jump_is_missed, 3000);
        shuttle::check_pct(no_jump_is_missed, 3000, 3);
    }
}
