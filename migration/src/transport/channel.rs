//! An open channel.

use std::io::{self, IoSlice, Read, Write};

use rustix::net::Shutdown;

use super::closer::Closer;
use super::plain::Plain;
use super::uri::Uri;

/// An open channel.
#[derive(Debug)]
pub struct Channel {
    /// Its ends on this side.
    pub halves: Halves,
    /// Shuts it down from any thread.
    pub closer: Closer,
    /// Where it goes to or comes from.
    pub uri: Uri,
    /// What its user should be told about it, each in one sentence.
    pub warnings: Vec<String>,
}

/// The ends of a channel on this side. Both of a two-way channel may be used at the same time
/// from two threads.
#[derive(Debug)]
pub enum Halves {
    /// The other side can answer.
    TwoWay(ReadHalf, WriteHalf),
    /// Only from there to here.
    Read(ReadHalf),
    /// Only from here to there.
    Write(WriteHalf),
}

impl Channel {
    /// True if the other side can answer.
    pub fn two_way(&self) -> bool {
        matches!(self.halves, Halves::TwoWay(..))
    }

    pub(super) fn socket(socket: Plain, closer: &Closer, uri: &Uri) -> Self {
        let read = ReadHalf(ReadEnd::Socket(socket.clone()));
        let write = WriteHalf(WriteEnd::Socket(socket));
        Self {
            halves: Halves::TwoWay(read, write),
            closer: closer.clone(),
            uri: uri.clone(),
            warnings: Vec::new(),
        }
    }
}

/// The end of a channel that can be read.
#[derive(Debug)]
pub struct ReadHalf(ReadEnd);

#[derive(Debug)]
enum ReadEnd {
    Socket(Plain),
}

/// The end of a channel that can be written.
#[derive(Debug)]
pub struct WriteHalf(WriteEnd);

#[derive(Debug)]
enum WriteEnd {
    Socket(Plain),
}

impl Read for ReadHalf {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            ReadEnd::Socket(plain) => plain.read(bytes),
        }
    }
}

impl Write for WriteHalf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            WriteEnd::Socket(plain) => plain.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.0 {
            WriteEnd::Socket(plain) => plain.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            WriteEnd::Socket(plain) => plain.flush(),
        }
    }
}

impl WriteHalf {
    /// Ends the writing: what was written has reached its place when this comes back, as far as
    /// the channel can know. A file is on its disk, a command has exited with 0, a socket's peer
    /// reads the end of the stream after what was written.
    ///
    /// # Errors
    /// The channel's error; the command's exit status.
    pub fn finish(self) -> io::Result<()> {
        match self.0 {
            WriteEnd::Socket(plain) => Ok(rustix::net::shutdown(plain.fd(), Shutdown::Write)?),
        }
    }
}
