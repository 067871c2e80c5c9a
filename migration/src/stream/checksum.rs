//! The stream's checksum: XXH3 with 64 bits and seed 0, little-endian in the stream.
//!
//! It finds what transports, disks and programs do by mistake. It is no signature: against an
//! opponent the channel needs TLS.

use twox_hash::xxhash3_64::Hasher;

/// Checksum over several pieces.
pub(crate) struct Checksum(Hasher);

impl Checksum {
    pub(crate) fn new() -> Self {
        Self(Hasher::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        use std::hash::Hasher as _;
        self.0.write(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        use std::hash::Hasher as _;
        self.0.finish()
    }
}

/// Checksum of one piece.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    Hasher::oneshot(bytes)
}
