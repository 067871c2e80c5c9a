//! Run control: the one owner of the run state.
//!
//! Monitors, signals and the terminal send requests and get answers; the guest sends events.
//! Only [`Owner::run`], on one thread, acts on them. What it does follows QEMU: its run states,
//! its events and their order, and what `-action` says. How clocks and vCPUs are stopped and
//! started in the right order is not known here but in `tod`.

mod event;
mod hold;
mod owner;
mod throttle;
mod watchdog;

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};
use machine::ShutdownCause;
use tod::RunState;

use crate::cli::WatchdogAction;
pub use event::{Event, EventSink, Events, NAMES as EVENT_NAMES};
pub use hold::{Hold, Release};
pub use owner::{Ending, Launch, Owner, OwnerParts};

/// Why run control would not do as asked. Reads as QEMU's message for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `cont` after a shutdown or an internal error.
    #[error("Resetting the Virtual Machine is required")]
    ResetRequired,
    /// `cont` while an outgoing migration is being finished.
    #[error("Migration is not finalized yet")]
    Migrating,
    /// Something that wants the VM to stand has it already.
    #[error("the VM is held by a migration or a snapshot already")]
    Held,
    /// There is no incoming migration that the VM waits for.
    #[error("the VM does not wait for an incoming migration")]
    NotIncoming,
    /// The machine could not be reset and stands.
    #[error("the reset has failed; the VM is in state 'internal-error'")]
    ResetFailed,
    /// The program is ending.
    #[error("the virtual machine is ending")]
    Ending,
}

/// A request, with the channel for its answer.
pub(crate) enum Request {
    Stop(Sender<Result<(), Refusal>>),
    Cont(Sender<Result<(), Refusal>>),
    Reset(Sender<Result<(), Refusal>>),
    /// Answers whether the guest listens to such a signal.
    Powerdown(Sender<bool>),
    Quit(ShutdownCause, Option<Sender<()>>),
    State(Sender<RunState>),
    SetWatchdogAction(WatchdogAction, Sender<()>),
    /// Answers with the state before.
    Hold(Hold, Sender<Result<RunState, Refusal>>),
    Release(Release, Sender<RunState>),
    /// The guest has come; `RunState` is what it was at its source. Answers with what it is now.
    Arrived(RunState, Sender<Result<RunState, Refusal>>),
    /// It will not come.
    Lost {
        fatal: bool,
    },
}

/// Asks run control. Cheap to clone; usable from any thread.
#[derive(Clone)]
pub struct Control {
    requests: Sender<Request>,
    state: Arc<Mutex<RunState>>,
}

impl Control {
    /// A handle, and the owner's ends of it.
    pub fn new(launch: Launch) -> (Self, ControlEnd) {
        let (requests, incoming) = unbounded();
        let state = Arc::new(Mutex::new(launch.state()));
        let end = ControlEnd {
            launch,
            requests: incoming,
            state: Arc::clone(&state),
        };
        (Self { requests, state }, end)
    }

    fn ask<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> Result<T, Refusal> {
        let (reply, answer) = bounded(1);
        self.requests
            .send(request(reply))
            .map_err(|_| Refusal::Ending)?;
        answer.recv().map_err(|_| Refusal::Ending)
    }

    /// The run state, after everything that run control has told of so far: who has seen an
    /// event sees the state that it led to. Once run control has ended, its last one.
    pub fn state(&self) -> RunState {
        if let Ok(state) = self.ask(Request::State) {
            return state;
        }
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the VM. Nothing happens if it does not run.
    ///
    /// # Errors
    /// [`Refusal::Ending`].
    pub fn stop(&self) -> Result<(), Refusal> {
        self.ask(Request::Stop)?
    }

    /// Lets the VM run. Nothing happens if it does.
    ///
    /// # Errors
    /// A [`Refusal`] by the state that it is in.
    pub fn cont(&self) -> Result<(), Refusal> {
        self.ask(Request::Cont)?
    }

    /// Resets the machine.
    ///
    /// # Errors
    /// [`Refusal::ResetFailed`], [`Refusal::Ending`].
    pub fn reset(&self) -> Result<(), Refusal> {
        self.ask(Request::Reset)?
    }

    /// Asks the guest to power down; says whether it listens to that.
    ///
    /// # Errors
    /// [`Refusal::Ending`].
    pub fn powerdown(&self) -> Result<bool, Refusal> {
        self.ask(Request::Powerdown)
    }

    /// From now on this is what follows when the guest's watchdog runs out.
    ///
    /// # Errors
    /// [`Refusal::Ending`].
    pub fn set_watchdog_action(&self, action: WatchdogAction) -> Result<(), Refusal> {
        self.ask(|reply| Request::SetWatchdogAction(action, reply))
    }

    /// Stops the VM, if it runs, for a migration or a snapshot: nobody else changes its run
    /// state before [`Control::release`]. Returns the state that it was in.
    ///
    /// # Errors
    /// [`Refusal::Held`], [`Refusal::Ending`]; the VM is as it was.
    pub fn hold(&self, hold: Hold) -> Result<RunState, Refusal> {
        self.ask(|reply| Request::Hold(hold, reply))?
    }

    /// Ends a hold; returns the state that the VM is in now. Nothing happens if it is not held.
    ///
    /// # Errors
    /// [`Refusal::Ending`].
    pub fn release(&self, release: Release) -> Result<RunState, Refusal> {
        self.ask(|reply| Request::Release(release, reply))
    }

    /// An incoming guest is complete, its clocks installed. It runs if it did so at its source
    /// and the user wants it to; returns the state that the VM is in now.
    ///
    /// # Errors
    /// [`Refusal::NotIncoming`], [`Refusal::Ending`].
    pub fn arrived(&self, state_at_source: RunState) -> Result<RunState, Refusal> {
        self.ask(|reply| Request::Arrived(state_at_source, reply))?
    }

    /// The incoming guest will not come. `fatal`: the program ends, with status 1.
    pub fn lost(&self, fatal: bool) {
        let _ = self.requests.send(Request::Lost { fatal });
    }

    /// Ends the program; returns once that is decided.
    pub fn quit(&self, cause: ShutdownCause) {
        let _ = self.ask(|reply| Request::Quit(cause, Some(reply)));
    }

    /// Ends the program soon, without waiting for the decision.
    pub fn request_quit(&self, cause: ShutdownCause) {
        let _ = self.requests.send(Request::Quit(cause, None));
    }
}

/// The owner's ends of a [`Control`].
pub struct ControlEnd {
    launch: Launch,
    requests: Receiver<Request>,
    state: Arc<Mutex<RunState>>,
}

impl ControlEnd {
    fn publish(&self, state: RunState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}
