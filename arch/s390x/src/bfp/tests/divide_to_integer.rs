//! DIVIDE TO INTEGER: vectors for every condition code and exception, and its defining equation
//! on random operands.

use proptest::prelude::*;
use rustc_apfloat::{Float, Round};

use super::oracle::{Oracle, expected, to_odd};
use super::{any_fpc, any_mode, long, short};
use crate::bfp::{
    self, Control, DividedToInteger, Format, Fpc, Long, RoundingMode, Short, Suppressed,
};

/// Dividend, divisor, M4, FPC before; remainder, quotient, condition code, FPC after (its DXC
/// byte tells of a trap).
type Vector = (u64, u64, u8, u32, u64, u64, u8, u32);

/// The remainder of a suppressed division is the dividend, and its quotient this.
const UNTOUCHED: u64 = 0x1234_5678;

fn check<F: Format>(vectors: &[Vector]) {
    for &(a, b, m4, before, remainder, quotient, cc, after) in vectors {
        let fpc = Fpc::new(before).expect("valid FPC");
        let rounding = Control::with_modifiers(fpc, m4, 0)
            .expect("valid M4")
            .rounding;
        let (x, y) = (F::from_raw(a.into()), F::from_raw(b.into()));
        let (results, fpc) = match bfp::divide_to_integer(Control::of(fpc), rounding, x, y) {
            Ok(done) => {
                let fpc = fpc.with_flags(done.flags);
                (done.value, done.trap.map_or(fpc, |dxc| fpc.with_dxc(dxc)))
            }
            Err(Suppressed(dxc)) => {
                let quotient = F::from_raw(UNTOUCHED.into());
                (
                    DividedToInteger {
                        quotient,
                        remainder: x,
                        cc: 0,
                    },
                    fpc.with_dxc(dxc),
                )
            }
        };
        let expected = DividedToInteger {
            quotient: F::from_raw(quotient.into()),
            remainder: F::from_raw(remainder.into()),
            cc,
        };
        assert_eq!(results, expected, "{x:?} / {y:?}, M4 {m4}");
        assert_eq!(fpc.bits(), after, "{x:?} / {y:?}, M4 {m4}");
    }
}

#[test]
fn short_vectors() {
    check::<Short>(&[
        // final results
        (0x43e1_f1f1, 0x43e6_1616, 7, 0, 0x43e1_f1f1, 0, 0, 0),
        (
            0xb2b2_b2b2,
            0xb2b2_b2b2,
            0,
            0,
            0x8000_0000,
            0x3f80_0000,
            0,
            0,
        ),
        (
            0xb7b7_b7b7,
            0x1500_0000,
            7,
            0,
            0x8000_0000,
            0xe237_b7b7,
            0,
            0,
        ),
        // 40 / -9: -4, rest 4
        (
            0x4220_0000,
            0xc110_0000,
            0,
            0,
            0x4080_0000,
            0xc080_0000,
            0,
            0,
        ),
        // NaNs and invalid operations
        (
            0x43f0_0000,
            0,
            0,
            0,
            0x7fc0_0000,
            0x7fc0_0000,
            1,
            0x0080_0000,
        ),
        (
            0xffff_ffff,
            0xffff_ffff,
            0,
            0,
            0xffff_ffff,
            0xffff_ffff,
            1,
            0,
        ),
        (0, 0, 1, 0, 0x7fc0_0000, 0x7fc0_0000, 1, 0x0080_0000),
        (0, 0, 0, 0xf800_0007, 0, UNTOUCHED, 0, 0xf800_8007),
        (
            0xdbdb_240b,
            0xffac_73ff,
            4,
            0,
            0xffec_73ff,
            0xffec_73ff,
            1,
            0x0080_0000,
        ),
        (
            0xffff_94ff,
            0xff94_ff24,
            4,
            7,
            0xffd4_ff24,
            0xffd4_ff24,
            1,
            0x0080_0007,
        ),
        // infinite divisor: the dividend remains, even a subnormal one under a trap
        (
            0x0c00_0029,
            0xff80_0000,
            0,
            0,
            0x0c00_0029,
            0x8000_0000,
            0,
            0,
        ),
        (
            0x0000_00c8,
            0xff80_0000,
            0,
            0x7800_0007,
            0x0000_00c8,
            0x8000_0000,
            0,
            0x7800_0007,
        ),
        (0xff00_003d, 0xff80_0000, 0, 0, 0xff00_003d, 0, 0, 0),
        // partial quotient, scaled or not
        (
            0x3d3d_3d3d,
            0xaeae_aeae,
            0,
            0,
            0x2f38_b8c0,
            0xce0a_aaab,
            2,
            0,
        ),
        (
            0xd30a_0040,
            0xc6d3_0a00,
            0,
            0xc000_0000,
            0xc74a_4400,
            0x4ba7_66c6,
            2,
            0xc000_0000,
        ),
        (
            0x7070_ffff,
            0x9090_9090,
            0,
            0,
            0x6431_c0c0,
            0xbf55_62aa,
            3,
            0,
        ),
        // complete, quotient scaled
        (
            0xdcdc_dcdc,
            0x00dc_dcdc,
            7,
            0xf800_0000,
            0x8000_0000,
            0xbb80_0000,
            1,
            0xf800_0000,
        ),
        // inexact remainders: flag, truncated, incremented
        (
            0x0c0c_0c0c,
            0x400c_0c0c,
            6,
            0,
            0xc00c_0c0c,
            0x3f80_0000,
            0,
            0x0008_0000,
        ),
        (
            0x2626_2626,
            0x7926_2626,
            6,
            0,
            0xf926_2626,
            0x3f80_0000,
            0,
            0x0008_0000,
        ),
        (
            0x09b2_b2b2,
            0xb2b2_b2b2,
            0,
            0xf800_0007,
            0xb2b2_b2b1,
            0xbf80_0000,
            0,
            0xf800_0807,
        ),
        (
            0x4c4c_4c4c,
            0xe1e1_e1e1,
            0,
            0xf800_0007,
            0xe1e1_e1e1,
            0xbf80_0000,
            0,
            0xf800_0c07,
        ),
        (
            0x00ff_0987,
            0x0987_c6f6,
            6,
            0x0800_0000,
            0x8987_c6b6,
            0x3f80_0000,
            0,
            0x0800_0800,
        ),
        // a tiny remainder traps and is scaled
        (
            0x000d_0100,
            0xb0b0_b0b0,
            6,
            0xf800_0000,
            0x5ed0_1000,
            0x8000_0000,
            0,
            0xf800_1000,
        ),
    ]);
}

#[test]
fn long_vectors() {
    check::<Long>(&[
        (
            0x00e1_00e1_00e1_00e1,
            0x00e1_00e1_00e1_00e1,
            0,
            1,
            0,
            0x3ff0_0000_0000_0000,
            0,
            1,
        ),
        (
            0x0200_2302_0023_0200,
            0x0023_0200_2302_0023,
            0,
            0,
            0x8001_a017_d247_b3f4,
            0x41cb_2aa0_5f00_0000,
            0,
            0,
        ),
        (
            0x0200_0000_0000_0000,
            0x0000_0000_5302_0000,
            0,
            0,
            0x8000_0000_2082_0000,
            0x4338_ac20_dd47_c6c1,
            0,
            0,
        ),
        (
            0xb063_eb3d_63b0_63eb,
            0xeb3d_63b0_63eb_3d63,
            3,
            0xe800_0000,
            0x6b3d_63b0_63eb_3d63,
            0x3ff0_0000_0000_0000,
            0,
            0xe800_0c00,
        ),
        // largest / smallest: the quotient overflows without a rest
        (
            0x7fef_ffff_ffff_ffff,
            1,
            0,
            0,
            0,
            0x7fef_ffff_ffff_ffff - (1536 << 52) + (1074 << 52),
            1,
            0,
        ),
    ]);
}

/// With a final result, the remainder is the dividend minus the rounded quotient times the
/// divisor; with a partial one its magnitude has shrunk and its sign is the dividend's.
fn equation<F: Oracle>(fpc: Fpc, rounding: RoundingMode, a: F, b: F) -> Result<(), TestCaseError> {
    let finite = |x: F| x.raw() & !F::SIGN < F::INFINITY;
    if !finite(a) || !finite(b) || a.is_zero() || b.is_zero() {
        return Ok(());
    }
    let control = Control::of(fpc);
    let Ok(done) = bfp::divide_to_integer(control, rounding, a, b) else {
        return Err(TestCaseError::fail("suppressed"));
    };
    let DividedToInteger {
        quotient,
        remainder,
        cc,
    } = done.value;
    let trap = done.trap.map(|dxc| dxc.0);
    if cc & 1 == 0 {
        let n = quotient.quad();
        prop_assert_eq!(n.round_to_integral(Round::TowardZero).value, n);
        if remainder.is_zero() {
            prop_assert_eq!(remainder.is_negative(), a.is_negative());
        } else {
            let precise = to_odd((-n).mul_add_r(b.quad(), a.quad(), Round::TowardZero));
            let theirs = expected::<F>(control, |mode| F::of_quad(precise, mode), Some(precise));
            prop_assert_eq!(Some(Ok(done.clone_with(remainder))), theirs);
        }
    }
    if cc & 2 != 0 {
        prop_assert_eq!(remainder.is_negative(), a.is_negative());
        prop_assert!(trap.is_none() || trap == Some(0x10), "{:?}", trap);
        prop_assert!(trap.is_some() || remainder.quad().abs() < a.quad().abs());
    } else if trap.is_none() {
        // a rounded quotient is off by one at most
        prop_assert!(remainder.quad().abs() <= b.quad().abs());
    }
    Ok(())
}

trait CloneWith<F> {
    fn clone_with(self, value: F) -> bfp::Done<F>;
}

impl<F, T> CloneWith<F> for bfp::Done<T> {
    fn clone_with(self, value: F) -> bfp::Done<F> {
        self.map(|_| value)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn short_equation(fpc in any_fpc(), rounding in any_mode(), a in short(), b in short()) {
        equation(fpc, rounding, a, b)?;
    }

    #[test]
    fn long_equation(fpc in any_fpc(), rounding in any_mode(), a in long(), b in long()) {
        equation(fpc, rounding, a, b)?;
    }

    /// Quotients of moderate size, so that each mode has a tie or a neighbour to choose.
    #[test]
    fn small_quotients(n in 0i32..1000, quarters in 1i32..4, rounding in any_mode()) {
        let q = f64::from(n) + f64::from(quarters) / 4.0;
        let (a, b) = (q * 3.0, 3.0);
        let outcome = bfp::divide_to_integer(
            Control::of(Fpc::default()),
            rounding,
            Long(f64::to_bits(a)),
            Long(f64::to_bits(b)),
        );
        let expected = match rounding {
            RoundingMode::NearestEven => q.round_ties_even(),
            RoundingMode::NearestAway => q.round(),
            RoundingMode::TowardZero | RoundingMode::Down => q.floor(),
            RoundingMode::Up => q.ceil(),
            RoundingMode::ShorterPrecision => f64::from(n | 1),
        };
        let done = outcome.map(|done| done.value);
        prop_assert_eq!(done.map(|x| f64::from_bits(x.quotient.0)), Ok(expected));
        prop_assert_eq!(done.map(|x| f64::from_bits(x.remainder.0)), Ok(a - expected * b));
    }
}
