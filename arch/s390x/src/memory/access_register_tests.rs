//! Access-register translation: both lists, every exception, and what it gives.

use tcg::ir::{MemMode, MemSize};
use tcg::{Access, mem};

use super::access_register::Alet;
use super::translate;
use crate::cpu::key::MODE_ACCESS_REGISTER;
use crate::cpu::testing::{Bench, RAM};
use crate::cpu::{ProgramCheck, ProgramCode, S390Cpu};

const UNIT: u64 = 0x2_0000;
const PRIMARY: u64 = 0x2_1000;
const UNIT_LIST: u64 = 0x2_2000;
const PRIMARY_LIST: u64 = 0x2_3000;
const SPACE: u64 = 0x2_4000;
const AUTHORITY: u64 = 0x2_5000;
/// Segment table of the space reached: real-space designations would do, but have no low end.
const ASCE: u64 = 0x20;
const NUMBER: u64 = 13;
const SEQUENCE: u64 = 0x5a;
const SPACE_SEQUENCE: u64 = 0x1234_5678;
const INDEX: u64 = 0x1b;
/// A token of the dispatchable unit's list; with bit 7, of the primary space's.
const ALET: u32 = (SEQUENCE << 16 | NUMBER) as u32;
const OF_PRIMARY: u32 = 0x0100_0000;

fn put(cpu: &S390Cpu, at: u64, size: MemSize, value: u64) {
    mem::store_absolute(&cpu.core, at, size, value);
}

/// Two lists whose 13th entries are good, private, and of an owner with another index.
fn lists() -> Bench {
    use MemSize::{B1, B4, B8};
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    cpu.cr[2] = UNIT;
    cpu.cr[5] = PRIMARY;
    cpu.cr[8] = INDEX << 16;
    for (holder, list) in [(UNIT, UNIT_LIST), (PRIMARY, PRIMARY_LIST)] {
        // Two units of eight entries.
        put(cpu, holder + 16, B4, list | 1);
        let entry = list + NUMBER * 16;
        let private = 1 << (63 - 7);
        put(
            cpu,
            entry,
            B8,
            private | SEQUENCE << (63 - 15) | (INDEX + 1) << 32,
        );
        put(cpu, entry + 8, B8, SPACE << 32 | SPACE_SEQUENCE);
    }
    // Authority for indexes up to 31: secondary authority of this one.
    put(cpu, SPACE, B8, AUTHORITY << 32 | 1 << 4);
    put(cpu, SPACE + 8, B8, ASCE);
    put(cpu, SPACE + 20, B4, SPACE_SEQUENCE);
    put(cpu, AUTHORITY + INDEX / 4, B1, 0x40 >> (INDEX % 4 * 2));
    bench
}

fn reached(cpu: &S390Cpu, alet: u32) -> Result<(u64, bool), ProgramCode> {
    let named = cpu.translate_alet(Alet(alet), cpu.extended_authority())?;
    Ok((named.asce.0, named.fetch_only))
}

#[test]
fn a_token_leads_to_its_space_by_the_list_it_says() {
    let bench = lists();
    let cpu = &bench.cpus[0];
    for (alet, list) in [(ALET, UNIT_LIST), (ALET | OF_PRIMARY, PRIMARY_LIST)] {
        assert_eq!(reached(cpu, alet), Ok((ASCE, false)));
        let entry = list + NUMBER * 16;
        let first = mem::load_absolute(&cpu.core, entry, MemSize::B8);
        put(cpu, entry, MemSize::B8, first | 1 << (63 - 6));
        assert_eq!(reached(cpu, alet), Ok((ASCE, true)));
    }
}

/// Spoils one thing; the token to be used then.
type Spoil = &'static dyn Fn(&mut S390Cpu) -> u32;

#[test]
fn each_step_has_its_exception() {
    use MemSize::{B4, B8};
    const ENTRY: u64 = UNIT_LIST + NUMBER * 16;
    let spoilt: [(Spoil, ProgramCode); 10] = [
        (&|_| ALET | 0x0200_0000, ProgramCode::AletSpecification),
        (&|_| ALET & !0xffff | 16, ProgramCode::AlenTranslation),
        (
            &|cpu| {
                put(cpu, ENTRY, B8, 1 << 63);
                ALET
            },
            ProgramCode::AlenTranslation,
        ),
        (&|_| ALET ^ 0x0001_0000, ProgramCode::AleSequence),
        (
            &|cpu| {
                put(cpu, SPACE, B8, 1 << 63);
                ALET
            },
            ProgramCode::AsteValidity,
        ),
        (
            &|cpu| {
                put(cpu, SPACE + 20, B4, SPACE_SEQUENCE + 1);
                ALET
            },
            ProgramCode::AsteSequence,
        ),
        (
            // An index that the authority table says nothing good of.
            &|cpu| {
                cpu.cr[8] = (INDEX - 1) << 16;
                ALET
            },
            ProgramCode::ExtendedAuthority,
        ),
        (
            // An index beyond it.
            &|cpu| {
                cpu.cr[8] = 32 << 16;
                ALET
            },
            ProgramCode::ExtendedAuthority,
        ),
        (
            &|cpu| {
                put(cpu, UNIT + 16, B4, (RAM & 0x7fff_ff80) | 1);
                ALET
            },
            ProgramCode::Addressing,
        ),
        (
            &|cpu| {
                put(cpu, ENTRY + 8, B8, RAM << 32 | SPACE_SEQUENCE);
                ALET
            },
            ProgramCode::Addressing,
        ),
    ];
    for (n, (spoil, code)) in spoilt.into_iter().enumerate() {
        let mut bench = lists();
        let cpu = &mut bench.cpus[0];
        let alet = spoil(cpu);
        assert_eq!(reached(cpu, alet), Err(code), "{n}");
    }
    // The owner's own index needs no authority, nor does an entry that is not private.
    let mut bench = lists();
    let cpu = &mut bench.cpus[0];
    cpu.cr[8] = (INDEX + 1) << 16;
    assert!(reached(cpu, ALET).is_ok());
    put(cpu, ENTRY, B8, SEQUENCE << (63 - 15));
    cpu.cr[8] = 40 << 16;
    assert!(reached(cpu, ALET).is_ok());
}

#[test]
fn an_access_tells_its_register_and_list_protection() {
    let mut bench = lists();
    let cpu = &mut bench.cpus[0];
    let mode = MemMode(MODE_ACCESS_REGISTER + 7);
    cpu.ar[7] = ALET;
    assert_eq!(
        translate(cpu, 0x5678, Access::Write, mode).unwrap().page,
        0x5000
    );
    let entry = UNIT_LIST + NUMBER * 16;
    put(
        cpu,
        entry,
        MemSize::B8,
        SEQUENCE << (63 - 15) | 1 << (63 - 6),
    );
    let fetched = translate(cpu, 0x5678, Access::Read, mode).unwrap();
    assert!(!fetched.protection.write);
    let refused = |cpu: &mut S390Cpu| {
        let trap = translate(cpu, 0x5678, Access::Write, mode).unwrap_err();
        (ProgramCheck::from_trap(trap).0, cpu.control.fault)
    };
    let (code, fault) = refused(cpu);
    assert_eq!(code, ProgramCode::Protection as u16);
    // A store, access-list-controlled protection, in a space of an access register.
    assert_eq!(
        (fault.teid, fault.access_id),
        (0x5000 | 0x400 | 0x0c | 1, 7)
    );
    cpu.ar[7] = ALET ^ 0x0001_0000;
    let (code, fault) = refused(cpu);
    assert_eq!(code, ProgramCode::AleSequence as u16);
    assert_eq!(fault.access_id, 7);
}
