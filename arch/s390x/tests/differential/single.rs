//! Every instruction of the table alone, with random and edge operands.

use crate::case::Case;
use crate::dice::Dice;
use crate::lab::TESTED;
use crate::program::{Piece, ROWS};
use crate::scaled;

/// Cases of each instruction.
const CASES: u32 = 12;

/// Tries every `of`th instruction, the `part`th and so on.
fn part(part: usize, of: usize) {
    let mut wrong = Vec::new();
    let mut first = None;
    for (kind, row) in ROWS.iter().enumerate().skip(part).step_by(of) {
        for n in 0..scaled(CASES) {
            let dice = &mut Dice::new(u64::from(n) << 32 | u64::from(row.opcode) << 8);
            let piece = Piece {
                kind: kind as u16,
                fill: dice.next(),
                bend: dice.next() as u32,
            };
            let case = Case {
                seed: dice.next(),
                pieces: vec![piece],
            };
            if let Err(text) = case.check(TESTED) {
                wrong.push(row.name);
                first.get_or_insert(text);
                break;
            }
        }
    }
    if let Some(first) = first {
        panic!(
            "{} instructions differ: {wrong:?}; the first:\n{first}",
            wrong.len()
        );
    }
}

#[test]
fn each_instruction_1() {
    part(0, 4);
}

#[test]
fn each_instruction_2() {
    part(1, 4);
}

#[test]
fn each_instruction_3() {
    part(2, 4);
}

#[test]
fn each_instruction_4() {
    part(3, 4);
}
