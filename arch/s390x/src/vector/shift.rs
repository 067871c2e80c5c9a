//! Shifts and rotations of vector elements and of whole vectors (Principles of Operation,
//! chapter 22).
//!
//! Not here: counts that are known when an instruction is translated, and shifts of a pair of
//! vectors, which are translated to IR.

use super::Vector;
use super::lane::Lane;

/// VESLV: each element by the count in the second operand's, taken modulo its bits.
pub fn left_each<T: Lane>(a: Vector, counts: Vector) -> Vector {
    a.zip(counts, |x: T, count| x.left(low(count)))
}

/// VESRAV (signed elements), VESRLV (unsigned).
pub fn right_each<T: Lane>(a: Vector, counts: Vector) -> Vector {
    a.zip(counts, |x: T, count| x.right(low(count)))
}

/// VERLLV.
pub fn rotate_each<T: Lane>(a: Vector, counts: Vector) -> Vector {
    a.zip(counts, |x: T, count| x.rotated(low(count)))
}

/// VESL: all elements by one count, taken modulo their bits.
pub fn left_all<T: Lane>(a: Vector, count: u32) -> Vector {
    a.map(|x: T| x.left(count))
}

/// VESRA (signed elements), VESRL (unsigned).
pub fn right_all<T: Lane>(a: Vector, count: u32) -> Vector {
    a.map(|x: T| x.right(count))
}

/// VERLL.
pub fn rotate_all<T: Lane>(a: Vector, count: u32) -> Vector {
    a.map(|x: T| x.rotated(count))
}

fn low<T: Lane>(count: T) -> u32 {
    count.bits() as u32
}

/// VSL: each byte of the first operand and what is right of it is shifted left by the count in
/// bits 5-7 of that byte of the second, and the byte is kept.
///
/// So it is with the vector-enhancements facility 2. Without it the counts must all be the same,
/// which makes it a shift of the whole.
pub fn left_bits(a: Vector, counts: Vector) -> Vector {
    by_bits(counts, |count| a.bits() << count)
}

/// VSRL: the same to the right; zeros come in.
pub fn right_bits(a: Vector, counts: Vector) -> Vector {
    by_bits(counts, |count| a.bits() >> count)
}

/// VSRA: the same to the right; copies of the leftmost bit come in.
pub fn right_bits_signed(a: Vector, counts: Vector) -> Vector {
    by_bits(counts, |count| (a.bits() as i128 >> count) as u128)
}

/// Each byte of what the whole would be with that byte's count.
fn by_bits(counts: Vector, shifted: impl Fn(u32) -> u128) -> Vector {
    let mut result = 0;
    for count in 0..8 {
        result |= shifted(count) & bytes_with(counts, count);
    }
    result.into()
}

/// Ones in the bytes that have this count in bits 5-7.
fn bytes_with(counts: Vector, count: u32) -> u128 {
    let is = |byte: u8| {
        if u32::from(byte & 7) == count {
            0xff
        } else {
            0
        }
    };
    counts.map(is).bits()
}

/// VSLB: the whole left by as many bytes as bits 1-4 of byte 7 of the second operand say.
pub fn left_bytes(a: Vector, count: Vector) -> Vector {
    (a.bits() << bytes(count)).into()
}

/// VSRLB: the same to the right; zeros come in.
pub fn right_bytes(a: Vector, count: Vector) -> Vector {
    (a.bits() >> bytes(count)).into()
}

/// VSRAB: the same to the right; copies of the leftmost bit come in.
pub fn right_bytes_signed(a: Vector, count: Vector) -> Vector {
    ((a.bits() as i128 >> bytes(count)) as u128).into()
}

/// The count in bits: the field counts bytes and has three bits right of it.
fn bytes(count: Vector) -> u32 {
    count.left as u32 & 0x78
}

#[cfg(test)]
mod tests {
    use super::super::ElementSize::{self, *};
    use super::super::lane::testing::vectors;
    use super::*;

    type Binary = fn(Vector, Vector) -> Vector;

    fn each(name: &str, functions: [Binary; 4], model: fn(i128, u128, u32, u32) -> u128) {
        for [a, counts] in vectors() {
            for (function, size) in functions.into_iter().zip(ElementSize::ALL) {
                let expected = Vector::from_elements(size, |n| {
                    let count = (counts.get(size, n) % u128::from(size.bits())) as u32;
                    model(a.get_signed(size, n), a.get(size, n), count, size.bits())
                });
                let found = function(a, counts);
                assert_eq!(found, expected, "{name} {size:?} {a:x?} {counts:x?}");
            }
        }
    }

    macro_rules! sizes {
        ($f:ident signed) => {
            [$f::<i8>, $f::<i16>, $f::<i32>, $f::<i64>]
        };
        ($f:ident unsigned) => {
            [$f::<u8>, $f::<u16>, $f::<u32>, $f::<u64>]
        };
    }

    #[test]
    fn each_element_has_its_count() {
        each("VESLV", sizes!(left_each unsigned), |_, a, count, _| {
            a << count
        });
        each("VESRLV", sizes!(right_each unsigned), |_, a, count, _| {
            a >> count
        });
        each("VESRAV", sizes!(right_each signed), |a, _, count, _| {
            (a >> count) as u128
        });
        each(
            "VERLLV",
            sizes!(rotate_each unsigned),
            |_, a, count, bits| a << count | a >> (bits - count),
        );
    }

    #[test]
    fn one_count_is_the_same_as_equal_ones() {
        for [a, b] in vectors() {
            let count = b.left as u32;
            let equal = Vector::from_lanes(|_| count as u16);
            assert_eq!(left_all::<u16>(a, count), left_each::<u16>(a, equal));
            assert_eq!(right_all::<u16>(a, count), right_each::<u16>(a, equal));
            assert_eq!(right_all::<i16>(a, count), right_each::<i16>(a, equal));
            assert_eq!(rotate_all::<u16>(a, count), rotate_each::<u16>(a, equal));
        }
    }

    #[test]
    fn bytes_have_counts_of_their_own() {
        for [a, counts] in vectors() {
            let byte = |n: usize| a.get(Byte, n) as u32;
            let count = |n| counts.get(Byte, n) & 7;
            let left = Vector::from_elements(Byte, |n| {
                let next = if n < 15 { byte(n + 1) } else { 0 };
                u128::from(byte(n) << 8 | next) << count(n) >> 8
            });
            assert_eq!(left_bits(a, counts), left, "{a:x?} {counts:x?}");
            let right = |first: u32| {
                Vector::from_elements(Byte, |n| {
                    let before = if n > 0 { byte(n - 1) } else { first };
                    u128::from(before << 8 | byte(n)) >> count(n)
                })
            };
            assert_eq!(right_bits(a, counts), right(0), "{a:x?} {counts:x?}");
            let sign = if byte(0) & 0x80 == 0 { 0 } else { 0xff };
            let found = right_bits_signed(a, counts);
            assert_eq!(found, right(sign), "{a:x?} {counts:x?}");
        }
    }

    #[test]
    fn whole_bytes_move() {
        for [a, count] in vectors() {
            let by = count.get(Byte, 7) as usize >> 3 & 15;
            let bytes = a.to_bytes();
            let place = |at: Option<usize>, other: u8| -> u8 {
                at.and_then(|at| bytes.get(at)).copied().unwrap_or(other)
            };
            let expect = |f: &dyn Fn(usize) -> u8| Vector::from_bytes(std::array::from_fn(f));
            let left = expect(&|n| place(n.checked_add(by), 0));
            let right = expect(&|n| place(n.checked_sub(by), 0));
            let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
            let signed = expect(&|n| place(n.checked_sub(by), sign));
            assert_eq!(left_bytes(a, count), left, "{a:x?} {by}");
            assert_eq!(right_bytes(a, count), right, "{a:x?} {by}");
            assert_eq!(right_bytes_signed(a, count), signed, "{a:x?} {by}");
        }
    }
}
