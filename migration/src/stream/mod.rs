//! The stream: a header, sections, an end. Bytes only: what the sections hold is their parts'
//! matter, and when which one is sent is the protocol's.
//!
//! A stream has a [`Writer`] and a [`Reader`]. Replies in the other direction of a two-way
//! channel have the same sections with their own sequence, but no header
//! ([`Writer::replies`], [`Reader::replies`]).
//!
//! Whatever bytes come, the reader gives back a section that was written, or an error that says
//! what is wrong where; and it never holds more memory than arrived and the limits allow.

mod checksum;
mod error;
mod layout;
mod reader;
mod writer;

pub use error::{Place, StreamError};
pub use layout::{END, FORMAT_VERSION, Header, MAGIC, MAX_BODY_BYTES, MAX_NAME_BYTES, Purpose};
pub use reader::{Item, Reader, Section};
pub use writer::Writer;
