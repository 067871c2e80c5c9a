//! Checks that a block is well formed. For tests and debug builds.

use super::{Block, CarryOp, ExitPut, MemOp, Op, Part, Ty, Val};
use crate::guest::Guest;

/// Why a block is not well formed: the op's index and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("op {index}: {why}")]
pub struct Invalid {
    /// Index of the offending op.
    pub index: usize,
    /// What is wrong with it.
    pub why: String,
}

struct Check<'a> {
    ops: &'a [Op],
    types: Vec<Ty>,
    index: usize,
}

impl Check<'_> {
    fn fail(&self, why: impl Into<String>) -> Result<(), Invalid> {
        Err(Invalid {
            index: self.index,
            why: why.into(),
        })
    }

    fn has(&self, v: Val, ty: Ty) -> Result<(), Invalid> {
        if self.types[v.0 as usize] == ty {
            Ok(())
        } else {
            self.fail(format!("{v} is no {ty}"))
        }
    }

    fn all(&self, ty: Ty, values: &[Val]) -> Result<(), Invalid> {
        values.iter().try_for_each(|&v| self.has(v, ty))
    }

    fn mem<G: Guest>(&self, mem: MemOp) -> Result<(), Invalid> {
        if usize::from(mem.mode.0) < G::MEM_MODES {
            Ok(())
        } else {
            self.fail(format!("there is no mode {}", mem.mode.0))
        }
    }

    fn op<G: Guest>(&self) -> Result<(), Invalid> {
        match self.ops[self.index] {
            Op::Const(ty, c) if c & !ty.mask() != 0 => self.fail("the constant is too wide"),
            Op::Get(g, part) | Op::Put(g, part, _) => {
                let Some(decl) = G::GLOBALS.get(usize::from(g.0)) else {
                    return self.fail(format!("there is no global {}", g.0));
                };
                let ty = match part {
                    Part::Full => decl.ty,
                    Part::Low32 | Part::High32 if decl.ty == Ty::I32 => {
                        return self.fail("a narrow global has no halves");
                    }
                    Part::Low32 | Part::High32 => Ty::I32,
                };
                match self.ops[self.index] {
                    Op::Put(_, _, v) => self.has(v, ty),
                    _ => Ok(()),
                }
            }
            Op::Un(_, ty, v) => self.has(v, ty),
            Op::Bin(_, ty, a, b) | Op::SetCond(_, ty, a, b) => self.all(ty, &[a, b]),
            Op::ExitIf { ty, a, b, put, .. } => {
                self.all(ty, &[a, b])?;
                let Some(ExitPut { global, value }) = put else {
                    return Ok(());
                };
                match G::GLOBALS.get(usize::from(global.0)) {
                    None => self.fail(format!("there is no global {}", global.0)),
                    Some(decl) if value & !decl.ty.mask() != 0 => {
                        self.fail("the exit's constant is too wide")
                    }
                    Some(_) => Ok(()),
                }
            }
            Op::Carry(op, ty, a, b, c) => {
                let _: CarryOp = op;
                self.all(ty, &[a, b])?;
                self.has(c, Ty::I32)
            }
            Op::Trunc(v) => self.has(v, Ty::I64),
            Op::Extend { v, bits, .. } => {
                let width = self.types[v.0 as usize].bits();
                if bits == 0 || u32::from(bits) > width {
                    return self.fail(format!("{v} has no {bits} bits"));
                }
                Ok(())
            }
            Op::Deposit {
                ty,
                base,
                v,
                pos,
                len,
            } => {
                if len == 0 || u32::from(pos) + u32::from(len) > ty.bits() {
                    return self.fail("the bits lie outside the value");
                }
                self.all(ty, &[base, v])
            }
            Op::Select {
                cty,
                a,
                b,
                ty,
                t,
                f,
                ..
            } => {
                self.all(cty, &[a, b])?;
                self.all(ty, &[t, f])
            }
            Op::Load { mem, addr, .. } => {
                self.mem::<G>(mem)?;
                self.has(addr, Ty::I64)
            }
            Op::Store { mem, addr, v, pred } => {
                self.mem::<G>(mem)?;
                self.has(addr, Ty::I64)?;
                if mem.size.bytes() == 8 {
                    self.has(v, Ty::I64)?;
                }
                pred.map_or(Ok(()), |pred| self.has(pred, Ty::I32))
            }
            Op::CompareSwap {
                ty,
                mem,
                addr,
                expected,
                new,
            } => {
                self.mem::<G>(mem)?;
                self.has(addr, Ty::I64)?;
                self.all(ty, &[expected, new])
            }
            Op::Atomic {
                ty, mem, addr, v, ..
            } => {
                self.mem::<G>(mem)?;
                self.has(addr, Ty::I64)?;
                self.has(v, ty)
            }
            Op::Call { def, args } => {
                let given = args.iter().take_while(|arg| arg.is_some()).count();
                if given != usize::from(def.args) || args.iter().flatten().count() != given {
                    return self.fail(format!("{} takes {} arguments", def.name, def.args));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Block {
    /// Checks types, that values are made before they are read, that the block begins with an
    /// instruction and ends with its only unconditional exit.
    ///
    /// # Errors
    /// The first op that is not right.
    pub fn verify<G: Guest>(&self) -> Result<(), Invalid> {
        let mut check = Check {
            ops: &self.ops,
            types: self.ops.iter().map(|op| op.result_ty(G::GLOBALS)).collect(),
            index: 0,
        };
        if !matches!(self.ops.last(), Some(Op::Exit(_))) {
            check.index = self.ops.len().saturating_sub(1);
            check.fail("the block does not end with an exit")?;
        }
        let mut begun = false;
        for (index, op) in self.ops.iter().enumerate() {
            check.index = index;
            begun |= matches!(op, Op::Insn { .. });
            if op.has_effect() && !begun {
                check.fail("an effect belongs to no instruction")?;
            }
            if matches!(op, Op::Exit(_)) && index + 1 != self.ops.len() {
                check.fail("an exit is not the last op")?;
            }
            let mut bad = None;
            op.for_operands(|v| {
                let before = (v.0 as usize) < index;
                if !before || !self.ops[v.0 as usize].makes_value() {
                    bad = Some(v);
                }
            });
            if let Some(v) = bad {
                check.fail(format!("{v} is not made before"))?;
            }
            if let Op::Exit(exit) | Op::ExitIf { exit, .. } = op
                && let Some(pc) = exit.operand()
            {
                check.has(pc, Ty::I64)?;
            }
            check.op::<G>()?;
        }
        Ok(())
    }
}
