//! Strings, checksums, tables and encodings.

use proptest::prelude::*;

use super::{ADDRESSING, Bench, End, RAM, SPECIFICATION, rre};
use crate::cpu::facility::Facilities;
use crate::cpu::psw;

const MVST: u16 = 0xb255;
const CUSE: u16 = 0xb257;
const CLST: u16 = 0xb25d;
const SRST: u16 = 0xb25e;
const SRSTU: u16 = 0xb9be;
const CKSM: u16 = 0xb241;
const TRE: u16 = 0xb2a5;

#[test]
fn mvst_moves_up_to_the_end_and_points_at_it() {
    let mut bench = Bench::new();
    bench.put(0x2ffd, b"hello\0x");
    bench.put(0x1ffe, &[0xff; 8]);
    (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (0x1ffe, 0x2ffd);
    assert_eq!(bench.run_all(&rre(MVST, 0, 2, 4)), End::Cc(1));
    assert_eq!(bench.get(0x1ffe, 7), b"hello\0\xff");
    assert_eq!((bench.cpu.gpr[2], bench.cpu.gpr[4]), (0x2003, 0x2ffd));
    bench.cpu.gpr[0] = 0x100;
    assert_eq!(bench.run(&rre(MVST, 0, 2, 4)), SPECIFICATION);
    // A string without end: what is moved shows in the registers.
    bench.cpu.gpr[0] = 0x77;
    let end = RAM as u64;
    (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (0x2000, end - 16);
    assert_eq!(bench.run(&rre(MVST, 0, 2, 4)), ADDRESSING);
    assert_eq!((bench.cpu.gpr[2], bench.cpu.gpr[4]), (0x2010, end));
}

#[test]
fn clst_takes_the_string_that_ends_first_for_the_low_one() {
    let cases: [(&[u8], &[u8], u8, u64); 7] = [
        (b"abc\0", b"abc\0", 0, 0),
        (b"abd\0", b"abc\0", 2, 2),
        (b"abb\0", b"abc\0", 1, 2),
        (b"ab\0", b"abc\0", 1, 2),
        (b"abc\0", b"ab\0", 2, 2),
        (b"\0x", b"\0y", 0, 0),
        (b"ab\xff\0", b"ab\0", 2, 2),
    ];
    for (a, b, cc, at) in cases {
        let mut bench = Bench::new();
        bench.put(0x1fff, a);
        bench.put(0x2ffd, b);
        (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (0x1fff, 0x2ffd);
        assert_eq!(bench.run_all(&rre(CLST, 0, 2, 4)), End::Cc(cc));
        assert_eq!(
            (bench.cpu.gpr[2], bench.cpu.gpr[4]),
            (0x1fff + at, 0x2ffd + at)
        );
    }
}

#[test]
fn an_ending_character_is_low_whatever_its_value() {
    let mut bench = Bench::new();
    bench.cpu.gpr[0] = 0xff;
    bench.put(0x2000, b"a\xff");
    bench.put(0x3000, b"ab\xff");
    (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (0x2000, 0x3000);
    assert_eq!(bench.run(&rre(CLST, 0, 2, 4)), End::Cc(1));
}

#[test]
fn searches_end_at_the_character_or_the_end() {
    let mut bench = Bench::new();
    bench.put(0x2005, b"x");
    bench.cpu.gpr[0] = u64::from(b'x');
    (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (0x3000, 0x1ff0);
    assert_eq!(bench.run_all(&rre(SRST, 0, 2, 4)), End::Cc(1));
    assert_eq!((bench.cpu.gpr[2], bench.cpu.gpr[4]), (0x2005, 0x1ff0));
    // The end is behind the last byte that is looked at.
    for (end, cc) in [(0x2005, 2), (0x2006, 1), (0x1ff0, 2)] {
        (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (end, 0x1ff0);
        assert_eq!(bench.run_all(&rre(SRST, 0, 2, 4)), End::Cc(cc), "{end:#x}");
    }
    // An end below the start is beyond the top of storage.
    (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (0, RAM as u64 - 5);
    assert_eq!(bench.run(&rre(SRST, 0, 2, 4)), ADDRESSING);
    assert_eq!(bench.cpu.gpr[4], RAM as u64);
    // Characters of two bytes, across a page; a half one at the end does not count.
    bench.put(0x2fff, &[0x12, 0x34]);
    bench.cpu.gpr[0] = 0x1234;
    for (end, cc) in [(0x3001, 1), (0x3000, 2), (0x2fff, 2)] {
        (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (end, 0x2ffd);
        assert_eq!(bench.run_all(&rre(SRSTU, 0, 2, 4)), End::Cc(cc), "{end:#x}");
    }
    bench.cpu.gpr[0] = 0x1_0000;
    assert_eq!(bench.run(&rre(SRSTU, 0, 2, 4)), SPECIFICATION);
}

#[test]
fn a_long_search_goes_on_where_it_stopped() {
    let mut bench = Bench::new();
    bench.cpu.gpr[0] = 1;
    bench.put(0xf000, &[1]);
    (bench.cpu.gpr[2], bench.cpu.gpr[4]) = (0x1_0000, 0x1000);
    assert_eq!(bench.run(&rre(SRST, 0, 2, 4)), End::Cc(3));
    assert!(bench.cpu.gpr[4] > 0x1000 && bench.cpu.gpr[2] == 0x1_0000);
    assert_eq!(bench.run_all(&rre(SRST, 0, 2, 4)), End::Cc(1));
    assert_eq!(bench.cpu.gpr[2], 0xf000);
}

#[test]
fn cuse_finds_substrings() {
    let run = |a: &[u8], b: &[u8], length: u64| {
        let mut bench = Bench::new();
        bench.put(0x1ffe, a);
        bench.put(0x2ffd, b);
        bench.cpu.gpr[0] = length;
        bench.cpu.gpr[1] = u64::from(b' ');
        bench.cpu.gpr[2] = 0x1ffe;
        bench.cpu.gpr[3] = a.len() as u64;
        bench.cpu.gpr[4] = 0x2ffd;
        bench.cpu.gpr[5] = b.len() as u64;
        let end = bench.run_all(&rre(CUSE, 0, 2, 4));
        (
            end,
            bench.cpu.gpr[2] - 0x1ffe,
            bench.cpu.gpr[3],
            bench.cpu.gpr[5],
        )
    };
    assert_eq!(run(b"abcdef", b"xbxdex", 2), (End::Cc(0), 3, 3, 3));
    assert_eq!(run(b"abcdef", b"xbxdxf", 2), (End::Cc(1), 5, 1, 1));
    assert_eq!(run(b"abcdef", b"xbxdxx", 2), (End::Cc(2), 6, 0, 0));
    assert_eq!(run(b"abc   ", b"xyz", 3), (End::Cc(0), 3, 3, 0));
    assert_eq!(run(b"", b"", 3), (End::Cc(2), 0, 0, 0));
    assert_eq!(run(b"abc", b"abd", 0), (End::Cc(0), 0, 3, 3));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cksm_adds_words_with_end_around_carry(
        at in 0x1f00u64..0x2100,
        bytes in proptest::collection::vec(prop_oneof![Just(0xffu8), any::<u8>()], 0..3000),
        start in any::<u64>(),
    ) {
        let mut bench = Bench::new();
        bench.put(at, &bytes);
        bench.cpu.gpr[6] = start;
        (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (at, bytes.len() as u64);
        let mut sum = start as u32;
        for word in bytes.chunks(4) {
            let mut padded = [0; 4];
            padded[..word.len()].copy_from_slice(word);
            let (next, carry) = sum.overflowing_add(u32::from_be_bytes(padded));
            sum = next + u32::from(carry);
        }
        prop_assert_eq!(bench.run_all(&rre(CKSM, 0, 6, 2)), End::Cc(0));
        prop_assert_eq!(bench.cpu.gpr[6], start & !0xffff_ffff | u64::from(sum));
        prop_assert_eq!(bench.cpu.gpr[2], at + bytes.len() as u64);
        prop_assert_eq!(bench.cpu.gpr[3], 0);
    }

    #[test]
    fn text_survives_every_conversion(text in "\\PC{0,300}", odd in 0u64..2) {
        let utf8 = text.as_bytes().to_vec();
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let utf32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        let cases = [
            (0xb2a7, &utf8, &utf16),
            (0xb9b0, &utf8, &utf32),
            (0xb2a6, &utf16, &utf8),
            (0xb9b1, &utf16, &utf32),
            (0xb9b2, &utf32, &utf8),
            (0xb9b3, &utf32, &utf16),
        ];
        for (opcode, from, to) in cases {
            let mut bench = Bench::new();
            let (dst, src) = (0x8f00 + odd, 0x2f80 + odd);
            bench.put(src, from);
            (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (dst, to.len() as u64 + 1);
            (bench.cpu.gpr[4], bench.cpu.gpr[5]) = (src, from.len() as u64);
            prop_assert_eq!(bench.run_all(&rre(opcode, 1, 2, 4)), End::Cc(0));
            prop_assert_eq!(&bench.get(dst, to.len()), to);
            let g = &bench.cpu.gpr;
            prop_assert_eq!((g[2], g[3]), (dst + to.len() as u64, 1));
            prop_assert_eq!((g[4], g[5]), (src + from.len() as u64, 0));
        }
    }
}

#[test]
fn conversions_stop_at_what_they_cannot_convert() {
    let run = |opcode: u16, m3: u8, from: &[u8], room: u64| {
        let mut bench = Bench::new();
        bench.put(0x2fff, from);
        (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (0x4000, room);
        (bench.cpu.gpr[4], bench.cpu.gpr[5]) = (0x2fff, from.len() as u64);
        let end = bench.run_all(&rre(opcode, m3, 2, 4));
        (end, bench.cpu.gpr[2] - 0x4000, bench.cpu.gpr[5])
    };
    const CU12: u16 = 0xb2a7;
    const CU21: u16 = 0xb2a6;
    const CU41: u16 = 0xb9b2;
    // Full, invalid, cut off.
    assert_eq!(run(CU12, 0, b"abc", 5), (End::Cc(1), 4, 1));
    assert_eq!(run(CU12, 0, b"a\x80c", 9), (End::Cc(2), 2, 2));
    assert_eq!(run(CU12, 0, b"a\xe2\x82", 9), (End::Cc(0), 2, 2));
    // Only the check finds overlong forms and lone surrogates.
    assert_eq!(run(CU12, 0, b"\xc1\x81", 9), (End::Cc(0), 2, 0));
    assert_eq!(run(CU12, 1, b"\xc1\x81", 9), (End::Cc(2), 0, 2));
    assert_eq!(run(CU21, 0, &[0xdc, 0], 9), (End::Cc(0), 3, 0));
    assert_eq!(run(CU21, 1, &[0xdc, 0], 9), (End::Cc(2), 0, 2));
    assert_eq!(run(CU21, 1, &[0xd8, 0, 0, 0x41], 9), (End::Cc(2), 0, 4));
    assert_eq!(run(CU41, 0, &[0, 0x11, 0, 0], 9), (End::Cc(2), 0, 4));
    assert_eq!(run(CU41, 0, &[0, 0, 0xd8, 0], 9), (End::Cc(2), 0, 4));
}

#[test]
fn tre_stops_before_the_test_byte() {
    let mut bench = Bench::new();
    let table: Vec<u8> = (0..=255u8).map(|byte| byte.wrapping_add(1)).collect();
    bench.put(0x3f80, &table);
    bench.put(0x1ffe, b"abcdZefg");
    bench.cpu.gpr[0] = u64::from(b'Z');
    (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (0x1ffe, 8);
    bench.cpu.gpr[4] = 0x3f80;
    assert_eq!(bench.run_all(&rre(TRE, 0, 2, 4)), End::Cc(1));
    assert_eq!(bench.get(0x1ffe, 8), b"bcdeZefg");
    assert_eq!((bench.cpu.gpr[2], bench.cpu.gpr[3]), (0x2002, 4));
    bench.cpu.gpr[0] = 0;
    assert_eq!(bench.run_all(&rre(TRE, 0, 2, 4)), End::Cc(0));
    assert_eq!(bench.get(0x1ffe, 8), b"bcde[fgh");
    assert_eq!((bench.cpu.gpr[2], bench.cpu.gpr[3]), (0x2006, 0));
}

#[test]
fn conversions_by_table_test_what_they_select() {
    // TRTT, TRTO, TROT, TROO: bytes of source and result characters.
    for (opcode, from, to) in [
        (0xb990, 2, 2),
        (0xb991, 2, 1),
        (0xb992, 1, 2),
        (0xb993, 1, 1),
    ] {
        for (m3, expected) in [(0, (End::Cc(1), 2)), (1, (End::Cc(0), 4))] {
            let mut bench = Bench::new();
            // The characters 1 to 4 select 0x11 to 0x44; 0x33 is the test character.
            let source: Vec<u8> = (1..=4u16)
                .flat_map(|c| c.to_be_bytes()[2 - from..].to_vec())
                .collect();
            let table: Vec<u8> = (0..=4u16)
                .flat_map(|c| (c * 0x11).to_be_bytes()[2 - to..].to_vec())
                .collect();
            bench.put(0x2fff, &source);
            bench.put(0x4000, &table);
            bench.cpu.gpr[0] = 0x33;
            bench.cpu.gpr[1] = 0x4000;
            (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (0x5fff, source.len() as u64);
            bench.cpu.gpr[4] = 0x2fff;
            let (end, done) = expected;
            assert_eq!(bench.run_all(&rre(opcode, m3, 2, 4)), end, "{opcode:#x}");
            assert_eq!(bench.cpu.gpr[2], 0x5fff + (done * to) as u64);
            assert_eq!(bench.cpu.gpr[3], ((4 - done) * from) as u64);
            assert_eq!(bench.cpu.gpr[4], 0x2fff + (done * from) as u64);
            assert_eq!(bench.get(0x5fff, done * to), table[to..(done + 1) * to]);
        }
    }
}

#[test]
fn lengths_are_as_wide_as_addresses() {
    let mut bench = Bench::new();
    bench.addressing = psw::BASIC_ADDRESSING;
    bench.cpu.gpr[6] = 0;
    (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (0xaaaa_aaaa_8000_2000, 0xbbbb_bbbb_0000_0004);
    bench.put(0x2000, &[0, 0, 0, 9]);
    assert_eq!(bench.run(&rre(CKSM, 0, 6, 2)), End::Cc(0));
    assert_eq!(bench.cpu.gpr[6], 9);
    assert_eq!(bench.cpu.gpr[2], 0xaaaa_aaaa_0000_2004);
    assert_eq!(bench.cpu.gpr[3], 0xbbbb_bbbb_0000_0000);
}

#[test]
fn extended_tests_give_the_function_code() {
    const TRTE: u16 = 0xb9bf;
    const TRTRE: u16 = 0xb9bd;
    let mut bench = Bench::new();
    bench.cpu.control.facilities = Facilities::new(&[26]);
    // Arguments 5 and 0x105 have function codes, of one byte and (shared here) of two.
    bench.put(0x4000 + 5, &[0x77]);
    bench.put(0x4000 + 2 * 0x105, &[0x12, 0x34]);
    bench.put(0x2ffe, &[1, 1, 1, 1, 1, 5, 1, 1]);
    bench.cpu.gpr[1] = 0x4007;
    let run = |bench: &mut Bench, opcode, m3, at, length| {
        (bench.cpu.gpr[2], bench.cpu.gpr[3]) = (at, length);
        bench.cpu.gpr[4] = u64::MAX;
        let end = bench.run_all(&rre(opcode, m3, 2, 4));
        (end, bench.cpu.gpr[2], bench.cpu.gpr[3], bench.cpu.gpr[4])
    };
    let got = run(&mut bench, TRTE, 0, 0x2ffe, 8);
    assert_eq!(got, (End::Cc(1), 0x3003, 3, 0x77));
    let got = run(&mut bench, TRTE, 0, 0x2ffe, 5);
    assert_eq!(got, (End::Cc(0), 0x3003, 0, 0));
    let got = run(&mut bench, TRTRE, 0, 0x3005, 8);
    assert_eq!(got, (End::Cc(1), 0x3003, 6, 0x77));
    // Two-byte arguments and codes: 0x0101, 0x0101, 0x0105; above 255 they may be ignored.
    let got = run(&mut bench, TRTE, 0b1100, 0x2ffe, 8);
    assert_eq!(got, (End::Cc(1), 0x3002, 4, 0x1234));
    let got = run(&mut bench, TRTE, 0b1110, 0x2ffe, 8);
    assert_eq!(got, (End::Cc(0), 0x3006, 0, 0));
    let got = run(&mut bench, TRTE, 0b1000, 0x2ffe, 7);
    assert_eq!(got.0, SPECIFICATION);
}
