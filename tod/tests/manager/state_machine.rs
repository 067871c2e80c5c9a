//! The clock manager against a model in exact integers, under any sequence of
//! stop, cont, save, load, reset, guest settings, host steps, host sleep,
//! counter resets and failures of every call to a backend and to the host.
//!
//! The model knows numbers only: host clocks as integers, a clock as an offset
//! and, while it is stopped, a value, all modulo 2^128 in 2^-56 TOD units.

use crate::vm::{SECOND, Vm};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tod::clock::LoadError;
use tod::host::SleepingCounter;
use tod::ledger::Event;
use tod::{
    Cause, ClockState, EpochClock, FaultPoint, FineSpan, FineTod, HostOffset, Policy, SavedClocks,
    SimHost, Timer, Tod, VmDuration, VmTime,
};

/// A tick is exactly two units, so that the model needs no rounding of its own.
const HZ: u64 = 2_048_000_000;
const TICK: u128 = 2 << 56;

const NAMES: [&str; 2] = ["frozen", "catching-up"];

fn bits_of_ns(ns: u64) -> u128 {
    // 512/125 units a nanosecond, rounded down at 2^-56.
    ((u128::from(ns / 125) * 512) << 56) + ((u128::from(ns % 125) * 512) << 56) / 125
}

#[derive(Debug, Clone)]
enum Action {
    Advance(u64),
    Stop,
    Cont,
    /// A cont, and no vCPU enters until the next `Enter`.
    ContLate,
    Enter,
    Save,
    /// With the hosts' clocks measured, as a migration; or without, as a snapshot.
    Load(bool),
    Reset,
    Tick,
    MoveRealtime(i64),
    Sleep(u64, bool),
    CounterReset,
    FailCapture(usize, u32),
    FailInstall(usize, u32),
    FailSamples(u32),
    GuestSets(usize, u128),
    Arm(u64),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Fresh,
    /// No vCPU has entered since the cont.
    Starting,
    Running,
    Stopped,
}

/// Since when a stopped clock's gap counts.
#[derive(Debug, Clone, Copy)]
enum Since {
    Boottime(u64),
    Elsewhere(Arrived),
}

/// What a load knows of a clock's gap: when the record was made, and how long it had stood then.
#[derive(Debug, Clone, Copy)]
struct Arrived {
    boottime: u64,
    realtime: i64,
    stood: u64,
    measured: bool,
}

#[derive(Debug, Clone, Copy)]
struct ModelClock {
    /// The hardware: value = host + offset, always.
    offset: u128,
    /// What is installed on cont.
    kept: Option<(u128, Since)>,
    /// The value at which it waits for the first vCPU.
    stands: Option<u128>,
    fail_capture: u32,
    fail_install: u32,
    account: Option<Account>,
    /// The host mapping when the account was last booked.
    booked: u128,
}

/// Where a clock's time came from, since its first capture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Account {
    run: u128,
    granted: u128,
}

impl ModelClock {
    fn book_run(&mut self, host: u128) {
        let span = host.wrapping_sub(self.booked);
        self.booked = host;
        if let Some(account) = &mut self.account {
            account.run = account.run.wrapping_add(span);
        }
    }

    fn book_free_run(&mut self, host: u128) {
        let span = host.wrapping_sub(self.booked);
        self.booked = host;
        self.book_grant(span);
    }

    fn book_grant(&mut self, span: u128) {
        if let Some(account) = &mut self.account {
            account.granted = account.granted.wrapping_add(span);
        }
    }

    /// The value is known: the account starts if it has not.
    fn book_known(&mut self) {
        self.account.get_or_insert_default();
    }

    fn capture(&mut self, host: u128) -> Option<u128> {
        let failed = self.fail_capture > 0;
        self.fail_capture = self.fail_capture.saturating_sub(1);
        (!failed).then(|| host.wrapping_add(self.offset))
    }

    fn shows(&self, host: u128) -> u128 {
        self.stands.unwrap_or(host.wrapping_add(self.offset))
    }

    fn install(&mut self, value: u128, host: u128) -> bool {
        let failed = self.fail_install > 0;
        self.fail_install = self.fail_install.saturating_sub(1);
        if !failed {
            self.offset = value.wrapping_sub(host);
        }
        !failed
    }
}

#[derive(Debug, Clone)]
struct Saved {
    timeline: u128,
    boottime: u64,
    realtime: i64,
    /// How long the VM had been stopped, and each clock.
    stopped: u64,
    stood: [u64; 2],
    values: [Option<u128>; 2],
    accounts: [Option<Account>; 2],
}

/// The model. What the host's counter mapping does at a reset is bounded, not
/// predicted; the test tells the model what it was.
#[derive(Debug, Clone)]
struct Model {
    phase: Phase,
    /// The host mapping: what the counter has run, from 0.
    host: u128,
    /// How long the counter has run since it was last reset.
    ticks_ns: u64,
    boottime: u64,
    realtime: i64,
    /// VM time that has passed before `timeline_from`.
    timeline: u128,
    /// Host mapping at the last cont.
    timeline_from: u128,
    clocks: [ModelClock; 2],
    /// Since when the VM is stopped, if it is.
    stopped: Option<Since>,
    saved: Option<Saved>,
    armed: Option<u128>,
    resets: u64,
}

struct Machine;

impl ReferenceStateMachine for Machine {
    type State = Phase;
    type Transition = Action;

    fn init_state() -> BoxedStrategy<Phase> {
        Just(Phase::Fresh).boxed()
    }

    fn transitions(_state: &Phase) -> BoxedStrategy<Action> {
        // 125 ns are 512 units: whole ticks and whole units.
        let grid = prop_oneof![Just(0u64), 1u64..100_000, Just(960_000_000_000u64)];
        prop_oneof![
            6 => grid.prop_map(|n| Action::Advance(n * 125)),
            5 => Just(Action::Stop),
            4 => Just(Action::Cont),
            3 => Just(Action::ContLate),
            3 => Just(Action::Enter),
            2 => Just(Action::Save),
            2 => any::<bool>().prop_map(Action::Load),
            1 => Just(Action::Reset),
            2 => Just(Action::Tick),
            1 => (-10_000i64..10_000).prop_map(|ms| Action::MoveRealtime(ms * 1_000_000)),
            1 => (1u64..1_000_000, any::<bool>())
                .prop_map(|(n, runs)| Action::Sleep(n * 125_000, runs)),
            1 => Just(Action::CounterReset),
            2 => (0usize..2, 1u32..3).prop_map(|(clock, n)| Action::FailCapture(clock, n)),
            2 => (0usize..2, 1u32..3).prop_map(|(clock, n)| Action::FailInstall(clock, n)),
            1 => (1u32..12).prop_map(Action::FailSamples),
            1 => (0usize..2, 0u128..1 << 72).prop_map(|(clock, tod)| Action::GuestSets(clock, tod)),
            1 => (0u64..100_000).prop_map(|n| Action::Arm(n * 512)),
            1 => Just(Action::Arm(0)),
        ]
        .boxed()
    }

    fn apply(state: Phase, _transition: &Action) -> Phase {
        state
    }
}

struct Test {
    vm: Vm,
    clocks: [Arc<EpochClock>; 2],
    saved: Option<SavedClocks>,
    timer: Timer,
    fired_at: Arc<AtomicU64>,
    model: Model,
    /// What the guest has seen of each clock, while nothing may move it back.
    seen: [Option<FineTod>; 2],
    /// The number of the first ledger entry after the last load.
    loaded: u64,
    /// Samples of the host that fail; none of the model's business.
    failing: u32,
}

fn gap(since: Since, boottime: u64, realtime: i64) -> u64 {
    match since {
        Since::Boottime(then) => boottime - then,
        Since::Elsewhere(arrived) if arrived.measured => {
            boottime - arrived.boottime + arrived.stood
        }
        Since::Elsewhere(arrived) => {
            u64::try_from(realtime.saturating_sub(arrived.realtime)).unwrap_or(0) + arrived.stood
        }
    }
}

impl Test {
    fn host(&self) -> u128 {
        self.model.host
    }

    /// The counter ran for `ns`.
    fn ran(&mut self, ns: u64) {
        let ticks = u128::from(ns) * u128::from(HZ) / u128::from(SECOND);
        self.model.host = self.model.host.wrapping_add(ticks * TICK);
    }

    fn let_host_recover(&mut self) {
        self.vm.host.fail_samples(0);
        self.failing = 0;
    }

    /// A sample that fails up to three times is tried again; a reading that is
    /// extrapolated knows no sleep and no step, so the model takes over the gap
    /// that was granted, after bounding it.
    fn extrapolates(&self) -> bool {
        self.failing >= 4
    }

    fn used_samples(&mut self) {
        self.failing = self.failing.saturating_sub(4);
    }

    fn timeline(&self) -> u128 {
        let running = self.model.phase == Phase::Running;
        let since = self.host().wrapping_sub(self.model.timeline_from);
        self.model
            .timeline
            .wrapping_add(if running { since } else { 0 })
    }

    fn runs(&self) -> bool {
        matches!(self.model.phase, Phase::Starting | Phase::Running)
    }

    fn cont(&mut self, late: bool) {
        let host = self.host();
        let extrapolates = self.extrapolates();
        if self.runs() {
            assert!(!self.vm.run.cont(Cause::Monitor).unwrap());
            return;
        }
        self.vm.cont_late();
        self.used_samples();
        for (index, policy) in [Policy::Freeze, Policy::CatchUp].into_iter().enumerate() {
            let clock = &mut self.model.clocks[index];
            let Some((value, since)) = clock.kept.take() else {
                clock.book_free_run(host);
                continue;
            };
            let gap = gap(since, self.model.boottime, self.model.realtime);
            let mut granted = if policy == Policy::CatchUp {
                bits_of_ns(gap)
            } else {
                0
            };
            if extrapolates && policy == Policy::CatchUp {
                let real = self.clocks[index].fine_now().bits().wrapping_sub(value);
                let ran = clock.fail_install > 0;
                assert!(ran || real as i128 >= 0, "a gap is never negative");
                granted = real;
            }
            if clock.install(value.wrapping_add(granted), host) {
                // A clock that catches up does not wait for the first vCPU.
                clock.stands = (policy == Policy::Freeze).then_some(value);
                clock.booked = host;
                clock.book_grant(granted);
                clock.book_known();
            } else {
                clock.book_free_run(host);
            }
        }
        self.model.phase = Phase::Starting;
        if !late {
            self.enter();
        }
    }

    /// The first vCPU enters, if it is still to come.
    fn enter(&mut self) {
        self.vm.run.vcpus().enter();
        self.begin();
    }

    /// The clocks start, if they have not.
    fn begin(&mut self) {
        if self.model.phase != Phase::Starting {
            return;
        }
        let extrapolates = self.extrapolates();
        self.used_samples();
        let host = self.host();
        for clock in &mut self.model.clocks {
            match clock.stands.take() {
                Some(value) => {
                    clock.offset = value.wrapping_sub(host);
                    clock.booked = host;
                }
                None => clock.book_free_run(host),
            }
        }
        self.model.phase = Phase::Running;
        self.model.timeline_from = host;
        let stopped = self.model.stopped.take();
        let downtime = match stopped {
            Some(since @ Since::Elsewhere(Arrived { measured: true, .. })) => {
                Some(gap(since, self.model.boottime, 0))
            }
            _ => None,
        };
        let ledger = self.vm.clocks.ledger();
        let since_load = ledger.entries().rev();
        let booked: Vec<_> = since_load
            .take_while(|entry| entry.number >= self.loaded)
            .filter_map(|entry| match entry.event {
                Event::Downtime(downtime) => Some(downtime.ns),
                _ => None,
            })
            .collect();
        match downtime {
            Some(ns) if !extrapolates => assert_eq!(booked, [ns as i64]),
            Some(_) => assert_eq!(booked.len(), 1),
            None => assert!(booked.len() <= usize::from(self.loaded > 0)),
        }
    }

    fn stop(&mut self) {
        let host = self.host();
        let extrapolates = self.extrapolates();
        self.vm.stop();
        match self.model.phase {
            Phase::Running => self.used_samples(),
            // It has run for no time, and one reading is both its start and its end.
            Phase::Starting => self.begin(),
            Phase::Fresh | Phase::Stopped => return,
        }
        let stopped = self.vm.clocks.stopped().unwrap();
        let boottime = if extrapolates {
            // It does not know of the sleep before it.
            let boottime = u64::try_from(stopped.boottime_ns).unwrap();
            assert!(boottime <= self.model.boottime, "no time is invented");
            boottime
        } else {
            self.model.boottime
        };
        let since = Since::Boottime(boottime);
        self.model.timeline = self
            .model
            .timeline
            .wrapping_add(host.wrapping_sub(self.model.timeline_from));
        for clock in &mut self.model.clocks {
            clock.book_run(host);
            clock.kept = clock.capture(host).map(|value| (value, since));
            if clock.kept.is_some() {
                clock.book_known();
            }
        }
        self.model.stopped = Some(since);
        self.model.phase = Phase::Stopped;
    }

    fn save(&mut self) {
        let host = self.host();
        // A record's wallclock is a sampled one.
        self.let_host_recover();
        let saved = self.vm.clocks.on_save(Cause::Snapshot);
        // Only what runs can be saved, so clocks that wait for the first vCPU wait no longer.
        self.begin();
        let running = self.model.phase == Phase::Running;
        let values = [0, 1].map(|index| {
            let clock = &mut self.model.clocks[index];
            if let Some((value, _)) = clock.kept {
                return Some(value);
            }
            let value = clock.capture(host)?;
            if running {
                clock.book_run(host);
            } else {
                clock.book_free_run(host);
            }
            clock.book_known();
            Some(value)
        });
        for (record, value) in saved.clocks.iter().zip(&values) {
            let real = match &record.value {
                tod::clock::SavedValue::Captured(captured) => Some(captured.value.bits()),
                tod::clock::SavedValue::Missing { .. } => None,
            };
            assert_eq!(real, *value, "{} as saved", record.name);
        }
        let (boottime, realtime) = (self.model.boottime, self.model.realtime);
        let stood = |since| gap(since, boottime, realtime);
        let stopped = self.model.stopped.map(stood).unwrap_or_default();
        let kept = self.model.clocks.map(|clock| clock.kept);
        let stood = kept.map(|kept| kept.map(|(_, since)| stood(since)).unwrap_or_default());
        assert_eq!(saved.saved_at.boottime_ns, boottime);
        assert_eq!(
            saved.stopped().boottime_ns,
            boottime as i64 - stopped as i64
        );
        assert_eq!(
            saved
                .clocks
                .iter()
                .map(|clock| clock.stood.ns)
                .collect::<Vec<_>>(),
            stood
        );
        self.model.saved = Some(Saved {
            timeline: self.timeline(),
            boottime,
            realtime,
            stopped,
            stood,
            values,
            accounts: self.model.clocks.map(|clock| clock.account),
        });
        self.saved = Some(saved);
    }

    fn load(&mut self, measured: bool) {
        let Some(saved) = self.saved.clone() else {
            return;
        };
        let running = self.runs();
        let host = self.host();
        // It is the same host.
        let offset = measured.then_some(HostOffset { ns: 0, error_ns: 0 });
        let cause = if measured {
            Cause::Migration
        } else {
            Cause::Snapshot
        };
        let fallbacks = match self.vm.clocks.on_load(saved, offset, cause) {
            Ok(fallbacks) => fallbacks,
            Err(error) => {
                assert_eq!((error, running), (LoadError::Running, true));
                return;
            }
        };
        assert!(!running);
        self.loaded = self.vm.clocks.ledger().count();
        self.used_samples();
        let record = self.model.saved.clone().unwrap();
        let arrived = |stood| {
            Since::Elsewhere(Arrived {
                boottime: record.boottime,
                realtime: record.realtime,
                stood,
                measured,
            })
        };
        self.model.stopped = Some(arrived(record.stopped));
        let mut failures = 0;
        for (index, clock) in self.model.clocks.iter_mut().enumerate() {
            let value = record.values[index];
            clock.kept = value.map(|value| (value, arrived(record.stood[index])));
            clock.account = record.accounts[index];
            clock.booked = host;
            if value.is_some_and(|value| clock.install(value, host)) {
                clock.book_known();
            } else {
                clock.account = None;
                failures += 1;
            }
        }
        assert_eq!(fallbacks.len(), failures);
        self.model.timeline = record.timeline;
        self.model.phase = Phase::Stopped;
        // A snapshot may well bring back an earlier time.
        self.seen = [None; 2];
    }

    fn reset_counter(&mut self) {
        // Nothing may be pending: a reset is told by the host's other clocks.
        self.let_host_recover();
        let before = self.host();
        self.model.resets += 1;
        // Always below every earlier base; see the crate's limits on resets.
        self.vm
            .host
            .reset_counter((1 << 30) - self.model.resets * 10_000);
        let reading = self.vm.timebase.reading();
        let host = reading.host.bits();
        let ahead = host.wrapping_sub(before) as i128;
        // Never back; ahead by what NTP may have slewed since the last sample.
        assert!(ahead >= 0, "the mapping went back by {ahead}");
        assert!(ahead < bits_of_ns(self.model.ticks_ns / 1000 + 10_000) as i128);
        self.model.host = host;
        self.model.ticks_ns = 0;
    }

    fn set(&mut self, index: usize, units: u128) {
        // Only a guest that runs sets its clock.
        if self.model.phase != Phase::Running {
            return;
        }
        let host = self.host();
        self.clocks[index].set(Tod::from_units(units));
        self.model.clocks[index].offset = (units << 56).wrapping_sub(host);
        self.seen[index] = None;
    }

    fn check(&mut self) {
        let host = self.host();
        for (index, clock) in self.clocks.iter().enumerate() {
            let model = self.model.clocks[index];
            let shown = clock.fine_now();
            assert_eq!(shown.bits(), model.shows(host), "{}", NAMES[index]);
            let state = self.vm.clocks.state(NAMES[index]).unwrap();
            match (state, model.kept) {
                (ClockState::Stopped { base, .. }, Some((value, _))) => {
                    assert_eq!(base.value.bits(), value);
                }
                (ClockState::Stopped { .. }, None) | (_, Some(_)) => {
                    panic!("{}: {model:?} in {:?}", NAMES[index], self.model.phase)
                }
                _ => {}
            }
            // R7, as a guest sees it.
            if self.model.phase == Phase::Running {
                if let Some(seen) = self.seen[index] {
                    assert!(
                        shown.since(seen) >= FineSpan::ZERO,
                        "{} went back",
                        NAMES[index]
                    );
                }
                self.seen[index] = Some(shown);
            }
        }
        let timeline = self.timeline();
        assert_eq!(
            self.vm.timeline.now(),
            VmTime::from_units((timeline >> 56) as u64)
        );
        // R8: the timer fires when the timeline is there and the VM runs, not before.
        let due = self.model.phase == Phase::Running
            && self
                .model
                .armed
                .is_some_and(|deadline| deadline <= timeline >> 56);
        self.fired_at.store(u64::MAX, Ordering::SeqCst);
        assert_eq!(self.vm.timeline.run_due(), usize::from(due));
        if due {
            assert_eq!(
                self.fired_at.load(Ordering::SeqCst),
                (timeline >> 56) as u64
            );
            self.model.armed = None;
        }
        let ledger = self.vm.clocks.ledger();
        ledger.verify().unwrap();
        for (model, name) in self.model.clocks.iter().zip(NAMES) {
            let account = ledger
                .account(name)
                .filter(|account| account.value().is_some());
            if let Some(account) = account {
                assert_eq!(account.unexplained(), FineSpan::ZERO, "{name}");
            }
            let sums = account.map(|account| Account {
                run: account.run().bits() as u128,
                granted: account.granted().bits() as u128,
            });
            assert_eq!(sums, model.account, "{name}");
        }
    }
}

impl StateMachineTest for Machine {
    type SystemUnderTest = Test;
    type Reference = Machine;

    fn init_test(_state: &Phase) -> Test {
        let vm = Vm::on(SimHost::with_counter_hz(HZ));
        let clocks = [
            vm.clock(NAMES[0], Policy::Freeze),
            vm.clock(NAMES[1], Policy::CatchUp),
        ];
        let start = vm.timebase.reading();
        let fired_at = Arc::new(AtomicU64::new(u64::MAX));
        let fired = Arc::clone(&fired_at);
        let timer = vm.timeline.timer("alarm", move |now| {
            fired.store(now.units(), Ordering::SeqCst);
        });
        let clock = |clock: &Arc<EpochClock>| ModelClock {
            offset: clock.fine_now().bits().wrapping_sub(start.host.bits()),
            kept: None,
            stands: None,
            fail_capture: 0,
            fail_install: 0,
            account: None,
            booked: start.host.bits(),
        };
        let model = Model {
            phase: Phase::Fresh,
            host: start.host.bits(),
            ticks_ns: 0,
            boottime: start.boottime_ns,
            realtime: start.realtime_ns,
            timeline: 0,
            timeline_from: 0,
            clocks: [clock(&clocks[0]), clock(&clocks[1])],
            stopped: None,
            saved: None,
            armed: None,
            resets: 0,
        };
        Test {
            vm,
            clocks,
            saved: None,
            timer,
            fired_at,
            model,
            seen: [None; 2],
            loaded: 0,
            failing: 0,
        }
    }

    fn apply(mut test: Test, _state: &Phase, step: Action) -> Test {
        match step {
            Action::Advance(ns) => {
                test.vm.host.advance(ns);
                test.model.ticks_ns += ns;
                test.model.boottime += ns;
                test.model.realtime += ns as i64;
                test.ran(ns);
            }
            Action::Stop => test.stop(),
            Action::Cont => test.cont(false),
            Action::ContLate => test.cont(true),
            Action::Enter => test.enter(),
            Action::Save => test.save(),
            Action::Load(measured) => test.load(measured),
            Action::Reset => {
                test.vm.clocks.on_reset(Cause::GuestReset);
                test.used_samples();
            }
            Action::Tick => {
                test.vm.clocks.tick();
                test.used_samples();
            }
            Action::MoveRealtime(ns) => {
                test.vm.host.step(ns);
                test.model.realtime += ns;
            }
            Action::Sleep(ns, runs) => {
                let counter = if runs {
                    SleepingCounter::Runs
                } else {
                    SleepingCounter::Stands
                };
                test.vm.host.sleep(ns, counter);
                test.model.boottime += ns;
                test.model.realtime += ns as i64;
                if runs {
                    test.ran(ns);
                }
                // The host notices when it wakes, before anything else goes wrong.
                test.let_host_recover();
                let _ = test.vm.timebase.reading();
            }
            Action::CounterReset => test.reset_counter(),
            Action::FailCapture(clock, count) => {
                test.vm
                    .clocks
                    .inject(NAMES[clock], FaultPoint::Capture, count)
                    .unwrap();
                test.model.clocks[clock].fail_capture = count;
            }
            Action::FailInstall(clock, count) => {
                test.vm
                    .clocks
                    .inject(NAMES[clock], FaultPoint::Install, count)
                    .unwrap();
                test.model.clocks[clock].fail_install = count;
            }
            Action::FailSamples(count) => {
                test.vm.host.fail_samples(count);
                test.failing = count;
            }
            Action::GuestSets(clock, value) => test.set(clock, value),
            Action::Arm(units) => {
                let deadline = test
                    .vm
                    .timeline
                    .now()
                    .saturating_add(VmDuration::from_units(units));
                test.timer.arm(deadline);
                test.model.armed = Some(u128::from(deadline.units()));
            }
        }
        test.check();
        test
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_agrees_with_the_model(sequential 1..60 => Machine);
}
