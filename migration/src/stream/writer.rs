//! Writes a stream.

use std::io::{self, IoSlice, Write};

use super::checksum::{Checksum, checksum};
use super::error::{Place, StreamError};
use super::layout::{END, FORMAT_VERSION, Head, Header, MAGIC, MAX_BODY_BYTES, is_name};
use crate::codec;

/// Writes sections into a channel. After an error the stream is broken and must be given up.
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    written: u64,
    sequence: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a stream with its header.
    ///
    /// # Errors
    /// [`StreamError::TooLong`] if the header's texts are too long, [`StreamError::Write`].
    pub fn begin(inner: W, header: &Header) -> Result<Self, StreamError> {
        let place = Place::Header;
        let body = codec::encode(header).map_err(|source| StreamError::Contents {
            place: place.clone(),
            source,
        })?;
        if body.len() > MAX_BODY_BYTES {
            return Err(StreamError::TooLong {
                place,
                found: body.len() as u64,
                limit: MAX_BODY_BYTES as u64,
            });
        }
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend((body.len() as u32).to_le_bytes());
        bytes.extend(checksum(&bytes).to_le_bytes());
        bytes.extend(&body);
        bytes.extend(checksum(&bytes).to_le_bytes());
        let mut writer = Self::replies(inner);
        writer
            .inner
            .write_all(&bytes)
            .map_err(|source| StreamError::Write { place, source })?;
        writer.written = bytes.len() as u64;
        Ok(writer)
    }

    /// Writes sections without a header, as the receiver's replies.
    pub fn replies(inner: W) -> Self {
        Self {
            inner,
            written: 0,
            sequence: 0,
        }
    }

    /// Writes one section. It reaches the channel at once, without another copy.
    ///
    /// # Errors
    /// [`StreamError::Name`], [`StreamError::TooLong`] beyond 4 GiB, [`StreamError::Write`].
    pub fn section(
        &mut self,
        name: &str,
        instance: u32,
        version: u32,
        payload: &[u8],
    ) -> Result<(), StreamError> {
        let place = || Place::Section {
            name: name.to_owned(),
            instance,
            offset: self.written,
        };
        if !is_name(name.as_bytes()) {
            return Err(StreamError::Name {
                place: Place::Head {
                    offset: self.written,
                },
                found: name.as_bytes().to_vec(),
            });
        }
        let length = u32::try_from(payload.len()).map_err(|_| StreamError::TooLong {
            place: place(),
            found: payload.len() as u64,
            limit: u64::from(u32::MAX),
        })?;
        let head = Head {
            sequence: self.sequence,
            instance,
            version,
            length,
            name: name.to_owned(),
        }
        .bytes();
        let mut sum = Checksum::new();
        sum.update(&head);
        sum.update(payload);
        let sum = sum.value().to_le_bytes();
        let mut slices = [
            IoSlice::new(&head),
            IoSlice::new(payload),
            IoSlice::new(&sum),
        ];
        write_all_vectored(&mut self.inner, &mut slices).map_err(|source| StreamError::Write {
            place: place(),
            source,
        })?;
        self.written += (head.len() + payload.len() + sum.len()) as u64;
        self.sequence += 1;
        Ok(())
    }

    /// Writes the end, with the count of the sections before it, and flushes. Sections may
    /// follow where the receiver expects some, as the word to start.
    ///
    /// # Errors
    /// [`StreamError::Write`].
    pub fn end(&mut self) -> Result<(), StreamError> {
        self.section(END, 0, 1, &self.sequence.to_le_bytes())?;
        self.flush()
    }

    /// Flushes the channel.
    ///
    /// # Errors
    /// [`StreamError::Write`].
    pub fn flush(&mut self) -> Result<(), StreamError> {
        self.inner.flush().map_err(|source| StreamError::Write {
            place: Place::Head {
                offset: self.written,
            },
            source,
        })
    }

    /// Bytes written since the stream's beginning.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The channel.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Gives the channel back.
    pub fn into_inner(self) -> W {
        self.inner
    }
}

/// `Write::write_all` over several slices.
fn write_all_vectored(inner: &mut impl Write, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    let mut rest = slices;
    IoSlice::advance_slices(&mut rest, 0);
    while !rest.is_empty() {
        match inner.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
