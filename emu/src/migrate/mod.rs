//! Migration and snapshots of this program's VM: what monitors and the command line ask for,
//! brought together with the protocol, its channels and run control.
//!
//! Not here: the protocol (crate `migration`), the run state (run control), and how commands
//! look (monitors).

mod fds;
mod jobs;
mod objects;
mod snapshots;
mod vm;

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use migration::outgoing::{Outgoing, OutgoingError};
use migration::params::Settings;
use migration::progress::Progress;
use migration::transport::tls::{Endpoint, Tls, TlsError};
use migration::transport::{
    Closer, Listener, Settings as ChannelSettings, TransportError, Uri, connect, listen,
};
use migration::{incoming, snapshot};
use tod::RunState;

use crate::control::{Events, Hold, Release};

pub use fds::{Added, FdError, Fds};
pub use jobs::{JobError, Jobs};
pub use objects::{ObjectError, Objects, TlsCredsX509};
pub use snapshots::{Snapshot, SnapshotError, Snapshots};
pub(crate) use vm::Vm;
use vm::{Destination, Origin, Source};

/// Bytes of a snapshot that are read at once.
const BUFFER: usize = 1 << 20;

/// A migration is refused. Reads as QEMU's message for it where QEMU has one.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The guest is elsewhere.
    #[error("Can't migrate the vm that was paused due to previous migration")]
    Gone,
    /// The guest is not here yet.
    #[error("Guest is waiting for an incoming migration")]
    Waiting,
    /// The program was not started to take a guest.
    #[error("'-incoming' was not specified on the command line")]
    NotIncoming,
    /// One is expected or here already.
    #[error("The incoming migration has already been started")]
    Started,
    /// A descriptor is not there.
    #[error(transparent)]
    Fd(#[from] FdError),
    /// The credentials are not there.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The snapshot is not there.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// They are for the other side.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Nothing can come in there.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It cannot begin.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// The host refuses something.
    #[error("the host refuses {what}: {source}")]
    Host {
        /// What.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// Where a guest is to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// Another program.
    From(Uri),
    /// A snapshot, by its tag.
    Snapshot(String),
}

/// How far the wait for a guest is.
enum Arrival {
    /// None is waited for.
    No,
    /// One will be, when a monitor says where (`-incoming defer`).
    Deferred,
    /// It may come at any time.
    Listening {
        uri: Uri,
        closer: Closer,
        thread: JoinHandle<()>,
    },
    /// It is here, or will not come.
    Over,
}

struct State {
    outgoing: Option<Outgoing>,
    arrival: Arrival,
}

/// What [`Migrations`] work with beside the VM.
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) events: Arc<Events>,
    pub(crate) snapshots: Snapshots,
    /// Whether the program was started to take a guest.
    pub(crate) expects_guest: bool,
}

/// All migrations and snapshots of this program's VM: at most one is under way.
pub struct Migrations {
    vm: Arc<Vm>,
    settings: Arc<Settings>,
    progress: Arc<Progress>,
    fds: Fds,
    objects: Objects,
    jobs: Arc<Jobs>,
    snapshots: Snapshots,
    state: Mutex<State>,
}

impl Migrations {
    pub(crate) fn new(vm: Vm, shared: Shared) -> Arc<Self> {
        Arc::new(Self {
            vm: Arc::new(vm),
            settings: shared.settings,
            progress: shared.progress,
            fds: Fds::default(),
            objects: Objects::default(),
            jobs: Jobs::new(shared.events),
            snapshots: shared.snapshots,
            state: Mutex::new(State {
                outgoing: None,
                arrival: if shared.expects_guest {
                    Arrival::Deferred
                } else {
                    Arrival::No
                },
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Parameters and capabilities.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The migration under way, or the last one.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Descriptors that clients have passed.
    pub fn fds(&self) -> &Fds {
        &self.fds
    }

    /// TLS credentials.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Background jobs.
    pub fn jobs(&self) -> &Arc<Jobs> {
        &self.jobs
    }

    /// Snapshots that are there.
    pub fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Where a guest may come in now.
    pub fn listening(&self) -> Option<Uri> {
        match &self.state().arrival {
            Arrival::Listening { uri, .. } => Some(uri.clone()),
            Arrival::No | Arrival::Deferred | Arrival::Over => None,
        }
    }

    /// What secures a channel, as the parameters say.
    fn tls(&self, endpoint: Endpoint) -> Result<Option<Tls>, MigrateError> {
        let parameters = self.settings.parameters();
        if parameters.tls_creds.is_empty() {
            return Ok(None);
        }
        let credentials = self.objects.credentials(&parameters.tls_creds)?;
        if credentials.endpoint() != endpoint {
            return Err(TlsError::Endpoint {
                is: credentials.endpoint(),
                wanted: endpoint,
            }
            .into());
        }
        Ok(Some(Tls {
            credentials,
            hostname: Some(parameters.tls_hostname).filter(|name| !name.is_empty()),
            authorize: None,
        }))
    }

    /// The address, and the descriptor that it names, taken from those that clients have passed.
    fn resolve(&self, uri: Uri) -> Result<(Uri, Option<OwnedFd>), MigrateError> {
        match &uri {
            Uri::NamedFd { name } => {
                let fd = self.fds.take(name)?;
                Ok((uri, Some(fd)))
            }
            Uri::File { path, offset: 0 } => {
                let set = path
                    .to_str()
                    .and_then(|path| path.strip_prefix("/dev/fdset/"))
                    .and_then(|set| set.parse().ok());
                match set {
                    None => Ok((uri, None)),
                    Some(set) => {
                        let name = path.display().to_string();
                        let fd = self.fds.of_set(set)?;
                        Ok((Uri::NamedFd { name }, Some(fd)))
                    }
                }
            }
            _ => Ok((uri, None)),
        }
    }

    /// Begins to move the guest to `uri`. How it goes on is told by [`Migrations::progress`].
    ///
    /// # Errors
    /// Any [`MigrateError`]; nothing has happened then.
    pub fn start_outgoing(&self, uri: Uri) -> Result<(), MigrateError> {
        match self.vm.control.state() {
            RunState::Inmigrate => return Err(MigrateError::Waiting),
            RunState::Postmigrate => return Err(MigrateError::Gone),
            _ => {}
        }
        let tls = self.tls(Endpoint::Client)?;
        // One begins at a time.
        let mut state = self.state();
        let (uri, fd) = self.resolve(uri)?;
        let source = Arc::new(Source {
            vm: Arc::clone(&self.vm),
            hold: Hold::FinishMigrate,
        });
        let fd = Mutex::new(fd);
        let open = move |closer: &Closer| {
            let settings = ChannelSettings {
                tls: tls.as_ref(),
                named_fd: &|_| fd.lock().unwrap_or_else(PoisonError::into_inner).take(),
            };
            connect(&uri, &settings, closer)
        };
        let outgoing = Outgoing::start(source, &self.progress, &self.settings, open)?;
        state.outgoing = Some(outgoing);
        Ok(())
    }

    /// Gives the migration up that is under way; nothing happens if there is none, or if it is
    /// too late.
    pub fn cancel(&self) {
        if let Some(outgoing) = &self.state().outgoing {
            outgoing.cancel();
        }
    }

    /// Goes on from [`migration::progress::Status::PreSwitchover`].
    pub fn proceed(&self) {
        if let Some(outgoing) = &self.state().outgoing {
            // The caller has looked at the status; if that has changed since, it has gone on.
            let _ = outgoing.go_on();
        }
    }

    /// Waits for a guest, on a thread of its own. `exit_on_error`: the program ends if it does
    /// not come.
    ///
    /// # Errors
    /// Any [`MigrateError`]; nothing has happened then.
    pub fn start_incoming(
        self: &Arc<Self>,
        from: Incoming,
        exit_on_error: bool,
    ) -> Result<(), MigrateError> {
        let mut state = self.state();
        match &state.arrival {
            Arrival::No => return Err(MigrateError::NotIncoming),
            Arrival::Deferred => {}
            Arrival::Listening { .. } | Arrival::Over => return Err(MigrateError::Started),
        }
        let stall = self.settings.parameters().stall_timeout();
        let closer = Closer::new(stall).map_err(|source| MigrateError::Host {
            what: "a descriptor",
            source,
        })?;
        let (uri, origin) = match from {
            Incoming::From(uri) => (uri, Origin::Elsewhere),
            Incoming::Snapshot(tag) => (self.snapshots.uri(&tag)?, Origin::Launch),
        };
        let tls = match origin {
            Origin::Elsewhere => self.tls(Endpoint::Server)?,
            Origin::Launch | Origin::Snapshot => None,
        };
        let (uri, fd) = self.resolve(uri)?;
        let fd = Mutex::new(fd);
        let settings = ChannelSettings {
            tls: tls.as_ref(),
            named_fd: &|_| fd.lock().unwrap_or_else(PoisonError::into_inner).take(),
        };
        let listener = listen(&uri, &settings, &closer)?;
        for warning in listener.warnings() {
            log::warn!("{}: {warning}", listener.uri());
        }
        let uri = listener.uri().clone();
        let migrations = Arc::clone(self);
        let thread = thread::Builder::new()
            .name("incoming".into())
            .spawn(move || migrations.receive(listener, origin, exit_on_error))
            .map_err(|source| MigrateError::Host {
                what: "a thread",
                source,
            })?;
        state.arrival = Arrival::Listening {
            uri,
            closer,
            thread,
        };
        Ok(())
    }

    fn receive(&self, listener: Listener, origin: Origin, exit_on_error: bool) {
        let vm = Destination {
            vm: Arc::clone(&self.vm),
            origin,
        };
        let result = listener
            .accept()
            .map_err(|e| e.to_string())
            .and_then(|channel| {
                incoming::receive(&vm, channel, &self.progress).map_err(|e| e.to_string())
            });
        let before = std::mem::replace(&mut self.state().arrival, Arrival::Over);
        match result {
            // The program ends: nobody waits for a guest any more.
            Err(why) if matches!(before, Arrival::Over) => log::debug!("no guest comes: {why}"),
            Err(why) => {
                log::error!("load of migration failed: {why}");
                self.vm.control.lost(exit_on_error);
            }
            Ok(_) => {}
        }
    }

    /// As in QEMU, a guest that is moving is left alone.
    fn check_idle(&self, tag: &str) -> Result<(), SnapshotError> {
        match self.progress.status() {
            Some(status) if !status.is_final() => Err(SnapshotError::Failed {
                tag: tag.to_owned(),
                why: "There's a migration process in progress".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Saves a snapshot: the guest is stopped meanwhile, and as before afterwards.
    ///
    /// # Errors
    /// Any [`SnapshotError`]; there is no snapshot then, and one that was to be replaced is as
    /// before.
    pub fn save_snapshot(&self, tag: &str, replace: bool) -> Result<(), SnapshotError> {
        self.check_idle(tag)?;
        let draft = self.snapshots.draft(tag, replace)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(draft.at())
            .map_err(|source| SnapshotError::File {
                path: draft.at().to_owned(),
                source,
            })?;
        let source = Source {
            vm: Arc::clone(&self.vm),
            hold: Hold::SaveVm,
        };
        let failed = |why: String| SnapshotError::Failed {
            tag: tag.to_owned(),
            why,
        };
        snapshot::save(&source, &self.settings, &file).map_err(|e| failed(e.to_string()))?;
        file.sync_all().map_err(|e| failed(e.to_string()))?;
        draft.complete()
    }

    /// Puts a snapshot's guest in the place of the one that is here, to run if that one did.
    ///
    /// # Errors
    /// Any [`SnapshotError`]. A snapshot that is not whole, or not of such a VM, changes nothing;
    /// one that cannot be taken over although it is leaves the VM in `internal-error`.
    pub fn load_snapshot(&self, tag: &str) -> Result<(), SnapshotError> {
        self.check_idle(tag)?;
        let path = self.snapshots.existing(tag)?;
        let fail = |source| SnapshotError::File {
            path: path.clone(),
            source,
        };
        let failed = |why: String| SnapshotError::Failed {
            tag: tag.to_owned(),
            why,
        };
        let mut file = File::open(&path).map_err(fail)?;
        let destination = Destination {
            vm: Arc::clone(&self.vm),
            origin: Origin::Snapshot,
        };
        snapshot::verify(&destination, BufReader::with_capacity(BUFFER, &file))
            .map_err(|e| failed(e.to_string()))?;
        file.rewind().map_err(fail)?;

        let control = &self.vm.control;
        let before = control
            .hold(Hold::RestoreVm)
            .map_err(|e| failed(e.to_string()))?;
        self.vm.console.hold();
        let loaded = snapshot::load(&destination, BufReader::with_capacity(BUFFER, &file));
        let release = match &loaded {
            Ok(_) => Release::Restored {
                run: before.is_running(),
            },
            Err(_) => Release::Broken,
        };
        // A program that is ending has no run state any more.
        let _ = control.release(release);
        self.vm.console.release();
        loaded.map(drop).map_err(|e| failed(e.to_string()))
    }

    /// The program ends: what is under way is given up. Waits for that, but not for long.
    pub(crate) fn shut_down(&self, patience: Duration) {
        let (outgoing, arrival) = {
            let mut state = self.state();
            (
                state.outgoing.take(),
                std::mem::replace(&mut state.arrival, Arrival::Over),
            )
        };
        if let Some(outgoing) = outgoing {
            outgoing.cancel();
            self.progress.wait(patience);
        }
        if let Arrival::Listening { closer, thread, .. } = arrival {
            closer.close();
            // It removes the socket that it listened on. A panic there has been told.
            let _ = thread.join();
        }
    }
}
