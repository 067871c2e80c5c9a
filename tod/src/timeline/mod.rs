//! The VM's timeline: time that moves only while the VM runs.
//!
//! Everything emulated that waits, waits here: named timers ([`Timer`]) and
//! idle vCPUs ([`Sleeper`]). Nothing fires while the VM is stopped; after cont
//! a timer fires after what was left of it (R8).
//!
//! The timeline is not a clock that a guest can read; those are
//! [`crate::EpochClock`] and other backends of the manager.

mod sleeper;
mod timer;

pub use sleeper::{Deadline, SleepState, Sleeper, SleeperInfo, Woke};
pub use timer::{Timer, TimerInfo};

use crate::clock::EpochClock;
use crate::epoch::Epoch;
use crate::timebase::{HostReading, Moved, Timebase, Track, Waiter};
use crate::value::{FRACTION_BITS, FineTod, VmTime};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use timer::TimerCore;

/// The VM's own time, with the timers that hang on it.
pub struct Timeline {
    core: Arc<TimerCore>,
    sleepers: Mutex<Vec<Weak<Sleeper>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Timeline {
    /// A timeline standing at [`VmTime::ZERO`]. Its timers fire in
    /// [`Timeline::run_due`], or on the thread of [`Timeline::start_thread`].
    #[must_use]
    pub fn new(timebase: &Arc<Timebase>) -> Arc<Self> {
        let core = Arc::new(TimerCore::new(Track::standing(
            timebase,
            FineTod::default(),
        )));
        let weak: Weak<TimerCore> = Arc::downgrade(&core);
        timebase.add_waiter(weak as Weak<dyn Waiter>);
        Arc::new(Self {
            core,
            sleepers: Mutex::default(),
            thread: Mutex::default(),
        })
    }

    /// The timeline now, rounded down. Takes no lock.
    #[inline]
    #[must_use]
    pub fn now(&self) -> VmTime {
        vm_time(self.core.track.now())
    }

    /// The timeline at a host reading.
    #[must_use]
    pub fn at(&self, reading: &HostReading) -> VmTime {
        vm_time(self.core.track.at(reading))
    }

    /// Whether the timeline moves.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.core.track.published().load(), Epoch::Running { .. })
    }

    /// The track itself, for generated code.
    #[must_use]
    pub fn track(&self) -> &Track {
        &self.core.track
    }

    /// The mapping the timeline is measured with.
    #[must_use]
    pub fn timebase(&self) -> &Arc<Timebase> {
        self.core.track.timebase()
    }

    /// A new timer, not armed. `callback` gets the time at which it is called;
    /// it runs on the timer thread (or in [`Timeline::run_due`]), may arm and
    /// disarm timers, and must be short: a stop waits for it. It must not call
    /// the clock manager.
    pub fn timer(&self, name: &str, callback: impl FnMut(VmTime) + Send + 'static) -> Timer {
        Timer::new(&self.core, name, Box::new(callback))
    }

    /// All timers, by name.
    #[must_use]
    pub fn timers(&self) -> Vec<TimerInfo> {
        self.core.infos()
    }

    /// All sleepers, in order of creation.
    #[must_use]
    pub fn sleepers(&self) -> Vec<SleeperInfo> {
        self.lock_sleepers()
            .iter()
            .filter_map(Weak::upgrade)
            .map(|one| one.info())
            .collect()
    }

    /// The next timer's deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<VmTime> {
        self.core.next_deadline()
    }

    /// Host nanoseconds until the next timer is due; none when none is armed or
    /// the timeline stands. For stepping a simulated host.
    #[must_use]
    pub fn ns_to_next_deadline(&self) -> Option<u64> {
        if !self.is_running() {
            return None;
        }
        self.next_deadline()
            .and_then(|deadline| self.core.track.ns_until(fine(deadline)))
    }

    /// Fires every timer that is due, in order of deadlines; how many. For
    /// simulated hosts; nothing fires while the timeline stands.
    pub fn run_due(&self) -> usize {
        self.core.run_due()
    }

    /// Starts the thread that fires timers by themselves; once. It ends with
    /// the timeline.
    ///
    /// # Errors
    /// When the host gives no thread.
    pub fn start_thread(&self) -> std::io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let core = Arc::clone(&self.core);
            *thread = Some(
                std::thread::Builder::new()
                    .name("timers".into())
                    .spawn(move || core.run_until_closed())?,
            );
        }
        Ok(())
    }

    /// A reading now: no timer that is due later fires until [`Timeline::release`]. Callbacks
    /// under way are not waited for.
    pub(crate) fn hold(&self) -> HostReading {
        self.core.hold()
    }

    /// Stands from `at` on; no timer fires after this has returned.
    pub(crate) fn stop(&self, at: &HostReading) -> FineTod {
        let value = self.core.track.stand(at);
        self.core.wait_for_callback();
        value
    }

    /// Runs on from where it stands, together with `clocks`, since the reading that is returned:
    /// the one at counter `from`, a moment ago, or one of now. To be followed by
    /// [`Timeline::wake`].
    pub(crate) fn start(&self, clocks: &[Arc<EpochClock>], from: Option<u64>) -> HostReading {
        let clocks = clocks.iter().map(|clock| clock.track());
        let tracks: Vec<_> = std::iter::once(&self.core.track).chain(clocks).collect();
        self.timebase().start(&tracks, from)
    }

    /// Timers fire again when the timeline runs.
    pub(crate) fn release(&self) {
        self.core.release();
    }

    /// Whoever has waited for the timeline, or a clock, to run on looks again.
    pub(crate) fn wake(&self) {
        self.timebase().wake_waiters(Moved::RanOn);
    }

    /// Stands at a value that was saved.
    pub(crate) fn restore(&self, value: FineTod) {
        self.core.track.stand_at(value);
        self.core.wait_for_callback();
        self.timebase().wake_waiters(Moved::Jumped);
    }

    fn lock_sleepers(&self) -> MutexGuard<'_, Vec<Weak<Sleeper>>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.core.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // A callback that panicked has already said so on its own thread.
            let _ = thread.join();
        }
    }
}

fn vm_time(value: FineTod) -> VmTime {
    VmTime::from_units(value.tod().clock())
}

fn fine(time: VmTime) -> FineTod {
    FineTod::from_bits(u128::from(time.units()) << FRACTION_BITS)
}

/// Asks the kernel to wake this thread when a time-out is due, not up to 50
/// microseconds later (prctl PR_SET_TIMERSLACK; the default slack batches
/// wake-ups). A refusal costs only exactness.
fn want_exact_timeouts() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}
