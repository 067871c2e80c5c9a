//! From a cont to the first vCPU in the guest, and from the last one out of it to
//! the stop: who says from when to when the VM ran.
//!
//! A cont makes the clocks ready: those on the host counter stand, all failures
//! are dealt with (R2). The first vCPU to enter the guest takes a reading, from
//! which clocks and timeline run on, and the last vCPU to leave it takes the
//! reading at which they are captured (R1). So how long the host takes to wake a
//! thread, before the one and after the other, is in no guest's time. No guest
//! code sees the clocks stand: until the first vCPU has started them none is
//! executed.
//!
//! The capabilities follow one another: [`StartToken`] (the clocks are ready),
//! [`InGuest`] (they run), [`AllParked`] (nobody is inside). This module books
//! nothing; see [`super::ClockManager`]. Where vCPUs are, [`crate::VcpuGate`] knows.

use super::{ClockError, EpochClock, Launcher};
use crate::run::AllParked;
use crate::timebase::HostReading;
use crate::timeline::Timeline;
use std::sync::{Arc, OnceLock};

/// One start of the VM.
pub(super) struct Start {
    timeline: Arc<Timeline>,
    /// The clocks that stand until then.
    clocks: Vec<Arc<EpochClock>>,
    /// What starts those that a kernel keeps.
    launcher: Option<Arc<dyn Launcher>>,
    begun: OnceLock<Begun>,
}

/// What came of it.
struct Begun {
    at: HostReading,
    failures: Vec<(String, ClockError)>,
}

impl Start {
    /// A start that is to come, of the timeline and of clocks that stand.
    pub(super) fn new(
        timeline: &Arc<Timeline>,
        clocks: Vec<Arc<EpochClock>>,
        launcher: Option<Arc<dyn Launcher>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            timeline: Arc::clone(timeline),
            clocks,
            launcher,
            begun: OnceLock::new(),
        })
    }

    /// The reading from which the clocks have run; none before they do.
    pub(super) fn at(&self) -> Option<HostReading> {
        self.begun.get().map(|begun| begun.at)
    }

    /// The clocks that the launcher could not set, once the VM has started.
    pub(super) fn failures(&self) -> &[(String, ClockError)] {
        self.begun.get().map_or(&[], |begun| &begun.failures)
    }

    /// Starts the clocks, unless they have been; the reading from which they run.
    pub(super) fn begin(&self) -> HostReading {
        self.timeline.release();
        let begun = self.begun.get_or_init(|| {
            let launcher = self.launcher.as_ref();
            let launched = launcher.map(|launcher| launcher.launch());
            let launched = launched.unwrap_or_default();
            Begun {
                at: self.timeline.start(&self.clocks, launched.from),
                failures: launched.failures,
            }
        });
        self.timeline.wake();
        begun.at
    }
}

/// Proof that the clocks are ready. Only [`crate::ClockManager::on_cont`] makes
/// one; opening the vCPU gate uses it up, and the first vCPU that passes starts
/// the clocks with it (R9).
///
/// Nobody else can make one, and it opens the gate once:
/// ```compile_fail,E0423
/// let gate = tod::VcpuGate::new(Vec::new());
/// gate.open(tod::StartToken(()));
/// ```
/// ```compile_fail,E0382
/// fn start(gate: &tod::VcpuGate, clocks: &tod::ClockManager) {
///     let token = clocks.on_cont(tod::Cause::Monitor);
///     gate.open(token);
///     gate.open(token);
/// }
/// ```
#[must_use = "no vCPU runs, and no clock, until the gate is opened with this token"]
pub struct StartToken(Arc<Start>);

impl StartToken {
    pub(super) fn new(start: &Arc<Start>) -> Self {
        Self(Arc::clone(start))
    }

    /// A vCPU enters the guest, or none has to come for the clocks to run: they run from now on.
    pub(crate) fn enter(self) -> InGuest {
        self.0.begin();
        InGuest(self.0)
    }
}

/// The clocks run, and vCPUs may be in the guest.
pub(crate) struct InGuest(Arc<Start>);

impl InGuest {
    /// The last vCPU has left the guest: this is the moment of the stop, if it becomes one.
    pub(crate) fn leave(self) -> AllParked {
        AllParked::at(self.0.timeline.hold())
    }
}
