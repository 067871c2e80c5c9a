//! R8 for the timers that the kernel keeps.

use super::rig::{KHZ, SECOND, Vm};
use crate::clock::fake::Call;

const ONE_SHOT: u32 = 0;
const PERIODIC: u32 = 1;
const MS: u64 = 1_000_000;

/// What a read and a set of a timer take at most, with all that is between.
const LATE: u64 = 60_000;

/// When a vCPU's timer has fired, on the VM's timeline: `(host time, VM time)` pairs are equal
/// while the VM runs, so a host time is told by the last pair before it.
struct Log {
    pairs: Vec<(u64, u64)>,
}

impl Log {
    fn new(vm: &Vm) -> Self {
        let mut log = Self { pairs: vec![] };
        log.mark(vm);
        log
    }

    fn mark(&mut self, vm: &Vm) {
        let host = tod::HostClock::sample(&vm.host).unwrap().monotonic_ns;
        self.pairs.push((host, vm.ran_ns()));
    }

    fn vm_time(&self, host_ns: u64) -> u64 {
        let before = self.pairs.iter().rev().find(|(host, _)| *host <= host_ns);
        let (host, vm) = before.unwrap();
        vm + (host_ns - host)
    }

    fn fired(&self, vm: &Vm, vcpu: usize) -> Vec<u64> {
        let fired = vm.kernel.fired_ns(vcpu);
        fired.into_iter().map(|at| self.vm_time(at)).collect()
    }
}

fn stop_and_cont(vm: &mut Vm, log: &mut Log, gap: u64) {
    vm.stop();
    vm.host.advance(gap);
    vm.cont();
    log.mark(vm);
}

#[test]
fn a_one_shot_fires_once_after_what_was_left() {
    let mut vm = Vm::new(2);
    vm.cont();
    let mut log = Log::new(&vm);
    let start = vm.ran_ns();
    vm.kernel.guest_starts_timer(1, ONE_SHOT, 100 * MS as u32);
    for _ in 0..5 {
        vm.run_for(10 * MS);
        stop_and_cont(&mut vm, &mut log, 3 * SECOND);
        assert!(vm.kernel.fired_ns(1).is_empty(), "early");
    }
    vm.run_for(200 * MS);
    let fired = log.fired(&vm, 1);
    assert_eq!(fired.len(), 1);
    let late = fired[0] as i64 - (start + 100 * MS) as i64;
    assert!((0..5 * LATE as i64).contains(&late), "{late}");
    stop_and_cont(&mut vm, &mut log, SECOND);
    vm.run_for(SECOND);
    assert_eq!(vm.kernel.fired_ns(1).len(), 1);
    assert!(vm.kernel.fired_ns(0).is_empty());
}

#[test]
fn a_timer_that_has_just_been_started_is_not_early_either() {
    let mut vm = Vm::new(1);
    vm.cont();
    let mut log = Log::new(&vm);
    vm.run_for(SECOND);
    let start = vm.ran_ns();
    vm.kernel.guest_starts_timer(0, ONE_SHOT, 10 * MS as u32);
    stop_and_cont(&mut vm, &mut log, SECOND);
    vm.run_for(SECOND);
    let fired = log.fired(&vm, 0);
    let late = fired[0] as i64 - (start + 10 * MS) as i64;
    assert!((0..LATE as i64).contains(&late), "{late}");
}

#[test]
fn a_periodic_timer_keeps_its_phase_and_makes_up_for_nothing() {
    let mut vm = Vm::new(1);
    vm.cont();
    let mut log = Log::new(&vm);
    let start = vm.ran_ns();
    vm.kernel.guest_starts_timer(0, PERIODIC, 4 * MS as u32);
    for _ in 0..20 {
        vm.run_for(10 * MS + 300_000);
        stop_and_cont(&mut vm, &mut log, SECOND);
    }
    vm.run_for(4 * MS);
    let fired = log.fired(&vm, 0);
    let ran = vm.ran_ns() - start;
    assert!(fired.len().abs_diff((ran / (4 * MS)) as usize) <= 1);
    let mut last = start;
    for at in fired {
        let apart = at - last;
        assert!((4 * MS..4 * MS + LATE).contains(&apart), "{apart}");
        last = at;
    }
}

#[test]
fn a_tsc_deadline_stays_where_the_guest_has_set_it() {
    let mut vm = Vm::new(2);
    vm.cont();
    let mut log = Log::new(&vm);
    let start = vm.ran_ns();
    let deadline = vm.kernel.guest_tsc(0) + u64::from(KHZ) * 50;
    vm.kernel.guest_sets_deadline(0, deadline);
    for _ in 0..4 {
        vm.run_for(10 * MS);
        stop_and_cont(&mut vm, &mut log, SECOND);
        assert!(vm.kernel.fired_ns(0).is_empty(), "early");
    }
    vm.run_for(9 * MS);
    assert!(vm.kernel.fired_ns(0).is_empty(), "early");
    vm.run_for(2 * MS);
    let fired = log.fired(&vm, 0);
    assert_eq!(fired.len(), 1);
    let late = fired[0] as i64 - (start + 50 * MS) as i64;
    assert!((-2_000..LATE as i64).contains(&late), "{late}");
}

#[test]
fn a_deadline_that_passed_before_the_stop_fires_at_cont() {
    let mut vm = Vm::new(1);
    vm.cont();
    vm.kernel.set_running(false);
    let deadline = vm.kernel.guest_tsc(0) + 100;
    vm.kernel.guest_sets_deadline(0, deadline);
    vm.host.advance(5_000);
    vm.stop();
    vm.host.advance(SECOND);
    vm.cont();
    vm.run_for(100);
    assert_eq!(vm.kernel.fired_ns(0).len(), 1);
}

#[test]
fn the_pit_is_out_while_the_vm_stands_and_begins_anew() {
    let mut vm = Vm::new(1);
    vm.cont();
    vm.run_for(SECOND);
    let running = vm.kernel.state().pit.unwrap();
    vm.stop();
    assert_eq!(vm.kernel.state().pit.unwrap().channels[0].mode, 5);
    vm.host.advance(SECOND);
    let now = tod::HostClock::sample(&vm.host).unwrap().monotonic_ns;
    vm.cont();
    let state = vm.kernel.state();
    assert_eq!(state.pit.unwrap(), running);
    assert!(state.pit_set_ns >= now);
}

#[test]
fn timers_that_cannot_be_read_or_set_run_on() {
    for call in [
        Call::GetLapic,
        Call::SetLapic,
        Call::GetMsr,
        Call::SetMsr,
        Call::GetPit,
        Call::SetPit,
    ] {
        let mut vm = Vm::new(2);
        vm.cont();
        let deadline = vm.kernel.guest_tsc(0) + u64::from(KHZ) * 500;
        vm.kernel.guest_sets_deadline(0, deadline);
        vm.kernel.guest_starts_timer(1, ONE_SHOT, 500 * MS as u32);
        vm.kernel.state().failures.insert(call, libc::EIO);
        vm.run_for(MS);
        vm.stop();
        vm.host.advance(SECOND);
        vm.cont();
        vm.kernel.state().failures.clear();
        vm.run_for(SECOND);
        for vcpu in 0..2 {
            assert_eq!(vm.kernel.fired_ns(vcpu).len(), 1, "{call:?} {vcpu}");
        }
    }
}

#[test]
fn a_reset_forgets_the_timers_of_before() {
    let mut vm = Vm::new(1);
    vm.cont();
    vm.kernel.guest_starts_timer(0, PERIODIC, 4 * MS as u32);
    vm.run_for(MS);
    vm.stop();
    vm.kernel.guest_starts_timer(0, ONE_SHOT, 0);
    vm.time.reset();
    vm.cont();
    vm.run_for(SECOND);
    assert!(vm.kernel.fired_ns(0).is_empty());
}
