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

    use super::*;
    use crate::insn::table;

    /// An image with a row's operation code and given other bits.
    fn image_of(row: &Row, fill: u64) -> u64 {
        let code = u64::from(row.opcode);
        let (bits, mask) = match row.format.opcode_shape(row.opcode) {
            OpcodeShape::Byte0 => (code << 40, 0xff << 40),
            OpcodeShape::Byte1 => (code << 32, 0xffff << 32),
            OpcodeShape::Nibble => (code >> 4 << 40 | (code & 0xf) << 32, 0xff0f << 32),
            OpcodeShape::Byte5 => (code >> 8 << 40 | code & 0xff, 0xff << 40 | 0xff),
        };
        (bits | fill & !mask) & 0xffff_ffff_ffff
    }

    #[test]
    fn no_two_rows_collide() {
        let mut names = HashMap::new();
        for row in table::rows() {
            for fill in [0, u64::MAX] {
                let found = find_row(image_of(row, fill)).map(|row| row.name);
                assert_eq!(found, Some(row.name), "{:x}", row.opcode);
            }
            let other = names.insert(row.name, row.opcode);
            assert_eq!(other, None, "{} is there twice", row.name);
        }
    }

    #[test]
    fn lengths_agree_with_formats() {
        for row in table::rows() {
            let first = (image_of(row, 0) >> 40) as u8;
            assert_eq!(length(first), row.format.len(), "{}", row.name);
        }
    }
}
