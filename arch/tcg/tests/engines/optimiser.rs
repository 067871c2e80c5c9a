//! What the optimiser makes of small blocks, as text.

#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

use crate::scripted::{GLOBAL, MEM, PURE, STORES, Scripted};
use tcg::Guest;
use tcg::ir::{BinOp, Block, Builder, CarryOp, Cond, Exit, Global, Ty};

const R1: Global = Global(1);
const R2: Global = Global(2);
const R3: Global = Global(3);
const OUT: Exit = Exit::Jump { pc: 0x2000 };

/// Builds a block of one instruction; `f` may begin more, at 0x1002 and so on.
fn block(f: impl FnOnce(&mut Builder)) -> Block {
    let mut b = Builder::new(Scripted::GLOBALS, 0x1000);
    b.insn(0x1000, 2);
    f(&mut b);
    if !b.is_ended() {
        b.exit(OUT);
    }
    let block = b.finish();
    block.verify::<Scripted>().unwrap();
    block
}

#[track_caller]
fn becomes(mut block: Block, expected: &str) {
    tcg::opt::optimise::<Scripted>(&mut block);
    block.verify::<Scripted>().unwrap();
    let text = block.display::<Scripted>().to_string();
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| line.trim().to_owned())
            .filter(|line| !line.is_empty())
            .collect()
    };
    assert_eq!(lines(&text), lines(expected), "got\n{text}");
}

#[test]
fn a_block_prints_with_names() {
    let block = block(|b| {
        let (x, y) = (b.get(R1), b.get_low(R2));
        let wide = b.sext(y);
        let sum = b.add(x, wide);
        let v = b.load(Ty::I64, MEM, sum);
        b.put(R3, v);
        b.set_cc(2, v, x);
        let test = b.test_cc(4);
        b.exit_if_true(test, OUT);
        let pc = b.call(&PURE, &[x, v]);
        b.exit(Exit::JumpReg { pc });
    });
    let text = block.display::<Scripted>().to_string();
    let expected = "\
-- 0x1000 +2
  v1 = get r1
  v2 = get r2.lo
  v3 = sext32.i64 v2
  v4 = add.i64 v1 v3
  v5 = load.i64 u64.m0 [v4]
  put r3 v5
  cc cmp v5 v1
  v8 = testcc 0x4
  v9 = const.i32 0x0
  if ne.i32 v8 v9 jump 0x2000
  v11 = call pure v1 v5
  jump v11
";
    assert_eq!(text, expected);
}

#[test]
fn constants_fold_and_sums_join() {
    becomes(
        block(|b| {
            let x = b.get(R1);
            let two = b.c64(2);
            let three = b.c64(3);
            let five = b.add(two, three);
            let a = b.add(five, x);
            let c = b.bin_imm(BinOp::Sub, a, 1);
            let d = b.bin_imm(BinOp::Mul, c, 8);
            let e = b.bin_imm(BinOp::Or, d, 0);
            b.put(R2, e);
        }),
        "-- 0x1000 +2
         v1 = get r1
         v2 = const.i64 0x3
         v3 = const.i64 0x4
         v4 = add.i64 v1 v3
         v5 = shl.i64 v4 v2
         put r2 v5
         jump 0x2000",
    );
}

#[test]
fn registers_are_forwarded_and_written_once() {
    becomes(
        block(|b| {
            let one = b.get(R2);
            b.put(R1, one);
            b.insn(0x1002, 2);
            let x = b.get(R1);
            let y = b.get(R3);
            let sum = b.add(x, y);
            b.put(R1, sum);
        }),
        "-- 0x1000 +2
         v1 = get r2
         -- 0x1002 +2
         v3 = get r3
         v4 = add.i64 v1 v3
         put r1 v4
         jump 0x2000",
    );
}

#[test]
fn a_trap_between_two_writes_keeps_the_first() {
    becomes(
        block(|b| {
            let one = b.get(R2);
            b.put(R1, one);
            b.insn(0x1002, 2);
            let v = b.load(Ty::I64, MEM, one);
            b.put(R1, v);
        }),
        "-- 0x1000 +2
         v1 = get r2
         put r1 v1
         -- 0x1002 +2
         v4 = load.i64 u64.m0 [v1]
         put r1 v4
         jump 0x2000",
    );
}

#[test]
fn an_instruction_that_may_change_code_shows_its_registers_at_its_end() {
    // Without the store the first write would be dead.
    becomes(
        block(|b| {
            let (one, two) = (b.get(R2), b.get(R3));
            b.store(MEM, one, two);
            b.put(R1, one);
            b.insn(0x1002, 2);
            b.put(R1, two);
        }),
        "-- 0x1000 +2
         v1 = get r2
         v2 = get r3
         store u64.m0 [v1] v2
         put r1 v1
         -- 0x1002 +2
         put r1 v2
         jump 0x2000",
    );
    becomes(
        block(|b| {
            let (one, two) = (b.get(R2), b.get(R3));
            b.call(&STORES, &[one, two]);
            b.set_cc(1, one, two);
            b.insn(0x1002, 2);
            b.set_cc(1, two, two);
        }),
        "-- 0x1000 +2
         v1 = get r2
         v2 = get r3
         v3 = call stores v1 v2
         cc nz v1 v2
         -- 0x1002 +2
         cc nz v2 v2
         jump 0x2000",
    );
}

#[test]
fn halves_are_apart() {
    becomes(
        block(|b| {
            let one = b.get(R2);
            let low = b.trunc(one);
            b.put_low(R1, low);
            b.put_high(R1, low);
            let whole = b.get(R1);
            let again = b.get_low(R1);
            b.put(R3, whole);
            b.put_low(R2, again);
            b.put_high(R1, again);
        }),
        "-- 0x1000 +2
         v1 = get r2
         v2 = trunc v1
         put r1.lo v2
         put r1.hi v2
         v5 = get r1
         put r3 v5
         jump 0x2000",
    );
}

#[test]
fn a_tested_condition_code_becomes_a_comparison() {
    becomes(
        block(|b| {
            let (x, y) = (b.get(R1), b.get(R2));
            b.set_cc(2, x, y);
            b.insn(0x1002, 2);
            let test = b.test_cc(12);
            b.exit_if_true(test, Exit::Jump { pc: 0x3000 });
            b.insn(0x1004, 2);
            b.set_cc(1, x, x);
        }),
        "-- 0x1000 +2
         v1 = get r1
         v2 = get r2
         cc cmp v1 v2
         -- 0x1002 +2
         if les.i64 v1 v2 jump 0x3000
         -- 0x1004 +2
         cc nz v1 v1
         jump 0x2000",
    );
}

#[test]
fn a_condition_code_that_nobody_sees_is_not_recorded() {
    becomes(
        block(|b| {
            let (x, y) = (b.get(R1), b.get(R2));
            b.set_cc(4, x, y);
            let test = b.test_cc(8);
            let zero = b.c32(0);
            let v = b.select(Cond::Eq, test, zero, x, y);
            b.put(R3, v);
            b.set_cc(1, v, v);
        }),
        "-- 0x1000 +2
         v1 = get r1
         v2 = get r2
         v3 = and.i64 v1 v2
         v4 = const.i64 0x0
         v5 = select.i64 ne.i64 v3 v4 ? v1 : v2
         put r3 v5
         cc nz v5 v5
         jump 0x2000",
    );
}

#[test]
fn a_test_that_needs_the_code_keeps_what_it_reads() {
    becomes(
        block(|b| {
            let (x, y) = (b.get(R1), b.get(R2));
            b.set_cc(2, x, y);
            let test = b.test_cc(1);
            let wide = b.zext(test);
            b.put(R3, wide);
            b.set_cc(0, x, y);
            let cc = b.get_cc();
            let wide = b.zext(cc);
            b.put(R2, wide);
        }),
        "-- 0x1000 +2
         v1 = get r1
         v2 = get r2
         cc cmp v1 v2
         v4 = testcc 0x1
         v5 = zext32.i64 v4
         put r3 v5
         cc code v1 v2
         v8 = getcc
         v9 = zext32.i64 v8
         put r2 v9
         jump 0x2000",
    );
}

#[test]
fn a_helper_that_writes_registers_ends_what_is_known() {
    becomes(
        block(|b| {
            let x = b.get(R1);
            b.set_cc(1, x, x);
            b.call(&PURE, &[x, x]);
            b.call(&GLOBAL, &[x, x]);
            let again = b.get(R1);
            let test = b.test_cc(8);
            let wide = b.zext(test);
            let sum = b.add(again, wide);
            b.put(R2, sum);
        }),
        "-- 0x1000 +2
         v1 = get r1
         cc nz v1 v1
         v3 = call global v1 v1
         v4 = get r1
         v5 = testcc 0x8
         v6 = zext32.i64 v5
         v7 = add.i64 v4 v6
         put r2 v7
         jump 0x2000",
    );
}

#[test]
fn what_never_or_always_happens_is_decided() {
    becomes(
        block(|b| {
            let (one, two) = (b.c64(1), b.c64(2));
            b.exit_if(Cond::GtU, one, two, Exit::Jump { pc: 0x3000 });
            let never = b.c32(0);
            b.store_if(never, MEM, one, two);
            let no_carry = b.c32(0);
            let x = b.get(R1);
            let sum = b.carry(CarryOp::Add, x, two, no_carry);
            b.put(R1, sum);
            b.exit_if(Cond::LtU, one, two, Exit::Jump { pc: 0x4000 });
            b.put(R1, two);
        }),
        "-- 0x1000 +2
         v1 = const.i64 0x2
         v2 = get r1
         v3 = add.i64 v2 v1
         put r1 v3
         jump 0x4000",
    );
}

#[test]
fn extensions_and_truncations_cancel() {
    becomes(
        block(|b| {
            let low = b.get_low(R1);
            let wide = b.sext(low);
            let back = b.trunc(wide);
            b.put_low(R2, back);
            let byte = b.extend(Ty::I32, low, 8, false);
            let wider = b.extend(Ty::I64, byte, 16, true);
            b.put(R3, wider);
        }),
        "-- 0x1000 +2
         v1 = get r1.lo
         put r2.lo v1
         v3 = zext8.i64 v1
         put r3 v3
         jump 0x2000",
    );
}
