//! Instruction formats (Principles of Operation, chapter 5, "Instruction Formats") and the
//! fields of a decoded instruction.
//!
//! Not here: which format an instruction has (the table) and how its row is found
//! ([`super::decode`]).

use super::Row;

/// Where the digits of an operation code beyond the first byte are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpcodeShape {
    /// Byte 0 alone: two digits.
    Byte0,
    /// Bytes 0 and 1: four digits.
    Byte1,
    /// Byte 0 and the low nibble of byte 1: three digits.
    Nibble,
    /// Bytes 0 and 5: four digits.
    Byte5,
}

/// Instruction formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are the manual's")]
pub enum Format {
    E,
    I,
    IE,
    MII,
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
    SMI,
    SSa,
    SSb,
    SSc,
    SSd,
    SSe,
    SSf,
    SSE,
    SSF,
    VRIa,
    VRIb,
    VRIc,
    VRId,
    VRIe,
    VRRa,
    VRRb,
    VRRc,
    VRRd,
    VRRe,
    VRRf,
    VRSa,
    VRSb,
    VRSc,
    VRV,
    VRX,
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
    /// First vector register, 0 to 31 as the others: its high-order bit is one of the RXB field's.
    pub v1: u8,
    /// Second vector register.
    pub v2: u8,
    /// Third vector register.
    pub v3: u8,
    /// Fourth vector register.
    pub v4: u8,
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
    /// The I2 or RI2 field (I, IE: I1; VRI-e: I3, 12 bits), sign-extended from the width it has in the format;
    /// instructions that take it unsigned use [`Insn::u8`], [`Insn::u16`] or [`Insn::u32`].
    /// RI2 is a distance in halfwords.
    pub i2: i64,
    /// The RI4 field (RIEb, RIEc): a distance in halfwords.
    pub ri4: i16,
    /// Further immediate operand (RIEf: I3, I4, I5; SSc, VRI-b: I3; VRI-d: I4; IE: I2 in `i3`).
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
    /// Mask in the fifth-operand position.
    pub m5: u8,
    /// Mask in the sixth-operand position.
    pub m6: u8,
    /// First length field as encoded (one less than the length).
    pub l1: u8,
    /// Second length field as encoded.
    pub l2: u8,
}

impl Format {
    /// Where the operation code is. `opcode` tells one-byte from two-byte codes in format S.
    pub fn opcode_shape(self, opcode: u16) -> OpcodeShape {
        use Format::*;
        match self {
            I | MII | RR | RSa | RSb | RSI | RXa | RXb | SI | SMI | SSa | SSb | SSc | SSd | SSe
            | SSf => OpcodeShape::Byte0,
            S if opcode < 0x100 => OpcodeShape::Byte0,
            E | IE | RRD | RRE | RRFa | RRFb | RRFc | RRFd | RRFe | S | SIL | SSE => {
                OpcodeShape::Byte1
            }
            RIa | RIb | RIc | RILa | RILb | RILc | SSF => OpcodeShape::Nibble,
            RIEa | RIEb | RIEc | RIEd | RIEe | RIEf | RIEg | RIS | RRS | RSLa | RSYa | RSYb
            | RXE | RXF | RXYa | RXYb | SIY | VRIa | VRIb | VRIc | VRId | VRIe | VRRa | VRRb
            | VRRc | VRRd | VRRe | VRRf | VRSa | VRSb | VRSc | VRV | VRX => OpcodeShape::Byte5,
        }
    }

    /// Whether instructions of the format have vector registers.
    pub fn is_vector(self) -> bool {
        use Format::*;
        matches!(
            self,
            VRIa | VRIb
                | VRIc
                | VRId
                | VRIe
                | VRRa
                | VRRb
                | VRRc
                | VRRd
                | VRRe
                | VRRf
                | VRSa
                | VRSb
                | VRSc
                | VRV
                | VRX
        )
    }

    /// Length in bytes.
    pub fn length(self) -> u8 {
        use Format::*;
        match self {
            E | I | RR => 2,
            IE | RIa | RIb | RIc | RRD | RRE | RRFa | RRFb | RRFc | RRFd | RRFe | RSa | RSb
            | RSI | RXa | RXb | S | SI => 4,
            _ => 6,
        }
    }
}

/// `count` bits of a 48-bit image from bit `first` on, bits counted from the left.
const fn bits(image: u64, first: u32, count: u32) -> u64 {
    (image >> (48 - first - count)) & ((1 << count) - 1)
}

/// The same, sign-extended.
const fn signed(image: u64, first: u32, count: u32) -> i64 {
    ((bits(image, first, count) << (64 - count)) as i64) >> (64 - count)
}

/// The same for fields of at most eight bits.
const fn small(image: u64, first: u32, count: u32) -> u8 {
    bits(image, first, count) as u8
}

/// A 20-bit signed displacement: the low part at `low`, the high part eight bits at `high`.
const fn long_displacement(image: u64, low: u32, high: u32) -> i32 {
    (signed(image, high, 8) << 12) as i32 | bits(image, low, 12) as i32
}

impl Insn {
    /// Takes an image (48 bits, byte 0 at bits 40-47) apart as its row's format says.
    pub fn new(row: &'static Row, image: u64) -> Self {
        use Format::*;
        let n = |first| small(image, first, 4);
        let byte = |first| small(image, first, 8);
        let d = |first| bits(image, first, 12) as i32;
        // Vector registers: four bits, and one of the RXB field that belongs to their place.
        let v = |first| {
            let rxb = match first {
                8 => 36,
                12 => 37,
                16 => 38,
                _ => 39,
            };
            small(image, first, 4) | small(image, rxb, 1) << 4
        };
        let mut i = Self::empty(row, image);
        match row.format {
            E => {}
            I => i.i2 = signed(image, 8, 8),
            IE => (i.i2, i.i3) = (bits(image, 24, 4) as i64, n(28)),
            MII => (i.m1, i.i2) = (n(8), signed(image, 12, 12)),
            SMI => {
                (i.m1, i.b2, i.d2) = (n(8), n(16), d(20));
                i.i2 = signed(image, 32, 16);
            }
            RIa | RIb => (i.r1, i.i2) = (n(8), signed(image, 16, 16)),
            RIc => (i.m1, i.i2) = (n(8), signed(image, 16, 16)),
            RIEa => (i.r1, i.i2, i.m3) = (n(8), signed(image, 16, 16), n(32)),
            RIEb => {
                (i.r1, i.r2, i.m3) = (n(8), n(12), n(32));
                i.ri4 = signed(image, 16, 16) as i16;
            }
            RIEc => {
                (i.r1, i.m3, i.i2) = (n(8), n(12), signed(image, 32, 8));
                i.ri4 = signed(image, 16, 16) as i16;
            }
            RIEd | RIEe | RSI => (i.r1, i.r3, i.i2) = (n(8), n(12), signed(image, 16, 16)),
            RIEf => {
                (i.r1, i.r2) = (n(8), n(12));
                (i.i3, i.i4, i.i5) = (byte(16), byte(24), byte(32));
            }
            RIEg => (i.r1, i.m3, i.i2) = (n(8), n(12), signed(image, 16, 16)),
            RILa | RILb => (i.r1, i.i2) = (n(8), signed(image, 16, 32)),
            RILc => (i.m1, i.i2) = (n(8), signed(image, 16, 32)),
            RIS => {
                (i.r1, i.m3, i.b4, i.d4) = (n(8), n(12), n(16), d(20));
                i.i2 = signed(image, 32, 8);
            }
            RR => (i.r1, i.r2, i.m1) = (n(8), n(12), n(8)),
            RRD => (i.r1, i.r3, i.r2) = (n(16), n(24), n(28)),
            RRE => (i.r1, i.r2) = (n(24), n(28)),
            RRFa | RRFb => (i.r3, i.m4, i.r1, i.r2) = (n(16), n(20), n(24), n(28)),
            RRFc | RRFd | RRFe => (i.m3, i.m4, i.r1, i.r2) = (n(16), n(20), n(24), n(28)),
            RRS => {
                (i.r1, i.r2, i.b4, i.d4, i.m3) = (n(8), n(12), n(16), d(20), n(32));
            }
            RSa => (i.r1, i.r3, i.b2, i.d2) = (n(8), n(12), n(16), d(20)),
            RSb => (i.r1, i.m3, i.b2, i.d2) = (n(8), n(12), n(16), d(20)),
            RSLa => (i.l1, i.b1, i.d1) = (n(8), n(16), d(20)),
            RSYa => {
                (i.r1, i.r3, i.b2) = (n(8), n(12), n(16));
                i.d2 = long_displacement(image, 20, 32);
            }
            RSYb => {
                (i.r1, i.m3, i.b2) = (n(8), n(12), n(16));
                i.d2 = long_displacement(image, 20, 32);
            }
            RXa => (i.r1, i.x2, i.b2, i.d2) = (n(8), n(12), n(16), d(20)),
            RXb => (i.m1, i.x2, i.b2, i.d2) = (n(8), n(12), n(16), d(20)),
            RXE => (i.r1, i.x2, i.b2, i.d2, i.m3) = (n(8), n(12), n(16), d(20), n(32)),
            RXF => (i.r3, i.x2, i.b2, i.d2, i.r1) = (n(8), n(12), n(16), d(20), n(32)),
            RXYa => {
                (i.r1, i.x2, i.b2) = (n(8), n(12), n(16));
                i.d2 = long_displacement(image, 20, 32);
            }
            RXYb => {
                (i.m1, i.x2, i.b2) = (n(8), n(12), n(16));
                i.d2 = long_displacement(image, 20, 32);
            }
            S => (i.b2, i.d2) = (n(16), d(20)),
            SI => (i.i2, i.b1, i.d1) = (signed(image, 8, 8), n(16), d(20)),
            SIL => (i.b1, i.d1, i.i2) = (n(16), d(20), signed(image, 32, 16)),
            SIY => {
                (i.i2, i.b1) = (signed(image, 8, 8), n(16));
                i.d1 = long_displacement(image, 20, 32);
            }
            SSa | SSb | SSc | SSd | SSf | SSE | SSF => {
                (i.b1, i.d1, i.b2, i.d2) = (n(16), d(20), n(32), d(36));
                match row.format {
                    SSa => i.l1 = byte(8),
                    SSb => (i.l1, i.l2) = (n(8), n(12)),
                    SSc => (i.l1, i.i3) = (n(8), n(12)),
                    SSd => (i.r1, i.r3) = (n(8), n(12)),
                    SSf => i.l2 = byte(8),
                    SSF => i.r3 = n(8),
                    _ => {}
                }
            }
            SSe => {
                (i.r1, i.r3) = (n(8), n(12));
                (i.b2, i.d2, i.b4, i.d4) = (n(16), d(20), n(32), d(36));
            }
            VRIa => (i.v1, i.i2, i.m3) = (v(8), signed(image, 16, 16), n(32)),
            VRIb => {
                (i.v1, i.i2, i.i3) = (v(8), signed(image, 16, 8), byte(24));
                i.m4 = n(32);
            }
            VRIc => {
                (i.v1, i.v3, i.i2) = (v(8), v(12), signed(image, 16, 16));
                i.m4 = n(32);
            }
            VRId => (i.v1, i.v2, i.v3, i.i4, i.m5) = (v(8), v(12), v(16), byte(24), n(32)),
            VRIe => {
                (i.v1, i.v2, i.i2) = (v(8), v(12), signed(image, 16, 12));
                (i.m4, i.m5) = (n(32), n(28));
            }
            VRRa => (i.v1, i.v2, i.m3, i.m4, i.m5) = (v(8), v(12), n(32), n(28), n(24)),
            VRRb => (i.v1, i.v2, i.v3, i.m4, i.m5) = (v(8), v(12), v(16), n(32), n(24)),
            VRRc => {
                (i.v1, i.v2, i.v3) = (v(8), v(12), v(16));
                (i.m4, i.m5, i.m6) = (n(32), n(28), n(24));
            }
            VRRd => {
                (i.v1, i.v2, i.v3, i.v4) = (v(8), v(12), v(16), v(32));
                (i.m5, i.m6) = (n(20), n(24));
            }
            VRRe => {
                (i.v1, i.v2, i.v3, i.v4) = (v(8), v(12), v(16), v(32));
                (i.m5, i.m6) = (n(28), n(20));
            }
            VRRf => (i.v1, i.r2, i.r3) = (v(8), n(12), n(16)),
            VRSa => (i.v1, i.v3, i.b2, i.d2, i.m4) = (v(8), v(12), n(16), d(20), n(32)),
            VRSb => (i.v1, i.r3, i.b2, i.d2, i.m4) = (v(8), n(12), n(16), d(20), n(32)),
            VRSc => (i.r1, i.v3, i.b2, i.d2, i.m4) = (n(8), v(12), n(16), d(20), n(32)),
            VRV => (i.v1, i.v2, i.b2, i.d2, i.m3) = (v(8), v(12), n(16), d(20), n(32)),
            VRX => (i.v1, i.x2, i.b2, i.d2, i.m3) = (v(8), n(12), n(16), d(20), n(32)),
        }
        i
    }

    fn empty(row: &'static Row, image: u64) -> Self {
        Self {
            row,
            bytes: image,
            len: row.format.length(),
            r1: 0,
            r2: 0,
            r3: 0,
            v1: 0,
            v2: 0,
            v3: 0,
            v4: 0,
            x2: 0,
            b1: 0,
            b2: 0,
            b4: 0,
            d1: 0,
            d2: 0,
            d4: 0,
            i2: 0,
            ri4: 0,
            i3: 0,
            i4: 0,
            i5: 0,
            m1: 0,
            m3: 0,
            m4: 0,
            m5: 0,
            m6: 0,
            l1: 0,
            l2: 0,
        }
    }

    /// The I2 field as eight bits, unsigned.
    pub fn u8(&self) -> u8 {
        self.i2 as u8
    }

    /// The I2 field as 16 bits, unsigned.
    pub fn u16(&self) -> u16 {
        self.i2 as u16
    }

    /// The I2 field as 32 bits, unsigned.
    pub fn u32(&self) -> u32 {
        self.i2 as u32
    }
}
