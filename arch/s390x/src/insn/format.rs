//! Instruction formats (Principles of Operation, chapter 5, "Instruction Formats") and the
//! fields of a decoded instruction.

use super::Row;

/// Instruction formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the manual's")]
pub enum Format {
    E,
    I,
    IE,
    RIa,
    RIb,
    RIc,
    RIEa,
    RIEb,
    RIEc,
    RIEd,
    RIEe,
    RIEf,
    RIEg,
    RILa,
    RILb,
    RILc,
    RIS,
    RR,
    RRD,
    RRE,
    RRFa,
    RRFb,
    RRFc,
    RRFd,
    RRFe,
    RRS,
    RSa,
    RSb,
    RSI,
    RSLa,
    RSYa,
    RSYb,
    RXa,
    RXb,
    RXE,
    RXF,
    RXYa,
    RXYb,
    S,
    SI,
    SIL,
    SIY,
    SSa,
    SSb,
    SSc,
    SSd,
    SSe,
    SSf,
    SSE,
    SSF,
}

/// A decoded instruction. Fields that the format lacks are 0.
#[derive(Clone, Copy)]
pub struct Insn {
    /// Its row in the table.
    pub row: &'static Row,
    /// The instruction's bytes, left-aligned in 48 bits of the low end: byte 0 is bits 40-47.
    pub bytes: u64,
    /// Length in bytes: 2, 4 or 6.
    pub len: u8,
    /// First register.
    pub r1: u8,
    /// Second register.
    pub r2: u8,
    /// Third register.
    pub r3: u8,
    /// Index register; 0 means none.
    pub x2: u8,
    /// First base register; 0 means none.
    pub b1: u8,
    /// Second base register; 0 means none.
    pub b2: u8,
    /// Further base register (SS formats with four), 0 means none.
    pub b4: u8,
    /// First displacement, signed 20 or unsigned 12 bits.
    pub d1: i32,
    /// Second displacement, signed 20 or unsigned 12 bits.
    pub d2: i32,
    /// Fourth displacement.
    pub d4: i32,
    /// Immediate operand, sign-extended as the instruction's I field is wide; instructions that
    /// take it unsigned mask it. For relative operands: the distance in halfwords.
    pub i2: i64,
    /// Further immediate operand (RIE: I3, I4, I5; SIL, RIS: I).
    pub i3: u8,
    /// Further immediate operand.
    pub i4: u8,
    /// Further immediate operand.
    pub i5: u8,
    /// Mask in the first-operand position.
    pub m1: u8,
    /// Mask in the third-operand position.
    pub m3: u8,
    /// Mask in the fourth-operand position.
    pub m4: u8,
    /// First length field as encoded (one less than the length).
    pub l1: u8,
    /// Second length field as encoded.
    pub l2: u8,
}
