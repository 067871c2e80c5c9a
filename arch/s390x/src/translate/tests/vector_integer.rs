//! Vector integer instructions that are translated to IR, against elements as exact numbers or
//! against the functions that other sizes and counts call; and which element sizes and masks
//! raise a specification exception.

use super::{Lab, named};
use crate::cpu::ProgramCode;
use crate::cpu::facility::{VECTOR, VECTOR_ENHANCEMENTS_1, VECTOR_ENHANCEMENTS_2};
use crate::insn::{Format, Insn};
use crate::vector::ElementSize::{self, Doubleword, Quadword, Word};
use crate::vector::lane::testing::vectors;
use crate::vector::{Vector, integer, multiply, shift};

const SIZES: [ElementSize; 5] = [
    ElementSize::Byte,
    ElementSize::Halfword,
    Word,
    Doubleword,
    Quadword,
];

fn lab() -> Lab {
    let mut lab = Lab::new();
    for facility in [VECTOR, VECTOR_ENHANCEMENTS_1, VECTOR_ENHANCEMENTS_2] {
        lab.cpu.control.facilities.set(facility, true);
    }
    lab.cpu.cr[0] |= 0x6_0000;
    lab
}

/// The instruction on V17, V2, V30 and V5.
fn usual(name: &str) -> Insn {
    Insn {
        v1: 17,
        v2: 2,
        v3: 30,
        v4: 5,
        ..named(name)
    }
}

/// With an element size where its format has that.
fn sized(name: &str, size: ElementSize) -> Insn {
    let (mut insn, size) = (usual(name), size as u8);
    match insn.row.format {
        Format::VRRa => insn.m3 = size,
        Format::VRRb | Format::VRRc | Format::VRSa => insn.m4 = size,
        _ => insn.m5 = size,
    }
    insn
}

/// Executes it on V2, V30 and V5; V17 and the condition code.
fn run(lab: &mut Lab, insn: &Insn, [a, b, c]: [Vector; 3]) -> (Vector, u8) {
    (lab.cpu.vr[2], lab.cpu.vr[30], lab.cpu.vr[5]) = (a, b, c);
    let after = lab.run_cc(insn, 2);
    assert_eq!(after.program, 0, "{} {a:x?} {b:x?} {c:x?}", insn.row.name);
    (lab.cpu.vr[17], after.cc)
}

/// Compares an instruction with a function, for some vectors.
fn same(lab: &mut Lab, insn: &Insn, expected: impl Fn(Vector, Vector, Vector) -> Vector) {
    for [a, b, c] in vectors().take(100) {
        let (found, cc) = run(lab, insn, [a, b, c]);
        let (name, size) = (insn.row.name, (insn.m3, insn.m4, insn.m5));
        let expected = expected(a, b, c);
        assert_eq!(found, expected, "{name} {size:?} {a:x?} {b:x?} {c:x?}");
        assert_eq!(cc, 2, "{name} {size:?} leaves the condition code");
    }
}

/// The sum of elements, of the complement of `b` if asked for, and a carry; and the carry out.
fn sum(size: ElementSize, a: u128, b: u128, complement: bool, carry: u128) -> (u128, u128) {
    let b = if complement { !b & size.mask() } else { b };
    let (first, over) = a.overflowing_add(b);
    let (second, over_again) = first.overflowing_add(carry);
    let out = over || over_again || second > size.mask();
    (second & size.mask(), out.into())
}

#[test]
fn sums_differences_and_their_carries() {
    let mut lab = lab();
    for (name, subtract, carry) in [
        ("VA", false, false),
        ("VACC", false, true),
        ("VS", true, false),
        ("VSCBI", true, true),
    ] {
        for size in SIZES {
            same(&mut lab, &sized(name, size), |a, b, _| {
                Vector::from_elements(size, |n| {
                    let (a, b) = (a.get(size, n), b.get(size, n));
                    let (sum, out) = sum(size, a, b, subtract, subtract.into());
                    if carry { out } else { sum }
                })
            });
        }
    }
    for (name, subtract, carry) in [
        ("VAC", false, false),
        ("VACCC", false, true),
        ("VSBI", true, false),
        ("VSBCBI", true, true),
    ] {
        same(&mut lab, &sized(name, Quadword), |a, b, c| {
            let (sum, out) = sum(Quadword, a.bits(), b.bits(), subtract, c.bits() & 1);
            (if carry { out } else { sum }).into()
        });
    }
}

/// Compares the instruction for all sizes with a function of signed elements.
fn signed(lab: &mut Lab, name: &str, model: fn(i128, i128) -> i128) {
    for size in ElementSize::ALL {
        same(lab, &sized(name, size), |a, b, _| {
            let model = |n| model(a.get_signed(size, n), b.get_signed(size, n));
            Vector::from_elements(size, |n| model(n) as u128)
        });
    }
}

/// The same of unsigned elements.
fn unsigned(lab: &mut Lab, name: &str, model: fn(u128, u128) -> u128) {
    for size in ElementSize::ALL {
        same(lab, &sized(name, size), |a, b, _| {
            Vector::from_elements(size, |n| model(a.get(size, n), b.get(size, n)))
        });
    }
}

#[test]
fn averages_are_exact_and_rounded_up() {
    let mut lab = lab();
    signed(&mut lab, "VAVG", |a, b| (a + b + 1).div_euclid(2));
    unsigned(&mut lab, "VAVGL", |a, b| (a + b).div_ceil(2));
}

#[test]
fn extremes_and_magnitudes() {
    let mut lab = lab();
    signed(&mut lab, "VMX", i128::max);
    signed(&mut lab, "VMN", i128::min);
    unsigned(&mut lab, "VMXL", u128::max);
    unsigned(&mut lab, "VMNL", u128::min);
    signed(&mut lab, "VLP", |a, _| a.abs());
}

#[test]
fn comparisons_and_their_condition_codes() {
    let mut lab = lab();
    for (name, high, signed) in [
        ("VCEQ", false, false),
        ("VCH", true, true),
        ("VCHL", true, false),
    ] {
        for size in ElementSize::ALL {
            let mut insn = sized(name, size);
            insn.m5 = 1;
            for [a, b, c] in vectors().take(200) {
                let holds: Vec<bool> = (0..size.count())
                    .map(|n| match (high, signed) {
                        (false, _) => a.get(size, n) == b.get(size, n),
                        (true, false) => a.get(size, n) > b.get(size, n),
                        (true, true) => a.get_signed(size, n) > b.get_signed(size, n),
                    })
                    .collect();
                let result = Vector::from_elements(size, |n| if holds[n] { u128::MAX } else { 0 });
                let cc = match (holds.contains(&true), holds.contains(&false)) {
                    (true, false) => 0,
                    (true, true) => 1,
                    _ => 3,
                };
                let found = run(&mut lab, &insn, [a, b, c]);
                assert_eq!(found, (result, cc), "{name} {size:?} {a:x?} {b:x?}");
            }
            insn.m5 = 0;
            let found = run(&mut lab, &insn, [Vector::ZERO; 3]);
            assert_eq!(found.1, 2, "{name} leaves the condition code");
        }
    }
}

#[test]
fn one_element_is_compared() {
    let mut lab = lab();
    for size in ElementSize::ALL {
        let n = size.count() / 2 - 1;
        for [a, b] in vectors().take(200) {
            let signed = a.get_signed(size, n).cmp(&b.get_signed(size, n));
            let unsigned = a.get(size, n).cmp(&b.get(size, n));
            for (name, order) in [("VEC", signed), ("VECL", unsigned)] {
                lab.cpu.vr[17] = a;
                let (left, cc) = run(&mut lab, &sized(name, size), [b; 3]);
                let expected = [1, 0, 2][(order as i8 + 1) as usize];
                assert_eq!((left, cc), (a, expected), "{name} {size:?} {a:x?} {b:x?}");
            }
        }
    }
}

#[test]
fn bits_under_a_mask() {
    let mut lab = lab();
    let cases = vectors().take(200).chain([
        [Vector::ZERO, Vector::ZERO],
        [u128::MAX.into(), u128::MAX.into()],
        [(u128::MAX - 1).into(), 0xffu128.into()],
        [(1u128 << 127).into(), (1u128 << 127).into()],
    ]);
    for [a, mask] in cases {
        lab.cpu.vr[17] = a;
        let (_, cc) = run(&mut lab, &usual("VTM"), [mask; 3]);
        let expected = match a.bits() & mask.bits() {
            0 => 0,
            all if all == mask.bits() => 3,
            _ => 1,
        };
        assert_eq!(cc, expected, "{a:x?} {mask:x?}");
    }
}

#[test]
fn complements_and_counts() {
    let mut lab = lab();
    for size in ElementSize::ALL {
        same(&mut lab, &sized("VLC", size), |a, _, _| {
            Vector::from_elements(size, |n| a.get(size, n).wrapping_neg())
        });
    }
    let sized = |name| sized(name, Doubleword);
    same(&mut lab, &sized("VCLZ"), |a, _, _| {
        integer::leading_zeros::<u64>(a)
    });
    same(&mut lab, &sized("VCTZ"), |a, _, _| {
        integer::trailing_zeros::<u64>(a)
    });
    unsigned(&mut lab, "VPOPCT", |a, _| a.count_ones().into());
    same(&mut lab, &usual("VCTZ"), |a, _, _| {
        integer::trailing_zeros::<u8>(a)
    });
}

#[test]
fn products_of_words() {
    let mut lab = lab();
    let sized = |name| sized(name, Word);
    let lab = &mut lab;
    same(lab, &sized("VML"), |a, b, _| multiply::low::<u32>(a, b));
    same(lab, &sized("VMAL"), multiply::add_low::<u32>);
    same(lab, &sized("VME"), |a, b, _| multiply::even::<i32>(a, b));
    same(lab, &sized("VMLE"), |a, b, _| multiply::even::<u32>(a, b));
    same(lab, &sized("VMO"), |a, b, _| multiply::odd::<i32>(a, b));
    same(lab, &sized("VMLO"), |a, b, _| multiply::odd::<u32>(a, b));
    same(lab, &sized("VMAE"), multiply::add_even::<i32>);
    same(lab, &sized("VMALE"), multiply::add_even::<u32>);
    same(lab, &sized("VMAO"), multiply::add_odd::<i32>);
    same(lab, &sized("VMALO"), multiply::add_odd::<u32>);
}

#[test]
fn shifts_by_one_count() {
    let mut lab = lab();
    let model = |name, size, v: Vector, count| match (name, size) {
        ("VESL", ElementSize::Byte) => shift::left_all::<u8>(v, count),
        ("VESL", ElementSize::Halfword) => shift::left_all::<u16>(v, count),
        ("VESL", Word) => shift::left_all::<u32>(v, count),
        ("VESL", _) => shift::left_all::<u64>(v, count),
        ("VESRL", ElementSize::Byte) => shift::right_all::<u8>(v, count),
        ("VESRL", ElementSize::Halfword) => shift::right_all::<u16>(v, count),
        ("VESRL", Word) => shift::right_all::<u32>(v, count),
        ("VESRL", _) => shift::right_all::<u64>(v, count),
        ("VESRA", ElementSize::Byte) => shift::right_all::<i8>(v, count),
        ("VESRA", ElementSize::Halfword) => shift::right_all::<i16>(v, count),
        ("VESRA", Word) => shift::right_all::<i32>(v, count),
        ("VESRA", _) => shift::right_all::<i64>(v, count),
        (_, ElementSize::Byte) => shift::rotate_all::<u8>(v, count),
        (_, ElementSize::Halfword) => shift::rotate_all::<u16>(v, count),
        (_, Word) => shift::rotate_all::<u32>(v, count),
        _ => shift::rotate_all::<u64>(v, count),
    };
    for name in ["VESL", "VESRL", "VESRA", "VERLL"] {
        for size in ElementSize::ALL {
            for count in [0, 1, 2, 7, 8, 9, 15, 17, 31, 32, 63, 64, 4095] {
                let constant = Insn {
                    d2: count,
                    ..sized(name, size)
                };
                let computed = Insn {
                    b2: 3,
                    d2: 5,
                    ..constant
                };
                lab.cpu.gpr[3] = (count as u64).wrapping_sub(5);
                for [v, ..] in vectors::<3>().take(20) {
                    let expected = model(name, size, v, count as u32 % 64);
                    for insn in [constant, computed] {
                        let (found, _) = run(&mut lab, &insn, [Vector::ZERO, v, Vector::ZERO]);
                        assert_eq!(found, expected, "{name} {size:?} {count} {v:x?}");
                    }
                }
            }
        }
    }
}

#[test]
fn shifts_of_doublewords_by_their_own_counts() {
    let mut lab = lab();
    let sized = |name| sized(name, Doubleword);
    same(&mut lab, &sized("VESLV"), |a, b, _| {
        shift::left_each::<u64>(a, b)
    });
    same(&mut lab, &sized("VESRLV"), |a, b, _| {
        shift::right_each::<u64>(a, b)
    });
    same(&mut lab, &sized("VESRAV"), |a, b, _| {
        shift::right_each::<i64>(a, b)
    });
    same(&mut lab, &sized("VERLLV"), |a, b, _| {
        shift::rotate_each::<u64>(a, b)
    });
}

#[test]
fn rotation_under_a_mask() {
    let mut lab = lab();
    for size in ElementSize::ALL {
        for count in [0, 1, 8, 13, 31, 32, 70, 255] {
            let insn = Insn {
                i4: count,
                ..sized("VERIM", size)
            };
            for [v, mask, old] in vectors().take(50) {
                lab.cpu.vr[17] = old;
                let by = u32::from(count) % size.bits();
                let expected = Vector::from_elements(size, |n| {
                    let x = v.get(size, n);
                    let mask = mask.get(size, n);
                    let rotated = x << by | x >> (size.bits() - by);
                    rotated & mask | old.get(size, n) & !mask
                });
                let (found, _) = run(&mut lab, &insn, [v, mask, Vector::ZERO]);
                assert_eq!(
                    found, expected,
                    "{size:?} {count} {v:x?} {mask:x?} {old:x?}"
                );
            }
        }
    }
}

#[test]
fn two_vectors_as_one() {
    let mut lab = lab();
    let bytes = |a: Vector, b: Vector| [a.to_bytes(), b.to_bytes()].concat();
    for count in 0..16u8 {
        let insn = Insn {
            i4: count,
            ..usual("VSLDB")
        };
        same(&mut lab, &insn, |a, b, _| {
            let both = bytes(a, b);
            Vector::from_bytes(std::array::from_fn(|n| both[n + usize::from(count)]))
        });
    }
    // By bits, byte for byte of three neighbours.
    for count in 0..8u8 {
        let insn = |name| Insn {
            i4: count,
            ..usual(name)
        };
        let pair = |both: &[u8], at: usize| u32::from(both[at]) << 8 | u32::from(both[at + 1]);
        same(&mut lab, &insn("VSLD"), |a, b, _| {
            let both = bytes(a, b);
            Vector::from_bytes(std::array::from_fn(|n| {
                (pair(&both, n) << count >> 8) as u8
            }))
        });
        same(&mut lab, &insn("VSRD"), |a, b, _| {
            let both = bytes(a, b);
            Vector::from_bytes(std::array::from_fn(|n| {
                (pair(&both, n + 15) >> count) as u8
            }))
        });
    }
}

/// The sizes, by number, that each instruction has; all others raise a specification exception.
const ALLOWED: &[(&str, std::ops::Range<u8>)] = &[
    ("VA VACC VS VSCBI", 0..5),
    ("VAC VACCC VSBI VSBCBI", 4..5),
    ("VAVG VAVGL VCEQ VCH VCHL VEC VECL VMX VMXL VMN VMNL", 0..4),
    ("VLC VLP VCLZ VCTZ VPOPCT VGFM VGFMA", 0..4),
    (
        "VESLV VESRAV VESRLV VERLLV VESL VESRA VESRL VERLL VERIM",
        0..4,
    ),
    ("VML VMH VMLH VME VMLE VMO VMLO", 0..3),
    ("VMAL VMAH VMALH VMAE VMALE VMAO VMALO", 0..3),
    ("VFAE VFEE VFENE VISTR VSTRC VSTRS", 0..3),
    ("VMSL", 3..4),
    ("VSUM", 0..2),
    ("VSUMG", 1..3),
    ("VSUMQ", 2..4),
];

#[test]
fn element_sizes_are_checked() {
    let mut lab = lab();
    for (names, allowed) in ALLOWED {
        for name in names.split(' ') {
            for size in 0..16 {
                let mut insn = usual(name);
                match insn.row.format {
                    Format::VRRa => insn.m3 = size,
                    Format::VRRb | Format::VRRc | Format::VRSa => insn.m4 = size,
                    _ => insn.m5 = size,
                }
                let expected = if allowed.contains(&size) {
                    0
                } else {
                    ProgramCode::Specification as u16
                };
                assert_eq!(lab.run(&insn).program, expected, "{name} {size}");
            }
        }
    }
    // Without the enhancements facility.
    let mut lab = Lab::new();
    lab.cpu.control.facilities.set(VECTOR_ENHANCEMENTS_1, false);
    lab.cpu.cr[0] |= 0x6_0000;
    for size in 0..16 {
        let insn = Insn {
            m3: size,
            ..usual("VPOPCT")
        };
        let expected = if size == 0 { 0 } else { 6 };
        assert_eq!(lab.run(&insn).program, expected, "VPOPCT {size}");
    }
}

#[test]
fn masks_and_counts_are_checked() {
    let mut lab = lab();
    for value in 0..16 {
        for (name, bits) in [("VFAE", 15), ("VFEE", 3), ("VFENE", 3), ("VISTR", 1)] {
            let insn = Insn {
                m5: value,
                ..usual(name)
            };
            let expected = if value & !bits == 0 { 0 } else { 6 };
            assert_eq!(lab.run(&insn).program, expected, "{name} {value}");
        }
        for (name, bits) in [("VSTRC", 15), ("VSTRS", 2), ("VMSL", 15)] {
            let insn = Insn {
                m5: if name == "VMSL" { 3 } else { 0 },
                m6: value,
                ..usual(name)
            };
            let expected = if value & !bits == 0 { 0 } else { 6 };
            assert_eq!(lab.run(&insn).program, expected, "{name} {value}");
        }
    }
    for (name, last) in [("VSLDB", 15), ("VSLD", 7), ("VSRD", 7)] {
        for i4 in 0..=255 {
            let insn = Insn { i4, ..usual(name) };
            let expected = if i4 <= last { 0 } else { 6 };
            assert_eq!(lab.run(&insn).program, expected, "{name} {i4}");
        }
    }
}
