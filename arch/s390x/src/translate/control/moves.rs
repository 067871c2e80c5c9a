//! Moves between address spaces and under other access keys.
//!
//! Keys are taken and their authority is checked; matching them against storage keys comes with
//! key-controlled protection.

use tcg::ir::{MemMode, MemSize};
use tcg::mem::PAGE_SIZE;
use tcg::{Access, Effects, HelperDef, Trap, mem};

use super::super::{Flow, Tx};
use super::mode;
use crate::cpu::key::{Flags, MODE_HOME, MODE_PRIMARY, MODE_SECONDARY};
use crate::cpu::{ProgramCode, S390Cpu, lowcore, psw, sets};
use crate::insn::Insn;
use crate::memory::translate;

/// CR0 bit 37: secondary-space control.
const SECONDARY_CONTROL: u64 = 1 << (63 - 37);

/// Copies between spaces: the whole source is read, then the destination is written, so nothing
/// has changed when one of them traps.
fn copy(
    cpu: &mut S390Cpu,
    to: (MemMode, u64),
    from: (MemMode, u64),
    length: usize,
) -> Result<(), Trap> {
    let bytes = length.min(PAGE_SIZE as usize);
    let in_a_page = |at: u64| at % PAGE_SIZE <= PAGE_SIZE - bytes as u64;
    if in_a_page(from.1) && in_a_page(to.1) {
        let source = mem::span(cpu, from.0, Access::Read, from.1, bytes as u64)?;
        let target = mem::span(cpu, to.0, Access::Write, to.1, bytes as u64)?;
        if source.absolute().abs_diff(target.absolute()) >= bytes as u64 {
            target.copy_from(&cpu.core, &source);
            return Ok(());
        }
    }
    let mut buffer = [0; PAGE_SIZE as usize];
    let buffer = &mut buffer[..bytes];
    mem::read_bytes(cpu, from.0, from.1, buffer)?;
    mem::write_bytes(cpu, to.0, to.1, buffer)
}

/// A privileged-operation exception if the problem state may not use this access key.
fn check_key(cpu: &S390Cpu, key: u64) -> Result<(), Trap> {
    let allowed = cpu.cr[3] & 1 << (31 - (key & 0xf)) != 0;
    if cpu.psw_mask & psw::PROBLEM != 0 && !allowed {
        return Err(ProgramCode::PrivilegedOperation.into());
    }
    Ok(())
}

/// What one half of register 0 says of an operand of MOVE WITH OPTIONAL SPECIFICATIONS.
fn optional_space(cpu: &S390Cpu, control: u64, base: u8) -> Result<MemMode, Trap> {
    const KEY_VALID: u64 = 0x2;
    const SPACE_VALID: u64 = 0x1;
    let space = if control & SPACE_VALID != 0 {
        control >> 6 & 3
    } else {
        (cpu.psw_mask & psw::SPACE) >> psw::SPACE_SHIFT
    };
    if space == 3 && cpu.psw_mask & psw::PROBLEM != 0 && control & SPACE_VALID != 0 {
        return Err(ProgramCode::SpecialOperation.into());
    }
    if space == 2 && cpu.cr[0] & SECONDARY_CONTROL == 0 && control & SPACE_VALID != 0 {
        return Err(ProgramCode::SpecialOperation.into());
    }
    if control & KEY_VALID != 0 {
        check_key(cpu, control >> 12)?;
    }
    Ok(match space {
        0 => MODE_PRIMARY,
        1 => Flags(psw::DAT | 1 << psw::SPACE_SHIFT).data_mode(base),
        2 => MODE_SECONDARY,
        _ => MODE_HOME,
    })
}

/// MOVE WITH OPTIONAL SPECIFICATIONS: spaces and keys from register 0, length from R3.
pub(crate) fn mvcos(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static MOVE: HelperDef = HelperDef::new4(
        "mvcos",
        Effects::ALL.within(sets::GR0, sets::CC),
        |cpu: &mut S390Cpu, first, second, bases, length| {
            if cpu.psw_mask & psw::DAT == 0 {
                return Err(ProgramCode::SpecialOperation.into());
            }
            let controls = cpu.gpr[0];
            let to = optional_space(cpu, controls >> 16 & 0xffff, (bases >> 4) as u8)?;
            let from = optional_space(cpu, controls & 0xffff, bases as u8 & 15)?;
            let length = cpu.wrap_length(length);
            let count = length.min(PAGE_SIZE);
            if count != 0 {
                copy(cpu, (to, first), (from, second), count as usize)?;
            }
            cpu.set_cc(if length > PAGE_SIZE { 3 } else { 0 });
            Ok(0)
        },
    );
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let bases = tx.c64(u64::from(i.b1 << 4 | i.b2));
    let length = tx.r64(i.r3);
    tx.call(&MOVE, &[first, second, bases, length]);
    Flow::Next
}

impl S390Cpu {
    /// A length in a register: 64 bits in the 64-bit mode, else 32.
    fn wrap_length(&self, length: u64) -> u64 {
        match self.addressing() {
            crate::cpu::key::Addressing::A64 => length,
            _ => length & 0xffff_ffff,
        }
    }
}

/// Lengths over 256 move 256 bytes and say so in the condition code.
fn keyed(
    cpu: &mut S390Cpu,
    to: (MemMode, u64),
    from: (MemMode, u64),
    length: u64,
    key: u64,
) -> Result<u64, Trap> {
    const MOST: u64 = 256;
    check_key(cpu, key >> 4)?;
    let length = cpu.wrap_length(length);
    let count = length.min(MOST);
    if count != 0 {
        copy(cpu, to, from, count as usize)?;
    }
    cpu.set_cc(if length > MOST { 3 } else { 0 });
    Ok(0)
}

/// MOVE TO PRIMARY and MOVE TO SECONDARY need both spaces: no access-register or home mode.
fn check_spaces(cpu: &S390Cpu) -> Result<(), Trap> {
    let space = (cpu.psw_mask & psw::SPACE) >> psw::SPACE_SHIFT;
    let suited = cpu.psw_mask & psw::DAT != 0
        && cpu.cr[0] & SECONDARY_CONTROL != 0
        && matches!(space, 0 | 2);
    if suited {
        Ok(())
    } else {
        Err(ProgramCode::SpecialOperation.into())
    }
}

static TO_PRIMARY: HelperDef = HelperDef::new4(
    "mvcp",
    Effects::ALL.within(sets::NONE, sets::CC),
    |cpu: &mut S390Cpu, first, second, length, key| {
        check_spaces(cpu)?;
        keyed(
            cpu,
            (MODE_PRIMARY, first),
            (MODE_SECONDARY, second),
            length,
            key,
        )
    },
);
static TO_SECONDARY: HelperDef = HelperDef::new4(
    "mvcs",
    Effects::ALL.within(sets::NONE, sets::CC),
    |cpu: &mut S390Cpu, first, second, length, key| {
        check_spaces(cpu)?;
        keyed(
            cpu,
            (MODE_SECONDARY, first),
            (MODE_PRIMARY, second),
            length,
            key,
        )
    },
);
static WITH_KEY: HelperDef = HelperDef::new5(
    "mvck",
    Effects::ALL.within(sets::NONE, sets::CC),
    |cpu: &mut S390Cpu, first, second, length, key, spaces| {
        keyed(
            cpu,
            (mode(spaces >> 8), first),
            (mode(spaces), second),
            length,
            key,
        )
    },
);

/// MVCP, MVCS: R1 the length, R3 the key.
fn between(tx: &mut Tx<'_>, i: &Insn, helper: &'static HelperDef) -> Flow {
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let (length, key) = (tx.r64(i.r1), tx.r64(i.r3));
    tx.call(helper, &[first, second, length, key]);
    Flow::Next
}

pub(crate) fn mvcp(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    between(tx, i, &TO_PRIMARY)
}

pub(crate) fn mvcs(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    between(tx, i, &TO_SECONDARY)
}

/// The spaces of both operands, as one argument.
fn spaces(tx: &mut Tx<'_>, i: &Insn) -> tcg::ir::Val {
    let (to, from) = (tx.data_mode(i.b1), tx.data_mode(i.b2));
    tx.c64(u64::from(to.0) << 8 | u64::from(from.0))
}

/// MOVE WITH KEY: R1 the length, R3 the key of the source.
pub(crate) fn mvck(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let (length, key) = (tx.r64(i.r1), tx.r64(i.r3));
    let spaces = spaces(tx, i);
    tx.call(&WITH_KEY, &[first, second, length, key, spaces]);
    Flow::Next
}

/// MOVE WITH DESTINATION KEY and WITH SOURCE KEY: length less one in register 0, key in 1.
pub(crate) fn mvcdk(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static MOVE: HelperDef = HelperDef::new5(
        "mvcdk",
        Effects::MEMORY,
        |cpu: &mut S390Cpu, first, second, length, key, spaces| {
            check_key(cpu, key >> 4)?;
            let count = (length & 0xff) as usize + 1;
            copy(
                cpu,
                (mode(spaces >> 8), first),
                (mode(spaces), second),
                count,
            )?;
            Ok(0)
        },
    );
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let (length, key) = (tx.r64(0), tx.r64(1));
    let spaces = spaces(tx, i);
    tx.call(&MOVE, &[first, second, length, key, spaces]);
    Flow::Next
}

/// MOVE PAGE: a page from R2 to R1; register 0 holds keys and whether an invalid page is told by
/// the condition code.
pub(crate) fn mvpg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static MOVE: HelperDef = HelperDef::new4(
        "mvpg",
        Effects::ALL.within(sets::GR0, sets::CC),
        |cpu: &mut S390Cpu, first, second, to, from| {
            /// Condition-code option.
            const BY_CODE: u64 = 0x100;
            const KEYS: u64 = 0xc00;
            let control = cpu.gpr[0];
            if control & 0xf000 != 0 || control & KEYS == KEYS {
                return Err(ProgramCode::Specification.into());
            }
            if control & KEYS != 0 {
                check_key(cpu, control >> 4)?;
            }
            let page = !(PAGE_SIZE - 1);
            let (first, second) = (first & page, second & page);
            // Neither operand's page may be missing, the second's being looked at first; the
            // option tells of that and of no other exception.
            for (address, access, operand, missing) in [
                (second, Access::Read, from, 2),
                (first, Access::Write, to, 1),
            ] {
                let Err(trap) = translate(cpu, address, access, mode(operand)) else {
                    continue;
                };
                let code = crate::cpu::ProgramCheck::from_trap(trap).0;
                if code != ProgramCode::PageTranslation as u16 {
                    return Err(trap);
                }
                if control & BY_CODE != 0 {
                    cpu.set_cc(missing);
                    return Ok(0);
                }
                cpu.set_lowcore(lowcore::OPERAND_ACCESS, MemSize::B1, to >> 8);
                return Err(trap);
            }
            copy(
                cpu,
                (mode(to), first),
                (mode(from), second),
                PAGE_SIZE as usize,
            )?;
            cpu.set_cc(0);
            Ok(0)
        },
    );
    let (first, second) = (tx.register_address(i.r1), tx.register_address(i.r2));
    let (to, from) = (tx.data_mode_arg(i.r1), tx.data_mode_arg(i.r2));
    // Above the first operand's mode: both register numbers, as an exception tells them.
    let registers = tx.c64(u64::from(i.r1 << 4 | i.r2) << 8);
    let to = tx.b.or(to, registers);
    tx.call(&MOVE, &[first, second, to, from]);
    Flow::Next
}
