//! To another host, and back from a file.

use migration::{Part, PartError};
use tod::{Cause, ClockState};

use super::rig::{KHZ, SECOND, Vm};
use crate::clock::fake::{Call, Tsc};
use crate::clock::{KvmTimePart, TimersPart};

/// A host that has been up for another time, so that its TSC shows something else.
fn elsewhere(khz: u32, vcpus: usize, up: u64) -> Vm {
    let vm = Vm::with(khz, vcpus, |_| {});
    vm.host.advance(up);
    vm
}

#[test]
fn clocks_stand_until_cont_and_go_on_where_they_stopped() {
    let mut here = Vm::new(3);
    here.cont();
    here.run_for(7 * SECOND);
    here.kernel.guest_moves_tsc(2, 5000);
    here.kernel.guest_sets_page(1, 0x5001);
    let deadline = here.kernel.guest_tsc(1) + u64::from(KHZ) * 20;
    here.kernel.guest_sets_deadline(1, deadline);
    let mut vm = here;
    for hop in 0..20 {
        vm.stop();
        let stopped = (vm.seen.0, vm.seen.1[0]);
        vm = vm.move_to(elsewhere(KHZ, 3, 1_000 * SECOND * (hop + 1)));
        vm.host.advance(5 * SECOND);
        assert!(matches!(
            vm.clocks.state("kvmclock").unwrap(),
            ClockState::Stopped { .. }
        ));
        vm.cont();
        let clock = vm.kernel.guest_clock() - stopped.0;
        let tsc = vm.kernel.guest_tsc(0) - stopped.1;
        // The stop is when the last vCPU had left, and the look came before that.
        assert!(clock < 10_000, "{clock} ns");
        assert!(tsc < 30_000, "{tsc} cycles");
        let offsets = vm.kernel.offsets();
        assert_eq!(vm.kernel.clock_registers(1), (0, 0x5001));
        assert_eq!(vm.kernel.clock_registers(2), (5000, 0));
        assert_eq!(offsets[1], offsets[0]);
        assert_eq!(offsets[2].wrapping_sub(offsets[0]), 5000);
        vm.run_for(900_000);
    }
    assert!(vm.kernel.fired_ns(1).is_empty());
    vm.run_for(3_000_000);
    assert_eq!(vm.kernel.fired_ns(1).len(), 1, "the deadline came along");
    assert_eq!(vm.failures("tsc") + vm.failures("kvmclock"), 0);
    vm.clocks.ledger().verify().unwrap();
}

#[test]
fn another_frequency_is_scaled_where_the_host_can() {
    for khz in [1_800_000, 2_596_134, 3_700_001] {
        let mut vm = Vm::new(2);
        vm.cont();
        vm.run_for(SECOND);
        vm.stop();
        let before = vm.seen.1[0];
        let there = elsewhere(khz, 2, 99 * SECOND);
        there.kernel.state().tsc_control = true;
        let mut vm = vm.move_to(there);
        vm.cont();
        assert_eq!((vm.kernel.khz(0), vm.kernel.khz(1)), (KHZ, KHZ));
        let start = (vm.kernel.guest_tsc(0), vm.ran_ns());
        assert!(start.0 - before < 100_000, "{}", start.0 - before);
        for _ in 0..10 {
            vm.run_for(SECOND / 10);
            vm.stop();
            vm.host.advance(SECOND);
            vm.cont();
        }
        let cycles = vm.kernel.guest_tsc(0) - start.0;
        let ran = u128::from(vm.ran_ns() - start.1) * u128::from(KHZ) / 1_000_000;
        assert!(u128::from(cycles).abs_diff(ran) < 100, "{cycles} {ran}");
        assert_eq!(vm.failures("tsc"), 0);
    }
}

#[test]
fn another_frequency_that_cannot_be_had_is_told_and_nothing_goes_back() {
    let mut vm = Vm::new(2);
    vm.cont();
    vm.run_for(SECOND);
    vm.stop();
    let before = vm.seen.1[0];
    let mut vm = vm.move_to(elsewhere(3_000_000, 2, SECOND));
    vm.cont();
    assert!(vm.kernel.guest_tsc(0) - before < 100_000);
    let report = vm.clocks.report();
    let tsc = report.clocks.iter().find(|one| one.name == "tsc").unwrap();
    // In terms of the guest's own frequency.
    let hz = tod::clock::Hz::new(u64::from(KHZ) * 1000).unwrap();
    assert_eq!(tsc.scale, tod::clock::Scale::Cycles { hz });
    vm.run_for(SECOND);
    vm.stop();
    vm.cont();
}

#[test]
fn a_host_that_promises_scaling_and_refuses_refuses_the_state() {
    let source = Vm::new(2);
    let there = elsewhere(3_000_000, 2, SECOND);
    there.kernel.state().tsc_control = true;
    let saved = KvmTimePart::new(&source.time).save().unwrap();
    for call in [Call::SetKhz, Call::GetScale] {
        there.kernel.state().failures.insert(call, libc::EINVAL);
        let error = KvmTimePart::new(&there.time).load(1, &saved).unwrap_err();
        assert!(matches!(
            error,
            PartError::Unsuitable {
                name: "kvm-time",
                ..
            }
        ));
        assert!(error.to_string().contains("2596134 kHz"), "{error}");
        there.kernel.state().failures.clear();
    }
}

#[test]
fn a_machine_that_moves_to_a_host_whose_tsc_cannot_be_set_runs_and_says_so() {
    let mut vm = Vm::new(1);
    vm.cont();
    vm.run_for(SECOND);
    vm.stop();
    let there = Vm::with(KHZ, 1, |kernel| kernel.state().tsc = Tsc::Fixed);
    there.host.advance(4000 * SECOND);
    let mut vm = vm.move_to(there);
    vm.cont();
    assert_eq!(vm.failures("kvmclock"), 0);
    assert_eq!(vm.failures("tsc"), 1);
    vm.run_for(SECOND);
    vm.clocks.ledger().verify().unwrap();
}

#[test]
fn a_tsc_that_cannot_be_set_on_either_host_is_no_failure_while_they_are_one() {
    let fixed = || Vm::with(KHZ, 2, |kernel| kernel.state().tsc = Tsc::Fixed);
    let mut vm = fixed();
    vm.cont();
    vm.run_for(SECOND);
    vm.stop();
    // The other machine's host is as old as this one.
    let there = fixed();
    there.host.advance(3 * SECOND);
    let mut vm = vm.move_to(there);
    vm.host.advance(SECOND);
    vm.cont();
    assert_eq!(vm.failures("tsc"), 0);
    vm.stop();
    // One that is younger shows less.
    let mut vm = vm.move_to(fixed()).forget_seen();
    assert_eq!(vm.failures("tsc"), 1, "told when it is loaded (R5)");
    vm.cont();
    vm.run_for(SECOND);
    vm.clocks.ledger().verify().unwrap();
}

#[test]
fn a_clock_that_cannot_be_set_when_it_is_loaded_is_set_at_cont() {
    let mut vm = Vm::new(2);
    vm.cont();
    vm.run_for(SECOND);
    vm.stop();
    let before = vm.seen.0;
    let there = elsewhere(KHZ, 2, SECOND);
    there
        .kernel
        .state()
        .failures
        .insert(Call::SetClock, libc::EIO);
    let mut vm = vm.move_to(there);
    assert_eq!(vm.failures("kvmclock"), 1);
    vm.kernel.state().failures.clear();
    vm.cont();
    assert!(vm.kernel.guest_clock() - before < 10_000);
    assert_eq!(vm.failures("kvmclock"), 1);
}

#[test]
fn a_clock_that_could_not_be_saved_runs_free_on_the_other_side_and_does_not_go_back() {
    for (call, clock) in [(Call::GetClock, "kvmclock"), (Call::GetOffset, "tsc")] {
        let mut vm = Vm::new(2);
        vm.cont();
        vm.run_for(100 * SECOND);
        vm.kernel.state().failures.insert(call, libc::EIO);
        vm.stop();
        vm.host.advance(SECOND);
        let (before, failures) = (vm.seen.clone(), vm.failures(clock));
        assert!(failures > 0);
        let mut vm = vm.move_to(elsewhere(KHZ, 2, SECOND));
        assert!(matches!(
            vm.clocks.state(clock).unwrap(),
            ClockState::FreeRunning { .. }
        ));
        vm.cont();
        vm.run_for(SECOND);
        // The second that it stood on the other host, and a little.
        let most = 2 * SECOND + 10_000_000;
        assert!(vm.seen.0 - before.0 < most, "{clock}");
        let cycles = u128::from(vm.seen.1[1] - before.1[1]);
        assert!(
            cycles * 1_000_000 / u128::from(KHZ) < u128::from(most),
            "{clock}"
        );
        vm.clocks.ledger().verify().unwrap();
    }
}

#[test]
fn no_call_that_fails_costs_a_move() {
    for call in Call::ALL {
        let mut vm = Vm::new(2);
        vm.cont();
        vm.run_for(SECOND);
        vm.stop();
        vm.kernel.state().failures.insert(call, libc::EIO);
        assert!(KvmTimePart::new(&vm.time).save().is_ok(), "{call:?}");
        assert!(TimersPart::new(&vm.time).save().is_ok(), "{call:?}");
    }
}

#[test]
fn a_snapshot_is_gone_back_to_on_the_same_host() {
    let mut vm = Vm::new(2);
    vm.cont();
    vm.run_for(SECOND);
    let deadline = vm.kernel.guest_tsc(0) + u64::from(KHZ) * 30;
    vm.kernel.guest_sets_deadline(0, deadline);
    vm.stop();
    let parts = (
        KvmTimePart::new(&vm.time).save().unwrap(),
        TimersPart::new(&vm.time).save().unwrap(),
    );
    let saved = vm.clocks.on_save(Cause::Snapshot);
    let before = (vm.seen.0, vm.seen.1[1]);
    vm.cont();
    vm.run_for(3 * SECOND);
    vm.stop();
    assert_eq!(vm.kernel.fired_ns(0).len(), 1);
    KvmTimePart::new(&vm.time).load(1, &parts.0).unwrap();
    TimersPart::new(&vm.time).load(1, &parts.1).unwrap();
    vm.clocks.on_load(saved, None, Cause::Snapshot).unwrap();
    let mut vm = vm.forget_seen();
    vm.host.advance(SECOND);
    vm.cont();
    assert!(vm.kernel.guest_clock() - before.0 < 10_000);
    assert!(vm.kernel.guest_tsc(1) - before.1 < 30_000);
    vm.run_for(29_000_000);
    assert_eq!(vm.kernel.fired_ns(0).len(), 1);
    vm.run_for(2_000_000);
    assert_eq!(vm.kernel.fired_ns(0).len(), 2, "it fires again");
}

#[test]
fn states_that_no_such_machine_has_are_refused_and_change_nothing() {
    let two = Vm::new(2);
    let three = Vm::new(3);
    let tsc = KvmTimePart::new(&two.time).save().unwrap();
    let timers = TimersPart::new(&two.time).save().unwrap();
    let refused = |error: PartError, text: &str| {
        assert!(error.to_string().contains(text), "{error}");
    };
    let mut part = KvmTimePart::new(&three.time);
    refused(part.load(1, &tsc).unwrap_err(), "2 vCPUs, not of 3");
    refused(part.load(2, &tsc).unwrap_err(), "version 2");
    refused(part.load(1, &tsc[..1]).unwrap_err(), "section 'kvm-time'");
    let mut part = TimersPart::new(&three.time);
    refused(part.load(1, &timers).unwrap_err(), "2 vCPUs, not of 3");
    refused(part.load(7, &timers).unwrap_err(), "version 7");
    let adjust = vec![None::<u64>; 3];
    let frequency = migration::encode(&(
        (true, 1_u32, vec![0_i64; 3], None::<u64>, adjust),
        vec![Some(0_u64); 3],
        None::<tod::FineTod>,
    ))
    .unwrap();
    let mut part = KvmTimePart::new(&three.time);
    refused(part.load(1, &frequency).unwrap_err(), "1 kHz");
}
