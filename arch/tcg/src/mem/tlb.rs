//! The softmmu's TLB: a vCPU's own, direct-mapped, tagged by address space.
//!
//! A tag is the page's address with a number in its low 12 bits. The number stands for an
//! address space since the last flush: a flush hands out new numbers instead of clearing
//! entries. The fast path is one comparison: the address of the access's *last* byte, page part,
//! against the entry of its *first* byte, so that what crosses a page misses.
//!
//! A write tag says that the page is marked dirty already (or marks are off). Code is not its
//! matter: that is looked up after each store ([`super::code_lines`]).

use crate::guest::{Access, Protection};
use crate::ir::MemMode;

use super::PAGE_SIZE;

/// Entries; a power of two.
pub(crate) const ENTRIES: usize = 1024;

/// Address-space numbers are below this; it is the mask of the low 12 bits of a tag.
const NUMBERS: u64 = PAGE_SIZE - 1;

/// The page part of an address.
pub(crate) const PAGE_MASK: u64 = !(PAGE_SIZE - 1);

/// A tag that no access has: no number is this large.
const NEVER: u64 = NUMBERS;

/// Address spaces that the architecture can name.
const SPACES: usize = 1 << 11;

/// Address-space indexes that a mode can hold.
pub(crate) const MODES: usize = 32;

/// One translated page.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct Entry {
    pub(crate) read: u64,
    pub(crate) write: u64,
    /// Host address = guest address + this, wrapping.
    pub(crate) addend: u64,
    /// Address of the page's word of code lines ([`super::code_lines`]).
    pub(crate) lines: u64,
}

/// One translated page of code.
#[derive(Debug, Clone, Copy)]
struct Code {
    tag: u64,
    addend: u64,
}

const EMPTY: Entry = Entry {
    read: NEVER,
    write: NEVER,
    addend: 0,
    lines: 0,
};

const NO_CODE: Code = Code {
    tag: NEVER,
    addend: 0,
};

/// A vCPU's TLB.
#[repr(C)]
pub(crate) struct Tlb {
    /// The number of each mode's address space now; 0 where it must be asked for.
    pub(crate) tags: [u64; MODES],
    /// In place, so that native code finds an entry at a fixed offset.
    pub(crate) entries: [Entry; ENTRIES],
    /// Where instructions are; apart, so that they do not take the place of data.
    code: Box<[Code; ENTRIES]>,
    /// The number of each address space, with the flush count in which it was given.
    numbers: Box<[(u32, u32); SPACES]>,
    flushes: u32,
    next: u64,
}

impl Tlb {
    pub(crate) fn new() -> Self {
        Self {
            tags: [0; MODES],
            entries: [EMPTY; ENTRIES],
            code: Box::new([NO_CODE; ENTRIES]),
            numbers: Box::new([(0, 0); SPACES]),
            flushes: 1,
            next: 1,
        }
    }

    /// The slot of an address's page.
    #[inline]
    pub(crate) fn slot(address: u64) -> usize {
        (address / PAGE_SIZE) as usize % ENTRIES
    }

    /// The host address of an access that the TLB allows: `size` bytes in one page.
    #[inline]
    pub(crate) fn hit(
        &self,
        access: Access,
        mode: MemMode,
        address: u64,
        size: u64,
    ) -> Option<u64> {
        let slot = Self::slot(address);
        let entry = &self.entries[slot];
        let wanted = (address.wrapping_add(size - 1) & PAGE_MASK) | self.tags[usize::from(mode.0)];
        let (tag, addend) = match access {
            Access::Read => (entry.read, entry.addend),
            Access::Write => (entry.write, entry.addend),
            Access::Execute => (self.code[slot].tag, self.code[slot].addend),
        };
        (tag == wanted).then(|| address.wrapping_add(addend))
    }

    /// Addend and address of the word of code lines of the page that `size` bytes lie in, if the TLB
    /// allows the access, which is to data.
    pub(crate) fn find(
        &self,
        access: Access,
        mode: MemMode,
        address: u64,
        size: u64,
    ) -> Option<(u64, u64)> {
        self.hit(access, mode, address, size)?;
        let entry = &self.entries[Self::slot(address)];
        Some((entry.addend, entry.lines))
    }

    /// The mode's tag, if it need not be asked for.
    #[inline]
    pub(crate) fn tag(&self, mode: MemMode) -> Option<u64> {
        Some(self.tags[usize::from(mode.0)]).filter(|&tag| tag != 0)
    }

    /// The mode means this address space now.
    pub(crate) fn set_space(&mut self, mode: MemMode, space: u16) -> u64 {
        let slot = usize::from(space) % SPACES;
        if self.numbers[slot].0 != self.flushes {
            if self.next == NUMBERS {
                self.clear();
            }
            self.numbers[slot] = (self.flushes, self.next as u32);
            self.next += 1;
        }
        let tag = u64::from(self.numbers[slot].1);
        self.tags[usize::from(mode.0)] = tag;
        tag
    }

    /// Remembers a page under a tag, for what it was asked for: data or instructions. `lines` is
    /// the address of its word of code lines.
    pub(crate) fn insert(
        &mut self,
        address: u64,
        tag: u64,
        access: Access,
        protection: Protection,
        (host, lines): (u64, u64),
    ) {
        let page = address & PAGE_MASK;
        let when = |allowed| if allowed { page | tag } else { NEVER };
        let addend = host.wrapping_sub(page);
        let slot = Self::slot(address);
        if access == Access::Execute {
            self.code[slot] = Code {
                tag: when(protection.execute),
                addend,
            };
        } else {
            self.entries[slot] = Entry {
                read: when(protection.read),
                write: when(protection.write),
                addend,
                lines,
            };
        }
    }

    /// Every mode's address space must be asked for.
    pub(crate) fn forget_tags(&mut self) {
        self.tags = [0; MODES];
    }

    /// A mode's address space must be asked for.
    pub(crate) fn forget_tag(&mut self, mode: MemMode) {
        self.tags[usize::from(mode.0) % MODES] = 0;
    }

    /// Forgets everything.
    pub(crate) fn flush(&mut self) {
        self.forget_tags();
        match self.flushes.checked_add(1) {
            Some(flushes) => self.flushes = flushes,
            None => self.clear(),
        }
    }

    fn clear(&mut self) {
        self.entries.fill(EMPTY);
        self.code.fill(NO_CODE);
        self.numbers.fill((0, 0));
        self.forget_tags();
        self.flushes = 1;
        self.next = 1;
    }

    /// Forgets the pages whose addresses agree with `address` in the bits of `mask`, in all
    /// address spaces.
    pub(crate) fn flush_pages(&mut self, address: u64, mask: u64) {
        let mask = mask & PAGE_MASK;
        let slots = ENTRIES as u64 * PAGE_SIZE - PAGE_SIZE;
        // Every combination of the slot's bits that the mask leaves open.
        let open = slots & !mask;
        let mut choice = 0;
        loop {
            let slot = Self::slot(address & mask | choice);
            let entry = &mut self.entries[slot];
            if [entry.read, entry.write]
                .iter()
                .any(|tag| (tag ^ address) & mask == 0)
            {
                *entry = EMPTY;
            }
            if (self.code[slot].tag ^ address) & mask == 0 {
                self.code[slot] = NO_CODE;
            }
            choice = choice.wrapping_sub(open) & open;
            if choice == 0 {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Protection = Protection {
        read: true,
        write: true,
        execute: true,
    };
    const M0: MemMode = MemMode(0);

    #[test]
    fn spaces_are_apart_and_come_back() {
        let mut tlb = Tlb::new();
        let tag = tlb.set_space(M0, 7);
        tlb.insert(0x5123, tag, Access::Read, ALL, (0x10_0000, 0));
        assert_eq!(tlb.hit(Access::Read, M0, 0x5ff8, 8), Some(0x10_0ff8));
        assert_eq!(tlb.hit(Access::Read, M0, 0x5ff9, 8), None);
        tlb.set_space(M0, 8);
        assert_eq!(tlb.hit(Access::Read, M0, 0x5000, 8), None);
        tlb.forget_tags();
        assert_eq!(tlb.tag(M0), None);
        assert_eq!(tlb.hit(Access::Read, M0, 0x5000, 8), None);
        tlb.set_space(M0, 7);
        assert_eq!(tlb.hit(Access::Write, M0, 0x5000, 8), Some(0x10_0000));
    }

    #[test]
    fn no_old_entry_returns_when_the_numbers_run_out() {
        let mut tlb = Tlb::new();
        let tag = tlb.set_space(M0, 1);
        tlb.insert(0, tag, Access::Read, ALL, (0, 0));
        for _ in 0..10_000 {
            tlb.flush();
            tlb.set_space(M0, 1);
            assert_eq!(tlb.hit(Access::Read, M0, 0, 1), None);
        }
    }

    #[test]
    fn a_page_is_flushed_in_every_space() {
        let mut tlb = Tlb::new();
        let tag = tlb.set_space(M0, 1);
        tlb.insert(0x3000, tag, Access::Read, ALL, (0, 0));
        tlb.set_space(M0, 2);
        tlb.flush_pages(0x3fff, u64::MAX);
        tlb.set_space(M0, 1);
        assert_eq!(tlb.hit(Access::Read, M0, 0x3000, 1), None);
    }
    #[test]
    fn pages_are_flushed_by_a_part_of_their_address() {
        let mut tlb = Tlb::new();
        let tag = tlb.set_space(M0, 1);
        let pages = [0x1_2300_5000, 0x40_5000, 0x30_5000, 0x5000, 0x10_6000];
        for page in pages {
            tlb.insert(page, tag, Access::Read, ALL, (0, 0));
        }
        tlb.flush_pages(0x7700_5000, 0xff000);
        for page in pages {
            let is_other = page & 0xff000 != 0x5000;
            let hit = tlb.hit(Access::Read, M0, page, 1);
            assert_eq!(hit.is_some(), is_other, "{page:#x}");
        }
    }
}
