//! Reading and writing a descriptor that does not block: a socket, a pipe or a file.

use std::io::{self, IoSlice, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;

use super::closer::Closer;

/// A descriptor in use by a channel.
#[derive(Clone, Debug)]
pub(super) struct Plain {
    fd: Arc<OwnedFd>,
    closer: Closer,
}

impl Plain {
    /// Takes a descriptor of any kind.
    pub(super) fn new(fd: OwnedFd, closer: &Closer) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Self {
            fd: Arc::new(fd),
            closer: closer.clone(),
        })
    }

    /// Takes a connected socket, which the closer shuts down.
    pub(super) fn socket(fd: OwnedFd, closer: &Closer) -> io::Result<Self> {
        let plain = Self::new(fd, closer)?;
        closer.watch(&plain.fd);
        Ok(plain)
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Reads and drops what the peer still sends, until it closes or for `left`.
    pub(super) fn drain(&self, left: Duration) {
        let end = Instant::now() + left;
        let mut buffer = vec![0; 16 << 10];
        loop {
            match rustix::io::read(&*self.fd, &mut *buffer) {
                Ok(0) => return,
                Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => return,
            }
            let left = end.saturating_duration_since(Instant::now());
            let ready = self
                .closer
                .wait_at_most(self.fd.as_fd(), PollFlags::IN, left);
            if left.is_zero() || ready.is_err() {
                return;
            }
        }
    }

    /// Repeats `operation` until it does not have to wait any more.
    fn until_done(
        &self,
        what: PollFlags,
        mut operation: impl FnMut(&OwnedFd) -> Result<usize, Errno>,
    ) -> io::Result<usize> {
        self.closer.check()?;
        loop {
            match operation(&self.fd) {
                Ok(count) => {
                    self.closer.moved();
                    return Ok(count);
                }
                Err(Errno::AGAIN) => self.closer.wait(self.fd.as_fd(), what)?,
                Err(Errno::INTR) => {}
                Err(error) => {
                    // A socket that was shut down here says so in its own way.
                    self.closer.check()?;
                    return Err(error.into());
                }
            }
        }
    }
}

impl Read for Plain {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.until_done(PollFlags::IN, |fd| rustix::io::read(fd, &mut *bytes))?;
        if count == 0 {
            self.closer.check()?;
        }
        Ok(count)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until_done(PollFlags::OUT, |fd| rustix::io::write(fd, bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.until_done(PollFlags::OUT, |fd| rustix::io::writev(fd, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
