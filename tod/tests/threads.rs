//! The gate, sleepers and timers with real threads, on the real host's clocks.
//!
//! Nothing here asserts how long something takes, only what may not happen:
//! waking early, a lost wake-up (the test would hang), a vCPU inside a closed gate.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tod::run::{Kick, VcpuPlace};
use tod::{
    Cause, ClockManager, Deadline, EpochClock, HostClock, LinuxHost, Passage, Policy, PushableHost,
    RunControl, RunState, SimHost, Sleeper, Timebase, Timeline, VcpuGate, VmDuration, Woke,
};

fn real() -> (Arc<Timebase>, Arc<Timeline>) {
    let timebase = Timebase::new(Arc::new(LinuxHost::new())).unwrap();
    let timeline = Timeline::new(&timebase);
    (timebase, timeline)
}

/// A vCPU that does nothing but count: its kick makes it leave the "guest".
#[derive(Default)]
struct Spinner {
    exit: AtomicBool,
    rounds: AtomicU64,
}

fn spinning_vm(
    cpus: usize,
) -> (
    RunControl<Arc<VcpuGate>>,
    Arc<EpochClock>,
    Vec<Arc<Spinner>>,
) {
    let (timebase, timeline) = real();
    let clocks = ClockManager::new(timeline);
    let tod = EpochClock::at_host_time(&timebase);
    clocks
        .register("tod", Box::new(Arc::clone(&tod)), Policy::Freeze)
        .unwrap();
    let spinners: Vec<Arc<Spinner>> = (0..cpus).map(|_| Arc::default()).collect();
    let kicks = spinners
        .iter()
        .map(|spinner| {
            let spinner = Arc::clone(spinner);
            Box::new(move || spinner.exit.store(true, Ordering::SeqCst)) as Kick
        })
        .collect();
    let gate = Arc::new(VcpuGate::new(kicks));
    (
        RunControl::new(RunState::Prelaunch, gate, clocks),
        tod,
        spinners,
    )
}

/// R7, R9: no vCPU reads a clock before it is installed, none reads it going
/// back, and while the VM is stopped none is in the guest.
#[test]
fn vcpus_stand_while_stopped_and_never_see_time_go_back() {
    const CPUS: usize = 4;
    let (mut run, tod, spinners) = spinning_vm(CPUS);
    let inside = Arc::new(AtomicUsize::new(0));
    // The largest reading that any vCPU has told the others of.
    let told = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = spinners
        .iter()
        .enumerate()
        .map(|(cpu, spinner)| {
            let gate = Arc::clone(run.vcpus());
            let (spinner, tod) = (Arc::clone(spinner), Arc::clone(&tod));
            let (inside, told) = (Arc::clone(&inside), Arc::clone(&told));
            std::thread::spawn(move || {
                let seat = gate.seat(cpu).unwrap();
                assert!(gate.seat(cpu).is_none(), "a seat for two");
                while seat.pass() == Passage::Run {
                    inside.fetch_add(1, Ordering::SeqCst);
                    while !spinner.exit.swap(false, Ordering::SeqCst) {
                        let heard = told.load(Ordering::Acquire);
                        let now = tod.now().clock();
                        assert!(now >= heard, "{now:x} after {heard:x}");
                        told.fetch_max(now, Ordering::Release);
                        spinner.rounds.fetch_add(1, Ordering::Relaxed);
                        std::thread::yield_now();
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    for cycle in 0..300 {
        run.cont(Cause::Monitor).unwrap();
        if cycle % 10 == 0 {
            let rounds = |spinner: &Arc<Spinner>| spinner.rounds.load(Ordering::Relaxed);
            let before: Vec<u64> = spinners.iter().map(rounds).collect();
            while spinners
                .iter()
                .map(rounds)
                .zip(&before)
                .any(|(now, before)| now == *before)
            {
                std::thread::yield_now();
            }
        }
        run.stop(RunState::Paused, Cause::Monitor).unwrap();
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        assert!(
            run.vcpus()
                .places()
                .iter()
                .all(|place| *place != VcpuPlace::Inside)
        );
    }
    let ledger = run.clocks().ledger();
    ledger.verify().unwrap();
    run.cont(Cause::Monitor).unwrap();
    run.vcpus().quit();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(run.vcpus().places(), [VcpuPlace::Offline; CPUS]);
}

#[test]
fn a_vcpu_that_ends_is_not_waited_for() {
    let (mut run, _tod, spinners) = spinning_vm(2);
    let (told, hears) = mpsc::channel();
    let gate = Arc::clone(run.vcpus());
    let ends = std::thread::spawn(move || {
        let seat = gate.seat(0).unwrap();
        assert_eq!(seat.pass(), Passage::Run);
        told.send(()).unwrap();
        while !seat.stop_requested() {
            std::thread::yield_now();
        }
        // Leaves the seat inside the guest, without coming back to the gate.
    });
    run.cont(Cause::Monitor).unwrap();
    hears.recv().unwrap();
    assert_eq!(
        run.vcpus().places(),
        [VcpuPlace::Inside, VcpuPlace::Offline]
    );
    run.stop(RunState::Paused, Cause::Monitor).unwrap();
    ends.join().unwrap();
    assert_eq!(run.vcpus().places(), [VcpuPlace::Offline; 2]);
    // A late thread parks, and its seat can be taken again.
    let gate = Arc::clone(run.vcpus());
    let late = std::thread::spawn(move || gate.seat(0).unwrap().pass());
    while run.vcpus().places()[0] != VcpuPlace::Parked {
        std::thread::yield_now();
    }
    run.vcpus().quit();
    assert_eq!(late.join().unwrap(), Passage::Quit);
    assert!(run.vcpus().seat(2).is_none());
    drop(spinners);
}

#[test]
fn no_kick_is_lost() {
    let (_timebase, timeline) = real();
    let ping = Sleeper::new(&timeline, "ping");
    let pong = Sleeper::new(&timeline, "pong");
    let other = {
        let (ping, pong) = (Arc::clone(&ping), Arc::clone(&pong));
        std::thread::spawn(move || {
            for _ in 0..20_000 {
                assert_eq!(pong.sleep_until(&Deadline::NEVER), Woke::Kicked);
                ping.kick();
            }
        })
    };
    for _ in 0..20_000 {
        pong.kick();
        assert_eq!(ping.sleep_until(&Deadline::NEVER), Woke::Kicked);
    }
    other.join().unwrap();
    // Many kicks are one.
    ping.kick();
    ping.kick();
    assert_eq!(ping.sleep_until(&Deadline::NEVER), Woke::Kicked);
    assert_eq!(
        ping.sleep_until(&Deadline::vm(timeline.now())),
        Woke::Deadline
    );
}

#[test]
fn sleepers_do_not_wake_early() {
    let (timebase, timeline) = real();
    let clocks = ClockManager::new(Arc::clone(&timeline));
    let tod = EpochClock::at_host_time(&timebase);
    let sleeper = Sleeper::new(&timeline, "cpu0");
    VcpuGate::new(Vec::new()).open(clocks.on_cont(Cause::Launch));
    for us in 0..200 {
        let value = tod.now().wrapping_add(us * 4096);
        assert_eq!(
            sleeper.sleep_until(&Deadline::clock(&tod, value)),
            Woke::Deadline
        );
        assert!(!tod.now().is_before(value));
        let time = timeline
            .now()
            .saturating_add(VmDuration::from_units(us as u64 * 4096));
        // The earlier of two deadlines counts.
        let both = Deadline {
            vm: Some(time),
            clock: Some((&tod, value.wrapping_add(1 << 60))),
        };
        assert_eq!(sleeper.sleep_until(&both), Woke::Deadline);
        assert!(timeline.now() >= time);
    }
}

#[test]
fn a_sleeper_sees_its_clock_being_set_and_the_host_being_pushed() {
    let host = PushableHost::new(LinuxHost::new());
    let pusher = host.pusher();
    let timebase = Timebase::new(Arc::new(host)).unwrap();
    let timeline = Timeline::new(&timebase);
    let tod = EpochClock::at_host_time(&timebase);
    let sleeper = Sleeper::new(&timeline, "cpu0");
    let asleep = || {
        matches!(
            timeline.sleepers()[0].state,
            tod::timeline::SleepState::Asleep { .. }
        )
    };
    let hour = 3600 * 4_096_000_000i128;
    for by_set in [true, false] {
        let thread = {
            let (sleeper, tod) = (Arc::clone(&sleeper), Arc::clone(&tod));
            let value = tod.now().wrapping_add(hour);
            std::thread::spawn(move || {
                let woke = sleeper.sleep_until(&Deadline::clock(&tod, value));
                assert!(!tod.now().is_before(value));
                woke
            })
        };
        while !asleep() {
            std::thread::yield_now();
        }
        if by_set {
            tod.set(tod.now().wrapping_add(2 * hour));
        } else {
            pusher.push(3600 * 1_000_000_000);
        }
        assert_eq!(thread.join().unwrap(), Woke::Deadline);
    }
}

/// What a sleeper waits for on a timeline that stands has no time-out, whatever else it waits
/// for has; it is told when the timeline runs. (A sleeper that is not would sleep for an hour.)
#[test]
fn a_sleeper_that_waits_for_a_standing_timeline_sees_it_run() {
    let (timebase, timeline) = real();
    let clocks = ClockManager::new(Arc::clone(&timeline));
    let tod = EpochClock::at_host_time(&timebase);
    clocks
        .register("tod", Box::new(Arc::clone(&tod)), Policy::Freeze)
        .unwrap();
    let sleeper = Sleeper::new(&timeline, "cpu0");
    let gate = VcpuGate::new(Vec::new());
    let hour = 3600 * 4_096_000_000i128;
    for _ in 0..20 {
        let thread = {
            let (sleeper, tod) = (Arc::clone(&sleeper), Arc::clone(&tod));
            let due = timeline.now().saturating_add(VmDuration::from_units(4096));
            let value = tod.now().wrapping_add(hour);
            std::thread::spawn(move || {
                sleeper.sleep_until(&Deadline {
                    vm: Some(due),
                    clock: Some((&tod, value)),
                })
            })
        };
        while !matches!(
            timeline.sleepers()[0].state,
            tod::timeline::SleepState::Asleep { .. }
        ) {
            std::thread::yield_now();
        }
        gate.open(clocks.on_cont(Cause::Monitor));
        assert_eq!(thread.join().unwrap(), Woke::Deadline);
        clocks.on_stop(gate.close_and_wait(), Cause::Monitor);
    }
}

/// Many stops that meet vCPUs busy, waiting, or on their way: guest time is the time that the VM
/// ran, to the last unit, and a vCPU that waits is neither waited for nor woken.
#[test]
fn vcpus_that_wait_do_not_hold_up_a_stop() {
    const CPUS: usize = 3;
    let (mut run, tod, spinners) = spinning_vm(CPUS);
    let ends = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = spinners
        .iter()
        .enumerate()
        .map(|(cpu, spinner)| {
            let gate = Arc::clone(run.vcpus());
            let (spinner, tod) = (Arc::clone(spinner), Arc::clone(&tod));
            let ends = Arc::clone(&ends);
            std::thread::spawn(move || {
                let seat = gate.seat(cpu).unwrap();
                // Outside the guest the clock runs on over a stop and is set back to it by the
                // next cont: only what the guest sees is in order.
                let mut last = None;
                while seat.approach() == Passage::Run {
                    if !gate.enter() {
                        continue;
                    }
                    while !spinner.exit.swap(false, Ordering::SeqCst) {
                        let now = tod.now();
                        assert!(!last.is_some_and(|last| now.is_before(last)));
                        last = Some(now);
                        spinner.rounds.fetch_add(1, Ordering::Relaxed);
                        if cpu > 0 && now.clock() % 7 == 0 {
                            break;
                        }
                    }
                    if cpu == 2 {
                        // It waits for nothing but the end.
                        seat.leave();
                        while !ends.load(Ordering::SeqCst) {
                            std::thread::yield_now();
                        }
                    } else if cpu == 1 {
                        seat.leave();
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    for _ in 0..2000 {
        run.cont(Cause::Monitor).unwrap();
        run.stop(RunState::Paused, Cause::Monitor).unwrap();
    }
    let ledger = run.clocks().ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(account.unexplained(), tod::FineSpan::ZERO);
    assert_eq!(account.granted(), tod::FineSpan::ZERO);
    ends.store(true, Ordering::SeqCst);
    run.vcpus().quit();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn pushes_move_all_clocks_alike() {
    let host = PushableHost::new(LinuxHost::new());
    let pusher = host.pusher();
    let timebase = Timebase::new(Arc::new(host)).unwrap();
    let before = timebase.reading();
    for _ in 0..1000 {
        pusher.push(120_000_000_001);
    }
    let after = timebase.reading();
    let pushed = 1000 * 120_000_000_001;
    let monotonic = after.monotonic_ns - before.monotonic_ns;
    assert!(monotonic >= pushed);
    let slack = 1_000_000 + i128::from(before.error_ns() + after.error_ns());
    let near = |ns: i128| (ns - i128::from(monotonic)).abs() < slack;
    assert!(near(i128::from(after.boottime_ns - before.boottime_ns)));
    assert!(near(i128::from(after.realtime_ns - before.realtime_ns)));
    // A million times the calibration error, over some real milliseconds only.
    assert!(
        near(after.host.since(before.host).as_ns()),
        "{before:?} {after:?}"
    );
    assert!(timebase.take_events().is_empty());
}

#[test]
fn timers_fire_by_themselves_in_order_and_stand_while_stopped() {
    let (_timebase, timeline) = real();
    let clocks = ClockManager::new(Arc::clone(&timeline));
    let gate = VcpuGate::new(Vec::new());
    timeline.start_thread().unwrap();
    timeline.start_thread().unwrap();
    let (sender, fired) = mpsc::channel();
    let timer = |name: &'static str| {
        let sender = sender.clone();
        timeline.timer(name, move |now| sender.send((name, now)).unwrap())
    };
    let (first, second, never) = (timer("first"), timer("second"), timer("never"));
    let after = |us: u64| {
        timeline
            .now()
            .saturating_add(VmDuration::from_units(us * 4096))
    };
    let due = after(1000);
    second.arm(after(2000));
    first.arm(after(500));
    first.arm(due);
    never.arm(after(1500));
    never.disarm();
    // The timeline stands: nothing fires.
    assert!(fired.recv_timeout(Duration::from_millis(20)).is_err());
    gate.open(clocks.on_cont(Cause::Launch));
    let (name, at) = fired.recv().unwrap();
    assert_eq!(name, "first");
    assert!(at >= due);
    assert_eq!(fired.recv().unwrap().0, "second");
    // A stop waits for a callback under way, and none starts after it.
    let (sender, started) = mpsc::channel();
    let busy = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&busy);
    let slow = timeline.timer("slow", move |_| {
        flag.store(true, Ordering::SeqCst);
        sender.send(()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        flag.store(false, Ordering::SeqCst);
    });
    slow.arm(timeline.now());
    started.recv().unwrap();
    clocks.on_stop(gate.close_and_wait(), Cause::Monitor);
    assert!(!busy.load(Ordering::SeqCst));
    slow.arm(timeline.now());
    assert!(started.recv_timeout(Duration::from_millis(20)).is_err());
    gate.open(clocks.on_cont(Cause::Monitor));
    started.recv().unwrap();
    drop((first, second, never, slow));
    assert!(timeline.timers().is_empty());
}

#[test]
fn a_timer_thread_follows_a_simulated_host() {
    let host = SimHost::new();
    let timebase = Timebase::new(Arc::new(host.clone())).unwrap();
    let timeline = Timeline::new(&timebase);
    let clocks = ClockManager::new(Arc::clone(&timeline));
    timeline.start_thread().unwrap();
    VcpuGate::new(Vec::new()).open(clocks.on_cont(Cause::Launch));
    let (sender, fired) = mpsc::channel();
    let timer = timeline.timer("day", move |now| sender.send(now).unwrap());
    let deadline = VmDuration::from_ns_ceil(86_400_000_000_000);
    timer.arm(timeline.now().saturating_add(deadline));
    host.advance(86_399_000_000_000);
    assert!(fired.recv_timeout(Duration::from_millis(5)).is_err());
    host.advance(1_000_000_001);
    assert!(fired.recv().unwrap().units() >= deadline.units());
}

#[test]
fn real_readings_are_consistent() {
    for host in [LinuxHost::new(), LinuxHost::with_monotonic_counter()] {
        let (rate, name) = (host.rate(), host.counter().name());
        let timebase = Timebase::new(Arc::new(host)).unwrap();
        let first = timebase.reading();
        std::thread::sleep(Duration::from_millis(50));
        let second = timebase.check();
        let monotonic = second.monotonic_ns - first.monotonic_ns;
        let counted = second.host.since(first.host).as_ns();
        let off = (counted - i128::from(monotonic)).unsigned_abs();
        // The brackets and the stated error of the rate, no more.
        let bound = u128::from(first.error_ns() + second.error_ns())
            + u128::from(monotonic) * u128::from(rate.error_ppb) / 1_000_000_000
            + 2;
        assert!(off <= bound, "{name}: {off} ns off, {bound} ns stated");
    }
}

#[test]
fn stop_cont_on_the_real_host_loses_nothing() {
    let (mut run, tod, _spinners) = spinning_vm(0);
    run.cont(Cause::Launch).unwrap();
    for _ in 0..10_000 {
        run.stop(RunState::Paused, Cause::Monitor).unwrap();
        run.clocks().tick();
        run.cont(Cause::Monitor).unwrap();
    }
    run.stop(RunState::Paused, Cause::Monitor).unwrap();
    let ledger = run.clocks().ledger();
    ledger.verify().unwrap();
    let account = ledger.account("tod").unwrap();
    assert_eq!(account.unexplained(), tod::FineSpan::ZERO);
    assert_eq!(account.granted(), tod::FineSpan::ZERO);
    drop(tod);
}
