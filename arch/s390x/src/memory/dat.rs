//! Dynamic address translation: from a virtual address to a real one (Principles of Operation,
//! chapter 3, "Dynamic Address Translation").
//!
//! All levels, from region-first tables to pages of 4 KiB and, with enhanced DAT (facilities 8 and
//! 78), frames of 1 MiB and 2 GiB. Table addresses are taken as absolute, which the manual leaves
//! open. Not here: prefixing of the result, low-address and key-controlled protection, and the TLB.

use tcg::CpuCore;
use tcg::ir::MemSize;
use tcg::mem;

use crate::cpu::ProgramCode;
use crate::cpu::facility::{ENHANCED_DAT, ENHANCED_DAT_2, EXECUTION_PROTECTION, Facilities};

/// An address-space-control element (or segment-table, region-table or real-space designation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asce(pub u64);

/// Table origin, bits 0-51.
const ORIGIN: u64 = !0xfff;
/// Bits 60-61: designation type or table type.
const TYPE: u64 = 0x0c;
/// Bits 62-63: table length.
const LENGTH: u64 = 0x03;
/// Region- or segment-table entry: invalid.
pub const TABLE_INVALID: u64 = 0x20;
/// Page-table entry: invalid.
pub const PAGE_INVALID: u64 = 0x400;
/// Segment- and page-table entry: DAT protection.
const PROTECT: u64 = 0x200;
/// Segment-table entry: common segment.
const COMMON: u64 = 0x10;
/// Page-table entry: bit 52 is zero.
const PAGE_ZERO: u64 = 0x800;
/// Page-table entry, and the entry of a large frame: bit 55. Without facilities 8 and 130 it is
/// zero; with 8 alone it says that changes need not be recorded, which they are all the same; with
/// 130 it is instruction-execution protection.
const NO_EXECUTE: u64 = 0x100;
/// Segment- and region-third-table entry: format control, of a large frame.
const LARGE: u64 = 0x400;
/// Entry of a large frame: bits 48-52 hold access control and fetch protection.
const KEY_VALID: u64 = 0x1_0000;
/// Where they are, as a storage key has them.
const KEY_SHIFT: u32 = 8;
/// Access control and fetch protection of a storage key.
const KEY: u8 = 0xf8;

/// CR0 bit 40: enhanced DAT.
const ENHANCED_CONTROL: u64 = 1 << (63 - 40);
/// CR0 bit 43: instruction-execution protection.
const EXECUTION_CONTROL: u64 = 1 << (63 - 43);

/// What of enhanced DAT is installed and in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Enhanced {
    /// Enhanced DAT 1: region protection, and large frames.
    pub frames_1m: bool,
    /// Enhanced DAT 2: region-third-table entries may be of frames of 2 GiB.
    pub frames_2g: bool,
    /// Bit 55 is instruction-execution protection.
    pub no_execute: bool,
    /// Bit 55 may be one.
    pub bit_55: bool,
}

impl Enhanced {
    /// What a CPU with these facilities and this control register 0 does.
    pub fn of(facilities: &Facilities, cr0: u64) -> Self {
        let enhanced = cr0 & ENHANCED_CONTROL != 0;
        let frames_1m = enhanced && facilities.has(ENHANCED_DAT);
        Self {
            frames_1m,
            frames_2g: enhanced && facilities.has(ENHANCED_DAT_2),
            no_execute: cr0 & EXECUTION_CONTROL != 0 && facilities.has(EXECUTION_PROTECTION),
            bit_55: frames_1m || facilities.has(EXECUTION_PROTECTION),
        }
    }

    /// What a CPU's control register decides of it, in two bits.
    pub fn bits(self) -> u8 {
        u8::from(self.frames_1m) | u8::from(self.no_execute) << 1
    }
}

impl Asce {
    /// Bit 55: private space.
    pub fn is_private(self) -> bool {
        self.0 & 0x100 != 0
    }

    /// Bit 58: addresses are real already.
    pub fn is_real_space(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// The top table's level; meaningless for a real space.
    pub fn level(self) -> Level {
        Level::of(self.0)
    }

    /// Where the top table is.
    pub fn origin(self) -> u64 {
        self.0 & ORIGIN
    }
}

/// Levels of tables above the page table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Segment table.
    Segment,
    /// Region-third table.
    RegionThird,
    /// Region-second table.
    RegionSecond,
    /// Region-first table.
    RegionFirst,
}

impl Level {
    /// The level that bits 60-61 of a designation or entry tell.
    fn of(word: u64) -> Self {
        match (word & TYPE) >> 2 {
            0 => Self::Segment,
            1 => Self::RegionThird,
            2 => Self::RegionSecond,
            _ => Self::RegionFirst,
        }
    }

    fn below(self) -> Option<Self> {
        match self {
            Self::Segment => None,
            Self::RegionThird => Some(Self::Segment),
            Self::RegionSecond => Some(Self::RegionThird),
            Self::RegionFirst => Some(Self::RegionSecond),
        }
    }

    /// How far right the 11-bit index of this level stands.
    fn shift(self) -> u32 {
        match self {
            Self::Segment => 20,
            Self::RegionThird => 31,
            Self::RegionSecond => 42,
            Self::RegionFirst => 53,
        }
    }

    /// The index into a table of this level.
    pub fn index(self, address: u64) -> u64 {
        address >> self.shift() & 0x7ff
    }

    fn translation(self) -> Fault {
        match self {
            Self::Segment => Fault::SegmentTranslation,
            Self::RegionThird => Fault::RegionThirdTranslation,
            Self::RegionSecond => Fault::RegionSecondTranslation,
            Self::RegionFirst => Fault::RegionFirstTranslation,
        }
    }

    /// Bits of an address above those that a table of this level translates.
    fn beyond(self, address: u64) -> u64 {
        match self {
            Self::RegionFirst => 0,
            level => address >> (level.shift() + 11),
        }
    }
}

/// Why an address has no translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the manual's")]
pub enum Fault {
    AsceType,
    RegionFirstTranslation,
    RegionSecondTranslation,
    RegionThirdTranslation,
    SegmentTranslation,
    PageTranslation,
    TranslationSpecification,
    Addressing,
}

impl Fault {
    /// The program-interruption code.
    pub fn code(self) -> ProgramCode {
        match self {
            Self::AsceType => ProgramCode::AsceType,
            Self::RegionFirstTranslation => ProgramCode::RegionFirstTranslation,
            Self::RegionSecondTranslation => ProgramCode::RegionSecondTranslation,
            Self::RegionThirdTranslation => ProgramCode::RegionThirdTranslation,
            Self::SegmentTranslation => ProgramCode::SegmentTranslation,
            Self::PageTranslation => ProgramCode::PageTranslation,
            Self::TranslationSpecification => ProgramCode::TranslationSpecification,
            Self::Addressing => ProgramCode::Addressing,
        }
    }
}

/// A translated address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Where it leads.
    pub to: Frame,
    /// DAT protection: stores are refused.
    pub protected: bool,
    /// Instruction-execution protection: instructions are not fetched from here.
    pub no_execute: bool,
}

/// What tables lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// A real address, subject to prefixing.
    Page(u64),
    /// An absolute address in a large frame.
    Large {
        /// The address.
        absolute: u64,
        /// Access control and fetch protection as a storage key has them, if they come from the
        /// entry and not from storage keys.
        key: Option<u8>,
    },
}

impl Walked {
    /// Nothing is translated.
    pub fn same(real: u64) -> Self {
        Self {
            to: Frame::Page(real),
            protected: false,
            no_execute: false,
        }
    }
}

/// Where a walk ended, and what it found there: for LRA and its like, which store the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// Why.
    pub fault: Fault,
    /// Absolute address of the invalid entry; none if the table has no such entry.
    pub entry: Option<u64>,
}

/// Translates a virtual address.
///
/// # Errors
/// The translation or addressing exception.
pub fn walk(core: &CpuCore, asce: Asce, enhanced: Enhanced, address: u64) -> Result<Walked, Fault> {
    walk_entries(core, asce, enhanced, address).map_err(|failed| failed.fault)
}

/// [`walk`], telling where it failed.
///
/// # Errors
/// The exception and the entry that made it.
pub fn walk_entries(
    core: &CpuCore,
    asce: Asce,
    enhanced: Enhanced,
    address: u64,
) -> Result<Walked, Failed> {
    if asce.is_real_space() {
        return Ok(Walked::same(address));
    }
    let fail = |fault| Failed { fault, entry: None };
    let mut level = asce.level();
    if level.beyond(address) != 0 {
        return Err(fail(Fault::AsceType));
    }
    let (mut origin, mut first, mut last) = (asce.origin(), 0, asce.0 & LENGTH);
    let mut protected = false;
    loop {
        let index = level.index(address);
        if !(first..=last).contains(&(index >> 9)) {
            return Err(fail(level.translation()));
        }
        let at = origin.wrapping_add(index * 8);
        let entry = read_entry(core, at)?;
        let failed = |fault| Failed {
            fault,
            entry: Some(at),
        };
        if entry & TABLE_INVALID != 0 {
            return Err(failed(level.translation()));
        }
        if Level::of(entry) != level {
            return Err(failed(Fault::TranslationSpecification));
        }
        let (has_frames, has_protection) = match level {
            Level::Segment => (enhanced.frames_1m, true),
            Level::RegionThird => (enhanced.frames_2g, enhanced.frames_1m),
            Level::RegionSecond | Level::RegionFirst => (false, enhanced.frames_1m),
        };
        protected |= has_protection && entry & PROTECT != 0;
        let is_large = has_frames && entry & LARGE != 0;
        // Region-third-table entries of large frames have the common bit, too.
        let may_be_common = level == Level::Segment || is_large;
        if may_be_common && entry & COMMON != 0 && asce.is_private() {
            return Err(failed(Fault::TranslationSpecification));
        }
        if is_large {
            let offset = (1 << level.shift()) - 1;
            let key = (entry & KEY_VALID != 0).then_some((entry >> KEY_SHIFT) as u8 & KEY);
            return Ok(Walked {
                to: Frame::Large {
                    absolute: entry & !offset | address & offset,
                    key,
                },
                protected,
                no_execute: enhanced.no_execute && entry & NO_EXECUTE != 0,
            });
        }
        match level.below() {
            Some(next) => {
                origin = entry & ORIGIN;
                // Table offset and length, in units of a quarter of a table.
                first = (entry & 0xc0) >> 6;
                last = entry & LENGTH;
                level = next;
            }
            None => {
                let at = (entry & !0x7ff).wrapping_add((address >> 12 & 0xff) * 8);
                let page = read_entry(core, at)?;
                let failed = |fault| Failed {
                    fault,
                    entry: Some(at),
                };
                if page & PAGE_INVALID != 0 {
                    return Err(failed(Fault::PageTranslation));
                }
                let zero = if enhanced.bit_55 {
                    PAGE_ZERO
                } else {
                    PAGE_ZERO | NO_EXECUTE
                };
                if page & zero != 0 {
                    return Err(failed(Fault::TranslationSpecification));
                }
                return Ok(Walked {
                    to: Frame::Page(page & ORIGIN | address & 0xfff),
                    protected: protected || page & PROTECT != 0,
                    no_execute: enhanced.no_execute && page & NO_EXECUTE != 0,
                });
            }
        }
    }
}

fn read_entry(core: &CpuCore, at: u64) -> Result<u64, Failed> {
    if core.system().ram().contains(at, 8) {
        Ok(mem::load_absolute(core, at, MemSize::B8))
    } else {
        Err(Failed {
            fault: Fault::Addressing,
            entry: None,
        })
    }
}
