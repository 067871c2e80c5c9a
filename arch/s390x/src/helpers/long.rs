//! Moving and comparing operands whose lengths are in registers: MVCL, CLCL, MVCLE, CLCLE,
//! MVCLU, CLCLU.
//!
//! All are interruptible: they work in pieces of a page, the registers always say what is left,
//! and a fault finds them at its piece. After [`BUDGET`] bytes MVCL and CLCL ask to be
//! executed again, the others end with condition code 3. Not here: strings that end at a
//! character ([`super::string`]).

use std::sync::OnceLock;

use tcg::helper::{Effects, HelperDef};
use tcg::{Access, Trap, mem};

use super::operand::{
    BUDGET, RESTART, address, first, length, low_half, mismatch, order, overlap, piece, read, room,
    second, set_address, set_length, write,
};
use crate::cpu::{S390Cpu, sets};

/// MVCL: `(r1, r2, spaces)`; the condition code or [`RESTART`].
pub static MVCL: HelperDef =
    HelperDef::new3("mvcl", Effects::ALL.within(sets::GPRS, sets::GPRS), mvcl);
/// CLCL: `(r1, r2, spaces)`; the condition code or [`RESTART`].
pub static CLCL: HelperDef = HelperDef::new3(
    "clcl",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    clcl,
);
/// MVCLE with these registers: `(r1, r3, pad, spaces)`; the condition code. Each pair of pairs has
/// a definition of its own, which says that no other register is touched.
pub fn mvcle_of(r1: u8, r3: u8) -> &'static HelperDef {
    static DEFS: [OnceLock<HelperDef>; 64] = [const { OnceLock::new() }; 64];
    DEFS[usize::from(r1 >> 1 & 7) << 3 | usize::from(r3 >> 1 & 7)].get_or_init(|| {
        let both = sets::pair(r1).and(sets::pair(r3));
        HelperDef::new4("mvcle", Effects::ALL.within(both, both), mvcle)
    })
}
/// CLCLE: `(r1, r3, pad, spaces)`; the condition code.
pub static CLCLE: HelperDef = HelperDef::new4(
    "clcle",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    clcle,
);
/// MVCLU: `(r1, r3, pad, spaces)`; the condition code.
pub static MVCLU: HelperDef =
    HelperDef::new4("mvclu", Effects::ALL.within(sets::GPRS, sets::GPRS), mvclu);
/// CLCLU: `(r1, r3, pad, spaces)`; the condition code.
pub static CLCLU: HelperDef = HelperDef::new4(
    "clclu",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    clclu,
);

/// Most bytes copied at once.
const PIECE: usize = 256;

/// What is left of two operands.
struct Pair {
    /// Register numbers of the two addresses.
    registers: [usize; 2],
    /// Addresses of what is left.
    at: [u64; 2],
    /// Bytes left.
    left: [u64; 2],
    spaces: u64,
    /// Repeated behind the end of the shorter operand.
    pad: [u8; 2],
    /// Bytes that are processed together: 1 or 2.
    unit: u64,
}

/// How a helper got on.
enum Progress {
    /// Everything is done.
    Done,
    /// The budget is used up.
    More,
}

impl Pair {
    /// Moves at most the budget; what has been moved is no longer left, also after a trap.
    fn advance_move(&mut self, cpu: &mut S390Cpu) -> Result<Progress, Trap> {
        let mut budget = BUDGET;
        while self.left[0] > 0 {
            if budget == 0 {
                return Ok(Progress::More);
            }
            let count = self.move_piece(cpu, budget.min(self.left[0]))?;
            self.step(0, count);
            self.step(1, count);
            cpu.per_unit_done();
            budget = budget.saturating_sub(count);
        }
        Ok(Progress::Done)
    }

    /// Moves what lies in one page of each operand, or a character that does not; the bytes.
    fn move_piece(&self, cpu: &mut S390Cpu, limit: u64) -> Result<u64, Trap> {
        let (to, from) = (first(self.spaces), second(self.spaces));
        let padding = self.left[1] == 0;
        let source = if padding {
            None
        } else {
            let most = limit.min(self.left[1]);
            Some(mem::span(cpu, from, Access::Read, self.at[1], most)?)
        };
        let limit = source.map_or(limit, |source| limit.min(source.len() as u64));
        let target = mem::span(cpu, to, Access::Write, self.at[0], limit)?;
        let count = source.map_or(target.len(), |source| source.len().min(target.len()));
        let count = count - count % self.unit as usize;
        let target = target.first(count);
        match source {
            _ if count == 0 => {
                let mut character = self.pad;
                let character = &mut character[..self.unit as usize];
                if !padding {
                    read(cpu, from, self.at[1], character)?;
                }
                write(cpu, to, self.at[0], character)?;
                return Ok(self.unit);
            }
            Some(source) => target.copy_from(&cpu.core, &source),
            None if self.pad[0] == self.pad[1] => target.fill(&cpu.core, self.pad[0]),
            None => {
                let mut pattern = [0; PIECE];
                self.fill(&mut pattern);
                let target = target.first(PIECE);
                target.write(&cpu.core, &pattern);
                return Ok(target.len() as u64);
            }
        }
        Ok(count as u64)
    }

    /// Compares at most the budget; stops at the first units that differ.
    fn advance_compare(&mut self, cpu: &mut S390Cpu) -> Result<(Progress, u64), Trap> {
        let mut budget = BUDGET;
        while self.left[0] > 0 || self.left[1] > 0 {
            if budget == 0 {
                return Ok((Progress::More, 3));
            }
            let mut count = budget;
            for side in 0..2 {
                if self.left[side] > 0 {
                    count = count.min(piece(self.at[side], self.left[side], self.unit));
                }
            }
            let in_pages = |side: usize| count <= room(self.at[side]);
            let difference = if self.left[0] > 0 && self.left[1] > 0 && in_pages(0) && in_pages(1) {
                let (a, b) = (first(self.spaces), second(self.spaces));
                let a = mem::span(cpu, a, Access::Read, self.at[0], count)?;
                let b = mem::span(cpu, b, Access::Read, self.at[1], count)?;
                a.first_difference(&cpu.core, &b)
            } else {
                count = count.min(PIECE as u64);
                self.compare_copies(cpu, count as usize)?
            };
            if let Some((byte, a, b)) = difference {
                let equal = byte as u64 - byte as u64 % self.unit;
                self.step(0, equal);
                self.step(1, equal);
                return Ok((Progress::Done, order(a, b)));
            }
            self.step(0, count);
            self.step(1, count);
            budget = budget.saturating_sub(count);
        }
        Ok((Progress::Done, 0))
    }

    /// Compares where an operand has ended or crosses a page.
    fn compare_copies(
        &self,
        cpu: &mut S390Cpu,
        count: usize,
    ) -> Result<Option<(usize, u8, u8)>, Trap> {
        let mut buffers = [[0; PIECE]; 2];
        for (side, buffer) in buffers.iter_mut().enumerate() {
            let bytes = &mut buffer[..count];
            let space = [first(self.spaces), second(self.spaces)][side];
            if self.left[side] > 0 {
                read(cpu, space, self.at[side], bytes)?;
            } else {
                self.fill(bytes);
            }
        }
        let [a, b] = &buffers;
        Ok(mismatch(&a[..count], &b[..count]).map(|at| (at, a[at], b[at])))
    }

    fn fill(&self, bytes: &mut [u8]) {
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = self.pad[at % 2];
        }
    }

    /// `count` bytes of a side are done; of padding nothing is used up.
    fn step(&mut self, side: usize, count: u64) {
        if self.left[side] > 0 {
            self.at[side] = self.at[side].wrapping_add(count);
            self.left[side] -= count;
        }
    }

    fn save_addresses(&self, cpu: &mut S390Cpu) {
        for side in 0..2 {
            set_address(cpu, self.registers[side], self.at[side]);
        }
    }
}

/// The operands of MVCL and CLCL: 24-bit lengths, padding byte left of the second.
fn short_pair(cpu: &S390Cpu, r1: u64, r2: u64, spaces: u64) -> Pair {
    let registers = [r1 as usize & 14, r2 as usize & 14];
    let pad = (cpu.gpr[registers[1] + 1] >> 24) as u8;
    Pair {
        registers,
        at: registers.map(|r| address(cpu, r)),
        left: registers.map(|r| cpu.gpr[r + 1] & 0x00ff_ffff),
        spaces,
        pad: [pad; 2],
        unit: 1,
    }
}

fn save_short(cpu: &mut S390Cpu, pair: &Pair) {
    pair.save_addresses(cpu);
    for side in 0..2 {
        let register = &mut cpu.gpr[pair.registers[side] + 1];
        let kept = *register & 0xff00_0000;
        *register = low_half(*register, kept | pair.left[side]);
    }
}

fn mvcl(cpu: &mut S390Cpu, r1: u64, r2: u64, spaces: u64) -> Result<u64, Trap> {
    let mut pair = short_pair(cpu, r1, r2, spaces);
    let cc = order(pair.left[0], pair.left[1]);
    let moved = pair.left[0].min(pair.left[1]);
    if overlap(cpu, pair.at[0], pair.at[1], moved, spaces).is_some() {
        save_short(cpu, &pair);
        return Ok(3);
    }
    let progress = pair.advance_move(cpu);
    save_short(cpu, &pair);
    Ok(match progress? {
        Progress::Done => cc,
        Progress::More => RESTART,
    })
}

fn clcl(cpu: &mut S390Cpu, r1: u64, r2: u64, spaces: u64) -> Result<u64, Trap> {
    let mut pair = short_pair(cpu, r1, r2, spaces);
    let progress = pair.advance_compare(cpu);
    save_short(cpu, &pair);
    Ok(match progress? {
        (Progress::Done, cc) => cc,
        (Progress::More, _) => RESTART,
    })
}

/// The operands of MVCLE and its kin: lengths as wide as addresses, padding from an address.
fn long_pair(cpu: &S390Cpu, r1: u64, r3: u64, pad: [u8; 2], unit: u64, spaces: u64) -> Pair {
    let registers = [r1 as usize & 14, r3 as usize & 14];
    Pair {
        registers,
        at: registers.map(|r| address(cpu, r)),
        left: registers.map(|r| length(cpu, r + 1)),
        spaces,
        pad,
        unit,
    }
}

fn save_long(cpu: &mut S390Cpu, pair: &Pair) {
    pair.save_addresses(cpu);
    for side in 0..2 {
        set_length(cpu, pair.registers[side] + 1, pair.left[side]);
    }
}

fn move_long(cpu: &mut S390Cpu, mut pair: Pair) -> Result<u64, Trap> {
    let cc = order(pair.left[0], pair.left[1]);
    let progress = pair.advance_move(cpu);
    save_long(cpu, &pair);
    Ok(match progress? {
        Progress::Done => cc,
        Progress::More => 3,
    })
}

fn compare_long(cpu: &mut S390Cpu, mut pair: Pair) -> Result<u64, Trap> {
    let progress = pair.advance_compare(cpu);
    save_long(cpu, &pair);
    progress.map(|(_, cc)| cc)
}

fn mvcle(cpu: &mut S390Cpu, r1: u64, r3: u64, pad: u64, spaces: u64) -> Result<u64, Trap> {
    let pair = long_pair(cpu, r1, r3, [pad as u8; 2], 1, spaces);
    move_long(cpu, pair)
}

fn clcle(cpu: &mut S390Cpu, r1: u64, r3: u64, pad: u64, spaces: u64) -> Result<u64, Trap> {
    let pair = long_pair(cpu, r1, r3, [pad as u8; 2], 1, spaces);
    compare_long(cpu, pair)
}

/// A length that is no whole number of characters is a specification exception.
fn unicode_pair(cpu: &S390Cpu, r1: u64, r3: u64, pad: u64, spaces: u64) -> Result<Pair, Trap> {
    let pair = long_pair(cpu, r1, r3, (pad as u16).to_be_bytes(), 2, spaces);
    if (pair.left[0] | pair.left[1]) & 1 != 0 {
        return Err(crate::cpu::ProgramCode::Specification.into());
    }
    Ok(pair)
}

fn mvclu(cpu: &mut S390Cpu, r1: u64, r3: u64, pad: u64, spaces: u64) -> Result<u64, Trap> {
    let pair = unicode_pair(cpu, r1, r3, pad, spaces)?;
    move_long(cpu, pair)
}

fn clclu(cpu: &mut S390Cpu, r1: u64, r3: u64, pad: u64, spaces: u64) -> Result<u64, Trap> {
    let pair = unicode_pair(cpu, r1, r3, pad, spaces)?;
    compare_long(cpu, pair)
}
