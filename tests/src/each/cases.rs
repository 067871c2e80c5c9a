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
const VECTOR: u64 = 1 << (63 - 46);
/// All registers may be used.
const FLOAT: u64 = AFP | VECTOR;
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
        let mut registers = [0; 16 + 64];
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
            registers[16 + 2 * n] = floats[n];
        }
        // The right halves, and the registers that are no floating-point registers.
        for (n, value) in VECTORS.iter().enumerate() {
            let n = if n < 16 { 2 * n + 1 } else { n + 16 };
            registers[16 + n] = *value;
        }
        registers
    }
}

/// The right halves of vector registers 0 to 15, and both halves of the others: floating-point
/// numbers long and short, small integers, strings, limits of integers.
const VECTORS: [u64; 48] = [
    0x3ff0_0000_0000_0000,
    0x0102_0304_0506_0708,
    0x4024_0000_0000_0000,
    0x7fff_8000_0000_ffff,
    0xfff0_0000_0000_0000,
    0x6162_6300_6162_6364,
    0x7ff4_0000_0000_0001,
    0x8000_0000_0000_0001,
    0xc008_0000_0000_0000,
    0x0011_2233_4455_6677,
    0x43e0_0000_0000_0000,
    0x8080_7f7f_0100_ff80,
    0x3f80_0000_c040_0000,
    0x0000_0000_0000_0005,
    0x7fc0_0000_7fa0_0000,
    0xffff_ffff_ffff_ffff,
    // 16 and so on
    0x3f80_0000_4000_0000,
    0xbf80_0000_7f80_0000,
    0x6162_6364_6566_6768,
    0x6163_6262_0063_6162,
    0x0000_0010_0000_0020,
    0x0000_0000_0000_0030,
    0x7fff_ffff_8000_0000,
    0x7fff_ffff_ffff_ffff,
    0x0000_0000_0000_0008,
    0x0000_0000_0000_0010,
    0x1f00_0f10_e0ff_2001,
    0x0711_1b05_0c1d_0209,
    0x4005_bf0a_8b14_5769,
    0x3ff3_c0ca_428c_59fb,
    0x0000_0003_0000_0009,
    0x0000_0000_0000_0043,
    0x0080_0000_0000_0001,
    0x8000_0001_ff80_0000,
    0xaaaa_aaaa_5555_5555,
    0x0000_ffff_ffff_0000,
    0x6100_6200_0000_6300,
    0x0061_0062_0063_0000,
    0x0010_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7f7f_ffff_0000_0001,
    0x4b7f_ffff_cf00_0000,
    0x2061_2061_8020_8020,
    0x4000_4000_2000_2000,
    0x3fff_0000_0000_0000,
    0x0000_0000_0000_0000,
    0x0000_0061_0000_0062,
    0x0000_0000_0000_0063,
];

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
    state("plain", Set::Area, STANDARD, FLOAT),
    state("problem state", Set::Area, STANDARD | PROBLEM, FLOAT),
    state("no FLOAT registers", Set::Area, STANDARD, 0),
    state("no vector registers", Set::Area, STANDARD, AFP),
    state("vector, no AFP", Set::Area, STANDARD, VECTOR),
    state("DAT", Set::Area, STANDARD | DAT, FLOAT),
    state("home space", Set::Area, STANDARD | DAT | HOME, FLOAT),
    state(
        "secondary space",
        Set::Area,
        STANDARD | DAT | SECONDARY,
        FLOAT,
    ),
    state("31-bit", Set::Area, 0x8000_0000, FLOAT),
    state("24-bit", Set::Area, 0, FLOAT),
    state("overflow interrupts", Set::Area, STANDARD | OVERFLOW, FLOAT),
    state("PER", Set::Area, STANDARD | PER, FLOAT),
    state("odd addresses", Set::Odd, STANDARD, FLOAT),
    state("odd, problem", Set::Odd, STANDARD | PROBLEM, FLOAT),
    state("odd, DAT", Set::Odd, STANDARD | DAT, FLOAT),
    state("page end", Set::Edge, STANDARD, FLOAT),
    state("page end, DAT", Set::Edge, STANDARD | DAT, FLOAT),
    state("no storage", Set::Beyond, STANDARD, FLOAT),
    state("no storage, DAT", Set::Beyond, STANDARD | DAT, FLOAT),
    state("no storage, 31-bit", Set::Beyond, 0x8000_0000, FLOAT),
    state("no storage, 24-bit", Set::Beyond, 0, FLOAT),
    state("protected, DAT", Set::Protected, STANDARD | DAT, FLOAT),
    state("low addresses", Set::Low, STANDARD, FLOAT | LOW_PROTECTION),
];

/// Choices of fields.
fn variants(row: &Row) -> usize {
    if row.format.is_vector() { 24 } else { 6 }
}

/// An instruction with one choice of its fields.
fn image(row: &'static Row, variant: usize) -> u64 {
    let mut i = Insn::new(row, s390x::insn::encode::with_opcode(row, 0));
    vector(&mut i, variant);
    let masks = (i.m3, i.m4);
    let variant = variant % 6;
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
    if row.format.is_vector() {
        (i.m3, i.m4) = masks;
    }
    if row.format == Format::VRIc {
        i.i2 = variant as i64;
    }
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

/// Chooses vector registers and masks: element sizes in the place where the format has them, else
/// controls.
fn vector(i: &mut Insn, variant: usize) {
    const REGISTERS: [[u8; 4]; 8] = [
        [2, 20, 6, 24],
        [17, 18, 19, 4],
        [2, 2, 2, 2],
        [1, 21, 9, 30],
        [0, 0, 0, 0],
        [22, 9, 28, 12],
        [7, 26, 18, 29],
        [31, 16, 14, 26],
    ];
    const SIZES: [u8; 24] = [
        0, 1, 2, 3, 2, 3, 0, 1, 2, 3, 3, 2, 4, 3, 2, 1, 0, 6, 0, 1, 2, 2, 3, 4,
    ];
    const CONTROLS: [u8; 24] = [
        0, 1, 0, 0, 8, 0, 1, 5, 8, 4, 4, 9, 15, 2, 3, 6, 8, 13, 3, 7, 0, 8, 8, 8,
    ];
    let others = CONTROLS[(5 * variant + 3) % 24];
    [i.v1, i.v2, i.v3, i.v4] = REGISTERS[variant % 8];
    let (size, controls) = (SIZES[variant], CONTROLS[variant]);
    (i.m3, i.m4, i.m5, i.m6) = match i.row.format {
        Format::VRRd | Format::VRId => (0, 0, size, controls),
        Format::VRRe => (0, 0, controls, size),
        Format::VRRa | Format::VRIa | Format::VRX | Format::VRV => (size, controls, others, 0),
        _ => (0, size, controls, others),
    };
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
            for variant in 0..variants(row) {
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
