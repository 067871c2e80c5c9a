//! The softmmu as helpers and front ends use it: guest virtual memory by address and mode.
//!
//! Every write marks its page dirty (while marks are on) and invalidates the blocks made from the
//! bytes it changes. Multi-byte values are big-endian in guest memory. Aligned accesses of 1, 2,
//! 4 and 8 bytes are seen whole by other CPUs. Long operands go through [`Span`]s or the bulk
//! operations of [`bulk`], which work at the host's speed.

mod absolute;
mod access;
mod atomic;
pub mod bulk;
pub(crate) mod code_lines;
pub(crate) mod host;
mod span;
pub(crate) mod tlb;

pub use absolute::{
    compare_swap_absolute, load_absolute, load_pair_absolute, read_absolute, store_absolute,
    store_pair_absolute, write_absolute,
};
pub use access::{fetch, load, load_pair, probe, read_bytes, store, write_bytes};
pub use atomic::{atomic, compare_swap, compare_swap_16, load_16, store_16};
pub use bulk::{BytesOp, combine, compare, copy_forward, fill};
pub use span::{Span, span};

pub(crate) use access::{page_host, stored};

/// Bytes of a page.
pub const PAGE_SIZE: u64 = machine::ram::PAGE_SIZE;
