//! Operands with lengths in registers.

use proptest::prelude::*;

use super::{ADDRESSING, Bench, End, RAM, SPECIFICATION, rsy};
use crate::cpu::psw;

const MVCL: [u8; 2] = [0x0e, 0x24];
const CLCL: [u8; 2] = [0x0f, 0x24];
/// MVCLE 2,4,0(6); CLCLE 2,4,0(6)
const MVCLE: [u8; 4] = [0xa8, 0x24, 0x60, 0];
const CLCLE: [u8; 4] = [0xa9, 0x24, 0x60, 0];

fn set(bench: &mut Bench, first: (u64, u64), second: (u64, u64)) {
    (bench.cpu.gpr[2], bench.cpu.gpr[3]) = first;
    (bench.cpu.gpr[4], bench.cpu.gpr[5]) = second;
}

fn pairs(bench: &Bench) -> [(u64, u64); 2] {
    let g = &bench.cpu.gpr;
    [(g[2], g[3]), (g[4], g[5])]
}

#[test]
fn mvcl_pads_truncates_and_refuses_to_repeat() {
    let mut bench = Bench::new();
    bench.put(0x2ffc, b"abcdef");
    set(&mut bench, (0x1ffe, 9), (0x2ffc, 6 | u64::from(b'*') << 24));
    assert_eq!(bench.run(&MVCL), End::Cc(2));
    assert_eq!(bench.get(0x1ffe, 9), b"abcdef***");
    assert_eq!(pairs(&bench), [(0x2007, 0), (0x3002, 0x2a00_0000)]);
    set(&mut bench, (0x1ffe, 0xff00_0003), (0x2ffd, 5));
    assert_eq!(bench.run(&MVCL), End::Cc(1));
    assert_eq!(bench.get(0x1ffe, 4), b"bcdd");
    assert_eq!(pairs(&bench), [(0x2001, 0xff00_0000), (0x3000, 2)]);
    // The first operand begins within the second: nothing is moved.
    set(&mut bench, (0x2ffe, 6), (0x2ffc, 6));
    assert_eq!(bench.run(&MVCL), End::Cc(3));
    assert_eq!(bench.get(0x2ffc, 6), b"abcdef");
    // Downwards is no overlap that matters.
    set(&mut bench, (0x2ffa, 6), (0x2ffc, 6));
    assert_eq!(bench.run(&MVCL), End::Cc(0));
    assert_eq!(bench.get(0x2ffa, 6), b"abcdef");
    assert_eq!(bench.run(&[0x0e, 0x34]), SPECIFICATION);
}

#[test]
fn a_fault_leaves_the_registers_at_what_is_left() {
    let mut bench = Bench::new();
    let end = RAM as u64;
    bench.put(0x2000, &[7; 0x3000]);
    set(&mut bench, (end - 0x1800, 0x3000), (0x2000, 0x3000));
    assert_eq!(bench.run(&MVCL), ADDRESSING);
    assert_eq!(pairs(&bench), [(end, 0x1800), (0x3800, 0x1800)]);
    assert_eq!(bench.get(end - 0x1801, 2), [0, 7]);
    set(&mut bench, (0x2000, 0x3000), (end - 0x1800, 0x3000));
    assert_eq!(bench.run(&MVCLE), ADDRESSING);
    assert_eq!(pairs(&bench), [(0x3800, 0x1800), (end, 0x1800)]);
}

#[test]
fn registers_in_the_small_modes_keep_their_left_halves() {
    for (addressing, mask) in [(0, 0xff_ffff), (psw::BASIC_ADDRESSING, 0x7fff_ffff)] {
        let mut bench = Bench::new();
        bench.addressing = addressing;
        let high = 0x1234_5678_0000_0000;
        let set_all = |bench: &mut Bench| {
            let top = 0xffff_ffff & !mask;
            set(
                bench,
                (high | top | 0x2000, high | 4),
                (high | top | 0x3000, high | 4),
            );
        };
        set_all(&mut bench);
        assert_eq!(bench.run(&MVCLE), End::Cc(0));
        let expected = [(high | 0x2004, high), (high | 0x3004, high)];
        assert_eq!(pairs(&bench), expected);
        set_all(&mut bench);
        assert_eq!(bench.run(&MVCL), End::Cc(0));
        assert_eq!(pairs(&bench), expected);
    }
}

#[test]
fn more_than_the_budget_goes_on() {
    let length = 0xc000;
    let mut bench = Bench::new();
    bench.cpu.gpr[6] = 0x55;
    set(&mut bench, (0x2000, length), (0, 0));
    assert_eq!(bench.run(&MVCLE), End::Cc(3));
    assert_eq!(bench.run_all(&MVCLE), End::Cc(2));
    assert_eq!(
        bench.get(0x2000, length as usize),
        vec![0x55; length as usize]
    );
    assert_eq!(pairs(&bench)[0], (0x2000 + length, 0));
    // MVCL is restarted instead, and has no condition code in between.
    set(&mut bench, (0x2000, length), (0, 0x6600_0000));
    assert_eq!(bench.run(&MVCL), End::Cc(2));
    assert_eq!(
        bench.get(0x2000, length as usize),
        vec![0x66; length as usize]
    );
}

#[test]
fn unicode_pads_with_characters_and_refuses_odd_lengths() {
    let (mvclu, clclu) = (rsy(0xeb8e, 2, 4, 6), rsy(0xeb8f, 2, 4, 6));
    let mut bench = Bench::new();
    bench.put(0x2fff, &[1, 2, 3, 4]);
    bench.cpu.gpr[6] = 0xabcd;
    set(&mut bench, (0x1ffd, 8), (0x2fff, 4));
    assert_eq!(bench.run(&mvclu), End::Cc(2));
    assert_eq!(bench.get(0x1ffd, 8), [1, 2, 3, 4, 0xab, 0xcd, 0xab, 0xcd]);
    set(&mut bench, (0x1ffd, 8), (0x2fff, 4));
    assert_eq!(bench.run(&clclu), End::Cc(0));
    bench.put(0x2004, &[0xce]);
    set(&mut bench, (0x1ffd, 8), (0x2fff, 4));
    assert_eq!(bench.run(&clclu), End::Cc(2));
    assert_eq!(pairs(&bench), [(0x2003, 2), (0x3003, 0)]);
    set(&mut bench, (0x1ffd, 7), (0x2fff, 4));
    assert_eq!(bench.run(&clclu), SPECIFICATION);
    assert_eq!(bench.run(&mvclu), SPECIFICATION);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn comparisons_agree_with_byte_loops(
        a in 0x1f00u64..0x2100,
        b in 0x4f00u64..0x5100,
        la in 0u64..700,
        lb in 0u64..700,
        differ in proptest::option::of(0u64..700),
        pad in 0u8..2,
        extended in any::<bool>(),
    ) {
        let mut bench = Bench::new();
        if let Some(at) = differ {
            bench.put(a + at, &[1]);
        }
        let bytes = |bench: &Bench, at, length: u64| bench.get(at, length as usize);
        let (left, right) = (bytes(&bench, a, la), bytes(&bench, b, lb));
        let get = |side: &[u8], at: usize| side.get(at).copied().unwrap_or(pad);
        let longest = left.len().max(right.len());
        let at = (0..longest).find(|&i| get(&left, i) != get(&right, i));
        let (equal, cc) = match at {
            None => (longest as u64, 0),
            Some(i) if get(&left, i) < get(&right, i) => (i as u64, 1),
            Some(i) => (i as u64, 2),
        };
        let used = |length: u64| equal.min(length);
        bench.cpu.gpr[6] = pad.into();
        let pad_bits = if extended { 0 } else { u64::from(pad) << 24 };
        set(&mut bench, (a, la), (b, lb | pad_bits));
        let end = if extended { bench.run_all(&CLCLE) } else { bench.run(&CLCL) };
        prop_assert_eq!(end, End::Cc(cc));
        let expected = [
            (a + used(la), la - used(la)),
            (b + used(lb), (lb - used(lb)) | pad_bits),
        ];
        prop_assert_eq!(pairs(&bench), expected);
    }
}
