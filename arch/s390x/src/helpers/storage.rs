//! Moving, combining and comparing fields of up to 256 bytes: MVC and its kin.
//!
//! The manual processes such fields byte by byte from left to right, so a field that overlaps
//! its own source repeats it; and an access exception anywhere leaves all of storage as it was.
//! Not here: operands whose lengths are
//! in registers ([`super::long`]).

use tcg::helper::{Effects, HelperDef, Intrinsic};
use tcg::mem::BytesOp;
use tcg::{Access, Guest, Trap, mem};

use super::operand::{first, order, overlap, read, read_for_update, second, write};
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
pub static NC: HelperDef = HelperDef::new4("nc", Effects::MEMORY, nc)
    .with_intrinsic(Intrinsic::CombineBytes(BytesOp::And));
/// OC: `(dst, src, length, spaces)`; the condition code.
pub static OC: HelperDef =
    HelperDef::new4("oc", Effects::MEMORY, oc).with_intrinsic(Intrinsic::CombineBytes(BytesOp::Or));
/// XC: `(dst, src, length, spaces)`; the condition code.
pub static XC: HelperDef = HelperDef::new4("xc", Effects::MEMORY, xc)
    .with_intrinsic(Intrinsic::CombineBytes(BytesOp::Xor));
/// XC of a field with itself: `(dst, length, spaces)`.
pub static CLEAR: HelperDef =
    HelperDef::new3("xc-clear", Effects::MEMORY, clear).with_intrinsic(Intrinsic::ClearBytes);
/// CLC: `(first, second, length, spaces)`; the condition code.
pub static CLC: HelperDef =
    HelperDef::new4("clc", Effects::READS, clc).with_intrinsic(Intrinsic::CompareBytes);

pub(super) fn mvc(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    mem::copy_forward(cpu, first(spaces), dst, second(spaces), src, length)?;
    Ok(0)
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

/// Replaces every byte of the first operand by a function of both operands' bytes.
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
    let distance = overlap(cpu, dst, src, count as u64, spaces);
    for at in 0..count {
        let stored = distance.and_then(|distance| at.checked_sub(distance as usize));
        let source = stored.map_or(right[at], |stored| left[stored]);
        left[at] = f(left[at], source);
    }
    write(cpu, first(spaces), dst, left)?;
    Ok(0)
}

/// The logical operations, in place.
fn logical(
    cpu: &mut S390Cpu,
    op: BytesOp,
    (dst, src, length, spaces): (u64, u64, u64, u64),
) -> Result<u64, Trap> {
    let (to, from) = (first(spaces), second(spaces));
    // A page that is only to be stored faults as one that is stored.
    mem::probe(cpu, to, Access::Write, dst, length)?;
    mem::combine(cpu, op, to, dst, from, src, length).map(u64::from)
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
    logical(cpu, BytesOp::And, (dst, src, length, spaces))
}

pub(super) fn oc(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    logical(cpu, BytesOp::Or, (dst, src, length, spaces))
}

pub(super) fn xc(
    cpu: &mut S390Cpu,
    dst: u64,
    src: u64,
    length: u64,
    spaces: u64,
) -> Result<u64, Trap> {
    logical(cpu, BytesOp::Xor, (dst, src, length, spaces))
}

fn clear(cpu: &mut S390Cpu, dst: u64, length: u64, spaces: u64) -> Result<u64, Trap> {
    mem::fill(cpu, first(spaces), dst, 0, length)?;
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
    let (mut a, mut b, mut rest) = (a, b, length);
    while rest > 0 {
        let left = mem::span(cpu, first(spaces), Access::Read, a, rest)?;
        let right = mem::span(cpu, second(spaces), Access::Read, b, rest)?;
        if let Some((_, left, right)) = left.first_difference(&cpu.core, &right) {
            return Ok(order(left, right));
        }
        let step = left.len().min(right.len()) as u64;
        a = a.wrapping_add(step);
        b = b.wrapping_add(step);
        rest -= step;
    }
    Ok(0)
}
