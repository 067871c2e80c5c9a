//! The three BFP formats and the classes of values in them.

use super::number::Number;

/// A BFP format, as a newtype over its bit pattern.
pub trait Format: Copy + Eq + core::fmt::Debug {
    /// Width in bits.
    const BITS: u32;
    /// Precision in bits, the implied one included.
    const PRECISION: u32;
    /// By how much a trapped overflow or underflow shifts the exponent.
    const SCALE: i32;
    /// By how much LOAD ROUNDED from this format does.
    const LOAD_ROUNDED_SCALE: i32;

    /// Bits of the fraction field.
    const FRACTION_BITS: u32 = Self::PRECISION - 1;
    /// Exponent of the largest numbers (as in 1.f times 2 to the exponent).
    const MAX_EXPONENT: i32 = (1 << (Self::BITS - Self::PRECISION - 1)) - 1;
    /// Exponent of the smallest normal numbers.
    const MIN_EXPONENT: i32 = 1 - Self::MAX_EXPONENT;
    /// The sign bit.
    const SIGN: u128 = 1 << (Self::BITS - 1);
    /// Plus infinity; also the mask of the exponent field.
    const INFINITY: u128 = Self::SIGN - (1 << Self::FRACTION_BITS);
    /// The bit which tells quiet NaNs from signalling ones.
    const QUIET: u128 = 1 << (Self::FRACTION_BITS - 1);
    /// The default NaN: positive, quiet, empty payload.
    const DEFAULT_NAN: u128 = Self::INFINITY | Self::QUIET;
    /// The largest finite number.
    const MAX: u128 = Self::INFINITY - 1;

    /// From the low bits of `bits`.
    fn from_raw(bits: u128) -> Self;
    /// Zero-extended bit pattern.
    fn raw(self) -> u128;

    /// Whether the sign bit is one.
    fn is_negative(self) -> bool {
        self.raw() & Self::SIGN != 0
    }
    /// Whether it is a NaN, quiet or signalling.
    fn is_nan(self) -> bool {
        self.raw() & !Self::SIGN > Self::INFINITY
    }
    /// Whether it is a signalling NaN.
    fn is_signaling(self) -> bool {
        self.is_nan() && self.raw() & Self::QUIET == 0
    }
    /// Whether it is a zero of either sign.
    fn is_zero(self) -> bool {
        self.raw() & !Self::SIGN == 0
    }
    /// A NaN made quiet, its payload kept.
    #[must_use]
    fn quieted(self) -> Self {
        Self::from_raw(self.raw() | Self::QUIET)
    }
    /// A magnitude with a sign.
    #[must_use]
    fn signed(negative: bool, magnitude: u128) -> Self {
        Self::from_raw(magnitude | if negative { Self::SIGN } else { 0 })
    }
}

macro_rules! format {
    ($(#[$doc:meta])* $name:ident($bits:ty), $width:expr, $precision:expr, $scale:expr, $load_rounded_scale:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(transparent)]
        pub struct $name(pub $bits);

        impl Format for $name {
            const BITS: u32 = $width;
            const PRECISION: u32 = $precision;
            const SCALE: i32 = $scale;
            const LOAD_ROUNDED_SCALE: i32 = $load_rounded_scale;

            #[inline]
            fn from_raw(bits: u128) -> Self {
                Self(bits as $bits)
            }
            #[inline]
            fn raw(self) -> u128 {
                u128::from(self.0)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }
    };
}

format!(
    /// Short BFP: 32 bits, precision 24.
    Short(u32), 32, 24, 192, 0
);
format!(
    /// Long BFP: 64 bits, precision 53.
    Long(u64), 64, 53, 1536, 512
);
format!(
    /// Extended BFP: 128 bits, precision 113.
    Extended(u128), 128, 113, 24576, 8192
);

/// What a bit pattern stands for; its sign is in a [`Number`] or [`Format::is_negative`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Class {
    Zero,
    /// Finite and not zero.
    Finite(Number),
    Infinity,
    Nan,
}

/// Takes a bit pattern apart.
#[inline]
pub(super) fn classify<F: Format>(x: F) -> Class {
    let magnitude = x.raw() & !F::SIGN;
    if magnitude >= F::INFINITY {
        return if magnitude == F::INFINITY {
            Class::Infinity
        } else {
            Class::Nan
        };
    }
    let fraction = magnitude & (F::QUIET * 2 - 1);
    let biased = (magnitude >> F::FRACTION_BITS) as i32;
    let (biased, significand) = match biased {
        0 if fraction == 0 => return Class::Zero,
        0 => (1, fraction),
        _ => (biased, fraction | (F::QUIET * 2)),
    };
    let exponent = biased - 1 + F::MIN_EXPONENT - F::FRACTION_BITS as i32;
    Class::Finite(Number {
        negative: x.is_negative(),
        exponent,
        significand,
    })
}
