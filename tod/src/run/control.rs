//! Stop and cont in their right order: gate, listeners, clocks, and back.

use super::{
    AllParked, Cause, IllegalTransition, Layer, Listeners, RunListener, RunState, VcpuGate,
};
use crate::clock::{ClockManager, StartToken};
use std::sync::Arc;

/// All vCPUs of a machine, to stop and to start.
pub trait Vcpus {
    /// Takes every vCPU out of the guest; returns when the last has left it.
    fn park(&self) -> AllParked;

    /// Lets them run: the clocks are ready, and the first vCPU starts them.
    fn unpark(&self, token: StartToken);
}

impl Vcpus for Arc<VcpuGate> {
    fn park(&self) -> AllParked {
        self.close_and_wait()
    }

    fn unpark(&self, token: StartToken) {
        self.open(token);
    }
}

/// The run state and everything that follows it. One owner has it; it is not
/// shared, so nobody else can change the run state.
pub struct RunControl<V> {
    state: RunState,
    vcpus: V,
    clocks: Arc<ClockManager>,
    listeners: Listeners,
}

impl<V: Vcpus> RunControl<V> {
    /// A VM in `state`, which must not be a running one: all vCPUs are parked.
    /// [`RunState::Running`] is taken as [`RunState::Prelaunch`].
    #[must_use]
    pub fn new(state: RunState, vcpus: V, clocks: Arc<ClockManager>) -> Self {
        let state = if state.is_running() {
            RunState::Prelaunch
        } else {
            state
        };
        Self {
            state,
            vcpus,
            clocks,
            listeners: Listeners::default(),
        }
    }

    /// The run state.
    #[must_use]
    pub fn state(&self) -> RunState {
        self.state
    }

    /// The vCPUs.
    #[must_use]
    pub fn vcpus(&self) -> &V {
        &self.vcpus
    }

    /// The clocks.
    #[must_use]
    pub fn clocks(&self) -> &Arc<ClockManager> {
        &self.clocks
    }

    /// Adds a listener.
    pub fn add_listener(&mut self, layer: Layer, listener: Box<dyn RunListener>) {
        self.listeners.add(layer, listener);
    }

    /// Goes to `next`, a state in which vCPUs do not run, stopping them first
    /// when they do: vCPUs, devices, clocks. Whether anything changed (R3).
    ///
    /// # Errors
    /// [`IllegalTransition`] when `next` may not follow; nothing has changed.
    pub fn stop(&mut self, next: RunState, cause: Cause) -> Result<bool, IllegalTransition> {
        if next == self.state {
            return Ok(false);
        }
        if next.is_running() {
            return Err(IllegalTransition {
                from: self.state,
                to: next,
            });
        }
        let next = self.state.become_state(next)?;
        if self.state.is_running() {
            let parked = self.vcpus.park();
            self.listeners.stop(cause);
            self.clocks.on_stop(parked, cause);
        }
        self.state = next;
        Ok(true)
    }

    /// Runs: clocks, devices, vCPUs. Whether anything changed (R3).
    ///
    /// # Errors
    /// [`IllegalTransition`] when the VM may not run from its state.
    pub fn cont(&mut self, cause: Cause) -> Result<bool, IllegalTransition> {
        if self.state.is_running() {
            return Ok(false);
        }
        self.state = self.state.become_state(RunState::Running)?;
        let token = self.clocks.on_cont(cause);
        self.listeners.cont(cause);
        self.vcpus.unpark(token);
        Ok(true)
    }
}
