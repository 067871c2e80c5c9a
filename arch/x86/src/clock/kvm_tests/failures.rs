//! Every call failing (R1, R2, R6): the guest runs on, with clocks that run, and it is told.

use proptest::prelude::*;
use tod::clock::ClockError;
use tod::{Cause, ClockState};

use super::rig::{KHZ, SECOND, Vm};
use crate::clock::KvmTime;
use crate::clock::fake::{Call, Tsc};

const ERRNOS: [i32; 8] = [
    libc::EPERM,
    libc::EINTR,
    libc::EIO,
    libc::ENXIO,
    libc::EFAULT,
    libc::EBUSY,
    libc::EINVAL,
    libc::ENOTTY,
];

/// The clock whose failure the failure of a call at a stop or a cont is, if it is one's.
fn clock_of(call: Call) -> Option<&'static str> {
    match call {
        Call::GetClock | Call::SetClock => Some("kvmclock"),
        Call::GetOffset | Call::SetOffset => Some("tsc"),
        _ => None,
    }
}

#[test]
fn whatever_fails_the_vm_stops_and_runs_and_its_clocks_with_it() {
    for call in Call::ALL {
        for errno in ERRNOS {
            let mut vm = Vm::new(2);
            vm.cont();
            vm.run_for(SECOND);
            let fail = |vm: &Vm, fails: bool| {
                let mut state = vm.kernel.state();
                match fails {
                    true => state.failures.insert(call, errno),
                    false => state.failures.remove(&call),
                };
            };
            // At the stop, at the cont, at both, and then no more.
            for (at_stop, at_cont) in [(true, false), (false, true), (true, true), (false, false)] {
                fail(&vm, at_stop);
                vm.stop();
                vm.host.advance(3 * SECOND);
                fail(&vm, at_cont);
                vm.cont();
                vm.run_for(SECOND);
            }
            let all = vm.failures("kvmclock") + vm.failures("tsc");
            match clock_of(call) {
                Some(clock) => {
                    assert!(vm.failures(clock) > 0, "{call:?} {errno}");
                    assert_eq!(all, vm.failures(clock), "{call:?} {errno}");
                }
                None => assert_eq!(all, 0, "{call:?} {errno}"),
            }
            for clock in ["rtc", "kvmclock", "tsc"] {
                assert_eq!(vm.clocks.state(clock).unwrap(), ClockState::Running);
            }
            vm.clocks.ledger().verify().unwrap();
        }
    }
}

#[test]
fn a_clock_that_could_not_be_read_has_run_all_along() {
    let mut vm = Vm::new(1);
    vm.cont();
    vm.run_for(SECOND);
    let before = vm.kernel.guest_clock();
    vm.kernel.state().failures.insert(Call::GetClock, libc::EIO);
    vm.stop();
    assert!(matches!(
        vm.clocks.state("kvmclock").unwrap(),
        ClockState::FreeRunning { why, .. } if why.error.contains("read kvmclock")
    ));
    vm.host.advance(5 * SECOND);
    vm.kernel.state().failures.clear();
    vm.cont();
    let ran = vm.kernel.guest_clock() - before;
    assert!((5 * SECOND..5 * SECOND + 1_000_000).contains(&ran), "{ran}");
    // The next stop is kept again.
    vm.stop();
    vm.host.advance(5 * SECOND);
    let before = vm.seen.0;
    vm.cont();
    assert!(vm.kernel.guest_clock() - before < 1_000_000);
}

#[test]
fn a_clock_that_could_not_be_set_has_run_all_along() {
    let mut vm = Vm::new(2);
    vm.cont();
    vm.run_for(SECOND);
    let before = vm.kernel.guest_tsc(0);
    vm.stop();
    vm.host.advance(5 * SECOND);
    vm.kernel
        .state()
        .failures
        .insert(Call::SetOffset, libc::EIO);
    vm.cont();
    let cycles = vm.kernel.guest_tsc(0) - before;
    assert!(cycles > 5 * u64::from(KHZ) * 1000);
    let offsets = vm.kernel.offsets();
    assert_eq!(offsets[0], offsets[1], "all or none");
    assert_eq!(vm.failures("tsc"), 1);
}

#[test]
fn vcpus_counters_stay_alike_when_one_of_them_cannot_be_set() {
    let (mut calls, mut failed) = (0, 0);
    for number in 0.. {
        let mut vm = Vm::new(4);
        vm.cont();
        vm.run_for(SECOND);
        vm.stop();
        vm.host.advance(5 * SECOND);
        vm.kernel.state().calls.clear();
        vm.kernel.state().fail_at = Some(number);
        vm.cont();
        if vm.kernel.state().fail_at.is_some() {
            break;
        }
        calls += 1;
        failed += vm.failures("tsc");
        let offsets = vm.kernel.offsets();
        assert!(
            offsets.iter().all(|offset| *offset == offsets[0]),
            "{number}"
        );
        vm.run_for(SECOND);
        vm.stop();
        vm.cont();
        vm.clocks.ledger().verify().unwrap();
    }
    // Four offsets, set twice; and kvmclock twice, read once, the guest told on four vCPUs, the
    // PIT.
    assert_eq!(failed, 8);
    assert_eq!(calls, 16);
}

#[test]
fn a_launch_that_fails_leaves_the_clock_as_the_cont_has_set_it() {
    let mut vm = Vm::new(1);
    vm.cont();
    vm.run_for(SECOND);
    vm.stop();
    vm.host.advance(5 * SECOND);
    let before = vm.seen.0;
    // KVM_SET_CLOCK is called once at the cont, then at the start.
    let number = {
        let mut other = Vm::new(1);
        other.cont();
        other.stop();
        other.kernel.state().calls.clear();
        other.cont();
        let state = other.kernel.state();
        let sets = state.calls.iter().enumerate();
        let mut sets = sets.filter(|(_, call)| **call == Call::SetClock);
        sets.nth(1).unwrap().0 as u64
    };
    vm.kernel.state().fail_at = Some(number);
    vm.cont();
    assert!(vm.kernel.guest_clock() - before < 1_000_000);
    assert_eq!(vm.failures("kvmclock"), 1);
    assert_eq!(vm.clocks.state("kvmclock").unwrap(), ClockState::Running);
    vm.clocks.ledger().verify().unwrap();
}

#[test]
fn a_host_that_cannot_be_asked_is_no_host_for_a_machine() {
    let host = tod::SimHost::with_counter_hz(u64::from(KHZ) * 1000);
    let timebase = tod::Timebase::new(std::sync::Arc::new(host.clone())).unwrap();
    for (call, works) in [
        (Call::GetKhz, false),
        (Call::GetOffset, false),
        (Call::SetOffset, true),
        (Call::SetClock, true),
    ] {
        let kernel = crate::clock::fake::FakeKernel::new(&host, KHZ, 2);
        kernel.state().failures.insert(call, libc::EIO);
        let time = KvmTime::new(&timebase, Box::new(kernel));
        assert_eq!(time.is_ok(), works, "{call:?}");
        if let Err(error) = time {
            assert!(matches!(error, ClockError::Host { .. }));
        }
    }
    let kernel = crate::clock::fake::FakeKernel::new(&host, 0, 1);
    assert!(KvmTime::new(&timebase, Box::new(kernel)).is_err());
}

#[derive(Debug, Clone)]
enum Step {
    Run(u64),
    Wait(u64),
    Stop,
    Cont,
    NoVcpu,
    FailAt(u64),
    Fail(Call, i32),
    Mend,
    Save,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..3 * SECOND).prop_map(Step::Run),
        (0..20 * SECOND).prop_map(Step::Wait),
        Just(Step::Stop),
        Just(Step::Cont),
        Just(Step::NoVcpu),
        (0..40_u64).prop_map(Step::FailAt),
        (
            prop::sample::select(&Call::ALL[..]),
            prop::sample::select(&ERRNOS[..])
        )
            .prop_map(|(call, errno)| Step::Fail(call, errno)),
        Just(Step::Mend),
        Just(Step::Save),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The rig asserts at every look that no clock of the guest goes back.
    #[test]
    fn r7_no_order_of_events_and_failures_sets_a_clock_back(
        vcpus in 1_usize..4,
        tsc in prop::sample::select(&[Tsc::Offset, Tsc::Msr, Tsc::Fixed][..]),
        says_tsc: bool,
        steps in steps(),
    ) {
        let mut vm = Vm::with(KHZ, vcpus, |kernel| {
            let mut state = kernel.state();
            (state.tsc, state.says_tsc) = (tsc, says_tsc);
        });
        let mut running = false;
        for step in steps {
            match step {
                Step::Run(ns) if running => vm.run_for(ns),
                Step::Wait(ns) if !running => vm.host.advance(ns),
                Step::Stop if running => {
                    vm.stop();
                    running = false;
                }
                Step::Cont if !running => {
                    vm.cont();
                    running = true;
                }
                Step::NoVcpu if !running => {
                    vm.cont_without_vcpu();
                    vm.host.advance(50_000);
                    vm.stop_again();
                }
                Step::FailAt(number) => vm.kernel.state().fail_at = Some(number),
                Step::Fail(call, errno) => {
                    vm.kernel.state().failures.insert(call, errno);
                }
                Step::Mend => vm.kernel.state().failures.clear(),
                Step::Save if !running => drop(vm.clocks.on_save(Cause::Snapshot)),
                _ => {}
            }
            vm.clocks.ledger().verify().unwrap();
        }
    }
}
