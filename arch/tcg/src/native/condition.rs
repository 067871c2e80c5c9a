//! The recorded condition-code operation: written to the CPU only where somebody can look.
//!
//! A recorded operation stays pending while the block goes on. Side exits and slow paths, behind the
//! block, write it for themselves; whoever looks in line has it written before. Most are replaced by
//! the next one and never written. Not here: its evaluation, which is the architecture's.

use super::alloc::Home;
use super::asm::{Mem, RAX, Reg, Width};
use super::lower::Lower;
use super::{State, thunks};
use crate::cpu::CpuCore;
use crate::guest::Guest;
use crate::ir::{Op, Val};

/// A recorded operation that is not in the CPU yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    kind: u8,
    a: Val,
    b: Val,
}

/// Where an operand is at a jump out of the block.
#[derive(Debug, Clone, Copy)]
enum Place {
    Constant(u64),
    /// 64 bits of a register.
    Wide(Reg),
    /// 32 bits of one, to be extended by zeros.
    Narrow(Reg),
    Memory(Mem, Width),
}

/// A recorded operation as code behind the block writes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    kind: u8,
    operands: [Place; 2],
}

/// Offsets of the operands in the core.
const OPERANDS: [usize; 2] = [
    std::mem::offset_of!(CpuCore, cc_a),
    std::mem::offset_of!(CpuCore, cc_b),
];

/// Lets the operands of recorded operations live as long as somebody may ask for them.
pub(super) fn keep_operands(ops: &[Op], needed: &[bool], mut keep: impl FnMut(Val, u32)) {
    for (i, op) in ops.iter().enumerate() {
        let Op::SetCc { a, b, .. } = *op else {
            continue;
        };
        if !needed[i] {
            continue;
        }
        let mut last = i;
        let mut may_leave = ops[..i]
            .iter()
            .rev()
            .take_while(|op| !matches!(op, Op::Insn { .. }))
            .any(Op::may_leave_after_insn);
        for (j, op) in ops.iter().enumerate().skip(i + 1) {
            match op {
                _ if !needed[j] => {}
                Op::SetCc { .. } => break,
                Op::Call { .. } | Op::GetCc | Op::TestCc { .. } | Op::Exit(_) => {
                    last = j;
                    break;
                }
                // One more: a value that dies at an op may give it its register.
                Op::Insn { .. } if std::mem::take(&mut may_leave) => last = j + 1,
                op if op.observes_globals() => last = j + 1,
                _ => {}
            }
            may_leave |= op.may_leave_after_insn();
        }
        keep(a, last as u32);
        keep(b, last as u32);
    }
}

impl<G: Guest> Lower<'_, G> {
    /// Records a condition-code operation.
    pub(super) fn set_cc(&mut self, kind: u8, a: Val, b: Val) {
        self.pending = Some(Pending { kind, a, b });
    }

    /// The recorded operation is in the CPU from here on.
    pub(super) fn settle_cc(&mut self) {
        let Some(Pending { kind, a, b }) = self.pending.take() else {
            return;
        };
        if self.cc_kind != Some(kind) {
            let place = self.core(std::mem::offset_of!(CpuCore, cc_kind));
            self.asm.store_imm(Width::W32, place, i32::from(kind));
            self.cc_kind = Some(kind);
        }
        for (v, offset) in [a, b].into_iter().zip(OPERANDS) {
            let place = self.core(offset);
            match self.constant(v).map(|c| i32::try_from(c as i64)) {
                Some(Ok(c)) => self.asm.store_imm(Width::W64, place, c),
                _ => {
                    let reg = self.reg_extended(v);
                    self.asm.store(Width::W64, place, reg);
                }
            }
        }
        // Nothing of the current op is locked yet.
        self.locked = 0;
    }

    /// The pending operation for code behind the block, as things are now.
    pub(super) fn recorded(&mut self) -> Option<Recorded> {
        let Pending { kind, a, b } = self.pending?;
        // That code may come back.
        self.cc_kind = None;
        let operands = [a, b].map(|v| self.cc_place(v));
        Some(Recorded { kind, operands })
    }

    fn cc_place(&mut self, v: Val) -> Place {
        if let Some(c) = self.constant(v) {
            return Place::Constant(c);
        }
        let (root, ty) = (self.root(v), self.ty(v));
        let value = self.values[root];
        let w = super::alloc::width(ty);
        match (value.reg, value.home, w) {
            (Some(reg), _, Width::W64) => Place::Wide(reg),
            (Some(reg), _, Width::W32) => Place::Narrow(reg),
            // A wide value may be a short one with its upper half zero.
            (None, Some(home @ Home::Global { bytes: 4, .. }), _) => {
                Place::Memory(self.home_mem(home), Width::W32)
            }
            (None, Some(home), w) => Place::Memory(self.home_mem(home), w),
            // A value that is kept is somewhere.
            (None, None, _) => {
                self.failed = true;
                Place::Constant(0)
            }
        }
    }

    /// Behind the block: writes a recorded operation. Changes no register.
    pub(super) fn write_recorded(&mut self, recorded: Option<Recorded>) {
        let Some(Recorded { kind, operands }) = recorded else {
            return;
        };
        let place = self.core(std::mem::offset_of!(CpuCore, cc_kind));
        self.asm.store_imm(Width::W32, place, i32::from(kind));
        let aside = self.core(thunks::aside());
        for (operand, offset) in operands.into_iter().zip(OPERANDS) {
            let place = self.core(offset);
            match operand {
                Place::Constant(c) => match i32::try_from(c as i64) {
                    Ok(c) => self.asm.store_imm(Width::W64, place, c),
                    Err(_) => {
                        self.asm.store(Width::W64, aside, RAX);
                        self.asm.mov_imm_keep_flags(RAX, c);
                        self.asm.store(Width::W64, place, RAX);
                        self.asm.mov(Width::W64, RAX, aside);
                    }
                },
                Place::Wide(reg) => self.asm.store(Width::W64, place, reg),
                Place::Narrow(reg) => {
                    let high = self.core(offset + 4);
                    self.asm.store(Width::W32, place, reg);
                    self.asm.store_imm(Width::W32, high, 0);
                }
                Place::Memory(from, w) => {
                    self.asm.store(Width::W64, aside, RAX);
                    self.asm.mov(w, RAX, from);
                    self.asm.store(Width::W64, place, RAX);
                    self.asm.mov(Width::W64, RAX, aside);
                }
            }
        }
    }

    /// The condition code, or whether a mask selects it.
    pub(super) fn get_cc(&mut self, mask: Option<u8>) {
        let d = self.define(&[]);
        let shape = self.core(thunks::state(std::mem::offset_of!(State, shape)));
        let value = self.core(thunks::state(std::mem::offset_of!(State, value)));
        let number = mask.map_or(-1, i32::from);
        self.asm.store_imm(Width::W32, shape, number);
        let thunk = self.core(thunks::thunk(thunks::CONDITION_CODE));
        self.asm.call_mem(thunk);
        self.asm.mov(Width::W32, d, value);
    }
}
