//! Finite numbers with an unbounded exponent, and exact arithmetic on them.
//!
//! A result with too many digits is cut, and its lowest bit made sticky: one if anything that was
//! cut off was not zero. At least two digits more than the format's precision are kept, so that
//! rounding sees the same neighbours, halves and inexactness as with all digits.

use super::format::Format;
use super::fpc::RoundingMode;

/// `(-1)^negative * significand * 2^exponent`. The significand is not zero except where stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) negative: bool,
    pub(super) exponent: i32,
    pub(super) significand: u128,
}

/// How a value relates to what it was rounded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rounding {
    Exact,
    /// Smaller in magnitude.
    Truncated,
    /// Larger in magnitude.
    Incremented,
}

/// Divides `significand` by 2 to the `drop` and rounds to an integer. `drop` may be negative,
/// as long as the result has room.
#[inline]
pub(super) fn cut(
    significand: u128,
    drop: i32,
    negative: bool,
    mode: RoundingMode,
) -> (u128, Rounding) {
    if drop <= 0 {
        return (significand << -drop, Rounding::Exact);
    }
    let (kept, half, rest) = match drop {
        1..=127 => {
            let half = 1u128 << (drop - 1);
            (
                significand >> drop,
                significand & half != 0,
                significand & (half - 1) != 0,
            )
        }
        128 => (0, significand >> 127 != 0, significand << 1 != 0),
        _ => (0, false, significand != 0),
    };
    if !half && !rest {
        return (kept, Rounding::Exact);
    }
    let increment = match mode {
        RoundingMode::NearestEven => half && (rest || kept & 1 != 0),
        RoundingMode::NearestAway => half,
        RoundingMode::TowardZero => false,
        RoundingMode::Up => !negative,
        RoundingMode::Down => negative,
        RoundingMode::ShorterPrecision => kept & 1 == 0,
    };
    if increment {
        (kept + 1, Rounding::Incremented)
    } else {
        (kept, Rounding::Truncated)
    }
}

impl Number {
    /// Position of the leading digit: the value lies in `[2^lead, 2^(lead+1))`.
    #[inline]
    pub(super) fn lead(self) -> i32 {
        self.exponent + 127 - self.significand.leading_zeros() as i32
    }

    /// The same value with its leading digit in bit `bit` of the significand, which must not
    /// be below where it is.
    #[inline]
    fn lead_at(self, bit: u32) -> Self {
        let shift = self.significand.leading_zeros() - (127 - bit);
        Self {
            significand: self.significand << shift,
            exponent: self.exponent - shift as i32,
            ..self
        }
    }

    /// The opposite number.
    #[inline]
    pub(super) fn negated(self) -> Self {
        Self {
            negative: !self.negative,
            ..self
        }
    }

    /// `self + other`; `None` is an exact zero. Neither may have more than 127 digits.
    #[inline]
    pub(super) fn sum(self, other: Self) -> Option<Self> {
        let (a, b) = (self.lead_at(126), other.lead_at(126));
        let (big, small) = if (a.exponent, a.significand) >= (b.exponent, b.significand) {
            (a, b)
        } else {
            (b, a)
        };
        let aligned = shift_right_sticky(small.significand, (big.exponent - small.exponent) as u32);
        let significand = if big.negative == small.negative {
            big.significand + aligned
        } else {
            big.significand - aligned
        };
        (significand != 0).then_some(Self { significand, ..big })
    }

    /// `self * other`.
    #[inline]
    pub(super) fn product(self, other: Self) -> Self {
        let negative = self.negative != other.negative;
        if (self.significand | other.significand) >> 64 == 0 {
            let significand = self.significand * other.significand;
            return Self {
                negative,
                exponent: self.exponent + other.exponent,
                significand,
            };
        }
        let (wide, exponent) = self.wide_product(other);
        Self {
            negative,
            exponent: exponent + 128,
            significand: wide.high_sticky(),
        }
    }

    /// All digits of the product's magnitude, the leading one in bit 255 or 254, and their
    /// exponent.
    fn wide_product(self, other: Self) -> (Wide, i32) {
        let (a, b) = (self.lead_at(127), other.lead_at(127));
        (
            Wide::product(a.significand, b.significand),
            a.exponent + b.exponent,
        )
    }

    /// `self * factor + addend` with one rounding at most; `None` is an exact zero. All
    /// operands have at most 113 digits.
    pub(super) fn fused(self, factor: Self, addend: Self) -> Option<Self> {
        let (product, exponent) = self.wide_product(factor);
        // At least 30 zeros end the product, so that this loses nothing and makes room.
        let mut a = (
            self.negative != factor.negative,
            product.shift_right_sticky(2),
            exponent + 2,
        );
        let c = addend.lead_at(125);
        let mut b = (
            c.negative,
            Wide {
                high: c.significand,
                low: 0,
            },
            c.exponent - 128,
        );
        // Both leads are in bits 252 and 253. `a` becomes the one with the larger exponent, so that
        // only a `b` which is much smaller loses digits.
        if a.2 < b.2 {
            core::mem::swap(&mut a, &mut b);
        }
        let aligned = b.1.shift_right_sticky((a.2 - b.2) as u32);
        let (negative, sum) = match (a.0 == b.0, a.1 >= aligned) {
            (true, _) => (a.0, a.1.plus(aligned)),
            (false, true) => (a.0, a.1.minus(aligned)),
            (false, false) => (b.0, aligned.minus(a.1)),
        };
        let shift = sum.leading_zeros();
        (shift < 256).then(|| Self {
            negative,
            exponent: a.2 - shift as i32 + 128,
            significand: sum.shift_left(shift).high_sticky(),
        })
    }

    /// `self / divisor` of two numbers unpacked from `F`, with at least two digits more than `F`.
    pub(super) fn quotient<F: Format>(self, divisor: Self) -> Self {
        let negative = self.negative != divisor.negative;
        if F::PRECISION < 62 {
            let a = self.lead_at(127);
            let (q, r) = (
                a.significand / divisor.significand,
                a.significand % divisor.significand,
            );
            return Self {
                negative,
                exponent: a.exponent - divisor.exponent,
                significand: q | u128::from(r != 0),
            };
        }
        let (mut a, b) = (self.lead_at(112), divisor.lead_at(112));
        if a.significand < b.significand {
            a.significand <<= 1;
            a.exponent -= 1;
        }
        const FRACTION: u32 = 116;
        let (mut quotient, mut rest) = (0u128, a.significand);
        for _ in 0..=FRACTION {
            quotient <<= 1;
            if rest >= b.significand {
                rest -= b.significand;
                quotient |= 1;
            }
            rest <<= 1;
        }
        Self {
            negative,
            exponent: a.exponent - b.exponent - FRACTION as i32,
            significand: quotient | u128::from(rest != 0),
        }
    }

    /// The square root of a positive number unpacked from `F`, with at least two digits more
    /// than `F`.
    pub(super) fn root<F: Format>(self) -> Self {
        let mut x = self.lead_at(127);
        if x.exponent & 1 != 0 {
            x.significand >>= 1; // the last 15 bits are zero
            x.exponent += 1;
        }
        if F::PRECISION < 62 {
            let root = x.significand.isqrt();
            let inexact = root * root != x.significand;
            // a sticky bit needs a place below the root's 64 digits
            return Self {
                negative: false,
                exponent: x.exponent / 2 - 1,
                significand: root << 1 | u128::from(inexact),
            };
        }
        // Digit by digit: each step brings down two digits of the radicand, its lead in 127 or
        // 126, and finds one digit of the root.
        const DIGITS: u32 = 116;
        let (mut root, mut rest, mut digits) = (0u128, 0u128, x.significand);
        for _ in 0..DIGITS {
            rest = rest << 2 | digits >> 126;
            digits <<= 2;
            let trial = root << 2 | 1;
            root <<= 1;
            if rest >= trial {
                rest -= trial;
                root |= 1;
            }
        }
        // 64 steps use up the 128 digits, the others add zeros
        Self {
            negative: false,
            exponent: x.exponent / 2 - (DIGITS as i32 - 64),
            significand: root | u128::from(rest != 0),
        }
    }
}

#[inline]
fn shift_right_sticky(x: u128, by: u32) -> u128 {
    match by {
        0 => x,
        1..=127 => x >> by | u128::from(x << (128 - by) != 0),
        _ => u128::from(x != 0),
    }
}

/// A 256-bit unsigned integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Wide {
    high: u128,
    low: u128,
}

impl Wide {
    fn product(a: u128, b: u128) -> Self {
        const LOW: u128 = u64::MAX as u128;
        let (a1, a0, b1, b0) = (a >> 64, a & LOW, b >> 64, b & LOW);
        let middle = a1 * b0 + ((a0 * b0) >> 64);
        let (crossed, carry) = middle.overflowing_add(a0 * b1);
        Self {
            high: a1 * b1 + (crossed >> 64) + (u128::from(carry) << 64),
            low: crossed << 64 | ((a0 * b0) & LOW),
        }
    }

    fn plus(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        Self {
            high: self.high + other.high + u128::from(carry),
            low,
        }
    }

    /// `self - other`, which must not be negative.
    fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Self {
            high: self.high - other.high - u128::from(borrow),
            low,
        }
    }

    fn leading_zeros(self) -> u32 {
        if self.high != 0 {
            self.high.leading_zeros()
        } else {
            128 + self.low.leading_zeros()
        }
    }

    fn shift_left(self, by: u32) -> Self {
        match by {
            0 => self,
            1..=127 => Self {
                high: self.high << by | self.low >> (128 - by),
                low: self.low << by,
            },
            128..=255 => Self {
                high: self.low << (by - 128),
                low: 0,
            },
            _ => Self { high: 0, low: 0 },
        }
    }

    fn shift_right_sticky(self, by: u32) -> Self {
        match by {
            0 => self,
            1..=127 => {
                let lost = self.low << (128 - by) != 0;
                Self {
                    high: self.high >> by,
                    low: self.high << (128 - by) | self.low >> by | u128::from(lost),
                }
            }
            _ => {
                let low = shift_right_sticky(self.high, by - 128) | u128::from(self.low != 0);
                Self { high: 0, low }
            }
        }
    }

    /// The upper half, made sticky for the lower.
    fn high_sticky(self) -> u128 {
        self.high | u128::from(self.low != 0)
    }
}
