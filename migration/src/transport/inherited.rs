#![allow(
    unsafe_code,
    reason = "a descriptor given by its number has to be owned"
)]
//! Descriptors that the program was started with, given by their numbers.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};

/// One claim at a time, so that no descriptor is claimed twice.
static CLAIM: Mutex<()> = Mutex::new(());

/// Takes over an inherited descriptor. It is closed with the channel, except for standard
/// input, output and error, of which a copy is taken.
///
/// What this program opened by itself is refused: all of that closes on exec, and what was
/// inherited cannot have, else it would not be here.
pub(super) fn claim(number: i32) -> io::Result<OwnedFd> {
    let _claim = CLAIM.lock().unwrap_or_else(PoisonError::into_inner);
    if number < 0 {
        return Err(Errno::BADF.into());
    }
    // SAFETY: the descriptor is only asked for its flags and copied, and either fails if there
    // is none of that number.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = fcntl_getfd(borrowed)?;
    if number <= 2 {
        return Ok(fcntl_dupfd_cloexec(borrowed, 3)?);
    }
    if flags.contains(FdFlags::CLOEXEC) {
        return Err(io::Error::other(
            "the program was not started with a descriptor of this number, or it is in use",
        ));
    }
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and nothing here owns it: Rust opens everything to close on exec, and
    // the flag, which was not set, now keeps everybody else from claiming it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
