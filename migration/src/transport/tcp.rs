//! TCP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::closer::Closer;
use super::plain::Plain;

/// What a name stands for; without one, this host alone.
fn resolve(host: Option<&str>, port: u16) -> io::Result<Vec<SocketAddr>> {
    let Some(host) = host else {
        return Ok(vec![(Ipv4Addr::LOCALHOST, port).into()]);
    };
    let addresses: Vec<_> = (host, port).to_socket_addrs()?.collect();
    if addresses.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("'{host}' has no address"),
        ));
    }
    Ok(addresses)
}

/// True for an address that only this host reaches.
fn is_local(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// A connection and the address at its other end.
pub(super) fn connect(
    host: Option<&str>,
    port: u16,
    closer: &Closer,
) -> io::Result<(Plain, SocketAddr)> {
    let mut last = None;
    for address in resolve(host, port)? {
        match connect_to(address, closer) {
            Ok(fd) => return Ok((adopt(fd, closer)?, address)),
            Err(error) => last = Some(error),
        }
        closer.check()?;
    }
    Err(last.unwrap_or_else(|| Errno::ADDRNOTAVAIL.into()))
}

fn connect_to(address: SocketAddr, closer: &Closer) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let fd = rustix::net::socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    match rustix::net::connect(&fd, &address) {
        Ok(()) => {}
        Err(Errno::INPROGRESS | Errno::INTR) => {
            closer.wait(fd.as_fd(), PollFlags::OUT)?;
            sockopt::socket_error(&fd)??;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(fd)
}

fn adopt(fd: OwnedFd, closer: &Closer) -> io::Result<Plain> {
    // Sections are written whole; a reply must not wait for more to come.
    sockopt::set_tcp_nodelay(&fd, true)?;
    // A host that is gone is noticed even where nothing is sent for a long time.
    sockopt::set_socket_keepalive(&fd, true)?;
    Plain::socket(fd, closer)
}

/// The warning about a connection that others can listen to, unless it stays on this host.
pub(super) fn warning(address: IpAddr) -> Option<String> {
    (!is_local(address)).then(|| {
        format!(
            "the migration channel to {address} is neither encrypted nor authenticated: who \
             shares the network can read the guest's memory and change it (tls-creds gives it TLS)"
        )
    })
}

/// The warning about a listening socket that others can reach.
pub(super) fn exposed(address: SocketAddr) -> Option<String> {
    (!is_local(address.ip())).then(|| {
        format!(
            "the incoming migration at {address} can be reached from the network by anybody: \
             without TLS (tls-creds) the first who connects gives this machine its contents"
        )
    })
}

/// Listens; without a host, for this host alone.
pub(super) fn bind(host: Option<&str>, port: u16) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(resolve(host, port)?.as_slice())?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Waits for one connection.
pub(super) fn accept(listener: TcpListener, closer: &Closer) -> io::Result<(Plain, SocketAddr)> {
    loop {
        match listener.accept() {
            Ok((stream, address)) => return Ok((adopt(stream.into(), closer)?, address)),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    closer.wait_for_ever(listener.as_fd(), PollFlags::IN)?;
                }
                io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                _ => return Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leaves_this_host_is_warned_of() {
        for local in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            let address: IpAddr = local.parse().unwrap();
            assert_eq!(warning(address), None, "{local}");
            assert_eq!(exposed((address, 1).into()), None, "{local}");
        }
        for far in [
            "192.0.2.1",
            "0.0.0.0",
            "::",
            "2001:db8::1",
            "::ffff:192.0.2.1",
        ] {
            let address: IpAddr = far.parse().unwrap();
            assert!(
                warning(address).is_some_and(|text| text.contains(far)),
                "{far}"
            );
            assert!(exposed((address, 1).into()).is_some(), "{far}");
        }
    }
}
