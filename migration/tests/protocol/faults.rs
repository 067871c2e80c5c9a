//! Channels that are cut, stall or corrupt, anywhere and in either direction, and users that give
//! up at any moment: exactly one side has the guest, and both say what happened.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use migration::outgoing::Outgoing;
use migration::params::Value;
use migration::progress::Status;
use tod::RunState;

use crate::pair::{HANG, Options, Pair, join};
use crate::proxy::{Fault, Hook, Kind, Proxy, Spot, Way, sections};

const WAYS: [Way; 2] = [Way::There, Way::Back];

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Moved,
    /// The source has let go and does not know.
    Unconfirmed {
        started: bool,
    },
    Stayed,
    Cancelled,
}

/// One move with one fault.
struct Case {
    pair: Pair,
    logs: [Vec<u8>; 2],
    outcome: Outcome,
    source_says: String,
    destination_says: String,
}

fn run(fault: Fault, runs: bool) -> Case {
    let pair = Pair::new(&Options::default());
    // Only where it is waited for: a busy host takes its time.
    let stall = Value::Number(match fault.kind {
        Kind::Stall | Kind::HalfStall => 80,
        _ => 10_000,
    });
    pair.settings
        .change_parameters(|parameters| parameters.set("x-stall-timeout", stall))
        .unwrap();
    pair.source.cont();
    if !runs {
        pair.source.pause();
    }
    let before = pair.source.state();
    let receiving = pair.receive("destination");
    let sending = Arc::<Mutex<Option<Outgoing>>>::default();
    let hook: Hook = Arc::new({
        let sending = Arc::clone(&sending);
        move || {
            // It may be hit before `send` has come back.
            let guard = sending.lock().unwrap();
            guard
                .as_ref()
                .expect("it is kept locked until then")
                .cancel();
        }
    });
    let (from, to) = (pair.path("source"), pair.path("destination"));
    let proxy = Proxy::new(&from, &to, fault, hook);
    {
        let mut sending = sending.lock().unwrap();
        *sending = Some(pair.send("source"));
    }
    assert!(pair.outgoing.wait(HANG), "the source hangs: {fault:?}");
    let received = join(receiving);
    let (logs, hit) = proxy.finish();
    let sending = sending.lock().unwrap().take().unwrap();
    pair.finish(sending);

    let report = pair.outgoing.report().unwrap();
    let started = pair.destination.state() != RunState::Prelaunch;
    assert_eq!(started, received.is_ok(), "{fault:?}");
    let failures = pair.destination.failures.load(Ordering::SeqCst);
    assert_eq!(failures, u32::from(!started), "{fault:?}");
    if started {
        // Whatever was flipped: what runs is what was sent.
        pair.assert_moved();
        assert_eq!(pair.destination.state(), before, "{fault:?}");
    }
    let kept = || {
        assert!(!started, "{fault:?}: two have the guest");
        assert_eq!(pair.source.state(), before, "{fault:?}");
        assert_eq!(pair.source.hand_overs.load(Ordering::SeqCst), 0);
    };
    let outcome = match (report.status, &report.x_warning) {
        (Status::Completed, None) => {
            assert!(started, "{fault:?}: nobody has the guest");
            // (How many pings there are depends on how quick the host is.)
            let found = !hit || !matches!(fault.kind, Kind::Flip(_));
            assert!(found, "{fault:?} was not found");
            Outcome::Moved
        }
        (Status::Completed, Some(_)) => Outcome::Unconfirmed { started },
        (Status::Failed, _) => {
            kept();
            Outcome::Stayed
        }
        (Status::Cancelled, _) => {
            kept();
            Outcome::Cancelled
        }
        (status, _) => panic!("{fault:?}: it ends in status {status}"),
    };
    if report.status == Status::Completed {
        assert_eq!(pair.source.state(), RunState::Postmigrate, "{fault:?}");
        assert_eq!(pair.source.take_backs.load(Ordering::SeqCst), 0);
    }
    let source_says = report.error_desc.or(report.x_warning).unwrap_or_default();
    let destination_says = received.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(!source_says.is_empty() || matches!(outcome, Outcome::Moved | Outcome::Cancelled));
    Case {
        pair,
        logs,
        outcome,
        source_says,
        destination_says,
    }
}

/// A move without a fault: where its sections are.
fn undisturbed(runs: bool) -> [Vec<(usize, String)>; 2] {
    let fault = Fault {
        way: Way::There,
        at: Spot::Byte(0),
        kind: Kind::None,
    };
    let case = run(fault, runs);
    assert_eq!(case.outcome, Outcome::Moved);
    [
        sections(&case.logs[0], false),
        sections(&case.logs[1], true),
    ]
}

/// Runs cases on as many threads as keep both processors busy while most wait for a time-out.
fn run_all(cases: &[(Fault, bool)]) -> Vec<Outcome> {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let outcomes = Mutex::new(vec![Outcome::Stayed; cases.len()]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((fault, runs)) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let index = cases.iter().position(|(one, _)| std::ptr::eq(one, fault));
                    let outcome = run(*fault, *runs).outcome;
                    outcomes.lock().unwrap()[index.unwrap()] = outcome;
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

/// Faults of a kind at, right after, and in the middle of every section.
fn at_every_section(kind: Kind, offsets: &[usize]) -> Vec<(Fault, bool)> {
    let mut cases = Vec::new();
    for (runs, way) in [
        (true, WAYS[0]),
        (true, WAYS[1]),
        (false, WAYS[0]),
        (false, WAYS[1]),
    ] {
        let sections = &undisturbed(runs)[way as usize];
        for pair in sections.windows(2) {
            let (begin, end) = (pair[0].0, pair[1].0);
            for at in offsets {
                let at = (begin + (end - begin) * at / 100).min(end - 1);
                let at = Spot::Byte(at);
                cases.push((Fault { way, at, kind }, runs));
            }
        }
    }
    cases
}

fn count(outcomes: &[Outcome], what: impl Fn(&Outcome) -> bool) -> usize {
    outcomes.iter().filter(|one| what(one)).count()
}

#[test]
fn a_channel_that_is_cut_anywhere() {
    for kind in [Kind::Cut, Kind::HalfCut] {
        let cases = at_every_section(kind, &[0, 50, 100]);
        let outcomes = run_all(&cases);
        assert!(count(&outcomes, |one| *one == Outcome::Stayed) > cases.len() / 2);
        // Only the last words can be lost without harm.
        let unconfirmed = |one: &Outcome| matches!(one, Outcome::Unconfirmed { .. });
        assert!(count(&outcomes, unconfirmed) > 0);
        assert_eq!(count(&outcomes, |one| *one == Outcome::Cancelled), 0);
    }
}

#[test]
fn a_channel_that_stalls_anywhere() {
    let cases = at_every_section(Kind::Stall, &[0, 60]);
    let outcomes = run_all(&cases);
    assert!(count(&outcomes, |one| *one == Outcome::Stayed) > cases.len() / 2);
    let cases = at_every_section(Kind::HalfStall, &[0]);
    let outcomes = run_all(&cases);
    assert!(count(&outcomes, |one| *one == Outcome::Stayed) > cases.len() / 2);
}

#[test]
fn a_channel_that_flips_a_bit_anywhere() {
    for bit in [0, 7] {
        let cases = at_every_section(Kind::Flip(bit), &[0, 3, 50, 100]);
        let outcomes = run_all(&cases);
        assert!(count(&outcomes, |one| *one == Outcome::Stayed) > cases.len() / 2);
    }
}

#[test]
fn faults_at_random_places() {
    let lengths = undisturbed(true).map(|sections| sections.last().unwrap().0);
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize % limit
    };
    let cases: Vec<_> = (0..300)
        .map(|_| {
            let way = WAYS[next(2)];
            let at = Spot::Byte(next(lengths[way as usize] + 1));
            let kind = match next(8) {
                0 => Kind::Cut,
                1 => Kind::HalfCut,
                2 => Kind::Hook,
                bit => Kind::Flip(bit as u8),
            };
            (Fault { way, at, kind }, next(2) == 0)
        })
        .collect();
    run_all(&cases);
}

#[test]
fn a_user_who_cancels_at_any_moment() {
    let cases = at_every_section(Kind::Hook, &[0, 50]);
    let outcomes = run_all(&cases);
    let cancelled = count(&outcomes, |one| *one == Outcome::Cancelled);
    let moved = count(&outcomes, |one| *one == Outcome::Moved);
    assert!(
        cancelled > cases.len() / 2,
        "{cancelled} of {}",
        cases.len()
    );
    // After the destination's word it is too late, and the move goes through.
    assert!(moved > 0);
    assert_eq!(cancelled + moved, cases.len(), "{outcomes:?}");
}

/// A cut right before this section of this way.
fn cut_before(way: Way, name: &'static str) -> Case {
    let fault = Fault {
        way,
        at: Spot::Before(name),
        kind: Kind::Cut,
    };
    run(fault, true)
}

#[test]
fn before_the_destinations_word_has_come_the_source_goes_on() {
    let case = cut_before(Way::Back, "loaded");
    assert_eq!(case.outcome, Outcome::Stayed);
    assert_eq!(case.pair.source.state(), RunState::Running);
    assert!(
        case.destination_says.contains("the guest is still there"),
        "{}",
        case.destination_says
    );
}

#[test]
fn after_it_nobody_starts_untold_and_the_user_may() {
    let case = cut_before(Way::There, "go");
    assert_eq!(case.outcome, Outcome::Unconfirmed { started: false });
    assert!(case.source_says.contains("'cont' starts the guest here"));
    assert!(
        case.destination_says
            .contains("did not hand the guest over")
    );
    case.pair.source.cont();
    assert_eq!(case.pair.source.state(), RunState::Running);
    case.pair.world.check();
}

#[test]
fn a_destination_that_was_told_runs_whether_its_answer_comes_or_not() {
    let case = cut_before(Way::Back, "started");
    assert_eq!(case.outcome, Outcome::Unconfirmed { started: true });
    assert_eq!(case.pair.destination.state(), RunState::Running);
    assert_eq!(case.pair.source.state(), RunState::Postmigrate);
}

#[test]
fn a_stall_is_called_so_on_both_sides() {
    let fault = Fault {
        way: Way::There,
        at: Spot::In("ram", 500),
        kind: Kind::Stall,
    };
    let case = run(fault, true);
    assert_eq!(case.outcome, Outcome::Stayed);
    // Whoever gives up first hangs up on the other.
    let both = format!("{} / {}", case.source_says, case.destination_says);
    assert!(
        both.contains("no byte moved on the channel for 80 ms"),
        "{both}"
    );
}
