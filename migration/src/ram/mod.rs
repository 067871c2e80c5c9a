//! Guest RAM on its way through the stream.

mod page_set;

pub use page_set::PageSet;

/// Bytes of a page, in the stream and of both architectures.
pub const PAGE_SIZE: u64 = 4096;
