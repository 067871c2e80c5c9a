//! A TLS session that two threads use at the same time, one to read and one to write.
//!
//! rustls's connection does no input or output of its own and stands behind a lock, which is
//! held to encrypt or decrypt and never while anything waits for the socket. What is encrypted
//! is written in order because the writer alone writes after the handshake. Answers that the
//! reader's side of TLS 1.3 may owe (to an update of keys) go out with the next write.

use std::io::{self, IoSlice, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::net::Shutdown;
use rustls::Connection;
use rustls::pki_types::CertificateDer;

use super::TlsError;
use crate::transport::plain::Plain;

/// Bytes read from the socket at once.
const READ_BYTES: usize = 256 << 10;

/// Bytes encrypted at once.
const WRITE_BYTES: usize = 256 << 10;

/// How long a peer that is refused has to read why.
const DRAIN: Duration = Duration::from_secs(1);

/// A session on a socket.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Arc<Mutex<Connection>>,
    plain: Plain,
}

fn lock(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Shakes hands.
    pub(super) fn handshake(connection: Connection, plain: Plain) -> Result<Self, TlsError> {
        let mut connection = connection;
        connection.set_buffer_limit(None);
        let mut socket = plain.clone();
        while connection.is_handshaking() || connection.wants_write() {
            if let Err(source) = connection.complete_io(&mut socket) {
                // What the peer sent means nothing, and it is told so.
                if source.kind() == io::ErrorKind::InvalidData {
                    drain(&plain);
                }
                return Err(TlsError::Handshake { source });
            }
        }
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            plain,
        })
    }

    /// The peer's certificate, if it has sent one.
    pub(super) fn peer_certificate(&self) -> Option<CertificateDer<'static>> {
        let connection = lock(&self.connection);
        let certificate = connection.peer_certificates()?.first()?;
        Some(certificate.clone().into_owned())
    }

    /// Sends one byte.
    pub(super) fn send(&self, byte: u8) -> Result<(), TlsError> {
        self.writer()
            .write_all(&[byte])
            .map_err(|source| TlsError::Handshake { source })
    }

    /// Waits for one byte and nothing else.
    pub(super) fn expect(&self, byte: u8) -> Result<(), TlsError> {
        let mut connection = lock(&self.connection);
        let mut socket = self.plain.clone();
        let mut found = [0];
        loop {
            match connection.reader().read(&mut found) {
                Ok(1) if found == [byte] => return Ok(()),
                Ok(0) => {
                    let source = io::Error::other("the peer closed the connection");
                    return Err(TlsError::Handshake { source });
                }
                Ok(_) => {
                    let source = io::Error::other("the peer's first byte means nothing");
                    return Err(TlsError::Handshake { source });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(source) => return Err(TlsError::Handshake { source }),
            }
            let result = connection.read_tls(&mut socket);
            result.map_err(|source| TlsError::Handshake { source })?;
            connection
                .process_new_packets()
                .map_err(|error| TlsError::Handshake {
                    source: io::Error::new(io::ErrorKind::InvalidData, error),
                })?;
        }
    }

    /// Ends the session before it was of any use.
    pub(super) fn refuse(self, why: TlsError) -> TlsError {
        let plain = self.plain.clone();
        // The peer learns it from the connection's end at the latest.
        let _ = self.writer().finish();
        drain(&plain);
        why
    }

    fn writer(&self) -> TlsWriter {
        TlsWriter {
            connection: self.connection.clone(),
            plain: self.plain.clone(),
            encrypted: Vec::new(),
        }
    }

    /// The two halves.
    pub(crate) fn split(self) -> (TlsReader, TlsWriter) {
        let writer = self.writer();
        let reader = TlsReader {
            connection: self.connection,
            plain: self.plain,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            begin: 0,
            end: 0,
        };
        (reader, writer)
    }
}

/// Lets a peer that is refused read why: a socket closed with unread bytes would be reset.
fn drain(plain: &Plain) {
    if rustix::net::shutdown(plain.fd(), Shutdown::Write).is_ok() {
        plain.drain(DRAIN);
    }
}

/// The reading half.
#[derive(Debug)]
pub(crate) struct TlsReader {
    connection: Arc<Mutex<Connection>>,
    plain: Plain,
    /// Read from the socket and not decrypted yet: `begin..end`.
    buffer: Box<[u8]>,
    begin: usize,
    end: usize,
}

impl Read for TlsReader {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            let mut connection = lock(&self.connection);
            // Decrypt as long as there is something, and there is room for it.
            loop {
                match connection.reader().read(&mut bytes[filled..]) {
                    Ok(0) => return Ok(filled),
                    Ok(read) => {
                        filled += read;
                        if filled == bytes.len() {
                            return Ok(filled);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) if filled > 0 => return Ok(filled),
                    Err(error) => return Err(error),
                }
                if self.begin == self.end {
                    break;
                }
                let mut rest = &self.buffer[self.begin..self.end];
                connection.read_tls(&mut rest)?;
                self.begin = self.end - rest.len();
                connection
                    .process_new_packets()
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
            drop(connection);
            if filled > 0 {
                return Ok(filled);
            }
            self.begin = 0;
            self.end = 0;
            self.end = self.plain.read(&mut self.buffer)?;
            if self.end == 0 {
                // The connection tells whether this was the session's end.
                lock(&self.connection).read_tls(&mut io::empty())?;
            }
        }
    }
}

/// The writing half.
#[derive(Debug)]
pub(crate) struct TlsWriter {
    connection: Arc<Mutex<Connection>>,
    plain: Plain,
    encrypted: Vec<u8>,
}

impl TlsWriter {
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut written = 0;
        let mut connection = lock(&self.connection);
        for slice in slices {
            let piece = &slice[..slice.len().min(WRITE_BYTES - written)];
            written += connection.writer().write(piece)?;
            if written == WRITE_BYTES {
                break;
            }
        }
        drop(connection);
        self.push()?;
        Ok(written)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = self.write_vectored(&[IoSlice::new(rest)])?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Writes what is encrypted to the socket.
    fn push(&mut self) -> io::Result<()> {
        self.encrypted.clear();
        let mut connection = lock(&self.connection);
        while connection.wants_write() {
            connection.write_tls(&mut self.encrypted)?;
        }
        drop(connection);
        self.plain.write_all(&self.encrypted)
    }

    /// Ends the session in this direction.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        lock(&self.connection).send_close_notify();
        self.push()?;
        Ok(rustix::net::shutdown(self.plain.fd(), Shutdown::Write)?)
    }
}
