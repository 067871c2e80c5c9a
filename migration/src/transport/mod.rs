//! Channels that a stream goes through: [`connect`] on the sending side, [`listen`] and
//! [`Listener::accept`] on the receiving one.
//!
//! Every operation ends: with its result, when no byte has moved for the time-out, or when the
//! channel's [`Closer`] is told to close it. Not here: what is sent, and what a failure means.

mod channel;
mod closer;
mod command;
mod descriptor;
mod error;
mod file;
mod inherited;
mod listener;
mod plain;
mod tcp;
pub mod tls;
mod unix;
mod uri;

use std::os::fd::OwnedFd;

pub use channel::{Channel, Halves, ReadHalf, WriteHalf};
pub use closer::{Closed, Closer, Stalled};
pub use error::TransportError;
pub use listener::{Listener, listen};
pub use uri::{Uri, UriError};

use descriptor::Direction;
use plain::Plain;
use tls::{Tls, TlsError};

/// What a channel needs beside its URI.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// Secures the channel. One-way channels are refused with it.
    pub tls: Option<&'a Tls>,
    /// Gives a descriptor that was passed to a monitor by its name, once.
    pub named_fd: &'a dyn Fn(&str) -> Option<OwnedFd>,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            tls: None,
            named_fd: &|_| None,
        }
    }
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("tls", &self.tls)
            .finish_non_exhaustive()
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
    let to = |source| TransportError::Connect {
        uri: uri.clone(),
        source,
    };
    let open = |source| TransportError::Open {
        uri: uri.clone(),
        source,
    };
    refuse_one_way(uri, settings)?;
    let channel = match uri {
        Uri::Unix { path } => {
            let plain = unix::connect(path, closer).map_err(to)?;
            Channel::socket(plain, closer, uri)
        }
        Uri::Tcp { host, port } => {
            let (plain, peer) = tcp::connect(host.as_deref(), *port, closer).map_err(to)?;
            let mut channel = Channel::socket(plain, closer, uri);
            if settings.tls.is_none() {
                channel.warnings.extend(tcp::warning(peer.ip()));
            }
            channel
        }
        Uri::Exec { command } => {
            let (pipe, running) = command::writer(command, closer).map_err(open)?;
            let plain = Plain::new(pipe, closer).map_err(open)?;
            Channel::to_command(plain, running, closer, uri)
        }
        Uri::File { path, offset } => {
            let fd = file::create(path, *offset).map_err(open)?;
            Channel::output(Plain::new(fd, closer).map_err(open)?, closer, uri)
        }
        Uri::Fd { number } => descriptor::by_number(*number)
            .and_then(|fd| descriptor::channel(fd, Direction::Out, uri, closer))
            .map_err(open)?,
        Uri::NamedFd { name } => descriptor::by_name(name, settings)
            .and_then(|fd| descriptor::channel(fd, Direction::Out, uri, closer))
            .map_err(open)?,
    };
    match settings.tls {
        Some(tls) => secure(channel, |plain| tls.connect(plain, uri)),
        None => Ok(channel),
    }
}

/// Refuses what TLS cannot secure before anything is opened.
fn refuse_one_way(uri: &Uri, settings: &Settings<'_>) -> Result<(), TransportError> {
    match (uri, settings.tls) {
        (Uri::Exec { .. } | Uri::File { .. }, Some(_)) => {
            Err(TransportError::TlsOneWay { uri: uri.clone() })
        }
        _ => Ok(()),
    }
}

/// Puts a TLS session on a channel.
fn secure(
    channel: Channel,
    handshake: impl FnOnce(Plain) -> Result<tls::Session, TlsError>,
) -> Result<Channel, TransportError> {
    let Channel {
        halves,
        closer,
        uri,
        warnings,
    } = channel;
    let Some(plain) = halves.into_socket() else {
        return Err(TransportError::TlsOneWay { uri });
    };
    let session = match handshake(plain) {
        Ok(session) => session,
        Err(source) => {
            return Err(TransportError::Tls {
                uri,
                source: Box::new(source),
            });
        }
    };
    let mut channel = Channel::secure(session, &closer, &uri);
    channel.warnings = warnings;
    Ok(channel)
}
