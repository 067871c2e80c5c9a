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
}

impl Effects {
    /// A function of its arguments alone.
    pub const PURE: Self = Self {
        traps: false,
        reads_globals: false,
        writes_globals: false,
        writes_memory: false,
        observable: false,
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
    };
    /// Reads and writes globals and may trap, but leaves memory alone.
    pub const GLOBALS: Self = Self {
        writes_memory: false,
        ..Self::ALL
    };
}

/// Helpers that a native engine may replace by inline code. The helper stays the definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Intrinsic {
    /// Copies `args[2]` bytes left to right (s390x MVC).
    CopyBytes,
    /// Reads the guest clock without serialisation.
    ReadClock,
    /// Reads the guest clock, serialised and unique.
    ReadClockUnique,
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
