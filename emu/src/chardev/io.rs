//! The loop that a device's thread runs while it has a peer.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::Frontend;
use super::port::{Port, QUEUE_LIMIT};

/// Input that the user has not taken yet, at most; the peer waits beyond that.
const CARRY_LIMIT: usize = 64 << 10;

/// What the end of the input means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// Nothing: output goes on for the program's life.
    KeepWriting,
    /// The peer is leaving: it gets what is queued, then the connection ends.
    Leave,
}

/// Serves one peer until it is gone or the device is closed. `carry` is input that the user has
/// not taken yet; it outlives the peer.
pub(super) fn serve(
    port: &Port,
    input: &OwnedFd,
    user: &dyn Frontend,
    at_end: AtEnd,
    carry: &mut Vec<u8>,
) {
    let mut buffer = [0_u8; 4096];
    let mut ended = false;
    loop {
        deliver(user, carry);
        let health = port.health();
        if health.closing {
            return;
        }
        if at_end == AtEnd::Leave && (!health.connected || ended && health.queued == 0) {
            return;
        }
        let sink = if health.queued > 0 { port.sink() } else { None };
        let mut polled = vec![PollFd::from_borrowed_fd(port.wake_fd(), PollFlags::IN)];
        let reads = !ended && carry.len() < CARRY_LIMIT && health.queued < QUEUE_LIMIT;
        if reads {
            polled.push(PollFd::new(input, PollFlags::IN));
        }
        if let Some(sink) = &sink {
            polled.push(PollFd::from_borrowed_fd(sink.as_fd(), PollFlags::OUT));
        }
        match poll(&mut polled, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(polled);
        if ready[0] {
            let _ = rustix::io::read(port.wake_fd(), &mut [0_u8; 8]);
            user.woken();
        }
        if sink.is_some() && ready.last() == Some(&true) {
            port.flush();
        }
        if reads && ready[1] {
            match rustix::io::read(input, &mut buffer) {
                Ok(0) => ended = true,
                Ok(count) => carry.extend_from_slice(&buffer[..count]),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => ended = true,
            }
        }
    }
}

/// Offers what is carried until the user takes no more.
fn deliver(user: &dyn Frontend, carry: &mut Vec<u8>) {
    while !carry.is_empty() {
        let taken = user.receive(carry).min(carry.len());
        if taken == 0 {
            break;
        }
        carry.drain(..taken);
    }
}
