//! A small VM on a simulated host.

use std::sync::Arc;
use tod::{
    ClockManager, EpochClock, Policy, RunControl, RunState, SimHost, Timebase, Timeline, VcpuGate,
};

pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) struct Vm {
    pub(crate) host: SimHost,
    pub(crate) timebase: Arc<Timebase>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) clocks: Arc<ClockManager>,
    pub(crate) run: RunControl<Arc<VcpuGate>>,
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
        let gate = Arc::new(VcpuGate::new(Vec::new()));
        let run = RunControl::new(RunState::Prelaunch, gate, Arc::clone(&clocks));
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
}
