//! Stop and cont without failures.

use tod::{FineSpan, Policy};

use super::rig::{KHZ, SECOND, Vm};
use crate::clock::TscSetting;
use crate::clock::fake::{Call, FakeKernel, Tsc};

const CYCLES: u64 = 1000;

fn cycles_in(ns: u64) -> u64 {
    (u128::from(ns) * u128::from(KHZ) / 1_000_000) as u64
}

/// Runs and stands in turn; how far kvmclock and the TSC have moved beyond the time run.
fn drift(vm: &mut Vm, cycles: u64) -> (i64, i64) {
    vm.cont();
    let start = (vm.ran_ns(), vm.kernel.guest_clock(), vm.kernel.guest_tsc(0));
    for cycle in 0..cycles {
        vm.run_for(1_000_003 + 17 * cycle);
        vm.stop();
        vm.host.advance(3 * SECOND + cycle);
        vm.cont();
    }
    let ran = vm.ran_ns() - start.0;
    let clock = vm.kernel.guest_clock() - start.1;
    let tsc = vm.kernel.guest_tsc(0) - start.2;
    (
        clock as i64 - ran as i64,
        tsc as i64 - cycles_in(ran) as i64,
    )
}

#[test]
fn r10_a_thousand_cycles_lose_no_cycle_and_no_nanosecond() {
    for vcpus in [1, 2, 4] {
        let mut vm = Vm::new(vcpus);
        assert_eq!(vm.time.tsc_setting(), TscSetting::Offset);
        let (clock, tsc) = drift(&mut vm, CYCLES);
        // The TSC is exact, but for the rounding of the comparison. Of kvmclock each reading is
        // rounded down and each start up to a nanosecond.
        assert!(tsc.abs() <= 4, "{tsc} cycles");
        assert!(clock.unsigned_abs() <= CYCLES / 2, "{clock} ns");
        assert_eq!(vm.failures("kvmclock") + vm.failures("tsc"), 0);
        vm.clocks.ledger().verify().unwrap();
    }
}

#[test]
fn each_cycle_moves_kvmclock_by_no_more_than_a_nanosecond_beyond_the_time_run() {
    let mut vm = Vm::new(2);
    vm.cont();
    for cycle in 0..CYCLES {
        let before = (vm.ran_ns(), vm.kernel.guest_clock(), vm.kernel.guest_tsc(1));
        vm.run_for(2_000_000 + cycle * 1009);
        vm.stop();
        vm.host.advance(SECOND);
        vm.cont();
        let ran = vm.ran_ns() - before.0;
        let clock = vm.kernel.guest_clock() - before.1;
        let tsc = vm.kernel.guest_tsc(1) - before.2;
        assert!(clock.abs_diff(ran) <= 2, "{clock} in {ran}");
        assert!(tsc.abs_diff(cycles_in(ran)) <= 3, "{tsc} in {ran}");
    }
}

#[test]
fn all_clocks_start_from_one_moment() {
    let mut vm = Vm::new(4);
    vm.cont();
    let relation = |vm: &Vm| {
        let clock = i128::from(vm.kernel.guest_clock());
        let tsc = i128::from(vm.kernel.guest_tsc(0)) * 1_000_000 / i128::from(KHZ);
        let rtc = vm.rtc.now().to_ns();
        (clock - tsc, rtc - clock)
    };
    let first = relation(&vm);
    const CYCLES: i128 = 200;
    for _ in 0..CYCLES {
        vm.run_for(5_000_017);
        vm.stop();
        vm.host.advance(86_400 * SECOND);
        vm.cont();
        let now = relation(&vm);
        // A nanosecond for each reading that is rounded.
        assert!((now.0 - first.0).abs() <= CYCLES, "kvmclock less TSC");
        assert!((now.1 - first.1).abs() <= CYCLES, "RTC less kvmclock");
        let offsets = vm.kernel.offsets();
        assert!(offsets.iter().all(|offset| *offset == offsets[0]));
    }
}

#[test]
fn a_start_is_at_its_moment_however_long_calls_take() {
    for call_ns in [
        (0, 0),
        (100, 100),
        (4_000, 500),
        (500, 4_000),
        (9_000, 9_000),
    ] {
        let mut vm = Vm::with(KHZ, 4, |kernel| kernel.state().call_ns = call_ns);
        vm.cont();
        for cycle in 0..20 {
            vm.run_for(1_000_000);
            vm.stop();
            vm.host.advance(SECOND);
            let ran = vm.ran_ns();
            vm.cont();
            let late = vm.ran_ns() - ran;
            // What calls take is known after the first start.
            assert!(
                cycle == 0 || late <= 3_000,
                "{late} ns late with {call_ns:?}"
            );
        }
    }
}

#[test]
fn without_the_host_s_counter_in_the_answer_kvmclock_only_gains_what_calls_take() {
    let mut vm = Vm::with(KHZ, 2, |kernel| kernel.state().says_tsc = false);
    let (clock, tsc) = drift(&mut vm, 100);
    assert!((0..=100 * 2 * 1_200).contains(&clock), "{clock} ns");
    assert!(tsc.abs() <= 4);
    let error = vm.clocks.report().clocks[1].error_ns.unwrap();
    assert!((1_000..2_000).contains(&error), "{error}");
}

#[test]
fn a_host_counter_that_is_not_the_tsc_is_related_to_it() {
    let mut vm = Vm::with(KHZ, 2, FakeKernel::has_another_counter);
    let (clock, tsc) = drift(&mut vm, 100);
    assert!(clock.abs() <= 100, "{clock} ns");
    assert!(tsc.abs() <= 400, "{tsc} cycles");
}

#[test]
fn a_vcpu_whose_tsc_the_guest_has_moved_keeps_its_difference() {
    let mut vm = Vm::new(3);
    vm.cont();
    vm.run_for(SECOND);
    vm.kernel.guest_moves_tsc(2, 12_345);
    for _ in 0..10 {
        vm.run_for(SECOND);
        vm.stop();
        vm.host.advance(SECOND);
        vm.cont();
        let offsets = vm.kernel.offsets();
        assert_eq!(offsets[1], offsets[0]);
        assert_eq!(offsets[2].wrapping_sub(offsets[0]), 12_345);
    }
}

#[test]
fn a_tsc_that_cannot_be_set_catches_up_and_is_no_failure() {
    let mut vm = Vm::with(KHZ, 2, |kernel| kernel.state().tsc = Tsc::Fixed);
    assert_eq!(vm.time.tsc_setting(), TscSetting::Nothing);
    assert_eq!(vm.clocks.report().clocks[2].policy, Policy::CatchUp);
    vm.cont();
    let start = (vm.kernel.guest_clock(), vm.ran_ns());
    for _ in 0..50 {
        vm.run_for(1_000_000);
        vm.stop();
        vm.host.advance(10 * SECOND);
        vm.cont();
    }
    let (clock, ran) = (vm.kernel.guest_clock() - start.0, vm.ran_ns() - start.1);
    assert!(clock.abs_diff(ran) <= 50, "kvmclock is kept");
    assert_eq!(vm.failures("tsc"), 0);
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    let granted = ledger.account("tsc").unwrap().granted();
    assert!(granted > FineSpan::from_ns(500 * SECOND));
}

#[test]
fn through_the_msr_a_long_stop_is_kept_and_a_short_one_told() {
    let mut vm = Vm::with(KHZ, 2, |kernel| kernel.state().tsc = Tsc::Msr);
    assert_eq!(vm.time.tsc_setting(), TscSetting::Msr);
    vm.cont();
    let before = (vm.kernel.guest_tsc(1), vm.ran_ns());
    vm.run_for(SECOND);
    vm.stop();
    vm.host.advance(10 * SECOND);
    vm.cont();
    assert_eq!(vm.failures("tsc"), 0);
    let tsc = vm.kernel.guest_tsc(1) - before.0;
    let ran = cycles_in(vm.ran_ns() - before.1);
    assert!(tsc.abs_diff(ran) < cycles_in(40_000), "{tsc} in {ran}");
    vm.stop();
    // The kernel takes the value for an attempt to synchronise.
    vm.host.advance(SECOND / 2);
    vm.cont();
    assert_eq!(vm.failures("tsc"), 1);
    vm.run_for(SECOND);
    vm.clocks.ledger().verify().unwrap();
}

#[test]
fn a_vm_that_no_vcpu_entered_has_not_run() {
    let mut vm = Vm::new(2);
    vm.cont();
    vm.run_for(SECOND);
    vm.stop();
    let before = vm.ran_ns();
    for _ in 0..1000 {
        vm.cont_without_vcpu();
        vm.host.advance(50_000);
        vm.stop_again();
    }
    assert_eq!(vm.ran_ns(), before);
    let clock = vm.clocks.state("kvmclock").unwrap();
    vm.cont_without_vcpu();
    vm.stop_again();
    let tod::ClockState::Stopped { base, .. } = clock else {
        panic!("{clock:?}");
    };
    vm.clocks.ledger().verify().unwrap();
    vm.cont();
    let clock = vm.kernel.guest_clock();
    let shown = tod::clock::scale::ns_from_elapsed(base.value);
    assert!(clock.abs_diff(shown) < 10_000, "{clock} {shown}");
}

#[test]
fn the_guest_is_told_of_every_stop_and_of_no_first_start() {
    let mut vm = Vm::new(3);
    let told = |kernel: &FakeKernel| {
        let state = kernel.state();
        state
            .calls
            .iter()
            .filter(|call| **call == Call::Ctrl)
            .count()
    };
    vm.cont();
    assert_eq!(told(&vm.kernel), 0);
    vm.stop();
    vm.cont();
    assert_eq!(told(&vm.kernel), 3);
}
