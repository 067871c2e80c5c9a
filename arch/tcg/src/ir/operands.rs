//! What each op reads, makes and does: the facts that passes and engines ask for.

use super::{Block, CarryOp, Exit, GlobalDecl, Op, Part, Ty, Val};

impl Exit {
    /// The value it reads.
    pub fn operand(&self) -> Option<Val> {
        match *self {
            Self::JumpReg { pc } => Some(pc),
            Self::Lookup { pc } => pc,
            Self::Jump { .. } => None,
        }
    }

    fn operand_ref(&self) -> Option<&Val> {
        match self {
            Self::JumpReg { pc } => Some(pc),
            Self::Lookup { pc } => pc.as_ref(),
            Self::Jump { .. } => None,
        }
    }

    fn operand_mut(&mut self) -> Option<&mut Val> {
        match self {
            Self::JumpReg { pc } => Some(pc),
            Self::Lookup { pc } => pc.as_mut(),
            Self::Jump { .. } => None,
        }
    }
}

/// The operands of an op, by shared or exclusive reference.
macro_rules! operands {
    ($op:expr, $f:expr, $option:ident, $exit:ident, $iter:ident) => {
        match $op {
            Op::Insn { .. }
            | Op::Const(..)
            | Op::Get(..)
            | Op::Fence
            | Op::GetCc
            | Op::TestCc { .. } => {}
            Op::Put(_, _, v) | Op::Un(_, _, v) | Op::Trunc(v) | Op::Extend { v, .. } => $f(v),
            Op::Bin(_, _, a, b) | Op::SetCond(_, _, a, b) | Op::SetCc { a, b, .. } => {
                $f(a);
                $f(b);
            }
            Op::Carry(_, _, a, b, c) => {
                $f(a);
                $f(b);
                $f(c);
            }
            Op::Deposit { base, v, .. } => {
                $f(base);
                $f(v);
            }
            Op::Select { a, b, t, f, .. } => {
                $f(a);
                $f(b);
                $f(t);
                $f(f);
            }
            Op::Load { addr, .. } => $f(addr),
            Op::Store { addr, v, pred, .. } => {
                $f(addr);
                $f(v);
                if let Some(pred) = pred.$option() {
                    $f(pred);
                }
            }
            Op::CompareSwap {
                addr,
                expected,
                new,
                ..
            } => {
                $f(addr);
                $f(expected);
                $f(new);
            }
            Op::Atomic { addr, v, .. } => {
                $f(addr);
                $f(v);
            }
            Op::Call { args, .. } => {
                for arg in args.$iter().flatten() {
                    $f(arg);
                }
            }
            Op::ExitIf { a, b, exit, .. } => {
                $f(a);
                $f(b);
                if let Some(pc) = exit.$exit() {
                    $f(pc);
                }
            }
            Op::Exit(exit) => {
                if let Some(pc) = exit.$exit() {
                    $f(pc);
                }
            }
        }
    };
}

impl Op {
    /// Calls `f` with each value it reads.
    pub fn for_operands(&self, mut f: impl FnMut(Val)) {
        let mut g = |v: &Val| f(*v);
        operands!(self, g, as_ref, operand_ref, iter);
    }

    /// Lets `f` replace each value it reads.
    pub fn for_operands_mut(&mut self, mut f: impl FnMut(&mut Val)) {
        operands!(self, f, as_mut, operand_mut, iter_mut);
    }

    /// The type of the value it makes; `I64` for ops that make none.
    pub fn result_ty(&self, globals: &[GlobalDecl]) -> Ty {
        match *self {
            Self::Const(ty, _)
            | Self::Un(_, ty, _)
            | Self::Bin(_, ty, _, _)
            | Self::Carry(CarryOp::Add | CarryOp::Sub, ty, ..)
            | Self::Extend { ty, .. }
            | Self::Deposit { ty, .. }
            | Self::Select { ty, .. }
            | Self::Load { ty, .. }
            | Self::CompareSwap { ty, .. }
            | Self::Atomic { ty, .. } => ty,
            Self::Get(g, Part::Full) => globals[usize::from(g.0)].ty,
            Self::Get(_, Part::Low32 | Part::High32)
            | Self::Trunc(_)
            | Self::SetCond(..)
            | Self::GetCc
            | Self::TestCc { .. }
            | Self::Carry(CarryOp::AddCarry | CarryOp::SubBorrow, ..) => Ty::I32,
            _ => Ty::I64,
        }
    }

    /// True if it makes a value.
    pub fn makes_value(&self) -> bool {
        !matches!(
            self,
            Self::Insn { .. }
                | Self::Put(..)
                | Self::Store { .. }
                | Self::Fence
                | Self::SetCc { .. }
                | Self::ExitIf { .. }
                | Self::Exit(_)
        )
    }

    /// True if it must stay although nobody reads its value.
    pub fn has_effect(&self) -> bool {
        match self {
            Self::Insn { .. }
            | Self::Put(..)
            | Self::Load { .. }
            | Self::Store { .. }
            | Self::CompareSwap { .. }
            | Self::Atomic { .. }
            | Self::Fence
            | Self::SetCc { .. }
            | Self::ExitIf { .. }
            | Self::Exit(_) => true,
            Self::Call { def, .. } => {
                let effects = def.effects;
                effects.observable
                    || effects.traps
                    || effects.writes_globals
                    || effects.writes_memory
            }
            _ => false,
        }
    }

    /// True if globals and the condition code must be right before it: it may leave the block,
    /// or it reads them itself in a way that is not written in the op.
    pub fn observes_globals(&self) -> bool {
        match self {
            Self::Load { .. }
            | Self::Store { .. }
            | Self::CompareSwap { .. }
            | Self::Atomic { .. }
            | Self::ExitIf { .. }
            | Self::Exit(_) => true,
            Self::Call { def, .. } => {
                def.effects.traps || def.effects.reads_globals || def.effects.writes_globals
            }
            _ => false,
        }
    }

    /// True if the block may be left at the end of the op's instruction because of it: it may
    /// change code or address translation.
    pub fn may_leave_after_insn(&self) -> bool {
        match self {
            Self::Store { .. } | Self::CompareSwap { .. } | Self::Atomic { .. } => true,
            Self::Call { def, .. } => def.effects.writes_memory || def.effects.writes_globals,
            _ => false,
        }
    }
}

impl Block {
    /// Guest address of the first instruction; 0 for a block without any.
    pub fn first_pc(&self) -> u64 {
        self.ops
            .iter()
            .find_map(|op| match *op {
                Op::Insn { pc, .. } => Some(pc),
                _ => None,
            })
            .unwrap_or(0)
    }
}
