//! How a part of a machine saves and restores itself.
//!
//! Not here: how its payload travels ([`crate::stream`]) and what it looks like
//! ([`crate::codec`]).

use crate::codec::CodecError;

/// Why a part could not be saved or restored.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The payload's version is not one that this part knows.
    #[error("section '{name}': version {found} is not known, the newest known is {newest}")]
    Version {
        /// The section's name.
        name: &'static str,
        /// The version in the stream.
        found: u32,
        /// The newest version that this program writes.
        newest: u32,
    },
    /// The payload cannot be decoded.
    #[error("section '{name}': {source}")]
    Codec {
        /// The section's name.
        name: &'static str,
        /// What was wrong.
        source: CodecError,
    },
    /// The payload decodes but does not suit this machine.
    #[error("section '{name}': {why}")]
    Unsuitable {
        /// The section's name.
        name: &'static str,
        /// The reason in words.
        why: String,
    },
}

/// A part of a machine that has state of its own. Called only while every vCPU is parked.
pub trait Part {
    /// The section's name, unique in a machine together with the instance.
    fn name(&self) -> &'static str;

    /// Which one of several parts of that name, as a vCPU's number; else 0.
    fn instance(&self) -> u32 {
        0
    }

    /// The version that [`Part::save`] writes.
    fn version(&self) -> u32;

    /// The largest payload that [`Part::load`] may be given, in bytes.
    fn max_bytes(&self) -> usize;

    /// The part's state.
    ///
    /// # Errors
    /// [`PartError::Codec`].
    fn save(&self) -> Result<Vec<u8>, PartError>;

    /// Takes over a saved state of this or an older version; on an error nothing has changed.
    ///
    /// # Errors
    /// Any [`PartError`].
    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError>;
}
