//! From when to when the VM ran: between a cont and the first vCPU in the guest, and between
//! the last one out of it and the stop, no guest time passes.

use crate::vm::{SECOND, Vm};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tod::clock::{Launcher, Ready};
use tod::ledger::{Entry, Event};
use tod::{
    Captured, Cause, ClockBackend, ClockError, ClockState, FaultPoint, FineSpan, FineTod,
    HostReading, Policy, Tod, VmDuration,
};

/// How long a host takes to wake a thread.
const WAKING: u64 = 50_000;

fn units(ns: u64) -> u128 {
    u128::from(ns) * 512 / 125
}

fn entries(vm: &Vm, wanted: &Event) -> Vec<Entry> {
    let ledger = vm.clocks.ledger();
    let entries = ledger.entries().filter(|entry| entry.event == *wanted);
    entries.cloned().collect()
}

/// A VM that has run and stands, and its clock.
fn stopped(policy: Policy) -> (Vm, Arc<tod::EpochClock>, Tod) {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", policy);
    vm.cont();
    vm.stop();
    vm.host.advance(SECOND);
    let ClockState::Stopped { base, .. } = vm.clocks.state("tod").unwrap() else {
        panic!("it has stopped");
    };
    (vm, tod, base.tod())
}

#[test]
fn time_starts_with_the_first_vcpu() {
    let (mut vm, tod, value) = stopped(Policy::Freeze);
    let timeline = vm.timeline.now();
    let timer = vm.timeline.timer("alarm", |_| {});
    timer.arm(timeline.saturating_add(VmDuration::from_ns_ceil(WAKING)));
    vm.cont_late();
    vm.host.advance(WAKING);
    assert_eq!((tod.now(), vm.timeline.now()), (value, timeline));
    assert_eq!(vm.timeline.run_due(), 0, "R8: nothing fires before");
    // It is told as running, by the value that it starts with.
    assert_eq!(vm.clocks.state("tod").unwrap(), ClockState::Running);
    assert_eq!(vm.clocks.report().clocks[0].guest, Some(value));
    vm.clocks.tick();
    let entered = vm.timebase.reading();
    vm.run.vcpus().enter();
    assert_eq!((tod.now(), vm.timeline.now()), (value, timeline));
    assert_eq!(vm.timeline.ns_to_next_deadline(), Some(WAKING));
    vm.host.advance(WAKING);
    assert_eq!(tod.now().units_since(value), units(WAKING));
    assert_eq!(vm.timeline.run_due(), 1);
    vm.stop();
    let conts = entries(&vm, &Event::Cont(Cause::Monitor));
    assert_eq!(conts.last().unwrap().at, entered);
    assert_eq!(conts.last().unwrap().granted, FineSpan::ZERO);
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(account.run(), FineSpan::from_ns(WAKING));
    assert_eq!(account.granted(), FineSpan::ZERO);
    assert_eq!(account.unexplained(), FineSpan::ZERO);
}

#[test]
fn a_vm_that_nobody_entered_has_not_run() {
    for policy in [Policy::Freeze, Policy::Slew { rate_ppm: 500 }] {
        let (mut vm, tod, value) = stopped(policy);
        for cycle in 1..=1000 {
            vm.cont_late();
            vm.host.advance(WAKING);
            vm.stop();
            let ClockState::Stopped { base, owed, .. } = vm.clocks.state("tod").unwrap() else {
                panic!("it has stopped");
            };
            assert_eq!(base.tod(), value);
            let gap = SECOND + cycle * WAKING;
            match policy {
                Policy::Slew { .. } => assert_eq!(owed, FineSpan::from_ns(gap)),
                _ => assert_eq!(owed, FineSpan::ZERO),
            }
        }
        assert_eq!(vm.timeline.now().units(), 0);
        let ledger = vm.clocks.ledger();
        ledger.verify().unwrap();
        let account = ledger.account("tod").unwrap();
        assert_eq!(
            (account.run(), account.granted(), account.unexplained()),
            (FineSpan::ZERO, FineSpan::ZERO, FineSpan::ZERO)
        );
        vm.cont();
        assert_eq!(tod.now(), value);
    }
}

#[test]
fn a_clock_that_catches_up_does_so_while_it_waits() {
    let (mut vm, tod, value) = stopped(Policy::CatchUp);
    vm.cont_late();
    vm.host.advance(WAKING);
    vm.run.vcpus().enter();
    assert_eq!(tod.now().units_since(value), units(SECOND + WAKING));
    vm.host.advance(SECOND);
    vm.stop();
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(account.run(), FineSpan::from_ns(SECOND));
    assert_eq!(account.granted(), FineSpan::from_ns(SECOND + WAKING));
    let cont = entries(&vm, &Event::Cont(Cause::Monitor)).pop().unwrap();
    assert_eq!(cont.granted, FineSpan::from_ns(SECOND + WAKING));
    let moved = cont.after.unwrap().units_since(cont.before.unwrap());
    assert_eq!(moved, units(SECOND + WAKING));
}

#[test]
fn a_clock_that_cannot_be_made_ready_has_run_all_along() {
    let (mut vm, tod, value) = stopped(Policy::Freeze);
    vm.clocks.inject("tod", FaultPoint::Install, 1).unwrap();
    vm.cont_late();
    vm.host.advance(WAKING);
    assert_eq!(tod.now().units_since(value), units(SECOND + WAKING));
    vm.run.vcpus().enter();
    vm.host.advance(SECOND);
    vm.stop();
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(account.granted(), FineSpan::from_ns(SECOND + WAKING));
    assert_eq!(account.run(), FineSpan::from_ns(SECOND));
}

/// A clock that is set by a call, as a kernel's is, and runs from there.
struct Kernel(Arc<tod::EpochClock>);

impl ClockBackend for Kernel {
    fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError> {
        ClockBackend::capture(&mut self.0, at)
    }

    fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError> {
        ClockBackend::install(&mut self.0, value, at)
    }
}

#[test]
fn what_a_kernel_s_clock_runs_before_the_first_vcpu_is_granted() {
    let mut vm = Vm::new();
    let clock = tod::EpochClock::at_host_time(&vm.timebase);
    vm.clocks
        .register("tod", Box::new(Kernel(clock)), Policy::Freeze)
        .unwrap();
    vm.cont();
    vm.stop();
    vm.host.advance(SECOND);
    vm.cont_late();
    vm.host.advance(WAKING);
    vm.run.vcpus().enter();
    vm.host.advance(SECOND);
    vm.stop();
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(account.granted(), FineSpan::from_ns(WAKING));
    assert_eq!(account.run(), FineSpan::from_ns(SECOND));
    assert_eq!(account.unexplained(), FineSpan::ZERO);
}

/// The same, set once more by the launcher when the VM starts, for a moment that is past by then.
struct Launched(Kernel);

impl ClockBackend for Launched {
    fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError> {
        self.0.capture(at)
    }

    fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError> {
        self.0.install(value, at)
    }

    fn make_ready(&mut self, value: &Captured, at: &HostReading) -> Result<Ready, ClockError> {
        self.install(value, at).map(|()| Ready::Launched)
    }
}

struct Launch {
    clock: Arc<tod::EpochClock>,
    host: tod::SimHost,
    timebase: Arc<tod::Timebase>,
    value: FineTod,
    fails: bool,
}

/// How long the launcher takes after the moment from which the clocks run.
const LAUNCHING: u64 = 5_000;

impl Launcher for Launch {
    fn launch(&self) -> tod::clock::Launched {
        let at = self.timebase.reading();
        let failures = match self.fails {
            true => vec![("tod".into(), ClockError::Injected)],
            false => {
                let value = Captured {
                    value: self.value,
                    error_ns: 0,
                    stepped: None,
                };
                ClockBackend::install(&mut Arc::clone(&self.clock), &value, &at).unwrap();
                vec![]
            }
        };
        self.host.advance(LAUNCHING);
        let from = Some(at.counter);
        tod::clock::Launched { from, failures }
    }
}

fn launched(fails: bool) -> (Vm, Arc<tod::EpochClock>, Arc<tod::EpochClock>) {
    let mut vm = Vm::new();
    let clock = tod::EpochClock::at_host_time(&vm.timebase);
    let backend = Launched(Kernel(Arc::clone(&clock)));
    vm.clocks
        .register("tod", Box::new(backend), Policy::Freeze)
        .unwrap();
    let other = vm.clock("other", Policy::Freeze);
    vm.cont();
    vm.stop();
    vm.host.advance(SECOND);
    let ClockState::Stopped { base, .. } = vm.clocks.state("tod").unwrap() else {
        panic!("it has stopped");
    };
    vm.clocks.set_launcher(Arc::new(Launch {
        clock: Arc::clone(&clock),
        host: vm.host.clone(),
        timebase: Arc::clone(&vm.timebase),
        value: base.value,
        fails,
    }));
    vm.cont_late();
    vm.host.advance(WAKING);
    vm.run.vcpus().enter();
    vm.host.advance(SECOND);
    vm.stop();
    (vm, clock, other)
}

#[test]
fn all_clocks_run_from_the_moment_that_the_launcher_says() {
    let (vm, clock, other) = launched(false);
    assert_eq!(clock.now().units_since(other.now()), 0);
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    for name in ["tod", "other"] {
        let account = ledger.account(name).unwrap();
        assert_eq!(account.granted(), FineSpan::ZERO, "{name}");
        assert_eq!(account.run(), FineSpan::from_ns(SECOND + LAUNCHING));
        assert_eq!(account.unexplained(), FineSpan::ZERO);
    }
    let ran = u128::from(vm.timeline.now().units());
    assert_eq!(ran, units(SECOND + LAUNCHING));
}

#[test]
fn a_clock_that_could_not_be_launched_has_run_since_it_was_made_ready() {
    let (vm, ..) = launched(true);
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(account.granted(), FineSpan::from_ns(WAKING));
    assert_eq!(account.run(), FineSpan::from_ns(SECOND + LAUNCHING));
    assert_eq!(account.unexplained(), FineSpan::ZERO);
    let fallbacks = ledger.entries().filter(|entry| {
        matches!(&entry.event, Event::Fallback { error, .. } if error.contains("asked for"))
    });
    assert_eq!(fallbacks.count(), 1);
    assert_eq!(vm.clocks.report().clocks[0].failures, 1);
}

#[test]
fn time_stops_with_the_last_vcpu() {
    let (mut vm, tod, value) = stopped(Policy::Freeze);
    let fired = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fired);
    let timer = vm.timeline.timer("alarm", move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    vm.cont();
    timer.arm(
        vm.timeline
            .now()
            .saturating_add(VmDuration::from_ns_ceil(SECOND + WAKING)),
    );
    vm.host.advance(SECOND);
    // Run control's thread takes its time to wake up.
    let parked = vm.run.vcpus().gate.close_and_wait();
    vm.host.advance(2 * WAKING);
    assert_eq!(vm.timeline.run_due(), 0, "R8: nothing fires while stopped");
    vm.clocks.on_stop(parked, Cause::Monitor);
    let ran = vm.timeline.now();
    assert_eq!(u128::from(ran.units()), units(SECOND));
    vm.host.advance(SECOND);
    let token = vm.clocks.on_cont(Cause::Monitor);
    vm.run.vcpus().gate.open(token);
    assert_eq!(tod.now().units_since(value), units(SECOND));
    assert_eq!(vm.timeline.ns_to_next_deadline(), Some(WAKING));
    vm.host.advance(WAKING);
    assert_eq!(
        (vm.timeline.run_due(), fired.load(Ordering::SeqCst)),
        (1, 1)
    );
    vm.clocks.ledger().verify().unwrap();
}

/// What a reset does: the vCPUs stand for a moment, the clocks do not.
#[test]
fn vcpus_that_park_without_a_stop_leave_no_gap() {
    let (mut vm, tod, value) = stopped(Policy::Freeze);
    vm.cont();
    let timer = vm.timeline.timer("alarm", |_| {});
    timer.arm(vm.timeline.now());
    drop(vm.run.vcpus().gate.close_and_wait());
    vm.host.advance(WAKING);
    assert_eq!(vm.timeline.run_due(), 0, "the vCPUs stand");
    let token = vm.clocks.on_cont(Cause::GuestReset);
    vm.run.vcpus().gate.open(token);
    assert_eq!(vm.timeline.run_due(), 1);
    assert_eq!(tod.now().units_since(value), units(WAKING));
    // Also when the VM stops from there.
    drop(vm.run.vcpus().gate.close_and_wait());
    vm.host.advance(WAKING);
    vm.stop();
    vm.cont();
    assert_eq!(tod.now().units_since(value), units(2 * WAKING));
    vm.stop();
    vm.clocks.ledger().verify().unwrap();
}

#[test]
fn a_slewing_clock_owes_also_what_it_waited() {
    let (mut vm, tod, value) = stopped(Policy::Slew { rate_ppm: 100_000 });
    vm.cont_late();
    vm.host.advance(SECOND);
    vm.run.vcpus().enter();
    assert_eq!(tod.now(), value);
    for _ in 0..30 {
        vm.host.advance(SECOND);
        vm.clocks.tick();
    }
    assert_eq!(tod.now().units_since(value), units(32 * SECOND));
    vm.stop();
    vm.clocks.ledger().verify().unwrap();
}
