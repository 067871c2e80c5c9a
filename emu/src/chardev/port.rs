//! A device's output side: who writes never waits for a slow peer, unless it may.
//!
//! What the peer cannot take yet is queued; the device's thread writes it when the peer can.
//! Nothing is dropped while the peer lives. Writers that can flood (the guest) wait while the
//! queue is long, but never against a stop of the VM: see [`Port::relieve`].

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::net::SendFlags;

/// Queued bytes beyond which the guest waits and monitors take no further commands.
pub(super) const QUEUE_LIMIT: usize = 1 << 20;

/// Where output goes.
pub(super) enum Sink {
    /// A descriptor of our own that never blocks.
    NonBlocking(OwnedFd),
    /// A socket, whatever its mode.
    Socket(OwnedFd),
    /// A file, or a descriptor shared with other programs, whose mode is not ours to change.
    Blocking(OwnedFd),
}

impl Sink {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::NonBlocking(fd) | Self::Socket(fd) | Self::Blocking(fd) => fd.as_fd(),
        }
    }

    /// Writes what can be written now; 0 when nothing can.
    fn write(&self, bytes: &[u8]) -> rustix::io::Result<usize> {
        let result = match self {
            Self::NonBlocking(fd) => rustix::io::write(fd, bytes),
            Self::Socket(fd) => {
                rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
            }
            Self::Blocking(fd) => {
                let mut polled = [PollFd::new(fd, PollFlags::OUT)];
                let now = Timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                };
                match poll(&mut polled, Some(&now)) {
                    Ok(0) => Ok(0),
                    // A writable pipe takes this many without blocking.
                    Ok(_) => rustix::io::write(fd, &bytes[..bytes.len().min(4096)]),
                    Err(e) => Err(e),
                }
            }
        };
        match result {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            other => other,
        }
    }
}

struct Out {
    sink: Option<Arc<Sink>>,
    queue: VecDeque<u8>,
}

/// The output side of a device, and what wakes its thread.
pub struct Port {
    label: String,
    description: Mutex<String>,
    out: Mutex<Out>,
    /// Signalled when the queue shrinks or the peer goes.
    room: Condvar,
    wake: OwnedFd,
    closing: AtomicBool,
    /// How many want patient writers not to wait.
    reliefs: AtomicUsize,
}

/// How a device is doing, for its thread.
pub(super) struct Health {
    pub(super) queued: usize,
    pub(super) connected: bool,
    pub(super) closing: bool,
}

impl Port {
    pub(crate) fn new(label: &str) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            label: label.to_owned(),
            description: Mutex::default(),
            out: Mutex::new(Out {
                sink: None,
                queue: VecDeque::new(),
            }),
            room: Condvar::new(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            closing: AtomicBool::new(false),
            reliefs: AtomicUsize::new(0),
        }))
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The device's id.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What it is and where, as `query-chardev` shows it.
    pub fn description(&self) -> String {
        self.description
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn describe(&self, text: impl Into<String>) {
        *self
            .description
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = text.into();
    }

    pub(super) fn connect(&self, sink: Sink) {
        let mut out = self.out();
        out.sink = Some(Arc::new(sink));
        out.queue.clear();
    }

    /// The peer is gone: what it did not take is dropped.
    pub(super) fn disconnect(&self) {
        let mut out = self.out();
        out.sink = None;
        out.queue = VecDeque::new();
        drop(out);
        self.room.notify_all();
    }

    /// Makes the device's thread look again: input can be taken, or the device is to end.
    pub fn wake(&self) {
        // Fails only when the counter is full, and then it is readable.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    pub(super) fn wake_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Ends the device's thread.
    pub fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether somebody is there to take output.
    pub fn is_connected(&self) -> bool {
        self.out().sink.is_some()
    }

    /// Writes without waiting: what the peer cannot take yet is queued. Dropped when nobody is
    /// there.
    pub fn write(&self, bytes: &[u8]) {
        self.put(self.out(), bytes);
    }

    /// Writes, but waits while much is queued and the peer is slow. Not for the device's own
    /// thread, which empties the queue.
    pub fn write_patiently(&self, bytes: &[u8]) {
        let mut out = self.out();
        while out.queue.len() >= QUEUE_LIMIT
            && out.sink.is_some()
            && self.reliefs.load(Ordering::SeqCst) == 0
        {
            out = self.room.wait(out).unwrap_or_else(PoisonError::into_inner);
        }
        self.put(out, bytes);
    }

    /// While the guard lives, patient writers do not wait: somebody waits for the vCPU that a
    /// writer is, to stop it or to look at it, and must not wait for the writer's peer, too.
    /// Nothing is lost; the queue is longer by what they hold.
    #[must_use]
    pub fn relieve(self: &Arc<Self>) -> Relief {
        // Under the lock, so that no writer misses it between its look and its wait.
        let out = self.out();
        self.reliefs.fetch_add(1, Ordering::SeqCst);
        drop(out);
        self.room.notify_all();
        Relief(Arc::clone(self))
    }

    fn put(&self, mut out: MutexGuard<'_, Out>, mut bytes: &[u8]) {
        let Some(sink) = out.sink.clone() else { return };
        if out.queue.is_empty() {
            while !bytes.is_empty() {
                match sink.write(bytes) {
                    Ok(0) => break,
                    Ok(count) => bytes = &bytes[count..],
                    Err(e) => return self.lose(out, e),
                }
            }
        }
        if !bytes.is_empty() {
            out.queue.extend(bytes);
            drop(out);
            self.wake();
        }
    }

    fn lose(&self, mut out: MutexGuard<'_, Out>, error: rustix::io::Errno) {
        let blocking = matches!(out.sink.as_deref(), Some(Sink::Blocking(_)));
        out.sink = None;
        out.queue = VecDeque::new();
        drop(out);
        if blocking && error != rustix::io::Errno::PIPE {
            log::warn!("chardev '{}': output ends here: {error}", self.label);
        } else {
            log::debug!(target: "chardev", "{}: the peer is gone: {error}", self.label);
        }
        self.room.notify_all();
        self.wake();
    }

    /// Writes from the queue what the peer takes now.
    pub(super) fn flush(&self) {
        let mut out = self.out();
        let Some(sink) = out.sink.clone() else { return };
        while !out.queue.is_empty() {
            let (front, _) = out.queue.as_slices();
            match sink.write(front) {
                Ok(0) => break,
                Ok(count) => drop(out.queue.drain(..count)),
                Err(e) => return self.lose(out, e),
            }
        }
        if out.queue.len() < QUEUE_LIMIT {
            self.room.notify_all();
        }
    }

    pub(super) fn health(&self) -> Health {
        let out = self.out();
        Health {
            queued: out.queue.len(),
            connected: out.sink.is_some(),
            closing: self.closing.load(Ordering::SeqCst),
        }
    }

    /// Runs `then` with the sink's descriptor, if there is one.
    pub(super) fn sink(&self) -> Option<SinkFd> {
        self.out().sink.clone().map(SinkFd)
    }

    /// Waits until the peer has taken everything, or is gone, or the time is up.
    pub fn drain(&self, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            self.flush();
            if self.health().queued == 0 {
                return;
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else {
                return;
            };
            let Some(sink) = self.sink() else { return };
            let slice = left.min(Duration::from_millis(200));
            let Ok(slice) = Timespec::try_from(slice) else {
                return;
            };
            let _ = poll(&mut [PollFd::new(&sink, PollFlags::OUT)], Some(&slice));
        }
    }
}

/// See [`Port::relieve`].
pub struct Relief(Arc<Port>);

impl Drop for Relief {
    fn drop(&mut self) {
        self.0.reliefs.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Keeps a sink's descriptor open while it is polled.
pub(super) struct SinkFd(Arc<Sink>);

impl AsFd for SinkFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd()
    }
}

impl machine::ConsoleOutput for Port {
    fn write(&self, bytes: &[u8]) {
        self.write_patiently(bytes);
    }
}
