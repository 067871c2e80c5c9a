//! Products of vector elements, with and without carries (Principles of Operation, chapter 22).
//!
//! "High" and "low" products have the elements' size; those of even or odd elements have twice
//! that size. Not here: products of floating-point numbers.

use super::Vector;
use super::carryless;
use super::lane::{Lane, Widen};

/// VML: right halves of the products.
pub fn low<T: Lane>(a: Vector, b: Vector) -> Vector {
    a.zip(b, T::product)
}

/// VMAL: the same, plus elements of the third operand.
pub fn add_low<T: Lane>(a: Vector, b: Vector, c: Vector) -> Vector {
    low::<T>(a, b).zip(c, T::sum)
}

/// VMH (signed), VMLH (unsigned): left halves of the products.
pub fn high<T: Widen>(a: Vector, b: Vector) -> Vector {
    a.zip(b, |x: T, y| T::high_of(x.widen().product(y.widen())))
}

/// VMAH (signed), VMALH (unsigned): left halves of the products plus elements of the third
/// operand.
pub fn add_high<T: Widen>(a: Vector, b: Vector, c: Vector) -> Vector {
    Vector::from_lanes(|n| {
        let product = a.lane::<T>(n).widen().product(b.lane::<T>(n).widen());
        T::high_of(product.sum(c.lane::<T>(n).widen()))
    })
}

/// VME (signed), VMLE (unsigned): whole products of elements 0, 2, 4...
pub fn even<T: Widen>(a: Vector, b: Vector) -> Vector {
    add_even::<T>(a, b, Vector::ZERO)
}

/// VMO (signed), VMLO (unsigned): whole products of elements 1, 3, 5...
pub fn odd<T: Widen>(a: Vector, b: Vector) -> Vector {
    add_odd::<T>(a, b, Vector::ZERO)
}

/// VMAE (signed), VMALE (unsigned): whole products of even elements plus the third operand's
/// elements, which have the products' size.
pub fn add_even<T: Widen>(a: Vector, b: Vector, c: Vector) -> Vector {
    add_whole::<T>(a, b, c, 0)
}

/// VMAO (signed), VMALO (unsigned): the same of odd elements.
pub fn add_odd<T: Widen>(a: Vector, b: Vector, c: Vector) -> Vector {
    add_whole::<T>(a, b, c, 1)
}

fn add_whole<T: Widen>(a: Vector, b: Vector, c: Vector, first: usize) -> Vector {
    Vector::from_lanes(|n| {
        let (x, y): (T, T) = (a.lane(2 * n + first), b.lane(2 * n + first));
        x.widen().product(y.widen()).sum(c.lane::<T::Wide>(n))
    })
}

/// VMSL: the products of the even and of the odd doublewords, doubled where it is asked for, and
/// the third operand, added.
pub fn sum_long(a: Vector, b: Vector, c: Vector, double_even: bool, double_odd: bool) -> Vector {
    let product =
        |x: u64, y: u64, double: bool| (u128::from(x) * u128::from(y)) << u32::from(double);
    let even = product(a.left, b.left, double_even);
    let odd = product(a.right, b.right, double_odd);
    even.wrapping_add(odd).wrapping_add(c.bits()).into()
}

/// VGFM: products without carries of the even and of the odd elements, added without carries.
pub fn galois<T: Widen>(a: Vector, b: Vector) -> Vector {
    Vector::from_lanes(|n| {
        let product = |n| {
            let (x, y): (T, T) = (a.lane(n), b.lane(n));
            carryless::product(x.bits() as u64, y.bits() as u64)
        };
        T::Wide::from_bits(product(2 * n) ^ product(2 * n + 1))
    })
}

/// VGFMA: the same and the third operand, added without carries.
pub fn galois_add<T: Widen>(a: Vector, b: Vector, c: Vector) -> Vector {
    (galois::<T>(a, b).bits() ^ c.bits()).into()
}

#[cfg(test)]
mod tests {
    use super::super::ElementSize::{self, *};
    use super::super::lane::testing::vectors;
    use super::*;

    type Three = fn(Vector, Vector, Vector) -> Vector;

    /// Elements `a`, `b` and `c` as exact numbers; how `c` and the result are aligned is up to
    /// the model.
    fn same_size(name: &str, functions: [(Three, ElementSize); 3], signed: bool, high: bool) {
        for [a, b, c] in vectors() {
            for (function, size) in functions {
                let expected = Vector::from_elements(size, |n| {
                    let element = |v: Vector| match signed {
                        true => v.get_signed(size, n),
                        false => v.get(size, n) as i128,
                    };
                    let exact = element(a) * element(b) + element(c);
                    (exact >> if high { size.bits() } else { 0 }) as u128
                });
                let found = function(a, b, c);
                assert_eq!(found, expected, "{name} {size:?} {a:x?} {b:x?} {c:x?}");
            }
        }
    }

    fn twice_the_size(name: &str, functions: [(Three, ElementSize); 3], signed: bool, odd: usize) {
        for [a, b, c] in vectors() {
            for (function, size) in functions {
                let wide = size.double().expect("not quadwords");
                let expected = Vector::from_elements(wide, |n| {
                    let element = |v: Vector| match signed {
                        true => v.get_signed(size, 2 * n + odd),
                        false => v.get(size, 2 * n + odd) as i128,
                    };
                    (element(a) * element(b) + c.get(wide, n) as i128) as u128
                });
                let found = function(a, b, c);
                assert_eq!(found, expected, "{name} {size:?} {a:x?} {b:x?} {c:x?}");
            }
        }
    }

    #[test]
    fn products_of_the_elements_size() {
        same_size(
            "VMAL",
            [
                (add_low::<u8>, Byte),
                (add_low::<u16>, Halfword),
                (add_low::<u32>, Word),
            ],
            false,
            false,
        );
        same_size(
            "VMAH",
            [
                (add_high::<i8>, Byte),
                (add_high::<i16>, Halfword),
                (add_high::<i32>, Word),
            ],
            true,
            true,
        );
        same_size(
            "VMALH",
            [
                (add_high::<u8>, Byte),
                (add_high::<u16>, Halfword),
                (add_high::<u32>, Word),
            ],
            false,
            true,
        );
        for [a, b] in vectors() {
            assert_eq!(low::<u8>(a, b), add_low::<u8>(a, b, Vector::ZERO));
            assert_eq!(high::<i16>(a, b), add_high::<i16>(a, b, Vector::ZERO));
            assert_eq!(high::<u32>(a, b), add_high::<u32>(a, b, Vector::ZERO));
        }
    }

    #[test]
    fn products_of_twice_the_size() {
        macro_rules! sizes {
            ($f:ident $t:ident $u:ident $v:ident) => {
                [($f::<$t>, Byte), ($f::<$u>, Halfword), ($f::<$v>, Word)]
            };
        }
        twice_the_size("VMAE", sizes!(add_even i8 i16 i32), true, 0);
        twice_the_size("VMAO", sizes!(add_odd i8 i16 i32), true, 1);
        twice_the_size("VMALE", sizes!(add_even u8 u16 u32), false, 0);
        twice_the_size("VMALO", sizes!(add_odd u8 u16 u32), false, 1);
        for [a, b] in vectors() {
            assert_eq!(odd::<u16>(a, b), add_odd::<u16>(a, b, Vector::ZERO));
            assert_eq!(even::<i8>(a, b), add_even::<i8>(a, b, Vector::ZERO));
        }
    }

    #[test]
    fn sums_of_long_products() {
        for [a, b, c] in vectors() {
            for doubles in 0..4 {
                let (even, odd) = (doubles & 2 != 0, doubles & 1 != 0);
                let mut sum = c.bits();
                for (half, double) in [(0, even), (1, odd)] {
                    let product = a.get(Doubleword, half) * b.get(Doubleword, half);
                    for _ in 0..=u32::from(double) {
                        sum = sum.wrapping_add(product);
                    }
                }
                assert_eq!(sum_long(a, b, c, even, odd), sum.into());
            }
        }
    }

    #[test]
    fn products_without_carries() {
        let all: [(Three, ElementSize); 4] = [
            (galois_add::<u8>, Byte),
            (galois_add::<u16>, Halfword),
            (galois_add::<u32>, Word),
            (galois_add::<u64>, Doubleword),
        ];
        for [a, b, c] in vectors() {
            for (function, size) in all {
                let wide = size.double().expect("not quadwords");
                let mut expected = c;
                for n in 0..size.count() {
                    let (x, y) = (a.get(size, n), b.get(size, n));
                    let terms = (0..size.bits()).filter(|bit| y >> bit & 1 == 1);
                    let product = terms.fold(0, |sum, bit| sum ^ x << bit);
                    expected.set(wide, n / 2, expected.get(wide, n / 2) ^ product);
                }
                assert_eq!(function(a, b, c), expected, "{size:?} {a:x?} {b:x?} {c:x?}");
            }
        }
    }
}
