//! Character devices: where a byte stream to and from the outside comes in.
//!
//! A device is opened from its specification, given one user (a [`Frontend`]; a [`mux::Mux`] for
//! several) and started; from then on one thread of its own feeds the user, and anybody may
//! write. What bytes mean is not known here.

mod io;
pub mod mux;
mod port;
mod socket;
mod stdio;

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::fs::{Mode, OFlags};

use crate::cli::{ChardevKind, ChardevSpec, CliError};

pub use port::{Port, Relief};
use socket::Server;

/// The user of a character device. Called from the device's thread only, one call at a time.
pub trait Frontend: Send + Sync {
    /// Takes input, all of it.
    fn receive(&self, bytes: &[u8]);

    /// Bytes that were taken but are of no use yet: beyond some of them the peer has to wait.
    /// Looked at again after [`Port::wake`].
    fn backlog(&self) -> usize {
        0
    }

    /// Takes descriptors that the peer has sent with the input that follows. Without a use for
    /// them they are closed.
    fn receive_descriptors(&self, _: Vec<OwnedFd>) {}

    /// Somebody is at the other end now.
    fn opened(&self) {}

    /// Nobody is at the other end any more.
    fn closed(&self) {}

    /// [`Port::wake`] was called.
    fn woken(&self) {}
}

/// An opened character device.
pub struct Chardev {
    port: Arc<Port>,
    mux: bool,
    source: Mutex<Option<Source>>,
}

/// Where a device's input comes from.
enum Source {
    /// Nowhere: output only.
    None,
    /// One stream for the program's life.
    Stream {
        input: OwnedFd,
    },
    /// A connection that ends with its peer.
    Connection {
        input: OwnedFd,
    },
    Server(Server),
}

impl Chardev {
    /// Opens what `spec` asks for. A server with `wait=on` waits here for its first client.
    ///
    /// # Errors
    /// The host refuses; the message names the argument.
    pub fn open(spec: &ChardevSpec) -> Result<Arc<Self>, CliError> {
        let fail = |what: String| CliError::new(&spec.argument, what);
        let port = Port::new(&spec.id)
            .map_err(|e| fail(format!("the host refuses an event descriptor: {e}")))?;
        let source = match &spec.kind {
            ChardevKind::Null => {
                port.describe("null");
                Source::None
            }
            ChardevKind::Stdio { signal } => {
                port.describe("stdio");
                let input = stdio::open(&port, *signal)
                    .map_err(|e| fail(format!("cannot use standard input and output: {e}")))?;
                Source::Stream { input }
            }
            ChardevKind::File { path, append } => {
                let mut options = OpenOptions::new();
                options.create(true).write(true);
                let options = if *append {
                    options.append(true)
                } else {
                    options.truncate(true)
                };
                let file = options
                    .open(path)
                    .map_err(|e| fail(format!("could not open '{}': {e}", path.display())))?;
                port.describe("file");
                port.connect(port::Sink::Blocking(file.into()));
                Source::None
            }
            ChardevKind::Pipe { path } => {
                let (input, output) = open_pipe(path)
                    .map_err(|e| fail(format!("could not open '{}': {e}", path.display())))?;
                port.describe("pipe");
                port.connect(port::Sink::NonBlocking(output));
                Source::Stream { input }
            }
            ChardevKind::Socket(socket) => socket::open(&port, socket).map_err(fail)?,
        };
        Ok(Arc::new(Self {
            port,
            mux: spec.mux,
            source: Mutex::new(Some(source)),
        }))
    }

    /// The device's id.
    pub fn label(&self) -> &str {
        self.port.label()
    }

    /// Whether several users may share it.
    pub fn is_mux(&self) -> bool {
        self.mux
    }

    /// Where to write and what to wake.
    pub fn port(&self) -> &Arc<Port> {
        &self.port
    }

    /// Starts the device's thread, which serves `user` from now on. A device without a user
    /// takes no input. A second call does nothing.
    ///
    /// # Errors
    /// The host refuses a thread.
    pub fn start(&self, user: Option<Arc<dyn Frontend>>) -> std::io::Result<()> {
        let source = self
            .source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(source) = source else { return Ok(()) };
        let user = user.unwrap_or_else(|| Arc::new(Nobody));
        let port = Arc::clone(&self.port);
        let run: Box<dyn FnOnce() + Send> = match source {
            Source::None => {
                user.opened();
                return Ok(());
            }
            Source::Stream { input } => Box::new(move || {
                user.opened();
                io::serve(&port, &input, &*user, io::Peer::Stream);
            }),
            Source::Connection { input } => Box::new(move || {
                user.opened();
                io::serve(&port, &input, &*user, io::Peer::Socket);
                port.disconnect();
                user.closed();
            }),
            Source::Server(server) => Box::new(move || server.serve(&port, &*user)),
        };
        thread::Builder::new()
            .name(format!("chr-{}", self.label()))
            .spawn(run)
            .map(drop)
    }
}

impl Drop for Chardev {
    fn drop(&mut self) {
        self.port.close();
    }
}

/// For a device that nobody uses: input is thrown away.
struct Nobody;

impl Frontend for Nobody {
    fn receive(&self, _: &[u8]) {}
}

/// `PATH.in` and `PATH.out` if both are there, else `PATH` for both directions. Opened for
/// reading and writing, so that neither a missing nor a leaving peer blocks or ends anything.
fn open_pipe(path: &std::path::Path) -> std::io::Result<(OwnedFd, OwnedFd)> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        open_fifo(name.as_ref())
    };
    if let (Ok(input), Ok(output)) = (with(".in"), with(".out")) {
        return Ok((input, output));
    }
    let both = open_fifo(path)?;
    Ok((both.try_clone()?, both))
}

fn open_fifo(path: &std::path::Path) -> std::io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}
