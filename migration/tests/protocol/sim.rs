//! A simulated VM: RAM with dirty tracking, some parts, clocks on a host of its own, and as many
//! guest threads as a test wants. A [`World`] watches that no two VMs run one guest.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use migration::PartError;
use migration::ram::{PAGE_BYTES, PageSet};
use migration::vm::{
    DestinationVm, Identity, OutOfRam, PartId, Ram, SavedPart, SourceVm, Started, Stopped, VmError,
};
use tod::clock::Policy;
use tod::run::{RunControl, Vcpus};
use tod::{
    AllParked, Cause, ClockManager, Downtime, EpochClock, HostClock, HostOffset, Passage, RunState,
    SavedClocks, StartToken, Timebase, Timeline, VcpuGate,
};

const WORDS: u64 = PAGE_BYTES as u64 / 8;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// RAM that guest threads write to while it is read.
pub(crate) struct SimRam {
    words: Vec<AtomicU64>,
    touched: Vec<AtomicU64>,
    dirty: Vec<AtomicU64>,
    tracking: AtomicBool,
    toll_ns: AtomicU32,
    /// The highest toll that was asked for.
    pub(crate) toll_peak_ns: AtomicU32,
    /// Called with the set at the end of every `take_dirty`: a guest whose writes depend on the
    /// passes alone.
    pub(crate) on_take: Mutex<Option<OnTake>>,
}

pub(crate) type OnTake = Box<dyn FnMut(&SimRam, &mut PageSet) + Send>;

impl SimRam {
    fn new(pages: u64) -> Self {
        let atomics = |count: u64| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            words: atomics(pages * WORDS),
            touched: atomics(pages.div_ceil(64)),
            dirty: atomics(pages.div_ceil(64)),
            tracking: AtomicBool::new(false),
            toll_ns: AtomicU32::new(0),
            toll_peak_ns: AtomicU32::new(0),
            on_take: Mutex::new(None),
        }
    }

    fn pages(&self) -> u64 {
        self.words.len() as u64 / WORDS
    }

    fn mark(&self, page: u64) {
        let (index, bit) = ((page / 64) as usize, 1 << (page % 64));
        self.touched[index].fetch_or(bit, Ordering::SeqCst);
        if self.tracking.load(Ordering::SeqCst) {
            self.dirty[index].fetch_or(bit, Ordering::SeqCst);
        }
    }

    fn is_clean(&self, page: u64) -> bool {
        let word = self.dirty[(page / 64) as usize].load(Ordering::SeqCst);
        self.tracking.load(Ordering::SeqCst) && word >> (page % 64) & 1 == 0
    }

    /// A vCPU's store: it pays the toll, and the mark comes after the data.
    pub(crate) fn store(&self, page: u64, word: u64, value: u64) {
        let toll = self.toll_ns.load(Ordering::SeqCst);
        if toll > 0 && self.is_clean(page) {
            let end = Instant::now() + Duration::from_nanos(toll.into());
            while Instant::now() < end {
                std::thread::yield_now();
            }
        }
        self.words[(page * WORDS + word) as usize].store(value, Ordering::Relaxed);
        self.mark(page);
    }

    pub(crate) fn load(&self, page: u64, word: u64) -> u64 {
        self.words[(page * WORDS + word) as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn toll_ns(&self) -> u32 {
        self.toll_ns.load(Ordering::SeqCst)
    }

    pub(crate) fn is_tracking(&self) -> bool {
        self.tracking.load(Ordering::SeqCst)
    }

    pub(crate) fn equals(&self, other: &Self) -> bool {
        let bits = |one: &AtomicU64| one.load(Ordering::Relaxed);
        self.words.iter().map(bits).eq(other.words.iter().map(bits))
    }

    fn range(&self, address: u64, length: u64) -> Result<std::ops::Range<usize>, OutOfRam> {
        let end = address.checked_add(length);
        if !address.is_multiple_of(8)
            || !length.is_multiple_of(8)
            || end.is_none_or(|end| end > self.size())
        {
            return Err(OutOfRam { address, length });
        }
        Ok((address / 8) as usize..((address + length) / 8) as usize)
    }

    fn mark_range(&self, address: u64, length: u64) {
        for page in address / PAGE_BYTES as u64..(address + length).div_ceil(PAGE_BYTES as u64) {
            self.mark(page);
        }
    }
}

fn set_of(bits: &[AtomicU64], pages: u64, take: bool) -> PageSet {
    let mut set = PageSet::empty(pages);
    for (index, word) in bits.iter().enumerate() {
        let bits = if take {
            word.swap(0, Ordering::SeqCst)
        } else {
            word.load(Ordering::SeqCst)
        };
        set.insert_word(index as u64, bits);
    }
    set
}

impl Ram for SimRam {
    fn size(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), OutOfRam> {
        let range = self.range(address, buffer.len() as u64)?;
        for (bytes, word) in buffer.chunks_exact_mut(8).zip(&self.words[range]) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        Ok(())
    }

    fn write(&self, address: u64, bytes: &[u8]) -> Result<(), OutOfRam> {
        let range = self.range(address, bytes.len() as u64)?;
        for (bytes, word) in bytes.chunks_exact(8).zip(&self.words[range]) {
            let bytes: [u8; 8] = bytes.try_into().unwrap();
            word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
        self.mark_range(address, bytes.len() as u64);
        Ok(())
    }

    fn zero(&self, address: u64, length: u64) -> Result<(), OutOfRam> {
        for word in &self.words[self.range(address, length)?] {
            word.store(0, Ordering::Relaxed);
        }
        self.mark_range(address, length);
        Ok(())
    }

    fn is_fresh(&self) -> bool {
        self.touched().is_empty()
    }

    fn touched(&self) -> PageSet {
        set_of(&self.touched, self.pages(), false)
    }

    fn track(&self, on: bool) {
        if on != self.tracking.swap(on, Ordering::SeqCst) && on {
            for word in &self.dirty {
                word.store(0, Ordering::SeqCst);
            }
        }
        if !on {
            self.toll_ns.store(0, Ordering::SeqCst);
        }
    }

    fn take_dirty(&self, into: &mut PageSet) {
        into.union(&set_of(&self.dirty, self.pages(), true));
        if let Some(guest) = &mut *lock(&self.on_take) {
            guest(self, into);
        }
    }

    fn set_toll(&self, ns: u32) {
        self.toll_ns.store(ns, Ordering::SeqCst);
        self.toll_peak_ns.fetch_max(ns, Ordering::SeqCst);
    }
}

/// Knows which VMs run the one guest there is.
#[derive(Default)]
pub(crate) struct World {
    running: Mutex<Vec<&'static str>>,
    violations: Mutex<Vec<String>>,
}

impl World {
    fn start(&self, name: &'static str) {
        let mut running = lock(&self.running);
        if !running.is_empty() {
            lock(&self.violations).push(format!("{name} starts while {running:?} runs"));
        }
        running.push(name);
    }

    fn stop(&self, name: &'static str) {
        lock(&self.running).retain(|one| *one != name);
    }

    pub(crate) fn check(&self) {
        let violations = lock(&self.violations);
        assert!(violations.is_empty(), "{violations:?}");
    }
}

/// The vCPUs, seen by the world.
struct WatchedGate {
    gate: Arc<VcpuGate>,
    world: Arc<World>,
    name: &'static str,
}

impl Vcpus for WatchedGate {
    fn park(&self) -> AllParked {
        let parked = self.gate.park();
        self.world.stop(self.name);
        parked
    }

    fn unpark(&self, token: StartToken) {
        self.world.start(self.name);
        self.gate.unpark(token);
    }
}

/// What a test may make go wrong.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) stop: Option<VmError>,
    pub(crate) save_part: Option<String>,
    pub(crate) load_part: Option<String>,
    pub(crate) panic_in_save: bool,
    pub(crate) panic_in_load: bool,
}

/// A VM.
pub(crate) struct SimVm {
    pub(crate) identity: Identity,
    pub(crate) ram: Arc<SimRam>,
    pub(crate) host: Arc<dyn HostClock>,
    pub(crate) clocks: Arc<ClockManager>,
    pub(crate) tod: Arc<EpochClock>,
    pub(crate) parts: Mutex<BTreeMap<(String, u32), SavedPart>>,
    /// The order of the stream.
    pub(crate) order: Mutex<Vec<(String, u32)>>,
    pub(crate) faults: Mutex<Faults>,
    /// Called before a start at the destination.
    pub(crate) before_start: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// `-S`.
    pub(crate) start_stopped: bool,
    run: Mutex<RunControl<WatchedGate>>,
    before: Mutex<Option<RunState>>,
    gate: Arc<VcpuGate>,
    guests: Mutex<Vec<JoinHandle<()>>>,
    pub(crate) downtimes: Mutex<Vec<Downtime>>,
    pub(crate) failures: AtomicU32,
    pub(crate) hand_overs: AtomicU32,
    pub(crate) take_backs: AtomicU32,
}

pub(crate) struct Config {
    pub(crate) name: &'static str,
    pub(crate) pages: u64,
    pub(crate) cpus: usize,
    pub(crate) start_stopped: bool,
}

impl SimVm {
    pub(crate) fn new(config: &Config, world: &Arc<World>, host: Arc<dyn HostClock>) -> Arc<Self> {
        let kicks = (0..config.cpus).map(|_| Box::new(|| ()) as tod::run::Kick);
        let gate = Arc::new(VcpuGate::new(kicks.collect()));
        let timebase = Timebase::new(Arc::clone(&host)).unwrap();
        let timeline = Timeline::new(&timebase);
        let clocks = ClockManager::new(timeline);
        let tod = EpochClock::at_host_time(&timebase);
        clocks
            .register("tod", Box::new(Arc::clone(&tod)), Policy::Freeze)
            .unwrap();
        let watched = WatchedGate {
            gate: Arc::clone(&gate),
            world: Arc::clone(world),
            name: config.name,
        };
        let run = RunControl::new(RunState::Prelaunch, watched, Arc::clone(&clocks));
        Arc::new(Self {
            identity: Identity {
                architecture: "s390x".into(),
                machine: "sim".into(),
                ram_bytes: config.pages * PAGE_BYTES as u64,
                program: "test".into(),
            },
            ram: Arc::new(SimRam::new(config.pages)),
            host,
            clocks,
            tod,
            parts: Mutex::default(),
            order: Mutex::default(),
            faults: Mutex::default(),
            before_start: Mutex::default(),
            start_stopped: config.start_stopped,
            run: Mutex::new(run),
            before: Mutex::default(),
            gate,
            guests: Mutex::default(),
            downtimes: Mutex::default(),
            failures: AtomicU32::new(0),
            hand_overs: AtomicU32::new(0),
            take_backs: AtomicU32::new(0),
        })
    }

    pub(crate) fn add_part(&self, name: &str, instance: u32, version: u32, payload: &[u8]) {
        let id = (name.to_owned(), instance);
        lock(&self.order).push(id.clone());
        let part = SavedPart {
            name: name.to_owned(),
            instance,
            version,
            payload: payload.to_vec(),
        };
        lock(&self.parts).insert(id, part);
    }

    pub(crate) fn set_part(&self, name: &str, instance: u32, payload: &[u8]) {
        let mut parts = lock(&self.parts);
        let part = parts.get_mut(&(name.to_owned(), instance)).unwrap();
        part.payload = payload.to_vec();
    }

    /// This part goes into the stream twice.
    pub(crate) fn repeat_part(&self, name: &str, instance: u32) {
        lock(&self.order).push((name.to_owned(), instance));
    }

    /// A guest thread for each vCPU, which calls `step` over and over while the VM runs.
    pub(crate) fn spawn_guests(
        &self,
        cpus: usize,
        step: impl Fn(usize, &SimRam) + Send + Clone + 'static,
    ) {
        for cpu in 0..cpus {
            let (gate, ram, step) = (Arc::clone(&self.gate), Arc::clone(&self.ram), step.clone());
            let guest = std::thread::spawn(move || {
                let seat = gate.seat(cpu).unwrap();
                while seat.pass() == Passage::Run {
                    step(cpu, &ram);
                }
            });
            lock(&self.guests).push(guest);
        }
    }

    pub(crate) fn state(&self) -> RunState {
        lock(&self.run).state()
    }

    pub(crate) fn cont(&self) {
        lock(&self.run).cont(Cause::Monitor).unwrap();
    }

    pub(crate) fn pause(&self) {
        lock(&self.run)
            .stop(RunState::Paused, Cause::Monitor)
            .unwrap();
    }

    pub(crate) fn downtimes(&self) -> Vec<Downtime> {
        lock(&self.downtimes).clone()
    }

    pub(crate) fn parts(&self) -> BTreeMap<(String, u32), SavedPart> {
        lock(&self.parts).clone()
    }

    /// Ends all guest threads.
    pub(crate) fn quit(&self) {
        self.gate.quit();
        for guest in lock(&self.guests).drain(..) {
            guest.join().unwrap();
        }
    }
}

impl SourceVm for SimVm {
    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn ram(&self) -> &dyn Ram {
        &*self.ram
    }

    fn host_clock(&self) -> &dyn HostClock {
        &*self.host
    }

    fn stop(&self) -> Result<Stopped, VmError> {
        if let Some(error) = lock(&self.faults).stop.clone() {
            return Err(error);
        }
        let mut run = lock(&self.run);
        let state = run.state();
        run.stop(RunState::FinishMigrate, Cause::Migration)
            .map_err(|e| VmError {
                action: "stop the guest",
                why: e.to_string(),
            })?;
        *lock(&self.before) = Some(state);
        let since = self.clocks.stopped();
        Ok(Stopped { state, since })
    }

    fn save_parts(&self) -> Result<Vec<SavedPart>, PartError> {
        assert!(!lock(&self.faults).panic_in_save, "asked for");
        if let Some(why) = lock(&self.faults).save_part.clone() {
            return Err(PartError::Unsuitable { name: "cpu", why });
        }
        let parts = lock(&self.parts);
        let order = lock(&self.order);
        Ok(order.iter().map(|id| parts[id].clone()).collect())
    }

    fn save_clocks(&self) -> SavedClocks {
        self.clocks.on_save(Cause::Migration)
    }

    fn hand_over(&self) {
        self.hand_overs.fetch_add(1, Ordering::SeqCst);
        lock(&self.run)
            .stop(RunState::Postmigrate, Cause::Migration)
            .unwrap();
    }

    fn take_back(&self) {
        self.take_backs.fetch_add(1, Ordering::SeqCst);
        let before = lock(&self.before).take().expect("it was stopped");
        let mut run = lock(&self.run);
        if before.is_running() {
            run.cont(Cause::Migration).unwrap();
        } else {
            run.stop(before, Cause::Migration).unwrap();
        }
    }

    fn downtime(&self, downtime: Downtime) {
        self.clocks.on_moved(downtime);
        lock(&self.downtimes).push(downtime);
    }
}

impl DestinationVm for SimVm {
    fn identity(&self) -> Identity {
        self.identity.clone()
    }

    fn ram(&self) -> &dyn Ram {
        &*self.ram
    }

    fn host_clock(&self) -> &dyn HostClock {
        &*self.host
    }

    fn parts(&self) -> Vec<PartId> {
        let order = lock(&self.order);
        let ids = order.iter().map(|(name, instance)| PartId {
            name: name.clone(),
            instance: *instance,
        });
        ids.collect()
    }

    fn optional_parts(&self) -> Vec<PartId> {
        let mut parts = DestinationVm::parts(self);
        parts.retain(|part| part.name == "later");
        parts
    }

    fn part_limit(&self, name: &str) -> Option<usize> {
        let order = lock(&self.order);
        order
            .iter()
            .any(|(known, _)| known == name)
            .then_some(1 << 16)
    }

    /// Versions 1 and 2 are known.
    fn load_part(&self, part: &SavedPart) -> Result<(), PartError> {
        assert!(!lock(&self.faults).panic_in_load, "asked for");
        if let Some(why) = lock(&self.faults).load_part.clone() {
            return Err(PartError::Unsuitable { name: "cpu", why });
        }
        if !(1..=2).contains(&part.version) {
            return Err(PartError::Version {
                name: "cpu",
                found: part.version,
                newest: 2,
            });
        }
        let id = (part.name.clone(), part.instance);
        lock(&self.parts).insert(id, part.clone());
        Ok(())
    }

    fn load_clocks(&self, saved: SavedClocks, offset: Option<HostOffset>) -> Result<(), VmError> {
        let loaded = self.clocks.on_load(saved, offset, Cause::Migration);
        loaded.map(|_| ()).map_err(|e| VmError {
            action: "load the clocks",
            why: e.to_string(),
        })
    }

    fn start(&self, state: RunState) -> Started {
        if let Some(before) = lock(&self.before_start).take() {
            before();
        }
        let mut run = lock(&self.run);
        if state.is_running() && !self.start_stopped {
            run.cont(Cause::Migration).unwrap();
            Started::Running {
                since: self.clocks.wait_until_started(Duration::from_secs(1)),
            }
        } else {
            run.stop(RunState::Paused, Cause::Migration).unwrap();
            Started::Standing
        }
    }

    fn fail(&self) {
        self.failures.fetch_add(1, Ordering::SeqCst);
    }
}
