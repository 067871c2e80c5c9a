//! The state that a case begins with: registers, tables, memory, from a seed.
//!
//! Storage: prefix areas at 0 and [`OTHER_PREFIX`], translation tables from [`TABLES`], code from
//! [`CODE`], data from [`DATA`] to [`DATA_END`]. All three address spaces map the first megabyte
//! to itself, with exceptions in the data (see [`tables`]).

use s390x::cpu::psw;
use s390x::vector::Vector;

use crate::dice::Dice;

/// Bytes of RAM.
pub(crate) const RAM: u64 = 0x4_0000;
/// The prefix that some cases have.
pub(crate) const OTHER_PREFIX: u64 = 0x2000;
/// Segment and page tables.
pub(crate) const TABLES: u64 = 0x4000;
/// Where they end.
pub(crate) const TABLES_END: u64 = 0xa000;
/// The two pages of code.
pub(crate) const CODE: u64 = 0xc000;
/// Where the code ends.
pub(crate) const CODE_END: u64 = 0xe000;
/// Pages of data.
pub(crate) const DATA: u64 = 0x1_0000;
/// Where they end.
pub(crate) const DATA_END: u64 = 0x1_a000;
/// New PSWs lead here and wait.
pub(crate) const HANDLERS: u64 = 0xd_ea00;

/// A register with a small number, often used as an index.
pub(crate) const INDEX: u8 = 8;
/// Registers with addresses of data.
pub(crate) const POINTERS: [u8; 4] = [9, 10, 11, 13];
/// A register with an address in the code.
pub(crate) const CODE_POINTER: u8 = 12;

/// Numbers at the edges of what instructions do.
const EDGES: [u64; 24] = [
    0,
    1,
    2,
    7,
    8,
    31,
    64,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0x8000_0000_8000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_7fff_ffff,
    0xffff_ffff_ffff_fffe,
    u64::MAX,
    0x0101_0101_0101_0101,
];

/// Binary floating-point numbers: long ones and pairs of short ones (which are also the halves of
/// extended ones).
const FLOATS: [u64; 36] = [
    0,
    0x8000_0000_0000_0000,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x4000_0000_0000_0000,
    0x3fe0_0000_0000_0000,
    0x3ff8_0000_0000_0000,
    0x4004_0000_0000_0000,
    // Subnormal, least normal, greatest.
    1,
    0x8000_0000_0000_0001,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
    0x8010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0xffef_ffff_ffff_ffff,
    // Infinite, quiet, signalling.
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_1234_5678_9abc,
    0x7ff0_0000_0000_0001,
    0xfff4_0000_0000_0000,
    // Near the limits of integers.
    0x41df_ffff_ffc0_0000,
    0x41e0_0000_0000_0000,
    0xc1e0_0000_0020_0000,
    0x43df_ffff_ffff_ffff,
    0x43e0_0000_0000_0000,
    0xc3e0_0000_0000_0000,
    0x43ef_ffff_ffff_ffff,
    0x43f0_0000_0000_0000,
    // Short ones in the left half.
    0x3f80_0000_3f80_0000,
    0x7f7f_ffff_0080_0000,
    0x7f80_0000_ff80_0000,
    0x7fc0_0000_7f80_0001,
    0x0000_0001_807f_ffff,
    0x4b7f_ffff_cf00_0000,
    0x3fff_0000_0000_0000,
];

/// A seeded state.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) memory: Vec<u8>,
    pub(crate) gpr: [u64; 16],
    pub(crate) vr: [Vector; 32],
    pub(crate) ar: [u32; 16],
    pub(crate) cr: [u64; 16],
    pub(crate) fpc: u32,
    /// The PSW's left half.
    pub(crate) mask: u64,
    pub(crate) prefix: u64,
    pub(crate) keys: Vec<u8>,
    pub(crate) comparator: u64,
    pub(crate) cpu_timer: u64,
    pub(crate) breaking_event: u64,
}

/// A floating-point register's contents.
fn float(dice: &mut Dice) -> u64 {
    if dice.chance(3, 4) {
        dice.pick(&FLOATS)
    } else {
        number(dice)
    }
}

/// Vector registers of which the first have these left halves.
fn vectors(floats: [u64; 16], dice: &mut Dice) -> [Vector; 32] {
    std::array::from_fn(|n| {
        let left = match floats.get(n) {
            Some(&float) => float,
            None if dice.chance(1, 3) => float(dice),
            None => number(dice),
        };
        let right = match dice.below(4) {
            0 => left,
            1 => float(dice),
            _ => number(dice),
        };
        Vector { left, right }
    })
}

/// A number of any kind.
pub(crate) fn number(dice: &mut Dice) -> u64 {
    match dice.below(8) {
        0..=2 => dice.pick(&EDGES),
        3 => dice.next() >> dice.below(64),
        4 => dice.pick(&FLOATS),
        5 => packed(dice),
        6 => dice.below(300),
        _ => dice.next(),
    }
}

/// Packed decimal digits, with a sign or without.
fn packed(dice: &mut Dice) -> u64 {
    let mut word = 0;
    for _ in 0..16 {
        word = word << 4 | dice.below(10);
    }
    if dice.chance(2, 3) {
        word = word & !0xf | (0xa + dice.below(6));
    }
    word >> (4 * dice.below(12))
}

/// A place for an operand: inside pages, at their ends, at odd places, where nothing is.
pub(crate) fn address(dice: &mut Dice) -> u64 {
    let page = DATA + 0x1000 * dice.below((DATA_END - DATA) / 0x1000);
    match dice.below(16) {
        0..=5 => page + (dice.below(0xf00) & !0xf),
        6..=8 => page + dice.below(0x1000),
        9 | 10 => (page + 0x1000).wrapping_sub(dice.below(40)),
        11 => page + (dice.below(0xf00) & !7),
        12 => page + 0x1000,
        13 => dice.pick(&[
            0, 0x100, 0x1f8, 0x200, 0x1000, 0x11f8, 0x1ff8, 0x2000, 0x3ff0,
        ]),
        14 => dice.pick(&[
            RAM - 8,
            RAM - 1,
            RAM,
            0xff_fff8,
            0x7fff_fff8,
            0x7fff_ffff,
            0xffff_fff0,
            u64::MAX - 7,
            u64::MAX,
        ]),
        _ => CODE + dice.below(CODE_END - CODE),
    }
}

fn put(memory: &mut [u8], at: u64, value: u64) {
    let at = at as usize;
    memory[at..at + 8].copy_from_slice(&value.to_be_bytes());
}

/// Three address spaces of one segment each. In the first, page `DATA + 0x2000` is invalid,
/// `+ 0x3000` is protected, and `+ 0x5000` is `+ 0x4000` once more; in the second neighbouring
/// pages of data are exchanged; in the third the last page of data is invalid.
fn tables(memory: &mut [u8], dice: &mut Dice) -> [u64; 3] {
    let mut asces = [0; 3];
    for (space, asce) in (0u64..).zip(&mut asces) {
        let segments = TABLES + 0x2000 * space;
        let pages = segments + 0x1000;
        for n in 0..512 {
            put(memory, segments + 8 * n, 0x20);
        }
        put(memory, segments, pages);
        for n in 0..256u64 {
            let at = n << 12;
            let data = (DATA..DATA_END).contains(&at);
            let entry = match (space, at.wrapping_sub(DATA)) {
                (0, 0x2000) => at | 0x400,
                (0, 0x3000) => at | 0x200,
                (0, 0x5000) => at - 0x1000,
                (1, _) if data => at ^ 0x1000,
                (2, 0x9000) => at | 0x400,
                _ => at,
            };
            put(memory, pages + 8 * n, entry);
        }
        let private = if dice.chance(1, 8) { 0x100 } else { 0 };
        *asce = segments | private;
    }
    if dice.chance(1, 16) {
        // A real space.
        asces[1] |= 0x20;
    }
    asces
}

fn data(memory: &mut [u8], dice: &mut Dice) {
    let mut at = DATA;
    while at < DATA_END {
        let kind = dice.below(8);
        // Stretches of one kind.
        for _ in 0..(1 + dice.below(12)) {
            let word = match kind {
                0 => dice.next(),
                1 => number(dice),
                2 => dice.pick(&FLOATS),
                3 => packed(dice),
                4 => 0,
                5 => dice.next() & 0x1f1f_1f1f_1f1f_1f1f | 0x4040_4040_4040_4040,
                6 => address(dice),
                _ => 0xf0f1_f2f3_f4f5_f6f7 ^ dice.next() & 0x0f0f_0f0f_0f0f_0f0f,
            };
            if at < DATA_END {
                put(memory, at, word);
                at += 8;
            }
        }
    }
}

fn new_psws(memory: &mut [u8], prefix: u64) {
    for (n, at) in (0..).zip((0x1a0..=0x1f0).step_by(16)) {
        put(memory, prefix + at, psw::ADDRESSING | psw::WAIT);
        put(memory, prefix + at + 8, HANDLERS + 2 * n);
    }
}

impl State {
    /// The state of a seed, without code.
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let dice = &mut dice;
        let others = &mut Dice::new(seed ^ 0x0fec_7025);
        let mut memory = vec![0; RAM as usize];
        data(&mut memory, dice);
        let asces = tables(&mut memory, dice);
        new_psws(&mut memory, 0);
        new_psws(&mut memory, OTHER_PREFIX);
        let mut state = Self {
            memory,
            gpr: std::array::from_fn(|_| number(dice)),
            vr: vectors(std::array::from_fn(|_| float(dice)), others),
            ar: [0; 16],
            cr: [0; 16],
            fpc: 0,
            mask: mask(dice),
            prefix: if dice.chance(1, 4) { OTHER_PREFIX } else { 0 },
            keys: (0..RAM >> 12).map(|_| dice.next() as u8 & 0xfe).collect(),
            comparator: dice.pick(&[u64::MAX, u64::MAX, 0, 1 << 63]),
            cpu_timer: dice.pick(&[i64::MAX as u64, i64::MAX as u64, 1 << 20, u64::MAX]),
            breaking_event: dice.next() & !1,
        };
        state.control(asces, dice);
        if others.chance(15, 16) {
            state.cr[0] |= 1 << (63 - 46);
        }
        state.registers(dice);
        state
    }

    fn control(&mut self, [primary, secondary, home]: [u64; 3], dice: &mut Dice) {
        let bit = |n: u32| 1u64 << (63 - n);
        let cr = &mut self.cr;
        // Secondary-space control, extraction authority.
        cr[0] = bit(37) | bit(36);
        if dice.chance(15, 16) {
            cr[0] |= bit(45);
        }
        if dice.chance(1, 6) {
            cr[0] |= bit(35);
        }
        cr[0] |= dice.next() & dice.next() & 0x6e00;
        (cr[1], cr[7], cr[13]) = (primary, secondary, home);
        cr[3] = dice.next() & 0xffff_ffff;
        cr[4] = dice.next() & 0xffff;
        cr[8] = dice.next() & 0xffff;
        cr[14] = 0xc200_0000;
        if dice.chance(1, 2) {
            cr[3] |= 0xffff_0000;
        }
        self.ar = std::array::from_fn(|_| match dice.below(8) {
            0..=3 => 0,
            4..=6 => 1,
            _ => dice.next() as u32,
        });
        let modes = [0, 0, 0, 1, 2, 3, 4, 5, 6, 7];
        let bits = dice.next() as u32 & 0xf8f8_ff00;
        self.fpc = match dice.below(4) {
            0 => 0,
            1 => dice.pick(&modes) & 3,
            2 => bits & 0x00f8_0000 | dice.pick(&modes) & 3,
            _ => bits | dice.pick(&modes) & 3,
        };
    }

    fn registers(&mut self, dice: &mut Dice) {
        // Operands of the long instructions: addresses and lengths in pairs.
        for pair in [2, 4, 6] {
            if dice.chance(1, 2) {
                self.gpr[pair] = address(dice);
                self.gpr[pair + 1] = match dice.below(8) {
                    0..=4 => dice.below(40),
                    5 => dice.below(0x1200),
                    6 => dice.below(600) | (dice.next() & 0xff) << 24,
                    _ => number(dice),
                };
            }
        }
        if dice.chance(1, 2) {
            self.gpr[0] = dice.below(256);
        }
        if dice.chance(1, 4) {
            self.gpr[1] = address(dice) & !7;
        }
        self.gpr[usize::from(INDEX)] = dice.below(64);
        for n in POINTERS {
            self.gpr[usize::from(n)] = address(dice);
        }
        self.gpr[usize::from(CODE_POINTER)] = CODE + (dice.below(0x1100) & !1);
        if self.mask & psw::ADDRESSING != psw::ADDRESSING && dice.chance(1, 2) {
            // Bits that do not count.
            let unused = if self.mask & psw::BASIC_ADDRESSING != 0 {
                31
            } else {
                24
            };
            for n in POINTERS {
                self.gpr[usize::from(n)] |= dice.next() << unused;
            }
        }
    }
}

/// Whether translation tables were changed by plain stores. What is translated then depends on
/// what the TLB still holds, and engines may differ in that. Invalid bits are set by IPTE, IDTE
/// and their like, which purge.
pub(crate) fn tables_overwritten(before: &[u8], after: &[u8]) -> bool {
    const INVALID: u64 = 0x420;
    let tables = TABLES as usize..TABLES_END as usize;
    let words = |memory: &[u8]| -> Vec<u64> {
        let words = memory[tables.clone()].chunks_exact(8);
        words
            .map(|bytes| {
                bytes
                    .iter()
                    .fold(0, |word, &byte| word << 8 | u64::from(byte))
            })
            .collect()
    };
    words(before)
        .iter()
        .zip(words(after))
        .any(|(before, after)| (before ^ after) & !INVALID != 0)
}

/// A PSW's left half.
fn mask(dice: &mut Dice) -> u64 {
    let mut mask = match dice.below(8) {
        0..=4 => psw::ADDRESSING,
        5 | 6 => psw::BASIC_ADDRESSING,
        _ => 0,
    };
    if dice.chance(1, 2) {
        let spaces = dice.pick(&[0, 0, 0, 1, 1, 2, 3]);
        mask |= psw::DAT | spaces << psw::SPACE_SHIFT;
    }
    if dice.chance(1, 4) {
        mask |= psw::PROBLEM;
    }
    if dice.chance(1, 4) {
        mask |= psw::EXTERNAL;
    }
    mask |= dice.below(4) << psw::CC_SHIFT;
    if dice.chance(1, 3) {
        mask |= dice.below(16) << psw::PROGRAM_MASK_SHIFT;
    }
    if dice.chance(1, 4) {
        mask |= dice.next() & psw::KEY;
    }
    mask
}
