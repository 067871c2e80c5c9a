//! A set of guest pages: one bit each.

use std::ops::Range;

/// A set of pages out of a RAM of a fixed size.
#[derive(Clone, PartialEq, Eq)]
pub struct PageSet {
    words: Vec<u64>,
    /// Pages that could be in it.
    size: u64,
    /// Pages that are in it.
    count: u64,
}

impl std::fmt::Debug for PageSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.runs()).finish()
    }
}

impl PageSet {
    /// No pages, out of `size`.
    pub fn empty(size: u64) -> Self {
        Self {
            words: vec![0; size.div_ceil(64) as usize],
            size,
            count: 0,
        }
    }

    /// All of `size` pages.
    pub fn full(size: u64) -> Self {
        let mut set = Self::empty(size);
        set.insert_range(0..size);
        set
    }

    /// How many pages could be in it.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many pages are in it.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// True if no page is in it.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// True if `page` is in it.
    pub fn contains(&self, page: u64) -> bool {
        page < self.size && self.words[(page / 64) as usize] >> (page % 64) & 1 != 0
    }

    /// Adds a page; one beyond the RAM's end is left out.
    pub fn insert(&mut self, page: u64) {
        if page < self.size {
            self.insert_word(page / 64, 1 << (page % 64));
        }
    }

    /// Adds the pages of a bitmap's word: bit `n` stands for page `64 * index + n`. Bits beyond
    /// the RAM's end are left out.
    pub fn insert_word(&mut self, index: u64, bits: u64) {
        if let Some(word) = self.words.get_mut(index as usize) {
            let new = bits & mask(self.size, index) & !*word;
            *word |= new;
            self.count += u64::from(new.count_ones());
        }
    }

    /// Adds the pages of `range`, as far as they are in the RAM.
    pub fn insert_range(&mut self, range: Range<u64>) {
        self.each_word(range, Self::insert_word);
    }

    /// Takes the pages of `range` out.
    pub fn remove_range(&mut self, range: Range<u64>) {
        self.each_word(range, |set, index, bits| {
            if let Some(word) = set.words.get_mut(index as usize) {
                set.count -= u64::from((*word & bits).count_ones());
                *word &= !bits;
            }
        });
    }

    /// Calls `change` for each word of the bitmap that `range` touches, with its bits.
    fn each_word(&mut self, range: Range<u64>, change: impl Fn(&mut Self, u64, u64)) {
        let end = range.end.min(self.size);
        let mut page = range.start;
        while page < end {
            let index = page / 64;
            let bits = mask(end, index) & u64::MAX << (page % 64);
            change(self, index, bits);
            page = (index + 1) * 64;
        }
    }

    /// Adds all pages of another set.
    pub fn union(&mut self, other: &Self) {
        for (index, &bits) in other.words.iter().enumerate() {
            if bits != 0 {
                self.insert_word(index as u64, bits);
            }
        }
    }

    /// Takes all pages out.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.count = 0;
    }

    /// The first run of neighbouring pages at or after `from`.
    pub fn next_run(&self, from: u64) -> Option<Range<u64>> {
        let first = self.find(from, |word| word)?;
        let end = self.find(first, |word| !word).unwrap_or(self.size);
        Some(first..end)
    }

    /// The first page at or after `from` whose bit is set in what `view` makes of its word.
    fn find(&self, from: u64, view: impl Fn(u64) -> u64) -> Option<u64> {
        let mut keep = u64::MAX << (from % 64);
        for index in from / 64..self.words.len() as u64 {
            let bits = view(self.words[index as usize]) & keep & mask(self.size, index);
            if bits != 0 {
                return Some(index * 64 + u64::from(bits.trailing_zeros()));
            }
            keep = u64::MAX;
        }
        None
    }

    /// All runs of neighbouring pages, in order.
    pub fn runs(&self) -> Runs<'_> {
        Runs { set: self, from: 0 }
    }
}

/// The bits of word `index` which stand for pages before `end`.
fn mask(end: u64, index: u64) -> u64 {
    match end.saturating_sub(index * 64) {
        64.. => u64::MAX,
        bits => (1 << bits) - 1,
    }
}

/// The runs of a [`PageSet`].
#[derive(Debug)]
pub struct Runs<'a> {
    set: &'a PageSet,
    from: u64,
}

impl Iterator for Runs<'_> {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        let run = self.set.next_run(self.from)?;
        self.from = run.end;
        Some(run)
    }
}
