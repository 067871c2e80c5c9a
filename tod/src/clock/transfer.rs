//! Clocks that move with a VM: saved on one host, loaded on another.
//!
//! What is loaded may have been made by anybody: it is looked through first, and nothing in it
//! can make a later stop or cont fail. How it comes here is migration's business.

use super::gap::{Arrival, BootMoment, Downtime, HostOffset, SavedAt, Stood, StoppedAt};
use super::manager::{ClockManager, Inner, Starting, VmPhase, capture_exactness};
use super::saved::{SavedClock, SavedClocks, SavedValue};
use super::start::Start;
use super::{ClockEvent, ClockState, Phase};
use crate::ledger::Event;
use crate::run::Cause;
use crate::timebase::HostReading;
use crate::value::FineSpan;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether the first vCPU has entered the guest.
const LOOK_AGAIN: Duration = Duration::from_micros(50);

/// A saved record cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Clocks that run are the guest's.
    #[error("saved clocks cannot be loaded into a VM that runs")]
    Running,
    /// No VM has such clocks.
    #[error("the saved clocks are damaged: {0}")]
    Damaged(String),
}

impl ClockManager {
    /// The record of a VM that is stopped (or has never run), for a migration or
    /// a snapshot. A clock that cannot be read is recorded as missing (R6).
    #[must_use]
    pub fn on_save(&self, cause: Cause) -> SavedClocks {
        let mut inner = self.inner();
        if let VmPhase::Starting(starting) = &inner.phase {
            // Not meant to be; what runs can be saved, what is about to run cannot.
            starting.start.begin();
            inner.settle();
        }
        let at = self.timebase().reading();
        inner.book_host_events(self.timebase());
        let clocks = (0..inner.clocks.len())
            .map(|index| inner.save_clock(index, &at, cause))
            .collect();
        let stood = match &inner.phase {
            VmPhase::Stopped(stopped) => stopped.gap(format_args!("the VM"), &at).stood(),
            VmPhase::Fresh | VmPhase::Starting(_) | VmPhase::Running(_) => Stood::default(),
        };
        SavedClocks {
            timeline: self.timeline().track().at(&at),
            saved_at: SavedAt::of(&at),
            stood,
            clocks,
            ledger: inner.ledger.clone(),
        }
    }

    /// Takes over a saved record: every clock is installed at once, so that
    /// errors show while the source can still run on (R5), and then stands
    /// until the next cont. The fallbacks that happened; none is fatal (R6).
    ///
    /// `offset`, this host's CLOCK_BOOTTIME less the saving host's, says how long the clocks have
    /// stood; without it the two hosts' wallclocks are trusted to agree. After a migration with
    /// it the next start, whenever that is, books the downtime ([`Event::Downtime`]).
    ///
    /// # Errors
    /// [`LoadError`]; nothing has changed then.
    pub fn on_load(
        &self,
        saved: SavedClocks,
        offset: Option<HostOffset>,
        cause: Cause,
    ) -> Result<Vec<ClockEvent>, LoadError> {
        let mut inner = self.inner();
        if inner.phase.runs() {
            return Err(LoadError::Running);
        }
        saved.check().map_err(LoadError::Damaged)?;
        let at = self.timebase().reading();
        inner.ledger = saved.ledger;
        inner.book_host_events(self.timebase());
        let arrival = |stood| {
            StoppedAt::Elsewhere(Arrival {
                saved_at: saved.saved_at,
                stood,
                offset,
                cause,
            })
        };
        inner.phase = VmPhase::Stopped(arrival(saved.stood));
        self.timeline().restore(saved.timeline);
        let mut fallbacks = Vec::new();
        for clock in &saved.clocks {
            if inner.find(&clock.name).is_err() {
                log::warn!(
                    "the saved state has a clock '{}' that this VM lacks",
                    clock.name
                );
            }
        }
        for index in 0..inner.clocks.len() {
            let name = inner.clocks[index].name.clone();
            let record = saved.clocks.iter().find(|record| record.name == name);
            let stood = record.map(|record| record.stood).unwrap_or_default();
            fallbacks.extend(inner.load_clock(index, record, arrival(stood), &at, cause));
        }
        Ok(fallbacks)
    }

    /// What the move cost a VM that runs on the other host now: this goes into the ledger of
    /// what is left here. A VM that runs here has booked its downtime by itself, when it
    /// started; nothing happens then.
    pub fn on_moved(&self, downtime: Downtime) {
        let mut inner = self.inner();
        if inner.phase.runs() {
            return;
        }
        let at = self.timebase().reading();
        inner.book_host_events(self.timebase());
        inner.book_downtime(downtime, &at);
    }

    /// Since when the VM is stopped, on this host's CLOCK_BOOTTIME: the last vCPU had left the
    /// guest. Of a VM that was loaded, when it stopped elsewhere, as far as that is known. None
    /// while it runs, or when it never did.
    #[must_use]
    pub fn stopped(&self) -> Option<BootMoment> {
        match &self.inner().phase {
            VmPhase::Stopped(StoppedAt::Here(at)) => Some(BootMoment::of(at)),
            VmPhase::Stopped(elsewhere) => Some(elsewhere.moment(&self.timebase().reading())),
            VmPhase::Fresh | VmPhase::Starting(_) | VmPhase::Running(_) => None,
        }
    }

    /// Since when the VM runs: the first vCPU entered the guest. None while it does not run, or
    /// after a cont until that happens.
    #[must_use]
    pub fn started(&self) -> Option<BootMoment> {
        self.start()
            .and_then(|start| start.at())
            .map(|at| BootMoment::of(&at))
    }

    /// As [`ClockManager::started`], and waits after a cont until it has happened: a host takes
    /// some time to wake a vCPU's thread. None after `at_most`, and of a VM that is not to run.
    #[must_use]
    pub fn wait_until_started(&self, at_most: Duration) -> Option<BootMoment> {
        let start = self.start()?;
        let asked = Instant::now();
        loop {
            if let Some(at) = start.at() {
                return Some(BootMoment::of(&at));
            }
            if asked.elapsed() >= at_most {
                return None;
            }
            // The moment itself is exact; this is only when it is looked at. What makes a vCPU
            // enter must not pay for waking somebody.
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    fn start(&self) -> Option<Arc<Start>> {
        match &self.inner().phase {
            VmPhase::Running(start) | VmPhase::Starting(Starting { start, .. }) => {
                Some(Arc::clone(start))
            }
            VmPhase::Fresh | VmPhase::Stopped(_) => None,
        }
    }
}

impl Inner {
    fn save_clock(&mut self, index: usize, at: &HostReading, cause: Cause) -> SavedClock {
        let clock = &mut self.clocks[index];
        let (name, policy) = (clock.name.clone(), clock.policy);
        let standing = matches!(clock.state, ClockState::Stopped { .. });
        let (value, owed, stood) = match &clock.state {
            ClockState::Stopped {
                base,
                at: stopped,
                owed,
            } => (
                Ok(*base),
                *owed,
                stopped.gap(format_args!("clock '{name}'"), at).stood(),
            ),
            ClockState::Slewing { left, .. } => {
                let left = *left;
                (clock.capture(at), left, Stood::default())
            }
            ClockState::Running | ClockState::FreeRunning { .. } => {
                (clock.capture(at), FineSpan::ZERO, Stood::default())
            }
        };
        let value = match value {
            Ok(captured) => {
                if !standing {
                    let account = self.ledger.account_mut(&name, at.host);
                    if self.phase.runs() {
                        account.book_run(at.host);
                    } else {
                        account.book_free_run(at.host);
                    }
                    account.book_capture(&captured);
                }
                let values = (
                    index,
                    Some(captured.value),
                    Some(captured.value),
                    FineSpan::ZERO,
                );
                self.push(
                    Event::Save(cause),
                    Some(values),
                    at,
                    capture_exactness(&captured),
                );
                SavedValue::Captured(captured)
            }
            Err(error) => {
                let why = error.to_string();
                let free = !matches!(self.phase, VmPhase::Fresh);
                self.fall_back(index, Phase::Save, &why, at, free);
                SavedValue::Missing { why }
            }
        };
        SavedClock {
            name,
            policy,
            value,
            owed,
            stood,
        }
    }

    fn load_clock(
        &mut self,
        index: usize,
        record: Option<&SavedClock>,
        stopped: StoppedAt,
        at: &HostReading,
        cause: Cause,
    ) -> Option<ClockEvent> {
        let clock = &mut self.clocks[index];
        let account = self.ledger.account_mut(&clock.name, at.host);
        account.book_standing(at.host);
        let (base, owed) = match record.map(|record| (&record.value, record.owed)) {
            Some((SavedValue::Captured(base), owed)) => (*base, owed),
            Some((SavedValue::Missing { why }, _)) => {
                account.book_lost();
                let error = format!("the saved state lacks it: {why}");
                return Some(self.fall_back(index, Phase::Load, &error, at, true));
            }
            None => {
                account.book_lost();
                let error = "the saved state does not have it";
                return Some(self.fall_back(index, Phase::Load, error, at, true));
            }
        };
        if let Some(record) = record {
            clock.policy = record.policy;
        }
        account.book_load(&base);
        clock.last_error_ns = Some(base.error_ns);
        clock.state = ClockState::Stopped {
            base,
            at: stopped,
            owed,
        };
        let result = clock.install(&base, at);
        if result.is_err() {
            // Until a cont installs it, the clock shows something else.
            account.book_lost();
        }
        let values = (index, Some(base.value), Some(base.value), FineSpan::ZERO);
        self.push(
            Event::Load(cause),
            Some(values),
            at,
            capture_exactness(&base),
        );
        // The value is kept: cont installs it again, and may have more luck.
        result
            .err()
            .map(|error| self.fall_back(index, Phase::Load, &error.to_string(), at, false))
    }
}
