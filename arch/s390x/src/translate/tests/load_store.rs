//! Loads and stores.

use tcg::ir::MemSize;
use tcg::mem;

use super::{BASE, CODE, DATA, EDGES, Lab, numbers, usual};
use crate::cpu::psw;

const LOW: u64 = 0xffff_ffff;

fn sext(v: u64, bits: u32) -> u64 {
    ((v << (64 - bits)) as i64 >> (64 - bits)) as u64
}

fn zext(v: u64, bits: u32) -> u64 {
    v & (u64::MAX >> (64 - bits))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dst {
    Low,
    High,
    Full,
}
use Dst::*;

fn merged(dst: Dst, old: u64, v: u64) -> u64 {
    match dst {
        Low => old & !LOW | v & LOW,
        High => old & LOW | v << 32,
        Full => v,
    }
}

/// A value of so many bits as the register gets it.
type Widen = fn(u64, u32) -> u64;

/// What becomes of a value on its way.
type Map = fn(u64) -> u64;

#[test]
fn loads() {
    let rows: &[(&str, Dst, u32, Widen)] = &[
        ("L", Low, 32, zext),
        ("LY", Low, 32, zext),
        ("LG", Full, 64, zext),
        ("LGF", Full, 32, sext),
        ("LLGF", Full, 32, zext),
        ("LLGT", Full, 32, |v, _| zext(v, 31)),
        ("LFH", High, 32, zext),
        ("LH", Low, 16, sext),
        ("LHY", Low, 16, sext),
        ("LGH", Full, 16, sext),
        ("LLH", Low, 16, zext),
        ("LLGH", Full, 16, zext),
        ("LHH", High, 16, sext),
        ("LLHH", High, 16, zext),
        ("LB", Low, 8, sext),
        ("LGB", Full, 8, sext),
        ("LLC", Low, 8, zext),
        ("LLGC", Full, 8, zext),
        ("LBH", High, 8, sext),
        ("LLCH", High, 8, zext),
        ("LRV", Low, 32, |v, _| (v as u32).swap_bytes().into()),
        ("LRVG", Full, 64, |v, _| v.swap_bytes()),
        ("LRL", Low, 32, zext),
        ("LGRL", Full, 64, zext),
        ("LGFRL", Full, 32, sext),
        ("LLGFRL", Full, 32, zext),
        ("LHRL", Low, 16, sext),
        ("LGHRL", Full, 16, sext),
        ("LLHRL", Low, 16, zext),
        ("LLGHRL", Full, 16, zext),
    ];
    let mut lab = Lab::new();
    for &(name, dst, bits, widen) in rows {
        for data in EDGES.into_iter().chain(numbers(3).take(30)) {
            let mut insn = usual(name);
            if name.ends_with("RL") {
                insn.i2 = (DATA - CODE) as i64 / 2;
            }
            let old = 0xabcd_ef01_2345_6789;
            lab.cpu.gpr[1] = old;
            lab.set_data(data << (64 - bits));
            let after = lab.run_cc(&insn, 3);
            let expected = merged(dst, old, widen(zext(data, bits), bits));
            assert_eq!(lab.cpu.gpr[1], expected, "{name} {data:x}");
            assert_eq!((after.program, after.cc), (0, 3), "{name}");
        }
    }
}

#[test]
fn register_loads() {
    let rows: &[(&str, Dst, Map)] = &[
        ("LR", Low, |v| v),
        ("LGR", Full, |v| v),
        ("LGFR", Full, |v| sext(v, 32)),
        ("LLGFR", Full, |v| zext(v, 32)),
        ("LLGTR", Full, |v| zext(v, 31)),
        ("LHR", Low, |v| sext(v, 16)),
        ("LGHR", Full, |v| sext(v, 16)),
        ("LLHR", Low, |v| zext(v, 16)),
        ("LLGHR", Full, |v| zext(v, 16)),
        ("LBR", Low, |v| sext(v, 8)),
        ("LGBR", Full, |v| sext(v, 8)),
        ("LLCR", Low, |v| zext(v, 8)),
        ("LLGCR", Full, |v| zext(v, 8)),
        ("LRVR", Low, |v| (v as u32).swap_bytes().into()),
        ("LRVGR", Full, u64::swap_bytes),
    ];
    let mut lab = Lab::new();
    for &(name, dst, widen) in rows {
        for v in EDGES.into_iter().chain(numbers(4).take(30)) {
            let old = 0xabcd_ef01_2345_6789;
            lab.cpu.gpr[1..3].copy_from_slice(&[old, v]);
            let after = lab.run_cc(&usual(name), 1);
            assert_eq!(lab.cpu.gpr[1], merged(dst, old, widen(v)), "{name} {v:x}");
            assert_eq!((after.program, after.cc), (0, 1), "{name}");
        }
    }
    for (name, dst) in [("LHI", Low), ("LGHI", Full), ("LGFI", Full)] {
        let mut insn = usual(name);
        insn.i2 = -2;
        lab.cpu.gpr[1] = 0x1234_5678_0000_0000;
        lab.run(&insn);
        let expected = merged(dst, 0x1234_5678_0000_0000, u64::MAX - 1);
        assert_eq!(lab.cpu.gpr[1], expected, "{name}");
    }
}

#[test]
fn stores() {
    // Name, bits, the value stored.
    let rows: &[(&str, u32, Map)] = &[
        ("ST", 32, |v| v),
        ("STY", 32, |v| v),
        ("STG", 64, |v| v),
        ("STH", 16, |v| v),
        ("STHY", 16, |v| v),
        ("STC", 8, |v| v),
        ("STCY", 8, |v| v),
        ("STFH", 32, |v| v >> 32),
        ("STHH", 16, |v| v >> 32),
        ("STCH", 8, |v| v >> 32),
        ("STRVH", 16, |v| (v as u16).swap_bytes().into()),
        ("STRV", 32, |v| (v as u32).swap_bytes().into()),
        ("STRVG", 64, u64::swap_bytes),
        ("STRL", 32, |v| v),
        ("STGRL", 64, |v| v),
        ("STHRL", 16, |v| v),
    ];
    let mut lab = Lab::new();
    for &(name, bits, value) in rows {
        for v in EDGES.into_iter().chain(numbers(5).take(30)) {
            let mut insn = usual(name);
            if name.ends_with("RL") {
                insn.i2 = (DATA - CODE) as i64 / 2;
            }
            let old = 0xabcd_ef01_2345_6789;
            lab.set_data(old);
            lab.cpu.gpr[1] = v;
            let after = lab.run(&insn);
            let shift = 64 - bits;
            let rest = old & !(u64::MAX << shift);
            assert_eq!(lab.data(), value(v) << shift | rest, "{name} {v:x}");
            assert_eq!(after.program, 0, "{name}");
        }
    }
    for (name, bits) in [
        ("MVI", 8),
        ("MVIY", 8),
        ("MVHHI", 16),
        ("MVHI", 32),
        ("MVGHI", 64),
    ] {
        let mut insn = usual(name);
        insn.i2 = -3;
        lab.set_data(0);
        lab.run(&insn);
        assert_eq!(lab.data(), (u64::MAX - 2) << (64 - bits), "{name}");
    }
}

/// A halfword reversed into the low two bytes; the others stay.
#[test]
fn halfword_reversed() {
    let mut lab = Lab::new();
    lab.set_data(0x1234_5678_0000_0000);
    lab.cpu.gpr[1] = u64::MAX;
    lab.run(&usual("LRVH"));
    assert_eq!(lab.cpu.gpr[1], 0xffff_ffff_ffff_3412);
}

#[test]
fn characters_under_mask() {
    let mut lab = Lab::new();
    for data in EDGES.into_iter().chain(numbers(6).take(40)) {
        for mask in 0..16u8 {
            for (name, shift) in [("ICM", 0), ("ICMY", 0), ("ICMH", 32)] {
                let old = 0x0123_4567_89ab_cdefu64;
                let mut insn = usual(name);
                insn.m3 = mask;
                lab.cpu.gpr[1] = old;
                lab.set_data(data);
                let after = lab.run_cc(&insn, 3);
                let mut word = ((old >> shift) as u32).to_be_bytes();
                let mut source = data.to_be_bytes().into_iter();
                let mut inserted = Vec::new();
                for (n, byte) in word.iter_mut().enumerate() {
                    if mask & 8 >> n != 0 {
                        *byte = source.next().unwrap_or_default();
                        inserted.push(*byte);
                    }
                }
                let word = u64::from(u32::from_be_bytes(word)) << shift;
                let expected = old & !(LOW << shift) | word;
                let cc = match inserted.first() {
                    _ if inserted.iter().all(|&byte| byte == 0) => 0,
                    Some(first) if first & 0x80 != 0 => 1,
                    _ => 2,
                };
                assert_eq!(lab.cpu.gpr[1], expected, "{name} {mask} {data:x}");
                assert_eq!(after.cc, cc, "{name} {mask} {data:x}");
            }
            for (name, shift) in [("STCM", 0), ("STCMY", 0), ("STCMH", 32)] {
                let mut insn = usual(name);
                insn.m3 = mask;
                lab.cpu.gpr[1] = data;
                lab.set_data(u64::MAX);
                let after = lab.run_cc(&insn, 3);
                let word = ((data >> shift) as u32).to_be_bytes();
                let mut expected = [0xff; 8];
                let selected = (0..4).filter(|n| mask & 8 >> n != 0);
                for (to, from) in expected.iter_mut().zip(selected) {
                    *to = word[from];
                }
                assert_eq!(lab.data().to_be_bytes(), expected, "{name} {mask} {data:x}");
                assert_eq!(after.cc, 3);
            }
        }
        for name in ["IC", "ICY"] {
            lab.set_data(data);
            lab.cpu.gpr[1] = !0;
            lab.run(&usual(name));
            assert_eq!(lab.cpu.gpr[1], !0xff | data >> 56, "{name}");
        }
    }
}

#[test]
fn several_registers() {
    let mut lab = Lab::new();
    let contents: Vec<u64> = numbers(9).take(16).collect();
    for first in 0..16usize {
        for last in 0..16usize {
            let list: Vec<usize> = (0..=(last.wrapping_sub(first) & 15))
                .map(|n| (first + n) & 15)
                .collect();
            for (name, half) in [
                ("LMG", Full),
                ("LM", Low),
                ("LMY", Low),
                ("LMH", High),
                ("STMG", Full),
                ("STM", Low),
                ("STMY", Low),
                ("STMH", High),
            ] {
                lab.cpu.gpr.copy_from_slice(&contents);
                lab.cpu.gpr[usize::from(BASE)] = DATA;
                let before = lab.cpu.gpr;
                let mut insn = usual(name);
                (insn.r1, insn.r3) = (first as u8, last as u8);
                let size = if half == Full { 8 } else { 4 };
                let mem_size = if half == Full {
                    MemSize::B8
                } else {
                    MemSize::B4
                };
                let core = &lab.cpu.core;
                let filler = 0x1111_2222_3333_4444u64;
                for n in 0..=16 {
                    let v = filler.wrapping_mul(n + 1);
                    mem::store_absolute(core, DATA + size * n, mem_size, v);
                }
                let after = lab.run(&insn);
                assert_eq!(after.program, 0, "{name} {first} {last}");
                for (n, &register) in list.iter().enumerate() {
                    let at = DATA + size * n as u64;
                    let stored = mem::load_absolute(&lab.cpu.core, at, mem_size);
                    let v = filler.wrapping_mul(n as u64 + 1);
                    if name.starts_with('S') {
                        let expected = match half {
                            Full => before[register],
                            Low => before[register] & LOW,
                            High => before[register] >> 32,
                        };
                        assert_eq!(stored, expected, "{name} {first} {last} {register}");
                    } else {
                        let v = if half == Full { v } else { v & LOW };
                        let expected = merged(half, before[register], v);
                        assert_eq!(lab.cpu.gpr[register], expected, "{name} {first} {last}");
                    }
                }
                let end = DATA + size * list.len() as u64;
                let behind = mem::load_absolute(&lab.cpu.core, end, mem_size);
                let v = filler.wrapping_mul(list.len() as u64 + 1);
                assert_eq!(behind, if size == 8 { v } else { v & LOW }, "{name}");
            }
        }
    }
}

#[test]
fn disjoint_and_access_registers() {
    let mut lab = Lab::new();
    lab.set_data(0x1111_1111_2222_2222);
    mem::store_absolute(&lab.cpu.core, DATA + 8, MemSize::B8, 0x3333_3333_4444_4444);
    let mut lmd = usual("LMD");
    (lmd.r1, lmd.r3, lmd.b4, lmd.d4) = (15, 0, BASE, 8);
    lab.run(&lmd);
    assert_eq!(lab.cpu.gpr[15], 0x1111_1111_3333_3333);
    assert_eq!(lab.cpu.gpr[0], 0x2222_2222_4444_4444);

    for (load, store) in [("LAM", "STAM"), ("LAMY", "STAMY")] {
        let mut insn = usual(load);
        (insn.r1, insn.r3) = (14, 1);
        assert_eq!(lab.run(&insn).program, 0);
        assert_eq!(
            [lab.cpu.ar[14], lab.cpu.ar[15], lab.cpu.ar[0], lab.cpu.ar[1]],
            [0x1111_1111, 0x2222_2222, 0x3333_3333, 0x4444_4444]
        );
        let mut insn = usual(store);
        (insn.r1, insn.r3, insn.d2) = (15, 0, 4);
        assert_eq!(lab.run(&insn).program, 0);
        assert_eq!(lab.data(), 0x1111_1111_2222_2222);
        insn.d2 = 2;
        assert_eq!(lab.run(&insn).program, 6, "{store}");
    }
    lab.cpu.ar[2] = 0x1234;
    lab.cpu.gpr[1] = u64::MAX;
    lab.run(&usual("EAR"));
    assert_eq!(lab.cpu.gpr[1], 0xffff_ffff_0000_1234);
    lab.cpu.gpr[2] = 0x5678_9abc;
    lab.run(&usual("SAR"));
    assert_eq!(lab.cpu.ar[1], 0x5678_9abc);
    lab.run(&usual("CPYA"));
    assert_eq!(lab.cpu.ar[1], 0x1234);
}

/// An access exception in the middle leaves all registers as they were.
#[test]
fn a_load_that_faults_changes_nothing() {
    let mut lab = Lab::new();
    const END: u64 = super::RAM;
    for name in ["LMG", "LM", "LMH", "LAM"] {
        let mut insn = usual(name);
        (insn.r1, insn.r3, insn.b2) = (0, 15, 2);
        lab.cpu.gpr[2] = END - 16;
        let before = (lab.cpu.gpr, lab.cpu.ar);
        let after = lab.run(&insn);
        assert_eq!(after.program, 5, "{name}");
        assert_eq!((lab.cpu.gpr, lab.cpu.ar), before, "{name}");
    }
}

#[test]
fn addresses() {
    let mut lab = Lab::new();
    for (mode, keep, mask) in [
        (psw::ADDRESSING, 0, u64::MAX),
        (psw::BASIC_ADDRESSING, !LOW, 0x7fff_ffff),
        (0, !LOW, 0xff_ffff),
    ] {
        lab.psw = mode;
        let old = 0xaaaa_aaaa_bbbb_bbbb;
        lab.cpu.gpr[..5].copy_from_slice(&[
            u64::MAX,
            old,
            0x8765_4321_8765_4321,
            !0,
            0x1_2345_6789,
        ]);
        for (name, x2, b2, d2) in [
            ("LA", 2, 4, 0xfff),
            ("LA", 0, 0, 0x123),
            ("LA", 3, 0, 1),
            ("LAY", 2, 4, -0x8_0000),
            ("LAY", 0, 4, 0x7_ffff),
        ] {
            let mut insn = usual(name);
            (insn.x2, insn.b2, insn.d2) = (x2, b2, d2);
            lab.cpu.gpr[1] = old;
            let term = |n: u8| {
                if n == 0 {
                    0
                } else {
                    lab.cpu.gpr[usize::from(n)]
                }
            };
            let sum = term(x2)
                .wrapping_add(term(b2))
                .wrapping_add(i64::from(d2) as u64);
            lab.run(&insn);
            assert_eq!(lab.cpu.gpr[1], old & keep | sum & mask, "{name} {mode:x}");
        }
        let mut larl = usual("LARL");
        larl.i2 = -0x10;
        lab.cpu.gpr[1] = old;
        lab.run(&larl);
        assert_eq!(lab.cpu.gpr[1], old & keep | (CODE - 0x20));
        larl.i2 = -0x8000_0000;
        lab.cpu.gpr[1] = old;
        lab.run(&larl);
        let address = CODE.wrapping_sub(0x1_0000_0000);
        assert_eq!(lab.cpu.gpr[1], old & keep | address & mask);
    }
}

/// LOAD ADDRESS EXTENDED: the access register by the address-space control.
#[test]
fn extended_addresses() {
    let mut lab = Lab::new();
    for name in ["LAE", "LAEY"] {
        for (space, base, alet) in [(0, 2, 0), (1, 2, 77), (1, 0, 0), (2, 2, 1), (3, 2, 2)] {
            lab.psw = psw::ADDRESSING | space << psw::SPACE_SHIFT;
            lab.cpu.ar[2] = 77;
            lab.cpu.ar[1] = 5;
            lab.cpu.gpr[2] = 0x100;
            let mut insn = usual(name);
            (insn.b2, insn.d2) = (base, 8);
            lab.run(&insn);
            assert_eq!(lab.cpu.ar[1], alet, "{name} {space} {base}");
            assert_eq!(lab.cpu.gpr[1], if base == 0 { 8 } else { 0x108 });
        }
    }
}

#[test]
fn on_condition() {
    let mut lab = Lab::new();
    for mask in 0..16u8 {
        for cc in 0..4u8 {
            let met = mask & 8 >> cc != 0;
            let (old, new) = (0x1111_1111_2222_2222u64, 0x3333_3333_4444_4444u64);
            for (name, dst) in [("LOCR", Low), ("LOCGR", Full), ("LOC", Low), ("LOCG", Full)] {
                let mut insn = usual(name);
                insn.m3 = mask;
                lab.cpu.gpr[1..3].copy_from_slice(&[old, new]);
                lab.set_data(if dst == Low { new << 32 } else { new });
                let after = lab.run_cc(&insn, cc);
                let expected = if met { merged(dst, old, new) } else { old };
                assert_eq!(lab.cpu.gpr[1], expected, "{name} {mask} {cc}");
                assert_eq!((after.program, after.cc), (0, cc));
                // Storage that is not there is not looked at without need.
                if name == "LOC" || name == "LOCG" {
                    insn.b2 = 2;
                    lab.cpu.gpr[2] = super::RAM;
                    let program = lab.run_cc(&insn, cc).program;
                    assert_eq!(program, if met { 5 } else { 0 }, "{name}");
                }
            }
            for (name, shift) in [("STOC", 32), ("STOCG", 0)] {
                let mut insn = usual(name);
                insn.m3 = mask;
                lab.cpu.gpr[1] = new;
                lab.set_data(old);
                lab.run_cc(&insn, cc);
                let stored = if shift == 0 {
                    new
                } else {
                    new << 32 | old & LOW
                };
                assert_eq!(lab.data(), if met { stored } else { old }, "{name}");
            }
        }
    }
}

#[test]
fn load_and_trap() {
    let mut lab = Lab::new();
    for (name, dst, mask) in [
        ("LAT", Low, LOW),
        ("LGAT", Full, u64::MAX),
        ("LLGFAT", Full, LOW),
        ("LLGTAT", Full, 0x7fff_ffff),
        ("LFHAT", High, LOW),
    ] {
        for v in [0, 1, 0x8000_0000, 0x7fff_ffff] {
            lab.cpu.gpr[1] = u64::MAX;
            lab.set_data(if name == "LGAT" { v } else { v << 32 });
            let after = lab.run(&usual(name));
            let zero = v & mask == 0;
            assert_eq!(
                lab.cpu.gpr[1],
                merged(dst, u64::MAX, v & mask),
                "{name} {v:x}"
            );
            assert_eq!(after.program, if zero { 7 } else { 0 }, "{name} {v:x}");
            assert_eq!(after.next, CODE + 6);
            if zero {
                assert_eq!(lab.dxc(), 0xff);
            }
        }
    }
}

#[test]
fn quadwords() {
    let mut lab = Lab::new();
    lab.cpu.gpr[8..10].copy_from_slice(&[11, 22]);
    let mut store = usual("STPQ");
    store.r1 = 8;
    assert_eq!(lab.run(&store).program, 0);
    let mut load = usual("LPQ");
    load.r1 = 2;
    assert_eq!(lab.run(&load).program, 0);
    assert_eq!(lab.cpu.gpr[2..4], [11, 22]);
    for insn in [store, load] {
        let mut insn = insn;
        insn.d2 = 8;
        assert_eq!(lab.run(&insn).program, 6, "{}", insn.row.name);
        (insn.d2, insn.r1) = (0, 3);
        assert_eq!(lab.run(&insn).program, 6, "{}", insn.row.name);
    }
}

/// Hints do nothing, wherever their operands are.
#[test]
fn hints() {
    let mut lab = Lab::new();
    for name in ["PFD", "PFDRL", "NIAI", "BPP", "BPRP"] {
        let mut insn = usual(name);
        (insn.m1, insn.b2, insn.i2, insn.x2) = (1, 2, -1, 3);
        lab.cpu.gpr[2] = u64::MAX - 5;
        let before = lab.cpu.gpr;
        let after = lab.run_cc(&insn, 2);
        assert_eq!(
            (after.program, after.cc, lab.cpu.gpr),
            (0, 2, before),
            "{name}"
        );
    }
}

/// What an access register names counts from the next access on.
#[test]
fn access_registers_name_spaces() {
    const TABLE: u64 = 0x3_0000;
    const REAL_SPACE: u64 = 0x20;
    const INVALID: u64 = 0x20;
    for (name, other) in [("SAR", 1), ("CPYA", 1), ("LAM", 1), ("LAE", 1)] {
        let mut lab = Lab::new();
        // The primary space is real storage; in the secondary one nothing is mapped.
        lab.cpu.cr[1] = REAL_SPACE;
        lab.cpu.cr[7] = TABLE;
        for n in 0..512 {
            mem::store_absolute(&lab.cpu.core, TABLE + 8 * n, MemSize::B8, INVALID);
        }
        lab.set_data(other << 32);
        let plain = lab.psw;
        let access_register = plain | psw::DAT | 1 << psw::SPACE_SHIFT;
        let secondary = plain | 2 << psw::SPACE_SHIFT;
        lab.psw = access_register;
        assert_eq!(lab.run(&usual("LG")).program, 0, "{name}");
        // With translation off, so that only the register changes.
        lab.psw = if name == "LAE" { secondary } else { plain };
        let mut set = usual(name);
        (set.r1, set.r3) = (BASE, BASE);
        (lab.cpu.gpr[2], lab.cpu.ar[2]) = (other, other as u32);
        assert_eq!(lab.run(&set).program, 0, "{name}");
        assert_eq!(lab.cpu.ar[usize::from(BASE)], other as u32, "{name}");
        lab.cpu.gpr[usize::from(BASE)] = DATA;
        lab.psw = access_register;
        assert_eq!(lab.run(&usual("LG")).program, 0x10, "{name}");
    }
}
