//! Reading the guest's clock inline ([`crate::clock`]).
//!
//! As its parameters may change at any time, the sequence word is compared before and after; on
//! x86 loads are seen in their order, so nothing more is needed for that. A read that is to be
//! ordered has LFENCE before RDTSC: the counter is then read after all earlier loads are done, and
//! after the locked operation that an op before it may have written (Intel SDM volume 2B, "RDTSC";
//! on AMD, Linux makes LFENCE serialise dispatch). Where nobody else can see the order of the
//! vCPU's accesses there is nothing to be ordered against: its own readings stay in the order of
//! the program without it. Not here: what helpers do when the clock is
//! another one, has just changed, or stands.

use dynasmrt::{DynasmApi, dynasm};

use super::asm::{Alu, Cc, Label, RAX, RDX, Reg, Shift, Width, at};
use super::lower::Lower;
use super::memory::{Field, Length};
use crate::clock::ClockReader;
use crate::cpu::CpuCore;
use crate::guest::Guest;
use crate::helper::HelperDef;
use crate::ir::{MemMode, Val};

/// Whether a read is ordered, and which values may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Unordered,
    Ordered,
    Unique,
    /// What is left of the CPU's timer, unordered.
    Timer,
}

impl Read {
    /// Offset in the core of a field of the clock's [`ClockReader`].
    fn reader(self, field: usize) -> usize {
        field
            + match self {
                Self::Timer => std::mem::offset_of!(CpuCore, timer),
                _ => std::mem::offset_of!(CpuCore, clock),
            }
    }
}

impl<G: Guest> Lower<'_, G> {
    /// The clock's 64 bits.
    pub(super) fn read_clock(&mut self, def: &'static HelperDef, read: Read) -> bool {
        self.take(RAX);
        self.take(RDX);
        let free = (self.temp(), self.temp());
        let d = self.define_in(RDX);
        let (miss, back) = (self.asm.label(), self.asm.label());
        self.clock_to_rdx_rax(read, free, miss);
        // Bits 56-119 of the value.
        dynasm!(self.asm.ops ; .arch x64 ; shld rdx, rax, 8);
        if read == Read::Unique {
            let last = self.core(read.reader(std::mem::offset_of!(ClockReader, last)));
            self.asm.alu(Alu::Cmp, Width::W64, RDX, last);
            self.asm.jcc(Cc::Be, miss);
            self.asm.store(Width::W64, last, RDX);
        }
        if read == Read::Timer {
            let zero_at = self.core(read.reader(std::mem::offset_of!(ClockReader, zero_at)));
            self.asm.mov(Width::W64, RAX, zero_at);
            self.asm.alu(Alu::Sub, Width::W64, RAX, RDX);
            self.asm.mov(Width::W64, d, RAX);
        } else {
            self.asm.mov(Width::W64, d, RDX);
        }
        self.asm.bind(back);
        self.fall_back_from(def, [None; 5], miss, back, Some(d));
        true
    }

    /// The clock in 16 bytes of storage.
    pub(super) fn store_clock(
        &mut self,
        def: &'static HelperDef,
        args: &[Option<Val>; 5],
        last: usize,
    ) -> bool {
        const BYTES: Length = Length::Known(16);
        let (Some(address), Some(modes)) = (args[0], args[1].and_then(|v| self.constant(v))) else {
            return false;
        };
        self.take(RAX);
        self.take(RDX);
        let base = self.reg(address);
        let sources = self.sources(args);
        let (host, t, words) = (self.temp(), self.temp(), self.temp());
        let miss = self.asm.label();
        let field = Field {
            base,
            length: BYTES,
            mode: MemMode(modes as u8),
        };
        self.probe_field(field, true, (t, host), miss);
        self.clock_to_rdx_rax(Read::Ordered, (words, t), miss);
        // The last two bytes, and the 40-bit number 1 above them.
        let place = at(super::asm::RBP, last as i32 - self.bias);
        self.asm.movzx16(t, place);
        self.asm.alu(Alu::Or, Width::W64, RAX, t);
        self.asm.alu_imm(Alu::Or, Width::W64, RAX, 1 << 16);
        self.asm.bswap(Width::W64, RDX);
        self.asm.bswap(Width::W64, RAX);
        self.asm.store(Width::W64, at(host, 0), RDX);
        self.asm.store(Width::W64, at(host, 8), RAX);
        let back = self.asm.label();
        self.look_at_lines(host, t, BYTES, back);
        self.asm.bind(back);
        self.fall_back_from(def, sources, miss, back, None);
        true
    }

    /// The value as the CPU sees it: the clock's index and 64 bits in rdx and the highest byte of
    /// rax, whose other bits are zero.
    fn clock_to_rdx_rax(&mut self, read: Read, (words, sequence): (Reg, Reg), miss: Label) {
        let place = self.core(read.reader(std::mem::offset_of!(ClockReader, words)));
        self.asm.mov(Width::W64, words, place);
        self.asm.mov(Width::W64, sequence, at(words, 0));
        if read == Read::Unique {
            // An even number, or none that there is.
            let known = self.core(read.reader(std::mem::offset_of!(ClockReader, sequence)));
            self.asm.alu(Alu::Cmp, Width::W64, sequence, known);
        } else {
            self.asm.test_imm(Width::W32, sequence, 1);
        }
        self.asm.jcc(Cc::Ne, miss);
        if matches!(read, Read::Ordered | Read::Unique) && self.block_place.barriers {
            dynasm!(self.asm.ops ; .arch x64 ; lfence);
        }
        dynasm!(self.asm.ops ; .arch x64 ; rdtsc);
        self.asm.shift_imm(Shift::Shl, Width::W64, RDX, 32);
        self.asm.alu(Alu::Or, Width::W64, RAX, RDX);
        let push = self.core(read.reader(std::mem::offset_of!(ClockReader, push)));
        self.asm.mov(Width::W64, RDX, push);
        self.asm.alu(Alu::Add, Width::W64, RAX, at(RDX, 0));
        self.asm.alu(Alu::Sub, Width::W64, RAX, at(words, 8));
        // The counter was reset.
        self.asm.jcc(Cc::S, miss);
        self.asm.ext(Width::W64, &[0xf7], 4, at(words, 16));
        self.asm.alu(Alu::Add, Width::W64, RAX, at(words, 24));
        self.asm.alu(Alu::Adc, Width::W64, RDX, at(words, 32));
        self.asm.alu(Alu::Cmp, Width::W64, sequence, at(words, 0));
        self.asm.jcc(Cc::Ne, miss);
        let mask = self.core(read.reader(std::mem::offset_of!(ClockReader, mask)));
        let number = self.core(read.reader(std::mem::offset_of!(ClockReader, number)));
        self.asm.alu(Alu::And, Width::W64, RAX, mask);
        self.asm.alu(Alu::Or, Width::W64, RAX, number);
    }
}
