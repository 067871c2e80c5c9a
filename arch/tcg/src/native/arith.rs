//! Arithmetic, logic, shifts, comparisons: the ops that are instructions of the host.
//!
//! Each works in the register of an operand that is not needed any more where it can, takes
//! constants and memory as operands, and knows which flags the last instruction has left. Not
//! here: where values live ([`super::alloc`]).

use super::alloc::{immediate, width};
use super::asm::{Alu, Cc, RCX, RDX, Reg, Rm, Shift, Width, at};
use super::lower::Lower;
use crate::guest::Guest;
use crate::ir::{BinOp, CarryOp, Cond, Op, Ty, UnOp, Val};

/// The host's condition after a comparison.
pub(super) fn condition(cond: Cond) -> Cc {
    match cond {
        Cond::Eq => Cc::E,
        Cond::Ne => Cc::Ne,
        Cond::LtS => Cc::L,
        Cond::LeS => Cc::Le,
        Cond::GtS => Cc::G,
        Cond::GeS => Cc::Ge,
        Cond::LtU => Cc::B,
        Cond::LeU => Cc::Be,
        Cond::GtU => Cc::A,
        Cond::GeU => Cc::Ae,
    }
}

impl<G: Guest> Lower<'_, G> {
    pub(super) fn unary(&mut self, op: UnOp, ty: Ty, v: Val) {
        let w = width(ty);
        match op {
            UnOp::Neg => {
                let d = self.define_from(v, &[]);
                self.asm.neg(w, d);
            }
            UnOp::Not => {
                let d = self.define_from(v, &[]);
                self.asm.not(w, d);
            }
            UnOp::ByteSwap => {
                let d = self.define_from(v, &[]);
                self.asm.bswap(w, d);
            }
            UnOp::CountLeadingZeros => {
                let source = self.reg(v);
                if self.features.lzcnt {
                    let d = self.define(&[]);
                    self.asm.rm_prefixed(0xf3, w, &[0x0f, 0xbd], d, source);
                } else {
                    let d = self.define(&[source]);
                    let none = self.temp();
                    self.asm
                        .mov_imm_keep_flags(none, u64::from(2 * ty.bits() - 1));
                    // bsr: the highest one's number, or zero flag.
                    self.asm.rm(w, &[0x0f, 0xbd], d, source);
                    self.asm.cmov(w, Cc::E, d, none);
                    self.asm
                        .alu_imm(Alu::Xor, Width::W32, d, ty.bits() as i32 - 1);
                }
            }
            UnOp::CountOnes => {
                if self.features.popcnt {
                    let source = self.reg(v);
                    let d = self.define(&[]);
                    self.asm.rm_prefixed(0xf3, w, &[0x0f, 0xb8], d, source);
                } else {
                    self.count_ones(ty, v);
                }
            }
        }
    }

    /// The sum of the bits by adding neighbours.
    fn count_ones(&mut self, ty: Ty, v: Val) {
        let source = self.reg(v);
        let d = self.define(&[source]);
        let (t, mask) = (self.temp(), self.temp());
        let w = width(ty);
        self.asm.mov(w, d, source);
        for (shift, bits) in [
            (1u8, 0x5555_5555_5555_5555u64),
            (2, 0x3333_3333_3333_3333),
            (4, 0x0f0f_0f0f_0f0f_0f0f),
        ] {
            self.asm.mov_imm_keep_flags(mask, bits & ty.mask());
            self.asm.mov(w, t, d);
            self.asm.shift_imm(Shift::Shr, w, t, shift);
            self.asm.alu(Alu::And, w, t, mask);
            self.asm.alu(Alu::And, w, d, mask);
            self.asm.alu(Alu::Add, w, d, t);
        }
        self.asm
            .mov_imm_keep_flags(mask, 0x0101_0101_0101_0101 & ty.mask());
        self.asm.rm(w, &[0x0f, 0xaf], d, mask);
        self.asm.shift_imm(Shift::Shr, w, d, ty.bits() as u8 - 8);
    }

    pub(super) fn binary(&mut self, op: BinOp, ty: Ty, a: Val, b: Val) {
        let w = width(ty);
        match op {
            BinOp::Add => self.add(ty, a, b),
            BinOp::Sub => match self.constant(b).map(|c| c.wrapping_neg() & ty.mask()) {
                Some(c) if immediate(ty, c).is_some() => self.add_imm(ty, a, c),
                _ => self.alu_op(Alu::Sub, ty, a, b),
            },
            BinOp::And => self.alu_op(Alu::And, ty, a, b),
            BinOp::Or => self.alu_op(Alu::Or, ty, a, b),
            BinOp::Xor => self.alu_op(Alu::Xor, ty, a, b),
            BinOp::AndNot => {
                if let Some(c) = self.constant(b).map(|c| !c & ty.mask())
                    && let Some(c) = immediate(ty, c)
                {
                    let d = self.define_from(a, &[]);
                    self.asm.alu_imm(Alu::And, w, d, c);
                } else if self.features.bmi1 {
                    let (x, y) = (self.reg(a), self.reg(b));
                    let d = self.define(&[]);
                    self.asm.andn(w, d, y, x);
                } else {
                    let x = self.reg(a);
                    let t = self.scratch_copy(b);
                    let d = self.define(&[x]);
                    self.asm.not(w, t);
                    self.asm.mov(w, d, x);
                    self.asm.alu(Alu::And, w, d, t);
                }
            }
            BinOp::Mul => {
                let (a, b) = if self.constant(a).is_some() {
                    (b, a)
                } else {
                    (a, b)
                };
                if let Some(c) = self.constant(b)
                    && let Some(c) = immediate(ty, c)
                {
                    let source = self.operand(a);
                    let d = self.define(&[]);
                    self.asm.imul_imm(w, d, source, c);
                } else {
                    let y = self.operand(b);
                    let avoid = reg_of(y);
                    let d = self.define_from(a, &avoid);
                    self.asm.rm(w, &[0x0f, 0xaf], d, y);
                }
            }
            BinOp::MulHighU | BinOp::MulHighS => self.multiply_high(op, ty, a, b),
            BinOp::Shl => self.shift(Shift::Shl, ty, a, b),
            BinOp::Shr => self.shift(Shift::Shr, ty, a, b),
            BinOp::Sar => self.shift(Shift::Sar, ty, a, b),
            BinOp::Rotl => self.shift(Shift::Rol, ty, a, b),
        }
    }

    fn add_imm(&mut self, ty: Ty, a: Val, c: u64) {
        let w = width(ty);
        let Some(c) = immediate(ty, c) else { return };
        let root = self.root(a);
        let in_place = self.dies(a)
            && self.values[root].reg.is_some_and(|reg| {
                self.holders[usize::from(reg.0)].is_some()
                    || self.direct[self.now].and_then(|g| self.pin(g)) == Some(reg)
            });
        if in_place || self.values[root].reg.is_none() {
            let d = self.define_from(a, &[]);
            if c != 0 {
                self.asm.alu_imm(Alu::Add, w, d, c);
                self.flags_of = Some((self.now, ty, self.asm.flags()));
            }
        } else {
            let x = self.reg(a);
            let d = self.define(&[]);
            if d == x {
                self.asm.alu_imm(Alu::Add, w, d, c);
            } else {
                self.asm.lea(w, d, at(x, c));
            }
        }
    }

    fn add(&mut self, ty: Ty, a: Val, b: Val) {
        let w = width(ty);
        let (a, b) = if self.constant(a).is_some() {
            (b, a)
        } else {
            (a, b)
        };
        if let Some(c) = self.constant(b)
            && immediate(ty, c).is_some()
        {
            return self.add_imm(ty, a, c);
        }
        let (ra, rb) = (self.values[self.root(a)].reg, self.values[self.root(b)].reg);
        if let (Some(x), Some(y)) = (ra, rb) {
            // Both are in registers: the sum can go anywhere.
            let (x, y) = (self.use_now(a, x), self.use_now(b, y));
            let dead = |s: &Self, v: Val, reg: Reg| {
                s.dies(v) && s.holders[usize::from(reg.0)] == Some(s.root(v) as u32)
            };
            let direct = self.direct[self.now].and_then(|g| self.pin(g));
            if direct.is_none() && dead(self, a, x) {
                self.hold(x);
                self.asm.alu(Alu::Add, w, x, y);
            } else if direct.is_none() && dead(self, b, y) {
                self.hold(y);
                self.asm.alu(Alu::Add, w, y, x);
            } else {
                let d = self.define(&[]);
                if d == x {
                    self.asm.alu(Alu::Add, w, d, y);
                } else if d == y {
                    self.asm.alu(Alu::Add, w, d, x);
                } else {
                    self.asm.lea(w, d, super::asm::at_index(x, y, 0));
                }
            }
            return;
        }
        self.alu_op(Alu::Add, ty, a, b);
    }

    /// Locks the register that a value is in.
    fn use_now(&mut self, v: Val, reg: Reg) -> Reg {
        let now = self.reg(v);
        debug_assert!(now == reg);
        now
    }

    /// An operation of the first group. Those with exchangeable operands prefer to work in the
    /// register of one that is not needed any more.
    fn alu_op(&mut self, op: Alu, ty: Ty, a: Val, b: Val) {
        let w = width(ty);
        let (mut a, mut b) = (a, b);
        if op != Alu::Sub {
            let swap = self.constant(a).is_some()
                || self.constant(b).is_none() && {
                    let target = self.direct[self.now].and_then(|g| self.pin(g));
                    let ra = self.values[self.root(a)].reg;
                    let rb = self.values[self.root(b)].reg;
                    let own = |s: &Self, v: Val, reg: Option<Reg>| {
                        reg.is_some_and(|reg| {
                            s.dies(v) && s.holders[usize::from(reg.0)].is_some()
                                || Some(reg) == target
                        })
                    };
                    own(self, b, rb)
                        && (!own(self, a, ra) || Some(rb) == Some(target) && ra != target)
                };
            if swap {
                (a, b) = (b, a);
            }
        }
        if let Some(c) = self.constant(b) {
            if let Some(c) = immediate(ty, c) {
                let d = self.define_from(a, &[]);
                self.asm.alu_imm(op, w, d, c);
                self.flags_of = Some((self.now, ty, self.asm.flags()));
                return;
            }
            if op == Alu::And && c == u64::from(u32::MAX) {
                let source = self.operand(a);
                let d = self.define(&[]);
                // As a 32-bit move: low halves are where wholes are.
                self.asm.mov(Width::W32, d, source);
                return;
            }
        }
        let y = self.operand(b);
        let d = self.define_from(a, &reg_of(y));
        self.asm.alu(op, w, d, y);
        self.flags_of = Some((self.now, ty, self.asm.flags()));
    }

    fn multiply_high(&mut self, op: BinOp, ty: Ty, a: Val, b: Val) {
        let w = width(ty);
        if ty == Ty::I32 {
            // A 64-bit product of extended halves.
            let (x, y) = (self.reg(a), self.reg(b));
            let d = self.define(&[x, y]);
            let t = self.temp();
            if op == BinOp::MulHighU {
                self.asm.mov(Width::W32, d, x);
                self.asm.mov(Width::W32, t, y);
            } else {
                self.asm.movsxd(d, x);
                self.asm.movsxd(t, y);
            }
            self.asm.rm(Width::W64, &[0x0f, 0xaf], d, t);
            self.asm.shift_imm(Shift::Shr, Width::W64, d, 32);
            return;
        }
        self.take(RDX);
        if op == BinOp::MulHighU && self.features.bmi2 {
            let x = self.reg(a);
            self.copy_to(RDX, b);
            let d = self.define(&[]);
            self.asm.mulx(w, d, d, x);
            return;
        }
        self.take(super::asm::RAX);
        let x = self.reg(a);
        self.copy_to(super::asm::RAX, b);
        let d = self.define(&[x]);
        let extension = if op == BinOp::MulHighU { 4 } else { 5 };
        self.asm.ext(w, &[0xf7], extension, x);
        self.asm.mov(w, d, RDX);
    }

    fn shift(&mut self, shift: Shift, ty: Ty, a: Val, b: Val) {
        let w = width(ty);
        if let Some(c) = self.constant(b) {
            let c = (c & u64::from(ty.bits() - 1)) as u8;
            let d = self.define_from(a, &[]);
            if c != 0 {
                self.asm.shift_imm(shift, w, d, c);
            }
            return;
        }
        if self.features.bmi2 && shift != Shift::Rol {
            let (x, count) = (self.reg(a), self.reg(b));
            let d = self.define(&[]);
            self.asm.shift_by(shift, w, d, x, count);
            return;
        }
        self.take(RCX);
        let x = self.reg(a);
        self.copy_to(RCX, b);
        let d = self.define(&[]);
        // A register that is an operand of nothing else any more: the count is in rcx.
        self.asm.mov(w, d, x);
        self.asm.shift_cl(shift, w, d);
    }

    pub(super) fn carry(&mut self, op: CarryOp, ty: Ty, a: Val, b: Val, c: Val) {
        let now = self.now;
        let (sum_op, carry_op, alu) = match op {
            CarryOp::Add | CarryOp::AddCarry => (CarryOp::Add, CarryOp::AddCarry, Alu::Adc),
            CarryOp::Sub | CarryOp::SubBorrow => (CarryOp::Sub, CarryOp::SubBorrow, Alu::Sbb),
        };
        // The other half of the same operation often follows at once.
        let other = if op == sum_op { carry_op } else { sum_op };
        let twin = now + 1;
        let fused = matches!(
            self.ops.get(twin),
            Some(&Op::Carry(o, t, x, y, z)) if o == other && (t, x, y, z) == (ty, a, b, c)
        ) && self.needed[twin];
        if fused {
            self.horizon = twin;
        }
        let w = width(ty);
        let carry_in = self.constant(c);
        let in_flag = self
            .carry_of
            .filter(|&(root, _)| carry_in.is_none() && root == self.root(c));
        let c = match carry_in {
            Some(_) => None,
            None => Some(self.reg(c)),
        };
        let y = match self.constant(b).and_then(|c| immediate(ty, c)) {
            Some(c) => Err(c),
            None => Ok(self.operand(b)),
        };
        let x = self.reg(a);
        // rbp is never chosen, so it stands for none.
        let mut avoid = [x, super::asm::RBP, super::asm::RBP];
        if let Some(c) = c {
            avoid[1] = c;
        }
        if let Ok(Rm::Reg(y)) = y {
            avoid[2] = y;
        }
        let (sum_at, carry_at) = match (op == sum_op, fused) {
            (true, true) => (Some(now), Some(twin)),
            (false, true) => (Some(twin), Some(now)),
            (true, false) => (Some(now), None),
            (false, false) => (None, Some(now)),
        };
        let carry = carry_at.map(|at| {
            self.now = at;
            let reg = self.define(&avoid);
            self.now = now;
            reg
        });
        let sum = match sum_at {
            Some(at) => {
                self.now = at;
                // It may be the first operand's register, which is read first.
                let reg = self.define(&avoid[1..]);
                self.now = now;
                reg
            }
            None => self.temp(),
        };
        self.asm.mov(w, sum, x);
        let plain = match (carry_in, c) {
            (Some(c), _) if c & 1 == 0 => true,
            (Some(_), _) => {
                self.asm.set_carry();
                false
            }
            (None, Some(_)) if in_flag.is_some_and(|(_, flags)| flags == self.asm.flags()) => false,
            (None, Some(c)) => {
                self.asm.carry_from_bit0(c);
                false
            }
            (None, None) => true,
        };
        let alu = match (plain, alu) {
            (true, Alu::Adc) => Alu::Add,
            (true, _) => Alu::Sub,
            (false, alu) => alu,
        };
        match y {
            Ok(y) => self.asm.alu(alu, w, sum, y),
            Err(c) => self.asm.alu_imm(alu, w, sum, c),
        }
        if let (Some(carry), Some(at)) = (carry, carry_at) {
            self.asm.setcc(Cc::B, carry);
            self.asm.movzx8(carry, carry);
            self.carry_of = Some((at, self.asm.flags()));
        }
        if fused {
            self.done[twin] = true;
        }
    }

    pub(super) fn extend(&mut self, ty: Ty, v: Val, bits: u8, signed: bool) {
        let now = self.now;
        let from = self.ty(v);
        if u32::from(bits) >= from.bits() && ty == from {
            return self.same_as(v);
        }
        if !signed && bits == 32 && ty == Ty::I64 && from == Ty::I32 {
            // Nothing to do if the upper half is zero already.
            let root = self.root(v);
            let value = self.values[root];
            let short = matches!(
                value.home,
                Some(super::alloc::Home::Global { bytes: 4, .. })
            );
            let extended = match value.reg {
                Some(_) => value.zero_extended,
                None => short || value.zero_extended,
            };
            if self.types[root] == Ty::I32
                && extended
                && value.constant.is_none()
                && self.direct[now].is_none()
            {
                return self.same_as(v);
            }
        }
        let source = self.operand(v);
        let d = self.define(&[]);
        let w = width(ty);
        match (bits, signed) {
            (8, false) => self.asm.movzx8(d, source),
            (8, true) => self.asm.movsx8(w, d, source),
            (16, false) => self.asm.movzx16(d, source),
            (16, true) => self.asm.movsx16(w, d, source),
            (32, true) if ty == Ty::I64 => self.asm.movsxd(d, source),
            (32, _) => self.asm.mov(Width::W32, d, source),
            // The front end has no other widths; shifts do any.
            _ => {
                let out = (64 - u32::from(bits)) as u8;
                self.asm.mov(width(from), d, source);
                self.asm.shift_imm(Shift::Shl, Width::W64, d, out);
                let back = if signed { Shift::Sar } else { Shift::Shr };
                self.asm.shift_imm(back, Width::W64, d, out);
                if ty == Ty::I32 {
                    self.asm.mov(Width::W32, d, d);
                }
            }
        }
    }

    pub(super) fn deposit(&mut self, ty: Ty, base: Val, v: Val, pos: u8, len: u8) {
        let w = width(ty);
        if u32::from(len) >= ty.bits() {
            let source = self.operand(v);
            let d = self.define(&[]);
            self.asm.mov(w, d, source);
            return;
        }
        let ones = (1u64 << len) - 1;
        if let Some(c) = self.constant(v) {
            let d = self.define_from(base, &[]);
            let (keep, bits) = (!(ones << pos) & ty.mask(), (c & ones) << pos);
            self.alu_const(Alu::And, ty, d, keep);
            if bits != 0 {
                self.alu_const(Alu::Or, ty, d, bits);
            }
            return;
        }
        let t = self.scratch_copy(v);
        let d = self.define_from(base, &[t]);
        match (pos, len) {
            (0, 8) => self.asm.mov_low8(d, t),
            (0, 16) => self.asm.mov_low16(d, t),
            (0, 32) => {
                self.asm.alu(Alu::Xor, Width::W32, t, d);
                self.asm.alu(Alu::Xor, Width::W64, d, t);
            }
            (32, 32) => {
                self.asm.shift_imm(Shift::Shl, Width::W64, t, 32);
                self.asm.mov(Width::W32, d, d);
                self.asm.alu(Alu::Or, Width::W64, d, t);
            }
            _ => {
                self.alu_const(Alu::And, ty, t, ones);
                if pos != 0 {
                    self.asm.shift_imm(Shift::Shl, w, t, pos);
                }
                self.alu_const(Alu::And, ty, d, !(ones << pos) & ty.mask());
                self.asm.alu(Alu::Or, w, d, t);
            }
        }
    }

    /// `d = d op c` for any constant.
    fn alu_const(&mut self, op: Alu, ty: Ty, d: Reg, c: u64) {
        match immediate(ty, c) {
            Some(c) => self.asm.alu_imm(op, width(ty), d, c),
            None if op == Alu::And && c == u64::from(u32::MAX) => self.asm.mov(Width::W32, d, d),
            None => {
                let t = self.temp();
                self.asm.mov_imm_keep_flags(t, c);
                self.asm.alu(op, width(ty), d, t);
                self.unlock(t);
            }
        }
    }

    /// Sets flags by a comparison; the condition that holds if it does.
    pub(super) fn compare(&mut self, (cond, ty, a, b): (Cond, Ty, Val, Val)) -> Cc {
        let w = width(ty);
        let (mut cond, mut a, mut b) = (cond, a, b);
        if self.constant(a).is_some() && self.constant(b).is_none() {
            (a, b) = (b, a);
            cond = cond.swap();
        }
        if let Some(c) = self.constant(b)
            && let Some(c) = immediate(ty, c)
        {
            match self.operand(a) {
                // The flags are those of the operation that has just made it.
                Rm::Reg(_)
                    if c == 0
                        && matches!(cond, Cond::Eq | Cond::Ne)
                        && self.flags_of == Some((self.root(a), ty, self.asm.flags())) => {}
                Rm::Reg(x) if c == 0 => self.asm.test(w, x, x),
                x => self.asm.alu_imm(Alu::Cmp, w, x, c),
            }
        } else {
            let x = self.reg(a);
            let y = self.operand(b);
            self.asm.alu(Alu::Cmp, w, x, y);
        }
        condition(cond)
    }

    pub(super) fn set_cond(&mut self, cond: Cond, ty: Ty, a: Val, b: Val) {
        let cc = self.compare((cond, ty, a, b));
        let d = self.define(&[]);
        self.asm.setcc(cc, d);
        self.asm.movzx8(d, d);
        if cc == Cc::B {
            self.carry_of = Some((self.now, self.asm.flags()));
        }
    }

    pub(super) fn select(
        &mut self,
        (cond, cty, a, b): (Cond, Ty, Val, Val),
        ty: Ty,
        t: Val,
        f: Val,
    ) {
        let yes = self.operand(t);
        let no = match self.constant(f) {
            Some(c) => Err(c),
            None => Ok(self.operand(f)),
        };
        let cc = self.compare((cond, cty, a, b));
        let d = self.define(&reg_of(yes));
        // Moves and what `define` does leave flags alone.
        match no {
            Ok(no) => self.asm.mov(width(ty), d, no),
            Err(c) => self.asm.mov_imm_keep_flags(d, c),
        }
        self.asm.cmov(width(ty), cc, d, yes);
    }
}

/// The register of an operand, if it is in one.
pub(super) fn reg_of(rm: Rm) -> Vec<Reg> {
    match rm {
        Rm::Reg(reg) => vec![reg],
        Rm::Mem(_) => Vec::new(),
    }
}
