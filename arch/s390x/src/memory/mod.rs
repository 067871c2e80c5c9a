//! Storage as a CPU addresses it: prefixing, dynamic address translation, protection.
//!
//! [`translate`] is the one way from a logical address to absolute storage for instructions; it
//! fills the translation's TLB through [`tcg::Guest`]. Walking the tables is in [`dat`], which
//! address spaces there are in [`spaces`], storage keys in [`keys`]. Not here: RAM itself, and
//! the TLB.

pub mod dat;
pub mod keys;
pub mod spaces;

#[cfg(test)]
mod tests;

use tcg::ir::MemMode;
use tcg::mem::PAGE_SIZE;
use tcg::{Access, PageMapping, Protection, Trap};

use crate::cpu::control::AccessFault;
use crate::cpu::facility::{ESOP2, FETCH_STORE_INDICATION, Facilities};
use crate::cpu::key::{MODE_ACCESS_REGISTER, MODE_HOME, MODE_PRIMARY, MODE_REAL, MODE_SECONDARY};
use crate::cpu::{ProgramCode, S390Cpu};
use dat::{Asce, Fault, Walked};

/// CR0 bit 35: low-address protection.
pub const LOW_ADDRESS_PROTECTION: u64 = 1 << (63 - 35);

/// TEID bits 52-53: the exception was recognised for a store (facility 75).
const TEID_STORE: u64 = 0x400;
/// TEID bits 52-53: for a fetch.
const TEID_FETCH: u64 = 0x800;
/// TEID bits 56, 60, 61 (facility 131): low-address protection.
const TEID_LOW_ADDRESS: u64 = 0x80;
/// TEID bits 56, 60, 61: DAT protection.
const TEID_DAT_PROTECTION: u64 = 0x04;

/// A TEID as far as facilities tell of it: without enhanced suppression on protection 2 only bit
/// 61 says what protected, and without the fetch-and-store indication nothing says how storage
/// was accessed.
pub(crate) fn announced_teid(facilities: &Facilities, teid: u64) -> u64 {
    let mut teid = teid;
    if !facilities.has(ESOP2) {
        teid &= !0x88;
    }
    if !facilities.has(FETCH_STORE_INDICATION) {
        teid &= !(TEID_STORE | TEID_FETCH);
    }
    teid
}

/// Which address space an access means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Space {
    /// No translation.
    Real,
    /// Translated under a control element; the TEID's bits 62-63 tell where that came from.
    Virtual {
        /// Address-space-control element.
        asce: Asce,
        /// 0 primary, 1 access register, 2 secondary, 3 home.
        identification: u8,
    },
}

impl Space {
    /// Whether low-address protection can apply: not in private spaces.
    fn has_low_area(self) -> bool {
        match self {
            Self::Real => true,
            Self::Virtual { asce, .. } => !asce.is_private(),
        }
    }
}

/// Whether an address is one of those that low-address protection protects.
fn is_low(address: u64) -> bool {
    address & !0x11ff == 0
}

impl S390Cpu {
    /// The absolute address of a real one: prefixing.
    pub fn absolute(&self, real: u64) -> u64 {
        match real & !0x1fff {
            0 => self.prefix + real,
            area if area == self.prefix => real - self.prefix,
            _ => real,
        }
    }

    /// Whether low-address protection is on.
    pub(crate) fn low_protection(&self) -> bool {
        self.cr[0] & LOW_ADDRESS_PROTECTION != 0
    }

    /// The space that a mode means now. An access register that does not name the primary or the
    /// secondary space has none here: access lists are not translated.
    pub(crate) fn space(&self, mode: MemMode) -> Result<Space, ProgramCode> {
        let named = |cr: usize, identification| Space::Virtual {
            asce: Asce(self.cr[cr]),
            identification,
        };
        Ok(match mode {
            MODE_REAL => Space::Real,
            MODE_PRIMARY => named(1, 0),
            MODE_SECONDARY => named(7, 2),
            MODE_HOME => named(13, 3),
            MemMode(n) => match self.ar[usize::from(n - MODE_ACCESS_REGISTER) & 15] {
                0 => named(1, 1),
                1 => named(7, 1),
                alet if alet & 0xfe00_0000 != 0 => return Err(ProgramCode::AletSpecification),
                _ => return Err(ProgramCode::AlenTranslation),
            },
        })
    }
}

/// Translates one logical address and checks the access; [`tcg::Guest::translate_address`].
///
/// # Errors
/// The access exception, its TEID and access identification recorded in the CPU.
pub fn translate(
    cpu: &mut S390Cpu,
    address: u64,
    access: Access,
    mode: MemMode,
) -> Result<PageMapping, Trap> {
    let access_id = mode.0.saturating_sub(MODE_ACCESS_REGISTER);
    let space = match cpu.space(mode) {
        Ok(space) => space,
        Err(code) => {
            cpu.control.fault = AccessFault { teid: 0, access_id };
            return Err(code.into());
        }
    };
    translate_in(cpu, address, access, space).map_err(|(code, teid)| {
        cpu.control.fault = AccessFault { teid, access_id };
        code.into()
    })
}

/// [`translate`] in a space given directly, without recording anything: the code and TEID of a
/// refusal.
///
/// # Errors
/// The access exception's code and TEID.
pub fn translate_in(
    cpu: &S390Cpu,
    address: u64,
    access: Access,
    space: Space,
) -> Result<PageMapping, (ProgramCode, u64)> {
    let write = access == Access::Write;
    let identification = match space {
        Space::Real => 0,
        Space::Virtual { identification, .. } => u64::from(identification),
    };
    let teid =
        address & !(PAGE_SIZE - 1) | if write { TEID_STORE } else { TEID_FETCH } | identification;
    let low_protected = cpu.low_protection() && space.has_low_area();
    if write && low_protected && is_low(address) {
        return Err((ProgramCode::Protection, teid | TEID_LOW_ADDRESS));
    }
    let Walked { real, protected } = match space {
        Space::Real => Walked {
            real: address,
            protected: false,
        },
        Space::Virtual { asce, .. } => {
            dat::walk(&cpu.core, asce, address).map_err(|fault: Fault| (fault.code(), teid))?
        }
    };
    if write && protected {
        return Err((ProgramCode::Protection, teid | TEID_DAT_PROTECTION));
    }
    let page = cpu.absolute(real & !(PAGE_SIZE - 1));
    if !cpu.core.system().ram().contains(page, PAGE_SIZE) {
        return Err((ProgramCode::Addressing, teid));
    }
    // The change bit is set by the first store, so a page may be remembered as writable only
    // once it is set.
    let changed = cpu.control.shared.keys.touch(page, write);
    let low_page = low_protected && is_low(address & !(PAGE_SIZE - 1));
    Ok(PageMapping {
        page,
        protection: Protection {
            read: true,
            // While stores are monitored each is to be seen.
            write: changed && !protected && !low_page && !cpu.per_watches_stores(),
            execute: true,
        },
    })
}

/// The tag of the space that a mode means now; [`tcg::Guest::space_tag`].
pub fn space_tag(cpu: &mut S390Cpu, mode: MemMode) -> u16 {
    let Ok(space) = cpu.space(mode) else {
        return spaces::NO_SPACE;
    };
    let low = cpu.low_protection() && space.has_low_area();
    let key = match space {
        Space::Real => spaces::Key::real(low),
        Space::Virtual { asce, .. } => spaces::Key::of(asce, low),
    };
    let key = if cpu.per_watches_stores() {
        key.watched()
    } else {
        key
    };
    let (tag, exhausted) = cpu.control.spaces.tag(key);
    if exhausted {
        cpu.core.flush_tlb();
    }
    tag
}
