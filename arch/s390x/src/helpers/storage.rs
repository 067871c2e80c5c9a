//! Moving, combining and comparing fields of up to 256 bytes: MVC and its kin.
//!
//! The manual processes such fields byte by byte from left to right, so a field that overlaps
//! its own source repeats it; and an access exception anywhere leaves all of storage as it was.
//! Here both operands are fetched first and stored at once. Not here: operands whose lengths are
//! in registers ([`super::long`]).

use tcg::helper::{Effects, HelperDef, Intrinsic};
use tcg::{Guest, Trap};

use super::operand::{
    distance, first, mismatch, order, overlap, read, read_for_update, room, second, write,
};
use crate::cpu::S390Cpu;

/// Longest field.
const FIELD: usize = 256;

/// MVC: `(dst, src, length, spaces)`.
pub static MVC: HelperDef =
    HelperDef::new4("mvc", Effects::MEMORY, mvc).with_intrinsic(Intrinsic::CopyBytes);
/// MVCIN: `(dst, src, length, spaces)`; `src` is the rightmost byte.
pub static MVCIN: HelperDef = HelperDef::new4("mvcin", Effects::MEMORY, mvcin);
/// MVN: `(dst, src, length, spaces)`.
pub static MVN: HelperDef = HelperDef::new4("mvn", Effects::MEMORY, mvn);
/// MVZ: `(dst, src, length, spaces)`.
pub static MVZ: HelperDef = HelperDef::new4("mvz", Effects::MEMORY, mvz);
/// NC: `(dst, src, length, spaces)`; the condition code.
pub static NC: HelperDef = HelperDef::new4("nc", Effects::MEMORY, nc);
/// OC: `(dst, src, length, spaces)`; the condition code.
pub static OC: HelperDef = HelperDef::new4("oc", Effects::MEMORY, oc);
/// XC: `(dst, src, length, spaces)`; the condition code.
pub static XC: HelperDef = HelperDef::new4("xc", Effects::MEMORY, xc);
/// XC of a field with itself: `(dst, length, spaces)`.
pub static CLEAR: HelperDef = HelperDef::new3("xc-clear", Effects::MEMORY, clear);
/// CLC: `(first, second, length, spaces)`; the condition code.
pub static CLC: HelperDef = HelperDef::new4("clc", Effects::READS, clc);

pub(super) fn mvc(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let count = (length as usize).min(FIELD);
    let mut field = [0; FIELD];
    let field = &mut field[..count];
    read(cpu, second(spaces), src, field)?;
    if let Some(distance) = overlap(cpu, dst, src, count as u64, spaces) {
        repeat(field, distance as usize);
    }
    write(cpu, first(spaces), dst, field)?;
    Ok(0)
}

/// What a left-to-right copy makes of a field that begins `distance` bytes behind its source.
fn repeat(field: &mut [u8], distance: usize) {
    for at in distance..field.len() {
        field[at] = field[at - distance];
    }
}

pub(super) fn mvcin(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let count = (length as usize).min(FIELD);
    let mut field = [0; FIELD];
    let field = &mut field[..count];
    let start = cpu.wrap_address(src.wrapping_sub(count as u64 - 1));
    read(cpu, second(spaces), start, field)?;
    field.reverse();
    write(cpu, first(spaces), dst, field)?;
    Ok(0)
}

/// Replaces every byte of the first operand by a function of both operands' bytes; whether any
/// result is not zero.
fn combine(
    cpu: &mut S390Cpu,
    (dst, src, length, spaces): (u64, u64, u64, u64),
    f: impl Fn(u8, u8) -> u8,
) -> Result<u64, Trap> {
    let count = (length as usize).min(FIELD);
    let (mut left, mut right) = ([0; FIELD], [0; FIELD]);
    let (left, right) = (&mut left[..count], &mut right[..count]);
    read_for_update(cpu, first(spaces), dst, left)?;
    read(cpu, second(spaces), src, right)?;
    if let Some(distance) = overlap(cpu, dst, src, count as u64, spaces) {
        let distance = distance as usize;
        for at in 0..count {
            let source = match at.checked_sub(distance) {
                Some(stored) => left[stored],
                None => right[at],
            };
            left[at] = f(left[at], source);
        }
    } else {
        for (byte, &source) in left.iter_mut().zip(&*right) {
            *byte = f(*byte, source);
        }
    }
    write(cpu, first(spaces), dst, left)?;
    Ok(u64::from(left.iter().any(|&byte| byte != 0)))
}

pub(super) fn mvn(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    combine(cpu, (dst, src, length, spaces), |a, b| a & 0xf0 | b & 0x0f)
}

pub(super) fn mvz(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    combine(cpu, (dst, src, length, spaces), |a, b| a & 0x0f | b & 0xf0)
}

pub(super) fn nc(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    combine(cpu, (dst, src, length, spaces), |a, b| a & b)
}

pub(super) fn oc(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    combine(cpu, (dst, src, length, spaces), |a, b| a | b)
}

pub(super) fn xc(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    if distance(cpu, dst, src, spaces) == Some(0) {
        return clear(cpu, dst, length, spaces);
    }
    combine(cpu, (dst, src, length, spaces), |a, b| a ^ b)
}

fn clear(cpu: &mut S390Cpu, dst: u64, length: u64, spaces: u64) -> Result<u64, Trap> {
    let count = (length as usize).min(FIELD);
    write(cpu, first(spaces), dst, &[0; FIELD][..count])?;
    Ok(0)
}

/// Compares page by page, so that bytes behind the first difference are not needed.
pub(super) fn clc(
    cpu: &mut S390Cpu,
    a: u64,
    b: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    let (mut left, mut right) = ([0; FIELD], [0; FIELD]);
    let (mut a, mut b, mut rest) = (cpu.wrap_address(a), cpu.wrap_address(b), length);
    while rest > 0 {
        let step = rest.min(room(a)).min(room(b)).min(FIELD as u64);
        let (left, right) = (&mut left[..step as usize], &mut right[..step as usize]);
        read(cpu, first(spaces), a, left)?;
        read(cpu, second(spaces), b, right)?;
        if let Some(at) = mismatch(left, right) {
            return Ok(order(left[at], right[at]));
        }
        a = cpu.wrap_address(a.wrapping_add(step));
        b = cpu.wrap_address(b.wrapping_add(step));
        rest -= step;
    }
    Ok(0)
}
