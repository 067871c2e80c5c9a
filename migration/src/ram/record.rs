//! What a section of RAM looks like: records, each followed by its data.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | number of the first page |
//! | 4 | count of pages |
//! | 1 | kind: 0 zero, 1 raw, 2 zstd |
//! | 3 | length of the data in bytes |
//!
//! Zero pages have no data, raw ones 4096 bytes each, and a zstd record one frame which gives
//! back all pages of the record. Little-endian.

/// Bytes of a page in the stream, whatever the guest's page size is.
pub const PAGE_BYTES: usize = 4096;

/// The most that the payload of a section of RAM has, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 256 << 10;

/// The name of the sections with RAM.
pub const SECTION: &str = "ram";

/// Their version.
pub const VERSION: u32 = 1;

/// Bytes of a record before its data.
pub(super) const RECORD_BYTES: usize = 16;

/// The most pages that a record with data has, so that a reader knows how much it must unpack
/// at once. Raw ones never fill it, their section is full before.
pub(super) const MAX_DATA_PAGES: usize = MAX_PAYLOAD_BYTES / PAGE_BYTES;

/// Pages by how they went through the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageCounts {
    /// Pages that hold only zeros.
    pub zero: u64,
    /// Pages sent as they are.
    pub raw: u64,
    /// Pages sent compressed.
    pub compressed: u64,
}

impl PageCounts {
    /// All of them.
    pub fn total(self) -> u64 {
        self.zero + self.raw + self.compressed
    }
}

impl std::ops::AddAssign for PageCounts {
    fn add_assign(&mut self, other: Self) {
        self.zero += other.zero;
        self.raw += other.raw;
        self.compressed += other.compressed;
    }
}

/// How a record's pages are carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Zero = 0,
    Raw = 1,
    Zstd = 2,
}

/// A record's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) kind: Kind,
    pub(super) length: usize,
}

impl Record {
    pub(super) fn bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..8].copy_from_slice(&self.first.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.count.to_le_bytes());
        let last = self.kind as u32 | (self.length as u32) << 8;
        bytes[12..].copy_from_slice(&last.to_le_bytes());
        bytes
    }

    /// `Err` with the kind's number if there is no such kind.
    pub(super) fn parse(bytes: &[u8; RECORD_BYTES]) -> Result<Self, u8> {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Ok(Self {
            first: u64::from(word(0)) | u64::from(word(4)) << 32,
            count: word(8),
            kind: match bytes[12] {
                0 => Kind::Zero,
                1 => Kind::Raw,
                2 => Kind::Zstd,
                other => return Err(other),
            },
            length: (word(12) >> 8) as usize,
        })
    }
}
