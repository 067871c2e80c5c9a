//! Decimal instructions.

use proptest::prelude::*;

use super::{ADDRESSING, Bench, End, RAM, SPECIFICATION, ss};
use crate::cpu::psw;

const A: u64 = 0x1ffa;
const B: u64 = 0x2ffb;
const DATA: End = End::Check(7);

/// A number as packed decimal of `bytes` bytes, by its text.
fn packed(bytes: usize, value: i128) -> Vec<u8> {
    let sign = if value < 0 { 'd' } else { 'c' };
    let text = format!(
        "{:0>width$}{sign}",
        value.unsigned_abs(),
        width = 2 * bytes - 1
    );
    hex(&text[text.len() - 2 * bytes..])
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

/// Executes an instruction with two lengths on two fields.
fn run(opcode: u8, a: &[u8], b: &[u8]) -> (End, Vec<u8>) {
    let mut bench = Bench::new();
    run_on(&mut bench, opcode, a, b)
}

fn run_on(bench: &mut Bench, opcode: u8, a: &[u8], b: &[u8]) -> (End, Vec<u8>) {
    bench.put(A, a);
    bench.put(B, b);
    (bench.cpu.gpr[1], bench.cpu.gpr[2]) = (A, B);
    let lengths = (a.len() as u8 - 1) << 4 | (b.len() as u8 - 1);
    let end = bench.run(&ss(opcode, lengths));
    (end, bench.get(A, a.len()))
}

fn sign_cc(value: i128) -> u8 {
    match value.signum() {
        0 => 0,
        -1 => 1,
        _ => 2,
    }
}

fn fit(value: i128, bytes: usize) -> i128 {
    value % 10i128.pow(2 * bytes as u32 - 1)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_differences_and_comparisons(
        la in 1usize..=16,
        lb in 1usize..=16,
        a in prop_oneof![any::<i128>(), -200i128..200],
        b in prop_oneof![any::<i128>(), -200i128..200],
    ) {
        let (a, b) = (fit(a, la), fit(b, lb));
        let (pa, pb) = (packed(la, a), packed(lb, b));
        for (opcode, result) in [(0xfa, a + b), (0xfb, a - b), (0xf8, b)] {
            let kept = fit(result, la);
            let (end, field) = run(opcode, &pa, &pb);
            if kept == result {
                prop_assert_eq!(end, End::Cc(sign_cc(result)), "{:#x}", opcode);
                prop_assert_eq!(field, packed(la, result), "{:#x}", opcode);
            } else {
                prop_assert_eq!(end, End::Cc(3), "{:#x}", opcode);
                // A zero that is left of a larger result keeps that one's sign.
                let mut expected = packed(la, kept);
                expected[la - 1] = expected[la - 1] & 0xf0 | if result < 0 { 0xd } else { 0xc };
                prop_assert_eq!(field, expected, "{:#x}", opcode);
            }
        }
        let cc = match a.cmp(&b) {
            std::cmp::Ordering::Equal => 0,
            std::cmp::Ordering::Less => 1,
            std::cmp::Ordering::Greater => 2,
        };
        let (end, field) = run(0xf9, &pa, &pb);
        prop_assert_eq!((end, field), (End::Cc(cc), pa));
    }

    #[test]
    fn products_and_quotients(
        lb in 1usize..=8,
        extra in 1usize..=8,
        a in any::<i128>(),
        b in any::<i128>(),
        few in 0u32..30,
    ) {
        let la = (lb + extra).min(16);
        let b = fit(b >> (4 * few.min(20)), lb);
        // A multiplicand with room for the product.
        let factor = fit(a, la - lb);
        let (end, field) = run(0xfc, &packed(la, factor), &packed(lb, b));
        prop_assert_eq!(end, End::Cc(0));
        let mut expected = packed(la, factor * b);
        if (factor < 0) != (b < 0) {
            expected[la - 1] = expected[la - 1] & 0xf0 | 0xd;
        }
        prop_assert_eq!(field, expected);
        let dividend = fit(a >> few, la);
        let (end, field) = run(0xfd, &packed(la, dividend), &packed(lb, b));
        let quotient = dividend.checked_div(b);
        match quotient.filter(|&q| fit(q, la - lb) == q) {
            None => prop_assert_eq!(end, End::Check(0xb)),
            Some(quotient) => {
                prop_assert_eq!(end, End::Cc(0));
                let mut left = packed(la - lb, quotient);
                let mut right = packed(lb, dividend % b);
                if (dividend < 0) != (b < 0) {
                    let at = left.len() - 1;
                    left[at] = left[at] & 0xf0 | 0xd;
                }
                if dividend < 0 {
                    let at = right.len() - 1;
                    right[at] = right[at] & 0xf0 | 0xd;
                }
                prop_assert_eq!(field, [left, right].concat());
            }
        }
    }

    #[test]
    fn shifts_with_rounding(
        length in 1usize..=16,
        a in any::<i128>(),
        small in 0u32..100,
        shift in -32i32..32,
        rounding in 0u8..10,
    ) {
        let a = fit(a >> small, length);
        let mut bench = Bench::new();
        bench.put(A, &packed(length, a));
        bench.cpu.gpr[1] = A;
        let code = [
            0xf0,
            (length as u8 - 1) << 4 | rounding,
            0x10,
            0,
            0,
            shift as u8 & 0x3f,
        ];
        let end = bench.run(&code);
        let digits = a.unsigned_abs().to_string();
        // By text: to the left zeros are appended, to the right digits go.
        let text = if shift >= 0 {
            if a == 0 { "0".to_owned() } else { digits + &"0".repeat(shift as usize) }
        } else {
            let padded = format!("{digits:0>40}");
            let (kept, gone) = padded.split_at(40 - shift.unsigned_abs() as usize);
            let carry = gone.as_bytes()[0] - b'0' + rounding >= 10;
            let kept = if kept.is_empty() { 0 } else { kept.parse::<u128>().unwrap() };
            (kept + u128::from(carry)).to_string()
        };
        let room = 2 * length - 1;
        let overflow = text.len() > room;
        let kept = format!("{text:0>40}");
        let kept = &kept[kept.len() - room..];
        let zero = kept.bytes().all(|digit| digit == b'0');
        let negative = a < 0 && (overflow || !zero);
        let expected = hex(&format!("{kept}{}", if negative { 'd' } else { 'c' }));
        prop_assert_eq!(bench.get(A, length), expected);
        let cc = if overflow { 3 } else if zero { 0 } else if negative { 1 } else { 2 };
        prop_assert_eq!(end, End::Cc(cc));
    }

    #[test]
    fn conversions_to_and_from_binary(value in prop_oneof![any::<i64>(), -1000i64..1000]) {
        let mut bench = Bench::new();
        bench.cpu.gpr[1] = A;
        bench.cpu.gpr[3] = value as u64;
        prop_assert_eq!(bench.run(&[0xe3, 0x30, 0x10, 0, 0, 0x2e]), End::Cc(0));
        prop_assert_eq!(bench.get(A, 16), packed(16, value.into()));
        prop_assert_eq!(bench.run(&[0xe3, 0x40, 0x10, 0, 0, 0x0e]), End::Cc(0));
        prop_assert_eq!(bench.cpu.gpr[4], value as u64);
        prop_assert_eq!(bench.run(&[0x4e, 0x30, 0x10, 0]), End::Cc(0));
        prop_assert_eq!(bench.get(A, 8), packed(8, i128::from(value as i32)));
        bench.cpu.gpr[4] = u64::MAX;
        prop_assert_eq!(bench.run(&[0x4f, 0x40, 0x10, 0]), End::Cc(0));
        prop_assert_eq!(bench.cpu.gpr[4], u64::from(value as u32) | 0xffff_ffff_0000_0000);
    }

    #[test]
    fn formats_go_byte_by_byte_from_right_to_left(
        opcode in 0xf1u8..=0xf3,
        la in 1u64..=16,
        lb in 1u64..=16,
        distance in -20i64..20,
        seed in any::<u64>(),
    ) {
        let mut bench = Bench::new();
        bench.scramble(seed, 255);
        let b = A.wrapping_add_signed(distance);
        let mut m = bench.ram();
        let index = |at: u64| at as usize - 0x1000;
        // The model fetches a source byte just before it stores what is made of it.
        let source = |m: &[u8], place: u64| if place < lb { m[index(b + lb - 1 - place)] } else { 0 };
        let mut held = match opcode {
            0xf1 => m[index(A + la - 1)] & 15,
            _ => 0,
        };
        for place in 0..la {
            let at = index(A + la - 1 - place);
            m[at] = match (opcode, place) {
                (0xf1, _) => {
                    let byte = source(&m, place);
                    let result = byte << 4 | held;
                    held = byte >> 4;
                    result
                }
                (_, 0) => source(&m, 0).rotate_left(4),
                (0xf2, _) => {
                    source(&m, 2 * place) << 4 | source(&m, 2 * place - 1) & 15
                }
                (_, _) if place % 2 == 1 => {
                    held = source(&m, place / 2 + 1);
                    0xf0 | held & 15
                }
                _ => 0xf0 | held >> 4,
            };
        }
        (bench.cpu.gpr[1], bench.cpu.gpr[2]) = (A, b);
        let lengths = ((la - 1) << 4 | (lb - 1)) as u8;
        prop_assert_eq!(bench.run(&ss(opcode, lengths)), End::Cc(0));
        prop_assert!(bench.ram() == m);
    }
}

#[test]
fn signs_and_digits_are_checked_before_anything_is_stored() {
    for opcode in [0xfa, 0xfb, 0xf8, 0xf9] {
        for bad in ["1a2c", "a12c", "123a9f", "1234"] {
            let a = packed(4, 55);
            assert_eq!(
                run(opcode, &a, &hex(bad)),
                (DATA, a.clone()),
                "{opcode:#x} {bad}"
            );
        }
        // All sign codes are accepted.
        for (sign, negative) in [("a", false), ("b", true), ("e", false), ("f", false)] {
            let (end, _) = run(
                opcode,
                &packed(2, 0),
                &hex(&format!("00{sign}0").replace(&format!("{sign}0"), &format!("7{sign}"))),
            );
            assert!(matches!(end, End::Cc(_)), "{opcode:#x} {sign} {negative}");
        }
    }
    // ZAP does not look at what it replaces.
    let (end, field) = run(0xf8, &[0xee, 0xee], &packed(1, -5));
    assert_eq!((end, field), (End::Cc(1), packed(2, -5)));
    // Dividing and multiplying by operands of wrong lengths.
    for opcode in [0xfc, 0xfd] {
        assert_eq!(run(opcode, &packed(4, 1), &packed(4, 1)).0, SPECIFICATION);
        assert_eq!(run(opcode, &packed(16, 1), &packed(9, 1)).0, SPECIFICATION);
    }
    // Dividing by zero is found before a digit that is not needed for it.
    let zero = packed(1, 0);
    assert_eq!(run(0xfd, &hex("01763d4d"), &zero).0, End::Check(0xb));
    assert_eq!(run(0xfd, &hex("0d763c4d"), &zero).0, DATA);
    assert_eq!(run(0xfd, &hex("01763d4d"), &packed(1, 9)).0, DATA);
    // No room for the product.
    assert_eq!(run(0xfc, &packed(3, 1000), &packed(2, 1)).0, DATA);
}

#[test]
fn overflow_completes_the_instruction_before_it_interrupts() {
    let mut bench = Bench::new();
    bench.before = psw::MASK_DECIMAL_OVERFLOW;
    let (end, field) = run_on(&mut bench, 0xfa, &packed(2, 999), &packed(2, -999));
    assert_eq!((end, field), (End::Cc(0), packed(2, 0)));
    let (end, field) = run_on(&mut bench, 0xfa, &packed(2, 999), &packed(2, 2));
    assert_eq!((end, field), (End::Check(0xa), packed(2, 1)));
    assert_eq!(bench.cc(), 3);
}

#[test]
fn binary_overflow_is_a_divide_exception() {
    let mut bench = Bench::new();
    bench.cpu.gpr[1] = A;
    bench.put(A, &packed(8, 1 << 31));
    bench.cpu.gpr[4] = 0;
    assert_eq!(bench.run(&[0x4f, 0x40, 0x10, 0]), End::Check(9));
    assert_eq!(bench.cpu.gpr[4], 1 << 31);
    bench.put(A, &packed(16, 1 << 63));
    assert_eq!(bench.run(&[0xe3, 0x40, 0x10, 0, 0, 0x0e]), End::Check(9));
    assert_eq!(bench.cpu.gpr[4], 1 << 31);
    bench.put(A, &[0xff; 8]);
    assert_eq!(bench.run(&[0x4f, 0x40, 0x10, 0]), DATA);
}

#[test]
fn tp_tells_sign_from_digits() {
    for (field, cc) in [
        ("123c", 0),
        ("123f", 0),
        ("1234", 1),
        ("1a3c", 2),
        ("a239", 3),
        ("12ac", 2),
    ] {
        let mut bench = Bench::new();
        bench.put(A, &hex(field));
        bench.cpu.gpr[1] = A;
        assert_eq!(
            bench.run(&[0xeb, 0x10, 0x10, 0, 0, 0xc0]),
            End::Cc(cc),
            "{field}"
        );
    }
}

#[test]
fn edit_as_in_the_manuals_examples() {
    let edit = |opcode: u8, pattern: &[u8], source: &str| {
        let mut bench = Bench::new();
        bench.put(A, pattern);
        bench.put(B, &hex(source));
        bench.cpu.gpr[1] = 0xaaaa;
        (bench.cpu.gpr[3], bench.cpu.gpr[4]) = (A, B);
        let end = bench.run(&[opcode, pattern.len() as u8 - 1, 0x30, 0, 0x40, 0]);
        (end, bench.get(A, pattern.len()), bench.cpu.gpr[1])
    };
    // b dd,dds.dd CR in EBCDIC.
    let pattern = hex("4020206b2020214b202040c3d9");
    let (end, text, mark) = edit(0xdf, &pattern, "0257426c");
    assert_eq!(end, End::Cc(2));
    assert_eq!(text, hex("4040f26bf5f7f44bf2f6404040"));
    assert_eq!(mark, A + 2);
    let (end, text, mark) = edit(0xdf, &pattern, "0000026d");
    assert_eq!(end, End::Cc(1));
    assert_eq!(
        text,
        hex("40404040404040 4bf2f640c3d9".replace(' ', "").as_str())
    );
    assert_eq!(mark, 0xaaaa);
    let (end, text, _) = edit(0xde, &pattern, "0000000c");
    assert_eq!(end, End::Cc(0));
    assert_eq!(text, hex("404040404040404bf0f0404040"));
    let (end, text, _) = edit(0xde, &pattern, "00a0000c");
    assert_eq!((end, text), (DATA, pattern.clone()));
    // A field separator begins a new field; only the last one counts.
    let (end, text, _) = edit(0xde, &hex("5c202020222020"), "123c0c");
    assert_eq!(end, End::Cc(0));
    assert_eq!(text, hex("5cf1f2f35c5c5c"));
}

#[test]
fn characters_are_packed_and_unpacked() {
    let mut bench = Bench::new();
    (bench.cpu.gpr[1], bench.cpu.gpr[2]) = (A, B);
    bench.put(B, b"12345");
    assert_eq!(bench.run(&ss(0xe9, 4)), End::Cc(0));
    assert_eq!(bench.get(A, 16), packed(16, 12345));
    bench.put(B, &[0, b'9', 0, b'8', 0, b'7']);
    assert_eq!(bench.run(&ss(0xe1, 5)), End::Cc(0));
    assert_eq!(bench.get(A, 16), packed(16, 987));
    assert_eq!(bench.run(&ss(0xe1, 4)), SPECIFICATION);
    assert_eq!(bench.run(&ss(0xe9, 32)), SPECIFICATION);
    for (last, cc) in [(0x5c, 0), (0x5d, 1), (0x51, 3)] {
        let mut number = packed(16, 12345);
        number[15] = last;
        bench.put(B, &number);
        assert_eq!(bench.run(&ss(0xea, 6)), End::Cc(cc));
        assert_eq!(bench.get(A, 7), b"0012345");
        assert_eq!(bench.run(&ss(0xe2, 63)), End::Cc(cc));
        let wide: Vec<u8> = format!("{:0>32}", 12345)
            .bytes()
            .flat_map(|c| [0, c])
            .collect();
        assert_eq!(bench.get(A, 64), wide);
        assert_eq!(bench.run(&ss(0xea, 2)), End::Cc(cc));
        assert_eq!(bench.get(A, 3), b"345");
    }
    bench.cpu.gpr[1] = RAM as u64 - 8;
    assert_eq!(bench.run(&ss(0xe9, 4)), ADDRESSING);
}
