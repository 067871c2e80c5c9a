//! The intermediate representation: typed, small, printable as text.
//!
//! A [`Block`] is one extended basic block: a list of [`Op`]s entered at the top, left by its
//! last op or by an [`Op::ExitIf`] on the way. A value is named by the op that makes it, so every
//! value is assigned once and lives until the end of the block. Guest registers are *globals*:
//! places in the CPU that ops read and write explicitly. There are no labels; what needs a loop
//! or a choice inside an instruction is a [`Op::Select`], a predicated store, a side exit or a
//! helper.
//!
//! Exactness: when an op traps or a side exit is taken, all earlier `Put`, `SetCc` and `Store`
//! ops have happened and none of the later ones. A front end therefore emits an instruction's
//! trapping ops before its `Put`s, unless the architecture says otherwise.

mod builder;
mod operands;
mod print;
mod verify;

use crate::helper::HelperDef;

pub use builder::{Builder, MAX_INSNS};
pub use print::DisplayBlock;
pub use verify::Invalid;

/// Width of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ty {
    /// 32 bits.
    I32,
    /// 64 bits.
    I64,
}

impl Ty {
    /// Bits of the type.
    pub fn bits(self) -> u32 {
        match self {
            Self::I32 => 32,
            Self::I64 => 64,
        }
    }

    /// A value with all bits of the type set.
    pub fn mask(self) -> u64 {
        match self {
            Self::I32 => u64::from(u32::MAX),
            Self::I64 => u64::MAX,
        }
    }
}

/// A value: the index of the op that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Val(pub u32);

/// A guest register: an index into [`crate::Guest::GLOBALS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Global(pub u16);

/// Where a guest register lives in the CPU. Held in host byte order.
#[derive(Debug, Clone, Copy)]
pub struct GlobalDecl {
    /// For printed IR.
    pub name: &'static str,
    /// Byte offset in the CPU struct, aligned to the type.
    pub offset: usize,
    /// Its type.
    pub ty: Ty,
}

/// Which bits of a global an op touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// All of it.
    Full,
    /// Bits 0-31 (the numerically low half) of a 64-bit global, as an `I32`.
    Low32,
    /// Bits 32-63 (the numerically high half) of a 64-bit global, as an `I32`.
    High32,
}

/// One-operand operations; operand and result have the op's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnOp {
    /// Two's complement negation.
    Neg,
    /// Bit inversion.
    Not,
    /// Byte reversal of the whole value.
    ByteSwap,
    /// Leading zeros; the type's width for 0.
    CountLeadingZeros,
    /// Ones.
    CountOnes,
}

/// Two-operand operations; operands and result have the op's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinOp {
    /// Wrapping sum.
    Add,
    /// Wrapping difference.
    Sub,
    /// Low half of the product.
    Mul,
    /// High half of the unsigned product.
    MulHighU,
    /// High half of the signed product.
    MulHighS,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// `a & !b`.
    AndNot,
    /// Left shift; the count is taken modulo the width.
    Shl,
    /// Logical right shift; the count is taken modulo the width.
    Shr,
    /// Arithmetic right shift; the count is taken modulo the width.
    Sar,
    /// Left rotation; the count is taken modulo the width.
    Rotl,
}

/// Operations with a carry or borrow. Operands have the op's type, the carry is an `I32` 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CarryOp {
    /// `a + b + c`, in the op's type.
    Add,
    /// The carry out of `a + b + c`, as an `I32`.
    AddCarry,
    /// `a - b - c` where `c` is a *borrow*, in the op's type.
    Sub,
    /// The borrow out of `a - b - c`, as an `I32`.
    SubBorrow,
}

/// Comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cond {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Signed less.
    LtS,
    /// Signed less or equal.
    LeS,
    /// Signed greater.
    GtS,
    /// Signed greater or equal.
    GeS,
    /// Unsigned less.
    LtU,
    /// Unsigned less or equal.
    LeU,
    /// Unsigned greater.
    GtU,
    /// Unsigned greater or equal.
    GeU,
}

impl Cond {
    /// The condition that holds exactly when this one does not.
    pub fn negate(self) -> Self {
        match self {
            Self::Eq => Self::Ne,
            Self::Ne => Self::Eq,
            Self::LtS => Self::GeS,
            Self::LeS => Self::GtS,
            Self::GtS => Self::LeS,
            Self::GeS => Self::LtS,
            Self::LtU => Self::GeU,
            Self::LeU => Self::GtU,
            Self::GtU => Self::LeU,
            Self::GeU => Self::LtU,
        }
    }

    /// The condition with its sides exchanged.
    pub fn swap(self) -> Self {
        match self {
            Self::Eq => Self::Eq,
            Self::Ne => Self::Ne,
            Self::LtS => Self::GtS,
            Self::LeS => Self::GeS,
            Self::GtS => Self::LtS,
            Self::GeS => Self::LeS,
            Self::LtU => Self::GtU,
            Self::LeU => Self::GeU,
            Self::GtU => Self::LtU,
            Self::GeU => Self::LeU,
        }
    }

    /// Whether it holds for two values of a type.
    pub fn holds(self, ty: Ty, a: u64, b: u64) -> bool {
        let (ua, ub) = (a & ty.mask(), b & ty.mask());
        let (sa, sb) = match ty {
            Ty::I32 => (i64::from(a as i32), i64::from(b as i32)),
            Ty::I64 => (a as i64, b as i64),
        };
        match self {
            Self::Eq => ua == ub,
            Self::Ne => ua != ub,
            Self::LtS => sa < sb,
            Self::LeS => sa <= sb,
            Self::GtS => sa > sb,
            Self::GeS => sa >= sb,
            Self::LtU => ua < ub,
            Self::LeU => ua <= ub,
            Self::GtU => ua > ub,
            Self::GeU => ua >= ub,
        }
    }
}

/// How many bytes a memory op touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemSize {
    /// One byte.
    B1,
    /// Two bytes.
    B2,
    /// Four bytes.
    B4,
    /// Eight bytes.
    B8,
}

impl MemSize {
    /// Bytes.
    pub fn bytes(self) -> u64 {
        match self {
            Self::B1 => 1,
            Self::B2 => 2,
            Self::B4 => 4,
            Self::B8 => 8,
        }
    }
}

/// Which address space a memory op means: an index that the architecture defines, below
/// [`crate::Guest::MEM_MODES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemMode(pub u8);

/// A memory operand's shape. Multi-byte operands are in the guest's byte order, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemOp {
    /// Bytes.
    pub size: MemSize,
    /// The value is extended by its sign when loaded into a wider type.
    pub signed: bool,
    /// An address that is no multiple of the size traps ([`crate::Guest::unaligned`]).
    pub aligned: bool,
    /// The address space.
    pub mode: MemMode,
}

/// Read-modify-write operations on memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AtomicOp {
    /// Wrapping sum.
    Add,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// The new value replaces the old.
    Exchange,
}

/// How a block is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// To a constant address under the same flags; engines chain it.
    Jump {
        /// Guest address.
        pc: u64,
    },
    /// To a computed address under the same flags.
    JumpReg {
        /// Guest address, an `I64`.
        pc: Val,
    },
    /// State that the block key depends on may have changed: ask [`crate::Guest::key`] again,
    /// after setting `CpuCore::pc` to this `I64` if there is one.
    Lookup {
        /// Guest address, or `None` if a helper has set `CpuCore::pc`.
        pc: Option<Val>,
    },
}

/// A write of a constant to a whole global that belongs to a side exit: it happens when the exit
/// is taken, and not otherwise (s390x: the breaking-event address).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitPut {
    /// The global, written in full.
    pub global: Global,
    /// Its new value, no wider than its type.
    pub value: u64,
}

/// One operation. The comment on each says what value it makes; the others make none.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    /// Start of a guest instruction: its address and length in bytes. Makes no code by itself;
    /// tells which instruction the following ops belong to.
    Insn {
        /// Guest address.
        pc: u64,
        /// Length in bytes (s390x: of the EXECUTE instruction for its target).
        len: u8,
    },
    /// A constant of the type.
    Const(Ty, u64),
    /// A global's part.
    Get(Global, Part),
    /// Sets a global's part; other bits keep their value.
    Put(Global, Part, Val),
    /// One operand, one result.
    Un(UnOp, Ty, Val),
    /// Two operands, one result.
    Bin(BinOp, Ty, Val, Val),
    /// Sum or difference with a carry, or its carry out.
    Carry(CarryOp, Ty, Val, Val, Val),
    /// The low 32 bits of an `I64`, as an `I32`.
    Trunc(Val),
    /// The low `bits` (1 to 64) of a value of either type, zero- or sign-extended to the type.
    Extend {
        /// Result type.
        ty: Ty,
        /// Source.
        v: Val,
        /// How many low bits count: 8, 16 or 32.
        bits: u8,
        /// Sign-extend.
        signed: bool,
    },
    /// `base` with the bits `pos..pos+len` replaced by the low `len` bits of `v`. Bit 0 is the
    /// numerically lowest.
    Deposit {
        /// Type of all three.
        ty: Ty,
        /// The value that keeps the other bits.
        base: Val,
        /// Where the bits come from.
        v: Val,
        /// Lowest bit replaced.
        pos: u8,
        /// How many bits.
        len: u8,
    },
    /// The comparison's truth as an `I32` 0 or 1.
    SetCond(Cond, Ty, Val, Val),
    /// `t` if the comparison holds, else `f`.
    Select {
        /// The condition.
        cond: Cond,
        /// Type of the compared values.
        cty: Ty,
        /// Left side.
        a: Val,
        /// Right side.
        b: Val,
        /// Type of `t`, `f` and the result.
        ty: Ty,
        /// Result if it holds.
        t: Val,
        /// Result if not.
        f: Val,
    },
    /// A guest memory operand, extended to the type. May trap.
    Load {
        /// Result type.
        ty: Ty,
        /// Shape.
        mem: MemOp,
        /// Guest address, an `I64`.
        addr: Val,
    },
    /// Stores the low bytes of a value. May trap. With a predicate nothing happens, and nothing
    /// traps, if that `I32` is 0.
    Store {
        /// Shape.
        mem: MemOp,
        /// Guest address, an `I64`.
        addr: Val,
        /// The value.
        v: Val,
        /// The predicate.
        pred: Option<Val>,
    },
    /// Compares memory with `expected` and replaces it by `new` if equal, in one interlocked
    /// update; the old value, zero-extended to the type. May trap; a mismatch counts as a store
    /// for access checking.
    CompareSwap {
        /// Type of `expected`, `new` and the result.
        ty: Ty,
        /// Shape; the size is 4 or 8 and `aligned` is set.
        mem: MemOp,
        /// Guest address.
        addr: Val,
        /// Expected old value.
        expected: Val,
        /// New value.
        new: Val,
    },
    /// An interlocked update of memory; the old value, extended to the type. May trap.
    Atomic {
        /// What is done.
        op: AtomicOp,
        /// Type of `v` and the result.
        ty: Ty,
        /// Shape. Sizes 4 and 8 with `aligned`, size 1 always works.
        mem: MemOp,
        /// Guest address.
        addr: Val,
        /// The operand.
        v: Val,
    },
    /// All earlier memory accesses are seen by other CPUs before any later one (serialisation).
    Fence,
    /// Records a condition-code operation: an architecture-defined kind and two operands (any
    /// type, zero-extended to 64 bits where narrower). Evaluated only when somebody looks.
    SetCc {
        /// Kind, for [`crate::Guest::cc_evaluate`].
        kind: u8,
        /// First operand.
        a: Val,
        /// Second operand.
        b: Val,
    },
    /// The condition code, as an `I32`.
    GetCc,
    /// 1 if the recorded condition code is one that the selector names, else 0, as an `I32`.
    TestCc {
        /// The selector, for [`crate::Guest::cc_test`].
        mask: u8,
    },
    /// Calls a helper; its value as an `I64`. Arguments of type `I32` are zero-extended.
    Call {
        /// The helper.
        def: &'static HelperDef,
        /// Arguments; the first `def.args` are set.
        args: [Option<Val>; 5],
    },
    /// Leaves the block if the comparison holds. Everything before it has happened then, nothing
    /// after it has; if it does not hold the block goes on, and what was known of globals and of
    /// the condition code before it is still true after it.
    ExitIf {
        /// The condition.
        cond: Cond,
        /// Type of the compared values.
        ty: Ty,
        /// Left side.
        a: Val,
        /// Right side.
        b: Val,
        /// Where to.
        exit: Exit,
        /// What is written on the way out, and only then.
        put: Option<ExitPut>,
    },
    /// Leaves the block; the last op.
    Exit(Exit),
}

/// A translated block.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// The operations; the last one is an [`Op::Exit`].
    pub ops: Vec<Op>,
    /// Guest instructions in it.
    pub insns: u32,
    /// Bytes of guest code from the key's pc on that the block was made of.
    pub code_bytes: u32,
    /// Further guest code the block depends on: absolute ranges (address, bytes), as the target
    /// of an EXECUTE that was resolved when translating.
    pub extra_code: Vec<(u64, u32)>,
}
