//! Program-interruption codes and the trap that carries one (Principles of Operation, chapter 6).

use std::num::NonZeroU64;

use tcg::Trap;

/// Program-interruption codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[allow(missing_docs, reason = "the names are the manual's")]
pub enum ProgramCode {
    Operation = 0x01,
    PrivilegedOperation = 0x02,
    Execute = 0x03,
    Protection = 0x04,
    Addressing = 0x05,
    Specification = 0x06,
    Data = 0x07,
    FixedPointOverflow = 0x08,
    FixedPointDivide = 0x09,
    DecimalOverflow = 0x0a,
    DecimalDivide = 0x0b,
    HfpExponentOverflow = 0x0c,
    HfpExponentUnderflow = 0x0d,
    HfpSignificance = 0x0e,
    HfpDivide = 0x0f,
    SegmentTranslation = 0x10,
    PageTranslation = 0x11,
    TranslationSpecification = 0x12,
    SpecialOperation = 0x13,
    Operand = 0x15,
    TraceTable = 0x16,
    VectorProcessing = 0x1b,
    SpaceSwitch = 0x1c,
    HfpSquareRoot = 0x1d,
    PcTranslationSpecification = 0x1f,
    AfxTranslation = 0x20,
    AsxTranslation = 0x21,
    LxTranslation = 0x22,
    ExTranslation = 0x23,
    PrimaryAuthority = 0x24,
    SecondaryAuthority = 0x25,
    AletSpecification = 0x28,
    AlenTranslation = 0x29,
    AleSequence = 0x2a,
    AsteValidity = 0x2b,
    AsteSequence = 0x2c,
    ExtendedAuthority = 0x2d,
    StackFull = 0x30,
    StackEmpty = 0x31,
    StackSpecification = 0x32,
    StackType = 0x33,
    StackOperation = 0x34,
    AsceType = 0x38,
    RegionFirstTranslation = 0x39,
    RegionSecondTranslation = 0x3a,
    RegionThirdTranslation = 0x3b,
    Monitor = 0x40,
    PerEvent = 0x80,
    CryptoOperation = 0x119,
}

/// A program check: its code and, for a data or vector-processing exception, the code that says
/// more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramCheck {
    /// The interruption code.
    pub code: ProgramCode,
    /// DXC or VXC, stored at real 147 and, if AFP-register control is one, in the FPC. 0 otherwise.
    pub dxc: u8,
}

impl ProgramCheck {
    /// A check without a data-exception code.
    pub const fn new(code: ProgramCode) -> Self {
        Self { code, dxc: 0 }
    }

    /// A data exception.
    pub const fn data(dxc: u8) -> Self {
        Self {
            code: ProgramCode::Data,
            dxc,
        }
    }

    /// A vector-processing exception: the element's index in the left half of `vxc`, what happened
    /// to it in the right half.
    pub const fn vector(vxc: u8) -> Self {
        Self {
            code: ProgramCode::VectorProcessing,
            dxc: vxc,
        }
    }

    /// What [`Trap`] carries; the inverse of `Trap::from`. A code that no check has (it cannot
    /// come from here) reads as an operation exception.
    pub fn from_trap(Trap(bits): Trap) -> (u16, u8) {
        (bits.get() as u16, (bits.get() >> 16) as u8)
    }
}

impl From<ProgramCode> for ProgramCheck {
    fn from(code: ProgramCode) -> Self {
        Self::new(code)
    }
}

impl From<ProgramCheck> for Trap {
    fn from(check: ProgramCheck) -> Self {
        let bits = u64::from(check.code as u16) | u64::from(check.dxc) << 16;
        // No code is 0, so this never falls back.
        Trap(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<ProgramCode> for Trap {
    fn from(code: ProgramCode) -> Self {
        ProgramCheck::new(code).into()
    }
}
