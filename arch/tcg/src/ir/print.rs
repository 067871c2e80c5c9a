//! Blocks as text, for `-d op` and golden tests.

use std::fmt::{self, Display, Formatter};
use std::marker::PhantomData;

use super::{
    AtomicOp, BinOp, Block, CarryOp, Cond, Exit, ExitPut, Global, MemOp, MemSize, Op, Part, Ty,
    UnOp, Val,
};
use crate::guest::Guest;

/// A block to be printed with an architecture's names.
pub struct DisplayBlock<'a, G>(&'a Block, PhantomData<G>);

impl Block {
    /// The block as text: one op a line, `value = operation`.
    pub fn display<G: Guest>(&self) -> DisplayBlock<'_, G> {
        DisplayBlock(self, PhantomData)
    }
}

impl Display for Val {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for Ty {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
        })
    }
}

impl Display for UnOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Neg => "neg",
            Self::Not => "not",
            Self::ByteSwap => "bswap",
            Self::CountLeadingZeros => "clz",
            Self::CountOnes => "popcnt",
        })
    }
}

impl Display for BinOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::MulHighU => "mulhu",
            Self::MulHighS => "mulhs",
            Self::And => "and",
            Self::Or => "or",
            Self::Xor => "xor",
            Self::AndNot => "andnot",
            Self::Shl => "shl",
            Self::Shr => "shr",
            Self::Sar => "sar",
            Self::Rotl => "rotl",
        })
    }
}

impl Display for CarryOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "addc",
            Self::AddCarry => "carry",
            Self::Sub => "subb",
            Self::SubBorrow => "borrow",
        })
    }
}

impl Display for Cond {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::LtS => "lts",
            Self::LeS => "les",
            Self::GtS => "gts",
            Self::GeS => "ges",
            Self::LtU => "ltu",
            Self::LeU => "leu",
            Self::GtU => "gtu",
            Self::GeU => "geu",
        })
    }
}

impl Display for AtomicOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::And => "and",
            Self::Or => "or",
            Self::Xor => "xor",
            Self::Exchange => "xchg",
        })
    }
}

impl Display for MemOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let size = match self.size {
            MemSize::B1 => 8,
            MemSize::B2 => 16,
            MemSize::B4 => 32,
            MemSize::B8 => 64,
        };
        let sign = if self.signed { "s" } else { "u" };
        let aligned = if self.aligned { ".aligned" } else { "" };
        write!(f, "{sign}{size}{aligned}.m{}", self.mode.0)
    }
}

impl Display for Exit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jump { pc } => write!(f, "jump {pc:#x}"),
            Self::JumpReg { pc } => write!(f, "jump {pc}"),
            Self::Lookup { pc: Some(pc) } => write!(f, "lookup {pc}"),
            Self::Lookup { pc: None } => f.write_str("lookup"),
        }
    }
}

struct Register(&'static str, Part);

impl Display for Register {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        f.write_str(match self.1 {
            Part::Full => "",
            Part::Low32 => ".lo",
            Part::High32 => ".hi",
        })
    }
}

fn register<G: Guest>(g: Global, part: Part) -> Register {
    let name = G::GLOBALS.get(usize::from(g.0)).map_or("?", |d| d.name);
    Register(name, part)
}

fn print<G: Guest>(op: &Op, f: &mut Formatter<'_>) -> fmt::Result {
    match *op {
        Op::Insn { pc, len } => write!(f, "-- {pc:#x} +{len}"),
        Op::Const(ty, c) => write!(f, "const.{ty} {c:#x}"),
        Op::Get(g, part) => write!(f, "get {}", register::<G>(g, part)),
        Op::Put(g, part, v) => write!(f, "put {} {v}", register::<G>(g, part)),
        Op::Un(op, ty, v) => write!(f, "{op}.{ty} {v}"),
        Op::Bin(op, ty, a, b) => write!(f, "{op}.{ty} {a} {b}"),
        Op::Carry(op, ty, a, b, c) => write!(f, "{op}.{ty} {a} {b} {c}"),
        Op::Trunc(v) => write!(f, "trunc {v}"),
        Op::Extend {
            ty,
            v,
            bits,
            signed,
        } => write!(f, "{}ext{bits}.{ty} {v}", if signed { "s" } else { "z" }),
        Op::Deposit {
            ty,
            base,
            v,
            pos,
            len,
        } => write!(f, "deposit.{ty} {base} {v} {pos} {len}"),
        Op::SetCond(cond, ty, a, b) => write!(f, "set.{cond}.{ty} {a} {b}"),
        Op::Select {
            cond,
            cty,
            a,
            b,
            ty,
            t,
            f: otherwise,
        } => write!(f, "select.{ty} {cond}.{cty} {a} {b} ? {t} : {otherwise}"),
        Op::Load { ty, mem, addr } => write!(f, "load.{ty} {mem} [{addr}]"),
        Op::Store { mem, addr, v, pred } => {
            write!(f, "store {mem} [{addr}] {v}")?;
            pred.map_or(Ok(()), |pred| write!(f, " if {pred}"))
        }
        Op::CompareSwap {
            ty,
            mem,
            addr,
            expected,
            new,
        } => write!(f, "cas.{ty} {mem} [{addr}] {expected} {new}"),
        Op::Atomic {
            op,
            ty,
            mem,
            addr,
            v,
        } => write!(f, "atomic.{op}.{ty} {mem} [{addr}] {v}"),
        Op::Fence => f.write_str("fence"),
        Op::SetCc { kind, a, b } => write!(f, "cc {} {a} {b}", G::cc_name(kind)),
        Op::GetCc => f.write_str("getcc"),
        Op::TestCc { mask } => write!(f, "testcc {mask:#x}"),
        Op::Call { def, args } => {
            write!(f, "call {}", def.name)?;
            args.iter()
                .flatten()
                .try_for_each(|arg| write!(f, " {arg}"))
        }
        Op::ExitIf {
            cond,
            ty,
            a,
            b,
            exit,
            put,
        } => {
            write!(f, "if {cond}.{ty} {a} {b} {exit}")?;
            put.map_or(Ok(()), |ExitPut { global, value }| {
                write!(f, " put {} {value:#x}", register::<G>(global, Part::Full))
            })
        }
        Op::Exit(exit) => write!(f, "{exit}"),
    }
}

impl<G: Guest> Display for DisplayBlock<'_, G> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, op) in self.0.ops.iter().enumerate() {
            if op.makes_value() {
                write!(f, "  v{i} = ")?;
            } else if !matches!(op, Op::Insn { .. }) {
                f.write_str("  ")?;
            }
            print::<G>(op, f)?;
            f.write_str("\n")?;
        }
        Ok(())
    }
}
