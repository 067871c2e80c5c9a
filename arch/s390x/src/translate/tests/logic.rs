//! Bitwise operations, tests under mask, immediates, bit counts.

use super::{CODE, Lab, pairs, usual};

type Op = fn(u64, u64) -> u64;

fn and(a: u64, b: u64) -> u64 {
    a & b
}
fn or(a: u64, b: u64) -> u64 {
    a | b
}
fn xor(a: u64, b: u64) -> u64 {
    a ^ b
}

const OPS: [(&str, Op); 3] = [("N", and), ("O", or), ("X", xor)];
const LOW: u64 = 0xffff_ffff;

#[test]
fn registers_and_storage() {
    let mut lab = Lab::new();
    for (letter, op) in OPS {
        for (suffix, wide, storage, three) in [
            ("R", false, false, false),
            ("GR", true, false, false),
            ("", false, true, false),
            ("Y", false, true, false),
            ("G", true, true, false),
            ("RK", false, false, true),
            ("GRK", true, false, true),
        ] {
            let name = format!("{letter}{suffix}");
            let insn = usual(&name);
            for (x, y) in pairs() {
                let old = 0x5555_aaaa_1234_8765;
                let (first, second) = if three { (x, y) } else { (0, y) };
                lab.cpu.gpr[..4].copy_from_slice(&[0, if three { old } else { x }, first, second]);
                if !three {
                    lab.cpu.gpr[2] = y;
                }
                lab.set_data(if wide { y } else { y << 32 });
                if storage {
                    lab.cpu.gpr[2] = !y;
                }
                let before = lab.cpu.gpr[1];
                let after = lab.run_cc(&insn, 2);
                let result = op(x, y);
                let (expected, cc) = if wide {
                    (result, result != 0)
                } else {
                    (before & !LOW | result & LOW, result & LOW != 0)
                };
                let context = format!("{name} {x:x} {y:x} {after:?}");
                assert_eq!(lab.cpu.gpr[1], expected, "{context}");
                assert_eq!((after.cc, after.program), (u8::from(cc), 0), "{context}");
            }
        }
    }
}

/// Fields of a register: name's end, distance from the right, bits.
const FIELDS: [(&str, u32, u32); 6] = [
    ("HH", 48, 16),
    ("HL", 32, 16),
    ("LH", 16, 16),
    ("LL", 0, 16),
    ("HF", 32, 32),
    ("LF", 0, 32),
];

#[test]
fn fields_of_registers() {
    let mut lab = Lab::new();
    for (end, shift, bits) in FIELDS {
        let mask = ((1u64 << bits) - 1) << shift;
        for (letter, op) in OPS {
            if letter == "X" && bits == 16 {
                continue;
            }
            let mut insn = usual(&format!("{letter}I{end}"));
            for (x, imm) in pairs() {
                insn.i2 = imm as i64;
                lab.cpu.gpr[1] = x;
                let after = lab.run_cc(&insn, 3);
                let field = op(x, imm << shift) & mask;
                assert_eq!(
                    lab.cpu.gpr[1],
                    x & !mask | field,
                    "{} {x:x} {imm:x}",
                    insn.row.name
                );
                assert_eq!(
                    after.cc,
                    u8::from(field != 0),
                    "{} {x:x} {imm:x}",
                    insn.row.name
                );
            }
        }
        for (x, imm) in pairs() {
            let mut insn = usual(&format!("II{end}"));
            insn.i2 = imm as i64;
            lab.cpu.gpr[1] = x;
            let after = lab.run_cc(&insn, 3);
            assert_eq!(lab.cpu.gpr[1], x & !mask | imm << shift & mask, "II{end}");
            let mut insn = usual(&format!("LLI{end}"));
            insn.i2 = imm as i64;
            let other = lab.run_cc(&insn, 3);
            assert_eq!(lab.cpu.gpr[1], imm << shift & mask, "LLI{end}");
            assert_eq!((after.cc, other.cc), (3, 3));
        }
    }
}

#[test]
fn bytes_in_storage() {
    let mut lab = Lab::new();
    for (letter, op) in OPS {
        for name in [format!("{letter}I"), format!("{letter}IY")] {
            for byte in [0u64, 1, 0x80, 0xff, 0x5a] {
                for imm in 0..=255u64 {
                    let mut insn = usual(&name);
                    insn.i2 = imm as i64;
                    lab.set_data(byte << 56 | 0x12_3456);
                    let after = lab.run_cc(&insn, 2);
                    let result = op(byte, imm) & 0xff;
                    assert_eq!(lab.data(), result << 56 | 0x12_3456, "{name}");
                    assert_eq!(after.cc, u8::from(result != 0), "{name}");
                }
            }
        }
    }
}

/// The condition code of a test under mask, from its definition.
fn tested(selected: &[bool], left: bool) -> u8 {
    match (selected.iter().any(|&b| b), selected.iter().all(|&b| b)) {
        (false, _) => 0,
        (true, true) => 3,
        _ if left && selected[0] => 2,
        _ => 1,
    }
}

fn select(v: u64, mask: u64) -> Vec<bool> {
    (0..64)
        .rev()
        .filter(|n| mask >> n & 1 != 0)
        .map(|n| v >> n & 1 != 0)
        .collect()
}

#[test]
fn tests_under_mask() {
    let mut lab = Lab::new();
    for name in ["TM", "TMY"] {
        for byte in (0..256u64).step_by(5) {
            for mask in (0..256u64).step_by(3) {
                let mut insn = usual(name);
                insn.i2 = mask as i64;
                lab.set_data(byte << 56);
                let expected = tested(&select(byte, mask), false);
                assert_eq!(
                    lab.run_cc(&insn, 2).cc,
                    expected,
                    "{name} {byte:x} {mask:x}"
                );
            }
        }
    }
    for (end, shift, _) in FIELDS.into_iter().filter(|field| field.2 == 16) {
        for (x, mask) in pairs() {
            let mut insn = usual(&format!("TM{end}"));
            insn.i2 = mask as i64;
            lab.cpu.gpr[1] = x;
            let expected = tested(&select(x >> shift, mask & 0xffff), true);
            assert_eq!(lab.run_cc(&insn, 1).cc, expected, "TM{end} {x:x} {mask:x}");
        }
    }
}

#[test]
fn bit_counts() {
    let mut lab = Lab::new();
    for (x, _) in pairs() {
        let mut insn = usual("FLOGR");
        insn.r1 = 8;
        lab.cpu.gpr[2] = x;
        let after = lab.run_cc(&insn, 1);
        let found = (0..64).find(|n| x << n >> 63 != 0);
        let expected = found.map_or((64, 0, 0), |n| (n, x & !(1 << (63 - n)), 2));
        assert_eq!(
            (lab.cpu.gpr[8], lab.cpu.gpr[9], after.cc),
            expected,
            "{x:x}"
        );
        let mut insn = usual("FLOGR");
        (insn.r1, insn.r2) = (8, 9);
        lab.cpu.gpr[9] = x;
        lab.run(&insn);
        assert_eq!(
            (lab.cpu.gpr[8], lab.cpu.gpr[9]),
            (expected.0, expected.1),
            "{x:x}"
        );

        let after = lab.run_cc(&usual("POPCNT"), 3);
        let counts = (0..8).fold(0, |sum, n| {
            sum | u64::from((x >> (8 * n) & 0xff).count_ones()) << (8 * n)
        });
        assert_eq!(
            (lab.cpu.gpr[1], after.cc),
            (counts, u8::from(x != 0)),
            "{x:x}"
        );
    }
    let mut odd = usual("FLOGR");
    odd.r1 = 7;
    let after = lab.run(&odd);
    assert_eq!((after.program, after.next), (6, CODE + 4));
}
