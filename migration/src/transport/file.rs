//! Files, from an offset on.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, SeekFrom, fstat, ftruncate, seek};

/// Opens a file to write a stream from `offset` on; what it had behind goes.
///
/// Not blocking: a pipe of that name which nobody reads is an error at once.
pub(super) fn create(path: &Path, offset: u64) -> io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?;
    if is_regular(&fd)? {
        ftruncate(&fd, offset)?;
    }
    to_offset(&fd, offset)?;
    Ok(fd)
}

/// Opens a file to read a stream from `offset` on.
pub(super) fn open(path: &Path, offset: u64) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    to_offset(&fd, offset)?;
    Ok(fd)
}

fn to_offset(fd: &OwnedFd, offset: u64) -> io::Result<()> {
    if offset > 0 {
        seek(fd, SeekFrom::Start(offset))?;
    }
    Ok(())
}

fn is_regular(fd: &OwnedFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode) == FileType::RegularFile)
}

/// Brings what was written onto the disk, if it is a file on one.
pub(super) fn sync(fd: &OwnedFd) -> io::Result<()> {
    match FileType::from_raw_mode(fstat(fd)?.st_mode) {
        FileType::RegularFile | FileType::BlockDevice => Ok(rustix::fs::fsync(fd)?),
        _ => Ok(()),
    }
}
