//! Blocks that are loops of their own: more of their guest registers live in host registers.
//!
//! Where a block jumps back to its beginning and in between only computes, the host registers of
//! pinned guest registers that it does not name are lent to some that it does. They change places
//! before the first pass and when the block is left; passes in between go from the jump back to
//! behind that. Nobody can look at the CPU in such a block: it has no accesses, no helpers and no
//! traps. Not here: what exits are otherwise ([`super::leave`]).

use super::asm::{Alu, Cc, RAX, RBP, Reg, Width, at};
use super::leave::Ending;
use super::lower::Lower;
use super::pins;
use crate::cache::block::Way;
use crate::cpu::CpuCore;
use crate::guest::{BlockKey, Guest};
use crate::ir::{Exit, Global, Op, Ty};

/// A host register lent to another guest register, and where both are in the CPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loan {
    reg: Reg,
    owner: i32,
    borrower: i32,
}

/// Whether an op only computes.
fn computes(op: &Op) -> bool {
    matches!(
        op,
        Op::Insn { .. }
            | Op::Const(..)
            | Op::Get(..)
            | Op::Put(..)
            | Op::Un(..)
            | Op::Bin(..)
            | Op::Carry(..)
            | Op::Trunc(_)
            | Op::Extend { .. }
            | Op::Deposit { .. }
            | Op::SetCond(..)
            | Op::Select { .. }
            | Op::SetCc { .. }
            | Op::ExitIf { .. }
            | Op::Exit(_)
    )
}

/// Whether a block with this key goes back to its beginning and only computes.
fn is_loop(ops: &[Op], key: &BlockKey) -> bool {
    let back = |op: &Op| match op {
        Op::Exit(exit) | Op::ExitIf { exit, .. } => {
            matches!(exit, Exit::Jump { pc } if *pc == key.pc)
        }
        _ => false,
    };
    key.aux == 0 && ops.iter().any(back) && ops.iter().all(computes)
}

impl<G: Guest> Lower<'_, G> {
    /// Lends host registers if the block is a loop that gains from it, and writes what comes
    /// before its first pass.
    pub(super) fn begin_loop(&mut self) {
        if !is_loop(self.ops, &self.block_place.key) {
            return;
        }
        let mut reads = vec![0u32; G::GLOBALS.len()];
        let mut writes = vec![0u32; G::GLOBALS.len()];
        for (op, _) in self
            .ops
            .iter()
            .zip(&self.needed)
            .filter(|(_, needed)| **needed)
        {
            match *op {
                Op::Get(global, _) => reads[usize::from(global.0)] += 1,
                Op::Put(global, ..) => writes[usize::from(global.0)] += 1,
                Op::ExitIf { put: Some(put), .. } => writes[usize::from(put.global.0)] += 1,
                _ => {}
            }
        }
        // What one pass leaves to the next gains most.
        let mut wanting: Vec<usize> = (0..G::GLOBALS.len())
            .filter(|&g| {
                G::GLOBALS[g].ty == Ty::I64
                    && self.pins[g].is_none()
                    && reads[g] > 0
                    && writes[g] > 0
            })
            .collect();
        wanting.sort_by_key(|&g| std::cmp::Reverse(reads[g] + writes[g]));
        let idle = pins::<G>().filter(|(_, global, _)| {
            let g = usize::from(global.0);
            reads[g] + writes[g] == 0
        });
        let loans: Vec<Loan> = idle
            .zip(wanting)
            .map(|((reg, owner, offset), borrower)| {
                self.pins[usize::from(owner.0)] = None;
                self.pins[borrower] = Some(reg);
                Loan {
                    reg,
                    owner: offset as i32 - self.bias,
                    borrower: self.place(Global(borrower as u16), crate::ir::Part::Full).0,
                }
            })
            .collect();
        if loans.is_empty() {
            return;
        }
        for loan in &loans {
            self.asm.store(Width::W64, at(RBP, loan.owner), loan.reg);
            self.asm.mov(Width::W64, loan.reg, at(RBP, loan.borrower));
        }
        self.loans = loans;
        self.again = Some(self.asm.offset());
    }

    /// Gives the lent registers back; flags stay as they are.
    pub(super) fn return_loans(&mut self) {
        for loan in &self.loans {
            self.asm.store(Width::W64, at(RBP, loan.borrower), loan.reg);
            self.asm.mov(Width::W64, loan.reg, at(RBP, loan.owner));
        }
    }

    /// Whether this register is lent.
    pub(super) fn is_lent(&self, reg: Reg) -> bool {
        self.loans.iter().any(|loan| loan.reg == reg)
    }

    /// The jump back after `completed` instructions: to the next pass, unless somebody wants the
    /// vCPU's attention or the block is no longer good.
    pub(super) fn jump_back(&mut self, completed: u32) {
        let word = self.core(std::mem::offset_of!(CpuCore, attention_at));
        self.asm.mov(Width::W64, RAX, word);
        self.asm.alu_imm(Alu::Cmp, Width::W32, at(RAX, 0), 0);
        let wanted = self.asm.label();
        self.asm.jcc(Cc::Ne, wanted);
        self.later(Ending::AttentionInLoop(wanted));
        let pc = self.block_place.key.pc;
        self.jump_by_slot(pc, completed, Way::Back);
    }
}
