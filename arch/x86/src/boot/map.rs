//! The map of physical memory that a booted kernel is given.
//!
//! As firmware would say it ("E820"). Not here: its form, which each boot protocol has its own of.

use crate::memory::Layout;

/// End of memory below 640 KiB that is free for use; from there to 1 MiB is firmware's and the
/// display's on every PC.
pub const BASE_END: u64 = 0x9_fc00;

/// Where memory goes on.
pub const ABOVE_1M: u64 = 0x10_0000;

/// What a range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RAM, type 1.
    Usable,
    /// Not to be used, type 2.
    Reserved,
}

impl Kind {
    /// The number in E820 and Multiboot maps.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Usable => 1,
            Self::Reserved => 2,
        }
    }
}

/// A range of physical addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// What it is.
    pub kind: Kind,
}

/// All that there is, in ascending order.
#[must_use]
pub fn ranges(layout: Layout) -> Vec<Range> {
    let range = |start, end, kind| Range { start, end, kind };
    let mut ranges = vec![
        range(0, BASE_END, Kind::Usable),
        range(BASE_END, ABOVE_1M, Kind::Reserved),
    ];
    for stretch in layout.stretches() {
        let start = stretch.address.max(ABOVE_1M);
        let end = stretch.address + stretch.bytes;
        if start < end {
            ranges.push(range(start, end, Kind::Usable));
        }
    }
    // APICs and what KVM keeps below 4 GiB.
    ranges.push(range(0xfec0_0000, 1 << 32, Kind::Reserved));
    ranges.sort_by_key(|range| range.start);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::LOW_END;

    #[test]
    fn ranges_do_not_overlap_and_leave_the_hole() {
        let ranges = ranges(Layout::new(LOW_END + (1 << 30)));
        for pair in ranges.windows(2) {
            assert!(pair[0].end <= pair[1].start, "{pair:?}");
        }
        let usable: u64 = ranges
            .iter()
            .filter(|range| range.kind == Kind::Usable)
            .map(|range| range.end - range.start)
            .sum();
        assert_eq!(usable, (4 << 30) - (ABOVE_1M - BASE_END));
        assert!(!ranges.iter().any(|range| range.kind == Kind::Usable
            && range.start < 4 << 30
            && range.end > LOW_END));
    }
}
