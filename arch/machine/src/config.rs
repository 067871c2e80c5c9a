//! A machine's configuration as the command line gives it, in typed form.
//!
//! Not here: what belongs to run control (`-no-reboot`, `-action`) or to character devices.

use std::path::PathBuf;

use tod::Policy;

/// Everything that decides what machine is built.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// The name given to `-machine`, one of the type's names.
    pub machine: String,
    /// `-cpu`: model and features as given; `None` is the type's default model.
    pub cpu: Option<String>,
    /// `-smp`.
    pub smp: Smp,
    /// `-m`, in bytes.
    pub ram_bytes: u64,
    /// `-accel` or `-machine ...,accel=`.
    pub accel: Accel,
    /// What is booted.
    pub boot: BootSource,
    /// `-name` and `-uuid`.
    pub identity: Identity,
    /// `-rtc`: what the guest's time of day is at creation, and how its RTC goes on from there.
    pub rtc: RtcOptions,
    /// `-device`, as far as they are the machine's own.
    pub devices: Vec<Device>,
    /// What becomes of ticks of the PIT that come before the guest has acknowledged the one
    /// before.
    pub lost_ticks: LostTicks,
    /// `-d` items that concern the machine (`in_asm`, `op`, `out_asm`, `int`, ...), as given.
    pub trace: Vec<String>,
}

/// `-device`: what is added to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// `isa-debug-exit`: a guest's write to one of its ports ends the program.
    IsaDebugExit {
        /// `iobase`: the first port.
        io_base: u16,
        /// `iosize`: how many ports, at least 1; all are below 0x10000.
        io_bytes: u16,
    },
    /// `pc-testdev`: what test suites for PCs drive the machine with from inside.
    PcTestdev,
    /// A CPU (s390x).
    Cpu(CpuDevice),
    /// `virtio-net-ccw`: a network device on a subchannel, without a peer.
    VirtioNetCcw(NetDevice),
    /// `diag288`: the watchdog of DIAGNOSE X'288'.
    Diag288,
}

/// A network device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetDevice {
    /// `mac`; none: the machine makes one up.
    pub mac: Option<[u8; 6]>,
    /// `devno`; none: the first number that is free.
    pub at: Option<DeviceNumber>,
}

/// Where in the channel subsystem of virtual devices a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceNumber {
    /// Subchannel set, 0 to 3.
    pub set: u8,
    /// Device number.
    pub number: u16,
}

impl Device {
    /// The driver's name, as `-device` has it.
    pub fn driver(self) -> &'static str {
        match self {
            Self::IsaDebugExit { .. } => "isa-debug-exit",
            Self::PcTestdev => "pc-testdev",
            Self::Cpu(cpu) => cpu.driver,
            Self::VirtioNetCcw(_) => "virtio-net-ccw",
            Self::Diag288 => "diag288",
        }
    }
}

/// `-global kvm-pit.lost_tick_policy=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LostTicks {
    /// They are given back, as soon as the guest has acknowledged.
    #[default]
    Delay,
    /// They are lost.
    Discard,
}

/// `-smp`: how many CPUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smp {
    /// CPUs present at start, at least 1.
    pub cpus: u32,
    /// CPUs that can ever be present, at least `cpus`.
    pub max_cpus: u32,
    /// How they lie in the machine.
    pub shape: CpuShape,
}

impl Smp {
    /// CPUs in one socket.
    #[must_use]
    pub fn flat(cpus: u32, max_cpus: u32) -> Self {
        Self {
            cpus,
            max_cpus,
            shape: CpuShape {
                drawers: 1,
                books: 1,
                sockets: 1,
                cores: max_cpus,
            },
        }
    }
}

/// `-smp drawers=,books=,sockets=,cores=`: how the CPUs that can be present lie in the machine,
/// each count being that in one of the next larger. Their product is `max_cpus`; a machine that
/// shows no topology does not look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuShape {
    /// Drawers in the machine.
    pub drawers: u32,
    /// Books in a drawer.
    pub books: u32,
    /// Sockets in a book.
    pub sockets: u32,
    /// CPUs in a socket: cores and their threads.
    pub cores: u32,
}

/// What entitlement a vertically polarized CPU has to a physical one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entitlement {
    /// To a small share.
    Low,
    /// To a share.
    #[default]
    Medium,
    /// To a whole one.
    High,
}

impl Entitlement {
    /// QAPI's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// `-device MODEL-s390x-cpu`: one CPU more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuDevice {
    /// The driver, which names the model.
    pub driver: &'static str,
    /// `core-id`: the CPU address.
    pub core_id: u32,
    /// `drawer-id`, `book-id`, `socket-id`, if given.
    pub place: Option<CpuPlace>,
    /// `entitlement`.
    pub entitlement: Entitlement,
    /// `dedicated`.
    pub dedicated: bool,
}

/// What `set-cpu-topology` changes of a CPU; what is none stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuMove {
    /// `socket-id`.
    pub socket: Option<u32>,
    /// `book-id`.
    pub book: Option<u32>,
    /// `drawer-id`.
    pub drawer: Option<u32>,
    /// `entitlement`.
    pub entitlement: Option<Entitlement>,
    /// `dedicated`.
    pub dedicated: Option<bool>,
}

/// Where a CPU is and how, for machines that show a topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuTopology {
    /// Where.
    pub place: CpuPlace,
    /// What it is entitled to under vertical polarization.
    pub entitlement: Entitlement,
    /// Whether a physical CPU is its own.
    pub dedicated: bool,
}

/// Where in the machine a CPU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CpuPlace {
    /// Drawer, from 0.
    pub drawer: u32,
    /// Book in the drawer, from 0.
    pub book: u32,
    /// Socket in the book, from 0.
    pub socket: u32,
}

impl Default for Smp {
    fn default() -> Self {
        Self::flat(1, 1)
    }
}

/// How guest instructions are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// Translation.
    Tcg(Tcg),
    /// The host's KVM.
    Kvm,
    /// No execution at all: virtual time moves only on a test's command.
    Qtest,
}

/// How translation works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tcg {
    /// What executes translated code.
    pub engine: Engine,
    /// `tb-size`: MiB that translated code may take; `None` for the default of 64.
    pub cache_mib: Option<u32>,
}

impl From<Engine> for Tcg {
    fn from(engine: Engine) -> Self {
        Self {
            engine,
            cache_mib: None,
        }
    }
}

/// Which engine executes the IR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// The best that the host supports.
    #[default]
    Default,
    /// The portable interpreter, which is also the oracle for native engines.
    Interp,
    /// Native code for this host.
    Native,
    /// IR as it is, without the optimiser: what the others are tested against.
    Reference,
}

/// `-kernel`, `-initrd`, `-append`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BootSource {
    /// Kernel image or ELF file. A machine without one starts with empty memory.
    pub kernel: Option<PathBuf>,
    /// Initial RAM disk.
    pub initrd: Option<PathBuf>,
    /// Kernel command line.
    pub cmdline: String,
    /// When it is put into memory.
    pub when: BootWhen,
}

/// When the boot image is put into memory and CPU 0 started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BootWhen {
    /// When the machine is created, and at every system reset.
    #[default]
    Creation,
    /// At a system reset only: the first guest comes from elsewhere, into memory that is fresh.
    Reset,
}

/// `-name` and `-uuid`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Guest name; empty if none was given.
    pub name: String,
    /// The 16 bytes of the UUID in network order, if one was given.
    pub uuid: Option<[u8; 16]>,
}

/// `-rtc`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RtcOptions {
    /// `base=`: where the guest's time of day starts.
    pub base: RtcBase,
    /// `clock=`: what an RTC runs by.
    pub clock: RtcClock,
    /// `driftfix=`: what becomes of an RTC's missed periodic interrupts.
    pub drift_fix: DriftFix,
}

/// `-rtc clock=`: what an RTC runs by. A machine without an RTC does not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RtcClock {
    /// The host's clock: it counts the time during which the VM stands, too.
    Host,
    /// The host's monotonic clock, with the same consequence.
    Rt,
    /// The VM's own time: it stands while the VM stands.
    #[default]
    Vm,
}

impl RtcClock {
    /// What the RTC does about time during which the VM stood.
    #[must_use]
    pub fn policy(self) -> Policy {
        match self {
            Self::Host | Self::Rt => Policy::CatchUp,
            Self::Vm => Policy::Freeze,
        }
    }
}

/// `-rtc driftfix=`: what becomes of periodic interrupts that come before the guest has
/// acknowledged the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DriftFix {
    /// They are lost.
    #[default]
    None,
    /// They are given back, faster than they would come.
    Slew,
}

/// `-rtc base=`: where the guest's time of day starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RtcBase {
    /// The host's UTC.
    #[default]
    Utc,
    /// The host's local time: UTC plus this many seconds.
    Localtime {
        /// Seconds east of UTC at start.
        utc_offset_s: i32,
    },
    /// A fixed date at creation.
    Date {
        /// Seconds since 1970-01-01 00:00:00 UTC.
        unix_s: i64,
    },
}
