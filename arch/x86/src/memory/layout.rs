//! Where RAM lies in the guest's physical address space.
//!
//! Guest RAM is one stretch of bytes, from offset 0. A PC has device memory (APICs, firmware)
//! below 4 GiB, so what does not fit below the hole goes on above it. Migration moves RAM by
//! offset; guests, monitors and KVM's slots name physical addresses. Not here: KVM's slots and
//! the map that a booted kernel is given.

use std::ops::Range;

/// End of RAM below the hole.
pub const LOW_END: u64 = 3 << 30;

/// Start of RAM above the hole.
pub const HIGH_START: u64 = 4 << 30;

/// A stretch of RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Guest-physical address.
    pub address: u64,
    /// Offset in [`machine::GuestRam`].
    pub offset: u64,
    /// Bytes, at least 1.
    pub bytes: u64,
}

/// Where RAM of a size lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    ram_bytes: u64,
}

impl Layout {
    /// For so many bytes of RAM.
    #[must_use]
    pub fn new(ram_bytes: u64) -> Self {
        Self { ram_bytes }
    }

    /// RAM in ascending order: one stretch, or two around the hole.
    pub fn stretches(self) -> impl Iterator<Item = Stretch> {
        let low = Stretch {
            address: 0,
            offset: 0,
            bytes: self.ram_bytes.min(LOW_END),
        };
        let high = self.ram_bytes.checked_sub(LOW_END).map(|bytes| Stretch {
            address: HIGH_START,
            offset: LOW_END,
            bytes,
        });
        [Some(low), high]
            .into_iter()
            .flatten()
            .filter(|stretch| stretch.bytes > 0)
    }

    /// The first physical address after all RAM.
    #[must_use]
    pub fn end(self) -> u64 {
        self.stretches()
            .map(|stretch| stretch.address + stretch.bytes)
            .max()
            .unwrap_or(0)
    }

    /// The offset of a physical address, and how many bytes of RAM follow from there without a
    /// hole; `None` where there is no RAM.
    #[must_use]
    pub fn offset(self, address: u64) -> Option<(u64, u64)> {
        self.stretches().find_map(|stretch| {
            let into = address.checked_sub(stretch.address)?;
            let left = stretch.bytes.checked_sub(into).filter(|left| *left > 0)?;
            Some((stretch.offset + into, left))
        })
    }

    /// The offsets of a physical range that is RAM as a whole, in pieces; the first address
    /// where there is none otherwise.
    ///
    /// # Errors
    /// The address.
    pub fn pieces(self, address: u64, length: u64) -> Result<Vec<Range<u64>>, u64> {
        let mut pieces = Vec::new();
        let (mut at, mut left) = (address, length);
        while left > 0 {
            let (offset, there) = self.offset(at).ok_or(at)?;
            let count = left.min(there);
            pieces.push(offset..offset + count);
            left -= count;
            at = at.checked_add(count).ok_or(at)?;
        }
        Ok(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_ram_is_one_stretch_and_a_large_one_leaves_the_hole() {
        let small: Vec<_> = Layout::new(1 << 20).stretches().collect();
        assert_eq!(small.len(), 1);
        assert_eq!((small[0].address, small[0].bytes), (0, 1 << 20));
        assert_eq!(Layout::new(LOW_END).stretches().count(), 1);
        let large = Layout::new(LOW_END + 4096);
        assert_eq!(
            large.stretches().nth(1),
            Some(Stretch {
                address: HIGH_START,
                offset: LOW_END,
                bytes: 4096
            })
        );
        assert_eq!(large.end(), HIGH_START + 4096);
    }

    #[test]
    fn addresses_in_the_hole_and_after_the_end_are_no_ram() {
        let layout = Layout::new(LOW_END + 4096);
        assert_eq!(layout.offset(LOW_END - 1), Some((LOW_END - 1, 1)));
        assert_eq!(layout.offset(LOW_END), None);
        assert_eq!(layout.offset(HIGH_START + 1), Some((LOW_END + 1, 4095)));
        assert_eq!(layout.offset(HIGH_START + 4096), None);
        assert_eq!(layout.pieces(LOW_END - 8, 9), Err(LOW_END));
        assert_eq!(layout.pieces(u64::MAX, 2), Err(u64::MAX));
        let around = layout.pieces(LOW_END - 8, 8).unwrap();
        assert_eq!((around.len(), &around[0]), (1, &(LOW_END - 8..LOW_END)));
    }
}
