//! The terminal's modes: raw while the program has it, as found on every way out.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::process::getpgrp;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    isatty, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};

struct Taken {
    fd: OwnedFd,
    found: Termios,
    raw: Termios,
}

static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

/// Puts `fd` into raw mode if it is a terminal; else nothing happens. With `signal` Ctrl-C and
/// its like still make signals.
///
/// # Errors
/// The terminal cannot be read or set.
pub fn enter_raw_mode(fd: BorrowedFd<'_>, signal: bool) -> std::io::Result<()> {
    if !isatty(fd) {
        return Ok(());
    }
    let found = tcgetattr(fd)?;
    let mut raw = found.clone();
    raw.input_modes -= InputModes::IGNBRK
        | InputModes::BRKINT
        | InputModes::PARMRK
        | InputModes::ISTRIP
        | InputModes::INLCR
        | InputModes::IGNCR
        | InputModes::ICRNL
        | InputModes::IXON;
    // Output keeps its line ends: messages of the program itself come out well, too.
    raw.output_modes |= OutputModes::OPOST;
    raw.local_modes -=
        LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::IEXTEN;
    if !signal {
        raw.local_modes -= LocalModes::ISIG;
    }
    raw.control_modes -= ControlModes::CSIZE | ControlModes::PARENB;
    raw.control_modes |= ControlModes::CS8;
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    let taken = Taken {
        fd: fd.try_clone_to_owned()?,
        found,
        raw,
    };
    let mut slot = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if in_foreground(&taken.fd) {
        tcsetattr(&taken.fd, OptionalActions::Now, &taken.raw)?;
    }
    *slot = Some(taken);
    Ok(())
}

/// Restores the terminal as it was found, for good.
pub fn restore() {
    if let Some(taken) = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).take() {
        set(&taken.fd, &taken.found);
    }
}

/// The program is about to be stopped by a signal: the terminal is the shell's meanwhile.
pub fn lend() {
    if let Some(taken) = &*TAKEN.lock().unwrap_or_else(PoisonError::into_inner) {
        set(&taken.fd, &taken.found);
    }
}

/// The program goes on: raw mode again, if it is in the foreground.
pub fn take_back() {
    if let Some(taken) = &*TAKEN.lock().unwrap_or_else(PoisonError::into_inner) {
        set(&taken.fd, &taken.raw);
    }
}

/// Columns of the terminal in use; `None` if there is none.
pub fn columns() -> Option<usize> {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let size = tcgetwinsize(taken.as_ref()?.fd.as_fd()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

fn set(fd: &OwnedFd, modes: &Termios) {
    // From the background this would stop the program, and the terminal is another's there.
    if in_foreground(fd) {
        let _ = tcsetattr(fd, OptionalActions::Now, modes);
    }
}

fn in_foreground(fd: &OwnedFd) -> bool {
    // A terminal that is not the controlling one has no foreground group: it is ours.
    tcgetpgrp(fd).map_or(true, |group| group == getpgrp())
}
