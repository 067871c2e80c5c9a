//! Storage as a CPU addresses it: prefixing, dynamic address translation, protection.
//!
//! [`translate`] is the one way from a logical address to absolute storage for instructions; it
//! fills the translation's TLB through [`tcg::Guest`]. [`look`] is the same without leaving a trace
//! in the reference and change bits. Walking the tables is in [`dat`] and [`access_register`], which
//! address spaces there are in [`spaces`], storage keys in [`keys`], the rule of keys in
//! [`protection`]. Not here: RAM itself, and the TLB.

pub mod access_register;
pub mod dat;
pub mod keys;
pub mod protection;
pub mod spaces;

#[cfg(test)]
mod access_register_tests;
#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;

use tcg::ir::MemMode;
use tcg::mem::PAGE_SIZE;
use tcg::{Access, PageMapping, Protection, Trap};

use crate::cpu::control::AccessFault;
use crate::cpu::facility::{ESOP2, FETCH_STORE_INDICATION, Facilities};
use crate::cpu::key::{
    MODE_ACCESS_REGISTER, MODE_HOME, MODE_KEYED, MODE_PRIMARY, MODE_REAL, MODE_SECONDARY,
};
use crate::cpu::{ProgramCode, S390Cpu, psw};
use access_register::Alet;
use dat::{Asce, Enhanced, Fault, Frame, Walked};
use protection::AccessKey;

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
/// TEID bits 56, 60, 61: key-controlled protection.
const TEID_KEY: u64 = 0x08;
/// TEID bits 56, 60, 61: access-list-controlled protection.
const TEID_ACCESS_LIST: u64 = 0x0c;
/// TEID bits 56, 60, 61: instruction-execution protection.
const TEID_EXECUTION: u64 = 0x84;

/// A TEID as far as facilities tell of it: without enhanced suppression on protection 2 only bit
/// 61 says what protected (but for instruction-execution protection), and without the
/// fetch-and-store indication nothing says how storage was accessed.
pub(crate) fn announced_teid(facilities: &Facilities, teid: u64) -> u64 {
    let mut teid = teid;
    let kind = teid & (TEID_LOW_ADDRESS | TEID_ACCESS_LIST);
    if !facilities.has(ESOP2) && kind != TEID_EXECUTION {
        teid &= !(TEID_LOW_ADDRESS | TEID_KEY);
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
        /// Reached through an access-list entry that refuses stores.
        fetch_only: bool,
    },
}

impl Space {
    /// A private space: low-address protection and fetch-protection override do not apply.
    pub(crate) fn is_private(self) -> bool {
        match self {
            Self::Real => false,
            Self::Virtual { asce, .. } => asce.is_private(),
        }
    }
}

/// The space and the access key of an operand of which the instruction says so, as MVCOS does:
/// what a mode from [`MODE_KEYED`] on means.
#[derive(Debug, Clone, Copy)]
pub struct Keyed {
    mode: MemMode,
    key: u8,
}

impl Default for Keyed {
    fn default() -> Self {
        Self {
            mode: MODE_REAL,
            key: 0,
        }
    }
}

/// Whether an address is one of those that low-address protection protects.
fn is_low(address: u64) -> bool {
    address & !0x11ff == 0
}

impl S390Cpu {
    /// The absolute address of a real one: prefixing. It is its own inverse.
    pub fn absolute(&self, real: u64) -> u64 {
        match real & !0x1fff {
            0 => self.prefix + real,
            area if area == self.prefix => real - self.prefix,
            _ => real,
        }
    }

    /// Whether low-address protection is on.
    fn low_protection(&self) -> bool {
        self.cr[0] & LOW_ADDRESS_PROTECTION != 0
    }

    /// Whether low-address protection lets a store to a real address pass.
    ///
    /// # Errors
    /// The TEID of its refusal.
    pub(crate) fn check_low_address(&self, real: u64) -> Result<(), u64> {
        if self.low_protection() && is_low(real) {
            Err(real & !(PAGE_SIZE - 1) | TEID_STORE | TEID_LOW_ADDRESS)
        } else {
            Ok(())
        }
    }

    /// What of enhanced DAT is in effect.
    pub(crate) fn enhanced(&self) -> Enhanced {
        Enhanced::of(&self.control.facilities, self.cr[0])
    }

    /// The PSW's access key.
    pub(crate) fn psw_key(&self) -> u8 {
        (self.psw_mask >> psw::KEY_SHIFT) as u8 & 15
    }

    /// A mode for an operand in the space of `mode` under an access key of its own. Each of
    /// the two operands that an instruction may have so has a number, 0 or 1. It is good until the
    /// next use of that number.
    pub(crate) fn keyed(&mut self, operand: usize, mode: MemMode, key: u8) -> MemMode {
        if key == self.psw_key() {
            return mode;
        }
        let operand = operand & 1;
        self.control.keyed[operand] = Keyed { mode, key };
        let keyed = MemMode(MODE_KEYED + operand as u8);
        self.core.space_changed(keyed);
        keyed
    }

    fn keyed_operand(&self, mode: MemMode) -> Option<Keyed> {
        let number = mode.0.checked_sub(MODE_KEYED)?;
        Some(self.control.keyed[usize::from(number) & 1])
    }

    /// The access key of a mode in a space.
    pub(crate) fn access_key(&self, mode: MemMode, space: Space) -> AccessKey {
        let key = self
            .keyed_operand(mode)
            .map_or_else(|| self.psw_key(), |keyed| keyed.key);
        AccessKey::new(key, self.cr[0], space.is_private())
    }

    /// The space that a mode means now.
    pub(crate) fn space(&self, mode: MemMode) -> Result<Space, ProgramCode> {
        let named = |cr: usize, identification| Space::Virtual {
            asce: Asce(self.cr[cr]),
            identification,
            fetch_only: false,
        };
        Ok(match mode {
            MODE_REAL => Space::Real,
            MODE_PRIMARY => named(1, 0),
            MODE_SECONDARY => named(7, 2),
            MODE_HOME => named(13, 3),
            MemMode(MODE_KEYED..) => match self.keyed_operand(mode) {
                Some(keyed) if keyed.mode.0 < MODE_KEYED => self.space(keyed.mode)?,
                _ => Space::Real,
            },
            MemMode(n) => match self.ar[usize::from(n - MODE_ACCESS_REGISTER) & 15] {
                0 => named(1, 1),
                1 => named(7, 1),
                alet => {
                    let found = self.translate_alet(Alet(alet), self.extended_authority())?;
                    Space::Virtual {
                        asce: found.asce,
                        identification: 1,
                        fetch_only: found.fetch_only,
                    }
                }
            },
        })
    }

    /// The access register that a mode goes by, as an exception tells it; 0 for any other mode.
    fn access_id(&self, mode: MemMode) -> u8 {
        let mode = self.keyed_operand(mode).map_or(mode, |keyed| keyed.mode);
        mode.0.saturating_sub(MODE_ACCESS_REGISTER)
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
    let space = found_space(cpu, mode)?;
    // Access lists may have changed without a purge: what is found now is not to be remembered as
    // of the space that they led to.
    if let Some(tagged) = cpu.control.tagged.get(usize::from(mode.0))
        && *tagged != Some(space)
    {
        cpu.core.space_changed(mode);
    }
    let key = cpu.access_key(mode, space);
    let answer = translate_in(cpu, address, access, space, key);
    recorded(cpu, mode, answer)
}

/// [`translate`] under an access key of its own.
///
/// # Errors
/// As [`translate`].
pub(crate) fn translate_with(
    cpu: &mut S390Cpu,
    address: u64,
    access: Access,
    mode: MemMode,
    key: AccessKey,
) -> Result<PageMapping, Trap> {
    let space = found_space(cpu, mode)?;
    let answer = translate_in(cpu, address, access, space, key);
    recorded(cpu, mode, answer)
}

/// Only the translation, without protection and whatever is there.
///
/// # Errors
/// As [`translate`].
pub(crate) fn walk(cpu: &mut S390Cpu, address: u64, mode: MemMode) -> Result<Walked, Trap> {
    let answer = match found_space(cpu, mode)? {
        Space::Real => return Ok(Walked::same(address)),
        Space::Virtual {
            asce,
            identification,
            ..
        } => dat::walk(&cpu.core, asce, cpu.enhanced(), address).map_err(|fault| {
            let page = address & !(PAGE_SIZE - 1);
            (fault.code(), page | TEID_FETCH | u64::from(identification))
        }),
    };
    recorded(cpu, mode, answer)
}

fn found_space(cpu: &mut S390Cpu, mode: MemMode) -> Result<Space, Trap> {
    let found = cpu.space(mode).map_err(|code| (code, 0));
    recorded(cpu, mode, found)
}

/// Records the details of an access exception.
fn recorded<T>(
    cpu: &mut S390Cpu,
    mode: MemMode,
    answer: Result<T, (ProgramCode, u64)>,
) -> Result<T, Trap> {
    answer.map_err(|(code, teid)| {
        let access_id = cpu.access_id(mode);
        cpu.control.fault = AccessFault { teid, access_id };
        code.into()
    })
}

/// [`translate`] in a space and under a key given directly, without recording the fault: the code
/// and TEID of a refusal.
///
/// # Errors
/// The access exception's code and TEID.
pub fn translate_in(
    cpu: &S390Cpu,
    address: u64,
    access: Access,
    space: Space,
    key: AccessKey,
) -> Result<PageMapping, (ProgramCode, u64)> {
    let mut mapping = look(cpu, address, access, space, key)?;
    // The change bit is set by the first store, so a page may be remembered as writable only
    // once it is set.
    let write = access == Access::Write;
    let changed = cpu.control.shared.keys.touch(mapping.page, write);
    mapping.protection.write &= changed;
    Ok(mapping)
}

/// [`translate_in`] without a trace: neither reference nor change is recorded. The exceptions come
/// in the manual's order (chapter 6, "Priority of Access Exceptions").
///
/// # Errors
/// The access exception's code and TEID.
pub fn look(
    cpu: &S390Cpu,
    address: u64,
    access: Access,
    space: Space,
    key: AccessKey,
) -> Result<PageMapping, (ProgramCode, u64)> {
    let write = access == Access::Write;
    let (identification, fetch_only) = match space {
        Space::Real => (0, false),
        Space::Virtual {
            identification,
            fetch_only,
            ..
        } => (u64::from(identification), fetch_only),
    };
    let teid =
        address & !(PAGE_SIZE - 1) | if write { TEID_STORE } else { TEID_FETCH } | identification;
    let refused = |kind| Err((ProgramCode::Protection, teid | kind));
    let low_protected = cpu.low_protection() && !space.is_private();
    if write && low_protected && is_low(address) {
        return refused(TEID_LOW_ADDRESS);
    }
    if write && fetch_only {
        return refused(TEID_ACCESS_LIST);
    }
    let walked = match space {
        Space::Real => Walked::same(address),
        Space::Virtual { asce, .. } => dat::walk(&cpu.core, asce, cpu.enhanced(), address)
            .map_err(|fault: Fault| (fault.code(), teid))?,
    };
    if write && walked.protected {
        return refused(TEID_DAT_PROTECTION);
    }
    if access == Access::Execute && walked.no_execute {
        return refused(TEID_EXECUTION);
    }
    let (page, frame_key) = match walked.to {
        Frame::Page(real) => (cpu.absolute(real & !(PAGE_SIZE - 1)), None),
        Frame::Large { absolute, key } => (absolute & !(PAGE_SIZE - 1), key),
    };
    if !cpu.core.system().ram().contains(page, PAGE_SIZE) {
        return Err((ProgramCode::Addressing, teid));
    }
    let allowed = if key.is_zero() {
        protection::Allowed::All
    } else {
        let storage_key = frame_key.or_else(|| cpu.control.shared.keys.get(page));
        key.allowed(storage_key.unwrap_or_default())
    };
    if write && !allowed.store() || !write && !allowed.fetch(address) {
        return refused(TEID_KEY);
    }
    let low_page = low_protected && is_low(address & !(PAGE_SIZE - 1));
    Ok(PageMapping {
        page,
        protection: Protection {
            read: allowed.fetch_all(),
            // While stores are monitored each is to be seen.
            write: allowed.store()
                && !walked.protected
                && !low_page
                && !fetch_only
                && !cpu.per_watches_stores(),
            execute: allowed.fetch_all() && !walked.no_execute,
        },
    })
}

/// The tag of the space that a mode means now; [`tcg::Guest::space_tag`].
pub fn space_tag(cpu: &mut S390Cpu, mode: MemMode) -> u16 {
    let Ok(space) = cpu.space(mode) else {
        if let Some(tagged) = cpu.control.tagged.get_mut(usize::from(mode.0)) {
            *tagged = None;
        }
        return spaces::NO_SPACE;
    };
    if let Some(tagged) = cpu.control.tagged.get_mut(usize::from(mode.0)) {
        *tagged = Some(space);
    }
    let low = cpu.low_protection() && !space.is_private();
    let key = cpu.access_key(mode, space);
    let tagged = spaces::Key::new(space, key, low, cpu.enhanced());
    let tagged = if cpu.per_watches_stores() {
        tagged.watched()
    } else {
        tagged
    };
    let (tag, exhausted) = cpu.control.spaces.tag(tagged);
    if exhausted {
        cpu.core.flush_tlb();
    }
    tag
}
