//! Makes the payloads of RAM sections.

use std::io;

use super::pages::PageSet;
use super::record::{
    Kind, MAX_DATA_PAGES, MAX_PAYLOAD_BYTES, PAGE_BYTES, PageCounts, RECORD_BYTES, Record,
};

/// Whether and how hard pages are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Pages go as they are.
    #[default]
    None,
    /// zstd at a level, as its command line has them (1 to 19; negative ones are faster still).
    Zstd {
        /// The level.
        level: i32,
    },
}

/// The most pages that one payload takes, so that the caller may look up between long runs of
/// zero pages: 64 MiB.
const MAX_PAGES: u64 = 16 << 10;

/// Less room than this is not worth another compressed record.
const WORTH_BYTES: usize = 32 << 10;

static ZERO_PAGE: [u8; PAGE_BYTES] = [0; PAGE_BYTES];

/// Reads pages into payloads. Holds no page beyond the payload that it made last.
pub struct Encoder {
    payload: Box<[u8]>,
    used: usize,
    /// The record that still takes pages.
    open: Option<Open>,
    counts: PageCounts,
    packer: Option<Packer>,
}

/// A record whose head is not written yet.
struct Open {
    /// Where it begins in the payload.
    at: usize,
    first: u64,
    count: u32,
    zero: bool,
}

/// What compression needs.
struct Packer {
    compressor: zstd::bulk::Compressor<'static>,
    packed: Vec<u8>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("used", &self.used)
            .field("compresses", &self.packer.is_some())
            .finish_non_exhaustive()
    }
}

impl Encoder {
    /// An encoder with its buffers.
    ///
    /// # Errors
    /// What zstd says of missing memory.
    pub fn new(compression: Compression) -> io::Result<Self> {
        let packer = match compression {
            Compression::None => None,
            Compression::Zstd { level } => Some(Packer {
                compressor: zstd::bulk::Compressor::new(level)?,
                packed: Vec::with_capacity(zstd::zstd_safe::compress_bound(
                    MAX_DATA_PAGES * PAGE_BYTES,
                )),
            }),
        };
        Ok(Self {
            payload: vec![0; MAX_PAYLOAD_BYTES].into_boxed_slice(),
            used: 0,
            open: None,
            counts: PageCounts::default(),
            packer,
        })
    }

    /// Makes the next payload: pages of `pages` from page number `from` on, in order, as many as
    /// fit. `read` copies guest memory at an address into a slice of one page; the guest may go
    /// on writing there meanwhile.
    ///
    /// Returns which page to go on from, or `None` if all are done, and what the payload holds;
    /// it is empty only if no page was left.
    ///
    /// # Errors
    /// What zstd says of missing memory.
    pub fn fill(
        &mut self,
        pages: &PageSet,
        from: u64,
        mut read: impl FnMut(u64, &mut [u8]),
    ) -> io::Result<(Option<u64>, PageCounts)> {
        self.used = 0;
        self.open = None;
        self.counts = PageCounts::default();
        let mut taken = 0;
        let mut next = from;
        while let Some(run) = pages.next_run(next) {
            for page in run.clone() {
                if taken == MAX_PAGES || !self.has_room()? {
                    self.close()?;
                    return Ok((Some(page), self.counts));
                }
                self.page(page, &mut read)?;
                taken += 1;
            }
            next = run.end;
        }
        self.close()?;
        Ok((None, self.counts))
    }

    /// The payload made last.
    pub fn payload(&self) -> &[u8] {
        &self.payload[..self.used]
    }

    /// Whether a page fits, whatever it holds. Compression makes room where it can.
    fn has_room(&mut self) -> io::Result<bool> {
        if self.payload.len() - self.used >= RECORD_BYTES + PAGE_BYTES {
            return Ok(true);
        }
        if self.packer.is_none() {
            return Ok(false);
        }
        self.close()?;
        Ok(self.payload.len() - self.used >= WORTH_BYTES)
    }

    /// Appends one page, for which there is room.
    fn page(&mut self, page: u64, read: &mut impl FnMut(u64, &mut [u8])) -> io::Result<()> {
        // The page is read to where it stays if it holds data.
        let goes_on =
            |open: &&mut Open| open.first + u64::from(open.count) == page && open.count < u32::MAX;
        let raw = (self.open.as_mut().filter(goes_on)).is_some_and(|open| !open.zero);
        let data = if raw {
            self.used
        } else {
            self.used + RECORD_BYTES
        };
        let bytes = &mut self.payload[data..data + PAGE_BYTES];
        read(page * PAGE_BYTES as u64, bytes);
        let zero = bytes == ZERO_PAGE;
        match self.open.as_mut().filter(goes_on) {
            Some(open) if open.zero == zero => open.count += 1,
            _ => {
                self.close()?;
                let at = self.used;
                let begin = at + RECORD_BYTES;
                if !zero && begin != data {
                    // Compression has made what is before shorter.
                    self.payload.copy_within(data..data + PAGE_BYTES, begin);
                }
                self.used = begin;
                self.open = Some(Open {
                    at,
                    first: page,
                    count: 1,
                    zero,
                });
            }
        }
        if !zero {
            self.used += PAGE_BYTES;
        }
        Ok(())
    }

    /// Writes the open record's head, after compressing its pages where that pays.
    fn close(&mut self) -> io::Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let data = open.at + RECORD_BYTES;
        let pages = u64::from(open.count);
        let kind = if open.zero {
            self.counts.zero += pages;
            Kind::Zero
        } else if let Some(packed) = self.pack(data)? {
            self.used = data + packed;
            self.counts.compressed += pages;
            Kind::Zstd
        } else {
            self.counts.raw += pages;
            Kind::Raw
        };
        let record = Record {
            first: open.first,
            count: open.count,
            kind,
            length: self.used - data,
        };
        self.payload[open.at..data].copy_from_slice(&record.bytes());
        Ok(())
    }

    /// Compresses what lies from `data` on in its place: its new length, or `None` if it stays.
    fn pack(&mut self, data: usize) -> io::Result<Option<usize>> {
        let Some(packer) = &mut self.packer else {
            return Ok(None);
        };
        let pages = &self.payload[data..self.used];
        packer.packed.clear();
        let length = packer
            .compressor
            .compress_to_buffer(pages, &mut packer.packed)?;
        // Less than an eighth saved is not worth the other side's work.
        if length >= pages.len() / 8 * 7 {
            return Ok(None);
        }
        self.payload[data..data + length].copy_from_slice(&packer.packed);
        Ok(Some(length))
    }
}
