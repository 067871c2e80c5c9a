//! The loop that a device's thread runs while it has a peer.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::Frontend;
use super::port::{Port, QUEUE_LIMIT};

/// Input that the user holds and has no use for yet, at most; the peer waits beyond that.
const BACKLOG_LIMIT: usize = 64 << 10;

/// Descriptors that one message may carry; the kernel's own limit (SCM_MAX_FD) is higher, but
/// no command takes more than one.
const DESCRIPTORS: usize = 16;

/// What the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// One stream for the program's life: the end of its input means nothing to its output.
    Stream,
    /// A socket. At the end of its input the peer is leaving: it gets what is queued, then the
    /// connection ends. It may send descriptors.
    Socket,
}

/// Serves one peer until it is gone or the device is closed.
pub(super) fn serve(port: &Port, input: &OwnedFd, user: &dyn Frontend, peer: Peer) {
    let mut buffer = [0_u8; 4096];
    let mut ended = false;
    loop {
        let health = port.health();
        if health.closing {
            return;
        }
        if peer == Peer::Socket && (!health.connected || ended && health.queued == 0) {
            return;
        }
        let sink = if health.queued > 0 { port.sink() } else { None };
        let mut polled = vec![PollFd::from_borrowed_fd(port.wake_fd(), PollFlags::IN)];
        let reads = !ended && user.backlog() < BACKLOG_LIMIT && health.queued < QUEUE_LIMIT;
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
            let count = match peer {
                Peer::Stream => rustix::io::read(input, &mut buffer),
                Peer::Socket => read_message(input, &mut buffer, user),
            };
            match count {
                Ok(0) => ended = true,
                Ok(count) => user.receive(&buffer[..count]),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(_) => ended = true,
            }
        }
    }
}

/// Reads bytes; descriptors that came with them go to the user first.
fn read_message(
    socket: &OwnedFd,
    buffer: &mut [u8],
    user: &dyn Frontend,
) -> rustix::io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptors: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    if !descriptors.is_empty() {
        user.receive_descriptors(descriptors);
    }
    Ok(message.bytes)
}
