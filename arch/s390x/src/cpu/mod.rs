//! The vCPU: architected registers and what is pending, as one plain struct.
//!
//! [`S390Cpu`] is what translation executes on. Here are its state, the meaning of its PSW and
//! condition code, program checks and the block key. Not here: instruction semantics
//! ([`crate::translate`]), address translation ([`crate::memory`]), threads
//! ([`crate::machine`]).

pub mod cc;
pub mod control;
pub mod facility;
pub mod features;
pub mod floating;
pub mod guest;
pub mod handle;
pub mod interrupt;
mod io_interrupt;
pub mod key;
pub mod load_psw;
pub mod lowcore;
mod machine_check;
pub mod model;
pub mod orders;
pub mod per;
pub mod program;
pub mod program_interrupt;
pub mod psw;
pub mod reset;
pub mod run;
pub mod slots;
pub mod wait;

#[cfg(test)]
mod interrupt_io_tests;
#[cfg(test)]
mod interrupt_tests;
#[cfg(test)]
mod orders_tests;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

use tcg::CpuCore;
use tcg::ir::{Global, GlobalDecl, Ty};

use crate::machine::Shared;
use crate::vector::Vector;
use handle::CpuHandle;

pub use program::{ProgramCheck, ProgramCode};

/// A CPU of the z/Architecture, as translation sees it.
#[repr(C)]
pub struct S390Cpu {
    /// What every engine knows: instruction address, recorded condition code, TLB.
    pub core: CpuCore,
    /// General registers.
    pub gpr: [u64; 16],
    /// Vector registers; the left halves of the first 16 are the floating-point registers.
    pub vr: [Vector; 32],
    /// Access registers.
    pub ar: [u32; 16],
    /// Control registers.
    pub cr: [u64; 16],
    /// PSW bits 0-63 with the condition code (bits 18-19) zero; that is in `core` until
    /// somebody looks. The instruction address is `core.pc`.
    pub psw_mask: u64,
    /// Floating-point control register. No global: arithmetic changes it on the side.
    pub fpc: u32,
    /// PSW bits whose interruptions are pending but disabled, as the last look found; see
    /// [`interrupt`].
    pub pending: u64,
    /// CPU address.
    pub cpu_address: u16,
    /// Prefix: absolute address of the 8 KiB prefix area.
    pub prefix: u64,
    /// Breaking-event-address register.
    pub breaking_event: u64,
    /// The target of an EXECUTE that is being executed, in the six high-order bytes, with bit 0
    /// (the lowest) set while there is one; see [`key`].
    pub execute_target: u64,
    /// Address of that target, for its relative operands.
    pub execute_address: u64,
    /// Everything that only the control side uses: timers, pending interruptions, facilities.
    pub control: control::Control,
}

impl S390Cpu {
    /// A CPU of a machine after an initial reset, stopped. `core` is the one whose attention
    /// word the machine's handle of that address has.
    ///
    /// # Panics
    /// If the machine has no CPU of that address.
    pub fn new(core: CpuCore, shared: Arc<Shared>, cpu_address: u16) -> Self {
        let handle = Arc::clone(&shared.cpus[usize::from(cpu_address)]);
        let recipe = shared.tod.recipe(cpu_address);
        let mut cpu = Self::zero(core, shared, handle, cpu_address);
        cpu.core.clock.set_recipe(recipe);
        cpu.initial_reset();
        cpu
    }

    fn zero(core: CpuCore, shared: Arc<Shared>, handle: Arc<CpuHandle>, cpu_address: u16) -> Self {
        Self {
            core,
            gpr: [0; 16],
            vr: [Vector::ZERO; 32],
            ar: [0; 16],
            cr: [0; 16],
            psw_mask: 0,
            fpc: 0,
            cpu_address,
            prefix: 0,
            breaking_event: 0,
            execute_target: 0,
            execute_address: 0,
            pending: 0,
            control: control::Control::new(shared, handle),
        }
    }
}

/// Globals: the general registers.
pub const fn gpr(n: u8) -> Global {
    Global(n as u16)
}

/// Globals: the floating-point registers.
pub const fn fpr(n: u8) -> Global {
    Global(16 + n as u16)
}

/// A half of a vector register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Bits 0-63.
    Left,
    /// Bits 64-127.
    Right,
}

impl Half {
    /// From left to right.
    pub const BOTH: [Self; 2] = [Self::Left, Self::Right];
}

/// Globals: the halves of the vector registers; [`fpr`] names some of them too.
pub const fn vr(n: u8, half: Half) -> Global {
    match half {
        Half::Left if n < 16 => fpr(n),
        Half::Left => Global(RIGHT_HALVES + 16 + n as u16),
        Half::Right => Global(RIGHT_HALVES + n as u16),
    }
}

/// Globals: the access registers.
pub const fn ar(n: u8) -> Global {
    Global(32 + n as u16)
}

/// Global: the breaking-event address.
pub const BREAKING_EVENT: Global = Global(48);

/// Global: the image of an EXECUTE's target, [`S390Cpu::execute_target`].
pub const EXECUTE_TARGET: Global = Global(49);

/// Global: the address of an EXECUTE's target, [`S390Cpu::execute_address`].
pub const EXECUTE_ADDRESS: Global = Global(50);

/// Global: the PSW's left half without the condition code, [`S390Cpu::psw_mask`].
pub const PSW_MASK: Global = Global(51);

/// Global: pending but disabled interruptions, [`S390Cpu::pending`].
pub const PENDING: Global = Global(52);

/// The first of the right halves of vector registers; the left halves of registers 16 to 31 follow.
const RIGHT_HALVES: u16 = 53;

/// How many globals there are.
const COUNT: usize = RIGHT_HALVES as usize + 48;

/// Sets of globals, for what helpers say of themselves.
pub(crate) mod sets {
    use super::{BREAKING_EVENT, EXECUTE_ADDRESS, EXECUTE_TARGET, Half, PSW_MASK, fpr, gpr, vr};
    use tcg::GlobalSet;

    /// The general registers.
    pub(crate) const GPRS: GlobalSet = {
        let mut set = GlobalSet::NONE;
        let mut n = 0;
        while n < 16 {
            set = set.and(GlobalSet::of(gpr(n)));
            n += 1;
        }
        set
    };
    /// The floating-point registers.
    pub(crate) const FPRS: GlobalSet = {
        let mut set = GlobalSet::NONE;
        let mut n = 0;
        while n < 16 {
            set = set.and(GlobalSet::of(fpr(n)));
            n += 1;
        }
        set
    };
    /// The vector registers.
    pub(crate) const VECTORS: GlobalSet = {
        let mut set = GlobalSet::NONE;
        let mut n = 0;
        while n < 32 {
            set = set.and(GlobalSet::of(vr(n, Half::Left)));
            set = set.and(GlobalSet::of(vr(n, Half::Right)));
            n += 1;
        }
        set
    };
    /// An even general register and the one after it.
    pub(crate) fn pair(even: u8) -> GlobalSet {
        let even = even & 14;
        GlobalSet::of(gpr(even)).and(GlobalSet::of(gpr(even + 1)))
    }
    /// General registers 0, 1 and 2.
    pub(crate) const GR0: GlobalSet = GlobalSet::of(gpr(0));
    pub(crate) const GR1: GlobalSet = GlobalSet::of(gpr(1));
    pub(crate) const GR2: GlobalSet = GlobalSet::of(gpr(2));
    /// The condition code.
    pub(crate) const CC: GlobalSet = GlobalSet::CC;
    /// What loading a PSW changes.
    pub(crate) const PSW: GlobalSet = GlobalSet::CC
        .and(GlobalSet::of(PSW_MASK))
        .and(GlobalSet::of(EXECUTE_TARGET))
        .and(GlobalSet::of(BREAKING_EVENT));
    /// The PSW's left half alone.
    pub(crate) const MASK: GlobalSet = GlobalSet::of(PSW_MASK);
    /// The target of an EXECUTE.
    pub(crate) const EXECUTE: GlobalSet =
        GlobalSet::of(EXECUTE_TARGET).and(GlobalSet::of(EXECUTE_ADDRESS));
    /// Nothing.
    pub(crate) const NONE: GlobalSet = GlobalSet::NONE;
}

/// The names of registers of a kind, by number.
macro_rules! names {
    ($letter:literal; $($n:literal)*) => { [$(concat!($letter, $n)),*] };
}
const R: [&str; 16] = names!("r"; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
const F: [&str; 16] = names!("f"; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
const A: [&str; 16] = names!("a"; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
const RIGHT: [&str; 32] = names!("vr"; 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
    16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
const LEFT: [&str; 16] = names!("vl"; 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);

const fn decl(name: &'static str, offset: usize, ty: Ty) -> GlobalDecl {
    GlobalDecl { name, offset, ty }
}

/// All globals, in the order of [`gpr`], [`fpr`], [`ar`], [`BREAKING_EVENT`],
/// [`EXECUTE_TARGET`], [`EXECUTE_ADDRESS`], [`PSW_MASK`], [`PENDING`], and what else [`vr`] has.
pub static GLOBALS: [GlobalDecl; COUNT] = {
    use std::mem::offset_of;
    let mut all = [decl("", 0, Ty::I64); COUNT];
    let vr = offset_of!(S390Cpu, vr);
    let mut n = 0;
    while n < 16 {
        all[n] = decl(R[n], offset_of!(S390Cpu, gpr) + 8 * n, Ty::I64);
        all[16 + n] = decl(F[n], vr + 16 * n, Ty::I64);
        all[32 + n] = decl(A[n], offset_of!(S390Cpu, ar) + 4 * n, Ty::I32);
        n += 1;
    }
    all[48] = decl("bear", offset_of!(S390Cpu, breaking_event), Ty::I64);
    all[49] = decl("ex_target", offset_of!(S390Cpu, execute_target), Ty::I64);
    all[50] = decl("ex_address", offset_of!(S390Cpu, execute_address), Ty::I64);
    all[51] = decl("psw_mask", offset_of!(S390Cpu, psw_mask), Ty::I64);
    all[52] = decl("pending", offset_of!(S390Cpu, pending), Ty::I64);
    let first = RIGHT_HALVES as usize;
    let mut n = 0;
    while n < 32 {
        all[first + n] = decl(RIGHT[n], vr + 16 * n + 8, Ty::I64);
        n += 1;
    }
    let mut n = 0;
    while n < 16 {
        all[first + 32 + n] = decl(LEFT[n], vr + 16 * (16 + n), Ty::I64);
        n += 1;
    }
    all
};
