//! The machine: what all CPUs share, their threads, and what the program sees of it.

pub mod ebcdic;
pub mod shared;
pub mod stsi;

pub use shared::Shared;
