//! Strings that end at a character: MVST, CLST, SRST, SRSTU, CUSE; and the checksum CKSM.
//!
//! They work page by page and end with condition code 3 after [`BUDGET`] bytes, which the
//! architecture leaves to the CPU. A fault finds the registers at its piece. Not here: operands
//! with two lengths ([`super::long`]).

use tcg::helper::{Effects, HelperDef};
use tcg::ir::MemMode;
use tcg::{Access, Guest, Trap, mem};

use super::operand::{
    BUDGET, address, first, length, low_half, order, piece, read, room, second, set_address,
    set_length,
};
use crate::cpu::{ProgramCode, S390Cpu, sets};

/// MVST: `(r1, r2, spaces)`; the condition code.
pub static MVST: HelperDef =
    HelperDef::new3("mvst", Effects::ALL.within(sets::GPRS, sets::GPRS), mvst);
/// CLST: `(r1, r2, spaces)`; the condition code.
pub static CLST: HelperDef = HelperDef::new3(
    "clst",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    clst,
);
/// SRST: `(r1, r2, space)`; the condition code.
pub static SRST: HelperDef = HelperDef::new3(
    "srst",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    srst,
);
/// SRSTU: `(r1, r2, space)`; the condition code.
pub static SRSTU: HelperDef = HelperDef::new3(
    "srstu",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    srstu,
);
/// CUSE: `(r1, r2, spaces)`; the condition code.
pub static CUSE: HelperDef = HelperDef::new3(
    "cuse",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    cuse,
);
/// CKSM: `(r1, r2, space)`; the condition code.
pub static CKSM: HelperDef = HelperDef::new3(
    "cksm",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    cksm,
);

const PIECE: usize = 1024;

/// Register 0's character of 8 or 16 bits; the bits left of it in the low half must be zero.
fn character(cpu: &S390Cpu, bits: u32) -> Result<u32, Trap> {
    let low = cpu.gpr[0] as u32;
    if low >> bits == 0 {
        Ok(low)
    } else {
        Err(ProgramCode::Specification.into())
    }
}

fn mvst(cpu: &mut S390Cpu, r1: u64, r2: u64, spaces: u64) -> Result<u64, Trap> {
    let end = character(cpu, 8)? as u8;
    let (r1, r2) = (r1 as usize, r2 as usize);
    let (mut dst, mut src) = (address(cpu, r1), address(cpu, r2));
    let mut budget = BUDGET;
    let result = loop {
        if budget == 0 {
            break Ok(3);
        }
        let source = match mem::span(cpu, second(spaces), Access::Read, src, budget) {
            Ok(source) => source.first(room(dst) as usize),
            Err(trap) => break Err(trap),
        };
        let found = source.position(&cpu.core, end);
        let source = source.first(found.map_or(source.len(), |at| at + 1));
        match mem::span(cpu, first(spaces), Access::Write, dst, source.len() as u64) {
            Ok(target) => target.copy_from(&cpu.core, &source),
            Err(trap) => break Err(trap),
        }
        cpu.per_unit_done();
        if let Some(at) = found {
            set_address(cpu, r1, dst.wrapping_add(at as u64));
            return Ok(1);
        }
        let count = source.len() as u64;
        dst = cpu.wrap_address(dst.wrapping_add(count));
        src = cpu.wrap_address(src.wrapping_add(count));
        budget -= count;
    };
    set_address(cpu, r1, dst);
    set_address(cpu, r2, src);
    result
}

fn clst(cpu: &mut S390Cpu, r1: u64, r2: u64, spaces: u64) -> Result<u64, Trap> {
    let end = character(cpu, 8)? as u8;
    let (r1, r2) = (r1 as usize, r2 as usize);
    let (mut a, mut b) = (address(cpu, r1), address(cpu, r2));
    let mut budget = BUDGET;
    let result = loop {
        if budget == 0 {
            break Ok(3);
        }
        let spans = mem::span(cpu, first(spaces), Access::Read, a, budget).and_then(|left| {
            let right = mem::span(cpu, second(spaces), Access::Read, b, budget)?;
            Ok((left, right))
        });
        let (left, right) = match spans {
            Ok(spans) => spans,
            Err(trap) => break Err(trap),
        };
        let difference = left.first_difference(&cpu.core, &right);
        let equal = difference.map_or(left.len().min(right.len()), |(at, ..)| at);
        if left.first(equal).position(&cpu.core, end).is_some() {
            return Ok(0);
        }
        let step = equal as u64;
        a = cpu.wrap_address(a.wrapping_add(step));
        b = cpu.wrap_address(b.wrapping_add(step));
        budget -= step;
        if let Some((_, left, right)) = difference {
            // The operand that ends here is the low one, whatever its ending character is.
            break Ok(match (left == end, right == end) {
                (true, _) => 1,
                (_, true) => 2,
                _ => order(left, right),
            });
        }
    };
    set_address(cpu, r1, a);
    set_address(cpu, r2, b);
    result
}

/// Bytes from `at` to `end` as a search sees them: the address wraps, and equal addresses are
/// the end.
fn distance_to(cpu: &S390Cpu, at: u64, end: u64) -> u64 {
    cpu.wrap_address(end.wrapping_sub(at))
}

fn srst(cpu: &mut S390Cpu, r1: u64, r2: u64, space: u64) -> Result<u64, Trap> {
    let wanted = character(cpu, 8)? as u8;
    search(
        cpu,
        r1 as usize,
        r2 as usize,
        MemMode(space as u8),
        &[wanted],
    )
}

fn srstu(cpu: &mut S390Cpu, r1: u64, r2: u64, space: u64) -> Result<u64, Trap> {
    let wanted = (character(cpu, 16)? as u16).to_be_bytes();
    search(cpu, r1 as usize, r2 as usize, MemMode(space as u8), &wanted)
}

/// Searches whole characters; an end that cuts one in two ends the search before it.
fn search(
    cpu: &mut S390Cpu,
    r1: usize,
    r2: usize,
    mode: MemMode,
    wanted: &[u8],
) -> Result<u64, Trap> {
    let unit = wanted.len() as u64;
    let end = address(cpu, r1);
    let mut at = address(cpu, r2);
    let mut budget = BUDGET;
    loop {
        let left = distance_to(cpu, at, end);
        if left < unit {
            return Ok(2);
        }
        if budget == 0 {
            set_address(cpu, r2, at);
            return Ok(3);
        }
        let found = find_in_page(cpu, mode, (at, left.min(budget)), wanted);
        let (found, count) = match found {
            Ok(found) => found,
            Err(trap) => {
                set_address(cpu, r2, at);
                return Err(trap);
            }
        };
        if let Some(offset) = found {
            set_address(cpu, r1, at.wrapping_add(offset));
            return Ok(1);
        }
        at = cpu.wrap_address(at.wrapping_add(count));
        budget = budget.saturating_sub(count);
    }
}

/// Where a character is in the rest of a page, and how many bytes have been searched.
fn find_in_page(
    cpu: &mut S390Cpu,
    mode: MemMode,
    (at, limit): (u64, u64),
    wanted: &[u8],
) -> Result<(Option<u64>, u64), Trap> {
    if let &[wanted] = wanted {
        let span = mem::span(cpu, mode, Access::Read, at, limit)?;
        let found = span.position(&cpu.core, wanted).map(|at| at as u64);
        return Ok((found, span.len() as u64));
    }
    let unit = wanted.len() as u64;
    let mut buffer = [0; PIECE];
    let count = piece(at, limit.min(PIECE as u64), unit);
    let bytes = &mut buffer[..count as usize];
    read(cpu, mode, at, bytes)?;
    let index = bytes.chunks_exact(wanted.len()).position(|c| c == wanted);
    Ok((index.map(|index| index as u64 * unit), count))
}

/// One side of CUSE.
#[derive(Clone, Copy)]
struct Side {
    at: u64,
    left: u64,
}

impl Side {
    /// The next byte, or the padding behind the end.
    fn peek(&self, cpu: &mut S390Cpu, mode: MemMode, pad: u8) -> Result<u8, Trap> {
        if self.left == 0 {
            return Ok(pad);
        }
        super::operand::read_byte(cpu, mode, self.at)
    }

    fn step(&mut self, cpu: &S390Cpu) {
        if self.left > 0 {
            self.at = cpu.wrap_address(self.at.wrapping_add(1));
            self.left -= 1;
        }
    }
}

fn cuse(cpu: &mut S390Cpu, r1: u64, r2: u64, spaces: u64) -> Result<u64, Trap> {
    let registers = [r1 as usize & 14, r2 as usize & 14];
    let wanted = cpu.gpr[0] as u8;
    let pad = cpu.gpr[1] as u8;
    let wide = cpu.wrap_address(u64::MAX) == u64::MAX;
    let mut sides = registers.map(|r| {
        // Lengths are signed; a negative one counts as zero.
        let length = length(cpu, r + 1);
        let negative = (if wide { length } else { length << 32 } as i64) < 0;
        Side {
            at: address(cpu, r),
            left: if negative { 0 } else { length },
        }
    });
    let given = sides;
    let mut start = sides;
    let mut equal = 0;
    let mut compared = 0;
    let result = loop {
        if equal == wanted {
            break Ok(0);
        }
        if sides[0].left == 0 && sides[1].left == 0 {
            break Ok(if equal > 0 { 1 } else { 2 });
        }
        if equal == 0 && compared >= BUDGET / 16 {
            break Ok(3);
        }
        let a = sides[0].peek(cpu, first(spaces), pad);
        let b = sides[1].peek(cpu, second(spaces), pad);
        let (a, b) = match (a, b) {
            (Ok(a), Ok(b)) => (a, b),
            (Err(trap), _) | (_, Err(trap)) => break Err(trap),
        };
        for side in &mut sides {
            side.step(cpu);
        }
        compared += 1;
        if a == b {
            equal += 1;
        } else {
            equal = 0;
            start = sides;
        }
    };
    for ((register, side), before) in registers.into_iter().zip(start).zip(given) {
        set_address(cpu, register, side.at);
        if side.left != before.left {
            set_length(cpu, register + 1, side.left);
        }
    }
    result
}

fn cksm(cpu: &mut S390Cpu, r1: u64, r2: u64, space: u64) -> Result<u64, Trap> {
    let (r1, r2) = (r1 as usize, r2 as usize & 14);
    let (mut at, mut left) = (address(cpu, r2), length(cpu, r2 + 1));
    // End-around carries may be added at the end: the sum is kept modulo 2^32 - 1.
    let mut sum = cpu.gpr[r1] & u64::from(u32::MAX);
    let mut budget = BUDGET;
    let mut result = Ok(0);
    while left > 0 {
        if budget == 0 {
            result = Ok(3);
            break;
        }
        let mut buffer = [0; PIECE];
        let limit = left.min(PIECE as u64).min(budget);
        let count = piece(at, limit, 4).min(left);
        let bytes = &mut buffer[..count.next_multiple_of(4) as usize];
        if let Err(trap) = read(cpu, MemMode(space as u8), at, &mut bytes[..count as usize]) {
            result = Err(trap);
            break;
        }
        sum = bytes.chunks_exact(4).fold(sum, |sum, word| {
            sum + u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
        });
        at = cpu.wrap_address(at.wrapping_add(count));
        left -= count;
        budget = budget.saturating_sub(count);
    }
    while sum > u64::from(u32::MAX) {
        sum = (sum & u64::from(u32::MAX)) + (sum >> 32);
    }
    cpu.gpr[r1] = low_half(cpu.gpr[r1], sum);
    set_address(cpu, r2, at);
    set_length(cpu, r2 + 1, left);
    result
}
