//! Run control's parts: run states, ordered listeners, the vCPU gate.
//!
//! Who may stop and start the VM is decided elsewhere, by the one owner of the
//! run state; here is what makes its order right.

mod control;
mod gate;
mod listener;
mod state;

pub use control::{RunControl, Vcpus};
pub use gate::{AllParked, Kick, Passage, Seat, VcpuGate, VcpuPlace};
pub use listener::{Layer, Listeners, RunListener};
pub use state::{Cause, IllegalTransition, RunState};
