//! Takes the payloads of RAM sections apart.

use super::record::{Kind, MAX_DATA_PAGES, PAGE_BYTES, PageCounts, RECORD_BYTES, Record};

/// Where pages go.
pub trait PageSink {
    /// Whole pages of data at an address.
    ///
    /// # Errors
    /// Why they cannot be taken, in words.
    fn data(&mut self, address: u64, bytes: &[u8]) -> Result<(), String>;

    /// Whole pages of zeros at an address.
    ///
    /// # Errors
    /// Why they cannot be taken, in words.
    fn zero(&mut self, address: u64, length: u64) -> Result<(), String>;
}

/// Why a section of RAM cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum RamError {
    /// A record has no proper head or not all of its data.
    #[error("the record at byte {at} is incomplete: {missing} bytes are missing")]
    Incomplete {
        /// Where in the payload.
        at: usize,
        /// Bytes missing.
        missing: usize,
    },
    /// A record is of no known kind.
    #[error("the record at byte {at} is of unknown kind {kind}")]
    Kind {
        /// Where in the payload.
        at: usize,
        /// The kind's number.
        kind: u8,
    },
    /// A record has another length of data than its kind and count call for.
    #[error("the record at byte {at} has {length} bytes of data for {count} pages")]
    Length {
        /// Where in the payload.
        at: usize,
        /// Bytes of data.
        length: usize,
        /// Pages.
        count: u32,
    },
    /// A record has no pages, or pages beyond the RAM's end.
    #[error(
        "the record at byte {at} is for {count} pages from page {first}, the RAM has {pages} pages"
    )]
    Range {
        /// Where in the payload.
        at: usize,
        /// The first page.
        first: u64,
        /// Pages.
        count: u32,
        /// Pages of the RAM.
        pages: u64,
    },
    /// Compressed data do not give back the pages.
    #[error("the record at byte {at} cannot be unpacked into {count} pages: {why}")]
    Unpack {
        /// Where in the payload.
        at: usize,
        /// Pages.
        count: u32,
        /// What zstd says.
        why: String,
    },
    /// The RAM does not take the pages.
    #[error("pages from address {address:#x} cannot be written: {why}")]
    Sink {
        /// Address of the first page.
        address: u64,
        /// What it says.
        why: String,
    },
}

/// Takes payloads apart for a RAM of a given size.
pub struct Decoder {
    pages: u64,
    unpacker: Option<Unpacker>,
}

struct Unpacker {
    decompressor: zstd::bulk::Decompressor<'static>,
    unpacked: Box<[u8]>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("pages", &self.pages)
            .field("unpacked", &self.unpacker.is_some())
            .finish()
    }
}

impl Decoder {
    /// A decoder for a RAM of `ram_bytes`.
    pub fn new(ram_bytes: u64) -> Self {
        Self {
            pages: ram_bytes / PAGE_BYTES as u64,
            unpacker: None,
        }
    }

    /// Hands a payload's pages to `sink`, in order.
    ///
    /// # Errors
    /// Any [`RamError`]; the pages before the error have been handed over.
    pub fn apply(
        &mut self,
        payload: &[u8],
        sink: &mut (impl PageSink + ?Sized),
    ) -> Result<PageCounts, RamError> {
        let mut counts = PageCounts::default();
        let mut at = 0;
        while at < payload.len() {
            let rest = &payload[at..];
            let Some((head, rest)) = rest.split_first_chunk::<RECORD_BYTES>() else {
                return Err(RamError::Incomplete {
                    at,
                    missing: RECORD_BYTES - rest.len(),
                });
            };
            let record = Record::parse(head).map_err(|kind| RamError::Kind { at, kind })?;
            let Some(data) = rest.get(..record.length) else {
                return Err(RamError::Incomplete {
                    at,
                    missing: record.length - rest.len(),
                });
            };
            self.record(at, record, data, sink, &mut counts)?;
            at += RECORD_BYTES + record.length;
        }
        Ok(counts)
    }

    fn record(
        &mut self,
        at: usize,
        record: Record,
        data: &[u8],
        sink: &mut (impl PageSink + ?Sized),
        counts: &mut PageCounts,
    ) -> Result<(), RamError> {
        let Record {
            first,
            count,
            kind,
            length,
        } = record;
        let pages = u64::from(count);
        if count == 0 || first.checked_add(pages).is_none_or(|end| end > self.pages) {
            return Err(RamError::Range {
                at,
                first,
                count,
                pages: self.pages,
            });
        }
        let wrong = RamError::Length { at, length, count };
        let address = first * PAGE_BYTES as u64;
        let result = match kind {
            Kind::Zero => {
                if length != 0 {
                    return Err(wrong);
                }
                counts.zero += pages;
                sink.zero(address, pages * PAGE_BYTES as u64)
            }
            Kind::Raw => {
                if length as u64 != pages * PAGE_BYTES as u64 {
                    return Err(wrong);
                }
                counts.raw += pages;
                sink.data(address, data)
            }
            Kind::Zstd => {
                if count as usize > MAX_DATA_PAGES {
                    return Err(wrong);
                }
                counts.compressed += pages;
                let bytes = self.unpack(data, count as usize * PAGE_BYTES);
                let bytes = bytes.map_err(|why| RamError::Unpack { at, count, why })?;
                sink.data(address, bytes)
            }
        };
        result.map_err(|why| RamError::Sink { address, why })
    }

    /// Unpacks exactly `length` bytes. zstd writes into a buffer of a fixed size and keeps no
    /// window of its own, so whatever the frame says takes no more memory.
    fn unpack(&mut self, data: &[u8], length: usize) -> Result<&[u8], String> {
        let unpacker = match &mut self.unpacker {
            Some(unpacker) => unpacker,
            none => none.insert(Unpacker {
                decompressor: zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?,
                unpacked: vec![0; MAX_DATA_PAGES * PAGE_BYTES].into_boxed_slice(),
            }),
        };
        let into = &mut unpacker.unpacked[..length];
        let found = unpacker
            .decompressor
            .decompress_to_buffer(data, into)
            .map_err(|e| e.to_string())?;
        if found == length {
            Ok(&unpacker.unpacked[..length])
        } else {
            Err(format!("it has {found} bytes"))
        }
    }
}
