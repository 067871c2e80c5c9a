//! DIAGNOSE X'308': resets, loading anew, and the parameter block that says from where.
//!
//! There is no device to load from: a guest is always loaded from the program's own boot image,
//! so there is no parameter block, and none that a guest sets is valid. Facts: Linux
//! arch/s390/kernel/ipl.c, kvm-unit-tests s390x/diag308.c.

use machine::{GuestEvent, ResetCause};
use tcg::Trap;
use tcg::mem::PAGE_SIZE;

use super::specification;
use crate::cpu::handle::CpuState;
use crate::cpu::{ProgramCode, S390Cpu};

/// Subcodes.
mod subcode {
    pub(super) const RESET_CLEAR: u64 = 0;
    pub(super) const RESET_LOAD_NORMAL: u64 = 1;
    pub(super) const LOAD_CLEAR: u64 = 3;
    pub(super) const LOAD_NORMAL: u64 = 4;
    pub(super) const SET: u64 = 5;
    pub(super) const STORE: u64 = 6;
}

/// Response: the parameter block is not valid.
const RESPONSE_INVALID: u64 = 0x0402;
/// Response: there is no parameter block.
const RESPONSE_NONE: u64 = 0x0102;

pub(super) fn function(cpu: &mut S390Cpu, r1: u8, subcode: u64) -> Result<(), Trap> {
    let cause = match subcode {
        subcode::RESET_CLEAR => ResetCause::GuestModified { keep_memory: false },
        subcode::RESET_LOAD_NORMAL => ResetCause::GuestModified { keep_memory: true },
        subcode::LOAD_CLEAR | subcode::LOAD_NORMAL => ResetCause::GuestReipl,
        subcode::SET => return block(cpu, r1, RESPONSE_INVALID),
        subcode::STORE => return block(cpu, r1, RESPONSE_NONE),
        _ => return specification(),
    };
    // Load state: it executes nothing more until the reset has come.
    cpu.set_state(CpuState::Load);
    cpu.control.want_reset(cause);
    cpu.control.shared.tell(GuestEvent::Reset(cause));
    Ok(())
}

/// The subcodes about a parameter block at the page that R1 names; the answer in the register
/// after it.
fn block(cpu: &mut S390Cpu, r1: u8, response: u64) -> Result<(), Trap> {
    let address = cpu.gpr[usize::from(r1)];
    if !r1.is_multiple_of(2) || !address.is_multiple_of(PAGE_SIZE) {
        return specification();
    }
    if !cpu.control.shared.ram().contains(address, PAGE_SIZE) {
        return Err(ProgramCode::Addressing.into());
    }
    cpu.gpr[usize::from(r1) + 1] = response;
    Ok(())
}
