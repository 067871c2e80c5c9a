//! The meaning of vector instructions: functions of values alone (Principles of Operation,
//! chapters 21 to 24).
//!
//! Not here: registers, storage and exceptions ([`crate::translate`], [`crate::helpers`]).

mod carryless;
pub mod float;
pub mod integer;
pub mod lane;
pub mod multiply;
pub mod permute;
pub mod shift;
pub mod string;

/// A vector: 128 bits, as a register holds them. Bits and elements are counted from the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Vector {
    /// Bits 0-63; of registers 0 to 15 also the floating-point register.
    pub left: u64,
    /// Bits 64-127.
    pub right: u64,
}

/// The size of elements, as the instructions' ES fields number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ElementSize {
    /// 8 bits.
    Byte = 0,
    /// 16 bits.
    Halfword = 1,
    /// 32 bits.
    Word = 2,
    /// 64 bits.
    Doubleword = 3,
    /// 128 bits.
    Quadword = 4,
}

impl ElementSize {
    /// The sizes from bytes to doublewords, which most instructions know.
    pub const ALL: [Self; 4] = [Self::Byte, Self::Halfword, Self::Word, Self::Doubleword];

    /// The size of that number; `None` if there is none (5 to 15).
    pub const fn new(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Byte,
            1 => Self::Halfword,
            2 => Self::Word,
            3 => Self::Doubleword,
            4 => Self::Quadword,
            _ => return None,
        })
    }

    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        1 << self as u32
    }

    /// Bits of an element.
    pub const fn bits(self) -> u32 {
        8 << self as u32
    }

    /// How many elements a vector has.
    pub const fn count(self) -> usize {
        16 >> self as u32
    }

    /// Ones in all bits of an element that stands at the right end.
    pub const fn mask(self) -> u128 {
        u128::MAX >> (128 - self.bits())
    }

    /// The size half as large; bytes have none.
    pub const fn half(self) -> Option<Self> {
        match self as u8 {
            0 => None,
            n => Self::new(n - 1),
        }
    }

    /// The size twice as large; quadwords have none.
    pub const fn double(self) -> Option<Self> {
        Self::new(self as u8 + 1)
    }
}

impl From<u128> for Vector {
    fn from(bits: u128) -> Self {
        Self {
            left: (bits >> 64) as u64,
            right: bits as u64,
        }
    }
}

impl From<Vector> for u128 {
    fn from(v: Vector) -> Self {
        v.bits()
    }
}

impl Vector {
    /// All bits zero.
    pub const ZERO: Self = Self { left: 0, right: 0 };

    /// The whole as a number: bit 0 is the most significant.
    pub const fn bits(self) -> u128 {
        (self.left as u128) << 64 | self.right as u128
    }

    /// The bytes, as storage has them.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.bits().to_be_bytes()
    }

    /// From bytes as storage has them.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        u128::from_be_bytes(bytes).into()
    }

    /// The element of that index, the leftmost being 0, at the right end of a number. An index
    /// beyond the last one wraps.
    pub const fn get(self, size: ElementSize, index: usize) -> u128 {
        self.bits() >> Self::shift(size, index) & size.mask()
    }

    /// The element as a signed number.
    pub const fn get_signed(self, size: ElementSize, index: usize) -> i128 {
        let unused = 128 - size.bits();
        ((self.get(size, index) << unused) as i128) >> unused
    }

    /// Sets an element to the rightmost bits of `value`. An index beyond the last one wraps.
    pub fn set(&mut self, size: ElementSize, index: usize, value: u128) {
        let shift = Self::shift(size, index);
        *self = (self.bits() & !(size.mask() << shift) | (value & size.mask()) << shift).into();
    }

    /// A vector whose elements `element` gives, from the leftmost.
    pub fn from_elements(size: ElementSize, mut element: impl FnMut(usize) -> u128) -> Self {
        let mut bits = 0;
        for index in 0..size.count() {
            bits |= (element(index) & size.mask()) << Self::shift(size, index);
        }
        bits.into()
    }

    /// The elements from the leftmost.
    pub fn elements(self, size: ElementSize) -> impl DoubleEndedIterator<Item = u128> {
        (0..size.count()).map(move |index| self.get(size, index))
    }

    const fn shift(size: ElementSize, index: usize) -> u32 {
        128 - size.bits() * (index % size.count() + 1) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V: Vector = Vector {
        left: 0x0011_2233_4455_6677,
        right: 0x8899_aabb_ccdd_eeff,
    };

    #[test]
    fn elements_are_counted_from_the_left() {
        assert_eq!(V.get(ElementSize::Byte, 1), 0x11);
        assert_eq!(V.get(ElementSize::Byte, 15), 0xff);
        assert_eq!(V.get(ElementSize::Halfword, 4), 0x8899);
        assert_eq!(V.get(ElementSize::Word, 0), 0x0011_2233);
        assert_eq!(V.get(ElementSize::Doubleword, 1), V.right.into());
        assert_eq!(V.get(ElementSize::Quadword, 0), V.bits());
        assert_eq!(V.get_signed(ElementSize::Byte, 15), -1);
        assert_eq!(V.to_bytes()[9], 0x99);
        assert_eq!(Vector::from_bytes(V.to_bytes()), V);
    }

    #[test]
    fn what_is_set_is_got() {
        for size in ElementSize::ALL {
            for index in 0..size.count() {
                let mut v = V;
                v.set(size, index, 0x0123_4567_89ab_cdef);
                let model = Vector::from_elements(size, |n| match n == index {
                    true => 0x0123_4567_89ab_cdef,
                    false => V.get(size, n),
                });
                assert_eq!(v, model, "{size:?} {index}");
                assert_eq!(v.get(size, index), 0x0123_4567_89ab_cdef & size.mask());
            }
            let again: Vec<u128> = V.elements(size).collect();
            assert_eq!(Vector::from_elements(size, |n| again[n]), V);
        }
    }
}
