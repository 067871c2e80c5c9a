//! Builds a block: one method per operation, types inferred from operands.
//!
//! Not here: any optimisation beyond constants that come for free, and any guest semantics.

use super::{
    AtomicOp, BinOp, Block, CarryOp, Cond, Exit, ExitPut, Global, GlobalDecl, MemOp, Op, Part, Ty,
    UnOp, Val,
};
use crate::helper::HelperDef;

/// Instructions after which a block ends even if nothing else ends it.
pub const MAX_INSNS: u32 = 64;

/// Ops after which no further instruction is begun.
const MAX_OPS: usize = 768;

/// Collects the ops of one block.
pub struct Builder {
    globals: &'static [GlobalDecl],
    block: Block,
    types: Vec<Ty>,
    start: u64,
}

impl Builder {
    /// An empty block that starts at a guest address.
    pub fn new(globals: &'static [GlobalDecl], start: u64) -> Self {
        Self {
            globals,
            block: Block::default(),
            types: Vec::with_capacity(64),
            start,
        }
    }

    /// The finished block. `code_bytes` and `insns` follow from the `insn` calls.
    pub fn finish(self) -> Block {
        self.block
    }

    fn push(&mut self, op: Op, ty: Ty) -> Val {
        let val = Val(self.block.ops.len() as u32);
        self.block.ops.push(op);
        self.types.push(ty);
        val
    }

    /// Any op, as it stands; the value it makes. Operands must have been made before.
    pub fn op(&mut self, op: Op) -> Val {
        let ty = op.result_ty(self.globals);
        self.push(op, ty)
    }

    fn effect(&mut self, op: Op) {
        self.push(op, Ty::I64);
    }

    /// The type of a value.
    pub fn ty(&self, v: Val) -> Ty {
        self.types[v.0 as usize]
    }

    /// The constant that a value is, if it is one.
    pub fn as_const(&self, v: Val) -> Option<u64> {
        match self.block.ops[v.0 as usize] {
            Op::Const(_, c) => Some(c),
            _ => None,
        }
    }

    /// Instructions begun so far.
    pub fn insns(&self) -> u32 {
        self.block.insns
    }

    /// True when no further instruction should be begun: the front end then ends the block with
    /// a jump to the next one.
    pub fn is_full(&self) -> bool {
        self.block.insns >= MAX_INSNS || self.block.ops.len() >= MAX_OPS
    }

    /// True once the last op is an exit.
    pub fn is_ended(&self) -> bool {
        matches!(self.block.ops.last(), Some(Op::Exit(_)))
    }

    /// Begins a guest instruction.
    pub fn insn(&mut self, pc: u64, len: u8) {
        self.block.insns += 1;
        let end = pc.wrapping_sub(self.start) as u32 + u32::from(len);
        self.block.code_bytes = self.block.code_bytes.max(end);
        self.effect(Op::Insn { pc, len });
    }

    /// The block also depends on code at these absolute addresses.
    pub fn depends_on(&mut self, absolute: u64, bytes: u32) {
        self.block.extra_code.push((absolute, bytes));
    }

    /// A constant.
    pub fn constant(&mut self, ty: Ty, value: u64) -> Val {
        self.push(Op::Const(ty, value & ty.mask()), ty)
    }

    /// A 64-bit constant.
    pub fn c64(&mut self, value: u64) -> Val {
        self.constant(Ty::I64, value)
    }

    /// A 32-bit constant.
    pub fn c32(&mut self, value: u32) -> Val {
        self.constant(Ty::I32, u64::from(value))
    }

    /// All of a global.
    pub fn get(&mut self, g: Global) -> Val {
        let ty = self.globals[usize::from(g.0)].ty;
        self.push(Op::Get(g, Part::Full), ty)
    }

    /// The numerically low half of a 64-bit global, as an `I32`.
    pub fn get_low(&mut self, g: Global) -> Val {
        self.push(Op::Get(g, Part::Low32), Ty::I32)
    }

    /// The numerically high half of a 64-bit global, as an `I32`.
    pub fn get_high(&mut self, g: Global) -> Val {
        self.push(Op::Get(g, Part::High32), Ty::I32)
    }

    /// Sets all of a global; the value has its type.
    pub fn put(&mut self, g: Global, v: Val) {
        debug_assert_eq!(self.globals[usize::from(g.0)].ty, self.ty(v));
        self.effect(Op::Put(g, Part::Full, v));
    }

    /// Sets the numerically low half of a 64-bit global to an `I32`.
    pub fn put_low(&mut self, g: Global, v: Val) {
        debug_assert_eq!(Ty::I32, self.ty(v));
        self.effect(Op::Put(g, Part::Low32, v));
    }

    /// Sets the numerically high half of a 64-bit global to an `I32`.
    pub fn put_high(&mut self, g: Global, v: Val) {
        debug_assert_eq!(Ty::I32, self.ty(v));
        self.effect(Op::Put(g, Part::High32, v));
    }

    /// A one-operand operation.
    pub fn un(&mut self, op: UnOp, v: Val) -> Val {
        let ty = self.ty(v);
        self.push(Op::Un(op, ty, v), ty)
    }

    /// A two-operand operation on values of one type.
    pub fn bin(&mut self, op: BinOp, a: Val, b: Val) -> Val {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b), "operands of {op:?}");
        self.push(Op::Bin(op, ty, a, b), ty)
    }

    /// Sum.
    pub fn add(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Add, a, b)
    }

    /// Difference.
    pub fn sub(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Sub, a, b)
    }

    /// Bitwise and.
    pub fn and(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::And, a, b)
    }

    /// Bitwise or.
    pub fn or(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Or, a, b)
    }

    /// Bitwise exclusive or.
    pub fn xor(&mut self, a: Val, b: Val) -> Val {
        self.bin(BinOp::Xor, a, b)
    }

    /// A two-operand operation with a constant.
    pub fn bin_imm(&mut self, op: BinOp, a: Val, imm: u64) -> Val {
        let ty = self.ty(a);
        let b = self.constant(ty, imm);
        self.bin(op, a, b)
    }

    /// Sum or difference with a carry (`I32`), or its carry out (an `I32`).
    pub fn carry(&mut self, op: CarryOp, a: Val, b: Val, c: Val) -> Val {
        let ty = self.ty(a);
        let result = match op {
            CarryOp::Add | CarryOp::Sub => ty,
            CarryOp::AddCarry | CarryOp::SubBorrow => Ty::I32,
        };
        self.push(Op::Carry(op, ty, a, b, c), result)
    }

    /// The low half of an `I64`.
    pub fn trunc(&mut self, v: Val) -> Val {
        debug_assert_eq!(self.ty(v), Ty::I64);
        self.push(Op::Trunc(v), Ty::I32)
    }

    /// The low `bits` of a value, extended to a type.
    pub fn extend(&mut self, ty: Ty, v: Val, bits: u8, signed: bool) -> Val {
        self.push(
            Op::Extend {
                ty,
                v,
                bits,
                signed,
            },
            ty,
        )
    }

    /// An `I32` zero-extended to 64 bits.
    pub fn zext(&mut self, v: Val) -> Val {
        self.extend(Ty::I64, v, 32, false)
    }

    /// An `I32` sign-extended to 64 bits.
    pub fn sext(&mut self, v: Val) -> Val {
        self.extend(Ty::I64, v, 32, true)
    }

    /// `base` with bits `pos..pos+len` replaced.
    pub fn deposit(&mut self, base: Val, v: Val, pos: u8, len: u8) -> Val {
        let ty = self.ty(base);
        debug_assert_eq!(ty, self.ty(v));
        self.push(
            Op::Deposit {
                ty,
                base,
                v,
                pos,
                len,
            },
            ty,
        )
    }

    /// A comparison's truth, as an `I32`.
    pub fn set_cond(&mut self, cond: Cond, a: Val, b: Val) -> Val {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b));
        self.push(Op::SetCond(cond, ty, a, b), Ty::I32)
    }

    /// One of two values by a comparison.
    pub fn select(&mut self, cond: Cond, a: Val, b: Val, t: Val, f: Val) -> Val {
        let (cty, ty) = (self.ty(a), self.ty(t));
        debug_assert_eq!(ty, self.ty(f));
        self.push(
            Op::Select {
                cond,
                cty,
                a,
                b,
                ty,
                t,
                f,
            },
            ty,
        )
    }

    /// Loads a memory operand.
    pub fn load(&mut self, ty: Ty, mem: MemOp, addr: Val) -> Val {
        self.push(Op::Load { ty, mem, addr }, ty)
    }

    /// Stores a value's low bytes.
    pub fn store(&mut self, mem: MemOp, addr: Val, v: Val) {
        self.effect(Op::Store {
            mem,
            addr,
            v,
            pred: None,
        });
    }

    /// Stores if an `I32` is not 0.
    pub fn store_if(&mut self, pred: Val, mem: MemOp, addr: Val, v: Val) {
        self.effect(Op::Store {
            mem,
            addr,
            v,
            pred: Some(pred),
        });
    }

    /// Compare and swap; the old value.
    pub fn compare_swap(&mut self, mem: MemOp, addr: Val, expected: Val, new: Val) -> Val {
        let ty = self.ty(expected);
        self.push(
            Op::CompareSwap {
                ty,
                mem,
                addr,
                expected,
                new,
            },
            ty,
        )
    }

    /// Interlocked update; the old value.
    pub fn atomic(&mut self, op: AtomicOp, mem: MemOp, addr: Val, v: Val) -> Val {
        let ty = self.ty(v);
        self.push(
            Op::Atomic {
                op,
                ty,
                mem,
                addr,
                v,
            },
            ty,
        )
    }

    /// Serialisation.
    pub fn fence(&mut self) {
        self.effect(Op::Fence);
    }

    /// Records a condition-code operation.
    pub fn set_cc(&mut self, kind: u8, a: Val, b: Val) {
        self.effect(Op::SetCc { kind, a, b });
    }

    /// The condition code, as an `I32`.
    pub fn get_cc(&mut self) -> Val {
        self.push(Op::GetCc, Ty::I32)
    }

    /// Whether the condition code is one that the selector names, as an `I32`.
    pub fn test_cc(&mut self, mask: u8) -> Val {
        self.push(Op::TestCc { mask }, Ty::I32)
    }

    /// Calls a helper; its value as an `I64`.
    pub fn call(&mut self, def: &'static HelperDef, args: &[Val]) -> Val {
        debug_assert_eq!(args.len(), usize::from(def.args), "{}", def.name);
        let mut list = [None; 5];
        for (slot, &arg) in list.iter_mut().zip(args) {
            *slot = Some(arg);
        }
        self.push(Op::Call { def, args: list }, Ty::I64)
    }

    /// Leaves the block if a comparison holds.
    pub fn exit_if(&mut self, cond: Cond, a: Val, b: Val, exit: Exit) {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b));
        self.effect(Op::ExitIf {
            cond,
            ty,
            a,
            b,
            exit,
            put: None,
        });
    }

    /// Leaves the block if a comparison holds, and writes a constant to a whole global on the way
    /// out. This is how a conditional branch stays inside a block: the taken side is the exit,
    /// with whatever only the branch itself records, and the next instruction follows.
    pub fn exit_if_put(&mut self, cond: Cond, a: Val, b: Val, exit: Exit, put: ExitPut) {
        let ty = self.ty(a);
        debug_assert_eq!(ty, self.ty(b));
        self.effect(Op::ExitIf {
            cond,
            ty,
            a,
            b,
            exit,
            put: Some(put),
        });
    }

    /// Leaves the block if an `I32` is not 0.
    pub fn exit_if_true(&mut self, v: Val, exit: Exit) {
        let zero = self.c32(0);
        self.exit_if(Cond::Ne, v, zero, exit);
    }

    /// Ends the block.
    pub fn exit(&mut self, exit: Exit) {
        self.effect(Op::Exit(exit));
    }
}
