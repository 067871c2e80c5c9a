//! A machine with run control, as the program has it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, unbounded};
use machine::{
    Accel, AddressSpace, BootSource, BootWhen, ConsoleOutput, GuestEvent, Identity, Machine,
    MachineConfig, MachineParts, RtcOptions, Smp,
};
use tod::clock::ClockManager;
use tod::host::{HostClock, LinuxHost};
use tod::run::{Cause, RunControl, RunState, Vcpus};
use tod::{Timebase, Timeline};

use crate::guests::COUNT;

/// How long anything may take that a guest does in no time.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Whether there is KVM; says so if not.
pub(crate) fn has_kvm() -> bool {
    let there = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm");
    if let Err(error) = &there {
        println!("SKIPPED: /dev/kvm: {error}");
    }
    there.is_ok()
}

pub(crate) struct Cpus(Arc<dyn Machine>);

impl Vcpus for Cpus {
    fn park(&self) -> tod::run::AllParked {
        self.0.park()
    }

    fn unpark(&self, token: tod::clock::StartToken) {
        self.0.unpark(token);
    }
}

/// What the guest has written to its console.
#[derive(Default)]
struct Lines(Mutex<String>);

impl ConsoleOutput for Lines {
    fn write(&self, bytes: &[u8]) {
        let mut text = self.0.lock().unwrap();
        text.push_str(&String::from_utf8_lossy(bytes));
    }
}

/// What is to be built.
pub(crate) struct Wanted {
    pub(crate) image: Option<Vec<u8>>,
    pub(crate) cpus: u32,
    pub(crate) cpu: Option<&'static str>,
    pub(crate) ram_bytes: u64,
    pub(crate) when: BootWhen,
    pub(crate) cmdline: String,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            image: None,
            cpus: 1,
            cpu: None,
            ram_bytes: 16 << 20,
            when: BootWhen::Creation,
            cmdline: String::new(),
        }
    }
}

pub(crate) struct Rig {
    pub(crate) machine: Arc<dyn Machine>,
    pub(crate) control: RunControl<Cpus>,
    pub(crate) clocks: Arc<ClockManager>,
    pub(crate) events: Receiver<GuestEvent>,
    console: Arc<Lines>,
    _kernel: Option<tempfile::NamedTempFile>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop();
        self.machine.shut_down();
    }
}

impl Rig {
    pub(crate) fn new(wanted: Wanted) -> Self {
        let host: Arc<dyn HostClock> = Arc::new(LinuxHost::new());
        let timebase = Timebase::new(host.clone()).unwrap();
        let timeline = Timeline::new(&timebase);
        timeline.start_thread().unwrap();
        let clocks = ClockManager::new(timeline);
        let (sender, events) = unbounded();
        let console = Arc::new(Lines::default());
        let kernel = wanted.image.map(|image| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&image).unwrap();
            file
        });
        let config = MachineConfig {
            machine: "pc".into(),
            cpu: wanted.cpu.map(str::to_owned),
            smp: Smp::flat(wanted.cpus, wanted.cpus),
            ram_bytes: wanted.ram_bytes,
            accel: Accel::Kvm,
            boot: BootSource {
                kernel: kernel.as_ref().map(|file| file.path().into()),
                initrd: None,
                cmdline: wanted.cmdline,
                when: wanted.when,
            },
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
            console: Some(Arc::clone(&console) as _),
        };
        let machine: Arc<dyn Machine> = x86::machine::PC.create(&config, parts).unwrap().into();
        let cpus = Cpus(Arc::clone(&machine));
        let mut control = RunControl::new(RunState::Prelaunch, cpus, Arc::clone(&clocks));
        for (layer, listener) in machine.listeners() {
            control.add_listener(layer, listener);
        }
        Self {
            machine,
            control,
            clocks,
            events,
            console,
            _kernel: kernel,
        }
    }

    /// A machine that boots this image, not yet running.
    pub(crate) fn with(image: Vec<u8>) -> Self {
        Self::new(Wanted {
            image: Some(image),
            ..Wanted::default()
        })
    }

    pub(crate) fn cont(&mut self) {
        self.control.cont(Cause::Monitor).unwrap();
    }

    pub(crate) fn stop(&mut self) {
        self.control
            .stop(RunState::Paused, Cause::Monitor)
            .unwrap_or_default();
    }

    /// The guest's console as it is now.
    pub(crate) fn console(&self) -> String {
        self.console.0.lock().unwrap().clone()
    }

    /// Forgets what the guest has written.
    pub(crate) fn forget_console(&self) {
        self.console.0.lock().unwrap().clear();
    }

    /// Types at the guest's console.
    pub(crate) fn type_keys(&self, keys: &str) {
        let input = self.machine.console_input().unwrap();
        assert_eq!(input.push(keys.as_bytes()), keys.len());
    }

    pub(crate) fn dword(&self, address: u64) -> u32 {
        let mut bytes = [0; 4];
        self.machine
            .read_memory(AddressSpace::Physical, address, &mut bytes)
            .unwrap();
        u32::from_le_bytes(bytes)
    }

    pub(crate) fn count(&self) -> u32 {
        self.dword(COUNT)
    }

    /// Waits until `what` holds.
    pub(crate) fn wait(&self, what: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LIMIT;
        while !what(self) {
            assert!(
                Instant::now() < end,
                "it does not come: {:?}\n{}\n{:?}",
                self.machine.cpus(),
                self.machine.registers(0).unwrap(),
                self.events.try_recv()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits until the guest counts on from what it is now.
    pub(crate) fn wait_for_more(&self) {
        let now = self.count();
        self.wait(|rig| rig.count() != now);
    }
}
