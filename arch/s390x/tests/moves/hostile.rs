//! Damaged and invented states: a part refuses them, or the machine lives with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use machine::Engine;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tod::RunState;
use tod::run::Cause;

use crate::rig::{ENGINES, Kind, Saved, SavedPart, Screen, Vm};

/// How long the machine runs with what it has taken.
const RUN: Duration = Duration::from_micros(300);

/// Panics in this process, those of vCPU threads included.
fn count_panics() -> &'static AtomicU64 {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            usual(info);
        }));
    });
    &PANICS
}

/// A guest in the middle of its work.
fn guest(kind: &Kind) -> Saved {
    let mut vm = Vm::start(kind, ENGINES[0], &Arc::new(Screen::default()));
    std::thread::sleep(Duration::from_millis(60));
    vm.stop();
    let saved = vm.save();
    vm.end();
    saved
}

/// One change of a payload.
#[derive(Debug, Clone)]
enum Damage {
    Byte(prop::sample::Index, u8),
    Bit(prop::sample::Index, u8),
    Word(prop::sample::Index, u64),
    Cut(prop::sample::Index),
    Grow(Vec<u8>),
    From(SavedFrom),
}

/// Another part's payload.
#[derive(Debug, Clone)]
struct SavedFrom(prop::sample::Index);

/// Other values in the same places: mostly taken.
fn values() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        (index(), 0u8..8).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        (
            index(),
            prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), Just(1 << 63)]
        )
            .prop_map(|(at, word)| Damage::Word(at, word)),
    ]
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => values(),
        1 => index().prop_map(Damage::Cut),
        1 => prop::collection::vec(any::<u8>(), 1..40).prop_map(Damage::Grow),
        1 => index().prop_map(|at| Damage::From(SavedFrom(at))),
    ]
}

fn apply(payload: &mut Vec<u8>, damage: &Damage, parts: &[SavedPart]) {
    if payload.is_empty() {
        return;
    }
    match damage {
        Damage::Byte(at, byte) => *at.get_mut(payload) = *byte,
        Damage::Bit(at, bit) => *at.get_mut(payload) ^= 1 << bit,
        Damage::Word(at, word) => {
            let at = at.index(payload.len());
            for (byte, new) in payload[at..].iter_mut().zip(word.to_le_bytes()) {
                *byte = new;
            }
        }
        Damage::Cut(at) => payload.truncate(at.index(payload.len())),
        Damage::Grow(bytes) => payload.extend_from_slice(bytes),
        Damage::From(from) => *payload = from.0.get(parts).3.clone(),
    }
}

fn survives(engine: Engine, cases: u32) {
    let panics = count_panics();
    let kind = Kind::image("smpdat", "rounds=1000000", 2);
    let saved = guest(&kind);
    let vm = Vm::new(
        &kind,
        engine,
        &Arc::new(Screen::default()),
        RunState::Inmigrate,
    );
    let vm = std::cell::RefCell::new(vm);
    let strategy = (
        prop_oneof![3 => Just(None), 2 => any::<prop::sample::Index>().prop_map(Some)],
        prop_oneof![
            5 => prop::collection::vec(values(), 1..4),
            1 => prop::collection::vec(damage(), 1..6),
        ],
        prop_oneof![5 => Just(u32::MAX), 1 => 0u32..4],
    );
    let taken = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let result = runner.run(&strategy, |(which, damages, version)| {
        let vm = &mut *vm.borrow_mut();
        vm.load(&saved);
        // One of the CPUs, or any part.
        let mut part = match which {
            None => saved.parts[saved.parts.len() - 1 - damages.len() % 2].clone(),
            Some(which) => which.get(&saved.parts).clone(),
        };
        for damage in &damages {
            apply(&mut part.3, damage, &saved.parts);
        }
        part.2 = part.2.min(version);
        let before = vm.save_parts();
        match vm.load_part(&part) {
            Err(error) => {
                prop_assert!(error.to_string().contains(part.0), "{error}");
                // Nothing has changed.
                prop_assert_eq!(vm.save_parts(), before);
            }
            Ok(()) => {
                taken.set(taken.get() + 1);
                vm.cont();
                std::thread::sleep(RUN);
                vm.stop();
                let again = vm.save();
                vm.load(&again);
                // Whatever it has become, it can be loaded over: the next case does.
                while vm.event(Duration::ZERO).is_some() {}
            }
        }
        vm.run
            .stop(RunState::Paused, Cause::Migration)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(panics.load(Ordering::SeqCst), 0);
        Ok(())
    });
    result.unwrap();
    println!(
        "{engine:?}: {} of {cases} damaged states were taken",
        taken.get()
    );
    vm.into_inner().end();
}

#[test]
fn damaged_parts_are_refused_or_lived_with() {
    for &engine in ENGINES {
        survives(engine, 600);
    }
}
