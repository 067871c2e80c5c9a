//! A shell command at the other end of a pipe.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::PollFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::closer::Closer;

/// A command that runs. It is killed, with what it started, when this is dropped before it has
/// ended.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    closer: Closer,
    ended: bool,
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    // A group of its own, so that what it starts can be ended with it.
    shell.arg("-c").arg(command).process_group(0);
    shell
}

/// Starts a command that reads what is written into the pipe.
pub(super) fn writer(command: &str, closer: &Closer) -> io::Result<(OwnedFd, Running)> {
    let mut child = shell(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let pipe = child.stdin.take().map(OwnedFd::from);
    Running::with(child, pipe, closer)
}

/// Starts a command that writes what is read from the pipe.
pub(super) fn reader(command: &str, closer: &Closer) -> io::Result<(OwnedFd, Running)> {
    let mut child = shell(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let pipe = child.stdout.take().map(OwnedFd::from);
    Running::with(child, pipe, closer)
}

impl Running {
    fn with(child: Child, pipe: Option<OwnedFd>, closer: &Closer) -> io::Result<(OwnedFd, Self)> {
        let running = Self {
            child,
            closer: closer.clone(),
            ended: false,
        };
        let pipe = pipe.ok_or_else(|| io::Error::other("the command has no pipe"))?;
        Ok((pipe, running))
    }

    /// Waits for its end, as long as the channel's time-out allows.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        if !self.ended {
            let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty())?;
            self.closer.wait(pidfd.as_fd(), PollFlags::IN)?;
            self.ended = true;
        }
        // Once waited for, it is remembered.
        self.child.wait()
    }

    /// Waits for its success. Its pipe must have been closed, by either side.
    pub(super) fn succeed(&mut self) -> io::Result<()> {
        let status = self.wait()?;
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => Err(io::Error::other(format!(
                "the command failed with exit status {code}"
            ))),
            (None, signal) => Err(io::Error::other(format!(
                "the command was killed by signal {}",
                signal.unwrap_or_default()
            ))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            // It may have ended by itself meanwhile; until the wait its number stays its own.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            // It may have left its group.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
