//! One stay of a vCPU's thread in the guest.
//!
//! The thread itself, its gate and what is told to run control are the machine's.

use std::sync::Arc;

use super::S390Cpu;
use super::control::Leave;
use super::handle;

/// Executes guest code until the CPU has a reason to leave.
pub fn run(cpu: &mut S390Cpu) -> Leave {
    let shared_handle = Arc::clone(&cpu.control.handle);
    shared_handle.enter_guest();
    // Whatever happened outside (a stop, a changed clock) is looked at first.
    cpu.core.attention().raise(handle::INTERRUPT);
    tcg::exec::run(cpu);
    shared_handle.leave_guest();
    cpu.control.take_leave()
}
