//! Assigned storage locations of the prefix area (Principles of Operation, chapter 3, "Assigned
//! Storage Locations"): offsets, and access to them.
//!
//! Offsets are real addresses; the area itself stands at the CPU's prefix. The machine's own
//! accesses are not subject to protection.

use tcg::ir::MemSize;
use tcg::mem;

use super::S390Cpu;
use super::psw::Psw;

/// External-interruption parameter, 4 bytes.
pub const EXTERNAL_PARAMETER: u64 = 0x80;
/// CPU address with an external interruption, 2 bytes.
pub const EXTERNAL_CPU: u64 = 0x84;
/// External-interruption code, 2 bytes.
pub const EXTERNAL_CODE: u64 = 0x86;
/// Supervisor-call identification: instruction length and code, 2 + 2 bytes.
pub const SVC_ID: u64 = 0x88;
/// Program-interruption identification: instruction length and code, 2 + 2 bytes.
pub const PROGRAM_ID: u64 = 0x8c;
/// Data-exception code, 4 bytes.
pub const DATA_EXCEPTION: u64 = 0x90;
/// Monitor-class number, 2 bytes.
pub const MONITOR_CLASS: u64 = 0x94;
/// PER code and addressing-and-translation-mode identification, 1 + 1 bytes.
pub const PER_CODE: u64 = 0x96;
/// PER address, 8 bytes.
pub const PER_ADDRESS: u64 = 0x98;
/// Exception access identification, 1 byte.
pub const EXCEPTION_ACCESS: u64 = 0xa0;
/// PER access identification, 1 byte.
pub const PER_ACCESS: u64 = 0xa1;
/// Architectural mode, as status and a machine check are stored, 1 byte.
pub const MODE: u64 = 0xa3;
/// Operand access identification of MOVE PAGE: its R1 and R2 fields, 1 byte.
pub const OPERAND_ACCESS: u64 = 0xa2;
/// Translation-exception identification, 8 bytes.
pub const TEID: u64 = 0xa8;
/// Monitor code, 8 bytes.
pub const MONITOR_CODE: u64 = 0xb0;
/// I/O-interruption code, 12 bytes.
pub const IO_CODE: u64 = 0xb8;
/// Machine-check-interruption code, 8 bytes.
pub const MACHINE_CHECK_CODE: u64 = 0xe8;
/// External-damage code, 4 bytes.
pub const EXTERNAL_DAMAGE: u64 = 0xf4;
/// Failing-storage address, 8 bytes.
pub const FAILING_STORAGE: u64 = 0xf8;
/// Facility list of STORE FACILITY LIST, 4 bytes.
pub const FACILITIES: u64 = 0xc8;
/// Breaking-event address, 8 bytes.
pub const BREAKING_EVENT: u64 = 0x110;
/// Restart old PSW; the new one is at [`RESTART_NEW`].
pub const RESTART_OLD: u64 = 0x120;
/// External old PSW.
pub const EXTERNAL_OLD: u64 = 0x130;
/// Supervisor-call old PSW.
pub const SVC_OLD: u64 = 0x140;
/// Program old PSW.
pub const PROGRAM_OLD: u64 = 0x150;
/// Machine-check old PSW.
pub const MACHINE_CHECK_OLD: u64 = 0x160;
/// I/O old PSW.
pub const IO_OLD: u64 = 0x170;
/// Restart new PSW.
pub const RESTART_NEW: u64 = 0x1a0;
/// External new PSW.
pub const EXTERNAL_NEW: u64 = 0x1b0;
/// Supervisor-call new PSW.
pub const SVC_NEW: u64 = 0x1c0;
/// Program new PSW.
pub const PROGRAM_NEW: u64 = 0x1d0;
/// Machine-check new PSW.
pub const MACHINE_CHECK_NEW: u64 = 0x1e0;
/// I/O new PSW.
pub const IO_NEW: u64 = 0x1f0;
/// Machine-check-extended-save-area designation, 8 bytes.
pub const EXTENDED_SAVE_AREA: u64 = 0x11b0;
/// Store-status and machine-check save area, absolute in the prefix area for SIGP.
pub const SAVE_AREA: u64 = 0x1200;

impl S390Cpu {
    /// A number of the prefix area.
    pub fn lowcore(&self, offset: u64, size: MemSize) -> u64 {
        mem::load_absolute(&self.core, self.prefix + offset, size)
    }

    /// Sets a number of the prefix area.
    pub fn set_lowcore(&mut self, offset: u64, size: MemSize, value: u64) {
        mem::store_absolute(&self.core, self.prefix + offset, size, value);
    }

    /// A PSW of the prefix area.
    pub fn lowcore_psw(&self, offset: u64) -> Psw {
        let [mask, address] = mem::load_pair_absolute(&self.core, self.prefix + offset);
        Psw { mask, address }
    }

    /// Stores a PSW in the prefix area.
    pub fn set_lowcore_psw(&mut self, offset: u64, psw: Psw) {
        let values = [psw.mask, psw.address];
        mem::store_pair_absolute(&self.core, self.prefix + offset, values);
    }
}
