//! Guest memory: accesses through the TLB, the look at code lines.
//!
//! The way that hits is inline: the tag of the access's last byte is compared with the entry of
//! its first, and the entry's addend makes the host address. Everything else (a miss, a page
//! crossed, an address that is not aligned) goes to the slow path, which is the same Rust code
//! that helpers use.

use super::alloc::width;
use super::asm::{Alu, Cc, Label, Mem, RBP, Reg, Shift, Width, at, at_index};
use super::group::{Group, Member, Span};
use super::leave::Ending;
use super::lower::{Lower, Site};
use super::thunks;
use crate::cpu::CpuCore;
use crate::guest::Guest;
use crate::ir::{BinOp, MemMode, MemOp, MemSize, Op, Ty, Val};
use crate::mem::tlb::{ENTRIES, Entry, Tlb};

/// The address of an access: base + index + displacement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    base: Val,
    index: Option<Val>,
    disp: i32,
}

impl Sum {
    /// The addresses that accesses can compute themselves; what only they need is not needed.
    pub(super) fn find(ops: &[Op], uses: &[u32], needed: &mut [bool]) -> Vec<Option<Self>> {
        let mut sums = vec![None; ops.len()];
        for (i, op) in ops.iter().enumerate() {
            let (Op::Load { addr, .. } | Op::Store { addr, .. } | Op::Atomic { addr, .. }) = *op
            else {
                continue;
            };
            if needed[i]
                && let Some((sum, inner)) = Self::of(ops, uses, addr)
            {
                if uses[addr.0 as usize] == 1 {
                    needed[addr.0 as usize] = false;
                }
                if let Some(inner) = inner {
                    needed[inner.0 as usize] = false;
                }
                sums[i] = Some(sum);
            }
        }
        sums
    }

    fn of(ops: &[Op], uses: &[u32], addr: Val) -> Option<(Self, Option<Val>)> {
        let parts = |v: Val| match ops[v.0 as usize] {
            Op::Bin(BinOp::Add, Ty::I64, x, y) => Some((x, y)),
            _ => None,
        };
        let constant = |v: Val| match ops[v.0 as usize] {
            Op::Const(_, c) => Some(c),
            _ => None,
        };
        let once = |v: Val| uses[v.0 as usize] == 1;
        let (x, y) = parts(addr)?;
        if constant(x).is_some() {
            return None;
        }
        let Some(disp) = constant(y) else {
            let sum = Self {
                base: x,
                index: Some(y),
                disp: 0,
            };
            return once(addr).then_some((sum, None));
        };
        let disp = i32::try_from(disp as i64)
            .ok()
            .filter(|disp| disp.unsigned_abs() < 1 << 30)?;
        if let Some((base, index)) = parts(x)
            && once(addr)
            && once(x)
            && constant(base).is_none()
            && constant(index).is_none()
        {
            let sum = Self {
                base,
                index: Some(index),
                disp,
            };
            return Some((sum, Some(x)));
        }
        let sum = Self {
            base: x,
            index: None,
            disp,
        };
        once(addr).then_some((sum, None))
    }

    /// Base, index, displacement.
    pub(super) fn parts(&self) -> (Val, Option<Val>, i32) {
        (self.base, self.index, self.disp)
    }

    pub(super) fn for_operands(&self, f: &mut impl FnMut(Val)) {
        f(self.base);
        if let Some(index) = self.index {
            f(index);
        }
    }
}

/// An access on its way: where its address is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    /// The guest address is this register plus the displacement.
    pub(super) base: Reg,
    pub(super) disp: i32,
    /// Two registers that nobody else uses; after a hit the second is the addend.
    pub(super) tag: Reg,
    pub(super) addend: Reg,
    /// Where a miss goes.
    pub(super) miss: Label,
}

impl Probe {
    /// The host place after a hit.
    pub(super) fn host(&self) -> Mem {
        at_index(self.addend, self.base, self.disp)
    }
}

/// An operand of up to 256 bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Where its guest address is.
    pub(super) base: Reg,
    pub(super) length: Length,
    pub(super) mode: MemMode,
}

/// How many bytes an operand has: 1 to 256.
#[derive(Debug, Clone, Copy)]
pub(super) enum Length {
    Known(u16),
    /// As many as this register says.
    In(Reg),
}

/// A shape as a number, for the slow path.
pub(super) fn shape(mem: MemOp) -> i32 {
    let size = match mem.size {
        MemSize::B1 => 0,
        MemSize::B2 => 1,
        MemSize::B4 => 2,
        MemSize::B8 => 3,
    };
    size | i32::from(mem.signed) << 2 | i32::from(mem.aligned) << 3 | i32::from(mem.mode.0) << 8
}

/// The shape that [`shape`] made the number of.
pub(super) fn shape_of(number: u32) -> MemOp {
    MemOp {
        size: match number & 3 {
            0 => MemSize::B1,
            1 => MemSize::B2,
            2 => MemSize::B4,
            _ => MemSize::B8,
        },
        signed: number & 4 != 0,
        aligned: number & 8 != 0,
        mode: MemMode((number >> 8) as u8),
    }
}

impl<G: Guest> Lower<'_, G> {
    /// The register and displacement of an access's address; `keep` are the other operands.
    pub(super) fn address(&mut self, addr: Val, keep: &[Reg]) -> (Reg, i32) {
        match self.sums[self.now] {
            None => (self.reg(addr), 0),
            Some(Sum {
                base,
                index: None,
                disp,
            }) => (self.reg(base), disp),
            Some(Sum {
                base,
                index: Some(index),
                disp,
            }) => {
                let (x, y) = (self.reg(base), self.reg(index));
                let sum = self.temp();
                self.asm.lea(Width::W64, sum, at_index(x, y, disp));
                // They have done their work, unless they are other operands too.
                for reg in [x, y] {
                    if !keep.contains(&reg) {
                        self.unlock(reg);
                    }
                }
                (sum, 0)
            }
        }
    }

    pub(super) fn tlb(&self, field: usize) -> i32 {
        let entries = std::mem::offset_of!(CpuCore, tlb) + std::mem::offset_of!(Tlb, entries);
        (entries + field) as i32 - self.bias
    }

    /// Looks an access up; goes on behind it on a hit, with the entry's addend in the second
    /// register of the probe.
    pub(super) fn probe(&mut self, mem: MemOp, address: (Reg, i32), write: bool) -> Probe {
        let probe = self.probe_entry(mem, address, write);
        let field = self.tlb(std::mem::offset_of!(Entry, addend));
        self.asm
            .mov(Width::W64, probe.addend, at_index(RBP, probe.addend, field));
        probe
    }

    /// The same, with the entry's distance from the first one in the second register of the
    /// probe.
    pub(super) fn probe_entry(
        &mut self,
        mem: MemOp,
        (base, disp): (Reg, i32),
        write: bool,
    ) -> Probe {
        let (tag, addend) = (self.temp(), self.temp());
        let miss = self.asm.label();
        let size = mem.size.bytes() as i32;
        if disp == 0 {
            self.asm.mov(Width::W64, addend, base);
        } else {
            self.asm.lea(Width::W64, addend, at(base, disp));
        }
        if mem.aligned && size > 1 {
            self.asm.test_imm(Width::W32, addend, size - 1);
            self.asm.jcc(Cc::Ne, miss);
        }
        if size == 1 || mem.aligned {
            self.asm.mov(Width::W64, tag, addend);
        } else {
            self.asm.lea(Width::W64, tag, at(base, disp + size - 1));
        }
        self.look_up(mem.mode, write, (tag, addend), miss);
        Probe {
            base,
            disp,
            tag,
            addend,
            miss,
        }
    }

    /// Looks up the page of an access whose first byte's address is in `addend` and whose last byte's
    /// is in `tag`; on a hit the entry's distance from the first one is in `addend`.
    fn look_up(&mut self, mode: MemMode, write: bool, (tag, addend): (Reg, Reg), miss: Label) {
        const SHIFT: u32 = 12 - size_of::<Entry>().trailing_zeros();
        self.asm
            .shift_imm(Shift::Shr, Width::W64, addend, SHIFT as u8);
        self.asm.alu_imm(Alu::And, Width::W64, tag, -4096);
        let mask = (ENTRIES - 1) * size_of::<Entry>();
        self.asm.alu_imm(Alu::And, Width::W32, addend, mask as i32);
        let tags = std::mem::offset_of!(CpuCore, tlb)
            + std::mem::offset_of!(Tlb, tags)
            + usize::from(mode.0) * 8;
        let tags = self.core(tags);
        self.asm.alu(Alu::Or, Width::W64, tag, tags);
        let field = if write {
            std::mem::offset_of!(Entry, write)
        } else {
            std::mem::offset_of!(Entry, read)
        };
        let field = self.tlb(field);
        self.asm
            .alu(Alu::Cmp, Width::W64, tag, at_index(RBP, addend, field));
        self.asm.jcc(Cc::Ne, miss);
    }

    /// Looks a field up: its host address goes to `host`. `tag` is changed.
    pub(super) fn probe_field(
        &mut self,
        field: Field,
        write: bool,
        (tag, host): (Reg, Reg),
        miss: Label,
    ) {
        let Field { base, length, mode } = field;
        self.asm.mov(Width::W64, host, base);
        let last = match length {
            Length::Known(bytes) => at(base, i32::from(bytes) - 1),
            Length::In(length) => at_index(base, length, -1),
        };
        self.asm.lea(Width::W64, tag, last);
        self.look_up(mode, write, (tag, host), miss);
        let addend = self.tlb(std::mem::offset_of!(Entry, addend));
        self.asm.mov(Width::W64, host, at_index(RBP, host, addend));
        self.asm.alu(Alu::Add, Width::W64, host, base);
    }

    pub(super) fn load(&mut self, ty: Ty, mem: MemOp, addr: Val) {
        let address = self.address(addr, &[]);
        let d = self.define(&[]);
        let probe = match self.find_page(mem, address) {
            Some(probe) => probe,
            None => self.probe(mem, address, false),
        };
        let from = probe.host();
        let wide = ty == Ty::I64 && mem.signed;
        let w = if wide { Width::W64 } else { Width::W32 };
        match mem.size {
            MemSize::B1 if mem.signed => self.asm.movsx8(w, d, from),
            MemSize::B1 => self.asm.movzx8(d, from),
            MemSize::B2 => {
                self.asm.movzx16(d, from);
                self.asm.swap16(d);
                if mem.signed {
                    self.asm.movsx16(w, d, d);
                }
            }
            MemSize::B4 => {
                self.load_swapped(Width::W32, d, from);
                if wide {
                    self.asm.movsxd(d, d);
                }
            }
            MemSize::B8 => self.load_swapped(Width::W64, d, from),
        }
        if mem.size == MemSize::B8 && ty == Ty::I32 {
            self.values[self.now].zero_extended = false;
        }
        let back = self.asm.label();
        self.asm.bind(back);
        self.later(Ending::Slow {
            thunk: thunks::LOAD,
            probe,
            back,
            shape: shape(mem),
            value: None,
            second: None,
            result: Some((d, width(ty))),
            leave: None,
            span: self.span(),
            site: self.site,
        });
    }

    /// How the current op takes part in a group, if it does.
    fn member(&self) -> Option<(Member, Group)> {
        let member = self.members[self.now]?;
        Some((member, self.groups[member.group as usize]))
    }

    /// The values that a group's addend and address of code lines are kept as.
    fn kept(&self, member: Member) -> (usize, usize) {
        let first = self.ops.len() + 2 * member.group as usize;
        (first, first + 1)
    }

    /// What the slow path of the current op does for its group.
    fn span(&self) -> Span {
        match self.member() {
            None => Span::None,
            Some((member, _)) if !member.leads => Span::Follows,
            Some((member, group)) => Span::Leads {
                from: group.low - member.offset,
                bytes: group.bytes,
                write: group.write,
            },
        }
    }

    /// The page of the current op's group, with the addend in the second register of the probe and
    /// the address of the word of code lines, if the group writes, in the first.
    pub(super) fn find_page(&mut self, mem: MemOp, (base, disp): (Reg, i32)) -> Option<Probe> {
        let (member, group) = self.member()?;
        let (addend, lines) = self.kept(member);
        let miss = self.asm.label();
        if !member.leads {
            let addend = self.reg(Val(addend as u32));
            let tag = if matches!(self.ops[self.now], Op::Store { .. } | Op::Atomic { .. }) {
                self.reg(Val(lines as u32))
            } else {
                addend
            };
            self.asm.test(Width::W64, addend, addend);
            self.asm.jcc(Cc::E, miss);
            return Some(Probe {
                base,
                disp,
                tag,
                addend,
                miss,
            });
        }
        let (tag, entry) = (self.temp(), self.temp());
        let first = disp + group.low - member.offset;
        if first == 0 {
            self.asm.mov(Width::W64, entry, base);
        } else {
            self.asm.lea(Width::W64, entry, at(base, first));
        }
        self.asm
            .lea(Width::W64, tag, at(base, first + group.bytes - 1));
        self.look_up(mem.mode, group.write, (tag, entry), miss);
        let field = |field| at_index(RBP, entry, self.tlb(field));
        let addend_field = field(std::mem::offset_of!(Entry, addend));
        let lines_field = field(std::mem::offset_of!(Entry, lines));
        self.asm.mov(Width::W64, tag, addend_field);
        self.keep(addend, tag, group);
        if group.write {
            self.asm.mov(Width::W64, entry, lines_field);
            self.keep(lines, entry, group);
        }
        Some(Probe {
            base,
            disp,
            tag: entry,
            addend: tag,
            miss,
        })
    }

    /// A value of a group is in this register of the current op's own.
    fn keep(&mut self, value: usize, reg: Reg, group: Group) {
        self.values[value].last = group.last;
        self.values[value].reg = Some(reg);
        self.holders[usize::from(reg.0)] = Some(value as u32);
    }

    pub(super) fn load_swapped(&mut self, w: Width, d: Reg, from: Mem) {
        if self.features.movbe {
            self.asm.rm(w, &[0x0f, 0x38, 0xf0], d, from);
        } else {
            self.asm.mov(w, d, from);
            self.asm.bswap(w, d);
        }
    }

    pub(super) fn store(&mut self, mem: MemOp, addr: Val, v: Val, pred: Option<Val>) {
        let value = self.reg(v);
        let pred = pred.map(|pred| self.reg(pred));
        let mut keep = vec![value];
        keep.extend(pred);
        let address = self.address(addr, &keep);
        // What is not swapped on its way to memory is swapped in a register of its own.
        let swaps = mem.size != MemSize::B1 && !self.features.movbe;
        if self.members[self.now].is_some() {
            let swapped = swaps.then(|| self.temp());
            if let Some(probe) = self.find_page(mem, address) {
                self.write_store(mem.size, probe.host(), value, swapped);
                self.end_store(mem, probe, value, thunks::STORE, None);
            }
            return;
        }
        let (t1, t2) = (self.temp(), self.temp());
        self.unlock(t1);
        self.unlock(t2);
        let skip = pred.map(|pred| {
            let skip = self.asm.label();
            self.asm.test(Width::W32, pred, pred);
            self.asm.jcc(Cc::E, skip);
            skip
        });
        // Takes the two that were made free above, whatever happens to the predicate.
        let entry = self.probe_entry(mem, address, true);
        let addend = at_index(
            RBP,
            entry.addend,
            self.tlb(std::mem::offset_of!(Entry, addend)),
        );
        let lines = at_index(
            RBP,
            entry.addend,
            self.tlb(std::mem::offset_of!(Entry, lines)),
        );
        // The first register becomes the addend, the second the word of code lines.
        let probe = Probe {
            tag: entry.addend,
            addend: entry.tag,
            ..entry
        };
        let word = probe.tag;
        self.asm.mov(Width::W64, probe.addend, addend);
        let to = probe.host();
        if !swaps {
            self.asm.mov(Width::W64, word, lines);
            self.write_store(mem.size, to, value, None);
        } else if let Some(third) = self.free_temp() {
            self.asm.mov(Width::W64, word, lines);
            self.write_store(mem.size, to, value, Some(third));
        } else {
            // Without a third register the entry's distance is put aside.
            let index = self.core(thunks::aside());
            self.asm.store(Width::W64, index, word);
            self.write_store(mem.size, to, value, Some(word));
            self.asm.mov(Width::W64, word, index);
            self.asm.mov(Width::W64, word, lines);
        }
        self.end_store(mem, probe, value, thunks::STORE, None);
        if let Some(skip) = skip {
            self.asm.bind(skip);
        }
    }

    /// Stores a register in the guest's byte order; without MOVBE swapped in the last register.
    pub(super) fn write_store(&mut self, size: MemSize, to: Mem, value: Reg, swapped: Option<Reg>) {
        const MOVBE: &[u8] = &[0x0f, 0x38, 0xf1];
        let w = if size == MemSize::B8 {
            Width::W64
        } else {
            Width::W32
        };
        match (size, swapped) {
            (MemSize::B1, _) => self.asm.store8(to, value),
            (MemSize::B2, None) => self.asm.rm_prefixed(0x66, w, MOVBE, value, to),
            (_, None) => self.asm.rm(w, MOVBE, value, to),
            (MemSize::B2, Some(swapped)) => {
                self.asm.mov(w, swapped, value);
                self.asm.bswap(w, swapped);
                self.asm.shift_imm(Shift::Shr, w, swapped, 16);
                self.asm.store16(to, swapped);
            }
            (_, Some(swapped)) => {
                self.asm.mov(w, swapped, value);
                self.asm.bswap(w, swapped);
                self.asm.store(w, to, swapped);
            }
        }
    }

    /// After a store: the look at the code lines, and the way of a miss.
    pub(super) fn end_store(
        &mut self,
        mem: MemOp,
        probe: Probe,
        value: Reg,
        thunk: usize,
        result: Option<(Reg, Width)>,
    ) {
        let word = probe.tag;
        self.asm.alu_imm(Alu::Cmp, Width::W64, at(word, 0), 0);
        let code = self.asm.label();
        self.asm.jcc(Cc::Ne, code);
        let back = self.asm.label();
        self.asm.bind(back);
        let leave = self.leave_after();
        let span = self.span();
        self.later(Ending::Code {
            label: code,
            back,
            host: probe.host(),
            spare: probe.addend,
            word,
            keeps: span != Span::None,
            length: Length::Known(mem.size.bytes() as u16),
            leave,
            site: self.site,
        });
        self.later(Ending::Slow {
            thunk,
            probe,
            back,
            shape: shape(mem),
            value: Some(value),
            second: None,
            result,
            leave,
            span,
            site: self.site,
        });
    }

    /// After a store to host address `host`: code that was made from the bytes is dropped, in
    /// an ending that comes back to `back`.
    pub(super) fn look_at_lines(&mut self, host: Reg, t: Reg, length: Length, back: Label) {
        let lines = self.core(thunks::state(std::mem::offset_of!(super::State, lines)));
        self.asm.mov(Width::W64, t, host);
        self.asm.shift_imm(Shift::Shr, Width::W64, t, 9);
        self.asm.alu_imm(Alu::And, Width::W64, t, -8);
        self.asm.alu(Alu::Add, Width::W64, t, lines);
        self.asm.alu_imm(Alu::Cmp, Width::W64, at(t, 0), 0);
        let code = self.asm.label();
        self.asm.jcc(Cc::Ne, code);
        let leave = self.leave_after();
        self.later(Ending::Code {
            label: code,
            back,
            host: at(host, 0),
            spare: host,
            word: t,
            keeps: false,
            length,
            leave,
            site: self.site,
        });
    }

    /// Turns a value of that size into the guest's byte order, or back.
    pub(super) fn swap(&mut self, d: Reg, size: MemSize) {
        match size {
            MemSize::B1 => {}
            MemSize::B2 => self.asm.swap16(d),
            MemSize::B4 => self.asm.bswap(Width::W32, d),
            MemSize::B8 => self.asm.bswap(Width::W64, d),
        }
    }

    /// The addend goes to the register that the tag was in, the address of the word of code
    /// lines to the other.
    pub(super) fn both_fields(&mut self, entry: Probe) -> Probe {
        let field = |field| at_index(RBP, entry.addend, self.tlb(field));
        let addend = field(std::mem::offset_of!(Entry, addend));
        let lines = field(std::mem::offset_of!(Entry, lines));
        self.asm.mov(Width::W64, entry.tag, addend);
        self.asm.mov(Width::W64, entry.addend, lines);
        Probe {
            tag: entry.addend,
            addend: entry.tag,
            ..entry
        }
    }

    /// Writes the rest of the way of a miss: the slow path's operands, its call, its result.
    pub(super) fn write_slow(
        &mut self,
        thunk: usize,
        (probe, span): (Probe, Span),
        shape: i32,
        (value, second): (Option<Reg>, Option<Reg>),
        result: Option<(Reg, Width)>,
        site: Site,
    ) {
        let state = |offset| thunks::state(offset);
        let address = self.core(state(std::mem::offset_of!(super::State, address)));
        let value_word = self.core(state(std::mem::offset_of!(super::State, value)));
        let second_word = self.core(state(std::mem::offset_of!(super::State, second)));
        let shape_word = self.core(state(std::mem::offset_of!(super::State, shape)));
        let mut base = probe.base;
        if probe.disp != 0 {
            self.asm
                .lea(Width::W64, probe.tag, at(probe.base, probe.disp));
            base = probe.tag;
        }
        self.asm.store(Width::W64, address, base);
        if let Some(value) = value {
            self.asm.store(Width::W64, value_word, value);
        }
        if let Some(second) = second {
            self.asm.store(Width::W64, second_word, second);
        }
        self.asm.store_imm(Width::W32, shape_word, shape);
        self.write_site(site, probe.tag);
        let thunk = self.core(thunks::thunk(thunk));
        self.asm.call_mem(thunk);
        if let Some((reg, w)) = result {
            self.asm.mov(w, reg, value_word);
        }
        match span {
            Span::Leads { from, bytes, write } => {
                let word = self.core(state(std::mem::offset_of!(super::State, span)));
                let span = thunks::span_number(from, bytes, write);
                self.asm.store_imm(Width::W32, word, span);
                let thunk = self.core(thunks::thunk(thunks::SPAN));
                self.asm.call_mem(thunk);
                self.asm.mov(Width::W64, probe.addend, second_word);
                if write {
                    let lines = self.core(state(std::mem::offset_of!(super::State, third)));
                    self.asm.mov(Width::W64, probe.tag, lines);
                }
            }
            // It was zero, and may have been used.
            Span::Follows if probe.tag == probe.addend => {
                self.asm.mov_imm_keep_flags(probe.addend, 0);
            }
            _ => {}
        }
    }

    /// Writes the look at the lines of a store into a page that has code. `host` may be changed,
    /// and `word` holds the address of the page's word.
    pub(super) fn write_code_check(
        &mut self,
        place: Mem,
        (host, word): (Reg, Reg),
        length: Length,
        back: Label,
        site: Site,
    ) {
        let address = self.core(thunks::state(std::mem::offset_of!(super::State, address)));
        let shape_word = self.core(thunks::state(std::mem::offset_of!(super::State, shape)));
        self.asm.lea(Width::W64, host, place);
        self.asm.store(Width::W64, address, host);
        match length {
            // The slow path looks at the lines.
            Length::In(length) => self.asm.store(Width::W32, shape_word, length),
            Length::Known(bytes) => {
                self.asm.mov(Width::W64, word, at(word, 0));
                self.asm.shift_imm(Shift::Shr, Width::W64, host, 6);
                let real = self.asm.label();
                self.asm.bit_test(word, host);
                // A byte in each further line, the last one among them.
                let last = (bytes > 1).then(|| bytes - 1);
                for further in (64..bytes.saturating_sub(1)).step_by(64).chain(last) {
                    self.asm.jcc(Cc::B, real);
                    self.asm.mov(Width::W64, host, address);
                    self.asm
                        .alu_imm(Alu::Add, Width::W64, host, i32::from(further));
                    self.asm.shift_imm(Shift::Shr, Width::W64, host, 6);
                    self.asm.bit_test(word, host);
                }
                self.asm.jcc(Cc::Ae, back);
                self.asm.bind(real);
                self.asm.store_imm(Width::W32, shape_word, i32::from(bytes));
            }
        }
        self.write_site(site, host);
        let thunk = self.core(thunks::thunk(thunks::STORED));
        self.asm.call_mem(thunk);
    }
}
