//! Descriptors that somebody else opened.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::net::{SocketType, sockopt};

use super::Settings;
use super::channel::Channel;
use super::closer::Closer;
use super::inherited;
use super::plain::Plain;
use super::uri::Uri;

/// Which way the stream goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From here.
    Out,
    /// To here.
    In,
}

/// A descriptor by its number.
pub(super) fn by_number(number: i32) -> io::Result<OwnedFd> {
    inherited::claim(number)
}

/// A descriptor that a monitor was given.
pub(super) fn by_name(name: &str, settings: &Settings<'_>) -> io::Result<OwnedFd> {
    (settings.named_fd)(name).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("no descriptor named '{name}' has been given"),
        )
    })
}

/// The channel that a descriptor makes: of two ways if it is a socket.
pub(super) fn channel(
    fd: OwnedFd,
    direction: Direction,
    uri: &Uri,
    closer: &Closer,
) -> io::Result<Channel> {
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) == FileType::Socket {
        if sockopt::socket_type(&fd)? != SocketType::STREAM || sockopt::socket_acceptconn(&fd)? {
            return Err(io::Error::other("the socket is not a connected stream"));
        }
        return Ok(Channel::socket(Plain::socket(fd, closer)?, closer, uri));
    }
    let mode = fcntl_getfl(&fd)? & OFlags::ACCMODE;
    let plain = Plain::new(fd, closer)?;
    match direction {
        Direction::Out if mode == OFlags::RDONLY => {
            Err(io::Error::other("the descriptor cannot be written"))
        }
        Direction::In if mode == OFlags::WRONLY => {
            Err(io::Error::other("the descriptor cannot be read"))
        }
        Direction::Out => Ok(Channel::output(plain, closer, uri)),
        Direction::In => Ok(Channel::input(plain, closer, uri)),
    }
}
