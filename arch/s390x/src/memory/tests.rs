//! Address translation: every level, every fault, protection, and what is stored for each.

use tcg::ir::MemSize;
use tcg::{Access, CpuCore, PageMapping, mem};

use super::dat::{Asce, Enhanced, Failed, Fault, Frame, Level, Walked};
use super::protection::AccessKey;
use super::{Space, dat, translate};
use crate::cpu::key::{MODE_ACCESS_REGISTER, MODE_HOME, MODE_PRIMARY, MODE_REAL, MODE_SECONDARY};
use crate::cpu::testing::{Bench, RAM};
use crate::cpu::{ProgramCheck, ProgramCode, S390Cpu};
use tcg::ir::MemMode;

const FIRST: u64 = 0x10_0000;
const SECOND: u64 = 0x11_0000;
const THIRD: u64 = 0x12_0000;
const SEGMENTS: u64 = 0x13_0000;
const PAGES: u64 = 0x14_0000;
const FRAME: u64 = 0x2_0000;
/// An address with different indexes on all levels.
const ADDRESS: u64 = 3 << 53 | 5 << 42 | 7 << 31 | 9 << 20 | 0x0b << 12 | 0x123;

/// Without enhanced DAT.
fn walk(core: &CpuCore, asce: Asce, address: u64) -> Result<Walked, Fault> {
    dat::walk(core, asce, Enhanced::default(), address)
}

fn walk_entries(core: &CpuCore, asce: Asce, address: u64) -> Result<Walked, Failed> {
    dat::walk_entries(core, asce, Enhanced::default(), address)
}

/// With key 0.
fn translate_in(
    cpu: &S390Cpu,
    address: u64,
    access: Access,
    space: Space,
) -> Result<PageMapping, (ProgramCode, u64)> {
    super::translate_in(cpu, address, access, space, AccessKey::ZERO)
}

fn put(cpu: &S390Cpu, at: u64, entry: u64) {
    mem::store_absolute(&cpu.core, at, MemSize::B8, entry);
}

/// Tables that translate [`ADDRESS`], and whatever of it lower levels see, to [`FRAME`].
fn tables() -> Bench {
    let bench = Bench::new(1);
    let cpu = &bench.cpus[0];
    put(cpu, FIRST + 3 * 8, SECOND | 0xc | 3);
    put(cpu, SECOND + 5 * 8, THIRD | 0x8 | 3);
    put(cpu, THIRD + 7 * 8, SEGMENTS | 0x4 | 3);
    put(cpu, SEGMENTS + 9 * 8, PAGES);
    put(cpu, PAGES + 0x0b * 8, FRAME);
    bench
}

/// Control elements for each level's table, and the addresses that they can translate.
const LEVELS: [(u64, u64); 4] = [
    (FIRST | 0xc | 3, u64::MAX),
    (SECOND | 0x8 | 3, (1 << 53) - 1),
    (THIRD | 0x4 | 3, (1 << 42) - 1),
    (SEGMENTS | 3, (1 << 31) - 1),
];

#[test]
fn every_kind_of_table_translates_and_refuses_what_is_beyond_it() {
    let bench = tables();
    let core = &bench.cpus[0].core;
    for (asce, reach) in LEVELS {
        let walked = walk(core, Asce(asce), ADDRESS & reach).unwrap();
        assert_eq!(walked.to, Frame::Page(FRAME | 0x123));
        assert!(!walked.protected);
        if reach != u64::MAX {
            let beyond = ADDRESS & reach | (reach + 1);
            assert_eq!(walk(core, Asce(asce), beyond), Err(Fault::AsceType));
            let far = ADDRESS & reach | 1 << 63;
            assert_eq!(walk(core, Asce(asce), far), Err(Fault::AsceType));
        }
    }
    let real_space = Asce(FIRST | 0x20);
    assert_eq!(walk(core, real_space, ADDRESS), Ok(Walked::same(ADDRESS)));
}

#[test]
fn an_invalid_entry_of_each_level_has_its_own_code_and_is_named() {
    for (at, fault) in [
        (FIRST + 3 * 8, Fault::RegionFirstTranslation),
        (SECOND + 5 * 8, Fault::RegionSecondTranslation),
        (THIRD + 7 * 8, Fault::RegionThirdTranslation),
        (SEGMENTS + 9 * 8, Fault::SegmentTranslation),
        (PAGES + 0x0b * 8, Fault::PageTranslation),
    ] {
        let bench = tables();
        let core = &bench.cpus[0].core;
        let invalid = if fault == Fault::PageTranslation {
            0x400
        } else {
            0x20
        };
        let entry = mem::load_absolute(core, at, MemSize::B8);
        mem::store_absolute(core, at, MemSize::B8, entry | invalid);
        let failed = walk_entries(core, Asce(LEVELS[0].0), ADDRESS).unwrap_err();
        assert_eq!((failed.fault, failed.entry), (fault, Some(at)));
    }
}

#[test]
fn lengths_and_offsets_bound_every_table() {
    // A table of a quarter: index 511 is in it, 512 is not.
    for level in [
        Level::RegionFirst,
        Level::RegionSecond,
        Level::RegionThird,
        Level::Segment,
    ] {
        let bench = tables();
        let core = &bench.cpus[0].core;
        let (n, shift, fault) = match level {
            Level::RegionFirst => (0, 53, Fault::RegionFirstTranslation),
            Level::RegionSecond => (1, 42, Fault::RegionSecondTranslation),
            Level::RegionThird => (2, 31, Fault::RegionThirdTranslation),
            Level::Segment => (3, 20, Fault::SegmentTranslation),
        };
        let asce = Asce(LEVELS[n].0 & !3);
        // Beyond the length there is no entry; within it the entry is zero, of a wrong type or
        // leading to tables at 0, but it is looked at.
        let outside = walk_entries(core, asce, 512 << shift).unwrap_err();
        assert_eq!((outside.fault, outside.entry), (fault, None));
        let inside = walk_entries(core, asce, 511 << shift);
        assert!(inside.is_err_and(|failed| failed.entry.is_some()) || level == Level::Segment);
    }
    // The offset in an entry: the next table has no first quarter.
    let bench = tables();
    let cpu = &bench.cpus[0];
    put(cpu, THIRD + 7 * 8, SEGMENTS | 0x4 | 3 | 0x40);
    let failed = walk_entries(&cpu.core, Asce(LEVELS[0].0), ADDRESS).unwrap_err();
    assert_eq!(
        (failed.fault, failed.entry),
        (Fault::SegmentTranslation, None)
    );
    // Its length: only the first quarter.
    put(cpu, THIRD + 7 * 8, SEGMENTS | 0x4);
    assert!(walk(&cpu.core, Asce(LEVELS[0].0), ADDRESS).is_ok());
    let high = ADDRESS & !(0x7ff << 20) | 0x200 << 20;
    assert_eq!(
        walk(&cpu.core, Asce(LEVELS[0].0), high),
        Err(Fault::SegmentTranslation)
    );
}

#[test]
fn entries_that_cannot_be_are_specification_exceptions() {
    let spec = Err(Fault::TranslationSpecification);
    for (at, entry, private) in [
        // Types that do not follow each other.
        (FIRST + 3 * 8, SECOND | 0x8 | 3, false),
        (SECOND + 5 * 8, THIRD | 0xc | 3, false),
        (THIRD + 7 * 8, SEGMENTS | 3, false),
        (SEGMENTS + 9 * 8, PAGES | 0x4, false),
        // A common segment in a private space.
        (SEGMENTS + 9 * 8, PAGES | 0x10, true),
        // Bits of a page entry that are zero.
        (PAGES + 0x0b * 8, FRAME | 0x800, false),
        (PAGES + 0x0b * 8, FRAME | 0x100, false),
    ] {
        let bench = tables();
        put(&bench.cpus[0], at, entry);
        let asce = LEVELS[0].0 | if private { 0x100 } else { 0 };
        assert_eq!(
            walk(&bench.cpus[0].core, Asce(asce), ADDRESS),
            spec,
            "{at:#x} {entry:#x}"
        );
    }
    let bench = tables();
    put(&bench.cpus[0], SEGMENTS + 9 * 8, PAGES | 0x10);
    assert!(walk(&bench.cpus[0].core, Asce(LEVELS[0].0), ADDRESS).is_ok());
}

#[test]
fn tables_and_frames_outside_storage_are_addressing_exceptions() {
    let bench = tables();
    let cpu = &bench.cpus[0];
    assert_eq!(walk(&cpu.core, Asce(RAM | 3), 0), Err(Fault::Addressing));
    put(cpu, PAGES + 0x0b * 8, RAM);
    let space = Space::Virtual {
        asce: Asce(LEVELS[0].0),
        identification: 0,
        fetch_only: false,
    };
    let refused = translate_in(cpu, ADDRESS, Access::Read, space);
    assert!(matches!(refused, Err((ProgramCode::Addressing, _))));
}

#[test]
fn protection_bits_refuse_stores_and_only_stores() {
    for at in [SEGMENTS + 9 * 8, PAGES + 0x0b * 8] {
        let mut bench = tables();
        let cpu = &mut bench.cpus[0];
        let entry = mem::load_absolute(&cpu.core, at, MemSize::B8);
        put(cpu, at, entry | 0x200);
        cpu.cr[13] = LEVELS[0].0;
        let mapping = translate(cpu, ADDRESS, Access::Read, MODE_HOME).unwrap();
        assert_eq!(mapping.page, FRAME);
        assert!(!mapping.protection.write);
        let trap = translate(cpu, ADDRESS, Access::Write, MODE_HOME).unwrap_err();
        assert_eq!(
            ProgramCheck::from_trap(trap).0,
            ProgramCode::Protection as u16
        );
        // Page address, a store, DAT protection, home space.
        assert_eq!(cpu.control.fault.teid, ADDRESS & !0xfff | 0x400 | 0x4 | 3);
    }
    // A region's protection bit belongs to enhanced DAT, which is not there.
    let mut bench = tables();
    let cpu = &mut bench.cpus[0];
    put(cpu, THIRD + 7 * 8, SEGMENTS | 0x4 | 3 | 0x200);
    cpu.cr[13] = LEVELS[0].0;
    assert!(translate(cpu, ADDRESS, Access::Write, MODE_HOME).is_ok());
}

#[test]
fn each_space_has_its_register_and_its_identification() {
    let mut bench = tables();
    let cpu = &mut bench.cpus[0];
    // Nothing maps address 0 in any of them.
    for n in [1, 7, 13] {
        cpu.cr[n] = LEVELS[3].0;
    }
    put(cpu, SEGMENTS, 0x20);
    let mut teid = |mode, access| {
        let trap = translate(cpu, 0x5678, access, mode).unwrap_err();
        assert_eq!(
            ProgramCheck::from_trap(trap).0,
            ProgramCode::SegmentTranslation as u16
        );
        (cpu.control.fault.teid, cpu.control.fault.access_id)
    };
    assert_eq!(teid(MODE_PRIMARY, Access::Read), (0x5000 | 0x800, 0));
    assert_eq!(teid(MODE_PRIMARY, Access::Write), (0x5000 | 0x400, 0));
    assert_eq!(teid(MODE_PRIMARY, Access::Execute), (0x5000 | 0x800, 0));
    assert_eq!(teid(MODE_SECONDARY, Access::Read), (0x5000 | 0x800 | 2, 0));
    assert_eq!(teid(MODE_HOME, Access::Read), (0x5000 | 0x800 | 3, 0));
    let access_register = MemMode(MODE_ACCESS_REGISTER + 5);
    assert_eq!(teid(access_register, Access::Read), (0x5000 | 0x800 | 1, 5));
    // Access registers name the primary space, the secondary one, or none.
    cpu.ar[5] = 1;
    cpu.cr[7] = LEVELS[0].0;
    assert_eq!(
        translate(cpu, ADDRESS, Access::Read, access_register)
            .unwrap()
            .page,
        FRAME
    );
}

#[test]
fn low_addresses_are_protected_where_the_control_says() {
    let mut bench = tables();
    let cpu = &mut bench.cpus[0];
    cpu.cr[0] = super::LOW_ADDRESS_PROTECTION;
    for (address, protected) in [
        (0, true),
        (511, true),
        (512, false),
        (4095, false),
        (4096, true),
        (4096 + 511, true),
        (4096 + 512, false),
        (8192, false),
    ] {
        let store = translate(cpu, address, Access::Write, MODE_REAL);
        assert_eq!(store.is_err(), protected, "{address}");
        if protected {
            assert_eq!(cpu.control.fault.teid, address & !0xfff | 0x400 | 0x80);
        } else if address < 8192 {
            // The page is protected in part, so every store to it is looked at.
            assert!(!store.unwrap().protection.write);
        }
        assert!(translate(cpu, address, Access::Read, MODE_REAL).is_ok());
    }
    // Not in a private space.
    let real_space = |private: u64| Space::Virtual {
        asce: Asce(0x20 | private),
        identification: 0,
        fetch_only: false,
    };
    assert!(translate_in(cpu, 0, Access::Write, real_space(0)).is_err());
    assert!(translate_in(cpu, 0, Access::Write, real_space(0x100)).is_ok());
    cpu.cr[0] = 0;
    assert!(translate(cpu, 0, Access::Write, MODE_REAL).is_ok());
}

#[test]
fn prefixing_exchanges_two_areas() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.set_prefix(0x6000);
    for (real, absolute) in [
        (0, 0x6000),
        (0x1fff, 0x7fff),
        (0x2000, 0x2000),
        (0x5fff, 0x5fff),
        (0x6000, 0),
        (0x7fff, 0x1fff),
        (0x8000, 0x8000),
    ] {
        assert_eq!(cpu.absolute(real), absolute, "{real:#x}");
    }
}

#[test]
fn a_page_may_be_written_unseen_only_once_its_change_bit_is_set() {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    let key = |cpu: &S390Cpu| cpu.control.shared.keys.get(0x8000).unwrap();
    assert!(
        !translate(cpu, 0x8000, Access::Read, MODE_REAL)
            .unwrap()
            .protection
            .write
    );
    assert_eq!(key(cpu), super::keys::REFERENCE);
    assert!(
        translate(cpu, 0x8000, Access::Write, MODE_REAL)
            .unwrap()
            .protection
            .write
    );
    assert_eq!(key(cpu), super::keys::REFERENCE | super::keys::CHANGE);
    assert!(
        translate(cpu, 0x8000, Access::Read, MODE_REAL)
            .unwrap()
            .protection
            .write
    );
}

#[test]
fn large_frames_and_region_protection_need_enhanced_dat() {
    let bench = tables();
    let cpu = &bench.cpus[0];
    let core = &cpu.core;
    let asce = Asce(LEVELS[0].0);
    let one = Enhanced {
        frames_1m: true,
        bit_55: true,
        ..Enhanced::default()
    };
    let two = Enhanced {
        frames_2g: true,
        ..one
    };
    let large = |absolute, key| Frame::Large { absolute, key };
    // A frame of 1 MiB, whose own key counts if it is valid.
    for (key, wanted) in [(0x4800, None), (0x1_4800, Some(0x48))] {
        put(cpu, SEGMENTS + 9 * 8, 0x30_0000 | 0x400 | key);
        let walked = dat::walk(core, asce, one, ADDRESS).unwrap();
        assert_eq!(walked.to, large(0x30_0000 | ADDRESS & 0xf_ffff, wanted));
    }
    // Without it the entry is that of a page table.
    put(cpu, SEGMENTS + 9 * 8, PAGES | 0x400);
    assert_eq!(
        walk(core, asce, ADDRESS).unwrap().to,
        Frame::Page(FRAME | 0x123)
    );
    // A frame of 2 GiB.
    let third = mem::load_absolute(core, THIRD + 7 * 8, MemSize::B8);
    put(cpu, THIRD + 7 * 8, 0x4 | 0x400 | 0x1_3000);
    let walked = dat::walk(core, asce, two, ADDRESS).unwrap();
    assert_eq!(walked.to, large(ADDRESS & 0x7fff_ffff, Some(0x30)));
    // Without it the entry is that of a segment table, of zeros here.
    let walked = dat::walk(core, asce, one, ADDRESS).unwrap();
    assert_eq!(walked.to, Frame::Page(0x123));
    // Common regions and private spaces exclude each other.
    put(cpu, THIRD + 7 * 8, 0x4 | 0x400 | 0x10);
    let private = Asce(asce.0 | 0x100);
    assert_eq!(
        dat::walk(core, private, two, ADDRESS),
        Err(Fault::TranslationSpecification)
    );
    // Protection of regions.
    put(cpu, THIRD + 7 * 8, third | 0x200);
    put(cpu, SEGMENTS + 9 * 8, PAGES);
    assert!(dat::walk(core, asce, one, ADDRESS).unwrap().protected);
    assert!(!walk(core, asce, ADDRESS).unwrap().protected);
    // Bit 55 of a page's entry may be one.
    put(cpu, PAGES + 0x0b * 8, FRAME | 0x100);
    assert!(!dat::walk(core, asce, one, ADDRESS).unwrap().no_execute);
    let no_execute = Enhanced {
        no_execute: true,
        ..one
    };
    assert!(
        dat::walk(core, asce, no_execute, ADDRESS)
            .unwrap()
            .no_execute
    );
}
