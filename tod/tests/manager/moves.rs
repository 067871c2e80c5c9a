//! Clocks that move between hosts whose own clocks agree about nothing.

use crate::vm::{SECOND, Vm};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use tod::clock::{Downtime, HostOffset, LoadError};
use tod::ledger::Event;
use tod::{
    Cause, ClockState, EpochClock, Exactness, FineSpan, Policy, RunState, SavedClocks, SimHost, Tod,
};

fn units(ns: u64) -> u128 {
    u128::from(ns) * 512 / 125
}

fn no_time(units: FineSpan) -> bool {
    units == FineSpan::ZERO
}

/// A host that was booted `up` ago and whose wallclock is off by `wallclock`.
fn host(hz: u64, up: u64, wallclock: i64) -> SimHost {
    let host = SimHost::with_counter_hz(hz);
    host.advance(up);
    host.step(wallclock);
    host
}

struct Side {
    vm: Vm,
    frozen: Arc<EpochClock>,
    catching_up: Arc<EpochClock>,
}

impl Side {
    fn new(host: SimHost) -> Self {
        let vm = Vm::on(host);
        Self {
            frozen: vm.clock("frozen", Policy::Freeze),
            catching_up: vm.clock("catching-up", Policy::CatchUp),
            vm,
        }
    }

    fn boottime(&self) -> i64 {
        self.vm.timebase.reading().boottime_ns as i64
    }

    fn downtimes(&self) -> Vec<Downtime> {
        let ledger = self.vm.clocks.ledger();
        let downtime = |event: &Event| match event {
            Event::Downtime(downtime) => Some(*downtime),
            _ => None,
        };
        ledger
            .entries()
            .filter_map(|entry| downtime(&entry.event))
            .collect()
    }
}

/// Time passes on both hosts.
fn pass(sides: [&Side; 2], ns: u64) {
    for side in sides {
        side.vm.host.advance(ns);
    }
}

/// The other side's clock less this one's, as if measured.
fn offset(from: &Side, to: &Side) -> HostOffset {
    HostOffset {
        ns: to.boottime() - from.boottime(),
        error_ns: 20_000,
    }
}

#[test]
fn fifty_moves_there_and_back_lose_nothing() {
    // A day apart by the wallclock, and booted at different times.
    let day = 86_400 * SECOND;
    let mut sides = [
        Side::new(host(2_048_000_000, 3 * SECOND, 0)),
        Side::new(host(2_399_987_654, 10 * day, day as i64)),
    ];
    let (frozen, catching_up) = (sides[0].frozen.now(), sides[0].catching_up.now());
    sides[0].vm.cont();
    // What the mapping of each side's counter makes of the time run, to the last bit.
    let mut ran = FineSpan::ZERO;
    let (mut run_ns, mut gaps) = (0, 0);
    for round in 0..50u64 {
        let [first, second] = &mut sides;
        let (from, to) = if round % 2 == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let started = from.vm.clocks.started().unwrap();
        let from_host = from.vm.timebase.reading().host;
        pass([from, to], 1_000_000 + round * 977);
        run_ns += 1_000_000 + round * 977;
        ran = ran.wrapping_add(from.vm.timebase.reading().host.since(from_host));
        from.vm
            .run
            .stop(RunState::FinishMigrate, Cause::Migration)
            .unwrap();
        let stopped = from.vm.clocks.stopped().unwrap();
        assert_eq!(
            stopped.boottime_ns - started.boottime_ns,
            1_000_000 + round as i64 * 977
        );
        // A live move, or one of a VM that had been stopped for two hours.
        let before_save = [40_000, 7_200 * SECOND][usize::from(round == 20)];
        pass([from, to], before_save);
        let saved = from.vm.clocks.on_save(Cause::Migration);
        assert_eq!(saved.stopped().boottime_ns, stopped.boottime_ns);
        assert_eq!(saved.stood.ns, before_save);
        let offset = offset(from, to);
        let there = saved.stopped().on(&offset);
        pass([from, to], 300_000);
        let fallbacks = to.vm.clocks.on_load(saved, Some(offset), Cause::Migration);
        assert_eq!(fallbacks, Ok(Vec::new()));
        assert_eq!(to.vm.clocks.stopped(), Some(there));
        from.vm
            .run
            .stop(RunState::Postmigrate, Cause::Migration)
            .unwrap();
        pass([from, to], 100_000);
        to.vm.cont_late();
        assert_eq!(to.vm.clocks.started(), None);
        assert_eq!(to.vm.clocks.wait_until_started(Duration::ZERO), None);
        pass([from, to], 60_000);
        to.vm.run.vcpus().enter();
        let entered = to.vm.clocks.wait_until_started(Duration::MAX).unwrap();
        assert_eq!(entered.boottime_ns, to.boottime());
        // Both sides' ledgers tell of it.
        let downtime = Downtime::between(&there, &entered);
        assert_eq!(downtime.ns, before_save as i64 + 460_000);
        from.vm.clocks.on_moved(downtime);
        to.vm.clocks.on_moved(downtime);
        for side in [&*from, &*to] {
            assert_eq!(side.downtimes().last(), Some(&downtime), "round {round}");
        }
        gaps += before_save + 460_000;
        let ledger = to.vm.clocks.ledger();
        ledger.verify().unwrap();
        for account in ledger.accounts() {
            assert!(no_time(account.unexplained()), "{account:?}");
        }
    }
    let last = &sides[0];
    assert_eq!(last.downtimes().len(), 50, "once for each move");
    // Each side's counter rounds to its own ticks.
    let behind = |clock: &EpochClock, start: Tod, ns: u64| {
        let off = clock.now().units_since(start) as i128 - units(ns) as i128;
        assert!(off.abs() <= 200, "{off} units");
    };
    behind(&last.frozen, frozen, run_ns);
    behind(&last.catching_up, catching_up, run_ns + gaps);
    // To the last bit: what the counters ran is what the guest has seen, and nothing more.
    let ledger = last.vm.clocks.ledger();
    let account = ledger.account("frozen").unwrap();
    assert!(no_time(account.granted()));
    let value = account.value().unwrap().since(frozen.into());
    assert_eq!(value, ran);
}

#[test]
fn a_guest_that_stands_after_its_move_has_its_downtime_when_it_starts() {
    let mut from = Side::new(host(2_048_000_000, 100 * SECOND, 0));
    // Booted after the guest was stopped.
    let mut to = Side::new(host(2_048_000_000, SECOND, -5 * SECOND as i64));
    let start = from.catching_up.now();
    from.vm.cont();
    from.vm.stop();
    pass([&from, &to], 10 * SECOND);
    // Stopped already: the state changes, the clocks do not (R3).
    let ledger = from.vm.clocks.ledger();
    assert!(
        from.vm
            .run
            .stop(RunState::FinishMigrate, Cause::Migration)
            .unwrap()
    );
    assert_eq!(from.vm.clocks.ledger(), ledger);
    let saved = from.vm.clocks.on_save(Cause::Migration);
    let offset_there = offset(&from, &to);
    let arrival = to
        .vm
        .clocks
        .on_load(saved, Some(offset_there), Cause::Migration);
    assert_eq!(arrival, Ok(Vec::new()));
    to.vm
        .run
        .stop(RunState::Paused, Cause::Migration)
        .expect("it stands as at the source");
    assert!(to.downtimes().is_empty());
    pass([&from, &to], 10 * SECOND);
    to.vm.cont();
    assert_eq!(to.downtimes()[0].ns, 20 * SECOND as i64);
    assert_eq!(to.catching_up.now().units_since(start), units(20 * SECOND));
    let ledger = to.vm.clocks.ledger();
    let entry = ledger
        .entries()
        .find(|entry| matches!(entry.event, Event::Downtime(_)))
        .unwrap();
    assert_eq!(entry.exactness, Exactness::Estimated { ns: 20_000 });
    ledger.verify().unwrap();
    // Moved on once more without having run in between, it knows both gaps.
    let mut third = Side::new(host(2_048_000_000, SECOND, 0));
    let mut back = Side::new(host(2_048_000_000, 2 * SECOND, 0));
    to.vm.stop();
    pass([&to, &back], SECOND);
    let saved = to.vm.clocks.on_save(Cause::Migration);
    let offset_there = offset(&to, &back);
    back.vm
        .clocks
        .on_load(saved, Some(offset_there), Cause::Migration)
        .unwrap();
    pass([&back, &third], SECOND);
    let saved = back.vm.clocks.on_save(Cause::Migration);
    assert_eq!(saved.stood.ns, 2 * SECOND);
    let offset_there = offset(&back, &third);
    third
        .vm
        .clocks
        .on_load(saved, Some(offset_there), Cause::Migration)
        .unwrap();
    pass([&back, &third], SECOND);
    third.vm.cont();
    assert_eq!(third.downtimes()[1].ns, 3 * SECOND as i64);
    assert_eq!(
        third.catching_up.now().units_since(start),
        units(23 * SECOND)
    );
    third.vm.clocks.ledger().verify().unwrap();
    back.vm.cont();
}

/// What a record says about the time before it was made needs no wallclock.
#[test]
fn the_time_from_the_stop_to_the_save_counts_without_a_measurement() {
    let mut from = Side::new(host(2_048_000_000, SECOND, 0));
    // Its wallclock is three seconds behind.
    let mut to = Side::new(host(2_048_000_000, SECOND, -3 * SECOND as i64));
    let start = from.catching_up.now();
    from.vm.cont();
    from.vm.stop();
    pass([&from, &to], 60 * SECOND);
    let saved = from.vm.clocks.on_save(Cause::Snapshot);
    to.vm.clocks.on_load(saved, None, Cause::Snapshot).unwrap();
    assert_eq!(
        to.vm.clocks.state("frozen").map(|state| match state {
            ClockState::Stopped { base, .. } => base.tod(),
            other => panic!("{other:?}"),
        }),
        Ok(start)
    );
    pass([&from, &to], SECOND);
    to.vm.cont();
    assert_eq!(to.catching_up.now().units_since(start), units(60 * SECOND));
    assert_eq!(to.frozen.now(), start);
    assert!(to.downtimes().is_empty(), "nobody has measured it");
    to.vm.stop();
    to.vm.clocks.ledger().verify().unwrap();
}

#[test]
fn a_source_whose_move_has_failed_runs_on_as_if_nothing_had_been() {
    let mut from = Side::new(SimHost::with_counter_hz(2_048_000_000));
    from.vm.cont();
    let start = from.frozen.now();
    for _ in 0..100 {
        from.vm
            .run
            .stop(RunState::FinishMigrate, Cause::Migration)
            .unwrap();
        let _ = from.vm.clocks.on_save(Cause::Migration);
        from.vm.host.advance(SECOND);
        assert!(from.vm.run.cont(Cause::Migration).unwrap());
    }
    assert_eq!(from.frozen.now(), start);
    assert_eq!(
        from.catching_up.now().units_since(start),
        units(100 * SECOND)
    );
    from.vm.stop();
    from.vm.clocks.ledger().verify().unwrap();
    assert!(from.downtimes().is_empty());
}

#[test]
fn clocks_are_not_loaded_under_a_running_guest() {
    let mut vm = Side::new(SimHost::new()).vm;
    let saved = vm.clocks.on_save(Cause::Snapshot);
    vm.cont();
    let ledger = vm.clocks.ledger();
    let refused = vm.clocks.on_load(saved, None, Cause::Snapshot);
    assert_eq!(refused, Err(LoadError::Running));
    assert_eq!(vm.clocks.ledger(), ledger);
}

fn record() -> SavedClocks {
    let vm = Vm::new();
    vm.clock("frozen", Policy::Freeze);
    vm.clock("catching-up", Policy::CatchUp);
    vm.clock("slewing", Policy::Slew { rate_ppm: 500 });
    let mut vm = vm;
    for _ in 0..3 {
        vm.cont();
        vm.host.advance(SECOND);
        vm.stop();
        vm.host.advance(SECOND);
    }
    vm.clocks.on_save(Cause::Migration)
}

/// Loads it, and lets the VM live for a while.
fn survive(saved: SavedClocks, measured: bool) {
    let mut vm = Vm::on(SimHost::with_counter_hz(2_048_000_000));
    for name in ["frozen", "catching-up", "slewing"] {
        vm.clock(name, Policy::Freeze);
    }
    let timer = vm.timeline.timer("alarm", |_| {});
    let offset = measured.then_some(HostOffset {
        ns: 5,
        error_ns: 10,
    });
    let Ok(_) = vm.clocks.on_load(saved, offset, Cause::Migration) else {
        return;
    };
    let timeline = vm.timeline.now();
    timer.arm(timeline.saturating_add(tod::VmDuration::from_ns_ceil(SECOND)));
    for _ in 0..2 {
        vm.cont();
        vm.host.advance(2 * SECOND);
        vm.clocks.tick();
        vm.timeline.run_due();
        let _ = vm.clocks.report();
        let _ = vm.clocks.stopped();
        vm.stop();
        let _ = (vm.clocks.stopped(), vm.clocks.ledger().verify());
        let _ = vm.clocks.on_save(Cause::Migration).stopped();
    }
    assert_eq!(timer.deadline(), None, "its timeline runs");
}

const LIMIT: usize = 1 << 20;

const CONFIG: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Fixint,
    bincode::config::Limit<LIMIT>,
> = bincode::config::standard()
    .with_fixed_int_encoding()
    .with_limit::<LIMIT>();

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    /// Whatever a peer makes of a record: it is refused, or the VM lives with it.
    #[test]
    fn a_record_that_was_tampered_with_costs_no_vm(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..12),
        high in any::<bool>(),
        measured in any::<bool>(),
    ) {
        let mut bytes = bincode::serde::encode_to_vec(record(), CONFIG).unwrap();
        for (place, byte) in changes {
            // Half of the time in what is not the entries' long tail.
            let end = if high { bytes.len() } else { 600.min(bytes.len()) };
            bytes[place.index(end)] = byte;
        }
        if let Ok((saved, _)) = bincode::serde::decode_from_slice::<SavedClocks, _>(&bytes, CONFIG) {
            survive(saved, measured);
        }
    }
}

#[test]
fn extreme_records_are_refused_or_lived_with() {
    let mut extremes = Vec::new();
    let mut add = |change: fn(&mut SavedClocks)| {
        let mut saved = record();
        change(&mut saved);
        extremes.push(saved);
    };
    add(|_| {});
    add(|saved| saved.timeline = tod::FineTod::from_bits(u128::MAX));
    add(|saved| saved.timeline = tod::FineTod::from_bits((1 << (63 + 56)) - 1));
    add(|saved| saved.saved_at.realtime_ns = i64::MIN);
    add(|saved| saved.saved_at.realtime_ns = i64::MAX);
    add(|saved| saved.saved_at.boottime_ns = u64::MAX);
    add(|saved| saved.stood.ns = u64::MAX);
    add(|saved| saved.clocks.clear());
    add(|saved| saved.clocks[0].name = String::new());
    add(|saved| saved.clocks[1].stood.ns = u64::MAX);
    add(|saved| saved.clocks[1].stood.error_ns = u64::MAX);
    add(|saved| saved.clocks[1].owed = FineSpan::from_bits(i128::MAX));
    add(|saved| saved.clocks[2].owed = FineSpan::from_bits(i128::MIN));
    add(|saved| saved.clocks[2].owed = FineSpan::from_bits(i128::MAX));
    add(|saved| saved.clocks[2].policy = Policy::Slew { rate_ppm: 0 });
    add(|saved| saved.clocks[2].policy = Policy::Slew { rate_ppm: u32::MAX });
    for saved in extremes {
        survive(saved.clone(), false);
        survive(saved, true);
    }
}
