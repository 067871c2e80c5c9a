//! Guest RAM in the stream: sets of pages, and the records that carry them.
//!
//! A section [`SECTION`] has a payload of up to [`MAX_PAYLOAD_BYTES`], made by an [`Encoder`]
//! and taken apart by a [`Decoder`]. Not here: which pages are sent when, and where guest RAM
//! lies; both come in through a [`PageSet`] and closures.

mod decode;
mod encode;
mod pages;
mod record;

pub use decode::{Decoder, PageSink, RamError};
pub use encode::{Compression, Encoder};
pub use pages::{PageSet, Runs};
pub use record::{MAX_PAYLOAD_BYTES, PAGE_BYTES, PageCounts, SECTION, VERSION};
