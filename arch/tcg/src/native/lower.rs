//! Turns the ops of a block into instructions: one pass, forward.
//!
//! Here are the pass itself and arithmetic; [`super::memory`], [`super::call`] and
//! [`super::leave`] have the ops named so. What runs seldom (slow paths, side exits) is written
//! behind the block's last instruction.

use super::alloc::{Value, immediate, width};
use super::asm::{Alu, Asm, Cc, Label, RCX, RDX, Reg, Rm, Shift, Width, at};
use super::leave::Ending;
use super::memory::Sum;
use super::{Features, Native, Place, Unfit};
use crate::cache::block::ExitSlot;
use crate::guest::Guest;
use crate::ir::{BinOp, Block, CarryOp, Cond, Exit, Global, Op, Part, Ty, UnOp, Val};

/// An instruction of the guest, for traps and early leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) pc: u64,
    pub(super) len: u8,
    /// Instructions of the block before it.
    pub(super) before: u32,
}

/// A block on its way to machine code.
pub(super) struct Lower<'a, G> {
    pub(super) asm: Asm,
    pub(super) ops: &'a [Op],
    pub(super) native: &'a Native,
    pub(super) features: Features,
    pub(super) block_place: Place,
    pub(super) flags: u32,
    pub(super) bias: i32,
    pub(super) types: Vec<Ty>,
    pub(super) needed: Vec<bool>,
    pub(super) roots: Vec<u32>,
    pub(super) values: Vec<Value>,
    /// Addresses that accesses compute themselves, by op.
    pub(super) sums: Vec<Option<Sum>>,
    /// The guest register that an op's value is made in, by op.
    pub(super) direct: Vec<Option<Global>>,
    /// Ops that an earlier one has done too.
    pub(super) done: Vec<bool>,
    /// The host register of each global.
    pub(super) pins: Vec<Option<Reg>>,
    /// Values that may be the guest register itself, by global.
    pub(super) aliases: Vec<Vec<u32>>,
    /// Which value is in each host register.
    pub(super) holders: [Option<u32>; 16],
    pub(super) locked: u16,
    /// Spill words that were ever used, and the last op that reads each.
    pub(super) words: Vec<(u16, u32)>,
    /// The current op.
    pub(super) now: usize,
    pub(super) site: Site,
    /// Instructions of the block that have begun.
    pub(super) begun: u32,
    /// An op of the current instruction may have asked to leave the block after it.
    pub(super) may_leave: bool,
    /// The kind that `cc_kind` holds, if this block has set it.
    pub(super) cc_kind: Option<u8>,
    pub(super) endings: Vec<Ending>,
    pub(super) slots: Box<[ExitSlot]>,
    pub(super) next_slot: usize,
    /// Where traps of helpers go; the second for those that write registers at a trap.
    pub(super) trap_labels: [Option<Label>; 2],
    /// The value that the flags tell of, compared with 0, as long as they stay.
    flags_of: Option<(usize, Ty, u64)>,
    /// The value that the carry flag is, as long as the flags stay.
    carry_of: Option<(usize, u64)>,
    /// The op that the current one does too.
    pub(super) horizon: usize,
    /// The registers do not suffice.
    pub(super) failed: bool,
    guest: std::marker::PhantomData<G>,
}

/// Compiles a block: its code, the offset of its unchecked entry, and its exits.
pub(super) fn lower<G: Guest>(
    native: &Native,
    block: &Block,
    place: Place,
) -> Result<(Vec<u8>, u8, Box<[ExitSlot]>), Unfit> {
    let mut lower = Lower::<G>::new(native, block, place);
    lower.find_direct();
    let unchecked = lower.prologue();
    let mut i = 0;
    while i < lower.ops.len() {
        if lower.needed[i] && !lower.done[i] {
            lower.now = i;
            lower.op(i);
            lower.end_op();
        }
        i += 1;
    }
    lower.write_endings();
    if lower.failed {
        return Err(Unfit::Shape);
    }
    let unchecked = u8::try_from(unchecked).map_err(|_| Unfit::Shape)?;
    let code = lower.asm.finish().ok_or(Unfit::Shape)?;
    Ok((code, unchecked, lower.slots))
}

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

impl<'a, G: Guest> Lower<'a, G> {
    fn new(native: &'a Native, block: &'a Block, place: Place) -> Self {
        let ops = &block.ops[..];
        let count = ops.len();
        let types: Vec<Ty> = ops.iter().map(|op| op.result_ty(G::GLOBALS)).collect();
        let mut needed = vec![false; count];
        let mut uses = vec![0u32; count];
        for (i, op) in ops.iter().enumerate().rev() {
            if uses[i] > 0 || op.has_effect() {
                needed[i] = true;
                op.for_operands(|v| uses[v.0 as usize] += 1);
            }
        }
        let sums = Sum::find(ops, &uses, &mut needed);
        let mut values = vec![Value::default(); count];
        for (i, op) in ops.iter().enumerate() {
            if !needed[i] {
                continue;
            }
            let mut used = |v: Val| values[v.0 as usize].last = i as u32;
            match sums[i] {
                Some(sum) => {
                    sum.for_operands(&mut used);
                    if let Op::Store { v, pred, .. } = *op {
                        used(v);
                        if let Some(pred) = pred {
                            used(pred);
                        }
                    }
                }
                None => op.for_operands(used),
            }
        }
        let mut pins = vec![None; G::GLOBALS.len()];
        for (reg, global, _) in super::pins::<G>() {
            pins[usize::from(global.0)] = Some(reg);
        }
        let slots = ops
            .iter()
            .filter(|op| {
                matches!(
                    op,
                    Op::Exit(Exit::Jump { .. })
                        | Op::ExitIf {
                            exit: Exit::Jump { .. },
                            ..
                        }
                )
            })
            .map(|_| ExitSlot::default())
            .collect();
        Self {
            asm: Asm::new(),
            ops,
            native,
            features: native.features,
            block_place: place,
            flags: native.flags_number(place.key.flags),
            bias: super::bias::<G>(),
            types,
            needed,
            roots: (0..count as u32).collect(),
            values,
            sums,
            direct: vec![None; count],
            done: vec![false; count],
            pins,
            aliases: vec![Vec::new(); G::GLOBALS.len()],
            holders: [None; 16],
            locked: 0,
            words: Vec::new(),
            now: 0,
            site: Site {
                pc: place.key.pc,
                len: 0,
                before: 0,
            },
            begun: 0,
            may_leave: false,
            cc_kind: None,
            endings: Vec::new(),
            slots,
            next_slot: 0,
            trap_labels: [None; 2],
            flags_of: None,
            carry_of: None,
            horizon: 0,
            failed: false,
            guest: std::marker::PhantomData,
        }
    }

    /// Finds the `Put`s of whole pinned registers whose value can be made in the register itself:
    /// nothing between sees the register.
    fn find_direct(&mut self) {
        for (p, op) in self.ops.iter().enumerate() {
            let Op::Put(g, Part::Full, v) = *op else {
                continue;
            };
            let d = v.0 as usize;
            let made = matches!(
                self.ops[d],
                Op::Un(..)
                    | Op::Bin(..)
                    | Op::Carry(..)
                    | Op::Extend { .. }
                    | Op::Deposit { .. }
                    | Op::Select { .. }
                    | Op::Load { .. }
                    | Op::CompareSwap { .. }
                    | Op::Atomic { .. }
                    | Op::Call { .. }
            );
            if !made || self.pin(g).is_none() || self.direct[d].is_some() {
                continue;
            }
            let seen = (d + 1..p).any(|k| {
                self.needed[k]
                    && match self.ops[k] {
                        Op::Get(other, _) | Op::Put(other, ..) => other == g,
                        Op::Insn { .. } => true,
                        ref op => op.observes_globals(),
                    }
            });
            if !seen {
                self.direct[d] = Some(g);
            }
        }
    }

    fn op(&mut self, i: usize) {
        match self.ops[i] {
            Op::Insn { pc, len } => self.insn(pc, len),
            Op::Const(ty, c) => self.values[i].constant = Some(c & ty.mask()),
            Op::Get(g, part) => self.get(g, part),
            Op::Put(g, part, v) => self.put(g, part, v),
            Op::Un(op, ty, v) => self.unary(op, ty, v),
            Op::Bin(op, ty, a, b) => self.binary(op, ty, a, b),
            Op::Carry(op, ty, a, b, c) => self.carry(op, ty, a, b, c),
            Op::Trunc(v) => match self.constant(v) {
                Some(c) => self.values[i].constant = Some(c & u64::from(u32::MAX)),
                None => self.same_as(v),
            },
            Op::Extend {
                ty,
                v,
                bits,
                signed,
            } => self.extend(ty, v, bits, signed),
            Op::Deposit {
                ty,
                base,
                v,
                pos,
                len,
            } => self.deposit(ty, base, v, pos, len),
            Op::SetCond(cond, ty, a, b) => self.set_cond(cond, ty, a, b),
            Op::Select {
                cond,
                cty,
                a,
                b,
                ty,
                t,
                f,
            } => self.select((cond, cty, a, b), ty, t, f),
            Op::Load { ty, mem, addr } => self.load(ty, mem, addr),
            Op::Store { mem, addr, v, pred } => self.store(mem, addr, v, pred),
            Op::CompareSwap {
                ty,
                mem,
                addr,
                expected,
                new,
            } => self.compare_swap(ty, mem, addr, expected, new),
            Op::Atomic {
                op,
                ty,
                mem,
                addr,
                v,
            } => self.atomic(op, ty, mem, addr, v),
            Op::Fence => self.fence(),
            Op::SetCc { kind, a, b } => self.set_cc(kind, a, b),
            Op::GetCc => self.get_cc(None),
            Op::TestCc { mask } => self.get_cc(Some(mask)),
            Op::Call { def, args } => self.call(def, &args),
            Op::ExitIf {
                cond,
                ty,
                a,
                b,
                exit,
                put,
            } => self.exit_if((cond, ty, a, b), exit, put),
            Op::Exit(exit) => self.exit(exit, None),
        }
    }

    fn get(&mut self, g: Global, part: Part) {
        let now = self.now;
        let (disp, bytes) = self.place(g, part);
        match (self.pin(g), part) {
            (Some(pin), Part::High32) => {
                let d = self.define(&[]);
                self.asm.mov(Width::W64, d, pin);
                self.asm.shift_imm(Shift::Shr, Width::W64, d, 32);
            }
            (Some(pin), _) => {
                self.values[now].reg = Some(pin);
                self.values[now].zero_extended = false;
                self.aliases[usize::from(g.0)].push(now as u32);
            }
            (None, _) => {
                self.values[now].home = Some(super::alloc::Home::Global {
                    global: g.0,
                    disp,
                    bytes,
                });
                self.aliases[usize::from(g.0)].push(now as u32);
            }
        }
    }

    fn put(&mut self, g: Global, part: Part, v: Val) {
        let (disp, bytes) = self.place(g, part);
        let root = self.root(v);
        let ty = self.ty(v);
        let Some(pin) = self.pin(g) else {
            let place = at(super::asm::RBP, disp);
            let w = if bytes == 8 { Width::W64 } else { Width::W32 };
            if let Some(c) = self.constant(v)
                && let Some(c) = immediate(ty, c)
                && part == Part::Full
            {
                self.detach(g);
                self.asm.store_imm(w, place, c);
                return;
            }
            if part != Part::Full {
                return self.put_half(g, part, v);
            }
            let reg = self.reg(v);
            self.detach(g);
            self.asm.store(w, place, reg);
            let value = &mut self.values[root];
            let whole = self.types[root] == ty && (bytes == 8) == (ty == Ty::I64);
            if value.home.is_none() && whole {
                value.home = Some(super::alloc::Home::Global {
                    global: g.0,
                    disp,
                    bytes,
                });
                self.aliases[usize::from(g.0)].push(root as u32);
            }
            return;
        };
        match part {
            Part::Full => {
                if self.values[root].reg == Some(pin) {
                    return;
                }
                if let Some(c) = self.constant(v) {
                    self.detach(g);
                    self.asm.mov_imm_keep_flags(pin, c);
                    return;
                }
                let source = self.operand(v);
                self.detach(g);
                self.asm.mov(Width::W64, pin, source);
                if let Rm::Reg(reg) = source
                    && self.holders[usize::from(reg.0)] == Some(root as u32)
                    && self.types[root] == Ty::I64
                {
                    self.holders[usize::from(reg.0)] = None;
                    self.values[root].reg = Some(pin);
                    self.aliases[usize::from(g.0)].push(root as u32);
                }
            }
            Part::Low32 => {
                if self.values[root].reg == Some(pin) {
                    return;
                }
                match self.constant(v) {
                    Some(c) if i32::try_from(c).is_ok() => {
                        self.detach(g);
                        self.asm.shift_imm(Shift::Shr, Width::W64, pin, 32);
                        self.asm.shift_imm(Shift::Shl, Width::W64, pin, 32);
                        if c != 0 {
                            self.asm.alu_imm(Alu::Or, Width::W64, pin, c as i32);
                        }
                    }
                    _ => {
                        let t = self.scratch_copy(v);
                        self.detach(g);
                        // The difference of the low halves; it leaves the high half alone.
                        self.asm.alu(Alu::Xor, Width::W32, t, pin);
                        self.asm.alu(Alu::Xor, Width::W64, pin, t);
                    }
                }
            }
            Part::High32 => {
                let t = self.scratch_copy(v);
                self.detach(g);
                self.asm.shift_imm(Shift::Shl, Width::W64, t, 32);
                self.asm.mov(Width::W32, pin, pin);
                self.asm.alu(Alu::Or, Width::W64, pin, t);
            }
        }
    }

    /// Writes half of a register that is in the CPU, as a whole: a load of the whole that follows
    /// a store of half of it waits until the store has left the host's store buffer.
    fn put_half(&mut self, g: Global, part: Part, v: Val) {
        let (disp, _) = self.place(g, Part::Full);
        let place = at(super::asm::RBP, disp);
        let t = self.scratch_copy(v);
        self.detach(g);
        match part {
            Part::High32 => {
                self.asm.shift_imm(Shift::Shl, Width::W64, t, 32);
                let low = self.temp();
                self.asm.mov(Width::W32, low, place);
                self.asm.alu(Alu::Or, Width::W64, t, low);
            }
            _ => {
                // The difference of the low halves; it leaves the high half alone.
                self.asm.alu(Alu::Xor, Width::W32, t, place);
                self.asm.alu(Alu::Xor, Width::W64, t, place);
            }
        }
        self.asm.store(Width::W64, place, t);
    }

    /// A value in a register that may be changed.
    pub(super) fn scratch_copy(&mut self, v: Val) -> Reg {
        let root = self.root(v);
        if self.dies(v)
            && let Some(reg) = self.values[root].reg
            && self.holders[usize::from(reg.0)] == Some(root as u32)
            && !self.is_locked(reg)
        {
            return self.reg(v);
        }
        if let Some(c) = self.constant(v) {
            let t = self.temp();
            self.asm.mov_imm_keep_flags(t, c);
            return t;
        }
        let source = self.operand(v);
        let t = self.temp();
        let ty = self.ty(v);
        self.asm.mov(width(ty), t, source);
        t
    }

    fn unary(&mut self, op: UnOp, ty: Ty, v: Val) {
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

    fn binary(&mut self, op: BinOp, ty: Ty, a: Val, b: Val) {
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

    fn carry(&mut self, op: CarryOp, ty: Ty, a: Val, b: Val, c: Val) {
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

    fn extend(&mut self, ty: Ty, v: Val, bits: u8, signed: bool) {
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

    fn deposit(&mut self, ty: Ty, base: Val, v: Val, pos: u8, len: u8) {
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

    fn set_cond(&mut self, cond: Cond, ty: Ty, a: Val, b: Val) {
        let cc = self.compare((cond, ty, a, b));
        let d = self.define(&[]);
        self.asm.setcc(cc, d);
        self.asm.movzx8(d, d);
        if cc == Cc::B {
            self.carry_of = Some((self.now, self.asm.flags()));
        }
    }

    fn select(&mut self, (cond, cty, a, b): (Cond, Ty, Val, Val), ty: Ty, t: Val, f: Val) {
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
