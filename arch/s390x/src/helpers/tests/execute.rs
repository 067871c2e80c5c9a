//! EXECUTE.

use super::{Bench, CODE, End, SPECIFICATION};
use crate::cpu::lowcore;

/// EX R1,0(R5): the target is where register 5 points.
fn ex(r1: u8) -> [u8; 4] {
    [0x44, r1 << 4, 0x50, 0]
}

/// EXRL R1 of the target `distance` bytes away.
fn exrl(r1: u8, distance: i32) -> [u8; 6] {
    let [a, b, c, d] = (distance / 2).to_be_bytes();
    [0xc6, r1 << 4, a, b, c, d]
}

#[test]
fn the_register_gives_the_length_of_a_move() {
    for length in [0u8, 1, 7, 99, 255] {
        for relative in [false, true] {
            let mut bench = Bench::new();
            bench.scramble(5, 255);
            let source = bench.get(0x3000, 256);
            let behind = bench.get(0x2000 + u64::from(length) + 1, 1);
            bench.put(0x600, &[0xd2, 0, 0x10, 0, 0x20, 0]);
            bench.cpu.gpr[1] = 0x2000;
            bench.cpu.gpr[2] = 0x3000;
            bench.cpu.gpr[3] = 0xffff_ff00 | u64::from(length);
            bench.cpu.gpr[5] = 0x600;
            let end = if relative {
                bench.run(&exrl(3, 0x200))
            } else {
                bench.run(&ex(3))
            };
            assert_eq!(end, End::Cc(0));
            let count = usize::from(length) + 1;
            assert_eq!(bench.get(0x2000, count), source[..count]);
            assert_eq!(bench.get(0x2000 + count as u64, 1), behind);
        }
    }
}

#[test]
fn a_comparison_sets_the_condition_code() {
    let mut bench = Bench::new();
    bench.put(0x2000, b"abcd");
    bench.put(0x3000, b"abce");
    bench.put(0x600, &[0xd5, 0, 0x10, 0, 0x20, 0]);
    (bench.cpu.gpr[1], bench.cpu.gpr[2]) = (0x2000, 0x3000);
    bench.cpu.gpr[5] = 0x600;
    for (length, cc) in [(2, 0), (3, 1)] {
        bench.cpu.gpr[3] = length;
        assert_eq!(bench.run(&ex(3)), End::Cc(cc));
    }
}

#[test]
fn register_zero_modifies_nothing_and_other_targets_are_executed() {
    let mut bench = Bench::new();
    // AR 6,7
    bench.put(0x600, &[0x1a, 0x67]);
    bench.cpu.gpr[0] = 0x8;
    bench.cpu.gpr[5] = 0x600;
    bench.cpu.gpr[6] = 10;
    bench.cpu.gpr[7] = 5;
    bench.cpu.gpr[8] = 1000;
    assert_eq!(bench.run(&ex(0)), End::Cc(2));
    assert_eq!(bench.cpu.gpr[6], 15);
    // AR 6,7 | 8 is AR 6,15.
    bench.cpu.gpr[3] = 8;
    bench.cpu.gpr[15] = 100;
    assert_eq!(bench.run(&ex(3)), End::Cc(2));
    assert_eq!(bench.cpu.gpr[6], 115);
    // The target may change: it is fetched each time.
    bench.put(0x600, &[0x1a, 0x68]);
    assert_eq!(bench.run(&ex(0)), End::Cc(2));
    assert_eq!(bench.cpu.gpr[6], 1115);
}

#[test]
fn a_relative_branch_counts_from_the_target() {
    let mut bench = Bench::new();
    // BRC 15,.+0x20 at 0x600; behind it an invalid instruction at 0x620.
    bench.put(0x600, &[0xa7, 0xf4, 0, 0x10]);
    bench.cpu.gpr[5] = 0x600;
    assert_eq!(bench.run(&ex(0)), End::Check(1));
    let old = bench.cpu.lowcore_psw(lowcore::PROGRAM_OLD);
    assert_eq!(old.address, 0x622);
}

#[test]
fn exceptions_name_the_execute() {
    let mut bench = Bench::new();
    let outcome = |bench: &mut Bench, code: &[u8]| {
        let end = bench.run(code);
        let length = bench.cpu.lowcore(lowcore::PROGRAM_ID, tcg::ir::MemSize::B2);
        let old = bench.cpu.lowcore_psw(lowcore::PROGRAM_OLD).address;
        (end, length, old)
    };
    // Odd target.
    bench.cpu.gpr[5] = 0x601;
    let got = outcome(&mut bench, &ex(0));
    assert_eq!(got, (SPECIFICATION, 4, CODE + 4));
    // Target of EXECUTE is EXECUTE, of either kind.
    for target in [&ex(0)[..], &exrl(0, 0)[..]] {
        bench.put(0x600, target);
        bench.cpu.gpr[5] = 0x600;
        let got = outcome(&mut bench, &ex(0));
        assert_eq!(got, (End::Check(3), 4, CODE + 4));
        let got = outcome(&mut bench, &exrl(0, 0x200));
        assert_eq!(got, (End::Check(3), 6, CODE + 6));
    }
    // Target beyond RAM.
    bench.cpu.gpr[5] = 0x8_0000;
    assert_eq!(outcome(&mut bench, &ex(0)), (End::Check(5), 4, CODE + 4));
    // The target faults: a move, and an instruction that has a block of its own.
    bench.cpu.gpr[5] = 0x600;
    bench.cpu.gpr[1] = 0x8_0000;
    bench.put(0x600, &[0xd2, 0, 0x10, 0, 0x20, 0]);
    assert_eq!(outcome(&mut bench, &ex(0)), (End::Check(5), 4, CODE + 4));
    bench.put(0x600, &[0x5a, 0x60, 0x10, 0]);
    let got = outcome(&mut bench, &exrl(0, 0x200));
    assert_eq!(got, (End::Check(5), 6, CODE + 6));
    // Other operation codes that begin with X'C6' are no EXECUTE.
    bench.put(0x600, &[0xc6, 0x0f, 0, 0, 0, 0]);
    assert_ne!(outcome(&mut bench, &ex(0)).0, End::Check(3));
}

#[test]
fn an_executed_long_move_is_executed_again_until_it_is_done() {
    let mut bench = Bench::new();
    // MVCL 2,4 by EX, longer than is moved at once.
    bench.put(0x600, &[0x0e, 0x24]);
    bench.cpu.gpr[5] = 0x6600_0000;
    bench.cpu.gpr[7] = 0x600;
    (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (0x2000, 0xc000);
    assert_eq!(bench.run(&[0x44, 0, 0x70, 0]), End::Cc(2));
    assert_eq!(bench.get(0x2000, 0xc000), vec![0x66; 0xc000]);
    assert_eq!(bench.cpu.gpr[3], 0);
}

#[test]
fn a_target_that_changes_in_the_same_block_is_seen() {
    let mut bench = Bench::new();
    // STC 4,0(5) to the target's operation code, then EXRL.
    let mut code = vec![0x42, 0x40, 0x50, 0];
    code.extend(exrl(3, 0x200 - 4));
    bench.put(0x600, &[0xd2, 0, 0x10, 0, 0x20, 0]);
    bench.put(0x3000, &[0x35]);
    (bench.cpu.gpr[1], bench.cpu.gpr[2]) = (0x2000, 0x3000);
    bench.cpu.gpr[5] = 0x600;
    for (operation, result, end) in [
        (0xd2, 0x35, End::Cc(0)),
        (0xd7, 0x0f ^ 0x35, End::Cc(1)),
        (0xd4, 0x0f & 0x35, End::Cc(1)),
    ] {
        bench.put(0x2000, &[0x0f]);
        bench.cpu.gpr[4] = operation;
        if operation == 0xd2 {
            bench.put(0x400, &code);
        }
        assert_eq!(bench.go(code.len() as u64), end);
        assert_eq!(bench.get(0x2000, 1), [result]);
    }
}
