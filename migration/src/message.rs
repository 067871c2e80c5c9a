//! The protocol's own sections: what they are called and what they hold.
//!
//! From the source, beside RAM and the machine's parts: `ping`, `pass`, `state`, `clocks`, `go`,
//! `failed`; from the destination: `pong`, `loaded`, `started`, `failed`. All have version 1. Not
//! here: in which order they come.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tod::{BootMoment, HostClock, HostOffset, RunState, SavedClocks};

use crate::codec::{self, CodecError};
use crate::exchange::Stamp;
use crate::stream::{Section, StreamError, Writer};
use std::io::Write;

/// The version of all sections here.
pub(crate) const VERSION: u32 = 1;

/// The longest text that a side says about its failure, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// The source asks for a time stamp, and where the destination is in the stream.
pub(crate) const PING: &str = "ping";
/// A pass over RAM begins.
pub(crate) const PASS: &str = "pass";
/// What the guest did at the source.
pub(crate) const STATE: &str = "state";
/// The clocks.
pub(crate) const CLOCKS: &str = "clocks";
/// The destination has the guest.
pub(crate) const GO: &str = "go";
/// A side gives up.
pub(crate) const FAILED: &str = "failed";
/// The destination answers a ping.
pub(crate) const PONG: &str = "pong";
/// The destination has everything.
pub(crate) const LOADED: &str = "loaded";
/// The destination has started the guest.
pub(crate) const STARTED: &str = "started";

/// Whether a part of a machine cannot be called so.
pub(crate) fn is_reserved(name: &str) -> bool {
    let ours = [PING, PASS, STATE, CLOCKS, GO, FAILED, PONG, LOADED, STARTED];
    ours.contains(&name) || [crate::ram::SECTION, crate::stream::END].contains(&name)
}

/// The largest payload of a section that comes from the source; none for others.
pub(crate) fn limit_from_source(name: &str) -> Option<usize> {
    Some(match name {
        PING | PASS | STATE | GO => 128,
        FAILED => MAX_TEXT_BYTES + 16,
        CLOCKS => 4 << 20,
        crate::ram::SECTION => crate::ram::MAX_PAYLOAD_BYTES,
        _ => return None,
    })
}

/// The largest payload of a section that comes from the destination; none for others.
pub(crate) fn limit_from_destination(name: &str) -> Option<usize> {
    Some(match name {
        PONG | LOADED | STARTED => 128,
        FAILED => MAX_TEXT_BYTES + 16,
        _ => return None,
    })
}

/// [`PING`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Ping {
    /// Comes back in the pong.
    pub(crate) number: u64,
}

/// [`PONG`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Pong {
    /// The ping's.
    pub(crate) number: u64,
    /// When the ping had come; none if the host's clocks could not be read.
    pub(crate) received: Option<Stamp>,
    /// When this was sent; likewise.
    pub(crate) sent: Option<Stamp>,
}

/// [`PASS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Pass {
    /// From 1.
    pub(crate) number: u64,
    /// Pages to be sent in it.
    pub(crate) pages: u64,
}

/// [`STATE`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct State {
    /// QAPI's name of the run state before the guest was stopped for the migration.
    pub(crate) run_state: String,
}

impl State {
    /// The run state; none if there is none of that name.
    pub(crate) fn run_state(&self) -> Option<RunState> {
        RunState::ALL
            .into_iter()
            .find(|state| state.name() == self.run_state)
    }
}

/// [`CLOCKS`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Clocks {
    /// All clocks, the timeline and the ledger.
    pub(crate) saved: SavedClocks,
    /// The destination's CLOCK_BOOTTIME less the source's, if it was measured.
    pub(crate) offset: Option<HostOffset>,
}

/// [`STARTED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Started {
    /// When the word to go had come; none if the host's clocks could not be read.
    pub(crate) received: Option<Stamp>,
    /// When this was sent; likewise.
    pub(crate) sent: Option<Stamp>,
    /// What the guest does.
    pub(crate) guest: Guest,
}

/// What became of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Guest {
    /// It runs; since when by the destination's CLOCK_BOOTTIME, if that is known.
    Running(Option<BootMoment>),
    /// It stands.
    Standing,
}

/// [`FAILED`].
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Failed {
    /// Why, in one sentence.
    pub(crate) why: String,
}

impl Failed {
    /// As much of the reason as may be said.
    pub(crate) fn new(why: &str) -> Self {
        let mut end = why.len().min(MAX_TEXT_BYTES);
        while !why.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            why: why[..end].to_owned(),
        }
    }

    /// The reason without what would upset a terminal.
    pub(crate) fn text(&self) -> String {
        self.why
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }
}

/// A section of the protocol's own cannot be made or understood.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// It cannot be written.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Its contents cannot be understood.
    #[error("section '{name}' at offset {offset}: {source}")]
    Contents {
        /// The section's name.
        name: String,
        /// Bytes from the stream's beginning to the section's.
        offset: u64,
        /// Why.
        source: CodecError,
    },
    /// Its contents cannot be written.
    #[error("section '{name}': {source}")]
    Encode {
        /// The section's name.
        name: &'static str,
        /// Why.
        source: CodecError,
    },
    /// It has another version.
    #[error("section '{name}' at offset {offset} has version {found}, this program knows {known}")]
    Version {
        /// The section's name.
        name: String,
        /// Bytes from the stream's beginning to the section's.
        offset: u64,
        /// Its version.
        found: u32,
        /// The one version known.
        known: u32,
    },
    /// It is not what should come now.
    #[error("section '{name}' at offset {offset} is out of place: {why}")]
    OutOfPlace {
        /// The section's name.
        name: String,
        /// Bytes from the stream's beginning to the section's.
        offset: u64,
        /// Why.
        why: &'static str,
    },
}

impl MessageError {
    pub(crate) fn out_of_place(section: &Section<'_>, why: &'static str) -> Self {
        Self::OutOfPlace {
            name: section.name.to_owned(),
            offset: section.offset,
            why,
        }
    }
}

/// Writes a section and flushes the channel.
pub(crate) fn send<T: Serialize>(
    writer: &mut Writer<impl Write>,
    name: &'static str,
    value: &T,
) -> Result<(), MessageError> {
    let payload = codec::encode(value).map_err(|source| MessageError::Encode { name, source })?;
    writer.section(name, 0, VERSION, &payload)?;
    Ok(writer.flush()?)
}

/// Understands a section.
pub(crate) fn parse<T: DeserializeOwned>(section: &Section<'_>) -> Result<T, MessageError> {
    expect_version(section, VERSION)?;
    codec::decode(section.payload, section.payload.len()).map_err(|source| MessageError::Contents {
        name: section.name.to_owned(),
        offset: section.offset,
        source,
    })
}

/// Fails unless a section has this version.
pub(crate) fn expect_version(section: &Section<'_>, known: u32) -> Result<(), MessageError> {
    if section.version == known {
        return Ok(());
    }
    Err(MessageError::Version {
        name: section.name.to_owned(),
        offset: section.offset,
        found: section.version,
        known,
    })
}

/// The host's clock now; none if it cannot be read, which costs only the measurement (R6).
pub(crate) fn stamp(clock: &dyn HostClock) -> Option<Stamp> {
    match clock.sample() {
        Ok(sample) => Some(Stamp {
            ns: sample.boottime_ns,
            error_ns: sample.error_ns,
        }),
        Err(error) => {
            log::debug!("no time stamp: {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters_and_tamed() {
        let failed = Failed::new(&"ü".repeat(MAX_TEXT_BYTES));
        assert!(failed.why.len() <= MAX_TEXT_BYTES && failed.why.ends_with('ü'));
        assert!(codec::encode(&failed).unwrap().len() <= limit_from_source(FAILED).unwrap());
        assert_eq!(Failed::new("a\x1b[31m\n").text(), "a [31m ");
    }

    #[test]
    fn every_run_state_comes_back_by_name() {
        for state in RunState::ALL {
            let run_state = state.name().to_owned();
            assert_eq!(State { run_state }.run_state(), Some(state));
        }
        let run_state = "walking".to_owned();
        assert_eq!(State { run_state }.run_state(), None);
    }
}
