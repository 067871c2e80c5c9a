//! From bytes to a decoded instruction: two table look-ups by operation code.
//!
//! Not here: whether the instruction's facility is installed (the translator asks).

use std::sync::LazyLock;

use super::format::OpcodeShape;
use super::{Insn, Row, table};

/// The length in bytes that the first byte of an instruction gives.
pub fn length(first: u8) -> u8 {
    match first >> 6 {
        0 => 2,
        1 | 2 => 4,
        _ => 6,
    }
}

/// What follows from an instruction's first byte.
#[derive(Clone, Copy)]
enum Entry {
    /// No instruction begins so.
    None,
    /// The first byte is the whole operation code.
    Row(&'static Row),
    /// Bits of the image choose among 256: shift and mask, and where the slots begin.
    Next { shift: u8, mask: u8, slots: usize },
}

/// Operation codes to rows.
struct Decoder {
    first: [Entry; 256],
    slots: Vec<Option<&'static Row>>,
}

static DECODER: LazyLock<Decoder> = LazyLock::new(Decoder::new);

impl Decoder {
    fn new() -> Self {
        let mut decoder = Self {
            first: [Entry::None; 256],
            slots: Vec::new(),
        };
        for row in table::rows() {
            decoder.insert(row);
        }
        decoder
    }

    /// Enters a row. Where two rows collide the first one stays; a test sees that none do.
    fn insert(&mut self, row: &'static Row) {
        let (first, rest, shift, mask) = match row.format.opcode_shape(row.opcode) {
            OpcodeShape::Byte0 => {
                let entry = &mut self.first[usize::from(row.opcode & 0xff)];
                if matches!(entry, Entry::None) {
                    *entry = Entry::Row(row);
                }
                return;
            }
            OpcodeShape::Byte1 => (row.opcode >> 8, row.opcode & 0xff, 32, 0xff),
            OpcodeShape::Nibble => (row.opcode >> 4, row.opcode & 0xf, 32, 0xf),
            OpcodeShape::Byte5 => (row.opcode >> 8, row.opcode & 0xff, 0, 0xff),
        };
        let entry = &mut self.first[usize::from(first & 0xff)];
        if let Entry::None = entry {
            *entry = Entry::Next {
                shift,
                mask,
                slots: self.slots.len(),
            };
            self.slots.resize(self.slots.len() + 256, None);
        }
        if let Entry::Next { slots, .. } = *entry {
            self.slots[slots + usize::from(rest)].get_or_insert(row);
        }
    }

    fn find(&self, image: u64) -> Option<&'static Row> {
        match self.first[(image >> 40) as usize & 0xff] {
            Entry::None => None,
            Entry::Row(row) => Some(row),
            Entry::Next { shift, mask, slots } => {
                self.slots[slots + ((image >> shift) as usize & usize::from(mask))]
            }
        }
    }
}

/// The row of the instruction whose image is in the low 48 bits (byte 0 at bits 40-47); `None`
/// if no row has its operation code.
pub fn find_row(image: u64) -> Option<&'static Row> {
    DECODER.find(image)
}

/// Decodes the instruction whose image is in the low 48 bits (byte 0 at bits 40-47; bytes after
/// its end do not matter); `None` if no row has its operation code.
pub fn decode(image: u64) -> Option<Insn> {
    find_row(image).map(|row| Insn::new(row, image))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::insn::encode::{encode, with_opcode};
    use crate::insn::table;

    const IMAGE: u64 = 0xffff_ffff_ffff;

    #[test]
    fn no_two_rows_collide() {
        let mut names = HashMap::new();
        for row in table::rows() {
            for fill in [0, IMAGE] {
                let found = find_row(with_opcode(row, fill)).map(|row| row.name);
                assert_eq!(found, Some(row.name), "{:x}", row.opcode);
            }
            let other = names.insert(row.name, row.opcode);
            assert_eq!(other, None, "{} is there twice", row.name);
        }
    }

    #[test]
    fn lengths_agree_with_formats() {
        for row in table::rows() {
            let first = (with_opcode(row, 0) >> 40) as u8;
            assert_eq!(length(first), row.format.length(), "{}", row.name);
        }
    }

    /// All fields of a decoded instruction.
    fn fields(i: &Insn) -> [i64; 25] {
        [
            i.r1.into(),
            i.r2.into(),
            i.r3.into(),
            i.v1.into(),
            i.v2.into(),
            i.v3.into(),
            i.v4.into(),
            i.x2.into(),
            i.b1.into(),
            i.b2.into(),
            i.b4.into(),
            i.d1.into(),
            i.d2.into(),
            i.d4.into(),
            i.i2,
            i.ri4.into(),
            i64::from(i.i3) << 16 | i64::from(i.i4) << 8 | i64::from(i.i5),
            i.m1.into(),
            i.m3.into(),
            i.m4.into(),
            i.m5.into(),
            i.m6.into(),
            i.l1.into(),
            i.l2.into(),
            i.len.into(),
        ]
    }

    proptest! {
        #[test]
        fn fields_survive_encoding(fill in 0..=IMAGE) {
            for row in table::rows() {
                let insn = Insn::new(row, with_opcode(row, fill));
                let again = decode(encode(&insn)).expect("a row's operation code");
                prop_assert_eq!(again.row.name, row.name);
                prop_assert_eq!(fields(&again), fields(&insn), "{} {:012x}", row.name, fill);
            }
        }
    }

    /// Every bit of an image belongs to the operation code, to one field, or to none.
    #[test]
    fn each_bit_belongs_to_one_field() {
        for row in table::rows() {
            let base = fields(&Insn::new(row, with_opcode(row, 0)));
            let code = with_opcode(row, IMAGE) ^ with_opcode(row, 0);
            let bits = 8 * u32::from(row.format.length());
            for bit in 48 - bits..48 {
                let changed = fields(&Insn::new(row, with_opcode(row, 1 << bit)));
                let different = changed.iter().zip(&base).filter(|(a, b)| a != b).count();
                // RR's first register is also its mask.
                let most = if row.format == crate::insn::Format::RR {
                    2
                } else {
                    1
                };
                let opcode_bit = code & 1 << bit == 0;
                reject(opcode_bit && different > 0, row.name, bit);
                reject(different > most, row.name, bit);
            }
        }
    }

    fn reject(wrong: bool, name: &str, bit: u32) {
        assert!(!wrong, "{name} bit {bit}");
    }
}
