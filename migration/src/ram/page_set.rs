//! A set of guest pages, one bit each.
//!
//! It has a fixed number of pages, and what lies beyond is in no set. It is a plain value: marks
//! that vCPUs set meanwhile are the business of [`crate::vm::Ram`].

use std::ops::Range;

const BITS: u64 = u64::BITS as u64;

/// Pages of guest RAM, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageSet {
    words: Vec<u64>,
    pages: u64,
    count: u64,
}

impl PageSet {
    /// An empty set for page numbers below `pages`.
    #[must_use]
    pub fn new(pages: u64) -> Self {
        Self {
            words: vec![0; usize::try_from(pages.div_ceil(BITS)).unwrap_or(0)],
            pages,
            count: 0,
        }
    }

    /// How many page numbers there are.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// How many pages are in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether no page is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether this page is in it.
    #[must_use]
    pub fn contains(&self, page: u64) -> bool {
        page < self.pages && self.words[(page / BITS) as usize] >> (page % BITS) & 1 != 0
    }

    /// Adds a page; nothing if there is no such page.
    pub fn insert(&mut self, page: u64) {
        if page < self.pages {
            self.insert_word((page / BITS) as usize, 1 << (page % BITS));
        }
    }

    /// Adds a range of pages, as far as there are.
    pub fn insert_range(&mut self, pages: Range<u64>) {
        let end = pages.end.min(self.pages);
        let mut page = pages.start;
        while page < end {
            let last = (page / BITS * BITS + BITS).min(end);
            let ones = u64::MAX >> (BITS - (last - page));
            self.insert_word((page / BITS) as usize, ones << (page % BITS));
            page = last;
        }
    }

    /// Adds the pages whose bits are set in `bits`: bit 0 is page `64 * index`. Bits beyond the
    /// last page are ignored.
    pub fn insert_word(&mut self, index: usize, bits: u64) {
        let beyond = (index as u64 * BITS + BITS).saturating_sub(self.pages);
        let Some(word) = self.words.get_mut(index) else {
            return;
        };
        let bits = bits & u64::MAX.checked_shr(beyond as u32).unwrap_or(0);
        self.count += u64::from((bits & !*word).count_ones());
        *word |= bits;
    }

    /// Takes all pages out.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.count = 0;
    }

    /// The first run of neighbouring pages in the set at or after `from`.
    #[must_use]
    pub fn next_run(&self, from: u64) -> Option<Range<u64>> {
        let start = self.next_with(from, |word| word)?;
        let end = self.next_with(start, |word| !word).unwrap_or(self.pages);
        Some(start..end.min(self.pages))
    }

    /// All runs of neighbouring pages, in order of address.
    pub fn runs(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut from = 0;
        std::iter::from_fn(move || {
            let run = self.next_run(from)?;
            from = run.end;
            Some(run)
        })
    }

    /// The first page at or after `from` whose bit is set in what `look` makes of its word.
    fn next_with(&self, from: u64, look: impl Fn(u64) -> u64) -> Option<u64> {
        if from >= self.pages {
            return None;
        }
        let mut index = (from / BITS) as usize;
        let mut word = look(self.words[index]) & (u64::MAX << (from % BITS));
        while word == 0 {
            index += 1;
            word = look(*self.words.get(index)?);
        }
        Some(index as u64 * BITS + u64::from(word.trailing_zeros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_the_neighbours_and_the_count_is_theirs() {
        let mut set = PageSet::new(200);
        set.insert(3);
        set.insert_range(60..130);
        set.insert_range(198..500);
        set.insert(100);
        set.insert(1000);
        assert_eq!(set.runs().collect::<Vec<_>>(), [3..4, 60..130, 198..200]);
        assert_eq!(set.len(), 1 + 70 + 2);
        assert!(set.contains(129) && !set.contains(130) && !set.contains(200));
        assert_eq!(set.next_run(64), Some(64..130));
        set.clear();
        assert!(set.is_empty() && set.next_run(0).is_none());
    }

    #[test]
    fn bits_beyond_the_last_page_are_no_pages() {
        let mut set = PageSet::new(66);
        set.insert_word(1, u64::MAX);
        set.insert_word(2, u64::MAX);
        assert_eq!(set.next_run(0), Some(64..66));
        assert_eq!(set.len(), 2);
        assert_eq!(PageSet::new(0).next_run(0), None);
    }
}
