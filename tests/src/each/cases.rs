//! Which instructions are executed in which states.
//!
//! Every row of the table, with several choices of its fields (even and odd registers, the same
//! register twice, register 0, lengths, displacements that break alignment), in states that
//! differ in PSW, CR0 and where the registers point. What would stop the guest itself is left
//! out ([`is_left_out`]).

use s390x::insn::encode::encode;
use s390x::insn::format::Format;
use s390x::insn::{Insn, Row, table};

use super::{AREA, Case, PATTERN_BYTES, Plan, Registers};

/// 64-bit mode, nothing enabled, supervisor state.
const STANDARD: u64 = 0x0000_0001_8000_0000;
const PROBLEM: u64 = 1 << (63 - 15);
/// Program-event recording, with no event that is recorded.
const PER: u64 = 1 << (63 - 1);
const DAT: u64 = 1 << (63 - 5);
const SECONDARY: u64 = 2 << (63 - 17);
const HOME: u64 = 3 << (63 - 17);
/// Overflows interrupt.
const OVERFLOW: u64 = 0xc << (63 - 23);
const AFP: u64 = 1 << (63 - 45);
const LOW_PROTECTION: u64 = 1 << (63 - 35);

/// Where the registers of a set point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Set {
    /// Doublewords of the area.
    Area,
    /// One byte behind those.
    Odd,
    /// The end of a page whose successor is not mapped.
    Edge,
    /// No storage.
    Beyond,
    /// A page that DAT protects.
    Protected,
    /// The first bytes of storage.
    Low,
    /// Storage of zeros, where branches may go.
    Zeros,
}

const SETS: [Set; 7] = [
    Set::Area,
    Set::Odd,
    Set::Edge,
    Set::Beyond,
    Set::Protected,
    Set::Low,
    Set::Zeros,
];

impl Set {
    fn number(self) -> u32 {
        SETS.iter().position(|&set| set == self).unwrap_or(0) as u32
    }

    /// Even registers have addresses, odd ones small numbers: lengths, counts.
    fn registers(self) -> Registers {
        let floats = [
            0x3ff0_0000_0000_0000, // 1
            0xc008_0000_0000_0000, // -3
            0x7ff0_0000_0000_0000, // infinity
            0x7ff8_0000_0000_0001, // a quiet NaN
            0x7ff4_0000_0000_0000, // a signaling NaN
            0x8000_0000_0000_0000, // -0
            0x0000_0000_0000_0001, // subnormal
            0x41df_ffff_ffe0_0000, // more than fits 32 bits
            0x3f80_0000_0000_0000, // 1, short
            0x7f7f_ffff_ffff_ffff, // large
            0x4024_0000_0000_0000, // 10
            0x0010_0000_0000_0000, // the least normal one
            0x7fa0_0000_0000_0000, // a signaling NaN, short
            0xbfe0_0000_0000_0000, // -0.5
            0x3fff_0000_0000_0000, // 1, extended
            0x0000_0000_0000_0000,
        ];
        let mut registers = [0; 32];
        for n in 0..16 {
            let at = n as u64;
            registers[n] = match (n, self) {
                (0, _) => 0,
                (1, _) => 5,
                (_, Self::Zeros) => 0x20_4000 + 16 * at,
                (n, _) if n % 2 == 1 => 8 + at,
                (_, Self::Area) => AREA + 0x40 + 16 * at,
                (_, Self::Odd) => AREA + 0x41 + 16 * at,
                (_, Self::Edge) => 0x20_1ff0 + at,
                (_, Self::Beyond) => 0x0123_4567_7020_0040 + 16 * at,
                (_, Self::Protected) => 0x20_3000 + 16 * at,
                (_, Self::Low) => 0x40 + 8 * at,
            };
            registers[16 + n] = floats[n];
        }
        registers
    }
}

struct State {
    name: &'static str,
    set: Set,
    psw_mask: u64,
    cr0: u64,
}

const fn state(name: &'static str, set: Set, psw_mask: u64, cr0: u64) -> State {
    State {
        name,
        set,
        psw_mask,
        cr0,
    }
}

const STATES: &[State] = &[
    state("plain", Set::Area, STANDARD, AFP),
    state("problem state", Set::Area, STANDARD | PROBLEM, AFP),
    state("no AFP registers", Set::Area, STANDARD, 0),
    state("DAT", Set::Area, STANDARD | DAT, AFP),
    state("home space", Set::Area, STANDARD | DAT | HOME, AFP),
    state(
        "secondary space",
        Set::Area,
        STANDARD | DAT | SECONDARY,
        AFP,
    ),
    state("31-bit", Set::Area, 0x8000_0000, AFP),
    state("24-bit", Set::Area, 0, AFP),
    state("overflow interrupts", Set::Area, STANDARD | OVERFLOW, AFP),
    state("PER", Set::Area, STANDARD | PER, AFP),
    state("odd addresses", Set::Odd, STANDARD, AFP),
    state("odd, problem", Set::Odd, STANDARD | PROBLEM, AFP),
    state("odd, DAT", Set::Odd, STANDARD | DAT, AFP),
    state("page end", Set::Edge, STANDARD, AFP),
    state("page end, DAT", Set::Edge, STANDARD | DAT, AFP),
    state("no storage", Set::Beyond, STANDARD, AFP),
    state("no storage, DAT", Set::Beyond, STANDARD | DAT, AFP),
    state("no storage, 31-bit", Set::Beyond, 0x8000_0000, AFP),
    state("no storage, 24-bit", Set::Beyond, 0, AFP),
    state("protected, DAT", Set::Protected, STANDARD | DAT, AFP),
    state("low addresses", Set::Low, STANDARD, AFP | LOW_PROTECTION),
];

/// Choices of fields.
const VARIANTS: usize = 6;

/// An instruction with one choice of its fields.
fn image(row: &'static Row, variant: usize) -> u64 {
    let mut i = Insn::new(row, s390x::insn::encode::with_opcode(row, 0));
    (i.r1, i.r2, i.r3) = [
        (2, 4, 6),
        (3, 5, 7),
        (2, 2, 2),
        (1, 5, 9),
        (0, 0, 0),
        (6, 9, 12),
    ][variant];
    (i.b1, i.b2, i.b4) = (8, 10, 12);
    let mask = [0, 5, 8, 15, 1, 7][variant];
    (i.m1, i.m3, i.m4) = (mask, mask & 7, 0);
    if is_rounding(row) {
        (i.m3, i.m4) = (variant as u8, 0);
    }
    i.i2 = [8, 0x7fff, -0x100, 1, -1, -0x101][variant];
    i.ri4 = 8;
    (i.i3, i.i4, i.i5) = (3, 50, 8);
    (i.l1, i.l2) = [(7, 3), (15, 15), (0, 0), (3, 8), (255, 7), (1, 7)][variant];
    if variant == 5 {
        (i.d1, i.d2, i.d4) = (1, 2, 4);
        i.x2 = 13;
    }
    if is_branch(row) {
        i.i2 = if row.format == Format::RIS || row.format == Format::RIEc {
            i.i2
        } else {
            8
        };
        (i.x2, i.d2) = (0, 0);
    }
    encode(&i) & 0xffff_ffff_ffff
}

/// Has a rounding method in M3.
fn is_rounding(row: &Row) -> bool {
    row.format == Format::RRFe
}

fn is_branch(row: &Row) -> bool {
    row.name.starts_with('B')
        || matches!(
            row.format,
            Format::RIEb | Format::RIEc | Format::RIS | Format::RRS
        )
}

/// Whether a case could take the guest away from its course: it would store into the guest's own
/// first page, have the channel subsystem or service processor interrupt it later, execute what
/// storage happens to hold, or stop the CPU.
fn is_left_out(row: &Row, variant: usize, problem: bool) -> bool {
    if matches!(row.name, "EX" | "EXRL") {
        return true;
    }
    if problem {
        return false;
    }
    match row.name {
        "DIAG" | "SERVC" | "SIGP" | "CHSC" => true,
        "TB" | "PFMF" => variant != 0 && variant != 2,
        "IDTE" => true,
        "MVPG" => variant == 5 || variant == 1,
        _ => false,
    }
}

fn pattern() -> [u8; PATTERN_BYTES] {
    const DECIMALS: [u64; 8] = [
        0x1234_5678_9012_345c,
        0x1000_0000_0000_012d,
        0x9999_9999_9999_999c,
        0x1000_0000_0000_000c,
        0x1f2f_3f4f_5fc6_0000,
        0x1234_5a78_9012_3456,
        0x1000_0000_0000_000f,
        0x1122_3344_5566_778d,
    ];
    let mut pattern = [0; PATTERN_BYTES];
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for (n, place) in pattern.chunks_exact_mut(8).enumerate() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let value = match n {
            8..72 => DECIMALS[n % 8],
            // Code and what follows it.
            96..128 => 0,
            _ => random,
        };
        // No PSW that this is part of is valid: bit 3.
        let first = if (96..128).contains(&n) { 0 } else { 1 << 60 };
        place.copy_from_slice(&(value | first).to_be_bytes());
    }
    pattern
}

/// The cases of the whole table, one in `every` (1: all).
pub fn plan(every: usize) -> Plan {
    let mut cases = Vec::new();
    let mut rows: Vec<_> = table::rows().collect();
    rows.sort_by_key(|row| row.name);
    let mut number = 0usize;
    for row in rows {
        for state in STATES {
            for variant in 0..VARIANTS {
                let problem = state.psw_mask & PROBLEM != 0;
                if is_left_out(row, variant, problem) {
                    continue;
                }
                let set = if is_branch(row) {
                    if state.set != Set::Area {
                        continue;
                    }
                    Set::Zeros
                } else {
                    state.set
                };
                number += 1;
                // Spread, so that every row meets other states.
                let spread = number.wrapping_mul(0x9e37_79b1) & 0xffff_ffff;
                if !spread.is_multiple_of(every) {
                    continue;
                }
                cases.push(Case {
                    name: row.name,
                    image: image(row, variant),
                    state: state.name,
                    psw_mask: state.psw_mask,
                    cr0: state.cr0,
                    set: set.number(),
                });
            }
        }
    }
    Plan {
        cases,
        sets: SETS.map(Set::registers).to_vec(),
        pattern: pattern(),
    }
}

/// What an instruction gives differs from one execution or machine to the next.
pub fn varies(name: &str) -> bool {
    matches!(
        name,
        "STCK" | "STCKE" | "STCKF" | "STPT" | "ECTG" | "STSI" | "STIDP" | "STFLE" | "ECAG"
    )
}
