//! Two VMs and a move from one to the other, with a proxy between them where a test wants faults.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use migration::incoming::{self, IncomingError};
use migration::outgoing::Outgoing;
use migration::params::Settings;
use migration::progress::{Progress, Report};
use migration::transport::{self, Closer, Uri};
use migration::vm::{SourceVm, Started};
use tod::HostClock;
use tod::host::SimHost;

use crate::sim::{Config, SimVm, World};

/// Longer than any time-out in a test: who takes as long hangs.
pub(crate) const HANG: Duration = Duration::from_secs(20);

pub(crate) fn unix(path: &Path) -> Uri {
    Uri::Unix { path: path.into() }
}

/// A source and a destination like it.
pub(crate) struct Pair {
    pub(crate) world: Arc<World>,
    pub(crate) source: Arc<SimVm>,
    pub(crate) destination: Arc<SimVm>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) outgoing: Arc<Progress>,
    pub(crate) incoming: Arc<Progress>,
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) struct Options {
    pub(crate) pages: u64,
    pub(crate) cpus: usize,
    pub(crate) start_stopped: bool,
    /// The destination is by this much ahead, on a simulated host.
    pub(crate) ahead_ns: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pages: 256,
            cpus: 0,
            start_stopped: false,
            ahead_ns: 7_000_000_000,
        }
    }
}

impl Pair {
    /// On two simulated hosts, whose clocks stand unless a test moves them.
    pub(crate) fn new(options: &Options) -> Self {
        let (here, there) = (SimHost::new(), SimHost::new());
        there.advance(options.ahead_ns);
        Self::on(options, Arc::new(here), Arc::new(there))
    }

    pub(crate) fn on(
        options: &Options,
        here: Arc<dyn HostClock>,
        there: Arc<dyn HostClock>,
    ) -> Self {
        let world = Arc::<World>::default();
        let vm = |name, host| {
            let config = Config {
                name,
                pages: options.pages,
                cpus: options.cpus,
                start_stopped: options.start_stopped && name == "destination",
            };
            SimVm::new(&config, &world, host)
        };
        let (source, destination) = (vm("source", here), vm("destination", there));
        for vm in [&source, &destination] {
            let other = vm.identity.ram_bytes as u8;
            vm.add_part("cpu", 0, 1, &[other; 300]);
            vm.add_part("cpu", 1, 1, &[other; 300]);
            vm.add_part("console", 0, 2, b"");
        }
        source.add_state();
        Self {
            source,
            destination,
            world,
            settings: Arc::default(),
            outgoing: Arc::default(),
            incoming: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// The destination listens at this name.
    pub(crate) fn receive(&self, name: &str) -> JoinHandle<Result<Started, IncomingError>> {
        self.receive_from(&unix(&self.path(name)))
    }

    pub(crate) fn receive_from(&self, uri: &Uri) -> JoinHandle<Result<Started, IncomingError>> {
        let closer = Closer::new(self.settings.parameters().stall_timeout()).unwrap();
        let listener = transport::listen(uri, &transport::Settings::default(), &closer).unwrap();
        let (vm, progress) = (Arc::clone(&self.destination), Arc::clone(&self.incoming));
        std::thread::spawn(move || {
            let channel = listener.accept().expect("a connection");
            incoming::receive(&*vm, channel, &progress)
        })
    }

    /// The source connects to this name.
    pub(crate) fn send(&self, name: &str) -> Outgoing {
        self.send_to(unix(&self.path(name)))
    }

    pub(crate) fn send_to(&self, uri: Uri) -> Outgoing {
        let vm = Arc::clone(&self.source) as Arc<dyn SourceVm>;
        Outgoing::start(vm, &self.outgoing, &self.settings, move |closer| {
            transport::connect(&uri, &transport::Settings::default(), closer)
        })
        .unwrap()
    }

    /// A whole move over a unix socket.
    pub(crate) fn migrate(&self) -> (Report, Result<Started, IncomingError>) {
        let receiving = self.receive("move");
        let sending = self.send("move");
        let received = join(receiving);
        self.finish(sending);
        (self.outgoing.report().unwrap(), received)
    }

    /// Waits for the source.
    pub(crate) fn finish(&self, sending: Outgoing) {
        assert!(self.outgoing.wait(HANG), "the source hangs");
        sending.join();
        self.world.check();
        assert!(!self.source.ram.is_tracking() && self.source.ram.toll_ns() == 0);
    }

    /// RAM, parts and clock are those of the source.
    pub(crate) fn assert_moved(&self) {
        assert!(self.source.ram.equals(&self.destination.ram), "RAM differs");
        assert_eq!(self.source.parts(), self.destination.parts());
        let loaded = self.destination.clocks.ledger();
        loaded.verify().unwrap();
    }
}

impl SimVm {
    /// Something in RAM and parts that a fresh VM has not.
    pub(crate) fn add_state(&self) {
        for page in [0, 1, 2, 5, 6, 100, 101, 200, 255] {
            self.ram.store(page, page, page + 1);
        }
        // Touched, but zero.
        self.ram.store(50, 0, 0);
        self.ram.store(51, 0, 0);
        self.set_part("cpu", 0, b"registers of CPU 0");
        self.set_part("cpu", 1, b"registers of CPU 1");
        self.set_part("console", 0, b"typed, not read");
    }
}

/// Waits for a thread, but not for ever.
pub(crate) fn join<T>(thread: JoinHandle<T>) -> T {
    let end = Instant::now() + HANG;
    while !thread.is_finished() {
        assert!(Instant::now() < end, "a thread hangs");
        std::thread::sleep(Duration::from_micros(200));
    }
    thread.join().expect("no panic")
}
