//! Translation: from decoded instructions to IR.
//!
//! [`Tx`] is what an instruction's function gets: the builder, the decoded instruction's place
//! and the words of the architecture. Here are registers, condition code and control flow;
//! [`operand`] has addresses and storage, [`check`] program checks, [`block`] the loop over
//! instructions. Each group of instructions has a module of its own.

pub mod arith;
pub mod bfp;
pub mod block;
pub mod branch;
pub mod bytes;
pub mod check;
pub mod compare;
pub mod control;
pub mod decimal;
pub mod execute;
pub mod extensions;
pub mod fps;
pub mod interlocked;
pub mod io;
pub mod load_store;
pub mod logic;
pub mod muldiv;
pub mod operand;
pub mod per;
pub mod shift;
pub mod source;
pub mod storage;
pub mod string;
pub mod system;
pub mod vector;

use tcg::HelperDef;
use tcg::ir::{Builder, Cond, Exit, ExitPut, Val};

use crate::cpu::cc::CcKind;
use crate::cpu::facility::Facilities;
use crate::cpu::key::Flags;
use crate::cpu::{BREAKING_EVENT, EXECUTE_ADDRESS, Half, ar, fpr, gpr, vr};

pub(crate) use check::require;

/// What follows an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// The next instruction in the same block.
    Next,
    /// Nothing: the block has been ended by an exit.
    Ended,
    /// The next instruction, but in a block of its own: state that the key depends on, or an
    /// interruption mask, may have changed. The loop emits the exit (`Lookup` at the next pc).
    NewBlock,
}

/// Where a branch goes.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// A constant address, already wrapped.
    Const(u64),
    /// A computed address, already wrapped.
    Computed(Val),
}

impl Target {
    fn exit(self) -> Exit {
        match self {
            Self::Const(pc) => Exit::Jump { pc },
            Self::Computed(pc) => Exit::JumpReg { pc },
        }
    }
}

/// The translation of one instruction.
pub struct Tx<'a> {
    /// Where ops go.
    pub b: &'a mut Builder,
    /// The block's flags.
    pub flags: Flags,
    /// Address of the instruction (of the EXECUTE, for its target).
    pub pc: u64,
    /// Address of the next sequential instruction.
    pub next_pc: u64,
    /// The same before it was wrapped by the addressing mode.
    pub next_pc_unwrapped: u64,
    /// The instruction is the target of an EXECUTE, so relative operands count from
    /// `S390Cpu::execute_address`.
    pub executed: bool,
    /// The image of the instruction that this EXECUTE RELATIVE LONG has as its target, where the
    /// block may depend on it.
    pub target: Option<u64>,
    /// What is installed.
    pub facilities: Facilities,
}

/// Registers and constants.
impl Tx<'_> {
    /// Whether a facility is installed.
    pub fn has(&self, facility: u16) -> bool {
        self.facilities.has(facility)
    }

    /// General register, 64 bits.
    pub fn r64(&mut self, n: u8) -> Val {
        self.b.get(gpr(n))
    }

    /// Bits 32-63 of a general register (the low half), as an `I32`.
    pub fn r32(&mut self, n: u8) -> Val {
        self.b.get_low(gpr(n))
    }

    /// Bits 0-31 of a general register (the high half), as an `I32`.
    pub fn r32h(&mut self, n: u8) -> Val {
        self.b.get_high(gpr(n))
    }

    /// Sets a general register.
    pub fn set_r64(&mut self, n: u8, v: Val) {
        self.b.put(gpr(n), v);
    }

    /// Sets bits 32-63 of a general register; the high half stays.
    pub fn set_r32(&mut self, n: u8, v: Val) {
        self.b.put_low(gpr(n), v);
    }

    /// Sets bits 0-31 of a general register; the low half stays.
    pub fn set_r32h(&mut self, n: u8, v: Val) {
        self.b.put_high(gpr(n), v);
    }

    /// Bits 32-63 of the even register and of the next one, as one 64-bit value (the even one
    /// on the left).
    pub fn pair32(&mut self, even: u8) -> Val {
        let (high, low) = (self.r32(even), self.r32(even + 1));
        let (high, low) = (self.b.zext(high), self.b.zext(low));
        self.b.deposit(low, high, 32, 32)
    }

    /// Sets bits 32-63 of both registers of a pair from a 64-bit value.
    pub fn set_pair32(&mut self, even: u8, v: Val) {
        let shift = self.b.bin_imm(tcg::ir::BinOp::Shr, v, 32);
        let (high, low) = (self.b.trunc(shift), self.b.trunc(v));
        self.set_r32(even, high);
        self.set_r32(even + 1, low);
    }

    /// Access register, as an `I32`.
    pub fn ar(&mut self, n: u8) -> Val {
        self.b.get(ar(n))
    }

    /// Sets an access register.
    pub fn set_ar(&mut self, n: u8, v: Val) {
        self.b.put(ar(n), v);
    }

    /// Floating-point register, 64 bits.
    pub fn f64(&mut self, n: u8) -> Val {
        self.b.get(fpr(n))
    }

    /// The short operand of a floating-point register: its left half, as an `I32`.
    pub fn f32(&mut self, n: u8) -> Val {
        self.b.get_high(fpr(n))
    }

    /// Sets a floating-point register.
    pub fn set_f64(&mut self, n: u8, v: Val) {
        self.b.put(fpr(n), v);
    }

    /// Sets the left half of a floating-point register; the right half stays.
    pub fn set_f32(&mut self, n: u8, v: Val) {
        self.b.put_high(fpr(n), v);
    }

    /// A half of a vector register, 64 bits.
    pub fn v64(&mut self, n: u8, half: Half) -> Val {
        self.b.get(vr(n, half))
    }

    /// Sets a half of a vector register; the other one stays.
    pub fn set_v64(&mut self, n: u8, half: Half, v: Val) {
        self.b.put(vr(n, half), v);
    }

    /// The left and the right half of a vector register.
    pub fn v128(&mut self, n: u8) -> (Val, Val) {
        (self.v64(n, Half::Left), self.v64(n, Half::Right))
    }

    /// Sets both halves of a vector register.
    pub fn set_v128(&mut self, n: u8, (left, right): (Val, Val)) {
        self.set_v64(n, Half::Left, left);
        self.set_v64(n, Half::Right, right);
    }

    /// A 64-bit constant.
    pub fn c64(&mut self, v: u64) -> Val {
        self.b.c64(v)
    }

    /// A 32-bit constant.
    pub fn c32(&mut self, v: u32) -> Val {
        self.b.c32(v)
    }

    /// Calls a helper; its value as an `I64`. `I32` arguments are zero-extended.
    pub fn call(&mut self, def: &'static HelperDef, args: &[Val]) -> Val {
        self.b.call(def, args)
    }
}

/// The condition code.
impl Tx<'_> {
    /// Records a condition-code operation.
    pub fn set_cc(&mut self, kind: CcKind, a: Val, b: Val) {
        self.b.set_cc(kind as u8, a, b);
    }

    /// Records an operation of one operand; `b` is zero.
    pub fn set_cc1(&mut self, kind: CcKind, a: Val) {
        let zero = self.b.c64(0);
        self.b.set_cc(kind as u8, a, zero);
    }

    /// Sets the condition code to a value (of either type) between 0 and 3, as a helper returns.
    pub fn set_cc_value(&mut self, v: Val) {
        self.set_cc1(CcKind::Code, v);
    }

    /// Sets the condition code to a constant.
    pub fn set_cc_const(&mut self, cc: u8) {
        let v = self.b.c32(cc.into());
        self.set_cc1(CcKind::Code, v);
    }

    /// The condition code, as an `I32`.
    pub fn cc(&mut self) -> Val {
        self.b.get_cc()
    }

    /// 1 if the condition code is one of those that the branch mask names (8 for cc 0, 4 for 1,
    /// 2 for 2, 1 for 3), else 0, as an `I32`.
    pub fn test_cc(&mut self, mask: u8) -> Val {
        self.b.test_cc(mask)
    }
}

/// Control flow.
impl Tx<'_> {
    /// An instruction address with the bits that the addressing mode ignores set to zero.
    pub fn wrap_const(&self, address: u64) -> u64 {
        address & self.flags.addressing().mask()
    }

    /// The address that a relative operand names: `halfwords` from this instruction (from the
    /// target, under EXECUTE).
    pub fn relative(&mut self, halfwords: i64) -> Target {
        let distance = halfwords.wrapping_mul(2) as u64;
        if self.executed {
            let base = self.b.get(EXECUTE_ADDRESS);
            let distance = self.b.c64(distance);
            let sum = self.b.add(base, distance);
            Target::Computed(self.wrap(sum))
        } else {
            Target::Const(self.wrap_const(self.pc.wrapping_add(distance)))
        }
    }

    /// The same as a value.
    pub fn relative_value(&mut self, halfwords: i64) -> Val {
        match self.relative(halfwords) {
            Target::Const(address) => self.b.c64(address),
            Target::Computed(v) => v,
        }
    }

    /// Branches: records the breaking-event address and ends the block.
    pub fn jump(&mut self, target: Target) -> Flow {
        let from = self.b.c64(self.pc);
        self.b.put(BREAKING_EVENT, from);
        let exit = if self.flags.per() {
            self.per_branch(target)
        } else {
            target.exit()
        };
        self.b.exit(exit);
        Flow::Ended
    }

    /// Branches if the comparison holds; else the next instruction follows, in the same block.
    /// The breaking-event address is recorded by the exit, since it changes with a taken branch
    /// only.
    pub fn branch_if(&mut self, cond: Cond, a: Val, b: Val, target: Target) -> Flow {
        if self.flags.per() {
            self.per_branch_if(cond, a, b, target);
            return Flow::Next;
        }
        let put = ExitPut {
            global: BREAKING_EVENT,
            value: self.pc,
        };
        self.b.exit_if_put(cond, a, b, target.exit(), put);
        Flow::Next
    }

    /// Branches if the `I32` is not zero.
    pub fn branch_if_true(&mut self, v: Val, target: Target) -> Flow {
        let zero = self.b.c32(0);
        self.branch_if(Cond::Ne, v, zero, target)
    }

    /// Branches to an address under a new PSW: a helper has set `CpuCore::pc` and whatever the
    /// block key depends on. Ends the block.
    pub fn lookup(&mut self) -> Flow {
        self.b.exit(Exit::Lookup { pc: None });
        Flow::Ended
    }
}

#[cfg(test)]
mod tests;
