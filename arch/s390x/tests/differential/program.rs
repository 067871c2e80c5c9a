//! Programs made from the table of instructions.
//!
//! A program is a list of [`Piece`]s, each an instruction chosen by number with random fields,
//! which are then bent so that operands are mostly where there is something and branches mostly
//! lead to other pieces.

use std::sync::LazyLock;

use s390x::insn::encode::{encode, with_opcode};
use s390x::insn::{Format, Insn, Row, table};

use crate::dice::Dice;
use crate::state::{CODE, CODE_END, CODE_POINTER, INDEX, POINTERS};

/// All rows of the table.
pub(crate) static ROWS: LazyLock<Vec<&'static Row>> = LazyLock::new(|| table::rows().collect());

/// Kinds of pieces that are no row.
const OTHERS: usize = 3;

/// One instruction, or something else that stands in code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which row, or what else.
    pub(crate) kind: u16,
    /// The bits of its fields.
    pub(crate) fill: u64,
    /// How they are bent.
    pub(crate) bend: u32,
}

/// A program: where each piece stands, and its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) start: u64,
    pub(crate) places: Vec<(u64, Vec<u8>)>,
}

enum Made {
    Row(&'static Row),
    /// A jump over eight bytes, and these.
    Data,
    /// Six bytes of anything.
    Bytes,
    /// A loop of a few rounds over the piece before.
    Loop,
}

fn made(kind: u16) -> Made {
    let rows = &*ROWS;
    // Every eighth piece or so is none of the table's.
    let n = usize::from(kind) % (rows.len() + rows.len() / 8);
    match rows.get(n) {
        Some(row) => Made::Row(row),
        None => match n % OTHERS {
            0 => Made::Data,
            1 => Made::Bytes,
            _ => Made::Loop,
        },
    }
}

fn length(kind: u16) -> u64 {
    match made(kind) {
        Made::Row(row) => row.format.length().into(),
        Made::Data => 12,
        Made::Bytes => 6,
        Made::Loop => 4,
    }
}

/// Rows whose registers hold addresses and lengths.
const LONG: [&str; 28] = [
    "MVCL", "CLCL", "MVCLE", "CLCLE", "MVCLU", "CLCLU", "MVST", "CLST", "SRST", "SRSTU", "CUSE",
    "CKSM", "TRE", "TRTT", "TRTO", "TROT", "TROO", "TRTE", "TRTRE", "CU12", "CU21", "CU14", "CU24",
    "CU41", "CU42", "MVPG", "CSP", "CSPG",
];

/// Where the fields that name a relative operand are.
fn is_relative(format: Format) -> bool {
    use Format::*;
    matches!(format, RIb | RIc | RIEb | RIEc | RIEe | RILb | RILc | RSI)
}

/// Element sizes that there are, mostly, and rows of registers that end behind where they begin.
fn vector(i: &mut Insn, dice: &mut Dice) {
    for mask in [&mut i.m3, &mut i.m4, &mut i.m5, &mut i.m6] {
        *mask &= dice.pick(&[15, 7, 3, 3]);
    }
    if i.row.format == Format::VRIc && dice.chance(3, 4) {
        i.i2 &= 15;
    }
    if matches!(i.row.name, "VLM" | "VSTM") && dice.chance(7, 8) {
        i.v3 = (i.v1 + dice.below(16) as u8).min(31);
    }
}

/// The image of an instruction of a row.
fn bent(row: &'static Row, piece: &Piece, at: u64, targets: &[u64]) -> u64 {
    let mut i = Insn::new(row, with_opcode(row, piece.fill));
    let dice = &mut Dice::new(u64::from(piece.bend) | u64::from(row.opcode) << 32);
    if dice.chance(1, 12) {
        // As it came.
        return encode(&i);
    }
    for base in [&mut i.b1, &mut i.b2, &mut i.b4] {
        *base = match dice.below(16) {
            0 => 0,
            1 => *base,
            2 => CODE_POINTER,
            _ => dice.pick(&POINTERS),
        };
    }
    for displacement in [&mut i.d1, &mut i.d2, &mut i.d4] {
        if dice.chance(7, 8) {
            *displacement &= 0x3f;
        }
        if *displacement < 0 && dice.chance(1, 2) {
            *displacement = -(*displacement & 0x3f);
        }
    }
    i.x2 = match dice.below(8) {
        0..=3 => 0,
        4..=6 => INDEX,
        _ => i.x2,
    };
    let long = LONG.contains(&row.name);
    for register in [&mut i.r1, &mut i.r2, &mut i.r3] {
        if long {
            if dice.chance(15, 16) {
                *register = 2 + 2 * (*register % 3);
            }
        } else if dice.chance(7, 8) && (8..14).contains(register) {
            // Addresses stay what they are.
            *register %= 8;
        }
    }
    i.m1 = if row.format == Format::RR { i.r1 } else { i.m1 };
    for length in [&mut i.l1, &mut i.l2] {
        if dice.chance(1, 2) {
            *length %= 16;
        }
    }
    if row.format.is_vector() {
        vector(&mut i, dice);
    }
    if is_relative(row.format) && dice.chance(7, 8) {
        let mut target = dice.pick(targets);
        if row.format == Format::RILb && dice.chance(1, 4) {
            target = target.wrapping_add(dice.below(8) * 2);
        }
        let distance = target.wrapping_sub(at) as i64 >> 1;
        i.i2 = distance;
        if matches!(row.format, Format::RIEb | Format::RIEc) {
            i.i2 = i64::from(piece.fill as i8);
            i.ri4 = distance as i16;
        }
    }
    encode(&i)
}

impl Program {
    /// The program of these pieces; those that do not fit are left out.
    pub(crate) fn new(seed: u64, pieces: &[Piece]) -> Self {
        let dice = &mut Dice::new(seed ^ 0x51ab);
        // Often across the page boundary between the two pages of code.
        let start = match dice.below(4) {
            0 => CODE,
            1 => CODE + 0x800 + 2 * dice.below(64),
            _ => CODE + 0x1000 - 2 * dice.below(40),
        };
        let mut at = start;
        let mut targets = Vec::new();
        for piece in pieces {
            if at + length(piece.kind) + 16 > CODE_END {
                break;
            }
            targets.push(at);
            at += length(piece.kind);
        }
        let mut places: Vec<(u64, Vec<u8>)> = Vec::new();
        for (&at, piece) in targets.iter().zip(pieces) {
            let bytes = match made(piece.kind) {
                Made::Row(row) => {
                    let image = bent(row, piece, at, &targets);
                    image.to_be_bytes()[2..][..length(piece.kind) as usize].to_vec()
                }
                Made::Data => {
                    // brc 15, over it
                    let mut bytes = vec![0xa7, 0xf4, 0x00, 0x06];
                    bytes.extend(piece.fill.to_be_bytes());
                    bytes
                }
                Made::Bytes => piece.fill.to_be_bytes()[..6].to_vec(),
                Made::Loop => {
                    let back = places.last().map_or(0, |(before, _)| at - before);
                    let halfwords = -((back / 2) as i16);
                    // brct %r14
                    let mut bytes = vec![0xa7, 0xe6];
                    bytes.extend(halfwords.to_be_bytes());
                    bytes
                }
            };
            places.push((at, bytes));
        }
        Self { start, places }
    }

    /// Puts it into memory.
    pub(crate) fn place(&self, memory: &mut [u8]) {
        for (at, bytes) in &self.places {
            memory[*at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
    }

    /// The first piece after an address.
    pub(crate) fn after(&self, address: u64) -> Option<u64> {
        let mut later = self.places.iter().map(|&(at, _)| at);
        later.find(|&at| at > address)
    }

    /// As text, an instruction a line.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (at, bytes) in &self.places {
            let mut offset = 0;
            while offset < bytes.len() {
                let here = at + offset as u64;
                let (length, line) = s390x::insn::text::disassemble(here, &bytes[offset..]);
                let digits: String = bytes[offset..]
                    .iter()
                    .take(length.max(1))
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                text.push_str(&format!("  {here:#06x}  {digits:<12}  {line}\n"));
                offset += length.max(1);
            }
        }
        text
    }
}
