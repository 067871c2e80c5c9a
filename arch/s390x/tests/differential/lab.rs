//! A machine on a simulated host whose clock stands, and its state as a list of items.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use machine::{ConsoleOutput, GuestRam, Identity};
use s390x::console::Sclp;
use s390x::cpu::S390Cpu;
use s390x::cpu::control::Leave;
use s390x::cpu::facility::Facilities;
use s390x::cpu::handle::{self, CpuHandle, CpuState};
use s390x::cpu::psw::Psw;
use s390x::machine::Shared;
use tcg::{CpuCore, EngineKind, Options, System};
use tod::{EpochClock, SimHost, Timebase, Timeline};

use crate::program::ROWS;
use crate::state::{RAM, State};

/// The engines that must do what [`EngineKind::Reference`] does.
pub(crate) const TESTED: &[EngineKind] = EngineKind::ALL.split_at(1).1;

/// A machine of one CPU.
pub(crate) struct Lab {
    pub(crate) cpu: S390Cpu,
    pub(crate) shared: Arc<Shared>,
    pub(crate) host: SimHost,
}

/// Everything that a guest could see, and some of what it could not.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    items: Items,
    leave: Leave,
    memory: Vec<u8>,
    keys: Vec<u8>,
}

/// The state beside storage, by names.
pub(crate) type Items = Vec<(String, u64)>;

impl Lab {
    /// A machine for cases: small, and with every facility.
    pub(crate) fn new(engine: EngineKind) -> Self {
        let mut lab = Self::with(engine, RAM, (1 << 20, 0), None);
        lab.cpu.control.facilities = facilities();
        lab
    }

    /// A machine with so much RAM and this console.
    pub(crate) fn with(
        engine: EngineKind,
        ram_bytes: u64,
        (cache_bytes, cold_runs): (usize, u8),
        console: Option<Arc<dyn ConsoleOutput>>,
    ) -> Self {
        let host = SimHost::new();
        let timebase = Timebase::new(Arc::new(host.clone())).expect("a simulated host has clocks");
        let timeline = Timeline::new(&timebase);
        let clock = EpochClock::at_host_time(&timebase);
        let options = Options {
            engine,
            cache_bytes,
            cold_runs,
            ..Options::default()
        };
        let ram = GuestRam::new(ram_bytes).expect("a little RAM");
        let system = System::with_options(Arc::new(ram), options);
        let core = CpuCore::new(system.clone());
        let (events, _) = crossbeam::channel::unbounded();
        let shared = Shared::new(
            system,
            std::slice::from_ref(&core),
            Sclp::new(console),
            clock,
            timeline,
            Identity::default(),
            1,
            events,
        );
        let cpu = S390Cpu::new(core, Arc::clone(&shared), 0);
        Self { cpu, shared, host }
    }

    /// Takes over a state.
    pub(crate) fn load(&mut self, state: &State, start: u64) {
        let (cpu, shared) = (&mut self.cpu, &self.shared);
        shared.ram().write(0, &state.memory).expect("as much RAM");
        assert!(shared.keys.restore(0, &state.keys), "a key for each page");
        cpu.set_prefix(state.prefix);
        cpu.gpr = state.gpr;
        cpu.vr = state.vr;
        cpu.ar = state.ar;
        cpu.cr = state.cr;
        cpu.fpc = state.fpc;
        cpu.breaking_event = state.breaking_event;
        cpu.core.spaces_changed();
        cpu.set_state(CpuState::Operating);
        cpu.set_comparator(state.comparator);
        cpu.set_cpu_timer(state.cpu_timer);
        self.go_to(state.mask, start);
    }

    /// Loads a PSW.
    pub(crate) fn go_to(&mut self, mask: u64, address: u64) {
        self.cpu.set_psw(Psw { mask, address });
    }

    /// Runs until the CPU leaves; if `limit` is given, at the latest at the first block boundary
    /// after so many instructions in all.
    pub(crate) fn run(&mut self, limit: Option<u64>) -> Snapshot {
        let leave = self.run_to(limit);
        self.snapshot(leave)
    }

    /// [`Self::run`], without looking at the state.
    pub(crate) fn run_to(&mut self, limit: Option<u64>) -> Leave {
        self.cpu.set_stop_at(limit);
        let _watched = watch(&self.cpu.control.handle);
        s390x::cpu::run::run(&mut self.cpu)
    }

    fn snapshot(&self, leave: Leave) -> Snapshot {
        let mut memory = vec![0; RAM as usize];
        let ram = self.shared.ram();
        ram.read(0, &mut memory).expect("as much RAM");
        Snapshot {
            items: self.items(),
            leave,
            memory,
            keys: self.shared.keys.saved(0, usize::MAX),
        }
    }

    /// The state beside storage.
    pub(crate) fn items(&self) -> Items {
        let (cpu, shared) = (&self.cpu, &self.shared);
        let mut items = Vec::with_capacity(144);
        let mut item = |name: &str, value: u64| items.push((name.to_owned(), value));
        let psw = cpu.psw();
        item("PSW mask", psw.mask);
        item("PSW address", psw.address);
        for (n, &value) in cpu.gpr.iter().enumerate() {
            item(&format!("R{n}"), value);
        }
        for (n, value) in cpu.vr.iter().enumerate() {
            item(&format!("V{n}, left half"), value.left);
            item(&format!("V{n}, right half"), value.right);
        }
        for (n, &value) in cpu.ar.iter().enumerate() {
            item(&format!("A{n}"), value.into());
        }
        for (n, &value) in cpu.cr.iter().enumerate() {
            item(&format!("C{n}"), value);
        }
        item("FPC", cpu.fpc.into());
        item("breaking-event address", cpu.breaking_event);
        item("prefix", cpu.prefix);
        item("EXECUTE target", cpu.execute_target);
        item("instructions", cpu.core.insns);
        let clock = cpu.clock_state();
        item("clock comparator", clock.comparator);
        item("programmable field", clock.programmable.into());
        item("CPU timer", clock.cpu_timer);
        item("TOD clock", cpu.read_tod().clock());
        let (emergency, call, latched) = cpu.control.handle.latched_words();
        item("emergency signals", emergency);
        item("external call", call.into());
        item("latched", latched.into());
        item("CPU state", cpu.control.handle.state() as u64);
        let service = shared.floating.saved();
        item("service signal", service.map_or(u64::MAX, u64::from));
        items
    }
}

impl Snapshot {
    pub(crate) fn leave(&self) -> Leave {
        self.leave
    }

    /// The PSW's address.
    pub(crate) fn address(&self) -> u64 {
        self.items[1].1
    }

    /// Instructions that were completed.
    pub(crate) fn instructions(&self) -> u64 {
        let item = self.items.iter().find(|(name, _)| name == "instructions");
        item.map_or(0, |&(_, value)| value)
    }

    /// Storage.
    pub(crate) fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// A doubleword of storage.
    pub(crate) fn doubleword(&self, at: u64) -> u64 {
        let bytes = &self.memory[at as usize..][..8];
        u64::from_be_bytes(bytes.try_into().expect("eight bytes"))
    }

    /// What differs, a line for each item, this one's value first; the first differences first.
    pub(crate) fn differences(&self, other: &Self) -> String {
        let mut text = String::new();
        if self.leave != other.leave {
            let _ = writeln!(text, "  leaves by {:?}, not {:?}", self.leave, other.leave);
        }
        text.push_str(&different_items(&self.items, &other.items));
        let bytes = self.memory.iter().zip(&other.memory).enumerate();
        for (at, (a, b)) in bytes.filter(|(_, (a, b))| a != b).take(24) {
            let _ = writeln!(text, "  storage {at:#x}: {a:#04x}, not {b:#04x}");
        }
        let keys = self.keys.iter().zip(&other.keys).enumerate();
        for (page, (a, b)) in keys.filter(|(_, (a, b))| a != b).take(8) {
            let _ = writeln!(text, "  key of page {page:#x}: {a:#04x}, not {b:#04x}");
        }
        text
    }
}

/// The items that differ, a line for each, the first one's value first.
pub(crate) fn different_items(items: &Items, others: &Items) -> String {
    let mut text = String::new();
    for ((name, a), (_, b)) in items.iter().zip(others) {
        if a != b {
            let _ = writeln!(text, "  {name}: {a:#x}, not {b:#x}");
        }
    }
    text
}

/// Every facility that an instruction of the table belongs to.
fn facilities() -> Facilities {
    let mut facilities = Facilities::default();
    for row in ROWS.iter() {
        facilities.set(row.facility, true);
    }
    facilities
}

/// The CPU that runs now on each thread of the tests, with when it is to be made to leave.
static WATCHED: Mutex<Vec<(u64, Instant, Arc<CpuHandle>)>> = Mutex::new(Vec::new());

/// Longer than any run takes that ends by itself.
const TOO_LONG: Duration = Duration::from_secs(120);

struct Watched(u64);

impl Drop for Watched {
    fn drop(&mut self) {
        let mut list = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|&(number, ..)| number != self.0);
    }
}

/// Makes the CPU leave by [`Leave::Park`] if it does not do so by itself.
fn watch(cpu: &Arc<CpuHandle>) -> Watched {
    static THREAD: std::sync::Once = std::sync::Once::new();
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    THREAD.call_once(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(500));
                let list = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
                for (_, until, cpu) in list.iter() {
                    if *until < Instant::now() {
                        cpu.kick(handle::PARK);
                    }
                }
            }
        });
    });
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut list = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    list.push((number, Instant::now() + TOO_LONG, Arc::clone(cpu)));
    Watched(number)
}
