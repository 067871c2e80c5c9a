//! Entering and leaving blocks: the look at the attention word, exits, early leaves, and what is
//! written behind a block's last instruction.

use super::asm::{Alu, Cc, Label, Mem, RAX, RBP, RCX, RDX, Reg, Shift, Width, at};
use super::bytes::Repeat;
use super::call::Source;
use super::condition::Recorded;
use super::group::Span;
use super::lower::{Lower, Site};
use super::memory::{Length, Probe};
use super::{Jump, State, thunks};
use crate::cache::block::{ExitSlot, Way};
use crate::cpu::CpuCore;
use crate::guest::Guest;
use crate::helper::HelperDef;
use crate::ir::{Cond, Exit, ExitPut, Op, Ty, Val};
use crate::mem::PAGE_SIZE;

/// Where an early leave goes on: the next instruction, and how many of the block were completed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Early {
    pc: u64,
    completed: u32,
}

/// An exit whose operand is in a register.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    Constant(u64),
    Computed(Reg),
    Lookup(Option<Reg>),
}

/// Code behind the block's last instruction.
#[derive(Debug)]
pub(super) enum Ending {
    /// Somebody wants the vCPU's attention.
    Attention(Label),
    /// As before another pass of a loop.
    AttentionInLoop(Label),
    /// An early leave.
    Leave(Label, Early),
    /// An early leave at an exit: the address is the exit's.
    LeaveTo(Label, Target, u32),
    /// Where an exit goes that is not linked: with the address of its slot.
    Unlinked(Label, u64, Way),
    /// A side exit.
    Exit {
        label: Label,
        target: Target,
        put: Option<ExitPut>,
        completed: u32,
        look: bool,
    },
    /// A miss of the TLB.
    Slow {
        thunk: usize,
        probe: Probe,
        back: Label,
        shape: i32,
        value: Option<Reg>,
        second: Option<Reg>,
        result: Option<(Reg, Width)>,
        leave: Option<Early>,
        span: Span,
        site: Site,
    },
    /// A store into a page that has code.
    Code {
        label: Label,
        back: Label,
        host: Mem,
        /// A register that may be changed.
        spare: Reg,
        /// Where the address of the page's word is.
        word: Reg,
        /// Both are needed afterwards.
        keeps: bool,
        length: Length,
        leave: Option<Early>,
        site: Site,
    },
    /// A field that repeats its source.
    Repeat(Repeat),
    /// What is seldom of a copy whose length is in a register.
    CopyLength(super::lengths::Copy),
    /// A trap of a helper: its code is in rdx. `reload`: it may have written registers.
    Trap { label: Label, reload: bool },
    /// A helper that inline code stands for.
    Helper {
        label: Label,
        back: Label,
        def: &'static HelperDef,
        sources: [Option<Source>; 5],
        result: Option<Reg>,
        leave: Option<Early>,
        /// It may ask to leave the block.
        looks: bool,
        site: Site,
    },
    /// A floating-point operation that is not as usual.
    Float(super::float::Cold),
}

impl<G: Guest> Lower<'_, G> {
    /// The entry; the offset of the one that does not look at the attention word.
    pub(super) fn prologue(&mut self) -> usize {
        let word = self.core(std::mem::offset_of!(CpuCore, attention_at));
        self.asm.mov(Width::W64, RAX, word);
        self.asm.alu_imm(Alu::Cmp, Width::W32, at(RAX, 0), 0);
        let label = self.asm.label();
        self.asm.jcc(Cc::Ne, label);
        self.later(Ending::Attention(label));
        self.asm.offset()
    }

    /// An instruction begins.
    pub(super) fn insn(&mut self, pc: u64, len: u8) {
        let before = self.begun;
        if std::mem::take(&mut self.may_leave) {
            let label = self.look_at_leave();
            let early = Early {
                pc,
                completed: before,
            };
            self.later(Ending::Leave(label, early));
        }
        self.begun += 1;
        self.site = Site { pc, len, before };
    }

    /// Jumps to the label if the block is to be left.
    fn look_at_leave(&mut self) -> Label {
        let word = self.core(std::mem::offset_of!(CpuCore, leave_block));
        self.asm.alu_imm(Alu::Cmp, Width::W32, word, 0);
        let label = self.asm.label();
        self.asm.jcc(Cc::Ne, label);
        label
    }

    /// The current op may have asked to leave the block after its instruction: where to, if that
    /// can be right now; else it is looked at when the instruction ends.
    pub(super) fn leave_after(&mut self) -> Option<Early> {
        let next = (self.now + 1..self.ops.len())
            .filter(|&k| self.needed[k] && !matches!(self.ops[k], Op::Const(..)))
            .map(|k| self.ops[k])
            .next();
        match next {
            Some(Op::Insn { pc, .. }) => Some(Early {
                pc,
                completed: self.begun,
            }),
            Some(Op::Exit(Exit::Jump { pc })) => Some(Early {
                pc,
                completed: self.begun,
            }),
            _ => {
                self.may_leave = true;
                None
            }
        }
    }

    fn target(&mut self, exit: Exit) -> Target {
        match exit {
            Exit::Jump { pc } => Target::Constant(pc),
            Exit::JumpReg { pc } => Target::Computed(self.reg(pc)),
            Exit::Lookup { pc } => Target::Lookup(pc.map(|pc| self.reg(pc))),
        }
    }

    /// The last op.
    pub(super) fn exit(&mut self, exit: Exit, put: Option<ExitPut>) {
        let target = self.target(exit);
        let look = std::mem::take(&mut self.may_leave);
        let completed = self.begun;
        self.write_exit(target, put, completed, look);
    }

    /// A side exit. One that goes backward is likely to be taken: it is written in line.
    pub(super) fn exit_if(
        &mut self,
        comparison: (Cond, Ty, Val, Val),
        exit: Exit,
        put: Option<ExitPut>,
    ) {
        let target = self.target(exit);
        let cc = self.compare(comparison);
        let (completed, look) = (self.begun, self.may_leave);
        let backward = matches!(target, Target::Constant(pc) if pc <= self.site.pc);
        let label = self.asm.label();
        if backward {
            self.asm.jcc(cc.negate(), label);
            let recorded = self.recorded();
            let pending = self.pending.take();
            self.write_recorded(recorded);
            self.write_exit(target, put, completed, look);
            self.pending = pending;
            self.asm.bind(label);
        } else {
            self.asm.jcc(cc, label);
            self.later(Ending::Exit {
                label,
                target,
                put,
                completed,
                look,
            });
        }
    }

    /// Writes an exit. All temporaries are free here but the target's.
    fn write_exit(&mut self, target: Target, put: Option<ExitPut>, completed: u32, look: bool) {
        if let Some(ExitPut { global, value }) = put {
            let (disp, bytes) = self.place(global, crate::ir::Part::Full);
            let kept = match target {
                Target::Computed(reg) | Target::Lookup(Some(reg)) => Some(reg),
                _ => None,
            };
            let free = if kept == Some(RAX) { RCX } else { RAX };
            match (self.pin(global), i32::try_from(value as i64)) {
                (Some(pin), _) if kept != Some(pin) => self.asm.mov_imm_keep_flags(pin, value),
                (None, Ok(value)) if bytes == 8 => {
                    self.asm.store_imm(Width::W64, at(RBP, disp), value);
                }
                (None, _) if bytes == 4 => {
                    self.asm.store_imm(Width::W32, at(RBP, disp), value as i32);
                }
                (None, _) => {
                    self.asm.mov_imm_keep_flags(free, value);
                    self.asm.store(Width::W64, at(RBP, disp), free);
                }
                // The target's own register is written: no architecture asks for that.
                (Some(_), _) => self.failed = true,
            }
        }
        if look {
            let label = self.look_at_leave();
            self.later(Ending::LeaveTo(label, target, completed));
        }
        self.count(completed);
        match target {
            Target::Constant(pc) if self.again.is_some() && pc == self.block_place.key.pc => {
                self.jump_back(completed);
            }
            Target::Constant(pc) => {
                self.return_loans();
                self.jump(pc, completed);
            }
            Target::Computed(reg) => {
                let reg = self.kept_target(reg);
                self.return_loans();
                self.jump_computed(reg);
            }
            Target::Lookup(reg) => {
                let reg = reg.map(|reg| self.kept_target(reg));
                self.return_loans();
                if let Some(reg) = reg {
                    let pc = self.core(std::mem::offset_of!(CpuCore, pc));
                    self.asm.store(Width::W64, pc, reg);
                }
                let thunk = self.core(thunks::thunk(thunks::LOOK_UP));
                self.asm.jmp_mem(thunk);
            }
        }
    }

    /// The register of an exit's target, or one that has the same once loans are returned.
    fn kept_target(&mut self, reg: Reg) -> Reg {
        if !self.is_lent(reg) {
            return reg;
        }
        self.asm.mov(Width::W64, RAX, reg);
        RAX
    }

    /// Instructions were completed.
    fn count(&mut self, completed: u32) {
        if completed != 0 && self.native.counts {
            let insns = self.core(std::mem::offset_of!(CpuCore, insns));
            self.asm
                .alu_imm(Alu::Add, Width::W64, insns, completed as i32);
        }
    }

    /// To a constant address: through a slot where the page is sure to be the same one, else
    /// through the jump table.
    fn jump(&mut self, pc: u64, completed: u32) {
        let page = pc / PAGE_SIZE;
        let own = self.block_place.key.pc / PAGE_SIZE;
        if page == own || self.block_place.two_pages && page == own.wrapping_add(1) {
            self.jump_by_slot(pc, completed, Way::Onward);
            return;
        }
        let jumps = self.core(thunks::state(std::mem::offset_of!(State, jumps)));
        self.asm.mov(Width::W64, RCX, jumps);
        self.asm.mov_imm_keep_flags(RAX, pc);
        let entry = super::jump_slot(pc) * size_of::<Jump>();
        self.jump_by_entry(entry as i32);
    }

    /// To a constant address through a slot.
    pub(super) fn jump_by_slot(&mut self, pc: u64, completed: u32, way: Way) {
        let number = self.next_slot;
        self.next_slot += 1;
        let Some(slot) = self.slots.get_mut(number) else {
            self.failed = true;
            return;
        };
        let label = self.asm.label();
        let jump_at = self.asm.jmp_aligned(label);
        *slot = ExitSlot::native(pc, completed, number as u32, jump_at as u32, way);
        let address = std::ptr::from_ref(slot).addr() as u64;
        self.later(Ending::Unlinked(label, address, way));
    }

    fn jump_computed(&mut self, reg: Reg) {
        self.asm.mov(Width::W64, RAX, reg);
        let jumps = self.core(thunks::state(std::mem::offset_of!(State, jumps)));
        self.asm.mov(Width::W64, RCX, RAX);
        self.asm.mov(Width::W64, RDX, RAX);
        self.asm.shift_imm(Shift::Shr, Width::W64, RCX, 1);
        self.asm.shift_imm(Shift::Shr, Width::W64, RDX, 13);
        self.asm.alu(Alu::Xor, Width::W32, RCX, RDX);
        self.asm
            .alu_imm(Alu::And, Width::W32, RCX, super::JUMPS as i32 - 1);
        self.asm.shift_imm(
            Shift::Shl,
            Width::W32,
            RCX,
            size_of::<Jump>().trailing_zeros() as u8,
        );
        self.asm.alu(Alu::Add, Width::W64, RCX, jumps);
        self.jump_by_entry(0);
    }

    /// To the address in rax by the table's entry at rcx + `entry`, if it is that address's.
    fn jump_by_entry(&mut self, entry: i32) {
        let field = |offset: usize| at(RCX, entry + offset as i32);
        let mode = usize::from(G::code_mode(self.block_place.key.flags).0);
        let tag = thunks::state(std::mem::offset_of!(State, jump_tags) + mode * 8);
        let tag = self.core(tag);
        let flags = self.flags;
        let slow = self.asm.label();
        self.asm.alu(
            Alu::Cmp,
            Width::W64,
            RAX,
            field(std::mem::offset_of!(Jump, pc)),
        );
        self.asm.jcc(Cc::Ne, slow);
        self.asm.mov(Width::W64, RDX, tag);
        if flags != 0 {
            self.asm.alu_imm(Alu::Add, Width::W64, RDX, flags as i32);
        }
        self.asm.alu(
            Alu::Cmp,
            Width::W64,
            RDX,
            field(std::mem::offset_of!(Jump, check)),
        );
        self.asm.jcc(Cc::Ne, slow);
        self.asm
            .mov(Width::W64, RCX, field(std::mem::offset_of!(Jump, entry)));
        // Not in one instruction: the host then predicts the target badly.
        self.asm.mov(Width::W64, RCX, at(RCX, 0));
        self.asm.jmp_reg(RCX);
        self.asm.bind(slow);
        self.asm.mov_imm_keep_flags(RCX, flags.into());
        let thunk = self.core(thunks::thunk(thunks::JUMP_SLOW));
        self.asm.jmp_mem(thunk);
    }

    /// Tells the CPU which instruction is executing. `free` is a register of nobody's.
    pub(super) fn write_site(&mut self, site: Site, free: Reg) {
        let pc = self.core(std::mem::offset_of!(CpuCore, pc));
        let ilen = self.core(std::mem::offset_of!(CpuCore, ilen));
        let before = self.core(thunks::state(std::mem::offset_of!(State, before)));
        match i32::try_from(site.pc as i64) {
            Ok(c) => self.asm.store_imm(Width::W64, pc, c),
            Err(_) => {
                self.asm.mov_imm_keep_flags(free, site.pc);
                self.asm.store(Width::W64, pc, free);
            }
        }
        self.asm.store_imm(Width::W32, ilen, i32::from(site.len));
        if self.native.counts {
            self.asm.store_imm(Width::W32, before, site.before as i32);
        }
    }

    fn write_pc(&mut self, pc: u64) {
        let place = self.core(std::mem::offset_of!(CpuCore, pc));
        match i32::try_from(pc as i64) {
            Ok(c) => self.asm.store_imm(Width::W64, place, c),
            Err(_) => {
                self.asm.mov_imm_keep_flags(RAX, pc);
                self.asm.store(Width::W64, place, RAX);
            }
        }
    }

    /// Leaves for the run loop, which asks for the key.
    fn write_leave(&mut self) {
        self.asm.mov_imm_keep_flags(RAX, thunks::LOOKUP);
        let thunk = self.core(thunks::thunk(thunks::LEAVE));
        self.asm.jmp_mem(thunk);
    }

    fn write_early(&mut self, early: Early) {
        self.count(early.completed);
        self.write_pc(early.pc);
        self.write_leave();
    }

    /// After a slow path that may have asked to leave.
    fn leave_or_back(&mut self, leave: Option<Early>, back: Label) {
        match leave {
            Some(early) => {
                let word = self.core(std::mem::offset_of!(CpuCore, leave_block));
                self.asm.alu_imm(Alu::Cmp, Width::W32, word, 0);
                self.asm.jcc(Cc::E, back);
                self.write_early(early);
            }
            None => self.asm.jmp(back),
        }
    }

    /// Writes what belongs behind the block, which may ask for more of it.
    pub(super) fn write_endings(&mut self) {
        while !self.endings.is_empty() {
            for (recorded, ending) in std::mem::take(&mut self.endings) {
                self.write_ending(ending, recorded);
            }
        }
    }

    /// To be written behind the block.
    pub(super) fn later(&mut self, ending: Ending) {
        let recorded = self.recorded();
        self.endings.push((recorded, ending));
    }

    fn write_ending(&mut self, ending: Ending, recorded: Option<Recorded>) {
        match ending {
            Ending::AttentionInLoop(label) => {
                self.asm.bind(label);
                self.return_loans();
                self.write_pc(self.block_place.key.pc);
                self.write_leave();
            }
            Ending::Attention(label) => {
                self.asm.bind(label);
                self.write_pc(self.block_place.key.pc);
                self.write_leave();
            }
            Ending::Leave(label, early) => {
                self.asm.bind(label);
                self.write_recorded(recorded);
                self.write_early(early);
            }
            Ending::LeaveTo(label, target, completed) => {
                self.asm.bind(label);
                self.write_recorded(recorded);
                self.count(completed);
                match target {
                    Target::Constant(pc) => self.write_pc(pc),
                    Target::Computed(reg) | Target::Lookup(Some(reg)) => {
                        let pc = self.core(std::mem::offset_of!(CpuCore, pc));
                        self.asm.store(Width::W64, pc, reg);
                    }
                    Target::Lookup(None) => {}
                }
                self.write_leave();
            }
            Ending::Unlinked(label, slot, way) => {
                self.asm.bind(label);
                if way == Way::Back {
                    self.return_loans();
                }
                self.asm.mov_imm_keep_flags(RAX, slot);
                let thunk = self.core(thunks::thunk(thunks::LEAVE));
                self.asm.jmp_mem(thunk);
            }
            Ending::Exit {
                label,
                target,
                put,
                completed,
                look,
            } => {
                self.asm.bind(label);
                self.write_recorded(recorded);
                self.write_exit(target, put, completed, look);
            }
            Ending::Slow {
                thunk,
                probe,
                back,
                shape,
                value,
                second,
                result,
                leave,
                span,
                site,
            } => {
                self.asm.bind(probe.miss);
                self.write_recorded(recorded);
                self.write_slow(thunk, (probe, span), shape, (value, second), result, site);
                self.leave_or_back(leave, back);
            }
            Ending::Code {
                label,
                back,
                host,
                spare,
                word,
                keeps,
                length,
                leave,
                site,
            } => {
                self.asm.bind(label);
                self.write_recorded(recorded);
                if !keeps {
                    self.write_code_check(host, (spare, word), length, back, site);
                    self.leave_or_back(leave, back);
                    return;
                }
                let places = [
                    (spare, self.core(thunks::aside())),
                    (
                        word,
                        self.core(thunks::state(std::mem::offset_of!(State, second))),
                    ),
                ];
                for (reg, place) in places {
                    self.asm.store(Width::W64, place, reg);
                }
                let restore = self.asm.label();
                self.write_code_check(host, (spare, word), length, restore, site);
                self.leave_or_back(leave, restore);
                self.asm.bind(restore);
                for (reg, place) in places {
                    self.asm.mov(Width::W64, reg, place);
                }
                self.asm.jmp(back);
            }
            Ending::Helper {
                label,
                back,
                def,
                sources,
                result,
                leave,
                looks,
                site,
            } => {
                self.asm.bind(label);
                self.write_helper(def, sources, result, site);
                self.leave_or_back(if looks { leave } else { None }, back);
            }
            Ending::Float(cold) => self.write_float(cold),
            Ending::Repeat(repeat) => self.write_repeat(repeat),
            Ending::CopyLength(copy) => self.write_copy(copy),
            Ending::Trap { label, reload } => {
                self.asm.bind(label);
                if reload {
                    for (reg, _, offset) in super::pins::<G>() {
                        let place = at(RBP, offset as i32 - self.bias);
                        self.asm.mov(Width::W64, reg, place);
                    }
                }
                let thunk = self.core(thunks::thunk(thunks::TRAPPED));
                self.asm.jmp_mem(thunk);
            }
        }
    }
}
