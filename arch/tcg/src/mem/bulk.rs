//! Operations on long operands, as the architecture's storage-to-storage instructions do them.
//!
//! Each first finds out whether all of its operands can be accessed, so that it happens wholly or
//! not at all. Operands are at most [`LONGEST`] bytes; what is longer goes in pieces, whose
//! progress the instruction shows in registers.

use crate::guest::{Access, Guest, Trap};
use crate::ir::MemMode;

use super::{PAGE_SIZE, Span, span};

/// The longest operand.
pub const LONGEST: u64 = PAGE_SIZE;

/// What [`combine`] does with two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BytesOp {
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
}

/// An operand in one or two pages.
#[derive(Debug, Clone, Copy)]
struct Operand {
    first: Span,
    second: Option<Span>,
}

impl Operand {
    #[inline]
    fn find<G: Guest>(
        cpu: &mut G,
        mode: MemMode,
        access: Access,
        address: u64,
        length: u64,
    ) -> Result<Self, Trap> {
        debug_assert!(length <= LONGEST);
        let first = span(cpu, mode, access, address, length)?;
        let rest = length.min(LONGEST) - first.len() as u64;
        let second = if rest > 0 {
            let next = address.wrapping_add(first.len() as u64);
            Some(span(cpu, mode, access, next, rest)?)
        } else {
            None
        };
        Ok(Self { first, second })
    }

    /// What is left after `count` bytes, in one page.
    fn from(&self, count: usize) -> Option<Span> {
        if count < self.first.len() {
            Some(self.first.skip(count))
        } else {
            let rest = self.second?.skip(count - self.first.len());
            (!rest.is_empty()).then_some(rest)
        }
    }
}

/// Calls `f(offset, part of a, part of b)` with parts of equal length until it returns `Some`.
fn in_step<T>(
    a: &Operand,
    b: &Operand,
    mut f: impl FnMut(usize, Span, Span) -> Option<T>,
) -> Option<T> {
    let mut done = 0;
    while let (Some(x), Some(y)) = (a.from(done), b.from(done)) {
        let count = x.len().min(y.len());
        if let Some(result) = f(done, x.first(count), y.first(count)) {
            return Some(result);
        }
        done += count;
    }
    None
}

/// Copies `length` bytes from left to right, one at a time as observed (s390x: MVC).
///
/// # Errors
/// The trap of an operand's byte that cannot be accessed, the source's first; nothing is copied
/// then.
pub fn copy_forward<G: Guest>(
    cpu: &mut G,
    to_mode: MemMode,
    to: u64,
    from_mode: MemMode,
    from: u64,
    length: u64,
) -> Result<(), Trap> {
    if length == 0 {
        return Ok(());
    }
    let source = Operand::find(cpu, from_mode, Access::Read, from, length)?;
    let target = Operand::find(cpu, to_mode, Access::Write, to, length)?;
    let core = cpu.core();
    if target.second.is_none() && source.second.is_none() {
        target.first.copy_from(core, &source.first);
        return Ok(());
    }
    in_step(&target, &source, |_, target, source| {
        target.copy_from(core, &source);
        None::<()>
    });
    Ok(())
}

/// Combines `length` bytes with those of a second operand, from left to right, one at a time as
/// observed (s390x: NC, OC, XC); true if any result is not 0.
///
/// # Errors
/// The trap of an operand's byte that cannot be accessed; nothing is stored then.
pub fn combine<G: Guest>(
    cpu: &mut G,
    op: BytesOp,
    to_mode: MemMode,
    to: u64,
    from_mode: MemMode,
    from: u64,
    length: u64,
) -> Result<bool, Trap> {
    if length == 0 {
        return Ok(false);
    }
    let source = Operand::find(cpu, from_mode, Access::Read, from, length)?;
    let target = Operand::find(cpu, to_mode, Access::Write, to, length)?;
    let core = cpu.core();
    let mut any = false;
    in_step(&target, &source, |_, target, source| {
        any |= match op {
            BytesOp::Xor if target.absolute() == source.absolute() => {
                target.fill(core, 0);
                false
            }
            BytesOp::Xor => target.combine(core, &source, |a, b| a ^ b),
            BytesOp::And => target.combine(core, &source, |a, b| a & b),
            BytesOp::Or => target.combine(core, &source, |a, b| a | b),
        };
        None::<()>
    });
    Ok(any)
}

/// Compares `length` bytes; where they first differ: the offset and the two bytes.
///
/// # Errors
/// The trap of an operand's byte that cannot be read, equal or not before it.
pub fn compare<G: Guest>(
    cpu: &mut G,
    a_mode: MemMode,
    a: u64,
    b_mode: MemMode,
    b: u64,
    length: u64,
) -> Result<Option<(usize, u8, u8)>, Trap> {
    if length == 0 {
        return Ok(None);
    }
    let a = Operand::find(cpu, a_mode, Access::Read, a, length)?;
    let b = Operand::find(cpu, b_mode, Access::Read, b, length)?;
    let core = cpu.core();
    Ok(in_step(&a, &b, |offset, a, b| {
        a.first_difference(core, &b)
            .map(|(at, x, y)| (offset + at, x, y))
    }))
}

/// Sets `length` bytes.
///
/// # Errors
/// The trap of a byte that cannot be written; nothing is stored then.
pub fn fill<G: Guest>(
    cpu: &mut G,
    mode: MemMode,
    address: u64,
    byte: u8,
    length: u64,
) -> Result<(), Trap> {
    if length == 0 {
        return Ok(());
    }
    let target = Operand::find(cpu, mode, Access::Write, address, length)?;
    let core = cpu.core();
    target.first.fill(core, byte);
    if let Some(second) = target.second {
        second.fill(core, byte);
    }
    Ok(())
}
