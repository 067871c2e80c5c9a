//! Loading a PSW, and what makes one invalid (Principles of Operation, chapter
//! 6, "Exceptions Associated with the PSW").

use std::num::NonZeroU64;

use tcg::Trap;

use super::S390Cpu;
use super::handle;
use super::program::ProgramCode;
use super::psw::{self, Psw};

/// In a trap: the PSW was invalid when it was loaded ("early exception recognition"); the old
/// PSW is that PSW, and the instruction length is 0.
pub(super) const EARLY: u64 = 1 << 24;

/// Bits 0, 2-4, 12, 24-30 and 33-63: no meaning in z/Architecture mode.
const UNASSIGNED: u64 = 0xb808_00fe_7fff_ffff;

impl Psw {
    /// Whether the PSW can be current. An odd address does not matter here: it is recognised
    /// when the next instruction is fetched.
    #[inline]
    pub fn is_valid(self) -> bool {
        if self.mask & UNASSIGNED != 0 {
            return false;
        }
        match self.mask & psw::ADDRESSING {
            psw::ADDRESSING => true,
            psw::BASIC_ADDRESSING => self.address <= 0x7fff_ffff,
            psw::EXTENDED_ADDRESSING => false,
            _ => self.address <= 0x00ff_ffff,
        }
    }

    /// Whether the CPU of this PSW waits and no interruption can end that.
    pub fn is_disabled_wait(self) -> bool {
        self.mask & psw::WAIT != 0
            && self.mask & (psw::IO | psw::EXTERNAL | psw::MACHINE_CHECK) == 0
    }
}

impl S390Cpu {
    /// The PSW's masks or wait bit have changed: what that enables is looked at before the next
    /// block.
    #[inline]
    pub fn masks_changed(&mut self) {
        if self.psw_mask & (psw::WAIT | self.pending) != 0 {
            self.core.attention().raise(handle::INTERRUPT);
        }
    }

    /// LOAD PSW (EXTENDED) and its like: replaces the PSW.
    ///
    /// # Errors
    /// Specification, recognised with the new PSW in place, if it is invalid.
    #[inline]
    pub fn load_psw(&mut self, psw: Psw) -> Result<(), Trap> {
        self.set_psw(psw);
        if psw.is_valid() {
            return Ok(());
        }
        self.control.early_address = psw.address;
        Err(early_specification())
    }
}

pub(super) fn early_specification() -> Trap {
    let bits = ProgramCode::Specification as u64 | EARLY;
    // The code is not 0, so this never falls back.
    Trap(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_by_bits_and_addressing_mode() {
        let psw = |mask, address| Psw { mask, address };
        for bit in [0, 2, 3, 4, 12, 24, 25, 30, 33, 40, 63] {
            assert!(
                !psw(psw::ADDRESSING | 1 << (63 - bit), 0).is_valid(),
                "bit {bit}"
            );
        }
        for bit in [1, 5, 6, 7, 8, 11, 13, 14, 15, 16, 17, 18, 19, 20, 23] {
            assert!(
                psw(psw::ADDRESSING | 1 << (63 - bit), 0).is_valid(),
                "bit {bit}"
            );
        }
        assert!(psw(psw::ADDRESSING, u64::MAX).is_valid());
        assert!(psw(psw::BASIC_ADDRESSING, 0x7fff_ffff).is_valid());
        assert!(!psw(psw::BASIC_ADDRESSING, 0x8000_0000).is_valid());
        assert!(psw(0, 0x00ff_ffff).is_valid());
        assert!(!psw(0, 0x0100_0000).is_valid());
        assert!(!psw(psw::EXTENDED_ADDRESSING, 0).is_valid());
        assert!(psw(psw::ADDRESSING, 1).is_valid());
    }

    #[test]
    fn a_wait_is_disabled_without_any_mask() {
        let wait = |mask| Psw {
            mask: psw::WAIT | mask,
            address: 0,
        };
        assert!(wait(psw::ADDRESSING).is_disabled_wait());
        for mask in [psw::IO, psw::EXTERNAL, psw::MACHINE_CHECK] {
            assert!(!wait(mask).is_disabled_wait());
        }
        assert!(
            !Psw {
                mask: 0,
                address: 0
            }
            .is_disabled_wait()
        );
    }
}
