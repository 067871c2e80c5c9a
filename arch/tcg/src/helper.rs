//! Helpers: guest semantics written in Rust and called from IR.
//!
//! A helper is a plain function `fn(&mut Cpu, u64, ...) -> Result<u64, Trap>` wrapped once in a
//! `static` [`HelperDef`]. The wrapper gives it the C calling convention that native code needs.
//! During a call `CpuCore::pc` is the current instruction's address and `ilen` its length, and
//! all globals are in the CPU. A helper that returns an error leaves the guest's registers as the
//! architecture wants them for that interruption.
#![allow(
    unsafe_code,
    reason = "the one place where a CpuCore pointer becomes its CPU again"
)]

use std::num::NonZeroU64;

use crate::cpu::CpuCore;
use crate::guest::{Guest, Trap};
use crate::ir::{Global, Ty};
use crate::mem::BytesOp;

/// What native code sees of a helper's result: two registers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HelperRet {
    /// The value; 0 if there is none.
    pub value: u64,
    /// 0, or the trap's code.
    pub trap: u64,
}

impl From<Result<u64, Trap>> for HelperRet {
    fn from(result: Result<u64, Trap>) -> Self {
        match result {
            Ok(value) => Self { value, trap: 0 },
            Err(Trap(code)) => Self {
                value: 0,
                trap: code.get(),
            },
        }
    }
}

impl HelperRet {
    /// The result as Rust knows it.
    pub fn into_result(self) -> Result<u64, Trap> {
        match NonZeroU64::new(self.trap) {
            None => Ok(self.value),
            Some(code) => Err(Trap(code)),
        }
    }
}

/// A helper's entry: the CPU and up to five arguments; unused ones may hold anything.
pub type RawHelper = unsafe extern "C" fn(*mut CpuCore, u64, u64, u64, u64, u64) -> HelperRet;

/// What a helper may do, which bounds what the optimiser may move or drop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effects {
    /// May return a trap.
    pub traps: bool,
    /// Reads globals (they must be in the CPU).
    pub reads_globals: bool,
    /// Writes globals (cached copies are stale afterwards), the recorded condition code included.
    pub writes_globals: bool,
    /// May write guest memory, and so change code.
    pub writes_memory: bool,
    /// Has effects beside its value: it may not be dropped when the value is unused.
    pub observable: bool,
    /// What it may write before it returns a trap (s390x: a floating-point result whose exception
    /// is signalled after it is written). An engine has these in the CPU at the call and writes
    /// none of its copies back after a trap.
    pub writes_at_trap: GlobalSet,
    /// What `reads_globals` is about at most. Whatever a memory access or a trap looks at besides is
    /// not meant: like every op that may trap, a helper that may finds all globals as they are.
    pub reads: GlobalSet,
    /// What `writes_globals` is about at most. It may be empty: the block may then be left after
    /// the instruction all the same.
    pub writes: GlobalSet,
}

/// Some of the globals, and perhaps the recorded condition code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GlobalSet(u64);

impl GlobalSet {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(u64::MAX);
    /// The recorded condition code.
    pub const CC: Self = Self(1 << 63);
    /// Globals from this number on share one bit.
    const SHARED: u16 = 62;

    /// A set of one global.
    pub const fn of(global: Global) -> Self {
        let n = if global.0 < Self::SHARED {
            global.0
        } else {
            Self::SHARED
        };
        Self(1 << n)
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether a global is in it.
    pub const fn has(self, global: Global) -> bool {
        self.0 & Self::of(global).0 != 0
    }

    /// Whether the condition code is in it.
    pub const fn has_cc(self) -> bool {
        self.0 & Self::CC.0 != 0
    }
}

impl Effects {
    /// A function of its arguments alone.
    pub const PURE: Self = Self {
        traps: false,
        reads_globals: false,
        writes_globals: false,
        writes_memory: false,
        observable: false,
        writes_at_trap: GlobalSet::NONE,
        reads: GlobalSet::ALL,
        writes: GlobalSet::ALL,
    };
    /// A function of its arguments that may trap; touches no global and no memory.
    pub const TRAPS: Self = Self {
        traps: true,
        observable: true,
        ..Self::PURE
    };
    /// May read memory and trap; touches no global.
    pub const READS: Self = Self::TRAPS;
    /// May read and write memory and trap; touches no global.
    pub const MEMORY: Self = Self {
        writes_memory: true,
        ..Self::TRAPS
    };
    /// Anything at all.
    pub const ALL: Self = Self {
        traps: true,
        reads_globals: true,
        writes_globals: true,
        writes_memory: true,
        observable: true,
        writes_at_trap: GlobalSet::ALL,
        ..Self::PURE
    };
    /// Reads and writes globals and may trap, but leaves memory alone.
    pub const GLOBALS: Self = Self {
        writes_memory: false,
        ..Self::ALL
    };

    /// May change address translation or other state that blocks are chosen by, and may trap;
    /// touches no global.
    pub const TRANSLATION: Self = Self {
        writes_globals: true,
        reads: GlobalSet::NONE,
        writes: GlobalSet::NONE,
        ..Self::TRAPS
    };

    /// The same, but reading and writing no globals beyond these.
    #[must_use]
    pub const fn within(self, reads: GlobalSet, writes: GlobalSet) -> Self {
        Self {
            reads,
            writes,
            writes_at_trap: self.writes_at_trap.both(writes),
            ..self
        }
    }

    /// The same, but it may write these before a trap.
    #[must_use]
    pub const fn writing_at_trap(self, writes_at_trap: GlobalSet) -> Self {
        Self {
            writes_at_trap,
            ..self
        }
    }

    /// Whether it may read a global itself (a trap apart).
    pub const fn may_read(&self, global: Global) -> bool {
        self.reads_globals && self.reads.has(global)
    }

    /// Whether a global may be another one after a call without a trap.
    pub const fn may_write(&self, global: Global) -> bool {
        self.writes_globals && self.writes.has(global)
    }

    /// Whether it may look at the condition code itself (a trap apart).
    pub const fn may_read_cc(&self) -> bool {
        self.reads_globals && self.reads.has_cc()
    }

    /// Whether the recorded condition code may be another one after a call without a trap.
    pub const fn may_write_cc(&self) -> bool {
        self.writes_globals && self.writes.has_cc()
    }
}

/// Helpers for which a native engine may have inline code, a fast path. The helper stays the
/// definition: where the fast path's conditions do not hold it calls the helper with the same
/// arguments, and it decides that before it has changed anything. What conditions it asks for is
/// its own affair as long as it does then exactly what the helper would have done.
///
/// Arguments are numbered from 0. A *modes* argument has the address space
/// ([`MemMode`](crate::ir::MemMode)) of the first operand in bits 0-7 and of the second in bits
/// 8-15. Lengths are 1 to 256 bytes, and addresses need no wrapping as long as the operand lies
/// in one page. Front ends give lengths and modes as constants wherever they know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Intrinsic {
    /// `(to, from, length, modes)`: copies bytes one at a time from left to right, so that a
    /// target which begins inside its source repeats it. All of both operands is accessible or
    /// nothing is changed. No value.
    CopyBytes,
    /// `(to, length, modes)`: sets bytes to 0, all or none. No value.
    ClearBytes,
    /// `(to, from, length, modes)`: combines each byte of the first operand with that of the
    /// second, from left to right one at a time, all or none. 1 if any result is not 0, else 0.
    CombineBytes(BytesOp),
    /// `(first, second, length, modes)`: compares from the left as unsigned bytes: 0 equal, 1 if
    /// the first operand is low, 2 if it is high. Reads both operands.
    CompareBytes,
    /// `(to, table, length, modes)`: replaces each byte by that at its value in the table of 256
    /// bytes, from left to right one at a time. Only the table's needed bytes must be readable;
    /// where it is readable wholly, that is no difference.
    TranslateBytes,
    /// `(condition, ...)`: does nothing and gives 0 if the condition is 0.
    NothingIfZero,
    /// `()`: the guest clock without serialisation, as the guest sees it in 64 bits.
    ReadClock,
    /// `()`: the same, unlike any value that this has given before on any CPU. Serialisation is
    /// an op of its own.
    ReadClockUnique,
    /// `()`: the value that the CPU's timer counts down to less that of its clock, without
    /// serialisation.
    ReadTimer,
    /// `(address, modes)`: stores the guest clock, as `ReadClock` has it, in 16 bytes, all or none:
    /// the epoch index in one byte, the clock's 64 bits, the 40-bit number 1, and the 16 bits at
    /// this byte offset of the CPU. No value.
    StoreClock {
        /// Where the last two bytes are, as a `u16`.
        last: usize,
    },
    /// Binary floating point; see [`Float`].
    Float(Float),
}

/// A binary floating-point operation on plain bit patterns: IEEE 754 binary32 in the low half of
/// an argument or value whose high half is zero, binary64 in all of it. The value is the
/// result's bits. Arguments beyond those that [`FloatOp`] lists are for the helper alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Float {
    /// What is computed.
    pub op: FloatOp,
    /// The format of the operands, or of the result where the operand is an integer: `I32` for
    /// binary32, `I64` for binary64.
    pub ty: Ty,
    /// What governs it.
    pub control: FloatControl,
}

/// The state that governs floating-point operations: a 32-bit word of the CPU, which is no
/// global.
///
/// A fast path may be used only while `word & special` is 0: rounding is to nearest, ties to even,
/// and no exception traps. It may then complete an operation that raises no exception, and one
/// that is just inexact if `word & inexact` is not 0 (it is recorded already). Everything else is
/// the helper's: a NaN as an operand or result, invalid operation, division by zero, overflow,
/// and inexact results of the least normal magnitude or below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FloatControl {
    /// Byte offset of the word in the CPU.
    pub offset: usize,
    /// Bits of which each is one for something special: a trap, another rounding.
    pub special: u32,
    /// What the special bits are if all results are rounded toward zero and nothing else is
    /// special. A fast path may have that too.
    pub toward_zero: u32,
    /// The same, upward.
    pub up: u32,
    /// The same, downward.
    pub down: u32,
    /// The bit that records inexact results.
    pub inexact: u32,
}

/// Floating-point operations. A *rounding* argument has in bits 0-7: 0 as the control word says, 1
/// to nearest with ties away from zero, 4 to nearest with ties to even, 5 toward zero, 6 up, 7
/// down; bits 8-15 are 0, or 4 if being inexact is no exception; other values are for the helper
/// alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FloatOp {
    /// `(a, b)`: a + b.
    Add,
    /// `(a, b)`: a - b.
    Sub,
    /// `(a, b)`: a * b.
    Mul,
    /// `(a, b)`: a * b of binary32 operands as binary64, which is exact.
    MulLong,
    /// `(a, b)`: a / b.
    Div,
    /// `(a)`: square root.
    Sqrt,
    /// `(a, b, c)`: a * b + c, rounded once.
    MulAdd,
    /// `(a, b, c)`: a * b - c, rounded once.
    MulSub,
    /// `(a, b)`: 0 equal, 1 if a is less, 2 if it is greater, 3 unordered. Never inexact.
    Compare,
    /// `(a)`: a itself, unless it is a signalling NaN.
    Test,
    /// `(a)`: binary32 to binary64, exact.
    Lengthen,
    /// `(a, rounding)`: binary64 to binary32.
    Shorten,
    /// `(a, rounding)`: rounds to an integer in the same format.
    ToIntegral,
    /// `(a, rounding)`: a signed integer of the type (an `I32` in the low half of the argument) to
    /// the format.
    FromInt(Ty),
    /// `(a, rounding)`: to a signed integer of the type; an `I32` in the low half of a value
    /// whose high half is zero. A result that the type does not have, and the least one that it
    /// has, are for the helper alone.
    ToInt(Ty),
}

/// A helper as IR refers to it. Always a `static`; identity is its address.
pub struct HelperDef {
    /// For printed IR.
    pub name: &'static str,
    /// The entry.
    pub func: RawHelper,
    /// How many arguments it takes, 0 to 5.
    pub args: u8,
    /// What it may do.
    pub effects: Effects,
    /// What a native engine may take it for.
    pub intrinsic: Option<Intrinsic>,
}

impl std::fmt::Debug for HelperDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl HelperDef {
    /// The same helper, offered to native engines as an intrinsic.
    pub const fn with_intrinsic(mut self, intrinsic: Intrinsic) -> Self {
        self.intrinsic = Some(intrinsic);
        self
    }
}

macro_rules! arities {
    ($($constructor:ident, $count:literal, ($($arg:ident),*), ($($unused:ident),*));* $(;)?) => {
        impl HelperDef {
            $(
                /// Wraps a function item or non-capturing closure of this many arguments.
                pub const fn $constructor<G, F>(name: &'static str, effects: Effects, _f: F) -> Self
                where
                    G: Guest,
                    F: Fn(&mut G, $(arities!(@u64 $arg)),*) -> Result<u64, Trap> + Copy + 'static,
                {
                    const { assert!(size_of::<F>() == 0, "a helper captures nothing") };
                    unsafe extern "C" fn shim<G, F>(
                        core: *mut CpuCore,
                        $($arg: u64,)*
                        $($unused: u64,)*
                    ) -> HelperRet
                    where
                        G: Guest,
                        F: Fn(&mut G, $(arities!(@u64 $arg)),*) -> Result<u64, Trap> + Copy + 'static,
                    {
                        $(let _ = $unused;)*
                        // SAFETY: engines pass the core of the CPU they execute for, which is
                        // the first field of a `#[repr(C)]` G (`Guest`'s contract), exclusively.
                        let cpu = unsafe { &mut *core.cast::<G>() };
                        // SAFETY: F has size zero (asserted above) and was given by value, so a
                        // value of it exists and has no bytes.
                        let f: F = unsafe { std::mem::zeroed() };
                        f(cpu, $($arg),*).into()
                    }
                    Self { name, func: shim::<G, F>, args: $count, effects, intrinsic: None }
                }
            )*
        }
    };
    (@u64 $arg:ident) => { u64 };
}

arities! {
    new0, 0, (), (a, b, c, d, e);
    new1, 1, (a), (b, c, d, e);
    new2, 2, (a, b), (c, d, e);
    new3, 3, (a, b, c), (d, e);
    new4, 4, (a, b, c, d), (e);
    new5, 5, (a, b, c, d, e), ();
}
