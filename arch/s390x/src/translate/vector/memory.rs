//! Vector loads and stores.

use tcg::ir::{BinOp, Cond, MemMode, MemSize, Ty, UnOp, Val};
use tcg::{Access, Effects, HelperDef, Intrinsic, mem};

use super::element;
use crate::cpu::cc::CcKind;
use crate::cpu::{ProgramCode, S390Cpu, sets};
use crate::insn::Insn;
use crate::translate::operand::B8;
use crate::translate::{Flow, Tx, require};
use crate::vector::{ElementSize, Vector};

/// How many bytes of storage an element takes; quadwords move in halves.
fn bytes(size: ElementSize) -> MemSize {
    match size {
        ElementSize::Byte => MemSize::B1,
        ElementSize::Halfword => MemSize::B2,
        ElementSize::Word => MemSize::B4,
        ElementSize::Doubleword | ElementSize::Quadword => B8,
    }
}

/// The 16 bytes at an address.
fn load(tx: &mut Tx<'_>, base: u8, address: Val) -> (Val, Val) {
    let left = tx.load(Ty::I64, B8, base, address);
    let address = tx.address_plus(address, 8);
    let right = tx.load(Ty::I64, B8, base, address);
    (left, right)
}

/// Checks that bytes at an address can be stored, if the first argument is not 0.
static CHECK_STORE: HelperDef = HelperDef::new4(
    "check_vector_store",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, when, address, length, mode| {
        if when != 0 {
            mem::probe(cpu, MemMode(mode as u8), Access::Write, address, length)?;
        }
        Ok(0)
    },
)
.with_intrinsic(Intrinsic::NothingIfZero);

/// Checks that all of an operand can be stored where it crosses a page's end. Elsewhere a store of
/// its first bytes finds whether it can: only the first part of a page may be protected by itself.
fn check_store(tx: &mut Tx<'_>, base: u8, address: Val, length: u64) {
    let offset = tx.b.bin_imm(BinOp::And, address, mem::PAGE_SIZE - 1);
    let last = tx.c64(mem::PAGE_SIZE - length);
    let crosses = tx.b.set_cond(Cond::GtU, offset, last);
    let (length, mode) = (tx.c64(length), tx.data_mode_arg(base));
    tx.call(&CHECK_STORE, &[crosses, address, length, mode]);
}

/// Stores 16 bytes that have been checked.
fn store(tx: &mut Tx<'_>, base: u8, address: Val, (left, right): (Val, Val)) {
    tx.store(B8, base, address, left);
    let address = tx.address_plus(address, 8);
    tx.store(B8, base, address, right);
}

/// VL.
pub fn vl(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let v = load(tx, i.b2, address);
    tx.set_v128(i.v1, v);
    Flow::Next
}

/// VST.
pub fn vst(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    check_store(tx, i.b2, address, 16);
    let v = tx.v128(i.v1);
    store(tx, i.b2, address, v);
    Flow::Next
}

/// How many registers VLM and VSTM move: up to 16, without wrapping around.
fn count(tx: &mut Tx<'_>, i: &Insn) -> Result<u8, Flow> {
    let count = i.v3.wrapping_sub(i.v1).wrapping_add(1);
    tx.demand((1..=16).contains(&count), ProgramCode::Specification)?;
    Ok(count)
}

/// VLM.
pub fn vlm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let count = require!(count(tx, i));
    let address = tx.ea2(i);
    let mut loaded = Vec::with_capacity(16);
    for n in 0..count {
        let address = tx.address_plus(address, 16 * u64::from(n));
        loaded.push(load(tx, i.b2, address));
    }
    for (register, v) in (i.v1..).zip(loaded) {
        tx.set_v128(register, v);
    }
    Flow::Next
}

/// VSTM.
pub fn vstm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let count = require!(count(tx, i));
    let address = tx.ea2(i);
    check_store(tx, i.b2, address, 16 * u64::from(count));
    for n in 0..count {
        let address = tx.address_plus(address, 16 * u64::from(n));
        let v = tx.v128(i.v1 + n);
        store(tx, i.b2, address, v);
    }
    Flow::Next
}

/// Loads bytes into the left of a register and zeros behind them: register, address, how many
/// (more than 16 count as 16), space.
static LOAD_BYTES: HelperDef = HelperDef::new4(
    "vector_load_bytes",
    Effects {
        writes_globals: true,
        ..Effects::READS.within(sets::NONE, sets::VECTORS)
    },
    |cpu: &mut S390Cpu, register, address, length, mode| {
        let mut bytes = [0; 16];
        let length = length.min(16) as usize;
        mem::read_bytes(cpu, MemMode(mode as u8), address, &mut bytes[..length])?;
        cpu.vr[register as usize & 31] = Vector::from_bytes(bytes);
        Ok(0)
    },
);

fn load_bytes(tx: &mut Tx<'_>, i: &Insn, address: Val, length: Val) -> Flow {
    let (register, mode) = (tx.c64(i.v1.into()), tx.data_mode_arg(i.b2));
    tx.call(&LOAD_BYTES, &[register, address, length, mode]);
    Flow::Next
}

/// Stores the leftmost of 16 bytes: left half, right half, address, how many (more than 16 count
/// as 16), space.
static STORE_BYTES: HelperDef = HelperDef::new5(
    "vector_store_bytes",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, left, right, address, length, mode| {
        let bytes = Vector { left, right }.to_bytes();
        let length = length.min(16) as usize;
        mem::write_bytes(cpu, MemMode(mode as u8), address, &bytes[..length])?;
        Ok(0)
    },
);

/// One more than the index of the last byte, which a register has.
fn length(tx: &mut Tx<'_>, register: u8) -> Val {
    let highest = tx.r32(register);
    let highest = tx.b.zext(highest);
    tx.b.bin_imm(BinOp::Add, highest, 1)
}

/// VLL.
pub fn vll(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (address, length) = (tx.ea2(i), length(tx, i.r3));
    load_bytes(tx, i, address, length)
}

/// VSTL.
pub fn vstl(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (address, length) = (tx.ea2(i), length(tx, i.r3));
    let (left, right) = tx.v128(i.v1);
    let mode = tx.data_mode_arg(i.b2);
    tx.call(&STORE_BYTES, &[left, right, address, length, mode]);
    Flow::Next
}

/// How many bytes there are from an address to the next boundary that M3 names: 64 bytes, 128, and
/// so on to 4 KiB.
fn to_boundary(tx: &mut Tx<'_>, i: &Insn, address: Val) -> Result<Val, Flow> {
    tx.demand(i.m3 <= 6, ProgramCode::Specification)?;
    let block = 64u64 << i.m3;
    let offset = tx.b.bin_imm(BinOp::And, address, block - 1);
    let block = tx.c64(block);
    Ok(tx.b.sub(block, offset))
}

/// VLBB.
pub fn vlbb(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let length = require!(to_boundary(tx, i, address));
    load_bytes(tx, i, address, length)
}

/// LCBB.
pub fn lcbb(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let length = require!(to_boundary(tx, i, address));
    let whole = tx.c64(16);
    let count = tx.b.select(Cond::LtU, length, whole, length, whole);
    let count = tx.b.trunc(count);
    tx.set_r32(i.r1, count);
    let short = tx.b.set_cond(Cond::LtU, length, whole);
    let code = tx.b.bin_imm(BinOp::Mul, short, 3);
    tx.set_cc1(CcKind::Code, code);
    Flow::Next
}

/// An element in storage, with its bytes reversed if asked for.
fn load_element(tx: &mut Tx<'_>, base: u8, address: Val, size: ElementSize, order: Order) -> Val {
    let v = tx.load(Ty::I64, bytes(size), base, address);
    order.of_element(tx, v, size)
}

/// The order of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As elsewhere.
    Forward,
    /// From right to left.
    Reversed,
}

impl Order {
    /// An element at the right end of 64 bits that are otherwise zero.
    fn of_element(self, tx: &mut Tx<'_>, v: Val, size: ElementSize) -> Val {
        match self {
            Self::Forward => v,
            Self::Reversed => {
                let v = tx.b.un(UnOp::ByteSwap, v);
                tx.b.bin_imm(BinOp::Shr, v, u64::from(64 - size.bits().min(64)))
            }
        }
    }
}

/// VLEB, VLEH, VLEF, VLEG, VLEBRH, VLEBRF, VLEBRG.
pub fn vle(tx: &mut Tx<'_>, i: &Insn, size: ElementSize, order: Order) -> Flow {
    require!(tx.element_index(i.m3.into(), size));
    let address = tx.ea2(i);
    let v = load_element(tx, i.b2, address, size, order);
    element::set(tx, i.v1, size, i.m3, v);
    Flow::Next
}

/// VSTEB, VSTEH, VSTEF, VSTEG, VSTEBRH, VSTEBRF, VSTEBRG.
pub fn vste(tx: &mut Tx<'_>, i: &Insn, size: ElementSize, order: Order) -> Flow {
    require!(tx.element_index(i.m3.into(), size));
    let address = tx.ea2(i);
    let v = element::get(tx, i.v1, size, i.m3);
    let v = order.of_element(tx, v, size);
    tx.store(bytes(size), i.b2, address, v);
    Flow::Next
}

/// VLREP, VLBRREP.
pub fn vlrep(tx: &mut Tx<'_>, i: &Insn, least: ElementSize, order: Order) -> Flow {
    let size = require!(tx.element_size(i.m3, least..=ElementSize::Doubleword));
    let address = tx.ea2(i);
    let v = load_element(tx, i.b2, address, size, order);
    let v = element::replicate(tx, v, size);
    tx.set_v128(i.v1, (v, v));
    Flow::Next
}

/// VLLEZ, VLLEBRZ: an element at the right end of the left half, or, with 6, a word at the
/// register's left end (vector enhancements 1 and 2).
pub fn vllez(tx: &mut Tx<'_>, i: &Insn, least: ElementSize, left: bool, order: Order) -> Flow {
    let (size, shift) = if left && i.m3 == 6 {
        (ElementSize::Word, 32)
    } else {
        let sizes = least..=ElementSize::Doubleword;
        (require!(tx.element_size(i.m3, sizes)), 0)
    };
    let address = tx.ea2(i);
    let v = load_element(tx, i.b2, address, size, order);
    let left = tx.b.bin_imm(BinOp::Shl, v, shift);
    let right = tx.c64(0);
    tx.set_v128(i.v1, (left, right));
    Flow::Next
}

/// The address of an element that VGEF, VGEG, VSCEF and VSCEG name: the index is in the element
/// of that number.
fn indexed(tx: &mut Tx<'_>, i: &Insn, size: ElementSize) -> Result<Val, Flow> {
    tx.element_index(i.m3.into(), size)?;
    let index = element::get(tx, i.v2, size, i.m3);
    let address = tx.unwrapped_address(i.b2, 0, i.d2);
    let sum = tx.b.add(address, index);
    Ok(tx.wrap(sum))
}

/// VGEF, VGEG.
pub fn vge(tx: &mut Tx<'_>, i: &Insn, size: ElementSize) -> Flow {
    let address = require!(indexed(tx, i, size));
    let v = tx.load(Ty::I64, bytes(size), i.b2, address);
    element::set(tx, i.v1, size, i.m3, v);
    Flow::Next
}

/// VSCEF, VSCEG.
pub fn vsce(tx: &mut Tx<'_>, i: &Insn, size: ElementSize) -> Flow {
    let address = require!(indexed(tx, i, size));
    let v = element::get(tx, i.v1, size, i.m3);
    tx.store(bytes(size), i.b2, address, v);
    Flow::Next
}

/// Exchanges neighbouring groups of `bits` bits.
fn exchange(tx: &mut Tx<'_>, v: Val, bits: u32) -> Val {
    let mask = if bits == 8 {
        0x00ff_00ff_00ff_00ff
    } else {
        0x0000_ffff_0000_ffff
    };
    let right = tx.b.bin_imm(BinOp::Shr, v, bits.into());
    let right = tx.b.bin_imm(BinOp::And, right, mask);
    let left = tx.b.bin_imm(BinOp::And, v, mask);
    let left = tx.b.bin_imm(BinOp::Shl, left, bits.into());
    tx.b.or(left, right)
}

/// Reverses the bytes of each element.
fn reverse_bytes(tx: &mut Tx<'_>, (left, right): (Val, Val), size: ElementSize) -> (Val, Val) {
    let mut half = |v: Val| match size {
        ElementSize::Byte => v,
        ElementSize::Halfword => exchange(tx, v, 8),
        ElementSize::Word => {
            let v = tx.b.un(UnOp::ByteSwap, v);
            tx.b.bin_imm(BinOp::Rotl, v, 32)
        }
        ElementSize::Doubleword | ElementSize::Quadword => tx.b.un(UnOp::ByteSwap, v),
    };
    let (left, right) = (half(left), half(right));
    match size {
        ElementSize::Quadword => (right, left),
        _ => (left, right),
    }
}

/// Reverses the order of the elements.
fn reverse_elements(tx: &mut Tx<'_>, (left, right): (Val, Val), size: ElementSize) -> (Val, Val) {
    let mut half = |v: Val| match size {
        ElementSize::Byte => tx.b.un(UnOp::ByteSwap, v),
        ElementSize::Halfword => {
            let v = tx.b.bin_imm(BinOp::Rotl, v, 32);
            exchange(tx, v, 16)
        }
        ElementSize::Word => tx.b.bin_imm(BinOp::Rotl, v, 32),
        ElementSize::Doubleword | ElementSize::Quadword => v,
    };
    let (left, right) = (half(left), half(right));
    match size {
        ElementSize::Quadword => (left, right),
        _ => (right, left),
    }
}

/// What VLBR, VSTBR, VLER and VSTER do with a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reversal {
    /// The bytes of each element.
    Bytes,
    /// The elements.
    Elements,
}

impl Reversal {
    fn size(self, tx: &mut Tx<'_>, m3: u8) -> Result<ElementSize, Flow> {
        let most = match self {
            Self::Bytes => ElementSize::Quadword,
            Self::Elements => ElementSize::Doubleword,
        };
        tx.element_size(m3, ElementSize::Halfword..=most)
    }

    fn apply(self, tx: &mut Tx<'_>, v: (Val, Val), size: ElementSize) -> (Val, Val) {
        match self {
            Self::Bytes => reverse_bytes(tx, v, size),
            Self::Elements => reverse_elements(tx, v, size),
        }
    }
}

/// VLBR, VLER.
pub fn load_reversed(tx: &mut Tx<'_>, i: &Insn, reversal: Reversal) -> Flow {
    let size = require!(reversal.size(tx, i.m3));
    let address = tx.ea2(i);
    let v = load(tx, i.b2, address);
    let v = reversal.apply(tx, v, size);
    tx.set_v128(i.v1, v);
    Flow::Next
}

/// VSTBR, VSTER.
pub fn store_reversed(tx: &mut Tx<'_>, i: &Insn, reversal: Reversal) -> Flow {
    let size = require!(reversal.size(tx, i.m3));
    let address = tx.ea2(i);
    check_store(tx, i.b2, address, 16);
    let v = tx.v128(i.v1);
    let v = reversal.apply(tx, v, size);
    store(tx, i.b2, address, v);
    Flow::Next
}
