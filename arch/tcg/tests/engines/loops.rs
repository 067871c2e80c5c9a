//! Blocks that jump to themselves and only compute: their guest registers are right wherever the
//! CPU is left, and they end when their code changes.

use crate::toy::{ENGINES, HALT, Machine, STOP, Toy, insn, op};

const CODE: u64 = 0x2000;
const ELSEWHERE: u64 = 0x5000;

/// More registers than any host has to spare, each with a step of its own.
const STEPS: [(u8, i16); 10] = [
    (0, 7),
    (3, 1),
    (8, 2),
    (9, -3),
    (10, 4),
    (11, 5),
    (12, -6),
    (13, 8),
    (14, 9),
    (1, 10),
];
/// Never changes; the loop ends when register 3 is the same.
const LIMIT: usize = 4;

/// Adds to every register of [`STEPS`], and goes back to the beginning with `last`.
fn body(last: &[(u8, u8, u8, i16)]) -> Vec<(u8, u8, u8, i16)> {
    let adds = STEPS.iter().map(|&(r, step)| (op::ADDI, r, r, step));
    adds.chain(last.iter().copied()).collect()
}

/// Back to the beginning from behind the additions.
fn back(before: usize) -> i16 {
    -4 * (STEPS.len() + before) as i16
}

fn start(cpu: &mut Toy) {
    cpu.r = std::array::from_fn(first);
}

/// From the start, with this limit and value of register 5, to the trap.
fn run_from_start(cpu: &mut Toy, limit: u64, end: u64) {
    start(cpu);
    cpu.r[LIMIT] = limit;
    cpu.r[5] = end;
    cpu.traps.clear();
    cpu.core_pc(CODE);
    cpu.run();
    assert_eq!(cpu.traps[0].0, HALT);
    cpu.r[5] = first(5);
}

/// What a register is at the start.
fn first(n: usize) -> u64 {
    if n == 3 {
        0
    } else {
        0x1_0000_0000 * (n as u64 + 1)
    }
}

/// Every register is what it was at the start, and as many steps on.
fn check(cpu: &Toy, steps: u64, what: &str) {
    for (n, &value) in cpu.r.iter().enumerate() {
        if n == LIMIT {
            continue;
        }
        let step = STEPS.iter().find(|(r, _)| usize::from(*r) == n);
        let step = step.map_or(0, |&(_, step)| i64::from(step) as u64);
        let expected = first(n).wrapping_add(step.wrapping_mul(steps));
        assert_eq!(value, expected, "register {n} of {what}");
    }
}

#[test]
fn every_register_is_right_behind_a_loop() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        machine.load(
            CODE,
            &body(&[(op::BNE, 3, 4, back(0)), (op::HALT, 0, 0, 0)]),
        );
        let mut cpu = machine.cpu(CODE);
        for limit in [1, 2, 3, 1000] {
            run_from_start(&mut cpu, limit, 0);
            check(&cpu, limit, &format!("{engine:?} {limit}"));
        }
    }
}

#[test]
fn a_loop_is_left_by_its_middle_and_by_an_address_in_a_register() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        // Left in the middle where register 3 is the limit; else its end goes back, or to the
        // address in register 3.
        machine.load(
            CODE,
            &body(&[
                (op::BNE, 3, 4, 8),
                (op::HALT, 0, 0, 0),
                (op::BNE, 3, 5, back(2)),
                (op::JUMP, 3, 0, 0),
            ]),
        );
        machine.load(ELSEWHERE, &[(op::HALT, 0, 0, 0)]);
        let mut cpu = machine.cpu(CODE);
        for (limit, end) in [(40, 0), (u64::MAX, ELSEWHERE)] {
            run_from_start(&mut cpu, limit, end);
            let (steps, at) = if limit == 40 {
                (40, CODE + 4 * STEPS.len() as u64 + 4)
            } else {
                (ELSEWHERE, ELSEWHERE)
            };
            assert_eq!(cpu.traps[0].1, at, "{engine:?}");
            check(&cpu, steps, &format!("{engine:?} to {at:#x}"));
        }
    }
}

#[test]
fn who_wants_attention_finds_every_register_right() {
    for engine in ENGINES {
        let machine = Machine::with_engine(engine);
        machine.load(
            CODE,
            &body(&[(op::BNE, 3, 4, back(0)), (op::HALT, 0, 0, 0)]),
        );
        let mut cpu = machine.cpu(CODE);
        start(&mut cpu);
        cpu.r[LIMIT] = u64::MAX;
        for _ in 0..20 {
            let attention = std::sync::Arc::clone(cpu.attention());
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    std::thread::sleep(std::time::Duration::from_micros(200));
                    attention.raise(STOP);
                });
                cpu.run();
            });
            assert!(cpu.traps.is_empty());
            check(&cpu, cpu.r[3], &format!("{engine:?}"));
        }
    }
}

#[test]
fn a_loop_whose_code_another_cpu_changes_goes_on_as_that_says() {
    for engine in ENGINES {
        // The branch back becomes a halt; the first addition becomes one of 0x107.
        let last = CODE + 4 * STEPS.len() as u64;
        let changes = [
            (last, insn(op::HALT, 0, 0, 0), true),
            (CODE, insn(op::ADDI, 0, 0, 0x107), false),
        ];
        for (at, new, ends) in changes {
            let machine = Machine::with_engine(engine);
            machine.load(
                CODE,
                &body(&[(op::BNE, 3, 4, back(0)), (op::HALT, 0, 0, 0)]),
            );
            machine.load(0x6000, &[(op::STORE, 1, 2, 0), (op::HALT, 0, 0, 0)]);
            let mut cpu = machine.cpu(CODE);
            start(&mut cpu);
            cpu.r[LIMIT] = u64::MAX;
            let attention = std::sync::Arc::clone(cpu.attention());
            let looped = std::thread::scope(|scope| {
                let thread = scope.spawn(move || {
                    cpu.run();
                    cpu
                });
                std::thread::sleep(std::time::Duration::from_millis(2));
                let mut other = machine.cpu(0x6000);
                let mut both = machine.word(at).to_be_bytes();
                both[..4].copy_from_slice(&new);
                other.r[1] = u64::from_be_bytes(both);
                other.r[2] = at;
                other.run();
                if !ends {
                    attention.raise(STOP);
                }
                thread.join().unwrap()
            });
            let mut cpu = looped;
            if !ends {
                assert!(cpu.traps.is_empty());
                cpu.r[LIMIT] = cpu.r[3] + 10;
                cpu.run();
            }
            let steps = cpu.r[3];
            // Some of the steps of register 0 were longer, whole ones.
            let longer = cpu.r[0].wrapping_sub(first(0) + 7 * steps);
            assert_eq!(longer % 0x100, 0, "{engine:?}");
            assert!(longer / 0x100 <= steps, "{engine:?}");
            assert!(
                if ends { longer == 0 } else { longer >= 0xa00 },
                "{engine:?}"
            );
            cpu.r[0] -= longer;
            check(&cpu, steps, &format!("{engine:?}"));
            assert_eq!(cpu.traps.len(), 1, "{engine:?}");
        }
    }
}
