//! Replacing and testing bytes by tables: TR, TRT, TRTR, TRE, TROO, TROT, TRTO, TRTT, TRTE,
//! TRTRE.
//!
//! Of a table only the pages count whose bytes are needed (Principles of Operation, TRANSLATE:
//! "access exceptions are recognized only for those bytes ... actually required"). Not here:
//! code conversions without tables ([`super::unicode`]).

use tcg::helper::{Effects, HelperDef, Intrinsic};
use tcg::ir::MemMode;
use tcg::{Guest, Trap};

use super::operand::{
    address, distance, first, insert_address, length, piece, read, read_byte, read_for_update,
    room, second, set_address, set_length, write,
};
use crate::cpu::{ProgramCode, S390Cpu, sets};

/// TR: `(dst, table, length, spaces)`.
pub static TR: HelperDef =
    HelperDef::new4("tr", Effects::MEMORY, tr).with_intrinsic(Intrinsic::TranslateBytes);
/// TRT: `(address, table, length, spaces)`; the condition code.
pub static TRT: HelperDef = HelperDef::new4(
    "trt",
    Effects::GLOBALS.within(sets::GR1.and(sets::GR2), sets::GR1.and(sets::GR2)),
    trt,
);
/// TRTR: `(address, table, length, spaces)`; the condition code.
pub static TRTR: HelperDef = HelperDef::new4(
    "trtr",
    Effects::GLOBALS.within(sets::GR1.and(sets::GR2), sets::GR1.and(sets::GR2)),
    trtr,
);
/// TRE: `(r1, r2, spaces)`; the condition code.
pub static TRE: HelperDef =
    HelperDef::new3("tre", Effects::ALL.within(sets::GPRS, sets::GPRS), tre);
/// TROO: `(r1, r2, m3, spaces)`; the condition code.
pub static TROO: HelperDef = HelperDef::new4(
    "troo",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), 1, 1),
);
/// TROT: `(r1, r2, m3, spaces)`; the condition code.
pub static TROT: HelperDef = HelperDef::new4(
    "trot",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), 1, 2),
);
/// TRTO: `(r1, r2, m3, spaces)`; the condition code.
pub static TRTO: HelperDef = HelperDef::new4(
    "trto",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), 2, 1),
);
/// TRTT: `(r1, r2, m3, spaces)`; the condition code.
pub static TRTT: HelperDef = HelperDef::new4(
    "trtt",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), 2, 2),
);
/// TRTE: `(r1, r2, m3, spaces)`; the condition code.
pub static TRTE: HelperDef = HelperDef::new4(
    "trte",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| test_extended(cpu, (r1, r2, m3, spaces), false),
);
/// TRTRE: `(r1, r2, m3, spaces)`; the condition code.
pub static TRTRE: HelperDef = HelperDef::new4(
    "trtre",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| test_extended(cpu, (r1, r2, m3, spaces), true),
);

const FIELD: usize = 256;

/// Characters that one execution of an instruction with lengths in registers processes at most.
const CHARACTERS: u64 = 2048;

/// A table of 256 bytes, fetched by the page when first needed.
struct Table {
    mode: MemMode,
    base: u64,
    bytes: [u8; FIELD],
    /// How much lies in the first page.
    split: usize,
    fetched: [bool; 2],
}

impl Table {
    fn new(mode: MemMode, base: u64) -> Self {
        Self {
            mode,
            base,
            bytes: [0; FIELD],
            split: room(base).min(FIELD as u64) as usize,
            fetched: [false; 2],
        }
    }

    #[inline(always)]
    fn get(&mut self, cpu: &mut S390Cpu, index: u8) -> Result<u8, Trap> {
        let index = usize::from(index);
        let part = usize::from(index >= self.split);
        if !self.fetched[part] {
            self.fetch(cpu, part)?;
        }
        Ok(self.bytes[index])
    }

    #[cold]
    fn fetch(&mut self, cpu: &mut S390Cpu, part: usize) -> Result<(), Trap> {
        let range = if part == 0 {
            0..self.split
        } else {
            self.split..FIELD
        };
        let at = self.base.wrapping_add(range.start as u64);
        read(cpu, self.mode, at, &mut self.bytes[range])?;
        self.fetched[part] = true;
        Ok(())
    }

    /// All of the table, if it lies in one page and so is needed wholly for any byte.
    fn whole(&mut self, cpu: &mut S390Cpu) -> Result<Option<&[u8; FIELD]>, Trap> {
        if self.split < FIELD {
            return Ok(None);
        }
        if !self.fetched[0] {
            self.fetch(cpu, 0)?;
        }
        Ok(Some(&self.bytes))
    }
}

pub(super) fn tr(
    cpu: &mut S390Cpu,
    dst: u64,
    table: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let count = (length as usize).min(FIELD);
    let mut field = [0; FIELD];
    let field = &mut field[..count];
    read_for_update(cpu, first(spaces), dst, field)?;
    let within = |distance: Option<u64>, length: usize| {
        distance.is_some_and(|distance| distance < length as u64)
    };
    let overlaps = within(distance(cpu, dst, table, spaces), FIELD)
        || within(distance(cpu, table, dst, spaces), count);
    let mut lookup = Table::new(second(spaces), cpu.wrap_address(table));
    if overlaps {
        // The field is part of the table: bytes replaced so far count.
        for at in 0..count {
            let entry = cpu.wrap_address(table.wrapping_add(u64::from(field[at])));
            let inside = cpu.wrap_address(entry.wrapping_sub(dst));
            field[at] = match field.get(inside as usize) {
                Some(&byte) if inside < count as u64 => byte,
                _ => lookup.get(cpu, field[at])?,
            };
        }
    } else if let Some(bytes) = lookup.whole(cpu)? {
        for byte in field.iter_mut() {
            *byte = bytes[usize::from(*byte)];
        }
    } else {
        for byte in field.iter_mut() {
            *byte = lookup.get(cpu, *byte)?;
        }
    }
    write(cpu, first(spaces), dst, field)?;
    Ok(0)
}

/// TRT and TRTR found something: where and what go to registers 1 and 2.
fn found(cpu: &mut S390Cpu, at: u64, function: u8, last: bool) -> u64 {
    insert_address(cpu, 1, at);
    cpu.gpr[2] = cpu.gpr[2] & !0xff | u64::from(function);
    if last { 2 } else { 1 }
}

pub(super) fn trt(
    cpu: &mut S390Cpu,
    at: u64,
    table: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let mut lookup = Table::new(second(spaces), cpu.wrap_address(table));
    let mut at = cpu.wrap_address(at);
    let mut rest = length;
    while rest > 0 {
        let mut field = [0; FIELD];
        let count = rest.min(room(at)).min(FIELD as u64);
        let field = &mut field[..count as usize];
        read(cpu, first(spaces), at, field)?;
        for (offset, &byte) in (0..).zip(&*field) {
            let function = lookup.get(cpu, byte)?;
            if function != 0 {
                return Ok(found(
                    cpu,
                    at.wrapping_add(offset),
                    function,
                    offset + 1 == rest,
                ));
            }
        }
        at = cpu.wrap_address(at.wrapping_add(count));
        rest -= count;
    }
    Ok(0)
}

fn trtr(cpu: &mut S390Cpu, at: u64, table: u64, length: u64, spaces: u64) -> Result<u64, Trap> {
    let mut lookup = Table::new(second(spaces), cpu.wrap_address(table));
    let mut at = cpu.wrap_address(at);
    for left in (1..=length).rev() {
        let byte = read_byte(cpu, first(spaces), at)?;
        let function = lookup.get(cpu, byte)?;
        if function != 0 {
            return Ok(found(cpu, at, function, left == 1));
        }
        at = cpu.wrap_address(at.wrapping_sub(1));
    }
    Ok(0)
}

fn tre(cpu: &mut S390Cpu, r1: u64, r2: u64, spaces: u64) -> Result<u64, Trap> {
    let (r1, r2) = (r1 as usize & 14, r2 as usize);
    let stop = cpu.gpr[0] as u8;
    let mut lookup = Table::new(second(spaces), address(cpu, r2));
    let (mut at, mut left) = (address(cpu, r1), length(cpu, r1 + 1));
    let mut budget = CHARACTERS;
    let mut result = Ok(0);
    while left > 0 {
        if budget == 0 {
            result = Ok(3);
            break;
        }
        let mut field = [0; FIELD];
        let count = left.min(room(at)).min(FIELD as u64);
        let field = &mut field[..count as usize];
        if let Err(trap) = read_for_update(cpu, first(spaces), at, field) {
            result = Err(trap);
            break;
        }
        let mut done = 0;
        let mut end = None;
        for byte in field.iter_mut() {
            if *byte == stop {
                end = Some(Ok(1));
                break;
            }
            match lookup.get(cpu, *byte) {
                Ok(function) => *byte = function,
                Err(trap) => {
                    end = Some(Err(trap));
                    break;
                }
            }
            done += 1;
        }
        if let Err(trap) = write(cpu, first(spaces), at, &field[..done]) {
            result = Err(trap);
            break;
        }
        cpu.per_unit_done();
        at = cpu.wrap_address(at.wrapping_add(done as u64));
        left -= done as u64;
        budget = budget.saturating_sub(count);
        if let Some(end) = end {
            result = end;
            break;
        }
    }
    set_address(cpu, r1, at);
    set_length(cpu, r1 + 1, left);
    result
}

/// TROO, TROT, TRTO, TRTT: every source character of `from` bytes selects one of `to` bytes from
/// the table that register 1 designates. A selected character that equals the test character in
/// register 0 ends the instruction, unless the mask's bit 3 is one.
fn convert(
    cpu: &mut S390Cpu,
    (r1, r2, m3, spaces): (u64, u64, u64, u64),
    from: u64,
    to: u64,
) -> Result<u64, Trap> {
    let (r1, r2) = (r1 as usize & 14, r2 as usize);
    let (table_space, spaces) = (MemMode((spaces >> 16) as u8), spaces & 0xffff);
    let test = (m3 & 1 == 0).then_some(cpu.gpr[0] & if to == 2 { 0xffff } else { 0xff });
    // Facility 24 (ETF2 enhancement) asks for doubleword alignment only.
    let table = address(cpu, 1) & !7;
    let (mut dst, mut src) = (address(cpu, r1), address(cpu, r2));
    let mut left = length(cpu, r1 + 1);
    if !left.is_multiple_of(from) {
        return Err(ProgramCode::Specification.into());
    }
    let mut budget = CHARACTERS;
    let mut result = Ok(0);
    'pieces: while left > 0 {
        if budget == 0 {
            result = Ok(3);
            break;
        }
        let count = (piece(src, left.min(256), from) / from).min(piece(dst, 512, to) / to);
        let (mut input, mut output) = ([0; 512], [0; 512]);
        let input = &mut input[..(count * from) as usize];
        if let Err(trap) = read(cpu, second(spaces), src, input) {
            result = Err(trap);
            break;
        }
        let mut done = 0;
        let mut end = None;
        for character in input.chunks_exact(from as usize) {
            let index = big_endian(character);
            let entry = cpu.wrap_address(table.wrapping_add(index * to));
            let mut selected = [0; 2];
            let selected = &mut selected[..to as usize];
            if let Err(trap) = read(cpu, table_space, entry, selected) {
                end = Some(Err(trap));
                break;
            }
            if test == Some(big_endian(selected)) {
                end = Some(Ok(1));
                break;
            }
            output[done * to as usize..][..to as usize].copy_from_slice(selected);
            done += 1;
        }
        if done > 0 {
            let output = &output[..done * to as usize];
            if let Err(trap) = write(cpu, first(spaces), dst, output) {
                result = Err(trap);
                break 'pieces;
            }
        }
        cpu.per_unit_done();
        let done = done as u64;
        dst = cpu.wrap_address(dst.wrapping_add(done * to));
        src = cpu.wrap_address(src.wrapping_add(done * from));
        left -= done * from;
        budget = budget.saturating_sub(count);
        if let Some(end) = end {
            result = end;
            break;
        }
    }
    set_address(cpu, r1, dst);
    set_length(cpu, r1 + 1, left);
    set_address(cpu, r2, src);
    result
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// TRTE and TRTRE. Mask bit 0: arguments of two bytes; bit 1: function codes of two bytes; bit
/// 2: arguments above 255 have function code 0.
fn test_extended(
    cpu: &mut S390Cpu,
    (r1, r2, m3, spaces): (u64, u64, u64, u64),
    backwards: bool,
) -> Result<u64, Trap> {
    let (r1, r2) = (r1 as usize & 14, r2 as usize);
    let (mode, table_space) = (first(spaces), second(spaces));
    let argument = if m3 & 8 != 0 { 2 } else { 1 };
    let function_size = if m3 & 4 != 0 { 2 } else { 1 };
    let limited = m3 & 2 != 0 && argument == 2;
    let table = address(cpu, 1) & !7;
    let (mut at, mut left) = (address(cpu, r1), length(cpu, r1 + 1));
    if left % argument != 0 {
        return Err(ProgramCode::Specification.into());
    }
    let mut budget = CHARACTERS;
    let mut code = 0;
    let result = loop {
        if left == 0 {
            break Ok(0);
        }
        if budget == 0 {
            break Ok(3);
        }
        let mut bytes = [0; 2];
        let character = &mut bytes[..argument as usize];
        if let Err(trap) = read(cpu, mode, at, character) {
            break Err(trap);
        }
        let index = big_endian(character);
        if !(limited && index > 255) {
            let mut bytes = [0; 2];
            let function = &mut bytes[..function_size as usize];
            let entry = cpu.wrap_address(table.wrapping_add(index * function_size));
            if let Err(trap) = read(cpu, table_space, entry, function) {
                break Err(trap);
            }
            code = big_endian(function);
            if code != 0 {
                break Ok(1);
            }
        }
        at = cpu.wrap_address(if backwards {
            at.wrapping_sub(argument)
        } else {
            at.wrapping_add(argument)
        });
        left -= argument;
        budget -= 1;
    };
    if let Ok(0 | 1) = result {
        // The function code fills the register as wide as lengths are.
        set_length(cpu, r2, code);
    }
    set_address(cpu, r1, at);
    set_length(cpu, r1 + 1, left);
    result
}
