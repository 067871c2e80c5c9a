//! Clocks that a kernel keeps, at the start of the VM.
//!
//! Such a clock cannot stand: it runs from the call that sets it. Set at the cont, it would run
//! for as long as the host takes to wake a vCPU's thread, and two of them would be set one after
//! the other. So the first vCPU to enter the guest has them set once more by the machine's
//! [`Launcher`], all for one moment, from which the VM's other clocks and its timeline run too.

use super::ClockError;

/// What starts a machine's clocks that a kernel keeps.
pub trait Launcher: Send + Sync {
    /// The VM starts: a clock whose backend has answered [`super::Ready::Launched`] is set to the
    /// value it was made ready with. Called at every start, by whoever starts the VM: mostly the
    /// first vCPU's thread, right before it enters the guest. No vCPU is inside, and none gets
    /// there before this returns. Must not call the clock manager.
    fn launch(&self) -> Launched;
}

/// When the clocks have been started.
#[derive(Debug, Default)]
pub struct Launched {
    /// The host counter at which they showed the values they were to start with. All clocks run
    /// from there. It should be a moment ago: the counter that is read next may not be less.
    /// None when there is no such moment, and the clocks run from now on.
    pub from: Option<u64>,
    /// Which clocks could not be set, by name. They have run since they were made ready.
    pub failures: Vec<(String, ClockError)>,
}
