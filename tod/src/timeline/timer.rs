//! Named timers on the VM timeline, and the loop that fires them.

use super::{fine, vm_time, want_exact_timeouts};
use crate::epoch::Epoch;
use crate::host::Waiting;
use crate::timebase::{HostReading, Moved, Track, Wait, Waiter};
use crate::value::VmTime;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

type Callback = Box<dyn FnMut(VmTime) + Send>;

/// One timer, for inspection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TimerInfo {
    /// The name it was created with.
    pub name: String,
    /// When it fires; none when it is not armed.
    pub deadline: Option<VmTime>,
}

struct Entry {
    name: String,
    deadline: Option<VmTime>,
    callback: Arc<Mutex<Callback>>,
}

/// All timers of a timeline.
#[derive(Default)]
pub(super) struct Timers {
    next_id: u64,
    entries: BTreeMap<u64, Entry>,
    armed: BTreeSet<(VmTime, u64)>,
    /// The thread that is in a callback.
    firing: Option<ThreadId>,
    /// Something changed since the timer thread last looked.
    changed: bool,
    /// How the timer thread waits.
    wait: Wait,
    /// The vCPUs have left the guest: nothing fires, though the timeline may not stand yet.
    held: bool,
    closed: bool,
}

pub(super) struct TimerCore {
    pub(super) track: Track,
    timers: Mutex<Timers>,
    /// The timer thread waits here.
    wake: Condvar,
    /// A stop waits here for a callback under way.
    fired: Condvar,
}

impl TimerCore {
    pub(super) fn new(track: Track) -> Self {
        Self {
            track,
            timers: Mutex::default(),
            wake: Condvar::new(),
            fired: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Timers> {
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn infos(&self) -> Vec<TimerInfo> {
        let timers = self.lock();
        let mut infos: Vec<_> = timers
            .entries
            .values()
            .map(|entry| TimerInfo {
                name: entry.name.clone(),
                deadline: entry.deadline,
            })
            .collect();
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos
    }

    pub(super) fn next_deadline(&self) -> Option<VmTime> {
        self.lock().armed.first().map(|(deadline, _)| *deadline)
    }

    fn is_running(&self) -> bool {
        matches!(self.track.published().load(), Epoch::Running { .. })
    }

    pub(super) fn run_due(&self) -> usize {
        let mut fired = 0;
        let mut timers = self.lock();
        loop {
            // Somebody else's callback is under way: one at a time.
            while timers
                .firing
                .is_some_and(|thread| thread != std::thread::current().id())
            {
                timers = self
                    .fired
                    .wait(timers)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            if timers.firing.is_some() || timers.closed || timers.held || !self.is_running() {
                return fired;
            }
            let now = vm_time(self.track.now());
            let Some((deadline, id)) = timers.armed.first().copied() else {
                return fired;
            };
            if deadline > now {
                return fired;
            }
            timers.armed.pop_first();
            let Some(entry) = timers.entries.get_mut(&id) else {
                continue;
            };
            entry.deadline = None;
            let callback = Arc::clone(&entry.callback);
            timers.firing = Some(std::thread::current().id());
            drop(timers);
            let done = FiringGuard(self);
            callback.lock().unwrap_or_else(PoisonError::into_inner)(now);
            drop(done);
            fired += 1;
            timers = self.lock();
        }
    }

    /// Nothing fires any more that is not due at the returned reading. Whether a timer fires is
    /// decided under the same lock, so none slips in between.
    pub(super) fn hold(&self) -> HostReading {
        let mut timers = self.lock();
        timers.held = true;
        self.track.timebase().reading_at_call()
    }

    /// Timers fire again. The caller wakes the timer thread.
    pub(super) fn release(&self) {
        self.lock().held = false;
    }

    /// Waits until no callback is under way on another thread.
    pub(super) fn wait_for_callback(&self) {
        let mut timers = self.lock();
        while timers
            .firing
            .is_some_and(|thread| thread != std::thread::current().id())
        {
            timers = self
                .fired
                .wait(timers)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The timer thread.
    pub(super) fn run_until_closed(&self) {
        want_exact_timeouts();
        loop {
            {
                let mut timers = self.lock();
                if timers.closed {
                    return;
                }
                timers.changed = false;
            }
            self.run_due();
            let mut timers = self.lock();
            if timers.changed {
                continue;
            }
            let left = timers
                .armed
                .first()
                .filter(|_| !timers.held && self.is_running())
                .and_then(|(deadline, _)| self.track.ns_until(fine(*deadline)))
                .filter(|_| self.track.timebase().waiting() == Waiting::Real);
            timers.wait = match left {
                Some(_) => Wait::Timed,
                None => Wait::Untimed,
            };
            while !timers.changed && !timers.closed {
                timers = match left {
                    Some(ns) => {
                        let wait = Duration::from_nanos(ns);
                        let (guard, timeout) = self
                            .wake
                            .wait_timeout(timers, wait)
                            .unwrap_or_else(PoisonError::into_inner);
                        timers = guard;
                        if timeout.timed_out() {
                            break;
                        }
                        timers
                    }
                    None => self
                        .wake
                        .wait(timers)
                        .unwrap_or_else(PoisonError::into_inner),
                };
            }
            timers.wait = Wait::None;
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }
}

/// Ends a callback, also when it panicked.
struct FiringGuard<'a>(&'a TimerCore);

impl Drop for FiringGuard<'_> {
    fn drop(&mut self) {
        self.0.lock().firing = None;
        self.0.fired.notify_all();
    }
}

impl Waiter for TimerCore {
    fn look_again(&self, moved: Moved) {
        let mut timers = self.lock();
        timers.changed = true;
        // With nothing armed there is nothing to look at, and arming wakes by itself. A thread
        // woken for nothing would take a CPU from the vCPU that has just been let run.
        let wanted = !timers.armed.is_empty() && timers.wait.is_ended_by(moved);
        drop(timers);
        if wanted {
            self.wake.notify_all();
        }
    }
}

/// A timer on the VM timeline. Dropping it disarms it.
pub struct Timer {
    core: Arc<TimerCore>,
    id: u64,
}

impl Timer {
    pub(super) fn new(core: &Arc<TimerCore>, name: &str, callback: Callback) -> Self {
        let mut timers = core.lock();
        let id = timers.next_id;
        timers.next_id += 1;
        let callback = Arc::new(Mutex::new(callback));
        timers.entries.insert(
            id,
            Entry {
                name: name.into(),
                deadline: None,
                callback,
            },
        );
        Self {
            core: Arc::clone(core),
            id,
        }
    }

    /// Fires once when the timeline shows `deadline` or more, in place of any
    /// earlier arming. A deadline in the past fires as soon as the VM runs.
    pub fn arm(&self, deadline: VmTime) {
        self.set(Some(deadline));
    }

    /// Does not fire any more. A callback already under way is not waited for.
    pub fn disarm(&self) {
        self.set(None);
    }

    /// When it fires; none when it is not armed.
    #[must_use]
    pub fn deadline(&self) -> Option<VmTime> {
        self.core
            .lock()
            .entries
            .get(&self.id)
            .and_then(|entry| entry.deadline)
    }

    fn set(&self, deadline: Option<VmTime>) {
        let mut timers = self.core.lock();
        let Some(entry) = timers.entries.get_mut(&self.id) else {
            return;
        };
        let old = std::mem::replace(&mut entry.deadline, deadline);
        if let Some(old) = old {
            timers.armed.remove(&(old, self.id));
        }
        if let Some(new) = deadline {
            timers.armed.insert((new, self.id));
            // Only a new first deadline shortens the timer thread's wait.
            if timers.armed.first() == Some(&(new, self.id)) {
                timers.changed = true;
                drop(timers);
                self.core.wake.notify_all();
            }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut timers = self.core.lock();
        if let Some(entry) = timers.entries.remove(&self.id)
            && let Some(deadline) = entry.deadline
        {
            timers.armed.remove(&(deadline, self.id));
        }
    }
}
