//! Turns the ops of a block into instructions: one pass, forward.
//!
//! Here are the pass itself and arithmetic; [`super::memory`], [`super::call`] and
//! [`super::leave`] have the ops named so. What runs seldom (slow paths, side exits) is written
//! behind the block's last instruction.

use super::alloc::{Value, immediate, width};
use super::asm::{Alu, Asm, Label, Reg, Rm, Shift, Width, at};
use super::condition::{Pending, Recorded, keep_operands};
use super::group::{Group, Member};
use super::leave::Ending;
use super::loops::Loan;
use super::memory::Sum;
use super::{Entries, Features, Native, Place, Unfit};
use crate::cache::block::ExitSlot;
use crate::guest::Guest;
use crate::ir::{Block, Exit, Global, Op, Part, Ty, Val};

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
    /// Accesses that look up their page together, and who is in which, by op.
    pub(super) groups: Vec<Group>,
    pub(super) members: Vec<Option<Member>>,
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
    /// The condition-code operation that is recorded and not in the CPU.
    pub(super) pending: Option<Pending>,
    /// What is written behind the block, with the operation that was pending there.
    pub(super) endings: Vec<(Option<Recorded>, Ending)>,
    /// Host registers lent while the block, a loop, is executed.
    pub(super) loans: Vec<Loan>,
    /// Where a pass of that loop begins, behind the lending.
    pub(super) again: Option<usize>,
    pub(super) slots: Box<[ExitSlot]>,
    pub(super) next_slot: usize,
    /// Where traps of helpers go; the second for those that write registers at a trap.
    pub(super) trap_labels: [Option<Label>; 2],
    /// The value that the flags tell of, compared with 0, as long as they stay.
    pub(super) flags_of: Option<(usize, Ty, u64)>,
    /// The value that the carry flag is, as long as the flags stay.
    pub(super) carry_of: Option<(usize, u64)>,
    /// The op that the current one does too.
    pub(super) horizon: usize,
    /// The registers do not suffice.
    pub(super) failed: bool,
    guest: std::marker::PhantomData<G>,
}

/// Code, where it is entered, and its exits.
pub(super) type Lowered = (Vec<u8>, Entries, Box<[ExitSlot]>);

/// Compiles a block.
pub(super) fn lower<G: Guest>(
    native: &Native,
    block: &Block,
    place: Place,
) -> Result<Lowered, Unfit> {
    let mut lower = Lower::<G>::new(native, block, place);
    let unchecked = lower.prologue();
    lower.begin_loop();
    lower.find_direct();
    let mut i = 0;
    while i < lower.ops.len() {
        if lower.needed[i] && !lower.done[i] {
            lower.now = i;
            lower.op(i);
            lower.end_op();
        }
        i += 1;
    }
    lower.pending = None;
    lower.write_endings();
    if lower.failed {
        return Err(Unfit::Shape);
    }
    let offset = |at: usize| u16::try_from(at).map_err(|_| Unfit::Shape);
    let entries = Entries {
        unchecked: offset(unchecked)?,
        again: lower.again.map(offset).transpose()?,
    };
    let code = lower.asm.finish().ok_or(Unfit::Shape)?;
    Ok((code, entries, lower.slots))
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
        let (groups, members) = super::group::find(ops, &needed, &sums, !place.barriers);
        // Two for each group, behind those of ops.
        let count_all = count + 2 * groups.len();
        let mut types = types;
        types.resize(count_all, Ty::I64);
        let mut values = vec![Value::default(); count_all];
        for (i, op) in ops.iter().enumerate() {
            if !needed[i] {
                continue;
            }
            let mut used = |v: Val| values[v.0 as usize].last = i as u32;
            match sums[i] {
                Some(sum) => {
                    sum.for_operands(&mut used);
                    match *op {
                        Op::Store { v, pred, .. } => {
                            used(v);
                            if let Some(pred) = pred {
                                used(pred);
                            }
                        }
                        Op::Atomic { v, .. } => used(v),
                        _ => {}
                    }
                }
                None => op.for_operands(used),
            }
        }
        keep_operands(ops, &needed, |v, last| {
            let value = &mut values[v.0 as usize];
            value.last = value.last.max(last);
        });
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
            roots: (0..count_all as u32).collect(),
            values,
            sums,
            groups,
            members,
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
            pending: None,
            endings: Vec::new(),
            loans: Vec::new(),
            again: None,
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
        if matches!(
            self.ops[i],
            Op::Call { .. } | Op::GetCc | Op::TestCc { .. } | Op::Exit(_)
        ) {
            self.settle_cc();
        }
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

    /// Writes half of a register that is in the CPU. A load of the whole that follows soon would
    /// wait until the store has left the host's store buffer; code that works on halves hardly
    /// ever does that, and the optimiser puts such wholes together from what was written.
    fn put_half(&mut self, g: Global, part: Part, v: Val) {
        let (disp, _) = self.place(g, part);
        let place = at(super::asm::RBP, disp);
        if let Some(c) = self.constant(v) {
            self.detach(g);
            self.asm.store_imm(Width::W32, place, c as i32);
            return;
        }
        let reg = self.reg(v);
        self.detach(g);
        self.asm.store(Width::W32, place, reg);
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
}
