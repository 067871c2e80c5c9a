//! Bytes become a seeded state and a program, which every engine must execute as the reference
//! does. See `fuzz/README.md` for how to run it.
#![no_main]
#![allow(dead_code, reason = "the tests use more of what they share with this")]

#[path = "../../tests/differential/case.rs"]
mod case;
#[path = "../../tests/differential/dice.rs"]
mod dice;
#[path = "../../tests/differential/lab.rs"]
mod lab;
#[path = "../../../tcg/tests/engines/logged.rs"]
mod logged;
#[path = "../../tests/differential/plant.rs"]
mod plant;
#[path = "../../tests/differential/program.rs"]
mod program;
#[path = "../../tests/differential/state.rs"]
mod state;

use case::Case;
use lab::TESTED;
use program::Piece;

/// Bytes of the seed, and of each piece: kind, fields, how they are bent.
const SEED: usize = 8;
const PIECE: usize = 14;
/// More pieces than this are left out.
const PIECES: usize = 64;

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((seed, rest)) = bytes.split_at_checked(SEED) else {
        return;
    };
    let pieces: Vec<Piece> = rest
        .chunks_exact(PIECE)
        .take(PIECES)
        .map(|piece| Piece {
            kind: number(&piece[..2]) as u16,
            fill: number(&piece[2..10]),
            bend: number(&piece[10..]) as u32,
        })
        .collect();
    if pieces.is_empty() {
        return;
    }
    let case = Case {
        seed: number(seed),
        pieces,
    };
    if let Err(text) = case.check(TESTED) {
        panic!("{text}");
    }
});
