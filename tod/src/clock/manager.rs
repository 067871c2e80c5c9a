//! The clock manager: captures every clock on stop, installs it on cont, and
//! keeps the guest running whatever fails.
//!
//! It does not stop or start vCPUs, but nobody can without it: a stop hands it
//! the proof that all vCPUs are parked, and a cont needs the token it returns.
//! From when to when the VM ran it is told by these two ([`super::StartToken`]).
//! A cont is booked as of its own reading, for failures to show at once, and
//! then *settled*: moved to the reading of the first vCPU in the guest, by
//! whoever next looks.

use super::report::{ClockReport, ClockStateReport, ClocksReport};
use super::start::Start;
use super::{
    Captured, ClockBackend, ClockError, ClockEvent, ClockState, Downtime, EpochClock, Fallback,
    FaultPoint, Launcher, Phase, Policy, Ready, Scale, StartToken, StoppedAt,
};
use crate::ledger::{Entry, Event, Exactness, Ledger};
use crate::run::{AllParked, Cause};
use crate::timebase::{HostReading, Timebase};
use crate::timeline::Timeline;
use crate::value::{FineSpan, FineTod};
use crossbeam::channel::{Receiver, Sender, unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A clock could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Names identify clocks in saved records and at monitors.
    #[error("there is a clock named '{0}' already")]
    Duplicate(String),
    /// No clock of this name.
    #[error("there is no clock named '{name}'; the clocks are: {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: String,
    },
}

pub(super) struct Clock {
    pub(super) name: String,
    backend: Box<dyn ClockBackend>,
    pub(super) policy: Policy,
    pub(super) state: ClockState,
    pub(super) last_error_ns: Option<u64>,
    failures: u64,
    capture_faults: u32,
    install_faults: u32,
}

impl Clock {
    pub(super) fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError> {
        if take_fault(&mut self.capture_faults) {
            return Err(ClockError::Injected);
        }
        self.backend.capture(at)
    }

    pub(super) fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError> {
        if take_fault(&mut self.install_faults) {
            return Err(ClockError::Injected);
        }
        self.backend.install(value, at)
    }

    /// For a start: a clock that catches up does so also while it waits for the first vCPU.
    fn make_ready(&mut self, value: &Captured, at: &HostReading) -> Result<Ready, ClockError> {
        if self.policy == Policy::CatchUp {
            return self.install(value, at).map(|()| Ready::Runs);
        }
        if take_fault(&mut self.install_faults) {
            return Err(ClockError::Injected);
        }
        self.backend.make_ready(value, at)
    }
}

fn take_fault(count: &mut u32) -> bool {
    let armed = *count > 0;
    *count = count.saturating_sub(1);
    armed
}

pub(super) enum VmPhase {
    /// Never ran: its clocks run since their creation (R4).
    Fresh,
    /// The clocks are ready, and booked as of the cont.
    Starting(Starting),
    Running(Arc<Start>),
    Stopped(StoppedAt),
}

impl VmPhase {
    /// Whether the VM runs or is about to.
    pub(super) fn runs(&self) -> bool {
        matches!(self, Self::Starting(_) | Self::Running(_))
    }
}

/// A cont that is not settled.
pub(super) struct Starting {
    pub(super) start: Arc<Start>,
    /// Since when the VM has been stopped, if it ever ran.
    stopped: Option<StoppedAt>,
    /// One for each clock.
    clocks: Vec<StartingClock>,
}

/// What a cont has done with a clock.
struct StartingClock {
    /// When it was booked.
    since: HostReading,
    ready: Ready,
    /// Its ledger entry, if that is the cont's, and the value it was set to.
    entry: Option<(u64, Option<FineTod>)>,
}

impl StartingClock {
    fn standing(&self) -> Option<Arc<EpochClock>> {
        match &self.ready {
            Ready::Stands(clock) => Some(Arc::clone(clock)),
            Ready::Runs | Ready::Launched => None,
        }
    }
}

pub(super) struct Inner {
    pub(super) clocks: Vec<Clock>,
    pub(super) phase: VmPhase,
    pub(super) ledger: Ledger,
    listeners: Vec<Sender<ClockEvent>>,
    launcher: Option<Arc<dyn Launcher>>,
}

/// The manager of all guest clocks of a VM.
pub struct ClockManager {
    timebase: Arc<Timebase>,
    timeline: Arc<Timeline>,
    inner: Mutex<Inner>,
}

impl ClockManager {
    /// A manager without clocks, of a VM that has not run yet.
    #[must_use]
    pub fn new(timeline: Arc<Timeline>) -> Arc<Self> {
        Arc::new(Self {
            timebase: Arc::clone(timeline.timebase()),
            timeline,
            inner: Mutex::new(Inner {
                clocks: Vec::new(),
                phase: VmPhase::Fresh,
                ledger: Ledger::default(),
                listeners: Vec::new(),
                launcher: None,
            }),
        })
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.settle();
        inner
    }

    /// The VM timeline.
    #[must_use]
    pub fn timeline(&self) -> &Arc<Timeline> {
        &self.timeline
    }

    /// The mapping from the host counter.
    #[must_use]
    pub fn timebase(&self) -> &Arc<Timebase> {
        &self.timebase
    }

    /// Adds a clock, before the VM first runs or is loaded. It runs (R4).
    ///
    /// # Errors
    /// [`RegisterError::Duplicate`].
    pub fn register(
        &self,
        name: &str,
        backend: Box<dyn ClockBackend>,
        policy: Policy,
    ) -> Result<(), RegisterError> {
        let mut inner = self.inner();
        if inner.clocks.iter().any(|clock| clock.name == name) {
            return Err(RegisterError::Duplicate(name.into()));
        }
        inner.clocks.push(Clock {
            name: name.into(),
            backend,
            policy,
            state: ClockState::Running,
            last_error_ns: None,
            failures: 0,
            capture_faults: 0,
            install_faults: 0,
        });
        Ok(())
    }

    /// What starts the clocks that a kernel keeps, from the next start on.
    pub fn set_launcher(&self, launcher: Arc<dyn Launcher>) {
        self.inner().launcher = Some(launcher);
    }

    /// A channel that gets every event from now on.
    #[must_use]
    pub fn subscribe(&self) -> Receiver<ClockEvent> {
        let (sender, receiver) = unbounded();
        self.inner().listeners.push(sender);
        receiver
    }

    /// The next `count` calls of this kind to this clock's backend fail, as if
    /// the backend had: for tests of the whole machine.
    ///
    /// # Errors
    /// [`RegisterError::Unknown`].
    pub fn inject(&self, clock: &str, point: FaultPoint, count: u32) -> Result<(), RegisterError> {
        let mut inner = self.inner();
        let clock = inner.find(clock)?;
        match point {
            FaultPoint::Capture => clock.capture_faults = count,
            FaultPoint::Install => clock.install_faults = count,
        }
        Ok(())
    }

    /// What the manager knows of one clock.
    ///
    /// # Errors
    /// [`RegisterError::Unknown`].
    pub fn state(&self, clock: &str) -> Result<ClockState, RegisterError> {
        self.inner().find(clock).map(|clock| clock.state.clone())
    }

    /// A copy of the ledger.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.inner().ledger.clone()
    }

    /// The VM has stopped: the timeline stands and every clock is captured (R1)
    /// at one host reading, that of the last vCPU to leave the guest. A VM that
    /// does not run stays as it is (R3).
    pub fn on_stop(&self, parked: AllParked, cause: Cause) {
        let mut inner = self.inner();
        let at = match &inner.phase {
            VmPhase::Fresh | VmPhase::Stopped(_) => return,
            VmPhase::Running(_) => parked.reading().unwrap_or_else(|| self.timebase.reading()),
            // No vCPU has entered the guest since the cont: it ran for no time at all.
            VmPhase::Starting(starting) => {
                let at = starting.start.begin();
                inner.settle();
                at
            }
        };
        inner.book_host_events(&self.timebase);
        self.timeline.stop(&at);
        inner.phase = VmPhase::Stopped(StoppedAt::Here(at));
        for index in 0..inner.clocks.len() {
            inner.stop_clock(index, &at, cause);
        }
    }

    /// The VM is about to run: every clock is made ready (R2). They and the
    /// timeline run on, all from one host reading, when the first vCPU passes the
    /// gate, which the token opens. A running VM stays as it is (R3).
    pub fn on_cont(&self, cause: Cause) -> StartToken {
        let mut inner = self.inner();
        let stopped = match &inner.phase {
            VmPhase::Running(start) | VmPhase::Starting(Starting { start, .. }) => {
                return StartToken::new(start);
            }
            VmPhase::Stopped(stopped) => Some(*stopped),
            VmPhase::Fresh => None,
        };
        let at = self.timebase.reading();
        inner.book_host_events(&self.timebase);
        let clocks: Vec<_> = (0..inner.clocks.len())
            .map(|index| inner.start_clock(index, &at, cause))
            .collect();
        let standing = clocks.iter().filter_map(StartingClock::standing).collect();
        let start = Start::new(&self.timeline, standing, inner.launcher.clone());
        let token = StartToken::new(&start);
        inner.phase = VmPhase::Starting(Starting {
            start,
            stopped,
            clocks,
        });
        token
    }

    /// The machine was reset. Guest clocks go on: a reset is no gap.
    pub fn on_reset(&self, cause: Cause) {
        let mut inner = self.inner();
        let at = self.timebase.reading();
        inner.book_host_events(&self.timebase);
        inner.push(Event::Reset(cause), None, &at, Exactness::Exact);
    }

    /// To be called about once a second while the VM runs: looks after the host
    /// clocks (their rate, steps, sleep) and moves slewing clocks.
    pub fn tick(&self) {
        let mut inner = self.inner();
        let at = self.timebase.check();
        inner.book_host_events(&self.timebase);
        if matches!(inner.phase, VmPhase::Running(_)) {
            for index in 0..inner.clocks.len() {
                inner.slew_clock(index, &at);
            }
        }
    }

    /// All clocks as they are now.
    #[must_use]
    pub fn report(&self) -> ClocksReport {
        let mut inner = self.inner();
        let at = self.timebase.reading();
        inner.book_host_events(&self.timebase);
        let timeline = self.timeline.at(&at);
        ClocksReport {
            timeline,
            timeline_ns: timeline.as_ns(),
            counter: self.timebase.counter().name(),
            rate_error_ppb: self.timebase.rate().error_ppb,
            clocks: inner
                .clocks
                .iter_mut()
                .map(|clock| clock.report(&at))
                .collect(),
        }
    }
}

impl Clock {
    fn report(&mut self, at: &HostReading) -> ClockReport {
        let since = |then: &HostReading| at.boottime_ns.saturating_sub(then.boottime_ns);
        let to_ns = |span: FineSpan| i64::try_from(span.as_ns()).unwrap_or(i64::MAX);
        let (state, guest) = match &self.state {
            ClockState::Running => (ClockStateReport::Running, None),
            ClockState::Slewing { left, .. } => (
                ClockStateReport::Slewing {
                    left_ns: to_ns(*left),
                },
                None,
            ),
            ClockState::Stopped {
                base, at: stopped, ..
            } => (
                ClockStateReport::Stopped {
                    for_ns: stopped.for_ns(at),
                },
                Some(base.value),
            ),
            ClockState::FreeRunning { since: then, why } => (
                ClockStateReport::FreeRunning {
                    phase: why.phase,
                    error: why.error.clone(),
                    for_ns: since(then),
                },
                None,
            ),
        };
        let guest = guest.or_else(|| self.backend.capture(at).ok().map(|captured| captured.value));
        let host = at.realtime_tod();
        let scale = self.backend.scale();
        let date = guest.filter(|_| scale == Scale::Date);
        ClockReport {
            name: self.name.clone(),
            policy: self.policy,
            state,
            scale,
            guest: guest.map(FineTod::tod),
            shown: guest.map(|guest| scale.show(guest)),
            host,
            gap_ns: date.map(|guest| to_ns(FineTod::from(host).since(guest))),
            error_ns: self.last_error_ns,
            failures: self.failures,
        }
    }
}

impl Inner {
    pub(super) fn find(&mut self, name: &str) -> Result<&mut Clock, RegisterError> {
        let known = || {
            let names: Vec<_> = self
                .clocks
                .iter()
                .map(|clock| clock.name.as_str())
                .collect();
            names.join(", ")
        };
        match self.clocks.iter().position(|clock| clock.name == name) {
            Some(index) => Ok(&mut self.clocks[index]),
            None => Err(RegisterError::Unknown {
                name: name.into(),
                known: known(),
            }),
        }
    }

    fn emit(&mut self, event: &ClockEvent) {
        self.listeners
            .retain(|listener| listener.send(event.clone()).is_ok());
    }

    pub(super) fn push(
        &mut self,
        event: Event,
        clock: Option<(usize, Option<FineTod>, Option<FineTod>, FineSpan)>,
        at: &HostReading,
        exactness: Exactness,
    ) -> u64 {
        let (index, before, after, granted) = match clock {
            Some((index, before, after, granted)) => (Some(index), before, after, granted),
            None => (None, None, None, FineSpan::ZERO),
        };
        self.ledger.push(Entry {
            number: 0,
            event,
            clock: index.map(|index| self.clocks[index].name.clone()),
            at: *at,
            before: before.map(FineTod::tod),
            after: after.map(FineTod::tod),
            granted,
            exactness,
        })
    }

    /// Moves a cont to the reading from which the clocks have run, once there is one.
    pub(super) fn settle(&mut self) {
        let VmPhase::Starting(starting) = &mut self.phase else {
            return;
        };
        let Some(at) = starting.start.at() else {
            return;
        };
        let start = Arc::clone(&starting.start);
        let stopped = starting.stopped;
        let clocks = std::mem::take(&mut starting.clocks);
        let has_failed = |clock: &str| start.failures().iter().any(|(name, _)| name == clock);
        for (clock, started) in self.clocks.iter_mut().zip(clocks) {
            let late = at.host.since(started.since.host);
            let account = self.ledger.account_mut(&clock.name, at.host);
            let launched = self.launcher.is_some() && !has_failed(&clock.name);
            let granted = match started.ready {
                Ready::Stands(_) => {
                    account.book_standing(at.host);
                    FineSpan::ZERO
                }
                Ready::Launched if launched => {
                    account.book_standing(at.host);
                    FineSpan::ZERO
                }
                // It ran while no vCPU did.
                Ready::Runs | Ready::Launched => account.book_free_run(at.host),
            };
            if let ClockState::Slewing { left, moved } = &mut clock.state {
                *left = left.wrapping_add(late.wrapping_sub(granted));
                *moved = at;
            }
            if let Some((number, value)) = started.entry
                && let Some(entry) = self.ledger.entry_mut(number)
            {
                entry.at = at;
                entry.granted = entry.granted.wrapping_add(granted);
                entry.after = value.map(|value| value.wrapping_add(granted).tod());
            }
        }
        for (name, error) in start.failures() {
            if let Some(index) = self.clocks.iter().position(|clock| clock.name == *name) {
                self.fall_back(index, Phase::Install, &error.to_string(), &at, false);
            }
        }
        self.phase = VmPhase::Running(start);
        if let Some(StoppedAt::Elsewhere(arrival)) = stopped
            && let Some(downtime) = arrival.downtime(&at)
        {
            self.book_downtime(downtime, &at);
        }
    }

    pub(super) fn book_downtime(&mut self, downtime: Downtime, at: &HostReading) {
        let exactness = Exactness::Estimated {
            ns: downtime.error_ns,
        };
        self.push(Event::Downtime(downtime), None, at, exactness);
    }

    pub(super) fn book_host_events(&mut self, timebase: &Timebase) {
        for observed in timebase.take_events() {
            let exactness = Exactness::Estimated {
                ns: observed.at.error_ns(),
            };
            self.push(Event::Host(observed.event), None, &observed.at, exactness);
        }
    }

    /// Warns, tells, books: clock `index` could not be read or set.
    pub(super) fn fall_back(
        &mut self,
        index: usize,
        phase: Phase,
        error: &str,
        at: &HostReading,
        free: bool,
    ) -> ClockEvent {
        let clock = &mut self.clocks[index];
        clock.failures += 1;
        let name = clock.name.clone();
        if free {
            let why = Fallback {
                phase,
                error: error.into(),
            };
            clock.state = ClockState::FreeRunning { since: *at, why };
            log::warn!("clock '{name}': {phase} failed ({error}); the clock runs free");
        } else {
            log::warn!("clock '{name}': {phase} failed ({error})");
        }
        let entry = Event::Fallback {
            phase,
            error: error.into(),
        };
        self.push(
            entry,
            Some((index, None, None, FineSpan::ZERO)),
            at,
            Exactness::Lost,
        );
        let event = ClockEvent::Fallback {
            clock: name,
            phase,
            error: error.into(),
        };
        self.emit(&event);
        event
    }

    fn stop_clock(&mut self, index: usize, at: &HostReading, cause: Cause) {
        let clock = &mut self.clocks[index];
        let owed = match clock.state {
            ClockState::Slewing { left, .. } => left,
            _ => FineSpan::ZERO,
        };
        let captured = clock.capture(at);
        let account = self.ledger.account_mut(&clock.name, at.host);
        account.book_run(at.host);
        match captured {
            Ok(base) => {
                account.book_capture(&base);
                clock.last_error_ns = Some(base.error_ns);
                clock.state = ClockState::Stopped {
                    base,
                    at: StoppedAt::Here(*at),
                    owed,
                };
                let event = ClockEvent::Stopped {
                    clock: clock.name.clone(),
                    value: clock.backend.scale().show(base.value),
                };
                let values = (index, Some(base.value), Some(base.value), FineSpan::ZERO);
                self.push(
                    Event::Stop(cause),
                    Some(values),
                    at,
                    capture_exactness(&base),
                );
                self.emit(&event);
            }
            Err(error) => {
                let error = error.to_string();
                self.fall_back(index, Phase::Capture, &error, at, true);
            }
        }
    }

    fn start_clock(&mut self, index: usize, at: &HostReading, cause: Cause) -> StartingClock {
        let started = |ready, entry| StartingClock {
            since: *at,
            ready,
            entry,
        };
        let clock = &mut self.clocks[index];
        let account = self.ledger.account_mut(&clock.name, at.host);
        match clock.state.clone() {
            // R4: it runs since its creation, and a VM that never ran has no gap.
            ClockState::Running | ClockState::Slewing { .. } => {
                let granted = account.book_free_run(at.host);
                let values = (index, None, None, granted);
                let entry = self.push(Event::Cont(cause), Some(values), at, Exactness::Exact);
                started(Ready::Runs, Some((entry, None)))
            }
            // It ran during the stop; the gap is granted, as it could not be kept.
            ClockState::FreeRunning { .. } => {
                let granted = account.book_free_run(at.host);
                let values = (index, None, None, granted);
                let entry = self.push(Event::Cont(cause), Some(values), at, Exactness::Lost);
                started(Ready::Runs, Some((entry, None)))
            }
            ClockState::Stopped {
                base,
                at: stopped,
                owed,
            } => {
                let gap = stopped.gap(format_args!("clock '{}'", clock.name), at);
                let (granted, left) = match clock.policy {
                    Policy::Freeze => (FineSpan::ZERO, FineSpan::ZERO),
                    Policy::CatchUp => (gap.span().wrapping_add(owed), FineSpan::ZERO),
                    Policy::Slew { .. } => (FineSpan::ZERO, gap.span().wrapping_add(owed)),
                };
                let value = Captured {
                    value: base.value.wrapping_add(granted),
                    ..base
                };
                let ready = match clock.make_ready(&value, at) {
                    Ok(ready) => ready,
                    Err(error) => {
                        let error = error.to_string();
                        // It counts as having run all along (R2).
                        account.book_free_run(at.host);
                        self.fall_back(index, Phase::Install, &error, at, true);
                        return started(Ready::Runs, None);
                    }
                };
                account.book_standing(at.host);
                account.book_grant(granted);
                account.book_install(value.value);
                clock.state = if left > FineSpan::ZERO {
                    ClockState::Slewing { left, moved: *at }
                } else {
                    ClockState::Running
                };
                let exactness = match (granted == FineSpan::ZERO, capture_exactness(&base)) {
                    (true, exactness) => exactness,
                    (false, _) => Exactness::Estimated {
                        ns: gap.error_ns.saturating_add(base.error_ns),
                    },
                };
                let event = ClockEvent::Started {
                    clock: clock.name.clone(),
                    value: clock.backend.scale().show(value.value),
                    granted_ns: u64::try_from(granted.as_ns()).unwrap_or(0),
                };
                let values = (index, Some(base.value), Some(value.value), granted);
                let entry = self.push(Event::Cont(cause), Some(values), at, exactness);
                self.emit(&event);
                started(ready, Some((entry, Some(value.value))))
            }
        }
    }

    fn slew_clock(&mut self, index: usize, at: &HostReading) {
        let clock = &mut self.clocks[index];
        let (ClockState::Slewing { left, moved }, Policy::Slew { rate_ppm }) =
            (&clock.state, clock.policy)
        else {
            return;
        };
        let (left, passed) = (*left, at.host.since(moved.host).bits().max(0));
        // Divided first: 2^-56 units leave bits to spare, and the product may not overflow.
        let step = (passed / 1_000_000)
            .saturating_mul(i128::from(rate_ppm))
            .min(left.bits());
        let step = FineSpan::from_bits(step);
        match clock.backend.advance(step, at) {
            Ok(()) => {
                let left = left.wrapping_sub(step);
                let done = left <= FineSpan::ZERO;
                clock.state = if done {
                    ClockState::Running
                } else {
                    ClockState::Slewing { left, moved: *at }
                };
                let account = self.ledger.account_mut(&clock.name, at.host);
                account.book_run(at.host);
                account.book_grant(step);
                if done {
                    let values = (index, None, None, step);
                    self.push(Event::Slewed, Some(values), at, Exactness::Exact);
                }
            }
            Err(error) => {
                clock.failures += 1;
                log::warn!("clock '{}': could not be slewed ({error})", clock.name);
            }
        }
    }
}

pub(super) fn capture_exactness(captured: &Captured) -> Exactness {
    match (captured.error_ns, captured.stepped) {
        (0, Some(_)) => Exactness::Exact,
        (ns, _) => Exactness::Estimated { ns },
    }
}
