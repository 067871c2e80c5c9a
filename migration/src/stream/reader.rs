//! Reads a stream.

use std::io::{self, Read};

use super::checksum::{Checksum, checksum};
use super::error::{Place, StreamError};
use super::layout::{
    CHECKSUM_BYTES, END, FORMAT_VERSION, HEAD_BYTES, Head, Header, MAGIC, MAX_BODY_BYTES,
    PREFIX_BYTES, u64_of,
};
use crate::codec;

/// Reads sections from a channel. After an error the stream is broken and must be given up.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    /// Bytes read since the stream's beginning.
    offset: u64,
    /// The next section's number.
    sequence: u64,
    /// Holds the payload of one section and its checksum. Grows as bytes arrive.
    buffer: Vec<u8>,
    /// The name of the section in the buffer.
    name: String,
}

/// One section, complete and verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its name.
    pub name: &'a str,
    /// Which one of several of that name.
    pub instance: u32,
    /// The version of the payload.
    pub version: u32,
    /// Bytes from the stream's beginning to the section's.
    pub offset: u64,
    /// What it holds.
    pub payload: &'a [u8],
}

impl Section<'_> {
    /// Where the section is, for errors about its contents.
    pub fn place(&self) -> Place {
        Place::Section {
            name: self.name.to_owned(),
            instance: self.instance,
            offset: self.offset,
        }
    }
}

/// What comes next in a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// A section.
    Section(Section<'a>),
    /// The end: every section written before it was read.
    End,
}

/// How reading a piece came out short.
enum Short {
    Io(io::Error),
    Missing(u64),
}

impl Short {
    fn at(self, place: Place) -> StreamError {
        match self {
            Self::Io(source) => StreamError::Read { place, source },
            Self::Missing(missing) => StreamError::Truncated { place, missing },
        }
    }
}

impl<R: Read> Reader<R> {
    /// Begins with the stream's header.
    ///
    /// # Errors
    /// [`StreamError::Magic`], [`StreamError::Format`], [`StreamError::TooLong`],
    /// [`StreamError::Checksum`], [`StreamError::Contents`], [`StreamError::Truncated`],
    /// [`StreamError::Read`].
    pub fn begin(inner: R) -> Result<(Self, Header), StreamError> {
        let place = Place::Header;
        let mut reader = Self::replies(inner);
        let mut prefix = [0; PREFIX_BYTES];
        reader
            .fill(&mut prefix)
            .map_err(|short| short.at(place.clone()))?;
        let mut magic = [0; MAGIC.len()];
        magic.copy_from_slice(&prefix[..MAGIC.len()]);
        if magic != MAGIC {
            return Err(StreamError::Magic { found: magic });
        }
        verify(&place, &prefix[16..], checksum(&prefix[..16]))?;
        let format = u64_of(&prefix[8..]);
        let (version, length) = (format as u32, (format >> 32) as usize);
        if version != FORMAT_VERSION {
            return Err(StreamError::Format {
                found: version,
                known: FORMAT_VERSION,
            });
        }
        if length > MAX_BODY_BYTES {
            return Err(StreamError::TooLong {
                place,
                found: length as u64,
                limit: MAX_BODY_BYTES as u64,
            });
        }
        let mut body = vec![0; length + CHECKSUM_BYTES];
        reader
            .fill(&mut body)
            .map_err(|short| short.at(place.clone()))?;
        let (body, sum) = body.split_at(length);
        let mut computed = Checksum::new();
        computed.update(&prefix);
        computed.update(body);
        verify(&place, sum, computed.value())?;
        let header = codec::decode(body, MAX_BODY_BYTES)
            .map_err(|source| StreamError::Contents { place, source })?;
        Ok((reader, header))
    }

    /// Reads sections without a header, as the receiver's replies.
    pub fn replies(inner: R) -> Self {
        Self {
            inner,
            offset: 0,
            sequence: 0,
            buffer: Vec::new(),
            name: String::new(),
        }
    }

    /// Reads the next section or the end. `limit` says how many bytes a section of that name may
    /// have, or `None` if it is not known; it is asked before the payload is read.
    ///
    /// After the end more sections are read where the protocol has some.
    ///
    /// # Errors
    /// Any [`StreamError`] of a section.
    pub fn next(
        &mut self,
        limit: impl FnOnce(&str) -> Option<usize>,
    ) -> Result<Item<'_>, StreamError> {
        let offset = self.offset;
        let mut head = [0; HEAD_BYTES];
        self.fill(&mut head).map_err(|short| match short {
            Short::Missing(missing) if missing == HEAD_BYTES as u64 => {
                StreamError::Closed { offset }
            }
            short => short.at(Place::Head { offset }),
        })?;
        let section = Head::parse(&head, offset)?;
        let place = || section.place(offset);
        if section.sequence != self.sequence {
            return Err(StreamError::Sequence {
                place: place(),
                found: section.sequence,
                expected: self.sequence,
            });
        }
        let limit = match section.name.as_str() {
            END => size_of::<u64>(),
            name => limit(name).ok_or_else(|| StreamError::Unknown { place: place() })?,
        };
        let length = section.length as usize;
        if length > limit {
            return Err(StreamError::TooLong {
                place: place(),
                found: length as u64,
                limit: limit as u64,
            });
        }
        let computed = self
            .fill_buffer(&head, length)
            .map_err(|short| short.at(place()))?;
        let (payload, sum) = self.buffer[..length + CHECKSUM_BYTES].split_at(length);
        verify(&place(), sum, computed)?;
        self.sequence += 1;
        if section.name == END {
            // A shorter number cannot come from a writer, and its checksum was right.
            let mut count = [0; size_of::<u64>()];
            count[..length].copy_from_slice(payload);
            let (found, expected) = (u64::from_le_bytes(count), section.sequence);
            if length < count.len() || found != expected {
                return Err(StreamError::Count {
                    offset,
                    found,
                    expected,
                });
            }
            return Ok(Item::End);
        }
        self.name = section.name;
        Ok(Item::Section(Section {
            name: &self.name,
            instance: section.instance,
            version: section.version,
            offset,
            payload,
        }))
    }

    /// Checks that nothing follows: for a channel that ends with its stream.
    ///
    /// # Errors
    /// [`StreamError::Trailing`], [`StreamError::Read`].
    pub fn expect_nothing(&mut self) -> Result<(), StreamError> {
        let offset = self.offset;
        match self.fill(&mut [0]) {
            Ok(()) => Err(StreamError::Trailing { offset }),
            Err(Short::Missing(_)) => Ok(()),
            Err(short) => Err(short.at(Place::Head { offset })),
        }
    }

    /// Bytes read since the stream's beginning.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The channel.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// Gives the channel back.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// `Read::read_exact`, which tells how much is missing and counts.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Short> {
        let mut filled = 0;
        while filled < bytes.len() {
            let read = read(&mut self.inner, &mut bytes[filled..])?;
            if read == 0 {
                return Err(Short::Missing((bytes.len() - filled) as u64));
            }
            filled += read;
            self.offset += read as u64;
        }
        Ok(())
    }

    /// Reads a payload of `length` bytes and its checksum into the buffer, hashing what arrives
    /// while it is in the cache; returns the computed checksum.
    ///
    /// The buffer grows to at most twice of what has arrived, or to [`FIRST_BYTES`].
    fn fill_buffer(&mut self, head: &[u8], length: usize) -> Result<u64, Short> {
        let total = length + CHECKSUM_BYTES;
        let mut sum = Checksum::new();
        sum.update(head);
        let mut filled = 0;
        while filled < total {
            if filled == self.buffer.len() || self.buffer.is_empty() {
                let grown = (2 * filled).max(FIRST_BYTES).min(total);
                self.buffer.reserve_exact(grown - filled);
                self.buffer.resize(grown, 0);
            }
            let end = self.buffer.len().min(total);
            let read = read(&mut self.inner, &mut self.buffer[filled..end])?;
            if read == 0 {
                return Err(Short::Missing((total - filled) as u64));
            }
            let payload = filled.min(length)..(filled + read).min(length);
            sum.update(&self.buffer[payload]);
            filled += read;
            self.offset += read as u64;
        }
        Ok(sum.value())
    }
}

/// What the buffer has before anything arrived: enough for every section of RAM.
const FIRST_BYTES: usize = crate::ram::MAX_PAYLOAD_BYTES + CHECKSUM_BYTES;

fn read(inner: &mut impl Read, bytes: &mut [u8]) -> Result<usize, Short> {
    loop {
        match inner.read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(Short::Io),
        }
    }
}

/// Compares the checksum in the stream with the computed one.
fn verify(place: &Place, found: &[u8], computed: u64) -> Result<(), StreamError> {
    let found = u64_of(found);
    if found == computed {
        Ok(())
    } else {
        Err(StreamError::Checksum {
            place: place.clone(),
            found,
            computed,
        })
    }
}
