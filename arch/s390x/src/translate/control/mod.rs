//! Control instructions: PSW and control registers, clocks, storage control and signalling
//! (Principles of Operation, chapter 10).
//!
//! Each helper stands beside the instruction that calls it. What reaches the rest of the machine
//! (service calls, DIAGNOSE, I/O) is in [`super::system`].

pub mod clock;
pub mod moves;
pub mod protection;
pub mod psw;
pub mod registers;
pub mod signal;
pub mod storage;

use tcg::ir::{MemMode, MemOp, MemSize};
use tcg::{Effects, HelperDef, Intrinsic, Trap};

use crate::cpu::{ProgramCode, S390Cpu};

/// Reads the CPU or machine, but neither globals nor storage; not to be repeated or dropped.
const LOOKS: Effects = Effects {
    observable: true,
    ..Effects::PURE
};

/// Changes the CPU's control side only.
const CONTROLS: Effects = LOOKS;

/// Looks for interruptions before the next instruction, unless the argument is 0.
static RECHECK_IF: HelperDef = HelperDef::new1(
    "recheck_if",
    Effects {
        traps: false,
        ..Effects::TRANSLATION
    },
    |cpu: &mut S390Cpu, when| {
        if when != 0 {
            cpu.recheck_interruptions();
            cpu.core.leave_block();
        }
        Ok(0)
    },
)
.with_intrinsic(Intrinsic::NothingIfZero);

/// An operand of a helper: its mode as translated code passes it.
fn mode(argument: u64) -> MemMode {
    MemMode(argument as u8)
}

/// The shape of a doubleword operand that must be aligned.
fn doubleword(argument: u64) -> MemOp {
    MemOp {
        size: MemSize::B8,
        signed: false,
        aligned: true,
        mode: mode(argument),
    }
}

/// A specification exception unless an address is a multiple of `alignment`.
fn check_alignment(address: u64, alignment: u64) -> Result<(), Trap> {
    if address.is_multiple_of(alignment) {
        Ok(())
    } else {
        Err(ProgramCode::Specification.into())
    }
}
