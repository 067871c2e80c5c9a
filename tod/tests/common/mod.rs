//! A small VM on a simulated host.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test binary uses its own part of it"
)]

use std::sync::Arc;
use tod::{
    ClockManager, EpochClock, Policy, RunControl, RunState, SimHost, Timebase, Timeline, Tod,
    VcpuGate,
};

pub const SECOND: u64 = 1_000_000_000;

pub struct Vm {
    pub host: SimHost,
    pub timebase: Arc<Timebase>,
    pub timeline: Arc<Timeline>,
    pub clocks: Arc<ClockManager>,
    pub run: RunControl<Arc<VcpuGate>>,
}

impl Vm {
    /// Not started, no vCPU, no clock.
    pub fn new() -> Self {
        // A tick is exactly two units.
        Self::on(SimHost::with_counter_hz(2_048_000_000))
    }

    pub fn on(host: SimHost) -> Self {
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
    pub fn clock(&self, name: &str, policy: Policy) -> Arc<EpochClock> {
        let clock = EpochClock::at_host_time(&self.timebase);
        self.clocks
            .register(name, Box::new(Arc::clone(&clock)), policy)
            .unwrap();
        clock
    }

    /// Adds a clock that shows `value`.
    pub fn clock_at(&self, name: &str, policy: Policy, value: Tod) -> Arc<EpochClock> {
        let clock = EpochClock::new(&self.timebase, value, &self.timebase.reading());
        self.clocks
            .register(name, Box::new(Arc::clone(&clock)), policy)
            .unwrap();
        clock
    }

    pub fn stop(&mut self) {
        self.run
            .stop(RunState::Paused, tod::Cause::Monitor)
            .unwrap();
    }

    pub fn cont(&mut self) {
        self.run.cont(tod::Cause::Monitor).unwrap();
    }
}
