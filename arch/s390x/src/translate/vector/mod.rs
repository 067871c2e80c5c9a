//! Vector instructions.
//!
//! The loop over instructions has seen that they are enabled ([`super::block`]). Moves and
//! bitwise operations work on the registers' halves; for the rest a helper gets an
//! [`Operands`] word. Not here: what that does to values ([`crate::vector`]).

pub mod element;
pub mod float;
pub(crate) mod integer;
pub mod memory;
pub mod moves;
pub(crate) mod shift;
pub(crate) mod string;

use tcg::ir::Val;
use tcg::{Effects, GlobalSet};

use super::Tx;
use crate::cpu::sets;
use crate::insn::Insn;

/// What a helper that reads and writes vector registers alone may do.
pub const REGISTERS: Effects = Effects {
    traps: false,
    ..Effects::GLOBALS.within(sets::VECTORS, sets::VECTORS)
};

/// The same and the condition code.
pub const REGISTERS_CC: Effects = Effects {
    traps: false,
    ..Effects::GLOBALS.within(sets::VECTORS, sets::VECTORS.and(GlobalSet::CC))
};

/// What a helper needs to know of a vector instruction, in 64 bits: register numbers, masks and
/// the immediate operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operands(pub u64);

impl Operands {
    /// Those of an instruction; the immediate operand is the first that the format has.
    pub fn of(i: &Insn) -> Self {
        let registers = [i.v1, i.v2, i.v3, i.v4];
        let masks = [i.m3, i.m4, i.m5, i.m6];
        let mut word = u64::from(i.u16() | u16::from(i.i4)) << 48;
        for (n, register) in registers.into_iter().enumerate() {
            word |= u64::from(register & 31) << (8 * n);
        }
        for (n, mask) in masks.into_iter().enumerate() {
            word |= u64::from(mask & 15) << (32 + 4 * n);
        }
        Self(word)
    }

    const fn register(self, n: u32) -> usize {
        (self.0 >> (8 * n)) as usize & 31
    }

    const fn mask(self, n: u32) -> u8 {
        (self.0 >> (32 + 4 * n)) as u8 & 15
    }

    /// Number of the first vector register.
    pub const fn v1(self) -> usize {
        self.register(0)
    }

    /// Number of the second vector register.
    pub const fn v2(self) -> usize {
        self.register(1)
    }

    /// Number of the third vector register.
    pub const fn v3(self) -> usize {
        self.register(2)
    }

    /// Number of the fourth vector register.
    pub const fn v4(self) -> usize {
        self.register(3)
    }

    /// The M3 field.
    pub const fn m3(self) -> u8 {
        self.mask(0)
    }

    /// The M4 field.
    pub const fn m4(self) -> u8 {
        self.mask(1)
    }

    /// The M5 field.
    pub const fn m5(self) -> u8 {
        self.mask(2)
    }

    /// The M6 field.
    pub const fn m6(self) -> u8 {
        self.mask(3)
    }

    /// The immediate operand: I2 (VRI-e: I3, sign-extended from 12 bits; VRI-d: I4).
    pub const fn immediate(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

impl Tx<'_> {
    /// An instruction's [`Operands`] as a constant.
    pub fn vector_operands(&mut self, i: &Insn) -> Val {
        let Operands(word) = Operands::of(i);
        self.c64(word)
    }
}
