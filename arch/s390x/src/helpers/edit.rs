//! EDIT and EDIT AND MARK: a pattern becomes text with the digits of packed numbers.

use tcg::helper::{Effects, HelperDef};
use tcg::{Guest, Trap};

use super::decimal::{SignCode, data, sign_of};
use super::operand::{distance, first, insert_address, read_byte, read_for_update, second, write};
use crate::cpu::{S390Cpu, sets};

/// ED: `(pattern, source, length, spaces)`; the condition code.
pub static ED: HelperDef = HelperDef::new4(
    "ed",
    Effects::ALL.within(sets::NONE, sets::CC),
    |cpu, a, b, length, spaces| edit(cpu, (a, b, length, spaces)).map(|(cc, _)| cc),
);
/// EDMK: `(pattern, source, length, spaces)`; the condition code.
pub static EDMK: HelperDef = HelperDef::new4(
    "edmk",
    Effects::ALL.within(sets::GR1, sets::GR1.and(sets::CC)),
    |cpu, a, b, length, spaces| {
        let (cc, mark) = edit(cpu, (a, b, length, spaces))?;
        if let Some(mark) = mark {
            insert_address(cpu, 1, mark);
        }
        Ok(cc)
    },
);

const DIGIT_SELECTOR: u8 = 0x20;
const SIGNIFICANCE_STARTER: u8 = 0x21;
const FIELD_SEPARATOR: u8 = 0x22;

/// Edits; the condition code, and where the last field's first significant digit is if it was
/// not preceded by significance.
fn edit(
    cpu: &mut S390Cpu,
    (pattern, source, length, spaces): (u64, u64, u64, u64),
) -> Result<(u64, Option<u64>), Trap> {
    let mut text = [0; 256];
    let text = &mut text[..(length as usize).min(256)];
    read_for_update(cpu, first(spaces), pattern, text)?;
    let fill = text[0];
    let ahead = distance(cpu, source, pattern, spaces);
    let mut fetched = 0;
    // The source's right digit that is still to be used.
    let mut pending = None;
    let mut significant = false;
    let mut nonzero = false;
    let mut mark = None;
    for at in 0..text.len() {
        match text[at] {
            selector @ (DIGIT_SELECTOR | SIGNIFICANCE_STARTER) => {
                let mut plus = false;
                let digit = match pending.take() {
                    Some(digit) => digit,
                    None => {
                        let inside = ahead.map(|ahead| ahead.wrapping_add(fetched));
                        let edited = inside.and_then(|inside| text.get(inside as usize));
                        let byte = match edited {
                            Some(&byte) => byte,
                            None => {
                                let address = cpu.wrap_address(source.wrapping_add(fetched));
                                read_byte(cpu, second(spaces), address)?
                            }
                        };
                        fetched += 1;
                        if byte >> 4 > 9 {
                            return Err(data());
                        }
                        match sign_of(byte) {
                            SignCode::Plus => plus = true,
                            SignCode::Minus => {}
                            SignCode::Invalid => pending = Some(byte & 15),
                        }
                        byte >> 4
                    }
                };
                if digit != 0 {
                    nonzero = true;
                    if !significant {
                        mark = Some(cpu.wrap_address(pattern.wrapping_add(at as u64)));
                    }
                }
                let shown = significant || digit != 0;
                text[at] = if shown { 0xf0 | digit } else { fill };
                significant = (shown || selector == SIGNIFICANCE_STARTER) && !plus;
            }
            FIELD_SEPARATOR => {
                text[at] = fill;
                significant = false;
                nonzero = false;
            }
            message => text[at] = if significant { message } else { fill },
        }
    }
    write(cpu, first(spaces), pattern, text)?;
    let cc = match (nonzero, significant) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 2,
    };
    Ok((cc, mark))
}
