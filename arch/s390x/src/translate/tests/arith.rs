//! Addition, subtraction, signs, comparison, compare and branch, compare and trap.

use super::{BASE, CODE, DATA, Lab, pairs, usual};
use crate::insn::Insn;

/// Where an operand is, and how it is widened to an exact integer.
#[derive(Debug, Clone, Copy)]
enum Src {
    /// Low half of a register, signed or unsigned.
    Low(u8),
    LowU(u8),
    /// High half.
    High(u8),
    HighU(u8),
    /// Whole register.
    Full(u8),
    FullU(u8),
    /// Storage: bytes, signed.
    Mem(u32),
    MemU(u32),
    /// The instruction's immediate, given.
    Imm(i64),
}
use Src::*;

/// Which part of R1 the result goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dst {
    ToLow,
    ToHigh,
    ToFull,
    ToMem4,
    ToMem8,
    /// Condition code only.
    Nothing,
}
use Dst::*;

fn bits(v: u64, count: u32, signed: bool) -> i128 {
    let v = u128::from(v) & ((1 << count) - 1);
    if signed && v >> (count - 1) != 0 {
        v as i128 - (1 << count)
    } else {
        v as i128
    }
}

fn value(src: Src, r: &[u64; 4], data: u64) -> i128 {
    let r = |n: u8| r[usize::from(n)];
    match src {
        Low(n) => bits(r(n), 32, true),
        LowU(n) => bits(r(n), 32, false),
        High(n) => bits(r(n) >> 32, 32, true),
        HighU(n) => bits(r(n) >> 32, 32, false),
        Full(n) => bits(r(n), 64, true),
        FullU(n) => bits(r(n), 64, false),
        Mem(bytes) => bits(data >> (64 - 8 * bytes), 8 * bytes, true),
        MemU(bytes) => bits(data >> (64 - 8 * bytes), 8 * bytes, false),
        Imm(v) => v.into(),
    }
}

/// An operation on exact integers of a width: result and condition code.
type Op = fn(i128, i128, u32, u8) -> (i128, u8);

fn sign_cc(v: i128) -> u8 {
    match v.signum() {
        0 => 0,
        -1 => 1,
        _ => 2,
    }
}

fn signed(exact: i128, width: u32) -> (i128, u8) {
    let wrapped = bits(exact as u64, width, true);
    let cc = if wrapped == exact { sign_cc(exact) } else { 3 };
    (exact, cc)
}

fn add(a: i128, b: i128, width: u32, _: u8) -> (i128, u8) {
    signed(a + b, width)
}
fn sub(a: i128, b: i128, width: u32, _: u8) -> (i128, u8) {
    signed(a - b, width)
}
fn add_l(a: i128, b: i128, width: u32, _: u8) -> (i128, u8) {
    // Signed immediates are added as what they are modulo the width.
    let (a, b) = (bits(a as u64, width, false), bits(b as u64, width, false));
    let sum = a + b;
    let carry = sum >> width != 0;
    let zero = bits(sum as u64, width, false) == 0;
    (sum, u8::from(!zero) + 2 * u8::from(carry))
}
fn sub_l(a: i128, b: i128, width: u32, _: u8) -> (i128, u8) {
    let (a, b) = (bits(a as u64, width, false), bits(b as u64, width, false));
    (a - b, u8::from(a != b) + 2 * u8::from(a >= b))
}
fn add_c(a: i128, b: i128, width: u32, cc: u8) -> (i128, u8) {
    let sum = a + b + i128::from(cc >> 1);
    let zero = bits(sum as u64, width, false) == 0;
    (sum, u8::from(!zero) + 2 * u8::from(sum >> width != 0))
}
fn sub_b(a: i128, b: i128, width: u32, cc: u8) -> (i128, u8) {
    let difference = a - b - i128::from(1 - (cc >> 1));
    let zero = bits(difference as u64, width, false) == 0;
    (difference, u8::from(!zero) + 2 * u8::from(difference >= 0))
}
fn positive(_: i128, b: i128, width: u32, _: u8) -> (i128, u8) {
    signed(b.abs(), width)
}
fn negative(_: i128, b: i128, width: u32, _: u8) -> (i128, u8) {
    signed(-b.abs(), width)
}
fn complement(_: i128, b: i128, width: u32, _: u8) -> (i128, u8) {
    signed(-b, width)
}
fn test(_: i128, b: i128, width: u32, _: u8) -> (i128, u8) {
    signed(b, width)
}
fn compare(a: i128, b: i128, _: u32, _: u8) -> (i128, u8) {
    (0, sign_cc(a - b))
}
fn keep_cc(a: i128, b: i128, _: u32, cc: u8) -> (i128, u8) {
    (a + b, cc)
}

fn check(name: &str, dst: Dst, a: Src, b: Src, op: Op) {
    let mut insn = usual(name);
    if let Imm(v) = b {
        insn.i2 = v;
    }
    let mut lab = Lab::new();
    for (n, (x, y)) in pairs().enumerate() {
        for mask in [0, 1 << (63 - 20)] {
            let cc = n as u8 & 3;
            let registers = [0, x, y, x ^ y.rotate_left(13)];
            // The second operand in storage is at the left of the data.
            let data = match (b, a) {
                (Mem(size) | MemU(size), _) => y << (64 - 8 * size),
                (_, Mem(size) | MemU(size)) => x << (64 - 8 * size),
                _ => 0,
            };
            lab.cpu.gpr[..4].copy_from_slice(&registers);
            lab.set_data(data);
            let before = lab.cpu.gpr;
            lab.psw |= mask;
            let after = lab.run_cc(&insn, cc);
            lab.psw &= !mask;
            let width = match dst {
                ToFull | ToMem8 => 64,
                ToLow | ToHigh | ToMem4 => 32,
                Nothing => 0,
            };
            let (result, expected_cc) = op(
                value(a, &registers, data),
                value(b, &registers, data),
                width,
                cc,
            );
            let result = result as u64;
            let mut expected = before;
            let (mut expected_data, r1) = (data, &mut expected[usize::from(insn.r1)]);
            match dst {
                ToLow => *r1 = *r1 & !0xffff_ffff | result & 0xffff_ffff,
                ToHigh => *r1 = *r1 & 0xffff_ffff | result << 32,
                ToFull => *r1 = result,
                ToMem4 => expected_data = data & 0xffff_ffff | result << 32,
                ToMem8 => expected_data = result,
                Nothing => {}
            }
            let overflow = [add as Op, sub, positive, complement].contains_fn(op);
            let trap = mask != 0 && expected_cc == 3 && overflow;
            let context = format!("{name} {x:x} {y:x} cc {cc}: {after:?}");
            assert_eq!(after.program, if trap { 8 } else { 0 }, "{context}");
            assert_eq!(after.cc, expected_cc, "{context}");
            assert_eq!(after.next, CODE + u64::from(insn.len), "{context}");
            assert_eq!(lab.cpu.gpr, expected, "{context}");
            assert_eq!(lab.data(), expected_data, "{context}");
        }
    }
}

trait ContainsFn {
    fn contains_fn(&self, op: Op) -> bool;
}

impl<const N: usize> ContainsFn for [Op; N] {
    fn contains_fn(&self, op: Op) -> bool {
        self.iter().any(|&f| std::ptr::fn_addr_eq(f, op))
    }
}

#[test]
fn signed_sums() {
    check("AR", ToLow, Low(1), Low(2), add);
    for name in ["A", "AY"] {
        check(name, ToLow, Low(1), Mem(4), add);
    }
    for name in ["AH", "AHY"] {
        check(name, ToLow, Low(1), Mem(2), add);
    }
    for imm in [0, 1, -1, i16::MIN.into(), i16::MAX.into()] {
        check("AHI", ToLow, Low(1), Imm(imm), add);
        check("AGHI", ToFull, Full(1), Imm(imm), add);
        check("AHIK", ToLow, Low(3), Imm(imm), add);
        check("AGHIK", ToFull, Full(3), Imm(imm), add);
    }
    for imm in [i32::MIN.into(), 0x1234_5678, -1] {
        check("AFI", ToLow, Low(1), Imm(imm), add);
        check("AGFI", ToFull, Full(1), Imm(imm), add);
        check("AIH", ToHigh, High(1), Imm(imm), add);
    }
    check("ARK", ToLow, Low(2), Low(3), add);
    check("AGR", ToFull, Full(1), Full(2), add);
    check("AGFR", ToFull, Full(1), Low(2), add);
    check("AG", ToFull, Full(1), Mem(8), add);
    check("AGF", ToFull, Full(1), Mem(4), add);
    check("AGRK", ToFull, Full(2), Full(3), add);
    check("AHHHR", ToHigh, High(2), High(3), add);
    check("AHHLR", ToHigh, High(2), Low(3), add);
    for imm in [0, 1, -1, -128, 127] {
        check("ASI", ToMem4, Mem(4), Imm(imm), add);
        check("AGSI", ToMem8, Mem(8), Imm(imm), add);
    }
}

#[test]
fn logical_sums() {
    check("ALR", ToLow, LowU(1), LowU(2), add_l);
    check("AL", ToLow, LowU(1), MemU(4), add_l);
    check("ALY", ToLow, LowU(1), MemU(4), add_l);
    check("ALRK", ToLow, LowU(2), LowU(3), add_l);
    check("ALGR", ToFull, FullU(1), FullU(2), add_l);
    check("ALGFR", ToFull, FullU(1), LowU(2), add_l);
    check("ALG", ToFull, FullU(1), MemU(8), add_l);
    check("ALGF", ToFull, FullU(1), MemU(4), add_l);
    check("ALGRK", ToFull, FullU(2), FullU(3), add_l);
    check("ALHHHR", ToHigh, HighU(2), HighU(3), add_l);
    check("ALHHLR", ToHigh, HighU(2), LowU(3), add_l);
    for imm in [0, 1, 0xffff_ffff, 0x8000_0000] {
        check("ALFI", ToLow, LowU(1), Imm(imm), add_l);
        check("ALGFI", ToFull, FullU(1), Imm(imm), add_l);
    }
    for imm in [0, 1, -1, -32768] {
        check("ALHSIK", ToLow, LowU(3), Imm(imm), add_l);
        check("ALGHSIK", ToFull, FullU(3), Imm(imm), add_l);
        check("ALSIH", ToHigh, HighU(1), Imm(imm), add_l);
        check("ALSIHN", ToHigh, HighU(1), Imm(imm), keep_cc);
    }
    for imm in [0, 1, -1, -128] {
        check("ALSI", ToMem4, MemU(4), Imm(imm), add_l);
        check("ALGSI", ToMem8, MemU(8), Imm(imm), add_l);
    }
    check("ALCR", ToLow, LowU(1), LowU(2), add_c);
    check("ALC", ToLow, LowU(1), MemU(4), add_c);
    check("ALCGR", ToFull, FullU(1), FullU(2), add_c);
    check("ALCG", ToFull, FullU(1), MemU(8), add_c);
}

#[test]
fn differences() {
    check("SR", ToLow, Low(1), Low(2), sub);
    check("S", ToLow, Low(1), Mem(4), sub);
    check("SY", ToLow, Low(1), Mem(4), sub);
    check("SH", ToLow, Low(1), Mem(2), sub);
    check("SHY", ToLow, Low(1), Mem(2), sub);
    check("SRK", ToLow, Low(2), Low(3), sub);
    check("SGR", ToFull, Full(1), Full(2), sub);
    check("SGFR", ToFull, Full(1), Low(2), sub);
    check("SG", ToFull, Full(1), Mem(8), sub);
    check("SGF", ToFull, Full(1), Mem(4), sub);
    check("SGRK", ToFull, Full(2), Full(3), sub);
    check("SHHHR", ToHigh, High(2), High(3), sub);
    check("SHHLR", ToHigh, High(2), Low(3), sub);
    check("SLR", ToLow, LowU(1), LowU(2), sub_l);
    check("SL", ToLow, LowU(1), MemU(4), sub_l);
    check("SLY", ToLow, LowU(1), MemU(4), sub_l);
    check("SLRK", ToLow, LowU(2), LowU(3), sub_l);
    check("SLGR", ToFull, FullU(1), FullU(2), sub_l);
    check("SLGFR", ToFull, FullU(1), LowU(2), sub_l);
    check("SLG", ToFull, FullU(1), MemU(8), sub_l);
    check("SLGF", ToFull, FullU(1), MemU(4), sub_l);
    check("SLGRK", ToFull, FullU(2), FullU(3), sub_l);
    check("SLHHHR", ToHigh, HighU(2), HighU(3), sub_l);
    check("SLHHLR", ToHigh, HighU(2), LowU(3), sub_l);
    for imm in [0, 1, 0xffff_ffff, 0x8000_0000] {
        check("SLFI", ToLow, LowU(1), Imm(imm), sub_l);
        check("SLGFI", ToFull, FullU(1), Imm(imm), sub_l);
    }
    check("SLBR", ToLow, LowU(1), LowU(2), sub_b);
    check("SLB", ToLow, LowU(1), MemU(4), sub_b);
    check("SLBGR", ToFull, FullU(1), FullU(2), sub_b);
    check("SLBG", ToFull, FullU(1), MemU(8), sub_b);
}

#[test]
fn a_register_less_itself_is_zero() {
    let mut lab = Lab::new();
    for (name, left, cc) in [
        ("SR", 0xffff_ffff_0000_0000, 0),
        ("SGR", 0, 0),
        ("XR", 0xffff_ffff_0000_0000, 0),
        ("XGR", 0, 0),
        ("SLR", 0xffff_ffff_0000_0000, 2),
        ("SLGR", 0, 2),
    ] {
        let mut insn = usual(name);
        insn.r2 = 1;
        lab.cpu.gpr[1] = u64::MAX;
        let after = lab.run_cc(&insn, 3);
        assert_eq!((lab.cpu.gpr[1], after.cc), (left, cc), "{name}");
    }
}

#[test]
fn signs() {
    check("LPR", ToLow, Low(1), Low(2), positive);
    check("LPGR", ToFull, Full(1), Full(2), positive);
    check("LPGFR", ToFull, Full(1), Low(2), positive);
    check("LNR", ToLow, Low(1), Low(2), negative);
    check("LNGR", ToFull, Full(1), Full(2), negative);
    check("LNGFR", ToFull, Full(1), Low(2), negative);
    check("LCR", ToLow, Low(1), Low(2), complement);
    check("LCGR", ToFull, Full(1), Full(2), complement);
    check("LCGFR", ToFull, Full(1), Low(2), complement);
    check("LTR", ToLow, Low(1), Low(2), test);
    check("LTGR", ToFull, Full(1), Full(2), test);
    check("LTGFR", ToFull, Full(1), Low(2), test);
    check("LT", ToLow, Low(1), Mem(4), test);
    check("LTG", ToFull, Full(1), Mem(8), test);
    check("LTGF", ToFull, Full(1), Mem(4), test);
}

#[test]
fn comparisons() {
    let rows: &[(&str, Src, Src)] = &[
        ("CR", Low(1), Low(2)),
        ("C", Low(1), Mem(4)),
        ("CY", Low(1), Mem(4)),
        ("CH", Low(1), Mem(2)),
        ("CHY", Low(1), Mem(2)),
        ("CHI", Low(1), Imm(-1)),
        ("CFI", Low(1), Imm(0x7fff_ffff)),
        ("CGR", Full(1), Full(2)),
        ("CGFR", Full(1), Low(2)),
        ("CG", Full(1), Mem(8)),
        ("CGF", Full(1), Mem(4)),
        ("CGH", Full(1), Mem(2)),
        ("CGHI", Full(1), Imm(-2)),
        ("CGFI", Full(1), Imm(-0x8000_0000)),
        ("CHHR", High(1), High(2)),
        ("CHLR", High(1), Low(2)),
        ("CHF", High(1), Mem(4)),
        ("CIH", High(1), Imm(-1)),
        ("CHHSI", Mem(2), Imm(-1)),
        ("CHSI", Mem(4), Imm(0)),
        ("CGHSI", Mem(8), Imm(1)),
        ("CLR", LowU(1), LowU(2)),
        ("CL", LowU(1), MemU(4)),
        ("CLY", LowU(1), MemU(4)),
        ("CLFI", LowU(1), Imm(0xffff_ffff)),
        ("CLGR", FullU(1), FullU(2)),
        ("CLGFR", FullU(1), LowU(2)),
        ("CLG", FullU(1), MemU(8)),
        ("CLGF", FullU(1), MemU(4)),
        ("CLGFI", FullU(1), Imm(0x8000_0000)),
        ("CLHHR", HighU(1), HighU(2)),
        ("CLHLR", HighU(1), LowU(2)),
        ("CLHF", HighU(1), MemU(4)),
        ("CLIH", HighU(1), Imm(0xffff_ffff)),
        ("CLHHSI", MemU(2), Imm(0xffff)),
        ("CLFHSI", MemU(4), Imm(0x8000)),
        ("CLGHSI", MemU(8), Imm(0xfffe)),
        ("CLI", MemU(1), Imm(0x80)),
        ("CLIY", MemU(1), Imm(0x7f)),
    ];
    for &(name, a, b) in rows {
        check(name, Nothing, a, b, compare);
    }
}

/// Comparisons with an operand at a relative address.
#[test]
fn relative_comparisons() {
    let rows: &[(&str, Src, Src)] = &[
        ("CRL", Low(1), Mem(4)),
        ("CHRL", Low(1), Mem(2)),
        ("CGRL", Full(1), Mem(8)),
        ("CGFRL", Full(1), Mem(4)),
        ("CGHRL", Full(1), Mem(2)),
        ("CLRL", LowU(1), MemU(4)),
        ("CLHRL", LowU(1), MemU(2)),
        ("CLGRL", FullU(1), MemU(8)),
        ("CLGFRL", FullU(1), MemU(4)),
        ("CLGHRL", FullU(1), MemU(2)),
    ];
    let mut lab = Lab::new();
    for &(name, a, b) in rows {
        let mut insn = usual(name);
        insn.i2 = (DATA - CODE) as i64 / 2;
        for (x, y) in pairs() {
            lab.cpu.gpr[1] = x;
            lab.set_data(y);
            let after = lab.run_cc(&insn, 3);
            let (_, cc) = compare(value(a, &[0, x, 0, 0], y), value(b, &[0; 4], y), 0, 0);
            assert_eq!((after.program, after.cc), (0, cc), "{name} {x:x} {y:x}");
        }
        // Operands longer than a halfword must be on their boundary.
        insn.i2 += 1;
        let expected = if name.contains('H') { 0 } else { 6 };
        assert_eq!(lab.run(&insn).program, expected, "{name}");
    }
}

fn asked(mask: u8, a: i128, b: i128) -> bool {
    mask & 8 >> sign_cc(a - b) != 0
}

#[test]
fn compare_and_branch() {
    let rows: &[(&str, Src, Src)] = &[
        ("CR", Low(1), Low(2)),
        ("CGR", Full(1), Full(2)),
        ("CI", Low(1), Imm(-1)),
        ("CGI", Full(1), Imm(127)),
        ("CLR", LowU(1), LowU(2)),
        ("CLGR", FullU(1), FullU(2)),
        ("CLI", LowU(1), Imm(255)),
        ("CLGI", FullU(1), Imm(128)),
    ];
    let mut lab = Lab::new();
    for &(stem, a, b) in rows {
        for (x, y) in pairs().step_by(3) {
            for mask in 0..16 {
                lab.cpu.gpr[1..3].copy_from_slice(&[x, y]);
                let registers = [0, x, y, 0];
                let taken = asked(mask, value(a, &registers, 0), value(b, &registers, 0));
                let mut branch = Insn {
                    m3: mask,
                    b4: BASE,
                    d4: 0x100,
                    ..usual(&format!("{stem}B"))
                };
                let mut relative = Insn {
                    m3: mask,
                    ri4: -0x4000,
                    ..usual(&format!("{stem}J"))
                };
                if let Imm(v) = b {
                    (branch.i2, relative.i2) = (v, v);
                }
                for (insn, target) in [(branch, DATA + 0x100), (relative, CODE - 0x8000)] {
                    let after = lab.run_cc(&insn, 2);
                    let name = insn.row.name;
                    let expected = if taken { target } else { CODE + 6 };
                    assert_eq!(after.next, expected, "{name} {mask} {x:x} {y:x}");
                    assert_eq!((after.program, after.cc), (0, 2), "{name}");
                    if taken {
                        assert_eq!(lab.cpu.breaking_event, CODE, "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn compare_and_trap() {
    let rows: &[(&str, Src, Src)] = &[
        ("CRT", Low(1), Low(2)),
        ("CGRT", Full(1), Full(2)),
        ("CIT", Low(1), Imm(-1)),
        ("CGIT", Full(1), Imm(-32768)),
        ("CLRT", LowU(1), LowU(2)),
        ("CLGRT", FullU(1), FullU(2)),
        ("CLFIT", LowU(1), Imm(65535)),
        ("CLGIT", FullU(1), Imm(32768)),
        ("CLT", LowU(1), MemU(4)),
        ("CLGT", FullU(1), MemU(8)),
    ];
    let mut lab = Lab::new();
    for &(name, a, b) in rows {
        for (x, y) in pairs().step_by(3) {
            for mask in 0..16 {
                lab.cpu.gpr[1..3].copy_from_slice(&[x, y]);
                lab.set_data(y);
                let registers = [0, x, y, 0];
                let traps = asked(mask, value(a, &registers, y), value(b, &registers, y));
                let mut insn = usual(name);
                insn.m3 = mask;
                if let Imm(v) = b {
                    insn.i2 = v;
                }
                let after = lab.run_cc(&insn, 1);
                let expected = if traps { 7 } else { 0 };
                assert_eq!(after.program, expected, "{name} {mask} {x:x} {y:x}");
                assert_eq!(after.cc, 1, "{name}");
                assert_eq!(after.next, CODE + u64::from(insn.len), "{name}");
                if traps {
                    assert_eq!(lab.dxc(), 0xff, "{name}");
                }
            }
        }
    }
}

#[test]
fn compare_under_mask() {
    let mut lab = Lab::new();
    for (name, shift) in [("CLM", 0), ("CLMY", 0), ("CLMH", 32)] {
        for (x, y) in pairs().step_by(2) {
            for mask in 0..16u8 {
                let word = (x >> shift) as u32;
                let selected: Vec<u8> = word
                    .to_be_bytes()
                    .into_iter()
                    .enumerate()
                    .filter(|(n, _)| mask & 8 >> n != 0)
                    .map(|(_, byte)| byte)
                    .collect();
                for data in [y << 32, y] {
                    lab.cpu.gpr[1] = x;
                    lab.set_data(data);
                    let mut insn = usual(name);
                    insn.m3 = mask;
                    let after = lab.run_cc(&insn, 3);
                    let other = data.to_be_bytes();
                    let cc = match selected.as_slice().cmp(&other[..selected.len()]) {
                        std::cmp::Ordering::Equal => 0,
                        std::cmp::Ordering::Less => 1,
                        std::cmp::Ordering::Greater => 2,
                    };
                    assert_eq!(after.cc, cc, "{name} {mask} {x:x} {data:x}");
                }
            }
        }
    }
}
