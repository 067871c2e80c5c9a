//! The time that KVM keeps for a guest, as a whole: kvmclock, all vCPUs' TSCs and the interval
//! timers stop for one moment and run on from one moment.
//!
//! - When the vCPUs have parked, what only stands still then is read: TSC offsets and timers. It
//!   is put back to the reading of the stop when the clocks are captured.
//! - At cont the clocks are set, so that failures show (R2), and once more when the first vCPU is
//!   about to enter the guest ([`Launcher`]): kvmclock is set to a little less than its value,
//!   which says at which host counter it will show the value; for that moment the TSCs are set
//!   and the timers started, and it is waited for. So kvmclock and the TSC show what they showed
//!   at the stop together, to the nanosecond, however long each call takes, and the time from
//!   then to the vCPU's first instruction is not a call's. How much less is what the calls took
//!   before.
//! - KVM_KVMCLOCK_CTRL tells the guest's watchdogs after each cont; a guest without kvmclock
//!   refuses it (EINVAL), which is no error.
//!
//! Measured (Linux 6.18, AMD EPYC, para-virtual nested KVM): a call on a vCPU takes 4.5 us, so
//! with four vCPUs and an APIC timer each, what has to be done at a start takes some 40 us.
//!
//! Not here: how each clock is read and set ([`super::kvmclock`], [`super::tsc`],
//! `timers`), and when ([`tod::ClockManager`]).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tod::clock::{Captured, ClockError, Hz, Launched, Launcher};
use tod::run::RunListener;
use tod::{Cause, FineSpan, FineTod, HostReading, Timebase};

use super::host_tsc::HostTsc;
use super::kvmclock::{self, Ahead, KVMCLOCK};
use super::timers::{SavedTimers, Timers, TimersLoadError};
use super::tsc::{Counters, SavedTsc, TSC, TscLoadError, TscSetting};
use crate::kvm::ClockCalls;

/// What a start is expected to take on a host that nothing is known of: for each vCPU, and more.
const FIRST_AHEAD_NS: u64 = 10_000;
/// The most that a start waits for its moment.
const MOST_AHEAD_NS: u64 = 300_000;
/// A start that comes later than this after its moment is made again.
const LATE_NS: i128 = 3_000;
/// So often at most.
const STARTS: usize = 4;
/// A clock that goes on from a value that was not read then is set ahead by this: more than two
/// clocks' rates differ by in a stop.
const ROUGHLY_NS: u64 = 1_000_000;
/// Looks at the counter while it is waited for the moment: more than any wait takes.
const LOOKS: usize = 10_000_000;

/// A call has failed, as a clock's error.
pub(super) fn failed(action: &str, source: io::Error) -> ClockError {
    ClockError::Host {
        action: action.into(),
        source,
    }
}

/// Where the vCPUs are, and the timers with them.
enum Phase {
    /// vCPUs may be in the guest.
    Running,
    /// They have parked; so were the timers then.
    Parked(Timers),
    /// The VM has stopped; so were the timers at the stop.
    Stopped(Timers),
    /// It stops again, and no vCPU has entered the guest since.
    StoppedAgain(Timers),
    /// For that it was started: it stops at the same moment.
    Passed(Timers),
}

struct Inner {
    calls: Box<dyn ClockCalls>,
    counters: Counters,
    phase: Phase,
    /// What the next start is to set.
    clock: Option<FineTod>,
    tsc: Option<u64>,
    /// How far kvmclock is ahead of what it was to show since the last start.
    clock_ahead: FineSpan,
    /// What it was to show when the VM stopped without having run: no reading is as exact.
    untouched: Option<FineTod>,
    /// What kvmclock showed when it was last known, and the host mapping then.
    clock_known: Option<(FineTod, FineTod)>,
    /// How long before its moment a start begins.
    ahead_ns: u64,
}

/// The time that KVM keeps for a guest.
pub struct KvmTime {
    timebase: Arc<Timebase>,
    inner: Mutex<Inner>,
}

impl KvmTime {
    /// That of a VM that has not run yet, whose vCPUs have all been created.
    ///
    /// # Errors
    /// The calls that say what the host offers fail.
    pub fn new(
        timebase: &Arc<Timebase>,
        mut calls: Box<dyn ClockCalls>,
    ) -> Result<Arc<Self>, ClockError> {
        let counters = Counters::new(&mut *calls)?;
        if counters.setting() == TscSetting::Nothing {
            log::warn!(
                "the host's KVM cannot set the guest's time stamp counter: it runs on while the \
                 VM is stopped, and after a migration it is the other host's"
            );
        }
        let ahead_ns = FIRST_AHEAD_NS * (calls.vcpus() as u64 + 1);
        let at = timebase.reading();
        let (hz, ahead) = (counters.host_hz(), FineSpan::ZERO);
        let shown = kvmclock::capture(&mut *calls, timebase, hz, ahead, &at);
        let clock_known = shown.ok().map(|shown| (shown.value, at.host));
        Ok(Arc::new(Self {
            timebase: Arc::clone(timebase),
            inner: Mutex::new(Inner {
                calls,
                counters,
                phase: Phase::Running,
                clock: None,
                tsc: None,
                clock_ahead: FineSpan::ZERO,
                untouched: None,
                clock_known,
                ahead_ns: ahead_ns.min(MOST_AHEAD_NS),
            }),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What sets the guest's TSC here.
    #[must_use]
    pub fn tsc_setting(&self) -> TscSetting {
        self.lock().counters.setting()
    }

    /// The guest's TSC's frequency.
    #[must_use]
    pub fn tsc_hz(&self) -> Hz {
        self.lock().counters.hz()
    }

    /// No vCPU is in the guest any more.
    fn park(&self) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.phase = match inner.take_phase() {
            Phase::Running => {
                inner.counters.read(&mut *inner.calls);
                Phase::Parked(Timers::park(&mut *inner.calls, &self.timebase))
            }
            Phase::Parked(timers)
            | Phase::Stopped(timers)
            | Phase::StoppedAgain(timers)
            | Phase::Passed(timers) => Phase::StoppedAgain(timers),
        };
    }

    /// The guest's watchdogs are told of the stop.
    fn tell_guest(&self) {
        let mut inner = self.lock();
        if let Phase::Running = inner.phase {
            return;
        }
        for vcpu in 0..inner.calls.vcpus() {
            match inner.calls.tell_guest_stopped(vcpu) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                Err(error) => log::warn!(
                    "the guest cannot be told on vCPU {vcpu} that it was stopped ({error}); its \
                     watchdogs may complain"
                ),
            }
        }
    }

    pub(super) fn capture_clock(&self, at: &HostReading) -> Result<Captured, ClockError> {
        let mut inner = self.lock();
        inner.stopped_at(&self.timebase, at);
        if let Some(value) = inner.untouched {
            return Ok(Captured {
                value,
                error_ns: 1,
                stepped: None,
            });
        }
        let (hz, ahead) = (inner.counters.host_hz(), inner.clock_ahead);
        let captured = kvmclock::capture(&mut *inner.calls, &self.timebase, hz, ahead, at)?;
        inner.clock_known = Some((captured.value, at.host));
        Ok(captured)
    }

    pub(super) fn install_clock(&self, value: FineTod, at: &HostReading) -> Result<(), ClockError> {
        let mut inner = self.lock();
        inner.clock = None;
        (inner.clock_ahead, inner.untouched) = (FineSpan::ZERO, None);
        kvmclock::install(&mut *inner.calls, &self.timebase, value, at)?;
        inner.clock_known = Some((value, at.host));
        Ok(())
    }

    pub(super) fn make_clock_ready(
        &self,
        value: FineTod,
        at: &HostReading,
    ) -> Result<(), ClockError> {
        self.install_clock(value, at)?;
        self.lock().clock = Some(value);
        Ok(())
    }

    pub(super) fn capture_tsc(&self, at: &HostReading) -> Result<Captured, ClockError> {
        let mut inner = self.lock();
        inner.stopped_at(&self.timebase, at);
        let host_tsc = inner.host_tsc(&self.timebase, at.counter);
        inner.counters.capture(host_tsc)
    }

    pub(super) fn install_tsc(&self, value: FineTod, at: &HostReading) -> Result<(), ClockError> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.tsc = None;
        let host_tsc = inner.host_tsc(&self.timebase, at.counter);
        let cycles = inner.counters.cycles(value);
        inner.counters.install(&mut *inner.calls, cycles, host_tsc)
    }

    pub(super) fn make_tsc_ready(
        &self,
        value: FineTod,
        at: &HostReading,
    ) -> Result<(), ClockError> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.tsc = None;
        let host_tsc = inner.host_tsc(&self.timebase, at.counter);
        let cycles = inner.counters.cycles(value);
        inner
            .counters
            .install_stopped(&mut *inner.calls, cycles, host_tsc)?;
        inner.tsc = Some(cycles);
        Ok(())
    }

    /// The timers of a VM that is stopped; as they are now, if it is not.
    pub(super) fn save_timers(&self) -> SavedTimers {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let timers = match inner.take_phase() {
            Phase::Parked(timers)
            | Phase::Stopped(timers)
            | Phase::StoppedAgain(timers)
            | Phase::Passed(timers) => timers,
            // It has never run: nobody has read them.
            Phase::Running => Timers::park(&mut *inner.calls, &self.timebase),
        };
        let saved = timers.save();
        inner.phase = Phase::Stopped(timers);
        saved
    }

    pub(super) fn load_timers(&self, saved: SavedTimers) -> Result<(), TimersLoadError> {
        let mut inner = self.lock();
        let timers = Timers::load(saved, inner.calls.vcpus())?;
        inner.phase = Phase::Stopped(timers);
        Ok(())
    }

    /// The machine was reset: of a VM that is stopped, the timers are as KVM has them now.
    pub fn reset(&self) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.phase = match inner.take_phase() {
            Phase::Running => Phase::Running,
            Phase::Parked(_) | Phase::Stopped(_) | Phase::StoppedAgain(_) | Phase::Passed(_) => {
                Phase::Stopped(Timers::park(&mut *inner.calls, &self.timebase))
            }
        };
    }

    /// What travels beside the clocks' values.
    pub(super) fn save(&self) -> SavedTime {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let counter = self.timebase.counter().read();
        let host = self.timebase.host_at(counter);
        let host_tsc = inner.host_tsc(&self.timebase, counter);
        SavedTime {
            tsc: inner.counters.save(&mut *inner.calls, host_tsc),
            pages: kvmclock::pages(&mut *inner.calls),
            clock: inner
                .clock_known
                .map(|(value, then)| value.wrapping_add(host.since(then))),
        }
    }

    /// Takes it over, before the clocks' values come.
    pub(super) fn load(&self, saved: &SavedTime) -> Result<(), TimeLoadError> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let (found, expected) = (saved.pages.len(), inner.calls.vcpus());
        if found != expected {
            return Err(TscLoadError::Vcpus { found, expected }.into());
        }
        let before = kvmclock::pages(&mut *inner.calls);
        let loaded = kvmclock::set_pages(&mut *inner.calls, &saved.pages)
            .map_err(TimeLoadError::from)
            .and_then(|()| Ok(inner.counters.load(&mut *inner.calls, &saved.tsc)?));
        if loaded.is_err() {
            kvmclock::set_pages(&mut *inner.calls, &before)?;
            return loaded;
        }
        inner.go_on_roughly(&self.timebase, saved);
        Ok(())
    }
}

/// What travels beside the clocks' values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTime {
    tsc: SavedTsc,
    /// Where every vCPU has its page of kvmclock.
    pages: Vec<Option<u64>>,
    /// About what kvmclock shows, from when it was last known.
    clock: Option<FineTod>,
}

/// A state that this machine cannot take over.
#[derive(Debug, thiserror::Error)]
pub(super) enum TimeLoadError {
    /// The time stamp counters.
    #[error(transparent)]
    Tsc(#[from] TscLoadError),
    /// The host refuses a call.
    #[error(transparent)]
    Host(#[from] ClockError),
}

impl Inner {
    /// Sets the clocks to about what they were to show: a clock whose value is not among those that
    /// are loaded runs from there (R6), and so does not go back (R7). What fails is told when the
    /// values are installed.
    fn go_on_roughly(&mut self, timebase: &Timebase, saved: &SavedTime) {
        let at = timebase.reading();
        if let Some(value) = saved.clock {
            let value = value.wrapping_add(FineSpan::from_ns(ROUGHLY_NS));
            if kvmclock::install(&mut *self.calls, timebase, value, &at).is_ok() {
                self.clock_known = Some((value, at.host));
            }
        }
        let host_tsc = self.host_tsc(timebase, at.counter);
        self.counters
            .go_on_roughly(&mut *self.calls, &saved.tsc, host_tsc);
    }

    /// The host's TSC at a host counter of just now.
    fn host_tsc(&mut self, timebase: &Timebase, counter: u64) -> u64 {
        let hz = self.counters.host_hz();
        HostTsc::now(&mut *self.calls, timebase, hz).at_counter(timebase, counter)
    }

    fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Running)
    }

    /// The clocks are captured at this reading: if this is a stop, it was then.
    fn stopped_at(&mut self, timebase: &Timebase, at: &HostReading) {
        self.phase = match self.take_phase() {
            Phase::Parked(mut timers) => {
                timers.back_to(timebase, at);
                Phase::Stopped(timers)
            }
            Phase::Passed(timers) => Phase::Stopped(timers),
            other => other,
        };
    }

    /// Sets the clocks and starts the timers, for one moment that comes soon, and waits for it.
    fn start(&mut self, timebase: &Timebase, timers: &Timers) -> Start {
        let source = timebase.counter();
        let calls = &mut *self.calls;
        let hz = self.counters.host_hz();
        let mut failures = Vec::new();
        let soon = |ns| {
            let host = timebase.host_at(source.read());
            timebase.counter_at(host.wrapping_add(FineSpan::from_ns(ns)))
        };
        let began = source.read();
        let from = match self.clock {
            None => soon(self.ahead_ns),
            Some(value) => {
                match kvmclock::install_ahead(calls, timebase, hz, value, self.ahead_ns) {
                    Ok(Ahead { from, ahead }) => {
                        self.clock_ahead = ahead;
                        self.clock_known = Some((value, timebase.host_at(from)));
                        from
                    }
                    Err(error) => {
                        failures.push((KVMCLOCK.to_owned(), error));
                        soon(self.ahead_ns)
                    }
                }
            }
        };
        if let Some(cycles) = self.tsc {
            let host_tsc = HostTsc::now(calls, timebase, hz).at_counter(timebase, from);
            if let Err(error) = self.counters.install(calls, cycles, host_tsc) {
                failures.push((TSC.to_owned(), error));
            }
        }
        let later = timers.arm(calls, timebase, from);
        let done = source.read();
        for _ in 0..LOOKS {
            if source.read() >= from {
                break;
            }
            calls.pause();
        }
        timers.arm_late(calls, timebase, from, &later);
        let ns = |from, to| timebase.host_at(to).since(timebase.host_at(from)).as_ns();
        Start {
            from,
            failures,
            took_ns: ns(began, done),
            late_ns: ns(from, source.read()),
        }
    }
}

/// One start.
struct Start {
    from: u64,
    failures: Vec<(String, ClockError)>,
    took_ns: i128,
    /// After the moment.
    late_ns: i128,
}

impl Launcher for KvmTime {
    fn launch(&self) -> Launched {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let (timers, stops) = match inner.take_phase() {
            Phase::Parked(timers) | Phase::Stopped(timers) => (timers, false),
            Phase::StoppedAgain(timers) | Phase::Passed(timers) => (timers, true),
            // It has never run; its clocks have since it was built (R4).
            Phase::Running if inner.clock.is_none() && inner.tsc.is_none() => {
                return Launched::default();
            }
            // Its clocks were loaded, without timers.
            Phase::Running => (Timers::default(), false),
        };
        let mut start = inner.start(&self.timebase, &timers);
        for _ in 1..STARTS {
            let took_ns = u64::try_from(start.took_ns).unwrap_or(0);
            // Quickly more, slowly less.
            inner.ahead_ns = (took_ns + took_ns / 8)
                .max(inner.ahead_ns - inner.ahead_ns / 8)
                .min(MOST_AHEAD_NS);
            if start.late_ns <= LATE_NS || !start.failures.is_empty() {
                break;
            }
            start = inner.start(&self.timebase, &timers);
        }
        let has_failed = start.failures.iter().any(|(clock, _)| clock == KVMCLOCK);
        inner.untouched = inner.clock.filter(|_| stops && !has_failed);
        inner.phase = match stops {
            true => Phase::Passed(timers),
            false => Phase::Running,
        };
        (inner.clock, inner.tsc) = (None, None);
        Launched {
            from: Some(start.from),
            failures: start.failures,
        }
    }
}

/// Tells a machine's [`KvmTime`] of stop and cont: a listener among its devices.
pub struct KvmTimeListener(Arc<KvmTime>);

impl KvmTimeListener {
    /// That of a machine.
    #[must_use]
    pub fn new(time: &Arc<KvmTime>) -> Self {
        Self(Arc::clone(time))
    }
}

impl RunListener for KvmTimeListener {
    fn name(&self) -> &str {
        "kvm-time"
    }

    fn on_stop(&mut self, _cause: Cause) {
        self.0.park();
    }

    fn on_cont(&mut self, _cause: Cause) {
        self.0.tell_guest();
    }
}
