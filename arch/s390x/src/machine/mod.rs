//! The machine: what all CPUs share, their threads, and what the program sees of it.

pub mod shared;

pub use shared::Shared;
