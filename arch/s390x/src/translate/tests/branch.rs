//! Branches, linkage, addressing modes, calls.

use super::{BASE, CODE, DATA, Lab, pairs, usual};
use crate::cpu::{lowcore, psw};
use tcg::ir::MemSize;

const LOW: u64 = 0xffff_ffff;

#[test]
fn on_condition() {
    let mut lab = Lab::new();
    for mask in 0..16u8 {
        for cc in 0..4u8 {
            let taken = mask & 8 >> cc != 0;
            for (name, target) in [
                ("BC", DATA + 0x10),
                ("BCR", DATA),
                ("BRC", CODE - 0x200),
                ("BRCL", CODE - 0x200),
            ] {
                let mut insn = usual(name);
                insn.m1 = mask;
                insn.r1 = mask;
                insn.d2 = 0x10;
                insn.i2 = -0x100;
                lab.cpu.gpr[2] = DATA;
                lab.cpu.breaking_event = 1;
                let after = lab.run_cc(&insn, cc);
                let next = CODE + u64::from(insn.len);
                let expected = if taken { target } else { next };
                assert_eq!((after.next, after.cc), (expected, cc), "{name} {mask} {cc}");
                let event = if taken { CODE } else { 1 };
                assert_eq!(lab.cpu.breaking_event, event, "{name} {mask} {cc}");
            }
            let mut none = usual("BCR");
            (none.m1, none.r1, none.r2) = (mask, mask, 0);
            assert_eq!(lab.run_cc(&none, cc).next, CODE + 2);
        }
    }
}

/// An odd address is found when the instruction there is fetched.
#[test]
fn odd_targets() {
    let mut lab = Lab::new();
    let mut insn = usual("BC");
    (insn.m1, insn.d2) = (15, 1);
    let after = lab.run(&insn);
    assert_eq!(after.program, 6);
}

#[test]
fn on_count() {
    let mut lab = Lab::new();
    for (x, _) in pairs().step_by(3) {
        for (name, part, target) in [
            ("BCT", 32, DATA + 0x10),
            ("BCTR", 32, DATA),
            ("BRCT", 32, CODE + 0x400),
            ("BCTG", 64, DATA + 0x10),
            ("BCTGR", 64, DATA),
            ("BRCTG", 64, CODE + 0x400),
            ("BRCTH", 0, CODE + 0x400),
        ] {
            let mut insn = usual(name);
            (insn.d2, insn.i2) = (0x10, 0x200);
            lab.cpu.gpr[1..3].copy_from_slice(&[x, DATA]);
            let after = lab.run_cc(&insn, 2);
            let (result, zero) = match part {
                32 => (x & !LOW | x.wrapping_sub(1) & LOW, x & LOW == 1),
                64 => (x.wrapping_sub(1), x == 1),
                _ => (x.wrapping_sub(1 << 32), x >> 32 == 1),
            };
            let expected = if zero {
                CODE + u64::from(insn.len)
            } else {
                target
            };
            assert_eq!(lab.cpu.gpr[1], result, "{name} {x:x}");
            assert_eq!((after.next, after.cc), (expected, 2), "{name} {x:x}");
        }
        for name in ["BCTR", "BCTGR"] {
            let mut insn = usual(name);
            insn.r2 = 0;
            assert_eq!(lab.run(&insn).next, CODE + u64::from(insn.len), "{name}");
        }
    }
    // The address is that before counting.
    let mut insn = usual("BCTGR");
    (insn.r1, insn.r2) = (2, 2);
    lab.cpu.gpr[2] = DATA;
    assert_eq!(lab.run(&insn).next, DATA);
}

#[test]
fn on_index() {
    let mut lab = Lab::new();
    for (x, y) in pairs() {
        let limit = x.rotate_left(7) ^ y;
        for (name, wide, high, relative) in [
            ("BXH", false, true, false),
            ("BXLE", false, false, false),
            ("BRXH", false, true, true),
            ("BRXLE", false, false, true),
            ("BXHG", true, true, false),
            ("BXLEG", true, false, false),
            ("BRXHG", true, true, true),
            ("BRXLG", true, false, true),
        ] {
            // An even register has its limit beside it; an odd one is its own.
            for r3 in [2u8, 3] {
                let mut insn = usual(name);
                (insn.r3, insn.d2, insn.i2) = (r3, 0x20, 0x300);
                lab.cpu.gpr[1..4].copy_from_slice(&[x, y, limit]);
                let increment = if r3 == 2 { y } else { limit };
                let sum = x.wrapping_add(increment);
                let (sum, above) = if wide {
                    (sum, sum as i64 > limit as i64)
                } else {
                    (x & !LOW | sum & LOW, sum as i32 > limit as i32)
                };
                let after = lab.run_cc(&insn, 1);
                let target = if relative { CODE + 0x600 } else { DATA + 0x20 };
                let next = CODE + u64::from(insn.len);
                let expected = if above == high { target } else { next };
                assert_eq!(lab.cpu.gpr[1], sum, "{name} {r3} {x:x} {y:x}");
                assert_eq!(
                    (after.next, after.cc),
                    (expected, 1),
                    "{name} {r3} {x:x} {y:x}"
                );
            }
        }
    }
    // The limit is what the register held before, also if it takes the sum.
    let mut insn = usual("BXH");
    (insn.r1, insn.r3) = (3, 2);
    lab.cpu.gpr[2..4].copy_from_slice(&[1, 10]);
    assert_eq!(lab.run(&insn).next, DATA);
    assert_eq!(lab.cpu.gpr[3], 11);
}

const OLD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
/// Program mask 5: decimal overflow and HFP significance.
const MASKS: u64 = 5 << psw::PROGRAM_MASK_SHIFT;

#[test]
fn linkage() {
    let mut lab = Lab::new();
    for (mode, top) in [
        (psw::ADDRESSING, None),
        (psw::BASIC_ADDRESSING, Some(0x8000_0000)),
        (0, Some(0)),
    ] {
        lab.psw = mode | MASKS;
        for (name, target, length) in [
            ("BAL", DATA, 4),
            ("BALR", DATA, 2),
            ("BAS", DATA, 4),
            ("BASR", DATA, 2),
            ("BRAS", CODE + 0x100, 4),
            ("BRASL", CODE + 0x100, 6),
        ] {
            let mut insn = usual(name);
            insn.i2 = 0x80;
            lab.cpu.gpr[1..3].copy_from_slice(&[OLD, DATA]);
            let after = lab.run_cc(&insn, 2);
            let next = CODE + length;
            let link = match top {
                None => next,
                // BRANCH AND LINK in the 24-bit mode: length, code 2, mask 5.
                Some(0) if name.starts_with("BAL") => {
                    OLD & !LOW | (length / 2) << 30 | 2 << 28 | 5 << 24 | next
                }
                Some(top) => OLD & !LOW | top | next,
            };
            assert_eq!(lab.cpu.gpr[1], link, "{name} {mode:x}");
            assert_eq!((after.next, after.cc), (target, 2), "{name} {mode:x}");
            assert_eq!(lab.cpu.breaking_event, CODE);
        }
        for name in ["BALR", "BASR", "BASSM"] {
            let mut insn = usual(name);
            insn.r2 = 0;
            lab.cpu.gpr[1] = OLD;
            assert_eq!(lab.run(&insn).next, CODE + 2, "{name}");
            assert_ne!(lab.cpu.gpr[1], OLD, "{name}");
        }
        // The address is taken before the link is stored.
        let mut insn = usual("BASR");
        insn.r2 = 1;
        lab.cpu.gpr[1] = DATA;
        assert_eq!(lab.run(&insn).next, DATA);
    }
}

#[test]
fn addressing_modes() {
    let modes = [0, psw::BASIC_ADDRESSING, psw::ADDRESSING];
    let mut lab = Lab::new();
    for (n, mode) in modes.into_iter().enumerate() {
        for (m, name) in ["SAM24", "SAM31", "SAM64"].into_iter().enumerate() {
            lab.psw = mode;
            let after = lab.run_cc(&usual(name), 3);
            assert_eq!(
                (after.program, after.next, after.cc),
                (0, CODE + 2, 3),
                "{name}"
            );
            assert_eq!(after.mask & psw::ADDRESSING, modes[m], "{name} from {n}");
        }
        lab.psw = mode;
        assert_eq!(lab.run(&usual("TAM")).cc, [0, 1, 3][n]);
        for name in ["BSM", "BASSM"] {
            for (value, target, m) in [
                (DATA, DATA, 0),
                (DATA | 0x8000_0000, DATA, 1),
                (DATA | 1, DATA, 2),
                (DATA | 0xff00_0000_7f00_0000, DATA, 0),
            ] {
                lab.psw = mode;
                lab.cpu.gpr[1..3].copy_from_slice(&[OLD, value]);
                let after = lab.run(&usual(name));
                assert_eq!(after.mask & psw::ADDRESSING, modes[m], "{name} {value:x}");
                assert_eq!(after.next, target, "{name} {value:x}");
                let link = match (name, n) {
                    ("BSM", 0) => OLD & !0x8000_0000,
                    ("BSM", 1) => OLD | 0x8000_0000,
                    ("BSM", _) => OLD | 1,
                    (_, 0) => OLD & !LOW | (CODE + 2),
                    (_, 1) => OLD & !LOW | 0x8000_0000 | (CODE + 2),
                    _ => (CODE + 2) | 1,
                };
                assert_eq!(lab.cpu.gpr[1], link, "{name} from {n}");
            }
        }
        let mut none = usual("BSM");
        (none.r1, none.r2) = (0, 0);
        lab.psw = mode;
        let before = lab.cpu.gpr;
        assert_eq!(lab.run(&none).next, CODE + 2);
        assert_eq!(lab.cpu.gpr, before);
    }
}

#[test]
fn program_mask() {
    let mut lab = Lab::new();
    for mask in 0..16u64 {
        for cc in 0..4u8 {
            lab.psw = psw::ADDRESSING | mask << psw::PROGRAM_MASK_SHIFT;
            lab.cpu.gpr[1] = OLD;
            let after = lab.run_cc(&usual("IPM"), cc);
            let field = u64::from(cc) << 28 | mask << 24;
            assert_eq!(lab.cpu.gpr[1], OLD & !0xff00_0000 | field);
            assert_eq!(after.cc, cc);

            lab.psw = psw::ADDRESSING | MASKS;
            lab.cpu.gpr[1] = field | 0xffff_ffff_c0ff_ffff;
            let after = lab.run_cc(&usual("SPM"), 3 - cc);
            assert_eq!(after.cc, cc);
            assert_eq!(
                (after.mask & psw::PROGRAM_MASK) >> psw::PROGRAM_MASK_SHIFT,
                mask
            );
        }
    }
}

#[test]
fn supervisor_call() {
    let mut lab = Lab::new();
    lab.cpu
        .set_lowcore(lowcore::SVC_NEW, MemSize::B8, psw::ADDRESSING);
    lab.cpu.set_lowcore(lowcore::SVC_NEW + 8, MemSize::B8, DATA);
    let mut insn = usual("SVC");
    insn.i2 = 0xc7u8 as i8 as i64;
    let after = lab.run_cc(&insn, 1);
    assert_eq!((after.program, after.next), (0, DATA));
    assert_eq!(lab.cpu.lowcore(lowcore::SVC_ID, MemSize::B4), 0x0002_00c7);
    let old = lab.cpu.lowcore(lowcore::SVC_OLD, MemSize::B8);
    assert_eq!(old, psw::ADDRESSING | 1 << psw::CC_SHIFT);
    assert_eq!(lab.cpu.lowcore(lowcore::SVC_OLD + 8, MemSize::B8), CODE + 2);
}

#[test]
fn monitor_call() {
    let mut lab = Lab::new();
    for class in 0..17u8 {
        for mask in [0, 0x8000 >> class, !(0x8000 >> class)] {
            lab.cpu.cr[8] = mask & 0xffff;
            let mut insn = usual("MC");
            (insn.i2, insn.d1, insn.b1) = (class.into(), 0x123, BASE);
            let after = lab.run(&insn);
            let on = mask & 0x8000 >> class != 0 && class < 16;
            let expected = match class {
                16 => 6,
                _ if on => 0x40,
                _ => 0,
            };
            assert_eq!(
                (after.program, after.next),
                (expected, CODE + 4),
                "{class} {mask:x}"
            );
            if on {
                let lowcore = |at, size| lab.cpu.lowcore(at, size);
                assert_eq!(
                    lowcore(lowcore::MONITOR_CLASS, MemSize::B2),
                    u64::from(class)
                );
                assert_eq!(lowcore(lowcore::MONITOR_CODE, MemSize::B8), DATA + 0x123);
            }
        }
    }
}

/// No cache is described, at any level.
#[test]
fn cpu_attributes() {
    let mut lab = Lab::new();
    let mut insn = usual("ECAG");
    insn.b2 = 0;
    for (address, expected) in [(0, 0), (0x0e, 0), (0x10, u64::MAX), (0x23, u64::MAX)] {
        insn.d2 = address;
        lab.run(&insn);
        assert_eq!(lab.cpu.gpr[1], expected, "{address:x}");
    }
}
