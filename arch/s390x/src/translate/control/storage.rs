//! Instructions that translate addresses, access real storage and invalidate translations. Not
//! here: those about storage keys and protection ([`super::protection`]).

use tcg::ir::{MemSize, Ty};
use tcg::mem::PAGE_SIZE;
use tcg::{Access, Effects, HelperDef, Trap, mem};

use super::super::operand::{B4, B8};
use super::super::{Flow, Tx, require};
use super::mode;
use crate::cpu::key::{Addressing, Flags, MODE_REAL};
use crate::cpu::{ProgramCode, S390Cpu, psw, sets};
use crate::insn::Insn;
use crate::memory::dat::{self, Asce, Fault, Frame, Level, PAGE_INVALID, TABLE_INVALID};
use crate::memory::protection::AccessKey;
use crate::memory::{self, Space, translate_with};

/// The space that LOAD REAL ADDRESS translates in: the PSW's, whether DAT is on or not.
fn real_address_space(cpu: &S390Cpu, base: u8) -> Result<Space, ProgramCode> {
    cpu.space(Flags(cpu.psw_mask | psw::DAT).data_mode(base))
}

/// LOAD REAL ADDRESS: the condition code, and the register's new contents.
fn load_real_address(
    cpu: &mut S390Cpu,
    r1: usize,
    address: u64,
    base: u8,
    wide: bool,
) -> Result<u64, Trap> {
    let space = match real_address_space(cpu, base) {
        Ok(space) => space,
        Err(code @ ProgramCode::Addressing) => return Err(code.into()),
        // The access register names no space: condition code 3 with the reason.
        Err(code) => {
            set_low(cpu, r1, 0x8000_0000 | code as u64);
            cpu.set_cc(3);
            return Ok(0);
        }
    };
    let walked = match space {
        Space::Real => Ok(dat::Walked::same(address)),
        Space::Virtual { asce, .. } => dat::walk_entries(&cpu.core, asce, cpu.enhanced(), address),
    };
    let wide = wide || cpu.addressing() == Addressing::A64;
    match walked {
        Ok(walked) => {
            let real = real_address(cpu, walked);
            if wide {
                cpu.gpr[r1] = real;
            } else if real >> 31 != 0 {
                return Err(ProgramCode::SpecialOperation.into());
            } else {
                set_low(cpu, r1, real);
            }
            cpu.set_cc(0);
        }
        Err(failed) => match (failed.fault, failed.entry) {
            (fault @ (Fault::SegmentTranslation | Fault::PageTranslation), Some(entry)) => {
                if wide {
                    cpu.gpr[r1] = entry;
                } else {
                    set_low(cpu, r1, entry);
                }
                cpu.set_cc(if fault == Fault::SegmentTranslation {
                    1
                } else {
                    2
                });
            }
            (fault @ (Fault::TranslationSpecification | Fault::Addressing), _) => {
                return Err(fault.code().into());
            }
            (fault, _) => {
                set_low(cpu, r1, 0x8000_0000 | fault.code() as u64);
                cpu.set_cc(3);
            }
        },
    }
    Ok(0)
}

/// What translation gives as a real address; in a large frame it gives an absolute one.
fn real_address(cpu: &S390Cpu, walked: dat::Walked) -> u64 {
    match walked.to {
        Frame::Page(real) => real,
        Frame::Large { absolute, .. } => cpu.absolute(absolute),
    }
}

fn set_low(cpu: &mut S390Cpu, register: usize, value: u64) {
    cpu.gpr[register] = cpu.gpr[register] & !0xffff_ffff | value & 0xffff_ffff;
}

static LRA: HelperDef = HelperDef::new4(
    "lra",
    Effects::GLOBALS.within(sets::GPRS, sets::GPRS.and(sets::CC)),
    |cpu: &mut S390Cpu, r1, address, base, wide| {
        load_real_address(cpu, r1 as usize, address, base as u8, wide != 0)
    },
);

fn load_real(tx: &mut Tx<'_>, i: &Insn, wide: bool) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let (r1, base, wide) = (
        tx.c64(i.r1.into()),
        tx.c64(i.b2.into()),
        tx.c64(wide.into()),
    );
    tx.call(&LRA, &[r1, address, base, wide]);
    Flow::Next
}

/// LOAD REAL ADDRESS, with either displacement.
pub(crate) fn lra(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    load_real(tx, i, false)
}

/// LOAD REAL ADDRESS (64).
pub(crate) fn lrag(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    load_real(tx, i, true)
}

/// STORE REAL ADDRESS: the second operand's real address, at the first.
pub(crate) fn strag(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static REAL: HelperDef = HelperDef::new2(
        "strag",
        Effects::TRAPS,
        |cpu: &mut S390Cpu, address, base| {
            let mode = Flags(cpu.psw_mask | psw::DAT).data_mode(base as u8);
            let walked = memory::walk(cpu, address, mode)?;
            Ok(real_address(cpu, walked))
        },
    );
    require!(tx.privileged());
    let (address, operand) = (tx.ea1(i), tx.ea2(i));
    let base = tx.c64(i.b2.into());
    let real = tx.call(&REAL, &[operand, base]);
    tx.store_aligned(B8, i.b1, address, real);
    Flow::Next
}

/// LOAD and STORE USING REAL ADDRESS: R1, and the real address in R2.
fn real_op(tx: &Tx<'_>, size: MemSize) -> tcg::ir::MemOp {
    tcg::ir::MemOp {
        mode: MODE_REAL,
        ..tx.aligned_op(size, 0)
    }
}

pub(crate) fn lura(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let (address, op) = (tx.register_address(i.r2), real_op(tx, B4));
    let value = tx.b.load(Ty::I32, op, address);
    tx.set_r32(i.r1, value);
    Flow::Next
}

pub(crate) fn lurag(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let (address, op) = (tx.register_address(i.r2), real_op(tx, B8));
    let value = tx.b.load(Ty::I64, op, address);
    tx.set_r64(i.r1, value);
    Flow::Next
}

pub(crate) fn stura(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let (address, op, value) = (tx.register_address(i.r2), real_op(tx, B4), tx.r32(i.r1));
    tx.b.store(op, address, value);
    tx.per_stored_real();
    Flow::Next
}

pub(crate) fn sturg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let (address, op, value) = (tx.register_address(i.r2), real_op(tx, B8), tx.r64(i.r1));
    tx.b.store(op, address, value);
    tx.per_stored_real();
    Flow::Next
}

/// The absolute address of a table entry at a real address, which may be stored to.
fn entry_address(cpu: &mut S390Cpu, at: u64) -> Result<u64, Trap> {
    let page = memory::translate(cpu, at, Access::Write, MODE_REAL)?.page;
    Ok(page | (at % PAGE_SIZE))
}

/// Sets a bit of a table entry, interlocked; whether that changed it. The entry is at a real
/// address, and protected as storage is.
fn invalidate_entry(cpu: &mut S390Cpu, at: u64, bit: u64) -> Result<bool, Trap> {
    let at = entry_address(cpu, at)?;
    loop {
        let old = mem::load_absolute(&cpu.core, at, B8);
        if old & bit != 0 {
            return Ok(false);
        }
        if mem::compare_swap_absolute(&cpu.core, at, old, old | bit) == old {
            return Ok(true);
        }
    }
}

/// Bits 44-51 of an address: which entry of a page table.
const PAGE_INDEX: u64 = 0xff000;

/// INVALIDATE PAGE TABLE ENTRY: table origin in R1, virtual address in R2. Complete once no CPU
/// uses the entry any more, or only this one with the local-clearing control (facility 51). What
/// was formed from the entry goes by whatever segment it was reached: of the address only the
/// page index counts.
pub(crate) fn ipte(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static INVALIDATE: HelperDef = HelperDef::new3(
        "ipte",
        Effects::MEMORY,
        |cpu: &mut S390Cpu, table, address, local| {
            let at = (table & !0x7ff) + (address >> 12 & 0xff) * 8;
            invalidate_entry(cpu, at, PAGE_INVALID)?;
            if local == 0 {
                cpu.core.flush_pages_everywhere(address, PAGE_INDEX);
            } else {
                cpu.core.flush_pages(address, PAGE_INDEX);
            }
            Ok(0)
        },
    );
    require!(tx.privileged());
    let (table, address) = (tx.r64(i.r1), tx.r64(i.r2));
    let local = tx.c64(u64::from(i.m4 & 1));
    tx.call(&INVALIDATE, &[table, address, local]);
    Flow::NewBlock
}

/// INVALIDATE DAT TABLE ENTRY: table in R1 (with its type), address and count in R2, control
/// element in R3. With bit 52 of R2 nothing is invalidated and what was formed under the control
/// element is cleared.
pub(crate) fn idte(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static INVALIDATE: HelperDef = HelperDef::new4(
        "idte",
        Effects::MEMORY,
        |cpu: &mut S390Cpu, table, what, asce, local| {
            const CLEAR_BY_ASCE: u64 = 0x800;
            if what & 0x000f_f000 != 0 {
                return Err(ProgramCode::Specification.into());
            }
            let by_asce = what & CLEAR_BY_ASCE != 0;
            if !by_asce {
                let level: Level = Asce(table).level();
                let first = level.index(what);
                for n in 0..(what & 0x7ff) + 1 {
                    let entry = (first + n) & 0x7ff;
                    let at = Asce(table).origin().wrapping_add(entry * 8);
                    invalidate_entry(cpu, at, TABLE_INVALID)?;
                }
            }
            // This CPU has a tag for the space, which it gives up; others are not asked for more
            // than all.
            let alone = local != 0 || cpu.control.shared.cpus.count() == 1;
            match (by_asce, alone) {
                (true, true) => {
                    cpu.control.spaces.forget(Asce(asce));
                    cpu.core.spaces_changed();
                }
                (false, true) => cpu.core.flush_tlb(),
                (_, false) => cpu.core.flush_tlb_everywhere(),
            }
            Ok(0)
        },
    );
    require!(tx.privileged());
    let (table, what, asce) = (tx.r64(i.r1), tx.r64(i.r2), tx.r64(i.r3));
    let local = tx.c64(u64::from(i.m4 & 1));
    tx.call(&INVALIDATE, &[table, what, asce, local]);
    Flow::NewBlock
}

/// COMPARE AND REPLACE DAT TABLE ENTRY: R1 and the register after it against the entry that R2 (a
/// table's origin and kind) and the register after it (an address) name. What was formed from the
/// entry is cleared if it has been replaced.
fn compare_and_replace(cpu: &mut S390Cpu, r1: usize, r2: usize, local: bool) -> Result<(), Trap> {
    /// The kind of table, bits 59-61: a page table, or with the highest bit a level.
    const KIND: u64 = 0x1c;
    const IS_LEVEL: u64 = 0x10;
    const PAGE_TABLE: u64 = !0x7ff;
    let (table, address) = (cpu.gpr[r2], cpu.gpr[r2 + 1]);
    let at = match table & KIND {
        0 => (table & PAGE_TABLE) + (address >> 12 & 0xff) * 8,
        kind if kind & IS_LEVEL != 0 => {
            Asce(table).origin() + Asce(table).level().index(address) * 8
        }
        _ => return Err(ProgramCode::Specification.into()),
    };
    let at = entry_address(cpu, at)?;
    let (expected, new) = (cpu.gpr[r1], cpu.gpr[r1 + 1]);
    let old = mem::compare_swap_absolute(&cpu.core, at, expected, new);
    if old == expected {
        if local {
            cpu.core.flush_tlb();
        } else {
            cpu.core.flush_tlb_everywhere();
        }
        cpu.set_cc(0);
    } else {
        cpu.gpr[r1] = old;
        cpu.set_cc(1);
    }
    Ok(())
}

/// COMPARE AND REPLACE DAT TABLE ENTRY (enhanced DAT 2).
pub(crate) fn crdte(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static REPLACE: HelperDef = HelperDef::new3(
        "crdte",
        Effects::ALL.within(sets::GPRS, sets::GPRS.and(sets::CC)),
        |cpu: &mut S390Cpu, r1, r2, local| {
            compare_and_replace(cpu, r1 as usize & 14, r2 as usize & 14, local != 0)?;
            Ok(0)
        },
    );
    require!(tx.privileged());
    require!(tx.even(i.r1));
    require!(tx.even(i.r2));
    let (r1, r2) = (tx.c64(i.r1.into()), tx.c64(i.r2.into()));
    let local = tx.c64(u64::from(i.m4 & 1));
    tx.b.fence();
    tx.call(&REPLACE, &[r1, r2, local]);
    Flow::NewBlock
}

/// PURGE TLB, and PURGE ALB, of which there is none.
pub(crate) fn ptlb(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    static PURGE: HelperDef = HelperDef::new0("ptlb", Effects::TRANSLATION, |cpu: &mut S390Cpu| {
        cpu.core.flush_tlb();
        Ok(0)
    });
    require!(tx.privileged());
    tx.call(&PURGE, &[]);
    Flow::NewBlock
}

/// COMPARE AND SWAP AND PURGE: R1 and the register after it against storage at R2, whose lowest
/// bit wants all CPUs' TLBs purged.
fn swap_and_purge(
    cpu: &mut S390Cpu,
    r1: u64,
    r2: u64,
    size: MemSize,
    space: u64,
) -> Result<u64, Trap> {
    let (r1, operand) = (r1 as usize, cpu.gpr[r2 as usize]);
    let address = cpu.wrap(operand & !(size.bytes() - 1));
    let op = tcg::ir::MemOp {
        size,
        signed: false,
        aligned: true,
        mode: mode(space),
    };
    let mask = u64::MAX >> (64 - 8 * size.bytes());
    let (expected, new) = (cpu.gpr[r1] & mask, cpu.gpr[r1 + 1] & mask);
    let old = mem::compare_swap(cpu, op, address, expected, new)?;
    if old == expected {
        if operand & 1 != 0 {
            cpu.core.flush_tlb_everywhere();
        }
        cpu.set_cc(0);
    } else {
        cpu.gpr[r1] = cpu.gpr[r1] & !mask | old;
        cpu.set_cc(1);
    }
    Ok(0)
}

static CSP: HelperDef = HelperDef::new3(
    "csp",
    Effects::ALL.within(sets::GPRS, sets::GPRS.and(sets::CC)),
    |cpu: &mut S390Cpu, r1, r2, space| swap_and_purge(cpu, r1, r2, B4, space),
);
static CSPG: HelperDef = HelperDef::new3(
    "cspg",
    Effects::ALL.within(sets::GPRS, sets::GPRS.and(sets::CC)),
    |cpu: &mut S390Cpu, r1, r2, space| swap_and_purge(cpu, r1, r2, B8, space),
);

fn compare_swap_purge(tx: &mut Tx<'_>, i: &Insn, helper: &'static HelperDef) -> Flow {
    require!(tx.privileged());
    require!(tx.even(i.r1));
    let (r1, r2, space) = (
        tx.c64(i.r1.into()),
        tx.c64(i.r2.into()),
        tx.data_mode_arg(i.r2),
    );
    tx.b.fence();
    tx.call(helper, &[r1, r2, space]);
    Flow::NewBlock
}

pub(crate) fn csp(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    compare_swap_purge(tx, i, &CSP)
}

pub(crate) fn cspg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    compare_swap_purge(tx, i, &CSPG)
}

/// TEST BLOCK: clears a block of 4 KiB, and finds it usable. Keys protect nothing from it.
pub(crate) fn tb(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static TEST: HelperDef = HelperDef::new1(
        "tb",
        Effects::ALL.within(sets::NONE, sets::GR0.and(sets::CC)),
        |cpu: &mut S390Cpu, address| {
            let address = cpu.wrap(address) & !(PAGE_SIZE - 1);
            let page = translate_with(cpu, address, Access::Write, MODE_REAL, AccessKey::ZERO)?;
            mem::write_absolute(&cpu.core, page.page, &[0; PAGE_SIZE as usize]);
            cpu.gpr[0] = 0;
            cpu.set_cc(0);
            Ok(0)
        },
    );
    require!(tx.privileged());
    let address = tx.r64(i.r2);
    tx.call(&TEST, &[address]);
    Flow::Next
}
