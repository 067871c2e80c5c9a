//! A VM in this process that can be saved and loaded.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam::channel::Receiver;
use machine::{
    Accel, BootSource, ConsoleOutput, CpuShape, Engine, GuestEvent, Identity, Machine,
    MachineConfig, MachineParts, RtcOptions, Smp,
};
use migration::PartError;
use migration::ram::PageSet;
use tod::clock::{ClockManager, HostOffset, SavedClocks};
use tod::host::{HostClock, LinuxHost};
use tod::run::{AllParked, Cause, RunControl, RunState, Vcpus};
use tod::{StartToken, Timebase, Timeline};

pub(crate) const PAGE: u64 = 4096;

/// The engines that guests move between.
pub(crate) const ENGINES: &[Engine] = if cfg!(all(target_arch = "x86_64", target_os = "linux")) {
    &[Engine::Interp, Engine::Native]
} else {
    &[Engine::Interp]
};

/// What the guest has written, on whatever machine.
#[derive(Default)]
pub(crate) struct Screen(Mutex<Vec<u8>>);

impl Screen {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl ConsoleOutput for Screen {
    fn write(&self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

/// What is booted, and on what.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) boot: BootSource,
    /// `-cpu`.
    pub(crate) cpu: Option<&'static str>,
    pub(crate) cpus: u32,
    /// `-smp`'s shape; none: one socket.
    pub(crate) shape: Option<CpuShape>,
    pub(crate) ram_bytes: u64,
}

impl Kind {
    /// A bare-metal guest.
    pub(crate) fn image(name: &str, cmdline: &str, cpus: u32) -> Self {
        let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/images");
        Self {
            boot: BootSource {
                kernel: Some(images.join(name)),
                initrd: None,
                cmdline: cmdline.into(),
                ..BootSource::default()
            },
            cpu: None,
            cpus,
            shape: None,
            ram_bytes: 64 << 20,
        }
    }

    /// Debian's kernel, if it is there.
    pub(crate) fn debian(cpus: u32) -> Option<Self> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let cache = std::env::var_os("EMU_CACHE").map_or_else(|| top.join("cache"), PathBuf::from);
        let folder = cache.join("debian-s390x");
        let (kernel, initrd) = (folder.join("vmlinuz"), folder.join("initramfs.cpio.gz"));
        if !kernel.is_file() || !initrd.is_file() {
            println!(
                "SKIPPED: Debian's s390x kernel is not in the cache: \
                 tests/scripts/get-debian-guest gets it"
            );
            return None;
        }
        Some(Self {
            boot: BootSource {
                kernel: Some(kernel),
                initrd: Some(initrd),
                cmdline: "console=ttysclp0".into(),
                ..BootSource::default()
            },
            cpu: None,
            cpus,
            shape: None,
            ram_bytes: 256 << 20,
        })
    }
}

pub(crate) struct Running(pub(crate) Box<dyn Machine>);

impl Vcpus for Running {
    fn park(&self) -> AllParked {
        self.0.park()
    }
    fn unpark(&self, token: StartToken) {
        self.0.unpark(token);
    }
}

/// A saved part: name, instance, version, payload.
pub(crate) type SavedPart = (&'static str, u32, u32, Vec<u8>);

/// Everything of a guest that stands.
pub(crate) struct Saved {
    pub(crate) pages: Vec<(u64, Vec<u8>)>,
    pub(crate) parts: Vec<SavedPart>,
    pub(crate) clocks: SavedClocks,
}

pub(crate) struct Vm {
    pub(crate) run: RunControl<Running>,
    pub(crate) clocks: Arc<ClockManager>,
    pub(crate) events: Receiver<GuestEvent>,
}

impl Vm {
    /// A machine whose guest has not started, or that waits for one.
    pub(crate) fn new(kind: &Kind, engine: Engine, screen: &Arc<Screen>, state: RunState) -> Self {
        let host: Arc<dyn HostClock> = Arc::new(LinuxHost::new());
        let timeline = Timeline::new(&Timebase::new(host.clone()).unwrap());
        timeline.start_thread().unwrap();
        let clocks = ClockManager::new(timeline);
        let (sender, events) = crossbeam::channel::unbounded();
        let config = MachineConfig {
            machine: "s390-ccw-virtio".into(),
            cpu: kind.cpu.map(str::to_owned),
            smp: match kind.shape {
                Some(shape) => Smp {
                    shape,
                    ..Smp::flat(kind.cpus, kind.cpus)
                },
                None => Smp::flat(kind.cpus, kind.cpus),
            },
            ram_bytes: kind.ram_bytes,
            accel: Accel::Tcg(engine.into()),
            boot: kind.boot.clone(),
            identity: Identity::default(),
            devices: Vec::new(),
            lost_ticks: Default::default(),
            rtc: RtcOptions::default(),
            trace: Vec::new(),
        };
        let parts = MachineParts {
            host,
            clocks: &clocks,
            events: sender,
            console: Some(Arc::clone(screen) as _),
        };
        let machine = s390x::machine::TYPE.create(&config, parts).unwrap();
        let run = RunControl::new(state, Running(machine), Arc::clone(&clocks));
        Self {
            run,
            clocks,
            events,
        }
    }

    /// One that runs.
    pub(crate) fn start(kind: &Kind, engine: Engine, screen: &Arc<Screen>) -> Self {
        let mut vm = Self::new(kind, engine, screen, RunState::Prelaunch);
        vm.run.cont(Cause::Launch).unwrap();
        vm
    }

    pub(crate) fn machine(&self) -> &dyn Machine {
        &*self.run.vcpus().0
    }

    pub(crate) fn stop(&mut self) {
        self.run
            .stop(RunState::FinishMigrate, Cause::Migration)
            .unwrap();
    }

    pub(crate) fn cont(&mut self) {
        self.run.cont(Cause::Migration).unwrap();
    }

    /// The pages of a set that hold something.
    pub(crate) fn pages(&self, set: &PageSet) -> Vec<(u64, Vec<u8>)> {
        let ram = self.machine().migration_ram();
        let zeros = vec![0; PAGE as usize];
        let mut pages = Vec::new();
        for page in set.runs().flatten() {
            let mut bytes = zeros.clone();
            ram.read(page * PAGE, &mut bytes).unwrap();
            if bytes != zeros {
                pages.push((page, bytes));
            }
        }
        pages
    }

    pub(crate) fn save_parts(&self) -> Vec<SavedPart> {
        let parts = self.machine().parts();
        parts
            .iter()
            .map(|part| {
                let payload = part.save().unwrap();
                assert!(payload.len() <= part.max_bytes());
                (part.name(), part.instance(), part.version(), payload)
            })
            .collect()
    }

    /// The guest as it stands.
    pub(crate) fn save(&self) -> Saved {
        Saved {
            pages: self.pages(&self.machine().migration_ram().touched()),
            parts: self.save_parts(),
            clocks: self.clocks.on_save(Cause::Migration),
        }
    }

    pub(crate) fn load_pages(&self, saved: &Saved) {
        let ram = self.machine().migration_ram();
        // The boot image is here.
        ram.zero(0, ram.size()).unwrap();
        for (page, bytes) in &saved.pages {
            ram.write(page * PAGE, bytes).unwrap();
        }
    }

    pub(crate) fn load_part(&self, saved: &SavedPart) -> Result<(), PartError> {
        let (name, instance, version, payload) = saved;
        let mut parts = self.machine().parts();
        parts
            .iter_mut()
            .find(|part| (part.name(), part.instance()) == (*name, *instance))
            .unwrap()
            .load(*version, payload)
    }

    /// Takes a guest over; in the order of a stream.
    pub(crate) fn load(&self, saved: &Saved) {
        self.load_pages(saved);
        for part in &saved.parts {
            self.load_part(part).unwrap();
        }
        // It is one host.
        let offset = Some(HostOffset { ns: 0, error_ns: 0 });
        let fallbacks = self
            .clocks
            .on_load(saved.clocks.clone(), offset, Cause::Migration);
        assert_eq!(fallbacks, Ok(Vec::new()));
    }

    /// Moves the guest, which runs, to a new machine of another kind of engine. What it was is
    /// what it is there.
    pub(crate) fn moved(mut self, kind: &Kind, engine: Engine, screen: &Arc<Screen>) -> Self {
        self.stop();
        let saved = self.save();
        self.run
            .stop(RunState::Postmigrate, Cause::Migration)
            .unwrap();
        self.end();
        let mut new = Self::new(kind, engine, screen, RunState::Inmigrate);
        new.load(&saved);
        let there = new.save();
        for (there, here) in there.parts.iter().zip(&saved.parts) {
            assert!(there == here, "{} {} differs", here.0, here.1);
        }
        assert!(there.pages == saved.pages, "storage differs");
        let values = |saved: &SavedClocks| {
            let clocks = saved.clocks.iter().map(|clock| clock.value.clone());
            (saved.timeline, clocks.collect::<Vec<_>>())
        };
        assert_eq!(values(&there.clocks), values(&saved.clocks));
        new.cont();
        new
    }

    /// What the guest makes happen within some time.
    pub(crate) fn event(&self, within: Duration) -> Option<GuestEvent> {
        self.events.recv_timeout(within).ok()
    }

    pub(crate) fn end(mut self) {
        let _ = self.run.stop(RunState::Shutdown, Cause::Monitor);
        self.machine().shut_down();
    }
}
