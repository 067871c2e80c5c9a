//! I/O interruptions: enabled by the PSW and, by subclass, by control register 6 (Principles of
//! Operation, chapter 6, "Input/Output Interruption").
//!
//! They float: whichever CPU is enabled takes them. What is pending is [`crate::css`]'s.

use super::S390Cpu;
use super::interrupt::swap;
use super::lowcore;
use super::psw;

/// What is pending and enabled but for the PSW, as a PSW bit.
pub(super) fn noted(cpu: &S390Cpu) -> u64 {
    if cpu.control.shared.css.io_pending() & cpu.enabled_subclasses() != 0 {
        psw::IO
    } else {
        0
    }
}

/// Takes one that is pending and enabled; false if there is none.
pub(super) fn take(cpu: &mut S390Cpu) -> bool {
    if noted(cpu) & cpu.psw_mask == 0 {
        return false;
    }
    // Another CPU may have been faster.
    let taken = cpu.control.shared.css.take_io(cpu.enabled_subclasses());
    let Some(interruption) = taken else {
        return false;
    };
    log::trace!(
        "CPU {}: I/O interruption {:#010x} at {:#x}",
        cpu.cpu_address,
        interruption.subsystem,
        cpu.core.pc
    );
    cpu.store_io_code(interruption);
    swap(cpu, lowcore::IO_OLD, lowcore::IO_NEW);
    true
}
