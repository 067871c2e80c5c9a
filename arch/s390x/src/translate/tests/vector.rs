//! Vector support instructions: registers, storage, and what is refused.

use super::*;
use crate::bfp::Dxc;
use crate::cpu::facility::{VECTOR, VECTOR_ENHANCEMENTS_1, VECTOR_ENHANCEMENTS_2};
use crate::vector::{ElementSize, Vector};

/// CR0: AFP registers and vector instructions.
const ENABLED: u64 = 3 << (63 - 46);
const SPECIFICATION: u16 = 6;
const ADDRESSING: u16 = 5;

const A: Vector = Vector {
    left: 0x0011_2233_4455_6677,
    right: 0x8899_aabb_ccdd_eeff,
};
const B: Vector = Vector {
    left: 0xf0e1_d2c3_b4a5_9687,
    right: 0x7869_5a4b_3c2d_1e0f,
};

/// A CPU with all vector facilities, A in V18 and B in V3.
fn lab() -> Lab {
    let mut lab = Lab::new();
    for facility in [VECTOR, VECTOR_ENHANCEMENTS_1, VECTOR_ENHANCEMENTS_2] {
        lab.cpu.control.facilities.set(facility, true);
    }
    lab.cpu.cr[0] |= ENABLED;
    (lab.cpu.vr[18], lab.cpu.vr[3]) = (A, B);
    lab
}

/// V1 = 17, V2 = 18, V3 = 3, V4 = 4; the storage operand is at the data.
fn vector(name: &str) -> Insn {
    Insn {
        v1: 17,
        v2: 18,
        v3: 3,
        v4: 4,
        ..usual(name)
    }
}

/// What an instruction leaves in V17.
fn result(lab: &mut Lab, insn: &Insn) -> Vector {
    let after = lab.run(insn);
    assert_eq!(after.program, 0, "{}", insn.row.name);
    lab.cpu.vr[17]
}

fn put(lab: &Lab, at: u64, v: Vector) {
    mem::write_absolute(&lab.cpu.core, at, &v.to_bytes());
}

fn at(lab: &Lab, at: u64) -> Vector {
    let mut bytes = [0; 16];
    mem::read_absolute(&lab.cpu.core, at, &mut bytes);
    Vector::from_bytes(bytes)
}

fn bits(v: u128) -> Vector {
    v.into()
}

#[test]
fn without_the_facility_or_the_control_there_is_none() {
    let mut lab = lab();
    for control in [0, ENABLED & ENABLED << 1, ENABLED & ENABLED >> 1] {
        lab.cpu.cr[0] = control;
        // Also where the specification is wrong.
        for insn in [
            vector("VLR"),
            Insn {
                m4: 7,
                ..vector("VREP")
            },
        ] {
            assert_eq!(lab.run(&insn).program, 7);
            assert_eq!(lab.dxc(), u64::from(Dxc::VECTOR_INSTRUCTION.0));
        }
        // No vector register is in it.
        assert_eq!(lab.run(&usual("LCBB")).program, 0);
    }
    lab.cpu.control.facilities.set(VECTOR, false);
    assert_eq!(lab.run(&vector("VLR")).program, 1);
}

#[test]
fn floating_point_registers_are_left_halves() {
    let mut lab = lab();
    lab.cpu.gpr[2] = 0x1234;
    lab.run(&Insn {
        r1: 3,
        ..usual("LDGR")
    });
    assert_eq!(lab.cpu.vr[3], Vector { left: 0x1234, ..B });
}

#[test]
fn bits_are_combined() {
    let mut lab = lab();
    let mask = bits(0x00ff_0f0f_ffff_0000_1234_5678_9abc_def0);
    lab.cpu.vr[4] = mask;
    let (a, b) = (A.bits(), B.bits());
    for (name, expected) in [
        ("VN", a & b),
        ("VNC", a & !b),
        ("VO", a | b),
        ("VOC", a | !b),
        ("VX", a ^ b),
        ("VNO", !(a | b)),
        ("VNX", !(a ^ b)),
        ("VNN", !(a & b)),
        ("VSEL", a & mask.bits() | b & !mask.bits()),
        ("VLR", a),
    ] {
        assert_eq!(result(&mut lab, &vector(name)), bits(expected), "{name}");
    }
}

#[test]
fn constants() {
    let mut lab = lab();
    let immediate = |name, i2: i64| Insn { i2, ..vector(name) };
    let v = result(&mut lab, &immediate("VGBM", 0xa001u16 as i16 as i64));
    assert_eq!(v, bits(0xff00_ff00_0000_0000_0000_0000_0000_00ff));
    for (size, first, last, element) in [
        (ElementSize::Byte, 1, 3, 0x70),
        (ElementSize::Halfword, 12, 3, 0xf00f),
        (ElementSize::Word, 32 + 31, 0, 0x8000_0001),
        (ElementSize::Doubleword, 0, 63, u64::MAX),
    ] {
        let insn = Insn {
            i3: last,
            m4: size as u8,
            ..immediate("VGM", first)
        };
        let expected = Vector::from_elements(size, |_| element.into());
        assert_eq!(result(&mut lab, &insn), expected, "{size:?}");
        let insn = Insn {
            m3: size as u8,
            ..immediate("VREPI", -2)
        };
        let expected = Vector::from_elements(size, |_| -2i128 as u128);
        assert_eq!(result(&mut lab, &insn), expected);
    }
}

#[test]
fn elements_move_one_at_a_time() {
    let mut lab = lab();
    let names = |start: &str| -> [String; 4] {
        ["B", "H", "F", "G"].map(|letter| format!("{start}{letter}"))
    };
    let (vle, vste, vlei) = (names("VLE"), names("VSTE"), names("VLEI"));
    for size in ElementSize::ALL {
        for index in 0..size.count() {
            let m3 = index as u8;
            let number = usize::from(size as u8);
            lab.cpu.vr[17] = A;
            put(&lab, DATA, B);
            let loaded = result(
                &mut lab,
                &Insn {
                    m3,
                    ..vector(&vle[number])
                },
            );
            let mut expected = A;
            expected.set(size, index, B.get(size, 0));
            assert_eq!(loaded, expected, "{} {index}", vle[number]);
            lab.run(&Insn {
                m3,
                v1: 18,
                ..vector(&vste[number])
            });
            let mut expected = B;
            expected.set(size, 0, A.get(size, index));
            assert_eq!(at(&lab, DATA), expected, "{} {index}", vste[number]);
            lab.cpu.vr[17] = A;
            let v = result(
                &mut lab,
                &Insn {
                    m3,
                    i2: -300,
                    ..vector(&vlei[number])
                },
            );
            let mut expected = A;
            expected.set(size, index, -300i128 as u128);
            assert_eq!(v, expected);
            // By the address, constant or not.
            lab.cpu.gpr[BASE as usize] = 16;
            for (b2, d2) in [(0, index as i32), (BASE, index as i32)] {
                let m4 = size as u8;
                lab.run(&Insn {
                    b2,
                    d2,
                    m4,
                    v3: 18,
                    ..vector("VLGV")
                });
                assert_eq!(u128::from(lab.cpu.gpr[1]), A.get(size, index));
                lab.cpu.vr[17] = B;
                lab.cpu.gpr[3] = 0xfedc_ba98_7654_3210;
                let v = result(
                    &mut lab,
                    &Insn {
                        b2,
                        d2,
                        m4,
                        ..vector("VLVG")
                    },
                );
                let mut expected = B;
                expected.set(size, index, 0xfedc_ba98_7654_3210);
                assert_eq!(v, expected, "{size:?} {index}");
            }
            lab.cpu.gpr[BASE as usize] = DATA;
            let insn = Insn {
                i2: index as i64,
                m4: size as u8,
                v3: 18,
                ..vector("VREP")
            };
            let expected = Vector::from_elements(size, |_| A.get(size, index));
            assert_eq!(result(&mut lab, &insn), expected);
        }
    }
    lab.cpu.gpr[2] = 0x22;
    lab.cpu.gpr[3] = 0x33;
    assert_eq!(
        result(&mut lab, &vector("VLVGP")),
        Vector {
            left: 0x22,
            right: 0x33
        }
    );
}

#[test]
fn elements_are_rearranged() {
    let mut lab = lab();
    let sized = |name, m4| Insn {
        m4,
        m3: m4,
        ..vector(name)
    };
    let v = result(&mut lab, &sized("VMRH", 2));
    assert_eq!(v, bits(0x0011_2233_f0e1_d2c3_4455_6677_b4a5_9687));
    let v = result(&mut lab, &sized("VMRL", 2));
    assert_eq!(v, bits(0x8899_aabb_7869_5a4b_ccdd_eeff_3c2d_1e0f));
    let v = result(&mut lab, &sized("VMRL", 3));
    assert_eq!(
        v,
        Vector {
            left: A.right,
            right: B.right
        }
    );
    let v = result(&mut lab, &sized("VMRH", 1));
    assert_eq!(v, bits(0x0011_f0e1_2233_d2c3_4455_b4a5_6677_9687));
    let v = result(&mut lab, &sized("VPK", 3));
    assert_eq!(v, bits(0x4455_6677_ccdd_eeff_b4a5_9687_3c2d_1e0f));
    let v = result(&mut lab, &sized("VPK", 1));
    assert_eq!(v, bits(0x1133_5577_99bb_ddff_e1c3_a587_694b_2d0f));
    for (m4, expected) in [
        (0, [A.left, B.left]),
        (1, [A.left, B.right]),
        (4, [A.right, B.left]),
        (15, [A.right, B.right]),
    ] {
        let [left, right] = expected;
        assert_eq!(result(&mut lab, &sized("VPDI", m4)), Vector { left, right });
    }
    let v = result(&mut lab, &sized("VSEG", 0));
    assert_eq!(v, bits(0x77_ffff_ffff_ffff_ffff));
    let v = result(&mut lab, &sized("VUPH", 2));
    assert_eq!(v, bits(0x0011_2233_0000_0000_4455_6677));
    let v = result(&mut lab, &sized("VUPL", 2));
    assert_eq!(v, bits(0xffff_ffff_8899_aabb_ffff_ffff_ccdd_eeff));
    let v = result(&mut lab, &sized("VUPLL", 2));
    assert_eq!(v, bits(0x0000_0000_8899_aabb_0000_0000_ccdd_eeff));
    let v = result(&mut lab, &sized("VUPLH", 0));
    assert_eq!(v, bits(0x0000_0011_0022_0033_0044_0055_0066_0077));
    let v = result(&mut lab, &sized("VUPL", 1));
    assert_eq!(v, bits(0xffff_8899_ffff_aabb_ffff_ccdd_ffff_eeff));
    // The result may be an operand.
    let v = lab.cpu.vr[18];
    lab.run(&Insn {
        v1: 18,
        v3: 18,
        ..sized("VMRH", 0)
    });
    assert_eq!(
        lab.cpu.vr[18],
        bits(0x0000_1111_2222_3333_4444_5555_6666_7777)
    );
    lab.cpu.vr[18] = v;
    lab.cpu.vr[4] = bits(0x0f10_1f00 << 96);
    let v = result(&mut lab, &vector("VPERM"));
    assert_eq!(v.left, 0xfff0_0f00_0000_0000);
}

#[test]
fn saturation_is_told() {
    let mut lab = lab();
    for (a, code) in [(bits(0), 0), (A, 1), (bits(!0 >> 1), 1)] {
        (lab.cpu.vr[18], lab.cpu.vr[3]) = (a, bits(0));
        let insn = Insn {
            m4: 2,
            m5: 1,
            ..vector("VPKLS")
        };
        assert_eq!(lab.run_cc(&insn, 2).cc, code);
        // Nobody wants to know.
        assert_eq!(lab.run_cc(&Insn { m5: 0, ..insn }, 2).cc, 2);
    }
    (lab.cpu.vr[18], lab.cpu.vr[3]) = (bits(!0), bits(!0));
    let insn = Insn {
        m4: 2,
        m5: 1,
        ..vector("VPKLS")
    };
    assert_eq!(lab.run_cc(&insn, 2).cc, 3);
    assert_eq!(lab.cpu.vr[17], bits(!0));
    let insn = Insn {
        m4: 3,
        m5: 1,
        ..vector("VPKS")
    };
    assert_eq!(lab.run_cc(&insn, 2).cc, 0);
}

#[test]
fn whole_vectors_in_storage() {
    let mut lab = lab();
    for offset in [0, 1, 0xff5] {
        let insn = |name: &str| Insn {
            d2: offset,
            ..vector(name)
        };
        let place = DATA + offset as u64;
        put(&lab, place, B);
        assert_eq!(result(&mut lab, &insn("VL")), B);
        lab.run(&Insn {
            v1: 18,
            ..insn("VST")
        });
        assert_eq!(at(&lab, place), A);
        for (m3, name, expected) in [
            (1, "VLBR", 0x1100_3322_5544_7766_9988_bbaa_ddcc_ffee),
            (2, "VLBR", 0x3322_1100_7766_5544_bbaa_9988_ffee_ddcc),
            (3, "VLBR", 0x7766_5544_3322_1100_ffee_ddcc_bbaa_9988),
            (4, "VLBR", 0xffee_ddcc_bbaa_9988_7766_5544_3322_1100),
            (1, "VLER", 0xeeff_ccdd_aabb_8899_6677_4455_2233_0011),
            (2, "VLER", 0xccdd_eeff_8899_aabb_4455_6677_0011_2233),
            (3, "VLER", 0x8899_aabb_ccdd_eeff_0011_2233_4455_6677),
        ] {
            put(&lab, place, A);
            assert_eq!(result(&mut lab, &Insn { m3, ..insn(name) }), bits(expected));
            let name = name.replacen("VL", "VST", 1);
            lab.run(&Insn {
                m3,
                v1: 18,
                ..insn(&name)
            });
            assert_eq!(at(&lab, place), bits(expected), "{name} {m3}");
        }
    }
    put(&lab, DATA, A);
    for (name, m3, expected) in [
        ("VLREP", 0, 0),
        ("VLREP", 1, 0x0011_0011_0011_0011_0011_0011_0011_0011),
        ("VLREP", 3, 0x0011_2233_4455_6677_0011_2233_4455_6677),
        ("VLBRREP", 2, 0x3322_1100_3322_1100_3322_1100_3322_1100),
        ("VLLEZ", 1, 0x0011 << 64),
        ("VLLEZ", 3, 0x0011_2233_4455_6677 << 64),
        ("VLLEZ", 6, 0x0011_2233 << 96),
        ("VLLEBRZ", 1, 0x1100 << 64),
        ("VLLEBRZ", 6, 0x3322_1100 << 96),
    ] {
        let v = result(&mut lab, &Insn { m3, ..vector(name) });
        assert_eq!(v, bits(expected), "{name} {m3}");
    }
    lab.cpu.vr[17] = B;
    let v = result(
        &mut lab,
        &Insn {
            m3: 1,
            ..vector("VLEBRF")
        },
    );
    assert_eq!(v, bits(0xf0e1_d2c3_3322_1100_7869_5a4b_3c2d_1e0f));
    lab.run(&Insn {
        m3: 3,
        v1: 18,
        ..vector("VSTEBRH")
    });
    assert_eq!(at(&lab, DATA).left, 0x7766_2233_4455_6677);
    lab.cpu.control.facilities.set(VECTOR_ENHANCEMENTS_1, false);
    let insn = Insn {
        m3: 6,
        ..vector("VLLEZ")
    };
    assert_eq!(lab.run(&insn).program, SPECIFICATION);
}

#[test]
fn registers_in_a_row() {
    let mut lab = lab();
    for n in 0..32 {
        lab.cpu.vr[n] = bits(n as u128 * 0x1_0000_0000_0000_0001);
    }
    let before = lab.cpu.vr;
    let insn = |name, v1, v3| Insn {
        v1,
        v3,
        d2: 0xf88,
        ..vector(name)
    };
    lab.run(&insn("VSTM", 9, 24));
    lab.cpu.vr = Default::default();
    assert_eq!(lab.run(&insn("VLM", 9, 24)).program, 0);
    for (n, old) in before.into_iter().enumerate() {
        let expected = if (9..25).contains(&n) { old } else { bits(0) };
        assert_eq!(lab.cpu.vr[n], expected);
    }
    for (v1, v3) in [(9, 25), (9, 8), (31, 0)] {
        for name in ["VLM", "VSTM"] {
            assert_eq!(lab.run(&insn(name, v1, v3)).program, SPECIFICATION);
        }
    }
}

#[test]
fn as_many_bytes_as_are_wanted() {
    let mut lab = lab();
    for (highest, count) in [(0, 1), (6, 7), (14, 15), (15, 16), (0xffff_ffff, 16)] {
        lab.cpu.gpr[3] = 0xdead_0000_0000_0000 | highest;
        put(&lab, DATA, A);
        let kept = !0 << (128 - 8 * count);
        let v = result(&mut lab, &vector("VLL"));
        assert_eq!(v, bits(A.bits() & kept));
        lab.run(&Insn {
            v1: 3,
            ..vector("VSTL")
        });
        assert_eq!(at(&lab, DATA), bits(B.bits() & kept | A.bits() & !kept));
    }
    put(&lab, DATA + 64 - 16, A);
    for (offset, m3, count) in [
        (64 - 16, 0, 16),
        (64 - 15, 0, 15),
        (64 - 1, 0, 1),
        (63, 1, 16),
    ] {
        let insn = |name| Insn {
            d2: offset,
            m3,
            ..vector(name)
        };
        let v = result(&mut lab, &insn("VLBB"));
        let whole = at(&lab, DATA + offset as u64);
        assert_eq!(v, bits(whole.bits() & !0 << (128 - 8 * count)));
        lab.cpu.gpr[1] = !0;
        let after = lab.run(&insn("LCBB"));
        assert_eq!(after.cc, if count == 16 { 0 } else { 3 });
        assert_eq!(lab.cpu.gpr[1], 0xffff_ffff_0000_0000 | count);
    }
    for name in ["VLBB", "LCBB"] {
        assert_eq!(
            lab.run(&Insn {
                m3: 7,
                ..vector(name)
            })
            .program,
            SPECIFICATION
        );
    }
}

#[test]
fn indices_in_a_vector() {
    let mut lab = lab();
    put(&lab, DATA + 0x100, A);
    lab.cpu.vr[18] = Vector {
        left: 0xff,
        right: 0xf8u64.wrapping_neg(),
    };
    let insn = |name, m3| Insn {
        m3,
        d2: 8,
        ..vector(name)
    };
    lab.cpu.vr[17] = B;
    // 8 + 0xff, of a word.
    let v = result(&mut lab, &insn("VGEF", 1));
    assert_eq!(v, bits(0xf0e1_d2c3_7788_99aa_7869_5a4b_3c2d_1e0f));
    lab.run(&insn("VSCEF", 0));
    assert_eq!(at(&lab, DATA + 8).left >> 32, 0xf0e1_d2c3);
    lab.cpu.gpr[usize::from(BASE)] = DATA + 0x200;
    let v = result(&mut lab, &insn("VGEG", 1));
    assert_eq!(v.right, at(&lab, DATA + 0x110).left);
    for (name, m3) in [("VGEF", 4), ("VGEG", 2), ("VSCEF", 4), ("VSCEG", 2)] {
        assert_eq!(lab.run(&insn(name, m3)).program, SPECIFICATION);
    }
}

#[test]
fn what_is_refused_changes_nothing() {
    let mut lab = lab();
    for (name, m) in [
        ("VGM", 4),
        ("VREPI", 4),
        ("VREP", 4),
        ("VLREP", 4),
        ("VLLEZ", 4),
        ("VLLEZ", 7),
        ("VLLEBRZ", 0),
        ("VLBRREP", 0),
        ("VLBR", 0),
        ("VLBR", 5),
        ("VSTBR", 0),
        ("VLER", 4),
        ("VSTER", 0),
        ("VLGV", 4),
        ("VLVG", 4),
        ("VMRH", 4),
        ("VMRL", 5),
        ("VPK", 0),
        ("VPK", 4),
        ("VPKS", 0),
        ("VPKLS", 4),
        ("VSEG", 3),
        ("VUPH", 3),
        ("VUPL", 4),
        ("VUPLH", 3),
        ("VUPLL", 3),
        ("VLEG", 2),
        ("VLEIF", 4),
        ("VSTEH", 8),
        ("VLEBRH", 8),
        ("VSTEBRG", 2),
    ] {
        let insn = Insn {
            m3: m,
            m4: m,
            b2: 0,
            ..vector(name)
        };
        assert_eq!(lab.run(&insn).program, SPECIFICATION, "{name} {m}");
    }
    let insn = Insn {
        i2: 0x100,
        ..vector("VREP")
    };
    assert_eq!(lab.run(&insn).program, SPECIFICATION);
    // Storage ends within the operand.
    let last = RAM - 8;
    lab.cpu.gpr[usize::from(BASE)] = last;
    mem::store_absolute(&lab.cpu.core, last, MemSize::B8, 0x77);
    lab.cpu.gpr[3] = 15;
    let before = lab.cpu.vr;
    for name in [
        "VL", "VST", "VLM", "VSTM", "VLL", "VSTL", "VSTBR", "VSTER", "VLBR",
    ] {
        let insn = Insn {
            m3: 2,
            v3: 20,
            r3: 3,
            ..vector(name)
        };
        assert_eq!(lab.run(&insn).program, ADDRESSING, "{name}");
        assert_eq!(lab.cpu.vr, before);
        assert_eq!(mem::load_absolute(&lab.cpu.core, last, MemSize::B8), 0x77);
    }
    // Bytes that are not wanted need not be there.
    assert_eq!(
        lab.run(&Insn {
            m3: 6,
            ..vector("VLBB")
        })
        .program,
        0
    );
    lab.cpu.gpr[3] = 7;
    assert_eq!(lab.run(&vector("VSTL")).program, 0);
}
