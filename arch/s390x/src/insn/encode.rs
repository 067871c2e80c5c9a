//! The reverse of decoding: an image from fields. For tests, which make code from the table.

use super::format::OpcodeShape;
use super::{Format, Insn, Row};

/// An image whose other bits are those given, with the row's operation code.
pub fn with_opcode(row: &Row, fill: u64) -> u64 {
    let code = u64::from(row.opcode);
    let (bits, mask) = match row.format.opcode_shape(row.opcode) {
        OpcodeShape::Byte0 => (code << 40, 0xff << 40),
        OpcodeShape::Byte1 => (code << 32, 0xffff << 32),
        OpcodeShape::Nibble => (code >> 4 << 40 | (code & 0xf) << 32, 0xff0f << 32),
        OpcodeShape::Byte5 => (code >> 8 << 40 | code & 0xff, 0xff << 40 | 0xff),
    };
    (bits | fill & !mask) & 0xffff_ffff_ffff
}

/// An instruction of that name with all fields zero; fields are then set one by one.
#[cfg(test)]
pub(crate) fn named(name: &str) -> Insn {
    let row = super::table::rows()
        .find(|row| row.name == name)
        .unwrap_or_else(|| panic!("no row {name}"));
    Insn::new(row, with_opcode(row, 0))
}

/// The image of an instruction's fields; bits that no field has are zero.
pub fn encode(i: &Insn) -> u64 {
    use Format::*;
    let field = |v: u64, first: u32, count: u32| (v & ((1 << count) - 1)) << (48 - first - count);
    let n = |v: u8, first| field(v.into(), first, 4);
    let d = |v: i32, first| field(v as u64, first, 12);
    let bd = |b: u8, disp: i32, first| n(b, first) | d(disp, first + 4);
    let long = |b: u8, disp: i32| bd(b, disp, 16) | field((disp >> 12) as u64, 32, 8);
    let i2 = |first, count| field(i.i2 as u64, first, count);
    let pair = |a, b| n(a, 8) | n(b, 12);
    let ri4 = field(i.ri4 as u64, 16, 16);
    // Four bits in place, and the fifth in the RXB field.
    let v = |v: u8, first: u32| {
        let rxb = match first {
            8 => 36,
            12 => 37,
            16 => 38,
            _ => 39,
        };
        n(v, first) | field((v >> 4).into(), rxb, 1)
    };
    let three = |i: &Insn| v(i.v1, 8) | v(i.v2, 12) | v(i.v3, 16);
    let fields = match i.row.format {
        E => 0,
        I => i2(8, 8),
        IE => i2(24, 4) | n(i.i3, 28),
        MII => n(i.m1, 8) | i2(12, 12),
        SMI => n(i.m1, 8) | bd(i.b2, i.d2, 16) | i2(32, 16),
        RIa | RIb => n(i.r1, 8) | i2(16, 16),
        RIc => n(i.m1, 8) | i2(16, 16),
        RIEa => n(i.r1, 8) | i2(16, 16) | n(i.m3, 32),
        RIEb => pair(i.r1, i.r2) | ri4 | n(i.m3, 32),
        RIEc => pair(i.r1, i.m3) | ri4 | i2(32, 8),
        RIEd | RIEe | RSI => pair(i.r1, i.r3) | i2(16, 16),
        RIEf => {
            pair(i.r1, i.r2)
                | field(i.i3.into(), 16, 8)
                | field(i.i4.into(), 24, 8)
                | field(i.i5.into(), 32, 8)
        }
        RIEg => pair(i.r1, i.m3) | i2(16, 16),
        RILa | RILb => n(i.r1, 8) | i2(16, 32),
        RILc => n(i.m1, 8) | i2(16, 32),
        RIS => pair(i.r1, i.m3) | bd(i.b4, i.d4, 16) | i2(32, 8),
        RR => pair(i.r1 | i.m1, i.r2),
        RRD => n(i.r1, 16) | n(i.r3, 24) | n(i.r2, 28),
        RRE => n(i.r1, 24) | n(i.r2, 28),
        RRFa | RRFb => n(i.r3, 16) | n(i.m4, 20) | n(i.r1, 24) | n(i.r2, 28),
        RRFc | RRFd | RRFe => n(i.m3, 16) | n(i.m4, 20) | n(i.r1, 24) | n(i.r2, 28),
        RRS => pair(i.r1, i.r2) | bd(i.b4, i.d4, 16) | n(i.m3, 32),
        RSa => pair(i.r1, i.r3) | bd(i.b2, i.d2, 16),
        RSb => pair(i.r1, i.m3) | bd(i.b2, i.d2, 16),
        RSLa => n(i.l1, 8) | bd(i.b1, i.d1, 16),
        RSYa => pair(i.r1, i.r3) | long(i.b2, i.d2),
        RSYb => pair(i.r1, i.m3) | long(i.b2, i.d2),
        RXa => pair(i.r1, i.x2) | bd(i.b2, i.d2, 16),
        RXb => pair(i.m1, i.x2) | bd(i.b2, i.d2, 16),
        RXE => pair(i.r1, i.x2) | bd(i.b2, i.d2, 16) | n(i.m3, 32),
        RXF => pair(i.r3, i.x2) | bd(i.b2, i.d2, 16) | n(i.r1, 32),
        RXYa => pair(i.r1, i.x2) | long(i.b2, i.d2),
        RXYb => pair(i.m1, i.x2) | long(i.b2, i.d2),
        S => bd(i.b2, i.d2, 16),
        SI => i2(8, 8) | bd(i.b1, i.d1, 16),
        SIL => bd(i.b1, i.d1, 16) | i2(32, 16),
        SIY => i2(8, 8) | long(i.b1, i.d1),
        SSa => field(i.l1.into(), 8, 8) | storage_pair(bd, i),
        SSb => pair(i.l1, i.l2) | storage_pair(bd, i),
        SSc => pair(i.l1, i.i3) | storage_pair(bd, i),
        SSd => pair(i.r1, i.r3) | storage_pair(bd, i),
        SSe => pair(i.r1, i.r3) | bd(i.b2, i.d2, 16) | bd(i.b4, i.d4, 32),
        SSf => field(i.l2.into(), 8, 8) | storage_pair(bd, i),
        SSE => storage_pair(bd, i),
        SSF => n(i.r3, 8) | storage_pair(bd, i),
        VRIa => v(i.v1, 8) | i2(16, 16) | n(i.m3, 32),
        VRIb => v(i.v1, 8) | i2(16, 8) | field(i.i3.into(), 24, 8) | n(i.m4, 32),
        VRIc => v(i.v1, 8) | v(i.v3, 12) | i2(16, 16) | n(i.m4, 32),
        VRId => three(i) | field(i.i4.into(), 24, 8) | n(i.m5, 32),
        VRIe => v(i.v1, 8) | v(i.v2, 12) | i2(16, 12) | n(i.m5, 28) | n(i.m4, 32),
        VRRa => v(i.v1, 8) | v(i.v2, 12) | n(i.m5, 24) | n(i.m4, 28) | n(i.m3, 32),
        VRRb => three(i) | n(i.m5, 24) | n(i.m4, 32),
        VRRc => three(i) | n(i.m6, 24) | n(i.m5, 28) | n(i.m4, 32),
        VRRd => three(i) | n(i.m5, 20) | n(i.m6, 24) | v(i.v4, 32),
        VRRe => three(i) | n(i.m6, 20) | n(i.m5, 28) | v(i.v4, 32),
        VRRf => v(i.v1, 8) | n(i.r2, 12) | n(i.r3, 16),
        VRSa => v(i.v1, 8) | v(i.v3, 12) | bd(i.b2, i.d2, 16) | n(i.m4, 32),
        VRSb => v(i.v1, 8) | n(i.r3, 12) | bd(i.b2, i.d2, 16) | n(i.m4, 32),
        VRSc => n(i.r1, 8) | v(i.v3, 12) | bd(i.b2, i.d2, 16) | n(i.m4, 32),
        VRV => v(i.v1, 8) | v(i.v2, 12) | bd(i.b2, i.d2, 16) | n(i.m3, 32),
        VRX => v(i.v1, 8) | n(i.x2, 12) | bd(i.b2, i.d2, 16) | n(i.m3, 32),
    };
    with_opcode(i.row, fields)
}

fn storage_pair(bd: impl Fn(u8, i32, u32) -> u64, i: &Insn) -> u64 {
    bd(i.b1, i.d1, 16) | bd(i.b2, i.d2, 32)
}
