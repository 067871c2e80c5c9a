//! What every machine offers the program: one trait, its configuration and its events.
//!
//! `emu` knows machines only through this crate; an architecture implements [`MachineType`] and
//! [`Machine`] and is listed once in `emu`. The crate holds no device, no instruction and no
//! policy: who runs, stops or quits is decided by `emu`'s run control.

pub mod bench;
pub mod config;
pub mod console;
pub mod event;
pub mod none;
pub mod ram;
pub mod rtc;

use std::sync::Arc;

use crossbeam::channel::Sender;
use tod::clock::{ClockManager, StartToken};
use tod::host::HostClock;
use tod::run::{AllParked, Layer, RunListener};

pub use bench::{Bench, LineEnd, NoSuchLine};
pub use config::{
    Accel, BootSource, BootWhen, CpuDevice, CpuMove, CpuPlace, CpuShape, CpuTopology, Device,
    DeviceNumber, DriftFix, Engine, Entitlement, Identity, LostTicks, MachineConfig, NetDevice,
    RtcBase, RtcClock, RtcOptions, Smp, Tcg,
};
pub use console::{ConsoleInput, ConsoleOutput};
pub use event::{GuestEvent, PanicInfo, ResetCause, ShutdownCause};
pub use ram::GuestRam;
pub use rtc::{RealTimeClock, RtcTime};

/// Why a machine could not be built, started or inspected. Reads as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The kernel image could not be read or is of no known format.
    #[error("could not load kernel '{name}': {why}")]
    Kernel {
        /// The name as the user gave it.
        name: String,
        /// What was wrong with it.
        why: String,
    },
    /// The initial RAM disk could not be read or does not fit.
    #[error("could not load initrd '{name}': {why}")]
    Initrd {
        /// The name as the user gave it.
        name: String,
        /// What was wrong with it.
        why: String,
    },
    /// An option's value does not suit this machine.
    #[error("{option}: '{value}': {expected}")]
    Option {
        /// The option, as `-smp`.
        option: &'static str,
        /// The offending value.
        value: String,
        /// What was expected instead.
        expected: String,
    },
    /// A guest address could not be read or translated.
    #[error("cannot access guest memory at {address:#x}: {why}")]
    Memory {
        /// Guest virtual or physical address.
        address: u64,
        /// The reason in words.
        why: String,
    },
    /// There is no vCPU of that number.
    #[error("there is no CPU {index}: the machine has {count}")]
    NoSuchCpu {
        /// The number asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// A CPU cannot be added.
    #[error("{0}")]
    Cpu(String),
    /// The machine has no such interruption.
    #[error("this feature or command is not currently supported")]
    NoNmi,
    /// The host refused a resource.
    #[error("{what}: {source}")]
    Host {
        /// What was attempted.
        what: String,
        /// The host's error.
        source: std::io::Error,
    },
}

/// What a machine is built from, beside its configuration.
pub struct MachineParts<'a> {
    /// The host's clocks (R13).
    pub host: Arc<dyn HostClock>,
    /// Where the machine registers its guest clocks; also the VM timeline and the timebase.
    pub clocks: &'a ClockManager,
    /// Where guest-made events go (run control reads them).
    pub events: Sender<GuestEvent>,
    /// Output of the guest's operator console; `None` for a machine without one.
    pub console: Option<Arc<dyn ConsoleOutput>>,
}

/// One kind of machine, as `-machine` names it.
pub trait MachineType: Sync {
    /// Names accepted by `-machine`, the canonical one first.
    fn names(&self) -> &'static [&'static str];

    /// One line for `-machine help`.
    fn description(&self) -> &'static str;

    /// Architecture as in program names and QAPI's `SysEmuTarget`: `s390x`, `x86_64`.
    fn arch(&self) -> &'static str;

    /// RAM without `-m`, in bytes.
    fn default_ram_bytes(&self) -> u64;

    /// What executes guest code without `-accel`.
    fn default_accel(&self) -> Accel {
        Accel::Tcg(Tcg::default())
    }

    /// Whether that accelerator can be had for this machine on this host. Asked only to choose
    /// among several; [`MachineType::create`] says why one cannot be had.
    fn offers(&self, accel: Accel) -> bool {
        accel != Accel::Kvm
    }

    /// CPU models accepted by `-cpu`, the default one first.
    fn cpu_models(&self) -> &'static [&'static str];

    /// Whether CPUs can be added to such a machine while it is there.
    fn cpus_can_come(&self) -> bool {
        false
    }

    /// One line on what a model has.
    fn cpu_model_description(&self, _model: &str) -> Option<&'static str> {
        None
    }

    /// The features that `-cpu MODEL,FEATURE=on|off` can turn on or off, each with whether a CPU
    /// of this `-cpu` has it.
    ///
    /// # Errors
    /// [`MachineError::Option`] if there can be no such CPU.
    fn cpu_features(&self, _cpu: Option<&str>) -> Result<Vec<CpuFeature>, MachineError> {
        Ok(Vec::new())
    }

    /// Builds the machine, loads what is to be booted and leaves every vCPU parked.
    ///
    /// # Errors
    /// Any [`MachineError`]: an option's value, a kernel or initrd, or a host resource.
    fn create(
        &self,
        config: &MachineConfig,
        parts: MachineParts<'_>,
    ) -> Result<Box<dyn Machine>, MachineError>;
}

/// A CPU that is there or can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PossibleCpu {
    /// The driver that `device_add` would take.
    pub driver: String,
    /// `core-id`.
    pub core_id: u32,
    /// Whether it is there.
    pub present: bool,
}

/// A feature of CPUs by the name that `-cpu` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuFeature {
    /// The name.
    pub name: &'static str,
    /// Whether the CPU in question has it.
    pub installed: bool,
}

/// One line of `info cpus` and one entry of `query-cpus-fast`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuSummary {
    /// vCPU number, from 0.
    pub index: usize,
    /// Host thread id (gettid).
    pub thread_id: i32,
    /// Architecture's word for what it does: s390x `operating`, `stopped`, `load`, `check-stop`.
    pub state: &'static str,
    /// True while the CPU waits for an interruption.
    pub halted: bool,
    /// Guest address of the next instruction.
    pub pc: u64,
    /// Where it is, on a machine that shows the guest a topology.
    pub topology: Option<CpuTopology>,
}

/// How `x` and `xp` name memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressSpace {
    /// As the CPU of that number would translate it now.
    Virtual {
        /// vCPU number.
        cpu: usize,
    },
    /// Guest-absolute.
    Physical,
}

/// A built machine. Methods may be called from any thread; run control is the only caller of
/// those which change whether it runs.
pub trait Machine: Send + Sync {
    /// Takes every vCPU out of the guest and returns when the last one has left it (R1).
    fn park(&self) -> AllParked;

    /// Lets the vCPUs run. The token proves that the clocks are ready (R9); the first vCPU to
    /// enter the guest starts them with it.
    fn unpark(&self, token: StartToken);

    /// System reset: CPUs, devices and boot image as after creation. Only while parked.
    ///
    /// # Errors
    /// The boot image can no longer be read.
    fn reset(&self, cause: ResetCause) -> Result<(), MachineError>;

    /// Asks the guest to power down (s390x: SCLP signal quiesce; x86: ACPI power button).
    /// Returns false if the guest has not enabled such a signal.
    fn powerdown(&self) -> bool;

    /// An interruption of one vCPU that the guest cannot have disabled (s390x: restart).
    ///
    /// # Errors
    /// [`MachineError::NoSuchCpu`]; [`MachineError::NoNmi`].
    fn inject_nmi(&self, _cpu: usize) -> Result<(), MachineError> {
        Err(MachineError::NoNmi)
    }

    /// What followed on the watchdog's end has told the guest of it, or will: a program must start
    /// the watchdog again. Before the guest is told.
    fn watchdog_is_told(&self) {}

    /// The operator console's input side, if the machine has a console.
    fn console_input(&self) -> Option<Arc<dyn ConsoleInput>>;

    /// The machine's battery-backed clock, if it has one (x86: the MC146818).
    fn rtc(&self) -> Option<Arc<dyn RealTimeClock>> {
        None
    }

    /// The way in for a test that drives the devices, if the machine offers one.
    fn bench(&self) -> Option<&dyn Bench> {
        None
    }

    /// Guest RAM.
    fn ram(&self) -> &GuestRam;

    /// Guest RAM as a migration sees it: what vCPUs and devices write is marked while it is
    /// tracked, and what is written here is code to nobody any more.
    fn migration_ram(&self) -> &dyn migration::vm::Ram;

    /// State of every vCPU. Works while running (vCPUs are interrupted for microseconds, the
    /// guest's clock is not touched) and while parked.
    fn cpus(&self) -> Vec<CpuSummary>;

    /// The CPUs that can be added while the machine is there, and those that are: all, if any can
    /// be.
    fn possible_cpus(&self) -> Vec<PossibleCpu> {
        Vec::new()
    }

    /// Adds a CPU, whether the VM runs or not.
    ///
    /// # Errors
    /// [`MachineError::Cpu`] if there can be no such CPU, [`MachineError::Host`].
    fn add_cpu(&self, _cpu: &CpuDevice) -> Result<(), MachineError> {
        Err(MachineError::Cpu(
            "CPUs cannot be added to this machine".into(),
        ))
    }

    /// Moves a CPU in the topology that the guest is shown, and reports that to the guest.
    ///
    /// # Errors
    /// [`MachineError::Cpu`]: no topology is shown, or there is no such CPU or place.
    fn move_cpu(&self, _core_id: u32, _to: &CpuMove) -> Result<(), MachineError> {
        Err(MachineError::Cpu(
            "this machine does not show a CPU topology".into(),
        ))
    }

    /// Whether CPUs are polarized vertically, on a machine that shows the guest a topology.
    fn vertical_polarization(&self) -> Option<bool> {
        None
    }

    /// Registers of one vCPU as text for `info registers`.
    ///
    /// # Errors
    /// [`MachineError::NoSuchCpu`].
    fn registers(&self, cpu: usize) -> Result<String, MachineError>;

    /// Reads guest memory without side effects on the guest.
    ///
    /// # Errors
    /// [`MachineError::Memory`] at the first address that is not there or not mapped.
    fn read_memory(
        &self,
        space: AddressSpace,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<(), MachineError>;

    /// True if multi-byte values in guest memory are big-endian.
    fn big_endian(&self) -> bool;

    /// Disassembles one instruction: its length in bytes and its text. Never fails: bytes that
    /// are no instruction come back as a `.byte`-like directive.
    fn disassemble(&self, address: u64, code: &[u8]) -> (usize, String);

    /// Guest instructions executed since creation, over all vCPUs, where the engine counts them.
    fn instructions(&self) -> Option<u64>;

    /// The parts that save and restore themselves, in the order of the stream.
    fn parts(&self) -> Vec<Box<dyn migration::Part + '_>>;

    /// What of the machine wants to know when the VM stops and runs on, in order of addition.
    fn listeners(&self) -> Vec<(Layer, Box<dyn RunListener>)> {
        Vec::new()
    }

    /// Ends all vCPU threads. Called once, at quit; the machine cannot run afterwards.
    fn shut_down(&self);
}
