//! Conversions between UTF-8, UTF-16 and UTF-32: CU12, CU14, CU21, CU24, CU41, CU42.
//!
//! Condition code 0: the source is used up (a character that is cut off counts as none), 1: the
//! destination is full, 2: a character is not valid, 3: stopped by the CPU. Not here: conversions
//! by tables ([`super::translate_bytes`]).

use tcg::helper::{Effects, HelperDef};
use tcg::{Guest, Trap};

use super::operand::{address, first, length, read, room, second, set_address, set_length, write};
use crate::cpu::{S390Cpu, sets};

/// CU12: `(r1, r2, m3, spaces)`; the condition code.
pub static CU12: HelperDef = HelperDef::new4(
    "cu12",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), decode_utf8, encode_utf16),
);
/// CU14: `(r1, r2, m3, spaces)`; the condition code.
pub static CU14: HelperDef = HelperDef::new4(
    "cu14",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), decode_utf8, encode_utf32),
);
/// CU21: `(r1, r2, m3, spaces)`; the condition code.
pub static CU21: HelperDef = HelperDef::new4(
    "cu21",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), decode_utf16, encode_utf8),
);
/// CU24: `(r1, r2, m3, spaces)`; the condition code.
pub static CU24: HelperDef = HelperDef::new4(
    "cu24",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), decode_utf16, encode_utf32),
);
/// CU41: `(r1, r2, m3, spaces)`; the condition code.
pub static CU41: HelperDef = HelperDef::new4(
    "cu41",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), decode_utf32, encode_utf8),
);
/// CU42: `(r1, r2, m3, spaces)`; the condition code.
pub static CU42: HelperDef = HelperDef::new4(
    "cu42",
    Effects::ALL.within(sets::GPRS, sets::GPRS),
    |cpu, r1, r2, m3, spaces| convert(cpu, (r1, r2, m3, spaces), decode_utf32, encode_utf16),
);

/// Characters that one execution converts at most.
const CHARACTERS: u32 = 2048;
/// Characters stored at once.
const BATCH: u32 = 64;
/// Longest character of any encoding, in bytes.
const LONGEST: usize = 4;

/// What the front of some bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decoded {
    /// A character and its length in bytes.
    Character(u32, usize),
    /// The beginning of a character of this length.
    Short(usize),
    /// No character.
    Invalid,
}

/// The second flag asks for the well-formedness check.
type Decode = fn(&[u8], bool) -> Decoded;
type Encode = fn(u32) -> ([u8; LONGEST], usize);

fn decode_utf8(bytes: &[u8], check: bool) -> Decoded {
    let Some(&lead) = bytes.first() else {
        return Decoded::Short(1);
    };
    let (size, bits) = match lead {
        0x00..=0x7f => return Decoded::Character(lead.into(), 1),
        0xc0..=0xdf => (2, lead & 0x1f),
        0xe0..=0xef => (3, lead & 0x0f),
        0xf0..=0xf7 => (4, lead & 0x07),
        _ => return Decoded::Invalid,
    };
    if check && matches!(lead, 0xc0 | 0xc1 | 0xf5..) {
        return Decoded::Invalid;
    }
    let Some(tail) = bytes.get(1..size) else {
        return Decoded::Short(size);
    };
    if check {
        // Overlong forms, surrogates and what lies above U+10FFFF show in the second byte.
        let second = match lead {
            0xe0 => 0xa0..=0xbf,
            0xed => 0x80..=0x9f,
            0xf0 => 0x90..=0xbf,
            0xf4 => 0x80..=0x8f,
            _ => 0x80..=0xbf,
        };
        if !second.contains(&tail[0]) || tail[1..].iter().any(|byte| byte & 0xc0 != 0x80) {
            return Decoded::Invalid;
        }
    }
    let character = tail.iter().fold(u32::from(bits), |character, &byte| {
        character << 6 | u32::from(byte & 0x3f)
    });
    Decoded::Character(character, size)
}

fn decode_utf16(bytes: &[u8], check: bool) -> Decoded {
    let unit = |at: usize| {
        bytes
            .get(at..at + 2)
            .map(|unit| u32::from(u16::from_be_bytes([unit[0], unit[1]])))
    };
    match unit(0) {
        None => Decoded::Short(2),
        Some(high @ 0xd800..=0xdbff) => match unit(2) {
            None => Decoded::Short(4),
            Some(low) if check && low & 0xfc00 != 0xdc00 => Decoded::Invalid,
            Some(low) => Decoded::Character(
                (((high >> 6 & 0xf) + 1) << 16) | (high & 0x3f) << 10 | low & 0x3ff,
                4,
            ),
        },
        Some(0xdc00..=0xdfff) if check => Decoded::Invalid,
        Some(character) => Decoded::Character(character, 2),
    }
}

/// The manual has no check here: of the surrogates only the high ones are refused.
fn decode_utf32(bytes: &[u8], _check: bool) -> Decoded {
    let Some(&[a, b, c, d]) = bytes.get(..4) else {
        return Decoded::Short(4);
    };
    match u32::from_be_bytes([a, b, c, d]) {
        0xd800..=0xdbff | 0x11_0000.. => Decoded::Invalid,
        character => Decoded::Character(character, 4),
    }
}

fn encode_utf8(c: u32) -> ([u8; LONGEST], usize) {
    let tail = |shift: u32| (c >> shift & 0x3f) as u8 | 0x80;
    match c {
        0..0x80 => ([c as u8, 0, 0, 0], 1),
        0x80..0x800 => ([(c >> 6) as u8 | 0xc0, tail(0), 0, 0], 2),
        0x800..0x1_0000 => ([(c >> 12) as u8 | 0xe0, tail(6), tail(0), 0], 3),
        _ => ([(c >> 18 & 7) as u8 | 0xf0, tail(12), tail(6), tail(0)], 4),
    }
}

fn encode_utf16(c: u32) -> ([u8; LONGEST], usize) {
    if c < 0x1_0000 {
        let [a, b] = (c as u16).to_be_bytes();
        return ([a, b, 0, 0], 2);
    }
    let plane = (c >> 16).wrapping_sub(1) & 0xf;
    let high = 0xd800 | plane << 6 | c >> 10 & 0x3f;
    let low = 0xdc00 | c & 0x3ff;
    ((high << 16 | low).to_be_bytes(), 4)
}

fn encode_utf32(c: u32) -> ([u8; LONGEST], usize) {
    (c.to_be_bytes(), 4)
}

/// The part of the source that is at hand.
struct Window {
    bytes: [u8; 256],
    start: usize,
    end: usize,
}

impl Window {
    /// The next character of `left` source bytes from `at`; the flag is false for a source that
    /// ends within it.
    fn next(
        &mut self,
        cpu: &mut S390Cpu,
        (at, left, spaces): (u64, u64, u64),
        decode: impl Fn(&[u8]) -> Decoded,
    ) -> Result<Option<Decoded>, Trap> {
        let mut decoded = decode(&self.bytes[self.start..self.end]);
        if let Decoded::Short(_) = decoded {
            let count = left.min(room(at)).min(self.bytes.len() as u64) as usize;
            read(cpu, second(spaces), at, &mut self.bytes[..count])?;
            (self.start, self.end) = (0, count);
            decoded = decode(&self.bytes[..count]);
        }
        // A character may lie across the end of a page, and its length show in its first part.
        while let Decoded::Short(size) = decoded {
            if size as u64 > left {
                return Ok(None);
            }
            read(cpu, second(spaces), at, &mut self.bytes[..size])?;
            (self.start, self.end) = (0, size);
            decoded = decode(&self.bytes[..size]);
        }
        Ok(Some(decoded))
    }
}

fn convert(
    cpu: &mut S390Cpu,
    (r1, r2, m3, spaces): (u64, u64, u64, u64),
    decode: Decode,
    encode: Encode,
) -> Result<u64, Trap> {
    let (r1, r2) = (r1 as usize & 14, r2 as usize & 14);
    let check = m3 & 1 != 0;
    let (mut dst, mut src) = (address(cpu, r1), address(cpu, r2));
    let (mut room, mut left) = (length(cpu, r1 + 1), length(cpu, r2 + 1));
    let mut window = Window {
        bytes: [0; 256],
        start: 0,
        end: 0,
    };
    let mut result = Ok(3);
    for _ in 0..CHARACTERS / BATCH {
        let mut output = [0; BATCH as usize * LONGEST];
        let (mut used, mut made) = (0, 0);
        let mut end = None;
        for _ in 0..BATCH {
            let rest = left - used as u64;
            if rest == 0 {
                end = Some(Ok(0));
                break;
            }
            let at = cpu.wrap_address(src.wrapping_add(used as u64));
            let (character, size) =
                match window.next(cpu, (at, rest, spaces), |bytes| decode(bytes, check)) {
                    Ok(Some(Decoded::Character(character, size))) => (character, size),
                    Ok(None | Some(Decoded::Short(_))) => {
                        end = Some(Ok(0));
                        break;
                    }
                    Ok(Some(Decoded::Invalid)) => {
                        end = Some(Ok(2));
                        break;
                    }
                    Err(trap) => {
                        end = Some(Err(trap));
                        break;
                    }
                };
            let (bytes, count) = encode(character);
            if (made + count) as u64 > room {
                end = Some(Ok(1));
                break;
            }
            output[made..made + count].copy_from_slice(&bytes[..count]);
            made += count;
            used += size;
            window.start += size;
        }
        if made > 0
            && let Err(trap) = write(cpu, first(spaces), dst, &output[..made])
        {
            result = Err(trap);
            break;
        }
        cpu.per_unit_done();
        dst = cpu.wrap_address(dst.wrapping_add(made as u64));
        src = cpu.wrap_address(src.wrapping_add(used as u64));
        room -= made as u64;
        left -= used as u64;
        if let Some(end) = end {
            result = end;
            break;
        }
    }
    set_address(cpu, r1, dst);
    set_length(cpu, r1 + 1, room);
    set_address(cpu, r2, src);
    set_length(cpu, r2 + 1, left);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_survives_every_pair_of_encodings() {
        let pairs: [(Encode, Decode); 3] = [
            (encode_utf8, decode_utf8),
            (encode_utf16, decode_utf16),
            (encode_utf32, decode_utf32),
        ];
        for character in '\0'..=char::MAX {
            for (encode, decode) in pairs {
                let (bytes, count) = encode(character.into());
                assert_eq!(
                    decode(&bytes[..count], true),
                    Decoded::Character(character.into(), count)
                );
            }
            let mut own = [0; 4];
            let own = character.encode_utf8(&mut own).as_bytes();
            assert_eq!(encode_utf8(character.into()).0[..own.len()], *own);
        }
    }

    #[test]
    fn the_check_agrees_with_the_standard_library() {
        for lead in 0xc0..=0xffu8 {
            for second in 0..=255u8 {
                for rest in [[0x80, 0x80], [0xbf, 0xbf], [0x7f, 0x80], [0x80, 0xc0]] {
                    let bytes = [lead, second, rest[0], rest[1]];
                    let own = (1..=4).find_map(|n| std::str::from_utf8(&bytes[..n]).ok());
                    match (decode_utf8(&bytes, true), own) {
                        (Decoded::Character(c, size), Some(own)) => {
                            assert_eq!((size, char::from_u32(c)), (own.len(), own.chars().next()));
                        }
                        (Decoded::Invalid, None) => {}
                        other => panic!("{bytes:x?}: {other:?}"),
                    }
                }
            }
        }
    }
}
