//! The gate that every vCPU thread passes before it enters the guest.
//!
//! Closed, it is where they all stand, and closing returns the proof that none is
//! in the guest ([`AllParked`]); it opens only for the token that making the
//! clocks ready returns (R9). It knows nothing of how a vCPU runs: a *kick* makes
//! one leave the guest and come to the gate.
//!
//! The gate also says when guest time runs, for it alone sees who is first and who
//! is last ([`StartToken`] has the why):
//! - The first vCPU to enter the guest after the gate was opened starts the clocks,
//!   on its own thread: as it passes ([`Seat::pass`]), or later, when there is
//!   nothing left to do before its first instruction ([`Seat::approach`],
//!   [`VcpuGate::enter`]). If none is at the gate to pass, opening it starts them.
//! - The last vCPU to leave the guest after the gate has closed takes the reading
//!   of the stop. If none was in the guest, closing takes it.
//! - A vCPU that waits for an interruption is not in the guest, wherever its thread
//!   is ([`Seat::leave`]): no stop waits for it or wakes it, nor lasts until it has
//!   come, and no start waits for it.
//! - A gate that is closed before anybody has entered lets no time pass.

use crate::clock::{InGuest, StartToken};
use crate::timebase::HostReading;
use serde::Serialize;
use std::cell::Cell;
use std::sync::PoisonError;
use sync::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering};

/// The gate's locks: the product's, or in tests those of a scheduler that tries
/// interleavings.
mod sync {
    #[cfg(test)]
    pub(super) use shuttle::sync::atomic::{AtomicBool, Ordering};
    #[cfg(test)]
    pub(super) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    #[cfg(not(test))]
    pub(super) use std::sync::atomic::{AtomicBool, Ordering};
    #[cfg(not(test))]
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard};
}

/// Makes one vCPU leave the guest soon, wherever it is: running, asleep, or
/// about to do either. Called from any thread; must not wait for the vCPU.
pub type Kick = Box<dyn Fn() + Send + Sync>;

/// Proof that no vCPU is in the guest, with the moment at which the last one had
/// left it. Only [`VcpuGate::close_and_wait`] makes one; capturing the clocks uses
/// it up (R1):
/// ```
/// fn stop(gate: &tod::VcpuGate, clocks: &tod::ClockManager) {
///     clocks.on_stop(gate.close_and_wait(), tod::Cause::Monitor);
/// }
/// ```
/// ```compile_fail,E0423
/// fn stop(clocks: &tod::ClockManager) {
///     clocks.on_stop(tod::AllParked(None), tod::Cause::Monitor);
/// }
/// ```
#[derive(Debug, Default)]
#[must_use = "clocks are captured with this proof"]
pub struct AllParked(Option<HostReading>);

impl AllParked {
    /// The last vCPU had left the guest at `reading`.
    pub(crate) fn at(reading: HostReading) -> Self {
        Self(Some(reading))
    }

    /// When that was; none when no vCPU has entered the guest since the last proof.
    #[must_use]
    pub fn reading(&self) -> Option<HostReading> {
        self.0
    }
}

/// Where a vCPU thread is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VcpuPlace {
    /// No thread, or one that has not come to the gate yet.
    Offline,
    /// Past the gate: in the guest or on its way there or back.
    Inside,
    /// Out of the guest by itself; comes to the gate when it has a reason.
    Waiting,
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

enum Phase {
    /// Nobody may pass; the proof that nobody is inside, until somebody takes it.
    Closed(AllParked),
    /// Nobody may pass any more; the last vCPU inside takes the reading.
    Closing(InGuest),
    /// All may pass; the first to enter the guest starts the clocks.
    Starting(StartToken),
    /// All may pass.
    Open(InGuest),
    Quitting,
}

struct State {
    phase: Phase,
    places: Vec<VcpuPlace>,
    /// Which seats a thread has.
    taken: Vec<bool>,
    /// Whether a closing thread waits for the last vCPU to come.
    awaited: bool,
}

impl State {
    fn count(&self, place: VcpuPlace) -> usize {
        self.places.iter().filter(|one| **one == place).count()
    }

    fn take_phase(&mut self) -> Phase {
        std::mem::replace(&mut self.phase, Phase::Closed(AllParked::default()))
    }

    /// If the gate is closing and nobody is inside any more, this is the moment.
    fn close_behind_the_last(&mut self) {
        if self.count(VcpuPlace::Inside) > 0 {
            return;
        }
        self.phase = match self.take_phase() {
            Phase::Closing(in_guest) => Phase::Closed(in_guest.leave()),
            other => other,
        };
    }

    /// If nobody has entered the guest since the gate was opened, this is the moment.
    fn start_for_the_first(&mut self) {
        self.phase = match self.take_phase() {
            Phase::Starting(token) => Phase::Open(token.enter()),
            other => other,
        };
    }
}

/// The gate.
pub struct VcpuGate {
    /// Looked at on every way into the guest; true while the gate is not open.
    stop_requested: AtomicBool,
    /// The clocks have not been started since the gate was last opened, as far as is known
    /// without a look at the state.
    unstarted: AtomicBool,
    state: Mutex<State>,
    opened: Condvar,
    parked: Condvar,
    kicks: Vec<Kick>,
}

impl VcpuGate {
    /// A closed gate for as many vCPUs as there are kicks.
    #[must_use]
    pub fn new(kicks: Vec<Kick>) -> Self {
        Self {
            stop_requested: AtomicBool::new(true),
            unstarted: AtomicBool::new(false),
            state: Mutex::new(State {
                phase: Phase::Closed(AllParked::default()),
                places: vec![VcpuPlace::Offline; kicks.len()],
                taken: vec![false; kicks.len()],
                awaited: false,
            }),
            opened: Condvar::new(),
            parked: Condvar::new(),
            kicks,
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
    /// have left. Not for vCPU threads: they would wait for themselves.
    pub fn close_and_wait(&self) -> AllParked {
        let mut state = self.lock();
        state.phase = match state.take_phase() {
            Phase::Open(in_guest) => Phase::Closing(in_guest),
            // Nobody has entered: the token goes, and the clocks are still as they were.
            Phase::Starting(_) => Phase::Closed(AllParked::default()),
            other => other,
        };
        self.stop_requested.store(true, Ordering::SeqCst);
        state.close_behind_the_last();
        if state.count(VcpuPlace::Inside) > 0 {
            let places = state.places.clone();
            drop(state);
            self.kick_inside(&places);
            state = self.lock();
            while state.count(VcpuPlace::Inside) > 0 {
                state.awaited = true;
                state = self
                    .parked
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            state.awaited = false;
        }
        match &mut state.phase {
            Phase::Closed(proof) => std::mem::take(proof),
            _ => AllParked::default(),
        }
    }

    /// Not under the lock, so that who has been kicked can park meanwhile.
    fn kick_inside(&self, places: &[VcpuPlace]) {
        for (kick, place) in self.kicks.iter().zip(places) {
            if *place == VcpuPlace::Inside {
                kick();
            }
        }
    }

    /// Opens the gate: the clocks are ready. Does nothing to an open gate or after
    /// [`VcpuGate::quit`].
    pub fn open(&self, token: StartToken) {
        let mut state = self.lock();
        match state.phase {
            Phase::Closed(_) | Phase::Closing(_) => {}
            Phase::Starting(_) | Phase::Open(_) | Phase::Quitting => return,
        }
        state.phase = Phase::Starting(token);
        self.unstarted.store(true, Ordering::SeqCst);
        if state.count(VcpuPlace::Parked) == 0 {
            // Nobody is sure to come.
            self.start(&mut state);
        }
        self.stop_requested.store(false, Ordering::SeqCst);
        drop(state);
        self.opened.notify_all();
    }

    /// A vCPU that has come through with [`Seat::approach`] is about to execute guest
    /// code: from now on the clocks run. When false, the gate has closed meanwhile
    /// and the vCPU must come back to it without doing so. One load when somebody
    /// has entered before.
    #[inline]
    #[must_use]
    pub fn enter(&self) -> bool {
        if !self.unstarted.load(Ordering::Acquire) {
            return true;
        }
        let mut state = self.lock();
        self.start(&mut state);
        matches!(state.phase, Phase::Open(_))
    }

    fn start(&self, state: &mut State) {
        state.start_for_the_first();
        if matches!(state.phase, Phase::Open(_)) {
            self.unstarted.store(false, Ordering::SeqCst);
        }
    }

    /// All vCPU threads are to end: parked ones at once, others when they come.
    pub fn quit(&self) {
        let mut state = self.lock();
        state.phase = Phase::Quitting;
        self.stop_requested.store(true, Ordering::SeqCst);
        let places = state.places.clone();
        drop(state);
        for (kick, place) in self.kicks.iter().zip(places) {
            if matches!(place, VcpuPlace::Inside | VcpuPlace::Waiting) {
                kick();
            }
        }
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
    /// called before every entry; costs two loads while the gate is open.
    #[inline]
    pub fn pass(&self) -> Passage {
        loop {
            if self.approach() == Passage::Quit {
                return Passage::Quit;
            }
            if self.gate.enter() {
                return Passage::Run;
            }
        }
    }

    /// Passes the gate, or waits there until it opens, on the way to the guest. The
    /// clocks may still stand: [`VcpuGate::enter`] says so, right before any guest
    /// code is executed. Costs one load while the gate is open.
    #[inline]
    pub fn approach(&self) -> Passage {
        if self.inside.get() && !self.gate.stop_requested() {
            return Passage::Run;
        }
        self.park()
    }

    /// The vCPU is out of the guest and needs no time there until it passes the
    /// gate again: it waits for an interruption, or is stopped. Its thread may
    /// sleep as long as it likes; a stop does not kick it.
    pub fn leave(&self) {
        self.place(&mut self.gate.lock(), VcpuPlace::Waiting);
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
        loop {
            match state.phase {
                Phase::Starting(_) | Phase::Open(_) if waited => {
                    // A thread that has slept may be given the CPU of the one that woke it.
                    // That one has an answer to give; a vCPU would keep the CPU for a slice.
                    drop(state);
                    std::thread::yield_now();
                    state = self.gate.lock();
                    waited = false;
                }
                Phase::Starting(_) | Phase::Open(_) => {
                    self.place(&mut state, VcpuPlace::Inside);
                    return Passage::Run;
                }
                Phase::Closed(_) | Phase::Closing(_) => {
                    waited = true;
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

    fn place(&self, state: &mut State, place: VcpuPlace) {
        state.places[self.cpu] = place;
        let inside = place == VcpuPlace::Inside;
        if self.inside.replace(inside) && !inside {
            // Others may not come: it has been in the guest for no time.
            self.gate.start(state);
            state.close_behind_the_last();
            if state.awaited && state.count(VcpuPlace::Inside) == 0 {
                self.gate.parked.notify_all();
            }
        }
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
#[path = "gate_tests.rs"]
mod tests;
