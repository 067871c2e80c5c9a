//! Access-register translation: from an access-list-entry token to an address-space-control element
//! (Principles of Operation, chapter 5, "Access-Register Translation").
//!
//! There is no ART-lookaside buffer beside the tags of address spaces, which are found anew after
//! every purge and whenever a register that leads there changes. Tables are at real addresses. Not
//! here: the spaces that tokens 0 and 1 name, which need no list.

use tcg::ir::MemSize;
use tcg::mem;

use super::dat::Asce;
use crate::cpu::{ProgramCode, S390Cpu};

/// An access-list-entry token, as an access register holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alet(pub u32);

/// What a token leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// The address space.
    pub asce: Asce,
    /// Stores are refused: access-list-controlled protection.
    pub fetch_only: bool,
}

impl Alet {
    /// Bits 0-6, which are zero.
    const RESERVED: u32 = 0xfe00_0000;
    /// Bit 7: the list is that of the primary address space.
    const PRIMARY_LIST: u32 = 0x0100_0000;

    /// Whether the entry is in the primary space's list, else in the dispatchable unit's.
    pub fn is_primary(self) -> bool {
        self.0 & Self::PRIMARY_LIST != 0
    }

    fn sequence(self) -> u64 {
        u64::from(self.0 >> 16 & 0xff)
    }

    fn number(self) -> u64 {
        u64::from(self.0 & 0xffff)
    }
}

/// Origin of the dispatchable-unit-control table in CR2, and of the primary ASN-second-table entry in
/// CR5.
const CONTROL_ORIGIN: u64 = 0x7fff_ffc0;
/// Where both have the access-list designation.
const DESIGNATION: u64 = 16;

impl S390Cpu {
    /// A number of a table at a real address.
    fn table_entry(&self, real: u64, size: MemSize) -> Result<u64, ProgramCode> {
        let at = self.absolute(real & 0x7fff_ffff);
        if self.core.system().ram().contains(at, size.bytes()) {
            Ok(mem::load_absolute(&self.core, at, size))
        } else {
            Err(ProgramCode::Addressing)
        }
    }

    /// Translates a token other than 0 and 1, authorised by an extended authorization index (CR8
    /// bits 32-47, or TEST ACCESS's operand).
    ///
    /// # Errors
    /// The exception that ends the translation.
    pub(crate) fn translate_alet(&self, alet: Alet, index: u16) -> Result<Named, ProgramCode> {
        use MemSize::{B1, B4, B8};
        if alet.0 & Alet::RESERVED != 0 {
            return Err(ProgramCode::AletSpecification);
        }
        let holder = self.cr[if alet.is_primary() { 5 } else { 2 }] & CONTROL_ORIGIN;
        let designation = self.table_entry(holder + DESIGNATION, B4)?;
        // The length is in units of eight entries, less one.
        if alet.number() / 8 > designation & 0x7f {
            return Err(ProgramCode::AlenTranslation);
        }
        let entry = (designation & 0x7fff_ff80) + alet.number() * 16;
        let first = self.table_entry(entry, B8)?;
        let second = self.table_entry(entry + 8, B8)?;
        const INVALID: u64 = 1 << 63;
        const FETCH_ONLY: u64 = 1 << (63 - 6);
        const PRIVATE: u64 = 1 << (63 - 7);
        if first & INVALID != 0 {
            return Err(ProgramCode::AlenTranslation);
        }
        if first >> (63 - 15) & 0xff != alet.sequence() {
            return Err(ProgramCode::AleSequence);
        }
        let space = second >> 32 & CONTROL_ORIGIN;
        let attributes = self.table_entry(space, B8)?;
        if attributes & INVALID != 0 {
            return Err(ProgramCode::AsteValidity);
        }
        let sequence = self.table_entry(space + 20, B4)?;
        if sequence != second & 0xffff_ffff {
            return Err(ProgramCode::AsteSequence);
        }
        let owner = (first >> (63 - 31)) as u16;
        if first & PRIVATE != 0 && owner != index {
            // The authority table has two bits for each index: primary and secondary authority.
            const SECONDARY: u64 = 0x40;
            let length = attributes >> 4 & 0xfff;
            let (byte, place) = (u64::from(index) / 4, index % 4 * 2);
            if byte / 4 > length {
                return Err(ProgramCode::ExtendedAuthority);
            }
            let authority = self.table_entry((attributes >> 32 & 0x7fff_fffc) + byte, B1)?;
            if authority & SECONDARY >> place == 0 {
                return Err(ProgramCode::ExtendedAuthority);
            }
        }
        Ok(Named {
            asce: Asce(self.table_entry(space + 8, B8)?),
            fetch_only: first & FETCH_ONLY != 0,
        })
    }

    /// The extended authorization index in effect.
    pub(crate) fn extended_authority(&self) -> u16 {
        (self.cr[8] >> 16) as u16
    }
}
