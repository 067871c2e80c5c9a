//! An open channel.

use std::io::{self, IoSlice, Read, Write};

use rustix::net::Shutdown;

use super::closer::Closer;
use super::command::Running;
use super::file;
use super::plain::Plain;
use super::tls::{Session, TlsReader, TlsWriter};
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

impl Halves {
    /// The socket under a two-way channel that is not secured yet.
    pub(super) fn into_socket(self) -> Option<Plain> {
        match self {
            Self::TwoWay(_, WriteHalf(WriteEnd::Socket(plain))) => Some(plain),
            _ => None,
        }
    }
}

impl Channel {
    /// True if the other side can answer.
    pub fn two_way(&self) -> bool {
        matches!(self.halves, Halves::TwoWay(..))
    }

    fn new(halves: Halves, closer: &Closer, uri: &Uri) -> Self {
        Self {
            halves,
            closer: closer.clone(),
            uri: uri.clone(),
            warnings: Vec::new(),
        }
    }

    pub(super) fn socket(socket: Plain, closer: &Closer, uri: &Uri) -> Self {
        let read = ReadHalf(ReadEnd::Plain(socket.clone()));
        let write = WriteHalf(WriteEnd::Socket(socket));
        Self::new(Halves::TwoWay(read, write), closer, uri)
    }

    pub(super) fn secure(session: Session, closer: &Closer, uri: &Uri) -> Self {
        let (read, write) = session.split();
        let read = ReadHalf(ReadEnd::Tls(read));
        let write = WriteHalf(WriteEnd::Tls(write));
        Self::new(Halves::TwoWay(read, write), closer, uri)
    }

    /// A file or a pipe.
    pub(super) fn output(plain: Plain, closer: &Closer, uri: &Uri) -> Self {
        let write = WriteHalf(WriteEnd::Output(plain));
        Self::new(Halves::Write(write), closer, uri)
    }

    /// A file or a pipe.
    pub(super) fn input(plain: Plain, closer: &Closer, uri: &Uri) -> Self {
        let read = ReadHalf(ReadEnd::Plain(plain));
        Self::new(Halves::Read(read), closer, uri)
    }

    pub(super) fn to_command(pipe: Plain, running: Running, closer: &Closer, uri: &Uri) -> Self {
        let write = WriteHalf(WriteEnd::Command(pipe, running));
        Self::new(Halves::Write(write), closer, uri)
    }

    pub(super) fn from_command(pipe: Plain, running: Running, closer: &Closer, uri: &Uri) -> Self {
        let read = ReadHalf(ReadEnd::Command(pipe, running));
        Self::new(Halves::Read(read), closer, uri)
    }
}

/// The end of a channel that can be read. When it is dropped, a command that still writes into
/// it is killed.
#[derive(Debug)]
pub struct ReadHalf(ReadEnd);

#[derive(Debug)]
enum ReadEnd {
    Plain(Plain),
    Command(Plain, Running),
    Tls(TlsReader),
}

/// The end of a channel that can be written. When it is dropped before [`WriteHalf::finish`], a
/// command that still reads from it is killed.
#[derive(Debug)]
pub struct WriteHalf(WriteEnd);

#[derive(Debug)]
enum WriteEnd {
    Socket(Plain),
    Output(Plain),
    Command(Plain, Running),
    Tls(TlsWriter),
}

impl Read for ReadHalf {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            ReadEnd::Plain(plain) => plain.read(bytes),
            ReadEnd::Command(pipe, running) => match pipe.read(bytes) {
                // The end of a command that failed is not the end of what it had to say.
                Ok(0) if !bytes.is_empty() => running.succeed().map(|()| 0),
                result => result,
            },
            ReadEnd::Tls(reader) => reader.read(bytes),
        }
    }
}

impl Write for WriteHalf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.0 {
            WriteEnd::Socket(plain) | WriteEnd::Output(plain) => plain.write_vectored(slices),
            WriteEnd::Command(pipe, running) => match pipe.write_vectored(slices) {
                // How it ended says more than that it is gone.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    running.succeed().and(Err(error))
                }
                result => result,
            },
            WriteEnd::Tls(writer) => writer.write_vectored(slices),
        }
    }

    /// Nothing is held back on this side, so that there is nothing to do.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
            WriteEnd::Output(plain) => file::sync(plain.fd()),
            WriteEnd::Command(pipe, mut running) => {
                drop(pipe);
                running.succeed()
            }
            WriteEnd::Tls(writer) => writer.finish(),
        }
    }
}
