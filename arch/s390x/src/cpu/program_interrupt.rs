//! Program interruptions: what is stored, where the old PSW points, and loops of them.
//!
//! Principles of Operation, chapter 6, "Program Interruption" and "Types of Instruction Ending".
//! Recognising the conditions is the business of those who make the trap.

use tcg::Trap;
use tcg::ir::MemSize;

use super::control::Crash;
use super::load_psw::EARLY;
use super::per::{Ending, Events};
use super::psw::Psw;
use super::{ProgramCheck, ProgramCode, S390Cpu, lowcore};

/// CR0 bit 45: AFP-register control.
const AFP_CONTROL: u64 = 1 << (63 - 45);

/// Conditions that nullify: the old PSW points at the instruction, which is executed anew.
fn nullifies(code: u16) -> bool {
    const SEGMENT: u16 = ProgramCode::SegmentTranslation as u16;
    const PAGE: u16 = ProgramCode::PageTranslation as u16;
    const AFX: u16 = ProgramCode::AfxTranslation as u16;
    const SECONDARY: u16 = ProgramCode::SecondaryAuthority as u16;
    const ALET: u16 = ProgramCode::AletSpecification as u16;
    const EXTENDED: u16 = ProgramCode::ExtendedAuthority as u16;
    const STACK_FULL: u16 = ProgramCode::StackFull as u16;
    const STACK_OPERATION: u16 = ProgramCode::StackOperation as u16;
    const ASCE_TYPE: u16 = ProgramCode::AsceType as u16;
    const REGION_THIRD: u16 = ProgramCode::RegionThirdTranslation as u16;
    const TRACE_TABLE: u16 = ProgramCode::TraceTable as u16;
    // As a trap, it is the event of nullified fetching.
    const PER: u16 = ProgramCode::PerEvent as u16;
    matches!(
        code,
        SEGMENT
            | PAGE
            | TRACE_TABLE
            | PER
            | AFX..=SECONDARY
            | ALET..=EXTENDED
            | STACK_FULL..=STACK_OPERATION
            | ASCE_TYPE..=REGION_THIRD
    )
}

/// Conditions of access-register translation, which have an access identification only.
fn is_access_register(code: u16) -> bool {
    const ALET: u16 = ProgramCode::AletSpecification as u16;
    const EXTENDED: u16 = ProgramCode::ExtendedAuthority as u16;
    matches!(code, ALET..=EXTENDED)
}

/// Conditions with a translation-exception identification and an access identification.
fn is_access(code: u16) -> bool {
    const PROTECTION: u16 = ProgramCode::Protection as u16;
    const SEGMENT: u16 = ProgramCode::SegmentTranslation as u16;
    const PAGE: u16 = ProgramCode::PageTranslation as u16;
    const ASCE_TYPE: u16 = ProgramCode::AsceType as u16;
    const REGION_THIRD: u16 = ProgramCode::RegionThirdTranslation as u16;
    matches!(code, PROTECTION | SEGMENT | PAGE | ASCE_TYPE..=REGION_THIRD)
}

/// Conditions under which the instruction has been completed.
fn completes(code: u16) -> bool {
    const FIXED_OVERFLOW: u16 = ProgramCode::FixedPointOverflow as u16;
    const DECIMAL_OVERFLOW: u16 = ProgramCode::DecimalOverflow as u16;
    const SPACE_SWITCH: u16 = ProgramCode::SpaceSwitch as u16;
    const MONITOR: u16 = ProgramCode::Monitor as u16;
    matches!(
        code,
        FIXED_OVERFLOW | DECIMAL_OVERFLOW | SPACE_SWITCH | MONITOR
    )
}

/// Makes a trap the guest's program interruption; [`tcg::Guest::deliver`].
pub fn deliver(cpu: &mut S390Cpu, trap: Trap) {
    let (code, dxc) = ProgramCheck::from_trap(trap);
    let early = trap.0.get() & EARLY != 0;
    let at = cpu.psw();
    let mut old = at;
    let length = if early {
        old.address = cpu.control.early_address;
        0
    } else {
        // The fetch of an instruction failed before its length was known: the manual leaves the
        // code's value open, and one halfword is what was looked at.
        let length = if cpu.core.ilen == 0 {
            2
        } else {
            u64::from(cpu.core.ilen)
        };
        if !nullifies(code) {
            old.address = cpu.wrap_pc(old.address.wrapping_add(length));
        }
        length
    };
    if code == ProgramCode::Data as u16 || code == ProgramCode::VectorProcessing as u16 {
        cpu.set_lowcore(lowcore::DATA_EXCEPTION, MemSize::B4, u64::from(dxc));
        if cpu.cr[0] & AFP_CONTROL != 0 {
            cpu.fpc = cpu.fpc & !0xff00 | u32::from(dxc) << 8;
        }
    }
    let fault = cpu.control.fault;
    if is_access(code) {
        let teid = crate::memory::announced_teid(&cpu.control.facilities, fault.teid);
        cpu.set_lowcore(lowcore::TEID, MemSize::B8, teid);
    } else if code == ProgramCode::SpaceSwitch as u16 {
        cpu.set_lowcore(lowcore::TEID, MemSize::B8, fault.teid);
    }
    if is_access(code) || is_access_register(code) {
        let register = u64::from(fault.access_id);
        cpu.set_lowcore(lowcore::EXCEPTION_ACCESS, MemSize::B1, register);
    }
    if code == ProgramCode::Monitor as u16 {
        let event = cpu.control.monitor;
        cpu.set_lowcore(lowcore::MONITOR_CLASS, MemSize::B2, u64::from(event.class));
        cpu.set_lowcore(lowcore::MONITOR_CODE, MemSize::B8, event.code);
    }
    let new = cpu.lowcore_psw(lowcore::PROGRAM_NEW);
    if is_loop(cpu, code, at, new, early) {
        // Delivering it once more changes nothing; the machine is told instead. The CPU stays
        // where it is, and can be stopped and reset.
        cpu.control.crash(if code == ProgramCode::Operation as u16 {
            Crash::OperationLoop
        } else {
            Crash::ProgramLoop
        });
    }
    let ending = if early || completes(code) {
        Ending::Completed
    } else {
        Ending::Nullified
    };
    let events = cpu.control.per.take(ending);
    if cpu.control.crash.is_none() {
        interrupt(cpu, code, length, old, events);
    }
}

/// Takes a program interruption whose details have been stored.
pub(super) fn interrupt(
    cpu: &mut S390Cpu,
    code: u16,
    length: u64,
    old: Psw,
    events: Option<Events>,
) {
    let code = match events {
        Some(events) => {
            cpu.store_events(events);
            code | ProgramCode::PerEvent as u16
        }
        None => code,
    };
    log::trace!(
        "CPU {}: program interruption {code:#06x}, old PSW {:#018x} {:#x}",
        cpu.cpu_address,
        old.mask,
        old.address
    );
    let id = length << 16 | u64::from(code);
    cpu.set_lowcore(lowcore::PROGRAM_ID, MemSize::B4, id);
    cpu.set_lowcore(lowcore::BREAKING_EVENT, MemSize::B8, cpu.breaking_event);
    cpu.set_lowcore_psw(lowcore::PROGRAM_OLD, old);
    let new = cpu.lowcore_psw(lowcore::PROGRAM_NEW);
    cpu.set_psw(new);
    if !new.is_valid() {
        // The early specification exception of the program new PSW has that very PSW as its new
        // one: without end.
        cpu.set_lowcore(lowcore::PROGRAM_ID, MemSize::B2, 0);
        cpu.set_lowcore(
            lowcore::PROGRAM_ID + 2,
            MemSize::B2,
            ProgramCode::Specification as u64,
        );
        cpu.set_lowcore_psw(lowcore::PROGRAM_OLD, new);
        cpu.control.crash(Crash::ProgramLoop);
    }
}

/// Whether the first instruction that the program new PSW leads to is what failed, twice in
/// succession for the same reason, with nothing enabled that could come between.
fn is_loop(cpu: &mut S390Cpu, code: u16, at: Psw, new: Psw, early: bool) -> bool {
    use super::psw::{CC, EXTERNAL, IO, MACHINE_CHECK};
    let same = !early
        && at.address == new.address
        && at.mask & !CC == new.mask & !CC
        && new.mask & (EXTERNAL | IO | MACHINE_CHECK) == 0;
    let previous = std::mem::replace(&mut cpu.control.at_new_psw, same.then_some(code));
    same && previous == Some(code)
}
