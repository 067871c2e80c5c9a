//! Between decimal formats: MVO, PACK, UNPK, PKA, PKU, UNPKA, UNPKU.
//!
//! None of them checks digits. MVO, PACK and UNPK are defined byte by byte from right to left,
//! also for operands that overlap. Not here: arithmetic ([`super::decimal`]).

use tcg::helper::{Effects, HelperDef};
use tcg::{Guest, Trap};

use super::decimal::{SignCode, sign_of};
use super::operand::{distance, first, read, read_for_update, second, write};
use crate::cpu::{ProgramCode, S390Cpu};

/// MVO: `(dst, src, length codes, spaces)`.
pub static MVO: HelperDef = HelperDef::new4("mvo", Effects::MEMORY, mvo);
/// PACK: `(dst, src, length codes, spaces)`.
pub static PACK: HelperDef = HelperDef::new4("pack", Effects::MEMORY, pack);
/// UNPK: `(dst, src, length codes, spaces)`.
pub static UNPK: HelperDef = HelperDef::new4("unpk", Effects::MEMORY, unpk);
/// PKA: `(dst, src, source length, spaces)`.
pub static PKA: HelperDef = HelperDef::new4("pka", Effects::MEMORY, |cpu, dst, src, length, s| {
    pack_characters(cpu, (dst, src, length, s), 1)
});
/// PKU: `(dst, src, source length, spaces)`.
pub static PKU: HelperDef = HelperDef::new4("pku", Effects::MEMORY, |cpu, dst, src, length, s| {
    pack_characters(cpu, (dst, src, length, s), 2)
});
/// UNPKA: `(dst, src, destination length, spaces)`; the condition code.
pub static UNPKA: HelperDef =
    HelperDef::new4("unpka", Effects::MEMORY, |cpu, dst, src, length, s| {
        unpack_characters(cpu, (dst, src, length, s), 1)
    });
/// UNPKU: `(dst, src, destination length, spaces)`; the condition code.
pub static UNPKU: HelperDef =
    HelperDef::new4("unpku", Effects::MEMORY, |cpu, dst, src, length, s| {
        unpack_characters(cpu, (dst, src, length, s), 2)
    });

/// Two operands of up to 16 bytes of which the first is replaced from right to left; what has
/// been replaced is seen where the second overlaps it.
struct Fields {
    left: [u8; 16],
    left_length: usize,
    right: [u8; 16],
    right_length: usize,
    /// How far the first operand begins behind the second, if both are in one space.
    distance: Option<u64>,
    mask: u64,
}

impl Fields {
    fn fetch(
        cpu: &mut S390Cpu,
        (dst, src, codes, spaces): (u64, u64, u64, u64),
    ) -> Result<Self, Trap> {
        let mut fields = Self {
            left: [0; 16],
            left_length: (codes >> 4 & 15) as usize + 1,
            right: [0; 16],
            right_length: (codes & 15) as usize + 1,
            distance: distance(cpu, dst, src, spaces),
            mask: cpu.wrap_address(u64::MAX),
        };
        let (left, right) = (fields.left_length, fields.right_length);
        read_for_update(cpu, first(spaces), dst, &mut fields.left[..left])?;
        read(cpu, second(spaces), src, &mut fields.right[..right])?;
        Ok(fields)
    }

    /// The second operand's byte, counted from the right; zero left of its end.
    fn source(&self, from_right: usize) -> u8 {
        let Some(at) = self.right_length.checked_sub(from_right + 1) else {
            return 0;
        };
        let stored = self.distance.and_then(|distance| {
            let inside = (at as u64).wrapping_sub(distance) & self.mask;
            self.left[..self.left_length].get(inside as usize)
        });
        *stored.unwrap_or(&self.right[at])
    }

    /// Replaces the first operand's byte, counted from the right.
    fn set(&mut self, from_right: usize, byte: u8) {
        if let Some(at) = self.left_length.checked_sub(from_right + 1) {
            self.left[at] = byte;
        }
    }

    fn store(&self, cpu: &mut S390Cpu, dst: u64, spaces: u64) -> Result<u64, Trap> {
        write(cpu, first(spaces), dst, &self.left[..self.left_length])?;
        Ok(0)
    }
}

pub(super) fn mvo(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    codes: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let mut fields = Fields::fetch(cpu, (dst, src, codes, spaces))?;
    let mut digit = fields.left[fields.left_length - 1] & 15;
    for at in 0..fields.left_length {
        let byte = fields.source(at);
        fields.set(at, byte << 4 | digit);
        digit = byte >> 4;
    }
    fields.store(cpu, dst, spaces)
}

pub(super) fn pack(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    codes: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let mut fields = Fields::fetch(cpu, (dst, src, codes, spaces))?;
    let last = fields.source(0);
    fields.set(0, last.rotate_left(4));
    for at in 1..fields.left_length {
        let low = fields.source(2 * at - 1) & 15;
        let high = fields.source(2 * at) & 15;
        fields.set(at, high << 4 | low);
    }
    fields.store(cpu, dst, spaces)
}

pub(super) fn unpk(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    codes: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let mut fields = Fields::fetch(cpu, (dst, src, codes, spaces))?;
    let last = fields.source(0);
    fields.set(0, last.rotate_left(4));
    let mut byte = 0;
    for at in 1..fields.left_length {
        // One source byte makes two zoned digits.
        if at % 2 == 1 {
            byte = fields.source(at / 2 + 1);
        } else {
            byte >>= 4;
        }
        fields.set(at, 0xf0 | byte & 15);
    }
    fields.store(cpu, dst, spaces)
}

/// PKA and PKU: the right digits of up to 32 characters of `unit` bytes, made positive.
fn pack_characters(
    cpu: &mut S390Cpu,
    (dst, src, length, spaces): (u64, u64, u64, u64),
    unit: usize,
) -> Result<u64, Trap> {
    let length = length as usize;
    if length > 32 * unit || !length.is_multiple_of(unit) {
        return Err(ProgramCode::Specification.into());
    }
    let mut characters = [0; 64];
    let characters = &mut characters[..length];
    read(cpu, second(spaces), src, characters)?;
    let mut packed = [0; 16];
    packed[15] = 0x0c;
    let digits = characters.rchunks_exact(unit).map(|c| c[unit - 1] & 15);
    for (place, digit) in (1..32).zip(digits) {
        packed[15 - place / 2] |= digit << (4 * (place % 2));
    }
    write(cpu, first(spaces), dst, &packed)?;
    Ok(0)
}

/// UNPKA and UNPKU: the digits of 16 packed bytes as characters of `unit` bytes, zeros on the
/// left; the condition code tells the sign.
fn unpack_characters(
    cpu: &mut S390Cpu,
    (dst, src, length, spaces): (u64, u64, u64, u64),
    unit: usize,
) -> Result<u64, Trap> {
    let length = length as usize;
    if length > 32 * unit || !length.is_multiple_of(unit) {
        return Err(ProgramCode::Specification.into());
    }
    let mut packed = [0; 16];
    read(cpu, second(spaces), src, &mut packed)?;
    let mut characters = [0; 64];
    let characters = &mut characters[..length];
    for (place, character) in (1..).zip(characters.rchunks_exact_mut(unit)) {
        let digit = match packed.get(15usize.wrapping_sub(place / 2)) {
            Some(byte) => byte >> (4 * (place % 2)) & 15,
            None => 0,
        };
        character[unit - 1] = 0x30 | digit;
    }
    write(cpu, first(spaces), dst, characters)?;
    Ok(match sign_of(packed[15]) {
        SignCode::Plus => 0,
        SignCode::Minus => 1,
        SignCode::Invalid => 3,
    })
}
