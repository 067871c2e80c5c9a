//! Every instruction of the table alone, with random and edge operands.

use crate::case::Case;
use crate::dice::Dice;
use crate::lab::TESTED;
use crate::program::{Piece, ROWS};
use crate::scaled;

/// Cases of each instruction.
const CASES: u32 = 12;

/// The `n`th case of an instruction.
fn case(kind: usize, n: u32) -> Case {
    let dice = &mut Dice::new(u64::from(n) << 32 | u64::from(ROWS[kind].opcode) << 8);
    let piece = Piece {
        kind: kind as u16,
        fill: dice.next(),
        bend: dice.next() as u32,
    };
    Case {
        seed: dice.next(),
        pieces: vec![piece],
    }
}

/// Tries every `of`th instruction, the `part`th and so on.
fn part(part: usize, of: usize) {
    let mut wrong = Vec::new();
    let mut first = None;
    for (kind, row) in ROWS.iter().enumerate().skip(part).step_by(of) {
        for n in 0..scaled(CASES) {
            let case = case(kind, n);
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

/// Instructions that no case completes: what they need is not there, or is there too seldom.
const NEVER: &[&str] = &[];

/// The cases are such that nearly every instruction is also completed, not only refused.
#[test]
fn instructions_are_completed() {
    let mut never = Vec::new();
    let mut completed = 0;
    for (kind, row) in ROWS.iter().enumerate() {
        let cases = (0..CASES).filter(|&n| case(kind, n).extent().0 > 0).count();
        completed += cases;
        let more = |n| case(kind, n).extent().0 > 0;
        if cases == 0 && !(CASES..40 * CASES).any(more) {
            never.push(row.name);
        }
    }
    let all = ROWS.len() * CASES as usize;
    println!(
        "{} instructions, {completed} of {all} cases completed",
        ROWS.len()
    );
    assert_eq!(never, NEVER);
    assert!(completed * 2 > all, "{completed} of {all}");
}
