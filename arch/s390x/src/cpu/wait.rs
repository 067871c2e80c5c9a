//! How a vCPU's thread sleeps while its CPU waits for an interruption, is stopped or has ended.
//!
//! The CPU's own state is not needed meanwhile, so others may look at it. Not here: whether an
//! interruption is there ([`super::interrupt`] looks when the thread enters the guest again).

use tod::{Deadline, Tod, VmTime};

use super::S390Cpu;
use super::handle::CpuHandle;
use super::psw;
use crate::machine::Shared;

/// When a waiting CPU wakes by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Until {
    /// The CPU timer becomes negative.
    vm: Option<VmTime>,
    /// The clock comparator's condition begins to hold.
    clock: Option<Tod>,
}

/// When a CPU that has left with [`super::control::Leave::Wait`] wakes by itself: when a timer
/// interruption that its masks enable is due.
pub fn until(cpu: &S390Cpu) -> Until {
    if cpu.psw_mask & psw::EXTERNAL == 0 {
        return Until::default();
    }
    Until {
        vm: cpu.cpu_timer_due(),
        clock: cpu.comparator_due(),
    }
}

/// Sleeps until then, or until attention is wanted.
pub fn sleep(shared: &Shared, handle: &CpuHandle, until: &Until) {
    if handle.has_attention() {
        return;
    }
    handle.set_waiting(true);
    let deadline = Deadline {
        vm: until.vm,
        clock: until.clock.map(|due| (&**shared.tod.clock(), due)),
    };
    handle.sleeper().sleep_until(&deadline);
    handle.set_waiting(false);
}

/// Sleeps until attention is wanted.
pub fn for_kick(handle: &CpuHandle) {
    if !handle.has_attention() {
        handle.sleeper().sleep_until(&Deadline::NEVER);
    }
}
