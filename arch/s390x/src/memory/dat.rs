//! Dynamic address translation: from a virtual address to a real one (Principles of Operation,
//! chapter 3, "Dynamic Address Translation").
//!
//! All levels, from region-first tables to pages of 4 KiB; enhanced DAT (large frames) is not
//! installed. Table addresses are taken as absolute, which the manual leaves open. Not here:
//! prefixing of the result, low-address protection, and the TLB.

use tcg::CpuCore;
use tcg::ir::MemSize;
use tcg::mem;

use crate::cpu::ProgramCode;

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
/// Page-table entry: bits 52 and 55 are zero (55 is instruction-execution protection where
/// facility 130 is installed).
const PAGE_ZERO: u64 = 0x900;

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
    /// The real address.
    pub real: u64,
    /// DAT protection: stores are refused.
    pub protected: bool,
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
pub fn walk(core: &CpuCore, asce: Asce, address: u64) -> Result<Walked, Fault> {
    walk_entries(core, asce, address).map_err(|failed| failed.fault)
}

/// [`walk`], telling where it failed.
///
/// # Errors
/// The exception and the entry that made it.
pub fn walk_entries(core: &CpuCore, asce: Asce, address: u64) -> Result<Walked, Failed> {
    if asce.is_real_space() {
        return Ok(Walked {
            real: address,
            protected: false,
        });
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
        if entry & TABLE_INVALID != 0 {
            return Err(Failed {
                fault: level.translation(),
                entry: Some(at),
            });
        }
        if Level::of(entry) != level {
            return Err(Failed {
                fault: Fault::TranslationSpecification,
                entry: Some(at),
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
                if entry & COMMON != 0 && asce.is_private() {
                    return Err(Failed {
                        fault: Fault::TranslationSpecification,
                        entry: Some(at),
                    });
                }
                protected |= entry & PROTECT != 0;
                let at = (entry & !0x7ff).wrapping_add((address >> 12 & 0xff) * 8);
                let page = read_entry(core, at)?;
                if page & PAGE_INVALID != 0 {
                    return Err(Failed {
                        fault: Fault::PageTranslation,
                        entry: Some(at),
                    });
                }
                if page & PAGE_ZERO != 0 {
                    return Err(Failed {
                        fault: Fault::TranslationSpecification,
                        entry: Some(at),
                    });
                }
                protected |= page & PROTECT != 0;
                return Ok(Walked {
                    real: page & ORIGIN | address & 0xfff,
                    protected,
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
