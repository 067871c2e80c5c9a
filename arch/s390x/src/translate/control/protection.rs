//! Instructions about storage keys and protection: testing, showing and setting them, and managing
//! frames.
//!
//! A translation remembers what a key allows and that its reference and change bits are set. So
//! whoever takes any of that back has it forgotten on all CPUs before the instruction completes;
//! quiescing or not (facility 14) is the same here.

use tcg::mem::PAGE_SIZE;
use tcg::{Access, Effects, HelperDef, Trap, mem};

use super::super::{Flow, Tx, require};
use super::mode;
use super::psw::EXTRACTION;
use crate::cpu::control::AccessFault;
use crate::cpu::facility::{CONDITIONAL_KEYS, ENHANCED_DAT, ENHANCED_DAT_2, NON_QUIESCING};
use crate::cpu::key::Addressing;
use crate::cpu::{ProgramCode, S390Cpu, psw, sets};
use crate::insn::Insn;
use crate::memory::access_register::Alet;
use crate::memory::keys::{ALL, CHANGE, PROTECTION, REFERENCE};
use crate::memory::protection::AccessKey;
use crate::memory::{Space, look, translate_with};

/// Bytes of large frames.
const FRAME_1M: u64 = 1 << 20;
const FRAME_2G: u64 = 1 << 31;

/// TEST PROTECTION: 0 fetch and store, 1 fetch only, 2 neither, 3 not translatable.
pub(crate) fn tprot(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static TEST: HelperDef = HelperDef::new3(
        "tprot",
        Effects::GLOBALS.within(sets::NONE, sets::CC),
        |cpu: &mut S390Cpu, address, space, key| {
            let cc = test_protection(cpu, address, cpu.space(mode(space)), (key >> 4) as u8);
            cpu.set_cc(cc?);
            Ok(0)
        },
    );
    require!(tx.privileged());
    let (address, key) = (tx.ea1(i), tx.ea2(i));
    let space = tx.data_mode_arg(i.b1);
    tx.call(&TEST, &[address, space, key]);
    Flow::Next
}

/// The condition code of TEST PROTECTION.
fn test_protection(
    cpu: &S390Cpu,
    address: u64,
    space: Result<Space, ProgramCode>,
    key: u8,
) -> Result<u8, ProgramCode> {
    use ProgramCode::{Addressing, Protection, TranslationSpecification};
    let space = match space {
        Ok(space) => space,
        Err(Addressing) => return Err(Addressing),
        Err(_) => return Ok(3),
    };
    let key = AccessKey::new(key, cpu.cr[0], space.is_private());
    for (cc, access) in [(0, Access::Write), (1, Access::Read)] {
        match look(cpu, address, access, space, key) {
            Ok(_) => return Ok(cc),
            Err((Protection, _)) => {}
            Err((code @ (Addressing | TranslationSpecification), _)) => return Err(code),
            Err(_) => return Ok(3),
        }
    }
    Ok(2)
}

/// TEST ACCESS: 0 no list needed, 1 by the dispatchable unit's list, 2 by the primary space's,
/// 3 the token is refused or names the secondary space.
pub(crate) fn tar(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static TEST: HelperDef = HelperDef::new2(
        "tar",
        Effects::GLOBALS.within(sets::GPRS, sets::CC),
        |cpu: &mut S390Cpu, register, index| {
            let cc = match cpu.ar[register as usize & 15] {
                0 => 0,
                1 => 3,
                alet => match cpu.translate_alet(Alet(alet), (index >> 16) as u16) {
                    Ok(_) if Alet(alet).is_primary() => 2,
                    Ok(_) => 1,
                    Err(code @ ProgramCode::Addressing) => return Err(code.into()),
                    Err(_) => 3,
                },
            };
            cpu.set_cc(cc);
            Ok(0)
        },
    );
    let (register, index) = (tx.c64(i.r1.into()), tx.r64(i.r2));
    tx.call(&TEST, &[register, index]);
    Flow::Next
}

/// The absolute address of a real one's page in storage.
fn in_storage(cpu: &S390Cpu, real: u64) -> Result<u64, Trap> {
    let absolute = cpu.absolute(cpu.wrap(real) & !(PAGE_SIZE - 1));
    if cpu.core.system().ram().contains(absolute, PAGE_SIZE) {
        Ok(absolute)
    } else {
        Err(ProgramCode::Addressing.into())
    }
}

/// INSERT STORAGE KEY EXTENDED: bits 56-62 of R1.
pub(crate) fn iske(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static KEY: HelperDef =
        HelperDef::new1("iske", Effects::TRAPS, |cpu: &mut S390Cpu, address| {
            let absolute = in_storage(cpu, address)?;
            Ok(cpu.control.shared.keys.get(absolute).unwrap_or(0).into())
        });
    require!(tx.privileged());
    let address = tx.r64(i.r2);
    insert_key(tx, i, &KEY, &[address])
}

fn insert_key(
    tx: &mut Tx<'_>,
    i: &Insn,
    helper: &'static HelperDef,
    arguments: &[tcg::ir::Val],
) -> Flow {
    let key = tx.call(helper, arguments);
    let old = tx.r64(i.r1);
    let new = tx.b.deposit(old, key, 0, 8);
    tx.set_r64(i.r1, new);
    Flow::Next
}

/// INSERT VIRTUAL STORAGE KEY: access control and fetch protection of a virtual address's page,
/// which keys do not protect from it.
pub(crate) fn ivsk(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static KEY: HelperDef = HelperDef::new2(
        "ivsk",
        Effects::TRAPS,
        |cpu: &mut S390Cpu, address, space| {
            let page = translate_with(cpu, address, Access::Read, mode(space), AccessKey::ZERO)?;
            let key = cpu.control.shared.keys.get(page.page).unwrap_or(0);
            Ok(u64::from(key & PROTECTION))
        },
    );
    require!(tx.demand(tx.flags.0 & psw::DAT != 0, ProgramCode::SpecialOperation));
    if tx.flags.problem() {
        tx.call(&EXTRACTION, &[]);
    }
    let (address, space) = (tx.register_address(i.r2), tx.data_mode_arg(i.r2));
    insert_key(tx, i, &KEY, &[address, space])
}

/// Which parts of a key a conditional setting does not compare.
#[derive(Clone, Copy)]
struct Condition {
    /// MR: the reference bit.
    any_reference: bool,
    /// MC: the change bit.
    any_change: bool,
}

impl Condition {
    /// Whether setting is conditional at all.
    fn is_any(self) -> bool {
        self.any_reference || self.any_change
    }

    /// Whether `new` need not be set where `old` is.
    fn holds(self, old: u8, new: u8) -> bool {
        let mut compared = ALL;
        if self.any_reference {
            compared &= !REFERENCE;
        }
        if self.any_change {
            compared &= !CHANGE;
        }
        self.is_any() && (old ^ new) & compared == 0
    }
}

/// What setting keys has done.
#[derive(Default)]
struct KeysSet {
    /// The last block's key before.
    old: u8,
    /// Whether that was set.
    set: bool,
    /// Translations remember what is no longer so.
    stale: bool,
}

impl KeysSet {
    /// Sets the key of a page.
    fn page(&mut self, cpu: &S390Cpu, absolute: u64, key: u8, condition: Condition) {
        let new = |old| (!condition.holds(old, key)).then_some(key);
        let Some((old, now)) = cpu.control.shared.keys.update(absolute, new) else {
            return;
        };
        self.old = old;
        self.set = !condition.holds(old, key);
        self.stale |= is_stale(old, now);
    }

    /// Completes once no CPU uses an old key.
    fn complete(&self, cpu: &mut S390Cpu) {
        if self.stale {
            cpu.core.flush_tlb_everywhere();
        }
    }
}

/// Whether what translations remember of a key is no longer so.
fn is_stale(old: u8, now: u8) -> bool {
    (old ^ now) & PROTECTION != 0 || old & !now & (REFERENCE | CHANGE) != 0
}

/// Puts an address that an instruction has gone on to in a register.
fn advance(cpu: &mut S390Cpu, register: usize, address: u64) {
    let old = cpu.gpr[register];
    cpu.gpr[register] = match cpu.addressing() {
        Addressing::A64 => address | old & (PAGE_SIZE - 1),
        _ => {
            let low = cpu.wrap(address) | old & (PAGE_SIZE - 1);
            old & !0xffff_ffff | low & 0xffff_ffff
        }
    };
}

/// SET STORAGE KEY EXTENDED, conditional (facility 10) and for the rest of a block of 1 MiB
/// (facility 8) as M3 says.
fn set_storage_key(cpu: &mut S390Cpu, r1: usize, r2: usize, m3: u8) -> Result<(), Trap> {
    const MULTIPLE: u8 = 1;
    const ANY_CHANGE: u8 = 2;
    const ANY_REFERENCE: u8 = 4;
    let facilities = &cpu.control.facilities;
    let conditional = facilities.has(CONDITIONAL_KEYS);
    let multiple = m3 & MULTIPLE != 0 && facilities.has(ENHANCED_DAT);
    let condition = Condition {
        any_reference: conditional && m3 & ANY_REFERENCE != 0,
        any_change: conditional && m3 & ANY_CHANGE != 0,
    };
    let key = cpu.gpr[r1] as u8 & ALL;
    let mut keys = KeysSet::default();
    if multiple {
        let start = cpu.wrap(cpu.gpr[r2]) & !(PAGE_SIZE - 1);
        let end = (start | (FRAME_1M - 1)).wrapping_add(1);
        let length = end.wrapping_sub(start);
        if !cpu.core.system().ram().contains(start, length) {
            return Err(ProgramCode::Addressing.into());
        }
        for page in (start..end).step_by(PAGE_SIZE as usize) {
            keys.page(cpu, page, key, condition);
        }
        if condition.is_any() {
            cpu.set_cc(3);
        }
        advance(cpu, r2, end);
    } else {
        let absolute = in_storage(cpu, cpu.gpr[r2])?;
        keys.page(cpu, absolute, key, condition);
        if condition.is_any() {
            cpu.gpr[r1] = cpu.gpr[r1] & !0xff00 | u64::from(keys.old) << 8;
            cpu.set_cc(keys.set.into());
        }
    }
    keys.complete(cpu);
    Ok(())
}

/// SET STORAGE KEY EXTENDED.
pub(crate) fn sske(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static SET: HelperDef = HelperDef::new3(
        "sske",
        Effects::GLOBALS.within(sets::GPRS, sets::GPRS.and(sets::CC)),
        |cpu: &mut S390Cpu, r1, r2, m3| {
            set_storage_key(cpu, r1 as usize & 15, r2 as usize & 15, m3 as u8)?;
            Ok(0)
        },
    );
    require!(tx.privileged());
    let (r1, r2, m3) = (
        tx.c64(i.r1.into()),
        tx.c64(i.r2.into()),
        tx.c64(i.m3.into()),
    );
    tx.call(&SET, &[r1, r2, m3]);
    Flow::NewBlock
}

/// RESET REFERENCE BIT EXTENDED: the old reference and change bits as the condition code.
pub(crate) fn rrbe(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static RESET: HelperDef = HelperDef::new1(
        "rrbe",
        Effects::GLOBALS.within(sets::NONE, sets::CC),
        |cpu: &mut S390Cpu, address| {
            let absolute = in_storage(cpu, address)?;
            let reset = |old| Some(old & !REFERENCE);
            let keys = &cpu.control.shared.keys;
            let (old, now) = keys.update(absolute, reset).unwrap_or_default();
            if is_stale(old, now) {
                cpu.core.flush_tlb_everywhere();
            }
            cpu.set_cc((old & (REFERENCE | CHANGE)) >> 1);
            Ok(0)
        },
    );
    require!(tx.privileged());
    let address = tx.r64(i.r2);
    tx.call(&RESET, &[address]);
    Flow::NewBlock
}

/// PERFORM FRAME MANAGEMENT FUNCTION: clears frames and sets their keys, as R1 says; a page, or the
/// rest of a large frame.
fn manage_frames(cpu: &mut S390Cpu, r1: usize, r2: usize) -> Result<(), Trap> {
    const RESERVED: u64 = 0xfffc_0101;
    const SET_KEY: u64 = 0x2_0000;
    const CLEAR: u64 = 0x1_0000;
    const SIZE: u64 = 0x7000;
    const NO_QUIESCING: u64 = 0x800;
    const ANY_REFERENCE: u64 = 0x400;
    const ANY_CHANGE: u64 = 0x200;
    let function = cpu.gpr[r1];
    let facilities = &cpu.control.facilities;
    let conditional = facilities.has(CONDITIONAL_KEYS);
    let unsuited =
        function & RESERVED != 0 || function & NO_QUIESCING != 0 && !facilities.has(NON_QUIESCING);
    if unsuited {
        return Err(ProgramCode::Specification.into());
    }
    let start = cpu.wrap(cpu.gpr[r2]) & !(PAGE_SIZE - 1);
    let frame = match (function & SIZE) >> 12 {
        0 => None,
        1 => Some(FRAME_1M),
        2 if facilities.has(ENHANCED_DAT_2) && cpu.addressing() != Addressing::A24 => {
            Some(FRAME_2G)
        }
        _ => return Err(ProgramCode::Specification.into()),
    };
    if function & CLEAR != 0 {
        cpu.check_low_address(start).map_err(|teid| {
            cpu.control.fault = AccessFault { teid, access_id: 0 };
            Trap::from(ProgramCode::Protection)
        })?;
    }
    // Only a page's address is real.
    let (first, last) = match frame {
        None => {
            let page = cpu.absolute(start);
            (page, page | (PAGE_SIZE - 1))
        }
        Some(bytes) => (start, start | (bytes - 1)),
    };
    if !cpu.core.system().ram().contains(first, PAGE_SIZE) {
        return Err(ProgramCode::Addressing.into());
    }
    let condition = Condition {
        any_reference: conditional && function & ANY_REFERENCE != 0,
        any_change: conditional && function & ANY_CHANGE != 0,
    };
    let mut keys = KeysSet::default();
    let mut page = first;
    let mut complete = true;
    while page <= last {
        if !cpu.core.system().ram().contains(page, PAGE_SIZE) {
            complete = false;
            break;
        }
        if function & CLEAR != 0 {
            mem::write_absolute(&cpu.core, page, &[0; PAGE_SIZE as usize]);
            cpu.control.shared.keys.touch(page, true);
        }
        if function & SET_KEY != 0 {
            keys.page(cpu, page, function as u8 & ALL, condition);
        }
        match page.checked_add(PAGE_SIZE) {
            Some(next) => page = next,
            None => break,
        }
    }
    keys.complete(cpu);
    if frame.is_some() {
        // After an exception the register says how far it got.
        advance(cpu, r2, page);
    }
    if complete {
        Ok(())
    } else {
        Err(ProgramCode::Addressing.into())
    }
}

/// PERFORM FRAME MANAGEMENT FUNCTION.
pub(crate) fn pfmf(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static MANAGE: HelperDef = HelperDef::new2(
        "pfmf",
        Effects::ALL
            .within(sets::GPRS, sets::GPRS)
            .writing_at_trap(sets::GPRS),
        |cpu: &mut S390Cpu, r1, r2| {
            manage_frames(cpu, r1 as usize & 15, r2 as usize & 15)?;
            Ok(0)
        },
    );
    require!(tx.privileged());
    let (r1, r2) = (tx.c64(i.r1.into()), tx.c64(i.r2.into()));
    tx.call(&MANAGE, &[r1, r2]);
    Flow::NewBlock
}
