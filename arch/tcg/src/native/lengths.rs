//! Fields whose length is in a register, 1 to 256 bytes: copied, filled, compared.
//!
//! As in [`super::bytes`] each operand is in one page, or the helper does it. What is shorter than
//! a host register of some width is done in two accesses of the next narrower one, which may
//! overlap; both are loaded before one is stored. What is longer goes in a loop, and its last
//! bytes are such an access too: a field that overlaps its source is then the helper's, but for
//! the one that repeats a byte.
//!
//! All of it needs AVX2.

use super::asm::{Alu, Cc, Label, Mem, Reg, Width, at, at_index};
use super::call::Source;
use super::leave::Ending;
use super::lower::Lower;
use super::memory::{Field, Length};
use crate::guest::Guest;
use crate::helper::HelperDef;
use crate::ir::{MemMode, Val};

/// Bytes of the vector registers that loops use.
const WIDE: i32 = 32;

/// A field in one page: where it is on the host, and its length.
#[derive(Debug, Clone, Copy)]
struct Place {
    host: Reg,
    length: Reg,
}

impl Place {
    /// Its first bytes.
    fn first(self) -> Mem {
        at(self.host, 0)
    }

    /// Its last `bytes` bytes.
    fn last(self, bytes: i32) -> Mem {
        at_index(self.host, self.length, -bytes)
    }
}

/// What is seldom of a copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy {
    /// Less than 16 bytes.
    short: Label,
    /// More than 32.
    long: Label,
    /// The target begins in the source.
    repeat: Label,
    to: Place,
    from: Place,
    /// How far the target begins behind the source.
    ahead: Reg,
    done: Label,
    miss: Label,
}

impl<G: Guest> Lower<'_, G> {
    /// The modes of two operands; `None` if they are not known.
    fn modes(&self, modes: Option<Val>) -> Option<(MemMode, MemMode)> {
        let modes = self.constant(modes?)?;
        let mode = |bits: u64| MemMode(bits as u8 & 31);
        Some((mode(modes), mode(modes >> 8)))
    }

    fn field(&self, base: Reg, length: Reg, mode: MemMode) -> Field {
        Field {
            base,
            length: Length::In(length),
            mode,
        }
    }

    pub(super) fn copy_length(&mut self, def: &'static HelperDef, args: &[Option<Val>; 5]) -> bool {
        let (Some((mode1, mode2)), [Some(a), Some(b), Some(n), ..]) = (self.modes(args[3]), *args)
        else {
            return false;
        };
        if !self.features.avx2 {
            return false;
        }
        let (first, second, length) = (self.reg(a), self.reg(b), self.reg(n));
        let sources = self.sources(args);
        let (to, from, t) = (self.temp(), self.temp(), self.temp());
        let (miss, done, back) = (self.asm.label(), self.asm.label(), self.asm.label());
        let (short, long, repeat) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.probe_field(self.field(second, length, mode2), false, (t, from), miss);
        self.probe_field(self.field(first, length, mode1), true, (t, to), miss);
        let place = |host| Place { host, length };
        let (to, from) = (place(to), place(from));
        self.asm.mov(Width::W64, t, to.host);
        self.asm.alu(Alu::Sub, Width::W64, t, from.host);
        self.asm.alu(Alu::Cmp, Width::W64, t, length);
        self.asm.jcc(Cc::B, repeat);
        self.asm.alu_imm(Alu::Cmp, Width::W64, length, 16);
        self.asm.jcc(Cc::B, short);
        self.asm.alu_imm(Alu::Cmp, Width::W64, length, 32);
        self.asm.jcc(Cc::A, long);
        self.asm.vector_load(16, 0, from.first());
        self.asm.vector_load(16, 1, from.last(16));
        self.asm.vector_store(16, to.first(), 0);
        self.asm.vector_store(16, to.last(16), 1);
        self.later(Ending::CopyLength(Copy {
            short,
            long,
            repeat,
            to,
            from,
            ahead: t,
            done,
            miss,
        }));
        self.asm.bind(done);
        self.stored(to, t, back);
        self.fall_back_from(def, sources, miss, back, None);
        true
    }

    /// Writes what [`Copy`] is about.
    pub(super) fn write_copy(&mut self, copy: Copy) {
        let Copy {
            short,
            long,
            repeat,
            to,
            from,
            ahead,
            done,
            miss,
        } = copy;
        self.asm.bind(long);
        // Loads behind a store: the source may not begin in the target either.
        self.asm.neg(Width::W64, ahead);
        self.asm.alu(Alu::Cmp, Width::W64, ahead, to.length);
        self.asm.jcc(Cc::B, miss);
        self.asm.vector_load(32, 1, from.last(WIDE));
        self.asm.alu(Alu::Add, Width::W64, from.host, to.length);
        self.by_distance(to, ahead, |s, rest| {
            s.asm.vector_load(32, 0, at_index(from.host, rest, 0));
            s.asm.vector_store(32, at_index(to.host, rest, 0), 0);
        });
        self.asm.vector_store(32, to.last(WIDE), 1);
        self.asm.vector_leave();
        self.asm.jmp(done);

        self.asm.bind(short);
        let (a, b) = (ahead, from.host);
        self.by_width(to.length, done, |s, bytes| {
            s.load_plain(bytes, a, from.first());
            s.load_plain(bytes, b, from.last(bytes.into()));
            s.store_plain(bytes, to.first(), a);
            s.store_plain(bytes, to.last(bytes.into()), b);
        });

        self.asm.bind(repeat);
        self.asm.alu_imm(Alu::Cmp, Width::W64, ahead, 1);
        self.asm.jcc(Cc::Ne, miss);
        self.asm.vector_broadcast(32, 0, from.first());
        self.fill_length(to, (ahead, from.host), done);
    }

    /// Does something at distances in steps of [`WIDE`] from a field's end, from its beginning to
    /// at most that many bytes before the end; more than nothing. Inside, the host register is the
    /// field's end.
    fn by_distance(&mut self, field: Place, rest: Reg, f: impl FnOnce(&mut Self, Reg)) {
        let next = self.asm.label();
        self.asm.alu(Alu::Add, Width::W64, field.host, field.length);
        self.asm.mov(Width::W64, rest, field.length);
        self.asm.neg(Width::W64, rest);
        self.asm.bind(next);
        f(self, rest);
        self.asm.alu_imm(Alu::Add, Width::W64, rest, WIDE);
        self.asm.alu_imm(Alu::Cmp, Width::W64, rest, -WIDE);
        self.asm.jcc(Cc::L, next);
        self.asm.alu(Alu::Sub, Width::W64, field.host, field.length);
    }

    /// Does something with the widest access of 8, 4, 2, 1 bytes that is not longer than a field of
    /// less than 16, and goes on at `done`.
    fn by_width(&mut self, length: Reg, done: Label, mut f: impl FnMut(&mut Self, u16)) {
        for bytes in [8, 4, 2, 1] {
            let narrower = self.asm.label();
            if bytes > 1 {
                self.asm
                    .alu_imm(Alu::Cmp, Width::W64, length, i32::from(bytes));
                self.asm.jcc(Cc::B, narrower);
            }
            f(self, bytes);
            self.asm.jmp(done);
            self.asm.bind(narrower);
        }
    }

    /// Fills a field with what all bytes of vector register 0 are.
    fn fill_length(&mut self, to: Place, (t, spare): (Reg, Reg), done: Label) {
        let (middle, short) = (self.asm.label(), self.asm.label());
        self.asm.alu_imm(Alu::Cmp, Width::W64, to.length, WIDE);
        self.asm.jcc(Cc::B, middle);
        self.by_distance(to, t, |s, rest| {
            s.asm.vector_store(32, at_index(to.host, rest, 0), 0);
        });
        self.asm.vector_store(32, to.last(WIDE), 0);
        self.asm.vector_leave();
        self.asm.jmp(done);
        self.asm.bind(middle);
        self.asm.vector_leave();
        self.asm.alu_imm(Alu::Cmp, Width::W64, to.length, 16);
        self.asm.jcc(Cc::B, short);
        self.asm.vector_store(16, to.first(), 0);
        self.asm.vector_store(16, to.last(16), 0);
        self.asm.jmp(done);
        self.asm.bind(short);
        self.asm.move_out(Width::W64, spare, Reg(0));
        self.by_width(to.length, done, |s, bytes| {
            s.store_plain(bytes, to.first(), spare);
            s.store_plain(bytes, to.last(bytes.into()), spare);
        });
    }

    /// A field was stored.
    fn stored(&mut self, to: Place, t: Reg, back: Label) {
        self.look_at_lines(to.host, t, Length::In(to.length), back);
        self.asm.bind(back);
    }

    pub(super) fn clear_length(
        &mut self,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) -> bool {
        let (Some((mode, _)), [Some(a), Some(n), ..]) = (self.modes(args[2]), *args) else {
            return false;
        };
        if !self.features.avx2 {
            return false;
        }
        let (base, length) = (self.reg(a), self.reg(n));
        let sources = self.sources(args);
        let (host, t, spare) = (self.temp(), self.temp(), self.temp());
        let (miss, done, back) = (self.asm.label(), self.asm.label(), self.asm.label());
        self.probe_field(self.field(base, length, mode), true, (t, host), miss);
        self.asm.vector_zero(0);
        let to = Place { host, length };
        self.fill_length(to, (t, spare), done);
        self.asm.bind(done);
        self.stored(to, t, back);
        self.fall_back_from(def, sources, miss, back, None);
        true
    }

    pub(super) fn compare_length(
        &mut self,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
    ) -> bool {
        let (Some((mode1, mode2)), [Some(a), Some(b), Some(n), ..]) = (self.modes(args[3]), *args)
        else {
            return false;
        };
        if !self.features.avx2 {
            return false;
        }
        let (first, second, length) = (self.reg(a), self.reg(b), self.reg(n));
        let sources: [Option<Source>; 5] = self.sources(args);
        let (a, b, t) = (self.temp(), self.temp(), self.temp());
        let used = self.values[self.now].last as usize > self.now;
        let d = if used { self.define_in(a) } else { a };
        let (miss, back) = (self.asm.label(), self.asm.label());
        self.probe_field(self.field(first, length, mode1), false, (t, a), miss);
        self.probe_field(self.field(second, length, mode2), false, (t, b), miss);

        let [next, differ, eight, short, equal, ready] = std::array::from_fn(|_| self.asm.label());
        self.asm.alu_imm(Alu::Cmp, Width::W64, length, 16);
        self.asm.jcc(Cc::B, short);
        // From here on both are the ends of the fields, and `t` leads to what is compared.
        self.asm.alu(Alu::Add, Width::W64, a, length);
        self.asm.alu(Alu::Add, Width::W64, b, length);
        self.asm.mov(Width::W64, t, length);
        self.asm.neg(Width::W64, t);
        self.asm.bind(next);
        self.asm.vector_load(16, 0, at_index(a, t, 0));
        self.asm
            .vector_combine(crate::mem::BytesOp::Xor, 16, 0, at_index(b, t, 0));
        self.asm.vector_test(16, 0);
        self.asm.jcc(Cc::Ne, differ);
        // At the end this also carries, which would say that the first is lower.
        self.asm.alu_imm(Alu::Add, Width::W64, t, 16);
        self.asm.jcc(Cc::E, equal);
        self.asm.alu_imm(Alu::Cmp, Width::W64, t, -16);
        self.asm.jcc(Cc::Le, next);
        self.asm.mov_imm_keep_flags(t, -16i64 as u64);
        self.asm.jmp(next);

        // 16 bytes of which some differ.
        self.asm.bind(differ);
        self.asm.alu(Alu::Add, Width::W64, a, t);
        self.asm.alu(Alu::Add, Width::W64, b, t);
        self.asm.mov(Width::W64, t, at(b, 0));
        self.asm.alu(Alu::Cmp, Width::W64, t, at(a, 0));
        self.asm.jcc(Cc::Ne, eight);
        self.asm.alu_imm(Alu::Add, Width::W64, a, 8);
        self.asm.alu_imm(Alu::Add, Width::W64, b, 8);
        self.asm.bind(eight);
        self.compare_numbers(8, a, b);
        self.asm.jmp(ready);

        // The first 8 or 4 bytes, or else the last.
        self.asm.bind(short);
        for bytes in [8u16, 4] {
            let (narrower, found) = (self.asm.label(), self.asm.label());
            let w = if bytes == 8 { Width::W64 } else { Width::W32 };
            let last = -i32::from(bytes);
            self.asm.alu_imm(Alu::Cmp, Width::W64, length, -last);
            self.asm.jcc(Cc::B, narrower);
            self.asm.mov(w, t, at(b, 0));
            self.asm.alu(Alu::Cmp, w, t, at(a, 0));
            self.asm.jcc(Cc::Ne, found);
            self.asm.lea(Width::W64, a, at_index(a, length, last));
            self.asm.lea(Width::W64, b, at_index(b, length, last));
            self.asm.bind(found);
            self.compare_numbers(bytes, a, b);
            self.asm.jmp(ready);
            self.asm.bind(narrower);
        }
        for offset in 0..3 {
            if offset > 0 {
                self.asm.alu_imm(Alu::Cmp, Width::W64, length, offset);
                self.asm.jcc(Cc::E, equal);
            }
            self.asm.movzx8(t, at(a, offset));
            self.asm.alu_sized(Alu::Cmp, 1, t, at(b, offset));
            self.asm.jcc(Cc::Ne, ready);
        }
        self.asm.bind(equal);
        self.asm.alu(Alu::Xor, Width::W32, t, t);
        self.asm.bind(ready);
        self.order(d, t);
        self.asm.bind(back);
        self.fall_back_from(def, sources, miss, back, Some(d));
        true
    }

    /// Compares numbers of 8 or 4 bytes at these addresses, which are lost.
    fn compare_numbers(&mut self, bytes: u16, a: Reg, b: Reg) {
        self.load_number(bytes, a, at(a, 0));
        self.load_number(bytes, b, at(b, 0));
        self.asm.alu(Alu::Cmp, Width::W64, a, b);
    }
}
