//! Facilities 53, 58 and 61.

use super::*;

const SPECIFICATION: u16 = 6;
const FIXED_POINT_OVERFLOW: u16 = 8;

#[test]
fn conditions_choose() {
    let (first, second, third) = (
        0x1111_1111_2222_2222,
        0x3333_3333_4444_4444,
        0x5555_5555_6666_6666,
    );
    for cc in 0..4 {
        for mask in 0..16u8 {
            let met = mask & 8 >> cc != 0;
            for (name, then, else_) in [
                ("LOCHI", 0x1111_1111_ffff_fffe, first),
                ("LOCGHI", -2i64 as u64, first),
                ("LOCHHI", 0xffff_fffe_2222_2222, first),
                ("LOCFHR", 0x3333_3333_2222_2222, first),
                ("LOCFH", 0x7777_7777_2222_2222, first),
                ("SELR", 0x1111_1111_4444_4444, 0x1111_1111_6666_6666),
                ("SELGR", second, third),
                ("SELFHR", 0x3333_3333_2222_2222, 0x5555_5555_2222_2222),
            ] {
                let mut lab = Lab::new();
                lab.set_data(0x7777_7777_8888_8888);
                lab.cpu.gpr[1..4].copy_from_slice(&[first, second, third]);
                let insn = Insn {
                    i2: -2,
                    m3: mask,
                    m4: mask,
                    ..usual(name)
                };
                let after = lab.run_cc(&insn, cc);
                assert_eq!((after.program, after.cc), (0, cc));
                let expected = if met { then } else { else_ };
                assert_eq!(lab.cpu.gpr[1], expected, "{name} {mask} {cc}");
            }
            let mut lab = Lab::new();
            lab.cpu.gpr[1] = first;
            let insn = Insn {
                m3: mask,
                ..usual("STOCFH")
            };
            lab.run_cc(&insn, cc);
            assert_eq!(lab.data(), if met { first >> 32 << 32 } else { 0 });
            // Nothing is looked at if the condition is not met.
            lab.cpu.gpr[usize::from(BASE)] = RAM;
            let insn = Insn {
                m3: mask,
                ..usual("LOCFH")
            };
            assert_eq!(lab.run_cc(&insn, cc).program, if met { 5 } else { 0 });
        }
    }
}

#[test]
fn the_rightmost_byte_is_zero() {
    for (name, expected) in [
        ("LZRF", 0x1111_1111_7777_7700),
        ("LLZRGF", 0x7777_7700),
        ("LZRG", 0x7777_77ab_8888_8800),
    ] {
        let mut lab = Lab::new();
        lab.set_data(0x7777_77ab_8888_88cd);
        lab.cpu.gpr[1] = 0x1111_1111_2222_2222;
        lab.run(&usual(name));
        assert_eq!(lab.cpu.gpr[1], expected, "{name}");
    }
}

#[test]
fn bits_with_complements() {
    for (a, b) in pairs() {
        for (name, expected) in [
            ("NCGRK", a & !b),
            ("NNGRK", !(a & b)),
            ("NOGRK", !(a | b)),
            ("NXGRK", !(a ^ b)),
            ("OCGRK", a | !b),
        ] {
            let mut lab = Lab::new();
            (lab.cpu.gpr[2], lab.cpu.gpr[3]) = (a, b);
            let after = lab.run(&usual(name));
            assert_eq!(lab.cpu.gpr[1], expected, "{name}");
            assert_eq!(after.cc, u8::from(expected != 0));
            let short = name.replace('G', "");
            lab.cpu.gpr[1] = u64::MAX;
            let after = lab.run(&usual(&short));
            assert_eq!(
                lab.cpu.gpr[1],
                0xffff_ffff_0000_0000 | expected & 0xffff_ffff,
                "{short}"
            );
            assert_eq!(after.cc, u8::from(expected as u32 != 0));
        }
    }
}

#[test]
fn products() {
    let code = |product: i128, least: i128, low: i64| {
        if !(least..-least).contains(&product) {
            3
        } else {
            match low {
                0 => 0,
                1.. => 2,
                _ => 1,
            }
        }
    };
    for (a, b) in pairs() {
        let mut lab = Lab::new();
        lab.set_data(b);
        (lab.cpu.gpr[2], lab.cpu.gpr[3]) = (a, b);
        let product = i128::from(a as i64) * i128::from(b as i64);
        let cc = code(product, i64::MIN.into(), product as i64);
        let after = lab.run(&usual("MSGRKC"));
        assert_eq!((lab.cpu.gpr[1], after.cc), (product as u64, cc));
        lab.cpu.gpr[1] = a;
        let after = lab.run(&usual("MSGC"));
        assert_eq!((lab.cpu.gpr[1], after.cc), (product as u64, cc));
        for (name, r1) in [("MGRK", 6), ("MG", 6)] {
            lab.cpu.gpr[7] = a;
            assert_eq!(lab.run(&Insn { r1, ..usual(name) }).program, 0);
            assert_eq!(lab.cpu.gpr[6], (product >> 64) as u64, "{name}");
            assert_eq!(lab.cpu.gpr[7], product as u64, "{name}");
            assert_eq!(lab.run(&usual(name)).program, SPECIFICATION);
        }
        let short = i128::from(a as i32) * i128::from(b as i32);
        let cc = code(short, i32::MIN.into(), i64::from(short as i32));
        let after = lab.run(&usual("MSRKC"));
        assert_eq!((lab.cpu.gpr[1] as u32, after.cc), (short as u32, cc));
        lab.psw |= psw::MASK_FIXED_OVERFLOW;
        let program = if cc == 3 { FIXED_POINT_OVERFLOW } else { 0 };
        assert_eq!(lab.run(&usual("MSRKC")).program, program);
        assert_eq!(lab.cpu.gpr[1] as u32, short as u32);
        // The halfword in storage.
        let half = (b >> 48) as i16 as u64;
        for (name, expected) in [
            ("AGH", a.wrapping_add(half)),
            ("SGH", a.wrapping_sub(half)),
            ("MGH", a.wrapping_mul(half)),
        ] {
            lab.psw &= !psw::MASK_FIXED_OVERFLOW;
            lab.cpu.gpr[1] = a;
            lab.run(&usual(name));
            assert_eq!(lab.cpu.gpr[1], expected, "{name}");
        }
    }
}

#[test]
fn a_branch_address_in_storage() {
    let mut lab = Lab::new();
    lab.set_data(CODE + 0x100);
    for (m1, cc, next) in [(15, 0, 0x100), (4, 1, 0x100), (4, 2, 6), (0, 0, 6)] {
        let insn = Insn { m1, ..usual("BIC") };
        assert_eq!(lab.run_cc(&insn, cc).next, CODE + next);
    }
}

#[test]
fn ones_in_all_bits() {
    let mut lab = Lab::new();
    lab.cpu.gpr[2] = 0xff01_0000_8000_0003;
    lab.run(&usual("POPCNT"));
    assert_eq!(lab.cpu.gpr[1], 0x0801_0000_0100_0002);
    let insn = Insn {
        m3: 8,
        ..usual("POPCNT")
    };
    assert_eq!(lab.run(&insn).cc, 1);
    assert_eq!(lab.cpu.gpr[1], 12);
    lab.cpu.control.facilities.set(61, false);
    lab.run(&insn);
    assert_eq!(lab.cpu.gpr[1], 0x0801_0000_0100_0002);
}

/// Byte by byte from the right.
#[test]
fn fields_move_from_right_to_left() {
    let mut lab = Lab::new();
    for length in [1usize, 2, 16, 255, 256] {
        for distance in [-300i64, -256, -17, -1, 0, 1, 2, 15, 255, 256, 300] {
            let start: Vec<u8> = (0..1024u32).map(|n| (n * 7 + n / 256) as u8).collect();
            let mut expected = start.clone();
            let (to, from) = (400, (400 + distance) as usize);
            for n in (0..length).rev() {
                expected[to + n] = expected[from + n];
            }
            mem::write_absolute(&lab.cpu.core, DATA, &start);
            lab.cpu.gpr[0] = 0xff00 | (length as u64 - 1);
            lab.cpu.gpr[6] = DATA + from as u64;
            let insn = Insn {
                d1: 400,
                b2: 6,
                ..usual("MVCRL")
            };
            assert_eq!(lab.run(&insn).program, 0);
            let mut after = vec![0; start.len()];
            mem::read_absolute(&lab.cpu.core, DATA, &mut after);
            assert!(after == expected, "{length} bytes from {distance}");
        }
    }
}
