//! Counts of zeros, sums across a vector, and selected bits (Principles of Operation, chapter 22).
//!
//! Not here: sums, differences, averages and comparisons of elements, which are translated to IR
//! ([`crate::translate::vector::integer`]); products ([`super::multiply`]); shifts
//! ([`super::shift`]).

use super::Vector;
use super::lane::Lane;

/// VCLZ: zeros left of an element's leftmost one.
pub fn leading_zeros<T: Lane>(a: Vector) -> Vector {
    a.map(|x: T| count(x.leading_zeros()))
}

/// VCTZ: zeros right of an element's rightmost one.
pub fn trailing_zeros<T: Lane>(a: Vector) -> Vector {
    a.map(|x: T| count(x.trailing_zeros()))
}

fn count<T: Lane>(count: u32) -> T {
    T::from_bits(count.into())
}

/// VSUM, VSUMG, VSUMQ: each element of the size `W` is the sum of those of the first operand that
/// are in its place and of the rightmost one in its place of the second operand, all unsigned.
pub fn sum_across<T: Lane, W: Lane>(a: Vector, b: Vector) -> Vector {
    let per_sum = T::COUNT / W::COUNT;
    Vector::from_lanes(|index| {
        let last = (index + 1) * per_sum - 1;
        let addends = (index * per_sum..=last).map(|n| a.lane::<T>(n).bits());
        let sum: u128 = addends.sum();
        W::from_bits(sum + b.lane::<T>(last).bits())
    })
}

/// VCKSM: the first operand's words and word 1 of the second are added, with carries out of the
/// left end added at the right; the result is word 1, all else is zero.
pub fn checksum(a: Vector, b: Vector) -> Vector {
    let words = a.lanes::<u32>().chain([b.lane(1)]);
    let sum: u64 = words.map(u64::from).sum();
    // Five words: one fold leaves at most one carry more, and then none.
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    Vector {
        left: sum,
        right: 0,
    }
}

/// VBPERM: bit `n` of the 16 at the right end of the left half is that bit of the first operand
/// whose number is in byte `n` of the second, or zero for numbers above 127.
pub fn bit_permute(a: Vector, b: Vector) -> Vector {
    let selected = b.to_bytes().into_iter().fold(0, |bits, number| {
        let bit = match number {
            0..128 => (a.bits() >> (127 - number)) as u64 & 1,
            _ => 0,
        };
        bits << 1 | bit
    });
    Vector {
        left: selected,
        right: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ElementSize::{self, *};
    use super::super::lane::testing::vectors;
    use super::*;

    type Binary = fn(Vector, Vector) -> Vector;
    type Unary = fn(Vector) -> Vector;

    fn of_one(name: &str, functions: [Unary; 4], model: fn(ElementSize, u128) -> u128) {
        for [a] in vectors() {
            for (function, size) in functions.into_iter().zip(ElementSize::ALL) {
                let expected = Vector::from_elements(size, |n| model(size, a.get(size, n)));
                assert_eq!(function(a), expected, "{name} {size:?} {a:x?}");
            }
        }
    }

    macro_rules! sizes {
        ($f:ident unsigned) => {
            [$f::<u8>, $f::<u16>, $f::<u32>, $f::<u64>]
        };
    }

    #[test]
    fn counts_are_bits() {
        of_one("VCLZ", sizes!(leading_zeros unsigned), |size, a| {
            (a.leading_zeros() + size.bits() - 128).into()
        });
        of_one("VCTZ", sizes!(trailing_zeros unsigned), |size, a| {
            a.trailing_zeros().min(size.bits()).into()
        });
    }

    #[test]
    fn sums_are_of_what_is_in_their_place() {
        let all: [(Binary, ElementSize, ElementSize); 6] = [
            (sum_across::<u8, u32>, Byte, Word),
            (sum_across::<u16, u32>, Halfword, Word),
            (sum_across::<u16, u64>, Halfword, Doubleword),
            (sum_across::<u32, u64>, Word, Doubleword),
            (sum_across::<u32, u128>, Word, Quadword),
            (sum_across::<u64, u128>, Doubleword, Quadword),
        ];
        for [a, b] in vectors() {
            for (function, size, to) in all {
                let mut expected = Vector::ZERO;
                for n in 0..size.count() {
                    let index = n * to.count() / size.count();
                    let mut sum = expected.get(to, index) + a.get(size, n);
                    if (n + 1) % (size.count() / to.count()) == 0 {
                        sum += b.get(size, n);
                    }
                    expected.set(to, index, sum);
                }
                assert_eq!(function(a, b), expected, "{size:?} to {to:?} {a:x?} {b:x?}");
            }
        }
    }

    #[test]
    fn a_checksum_adds_its_carries() {
        for [a, b] in vectors() {
            let mut sum = b.get(Word, 1);
            for n in 0..4 {
                sum += a.get(Word, n);
                if sum > 0xffff_ffff {
                    sum -= 0xffff_ffff;
                }
            }
            let mut expected = Vector::ZERO;
            expected.set(Word, 1, sum);
            assert_eq!(checksum(a, b), expected, "{a:x?} {b:x?}");
        }
    }

    #[test]
    fn bits_are_selected_by_their_numbers() {
        for [a, b] in vectors() {
            let mut expected = 0;
            for n in 0..16 {
                let number = b.get(Byte, n) as usize;
                if number < 128 && a.get(Byte, number / 8) >> (7 - number % 8) & 1 == 1 {
                    expected |= 0x8000 >> n;
                }
            }
            let found = bit_permute(a, b);
            assert_eq!((found.left, found.right), (expected, 0), "{a:x?} {b:x?}");
        }
    }
}
