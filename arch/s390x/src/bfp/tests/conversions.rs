//! Conversions against the oracle: between formats, to integral values, from and to integers.

use proptest::prelude::*;
use rustc_apfloat::ieee::Quad;
use rustc_apfloat::{Float, Round, Status};

use super::oracle::{Oracle, expected, library_mode};
use super::{any_format, any_fpc, any_mode, extended, long, short};
use crate::bfp::{
    self, Control, Done, Dxc, Extended, Fixed, Flags, Fpc, Long, Rounded, RoundingMode, Short,
    Suppressed,
};

fn any_control() -> impl Strategy<Value = Control> {
    (any_fpc(), any_mode(), any::<bool>()).prop_map(|(fpc, rounding, suppress_inexact)| Control {
        fpc,
        rounding,
        suppress_inexact,
    })
}

fn lengthen<S: Oracle, D: Oracle>(control: Control, x: S) -> Result<(), TestCaseError> {
    let ours = bfp::load_lengthened::<S, D>(control.fpc, x);
    if x.is_signaling() && control.fpc.masks().contains(Flags::INVALID) {
        prop_assert_eq!(ours, Err(Suppressed(Dxc::INVALID)));
        return Ok(());
    }
    let flags = if x.is_signaling() {
        Flags::INVALID
    } else {
        Flags::empty()
    };
    let value = if x.is_nan() {
        // sign and fraction keep their place at the left
        let all_ones = D::signed(x.is_negative(), D::INFINITY).raw();
        D::from_raw(
            all_ones | D::QUIET | x.raw() << (128 - S::FRACTION_BITS) >> (128 - D::FRACTION_BITS),
        )
    } else {
        D::of(D::of_quad(x.quad(), Round::TowardZero).value)
    };
    prop_assert_eq!(
        ours,
        Ok(Done {
            value,
            flags,
            trap: None
        })
    );
    Ok(())
}

fn round<S: Oracle, D: Oracle>(control: Control, x: S) -> Result<(), TestCaseError> {
    if x.is_nan() {
        return Ok(());
    }
    let ours = bfp::load_rounded::<S, D>(control, x);
    let theirs = expected::<D>(control, |mode| D::of_quad(x.quad(), mode), Some(x.quad()));
    match (ours, theirs) {
        (
            Ok(Done {
                value: Rounded::Source(value),
                flags,
                trap: Some(dxc),
            }),
            Some(Ok(Done {
                trap: Some(theirs), ..
            })),
        ) => {
            // The target's digits do not depend on the exponent: round them in mid-range.
            let scale = match dxc.0 & 0x30 {
                0x20 => -S::LOAD_ROUNDED_SCALE,
                _ => S::LOAD_ROUNDED_SCALE,
            };
            let exponent = x.quad().ilogb();
            let one_to_two = x.quad().scalbn_r(-exponent, Round::TowardZero);
            let plain = expected::<D>(
                Control {
                    fpc: Fpc::default(),
                    suppress_inexact: false,
                    ..control
                },
                |mode| D::of_quad(one_to_two, mode),
                Some(one_to_two),
            );
            let Some(Ok(plain)) = plain else {
                return Err(TestCaseError::fail("no digits"));
            };
            let digits = plain.value.quad();
            let incremented = if x.is_negative() {
                digits < one_to_two
            } else {
                digits > one_to_two
            };
            let code = match (digits == one_to_two, incremented) {
                (true, _) => 0,
                (false, false) => 0x08,
                (false, true) => 0x0c,
            };
            prop_assert_eq!((flags, dxc.0 & 0x0f), (Flags::empty(), code));
            prop_assert_eq!(theirs.0 & 0x30, dxc.0 & 0x30);
            let scaled = digits.scalbn_r(exponent + scale, Round::TowardZero);
            prop_assert_eq!(value, S::of(S::of_quad(scaled, Round::TowardZero).value));
        }
        (
            Ok(Done {
                value: Rounded::Target(value),
                flags,
                trap,
            }),
            Some(Ok(plain)),
        ) => {
            prop_assert!(trap.is_none_or(|dxc| dxc.0 & 0x30 == 0));
            prop_assert_eq!(Done { value, flags, trap }, plain);
        }
        other => return Err(TestCaseError::fail(format!("{other:?}"))),
    }
    Ok(())
}

/// The integral value by which `x` is replaced, and how: 0 exact, 8 truncated, 12 incremented.
fn integral(x: Quad, mode: RoundingMode) -> (Quad, u8) {
    let truncated = x.round_to_integral(Round::TowardZero).value;
    if truncated == x {
        return (x, 0);
    }
    let mut result = x.round_to_integral(library_mode(mode)).value;
    if mode == RoundingMode::ShorterPrecision {
        let half = truncated.scalbn_r(-1, Round::TowardZero);
        if half.is_integer() || half.is_zero() {
            let one = Quad::from_u128(1).value.copy_sign(x);
            result = (truncated + one).value;
        }
    }
    (result, if result == truncated { 8 } else { 12 })
}

fn inexact<T>(control: Control, value: T, code: u8) -> Done<T> {
    let (flags, trap) = match code {
        0 => (Flags::empty(), None),
        _ if control.suppress_inexact => (Flags::empty(), None),
        _ if control.fpc.masks().contains(Flags::INEXACT) => (Flags::empty(), Some(Dxc(code))),
        _ => (Flags::INEXACT, None),
    };
    Done { value, flags, trap }
}

fn to_integral<F: Oracle>(control: Control, x: F) -> Result<(), TestCaseError> {
    if x.is_nan() {
        return Ok(());
    }
    let (value, code) = integral(x.quad(), control.rounding);
    let value = F::of(F::of_quad(value, Round::TowardZero).value);
    prop_assert_eq!(
        bfp::load_fp_integer(control, x),
        Ok(inexact(control, value, code))
    );
    Ok(())
}

fn to_fixed<F: Oracle, I: Fixed>(control: Control, x: F) -> Result<(), TestCaseError> {
    let ours = bfp::convert_to_fixed::<F, I>(control, x);
    let (wide, code) = if x.is_nan() {
        (Quad::NAN, 0)
    } else {
        integral(x.quad(), control.rounding)
    };
    let integer = wide.to_i128_r(128, Round::TowardZero, &mut false);
    let in_range = !integer.status.contains(Status::INVALID_OP)
        && (I::LEAST..=I::GREATEST).contains(&integer.value);
    if in_range {
        let cc = bfp::result_cc(x);
        let value = (I::from_wide(integer.value), cc);
        prop_assert_eq!(ours, Ok(inexact(control, value, code)));
    } else if control.fpc.masks().contains(Flags::INVALID) {
        prop_assert_eq!(ours, Err(Suppressed(Dxc::INVALID)));
    } else {
        let saturated = if x.is_negative() || x.is_nan() {
            I::LEAST
        } else {
            I::GREATEST
        };
        let mut done = inexact(control, (I::from_wide(saturated), 3), 8);
        done.flags |= Flags::INVALID;
        prop_assert_eq!(ours, Ok(done));
    }
    Ok(())
}

fn from_fixed<I: Fixed>(control: Control, x: I) -> Result<(), TestCaseError> {
    fn check<I: Fixed, F: Oracle>(control: Control, x: I) -> Result<(), TestCaseError> {
        let wide = Quad::from_i128(x.wide()).value;
        let ours = bfp::convert_from_fixed::<I, F>(control, x);
        prop_assert_eq!(
            Some(Ok(ours)),
            expected::<F>(control, |mode| F::of_quad(wide, mode), Some(wide))
        );
        Ok(())
    }
    check::<I, Short>(control, x)?;
    check::<I, Long>(control, x)?;
    check::<I, Extended>(control, x)
}

/// Values around the integers' limits.
fn near_integers<F: Oracle>() -> impl Strategy<Value = F> {
    let limits = prop::sample::select(&[
        0i128,
        1 << 31,
        1 << 32,
        1 << 63,
        1 << 64,
        -(1 << 31),
        -(1 << 63),
    ]);
    let exact = (limits, -12i128..12, 0u32..4).prop_map(|(limit, quarters, shift)| {
        let x = Quad::from_i128((limit << 3) + (quarters << shift)).value;
        F::of(F::of_quad(x.scalbn_r(-3, Round::TowardZero), Round::TowardZero).value)
    });
    prop_oneof![exact, any_format::<F>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn lengthened(control in any_control(), a in short(), b in long()) {
        lengthen::<Short, Long>(control, a)?;
        lengthen::<Short, Extended>(control, a)?;
        lengthen::<Long, Extended>(control, b)?;
    }

    #[test]
    fn rounded(control in any_control(), a in long(), b in extended(), offset in -150i32..150) {
        round::<Long, Short>(control, a)?;
        round::<Extended, Short>(control, b)?;
        round::<Extended, Long>(control, b)?;
        // the same digits around both ends of the target's range
        let long = |exponent: i32| Long(a.0 & !(0x7ff << 52) | ((1023 + exponent) as u64) << 52);
        let extended = |exponent: i32| Extended(b.0 & !(0x7fff << 112) | ((0x3fff + exponent) as u128) << 112);
        round::<Long, Short>(control, long(offset))?;
        round::<Extended, Short>(control, extended(offset))?;
        round::<Extended, Long>(control, extended(offset * 8))?;
        round::<Extended, Long>(control, extended(offset / 10 - 1050))?;
    }

    #[test]
    fn integral_values(
        control in any_control(),
        a in near_integers::<Short>(),
        b in near_integers::<Long>(),
        c in near_integers::<Extended>(),
    ) {
        to_integral(control, a)?;
        to_integral(control, b)?;
        to_integral(control, c)?;
    }

    #[test]
    fn integers_from_bfp(
        control in any_control(),
        a in near_integers::<Short>(),
        b in near_integers::<Long>(),
        c in near_integers::<Extended>(),
    ) {
        to_fixed::<_, i32>(control, a)?;
        to_fixed::<_, i64>(control, a)?;
        to_fixed::<_, u32>(control, a)?;
        to_fixed::<_, u64>(control, a)?;
        to_fixed::<_, i32>(control, b)?;
        to_fixed::<_, i64>(control, b)?;
        to_fixed::<_, u32>(control, b)?;
        to_fixed::<_, u64>(control, b)?;
        to_fixed::<_, i32>(control, c)?;
        to_fixed::<_, i64>(control, c)?;
        to_fixed::<_, u32>(control, c)?;
        to_fixed::<_, u64>(control, c)?;
    }

    #[test]
    fn bfp_from_integers(control in any_control(), x in any::<u64>(), shift in 0u32..64) {
        from_fixed(control, (x >> shift) as i32)?;
        from_fixed(control, (x >> shift) as u32)?;
        from_fixed(control, x as i64 >> shift)?;
        from_fixed(control, x >> shift)?;
        from_fixed(control, x << shift)?;
        from_fixed(control, (x << shift) as i64)?;
    }
}
