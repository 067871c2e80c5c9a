//! One case: a seeded state and a program, run on the reference and on another engine in step.

use std::cmp::Ordering;
use std::fmt::Write as _;

use s390x::cpu::control::Leave;
use tcg::EngineKind;
use tcg::system::trace;

use crate::lab::{Lab, Snapshot};
use crate::logged::logged;
use crate::plant::plant;
use crate::program::{Piece, Program};
use crate::state::{CODE_POINTER, HANDLERS, INDEX, POINTERS, State, tables_overwritten};

/// A state's seed and a program.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) pieces: Vec<Piece>,
}

/// Instructions after which a leg ends.
const LIMIT: u64 = 600;
/// Legs of a run: after an interruption it goes on behind the instruction.
const LEGS: usize = 24;

/// What was left of a case at the end of a leg.
struct Leg {
    expected: Snapshot,
    /// Where the next leg begins.
    next: Option<u64>,
    end: End,
}

/// How a leg ended on the reference.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// By itself.
    Natural,
    /// It was stopped after so many instructions; it is the last one.
    Limit(u64),
}

/// A machine with its case.
struct Run<'a> {
    lab: Lab,
    state: &'a State,
    program: &'a Program,
}

impl<'a> Run<'a> {
    fn new(engine: EngineKind, state: &'a State, program: &'a Program) -> Self {
        let mut lab = Lab::new(engine);
        lab.load(state, program.start);
        Self {
            lab,
            state,
            program,
        }
    }

    /// Where a leg that ended so goes on, if it does: behind the instruction that was
    /// interrupted.
    fn next(&self, at: &Snapshot) -> Option<u64> {
        if !matches!(at.leave(), Leave::DisabledWait | Leave::Wait) {
            return None;
        }
        let old = match at.address().checked_sub(HANDLERS)? {
            // New PSWs from 1A0 on: restart, external, supervisor call, program.
            0 => 0x120,
            2 => 0x130,
            4 => 0x140,
            6 => 0x150,
            _ => return None,
        };
        let address = at.doubleword(self.lab.cpu.prefix + old + 8);
        self.program.after(address.wrapping_sub(1))
    }

    fn resume(&mut self, address: u64) {
        let gpr = &mut self.lab.cpu.gpr;
        for n in POINTERS.into_iter().chain([INDEX, CODE_POINTER]) {
            gpr[usize::from(n)] = self.state.gpr[usize::from(n)];
        }
        self.lab.go_to(self.state.mask, address);
    }
}

/// Runs two machines until both stand after the same number of instructions. Blocks are left
/// early for reasons that are each engine's own, so that may take some tries; `None` if they do
/// not meet.
fn together(
    run: &mut Run<'_>,
    reference: &mut Run<'_>,
    limit: u64,
) -> Option<(Snapshot, Snapshot)> {
    let mut got = run.lab.run(Some(limit));
    let mut expected = reference.lab.run(Some(limit));
    for _ in 0..16 {
        if got.leave() != Leave::Count || expected.leave() != Leave::Count {
            break;
        }
        let (ours, theirs) = (got.instructions(), expected.instructions());
        match ours.cmp(&theirs) {
            Ordering::Less => got = run.lab.run(Some(theirs)),
            Ordering::Equal => return Some((got, expected)),
            Ordering::Greater => expected = reference.lab.run(Some(ours)),
        }
    }
    // One of them has come to its end.
    match (got.leave(), expected.leave()) {
        (Leave::Count, Leave::Count) => None,
        (Leave::Count, _) => Some((run.lab.run(Some(limit + LIMIT)), expected)),
        (_, Leave::Count) => Some((got, reference.lab.run(Some(limit + LIMIT)))),
        _ => Some((got, expected)),
    }
}

impl Case {
    fn parts(&self) -> (State, Program) {
        let mut state = State::new(self.seed);
        let program = Program::new(self.seed, &self.pieces);
        plant(self.seed, &program, &mut state);
        program.place(&mut state.memory);
        (state, program)
    }

    /// What the reference does, leg by leg.
    fn expected(&self, state: &State, program: &Program) -> Vec<Leg> {
        let mut run = Run::new(EngineKind::Reference, state, program);
        let mut legs: Vec<Leg> = Vec::new();
        let mut last = 0;
        loop {
            let limit = run.lab.cpu.core.insns + LIMIT;
            let expected = run.lab.run(Some(limit));
            let end = match expected.leave() {
                Leave::Count => End::Limit(limit),
                _ => End::Natural,
            };
            // Always forward, so that it ends.
            let next = run
                .next(&expected)
                .filter(|&at| at > last && legs.len() + 1 < LEGS);
            let leg = Leg {
                expected,
                next,
                end,
            };
            legs.push(leg);
            let Some(at) = next else { return legs };
            last = at;
            run.resume(at);
        }
    }

    /// Instructions that the reference completes, and how often it is interrupted.
    pub(crate) fn extent(&self) -> (u64, usize) {
        let (state, program) = self.parts();
        let legs = self.expected(&state, &program);
        let last = legs.last().map_or(0, |leg| leg.expected.instructions());
        (last, legs.len())
    }

    /// Runs on both engines.
    ///
    /// # Errors
    /// All that is needed to understand a difference, as text.
    pub(crate) fn check(&self, tested: &[EngineKind]) -> Result<(), String> {
        let (state, program) = self.parts();
        let legs = self.expected(&state, &program);
        for &engine in tested {
            for limited in [false, true] {
                // Blocks that return after each other are another path than linked ones.
                if limited && self.seed & 3 != 0 {
                    continue;
                }
                if let Some(text) = self.compare(engine, limited, &legs, &state, &program) {
                    return Err(self.explain(engine, limited, &legs, &text));
                }
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        engine: EngineKind,
        limited: bool,
        legs: &[Leg],
        state: &State,
        program: &Program,
    ) -> Option<String> {
        let mut run = Run::new(engine, state, program);
        for (n, leg) in legs.iter().enumerate() {
            let (got, expected) = match leg.end {
                End::Natural => {
                    let limit = limited.then(|| run.lab.cpu.core.insns + LIMIT + 64);
                    (run.lab.run(limit), leg.expected.clone())
                }
                End::Limit(limit) => {
                    let mut reference = self.replay(legs, state, program);
                    together(&mut run, &mut reference, limit)?
                }
            };
            if got != expected {
                let changed = |at: &Snapshot| tables_overwritten(&state.memory, at.memory());
                if changed(&got) || changed(&expected) {
                    return None;
                }
                let differences = got.differences(&expected);
                return Some(format!("leg {n}:\n{differences}"));
            }
            run.resume(leg.next?);
        }
        None
    }

    /// The reference at the beginning of its last leg.
    fn replay<'a>(&self, legs: &[Leg], state: &'a State, program: &'a Program) -> Run<'a> {
        let mut run = Run::new(EngineKind::Reference, state, program);
        for at in legs.iter().filter_map(|leg| leg.next) {
            run.lab.run(None);
            run.resume(at);
        }
        run
    }

    fn explain(&self, engine: EngineKind, limited: bool, legs: &[Leg], text: &str) -> String {
        let (state, program) = self.parts();
        let code = logged(|| {
            let mut run = Run::new(engine, &state, &program);
            let bits = trace::IN_ASM | trace::OP | trace::OP_OPT | trace::OUT_ASM | trace::INT;
            run.lab.shared.system.set_trace(bits);
            for leg in legs {
                let limit = match leg.end {
                    End::Natural => limited.then(|| run.lab.cpu.core.insns + LIMIT + 64),
                    End::Limit(limit) => Some(limit),
                };
                let got = run.lab.run(limit);
                if got != leg.expected {
                    break;
                }
                let Some(at) = leg.next else { break };
                run.resume(at);
            }
        });
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{engine:?} differs from Reference (seed {:#x}, limited: {limited}), {text}",
            self.seed
        );
        let _ = writeln!(out, "program at {:#x}:\n{}", program.start, program.text());
        let _ = writeln!(
            out,
            "PSW mask {:#018x} prefix {:#x} FPC {:#010x} C0 {:#x}",
            state.mask, state.prefix, state.fpc, state.cr[0]
        );
        for (n, r) in state.gpr.iter().enumerate() {
            let _ = writeln!(out, "R{n:<2} {r:#018x}  A{n:<2} {:#x}", state.ar[n]);
        }
        for (n, v) in state.vr.iter().enumerate() {
            let _ = writeln!(out, "V{n:<2} {:#018x} {:#018x}", v.left, v.right);
        }
        let _ = writeln!(out, "{code}\nonce more, {text}");
        out
    }
}
