//! Standard input and output as a character device.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::stdio::{stdin, stdout};

use super::port::{Port, Sink};
use crate::terminal;

/// Connects `port` to standard output and returns standard input. A terminal is put into raw
/// mode; `signal` leaves Ctrl-C and its like their meaning.
pub(super) fn open(port: &Port, signal: bool) -> std::io::Result<OwnedFd> {
    let input = stdin().try_clone_to_owned()?;
    let output = stdout().try_clone_to_owned()?;
    let kind = FileType::from_raw_mode(fstat(&output)?.st_mode);
    let sink = match kind {
        FileType::Socket => Sink::Socket(output),
        // An open file description of our own, so that not blocking is nobody else's business.
        FileType::Fifo | FileType::CharacterDevice => match reopen() {
            Ok(own) => Sink::NonBlocking(own),
            Err(_) => Sink::Blocking(output),
        },
        _ => Sink::Blocking(output),
    };
    terminal::enter_raw_mode(input.as_fd(), signal)?;
    port.connect(sink);
    Ok(input)
}

fn reopen() -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/proc/self/fd/1", flags, Mode::empty())
}
