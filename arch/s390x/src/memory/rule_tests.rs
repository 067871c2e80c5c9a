//! The rules of protection against a model of them: random keys, overrides, tables and addresses.
//!
//! The model is written from the manual (Principles of Operation, chapter 3, "Protection", and chapter
//! 6, "Multiple Program-Interruption Conditions"): it knows each page as a row of facts, while the
//! CPU finds them in tables and keys. Beside the answer to one access, what may be remembered of the
//! page is checked: nothing that the model would refuse at any address of it.

use tcg::ir::{MemMode, MemSize};
use tcg::{Access, mem};

use super::keys::{CHANGE, REFERENCE};
use super::translate;
use crate::cpu::key::{MODE_HOME, MODE_PRIMARY, MODE_REAL, MODE_SECONDARY};
use crate::cpu::testing::{Bench, RAM};
use crate::cpu::{ProgramCheck, S390Cpu, psw};

/// Segment tables of the spaces: for primary, secondary and home, 16 KiB from here on.
const SEGMENTS: u64 = 0x10_0000;
/// Page tables of their segments 0 and 1.
const PAGES: u64 = 0x11_0000;
/// Where pages lead to: frames of 1 MiB from here on.
const FRAMES: u64 = 0x20_0000;

/// xorshift64*, as a source of arbitrary choices.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// How an address of a space is mapped.
#[derive(Debug, Clone, Copy)]
enum Mapped {
    /// By a page-table entry: bits 54 and 55, and the segment's bit 54.
    Page {
        protected: bool,
        bit_55: bool,
        segment_protected: bool,
    },
    /// By a segment-table entry with format control one.
    Frame {
        protected: bool,
        bit_55: bool,
        key: Option<u8>,
    },
    Invalid,
}

/// The facts that the model judges by.
#[derive(Debug, Clone, Copy)]
struct Facts {
    dat: Option<Mapped>,
    private: bool,
    identification: u64,
    /// The absolute address, and its storage key.
    absolute: u64,
    storage_key: u8,
    psw_key: u8,
    fetch_override: bool,
    storage_override: bool,
    low_protection: bool,
    execution_protection: bool,
    in_storage: bool,
}

/// What the manual says of an access: the interruption code and the TEID, or nothing.
fn manual(facts: &Facts, address: u64, access: Access) -> Result<(), (u16, u64)> {
    let store = access == Access::Write;
    let common = address >> 12 << 12
        | facts.identification
        | match access {
            Access::Write => 0b01 << (63 - 53),
            Access::Read | Access::Execute => 0b10 << (63 - 53),
        };
    let low = address < 512 || (4096..4608).contains(&address);
    if store && low && facts.low_protection && !facts.private {
        return Err((4, common | 1 << (63 - 56)));
    }
    let mut key = facts.storage_key;
    if let Some(mapped) = facts.dat {
        let (protected, bit_55) = match mapped {
            Mapped::Invalid => return Err((0x11, common)),
            Mapped::Page {
                protected,
                bit_55,
                segment_protected,
            } => (protected || segment_protected, bit_55),
            Mapped::Frame {
                protected,
                bit_55,
                key: own,
            } => {
                key = own.unwrap_or(key);
                (protected, bit_55)
            }
        };
        if store && protected {
            return Err((4, common | 1 << (63 - 61)));
        }
        if access == Access::Execute && bit_55 && facts.execution_protection {
            return Err((4, common | 1 << (63 - 56) | 1 << (63 - 61)));
        }
    }
    if !facts.in_storage {
        return Err((5, common));
    }
    let access_control = key >> 4;
    let matches = facts.psw_key == 0 || facts.psw_key == access_control;
    let opened = facts.storage_override && access_control == 9;
    if matches || opened {
        return Ok(());
    }
    let fetch_protected = key & 8 != 0;
    let fetch_opened = facts.fetch_override && !facts.private && address <= 2047;
    if !store && (!fetch_protected || fetch_opened) {
        return Ok(());
    }
    Err((4, common | 1 << (63 - 60)))
}

/// Tables, keys and registers at random, and what of them an address meets.
struct World {
    bench: Bench,
    /// The page number within its space, and how it is mapped, for each of the three.
    spaces: [(u64, Mapped, bool); 3],
}

/// Addresses are in pages 0, 1 or 2 of a space, or in the same of its second segment, where frames are.
fn world(dice: &mut Dice) -> World {
    let mut bench = Bench::new(1);
    let cpu = &mut bench.cpus[0];
    let bit = |dice: &mut Dice, n: u32| dice.below(2) << (63 - n);
    cpu.cr[0] = 1 << (63 - 40) | bit(dice, 35) | bit(dice, 38) | bit(dice, 39) | bit(dice, 43);
    let prefix = 0x4000;
    let frame_pages = FRAMES / 4096;
    let mut spaces = [(0, Mapped::Invalid, false); 3];
    for (n, (cr, space)) in [1, 7, 13].into_iter().zip(&mut spaces).enumerate() {
        let n = n as u64;
        let (segments, pages) = (SEGMENTS + n * 0x4000, PAGES + n * 0x800);
        let private = dice.one_in(3);
        let page = dice.below(3);
        let protected = dice.one_in(4);
        let bit_55 = dice.one_in(3);
        let large = dice.one_in(3);
        let mapped = if dice.one_in(10) {
            Mapped::Invalid
        } else if large {
            let key = dice.one_in(2).then(|| dice.below(32) as u8 * 8);
            Mapped::Frame {
                protected,
                bit_55,
                key,
            }
        } else {
            Mapped::Page {
                protected,
                bit_55,
                segment_protected: dice.one_in(8),
            }
        };
        let flags = |protected, bit_55| {
            (if protected { 0x200 } else { 0 }) | if bit_55 { 0x100 } else { 0 }
        };
        let frame = FRAMES + n % 2 * 0x10_0000;
        let put = |at, value| mem::store_absolute(&cpu.core, at, MemSize::B8, value);
        match mapped {
            Mapped::Frame {
                protected,
                bit_55,
                key,
            } => {
                let key = key.map_or(0, |key| 1 << (63 - 47) | u64::from(key) << 8);
                put(segments, frame | 0x400 | flags(protected, bit_55) | key);
            }
            Mapped::Page {
                protected,
                bit_55,
                segment_protected,
            } => {
                put(segments, pages | flags(segment_protected, false));
                put(
                    pages + page * 8,
                    (frame + page * 4096) | flags(protected, bit_55),
                );
            }
            Mapped::Invalid => {
                put(segments, pages);
                put(pages + page * 8, 0x400);
            }
        }
        cpu.cr[cr] = segments | u64::from(private) << (63 - 55);
        *space = (page, mapped, private);
    }
    cpu.set_prefix(prefix);
    for page in (0..8)
        .chain(frame_pages..frame_pages + 4)
        .chain(0x300..0x304)
    {
        let access_control = match dice.below(4) {
            0 => 0,
            1 => 9,
            2 => 3,
            _ => dice.below(16) as u8,
        };
        let flags = dice.below(16) as u8 & 0x0e;
        let key = access_control << 4 | flags;
        cpu.control.shared.keys.update(page * 4096, |_| Some(key));
    }
    let key = [0, 3, 9, dice.below(16)][dice.below(4) as usize];
    cpu.psw_mask = cpu.psw_mask & !psw::KEY | key << psw::KEY_SHIFT;
    World { bench, spaces }
}

impl World {
    fn facts(&self, mode: MemMode, page: u64) -> Facts {
        let cpu = &self.bench.cpus[0];
        let (dat, private, identification, absolute) = match mode {
            MODE_REAL => {
                let absolute = match page {
                    0 | 1 => cpu.prefix + page * 4096,
                    _ => page * 4096,
                };
                (None, false, 0, absolute)
            }
            mode => {
                let (n, identification) = match mode {
                    MODE_PRIMARY => (0, 0),
                    MODE_SECONDARY => (1, 2),
                    _ => (2, 3),
                };
                let (_, mapped, private) = self.spaces[n];
                let absolute = FRAMES + n as u64 % 2 * 0x10_0000 + page * 4096;
                (Some(mapped), private, identification, absolute)
            }
        };
        let is_on = |bit: u32| cpu.cr[0] & 1 << (63 - bit) != 0;
        Facts {
            dat,
            private,
            identification,
            absolute,
            storage_key: cpu.control.shared.keys.get(absolute).unwrap_or(0),
            psw_key: (cpu.psw_mask >> psw::KEY_SHIFT & 15) as u8,
            fetch_override: is_on(38),
            storage_override: is_on(39),
            low_protection: is_on(35),
            execution_protection: is_on(43),
            in_storage: absolute < RAM,
        }
    }
}

/// One access; the CPU's answer, its record in the key, and what it may remember.
fn check(world: &mut World, mode: MemMode, address: u64, access: Access) {
    let facts = world.facts(mode, address / 4096);
    let cpu: &mut S390Cpu = &mut world.bench.cpus[0];
    let wanted = manual(&facts, address, access);
    let answer = translate(cpu, address, access, mode);
    let context = format!("{facts:x?} {access:?} {address:#x}");
    let mapping = match (answer, wanted) {
        (Ok(mapping), Ok(())) => mapping,
        (Err(trap), Err(wanted)) => {
            let code = ProgramCheck::from_trap(trap).0;
            assert_eq!((code, cpu.control.fault.teid), wanted, "{context}");
            let key = cpu.control.shared.keys.get(facts.absolute);
            assert!(key.is_none_or(|key| key == facts.storage_key), "{context}");
            return;
        }
        (answer, wanted) => panic!("{answer:x?} instead of {wanted:x?}: {context}"),
    };
    assert_eq!(mapping.page, facts.absolute, "{context}");
    let key = cpu.control.shared.keys.get(facts.absolute).unwrap();
    let recorded = REFERENCE | if access == Access::Write { CHANGE } else { 0 };
    assert_eq!(key, facts.storage_key | recorded, "{context}");
    let page = address & !4095;
    for (remembered, access) in [
        (mapping.protection.read, Access::Read),
        (mapping.protection.write, Access::Write),
        (mapping.protection.execute, Access::Execute),
    ] {
        // Both ends of whatever a page may be divided into.
        let all = [0, 511, 512, 2047, 2048, 4095]
            .iter()
            .all(|offset| manual(&facts, page + offset, access).is_ok());
        let all = all && (access != Access::Write || key & CHANGE != 0);
        assert_eq!(remembered, all, "{access:?} remembered: {context}");
    }
}

#[test]
fn every_access_is_as_the_manual_says() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let rounds = std::env::var("EMU_PROTECTION_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(400);
    for _ in 0..rounds {
        let mut world = world(&mut dice);
        for _ in 0..40 {
            let mode = [MODE_REAL, MODE_PRIMARY, MODE_SECONDARY, MODE_HOME][dice.below(4) as usize];
            let page = match mode {
                MODE_REAL => [0, 1, 2, RAM / 4096][dice.below(4) as usize],
                MODE_PRIMARY => world.spaces[0].0,
                MODE_SECONDARY => world.spaces[1].0,
                _ => world.spaces[2].0,
            };
            let offset = [0, 511, 512, 2047, 2048, dice.below(4096)][dice.below(6) as usize];
            let access = [Access::Read, Access::Write, Access::Execute][dice.below(3) as usize];
            check(&mut world, mode, page * 4096 + offset, access);
        }
    }
}
