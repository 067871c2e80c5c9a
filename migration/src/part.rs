//! How a part of a machine saves and restores itself.
//!
//! Not here: how its payload travels ([`crate::stream`]) and what it looks like
//! ([`crate::codec`]).

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{self, CodecError};

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

/// A part of a machine that has state of its own. Called only while every vCPU is parked, but for
/// [`Part::check`].
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

    /// Whether a stream without this part is taken, as earlier programs wrote it: the part stays
    /// as it was made.
    fn may_be_missing(&self) -> bool {
        false
    }

    /// The stream that is being loaded does not have this part, which may be missing; the parts
    /// before it are loaded.
    ///
    /// # Errors
    /// Any [`PartError`]: it may not be missing in this stream.
    fn absent(&mut self) -> Result<(), PartError> {
        Ok(())
    }

    /// Whether a saved state suits this machine, as far as that can be told without taking it
    /// over. Nothing changes; may be asked while the VM runs.
    ///
    /// # Errors
    /// What [`Part::load`] would say.
    fn check(&self, _version: u32, _payload: &[u8]) -> Result<(), PartError> {
        Ok(())
    }

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

/// A part whose state is one value, of one version. Each is a [`Part`].
pub trait StatePart {
    /// [`Part::name`].
    const NAME: &'static str;
    /// [`Part::version`].
    const VERSION: u32 = 1;
    /// [`Part::max_bytes`].
    const MAX_BYTES: usize;
    /// What is saved.
    type State: Serialize + DeserializeOwned;

    /// [`Part::instance`].
    fn number(&self) -> u32 {
        0
    }

    /// [`Part::may_be_missing`].
    fn is_optional(&self) -> bool {
        false
    }

    /// The state now.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn state(&self) -> Result<Self::State, String>;

    /// Takes over a state; on an error nothing has changed.
    ///
    /// # Errors
    /// Why it does not suit this machine, in words.
    fn take_over(&mut self, state: Self::State) -> Result<(), String>;
}

impl<T: StatePart> Part for T {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn instance(&self) -> u32 {
        self.number()
    }

    fn version(&self) -> u32 {
        Self::VERSION
    }

    fn may_be_missing(&self) -> bool {
        self.is_optional()
    }

    fn max_bytes(&self) -> usize {
        Self::MAX_BYTES
    }

    fn save(&self) -> Result<Vec<u8>, PartError> {
        let state = self.state().map_err(|why| unsuitable(self, why))?;
        save(self, &state)
    }

    fn load(&mut self, version: u32, payload: &[u8]) -> Result<(), PartError> {
        let state = load(self, version, payload)?;
        self.take_over(state).map_err(|why| unsuitable(self, why))
    }
}

/// For [`Part::save`]: a state as a payload.
///
/// # Errors
/// [`PartError::Codec`].
pub fn save(part: &impl Part, state: &impl Serialize) -> Result<Vec<u8>, PartError> {
    codec::encode(state).map_err(|source| PartError::Codec {
        name: part.name(),
        source,
    })
}

/// For [`Part::load`]: the state in a payload of the version that the part writes.
///
/// # Errors
/// [`PartError::Version`] for another version, [`PartError::Codec`].
pub fn load<T: DeserializeOwned>(
    part: &impl Part,
    version: u32,
    payload: &[u8],
) -> Result<T, PartError> {
    if version != part.version() {
        return Err(PartError::Version {
            name: part.name(),
            found: version,
            newest: part.version(),
        });
    }
    decode(part, payload)
}

/// For [`Part::load`]: the state in a payload whose version has been looked at.
///
/// # Errors
/// [`PartError::Codec`].
pub fn decode<T: DeserializeOwned>(part: &impl Part, payload: &[u8]) -> Result<T, PartError> {
    codec::decode(payload, part.max_bytes()).map_err(|source| PartError::Codec {
        name: part.name(),
        source,
    })
}

/// A state that does not suit this machine.
pub fn unsuitable(part: &impl Part, why: impl ToString) -> PartError {
    PartError::Unsuitable {
        name: part.name(),
        why: why.to_string(),
    }
}
