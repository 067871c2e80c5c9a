//! Vector support instructions that move elements: merge, pack, unpack, permute.

use super::{ElementSize, Vector};

/// VMRH, VMRL: elements of both operands in turn, from the first half of each or from the second.
pub fn merge(a: Vector, b: Vector, size: ElementSize, low: bool) -> Vector {
    let first = if low { size.count() / 2 } else { 0 };
    Vector::from_elements(size, |n| {
        let from = if n % 2 == 0 { a } else { b };
        from.get(size, first + n / 2)
    })
}

/// What packing does with an element that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Its leftmost bits are lost.
    Wrap,
    /// It is the greatest or the least signed number.
    Signed,
    /// It is the greatest unsigned number.
    Unsigned,
}

/// VPK, VPKS, VPKLS: the elements of both operands in half of their size, and how many of them
/// did not fit. Bytes stay bytes.
pub fn pack(a: Vector, b: Vector, size: ElementSize, overflow: Overflow) -> (Vector, u32) {
    let to = size.half().unwrap_or(size);
    let mut saturated = 0;
    let v = Vector::from_elements(to, |n| {
        let (from, n) = if n < size.count() {
            (a, n)
        } else {
            (b, n - size.count())
        };
        let (value, signed) = (from.get(size, n), from.get_signed(size, n));
        let greatest = (to.mask() >> 1) as i128;
        let (limited, fits) = match overflow {
            Overflow::Wrap => (value, true),
            Overflow::Signed => {
                let limited = signed.clamp(-greatest - 1, greatest);
                (limited as u128, limited == signed)
            }
            Overflow::Unsigned => (value.min(to.mask()), value <= to.mask()),
        };
        saturated += u32::from(!fits);
        limited
    });
    (v, saturated)
}

/// VUPH, VUPL, VUPLH, VUPLL: the elements of one half in twice their size.
pub fn unpack(a: Vector, size: ElementSize, low: bool, signed: bool) -> Vector {
    let to = size.double().unwrap_or(size);
    let first = if low { to.count() } else { 0 };
    Vector::from_elements(to, |n| {
        if signed {
            a.get_signed(size, first + n) as u128
        } else {
            a.get(size, first + n)
        }
    })
}

/// VPERM: the bytes of both operands, one after the other, that the selectors' last five bits
/// name.
pub fn permute(a: Vector, b: Vector, selectors: Vector) -> Vector {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&a.to_bytes());
    bytes[16..].copy_from_slice(&b.to_bytes());
    Vector::from_bytes(selectors.to_bytes().map(|n| bytes[usize::from(n & 31)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ElementSize::{Byte, Doubleword, Halfword, Word};

    const A: Vector = Vector {
        left: 0x0001_0203_0405_0607,
        right: 0x0809_0a0b_0c0d_0e0f,
    };
    const B: Vector = Vector {
        left: 0x1011_1213_1415_1617,
        right: 0x1819_1a1b_1c1d_1e1f,
    };

    fn v(left: u64, right: u64) -> Vector {
        Vector { left, right }
    }

    #[test]
    fn merging_takes_turns() {
        let high = merge(A, B, Byte, false);
        assert_eq!(high, v(0x0010_0111_0212_0313, 0x0414_0515_0616_0717));
        let low = merge(A, B, Word, true);
        assert_eq!(low, v(0x0809_0a0b_1819_1a1b, 0x0c0d_0e0f_1c1d_1e1f));
        assert_eq!(merge(A, B, Doubleword, true), v(A.right, B.right));
    }

    #[test]
    fn packing_wraps_or_saturates() {
        let (packed, count) = pack(A, B, Halfword, Overflow::Wrap);
        let expected = v(0x0103_0507_090b_0d0f, 0x1113_1517_191b_1d1f);
        assert_eq!((packed, count), (expected, 0));
        let a = v(0x7fff_ffff_0000_007f, 0xffff_ff80_0000_8000);
        let (packed, count) = pack(a, a, Word, Overflow::Signed);
        let half = 0x7fff_007f_ff80_7fff;
        assert_eq!((packed, count), (v(half, half), 4));
        let (packed, count) = pack(a, a, Word, Overflow::Unsigned);
        let half = 0xffff_007f_ffff_8000;
        assert_eq!((packed, count), (v(half, half), 4));
        let least = v(1 << 63, i64::MAX as u64);
        let (packed, count) = pack(least, A, Doubleword, Overflow::Signed);
        assert_eq!(
            (packed, count),
            (v(0x8000_0000_7fff_ffff, 0x7fff_ffff_7fff_ffff), 4)
        );
    }

    #[test]
    fn unpacking_extends() {
        let a = v(0x80ff_7f00_0000_0000, 0x0000_0000_8001_8000);
        let high = unpack(a, Byte, false, true);
        assert_eq!(high, v(0xff80_ffff_007f_0000, 0));
        let low = unpack(a, Halfword, true, false);
        assert_eq!(low, v(0, 0x0000_8001_0000_8000));
        let low = unpack(a, Word, true, true);
        assert_eq!(low, v(0, 0xffff_ffff_8001_8000));
    }

    #[test]
    fn permuting_names_bytes_of_both() {
        let selectors = v(0x1f00_0f10_e0ff_2001, 0);
        let expected = v(0x1f00_0f10_001f_0001, 0);
        assert_eq!(permute(A, B, selectors), expected);
    }
}
