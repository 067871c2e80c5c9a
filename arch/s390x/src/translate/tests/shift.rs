//! Shifts, rotations, operations on rotated and selected bits.

use super::{CODE, Lab, numbers, pairs, usual};

const LOW: u64 = 0xffff_ffff;

/// Shift counts as the address 0(2) or 64 + 17(2) gives them: only six bits count.
fn counts() -> impl Iterator<Item = u64> {
    (0..70).chain([0x100, 0xffff_ffff_ffff_ffc3])
}

#[test]
fn logical_shifts() {
    let mut lab = Lab::new();
    for (x, _) in pairs().step_by(7) {
        for count in counts() {
            let n = (count & 63) as u32;
            let low = u128::from(x & LOW);
            let rotated = ((x & LOW) as u32).rotate_left(n).into();
            let rows: [(&str, u64); 9] = [
                ("SLL", (low << n) as u64 & LOW),
                ("SLLK", (low << n) as u64 & LOW),
                ("SRL", (low >> n) as u64),
                ("SRLK", (low >> n) as u64),
                ("RLL", rotated),
                ("SLLG", (u128::from(x) << n) as u64),
                ("SRLG", x >> n),
                ("RLLG", x.rotate_left(n)),
                ("SRAG", (i128::from(x as i64) >> n) as u64),
            ];
            for (name, result) in rows {
                let mut insn = usual(name);
                insn.b2 = 2;
                let wide = name.ends_with('G');
                let one = name == "SLL" || name == "SRL";
                let old = if one { x } else { 0x1234_5678_9abc_def0 };
                (lab.cpu.gpr[1], lab.cpu.gpr[2], lab.cpu.gpr[3]) = (old, count, x);
                let after = lab.run_cc(&insn, 3);
                let expected = if wide { result } else { old & !LOW | result };
                assert_eq!(lab.cpu.gpr[1], expected, "{name} {x:x} {count}");
                if name != "SRAG" {
                    assert_eq!(after.cc, 3, "{name}");
                }
                // The same count in the displacement.
                insn.b2 = 0;
                insn.d2 = (count & 0xfff) as i32;
                lab.cpu.gpr[1] = old;
                lab.run(&insn);
                assert_eq!(lab.cpu.gpr[1], expected, "{name} {x:x} {count}");
            }
        }
    }
}

/// An arithmetic left shift bit by bit, as the manual says it: result and whether a bit unlike
/// the sign left.
fn shift_left(value: u64, width: u32, count: u64) -> (u64, bool) {
    let sign = value >> (width - 1) & 1;
    let (mut bits, mut overflow) = (value, false);
    for _ in 0..count & 63 {
        overflow |= bits >> (width - 2) & 1 != sign;
        bits <<= 1;
    }
    let rest = (1 << (width - 1)) - 1;
    (bits & rest | sign << (width - 1), overflow)
}

fn signed_cc(v: u64, width: u32) -> u8 {
    match ((v << (64 - width)) as i64).signum() {
        0 => 0,
        -1 => 1,
        _ => 2,
    }
}

#[test]
fn arithmetic_shifts() {
    let mut lab = Lab::new();
    for (n, (x, _)) in pairs().step_by(5).enumerate() {
        for count in counts() {
            let mask = if n % 2 == 0 { 0 } else { 1 << (63 - 20) };
            for (name, width, left) in [
                ("SLA", 32, true),
                ("SLAK", 32, true),
                ("SLAG", 64, true),
                ("SRA", 32, false),
                ("SRAK", 32, false),
                ("SRAG", 64, false),
            ] {
                let mut insn = usual(name);
                insn.b2 = 2;
                let old = if name.len() == 3 {
                    x
                } else {
                    0xfeed_beef_dead_cafe
                };
                (lab.cpu.gpr[1], lab.cpu.gpr[2], lab.cpu.gpr[3]) = (old, count, x);
                let value = if width == 32 { x & LOW } else { x };
                let (result, overflow) = if left {
                    shift_left(value, width, count)
                } else {
                    let wide = (value << (64 - width)) as i64 >> (64 - width);
                    let v = wide >> (count & 63);
                    (v as u64 & (u64::MAX >> (64 - width)), false)
                };
                lab.psw |= mask;
                let after = lab.run(&insn);
                lab.psw &= !mask;
                let cc = if overflow {
                    3
                } else {
                    signed_cc(result, width)
                };
                let expected = if width == 64 {
                    result
                } else {
                    old & !LOW | result
                };
                let context = format!("{name} {x:x} {count} {after:?}");
                assert_eq!((lab.cpu.gpr[1], after.cc), (expected, cc), "{context}");
                let program = if overflow && mask != 0 { 8 } else { 0 };
                assert_eq!(after.program, program, "{context}");
            }
        }
    }
}

#[test]
fn double_shifts() {
    let mut lab = Lab::new();
    for (x, y) in pairs().step_by(11) {
        for count in counts() {
            let pair = x << 32 | y & LOW;
            let n = (count & 63) as u32;
            let (left, overflow) = shift_left(pair, 64, count);
            for (name, result, cc) in [
                ("SLDL", (u128::from(pair) << n) as u64, 1),
                ("SRDL", pair >> n, 1),
                (
                    "SRDA",
                    (pair as i64 >> n) as u64,
                    signed_cc((pair as i64 >> n) as u64, 64),
                ),
                ("SLDA", left, if overflow { 3 } else { signed_cc(left, 64) }),
            ] {
                let mut insn = usual(name);
                (insn.r1, insn.b2) = (8, 2);
                (lab.cpu.gpr[2], lab.cpu.gpr[8], lab.cpu.gpr[9]) = (count, x, y);
                let after = lab.run_cc(&insn, 1);
                let expected = (x & !LOW | result >> 32, y & !LOW | result & LOW);
                let context = format!("{name} {pair:x} {count}");
                assert_eq!((lab.cpu.gpr[8], lab.cpu.gpr[9]), expected, "{context}");
                assert_eq!(after.cc, cc, "{context}");
            }
        }
    }
    for name in ["SLDL", "SRDL", "SLDA", "SRDA"] {
        let after = lab.run(&usual(name));
        assert_eq!((after.program, after.next), (6, CODE + 4), "{name}");
    }
}

/// Whether bit `n`, counted from the left, is in `start..=end` going round after the last bit.
fn selected(n: u32, start: u32, end: u32) -> bool {
    if start <= end {
        (start..=end).contains(&n)
    } else {
        n >= start || n <= end
    }
}

#[test]
fn rotated_and_selected_bits() {
    let mut lab = Lab::new();
    let fields: Vec<u64> = numbers(7).take(4000).collect();
    for (n, window) in fields.windows(3).enumerate() {
        let (x, y, f) = (window[0], window[1], window[2] ^ (n as u64 * 0x1_0101));
        let (i3, i4, i5) = (f as u8, (f >> 8) as u8, (f >> 16) as u8);
        let rotated = y.rotate_left((i5 & 63).into());
        let mask64 = (0..64)
            .filter(|&n| selected(n, (i3 & 63).into(), (i4 & 63).into()))
            .fold(0u64, |mask, n| mask | 1 << (63 - n));
        let mask32 = (0..32)
            .filter(|&n| selected(n, (i3 & 31).into(), (i4 & 31).into()))
            .fold(0u64, |mask, n| mask | 1 << (31 - n));
        let zero = i4 & 0x80 != 0;
        let test_only = i3 & 0x80 != 0;
        let insert = rotated & mask64 | if zero { 0 } else { x & !mask64 };
        let low = rotated & mask32 | if zero { 0 } else { x & LOW & !mask32 };
        let high = (rotated >> 32) & mask32 | if zero { 0 } else { (x >> 32) & !mask32 };
        let logical = |v: u64| {
            let result = if test_only {
                x
            } else {
                x & !mask64 | v & mask64
            };
            (result, u8::from(v & mask64 != 0))
        };
        let and = logical(x & rotated);
        let or = logical(x | rotated);
        let xor = logical(x ^ rotated);
        for (name, result, cc) in [
            ("RISBG", insert, signed_cc(insert, 64)),
            ("RISBGN", insert, 3),
            ("RISBLG", x & !LOW | low, 3),
            ("RISBHG", x & LOW | high << 32, 3),
            ("RNSBG", and.0, and.1),
            ("ROSBG", or.0, or.1),
            ("RXSBG", xor.0, xor.1),
        ] {
            let mut insn = usual(name);
            (insn.i3, insn.i4, insn.i5) = (i3, i4, i5);
            (lab.cpu.gpr[1], lab.cpu.gpr[2]) = (x, y);
            let after = lab.run_cc(&insn, 3);
            let context = format!("{name} {x:x} {y:x} {i3:x} {i4:x} {i5:x}");
            assert_eq!((lab.cpu.gpr[1], after.cc), (result, cc), "{context}");
        }
    }
}
