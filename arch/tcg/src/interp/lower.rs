//! Lowers a block to steps: decides where every value lives.
//!
//! A value lives, in order of preference, nowhere (a constant that steps take as an immediate; a
//! sum that an access computes itself), in the guest register it is read from or written to, or
//! in a scratch word. Writing a register when the value is made instead of when it is `Put` is
//! legal if nothing in between can see the difference; reading it when the value is used instead
//! of when it is `Get` is legal if nothing in between writes it.

use super::access::{self, ATOMICS, CallData, SIZES};
use super::ops::{self, BIN, CARRY, CONDS, UN, W32, W64};
use super::pick::*;
use super::{Code, Handler, Mark, Step, leave};
use crate::cache::block::ExitSlot;
use crate::cpu::{CpuCore, SCRATCH_WORDS};
use crate::guest::Guest;
use crate::helper::GlobalSet;
use crate::ir::{BinOp, Block, Cond, Exit, ExitPut, Global, MemOp, Op, Part, Ty, Val};

/// Why a block cannot be lowered: it is executed as IR then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// More values are alive at once than there are scratch words.
    Scratch,
    /// A guest register lies beyond the reach of an offset.
    Offset,
}

/// A place in the CPU: first byte and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: u16,
    bytes: u16,
}

impl Place {
    fn overlaps(self, other: Self) -> bool {
        self.at < other.at + other.bytes && other.at < self.at + self.bytes
    }
}

/// Where a value is.
#[derive(Debug, Clone, Copy)]
enum Home {
    /// Nowhere (yet).
    None,
    At(u16),
    Const(u64),
}

/// The address of an access: base + index + displacement.
#[derive(Debug, Clone, Copy)]
struct Sum {
    base: Val,
    index: Option<Val>,
    disp: u64,
}

struct Lower<'a, G> {
    ops: &'a [Op],
    types: Vec<Ty>,
    needed: Vec<bool>,
    /// Index of the last op that reads each value.
    last: Vec<u32>,
    /// Addresses that accesses compute themselves, by op.
    sums: Vec<Option<Sum>>,
    /// Registers that ops write directly, by op.
    direct: Vec<Option<Place>>,
    /// `Put`s that have nothing left to do.
    done: Vec<bool>,
    homes: Vec<Home>,
    free: Vec<u16>,
    /// Scratch words in use, and the op after which they are free.
    active: Vec<(u32, u16)>,
    steps: Vec<Step>,
    marks: Vec<Mark>,
    calls: Vec<CallData>,
    /// The steps that call, in the order of `calls`.
    call_steps: Vec<usize>,
    exits: Vec<ExitSlot>,
    /// The steps that jump, and the exits they take.
    jump_steps: Vec<(usize, u16)>,
    /// The last op's write of a register, which its exit does: place and value.
    put_at_exit: Option<(u16, u64)>,
    begun: u32,
    guest: std::marker::PhantomData<G>,
}

/// Lowers a block.
pub(crate) fn compile<G: Guest>(block: &Block) -> Result<(Code, Box<[ExitSlot]>), Unfit> {
    let mut lower = Lower::<G>::new(&block.ops);
    lower.find_direct()?;
    lower.emit_all()?;
    let calls: Box<[CallData]> = lower.calls.into();
    for (&step, data) in lower.call_steps.iter().zip(&calls) {
        lower.steps[step].imm = std::ptr::from_ref(data).addr() as u64;
    }
    let exits: Box<[ExitSlot]> = lower.exits.into();
    for (step, exit) in lower.jump_steps {
        let slot = std::ptr::from_ref(&exits[usize::from(exit)]);
        lower.steps[step].imm = slot.addr() as u64;
    }
    let code = Code {
        steps: lower.steps.into(),
        marks: lower.marks.into(),
        calls,
    };
    Ok((code, exits))
}

fn place_of<G: Guest>(g: Global, part: Part) -> Result<Place, Unfit> {
    let decl = &G::GLOBALS[usize::from(g.0)];
    let (skip, bytes) = match (part, decl.ty) {
        (Part::Full, Ty::I64) => (0, 8),
        (Part::Full, Ty::I32) | (Part::Low32, _) => (0, 4),
        (Part::High32, _) => (4, 4),
    };
    let at = u16::try_from(decl.offset + skip).map_err(|_| Unfit::Offset)?;
    Ok(Place { at, bytes })
}

impl<'a, G: Guest> Lower<'a, G> {
    fn new(ops: &'a [Op]) -> Self {
        let count = ops.len();
        let types = ops.iter().map(|op| op.result_ty(G::GLOBALS)).collect();
        let mut needed = vec![false; count];
        let mut uses = vec![0u32; count];
        for (i, op) in ops.iter().enumerate().rev() {
            if uses[i] > 0 || op.has_effect() {
                needed[i] = true;
                op.for_operands(|v| uses[v.0 as usize] += 1);
            }
        }
        let mut sums = vec![None; count];
        for (i, op) in ops.iter().enumerate() {
            let (Op::Load { mem, addr, .. } | Op::Store { mem, addr, .. }) = *op else {
                continue;
            };
            if needed[i]
                && !mem.aligned
                && let Some((sum, inner)) = Self::sum(ops, &uses, addr)
            {
                // What the access computes need not be computed before.
                needed[addr.0 as usize] = false;
                if let Some(inner) = inner {
                    needed[inner.0 as usize] = false;
                }
                sums[i] = Some(sum);
            }
        }
        let mut last = vec![0; count];
        for (i, op) in ops.iter().enumerate().rev() {
            if !needed[i] {
                continue;
            }
            let mut used = |v: Val, when: u32| {
                let slot: &mut u32 = &mut last[v.0 as usize];
                *slot = (*slot).max(when);
            };
            match (op, sums[i]) {
                (_, Some(Sum { base, index, .. })) => {
                    used(base, i as u32);
                    if let Some(index) = index {
                        used(index, i as u32);
                    }
                    if let Op::Store { v, pred, .. } = *op {
                        used(v, i as u32);
                        if let Some(pred) = pred {
                            used(pred, i as u32);
                        }
                    }
                }
                // A truncated value is read from the place of the whole one.
                (Op::Trunc(v), None) => {
                    let when = last[i];
                    let slot = &mut last[v.0 as usize];
                    *slot = (*slot).max(when);
                }
                _ => op.for_operands(|v| used(v, i as u32)),
            }
        }
        Self {
            ops,
            types,
            needed,
            last,
            sums,
            direct: vec![None; count],
            done: vec![false; count],
            homes: vec![Home::None; count],
            free: (0..SCRATCH_WORDS as u16).rev().collect(),
            active: Vec::new(),
            steps: Vec::with_capacity(count),
            marks: Vec::new(),
            calls: Vec::new(),
            call_steps: Vec::new(),
            exits: Vec::new(),
            jump_steps: Vec::new(),
            put_at_exit: None,
            begun: 0,
            guest: std::marker::PhantomData,
        }
    }

    /// How an access can compute its address, if that saves an op; and a second op it saves.
    fn sum(ops: &[Op], uses: &[u32], addr: Val) -> Option<(Sum, Option<Val>)> {
        let parts = |v: Val| match ops[v.0 as usize] {
            Op::Bin(BinOp::Add, Ty::I64, x, y) if uses[v.0 as usize] == 1 => Some((x, y)),
            _ => None,
        };
        let constant = |v: Val| match ops[v.0 as usize] {
            Op::Const(_, c) => Some(c),
            _ => None,
        };
        let (x, y) = parts(addr)?;
        if constant(x).is_some() {
            return None;
        }
        let Some(disp) = constant(y) else {
            let sum = Sum {
                base: x,
                index: Some(y),
                disp: 0,
            };
            return Some((sum, None));
        };
        if let Some((base, index)) = parts(x)
            && constant(base).is_none()
            && constant(index).is_none()
        {
            let sum = Sum {
                base,
                index: Some(index),
                disp,
            };
            return Some((sum, Some(x)));
        }
        let sum = Sum {
            base: x,
            index: None,
            disp,
        };
        Some((sum, None))
    }

    /// Finds the `Put`s whose value can be made in the register itself.
    fn find_direct(&mut self) -> Result<(), Unfit> {
        let ops = self.ops;
        for (p, op) in ops.iter().enumerate() {
            let Op::Put(g, part, v) = *op else { continue };
            let d = v.0 as usize;
            let place = place_of::<G>(g, part)?;
            let made = matches!(
                ops[d],
                Op::Un(..)
                    | Op::Bin(..)
                    | Op::Carry(..)
                    | Op::Extend { .. }
                    | Op::Deposit { .. }
                    | Op::SetCond(..)
                    | Op::Select { .. }
                    | Op::Load { .. }
                    | Op::CompareSwap { .. }
                    | Op::Atomic { .. }
                    | Op::GetCc
                    | Op::TestCc { .. }
                    | Op::Call { .. }
            );
            if !made || self.direct[d].is_some() {
                continue;
            }
            let seen = ops[d + 1..p]
                .iter()
                .zip(&self.needed[d + 1..p])
                .any(|(op, &needed)| {
                    needed
                        && match *op {
                            Op::Get(g, part) | Op::Put(g, part, _) => {
                                place_of::<G>(g, part).is_ok_and(|other| other.overlaps(place))
                            }
                            Op::Insn { .. } => true,
                            _ => op.observes_globals(),
                        }
                });
            let end = self.last[d] as usize;
            let lost = (p + 1..end).any(|k| self.clobbers(k, place));
            // Values that live in this register already, and are needed beyond `d`.
            let taken = (0..d).any(|k| {
                self.last[k] as usize > d
                    && self.direct[k].is_some_and(|other| other.overlaps(place))
            });
            if !seen && !lost && !taken {
                self.direct[d] = Some(place);
                self.done[p] = true;
            }
        }
        Ok(())
    }

    /// Whether an op, as written, may change a register for the ops after it.
    fn clobbers(&self, k: usize, place: Place) -> bool {
        match self.ops[k] {
            Op::Put(g, part, _) => place_of::<G>(g, part).is_ok_and(|p| p.overlaps(place)),
            Op::Call { def, .. } => {
                let effects = &def.effects;
                effects.writes_globals
                    && (effects.writes == GlobalSet::ALL
                        || (0..G::GLOBALS.len() as u16).map(Global).any(|g| {
                            effects.may_write(g)
                                && place_of::<G>(g, Part::Full).is_ok_and(|p| p.overlaps(place))
                        }))
            }
            _ => false,
        }
    }

    /// Whether the code of an op changes a register.
    fn writes(&self, k: usize, place: Place) -> bool {
        self.direct[k].is_some_and(|p| p.overlaps(place))
            || !self.done[k] && self.clobbers(k, place)
    }

    fn take_word(&mut self) -> Result<u16, Unfit> {
        let word = self.free.pop().ok_or(Unfit::Scratch)?;
        let at = std::mem::offset_of!(CpuCore, scratch) + usize::from(word) * 8;
        u16::try_from(at).map_err(|_| Unfit::Offset)
    }

    fn word_at(at: u16) -> u16 {
        (at - std::mem::offset_of!(CpuCore, scratch) as u16) / 8
    }

    /// Frees the scratch words whose values no later op reads.
    fn expire(&mut self, now: usize) {
        let free = &mut self.free;
        self.active.retain(|&(end, at)| {
            let over = end as usize <= now;
            if over {
                free.push(Self::word_at(at));
            }
            !over
        });
    }

    /// The place of a value, which is put somewhere if it is a constant.
    fn at(&mut self, v: Val) -> Result<u16, Unfit> {
        let index = v.0 as usize;
        match self.homes[index] {
            Home::At(at) => Ok(at),
            Home::Const(c) => {
                let at = self.take_word()?;
                self.active.push((self.last[index], at));
                self.homes[index] = Home::At(at);
                self.push(ops::mov_imm::<W64>, at, 0, 0, 0, c);
                Ok(at)
            }
            // A value that is read is needed, so it has a home.
            Home::None => Err(Unfit::Scratch),
        }
    }

    fn constant(&self, v: Val) -> Option<u64> {
        match self.ops[v.0 as usize] {
            Op::Const(_, c) => Some(c),
            _ => None,
        }
    }

    fn is_wide(&self, v: Val) -> bool {
        self.types[v.0 as usize] == Ty::I64
    }

    /// Where op `i` writes its value.
    fn target(&mut self, i: usize) -> Result<u16, Unfit> {
        self.expire(i);
        let at = match self.direct[i] {
            Some(place) => place.at,
            None => {
                let at = self.take_word()?;
                // A value that nobody reads still has to go somewhere.
                self.active.push((self.last[i].max(i as u32), at));
                at
            }
        };
        self.homes[i] = Home::At(at);
        Ok(at)
    }

    fn push(&mut self, handler: Handler, d: u16, a: u16, b: u16, c: u16, imm: u64) {
        self.steps.push(Step {
            handler,
            d,
            a,
            b,
            c,
            imm,
        });
    }

    fn emit_all(&mut self) -> Result<(), Unfit> {
        let mut i = 0;
        while i < self.ops.len() {
            if self.needed[i] {
                i += self.emit(i)?;
            } else {
                i += 1;
            }
        }
        Ok(())
    }

    /// Emits the steps of an op; how many ops that were.
    fn emit(&mut self, i: usize) -> Result<usize, Unfit> {
        match self.ops[i] {
            Op::Insn { pc, len } => {
                self.marks.push(Mark {
                    step: self.steps.len() as u32,
                    before: self.begun,
                    pc,
                    len,
                });
                self.begun += 1;
            }
            Op::Const(_, c) => self.homes[i] = Home::Const(c),
            Op::Get(g, part) => self.get(i, place_of::<G>(g, part)?)?,
            Op::Put(g, part, v) => {
                if !self.done[i] {
                    let place = place_of::<G>(g, part)?;
                    let wide = place.bytes == 8;
                    if let Some(c) = self.constant(v) {
                        if wide && matches!(self.ops.get(i + 1), Some(Op::Exit(Exit::Jump { .. })))
                        {
                            self.put_at_exit = Some((place.at, c));
                            return Ok(1);
                        }
                        let handler: Handler = if wide {
                            ops::mov_imm::<W64>
                        } else {
                            ops::mov_imm::<W32>
                        };
                        self.push(handler, place.at, 0, 0, 0, c);
                    } else {
                        let a = self.at(v)?;
                        let handler: Handler = if wide {
                            ops::mov::<W64>
                        } else {
                            ops::mov::<W32>
                        };
                        self.push(handler, place.at, a, 0, 0, 0);
                    }
                }
            }
            Op::Un(op, ty, v) => {
                let a = self.at(v)?;
                let d = self.target(i)?;
                self.push(pick_un(index_of(&UN, op), ty), d, a, 0, 0, 0);
            }
            Op::Bin(op, ty, x, y) => {
                let a = self.at(x)?;
                if let Some(c) = self.constant(y) {
                    let d = self.target(i)?;
                    self.push(pick_bin_imm(index_of(&BIN, op), ty), d, a, 0, 0, c);
                } else {
                    let b = self.at(y)?;
                    let d = self.target(i)?;
                    self.push(pick_bin(index_of(&BIN, op), ty), d, a, b, 0, 0);
                }
            }
            Op::Carry(op, ty, x, y, z) => {
                let (a, b, c) = (self.at(x)?, self.at(y)?, self.at(z)?);
                let d = self.target(i)?;
                self.push(pick_carry(index_of(&CARRY, op), ty), d, a, b, c, 0);
            }
            Op::Trunc(v) => {
                self.homes[i] = match self.constant(v) {
                    Some(c) => Home::Const(c & Ty::I32.mask()),
                    None => Home::At(self.at(v)?),
                };
            }
            Op::Extend {
                ty,
                v,
                bits,
                signed,
            } => {
                let a = self.at(v)?;
                // Places of narrow values have no more than 32 bits.
                let bits = if self.is_wide(v) { bits } else { bits.min(32) };
                let d = self.target(i)?;
                self.push(pick_extend(bits, signed, ty), d, a, 0, 0, u64::from(bits));
            }
            Op::Deposit {
                ty,
                base,
                v,
                pos,
                len,
            } => {
                let (a, b) = (self.at(base)?, self.at(v)?);
                let d = self.target(i)?;
                let imm = u64::from(pos) | u64::from(len) << 8;
                let handler: Handler = match ty {
                    Ty::I32 => ops::deposit::<W32>,
                    Ty::I64 => ops::deposit::<W64>,
                };
                self.push(handler, d, a, b, 0, imm);
            }
            Op::SetCond(cond, ty, x, y) => {
                let a = self.at(x)?;
                let (b, imm) = self.right(y)?;
                let d = self.target(i)?;
                self.set_cond(cond, ty, d, a, b, imm);
            }
            Op::Select {
                cond,
                cty,
                a,
                b,
                ty,
                t,
                f,
            } => {
                let a = self.at(a)?;
                let (b, imm) = self.right(b)?;
                let (t, f) = (self.at(t)?, self.at(f)?);
                let truth = self.take_word()?;
                self.set_cond(cond, cty, truth, a, b, imm);
                let d = self.target(i)?;
                let handler: Handler = match ty {
                    Ty::I32 => ops::select::<W32>,
                    Ty::I64 => ops::select::<W64>,
                };
                self.push(handler, d, truth, t, f, 0);
                self.free.push(Self::word_at(truth));
            }
            Op::Load { ty, mem, addr } => self.load(i, ty, mem, addr)?,
            Op::Store { mem, addr, v, pred } => self.store(i, mem, addr, v, pred)?,
            Op::CompareSwap {
                ty,
                mem,
                addr,
                expected,
                new,
            } => {
                let (a, b, c) = (self.at(addr)?, self.at(expected)?, self.at(new)?);
                let d = self.target(i)?;
                let handler: Handler = match ty {
                    Ty::I32 => access::compare_swap::<G, W32>,
                    Ty::I64 => access::compare_swap::<G, W64>,
                };
                self.push(handler, d, a, b, c, access::pack(mem));
            }
            Op::Atomic {
                op,
                ty,
                mem,
                addr,
                v,
            } => {
                let (a, b) = (self.at(addr)?, self.at(v)?);
                let d = self.target(i)?;
                let handler: Handler = match ty {
                    Ty::I32 => access::atomic::<G, W32>,
                    Ty::I64 => access::atomic::<G, W64>,
                };
                let c = index_of(&ATOMICS, op) as u16;
                self.push(handler, d, a, b, c, access::pack(mem));
            }
            Op::Fence => self.push(ops::fence, 0, 0, 0, 0, 0),
            Op::SetCc { kind, a, b } => return self.set_cc(i, kind, a, b),
            Op::GetCc => {
                let d = self.target(i)?;
                self.push(ops::get_cc::<G>, d, 0, 0, 0, 0);
            }
            Op::TestCc { mask } => {
                let d = self.target(i)?;
                self.push(ops::test_cc::<G>, d, 0, 0, 0, u64::from(mask));
            }
            Op::Call { def, args } => self.call(i, def, args)?,
            Op::ExitIf {
                cond,
                ty,
                a,
                b,
                exit,
                put,
            } => self.exit_if(i, cond, ty, (a, b), exit, put)?,
            Op::Exit(exit) => {
                let put = self.put_at_exit;
                self.exit(exit, put)?;
            }
        }
        self.expire(i);
        Ok(1)
    }

    fn get(&mut self, i: usize, place: Place) -> Result<(), Unfit> {
        let end = self.last[i] as usize;
        if (i + 1..end).any(|k| self.writes(k, place)) {
            let d = self.target(i)?;
            let handler: Handler = if place.bytes == 8 {
                ops::mov::<W64>
            } else {
                ops::mov::<W32>
            };
            self.push(handler, d, place.at, 0, 0, 0);
        } else {
            self.homes[i] = Home::At(place.at);
        }
        Ok(())
    }

    /// A right side: its place, or the constant that it is.
    fn right(&mut self, v: Val) -> Result<(u16, Option<u64>), Unfit> {
        Ok(match self.constant(v) {
            Some(c) => (0, Some(c)),
            None => (self.at(v)?, None),
        })
    }

    fn set_cond(&mut self, cond: Cond, ty: Ty, d: u16, a: u16, b: u16, imm: Option<u64>) {
        let handler = pick_set_cond(index_of(&CONDS, cond), ty, imm.is_some());
        self.push(handler, d, a, b, 0, imm.unwrap_or(0));
    }

    /// The address of access `i`: places of base and index, displacement.
    fn address(&mut self, i: usize, addr: Val) -> Result<(u16, Option<u16>, u64), Unfit> {
        match self.sums[i] {
            Some(Sum { base, index, disp }) => {
                let base = self.at(base)?;
                let index = index.map(|index| self.at(index)).transpose()?;
                Ok((base, index, disp))
            }
            None => Ok((self.at(addr)?, None, 0)),
        }
    }

    fn load(&mut self, i: usize, ty: Ty, mem: MemOp, addr: Val) -> Result<(), Unfit> {
        let (a, index, disp) = self.address(i, addr)?;
        let d = self.target(i)?;
        if mem.aligned {
            let handler: Handler = match ty {
                Ty::I32 => access::load_aligned::<G, W32>,
                Ty::I64 => access::load_aligned::<G, W64>,
            };
            self.push(handler, d, a, 0, 0, access::pack(mem));
        } else {
            let size = index_of(&SIZES, mem.size);
            let handler = pick_load::<G>(size, mem.signed, ty, index.is_some());
            self.push(
                handler,
                d,
                a,
                u16::from(mem.mode.0),
                index.unwrap_or(0),
                disp,
            );
        }
        Ok(())
    }

    fn store(
        &mut self,
        i: usize,
        mem: MemOp,
        addr: Val,
        v: Val,
        pred: Option<Val>,
    ) -> Result<(), Unfit> {
        let (a, index, disp) = self.address(i, addr)?;
        let d = self.at(v)?;
        if let Some(pred) = pred {
            let pred = self.at(pred)?;
            self.push(ops::skip_if_zero, 0, pred, 0, 0, 1);
        }
        if mem.aligned {
            self.push(access::store_aligned::<G>, d, a, 0, 0, access::pack(mem));
        } else {
            let handler = pick_store::<G>(index_of(&SIZES, mem.size), index.is_some());
            self.push(
                handler,
                d,
                a,
                u16::from(mem.mode.0),
                index.unwrap_or(0),
                disp,
            );
        }
        Ok(())
    }

    /// Emits a `SetCc`, together with a comparison of the same operands that comes next.
    fn set_cc(&mut self, i: usize, kind: u8, x: Val, y: Val) -> Result<usize, Unfit> {
        let same = |p: Val, q: Val| {
            p == q || self.constant(p).is_some() && self.constant(p) == self.constant(q)
        };
        let next = (i + 1..self.ops.len())
            .find(|&k| self.needed[k] && !matches!(self.ops[k], Op::Const(..) | Op::Insn { .. }));
        // A constant on the right is recorded and compared as it is.
        let fits = |ty| {
            self.types[x.0 as usize] == ty
                && (self.types[y.0 as usize] == ty || self.constant(y).is_some())
        };
        if let Some(k) = next
            && let Op::ExitIf {
                cond,
                ty,
                a,
                b,
                exit: Exit::Jump { pc },
                put,
            } = self.ops[k]
            && let Some(put) = slot_put::<G>(put)
            && same(x, a)
            && same(y, b)
            && fits(ty)
            && !self.may_leave_after(i)
        {
            let a = self.at(x)?;
            let (b, imm) = self.right(y)?;
            for between in i + 1..k {
                if self.needed[between] {
                    self.emit(between)?;
                }
            }
            let c = self.new_exit(pc, put);
            let handler = pick_cc_exit_if(index_of(&CONDS, cond), ty, imm.is_some());
            self.push(handler, u16::from(kind), a, b, c, imm.unwrap_or(0));
            self.expire(k);
            return Ok(k + 1 - i);
        }
        let a = self.at(x)?;
        let wide = self.is_wide(x);
        if let Some(imm) = self.constant(y) {
            let handler: Handler = if wide {
                ops::set_cc_imm::<W64>
            } else {
                ops::set_cc_imm::<W32>
            };
            self.push(handler, 0, a, 0, u16::from(kind), imm);
        } else {
            let b = self.at(y)?;
            let handler: Handler = match (wide, self.is_wide(y)) {
                (false, false) => ops::set_cc::<W32, W32>,
                (false, true) => ops::set_cc::<W32, W64>,
                (true, false) => ops::set_cc::<W64, W32>,
                (true, true) => ops::set_cc::<W64, W64>,
            };
            self.push(handler, 0, a, b, u16::from(kind), 0);
        }
        self.expire(i);
        Ok(1)
    }

    /// Whether the instruction of op `i` may be the last one executed in the block because of
    /// what it does before `i`.
    fn may_leave_after(&self, i: usize) -> bool {
        self.ops[..i]
            .iter()
            .rev()
            .take_while(|op| !matches!(op, Op::Insn { .. }))
            .any(Op::may_leave_after_insn)
    }

    fn call(
        &mut self,
        i: usize,
        def: &'static crate::helper::HelperDef,
        args: [Option<Val>; 5],
    ) -> Result<(), Unfit> {
        let mut data = CallData {
            def,
            pc: 0,
            ilen: 0,
            kinds: 0,
            args: [0; 5],
        };
        if let Some(mark) = self.marks.last() {
            data.pc = mark.pc;
            data.ilen = u32::from(mark.len);
        }
        for (n, arg) in args.iter().enumerate() {
            let Some(arg) = *arg else { continue };
            let kind = if let Some(c) = self.constant(arg) {
                data.args[n] = c;
                access::ARG_CONST
            } else {
                data.args[n] = u64::from(self.at(arg)?);
                if self.is_wide(arg) {
                    access::ARG_WIDE
                } else {
                    access::ARG_NARROW
                }
            };
            data.kinds |= kind << (2 * n);
        }
        let d = self.target(i)?;
        let check = def.effects.writes_memory || def.effects.writes_globals;
        // The table's address is known when it is complete.
        let number = self.calls.len() as u64;
        self.push(pick_call(def.args, check), d, 0, 0, 0, number);
        self.call_steps.push(self.steps.len() - 1);
        self.calls.push(data);
        Ok(())
    }

    fn exit_if(
        &mut self,
        i: usize,
        cond: Cond,
        ty: Ty,
        (x, y): (Val, Val),
        exit: Exit,
        put: Option<ExitPut>,
    ) -> Result<(), Unfit> {
        let a = self.at(x)?;
        let (b, imm) = self.right(y)?;
        if let (Exit::Jump { pc }, Some(put)) = (exit, slot_put::<G>(put)) {
            let c = self.new_exit(pc, put);
            let handler = pick_exit_if(index_of(&CONDS, cond), ty, imm.is_some());
            self.push(handler, 0, a, b, c, imm.unwrap_or(0));
        } else {
            // The exit's own steps, passed over if the block goes on. A constant address gets its
            // place before, so that it is there on both ways.
            if let Some(pc) = exit.operand() {
                self.at(pc)?;
            }
            let skip = self.steps.len();
            let handler = pick_skip_if(index_of(&CONDS, cond.negate()), ty, imm.is_some());
            self.push(handler, 0, a, b, 0, imm.unwrap_or(0));
            if let Some(ExitPut { global, value }) = put {
                let place = place_of::<G>(global, Part::Full)?;
                let handler: Handler = if place.bytes == 8 {
                    ops::mov_imm::<W64>
                } else {
                    ops::mov_imm::<W32>
                };
                self.push(handler, place.at, 0, 0, 0, value);
            }
            self.exit(exit, None)?;
            self.steps[skip].c = (self.steps.len() - skip - 1) as u16;
        }
        self.expire(i);
        Ok(())
    }

    fn new_exit(&mut self, pc: u64, put: Option<(u16, u64)>) -> u16 {
        let number = self.exits.len() as u16;
        let (put_at, value) = put.unwrap_or((std::mem::offset_of!(CpuCore, pc) as u16, 0));
        self.exits.push(ExitSlot {
            pc,
            insns: self.begun,
            put_at: u32::from(put_at),
            value,
            ..ExitSlot::default()
        });
        number
    }

    /// Emits an exit's step. A jump's slot may write a register.
    fn exit(&mut self, exit: Exit, put: Option<(u16, u64)>) -> Result<(), Unfit> {
        let count = u64::from(self.begun);
        let (handler, a, imm): (Handler, u16, u64) = match exit {
            Exit::Jump { pc } => {
                let number = self.new_exit(pc, put);
                // The step gets the address of its slot when the slots have one.
                self.jump_steps.push((self.steps.len(), number));
                (leave::exit_jump, 0, 0)
            }
            Exit::JumpReg { pc } => (leave::exit_jump_reg::<G>, self.at(pc)?, count),
            Exit::Lookup { pc: Some(pc) } => (leave::exit_lookup, self.at(pc)?, count),
            Exit::Lookup { pc: None } => (leave::exit_lookup_set, 0, count),
        };
        self.push(handler, 0, a, 0, 0, imm);
        Ok(())
    }
}

/// What an exit's slot is to write, if that can be done there: whole wide registers only.
fn slot_put<G: Guest>(put: Option<ExitPut>) -> Option<Option<(u16, u64)>> {
    let Some(ExitPut { global, value }) = put else {
        return Some(None);
    };
    let place = place_of::<G>(global, Part::Full).ok()?;
    (place.bytes == 8).then_some(Some((place.at, value)))
}

fn index_of<T: PartialEq>(all: &[T], one: T) -> usize {
    // The tables list every variant.
    all.iter().position(|other| *other == one).unwrap_or(0)
}
