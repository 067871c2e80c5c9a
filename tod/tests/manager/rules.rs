//! The rules one by one, on a simulated host.

use crate::vm::{SECOND, Vm};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tod::host::SleepingCounter;
use tod::ledger::Event;
use tod::{
    Captured, Cause, ClockBackend, ClockError, ClockEvent, ClockState, Exactness, FaultPoint,
    FineSpan, HostEvent, HostReading, Phase, Policy, RunState, SimHost, Tod, UnixTime, VmTime,
};

fn units(ns: u64) -> u128 {
    u128::from(ns) * 512 / 125
}

#[test]
fn r1_r2_a_stop_of_twenty_years_is_not_seen() {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", Policy::Freeze);
    let start = tod.now();
    vm.cont();
    vm.host.advance(5 * SECOND);
    vm.stop();
    vm.host.advance(20 * 365 * 86_400 * SECOND);
    vm.cont();
    vm.host.advance(7 * SECOND);
    assert_eq!(tod.now().units_since(start), units(12 * SECOND));
    assert_eq!(u128::from(vm.timeline.now().units()), units(12 * SECOND));
    vm.clocks.ledger().verify().unwrap();
}

#[test]
fn r1_failed_capture_leaves_the_clock_running() {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", Policy::Freeze);
    let events = vm.clocks.subscribe();
    let start = tod.now();
    vm.cont();
    vm.host.advance(SECOND);
    vm.clocks.inject("tod", FaultPoint::Capture, 1).unwrap();
    vm.stop();
    let state = vm.clocks.state("tod").unwrap();
    assert!(matches!(state, ClockState::FreeRunning { why, .. } if why.phase == Phase::Capture));
    let event = events.try_recv().unwrap();
    assert!(
        matches!(
            event,
            ClockEvent::Fallback {
                phase: Phase::Capture,
                ..
            }
        ),
        "{event:?}"
    );
    vm.host.advance(120 * SECOND);
    vm.cont();
    vm.host.advance(SECOND);
    // It ran all along; the timeline did not.
    assert_eq!(tod.now().units_since(start), units(122 * SECOND));
    assert_eq!(u128::from(vm.timeline.now().units()), units(2 * SECOND));
    assert!(events.try_recv().is_err(), "one event for one failure");
    let ledger = vm.clocks.ledger();
    let lost: Vec<_> = ledger
        .entries()
        .filter(|entry| matches!(entry.event, Event::Fallback { .. }))
        .collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].exactness, Exactness::Lost);
    // The next stop works again, and the sum is still right.
    vm.stop();
    assert!(matches!(
        vm.clocks.state("tod").unwrap(),
        ClockState::Stopped { .. }
    ));
    vm.clocks.ledger().verify().unwrap();
    assert_eq!(vm.clocks.report().clocks[0].failures, 1);
}

#[test]
fn r2_failed_install_counts_as_having_run() {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", Policy::Freeze);
    let start = tod.now();
    vm.cont();
    vm.host.advance(SECOND);
    vm.stop();
    vm.host.advance(120 * SECOND);
    vm.clocks.inject("tod", FaultPoint::Install, 1).unwrap();
    let events = vm.clocks.subscribe();
    vm.cont();
    assert!(matches!(
        events.try_recv().unwrap(),
        ClockEvent::Fallback {
            phase: Phase::Install,
            ..
        }
    ));
    assert_eq!(tod.now().units_since(start), units(121 * SECOND));
    vm.host.advance(SECOND);
    vm.stop();
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(account.granted(), FineSpan::from_ns(120 * SECOND));
    assert_eq!(
        account.run(),
        FineSpan::from_ns(SECOND),
        "run since the first capture"
    );
    assert_eq!(account.unexplained(), FineSpan::ZERO);
}

#[test]
fn r3_repeats_change_nothing() {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", Policy::Freeze);
    vm.cont();
    vm.stop();
    let (stopped, ledger) = (vm.clocks.state("tod").unwrap(), vm.clocks.ledger());
    vm.host.advance(SECOND);
    assert!(!vm.run.stop(RunState::Paused, Cause::Monitor).unwrap());
    // Also when the manager itself is asked twice.
    let parked = vm.run.vcpus().gate.close_and_wait();
    vm.clocks.on_stop(parked, Cause::Signal);
    assert_eq!(vm.clocks.state("tod").unwrap(), stopped);
    assert_eq!(vm.clocks.ledger(), ledger);
    vm.cont();
    let (value, ledger) = (tod.now(), vm.clocks.ledger());
    assert!(!vm.run.cont(Cause::Monitor).unwrap());
    vm.run.vcpus().gate.open(vm.clocks.on_cont(Cause::Monitor));
    assert_eq!((tod.now(), vm.clocks.ledger()), (value, ledger));
}

#[test]
fn r4_a_fresh_clock_is_the_host_s() {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", Policy::Freeze);
    let host_now = |vm: &Vm| vm.timebase.reading().realtime_tod();
    assert_eq!(tod.now(), host_now(&vm));
    // Not captured before the first stop, however long the launch takes.
    vm.host.advance(3 * SECOND);
    vm.cont();
    vm.host.advance(5 * SECOND);
    assert_eq!(tod.now(), host_now(&vm));
    assert!(vm.clocks.ledger().account("tod").unwrap().value().is_none());
    // A VM that never ran is not captured by a stop, either.
    let mut other = Vm::new();
    let tod = other.clock("tod", Policy::Freeze);
    other.stop();
    other.host.advance(SECOND);
    other.cont();
    assert_eq!(tod.now(), host_now(&other));
}

#[test]
fn r5_loaded_clocks_are_installed_at_once_and_stand() {
    let mut source = Vm::new();
    source.clock("tod", Policy::Freeze);
    source.cont();
    source.host.advance(10 * SECOND);
    source.stop();
    let saved = source.clocks.on_save(Cause::Migration);

    let host = SimHost::with_counter_hz(1_024_000_000);
    host.advance(1000 * SECOND);
    let mut target = Vm::on(host);
    let tod = target.clock("tod", Policy::Freeze);
    target.clocks.inject("tod", FaultPoint::Install, 1).unwrap();
    let fallbacks = target
        .clocks
        .on_load(saved.clone(), None, Cause::Migration)
        .unwrap();
    assert!(matches!(
        fallbacks[..],
        [ClockEvent::Fallback {
            phase: Phase::Load,
            ..
        }]
    ));
    // The source may still run on; the target can be loaded again.
    assert!(
        target
            .clocks
            .on_load(saved.clone(), None, Cause::Migration)
            .unwrap()
            .is_empty()
    );
    target.host.advance(77 * SECOND);
    assert_eq!(target.clocks.report().clocks[0].guest, saved_value(&saved));
    target.cont();
    assert_eq!(Some(tod.now()), saved_value(&saved));
    assert_eq!(
        u128::from(target.timeline.now().units()),
        units(10 * SECOND)
    );
    target.host.advance(SECOND);
    target.stop();
    target.clocks.ledger().verify().unwrap();
}

fn saved_value(saved: &tod::SavedClocks) -> Option<Tod> {
    match &saved.clocks[0].value {
        tod::clock::SavedValue::Captured(captured) => Some(captured.tod()),
        tod::clock::SavedValue::Missing { .. } => None,
    }
}

#[test]
fn r5_an_install_that_fails_on_load_is_tried_again_on_cont() {
    let mut source = Vm::new();
    source.clock("tod", Policy::Freeze);
    source.cont();
    source.stop();
    let saved = source.clocks.on_save(Cause::Migration);
    let mut target = Vm::new();
    let tod = target.clock("tod", Policy::Freeze);
    target.clocks.inject("tod", FaultPoint::Install, 1).unwrap();
    target.host.advance(50 * SECOND);
    assert_eq!(
        target
            .clocks
            .on_load(saved.clone(), None, Cause::Migration)
            .unwrap()
            .len(),
        1
    );
    target.cont();
    assert_eq!(Some(tod.now()), saved_value(&saved));
    target.stop();
    target.clocks.ledger().verify().unwrap();
}

#[test]
fn r6_a_clock_that_cannot_be_saved_is_recorded_and_runs_free() {
    let mut source = Vm::new();
    source.clock("tod", Policy::Freeze);
    source.clock("rtc", Policy::Freeze);
    source.cont();
    source.clocks.inject("tod", FaultPoint::Capture, 2).unwrap();
    source.stop();
    let events = source.clocks.subscribe();
    let saved = source.clocks.on_save(Cause::Migration);
    assert_eq!(saved_value(&saved), None);
    assert!(matches!(
        events.try_recv().unwrap(),
        ClockEvent::Fallback {
            phase: Phase::Save,
            ..
        }
    ));
    let mut target = Vm::new();
    target.host.advance(9 * SECOND);
    let tod = target.clock("tod", Policy::Freeze);
    let rtc = target.clock("rtc", Policy::Freeze);
    let fallbacks = target
        .clocks
        .on_load(saved, None, Cause::Migration)
        .unwrap();
    assert_eq!(fallbacks.len(), 1, "{fallbacks:?}");
    let before = tod.now();
    target.host.advance(SECOND);
    target.cont();
    assert_eq!(tod.now().units_since(before), units(SECOND));
    assert_eq!(tod.now().units_since(rtc.now()), units(10 * SECOND));
    assert!(matches!(
        target.clocks.state("tod").unwrap(),
        ClockState::FreeRunning { .. }
    ));
    target.stop();
    target.clocks.ledger().verify().unwrap();
}

#[test]
fn r8_timers_stand_with_the_vm_and_fire_after_what_was_left() {
    let mut vm = Vm::new();
    let fired = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&fired);
    let timer = vm.timeline.timer("alarm", move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    vm.cont();
    timer.arm(
        vm.timeline
            .now()
            .saturating_add(tod::VmDuration::from_ns_ceil(SECOND)),
    );
    vm.host.advance(400_000_000);
    vm.stop();
    vm.host.advance(3600 * SECOND);
    assert_eq!(vm.timeline.run_due(), 0);
    vm.cont();
    assert_eq!(vm.timeline.ns_to_next_deadline(), Some(600_000_000));
    vm.host.advance(599_999_999);
    assert_eq!(vm.timeline.run_due(), 0);
    vm.host.advance(1);
    assert_eq!(vm.timeline.run_due(), 1);
    vm.host.advance(SECOND);
    assert_eq!(
        (vm.timeline.run_due(), fired.load(Ordering::SeqCst)),
        (0, 1)
    );
    assert_eq!(timer.deadline(), None);
    assert_eq!(vm.timeline.timers()[0].name, "alarm");
}

#[test]
fn r8_a_comparator_lives_on_its_clock() {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", Policy::Freeze);
    let rtc = vm.clock("rtc", Policy::CatchUp);
    vm.cont();
    let at = |clock: &tod::EpochClock| clock.now().wrapping_add(4_096_000_000);
    let (on_tod, on_rtc) = (at(&tod), at(&rtc));
    vm.stop();
    vm.host.advance(10 * SECOND);
    vm.cont();
    // The frozen clock has its second left; the other's fell into the gap and is due.
    assert_eq!(tod.ns_until(on_tod), Some(SECOND));
    assert_eq!(rtc.ns_until(on_rtc), Some(0));
}

#[test]
fn r10_a_million_cycles_lose_nothing() {
    let host = SimHost::with_counter_hz(2_399_987_654);
    let mut vm = Vm::on(host);
    let tod = vm.clock("tod", Policy::Freeze);
    let mult = u128::from(vm.timebase.rate().mult);
    vm.cont();
    vm.stop();
    let counter = |vm: &Vm| vm.timebase.counter().read();
    let start = tod_value(&vm);
    let mut ticks = 0u128;
    for cycle in 0..1_000_000u64 {
        vm.host.advance(cycle % 977);
        vm.cont();
        let from = counter(&vm);
        vm.host.advance(1 + cycle % 101);
        ticks += u128::from(counter(&vm) - from);
        vm.stop();
    }
    // Every tick that the VM ran is on the clock, to the last bit of the fraction.
    assert_eq!(tod_value(&vm).since(start).bits() as u128, ticks * mult);
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(account.run().bits() as u128, ticks * mult);
    assert_eq!(
        (account.granted(), account.unexplained()),
        (FineSpan::ZERO, FineSpan::ZERO)
    );
    assert_eq!(ledger.entries().len(), tod::Ledger::CAPACITY);
    assert!(ledger.count() > 2_000_000);
    drop(tod);
}

fn tod_value(vm: &Vm) -> tod::FineTod {
    match vm.clocks.state("tod").unwrap() {
        ClockState::Stopped { base, .. } => base.value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn r11_host_steps_and_sleep_are_in_the_ledger() {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", Policy::Freeze);
    vm.cont();
    let start = tod.now();
    vm.host.step(-7 * SECOND as i64);
    vm.clocks.tick();
    vm.host.sleep(90 * SECOND, SleepingCounter::Stands);
    vm.clocks.tick();
    assert_eq!(tod.now(), start, "neither is the guest's business");
    let ledger = vm.clocks.ledger();
    let host_events: Vec<_> = ledger
        .entries()
        .filter_map(|entry| match entry.event {
            Event::Host(event) => Some(event),
            _ => None,
        })
        .collect();
    assert_eq!(
        host_events,
        [
            HostEvent::Step {
                by_ns: -7 * SECOND as i64
            },
            HostEvent::Sleep {
                for_ns: 90 * SECOND
            }
        ]
    );
}

#[test]
fn catch_up_grants_the_gap_also_over_host_sleep() {
    let mut vm = Vm::new();
    let rtc = vm.clock("rtc", Policy::CatchUp);
    let start = rtc.now();
    vm.cont();
    vm.host.advance(SECOND);
    vm.stop();
    vm.host.advance(SECOND);
    vm.host.sleep(10 * SECOND, SleepingCounter::Resets(5));
    vm.host.advance(SECOND);
    vm.cont();
    vm.host.advance(SECOND);
    assert_eq!(rtc.now().units_since(start), units(14 * SECOND));
    vm.stop();
    vm.clocks.ledger().verify().unwrap();
}

#[test]
fn slew_makes_up_for_the_gap_bit_by_bit() {
    let mut vm = Vm::new();
    let rtc = vm.clock("rtc", Policy::Slew { rate_ppm: 100_000 });
    vm.cont();
    vm.stop();
    vm.host.advance(SECOND);
    let stopped_at = rtc_value(&vm);
    vm.cont();
    assert_eq!(rtc.now(), stopped_at);
    vm.host.advance(5 * SECOND);
    vm.clocks.tick();
    assert_eq!(rtc.now().units_since(stopped_at), units(5_500_000_000));
    // A stop in the middle keeps what is owed.
    vm.stop();
    vm.cont();
    for _ in 0..10 {
        vm.host.advance(SECOND);
        vm.clocks.tick();
    }
    assert_eq!(rtc.now().units_since(stopped_at), units(16 * SECOND));
    assert_eq!(vm.clocks.state("rtc").unwrap(), ClockState::Running);
    vm.stop();
    vm.clocks.ledger().verify().unwrap();
}

fn rtc_value(vm: &Vm) -> Tod {
    match vm.clocks.state("rtc").unwrap() {
        ClockState::Stopped { base, .. } => base.tod(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn counter_resets_do_not_move_guest_time_back() {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", Policy::Freeze);
    vm.cont();
    vm.host.advance(SECOND);
    let before = tod.now();
    vm.host.reset_counter(17);
    let after = tod.now();
    assert!(!after.is_before(before));
    // At most what NTP may slew in a second, and the floors.
    assert!(
        after.units_since(before) < units(SECOND / 1000),
        "{before} {after}"
    );
    vm.host.advance(SECOND);
    assert_eq!(tod.now().units_since(after), units(SECOND));
    vm.stop();
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    assert!(
        ledger
            .entries()
            .any(|entry| matches!(entry.event, Event::Host(HostEvent::CounterReset { .. })))
    );
}

/// The counter is faster than it says, so CLOCK_MONOTONIC alone would continue
/// the clock before what the guest has seen.
#[test]
fn a_reset_of_an_inexact_counter_does_not_move_guest_time_back() {
    for ppb in [-300_000, 300_000] {
        let host = SimHost::new();
        host.set_frequency_error_ppb(ppb);
        let vm = Vm::on(host);
        let tod = vm.clock("tod", Policy::Freeze);
        for round in 0..20 {
            vm.host.advance(SECOND / 2);
            let before = tod.now();
            vm.host.reset_counter((1 << 30) - round * 10_000);
            assert!(!tod.now().is_before(before), "round {round} at {ppb} ppb");
        }
    }
}

#[test]
fn a_better_rate_is_taken_over_without_a_step_back() {
    let host = SimHost::with_counter_hz(2_400_000_000);
    host.set_frequency_error_ppb(6_000);
    let vm = Vm::on(host);
    let tod = vm.clock("tod", Policy::Freeze);
    let started = vm.timebase.reading();
    let start = tod.now();
    let mut last = start;
    for _ in 0..3000 {
        vm.host.advance(SECOND / 10 + 7);
        vm.clocks.tick();
        assert!(last.is_before(tod.now()));
        last = tod.now();
    }
    // Six microseconds a second were off at first; now the clock is the host's.
    let passed = vm.timebase.reading().monotonic_ns - started.monotonic_ns;
    let off = last.units_since(start) as i128 - units(passed) as i128;
    assert!(off.abs() < 4096, "{off} units off after {passed} ns");
    assert!(
        vm.timebase.rate().error_ppb < 100,
        "{:?}",
        vm.timebase.rate()
    );
}

#[test]
fn guest_sets_its_clock_and_the_ledger_knows() {
    let mut vm = Vm::new();
    let tod = vm.clock("tod", Policy::Freeze);
    vm.cont();
    vm.stop();
    vm.cont();
    tod.set(Tod::new(0, 0xcafe_f00d_beef));
    assert_eq!(tod.now(), Tod::new(0, 0xcafe_f00d_beef));
    vm.host.advance(SECOND);
    vm.stop();
    let ledger = vm.clocks.ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_ne!(account.stepped(), FineSpan::ZERO);
    assert_eq!(account.run(), FineSpan::from_ns(SECOND));
    vm.cont();
    assert_eq!(tod.now().clock(), 0xcafe_f00d_beef + units(SECOND) as u64);
}

#[test]
fn guests_run_over_the_roll_over_of_2042() {
    let host = SimHost::with_counter_hz(2_048_000_000);
    // 2042-09-17T23:53:40 UTC.
    host.set_realtime_ns((26_557 * 86_400 + 23 * 3600 + 53 * 60 + 40) * SECOND as i64);
    let mut vm = Vm::on(host);
    let tod = vm.clock("tod", Policy::Freeze);
    vm.cont();
    let mut last = tod.now();
    assert_eq!(last.epoch_index(), 0);
    for _ in 0..100 {
        vm.host.advance(SECOND / 10);
        vm.stop();
        vm.host.advance(SECOND / 10);
        vm.cont();
        assert_eq!(tod.now().units_since(last), units(SECOND / 10));
        last = tod.now();
    }
    assert_eq!(last.epoch_index(), 1);
    let end = UnixTime::from_ns((26_557 * 86_400 + 23 * 3600 + 53 * 60 + 50) * SECOND as i64);
    assert_eq!(last.to_unix(), end);
    vm.stop();
    vm.clocks.ledger().verify().unwrap();
}

/// A clock behind an error bound, as a kernel's is: what it shows cannot be
/// told exactly, and steps of the guest are not known.
struct Rough {
    clock: Arc<tod::EpochClock>,
    noise: FineSpan,
}

impl ClockBackend for Rough {
    fn capture(&mut self, at: &HostReading) -> Result<Captured, ClockError> {
        let value = self.clock.at(at).wrapping_add(self.noise);
        Ok(Captured {
            stepped: Some(FineSpan::ZERO),
            ..Captured::read(value.tod(), 100)
        })
    }

    fn install(&mut self, value: &Captured, at: &HostReading) -> Result<(), ClockError> {
        ClockBackend::install(&mut self.clock, value, at)
    }
}

#[test]
fn r7_the_ledger_finds_a_clock_that_moves_by_itself() {
    for (noise_ns, good) in [(99, true), (1_000, false)] {
        let mut vm = Vm::new();
        let clock = tod::EpochClock::at_host_time(&vm.timebase);
        let noise = FineSpan::from_ns(noise_ns);
        let backend = Rough { clock, noise };
        vm.clocks
            .register("rough", Box::new(backend), Policy::Freeze)
            .unwrap();
        vm.cont();
        vm.stop();
        vm.cont();
        vm.host.advance(SECOND);
        vm.stop();
        let ledger = vm.clocks.ledger();
        assert_eq!(ledger.verify().is_ok(), good, "{:?}", ledger.verify());
        let bound = ledger.entries().last().unwrap().exactness;
        assert_eq!(bound, Exactness::Estimated { ns: 100 });
    }
}

#[test]
fn names_are_checked() {
    let vm = Vm::new();
    vm.clock("tod", Policy::Freeze);
    let clock = tod::EpochClock::at_host_time(&vm.timebase);
    let again = vm.clocks.register("tod", Box::new(clock), Policy::Freeze);
    assert_eq!(
        again.unwrap_err().to_string(),
        "there is a clock named 'tod' already"
    );
    let unknown = vm.clocks.inject("rtc", FaultPoint::Capture, 1);
    assert_eq!(
        unknown.unwrap_err().to_string(),
        "there is no clock named 'rtc'; the clocks are: tod"
    );
}

#[test]
fn deadlines_in_the_past_fire_when_the_vm_runs() {
    let mut vm = Vm::new();
    let timer = vm.timeline.timer("late", |_| {});
    timer.arm(VmTime::ZERO);
    assert_eq!(vm.timeline.run_due(), 0);
    vm.cont();
    assert_eq!(vm.timeline.run_due(), 1);
}

#[test]
fn saved_clocks_survive_serialisation() {
    let mut vm = Vm::new();
    vm.clock("tod", Policy::Slew { rate_ppm: 500 });
    vm.cont();
    vm.host.advance(12_345);
    vm.host.step(1_000_000_000_000);
    vm.host.sleep(1_000_000_000, SleepingCounter::Resets(3));
    vm.clocks.inject("tod", FaultPoint::Capture, 1).unwrap();
    vm.stop();
    vm.cont();
    vm.stop();
    let saved = vm.clocks.on_save(Cause::Snapshot);
    let json = serde_json::to_string(&saved).unwrap();
    assert_eq!(
        serde_json::from_str::<tod::SavedClocks>(&json).unwrap(),
        saved
    );
    // The migration stream's codec describes nothing: no field may need it to.
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(&saved, config).unwrap();
    let (back, _) =
        bincode::serde::decode_from_slice::<tod::SavedClocks, _>(&bytes, config).unwrap();
    assert_eq!(back, saved);
    let report = serde_json::to_value(vm.clocks.report()).unwrap();
    assert_eq!(report["clocks"][0]["state"], "stopped");
    assert_eq!(report["clocks"][0]["guest"]["epoch-index"], 0);
    assert_eq!(report["clocks"][0]["failures"], 1);
    assert_eq!(report["clocks"][0]["policy"]["slew"]["rate-ppm"], 500);
}
