//! Condition-code operations: kinds, their evaluation, and what a branch mask over them means.
//!
//! Instructions record a kind and two operands; the code is computed when somebody looks. The
//! selector of a test is the branch mask: 8 for cc 0, 4 for 1, 2 for 2, 1 for 3.

use tcg::ir::{Cond, Ty};
use tcg::{CcOperand, CcTest};

/// Kinds of condition-code operation. Operands narrower than 64 bits are zero-extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CcKind {
    /// The code itself, in `a`.
    Code = 0,
    /// 0 if `a` is zero, else 1 (logical operations); 64 bits.
    NonZero,
    /// 0 equal, 1 `a` low, 2 `a` high; signed 32 bits.
    Compare32,
    /// 0 equal, 1 `a` low, 2 `a` high; signed 64 bits.
    Compare64,
    /// 0 equal, 1 `a` low, 2 `a` high; unsigned 32 bits.
    CompareLogical32,
    /// 0 equal, 1 `a` low, 2 `a` high; unsigned 64 bits.
    CompareLogical64,
}

impl CcKind {
    const ALL: [Self; 6] = [
        Self::Code,
        Self::NonZero,
        Self::Compare32,
        Self::Compare64,
        Self::CompareLogical32,
        Self::CompareLogical64,
    ];

    /// The kind of that number.
    pub fn from_number(kind: u8) -> Option<Self> {
        Self::ALL.get(usize::from(kind)).copied()
    }
}

/// The condition code that a recorded operation gives.
pub fn evaluate(kind: u8, a: u64, b: u64) -> u32 {
    let order = |ordering: std::cmp::Ordering| match ordering {
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Less => 1,
        std::cmp::Ordering::Greater => 2,
    };
    match CcKind::from_number(kind) {
        None | Some(CcKind::Code) => (a & 3) as u32,
        Some(CcKind::NonZero) => u32::from(a != 0),
        Some(CcKind::Compare32) => order((a as i32).cmp(&(b as i32))),
        Some(CcKind::Compare64) => order((a as i64).cmp(&(b as i64))),
        Some(CcKind::CompareLogical32) => order((a as u32).cmp(&(b as u32))),
        Some(CcKind::CompareLogical64) => order(a.cmp(&b)),
    }
}

/// What testing a kind against a branch mask comes down to.
pub fn test(kind: u8, mask: u8) -> CcTest {
    if mask == 0 || mask == 15 {
        return CcTest::Always(mask == 15);
    }
    let compare = |ty, less, greater| {
        // cc 3 does not occur, so the mask's lowest bit does not matter.
        let (cond, never) = match mask & 0b1110 {
            0b1000 => (Cond::Eq, false),
            0b0110 => (Cond::Ne, false),
            0b0100 => (less, false),
            0b1010 => (less_negated(less), false),
            0b0010 => (greater, false),
            0b1100 => (less_negated(greater), false),
            other => (Cond::Eq, other == 0),
        };
        match mask & 0b1110 {
            0b1110 => CcTest::Always(true),
            _ if never => CcTest::Always(false),
            _ => CcTest::Compare {
                ty,
                cond,
                left: CcOperand::A,
                right: CcOperand::B,
            },
        }
    };
    fn less_negated(cond: Cond) -> Cond {
        cond.negate()
    }
    match CcKind::from_number(kind) {
        None | Some(CcKind::Code) => CcTest::Evaluate,
        Some(CcKind::NonZero) => match mask & 0b1100 {
            0b1000 | 0b0100 => CcTest::Compare {
                ty: Ty::I64,
                cond: if mask & 8 != 0 { Cond::Eq } else { Cond::Ne },
                left: CcOperand::A,
                right: CcOperand::Imm(0),
            },
            both => CcTest::Always(both != 0),
        },
        Some(CcKind::Compare32) => compare(Ty::I32, Cond::LtS, Cond::GtS),
        Some(CcKind::Compare64) => compare(Ty::I64, Cond::LtS, Cond::GtS),
        Some(CcKind::CompareLogical32) => compare(Ty::I32, Cond::LtU, Cond::GtU),
        Some(CcKind::CompareLogical64) => compare(Ty::I64, Cond::LtU, Cond::GtU),
    }
}
