//! Every interleaving of vCPUs and run control that a scheduler finds.

use super::{Kick, Passage, VcpuGate, VcpuPlace};
use crate::clock::{ClockManager, ClockState, EpochClock, Policy};
use crate::host::SimHost;
use crate::run::Cause;
use crate::timebase::Timebase;
use crate::timeline::Timeline;
use crate::value::{FineSpan, FineTod};
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::thread;
use std::sync::{Arc, Mutex};

const CPUS: usize = 2;

/// What a vCPU adds to the host's time with each instruction: whole units.
const STEP_NS: u64 = 125;

/// What passes while no vCPU is in the guest: more than all instructions together.
const GAP_NS: u64 = 1_000_000_000;

struct Vm {
    host: SimHost,
    clocks: Arc<ClockManager>,
    tod: Arc<EpochClock>,
    gate: VcpuGate,
    exits: Vec<Arc<AtomicBool>>,
    inside: AtomicUsize,
    /// Of all vCPUs, in the order of their instructions. No scheduling point is under this lock.
    guest: Mutex<Guest>,
}

#[derive(Default)]
struct Guest {
    instructions: u64,
    last: Option<FineTod>,
}

/// What a vCPU does.
#[derive(Clone, Copy)]
enum Kind {
    /// Executes until kicked.
    Busy,
    /// The same, with something to do between the gate and the first instruction.
    Late,
    /// Waits now and then, and comes back by itself.
    Idle,
}

impl Vm {
    fn new() -> Arc<Self> {
        let host = SimHost::with_counter_hz(2_048_000_000);
        let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
        let clocks = ClockManager::new(Timeline::new(&timebase));
        let tod = EpochClock::at_host_time(&timebase);
        clocks
            .register("tod", Box::new(tod.clone()), Policy::Freeze)
            .unwrap();
        // The clock's first stop is behind it (R4).
        let empty = VcpuGate::new(Vec::new());
        empty.open(clocks.on_cont(Cause::Launch));
        clocks.on_stop(empty.close_and_wait(), Cause::Monitor);
        let exits: Vec<Arc<AtomicBool>> = (0..CPUS).map(|_| Arc::default()).collect();
        let kicks = exits.iter().map(|exit| {
            let exit = Arc::clone(exit);
            Box::new(move || exit.store(true, Ordering::SeqCst)) as Kick
        });
        Arc::new(Self {
            host,
            clocks,
            tod,
            gate: VcpuGate::new(kicks.collect()),
            exits: exits.clone(),
            inside: AtomicUsize::new(0),
            guest: Mutex::default(),
        })
    }

    /// R7: no vCPU reads less than any before it.
    fn instruction(&self) {
        let mut guest = self.guest.lock().unwrap();
        let now = self.tod.fine_now();
        if let Some(last) = guest.last {
            assert!(now.since(last) >= FineSpan::ZERO, "the clock went back");
        }
        guest.last = Some(now);
        guest.instructions += 1;
        self.host.advance(STEP_NS);
    }

    fn vcpu(&self, cpu: usize, kind: Kind) {
        let seat = self.gate.seat(cpu).unwrap();
        loop {
            let passage = match kind {
                Kind::Late => seat.approach(),
                Kind::Busy | Kind::Idle => seat.pass(),
            };
            if passage == Passage::Quit {
                return;
            }
            if matches!(kind, Kind::Late) {
                thread::yield_now();
                if !self.gate.enter() {
                    continue;
                }
            }
            self.inside.fetch_add(1, Ordering::SeqCst);
            while !self.exits[cpu].swap(false, Ordering::SeqCst) {
                self.instruction();
                thread::yield_now();
                if matches!(kind, Kind::Idle) {
                    break;
                }
            }
            self.inside.fetch_sub(1, Ordering::SeqCst);
            if matches!(kind, Kind::Idle) {
                seat.leave();
                thread::yield_now();
            }
        }
    }

    fn value(&self) -> FineTod {
        match self.clocks.state("tod").unwrap() {
            ClockState::Stopped { base, .. } => base.value,
            other => panic!("{other:?}"),
        }
    }
}

fn stop_and_cont(kinds: [Kind; CPUS]) {
    let vm = Vm::new();
    let threads: Vec<_> = (0..CPUS)
        .map(|cpu| {
            let vm = Arc::clone(&vm);
            thread::spawn(move || vm.vcpu(cpu, kinds[cpu]))
        })
        .collect();
    let start = vm.value();
    for _ in 0..2 {
        let token = vm.clocks.on_cont(Cause::Monitor);
        // The host takes its time to wake the vCPUs ...
        vm.host.advance(GAP_NS);
        vm.gate.open(token);
        thread::yield_now();
        let parked = vm.gate.close_and_wait();
        assert_eq!(
            vm.inside.load(Ordering::SeqCst),
            0,
            "a vCPU is in the guest"
        );
        assert!(
            vm.gate
                .places()
                .iter()
                .all(|place| *place != VcpuPlace::Inside)
        );
        // ... and run control.
        vm.host.advance(GAP_NS);
        vm.clocks.on_stop(parked, Cause::Monitor);
        let guest = vm.guest.lock().unwrap();
        // Time has run while a vCPU did, and not longer.
        let ran = vm.value().since(start);
        assert!(ran <= FineSpan::from_ns(guest.instructions * STEP_NS));
        if let Some(last) = guest.last {
            assert!(vm.value().since(last) >= FineSpan::ZERO);
        }
        let ledger = vm.clocks.ledger();
        ledger.verify().unwrap();
        let account = ledger.account("tod").unwrap();
        assert_eq!(
            (account.run(), account.granted(), account.unexplained()),
            (ran, FineSpan::ZERO, FineSpan::ZERO)
        );
    }
    vm.gate.quit();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(vm.gate.places(), [VcpuPlace::Offline; CPUS]);
}

fn quit_while_running() {
    let vm = Vm::new();
    let threads: Vec<_> = [Kind::Busy, Kind::Late]
        .into_iter()
        .enumerate()
        .map(|(cpu, kind)| {
            let vm = Arc::clone(&vm);
            thread::spawn(move || vm.vcpu(cpu, kind))
        })
        .collect();
    vm.gate.open(vm.clocks.on_cont(Cause::Launch));
    vm.gate.quit();
    // Quitting is final.
    vm.gate.open(vm.clocks.on_cont(Cause::Monitor));
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A VM whose vCPUs all wait runs: its clocks start without any of them, and stop.
fn nobody_need_come() {
    let vm = Vm::new();
    let seat = vm.gate.seat(0).unwrap();
    let start = vm.value();
    vm.gate.open(vm.clocks.on_cont(Cause::Monitor));
    assert_eq!(seat.pass(), Passage::Run);
    seat.leave();
    vm.host.advance(STEP_NS);
    let parked = vm.gate.close_and_wait();
    assert!(!vm.exits[0].load(Ordering::SeqCst), "it was kicked");
    vm.host.advance(GAP_NS);
    vm.clocks.on_stop(parked, Cause::Monitor);
    assert_eq!(vm.value().since(start), FineSpan::from_ns(STEP_NS));
    vm.gate.open(vm.clocks.on_cont(Cause::Monitor));
    vm.host.advance(STEP_NS);
    assert_eq!(
        vm.tod.fine_now().since(start),
        FineSpan::from_ns(2 * STEP_NS)
    );
    assert_eq!(vm.gate.places()[0], VcpuPlace::Waiting);
    assert_eq!(seat.pass(), Passage::Run);
    assert_eq!(vm.gate.places()[0], VcpuPlace::Inside);
}

#[test]
fn no_interleaving_leaves_a_vcpu_inside_or_stuck_or_a_gap_in_the_guest() {
    for kinds in [
        [Kind::Busy, Kind::Busy],
        [Kind::Busy, Kind::Late],
        [Kind::Late, Kind::Late],
        [Kind::Busy, Kind::Idle],
        [Kind::Late, Kind::Idle],
    ] {
        shuttle::check_random(move || stop_and_cont(kinds), 1500);
        shuttle::check_pct(move || stop_and_cont(kinds), 1500, 3);
    }
}

#[test]
fn no_interleaving_survives_a_quit() {
    shuttle::check_random(quit_while_running, 3000);
}

#[test]
fn a_vm_whose_vcpus_all_wait_runs() {
    shuttle::check_random(nobody_need_come, 10);
}
