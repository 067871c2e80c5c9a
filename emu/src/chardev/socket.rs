//! Stream sockets, as server for one client after another and as client.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Mutex;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode as FileMode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::io::{Peer, serve};
use super::port::{Port, Sink};
use super::{Frontend, Source};
use crate::cleanup;
use crate::cli::{Mode, SocketAddress, SocketSpec};

/// Clients that may wait while one is served.
const BACKLOG: i32 = 16;

/// A listening socket.
pub(super) struct Server {
    listener: Listener,
    /// The address as described.
    name: String,
    /// A client that was waited for at the start.
    first: Mutex<Option<OwnedFd>>,
}

enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

impl Listener {
    fn accept(&self) -> std::io::Result<OwnedFd> {
        Ok(match self {
            Self::Unix(listener) => listener.accept()?.0.into(),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                stream.into()
            }
        })
    }
}

/// Opens the socket that `spec` asks for.
pub(super) fn open(port: &Port, spec: &SocketSpec) -> Result<Source, String> {
    let name = match &spec.address {
        SocketAddress::Unix(path) => format!("unix:{}", path.display()),
        SocketAddress::Tcp { host, port } => format!("tcp:{host}:{port}"),
    };
    let Mode::Server { wait } = spec.mode else {
        let stream: OwnedFd = match &spec.address {
            SocketAddress::Unix(path) => UnixStream::connect(path).map(Into::into),
            SocketAddress::Tcp { host, port } => {
                let host = if host.is_empty() { "localhost" } else { host };
                TcpStream::connect((host, *port)).and_then(|stream| {
                    stream.set_nodelay(true)?;
                    Ok(stream.into())
                })
            }
        }
        .map_err(|e| format!("could not connect to {name}: {e}"))?;
        let input = stream.try_clone().map_err(|e| format!("{name}: {e}"))?;
        port.describe(name);
        port.connect(Sink::Socket(stream));
        return Ok(Source::Connection { input });
    };
    let (listener, name) = match &spec.address {
        SocketAddress::Unix(path) => {
            let listener =
                listen_unix(path).map_err(|e| format!("could not listen on {name}: {e}"))?;
            cleanup::unlink_at_exit(path);
            (Listener::Unix(listener), name)
        }
        SocketAddress::Tcp { host, port } => {
            let host = if host.is_empty() { "0.0.0.0" } else { host };
            let listener = TcpListener::bind((host, *port))
                .map_err(|e| format!("could not listen on {name}: {e}"))?;
            // The port that the host chose for 0 is told.
            let name = listener
                .local_addr()
                .map_or(name, |address| format!("tcp:{address}"));
            (Listener::Tcp(listener), name)
        }
    };
    let name = format!("{name},server=on");
    port.describe(format!("disconnected:{name}"));
    let first = if wait {
        eprintln!("emu: info: waiting for a connection on {name}");
        Some(
            listener
                .accept()
                .map_err(|e| format!("no connection on {name}: {e}"))?,
        )
    } else {
        None
    };
    Ok(Source::Server(Server {
        listener,
        name,
        first: Mutex::new(first),
    }))
}

/// A listening socket at `path` that only this user may connect to: the mode is set before the
/// name exists. A socket that is left over there is replaced.
fn listen_unix(path: &Path) -> std::io::Result<UnixListener> {
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(std::io::Error::other(
                "there is a file of that name, not a socket",
            ));
        }
        std::fs::remove_file(path)?;
    }
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // Linux gives the name the mode of the socket's own inode (unix(7), "Pathname socket
    // ownership and permissions", and af_unix.c).
    rustix::fs::fchmod(&socket, FileMode::RUSR | FileMode::WUSR)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

impl Server {
    /// Serves clients one after another until the device is closed.
    pub(super) fn serve(self, port: &Port, user: &dyn Frontend) {
        let mut next = self.first.lock().ok().and_then(|mut first| first.take());
        while let Some(client) = next.take().or_else(|| self.accept(port)) {
            let Ok(output) = client.try_clone() else {
                continue;
            };
            log::debug!(target: "chardev", "{}: a client has come", port.label());
            port.connect(Sink::Socket(output));
            port.describe(self.name.clone());
            user.opened();
            serve(port, &client, user, Peer::Socket);
            port.disconnect();
            port.describe(format!("disconnected:{}", self.name));
            user.closed();
            log::debug!(target: "chardev", "{}: the client is gone", port.label());
            if port.health().closing {
                return;
            }
        }
    }

    /// The next client; `None` when the device is closed.
    fn accept(&self, port: &Port) -> Option<OwnedFd> {
        loop {
            let mut polled = [
                PollFd::from_borrowed_fd(port.wake_fd(), PollFlags::IN),
                PollFd::new(&self.listener, PollFlags::IN),
            ];
            let _ = poll(&mut polled, None);
            let [woken, client] = polled.map(|fd| !fd.revents().is_empty());
            if woken {
                let _ = rustix::io::read(port.wake_fd(), &mut [0_u8; 8]);
            }
            if port.health().closing {
                return None;
            }
            if client {
                match self.listener.accept() {
                    Ok(stream) => return Some(stream),
                    Err(e) => log::debug!(target: "chardev", "{}: accept: {e}", port.label()),
                }
            }
        }
    }
}
