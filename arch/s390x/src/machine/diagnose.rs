//! DIAGNOSE: the functions that a virtual machine offers.
//!
//! Function X'308' (IPL functions), X'44' and X'9C' (yield). Everything else is a specification
//! exception, by which guests know that it is not there (Linux 6.1 probes X'204', X'258', X'260'
//! and copes; measured). Facts: Linux arch/s390/kernel/ipl.c, kvm-unit-tests s390x/diag308.c.
//! Not here: the privilege check.

use machine::{GuestEvent, ResetCause};
use tcg::Trap;

use crate::cpu::handle::CpuState;
use crate::cpu::{ProgramCode, S390Cpu};

/// Time-slice end.
const YIELD: u64 = 0x44;
/// Time-slice end, directed to a CPU.
const YIELD_TO: u64 = 0x9c;
/// IPL functions.
const IPL: u64 = 0x308;

/// Subcodes of X'308'.
mod ipl {
    pub(super) const RESET_CLEAR: u64 = 0;
    pub(super) const RESET_LOAD_NORMAL: u64 = 1;
    pub(super) const LOAD_CLEAR: u64 = 3;
    pub(super) const LOAD_NORMAL: u64 = 4;
    pub(super) const SET: u64 = 5;
    pub(super) const STORE: u64 = 6;
}

/// X'308' response: the parameter block is not valid (there is no device to load from).
const RESPONSE_INVALID: u64 = 0x0402;
/// X'308' response: there is no parameter block.
const RESPONSE_NONE: u64 = 0x0102;

/// Carries out DIAGNOSE with this function code.
///
/// # Errors
/// A specification exception for an unknown function or bad operands.
pub fn diagnose(cpu: &mut S390Cpu, r1: u8, r3: u8, function: u64) -> Result<(), Trap> {
    match function & 0xffff {
        YIELD | YIELD_TO => {
            if cpu.control.shared.cpus.count() > 1 {
                std::thread::yield_now();
            }
            Ok(())
        }
        IPL => ipl_function(cpu, r1, cpu.gpr[usize::from(r3)]),
        _ => Err(ProgramCode::Specification.into()),
    }
}

fn ipl_function(cpu: &mut S390Cpu, r1: u8, subcode: u64) -> Result<(), Trap> {
    let specification = Err(ProgramCode::Specification.into());
    if !r1.is_multiple_of(2) {
        return specification;
    }
    let cause = match subcode {
        ipl::RESET_CLEAR => ResetCause::GuestModified { keep_memory: false },
        ipl::RESET_LOAD_NORMAL => ResetCause::GuestModified { keep_memory: true },
        ipl::LOAD_CLEAR | ipl::LOAD_NORMAL => ResetCause::GuestReipl,
        ipl::SET | ipl::STORE => {
            if cpu.gpr[usize::from(r1)] & 0xfff != 0 {
                return specification;
            }
            let response = if subcode == ipl::SET {
                RESPONSE_INVALID
            } else {
                RESPONSE_NONE
            };
            cpu.gpr[usize::from(r1) + 1] = response;
            return Ok(());
        }
        _ => return specification,
    };
    // Load state: it executes nothing more until the reset has come.
    cpu.set_state(CpuState::Load);
    cpu.control.want_reset(cause);
    cpu.control.shared.tell(GuestEvent::Reset(cause));
    Ok(())
}
