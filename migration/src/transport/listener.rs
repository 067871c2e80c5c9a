//! Waits for the sending side.

use std::net::TcpListener;

use super::channel::Channel;
use super::closer::Closer;
use super::descriptor::{self, Direction};
use super::error::TransportError;
use super::plain::Plain;
use super::tls::Tls;
use super::unix::UnixListener;
use super::uri::Uri;
use super::{Settings, command, file, refuse_one_way, secure, tcp};

/// A place where one channel comes in.
#[derive(Debug)]
pub struct Listener {
    source: Source,
    tls: Option<Tls>,
    uri: Uri,
    closer: Closer,
}

#[derive(Debug)]
enum Source {
    Unix(UnixListener),
    Tcp(TcpListener),
    /// Started when it is waited for, so that it does not run before anybody reads.
    Command(String),
    Ready(Box<Channel>),
}

/// Makes the place where the sending side's channel comes in. What is wrong with it is told at
/// once, not when the channel is waited for.
///
/// # Errors
/// Any [`TransportError`].
pub fn listen(
    uri: &Uri,
    settings: &Settings<'_>,
    closer: &Closer,
) -> Result<Listener, TransportError> {
    let on = |source| TransportError::Listen {
        uri: uri.clone(),
        source,
    };
    let open = |source| TransportError::Open {
        uri: uri.clone(),
        source,
    };
    let ready = |channel| Source::Ready(Box::new(channel));
    refuse_one_way(uri, settings)?;
    let mut place = uri.clone();
    let source = match uri {
        Uri::Unix { path } => Source::Unix(UnixListener::bind(path).map_err(on)?),
        Uri::Tcp { host, port } => {
            let listener = tcp::bind(host.as_deref(), *port).map_err(on)?;
            place = Uri::Tcp {
                host: host.clone(),
                port: listener.local_addr().map_err(on)?.port(),
            };
            Source::Tcp(listener)
        }
        Uri::Exec { command } => Source::Command(command.clone()),
        Uri::File { path, offset } => {
            let plain = file::open(path, *offset)
                .and_then(|fd| Plain::new(fd, closer))
                .map_err(open)?;
            ready(Channel::input(plain, closer, uri))
        }
        Uri::Fd { number } => descriptor::by_number(*number)
            .and_then(|fd| descriptor::channel(fd, Direction::In, uri, closer))
            .map(ready)
            .map_err(open)?,
        Uri::NamedFd { name } => descriptor::by_name(name, settings)
            .and_then(|fd| descriptor::channel(fd, Direction::In, uri, closer))
            .map(ready)
            .map_err(open)?,
    };
    Ok(Listener {
        source,
        tls: settings.tls.cloned(),
        uri: place,
        closer: closer.clone(),
    })
}

impl Listener {
    /// Waits for the one channel, as long as it takes or until the closer is used. A unix
    /// socket's path is gone afterwards, as it is when the listener is dropped.
    ///
    /// # Errors
    /// [`TransportError::Accept`], [`TransportError::Open`], [`TransportError::Tls`].
    pub fn accept(self) -> Result<Channel, TransportError> {
        let Self {
            source,
            tls,
            uri,
            closer,
        } = self;
        let accept = |source| TransportError::Accept {
            uri: uri.clone(),
            source,
        };
        let open = |source| TransportError::Open {
            uri: uri.clone(),
            source,
        };
        let channel = match source {
            Source::Unix(listener) => {
                let plain = listener.accept(&closer).map_err(accept)?;
                Channel::socket(plain, &closer, &uri)
            }
            Source::Tcp(listener) => {
                let (plain, peer) = tcp::accept(listener, &closer).map_err(accept)?;
                let mut channel = Channel::socket(plain, &closer, &uri);
                if tls.is_none() {
                    channel.warnings.extend(tcp::warning(peer.ip()));
                }
                channel
            }
            Source::Command(command) => {
                let (pipe, running) = command::reader(&command, &closer).map_err(open)?;
                let plain = Plain::new(pipe, &closer).map_err(open)?;
                Channel::from_command(plain, running, &closer, &uri)
            }
            Source::Ready(channel) => *channel,
        };
        match tls {
            Some(tls) => secure(channel, |plain| tls.accept(plain)),
            None => Ok(channel),
        }
    }

    /// Where it is, with the port that the host chose for port 0.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// What its user should be told about it already now, each in one sentence.
    pub fn warnings(&self) -> Vec<String> {
        match (&self.source, &self.tls) {
            (Source::Tcp(listener), None) => listener
                .local_addr()
                .ok()
                .and_then(tcp::exposed)
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }
}
