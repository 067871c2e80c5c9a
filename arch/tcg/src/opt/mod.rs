//! The optimiser: makes a block cheaper without changing what any observer of it can see.
//!
//! Two passes. The first goes forward and rewrites each op with what is known so far: constants
//! (`fold`), what registers hold (`globals`), which condition-code operation is recorded
//! (`cc`). The second goes backward and drops what nobody reads or sees (`dead`). Observers
//! are the ops that may trap, leave the block or call a helper that reads registers, and the end
//! of an instruction that may have changed code.

mod cc;
mod dead;
mod fold;
mod globals;

use globals::Known;

use crate::eval;
use crate::guest::Guest;
use crate::ir::{BinOp, Block, CarryOp, Cond, Exit, ExitPut, MemOp, Op, Part, Ty, Val};

/// Rewrites a block.
pub fn optimise<G: Guest>(block: &mut Block) {
    let ops = std::mem::take(&mut block.ops);
    let mut pass = Forward::<G>::new(ops.len());
    let mut renamed = Vec::with_capacity(ops.len());
    for mut op in ops {
        // Values that nothing was made for are never read: the block is well formed.
        op.for_operands_mut(|v| *v = renamed[v.0 as usize]);
        renamed.push(pass.rewrite(&op));
        if pass.is_ended() {
            break;
        }
    }
    block.ops = dead::remove(pass.ops, G::GLOBALS);
}

/// The forward pass: ops made so far, and what is known at this point.
struct Forward<G> {
    ops: Vec<Op>,
    types: Vec<Ty>,
    known: Known,
    /// The condition-code operation recorded last, if it was recorded in this block.
    cc: Option<(u8, Val, Val)>,
    /// Constants made lately, to be used again.
    constants: Vec<Val>,
    guest: std::marker::PhantomData<G>,
}

/// How many constants are looked through for an equal one.
const CONSTANTS: usize = 24;

impl<G: Guest> Forward<G> {
    fn new(count: usize) -> Self {
        Self {
            ops: Vec::with_capacity(count),
            types: Vec::with_capacity(count),
            known: Known::new(G::GLOBALS.len()),
            cc: None,
            constants: Vec::new(),
            guest: std::marker::PhantomData,
        }
    }

    fn is_ended(&self) -> bool {
        matches!(self.ops.last(), Some(Op::Exit(_)))
    }

    fn def(&self, v: Val) -> &Op {
        &self.ops[v.0 as usize]
    }

    fn ty(&self, v: Val) -> Ty {
        self.types[v.0 as usize]
    }

    fn as_const(&self, v: Val) -> Option<u64> {
        match *self.def(v) {
            Op::Const(_, c) => Some(c),
            _ => None,
        }
    }

    /// Appends an op as it stands.
    fn push(&mut self, op: Op) -> Val {
        let v = Val(self.ops.len() as u32);
        self.types.push(op.result_ty(G::GLOBALS));
        self.ops.push(op);
        v
    }

    fn constant(&mut self, ty: Ty, c: u64) -> Val {
        let c = c & ty.mask();
        let found = self
            .constants
            .iter()
            .rev()
            .take(CONSTANTS)
            .find(|v| matches!(*self.def(**v), Op::Const(t, k) if t == ty && k == c));
        if let Some(&v) = found {
            return v;
        }
        let v = self.push(Op::Const(ty, c));
        self.constants.push(v);
        v
    }

    /// Appends what an op comes down to; the value that stands for its own.
    /// Its fields are read one by one: a copy of an op just changed, wider than what was
    /// changed, waits until that has left the host's store buffer.
    fn rewrite(&mut self, op: &Op) -> Val {
        match *op {
            Op::Const(ty, c) => self.constant(ty, c),
            Op::Get(g, part) => self.get(g, part),
            Op::Put(g, part, v) => self.put(g, part, v),
            Op::SetCc { kind, a, b } => self.set_cc(kind, a, b),
            Op::GetCc => self.get_cc(),
            Op::TestCc { mask } => self.test_cc(mask),
            Op::Call { def, .. } => {
                let v = self.push(*op);
                if def.effects.writes_globals {
                    self.known.forget(|g| def.effects.may_write(g));
                    if def.effects.may_write_cc() {
                        self.cc = None;
                    }
                }
                v
            }
            Op::Store {
                mem,
                addr,
                v,
                pred: Some(pred),
            } => match self.as_const(pred) {
                // Nothing happens; nobody reads a store's value.
                Some(0) => pred,
                Some(_) => self.push(Op::Store {
                    mem,
                    addr,
                    v,
                    pred: None,
                }),
                None => self.push(*op),
            },
            Op::ExitIf {
                cond,
                ty,
                a,
                b,
                exit,
                put,
            } => self.exit_if(cond, ty, (a, b), exit, put),
            Op::Select {
                cond,
                cty,
                a,
                b,
                ty,
                t,
                f,
            } => {
                if t == f {
                    return t;
                }
                match self.compare(cond, cty, a, b) {
                    Compared::Const(true) => t,
                    Compared::Const(false) => f,
                    Compared::Values(cond, cty, a, b) => self.push(Op::Select {
                        cond,
                        cty,
                        a,
                        b,
                        ty,
                        t,
                        f,
                    }),
                }
            }
            Op::SetCond(cond, ty, a, b) => self.set_cond(cond, ty, a, b),
            Op::Load { ty, mut mem, addr } => {
                self.relax(&mut mem, addr);
                self.push(Op::Load { ty, mem, addr })
            }
            Op::Store {
                mut mem,
                addr,
                v,
                pred: None,
            } => {
                self.relax(&mut mem, addr);
                self.push(Op::Store {
                    mem,
                    addr,
                    v,
                    pred: None,
                })
            }
            _ => self.fold(op),
        }
    }

    /// A constant address that is aligned needs no check.
    fn relax(&self, mem: &mut MemOp, addr: Val) {
        let aligned = self
            .as_const(addr)
            .is_some_and(|c| c.is_multiple_of(mem.size.bytes()));
        mem.aligned &= !aligned;
    }

    fn set_cond(&mut self, cond: Cond, ty: Ty, a: Val, b: Val) -> Val {
        match self.compare(cond, ty, a, b) {
            Compared::Const(truth) => self.constant(Ty::I32, u64::from(truth)),
            Compared::Values(cond @ (Cond::Eq | Cond::Ne), Ty::I32, a, b)
                if self.as_const(b) == Some(0) && self.is_truth(a) =>
            {
                self.truth(a, cond == Cond::Ne)
            }
            Compared::Values(cond, ty, a, b) => self.push(Op::SetCond(cond, ty, a, b)),
        }
    }

    /// Whether a value is an `I32` that is 0 or 1.
    fn is_truth(&self, v: Val) -> bool {
        match *self.def(v) {
            Op::SetCond(..) | Op::TestCc { .. } => true,
            Op::Carry(CarryOp::AddCarry | CarryOp::SubBorrow, ..) => true,
            Op::Const(Ty::I32, c) => c < 2,
            Op::Bin(BinOp::Xor, Ty::I32, a, b) => self.as_const(b) == Some(1) && self.is_truth(a),
            _ => false,
        }
    }

    /// A truth value, or the opposite one.
    fn truth(&mut self, v: Val, same: bool) -> Val {
        if same {
            return v;
        }
        if let Op::Bin(BinOp::Xor, Ty::I32, a, b) = *self.def(v)
            && self.as_const(b) == Some(1)
        {
            return a;
        }
        let one = self.constant(Ty::I32, 1);
        self.push(Op::Bin(BinOp::Xor, Ty::I32, v, one))
    }

    fn exit_if(
        &mut self,
        cond: Cond,
        ty: Ty,
        (a, b): (Val, Val),
        exit: Exit,
        put: Option<ExitPut>,
    ) -> Val {
        match self.compare(cond, ty, a, b) {
            Compared::Const(false) => a,
            Compared::Const(true) => {
                if let Some(ExitPut { global, value }) = put {
                    let v = self.constant(G::GLOBALS[usize::from(global.0)].ty, value);
                    self.put(global, Part::Full, v);
                }
                self.push(Op::Exit(exit))
            }
            Compared::Values(cond, ty, a, b) => self.push(Op::ExitIf {
                cond,
                ty,
                a,
                b,
                exit,
                put,
            }),
        }
    }

    /// What a comparison comes down to: its truth, or a comparison with any constant on the
    /// right, and with the values that a truth value was made from.
    fn compare(&mut self, cond: Cond, ty: Ty, a: Val, b: Val) -> Compared {
        let (mut cond, mut ty, mut a, mut b) = (cond, ty, a, b);
        loop {
            match (self.as_const(a), self.as_const(b)) {
                (Some(x), Some(y)) => return Compared::Const(cond.holds(ty, x, y)),
                (Some(_), None) => {
                    (a, b) = (b, a);
                    cond = cond.swap();
                    continue;
                }
                _ => {}
            }
            if a == b {
                return Compared::Const(cond.holds(ty, 0, 0));
            }
            if let (Op::SetCond(inner, t, x, y), Some(0)) = (self.def(a), self.as_const(b)) {
                // The truth of an inner comparison, compared with 0.
                let truth = match cond {
                    Cond::Ne | Cond::GtU | Cond::GtS => *inner,
                    Cond::Eq | Cond::LeU | Cond::LeS => inner.negate(),
                    Cond::GeU | Cond::GeS => return Compared::Const(true),
                    Cond::LtU | Cond::LtS => return Compared::Const(false),
                };
                (cond, ty, a, b) = (truth, *t, *x, *y);
                continue;
            }
            // Extended values compare as what they were extended from.
            if let Some((x, y)) = self.unextended(cond, ty, a, b) {
                (ty, a, b) = (Ty::I32, x, y);
                continue;
            }
            return match (cond, self.as_const(b)) {
                (Cond::GeU, Some(0)) => Compared::Const(true),
                (Cond::LtU, Some(0)) => Compared::Const(false),
                _ => Compared::Values(cond, ty, a, b),
            };
        }
    }
}

impl<G: Guest> Forward<G> {
    /// The narrow values that two wide ones were extended from, where they compare alike. The
    /// second may be a constant.
    fn unextended(&mut self, cond: Cond, ty: Ty, a: Val, b: Val) -> Option<(Val, Val)> {
        let extended = |v: Val| match *self.def(v) {
            Op::Extend {
                ty: Ty::I64,
                v,
                bits: 32,
                signed,
            } if self.ty(v) == Ty::I32 => Some((v, signed)),
            _ => None,
        };
        if ty != Ty::I64 {
            return None;
        }
        let (x, signed) = extended(a)?;
        let alike = match cond {
            Cond::Eq | Cond::Ne => true,
            Cond::LtS | Cond::LeS | Cond::GtS | Cond::GeS => signed,
            Cond::LtU | Cond::LeU | Cond::GtU | Cond::GeU => !signed,
        };
        if !alike {
            return None;
        }
        if let Some(c) = self.as_const(b) {
            if eval::extend(Ty::I64, c, 32, signed) != c {
                return None;
            }
            return Some((x, self.constant(Ty::I32, c)));
        }
        match extended(b)? {
            (y, sign) if sign == signed => Some((x, y)),
            _ => None,
        }
    }
}

/// What a comparison comes down to.
enum Compared {
    Const(bool),
    Values(Cond, Ty, Val, Val),
}
