//! Machine-check interruptions (Principles of Operation, chapter 11).
//!
//! The one condition that arises here is that channel reports are pending: it floats, and is
//! subject to the PSW's machine-check mask and the channel-report-pending subclass mask. Nothing
//! damages this machine, so there is no exigent condition, and none leads to the check-stop state.
//! Not here: the reports ([`crate::css`]).

use tcg::ir::MemSize;

use super::S390Cpu;
use super::facility::VECTOR;
use super::interrupt::swap;
use super::lowcore;
use super::psw;
use super::reset::VECTOR_BYTES;

/// CR14 bit 35: channel-report-pending subclass mask.
const CHANNEL_REPORT_MASK: u64 = 0x1000_0000;

/// Bits of the machine-check-interruption code.
mod code {
    /// Channel report pending.
    pub(super) const CHANNEL_REPORT: u64 = 1 << (63 - 9);
    /// What has been stored is valid: PSW mask bits and key, masks and condition code, program
    /// mask, instruction address, floating-point, general and control registers, storage logout,
    /// access registers, TOD programmable register, FPC register, CPU timer, clock comparator.
    pub(super) const VALID: u64 = bit(20)
        | bit(21)
        | bit(22)
        | bit(23)
        | bit(27)
        | bit(28)
        | bit(29)
        | bit(31)
        | bit(33)
        | bit(42)
        | bit(43)
        | bit(46)
        | bit(47);
    /// The vector registers that have been stored are valid.
    pub(super) const VECTORS_VALID: u64 = bit(25);

    const fn bit(number: u32) -> u64 {
        1 << (63 - number)
    }
}

/// What is pending and enabled but for the PSW, as a PSW bit.
pub(super) fn noted(cpu: &S390Cpu) -> u64 {
    if cpu.cr[14] & CHANNEL_REPORT_MASK != 0 && cpu.control.shared.css.report_pending() {
        psw::MACHINE_CHECK
    } else {
        0
    }
}

/// Whether one is pending and enabled.
pub(super) fn is_enabled(cpu: &S390Cpu) -> bool {
    noted(cpu) & cpu.psw_mask != 0
}

/// Where the vector registers are to be stored, if there are any and the program has designated
/// storage for them.
fn extended_save_area(cpu: &S390Cpu) -> Option<u64> {
    /// Bits of the designation that are no address.
    const NO_ADDRESS: u64 = 0x3ff;
    let designation = cpu.lowcore(lowcore::EXTENDED_SAVE_AREA, MemSize::B8);
    let area = designation & !NO_ADDRESS;
    let usable = cpu.control.facilities.has(VECTOR)
        && area != 0
        && cpu.control.shared.ram().contains(area, VECTOR_BYTES);
    usable.then_some(area)
}

/// Takes it, unless another CPU has been faster.
pub(super) fn take(cpu: &mut S390Cpu) {
    if !cpu.control.shared.css.take_report() {
        return;
    }
    log::trace!(
        "CPU {}: machine check, channel report pending, at {:#x}",
        cpu.cpu_address,
        cpu.core.pc
    );
    cpu.store_registers(cpu.prefix + lowcore::SAVE_AREA);
    // Architectural-mode identification: z/Architecture.
    cpu.set_lowcore(lowcore::MODE, MemSize::B1, 1);
    let mut stored = code::VALID;
    if let Some(area) = extended_save_area(cpu) {
        cpu.store_vectors(area);
        stored |= code::VECTORS_VALID;
    }
    cpu.set_lowcore(
        lowcore::MACHINE_CHECK_CODE,
        MemSize::B8,
        code::CHANNEL_REPORT | stored,
    );
    cpu.set_lowcore(lowcore::EXTERNAL_DAMAGE, MemSize::B4, 0);
    cpu.set_lowcore(lowcore::FAILING_STORAGE, MemSize::B8, 0);
    swap(cpu, lowcore::MACHINE_CHECK_OLD, lowcore::MACHINE_CHECK_NEW);
}
