//! From a CPU's addresses to absolute ones.
//!
//! Here so far: real addresses (prefixing). Virtual ones count as real.

use tcg::ir::MemMode;
use tcg::{Access, PageMapping, Protection, Trap, mem};

use crate::cpu::{ProgramCode, S390Cpu};

/// Bytes of the prefix area.
const PREFIX_AREA: u64 = 0x2000;

/// The absolute address of a real one.
pub fn real_to_absolute(cpu: &S390Cpu, real: u64) -> u64 {
    match real & !(PREFIX_AREA - 1) {
        0 => cpu.prefix + real,
        area if area == cpu.prefix => real - cpu.prefix,
        _ => real,
    }
}

/// Translates an address for an access; see [`tcg::Guest::translate_address`].
///
/// # Errors
/// The access's program check.
pub fn translate(
    cpu: &mut S390Cpu,
    address: u64,
    _access: Access,
    _mode: MemMode,
) -> Result<PageMapping, Trap> {
    let page = real_to_absolute(cpu, address & !(mem::PAGE_SIZE - 1));
    if !cpu.core.system().ram().contains(page, mem::PAGE_SIZE) {
        return Err(ProgramCode::Addressing.into());
    }
    Ok(PageMapping {
        page,
        protection: Protection {
            read: true,
            write: true,
            execute: true,
        },
    })
}

/// The tag of the address space that a mode means now; see [`tcg::Guest::space_tag`].
pub fn space_tag(_cpu: &mut S390Cpu, _mode: MemMode) -> u16 {
    0
}
