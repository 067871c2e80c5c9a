//! Nanoseconds per guest instruction and instructions per second of each engine, on loops of a
//! toy CPU: `cargo bench -p tcg`. Each figure is the best of several runs.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark ends where something is wrong"
)]

#[allow(dead_code, reason = "the tests use more of it")]
#[path = "../tests/engines/toy.rs"]
mod toy;

use std::time::Instant;

use tcg::Guest;
use toy::{ENGINES, HALT, Machine, op};

const CODE: u64 = 0x2000;

type Insn = (u8, u8, u8, i16);

/// A loop body of each kind; the loop counts in r3 up to r4.
fn bodies() -> [(&'static str, Vec<Insn>); 5] {
    let alu = |n: u8| (op::ADDI, 8 + n % 4, 8 + n % 4, 3);
    let memory = |n: u8| {
        let at = i16::from(n) * 8;
        if n.is_multiple_of(2) {
            (op::LOAD, 8 + n % 4, 2, at)
        } else {
            (op::STORE, 8 + n % 4, 2, at)
        }
    };
    [
        ("16 additions", (0..16).map(alu).collect()),
        ("4 additions", (0..4).map(alu).collect()),
        ("8 loads and 8 stores", (0..16).map(memory).collect()),
        ("copy of 16 bytes", vec![(op::COPY, 6, 7, 16)]),
        ("copy of 256 bytes", vec![(op::COPY, 6, 7, 256)]),
    ]
}

fn main() {
    println!(
        "{:24} {:>10} {:>14} {:>12}",
        "loop", "engine", "ns/instruction", "MIPS"
    );
    for (name, body) in bodies() {
        for engine in ENGINES {
            let mut best = f64::MAX;
            let mut code = body.clone();
            let back = -4 * (code.len() as i16 + 1);
            code.push((op::ADDI, 3, 3, 1));
            code.push((op::BNE, 3, 4, back));
            code.push((op::HALT, 0, 0, 0));
            for _ in 0..5 {
                let machine = Machine::with_engine(engine);
                machine.load(CODE, &code);
                let mut cpu = machine.cpu(CODE);
                cpu.r[2] = 0x8000;
                (cpu.r[6], cpu.r[7]) = (0x9000, 0xa000);
                cpu.r[4] = if engine == ENGINES[0] {
                    20_000
                } else {
                    1_000_000
                };
                let start = Instant::now();
                cpu.run();
                let ns = start.elapsed().as_nanos() as f64 / cpu.core().insns as f64;
                assert_eq!(cpu.traps[0].0, HALT);
                best = best.min(ns);
            }
            let engine = format!("{engine:?}");
            println!(
                "{name:24} {engine:>10} {best:>14.2} {:>12.0}",
                1000.0 / best
            );
        }
    }
}
