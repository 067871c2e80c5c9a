//! Interlocked updates and fences.
//!
//! They are the host's locked operations, which order all of a CPU's accesses as z/Architecture and
//! others ask. Where there is no other CPU nobody can see the difference: an update is then a load
//! and a store, and takes part in groups as they do ([`super::group`]).

use super::alloc::width;
use super::asm::{Alu, Cc, RAX, RSP, Reg, Width, at, at_index};
use super::group::Span;
use super::leave::Ending;
use super::lower::Lower;
use super::memory::{Length, shape};
use super::thunks;
use crate::guest::Guest;
use crate::ir::{AtomicOp, MemOp, MemSize, Op, Ty, Val};

/// PAUSE instructions after an update that another CPU has forestalled. Measured: two CPUs that
/// add to one doubleword.
const PAUSES: usize = 4;

impl<G: Guest> Lower<'_, G> {
    pub(super) fn fence(&mut self) {
        if !self.block_place.barriers || self.is_fenced() {
            return;
        }
        // A locked operation is a full barrier, and cheaper than MFENCE.
        self.asm.lock();
        self.asm.alu_imm(Alu::Or, Width::W32, at(RSP, 0), 0);
    }

    /// Whether a fence was the last thing before the current op that had to do with memory.
    fn is_fenced(&self) -> bool {
        let before = self.ops[..self.now].iter().rev();
        let mut last = before.take_while(|op| !matches!(op, Op::Call { .. }));
        last.find(|op| {
            matches!(
                op,
                Op::Fence
                    | Op::Load { .. }
                    | Op::Store { .. }
                    | Op::CompareSwap { .. }
                    | Op::Atomic { .. }
            )
        })
        .is_some_and(|op| matches!(op, Op::Fence))
    }

    pub(super) fn compare_swap(&mut self, ty: Ty, mem: MemOp, addr: Val, expected: Val, new: Val) {
        self.take(RAX);
        let (old, replacement) = (self.reg(expected), self.reg(new));
        let address = self.address(addr, &[old, replacement]);
        let d = self.define_in(RAX);
        let probe = self.probe(mem, address, true);
        let w = if mem.size == MemSize::B8 {
            Width::W64
        } else {
            Width::W32
        };
        let host = probe.tag;
        self.asm.lea(Width::W64, host, probe.host());
        self.asm.mov(w, RAX, old);
        self.swap(RAX, mem.size);
        let t = probe.addend;
        self.asm.mov(w, t, replacement);
        self.swap(t, mem.size);
        if self.block_place.barriers {
            self.asm.lock();
        }
        self.asm.rm(w, &[0x0f, 0xb1], t, at(host, 0));
        self.asm.mov(w, d, RAX);
        self.swap(d, mem.size);
        if mem.size == MemSize::B8 && ty == Ty::I32 {
            self.values[self.now].zero_extended = false;
        }
        let back = self.asm.label();
        // Nothing was stored; the moves have left the flags alone.
        self.asm.jcc(Cc::Ne, back);
        self.look_at_lines(host, t, Length::Known(mem.size.bytes() as u16), back);
        self.asm.bind(back);
        let leave = self.leave_after();
        self.later(Ending::Slow {
            thunk: thunks::COMPARE_SWAP,
            probe,
            back,
            shape: shape(mem),
            value: Some(old),
            second: Some(replacement),
            result: Some((d, width(ty))),
            leave,
            span: Span::None,
            site: self.site,
        });
    }

    pub(super) fn atomic(&mut self, op: AtomicOp, ty: Ty, mem: MemOp, addr: Val, v: Val) {
        if !self.block_place.barriers {
            return self.update(op, ty, mem, addr, v);
        }
        self.take(RAX);
        let value = self.reg(v);
        let address = self.address(addr, &[value]);
        let d = self.define_in(RAX);
        let probe = self.probe(mem, address, true);
        let w = if mem.size == MemSize::B8 {
            Width::W64
        } else {
            Width::W32
        };
        let (host, t) = (probe.tag, probe.addend);
        self.asm.lea(Width::W64, host, probe.host());
        let place = at(host, 0);
        let contended = self.asm.label();
        self.asm.bind(contended);
        match mem.size {
            MemSize::B1 => self.asm.movzx8(RAX, place),
            MemSize::B2 => self.asm.movzx16(RAX, place),
            _ => self.asm.mov(w, RAX, place),
        }
        self.asm.mov(w, t, RAX);
        self.swap(t, mem.size);
        match op {
            AtomicOp::Add => self.asm.alu(Alu::Add, w, t, value),
            AtomicOp::And => self.asm.alu(Alu::And, w, t, value),
            AtomicOp::Or => self.asm.alu(Alu::Or, w, t, value),
            AtomicOp::Xor => self.asm.alu(Alu::Xor, w, t, value),
            AtomicOp::Exchange => self.asm.mov(w, t, value),
        }
        self.swap(t, mem.size);
        self.asm.lock();
        match mem.size {
            MemSize::B1 => self.asm.compare_exchange8(place, t),
            MemSize::B2 => self
                .asm
                .rm_prefixed(0x66, Width::W32, &[0x0f, 0xb1], t, place),
            _ => self.asm.rm(w, &[0x0f, 0xb1], t, place),
        }
        let done = self.asm.label();
        self.asm.jcc(Cc::E, done);
        // Two CPUs that want the same line are both quicker when one lets the other go on.
        for _ in 0..PAUSES {
            self.asm.pause();
        }
        self.asm.jmp(contended);
        self.asm.bind(done);
        self.asm.mov(w, d, RAX);
        self.swap(d, mem.size);
        let back = self.asm.label();
        self.look_at_lines(host, t, Length::Known(mem.size.bytes() as u16), back);
        self.asm.bind(back);
        let leave = self.leave_after();
        self.later(Ending::Slow {
            thunk: thunks::atomic(op),
            probe,
            back,
            shape: shape(mem),
            value: Some(value),
            second: None,
            result: Some((d, width(ty))),
            leave,
            span: Span::None,
            site: self.site,
        });
        self.extend_old(ty, mem, d);
    }

    /// The old value of an interlocked update, extended as the shape says.
    fn extend_old(&mut self, ty: Ty, mem: MemOp, d: Reg) {
        let wide = if ty == Ty::I64 {
            Width::W64
        } else {
            Width::W32
        };
        match (mem.size, mem.signed) {
            (MemSize::B1, false) => self.asm.movzx8(d, d),
            (MemSize::B1, true) => self.asm.movsx8(wide, d, d),
            (MemSize::B2, false) => self.asm.movzx16(d, d),
            (MemSize::B2, true) => self.asm.movsx16(wide, d, d),
            (MemSize::B4, true) if ty == Ty::I64 => self.asm.movsxd(d, d),
            (MemSize::B8, _) if ty == Ty::I32 => self.values[self.now].zero_extended = false,
            _ => {}
        }
    }

    /// An interlocked update where there is no other CPU: a load, and a store.
    fn update(&mut self, op: AtomicOp, ty: Ty, mem: MemOp, addr: Val, v: Val) {
        let value = self.reg(v);
        let address = self.address(addr, &[value]);
        let d = self.define(&[]);
        // The address is needed until everything is done.
        let old = if d == value || d == address.0 {
            self.temp()
        } else {
            d
        };
        let new = self.temp();
        let probe = match self.find_page(mem, address) {
            Some(probe) => probe,
            None => {
                let entry = self.probe_entry(mem, address, true);
                self.both_fields(entry)
            }
        };
        let place = probe.host();
        let w = if mem.size == MemSize::B8 {
            Width::W64
        } else {
            Width::W32
        };
        match mem.size {
            MemSize::B1 => self.asm.movzx8(old, place),
            MemSize::B2 => {
                self.asm.movzx16(old, place);
                self.asm.swap16(old);
            }
            _ => self.load_swapped(w, old, place),
        }
        let combined = match op {
            AtomicOp::Add => None,
            AtomicOp::And => Some(Alu::And),
            AtomicOp::Or => Some(Alu::Or),
            AtomicOp::Xor => Some(Alu::Xor),
            AtomicOp::Exchange => {
                self.asm.mov(w, new, value);
                None
            }
        };
        if op == AtomicOp::Add {
            self.asm.lea(w, new, at_index(old, value, 0));
        } else if let Some(alu) = combined {
            self.asm.mov(w, new, old);
            self.asm.alu(alu, w, new, value);
        }
        let swapped = (!self.features.movbe).then_some(new);
        self.write_store(mem.size, place, new, swapped);
        let result = Some((old, width(ty)));
        self.end_store(mem, probe, value, thunks::atomic(op), result);
        self.asm.mov_if_other(d, old);
        if mem.size == MemSize::B8 && ty == Ty::I32 {
            self.values[self.now].zero_extended = false;
        }
        self.extend_old(ty, mem, d);
    }
}
