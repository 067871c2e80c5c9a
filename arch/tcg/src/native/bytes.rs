//! Fields of up to 256 bytes inline: copied, cleared, combined, compared, translated.
//!
//! A field's bytes are where its page is, and the first look-up of the TLB tells: each operand is
//! in one page, or the helper does it. A field is then loaded wholly before any of it is stored,
//! in chunks of which the last one may overlap the one before; so only a target that begins inside
//! its own source, behind its first byte, is to be kept apart, since it repeats that source. One
//! of these is common: each byte is a copy of the one before, which fills the field.
//!
//! 16 and 32 bytes at once need AVX2. Not here: fields whose length is in a register
//! ([`super::lengths`]).

use super::asm::{Alu, Cc, Label, Mem, Reg, Width, at, at_index};
use super::call::Source;
use super::leave::Ending;
use super::lower::Lower;
use super::memory::{Field, Length};
use crate::guest::Guest;
use crate::helper::HelperDef;
use crate::ir::{MemMode, Val};
use crate::mem::BytesOp;

/// How a field is accessed: chunks of a power of two of bytes.
#[derive(Debug, Clone)]
struct Chunks {
    bytes: u16,
    offsets: Vec<i32>,
}

impl Chunks {
    /// The largest chunks up to `most` bytes.
    fn of(field: u16, most: u16) -> Self {
        let mut bytes = most;
        while bytes > field {
            bytes /= 2;
        }
        let last = field - bytes;
        let mut offsets: Vec<i32> = (0..last).step_by(bytes.into()).map(i32::from).collect();
        offsets.push(last.into());
        Self { bytes, offsets }
    }

    fn in_vectors(&self) -> bool {
        self.bytes > 8
    }

    fn last(&self) -> i32 {
        self.offsets.last().copied().unwrap_or(0)
    }
}

/// Chunks in general registers that one of these operations has room for.
const GENERAL: usize = 2;

/// A target that repeats its source, perhaps each byte the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repeat {
    pub(super) label: Label,
    to: Reg,
    from: Reg,
    /// How far the target begins behind the source.
    ahead: Reg,
    bytes: u16,
    /// Where it goes on when the field is filled.
    done: Label,
    miss: Label,
}

/// The operands of a call with two fields.
struct Two {
    sources: [Option<Source>; 5],
    /// Bytes of the first one.
    bytes: u16,
    first: Field,
    second: Field,
    /// Registers for the host addresses, and one more.
    hosts: (Reg, Reg),
    t: Reg,
}

impl<G: Guest> Lower<'_, G> {
    /// A constant length and the modes; `None` if they are not known.
    fn shape_of_fields(
        &self,
        length: Option<Val>,
        modes: Option<Val>,
    ) -> Option<(u16, MemMode, MemMode)> {
        let length = self.constant(length?)?;
        let modes = self.constant(modes?)?;
        let mode = |bits: u64| MemMode(bits as u8 & 31);
        (1..=256)
            .contains(&length)
            .then(|| (length as u16, mode(modes), mode(modes >> 8)))
    }

    /// The most bytes of a chunk.
    fn widest(&self) -> u16 {
        if self.features.avx2 { 32 } else { 8 }
    }

    /// The chunks that a field is held in; `None` if there is no room.
    fn chunks(&self, bytes: u16) -> Option<Chunks> {
        let chunks = Chunks::of(bytes, self.widest());
        (chunks.in_vectors() || chunks.offsets.len() <= GENERAL).then_some(chunks)
    }

    /// Operands and registers; `table` is the length of the second field if it has its own.
    fn two_fields(&mut self, args: &[Option<Val>; 5], table: Option<u16>) -> Option<Two> {
        let (bytes, mode1, mode2) = self.shape_of_fields(args[2], args[3])?;
        let (first, second) = (self.reg(args[0]?), self.reg(args[1]?));
        let sources = self.sources(args);
        let hosts = (self.temp(), self.temp());
        let t = self.temp();
        Some(Two {
            sources,
            bytes,
            first: Field {
                base: first,
                length: Length::Known(bytes),
                mode: mode1,
            },
            second: Field {
                base: second,
                length: Length::Known(table.unwrap_or(bytes)),
                mode: mode2,
            },
            hosts,
            t,
        })
    }

    /// A register for the value, if anybody wants it.
    fn wanted(&mut self) -> Option<Reg> {
        let used = self.values[self.now].last as usize > self.now;
        used.then(|| self.define(&[]))
    }

    pub(super) fn copy_bytes(&mut self, def: &'static HelperDef, args: &[Option<Val>; 5]) -> bool {
        let shape = self.shape_of_fields(args[2], args[3]);
        let Some(chunks) = shape.and_then(|(bytes, ..)| self.chunks(bytes)) else {
            return false;
        };
        let Some(two) = self.two_fields(args, None) else {
            return false;
        };
        let Two {
            sources,
            bytes,
            first,
            second,
            hosts: (to, from),
            t,
        } = two;
        let (miss, done, back) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.probe_field(second, false, (t, from), miss);
        self.probe_field(first, true, (t, to), miss);
        if bytes > 1 {
            let label = self.asm.label();
            self.asm.mov(Width::W64, t, to);
            self.asm.alu(Alu::Sub, Width::W64, t, from);
            self.asm.alu_imm(Alu::Cmp, Width::W64, t, bytes.into());
            self.asm.jcc(Cc::B, label);
            self.later(Ending::Repeat(Repeat {
                label,
                to,
                from,
                ahead: t,
                bytes,
                done,
                miss,
            }));
        }
        if chunks.in_vectors() {
            self.vectors(&chunks, |s, x, offset| {
                s.asm.vector_load(chunks.bytes, x, at(from, offset));
            });
            self.store_vectors(&chunks, to);
        } else {
            let regs = [t, from];
            for (&offset, &reg) in chunks.offsets.iter().zip(&regs) {
                self.load_plain(chunks.bytes, reg, at(from, offset));
            }
            for (&offset, &reg) in chunks.offsets.iter().zip(&regs) {
                self.store_plain(chunks.bytes, at(to, offset), reg);
            }
        }
        self.asm.bind(done);
        self.look_at_lines(to, t, Length::Known(bytes), back);
        self.asm.bind(back);
        self.fall_back_from(def, sources, miss, back, None);
        true
    }

    /// Writes what [`Repeat`] is about.
    pub(super) fn write_repeat(&mut self, repeat: Repeat) {
        let Repeat {
            label,
            to,
            from,
            ahead,
            bytes,
            done,
            miss,
        } = repeat;
        self.asm.bind(label);
        self.asm.alu_imm(Alu::Cmp, Width::W64, ahead, 1);
        self.asm.jcc(Cc::Ne, miss);
        let chunks = Chunks::of(bytes, self.widest());
        if chunks.in_vectors() {
            self.asm.vector_broadcast(chunks.bytes, 0, at(from, 0));
            for &offset in &chunks.offsets {
                self.asm.vector_store(chunks.bytes, at(to, offset), 0);
            }
            self.leave_vectors(&chunks);
        } else {
            let t = ahead;
            self.asm.movzx8(t, at(from, 0));
            self.asm.mov_imm_keep_flags(from, 0x0101_0101_0101_0101);
            self.asm.rm(Width::W64, &[0x0f, 0xaf], t, from);
            for &offset in &chunks.offsets {
                self.store_plain(chunks.bytes, at(to, offset), t);
            }
        }
        self.asm.jmp(done);
    }

    pub(super) fn clear_bytes(&mut self, def: &'static HelperDef, args: &[Option<Val>; 5]) -> bool {
        let Some((bytes, mode, _)) = self.shape_of_fields(args[1], args[2]) else {
            return false;
        };
        let Some(address) = args[0] else { return false };
        let chunks = Chunks::of(bytes, self.widest());
        let base = self.reg(address);
        let sources = self.sources(args);
        let (to, t) = (self.temp(), self.temp());
        let (miss, back) = (self.asm.label(), self.asm.label());
        self.probe_field(
            Field {
                base,
                length: Length::Known(bytes),
                mode,
            },
            true,
            (t, to),
            miss,
        );
        if chunks.in_vectors() {
            self.asm.vector_zero(0);
            for &offset in &chunks.offsets {
                self.asm.vector_store(chunks.bytes, at(to, offset), 0);
            }
            self.leave_vectors(&chunks);
        } else {
            self.asm.alu(Alu::Xor, Width::W32, t, t);
            for &offset in &chunks.offsets {
                self.store_plain(chunks.bytes, at(to, offset), t);
            }
        }
        self.look_at_lines(to, t, Length::Known(bytes), back);
        self.asm.bind(back);
        self.fall_back_from(def, sources, miss, back, None);
        true
    }

    pub(super) fn combine_bytes(
        &mut self,
        op: BytesOp,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) -> bool {
        let shape = self.shape_of_fields(args[2], args[3]);
        let Some(chunks) = shape.and_then(|(bytes, ..)| self.chunks(bytes)) else {
            return false;
        };
        let Some(two) = self.two_fields(args, None) else {
            return false;
        };
        let Two {
            sources,
            bytes,
            first,
            second,
            hosts: (to, from),
            t,
        } = two;
        let any = self.wanted();
        let (miss, back) = (self.asm.label(), self.asm.label());
        self.probe_field(second, false, (t, from), miss);
        self.probe_field(first, true, (t, to), miss);
        if bytes > 1 {
            self.asm.mov(Width::W64, t, to);
            self.asm.alu(Alu::Sub, Width::W64, t, from);
            // A field with itself is no repetition.
            self.asm.alu_imm(Alu::Sub, Width::W64, t, 1);
            self.asm
                .alu_imm(Alu::Cmp, Width::W64, t, i32::from(bytes) - 1);
            self.asm.jcc(Cc::B, miss);
        }
        if chunks.in_vectors() {
            self.vectors(&chunks, |s, x, offset| {
                s.asm.vector_load(chunks.bytes, x, at(from, offset));
                s.asm.vector_combine(op, chunks.bytes, x, at(to, offset));
            });
            if let Some(any) = any {
                let count = chunks.offsets.len() as u8;
                let mut all = 0;
                for x in 1..count {
                    self.asm.vector_or(chunks.bytes, count, all, x);
                    all = count;
                }
                self.asm.vector_test(chunks.bytes, all);
                self.asm.setcc(Cc::Ne, any);
                self.asm.movzx8(any, any);
            }
            self.store_vectors(&chunks, to);
        } else {
            let regs = [t, from];
            for (&offset, &reg) in chunks.offsets.iter().zip(&regs) {
                self.load_plain(chunks.bytes, reg, at(from, offset));
            }
            for (&offset, &reg) in chunks.offsets.iter().zip(&regs) {
                let alu = match op {
                    BytesOp::And => Alu::And,
                    BytesOp::Or => Alu::Or,
                    BytesOp::Xor => Alu::Xor,
                };
                self.asm.alu_sized(alu, chunks.bytes, reg, at(to, offset));
            }
            if let Some(any) = any {
                self.asm.mov(Width::W64, any, t);
                if chunks.offsets.len() > 1 {
                    self.asm.alu(Alu::Or, Width::W64, any, from);
                }
                self.asm.test(Width::W64, any, any);
                self.asm.setcc(Cc::Ne, any);
                self.asm.movzx8(any, any);
            }
            for (&offset, &reg) in chunks.offsets.iter().zip(&regs) {
                self.store_plain(chunks.bytes, at(to, offset), reg);
            }
        }
        self.look_at_lines(to, t, Length::Known(bytes), back);
        self.asm.bind(back);
        self.fall_back_from(def, sources, miss, back, any);
        true
    }

    pub(super) fn compare_bytes(
        &mut self,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) -> bool {
        /// Up to here numbers are compared.
        const NUMBERS: u16 = 32;
        let Some((bytes, ..)) = self.shape_of_fields(args[2], args[3]) else {
            return false;
        };
        if bytes > NUMBERS && !self.features.avx2 {
            return false;
        }
        let Some(two) = self.two_fields(args, None) else {
            return false;
        };
        let Two {
            sources,
            bytes,
            first,
            second,
            hosts: (a, b),
            t,
        } = two;
        let d = match self.wanted() {
            Some(d) => d,
            None => self.temp(),
        };
        let (miss, done, back) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.probe_field(first, false, (t, a), miss);
        self.probe_field(second, false, (t, b), miss);
        if bytes <= NUMBERS {
            let chunks = Chunks::of(bytes, 8);
            for &offset in &chunks.offsets {
                self.load_number(chunks.bytes, d, at(a, offset));
                self.load_number(chunks.bytes, t, at(b, offset));
                self.asm.alu(Alu::Cmp, Width::W64, d, t);
                if offset != chunks.last() {
                    self.asm.jcc(Cc::Ne, done);
                }
            }
            self.asm.bind(done);
        } else {
            let (next, differ) = (self.asm.label(), self.asm.label());
            self.asm.lea(Width::W64, d, at(a, i32::from(bytes) - 32));
            self.asm.alu(Alu::Sub, Width::W64, b, a);
            self.asm.bind(next);
            self.asm.vector_load(32, 0, at(a, 0));
            self.asm.vector_equal(32, 0, at_index(a, b, 0));
            self.asm.vector_mask(32, t, 0);
            // Zero if all were equal; else its lowest one is where the first was not.
            self.asm.alu_imm(Alu::Add, Width::W32, t, 1);
            self.asm.jcc(Cc::Ne, differ);
            self.asm.alu(Alu::Cmp, Width::W64, a, d);
            self.asm.jcc(Cc::E, done);
            self.asm.alu_imm(Alu::Add, Width::W64, a, 32);
            self.asm.alu(Alu::Cmp, Width::W64, a, d);
            self.asm.cmov(Width::W64, Cc::A, a, d);
            self.asm.jmp(next);
            self.asm.bind(differ);
            self.asm.rm(Width::W32, &[0x0f, 0xbc], t, t);
            self.asm.alu(Alu::Add, Width::W64, a, t);
            self.asm.movzx8(t, at_index(a, b, 0));
            self.asm.movzx8(d, at(a, 0));
            self.asm.alu(Alu::Cmp, Width::W32, d, t);
            self.asm.bind(done);
            self.asm.vector_leave();
        }
        self.order(d, t);
        self.asm.bind(back);
        self.fall_back_from(def, sources, miss, back, Some(d));
        true
    }

    /// `d` = 0, 1 or 2 after a comparison of unsigned numbers: equal, low, high. `t` is lost.
    pub(super) fn order(&mut self, d: Reg, t: Reg) {
        self.asm.setcc(Cc::A, d);
        self.asm.setcc(Cc::B, t);
        self.asm.movzx8(d, d);
        self.asm.movzx8(t, t);
        let sum = Mem {
            base: t,
            index: Some((d, 1)),
            disp: 0,
        };
        self.asm.lea(Width::W32, d, sum);
    }

    pub(super) fn translate_bytes(
        &mut self,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) -> bool {
        const TABLE: u16 = 256;
        /// Bytes of a turn of the loop.
        const TURN: u16 = 8;
        let Some(two) = self.two_fields(args, Some(TABLE)) else {
            return false;
        };
        let Two {
            sources,
            bytes,
            first,
            second,
            hosts: (to, table),
            t,
        } = two;
        let end = self.temp();
        let (miss, back) = (self.asm.label(), self.asm.label());
        self.probe_field(second, false, (t, table), miss);
        self.probe_field(first, true, (t, to), miss);
        self.asm.mov(Width::W64, t, to);
        self.asm.alu(Alu::Sub, Width::W64, t, table);
        self.asm.alu_imm(Alu::Cmp, Width::W64, t, TABLE.into());
        self.asm.jcc(Cc::B, miss);
        self.asm.neg(Width::W64, t);
        self.asm.alu_imm(Alu::Cmp, Width::W64, t, bytes.into());
        self.asm.jcc(Cc::B, miss);
        let (turns, rest) = (bytes / TURN, bytes % TURN);
        let mut done = 0;
        if turns > 1 {
            let next = self.asm.label();
            done = turns * TURN;
            self.asm.lea(Width::W64, end, at(to, done.into()));
            self.asm.bind(next);
            self.translate(to, table, t, 0..TURN);
            self.asm.alu_imm(Alu::Add, Width::W64, to, TURN.into());
            self.asm.alu(Alu::Cmp, Width::W64, to, end);
            self.asm.jcc(Cc::Ne, next);
            self.translate(to, table, t, 0..rest);
            self.asm.alu_imm(Alu::Sub, Width::W64, to, done.into());
        }
        if done == 0 {
            self.translate(to, table, t, 0..bytes);
        }
        self.look_at_lines(to, t, Length::Known(bytes), back);
        self.asm.bind(back);
        self.fall_back_from(def, sources, miss, back, None);
        true
    }

    fn translate(&mut self, to: Reg, table: Reg, t: Reg, range: std::ops::Range<u16>) {
        for offset in range {
            let place = at(to, offset.into());
            self.asm.movzx8(t, place);
            self.asm.movzx8(t, at_index(table, t, 0));
            self.asm.store8(place, t);
        }
    }

    /// Does something for each chunk with the vector register that it is held in.
    fn vectors(&mut self, chunks: &Chunks, mut f: impl FnMut(&mut Self, u8, i32)) {
        for (x, &offset) in (0..).zip(&chunks.offsets) {
            f(self, x, offset);
        }
    }

    /// Stores what is held, and is done with vector registers.
    fn store_vectors(&mut self, chunks: &Chunks, to: Reg) {
        self.vectors(chunks, |s, x, offset| {
            s.asm.vector_store(chunks.bytes, at(to, offset), x);
        });
        self.leave_vectors(chunks);
    }

    /// Other code is slow with upper halves that are not zero.
    fn leave_vectors(&mut self, chunks: &Chunks) {
        if chunks.bytes == 32 {
            self.asm.vector_leave();
        }
    }

    /// Loads 1, 2, 4 or 8 bytes as they are, zero-extended.
    pub(super) fn load_plain(&mut self, bytes: u16, d: Reg, from: Mem) {
        match bytes {
            1 => self.asm.movzx8(d, from),
            2 => self.asm.movzx16(d, from),
            4 => self.asm.mov(Width::W32, d, from),
            _ => self.asm.mov(Width::W64, d, from),
        }
    }

    /// Loads 1, 2, 4 or 8 bytes as a big-endian number, zero-extended.
    pub(super) fn load_number(&mut self, bytes: u16, d: Reg, from: Mem) {
        match bytes {
            1 => self.asm.movzx8(d, from),
            2 => {
                self.asm.movzx16(d, from);
                self.asm.swap16(d);
            }
            4 => self.load_swapped(Width::W32, d, from),
            _ => self.load_swapped(Width::W64, d, from),
        }
    }

    pub(super) fn store_plain(&mut self, bytes: u16, to: Mem, s: Reg) {
        match bytes {
            1 => self.asm.store8(to, s),
            2 => self.asm.store16(to, s),
            4 => self.asm.store(Width::W32, to, s),
            _ => self.asm.store(Width::W64, to, s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_every_byte_and_no_other() {
        for most in [8, 32] {
            for field in 1..=256u16 {
                let Chunks { bytes, offsets } = Chunks::of(field, most);
                let mut covered = vec![false; field.into()];
                for offset in offsets {
                    covered[offset as usize..][..usize::from(bytes)].fill(true);
                }
                assert!(covered.iter().all(|&c| c), "{field} in {bytes}");
            }
        }
    }
}
