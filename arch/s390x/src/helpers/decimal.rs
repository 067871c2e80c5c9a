//! Decimal arithmetic on packed numbers of up to 31 digits: AP, SP, ZAP, CP, MP, DP, SRP, TP, and
//! the conversions CVB, CVD and their kin.
//!
//! A number is its magnitude and its sign apart, since zero has both signs while it is computed.
//! Operands are checked before anything is stored (data exception, DXC 0); decimal overflow
//! completes the instruction first. Not here: formats without arithmetic
//! ([`super::decimal_format`]), EDIT ([`super::edit`]).

use tcg::Trap;
use tcg::helper::{Effects, HelperDef};
use tcg::ir::MemMode;

use super::operand::{first, low_half, order, read, read_for_update, second, write};
use crate::cpu::{ProgramCheck, ProgramCode, S390Cpu, psw, sets};

/// AP: `(dst, src, length codes, spaces)`; sets the condition code.
pub static AP: HelperDef = HelperDef::new4(
    "ap",
    Effects::ALL.within(sets::MASK, sets::CC),
    |cpu, a, b, codes, spaces| add(cpu, (a, b, codes, spaces), false),
);
/// SP: `(dst, src, length codes, spaces)`; sets the condition code.
pub static SP: HelperDef = HelperDef::new4(
    "sp",
    Effects::ALL.within(sets::MASK, sets::CC),
    |cpu, a, b, codes, spaces| add(cpu, (a, b, codes, spaces), true),
);
/// ZAP: `(dst, src, length codes, spaces)`; sets the condition code.
pub static ZAP: HelperDef = HelperDef::new4("zap", Effects::ALL.within(sets::MASK, sets::CC), zap);
/// CP: `(first, second, length codes, spaces)`; the condition code.
pub static CP: HelperDef = HelperDef::new4("cp", Effects::READS, cp);
/// MP: `(dst, src, length codes, spaces)`.
pub static MP: HelperDef = HelperDef::new4("mp", Effects::MEMORY, mp);
/// DP: `(dst, src, length codes, spaces)`.
pub static DP: HelperDef = HelperDef::new4("dp", Effects::MEMORY, dp);
/// SRP: `(dst, shift, length code and rounding digit, spaces)`; sets the condition code.
pub static SRP: HelperDef = HelperDef::new4("srp", Effects::ALL.within(sets::MASK, sets::CC), srp);
/// TP: `(address, length code, space)`; the condition code.
pub static TP: HelperDef = HelperDef::new3("tp", Effects::READS, tp);
/// CVB, CVBY: `(r1, address, space)`.
pub static CVB: HelperDef =
    HelperDef::new3("cvb", Effects::GLOBALS.within(sets::GPRS, sets::GPRS), cvb);
/// CVBG: `(r1, address, space)`.
pub static CVBG: HelperDef = HelperDef::new3(
    "cvbg",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS),
    cvbg,
);
/// CVD, CVDY: `(value, address, space)`; the value's low half counts.
pub static CVD: HelperDef = HelperDef::new3("cvd", Effects::MEMORY, |cpu, v, at, space| {
    convert_to_decimal(cpu, i64::from(v as i32), (at, space), 8)
});
/// CVDG: `(value, address, space)`.
pub static CVDG: HelperDef = HelperDef::new3("cvdg", Effects::MEMORY, |cpu, v, at, space| {
    convert_to_decimal(cpu, v as i64, (at, space), 16)
});

/// Bytes of the longest number.
const LONGEST: usize = 16;

/// What a sign digit means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignCode {
    /// A, C, E, F.
    Plus,
    /// B, D.
    Minus,
    /// A digit.
    Invalid,
}

/// The sign in a byte's right digit.
pub fn sign_of(byte: u8) -> SignCode {
    match byte & 15 {
        0xb | 0xd => SignCode::Minus,
        0xa | 0xc | 0xe | 0xf => SignCode::Plus,
        _ => SignCode::Invalid,
    }
}

/// A packed number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number {
    /// Below 10^31.
    magnitude: u128,
    negative: bool,
}

impl Number {
    /// Reads a packed field.
    fn parse(field: &[u8]) -> Result<Self, Trap> {
        let (&last, leading) = field.split_last().ok_or_else(data)?;
        let magnitude = digits(leading)? * 10 + u128::from(digit(last >> 4)?);
        let negative = match sign_of(last) {
            SignCode::Plus => false,
            SignCode::Minus => true,
            SignCode::Invalid => return Err(data()),
        };
        Ok(Self {
            magnitude,
            negative,
        })
    }

    /// Writes as many digits as the field has, with the preferred sign.
    fn format(self, field: &mut [u8]) {
        let mut rest = self.magnitude;
        let mut sign = if self.negative { 0xd } else { 0xc };
        for byte in field.iter_mut().rev() {
            let low = if sign != 0 {
                std::mem::take(&mut sign)
            } else {
                take_digit(&mut rest)
            };
            *byte = take_digit(&mut rest) << 4 | low;
        }
    }

    /// 0 for zero, 1 for less, 2 for greater than zero.
    fn condition(self) -> u64 {
        order(self.signed(), 0)
    }

    fn signed(self) -> i128 {
        // Below 2^103, so it fits.
        let magnitude = self.magnitude as i128;
        if self.negative { -magnitude } else { magnitude }
    }

    fn from_signed(value: i128) -> Self {
        Self {
            magnitude: value.unsigned_abs(),
            negative: value < 0,
        }
    }
}

fn take_digit(rest: &mut u128) -> u8 {
    let digit = (*rest % 10) as u8;
    *rest /= 10;
    digit
}

/// The number that bytes of two digits each make.
fn digits(bytes: &[u8]) -> Result<u128, Trap> {
    bytes.iter().try_fold(0, |number, &byte| {
        let pair = digit(byte >> 4)? * 10 + digit(byte & 15)?;
        Ok(number * 100 + u128::from(pair))
    })
}

fn digit(nibble: u8) -> Result<u8, Trap> {
    if nibble < 10 { Ok(nibble) } else { Err(data()) }
}

/// The data exception of decimal operands.
pub(super) fn data() -> Trap {
    ProgramCheck::data(0).into()
}

/// 10 to the number of digits that a field of this many bytes holds.
fn capacity(bytes: usize) -> u128 {
    10u128.pow(2 * bytes as u32 - 1)
}

/// The operand lengths in bytes of a length-code byte.
fn lengths(codes: u64) -> (usize, usize) {
    ((codes >> 4 & 15) as usize + 1, (codes & 15) as usize + 1)
}

fn fetch(cpu: &mut S390Cpu, mode: MemMode, at: u64, length: usize) -> Result<Number, Trap> {
    let mut field = [0; LONGEST];
    let field = &mut field[..length];
    read(cpu, mode, at, field)?;
    Number::parse(field)
}

/// The first operand as fetched, after checking that it may be stored.
fn fetch_for_update(
    cpu: &mut S390Cpu,
    mode: MemMode,
    at: u64,
    length: usize,
) -> Result<[u8; LONGEST], Trap> {
    let mut field = [0; LONGEST];
    read_for_update(cpu, mode, at, &mut field[..length])?;
    Ok(field)
}

fn store(
    cpu: &mut S390Cpu,
    mode: MemMode,
    at: u64,
    length: usize,
    number: Number,
) -> Result<(), Trap> {
    let mut field = [0; LONGEST];
    let field = &mut field[..length];
    number.format(field);
    write(cpu, mode, at, field)
}

/// Stores a result and sets the condition code. What does not fit is cut off: cc 3 and, with
/// the decimal-overflow mask one, the interruption. A zero that is whole is positive.
fn finish(
    cpu: &mut S390Cpu,
    mode: MemMode,
    at: u64,
    length: usize,
    mut number: Number,
) -> Result<u64, Trap> {
    let limit = capacity(length);
    let overflow = number.magnitude >= limit;
    if overflow {
        number.magnitude %= limit;
    } else if number.magnitude == 0 {
        number.negative = false;
    }
    store(cpu, mode, at, length, number)?;
    conclude(cpu, number, overflow)
}

fn conclude(cpu: &mut S390Cpu, number: Number, overflow: bool) -> Result<u64, Trap> {
    if !overflow {
        cpu.set_cc(number.condition() as u8);
        return Ok(0);
    }
    cpu.set_cc(3);
    if cpu.psw_mask & psw::MASK_DECIMAL_OVERFLOW != 0 {
        return Err(ProgramCode::DecimalOverflow.into());
    }
    Ok(0)
}

fn add(
    cpu: &mut S390Cpu,
    (dst, src, codes, spaces): (u64, u64, u64, u64),
    subtract: bool,
) -> Result<u64, Trap> {
    let (l1, l2) = lengths(codes);
    let a = fetch_for_update(cpu, first(spaces), dst, l1)?;
    let b = fetch(cpu, second(spaces), src, l2)?;
    let a = Number::parse(&a[..l1])?;
    let b = if subtract { -b.signed() } else { b.signed() };
    finish(
        cpu,
        first(spaces),
        dst,
        l1,
        Number::from_signed(a.signed() + b),
    )
}

fn zap(cpu: &mut S390Cpu, dst: u64, src: u64, codes: u64, spaces: u64) -> Result<u64, Trap> {
    let (l1, l2) = lengths(codes);
    let number = fetch(cpu, second(spaces), src, l2)?;
    finish(cpu, first(spaces), dst, l1, number)
}

fn cp(cpu: &mut S390Cpu, a: u64, b: u64, codes: u64, spaces: u64) -> Result<u64, Trap> {
    let (l1, l2) = lengths(codes);
    let a = fetch(cpu, first(spaces), a, l1)?;
    let b = fetch(cpu, second(spaces), b, l2)?;
    Ok(order(a.signed(), b.signed()))
}

/// The second operand of MP and DP: at most 8 bytes and shorter than the first.
fn factor(cpu: &mut S390Cpu, src: u64, codes: u64, spaces: u64) -> Result<Number, Trap> {
    let (l1, l2) = lengths(codes);
    if l2 > 8 || l2 >= l1 {
        return Err(ProgramCode::Specification.into());
    }
    fetch(cpu, second(spaces), src, l2)
}

fn mp(cpu: &mut S390Cpu, dst: u64, src: u64, codes: u64, spaces: u64) -> Result<u64, Trap> {
    let (l1, l2) = lengths(codes);
    let b = factor(cpu, src, codes, spaces)?;
    let a = fetch_for_update(cpu, first(spaces), dst, l1)?;
    // The multiplicand has as many zero bytes on the left as the multiplier has bytes, so that
    // the product always fits.
    if a[..l2].iter().any(|&byte| byte != 0) {
        return Err(data());
    }
    let a = Number::parse(&a[..l1])?;
    let product = Number {
        magnitude: a.magnitude * b.magnitude,
        negative: a.negative != b.negative,
    };
    store(cpu, first(spaces), dst, l1, product)?;
    Ok(0)
}

fn dp(cpu: &mut S390Cpu, dst: u64, src: u64, codes: u64, spaces: u64) -> Result<u64, Trap> {
    let (l1, l2) = lengths(codes);
    let divisor = factor(cpu, src, codes, spaces)?;
    let dividend = fetch_for_update(cpu, first(spaces), dst, l1)?;
    // The divide exception needs the signs and those digits only which a trial subtraction of
    // the divisor, one digit right of the dividend's left end, uses; others may be invalid.
    if sign_of(dividend[l1 - 1]) == SignCode::Invalid {
        return Err(data());
    }
    if divisor.magnitude <= digits(&dividend[..l2])? {
        return Err(ProgramCode::DecimalDivide.into());
    }
    let dividend = Number::parse(&dividend[..l1])?;
    let quotient_length = l1 - l2;
    let quotient = Number {
        magnitude: dividend.magnitude / divisor.magnitude,
        negative: dividend.negative != divisor.negative,
    };
    let remainder = Number {
        magnitude: dividend.magnitude % divisor.magnitude,
        negative: dividend.negative,
    };
    let mut field = [0; LONGEST];
    let (left, right) = field[..l1].split_at_mut(quotient_length);
    quotient.format(left);
    remainder.format(right);
    write(cpu, first(spaces), dst, &field[..l1])?;
    Ok(0)
}

fn srp(cpu: &mut S390Cpu, dst: u64, shift: u64, codes: u64, spaces: u64) -> Result<u64, Trap> {
    let (length, _) = lengths(codes);
    let field = fetch_for_update(cpu, first(spaces), dst, length)?;
    let rounding = digit((codes & 15) as u8)?;
    let mut number = Number::parse(&field[..length])?;
    // Six bits, signed: to the left if positive.
    let shift = ((shift as i8) << 2) >> 2;
    let limit = capacity(length);
    let mut overflow = false;
    if shift >= 0 {
        for _ in 0..shift {
            number.magnitude *= 10;
            overflow |= number.magnitude >= limit;
            number.magnitude %= limit;
        }
    } else {
        let count = u32::from(shift.unsigned_abs());
        // The rounding digit is added to the last digit that is shifted out.
        number.magnitude = match 10u128.checked_pow(count - 1) {
            Some(power) => (number.magnitude / power + u128::from(rounding)) / 10,
            None => 0,
        };
    }
    if !overflow && number.magnitude == 0 {
        number.negative = false;
    }
    store(cpu, first(spaces), dst, length, number)?;
    conclude(cpu, number, overflow)
}

fn tp(cpu: &mut S390Cpu, at: u64, code: u64, space: u64) -> Result<u64, Trap> {
    let mut field = [0; LONGEST];
    let field = &mut field[..(code & 15) as usize + 1];
    read(cpu, MemMode(space as u8), at, field)?;
    let last = field[field.len() - 1];
    let sign = sign_of(last) == SignCode::Invalid;
    field[code as usize & 15] = last & 0xf0;
    let digits = field.iter().any(|&byte| byte >> 4 > 9 || byte & 15 > 9);
    Ok(u64::from(sign) + 2 * u64::from(digits))
}

fn cvb(cpu: &mut S390Cpu, r1: u64, at: u64, space: u64) -> Result<u64, Trap> {
    let number = fetch(cpu, MemMode(space as u8), at, 8)?.signed();
    let register = &mut cpu.gpr[r1 as usize & 15];
    *register = low_half(*register, number as u64);
    // The right bits are in place when the interruption comes.
    match i32::try_from(number) {
        Ok(_) => Ok(0),
        Err(_) => Err(ProgramCode::FixedPointDivide.into()),
    }
}

fn cvbg(cpu: &mut S390Cpu, r1: u64, at: u64, space: u64) -> Result<u64, Trap> {
    let number = fetch(cpu, MemMode(space as u8), at, 16)?.signed();
    match i64::try_from(number) {
        Ok(value) => {
            cpu.gpr[r1 as usize & 15] = value as u64;
            Ok(0)
        }
        Err(_) => Err(ProgramCode::FixedPointDivide.into()),
    }
}

fn convert_to_decimal(
    cpu: &mut S390Cpu,
    value: i64,
    (at, space): (u64, u64),
    length: usize,
) -> Result<u64, Trap> {
    let number = Number::from_signed(value.into());
    store(cpu, MemMode(space as u8), at, length, number)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_their_formats() {
        for value in [
            0,
            1,
            -1,
            9,
            -10,
            12345,
            10i128.pow(31) - 1,
            1 - 10i128.pow(31),
        ] {
            let number = Number::from_signed(value);
            let mut field = [0xee; LONGEST];
            number.format(&mut field);
            assert_eq!(Number::parse(&field).unwrap(), number);
        }
        let mut field = [0; 3];
        Number::from_signed(-12345).format(&mut field);
        assert_eq!(field, [0x12, 0x34, 0x5d]);
    }

    #[test]
    fn digits_and_signs_that_are_none_are_data_exceptions() {
        for field in [[0x1a, 0x2c], [0xa1, 0x2c], [0x12, 0xac], [0x12, 0x39]] {
            assert_eq!(Number::parse(&field), Err(data()));
        }
    }
}
