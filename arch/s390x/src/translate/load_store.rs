//! Loads and stores of registers.
//!
//! Not here: operations that combine storage with a register's value, and storage to storage.

use tcg::ir::{BinOp, Cond, Exit, MemMode, MemSize, Ty, UnOp, Val};
use tcg::{Effects, HelperDef, mem};

use super::compare::DXC_TRAP;
use super::source::Source;
use super::{Flow, Tx, bytes, require};
use crate::cpu::cc::CcKind;
use crate::cpu::{ProgramCheck, S390Cpu, psw, sets};
use crate::insn::Insn;

/// Loads the second operand of a source: into the whole register or its low half.
pub(crate) fn load(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (_, v) = source(tx, i);
    match tx.b.ty(v) {
        Ty::I32 => tx.set_r32(i.r1, v),
        Ty::I64 => tx.set_r64(i.r1, v),
    }
    Flow::Next
}

/// Loads a byte or halfword from D2(X2,B2), extended to a type.
pub(crate) fn load_part(tx: &mut Tx<'_>, i: &Insn, ty: Ty, size: MemSize, signed: bool) -> Flow {
    let v = operand(tx, i, ty, size, signed);
    match ty {
        Ty::I32 => tx.set_r32(i.r1, v),
        Ty::I64 => tx.set_r64(i.r1, v),
    }
    Flow::Next
}

fn operand(tx: &mut Tx<'_>, i: &Insn, ty: Ty, size: MemSize, signed: bool) -> Val {
    let address = tx.ea2(i);
    if signed {
        tx.load_signed(ty, size, i.b2, address)
    } else {
        tx.load(ty, size, i.b2, address)
    }
}

/// The same into a register's high half.
pub(crate) fn load_high(tx: &mut Tx<'_>, i: &Insn, size: MemSize, signed: bool) -> Flow {
    let v = operand(tx, i, Ty::I32, size, signed);
    tx.set_r32h(i.r1, v);
    Flow::Next
}

/// Loads the low bits of R2, extended.
pub(crate) fn extend(tx: &mut Tx<'_>, i: &Insn, ty: Ty, bits: u8, signed: bool) -> Flow {
    // No more of the register is read than is used: its halves may have been written apart.
    let v = tx.r32(i.r2);
    let v = tx.b.extend(ty, v, bits, signed);
    match ty {
        Ty::I32 => tx.set_r32(i.r1, v),
        Ty::I64 => tx.set_r64(i.r1, v),
    }
    Flow::Next
}

/// LOAD LOGICAL THIRTY ONE BITS.
pub(crate) fn load_31_bits(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (_, v) = source(tx, i);
    let v = tx.b.bin_imm(BinOp::And, v, 0x7fff_ffff);
    tx.set_r64(i.r1, v);
    Flow::Next
}

/// LOAD ADDRESS.
pub(crate) fn la(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    tx.set_address(i.r1, address);
    Flow::Next
}

/// LOAD ADDRESS RELATIVE LONG.
pub(crate) fn larl(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.relative_value(i.i2);
    tx.set_address(i.r1, address);
    Flow::Next
}

/// After access registers have changed: what address spaces they name in the access-register mode
/// is looked at anew.
static ACCESS_REGISTERS_CHANGED: HelperDef = HelperDef::new0(
    "access_registers_changed",
    Effects {
        reads_globals: true,
        observable: true,
        ..Effects::PURE
    },
    |cpu: &mut S390Cpu| {
        cpu.core.spaces_changed();
        Ok(0)
    },
);

/// Ends an instruction that has set access registers.
fn access_registers_changed(tx: &mut Tx<'_>) -> Flow {
    tx.call(&ACCESS_REGISTERS_CHANGED, &[]);
    Flow::Next
}

/// LOAD ADDRESS EXTENDED: also the access register that goes with the address.
pub(crate) fn lae(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let alet = match (tx.flags.0 & psw::SPACE) >> psw::SPACE_SHIFT {
        1 if i.b2 != 0 => tx.ar(i.b2),
        0 | 1 => tx.c32(0),
        2 => tx.c32(1),
        _ => tx.c32(2),
    };
    tx.set_address(i.r1, address);
    tx.set_ar(i.r1, alet);
    access_registers_changed(tx)
}

/// Stores the low bytes of a register at D2(X2,B2).
pub(crate) fn store(tx: &mut Tx<'_>, i: &Insn, size: MemSize) -> Flow {
    let address = tx.ea2(i);
    let v = low_bytes(tx, i.r1, size);
    tx.store(size, i.b2, address, v);
    Flow::Next
}

/// A register, or the half of it that has as many low bytes.
fn low_bytes(tx: &mut Tx<'_>, register: u8, size: MemSize) -> Val {
    match size {
        MemSize::B8 => tx.r64(register),
        _ => tx.r32(register),
    }
}

/// Stores the low bytes of a register's high half.
pub(crate) fn store_high(tx: &mut Tx<'_>, i: &Insn, size: MemSize) -> Flow {
    let address = tx.ea2(i);
    let v = tx.r32h(i.r1);
    tx.store(size, i.b2, address, v);
    Flow::Next
}

/// STORE RELATIVE LONG.
pub(crate) fn store_relative(tx: &mut Tx<'_>, i: &Insn, size: MemSize) -> Flow {
    let address = tx.relative_value(i.i2);
    let v = low_bytes(tx, i.r1, size);
    let mem = tx.relative_op(size);
    tx.b.store(mem, address, v);
    Flow::Next
}

/// MOVE of an immediate to storage: a byte, or a sign-extended halfword.
pub(crate) fn store_immediate(tx: &mut Tx<'_>, i: &Insn, size: MemSize) -> Flow {
    let address = tx.ea1(i);
    let v = tx.c64(i.i2 as u64);
    tx.store(size, i.b1, address, v);
    Flow::Next
}

fn reversed(tx: &mut Tx<'_>, v: Val, size: MemSize) -> Val {
    let swapped = tx.b.un(UnOp::ByteSwap, v);
    match size {
        MemSize::B2 => tx.b.bin_imm(BinOp::Shr, swapped, 16),
        _ => swapped,
    }
}

fn reversed_type(size: MemSize) -> Ty {
    if size == MemSize::B8 {
        Ty::I64
    } else {
        Ty::I32
    }
}

/// LOAD REVERSED from storage; a halfword replaces the lowest two bytes.
pub(crate) fn load_reversed(tx: &mut Tx<'_>, i: &Insn, size: MemSize) -> Flow {
    let v = operand(tx, i, reversed_type(size), size, false);
    let v = reversed(tx, v, size);
    match size {
        MemSize::B8 => tx.set_r64(i.r1, v),
        MemSize::B2 => {
            let old = tx.r32(i.r1);
            let v = tx.b.deposit(old, v, 0, 16);
            tx.set_r32(i.r1, v);
        }
        _ => tx.set_r32(i.r1, v),
    }
    Flow::Next
}

/// LOAD REVERSED of a register.
pub(crate) fn load_register_reversed(tx: &mut Tx<'_>, i: &Insn, ty: Ty) -> Flow {
    match ty {
        Ty::I32 => {
            let v = tx.r32(i.r2);
            let v = tx.b.un(UnOp::ByteSwap, v);
            tx.set_r32(i.r1, v);
        }
        Ty::I64 => {
            let v = tx.r64(i.r2);
            let v = tx.b.un(UnOp::ByteSwap, v);
            tx.set_r64(i.r1, v);
        }
    }
    Flow::Next
}

/// STORE REVERSED.
pub(crate) fn store_reversed(tx: &mut Tx<'_>, i: &Insn, size: MemSize) -> Flow {
    let address = tx.ea2(i);
    let v = match reversed_type(size) {
        Ty::I32 => tx.r32(i.r1),
        Ty::I64 => tx.r64(i.r1),
    };
    let v = reversed(tx, v, size);
    tx.store(size, i.b2, address, v);
    Flow::Next
}

/// INSERT CHARACTER.
pub(crate) fn ic(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let byte = operand(tx, i, Ty::I32, MemSize::B1, false);
    let old = tx.r32(i.r1);
    let v = tx.b.deposit(old, byte, 0, 8);
    tx.set_r32(i.r1, v);
    Flow::Next
}

/// INSERT CHARACTERS UNDER MASK into the word `shift` bits from the right. The condition code is
/// the sign of the bytes inserted as one number.
pub(crate) fn icm(tx: &mut Tx<'_>, i: &Insn, shift: u8) -> Flow {
    let address = tx.ea2(i);
    let packed = bytes::load(tx, i.m3, i.b2, address);
    let old = tx.r64(i.r1);
    let v = bytes::scatter(tx, old, packed, i.m3, shift);
    tx.set_r64(i.r1, v);
    match bytes::count(i.m3) {
        0 => tx.set_cc_const(0),
        n => {
            let aligned = tx.b.bin_imm(BinOp::Shl, packed, u64::from(64 - 8 * n));
            tx.set_cc1(CcKind::Compare64, aligned);
        }
    }
    Flow::Next
}

/// STORE CHARACTERS UNDER MASK from the word `shift` bits from the right.
pub(crate) fn stcm(tx: &mut Tx<'_>, i: &Insn, shift: u8) -> Flow {
    let address = tx.ea2(i);
    let word = tx.r64(i.r1);
    let word = tx.b.bin_imm(BinOp::Shr, word, shift.into());
    let packed = bytes::gather(tx, word, i.m3);
    bytes::store(tx, i.m3, i.b2, address, packed);
    Flow::Next
}

/// The registers from R1 to R3, wrapping round after 15, with the number of each in the list.
fn registers(i: &Insn) -> impl Iterator<Item = (u8, u64)> + use<> {
    let (r1, count) = (i.r1, (i.r3.wrapping_sub(i.r1) & 15) + 1);
    (0..count).map(move |n| ((r1 + n) & 15, n.into()))
}

/// Which part of each register a multiple load or store moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Half {
    Low,
    High,
}
pub(crate) use Half::{High, Low};

fn set_half(tx: &mut Tx<'_>, half: Half, register: u8, v: Val) {
    match half {
        Low => tx.set_r32(register, v),
        High => tx.set_r32h(register, v),
    }
}

fn half(tx: &mut Tx<'_>, half: Half, register: u8) -> Val {
    match half {
        Low => tx.r32(register),
        High => tx.r32h(register),
    }
}

/// LOAD MULTIPLE (HIGH): a word for each register. All words are loaded before any register
/// changes, so that an access exception leaves them as they were.
pub(crate) fn load_multiple32(tx: &mut Tx<'_>, i: &Insn, part: Half) -> Flow {
    let address = tx.ea2(i);
    let mut loaded = Vec::with_capacity(16);
    for (register, n) in registers(i) {
        let address = tx.address_plus(address, 4 * n);
        loaded.push((register, tx.load(Ty::I32, MemSize::B4, i.b2, address)));
    }
    for (register, v) in loaded {
        set_half(tx, part, register, v);
    }
    Flow::Next
}

/// LOAD MULTIPLE, 64 bits.
pub(crate) fn load_multiple64(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let mut loaded = Vec::with_capacity(16);
    for (register, n) in registers(i) {
        let address = tx.address_plus(address, 8 * n);
        loaded.push((register, tx.load(Ty::I64, MemSize::B8, i.b2, address)));
    }
    for (register, v) in loaded {
        tx.set_r64(register, v);
    }
    Flow::Next
}

/// LOAD MULTIPLE DISJOINT: high halves from the second operand, low halves from the fourth.
pub(crate) fn lmd(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (high, low) = (tx.ea2(i), tx.ea4(i));
    let mut loaded = Vec::with_capacity(16);
    for (register, n) in registers(i) {
        let (high, low) = (tx.address_plus(high, 4 * n), tx.address_plus(low, 4 * n));
        let high = tx.load(Ty::I32, MemSize::B4, i.b2, high);
        let low = tx.load(Ty::I32, MemSize::B4, i.b4, low);
        loaded.push((register, high, low));
    }
    for (register, high, low) in loaded {
        tx.set_r32h(register, high);
        tx.set_r32(register, low);
    }
    Flow::Next
}

/// STORE MULTIPLE (HIGH).
pub(crate) fn store_multiple32(tx: &mut Tx<'_>, i: &Insn, part: Half) -> Flow {
    let address = tx.ea2(i);
    for (register, n) in registers(i) {
        let address = tx.address_plus(address, 4 * n);
        let v = half(tx, part, register);
        tx.store(MemSize::B4, i.b2, address, v);
    }
    Flow::Next
}

/// STORE MULTIPLE, 64 bits.
pub(crate) fn store_multiple64(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    for (register, n) in registers(i) {
        let address = tx.address_plus(address, 8 * n);
        let v = tx.r64(register);
        tx.store(MemSize::B8, i.b2, address, v);
    }
    Flow::Next
}

/// LOAD ACCESS MULTIPLE: from a word boundary.
pub(crate) fn lam(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    let mut loaded = Vec::with_capacity(16);
    for (register, n) in registers(i) {
        let address = tx.address_plus(address, 4 * n);
        loaded.push((
            register,
            tx.load_aligned(Ty::I32, MemSize::B4, i.b2, address),
        ));
    }
    for (register, v) in loaded {
        tx.set_ar(register, v);
    }
    access_registers_changed(tx)
}

/// STORE ACCESS MULTIPLE: to a word boundary.
pub(crate) fn stam(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    for (register, n) in registers(i) {
        let address = tx.address_plus(address, 4 * n);
        let v = tx.ar(register);
        tx.store_aligned(MemSize::B4, i.b2, address, v);
    }
    Flow::Next
}

/// LOAD ON CONDITION from a register.
pub(crate) fn locr(tx: &mut Tx<'_>, i: &Insn, ty: Ty) -> Flow {
    let met = tx.test_cc(i.m3);
    let zero = tx.c32(0);
    match ty {
        Ty::I32 => {
            let (new, old) = (tx.r32(i.r2), tx.r32(i.r1));
            let v = tx.b.select(Cond::Ne, met, zero, new, old);
            tx.set_r32(i.r1, v);
        }
        Ty::I64 => {
            let (new, old) = (tx.r64(i.r2), tx.r64(i.r1));
            let v = tx.b.select(Cond::Ne, met, zero, new, old);
            tx.set_r64(i.r1, v);
        }
    }
    Flow::Next
}

/// LOAD ON CONDITION from storage, which is not looked at if the condition is not met.
pub(crate) fn loc(tx: &mut Tx<'_>, i: &Insn, size: MemSize) -> Flow {
    if i.m3 != 15 {
        let met = tx.test_cc(i.m3);
        let zero = tx.c32(0);
        let next = Exit::Jump { pc: tx.next_pc };
        tx.b.exit_if(Cond::Eq, met, zero, next);
    }
    let ty = reversed_type(size);
    load_part(tx, i, ty, size, false)
}

/// STORE ON CONDITION.
pub(crate) fn stoc(tx: &mut Tx<'_>, i: &Insn, size: MemSize) -> Flow {
    let address = tx.ea2(i);
    let met = tx.test_cc(i.m3);
    let v = low_bytes(tx, i.r1, size);
    let mem = tx.mem_op(size, i.b2);
    tx.b.store_if(met, mem, address, v);
    Flow::Next
}

/// After a load: a data exception if the value is zero.
fn trap_if_zero(tx: &mut Tx<'_>, v: Val) -> Flow {
    let ty = tx.b.ty(v);
    let zero = tx.b.constant(ty, 0);
    let trap = tx.b.set_cond(Cond::Eq, v, zero);
    tx.raise_if(trap, ProgramCheck::data(DXC_TRAP));
    Flow::Next
}

/// LOAD AND TRAP, LOAD LOGICAL AND TRAP.
pub(crate) fn load_and_trap(tx: &mut Tx<'_>, i: &Insn, source: Source) -> Flow {
    let (_, v) = source(tx, i);
    match tx.b.ty(v) {
        Ty::I32 => tx.set_r32(i.r1, v),
        Ty::I64 => tx.set_r64(i.r1, v),
    }
    trap_if_zero(tx, v)
}

/// LOAD HIGH AND TRAP.
pub(crate) fn load_high_and_trap(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = operand(tx, i, Ty::I32, MemSize::B4, false);
    tx.set_r32h(i.r1, v);
    trap_if_zero(tx, v)
}

/// LOAD LOGICAL THIRTY ONE BITS AND TRAP.
pub(crate) fn load_31_bits_and_trap(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = operand(tx, i, Ty::I64, MemSize::B4, false);
    let v = tx.b.bin_imm(BinOp::And, v, 0x7fff_ffff);
    tx.set_r64(i.r1, v);
    trap_if_zero(tx, v)
}

/// Loads a quadword, whole, into a pair of registers: the even one, address, space.
static LOAD_QUADWORD: HelperDef = HelperDef::new3(
    "lpq",
    Effects::GLOBALS.within(sets::NONE, sets::GPRS),
    |cpu: &mut S390Cpu, even, address, mode| {
        let v = mem::load_16(cpu, MemMode(mode as u8), address)?;
        cpu.gpr[even as usize & 14] = (v >> 64) as u64;
        cpu.gpr[even as usize & 14 | 1] = v as u64;
        Ok(0)
    },
);

/// Stores a quadword, whole: high and low half, address, space.
static STORE_QUADWORD: HelperDef = HelperDef::new4(
    "stpq",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, high, low, address, mode| {
        let v = u128::from(high) << 64 | u128::from(low);
        mem::store_16(cpu, MemMode(mode as u8), address, v)?;
        Ok(0)
    },
);

/// LOAD PAIR FROM QUADWORD.
pub(crate) fn lpq(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.even(i.r1));
    let address = tx.ea2(i);
    let mode = tx.data_mode_arg(i.b2);
    let even = tx.c64(i.r1.into());
    tx.call(&LOAD_QUADWORD, &[even, address, mode]);
    Flow::Next
}

/// STORE PAIR TO QUADWORD.
pub(crate) fn stpq(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.even(i.r1));
    let address = tx.ea2(i);
    let mode = tx.data_mode_arg(i.b2);
    let (high, low) = (tx.r64(i.r1), tx.r64(i.r1 + 1));
    tx.call(&STORE_QUADWORD, &[high, low, address, mode]);
    Flow::Next
}

/// EXTRACT ACCESS.
pub(crate) fn ear(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = tx.ar(i.r2);
    tx.set_r32(i.r1, v);
    Flow::Next
}

/// SET ACCESS.
pub(crate) fn sar(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = tx.r32(i.r2);
    tx.set_ar(i.r1, v);
    access_registers_changed(tx)
}

/// COPY ACCESS.
pub(crate) fn cpya(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = tx.ar(i.r2);
    tx.set_ar(i.r1, v);
    access_registers_changed(tx)
}

/// Prefetches and hints: nothing happens, and their operands raise no exceptions.
pub(crate) fn hint(_: &mut Tx<'_>, _: &Insn) -> Flow {
    Flow::Next
}
