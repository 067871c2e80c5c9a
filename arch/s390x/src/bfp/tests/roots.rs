//! Square root in every mode and format. The oracle has none, so the root is checked by its
//! defining inequalities, whose signs a fused multiply-add gives exactly.

use proptest::prelude::*;
use rustc_apfloat::{Float, Round};

use super::oracle::Oracle;
use super::{MODES, extended, long, short};
use crate::bfp::{self, Flags, Fpc};

fn root<F: Oracle>(x: F) -> Result<(), TestCaseError> {
    if x.is_nan() || x.is_zero() || x.raw() & !F::SIGN == F::INFINITY {
        return Ok(());
    }
    let x = bfp::load_positive(x);
    let in_mode =
        |mode: u32| bfp::square_root(Fpc::new(mode).expect("a mode"), x).expect("no trap");
    let [nearest, down, up, minus, shorter] = MODES.map(in_mode);
    // sign of a * b - x
    let compare = |a: F, b: F| {
        // directed away from zero, so that a tiny difference does not vanish
        let difference = |mode| a.ap().mul_add_r(b.ap(), -x.ap(), mode).value;
        let (up, down) = (
            difference(Round::TowardPositive),
            difference(Round::TowardNegative),
        );
        let positive = up.is_non_zero() && !up.is_negative();
        if positive {
            1
        } else {
            -i32::from(down.is_non_zero() && down.is_negative())
        }
    };
    let r = down.value;
    let next = F::from_raw(r.raw() + 1);
    let exact = compare(r, r) == 0;
    prop_assert!(compare(r, r) <= 0, "{r:?} squared exceeds {x:?}");
    prop_assert!(
        compare(next, next) > 0,
        "{next:?} squared does not exceed {x:?}"
    );
    let above = if exact { r } else { next };
    prop_assert_eq!((minus.value, up.value), (r, above));
    // r^2 + r ulp < x means that x lies beyond the square of the middle
    let closest = if compare(r, next) < 0 { next } else { r };
    prop_assert_eq!(nearest.value, if exact { r } else { closest });
    prop_assert_eq!(
        shorter.value,
        if exact { r } else { F::from_raw(r.raw() | 1) }
    );
    let flags = if exact {
        Flags::empty()
    } else {
        Flags::INEXACT
    };
    for done in [nearest, down, up, minus, shorter] {
        prop_assert_eq!((done.flags, done.trap), (flags, None));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn short_roots(x in short()) {
        root(x)?;
    }

    #[test]
    fn long_roots(x in long()) {
        root(x)?;
    }

    #[test]
    fn extended_roots(x in extended()) {
        root(x)?;
    }
}
