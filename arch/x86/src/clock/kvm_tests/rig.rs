//! A VM on a simulated host whose clocks a fake kernel keeps.

use std::sync::Arc;

use migration::Part;
use tod::run::{Layer, Vcpus};
use tod::{
    Cause, ClockManager, EpochClock, Policy, RunControl, RunState, SimHost, Timebase, Timeline,
    VcpuGate,
};

use crate::clock::fake::FakeKernel;
use crate::clock::{
    KVMCLOCK, KvmClock, KvmTime, KvmTimeListener, KvmTimePart, TSC, TimersPart, Tsc,
};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const KHZ: u32 = 2_596_134;

/// From a vCPU's last instruction to the reading of the stop.
const EXIT_NS: u64 = 150;

pub(super) struct Vm {
    pub(super) host: SimHost,
    pub(super) kernel: FakeKernel,
    pub(super) time: Arc<KvmTime>,
    pub(super) timeline: Arc<Timeline>,
    pub(super) clocks: Arc<ClockManager>,
    pub(super) rtc: Arc<EpochClock>,
    run: RunControl<Arc<VcpuGate>>,
    /// What the guest's vCPUs have seen last: kvmclock, and each one's TSC.
    pub(super) seen: (u64, Vec<u64>),
}

impl Vm {
    pub(super) fn new(vcpus: usize) -> Self {
        Self::with(KHZ, vcpus, |_| {})
    }

    /// A VM on a host of its own, whose kernel is made what it is by `set_up`.
    pub(super) fn with(khz: u32, vcpus: usize, set_up: impl FnOnce(&FakeKernel)) -> Self {
        let host = SimHost::with_counter_hz(u64::from(khz) * 1000);
        host.advance(7_777_777_777);
        let kernel = FakeKernel::new(&host, khz, vcpus);
        set_up(&kernel);
        let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
        let timeline = Timeline::new(&timebase);
        let clocks = ClockManager::new(Arc::clone(&timeline));
        let rtc = EpochClock::at_host_time(&timebase);
        clocks
            .register("rtc", Box::new(Arc::clone(&rtc)), Policy::Freeze)
            .unwrap();
        let time = KvmTime::new(&timebase, Box::new(kernel.clone())).unwrap();
        clocks
            .register(KVMCLOCK, Box::new(KvmClock::new(&time)), Policy::Freeze)
            .unwrap();
        let policy = time.tsc_setting().policy();
        clocks
            .register(TSC, Box::new(Tsc::new(&time)), policy)
            .unwrap();
        clocks.set_launcher(Arc::clone(&time) as Arc<dyn tod::clock::Launcher>);
        let gate = Arc::new(VcpuGate::new(Vec::new()));
        let mut run = RunControl::new(RunState::Prelaunch, gate, Arc::clone(&clocks));
        run.add_listener(Layer::Devices, Box::new(KvmTimeListener::new(&time)));
        Self {
            host,
            kernel,
            time,
            timeline,
            clocks,
            rtc,
            run,
            seen: (0, vec![0; vcpus]),
        }
    }

    pub(super) fn cont(&mut self) {
        self.run.cont(Cause::Monitor).unwrap();
        self.kernel.set_running(true);
        self.look();
    }

    /// Ready to run, but no vCPU comes.
    pub(super) fn cont_without_vcpu(&mut self) {
        let token = self.clocks.on_cont(Cause::Monitor);
        drop(token);
    }

    pub(super) fn stop(&mut self) {
        self.look();
        self.kernel.set_running(false);
        self.host.advance(EXIT_NS);
        self.run.stop(RunState::Paused, Cause::Monitor).unwrap();
    }

    /// As run control's stop, for a VM that [`Vm::cont_without_vcpu`] has made ready.
    pub(super) fn stop_again(&mut self) {
        use tod::run::RunListener as _;
        let parked = self.run.vcpus().park();
        KvmTimeListener::new(&self.time).on_stop(Cause::Monitor);
        self.clocks.on_stop(parked, Cause::Monitor);
    }

    pub(super) fn run_for(&mut self, ns: u64) {
        self.host.advance(ns);
        self.look();
    }

    /// The guest reads its clocks, which never go back (R7).
    pub(super) fn look(&mut self) {
        let clock = self.kernel.guest_clock();
        assert!(
            clock >= self.seen.0,
            "kvmclock {clock} after {}",
            self.seen.0
        );
        self.seen.0 = clock;
        for (vcpu, seen) in self.seen.1.iter_mut().enumerate() {
            let tsc = self.kernel.guest_tsc(vcpu);
            assert!(
                tsc.wrapping_sub(*seen) as i64 >= 0,
                "TSC {tsc} after {seen}"
            );
            *seen = tsc;
        }
    }

    /// Nanoseconds that the VM has run.
    pub(super) fn ran_ns(&self) -> u64 {
        self.timeline.now().as_ns()
    }

    pub(super) fn failures(&self, clock: &str) -> u64 {
        let report = self.clocks.report();
        let clock = report.clocks.iter().find(|one| one.name == clock);
        clock.unwrap().failures
    }

    /// What the guest has seen is of another time.
    pub(super) fn forget_seen(mut self) -> Self {
        self.seen = (0, self.seen.1.iter().map(|_| 0).collect());
        self
    }

    fn parts(&self) -> Vec<Box<dyn Part>> {
        vec![
            Box::new(KvmTimePart::new(&self.time)),
            Box::new(TimersPart::new(&self.time)),
        ]
    }

    /// Moves the guest, which is stopped here, to a VM that was made for it.
    pub(super) fn move_to(&mut self, mut there: Self) -> Self {
        there.kernel.load_registers(&self.kernel);
        for (from, mut to) in self.parts().into_iter().zip(there.parts()) {
            to.load(from.version(), &from.save().unwrap()).unwrap();
        }
        let saved = self.clocks.on_save(Cause::Migration);
        there.clocks.on_load(saved, None, Cause::Migration).unwrap();
        there.seen = self.seen.clone();
        there
    }
}
