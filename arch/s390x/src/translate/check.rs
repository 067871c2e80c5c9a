//! Program checks that instructions raise, and the conditions every instruction may demand.

use tcg::ir::Val;
use tcg::{Effects, HelperDef, Intrinsic, Trap};

use super::{Flow, Tx};
use crate::cpu::{ProgramCheck, ProgramCode, S390Cpu};

/// Returns from an instruction's function if the check has ended the block:
/// `require!(tx.privileged()); require!(tx.even(i.r1));`. Else it is what the check gives.
macro_rules! require {
    ($check:expr) => {
        match $check {
            Ok(value) => value,
            Err(flow) => return flow,
        }
    };
}
pub(crate) use require;

/// Traps with a program check, packed as [`Trap`] has it.
static RAISE: HelperDef = HelperDef::new1("raise", Effects::TRAPS, |_: &mut S390Cpu, trap| {
    Err(unpack(trap))
});

/// Traps with the check in the second argument if the first is not 0.
static RAISE_IF: HelperDef =
    HelperDef::new2("raise_if", Effects::TRAPS, |_: &mut S390Cpu, when, trap| {
        if when == 0 { Ok(0) } else { Err(unpack(trap)) }
    })
    .with_intrinsic(Intrinsic::NothingIfZero);

fn unpack(bits: u64) -> Trap {
    match std::num::NonZeroU64::new(bits) {
        Some(bits) => Trap(bits),
        None => ProgramCode::Operation.into(),
    }
}

impl Tx<'_> {
    /// Raises a program check and ends the block.
    pub fn raise(&mut self, check: impl Into<ProgramCheck>) -> Flow {
        let Trap(bits) = check.into().into();
        let bits = self.b.c64(bits.get());
        self.b.call(&RAISE, &[bits]);
        // Never reached: the helper traps. A block must end with an exit.
        self.b.exit(tcg::ir::Exit::Lookup { pc: None });
        Flow::Ended
    }

    /// Raises a program check if an `I32` is not 0.
    pub fn raise_if(&mut self, when: Val, check: impl Into<ProgramCheck>) {
        let Trap(bits) = check.into().into();
        let bits = self.b.c64(bits.get());
        self.b.call(&RAISE_IF, &[when, bits]);
    }

    /// Demands the supervisor state: else a privileged-operation exception.
    ///
    /// # Errors
    /// The flow to return.
    pub fn privileged(&mut self) -> Result<(), Flow> {
        if self.flags.problem() {
            Err(self.raise(ProgramCode::PrivilegedOperation))
        } else {
            Ok(())
        }
    }

    /// Demands an even register number: else a specification exception.
    ///
    /// # Errors
    /// The flow to return.
    pub fn even(&mut self, register: u8) -> Result<(), Flow> {
        self.demand(register.is_multiple_of(2), ProgramCode::Specification)
    }

    /// Demands a register number that designates an extended floating-point pair (0, 1, 4, 5,
    /// 8, 9, 12, 13): else a specification exception.
    ///
    /// # Errors
    /// The flow to return.
    pub fn fp_pair(&mut self, register: u8) -> Result<(), Flow> {
        self.demand(register & 2 == 0, ProgramCode::Specification)
    }

    /// Demands something known when translating: else the program check.
    ///
    /// # Errors
    /// The flow to return.
    pub fn demand(&mut self, holds: bool, check: impl Into<ProgramCheck>) -> Result<(), Flow> {
        if holds {
            Ok(())
        } else {
            Err(self.raise(check))
        }
    }
}
