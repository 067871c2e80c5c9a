//! Known answers, and the elements' exceptions.

use super::*;
use crate::bfp::{Control, Extended, Fpc, Long, RoundingMode, Short};

const QUIET: Fpc = Fpc::from_register(0);
/// All masks are one.
const TRAPPING: Fpc = Fpc::from_register(0xf800_0000);

fn longs(a: f64, b: f64) -> Vector {
    Vector {
        left: a.to_bits(),
        right: b.to_bits(),
    }
}

fn shorts(values: [f32; 4]) -> Vector {
    let bits = values
        .iter()
        .fold(0, |all, x| all << 32 | u128::from(x.to_bits()));
    Vector::from(bits)
}

fn value(outcome: Outcome) -> Vector {
    outcome.expect("no trap").value
}

#[test]
fn elements_are_computed_apart() {
    let (a, b) = (
        shorts([1.0, 2.0, -3.0, 0.5]),
        shorts([0.25, 4.0, 3.0, -8.0]),
    );
    let all = Elements::All;
    assert_eq!(
        value(add::<Short>(QUIET, all, a, b)),
        shorts([1.25, 6.0, 0.0, -7.5])
    );
    assert_eq!(
        value(subtract::<Short>(QUIET, all, a, b)),
        shorts([0.75, -2.0, -6.0, 8.5])
    );
    assert_eq!(
        value(multiply::<Short>(QUIET, Elements::First, a, b)),
        shorts([0.25, 0.0, 0.0, 0.0])
    );
    let (c, d) = (longs(9.0, 2.0), longs(3.0, -8.0));
    assert_eq!(value(divide::<Long>(QUIET, all, c, d)), longs(3.0, -0.25));
    assert_eq!(
        value(square_root::<Long>(QUIET, all, c)),
        longs(3.0, 2.0f64.sqrt())
    );
    let one = Extended(0x3fff << 112);
    let two = Extended(0x4000 << 112);
    let [x, y] = [one, two].map(|x| Vector::from(x.0));
    assert_eq!(
        value(add::<Extended>(QUIET, all, x, x)),
        y,
        "extended has one element"
    );
}

#[test]
fn rounding_is_the_registers() {
    let thirds = |fpc| {
        value(divide::<Long>(
            Fpc::from_register(fpc),
            Elements::All,
            longs(1.0, -1.0),
            longs(3.0, 3.0),
        ))
    };
    let near = longs(1.0 / 3.0, -1.0 / 3.0);
    assert_eq!(thirds(0), near);
    assert_eq!(thirds(1), near);
    assert_eq!(
        thirds(2),
        Vector {
            left: near.left + 1,
            ..near
        }
    );
    assert_eq!(
        thirds(3),
        Vector {
            right: near.right + 1,
            ..near
        }
    );
}

#[test]
fn the_leftmost_exception_that_traps_is_told() {
    let (a, b) = (shorts([1.0, 1.0, 0.0, 1.0]), shorts([4.0, 0.0, 0.0, 3.0]));
    let all = Elements::All;
    let with = |masks: u32| divide::<Short>(Fpc::from_register(masks << 24), all, a, b);
    assert_eq!(with(0xf8), Err(Vxc(0x12)));
    assert_eq!(with(0x88), Err(Vxc(0x21)));
    assert_eq!(with(0x08), Err(Vxc(0x35)));
    // Nothing is said of elements that are not computed.
    assert_eq!(
        divide::<Short>(TRAPPING, Elements::First, a, b),
        Ok(Completed {
            value: shorts([0.25, 0.0, 0.0, 0.0]),
            flags: Flags::empty()
        })
    );
    // Flags of all elements come together.
    let done = with(0).expect("no trap");
    assert_eq!(
        done.flags,
        Flags::INVALID | Flags::DIVISION_BY_ZERO | Flags::INEXACT
    );
}

#[test]
fn overflow_and_underflow_suppress_too() {
    let all = Elements::All;
    let (huge, tiny) = (f64::MAX, f64::MIN_POSITIVE);
    let times = |fpc, a, b| multiply::<Long>(Fpc::from_register(fpc), all, a, b);
    let (a, b) = (longs(1.0, huge), longs(1.0, huge));
    assert_eq!(times(0x2000_0000, a, b), Err(Vxc(0x13)));
    // Overflow that does not trap is inexact.
    assert_eq!(times(0x0800_0000, a, b), Err(Vxc(0x15)));
    let (a, b) = (longs(tiny, 1.0), longs(0.5, 1.0));
    // A tiny result traps though it is exact, and raises nothing without a trap.
    assert_eq!(times(0x1000_0000, a, b), Err(Vxc(0x04)));
    assert_eq!(times(0, a, b).map(|done| done.flags), Ok(Flags::empty()));
}

#[test]
fn products_and_addends() {
    let all = Elements::All;
    let (a, b, c) = (longs(3.0, 5.0), longs(7.0, -2.0), longs(1.0, 10.0));
    let made = |fused| value(multiply_add::<Long>(QUIET, all, fused, [a, b, c]));
    assert_eq!(made(Fused::Add), longs(22.0, 0.0));
    assert_eq!(made(Fused::Subtract), longs(20.0, -20.0));
    assert_eq!(made(Fused::NegativeAdd), longs(-22.0, -0.0));
    assert_eq!(made(Fused::NegativeSubtract), longs(-20.0, 20.0));
    // A NaN keeps its sign; the signalling one counts first.
    let nans = longs(
        f64::from_bits(0x7ff8_0000_0000_0001),
        f64::from_bits(0x7ff8_0000_0000_0002),
    );
    let signalling = longs(1.0, f64::from_bits(0xfff0_0000_0000_0003));
    let done = multiply_add::<Long>(QUIET, all, Fused::NegativeAdd, [nans, a, signalling]);
    let done = done.expect("no trap");
    assert_eq!(done.value.left, nans.left);
    assert_eq!(done.value.right, 0xfff8_0000_0000_0003);
    assert_eq!(done.flags, Flags::INVALID);
    // Rounded first, negated then.
    let up = Fpc::from_register(2);
    let tiny = longs(f64::MIN_POSITIVE, 1.0);
    let one = longs(1.0, 1.0);
    let rounded = value(multiply_add::<Long>(
        up,
        Elements::First,
        Fused::NegativeAdd,
        [tiny, one, one],
    ));
    assert_eq!(f64::from_bits(rounded.left), -(1.0 + f64::EPSILON));
}

#[test]
fn comparisons() {
    let nan = f32::from_bits(0x7fc0_0000);
    let (a, b) = (shorts([1.0, 2.0, -0.0, nan]), shorts([1.0, 1.0, 0.0, 1.0]));
    let all = Elements::All;
    let mask = |bits: [u32; 4]| Vector::from(bits.iter().fold(0, |v, &x| v << 32 | u128::from(x)));
    let ones = u32::MAX;
    let compared =
        |relation, signal| compare::<Short>(QUIET, all, relation, signal, (a, b)).expect("no trap");
    let equal = compared(Relation::Equal, false);
    assert_eq!(
        equal.value,
        Compared {
            mask: mask([ones, 0, ones, 0]),
            cc: 1
        }
    );
    assert_eq!(equal.flags, Flags::empty());
    let high = compared(Relation::High, true);
    assert_eq!(
        high.value,
        Compared {
            mask: mask([0, ones, 0, 0]),
            cc: 1
        }
    );
    assert_eq!(high.flags, Flags::INVALID);
    let either = compared(Relation::HighOrEqual, false);
    assert_eq!(either.value.mask, mask([ones, ones, ones, 0]));
    let first = compare::<Short>(QUIET, Elements::First, Relation::Equal, false, (a, b));
    assert_eq!(first.map(|done| done.value.cc), Ok(0));
    let none = compare::<Long>(QUIET, all, Relation::High, false, (a, a));
    assert_eq!(none.map(|done| done.value.cc), Ok(3));
    let trapped = compare::<Short>(TRAPPING, all, Relation::Equal, true, (a, b));
    assert_eq!(trapped, Err(Vxc(0x31)));
    let scalar = |signal, a, b| compare_scalar::<Short>(TRAPPING, signal, a, b).map(|x| x.value);
    assert_eq!(scalar(false, a, b), Ok(0));
    assert_eq!(scalar(true, shorts([0.0; 4]), b), Ok(1));
    let nans = shorts([nan; 4]);
    assert_eq!(scalar(false, nans, b), Ok(3));
    assert_eq!(scalar(true, nans, b), Err(Vxc(0x01)));
}

#[test]
fn classes_and_signs() {
    let v = longs(-0.0, f64::INFINITY);
    let first = Vector::from(0x55);
    let all = Elements::All;
    let tested = |elements, classes| test_data_class::<Long>(elements, first, v, classes);
    assert_eq!(
        tested(all, 0x400),
        Compared {
            mask: Vector {
                left: u64::MAX,
                right: 0
            },
            cc: 1
        }
    );
    assert_eq!(tested(all, 0x420).cc, 0);
    assert_eq!(tested(all, 0xbdf).cc, 3);
    assert_eq!(
        tested(Elements::First, 0x400),
        Compared {
            mask: Vector {
                left: u64::MAX,
                right: 0x55
            },
            cc: 0
        }
    );
    assert_eq!(
        perform_sign::<Long>(all, Sign::Complement, v),
        longs(0.0, f64::NEG_INFINITY)
    );
    assert_eq!(
        perform_sign::<Long>(Elements::First, Sign::Positive, longs(-1.0, -1.0)),
        longs(1.0, -1.0)
    );
    assert_eq!(
        perform_sign::<Short>(all, Sign::Negative, shorts([1.0, -1.0, 0.0, 2.0])),
        shorts([-1.0, -1.0, -0.0, -2.0])
    );
}

#[test]
fn conversions() {
    let all = Elements::All;
    let control = Control::of(QUIET);
    let v = Vector {
        left: u64::MAX,
        right: 5,
    };
    assert_eq!(value(from_fixed::<Long>(control, all, v)), longs(-1.0, 5.0));
    assert_eq!(
        value(from_logical::<Long>(control, all, v)),
        longs(18_446_744_073_709_551_616.0, 5.0)
    );
    assert_eq!(
        value(from_fixed::<Short>(control, all, v)),
        shorts([-1.0, -1.0, 0.0, 5.0])
    );
    let x = shorts([2.5, -2.5, 1e10, -1.0]);
    let words = |v: Vector| {
        [
            v.left >> 32,
            v.left & 0xffff_ffff,
            v.right >> 32,
            v.right & 0xffff_ffff,
        ]
    };
    let fixed = to_fixed::<Short>(control, all, x).expect("no trap");
    assert_eq!(
        words(fixed.value),
        [2, 0xffff_fffe, 0x7fff_ffff, 0xffff_ffff]
    );
    assert_eq!(fixed.flags, Flags::INVALID | Flags::INEXACT);
    let away = Control {
        rounding: RoundingMode::NearestAway,
        suppress_inexact: true,
        ..control
    };
    let logical = to_logical::<Short>(away, all, x).expect("no trap");
    assert_eq!(words(logical.value), [3, 0, 0xffff_ffff, 0]);
    assert_eq!(logical.flags, Flags::INVALID);
    assert_eq!(
        to_fixed::<Short>(Control::of(TRAPPING), all, x),
        Err(Vxc(0x05))
    );
    assert_eq!(
        value(load_integral::<Long>(control, all, longs(2.5, -0.25))),
        longs(2.0, -0.0)
    );
}

#[test]
fn lengths() {
    let control = Control::of(QUIET);
    let signalling = f32::from_bits(0x7f80_0001);
    let x = shorts([1.5, signalling, -2.0, signalling]);
    assert_eq!(
        value(load_lengthened(QUIET, Elements::All, x)),
        longs(1.5, -2.0)
    );
    // The index is the source's.
    let x = shorts([1.5, 0.0, signalling, 0.0]);
    assert_eq!(load_lengthened(TRAPPING, Elements::All, x), Err(Vxc(0x21)));
    let (a, b) = (longs(1.5, 1e300), longs(0.1, 0.0));
    assert_eq!(
        value(load_rounded(control, Elements::All, a)),
        shorts([1.5, 0.0, f32::INFINITY, 0.0])
    );
    assert_eq!(
        load_rounded(Control::of(TRAPPING), Elements::All, a),
        Err(Vxc(0x13))
    );
    assert_eq!(
        value(load_rounded(control, Elements::First, b)),
        shorts([0.1, 0.0, 0.0, 0.0])
    );
    let wide = value(load_lengthened_extended(QUIET, b));
    assert_eq!(wide.left, 0x3ffb_9999_9999_9999);
    assert_eq!(value(load_rounded_extended(control, wide)), b);
}

/// The figures of VECTOR FP MAXIMUM and MINIMUM. Rows are the second operand's classes, columns
/// the third's: minus infinity, minus 2 (and minus 3), minus zero, plus zero, 2 (and 3), infinity,
/// quiet NaN, signalling NaN. `a` and `b` are second and third operand; a capital letter is an
/// invalid operation.
const FIGURES: [(Extreme, u8, &str); 12] = [
    (
        Extreme::Maximum,
        0,
        "abbbbbaB aabbbbaB aaabbbaB aaaabbaB aaaabbaB aaaaaaaB bbbbbbaB AAAAAAAA",
    ),
    (
        Extreme::Minimum,
        0,
        "aaaaaaaB bbaaaaaB bbaaaaaB bbbaaaaB bbbbaaaB bbbbbaaB bbbbbbaB AAAAAAAA",
    ),
    (
        Extreme::Maximum,
        1,
        "abbbbbbB aabbbbbB aaabbbbB aaaabbbB aaaabbbB aaaaaabB aaaaaaaB AAAAAAAA",
    ),
    (
        Extreme::Minimum,
        1,
        "aaaaaabB bbaaaabB bbaaaabB bbbaaabB bbbbaabB bbbbbabB aaaaaaaB AAAAAAAA",
    ),
    (
        Extreme::Maximum,
        2,
        "bbbbbbBB aabbbbBB aabbbbBB aabbbbBB aaaabbBB aaaaabBB BBBBBBBB BBBBBBBB",
    ),
    (
        Extreme::Minimum,
        2,
        "baaaaaBB bbaaaaBB bbbbaaBB bbbbaaBB bbbbaaBB bbbbbbBB BBBBBBBB BBBBBBBB",
    ),
    (
        Extreme::Maximum,
        3,
        "abbbbbAA aabbbbAA aaaabbAA aaaabbAA aaaabbAA aaaaaaAA AAAAAAAA AAAAAAAA",
    ),
    (
        Extreme::Minimum,
        3,
        "aaaaaaAA bbaaaaAA bbaaaaAA bbaaaaAA bbbbaaAA bbbbbaAA AAAAAAAA AAAAAAAA",
    ),
    (
        Extreme::Maximum,
        4,
        "abbbbbaA aabbbbaA aaabbbaA aaaabbaA aaaabbaA aaaaaaaA bbbbbbaA BBBBBBAA",
    ),
    (
        Extreme::Minimum,
        4,
        "aaaaaaaA bbaaaaaA bbaaaaaA bbbaaaaA bbbbaaaA bbbbbaaA bbbbbbaA BBBBBBAA",
    ),
    (
        Extreme::Maximum,
        8,
        "aaaaabaB bbaabbaB bbabbbaB bbaabbaB bbaabbaB aaaaaaaB bbbbbbaB AAAAAAAA",
    ),
    (
        Extreme::Minimum,
        8,
        "abbbbaaB aabbaaaB aaaaaaaB aabaaaaB aabbaaaB bbbbbaaB bbbbbbaB AAAAAAAA",
    ),
];

fn operands(payload: u64) -> [Long; 8] {
    let finite = (payload as f64 + 1.0).to_bits();
    let sign = 1 << 63;
    let infinity = f64::INFINITY.to_bits();
    [
        infinity | sign,
        finite | sign,
        sign,
        0,
        finite,
        infinity,
        infinity | sign | 1 << 51 | payload,
        infinity | sign | payload,
    ]
    .map(Long)
}

fn chosen(fpc: Fpc, extreme: Extreme, mask: u8, a: Long, b: Long) -> Outcome {
    let function = Function::from_mask(mask).expect("assigned");
    let [a, b] = [a, b].map(|x| Vector {
        left: x.0,
        right: 0,
    });
    min_max::<Long>(fpc, Elements::First, extreme, function, (a, b))
}

#[test]
fn minima_and_maxima() {
    for (extreme, mask, figure) in FIGURES {
        for (a, row) in operands(1).into_iter().zip(figure.split(' ')) {
            for (b, cell) in operands(2).into_iter().zip(row.chars()) {
                let invalid = cell.is_ascii_uppercase();
                let picked = if cell.eq_ignore_ascii_case(&'a') {
                    a
                } else {
                    b
                };
                let quiet = invalid && matches!(mask & 7, 0 | 1);
                let expected = if quiet { picked.quieted() } else { picked };
                let what = format!("{extreme:?} {mask} {a:?} {b:?}");
                let done = chosen(QUIET, extreme, mask, a, b).expect("no trap");
                assert_eq!(Long(done.value.left), expected, "{what}");
                assert_eq!(done.flags == Flags::INVALID, invalid, "{what}");
                let trapped = chosen(TRAPPING, extreme, mask, a, b);
                assert_eq!(trapped.is_err(), invalid, "{what}");
            }
        }
    }
}

#[test]
fn minima_and_maxima_of_absolute_values() {
    for extreme in [Extreme::Maximum, Extreme::Minimum] {
        for mask in 1..=4 {
            for a in operands(1) {
                for b in operands(2) {
                    let [x, y] = [a, b].map(bfp::load_positive);
                    assert_eq!(
                        chosen(QUIET, extreme, mask | 8, a, b),
                        chosen(QUIET, extreme, mask, x, y)
                    );
                }
            }
        }
    }
    for mask in [5, 6, 7, 13, 14, 15] {
        assert_eq!(Function::from_mask(mask), None);
    }
}
