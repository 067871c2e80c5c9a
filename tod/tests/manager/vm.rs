//! A small VM on a simulated host.

use std::sync::{Arc, Mutex};
use tod::run::Vcpus;
use tod::{
    AllParked, ClockManager, EpochClock, Policy, RunControl, RunState, SimHost, StartToken,
    Timebase, Timeline, VcpuGate,
};

pub(crate) const SECOND: u64 = 1_000_000_000;

/// A gate without vCPUs, that opens when told to: as if the first one came then.
pub(crate) struct Late {
    pub(crate) gate: VcpuGate,
    kept: Mutex<Kept>,
}

enum Kept {
    /// A cont opens the gate.
    Nothing,
    /// The next cont waits for [`Late::enter`].
    Next,
    Token(StartToken),
}

impl Late {
    fn take(&self) -> Kept {
        std::mem::replace(&mut self.kept.lock().unwrap(), Kept::Nothing)
    }

    /// The next cont is not followed by a vCPU until [`Late::enter`].
    pub(crate) fn delay(&self) {
        *self.kept.lock().unwrap() = Kept::Next;
    }

    /// The first vCPU enters the guest, if the VM is to run and none has.
    pub(crate) fn enter(&self) {
        if let Kept::Token(token) = self.take() {
            self.gate.open(token);
        }
    }
}

impl Vcpus for Late {
    fn park(&self) -> AllParked {
        self.take();
        self.gate.close_and_wait()
    }

    fn unpark(&self, token: StartToken) {
        match self.take() {
            Kept::Next => *self.kept.lock().unwrap() = Kept::Token(token),
            _ => self.gate.open(token),
        }
    }
}

pub(crate) struct Vm {
    pub(crate) host: SimHost,
    pub(crate) timebase: Arc<Timebase>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) clocks: Arc<ClockManager>,
    pub(crate) run: RunControl<Late>,
}

impl Vm {
    /// Not started, no vCPU, no clock.
    pub(crate) fn new() -> Self {
        // A tick is exactly two units.
        Self::on(SimHost::with_counter_hz(2_048_000_000))
    }

    pub(crate) fn on(host: SimHost) -> Self {
        let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
        let timeline = Timeline::new(&timebase);
        let clocks = ClockManager::new(Arc::clone(&timeline));
        let vcpus = Late {
            gate: VcpuGate::new(Vec::new()),
            kept: Mutex::new(Kept::Nothing),
        };
        let run = RunControl::new(RunState::Prelaunch, vcpus, Arc::clone(&clocks));
        Self {
            host,
            timebase,
            timeline,
            clocks,
            run,
        }
    }

    /// Adds a clock that shows the host's time.
    pub(crate) fn clock(&self, name: &str, policy: Policy) -> Arc<EpochClock> {
        let clock = EpochClock::at_host_time(&self.timebase);
        self.clocks
            .register(name, Box::new(Arc::clone(&clock)), policy)
            .unwrap();
        clock
    }

    pub(crate) fn stop(&mut self) {
        self.run
            .stop(RunState::Paused, tod::Cause::Monitor)
            .unwrap();
    }

    pub(crate) fn cont(&mut self) {
        self.run.cont(tod::Cause::Monitor).unwrap();
    }

    /// A cont that no vCPU follows yet.
    pub(crate) fn cont_late(&mut self) {
        self.run.vcpus().delay();
        self.cont();
    }
}
