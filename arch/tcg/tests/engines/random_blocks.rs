//! Random blocks: every engine, behind the optimiser, does what the IR says.
//!
//! `EMU_DIFF_CASES` says how many cases to try (1500 unless told); `PROPTEST_CASES` has no effect.
//! A case that fails is shrunk and printed with its IR, what the optimiser made of it and what the
//! engine made of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::TESTED;
use crate::logged::logged;
use crate::random::{Choice, Reach, Recipe, STARTS, script};
use crate::scripted::{Machine, Outcome, STOP, Script, Scripted};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestCaseError};
use tcg::ir::{BinOp, Builder, Exit, Global, Val};
use tcg::system::trace;
use tcg::{EngineKind, Guest, Options};

/// How many cases of a test to try.
fn cases(usual: u32) -> u32 {
    std::env::var("EMU_DIFF_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(usual)
}

/// All that helps to understand a difference.
fn explain(
    engine: EngineKind,
    options: Options,
    script: &Script,
    seed: u64,
    budget: u64,
) -> String {
    let first = STARTS[0];
    let mut expected = None;
    let on = |kind| Options {
        engine: kind,
        ..options
    };
    let paths = logged(|| {
        let mut machine = Machine::new(on(EngineKind::Reference), script);
        machine.system().set_trace(trace::EXEC | trace::INT);
        expected = Some(machine.run(first, seed, budget));
    });
    let mut got = None;
    let code = logged(|| {
        let mut machine = Machine::new(on(engine), script);
        machine
            .system()
            .set_trace(trace::OP | trace::OP_OPT | trace::OUT_ASM);
        got = Some(machine.run(first, seed, budget));
    });
    let own_paths = logged(|| {
        let mut machine = Machine::new(on(engine), script);
        machine.system().set_trace(trace::EXEC | trace::INT);
        machine.run(first, seed, budget);
    });
    let own_paths = if own_paths == paths {
        String::from("the same if none is linked")
    } else {
        own_paths
    };
    let differences = match (&got, &expected) {
        (Some(got), Some(expected)) => got.differences(expected),
        _ => String::new(),
    };
    format!(
        "{engine:?} differs from Reference (seed {seed:#x}, budget {budget}):\n{differences}\
         the blocks entered:\n{paths}\nand by {engine:?}:\n{own_paths}\n{code}"
    )
}

fn check(script: &Script, seed: u64, budget: u64, cache_bytes: usize) -> Result<(), TestCaseError> {
    let first = STARTS[0];
    let on = |engine| Options {
        engine,
        cache_bytes,
        // Some are executed as IR first.
        cold_runs: (seed >> 1 & 3) as u8,
        ..Options::default()
    };
    let mut reference = Machine::new(on(EngineKind::Reference), script);
    let seeds = [seed, seed.rotate_left(20), seed.rotate_left(40)];
    let expected: Vec<Outcome> = seeds
        .iter()
        .map(|&seed| reference.run(first, seed, budget))
        .collect();
    for &engine in TESTED {
        // The later runs find blocks that are linked.
        let mut machine = Machine::new(on(engine), script);
        if seed & 1 != 0 {
            machine = machine.with_another();
        }
        for (&seed, expected) in seeds.iter().zip(&expected) {
            let got = machine.run(first, seed, budget);
            if got == *expected {
                continue;
            }
            let text = explain(engine, on(engine), script, seed, budget);
            let differences = got.differences(expected);
            return Err(TestCaseError::fail(format!("{text}\n{differences}")));
        }
    }
    Ok(())
}

fn verify(script: &Script) {
    for block in script.values() {
        if let Err(error) = block.verify::<Scripted>() {
            panic!("{error} in\n{}", block.display::<Scripted>());
        }
        let mut optimised = block.clone();
        tcg::opt::optimise::<Scripted>(&mut optimised);
        if let Err(error) = optimised.verify::<Scripted>() {
            panic!("{error} in\n{}", optimised.display::<Scripted>());
        }
    }
}

#[test]
fn more_values_than_there_are_scratch_words_are_right_too() {
    let (first, second) = (STARTS[0], STARTS[1]);
    let mut b = Builder::new(Scripted::GLOBALS, first);
    b.insn(first, 2);
    let (x, y) = (b.get(Global(1)), b.get(Global(2)));
    let values: Vec<Val> = (0..300)
        .map(|n| {
            let odd = b.bin_imm(BinOp::Add, y, n);
            b.bin(BinOp::Mul, x, odd)
        })
        .collect();
    let mut sum = x;
    for &v in values.iter().rev() {
        let turned = b.bin_imm(BinOp::Rotl, sum, 7);
        sum = b.xor(turned, v);
    }
    b.put(Global(3), sum);
    b.exit(Exit::Jump { pc: second });
    let mut blocks = BTreeMap::from([(first, b.finish())]);
    let mut b = Builder::new(Scripted::GLOBALS, second);
    b.insn(second, 2);
    b.exit(Exit::Jump { pc: STOP });
    blocks.insert(second, b.finish());
    let script: Script = Arc::new(blocks);
    for seed in 0..5 {
        check(&script, seed, 5, 1 << 20).unwrap();
    }
}

/// What blocks are made from: shown by the IR, not by itself.
struct Recipes(Vec<Recipe>);

impl std::fmt::Debug for Recipes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let steps: Vec<usize> = self.0.iter().map(|(choices, ..)| choices.len()).collect();
        write!(f, "blocks of {steps:?} steps")
    }
}

fn recipes(blocks: usize, longest: usize) -> impl Strategy<Value = Recipes> {
    let choices = proptest::collection::vec(any::<Choice>(), 0..longest);
    let recipe = (choices, any::<u16>(), any::<u64>());
    proptest::collection::vec(recipe, 1..=blocks).prop_map(Recipes)
}

proptest! {
    #![proptest_config(Config {
        cases: cases(1500),
        max_shrink_iters: 20_000,
        failure_persistence: None,
        ..Config::default()
    })]

    /// One block, entered once: what fails here is easiest to read.
    #[test]
    fn a_block_alone(recipe in recipes(1, 40), seed in any::<u64>()) {
        let script = script(&recipe.0, Reach::Block);
        verify(&script);
        check(&script, seed, 2, 1 << 20)?;
    }

    /// Blocks that lead to each other, again and again.
    #[test]
    fn blocks_together(
        recipes in recipes(STARTS.len(), 80),
        seed in any::<u64>(),
        budget in 1u64..80,
    ) {
        let script = script(&recipes.0, Reach::Block);
        verify(&script);
        check(&script, seed, budget, 1 << 20)?;
    }

    /// Blocks that can be entered at every instruction, and may be dropped at any time.
    #[test]
    fn blocks_entered_anywhere(
        recipes in recipes(STARTS.len(), 80),
        seed in any::<u64>(),
        budget in 1u64..80,
        cache in prop_oneof![Just(1usize << 20), Just(8192)],
    ) {
        let script = script(&recipes.0, Reach::Insn);
        verify(&script);
        check(&script, seed, budget, cache)?;
    }

    /// Blocks that compute and jump back to their beginning.
    #[test]
    fn loops(
        recipes in recipes(3, 60),
        seed in any::<u64>(),
        budget in 1u64..200,
        cache in prop_oneof![Just(1usize << 20), Just(8192)],
    ) {
        let script = script(&recipes.0, Reach::Loop);
        verify(&script);
        check(&script, seed, budget, cache)?;
    }

    /// Very long blocks: more values live than any host has registers.
    #[test]
    fn long_blocks(recipe in recipes(2, 400), seed in any::<u64>()) {
        let script = script(&recipe.0, Reach::Block);
        verify(&script);
        check(&script, seed, 6, 1 << 20)?;
    }
}

/// What the recipes above are made of leads to blocks that do something.
#[test]
fn runs_are_not_short() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut insns, mut traps) = (0, 0);
    for _ in 0..200 {
        let recipes = recipes(STARTS.len(), 80)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let script = script(&recipes.0, Reach::Block);
        let mut machine = Machine::with_engine(EngineKind::Reference, &script);
        let outcome = machine.run(STARTS[0], 0x1234_5678_9abc, 40);
        insns += outcome.insns;
        traps += outcome.events.len();
    }
    println!("{insns} instructions and {traps} events in 200 runs");
    assert!(insns > 2000 && traps > 300, "{insns} {traps}");
}
