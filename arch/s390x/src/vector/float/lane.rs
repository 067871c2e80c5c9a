//! Elements of a vector as the types that they are computed in.

use super::Vector;
use crate::bfp::{Extended, Format, Long, Short};

/// A type that fills an element.
pub trait Lane: Copy {
    /// Width in bits.
    const BITS: u32;
    /// From the low bits.
    fn from_bits(bits: u128) -> Self;
    /// Zero-extended.
    fn bits(self) -> u128;
}

macro_rules! formats {
    ($($format:ty),*) => {$(
        impl Lane for $format {
            const BITS: u32 = <Self as Format>::BITS;

            #[inline]
            fn from_bits(bits: u128) -> Self {
                Self::from_raw(bits)
            }
            #[inline]
            fn bits(self) -> u128 {
                self.raw()
            }
        }
    )*};
}

macro_rules! integers {
    ($($integer:ty as $unsigned:ty),*) => {$(
        impl Lane for $integer {
            const BITS: u32 = <$integer>::BITS;

            #[inline]
            fn from_bits(bits: u128) -> Self {
                bits as Self
            }
            #[inline]
            fn bits(self) -> u128 {
                u128::from(self as $unsigned)
            }
        }
    )*};
}

formats!(Short, Long, Extended);
integers!(i32 as u32, u32 as u32, i64 as u64, u64 as u64);

/// Element `n`, of which the vector has at least `n + 1`.
#[inline]
pub(super) fn element<T: Lane>(v: Vector, n: u32) -> T {
    T::from_bits(u128::from(v) >> (128 - T::BITS * (n + 1)))
}

/// A vector that is zero but for element `n`.
#[inline]
pub(super) fn placed<T: Lane>(value: T, n: u32) -> u128 {
    value.bits() << (128 - T::BITS * (n + 1))
}
