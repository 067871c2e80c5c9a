//! Elements as Rust's integers: what instructions on elements of several sizes are written in.
//!
//! A function that is generic over [`Lane`] is one instruction for all of its sizes, signed and
//! unsigned. Not here: sizes that are known at run time only ([`super::ElementSize`]).

use super::Vector;

/// An integer that is an element.
pub trait Lane: Copy + Ord {
    /// Bits of an element.
    const BITS: u32;
    /// How many elements a vector has.
    const COUNT: usize = (128 / Self::BITS) as usize;
    /// All bits zero.
    const ZERO: Self;
    /// All bits one.
    const ONES: Self;

    /// The rightmost bits of a number.
    fn from_bits(bits: u128) -> Self;
    /// The element's bits at the right end of a number, zeros left of them.
    fn bits(self) -> u128;
    /// Sum, modulo the size.
    #[must_use]
    fn sum(self, other: Self) -> Self;
    /// Product, modulo the size.
    #[must_use]
    fn product(self, other: Self) -> Self;
    /// Zeros left of the leftmost one.
    fn leading_zeros(self) -> u32;
    /// Zeros right of the rightmost one.
    fn trailing_zeros(self) -> u32;
    /// Shifted left; the count is taken modulo the bits.
    #[must_use]
    fn left(self, count: u32) -> Self;
    /// Shifted right, a signed number with its sign; the count is taken modulo the bits.
    #[must_use]
    fn right(self, count: u32) -> Self;
    /// Rotated left; the count is taken modulo the bits.
    #[must_use]
    fn rotated(self, count: u32) -> Self;
}

/// An element that has a product of twice its size.
pub trait Widen: Lane {
    /// The element of twice the size, signed as this one is.
    type Wide: Lane;
    /// The same number.
    fn widen(self) -> Self::Wide;
    /// The left half.
    fn high_of(wide: Self::Wide) -> Self;
}

macro_rules! lanes {
    ($($lane:ident unsigned $unsigned:ident;)*) => {$(
        impl Lane for $lane {
            const BITS: u32 = $lane::BITS;
            const ZERO: Self = 0;
            const ONES: Self = !0;

            fn from_bits(bits: u128) -> Self {
                bits as Self
            }
            fn bits(self) -> u128 {
                u128::from(self as $unsigned)
            }
            fn sum(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn product(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn leading_zeros(self) -> u32 {
                self.leading_zeros()
            }
            fn trailing_zeros(self) -> u32 {
                self.trailing_zeros()
            }
            fn left(self, count: u32) -> Self {
                self.wrapping_shl(count)
            }
            fn right(self, count: u32) -> Self {
                self.wrapping_shr(count)
            }
            fn rotated(self, count: u32) -> Self {
                self.rotate_left(count % Self::BITS)
            }
        }
    )*};
}

lanes! {
    u8 unsigned u8;
    u16 unsigned u16;
    u32 unsigned u32;
    u64 unsigned u64;
    u128 unsigned u128;
    i8 unsigned u8;
    i16 unsigned u16;
    i32 unsigned u32;
    i64 unsigned u64;
    i128 unsigned u128;
}

macro_rules! widen {
    ($($lane:ident to $wide:ident),*) => {$(
        impl Widen for $lane {
            type Wide = $wide;

            fn widen(self) -> $wide {
                self.into()
            }
            fn high_of(wide: $wide) -> Self {
                (wide >> Self::BITS) as Self
            }
        }
    )*};
}

widen!(
    u8 to u16, u16 to u32, u32 to u64, u64 to u128, i8 to i16, i16 to i32, i32 to i64, i64 to i128
);

impl Vector {
    /// The element of that index, the leftmost being 0, of a vector that has more of them.
    pub(super) fn lane<T: Lane>(self, index: usize) -> T {
        T::from_bits(self.bits() >> position::<T>(index))
    }

    /// A vector of the elements that `lane` gives for their indexes.
    pub(super) fn from_lanes<T: Lane>(lane: impl Fn(usize) -> T) -> Self {
        let bits = (0..T::COUNT).map(|index| lane(index).bits() << position::<T>(index));
        bits.fold(0, |all, one| all | one).into()
    }

    /// The elements from the leftmost.
    pub(super) fn lanes<T: Lane>(self) -> impl DoubleEndedIterator<Item = T> + Clone {
        (0..T::COUNT).map(move |index| self.lane(index))
    }

    /// Each element replaced.
    pub(super) fn map<T: Lane>(self, f: impl Fn(T) -> T) -> Self {
        Self::from_lanes(|index| f(self.lane(index)))
    }

    /// Combines the elements of the same indexes.
    pub(super) fn zip<T: Lane>(self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        Self::from_lanes(|index| f(self.lane(index), other.lane(index)))
    }
}

/// How many bits are right of an element.
const fn position<T: Lane>(index: usize) -> u32 {
    128 - T::BITS * (index as u32 + 1)
}

#[cfg(test)]
pub(crate) mod testing {
    //! Vectors to test with: random ones, and ones with many elements at the ends of their range.

    use super::Vector;

    /// Pairs and more of vectors, the same ones at each call.
    pub(crate) fn vectors<const N: usize>() -> impl Iterator<Item = [Vector; N]> {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..2000).map(move |_| {
            std::array::from_fn(|_| {
                let (kind, left, right) = (random() >> 32, random(), random());
                let bits = u128::from(left) << 64 | u128::from(right);
                match kind % 4 {
                    0 => bits.into(),
                    // Bytes that are all zeros, all ones, or the least or greatest number.
                    1 => Vector::from_bytes(bits.to_be_bytes().map(|b| EDGES[b as usize % 8])),
                    // Few different bytes, so that vectors agree in many.
                    2 => Vector::from_bytes(bits.to_be_bytes().map(|b| b & 3)),
                    _ => {
                        let shift = (kind >> 8) % 128;
                        (bits >> shift).into()
                    }
                }
            })
        })
    }

    const EDGES: [u8; 8] = [0, 0, 0xff, 0xff, 0x80, 0x7f, 1, 0xfe];
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::ElementSize;

    #[test]
    fn lanes_are_the_elements_of_their_size() {
        for [v] in testing::vectors() {
            let words: Vec<u128> = v.lanes::<u32>().map(Lane::bits).collect();
            assert_eq!(words, v.elements(ElementSize::Word).collect::<Vec<_>>());
            let bytes: Vec<i128> = v.lanes::<i8>().map(i128::from).collect();
            let signed = (0..16).map(|n| v.get_signed(ElementSize::Byte, n));
            assert_eq!(bytes, signed.collect::<Vec<_>>());
            assert_eq!(v.lane::<u128>(0), v.bits());
            assert_eq!(v.map(|half: i16| half), v);
        }
    }
}
