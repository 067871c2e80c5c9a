//! The bytes of the stream: magic, header, the head of a section.
//!
//! Everything is little-endian. The header is
//!
//! | bytes | what |
//! |---|---|
//! | 8 | magic |
//! | 4 | format version |
//! | 4 | length of the body, at most [`MAX_BODY_BYTES`] |
//! | 8 | checksum of the 16 bytes before |
//! | length | body: [`Header`] by the codec |
//! | 8 | checksum of everything before |
//!
//! and a section is
//!
//! | bytes | what |
//! |---|---|
//! | 8 | sequence number, from 0 |
//! | 4 | instance |
//! | 4 | version |
//! | 4 | length of the payload |
//! | 4 | zero |
//! | 64 | name, padded with NUL |
//! | 8 | checksum of the 88 bytes before |
//! | length | payload |
//! | 8 | checksum of everything before in the section |
//!
//! The heads have checksums of their own, so that a damaged length is found before anything
//! waits for bytes that nobody will send.

use serde::{Deserialize, Serialize};

use super::checksum::checksum;
use super::error::{Place, StreamError};

/// The first bytes of every stream: "emu", "migr" with a byte that is not ASCII before them, so
/// that no text begins so.
pub const MAGIC: [u8; 8] = *b"\x89emumigr";

/// The format version written and understood.
pub const FORMAT_VERSION: u32 = 1;

/// The longest body of a header, in bytes.
pub const MAX_BODY_BYTES: usize = 4096;

/// The longest name of a section, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// The name of the section that ends a stream.
pub const END: &str = "end";

/// Bytes of a header before its body.
pub(super) const PREFIX_BYTES: usize = 24;

/// Bytes of a section before its payload.
pub(super) const HEAD_BYTES: usize = 96;

/// Bytes of a checksum.
pub(super) const CHECKSUM_BYTES: usize = 8;

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// A VM on its way to another program.
    Migration,
    /// A VM that is kept, to be loaded any number of times.
    Snapshot,
}

/// What a stream says of itself before anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The guest's architecture, as `s390x`.
    pub architecture: String,
    /// The machine's name, as `-machine` takes it.
    pub machine: String,
    /// Size of the guest's RAM in bytes.
    pub ram_bytes: u64,
    /// Whether the sender waits for the receiver's replies.
    pub two_way: bool,
    /// What the stream holds.
    pub purpose: Purpose,
    /// Name and version of the program that wrote it, for people to read.
    pub program: String,
}

/// The head of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) instance: u32,
    pub(super) version: u32,
    pub(super) length: u32,
    pub(super) name: String,
}

/// True for a name that a section may have.
pub(super) fn is_name(name: &[u8]) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
}

fn u32_at(bytes: &[u8; HEAD_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The number in the first eight bytes.
pub(super) fn u64_of(bytes: &[u8]) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(number)
}

impl Head {
    /// The bytes; the name must be a proper one.
    pub(super) fn bytes(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.instance.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.version.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.length.to_le_bytes());
        bytes[24..24 + self.name.len()].copy_from_slice(self.name.as_bytes());
        let sum = checksum(&bytes[..88]);
        bytes[88..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the bytes of a head at `offset`: checksum first, then whether they mean anything.
    pub(super) fn parse(bytes: &[u8; HEAD_BYTES], offset: u64) -> Result<Self, StreamError> {
        let place = Place::Head { offset };
        let (found, computed) = (u64_of(&bytes[88..]), checksum(&bytes[..88]));
        if found != computed {
            return Err(StreamError::Checksum {
                place,
                found,
                computed,
            });
        }
        let field = &bytes[24..88];
        let length = field
            .iter()
            .rposition(|&byte| byte != 0)
            .map_or(0, |at| at + 1);
        let name = &field[..length];
        if !is_name(name) {
            return Err(StreamError::Name {
                place,
                found: name.to_vec(),
            });
        }
        Ok(Self {
            sequence: u64_of(bytes),
            instance: u32_at(bytes, 8),
            version: u32_at(bytes, 12),
            length: u32_at(bytes, 16),
            name: String::from_utf8_lossy(name).into_owned(),
        })
    }

    /// Where this section is.
    pub(super) fn place(&self, offset: u64) -> Place {
        Place::Section {
            name: self.name.clone(),
            instance: self.instance,
            offset,
        }
    }
}
