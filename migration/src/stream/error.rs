//! What can be wrong with a stream, and where.

use std::fmt;
use std::io;

use crate::codec::CodecError;

/// Where in a stream something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The stream's header, at its beginning.
    Header,
    /// A section whose head has not been read yet.
    Head {
        /// Bytes from the stream's beginning to the section's.
        offset: u64,
    },
    /// A section that is known by name.
    Section {
        /// Its name.
        name: String,
        /// Which one of several of that name.
        instance: u32,
        /// Bytes from the stream's beginning to the section's.
        offset: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("the stream's header"),
            Self::Head { offset } => write!(f, "the section at offset {offset}"),
            Self::Section {
                name,
                instance,
                offset,
            } => write!(
                f,
                "section '{name}' (instance {instance}) at offset {offset}"
            ),
        }
    }
}

/// Why a stream cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The channel failed while something was read.
    #[error("{place} cannot be read: {source}")]
    Read {
        /// What was being read.
        place: Place,
        /// The channel's error.
        source: io::Error,
    },
    /// The channel failed while something was written.
    #[error("{place} cannot be written: {source}")]
    Write {
        /// What was being written.
        place: Place,
        /// The channel's error.
        source: io::Error,
    },
    /// The channel ended within something.
    #[error("the stream ends within {place}: {missing} bytes are missing")]
    Truncated {
        /// What is incomplete.
        place: Place,
        /// How many more bytes it should have.
        missing: u64,
    },
    /// The channel ended between two sections, before the stream's end.
    #[error("the stream was closed at offset {offset}, before its end")]
    Closed {
        /// Bytes from the stream's beginning.
        offset: u64,
    },
    /// The bytes are of something else.
    #[error("this is no migration stream: it begins with {}", .found.escape_ascii())]
    Magic {
        /// The first bytes.
        found: [u8; 8],
    },
    /// Another version of the stream's format.
    #[error("the stream has format version {found}, this program knows version {known}")]
    Format {
        /// The version in the header.
        found: u32,
        /// The one version known.
        known: u32,
    },
    /// The header's body or a section's payload exceeds its limit.
    #[error("{place} has {found} bytes, the limit is {limit}")]
    TooLong {
        /// What is too long.
        place: Place,
        /// Its length by the stream.
        found: u64,
        /// The most that is allowed.
        limit: u64,
    },
    /// A checksum does not match: the stream was damaged on its way.
    #[error(
        "{place} is damaged: its checksum is {found:#018x}, its contents have {computed:#018x}"
    )]
    Checksum {
        /// What is damaged.
        place: Place,
        /// The checksum in the stream.
        found: u64,
        /// The checksum of what was read.
        computed: u64,
    },
    /// The header's or the end's contents have no meaning.
    #[error("{place} cannot be understood: {source}")]
    Contents {
        /// What cannot be understood.
        place: Place,
        /// Why.
        source: CodecError,
    },
    /// A section's name is empty, too long or not printable ASCII.
    #[error(
        "{place} has no proper name: '{}' is not 1 to 64 printable ASCII characters",
        .found.escape_ascii()
    )]
    Name {
        /// The section.
        place: Place,
        /// The name's bytes.
        found: Vec<u8>,
    },
    /// Sections are missing, doubled or in another order.
    #[error("{place} is number {found} in the stream where number {expected} should follow")]
    Sequence {
        /// The section.
        place: Place,
        /// Its sequence number.
        found: u64,
        /// The next sequence number.
        expected: u64,
    },
    /// Nobody here knows a section of that name.
    #[error("{place} is not known here")]
    Unknown {
        /// The section.
        place: Place,
    },
    /// The end says that there were more or fewer sections.
    #[error("the stream's end, at offset {offset}, counts {found} sections, {expected} were read")]
    Count {
        /// Where the end is.
        offset: u64,
        /// Sections by the stream.
        found: u64,
        /// Sections read.
        expected: u64,
    },
    /// Something follows the stream's end.
    #[error("the stream goes on after its end, at offset {offset}")]
    Trailing {
        /// Where the first byte too many is.
        offset: u64,
    },
}
