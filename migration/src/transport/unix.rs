//! Sockets in the file system.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::event::PollFlags;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::closer::Closer;
use super::plain::Plain;

fn socket() -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?)
}

/// A connection. Nobody waits in a queue: a migration has one channel.
pub(super) fn connect(path: &Path, closer: &Closer) -> io::Result<Plain> {
    closer.check()?;
    let fd = socket()?;
    match rustix::net::connect(&fd, &SocketAddrUnix::new(path)?) {
        Ok(()) => Plain::socket(fd, closer),
        // The listener's queue is full (connect(2)).
        Err(Errno::AGAIN) => Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            "somebody else is connecting there",
        )),
        Err(error) => Err(error.into()),
    }
}

/// A listening socket, whose name goes when it is dropped.
#[derive(Debug)]
pub(super) struct UnixListener {
    fd: OwnedFd,
    path: PathBuf,
    /// Device and inode of the name, so that nobody else's is removed.
    identity: (u64, u64),
}

impl UnixListener {
    /// Listens at `path`, for this user alone. A socket that is left over there is replaced, as
    /// QEMU does; any other file stays and is an error.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        if let Ok(found) = std::fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(io::Error::other(
                    "there is a file of that name, not a socket",
                ));
            }
            std::fs::remove_file(path)?;
        }
        let address = SocketAddrUnix::new(path)?;
        let fd = socket()?;
        // The name gets the mode of the socket's own inode (unix(7), "Pathname socket ownership
        // and permissions").
        rustix::fs::fchmod(&fd, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&fd, &address)?;
        // The folder may be left (-daemonize) before the name is to go.
        let path = std::path::absolute(path)?;
        let found = std::fs::symlink_metadata(&path)?;
        let listener = Self {
            fd,
            path,
            identity: (found.dev(), found.ino()),
        };
        rustix::net::listen(&listener.fd, 1)?;
        Ok(listener)
    }

    /// Waits for one connection, then takes the name away.
    pub(super) fn accept(self, closer: &Closer) -> io::Result<Plain> {
        loop {
            match rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC) {
                Ok(fd) => return Plain::socket(fd, closer),
                Err(Errno::AGAIN) => closer.wait_for_ever(self.fd.as_fd(), PollFlags::IN)?,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        let same = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if same {
            // Somebody may have been faster; then it is gone as well.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
