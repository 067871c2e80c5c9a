//! Hand-made vectors: what this architecture defines beyond IEEE 754.

use crate::bfp::{
    self, Control, Done, Dxc, Extended, Flags, Fpc, InvalidRounding, Long, ReservedFpcBits,
    Rounded, RoundingMode, Short, Suppressed,
};

const NONE: Fpc = Fpc::from_register(0);
const ALL: Fpc = Fpc::from_register(0xf800_0000);

fn trapped<T>(value: T, dxc: u8) -> bfp::Outcome<T> {
    Ok(Done {
        value,
        flags: Flags::empty(),
        trap: Some(Dxc(dxc)),
    })
}

fn untrapped<T>(value: T, flags: Flags) -> bfp::Outcome<T> {
    Ok(Done {
        value,
        flags,
        trap: None,
    })
}

fn exact<T>(value: T) -> bfp::Outcome<T> {
    untrapped(value, Flags::empty())
}

const PLUS_INF: Short = Short(0x7f80_0000);
const MINUS_INF: Short = Short(0xff80_0000);
const ONE: Short = Short(0x3f80_0000);
const QNAN_A: Short = Short(0x7fca_0000);
const QNAN_B: Short = Short(0xffcb_0000);
const QNAN_C: Short = Short(0x7fcc_0000);
const SNAN_A: Short = Short(0xff8a_0000);
const SNAN_B: Short = Short(0x7f8b_0000);
const SNAN_C: Short = Short(0x7f8c_0000);
const DEFAULT: Short = Short(0x7fc0_0000);

/// Figure "Results: MULTIPLY AND ADD": third operand, second, then first; a signalling NaN before
/// any quiet one; infinity times zero before a NaN in the addend.
#[test]
fn nans_of_multiply_and_add() {
    let zero = Short(0);
    let invalid = |third, second, first, value| {
        for f in [bfp::multiply_add::<Short>, bfp::multiply_subtract::<Short>] {
            assert_eq!(
                f(NONE, first, third, second),
                untrapped(value, Flags::INVALID)
            );
            assert_eq!(f(ALL, first, third, second), Err(Suppressed(Dxc(0x80))));
        }
    };
    let quiet = |third, second, first, value| {
        for f in [bfp::multiply_add::<Short>, bfp::multiply_subtract::<Short>] {
            assert_eq!(f(ALL, first, third, second), exact(value));
        }
    };
    invalid(SNAN_A, SNAN_B, SNAN_C, Short(0xffca_0000));
    invalid(QNAN_A, SNAN_B, SNAN_C, Short(0x7fcb_0000));
    invalid(QNAN_A, QNAN_B, SNAN_C, Short(0x7fcc_0000));
    invalid(ONE, ONE, SNAN_C, Short(0x7fcc_0000));
    invalid(PLUS_INF, zero, QNAN_C, DEFAULT);
    invalid(zero, MINUS_INF, SNAN_C, DEFAULT);
    invalid(PLUS_INF, zero, ONE, DEFAULT);
    quiet(QNAN_A, QNAN_B, QNAN_C, QNAN_A);
    quiet(ONE, QNAN_B, QNAN_C, QNAN_B);
    quiet(ONE, zero, QNAN_C, QNAN_C);
}

#[test]
fn infinities_of_multiply_and_add() {
    assert_eq!(
        bfp::multiply_add(NONE, MINUS_INF, PLUS_INF, ONE),
        untrapped(DEFAULT, Flags::INVALID)
    );
    assert_eq!(
        bfp::multiply_subtract(NONE, PLUS_INF, PLUS_INF, ONE),
        untrapped(DEFAULT, Flags::INVALID)
    );
    assert_eq!(
        bfp::multiply_add(ALL, PLUS_INF, PLUS_INF, ONE),
        exact(PLUS_INF)
    );
    assert_eq!(
        bfp::multiply_subtract(ALL, PLUS_INF, ONE, ONE),
        exact(MINUS_INF)
    );
}

/// Sums that are exactly zero: positive, but negative when rounding toward minus infinity.
#[test]
fn zero_differences() {
    let minus_one = Short(0xbf80_0000);
    let (plus, minus) = (Short(0), Short(0x8000_0000));
    for (mode, zero) in [(0, plus), (1, plus), (2, plus), (3, minus), (7, plus)] {
        let fpc = Fpc::from_register(mode);
        assert_eq!(bfp::add(fpc, ONE, minus_one), exact(zero));
        assert_eq!(bfp::subtract(fpc, ONE, ONE), exact(zero));
        assert_eq!(bfp::add(fpc, plus, minus), exact(zero));
        assert_eq!(bfp::multiply_add(fpc, minus_one, ONE, ONE), exact(zero));
        assert_eq!(bfp::multiply_add(fpc, plus, minus, ONE), exact(zero));
        assert_eq!(bfp::add(fpc, minus, minus), exact(minus));
        assert_eq!(bfp::multiply_add(fpc, minus, minus, ONE), exact(minus));
    }
}

#[test]
fn invalid_operations() {
    let cases = [
        bfp::add(NONE, PLUS_INF, MINUS_INF),
        bfp::subtract(NONE, PLUS_INF, PLUS_INF),
        bfp::multiply(NONE, PLUS_INF, Short(0)),
        bfp::divide(NONE, PLUS_INF, MINUS_INF),
        bfp::divide(NONE, Short(0), Short(0x8000_0000)),
        bfp::square_root(NONE, Short(0xbf80_0000)),
        bfp::square_root(NONE, MINUS_INF),
        bfp::square_root(NONE, Short(0x8000_0001)),
    ];
    for outcome in cases {
        assert_eq!(outcome, untrapped(DEFAULT, Flags::INVALID));
    }
    assert_eq!(
        bfp::add(ALL, PLUS_INF, MINUS_INF),
        Err(Suppressed(Dxc(0x80)))
    );
    assert_eq!(
        bfp::square_root(ALL, Short(0x8000_0000)),
        exact(Short(0x8000_0000))
    );
    assert_eq!(
        bfp::divide(ALL, ONE, Short(0x8000_0000)),
        Err(Suppressed(Dxc(0x40)))
    );
    assert_eq!(
        bfp::divide(NONE, ONE, Short(0x8000_0000)),
        untrapped(MINUS_INF, Flags::DIVISION_BY_ZERO)
    );
    assert_eq!(
        bfp::divide(ALL, PLUS_INF, Short(0x8000_0000)),
        exact(MINUS_INF)
    );
}

/// Trapped overflow and underflow in extended format, where no oracle reaches.
#[test]
fn extended_traps_are_scaled() {
    let power = |e: i32| Extended(((e + 0x3fff) as u128) << 112);
    let ulp = Extended(power(0).0 | 1);
    assert_eq!(
        bfp::multiply(ALL, power(16000), power(1000)),
        trapped(power(17000 - 24576), 0x20)
    );
    assert_eq!(
        bfp::multiply(ALL, power(-16000), power(-1000)),
        trapped(power(24576 - 17000), 0x10)
    );
    // (1 + e) * (1 + e) is inexact and truncated by nearest, incremented by up
    let big = Extended(power(16000).0 | 1);
    let product = Extended(power(16000 + 16000 - 24576).0 | 2);
    assert_eq!(bfp::multiply(ALL, big, big), trapped(product, 0x28));
    let up = Fpc::from_register(0xf800_0002);
    assert_eq!(
        bfp::multiply(up, big, big),
        trapped(Extended(product.0 + 1), 0x2c)
    );
    let small = Extended(power(-16000).0 | 1);
    let product = Extended(power(-32000 + 24576).0 | 2);
    assert_eq!(bfp::multiply(ALL, small, small), trapped(product, 0x18));
    assert_eq!(
        bfp::multiply(up, small, small),
        trapped(Extended(product.0 + 1), 0x1c)
    );
    // A tiny number that stays as it is traps, too.
    let least = Extended(1);
    assert_eq!(
        bfp::add(ALL, least, Extended(0)),
        trapped(power(-16494 + 24576), 0x10)
    );
    assert_eq!(
        bfp::divide(ALL, power(16000), power(-1000)),
        trapped(power(17000 - 24576), 0x20)
    );
    assert_eq!(
        bfp::multiply_add(ALL, power(0), power(16000), power(500)),
        trapped(power(16500 - 24576), 0x28)
    );
    assert_eq!(bfp::add(NONE, ulp, Extended(0)), exact(ulp));
}

/// Untrapped overflow gives infinity or the largest number; a trapped inexact tells which.
#[test]
fn overflow_by_mode() {
    let max = Short(0x7f7f_ffff);
    let both = Flags::OVERFLOW | Flags::INEXACT;
    for (mode, value, dxc) in [
        (0, PLUS_INF, 0x0c),
        (1, max, 0x08),
        (2, PLUS_INF, 0x0c),
        (3, max, 0x08),
        (7, max, 0x08),
    ] {
        assert_eq!(
            bfp::add(Fpc::from_register(mode), max, max),
            untrapped(value, both)
        );
        let inexact_traps = Fpc::from_register(0x0800_0000 | mode);
        assert_eq!(
            bfp::add(inexact_traps, max, max),
            Ok(Done {
                value,
                flags: Flags::OVERFLOW,
                trap: Some(Dxc(dxc))
            })
        );
    }
}

/// LOAD ROUNDED's trapped results stay in the source's format, scaled by 512 or 8192.
#[test]
fn load_rounded_traps() {
    let traps = Control::of(ALL);
    let round = |bits| bfp::load_rounded::<Long, Short>(traps, Long(bits));
    assert_eq!(
        round(0x47f0_0000_0000_0000),
        trapped(Rounded::Source(Long(0x27f0_0000_0000_0000)), 0x20)
    );
    assert_eq!(
        round(0xc7ef_ffff_ffff_ffff),
        trapped(Rounded::Source(Long(0xa7f0_0000_0000_0000)), 0x2c)
    );
    assert_eq!(
        round(0x47ff_fffe_ffff_ffff),
        trapped(Rounded::Source(Long(0x27ff_ffff_0000_0000)), 0x2c)
    );
    assert_eq!(
        round(0x47ff_fffe_0fff_ffff),
        trapped(Rounded::Source(Long(0x27ff_fffe_0000_0000)), 0x28)
    );
    assert_eq!(
        round(0x3690_0000_0000_0000),
        trapped(Rounded::Source(Long(0x5690_0000_0000_0000)), 0x10)
    );
    let extended = |e: i32| Extended(((e + 0x3fff) as u128) << 112);
    assert_eq!(
        bfp::load_rounded::<Extended, Long>(traps, extended(1024)),
        trapped(Rounded::Source(extended(1024 - 8192)), 0x20)
    );
    assert_eq!(
        bfp::load_rounded::<Extended, Short>(traps, extended(-127)),
        trapped(Rounded::Source(extended(8192 - 127)), 0x10)
    );
}

#[test]
fn nans_change_length() {
    let snan = Long(0xfff0_1000_0000_0001);
    let narrow = |fpc, x| bfp::load_rounded::<Long, Short>(Control::of(fpc), x);
    assert_eq!(
        narrow(NONE, snan),
        untrapped(Rounded::Target(Short(0xffc0_8000)), Flags::INVALID)
    );
    assert_eq!(narrow(ALL, snan), Err(Suppressed(Dxc(0x80))));
    // The payload is cut; the quiet bit keeps it a NaN.
    assert_eq!(
        narrow(ALL, Long(0x7ff8_0000_0000_0001)),
        exact(Rounded::Target(DEFAULT))
    );
    let longer = bfp::multiply_longer::<Short, Long>;
    assert_eq!(
        longer(NONE, ONE, SNAN_B),
        untrapped(Long(0x7ff9_6000_0000_0000), Flags::INVALID)
    );
    assert_eq!(
        longer(NONE, PLUS_INF, Short(0)),
        untrapped(Long(0x7ff8_0000_0000_0000), Flags::INVALID)
    );
    assert_eq!(
        bfp::load_and_test(NONE, SNAN_A),
        untrapped(Short(0xffca_0000), Flags::INVALID)
    );
    assert_eq!(bfp::load_and_test(ALL, SNAN_A), Err(Suppressed(Dxc(0x80))));
    assert_eq!(bfp::load_and_test(ALL, QNAN_B), exact(QNAN_B));
    let to_integral = |x| bfp::load_fp_integer(Control::of(NONE), x);
    assert_eq!(
        to_integral(SNAN_B),
        untrapped(Short(0x7fcb_0000), Flags::INVALID)
    );
    assert_eq!(to_integral(QNAN_B), exact(QNAN_B));
}

#[test]
fn comparisons_with_nans() {
    for (a, b) in [(QNAN_A, ONE), (ONE, QNAN_B), (QNAN_A, QNAN_A)] {
        assert_eq!(bfp::compare(ALL, a, b), exact(3));
        assert_eq!(
            bfp::compare_and_signal(NONE, a, b),
            untrapped(3, Flags::INVALID)
        );
        assert_eq!(
            bfp::compare_and_signal(ALL, a, b),
            Err(Suppressed(Dxc(0x80)))
        );
    }
    assert_eq!(
        bfp::compare(NONE, ONE, SNAN_B),
        untrapped(3, Flags::INVALID)
    );
    assert_eq!(
        bfp::compare(ALL, SNAN_A, QNAN_A),
        Err(Suppressed(Dxc(0x80)))
    );
}

/// The signs of NaNs change without an exception.
#[test]
fn signs() {
    assert_eq!(bfp::load_complement(SNAN_A), Short(0x7f8a_0000));
    assert_eq!(bfp::load_negative(SNAN_B), Short(0xff8b_0000));
    assert_eq!(bfp::load_positive(QNAN_B), Short(0x7fcb_0000));
    assert_eq!(bfp::result_cc(bfp::load_negative(ONE)), 1);
    assert_eq!(bfp::result_cc(ONE), 2);
    assert_eq!(bfp::result_cc(Short(0x8000_0000)), 0);
    assert_eq!(bfp::result_cc(SNAN_A), 3);
}

#[test]
fn data_classes() {
    let classes = [
        Long(0),
        Long(1 << 63),
        Long(0x3ff0_0000_0000_0000),
        Long(0xffef_ffff_ffff_ffff),
        Long(1),
        Long(0x800f_ffff_ffff_ffff),
        Long(0x7ff0_0000_0000_0000),
        Long(0xfff0_0000_0000_0000),
        Long(0x7ff8_0000_0000_0000),
        Long(0xffff_ffff_ffff_ffff),
        Long(0x7ff0_0000_0000_0001),
        Long(0xfff7_ffff_ffff_ffff),
    ];
    for (i, x) in classes.into_iter().enumerate() {
        let bit = 0x800 >> i;
        assert_eq!(bfp::test_data_class(x, bit), 1, "{x:?}");
        assert_eq!(bfp::test_data_class(x, !bit), 0, "{x:?}");
    }
}

#[test]
fn register_values() {
    assert_eq!(Fpc::new(0xfcfc_ff73).map(Fpc::bits), Ok(0xfcfc_ff73));
    for bad in [
        0x0200_0000,
        0x0100_0000,
        0x0002_0000,
        0x0001_0000,
        0x80,
        0x08,
        4,
        5,
        6,
    ] {
        assert_eq!(Fpc::new(bad), Err(ReservedFpcBits(bad)));
    }
    let fpc = Fpc::from_register(0xf800_0003);
    assert_eq!(fpc.with_rounding_mode(7).map(Fpc::bits), Ok(0xf800_0007));
    assert!(fpc.with_rounding_mode(4).is_err());
    assert!(fpc.with_rounding_mode(8).is_err());
    assert_eq!(
        fpc.with_flags(Flags::INEXACT).with_dxc(Dxc(0x0c)).bits(),
        0xf808_0c03
    );
}

/// The most severe of the old flags whose new mask is one is signalled.
#[test]
fn load_and_signal() {
    let old = Fpc::from_register(0x0078_0000);
    let signal = |source| {
        old.load_and_signal(source)
            .map(|(fpc, dxc)| (fpc.bits(), dxc.map(|x| x.0)))
    };
    assert_eq!(signal(0), Ok((0x0078_0000, None)));
    assert_eq!(signal(0x8000_0000), Ok((0x8078_0000, None)));
    assert_eq!(signal(0xf880_0000), Ok((0xf8f8_0000, Some(0x43))));
    assert_eq!(signal(0xb800_0000), Ok((0xb878_0000, Some(0x2b))));
    assert_eq!(signal(0x3000_0000), Ok((0x3078_0000, Some(0x23))));
    assert_eq!(signal(0x1800_0000), Ok((0x1878_0000, Some(0x1b))));
    assert_eq!(signal(0x1000_0000), Ok((0x1078_0000, Some(0x13))));
    assert_eq!(signal(0x0800_0007), Ok((0x0878_0007, Some(0x0b))));
    assert_eq!(signal(4), Err(ReservedFpcBits(4)));
}

#[test]
fn modifiers() {
    let fpc = Fpc::from_register(3);
    let mode = |m3| Control::with_modifiers(fpc, m3, 0).map(|control| control.rounding);
    assert_eq!(mode(0), Ok(RoundingMode::Down));
    assert_eq!(mode(1), Ok(RoundingMode::NearestAway));
    assert_eq!(mode(3), Ok(RoundingMode::ShorterPrecision));
    assert_eq!(mode(4), Ok(RoundingMode::NearestEven));
    assert_eq!(mode(5), Ok(RoundingMode::TowardZero));
    assert_eq!(mode(6), Ok(RoundingMode::Up));
    assert_eq!(mode(7), Ok(RoundingMode::Down));
    for bad in [2, 8, 15] {
        assert_eq!(mode(bad), Err(InvalidRounding(bad)));
    }
    assert!(Control::with_modifiers(fpc, 0, 4).is_ok_and(|control| control.suppress_inexact));
    assert!(Control::with_modifiers(fpc, 0, 8).is_ok_and(|control| !control.suppress_inexact));
    // XxC silences inexact, not underflow
    let suppressed = Control {
        suppress_inexact: true,
        ..Control::of(NONE)
    };
    assert_eq!(
        bfp::load_rounded::<Long, Short>(suppressed, Long(1)),
        untrapped(Rounded::Target(Short(0)), Flags::UNDERFLOW)
    );
}

/// An invalid conversion is inexact as well; a NaN becomes the least integer.
#[test]
fn invalid_conversions() {
    let plain = Control::of(NONE);
    let both = Flags::INVALID | Flags::INEXACT;
    assert_eq!(
        bfp::convert_to_fixed(plain, QNAN_A),
        untrapped((i32::MIN, 3), both)
    );
    assert_eq!(
        bfp::convert_to_fixed(plain, SNAN_A),
        untrapped((i64::MIN, 3), both)
    );
    assert_eq!(
        bfp::convert_to_fixed(plain, QNAN_A),
        untrapped((0u32, 3), both)
    );
    assert_eq!(
        bfp::convert_to_fixed(plain, PLUS_INF),
        untrapped((u64::MAX, 3), both)
    );
    assert_eq!(
        bfp::convert_to_fixed(plain, MINUS_INF),
        untrapped((i32::MIN, 3), both)
    );
    assert_eq!(
        bfp::convert_to_fixed(plain, Short(0xbf80_0000)),
        untrapped((0u64, 3), both)
    );
    let inexact_traps = Control::of(Fpc::from_register(0x0800_0000));
    assert_eq!(
        bfp::convert_to_fixed(inexact_traps, PLUS_INF),
        Ok(Done {
            value: (i32::MAX, 3),
            flags: Flags::INVALID,
            trap: Some(Dxc(0x08))
        })
    );
    let suppressed = Control {
        suppress_inexact: true,
        ..plain
    };
    assert_eq!(
        bfp::convert_to_fixed(suppressed, PLUS_INF),
        untrapped((i32::MAX, 3), Flags::INVALID)
    );
    // -0.25 toward zero is zero, but its condition code is that of a negative source
    let toward_zero = Control {
        rounding: RoundingMode::TowardZero,
        ..plain
    };
    assert_eq!(
        bfp::convert_to_fixed(toward_zero, Short(0xbe80_0000)),
        untrapped((0u32, 1), Flags::INEXACT)
    );
}
