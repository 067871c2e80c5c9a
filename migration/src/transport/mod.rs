//! Channels that a stream goes through: [`connect`] on the sending side, [`listen`] and
//! [`Listener::accept`] on the receiving one.
//!
//! Every operation ends: with its result, when no byte has moved for the time-out, or when the
//! channel's [`Closer`] is told to close it. Not here: what is sent, and what a failure means.

mod channel;
mod closer;
mod error;
mod listener;
mod plain;
mod unix;
mod uri;

use std::os::fd::OwnedFd;

pub use channel::{Channel, Halves, ReadHalf, WriteHalf};
pub use closer::{Closed, Closer, Stalled};
pub use error::TransportError;
pub use listener::{Listener, listen};
pub use uri::{Uri, UriError};

/// What a channel needs beside its URI.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// Gives a descriptor that was passed to a monitor by its name, once.
    pub named_fd: &'a dyn Fn(&str) -> Option<OwnedFd>,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            named_fd: &|_| None,
        }
    }
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

/// Opens the channel to the receiving side.
///
/// # Errors
/// Any [`TransportError`].
pub fn connect(
    uri: &Uri,
    settings: &Settings<'_>,
    closer: &Closer,
) -> Result<Channel, TransportError> {
    let _ = settings;
    match uri {
        Uri::Unix { path } => unix::connect(uri, path, closer),
        _ => Err(TransportError::Unsupported { uri: uri.clone() }),
    }
}
