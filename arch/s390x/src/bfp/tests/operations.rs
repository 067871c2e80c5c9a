//! Add, subtract, multiply, divide, multiply and add or subtract, compare: against the oracle.

use proptest::prelude::*;
use rustc_apfloat::{Float, FloatConvert, Round, Status, StatusAnd};

use super::oracle::{Oracle, expected, to_odd};
use super::{any_fpc, extended, long, short};
use crate::bfp::{self, Control, Done, Extended, Flags, Format, Fpc, Long, Outcome, Short};

fn same<F: Oracle>(ours: Outcome<F>, theirs: Option<Outcome<F>>) -> Result<(), TestCaseError> {
    match theirs {
        Some(theirs) => prop_assert_eq!(ours, theirs),
        // Beyond the library: at least it is an overflow, an underflow or the largest number.
        None => {
            let Ok(done) = ours else {
                return Err(TestCaseError::fail("suppressed"));
            };
            let trapped = done.trap.is_some_and(|dxc| dxc.0 & 0x38 != 0);
            prop_assert!(trapped || done.flags.contains(Flags::INEXACT), "{:?}", done);
        }
    }
    Ok(())
}

fn binary<F: Oracle>(fpc: Fpc, a: F, b: F) -> Result<(), TestCaseError> {
    if a.is_nan() || b.is_nan() {
        return Ok(());
    }
    let control = Control::of(fpc);
    let (x, y, wx, wy) = (a.ap(), b.ap(), a.quad(), b.quad());
    let narrow = F::BITS < 128;
    let zero = Round::TowardZero;
    same(
        bfp::add(fpc, a, b),
        expected(
            control,
            |m| x.add_r(y, m),
            narrow.then(|| to_odd(wx.add_r(wy, zero))),
        ),
    )?;
    same(
        bfp::subtract(fpc, a, b),
        expected(
            control,
            |m| x.sub_r(y, m),
            narrow.then(|| to_odd(wx.sub_r(wy, zero))),
        ),
    )?;
    same(
        bfp::multiply(fpc, a, b),
        expected(
            control,
            |m| x.mul_r(y, m),
            narrow.then(|| to_odd(wx.mul_r(wy, zero))),
        ),
    )?;
    same(
        bfp::divide(fpc, a, b),
        expected(
            control,
            |m| x.div_r(y, m),
            narrow.then(|| to_odd(wx.div_r(wy, zero))),
        ),
    )?;
    let order = match x.partial_cmp(&y) {
        Some(core::cmp::Ordering::Equal) => 0,
        Some(core::cmp::Ordering::Less) => 1,
        Some(core::cmp::Ordering::Greater) => 2,
        None => 3,
    };
    prop_assert_eq!(bfp::compare(fpc, a, b), Ok(Done::exact(order)));
    prop_assert_eq!(bfp::compare_and_signal(fpc, a, b), Ok(Done::exact(order)));
    Ok(())
}

fn ternary<F: Oracle>(fpc: Fpc, a: F, b: F, c: F) -> Result<(), TestCaseError> {
    if a.is_nan() || b.is_nan() || c.is_nan() {
        return Ok(());
    }
    let control = Control::of(fpc);
    let (x, y) = (a.ap(), b.ap());
    for (ours, addend) in [
        (bfp::multiply_add(fpc, c, a, b), c),
        (
            bfp::multiply_subtract(fpc, c, a, b),
            bfp::load_complement(c),
        ),
    ] {
        let wide = (F::BITS < 128).then(|| {
            to_odd(
                a.quad()
                    .mul_add_r(b.quad(), addend.quad(), Round::TowardZero),
            )
        });
        same(
            ours,
            expected(control, |m| x.mul_add_r(y, addend.ap(), m), wide),
        )?;
    }
    Ok(())
}

/// Addends around the product, so that digits cancel.
fn near_product<F: Oracle>(a: F, b: F, step: i64) -> F {
    let product = F::of(a.ap().mul_r(b.ap(), Round::TowardZero).value);
    F::from_raw((product.raw() ^ F::SIGN).wrapping_add_signed(i128::from(step)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn short_operations(fpc in any_fpc(), a in short(), b in short()) {
        binary(fpc, a, b)?;
    }

    #[test]
    fn long_operations(fpc in any_fpc(), a in long(), b in long()) {
        binary(fpc, a, b)?;
    }

    #[test]
    fn extended_operations(fpc in any_fpc(), a in extended(), b in extended()) {
        binary(fpc, a, b)?;
    }

    #[test]
    fn neighbours(fpc in any_fpc(), a in long(), step in -4i64..4) {
        binary(fpc, a, Long(a.0.wrapping_add_signed(step)))?;
        binary(fpc, a, Long(a.0.wrapping_add_signed(step) ^ 1 << 63))?;
    }

    #[test]
    fn short_fused(fpc in any_fpc(), a in short(), b in short(), c in short(), step in -3i64..3) {
        ternary(fpc, a, b, c)?;
        if !a.is_nan() && !b.is_nan() {
            ternary(fpc, a, b, near_product(a, b, step))?;
        }
    }

    #[test]
    fn long_fused(fpc in any_fpc(), a in long(), b in long(), c in long(), step in -3i64..3) {
        ternary(fpc, a, b, c)?;
        if !a.is_nan() && !b.is_nan() {
            ternary(fpc, a, b, near_product(a, b, step))?;
        }
    }

    #[test]
    fn extended_fused(fpc in any_fpc(), a in extended(), b in extended(), c in extended(), step in -3i64..3) {
        ternary(fpc, a, b, c)?;
        if !a.is_nan() && !b.is_nan() {
            ternary(fpc, a, b, near_product(a, b, step))?;
        }
    }

    #[test]
    fn multiply_to_the_longer_format(fpc in any_fpc(), a in short(), b in short(), c in long(), d in long()) {
        if a.is_nan() || b.is_nan() || c.is_nan() || d.is_nan() {
            return Ok(());
        }
        let control = Control::of(fpc);
        let product = to_odd(a.quad().mul_r(b.quad(), Round::TowardZero));
        let lengthened = |m: Round| -> StatusAnd<_> {
            let StatusAnd { status, .. } = a.quad().mul_r(b.quad(), m);
            Long::of_quad(product, m).value_with(status)
        };
        prop_assert_eq!(Some(bfp::multiply_longer::<Short, Long>(fpc, a, b)), expected(control, lengthened, None));
        prop_assert_eq!(
            Some(bfp::multiply_longer::<Long, Extended>(fpc, c, d)),
            expected(control, |m| c.quad().mul_r(d.quad(), m), None)
        );
    }

    /// Nearest-even arithmetic is the host's.
    #[test]
    fn long_is_host_arithmetic(a in long(), b in long(), c in long()) {
        if [a, b, c].iter().any(|x| x.is_nan()) {
            return Ok(());
        }
        let fpc = Fpc::default();
        let (x, y, z) = (f64::from_bits(a.0), f64::from_bits(b.0), f64::from_bits(c.0));
        let bits = |x: f64| if x.is_nan() { 0x7ff8_0000_0000_0000 } else { x.to_bits() };
        let ours = |x: Outcome<Long>| x.map(|done| done.value.0);
        prop_assert_eq!(ours(bfp::add(fpc, a, b)), Ok(bits(x + y)));
        prop_assert_eq!(ours(bfp::subtract(fpc, a, b)), Ok(bits(x - y)));
        prop_assert_eq!(ours(bfp::multiply(fpc, a, b)), Ok(bits(x * y)));
        prop_assert_eq!(ours(bfp::divide(fpc, a, b)), Ok(bits(x / y)));
        prop_assert_eq!(ours(bfp::square_root(fpc, a)), Ok(bits(x.sqrt())));
        prop_assert_eq!(ours(bfp::multiply_add(fpc, c, a, b)), Ok(bits(x.mul_add(y, z))));
    }

    /// NaN operands: signalling before quiet, first before second, payload and sign kept.
    #[test]
    fn nans_propagate(fpc in any_fpc(), nan in any::<u64>(), other in long(), swap in any::<bool>()) {
        let nan = Long(nan | 0x7ff0_0000_0000_0000);
        if !nan.is_nan() {
            return Ok(());
        }
        let (a, b) = if swap { (other, nan) } else { (nan, other) };
        let pick = [a, b].into_iter().find(|x| x.is_signaling());
        let signals = pick.is_some();
        let nan = pick.unwrap_or(if a.is_nan() { a } else { b });
        let traps = signals && fpc.masks().contains(Flags::INVALID);
        let flags = if signals { Flags::INVALID } else { Flags::empty() };
        for ours in [
            bfp::add(fpc, a, b),
            bfp::subtract(fpc, a, b),
            bfp::multiply(fpc, a, b),
            bfp::divide(fpc, a, b),
        ] {
            match ours {
                Err(suppressed) => prop_assert!(traps && suppressed.0.0 == 0x80),
                Ok(done) => {
                    prop_assert!(!traps);
                    prop_assert_eq!(done, Done { value: Long(nan.0 | 1 << 51), flags, trap: None });
                }
            }
        }
    }
}

trait WithStatus<T> {
    fn value_with(self, status: Status) -> StatusAnd<T>;
}

impl<T> WithStatus<T> for StatusAnd<T> {
    fn value_with(self, status: Status) -> StatusAnd<T> {
        StatusAnd {
            status,
            value: self.value,
        }
    }
}

/// The library agrees with itself on what the tests assume of it.
#[test]
fn conversions_of_the_oracle_are_exact() {
    let x = Short(0x0000_0001).quad();
    assert_eq!(Short::of_quad(x, Round::TowardZero).value.to_bits(), 1);
    let mut loses = false;
    let back: StatusAnd<rustc_apfloat::ieee::Single> = x.convert(&mut loses);
    assert!(!loses && back.status == Status::OK);
}
