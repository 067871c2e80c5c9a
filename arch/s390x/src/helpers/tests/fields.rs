//! Fields of up to 256 bytes.

use proptest::prelude::*;

use super::{ADDRESSING, Bench, End, RAM, ss};

/// Storage as the models see it: an address beyond RAM is a fault.
struct Model(Vec<u8>);

impl Model {
    fn get(&self, at: u64) -> Option<u8> {
        self.0.get((at as usize).checked_sub(0x1000)?).copied()
    }

    fn set(&mut self, at: u64, byte: u8) -> Option<()> {
        *self.0.get_mut((at as usize).checked_sub(0x1000)?)? = byte;
        Some(())
    }
}

const MVN: u8 = 0xd1;
const MVC: u8 = 0xd2;
const MVZ: u8 = 0xd3;
const NC: u8 = 0xd4;
const CLC: u8 = 0xd5;
const OC: u8 = 0xd6;
const XC: u8 = 0xd7;
const TR: u8 = 0xdc;
const TRT: u8 = 0xdd;
const TRTR: u8 = 0xd0;
const ALL: [u8; 10] = [MVN, MVC, MVZ, NC, CLC, OC, XC, TR, TRT, TRTR];

/// What one instruction does, byte by byte: condition code, and what TRT and TRTR found.
/// `None` is a fault, which undoes everything.
fn model(
    m: &mut Model,
    opcode: u8,
    a: u64,
    b: u64,
    length: u64,
) -> Option<(u8, Option<(u64, u8)>)> {
    let mut any = false;
    for i in 0..length {
        let at = if opcode == TRTR { a - i } else { a + i };
        let left = m.get(at);
        let right = m.get(b + i);
        let result = match opcode {
            MVC => right?,
            MVN => left? & 0xf0 | right? & 0x0f,
            MVZ => left? & 0x0f | right? & 0xf0,
            NC => left? & right?,
            OC => left? | right?,
            XC => left? ^ right?,
            CLC => match left?.cmp(&right?) {
                std::cmp::Ordering::Less => return Some((1, None)),
                std::cmp::Ordering::Greater => return Some((2, None)),
                std::cmp::Ordering::Equal => continue,
            },
            TR => m.get(b + u64::from(left?))?,
            _ => {
                let function = m.get(b + u64::from(left?))?;
                if function != 0 {
                    let cc = if i + 1 == length { 2 } else { 1 };
                    return Some((cc, Some((at, function))));
                }
                continue;
            }
        };
        any |= result != 0;
        m.set(at, result)?;
    }
    let cc = match opcode {
        NC | OC | XC => u8::from(any),
        CLC | TRT | TRTR => 0,
        _ => 2,
    };
    Some((cc, None))
}

fn check(opcode: u8, a: u64, b: u64, length: u64, alphabet: u8, seed: u64) {
    let mut bench = Bench::new();
    bench.scramble(seed, alphabet);
    // TRT's table is mostly zeros.
    if matches!(opcode, TRT | TRTR) {
        bench.put(b & 0xfff0, &[0; 8]);
    }
    let before = bench.ram();
    let mut expected = Model(before.clone());
    let outcome = model(&mut expected, opcode, a, b, length);
    bench.cpu.gpr[1] = a;
    bench.cpu.gpr[2] = b;
    // A condition code that is not set stays what it was.
    bench.before = 2 << crate::cpu::psw::CC_SHIFT;
    // TRT changes both registers; registers 3 and 4 address the operands.
    bench.cpu.gpr[3] = a;
    bench.cpu.gpr[4] = b;
    let code = [opcode, (length - 1) as u8, 0x30, 0, 0x40, 0];
    let end = bench.run(&code);
    let context = format!("{opcode:#x} a={a:#x} b={b:#x} length={length}");
    match outcome {
        None => {
            assert_eq!(end, ADDRESSING, "{context}");
            assert!(bench.ram() == before, "{context}: storage changed");
        }
        Some((cc, found)) => {
            assert_eq!(end, End::Cc(cc), "{context}");
            assert!(bench.ram() == expected.0, "{context}: wrong storage");
            let (at, function) = found.unwrap_or((a, b as u8));
            assert_eq!(bench.cpu.gpr[1], at, "{context}");
            let wanted = b & !0xff | u64::from(function);
            assert_eq!(bench.cpu.gpr[2], wanted, "{context}");
        }
    }
}

#[test]
fn overlaps_of_every_distance() {
    for distance in -20i64..=20 {
        for length in [1, 2, 3, 4, 7, 8, 9, 16, 20] {
            for opcode in [MVN, MVC, MVZ, NC, OC, XC, CLC] {
                let a = 0x1ff8u64;
                let b = a.wrapping_add_signed(distance);
                check(opcode, a, b, length, 255, 7);
            }
        }
    }
}

#[test]
fn one_base_register_is_translated_without_a_helper() {
    for (l, d1, d2) in [
        (0, 0, 0),
        (1, 0, 1),
        (3, 8, 0),
        (7, 0, 8),
        (7, 0, 7),
        (7, 4, 4),
    ] {
        for opcode in [MVC, NC, OC, XC, CLC] {
            let mut bench = Bench::new();
            bench.scramble(99, 255);
            let mut expected = Model(bench.ram());
            let (a, b) = (0x2000 + d1, 0x2000 + d2);
            let (cc, _) = model(&mut expected, opcode, a, b, l + 1).unwrap();
            bench.before = 2 << crate::cpu::psw::CC_SHIFT;
            bench.cpu.gpr[1] = 0x2000;
            let code = [opcode, l as u8, 0x10, d1 as u8, 0x10, d2 as u8];
            assert_eq!(bench.run(&code), End::Cc(cc), "{opcode:#x} {l} {d1} {d2}");
            assert!(bench.ram() == expected.0, "{opcode:#x} {l} {d1} {d2}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fields_agree_with_byte_loops(
        opcode in proptest::sample::select(&ALL[..]),
        // Near the end of RAM every third time.
        a in prop_oneof![0x1100u64..0x3000, 0x1fc0u64..0x2010, RAM as u64 - 300..RAM as u64],
        distance in prop_oneof![-300i64..300, -20i64..20, 0x4000i64..0x4100],
        length in prop_oneof![1u64..=256, 1u64..=16],
        alphabet in prop_oneof![Just(255u8), Just(2u8), Just(1u8)],
        seed in any::<u64>(),
    ) {
        let b = a.wrapping_add_signed(distance).clamp(0x1000, RAM as u64 + 100);
        check(opcode, a, b, length, alphabet, seed);
    }
}

#[test]
fn mvcin_reverses_and_a_fault_changes_nothing() {
    let mut bench = Bench::new();
    bench.put(0x2ffe, b"abcdef");
    bench.cpu.gpr[1] = 0x1ffd;
    bench.cpu.gpr[2] = 0x3003;
    assert_eq!(bench.run(&ss(0xe8, 5)), End::Cc(0));
    assert_eq!(bench.get(0x1ffd, 6), b"fedcba");
    bench.cpu.gpr[1] = RAM as u64 - 3;
    assert_eq!(bench.run(&ss(0xe8, 5)), ADDRESSING);
    assert_eq!(bench.get(RAM as u64 - 3, 3), [0; 3]);
}

#[test]
fn addresses_wrap_in_the_24_bit_mode() {
    let mut bench = Bench::with_ram(0x100_0000);
    bench.addressing = 0;
    bench.put(0xff_fffc, b"abcd");
    bench.put(0, b"efgh");
    bench.cpu.gpr[1] = 0xffff_ffff_0000_2000;
    bench.cpu.gpr[2] = 0x1234_5678_12ff_fffc;
    assert_eq!(bench.run(&ss(MVC, 7)), End::Cc(0));
    assert_eq!(bench.get(0x2000, 8), b"abcdefgh");
    assert_eq!(bench.run(&ss(CLC, 7)), End::Cc(0));
    // The destination wraps, and overlaps its source across the end.
    bench.cpu.gpr[1] = 0xff_fffe;
    assert_eq!(bench.run(&ss(MVC, 5)), End::Cc(0));
    assert_eq!(bench.get(0xff_fffc, 4), b"abab");
    assert_eq!(bench.get(0, 4), b"abab");
}

#[test]
fn trt_inserts_addresses_as_the_mode_says() {
    for (addressing, expected) in [
        (0, 0xaaaa_aaaa_aa00_2001u64),
        (crate::cpu::psw::BASIC_ADDRESSING, 0xaaaa_aaaa_0000_2001),
        (crate::cpu::psw::ADDRESSING, 0x0000_2001),
    ] {
        let mut bench = Bench::new();
        bench.addressing = addressing;
        bench.put(0x2000, &[0, 7, 0]);
        bench.put(0x3007, &[0x55]);
        bench.cpu.gpr[1] = 0xaaaa_aaaa_aaaa_aaaa;
        bench.cpu.gpr[2] = 0x1111;
        bench.cpu.gpr[3] = 0x2000;
        bench.cpu.gpr[4] = 0x3000;
        assert_eq!(bench.run(&[TRT, 2, 0x30, 0, 0x40, 0]), End::Cc(1));
        assert_eq!(bench.cpu.gpr[1], expected);
        assert_eq!(bench.cpu.gpr[2], 0x1155);
    }
}
