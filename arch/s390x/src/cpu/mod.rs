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
use handle::CpuHandle;

pub use program::{ProgramCheck, ProgramCode};

/// A CPU of the z/Architecture, as translation sees it.
#[repr(C)]
pub struct S390Cpu {
    /// What every engine knows: instruction address, recorded condition code, TLB.
    pub core: CpuCore,
    /// General registers.
    pub gpr: [u64; 16],
    /// Floating-point registers.
    pub fpr: [u64; 16],
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
            fpr: [0; 16],
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

/// Sets of globals, for what helpers say of themselves.
pub(crate) mod sets {
    use super::{BREAKING_EVENT, EXECUTE_ADDRESS, EXECUTE_TARGET, PSW_MASK, fpr, gpr};
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

macro_rules! register_file {
    ($names:ident, $field:ident, $ty:ident, $width:literal) => {
        [
            $names!(0, $field, $ty, $width),
            $names!(1, $field, $ty, $width),
            $names!(2, $field, $ty, $width),
            $names!(3, $field, $ty, $width),
            $names!(4, $field, $ty, $width),
            $names!(5, $field, $ty, $width),
            $names!(6, $field, $ty, $width),
            $names!(7, $field, $ty, $width),
            $names!(8, $field, $ty, $width),
            $names!(9, $field, $ty, $width),
            $names!(10, $field, $ty, $width),
            $names!(11, $field, $ty, $width),
            $names!(12, $field, $ty, $width),
            $names!(13, $field, $ty, $width),
            $names!(14, $field, $ty, $width),
            $names!(15, $field, $ty, $width),
        ]
    };
}

macro_rules! decl_r {
    ($n:literal, $field:ident, $ty:ident, $width:literal) => {
        GlobalDecl {
            name: concat!("r", $n),
            offset: std::mem::offset_of!(S390Cpu, $field) + $n * $width,
            ty: Ty::$ty,
        }
    };
}
macro_rules! decl_f {
    ($n:literal, $field:ident, $ty:ident, $width:literal) => {
        GlobalDecl {
            name: concat!("f", $n),
            offset: std::mem::offset_of!(S390Cpu, $field) + $n * $width,
            ty: Ty::$ty,
        }
    };
}
macro_rules! decl_a {
    ($n:literal, $field:ident, $ty:ident, $width:literal) => {
        GlobalDecl {
            name: concat!("a", $n),
            offset: std::mem::offset_of!(S390Cpu, $field) + $n * $width,
            ty: Ty::$ty,
        }
    };
}

const GPRS: [GlobalDecl; 16] = register_file!(decl_r, gpr, I64, 8);
const FPRS: [GlobalDecl; 16] = register_file!(decl_f, fpr, I64, 8);
const ARS: [GlobalDecl; 16] = register_file!(decl_a, ar, I32, 4);

/// All globals, in the order of [`gpr`], [`fpr`], [`ar`], [`BREAKING_EVENT`],
/// [`EXECUTE_TARGET`], [`EXECUTE_ADDRESS`], [`PSW_MASK`], [`PENDING`].
pub static GLOBALS: [GlobalDecl; 53] = {
    let mut all = [GlobalDecl {
        name: "",
        offset: 0,
        ty: Ty::I64,
    }; 53];
    let mut n = 0;
    while n < 16 {
        all[n] = GPRS[n];
        all[16 + n] = FPRS[n];
        all[32 + n] = ARS[n];
        n += 1;
    }
    all[48] = GlobalDecl {
        name: "bear",
        offset: std::mem::offset_of!(S390Cpu, breaking_event),
        ty: Ty::I64,
    };
    all[49] = GlobalDecl {
        name: "ex_target",
        offset: std::mem::offset_of!(S390Cpu, execute_target),
        ty: Ty::I64,
    };
    all[50] = GlobalDecl {
        name: "ex_address",
        offset: std::mem::offset_of!(S390Cpu, execute_address),
        ty: Ty::I64,
    };
    all[51] = GlobalDecl {
        name: "psw_mask",
        offset: std::mem::offset_of!(S390Cpu, psw_mask),
        ty: Ty::I64,
    };
    all[52] = GlobalDecl {
        name: "pending",
        offset: std::mem::offset_of!(S390Cpu, pending),
        ty: Ty::I64,
    };
    all
};
