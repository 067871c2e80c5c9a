//! Ends what a channel waits for: on request from another thread, or when nothing moves.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::Shutdown;

/// What a channel's operation reports when [`Closer::close`] ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the channel was shut down from this side")]
pub struct Closed;

/// What a channel's operation reports when nothing moved for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no byte moved on the channel for {} ms", .after.as_millis())]
pub struct Stalled {
    /// The time-out.
    pub after: Duration,
}

/// Shuts a channel down from any thread, from before it is connected until it is gone. Clones
/// stand for the same channel. It also holds the channel's time-out.
#[derive(Clone, Debug)]
pub struct Closer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Readable once closed, and from then on for ever.
    wake: OwnedFd,
    closed: AtomicBool,
    stall: Duration,
    began: Instant,
    /// When the last byte moved in either direction, in ns since `began`.
    moved: AtomicU64,
    /// Shut down at closing, so that the peer learns it at once.
    socket: Mutex<Weak<OwnedFd>>,
}

impl Closer {
    /// A closer for a channel to come. Its operations fail when no byte has moved in either
    /// direction for `stall`, as far as somebody waits.
    ///
    /// # Errors
    /// The host has no more descriptors.
    pub fn new(stall: Duration) -> io::Result<Self> {
        Ok(Self(Arc::new(Shared {
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            closed: AtomicBool::new(false),
            stall,
            began: Instant::now(),
            moved: AtomicU64::new(0),
            socket: Mutex::new(Weak::new()),
        })))
    }

    /// Shuts the channel down: every operation under way or to come fails with [`Closed`].
    pub fn close(&self) {
        self.0.closed.store(true, Ordering::SeqCst);
        // Cannot fail short of 2^64 - 1 calls, and would be readable then as well.
        let _ = rustix::io::write(&self.0.wake, &1u64.to_ne_bytes());
        let socket = self.0.socket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = socket.upgrade() {
            // Fails only if it is not connected any more.
            let _ = rustix::net::shutdown(&socket, Shutdown::Both);
        }
    }

    /// True once [`Closer::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::SeqCst)
    }

    /// The time-out.
    pub fn stall(&self) -> Duration {
        self.0.stall
    }

    /// Fails once closed.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.is_closed() {
            return Err(closed());
        }
        Ok(())
    }

    /// Notes that a byte moved.
    pub(super) fn moved(&self) {
        let now = self.0.began.elapsed().as_nanos() as u64;
        self.0.moved.store(now, Ordering::Relaxed);
    }

    /// Has `socket` shut down at closing.
    pub(super) fn watch(&self, socket: &Arc<OwnedFd>) {
        let mut watched = self.0.socket.lock().unwrap_or_else(PoisonError::into_inner);
        *watched = Arc::downgrade(socket);
        drop(watched);
        if self.is_closed() {
            self.close();
        }
    }

    /// Waits until `fd` is ready for `what`, nothing has moved for too long, or the channel is
    /// closed.
    pub(super) fn wait(&self, fd: BorrowedFd<'_>, what: PollFlags) -> io::Result<()> {
        let start = self.0.began.elapsed();
        loop {
            let moved = Duration::from_nanos(self.0.moved.load(Ordering::Relaxed));
            let idle = self.0.began.elapsed().saturating_sub(moved.max(start));
            let Some(left) = self
                .0
                .stall
                .checked_sub(idle)
                .filter(|left| !left.is_zero())
            else {
                let after = self.0.stall;
                return Err(io::Error::new(io::ErrorKind::TimedOut, Stalled { after }));
            };
            if self.ready(fd, what, Some(left))? {
                return Ok(());
            }
        }
    }

    /// Waits as [`Closer::wait`], without a time-out.
    pub(super) fn wait_for_ever(&self, fd: BorrowedFd<'_>, what: PollFlags) -> io::Result<()> {
        while !self.ready(fd, what, None)? {}
        Ok(())
    }

    /// Waits as [`Closer::wait`], but no longer than `left`: whether it is ready.
    pub(super) fn wait_at_most(
        &self,
        fd: BorrowedFd<'_>,
        what: PollFlags,
        left: Duration,
    ) -> io::Result<bool> {
        self.ready(fd, what, Some(left))
    }

    /// One wait; false if the time is over or a signal came.
    fn ready(
        &self,
        fd: BorrowedFd<'_>,
        what: PollFlags,
        left: Option<Duration>,
    ) -> io::Result<bool> {
        let mut fds = [
            PollFd::from_borrowed_fd(fd, what),
            PollFd::from_borrowed_fd(self.0.wake.as_fd(), PollFlags::IN),
        ];
        let left = left.map(|left| Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.check()?;
        // Whatever else is reported (an error, the peer gone) the operation itself tells.
        Ok(!fds[0].revents().is_empty())
    }
}

/// The error of an operation on a closed channel.
pub(super) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, Closed)
}
