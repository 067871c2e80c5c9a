//! The gate that every vCPU thread passes before it enters the guest.
//!
//! Closed, it is where they all stand, and closing returns the proof that they
//! do ([`AllParked`]); it opens only for the token that installing the clocks
//! returns (R9). It knows nothing of how a vCPU runs: a *kick* makes one leave
//! the guest and come to the gate.

use crate::clock::StartToken;
use serde::Serialize;
use std::cell::Cell;
use std::sync::PoisonError;
use std::time::Duration;
use sync::{AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, look};

/// The gate's locks: the product's, or in tests those of a scheduler that tries
/// interleavings.
mod sync {
    #[cfg(test)]
    pub(super) use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    #[cfg(test)]
    pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    #[cfg(not(test))]
    pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    #[cfg(not(test))]
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
    use std::time::Duration;

    /// Looks until it is true, for so long at most.
    #[cfg(not(test))]
    pub(super) fn look(limit: Duration, mut done: impl FnMut() -> bool) {
        let start = std::time::Instant::now();
        while !done() && start.elapsed() < limit {
            std::hint::spin_loop();
        }
    }

    /// Looks a few times: the scheduler knows no time.
    #[cfg(test)]
    pub(super) fn look(_limit: Duration, mut done: impl FnMut() -> bool) {
        for _ in 0..3 {
            if done() {
                return;
            }
            shuttle::thread::yield_now();
        }
    }
}

/// Makes one vCPU leave the guest soon, wherever it is: running, asleep, or
/// about to do either. Called from any thread; must not wait for the vCPU.
pub type Kick = Box<dyn Fn() + Send + Sync>;

/// Proof that no vCPU is in the guest. Only [`VcpuGate::close_and_wait`] makes
/// one; capturing the clocks uses it up (R1):
/// ```
/// fn stop(gate: &tod::VcpuGate, clocks: &tod::ClockManager) {
///     clocks.on_stop(gate.close_and_wait(), tod::Cause::Monitor);
/// }
/// ```
/// ```compile_fail,E0423
/// fn stop(clocks: &tod::ClockManager) {
///     clocks.on_stop(tod::AllParked(()), tod::Cause::Monitor);
/// }
/// ```
#[derive(Debug)]
#[must_use = "clocks are captured with this proof"]
pub struct AllParked(());

/// Where a vCPU thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VcpuPlace {
    /// No thread, or one that has not come to the gate yet.
    Offline,
    /// Past the gate: in the guest or on its way there or back.
    Inside,
    /// Waits at the closed gate.
    Parked,
}

/// What a vCPU does after the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// Enter the guest.
    Run,
    /// End the thread.
    Quit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed,
    /// Closed, but about to open: who is woken waits awake for a moment.
    Calling,
    Open,
    Quitting,
}

struct State {
    phase: Phase,
    places: Vec<VcpuPlace>,
    /// Which seats a thread has.
    taken: Vec<bool>,
    /// Whether a closing thread waits for the last vCPU to come.
    closing: bool,
}

/// The gate.
pub struct VcpuGate {
    /// Looked at on every way into the guest; true while the gate is not open.
    stop_requested: AtomicBool,
    state: Mutex<State>,
    opened: Condvar,
    parked: Condvar,
    kicks: Vec<Kick>,
    /// How many vCPUs are inside; changed under the lock, looked at without it.
    inside: AtomicUsize,
    /// vCPU threads that wait awake for the gate to open.
    awake: AtomicUsize,
    /// How many may: one host CPU is left to the thread that opens.
    awake_at_most: usize,
}

/// How long a closing thread looks for the last vCPU before it sleeps. While it sleeps and is
/// woken the guest's clocks go on, though no vCPU runs.
const LOOK_FOR: Duration = Duration::from_micros(100);

/// How long an opening thread waits for vCPU threads to wake up before the clocks are installed.
const CALL_FOR: Duration = Duration::from_micros(200);

/// How long a woken vCPU thread stays awake before the gate. The installing of the clocks must
/// fit.
const STAY_AWAKE: Duration = Duration::from_micros(500);

impl VcpuGate {
    /// A closed gate for as many vCPUs as there are kicks.
    #[must_use]
    pub fn new(kicks: Vec<Kick>) -> Self {
        Self {
            stop_requested: AtomicBool::new(true),
            state: Mutex::new(State {
                phase: Phase::Closed,
                places: vec![VcpuPlace::Offline; kicks.len()],
                taken: vec![false; kicks.len()],
                closing: false,
            }),
            opened: Condvar::new(),
            parked: Condvar::new(),
            kicks,
            inside: AtomicUsize::new(0),
            awake: AtomicUsize::new(0),
            awake_at_most: std::thread::available_parallelism().map_or(0, |cpus| cpus.get() - 1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A vCPU thread takes its seat. Until it first passes it counts as
    /// offline; nobody waits for it. None when there is no such vCPU or its
    /// seat is taken.
    #[must_use]
    pub fn seat(&self, cpu: usize) -> Option<Seat<'_>> {
        let mut state = self.lock();
        let taken = state.taken.get_mut(cpu)?;
        if std::mem::replace(taken, true) {
            return None;
        }
        Some(Seat {
            gate: self,
            cpu,
            inside: Cell::new(false),
        })
    }

    /// Whether vCPUs are wanted at the gate. One load; for use in loops.
    #[inline(always)]
    #[must_use]
    pub fn stop_requested(&self) -> bool {
        self.stop_requested.load(Ordering::Acquire)
    }

    /// Closes the gate, kicks every vCPU that is inside, and waits until all
    /// have come. Not for vCPU threads: they would wait for themselves.
    pub fn close_and_wait(&self) -> AllParked {
        let mut state = self.lock();
        if matches!(state.phase, Phase::Open | Phase::Calling) {
            state.phase = Phase::Closed;
            self.stop_requested.store(true, Ordering::SeqCst);
        }
        if self.inside.load(Ordering::Acquire) > 0 {
            let places = state.places.clone();
            drop(state);
            self.kick_inside(&places);
            if self.awake_at_most > 0 {
                look(LOOK_FOR, || self.inside.load(Ordering::Acquire) == 0);
            }
            state = self.lock();
            while self.inside.load(Ordering::Acquire) > 0 {
                state.closing = true;
                state = self
                    .parked
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            state.closing = false;
        }
        AllParked(())
    }

    /// Not under the lock, so that who has been kicked can park meanwhile.
    fn kick_inside(&self, places: &[VcpuPlace]) {
        for (kick, place) in self.kicks.iter().zip(places) {
            if *place == VcpuPlace::Inside {
                kick();
            }
        }
    }

    /// The gate is about to open: wakes the vCPU threads, so that they need not be woken when
    /// the clocks run already, and waits for them for a moment. Does nothing where there are
    /// more of them than host CPUs to spare.
    pub fn call(&self) {
        let mut state = self.lock();
        let parked = state
            .places
            .iter()
            .filter(|place| **place == VcpuPlace::Parked);
        // More than there are host CPUs to spare would only be in each other's way.
        let wanted = parked.count();
        if state.phase != Phase::Closed || wanted == 0 || wanted > self.awake_at_most {
            return;
        }
        state.phase = Phase::Calling;
        drop(state);
        self.opened.notify_all();
        look(CALL_FOR, || self.awake.load(Ordering::Acquire) >= wanted);
    }

    /// Opens the gate: the clocks are installed. Does nothing after
    /// [`VcpuGate::quit`].
    pub fn open(&self, token: StartToken) {
        drop(token);
        let mut state = self.lock();
        if matches!(state.phase, Phase::Closed | Phase::Calling) {
            state.phase = Phase::Open;
            self.stop_requested.store(false, Ordering::SeqCst);
            drop(state);
            self.opened.notify_all();
        }
    }

    /// All vCPU threads are to end: parked ones at once, others when they come.
    pub fn quit(&self) {
        let mut state = self.lock();
        state.phase = Phase::Quitting;
        self.stop_requested.store(true, Ordering::SeqCst);
        let places = state.places.clone();
        drop(state);
        self.kick_inside(&places);
        self.opened.notify_all();
    }

    /// Where every vCPU is.
    #[must_use]
    pub fn places(&self) -> Vec<VcpuPlace> {
        self.lock().places.clone()
    }
}

/// A vCPU thread's seat at the gate. Dropping it makes the vCPU offline.
pub struct Seat<'a> {
    gate: &'a VcpuGate,
    cpu: usize,
    inside: Cell<bool>,
}

impl Seat<'_> {
    /// Passes the gate into the guest, or waits there until it opens. To be
    /// called before every entry; costs one load while the gate is open.
    #[inline]
    pub fn pass(&self) -> Passage {
        if self.inside.get() && !self.gate.stop_requested() {
            return Passage::Run;
        }
        self.park()
    }

    /// Whether the vCPU is wanted at the gate.
    #[inline(always)]
    #[must_use]
    pub fn stop_requested(&self) -> bool {
        self.gate.stop_requested()
    }

    #[cold]
    fn park(&self) -> Passage {
        let mut state = self.gate.lock();
        let mut waited = false;
        let mut called = false;
        loop {
            match state.phase {
                Phase::Open => {
                    self.place(&mut state, VcpuPlace::Inside);
                    drop(state);
                    if waited {
                        // A thread that has slept may be given the CPU of the one that woke it.
                        // That one has an answer to give; a vCPU would keep the CPU for a slice.
                        std::thread::yield_now();
                    }
                    return Passage::Run;
                }
                Phase::Calling if !called => {
                    called = true;
                    self.place(&mut state, VcpuPlace::Parked);
                    drop(state);
                    self.wait_awake();
                    state = self.gate.lock();
                    waited = false;
                }
                Phase::Closed | Phase::Calling => {
                    waited = true;
                    called = false;
                    self.place(&mut state, VcpuPlace::Parked);
                    state = self
                        .gate
                        .opened
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Phase::Quitting => {
                    self.place(&mut state, VcpuPlace::Offline);
                    return Passage::Quit;
                }
            }
        }
    }

    /// Stays awake until the gate opens, if there is a host CPU to spare for it.
    fn wait_awake(&self) {
        let gate = self.gate;
        if gate.awake.fetch_add(1, Ordering::AcqRel) < gate.awake_at_most {
            look(STAY_AWAKE, || !gate.stop_requested());
        }
        gate.awake.fetch_sub(1, Ordering::AcqRel);
    }

    fn place(&self, state: &mut State, place: VcpuPlace) {
        let inside = place == VcpuPlace::Inside;
        if self.inside.replace(inside) != inside {
            if inside {
                self.gate.inside.fetch_add(1, Ordering::AcqRel);
            } else {
                let before = self.gate.inside.fetch_sub(1, Ordering::AcqRel);
                if before == 1 && state.closing {
                    self.gate.parked.notify_all();
                }
            }
        }
        state.places[self.cpu] = place;
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        self.place(&mut state, VcpuPlace::Offline);
        state.taken[self.cpu] = false;
    }
}

#[cfg(test)]
mod tests {
    use super::{Kick, Passage, VcpuGate, VcpuPlace};
    use crate::clock::ClockManager;
    use crate::host::SimHost;
    use crate::run::Cause;
    use crate::timebase::Timebase;
    use crate::timeline::Timeline;
    use shuttle::sync::Arc;
    use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use shuttle::thread;

    const CPUS: usize = 2;

    fn clocks() -> Arc<ClockManager> {
        let timebase = Timebase::new(Arc::new(SimHost::new())).unwrap();
        ClockManager::new(Timeline::new(&timebase))
    }

    /// vCPUs that leave the guest only when kicked.
    fn vcpus() -> (Arc<VcpuGate>, Arc<AtomicUsize>, Vec<thread::JoinHandle<()>>) {
        let exits: Vec<_> = (0..CPUS)
            .map(|_| Arc::new(AtomicBool::new(false)))
            .collect();
        let kicks = exits.iter().map(|exit| {
            let exit = Arc::clone(exit);
            Box::new(move || exit.store(true, Ordering::SeqCst)) as Kick
        });
        let gate = Arc::new(VcpuGate::new(kicks.collect()));
        let inside = Arc::new(AtomicUsize::new(0));
        let threads = exits.into_iter().enumerate().map(|(cpu, exit)| {
            let (gate, inside) = (Arc::clone(&gate), Arc::clone(&inside));
            thread::spawn(move || {
                let seat = gate.seat(cpu).unwrap();
                while seat.pass() == Passage::Run {
                    inside.fetch_add(1, Ordering::SeqCst);
                    while !exit.swap(false, Ordering::SeqCst) {
                        thread::yield_now();
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            })
        });
        let threads = threads.collect();
        (gate, inside, threads)
    }

    fn stop_and_cont() {
        let clocks = clocks();
        let (gate, inside, threads) = vcpus();
        for _ in 0..2 {
            gate.call();
            gate.open(clocks.on_cont(Cause::Monitor));
            let parked = gate.close_and_wait();
            assert_eq!(inside.load(Ordering::SeqCst), 0, "a vCPU is in the guest");
            assert!(
                gate.places()
                    .iter()
                    .all(|place| *place != VcpuPlace::Inside)
            );
            clocks.on_stop(parked, Cause::Monitor);
        }
        gate.quit();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(gate.places(), [VcpuPlace::Offline; CPUS]);
    }

    fn quit_while_running() {
        let clocks = clocks();
        let (gate, _inside, threads) = vcpus();
        gate.call();
        gate.open(clocks.on_cont(Cause::Launch));
        gate.quit();
        // Quitting is final.
        gate.open(clocks.on_cont(Cause::Monitor));
        for thread in threads {
            thread.join().unwrap();
        }
    }

    #[test]
    fn no_interleaving_leaves_a_vcpu_inside_or_stuck() {
        shuttle::check_random(stop_and_cont, 3000);
        shuttle::check_pct(stop_and_cont, 3000, 3);
    }

    #[test]
    fn no_interleaving_survives_a_quit() {
        shuttle::check_random(quit_while_running, 3000);
    }
}
