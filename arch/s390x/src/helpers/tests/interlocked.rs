//! Interlocked updates.

use super::{ADDRESSING, Bench, End, RAM, SPECIFICATION, rsy};
use crate::cpu::psw;

const AT: u64 = 0x2000;

#[test]
fn compare_and_swap_of_every_width() {
    let mut bench = Bench::new();
    bench.cpu.gpr[1] = AT;
    // CS 2,4,0(1)
    let cs = [0xba, 0x24, 0x10, 0];
    bench.put(AT, &7u32.to_be_bytes());
    bench.cpu.gpr[2] = 0xaaaa_aaaa_0000_0007;
    bench.cpu.gpr[4] = 0xbbbb_bbbb_0000_0009;
    assert_eq!(bench.run(&cs), End::Cc(0));
    assert_eq!(bench.get(AT, 8), [0, 0, 0, 9, 0, 0, 0, 0]);
    assert_eq!(bench.run(&cs), End::Cc(1));
    assert_eq!(bench.cpu.gpr[2], 0xaaaa_aaaa_0000_0009);
    let csg = rsy(0xeb30, 2, 4, 1);
    assert_eq!(bench.run(&csg), End::Cc(1));
    assert_eq!(bench.cpu.gpr[2], 9 << 32);
    assert_eq!(bench.run(&csg), End::Cc(0));
    assert_eq!(bench.get(AT, 8), 0xbbbb_bbbb_0000_0009u64.to_be_bytes());
    for (at, code) in [(AT + 2, &cs[..]), (AT + 4, &csg[..])] {
        bench.cpu.gpr[1] = at;
        assert_eq!(bench.run(code), SPECIFICATION);
    }
    bench.cpu.gpr[1] = RAM as u64;
    assert_eq!(bench.run(&csg), ADDRESSING);
}

#[test]
fn compare_double_and_swap() {
    let mut bench = Bench::new();
    bench.cpu.gpr[1] = AT;
    let cds = [0xbb, 0x24, 0x10, 0];
    bench.put(AT, &0x0000_0001_0000_0002u64.to_be_bytes());
    (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (0xffff_ffff_0000_0001, 2);
    (bench.cpu.gpr[4], bench.cpu.gpr[5]) = (3, 4);
    assert_eq!(bench.run(&cds), End::Cc(0));
    assert_eq!(bench.get(AT, 8), 0x0000_0003_0000_0004u64.to_be_bytes());
    assert_eq!(bench.run(&cds), End::Cc(1));
    assert_eq!(
        (bench.cpu.gpr[2], bench.cpu.gpr[3]),
        (0xffff_ffff_0000_0003, 4)
    );
    let cdsg = rsy(0xeb3e, 2, 4, 1);
    let value = 5u128 << 64 | 6;
    bench.put(AT, &value.to_be_bytes());
    assert_eq!(bench.run(&cdsg), End::Cc(1));
    assert_eq!((bench.cpu.gpr[2], bench.cpu.gpr[3]), (5, 6));
    assert_eq!(bench.run(&cdsg), End::Cc(0));
    assert_eq!(bench.get(AT, 16), (3u128 << 64 | 4).to_be_bytes());
    bench.cpu.gpr[1] = AT + 8;
    assert_eq!(bench.run(&cdsg), SPECIFICATION);
    assert_eq!(bench.run(&rsy(0xeb3e, 3, 4, 1)), SPECIFICATION);
    assert_eq!(bench.run(&[0xbb, 0x25, 0x10, 0]), SPECIFICATION);
}

#[test]
fn load_and_operate() {
    // Operation, operands, result, condition code.
    let cases: [(u16, u64, u64, u64, u8); 12] = [
        (0xebf8, 5, 7, 12, 2),
        (0xebf8, 5, 0xffff_fffb, 0, 0),
        (0xebf8, 0x7fff_ffff, 1, 0x8000_0000, 3),
        (0xebfa, 0xffff_ffff, 1, 0, 2),
        (0xebfa, 0xffff_ffff, 2, 1, 3),
        (0xebf4, 0b1100, 0b1010, 0b1000, 1),
        (0xebf6, 0b1100, 0b1010, 0b1110, 1),
        (0xebf7, 0b1100, 0b1100, 0, 0),
        (0xebe8, 1 << 63, 0, 1 << 63, 1),
        (0xebea, u64::MAX, 1, 0, 2),
        (0xebe4, u64::MAX, 1 << 40, 1 << 40, 1),
        (0xebe7, 1 << 40, 1, 1 << 40 | 1, 1),
    ];
    for (opcode, old, operand, result, cc) in cases {
        let wide = opcode < 0xebf0;
        let mut bench = Bench::new();
        let size = if wide { 8 } else { 4 };
        bench.put(AT, &old.to_be_bytes()[8 - size..]);
        bench.cpu.gpr[1] = AT;
        bench.cpu.gpr[2] = 0x5555_5555_5555_5555;
        bench.cpu.gpr[4] = operand;
        let code = rsy(opcode, 2, 4, 1);
        assert_eq!(
            bench.run(&code),
            End::Cc(cc),
            "{opcode:#x} {old:#x} {operand:#x}"
        );
        assert_eq!(bench.get(AT, size), result.to_be_bytes()[8 - size..]);
        let high = if wide { 0 } else { 0x5555_5555_0000_0000 };
        assert_eq!(bench.cpu.gpr[2], high | old);
        bench.cpu.gpr[1] = AT + 1;
        assert_eq!(bench.run(&code), SPECIFICATION);
    }
    // One register for both: the old value is what is left in it.
    let mut bench = Bench::new();
    bench.put(AT, &5u32.to_be_bytes());
    bench.cpu.gpr[1] = AT;
    bench.cpu.gpr[2] = 3;
    assert_eq!(bench.run(&rsy(0xebf8, 2, 2, 1)), End::Cc(2));
    assert_eq!(bench.cpu.gpr[2], 5);
    assert_eq!(bench.get(AT, 4), 8u32.to_be_bytes());
    bench.before = psw::MASK_FIXED_OVERFLOW;
    bench.cpu.gpr[4] = 0x7fff_ffff;
    assert_eq!(bench.run(&rsy(0xebf8, 2, 4, 1)), End::Check(8));
    assert_eq!(bench.cpu.gpr[2], 8);
}

#[test]
fn test_and_set() {
    let mut bench = Bench::new();
    bench.cpu.gpr[1] = AT;
    for (old, cc) in [(0, 0), (0x7f, 0), (0x80, 1), (0xff, 1)] {
        bench.put(AT, &[old, 3]);
        assert_eq!(bench.run(&[0x93, 0, 0x10, 0]), End::Cc(cc));
        assert_eq!(bench.get(AT, 2), [0xff, 3]);
    }
}

#[test]
fn compare_and_swap_and_store() {
    let csst = [0xc8, 0x22, 0x50, 0, 0x60, 0];
    for (function, size) in [(0u64, 4usize), (1, 8), (2, 16)] {
        for (store, stored_size) in [(0u64, 1usize), (1, 2), (2, 4), (3, 8), (4, 16)] {
            let mut bench = Bench::new();
            bench.scramble(3, 200);
            bench.cpu.gpr[0] = store << 8 | function;
            bench.cpu.gpr[1] = 0x3007;
            bench.cpu.gpr[5] = AT;
            bench.cpu.gpr[6] = 0x4000;
            let old = bench.get(AT, 16);
            let list = bench.get(0x3000, 32);
            bench.cpu.gpr[2] = 0;
            bench.cpu.gpr[3] = 0;
            assert_eq!(bench.run(&csst), End::Cc(1));
            let mut loaded = [0; 16];
            let wide = |value: u64| value.to_be_bytes();
            loaded[..8].copy_from_slice(&wide(bench.cpu.gpr[2]));
            loaded[8..].copy_from_slice(&wide(bench.cpu.gpr[3]));
            let from = if size == 4 { 4 } else { 0 };
            assert_eq!(loaded[from..from + size], old[..size]);
            let untouched = bench.get(0x4000, 16);
            assert_eq!(bench.run(&csst), End::Cc(0));
            assert_eq!(bench.get(AT, size), list[..size]);
            let mut expected = untouched;
            expected[..stored_size].copy_from_slice(&list[16..16 + stored_size]);
            assert_eq!(bench.get(0x4000, 16), expected);
            bench.cpu.gpr[5] = AT + 2;
            assert_eq!(bench.run(&csst), SPECIFICATION);
        }
    }
    let mut bench = Bench::new();
    for control in [3, 0x500] {
        bench.cpu.gpr[0] = control;
        assert_eq!(bench.run(&csst), SPECIFICATION);
    }
    // Nothing is swapped if the store would fault.
    bench.cpu.gpr[0] = 0;
    (bench.cpu.gpr[1], bench.cpu.gpr[2]) = (0x3000, 0);
    (bench.cpu.gpr[5], bench.cpu.gpr[6]) = (AT, RAM as u64);
    bench.put(0x3000, &[1; 32]);
    assert_eq!(bench.run(&csst), ADDRESSING);
    assert_eq!(bench.get(AT, 4), [0; 4]);
}

#[test]
fn load_pair_disjoint() {
    let mut bench = Bench::new();
    bench.put(AT, &[1, 2, 3, 4, 5, 6, 7, 8]);
    bench.put(0x3000, &[9, 10, 11, 12, 13, 14, 15, 16]);
    (bench.cpu.gpr[5], bench.cpu.gpr[6]) = (AT, 0x3000);
    (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (u64::MAX, u64::MAX);
    // LPD 2,0(5),0(6)
    assert_eq!(bench.run(&[0xc8, 0x24, 0x50, 0, 0x60, 0]), End::Cc(0));
    assert_eq!(bench.cpu.gpr[2], 0xffff_ffff_0102_0304);
    assert_eq!(bench.cpu.gpr[3], 0xffff_ffff_090a_0b0c);
    assert_eq!(bench.run(&[0xc8, 0x25, 0x50, 0, 0x60, 0]), End::Cc(0));
    assert_eq!(bench.cpu.gpr[2], 0x0102_0304_0506_0708);
    assert_eq!(bench.run(&[0xc8, 0x35, 0x50, 0, 0x60, 0]), SPECIFICATION);
    assert_eq!(bench.run(&[0xc8, 0x25, 0x50, 4, 0x60, 0]), SPECIFICATION);
}

/// The parts of PLO's parameter list as numbers of up to 16 bytes at the right end of slots.
fn slot(size: usize, value: u8) -> Vec<u8> {
    let mut bytes = vec![0; 16 - size];
    bytes.extend(vec![value; size]);
    bytes
}

#[test]
fn perform_locked_operation_does_all_its_functions() {
    const LIST: u64 = 0x3000;
    const OTHERS: [u64; 3] = [0x4000, 0x5000, 0x6000];
    // PLO 2,0(5),4,0(6)
    let plo = [0xee, 0x24, 0x50, 0, 0x60, 0];
    for code in 0..24u64 {
        let (size, in_registers) =
            [(4, true), (8, false), (8, true), (16, false)][code as usize % 4];
        let family = code / 4;
        for matches in [true, false] {
            let mut bench = Bench::new();
            let fill = |value: u8| u64::from_be_bytes([value; 8]);
            bench.put(AT, &vec![0x11; size]);
            for (at, value) in OTHERS.into_iter().zip([0x44, 0x66, 0x88]) {
                bench.put(at, &vec![value; size]);
            }
            let compare = if matches { 0x11 } else { 0x12 };
            bench.put(LIST, &slot(size, compare));
            bench.put(LIST + 16, &slot(size, 0x22));
            bench.put(LIST + 32, &slot(size, 0x44));
            bench.put(LIST + 48, &slot(size, 0x33));
            bench.put(LIST + 80, &slot(size, 0x55));
            bench.put(LIST + 112, &slot(size, 0x77));
            for (at, address) in [(72, OTHERS[0]), (104, OTHERS[1]), (136, OTHERS[2])] {
                bench.put(LIST + at, &address.to_be_bytes());
            }
            let g = &mut bench.cpu.gpr;
            g[0] = code;
            (g[2], g[3]) = (fill(compare), fill(0x22));
            (g[4], g[7]) = (fill(0x44), 0);
            g[5] = AT;
            // Registers 4 and 5 are the third operand's pair, so its replacement is an address.
            let direct = in_registers && matches!(family, 0 | 2 | 3);
            g[6] = if direct { OTHERS[0] } else { LIST };
            if family == 3 && in_registers {
                g[4] = fill(0x33);
            }
            let end = bench.run(&plo);
            let cc = if matches { 0 } else { 1 };
            assert_eq!(end, End::Cc(cc), "function {code}");
            let second = bench.get(AT, size);
            if !matches {
                assert_eq!(second, vec![0x11; size], "function {code}");
                if in_registers {
                    let value = bench.cpu.gpr[2].to_be_bytes();
                    assert_eq!(value[8 - size..], vec![0x11; size]);
                } else {
                    assert_eq!(bench.get(LIST, 16), slot(size, 0x11));
                }
                assert_eq!(bench.get(OTHERS[0], size), vec![0x44; size]);
                continue;
            }
            let swapped = if family == 0 { 0x11 } else { 0x22 };
            assert_eq!(second, vec![swapped; size], "function {code}");
            let expected: [&[u8]; 3] = match family {
                0 | 1 => [&[0x44], &[0x66], &[0x88]],
                2 | 3 => [&[0x33], &[0x66], &[0x88]],
                4 => [&[0x33], &[0x55], &[0x88]],
                _ => [&[0x33], &[0x55], &[0x77]],
            };
            for (at, value) in OTHERS.into_iter().zip(expected) {
                let value = if family == 2 && in_registers && at == OTHERS[0] {
                    // What register 5 holds: the second operand's address.
                    AT.to_be_bytes()[8 - size..].to_vec()
                } else {
                    vec![value[0]; size]
                };
                assert_eq!(bench.get(at, size), value, "function {code} at {at:#x}");
            }
            if family == 0 && !in_registers {
                assert_eq!(bench.get(LIST + 32, 16), slot(size, 0x44));
            }
        }
    }
}

#[test]
fn perform_locked_operation_tells_what_it_knows() {
    let plo = [0xee, 0x24, 0x50, 0, 0x60, 0];
    let mut bench = Bench::new();
    (bench.cpu.gpr[5], bench.cpu.gpr[6]) = (AT, 0x3000);
    for (control, end) in [
        (0x100, End::Cc(0)),
        (0x117, End::Cc(0)),
        (0x118, End::Cc(3)),
        (0x18, SPECIFICATION),
        (0x200, SPECIFICATION),
    ] {
        bench.cpu.gpr[0] = control;
        assert_eq!(bench.run(&plo), end, "{control:#x}");
    }
    // Double compare and swap whose third operand differs.
    bench.cpu.gpr[0] = 8;
    (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (0, 1);
    assert_eq!(bench.run(&plo), End::Cc(2));
    assert_eq!(bench.cpu.gpr[4], 0);
}
