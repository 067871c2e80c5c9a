//! Moves between address spaces and under other access keys.
//!
//! Here are which space and key each operand has, and the authority to use a key in the problem
//! state. What the keys allow is [`crate::memory`]'s business.

use tcg::ir::{MemMode, MemSize};
use tcg::mem::PAGE_SIZE;
use tcg::{Access, Effects, HelperDef, Trap, mem};

use super::super::{Flow, Tx};
use super::mode;
use crate::cpu::key::{Flags, MODE_PRIMARY, MODE_SECONDARY};
use crate::cpu::{ProgramCode, S390Cpu, lowcore, psw, sets};
use crate::helpers::operand;
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
    copy_by_buffer(cpu, to, from, bytes)
}

/// [`copy`] of operands that overlap or cross pages, at most a page.
#[cold]
#[inline(never)]
fn copy_by_buffer(
    cpu: &mut S390Cpu,
    to: (MemMode, u64),
    from: (MemMode, u64),
    bytes: usize,
) -> Result<(), Trap> {
    let mut buffer = [0; PAGE_SIZE as usize];
    let buffer = &mut buffer[..bytes];
    mem::read_bytes(cpu, from.0, from.1, buffer)?;
    mem::write_bytes(cpu, to.0, to.1, buffer)
}

/// The access key in the low four bits; a privileged-operation exception if the problem state may
/// not use it (PSW-key mask, CR3).
fn check_key(cpu: &S390Cpu, key: u64) -> Result<u8, Trap> {
    let key = key as u8 & 15;
    let allowed = cpu.cr[3] & 1 << (31 - key) != 0;
    if cpu.psw_mask & psw::PROBLEM != 0 && !allowed {
        return Err(ProgramCode::PrivilegedOperation.into());
    }
    Ok(key)
}

/// One half of register 0 of MOVE WITH OPTIONAL SPECIFICATIONS: an operand-access control.
#[derive(Clone, Copy)]
struct OperandAccess(u64);

impl OperandAccess {
    /// The address space; as the PSW has it if it is not specified.
    fn space(self, cpu: &S390Cpu) -> u64 {
        if self.has_space() {
            self.0 >> 6 & 3
        } else {
            (cpu.psw_mask & psw::SPACE) >> psw::SPACE_SHIFT
        }
    }

    fn has_space(self) -> bool {
        self.0 & 1 != 0
    }

    /// The access key; the PSW's if it is not specified.
    fn key(self, cpu: &S390Cpu) -> Result<u8, Trap> {
        const KEY_VALID: u64 = 0x2;
        if self.0 & KEY_VALID != 0 {
            check_key(cpu, self.0 >> 12)
        } else {
            Ok(cpu.psw_key())
        }
    }
}

/// The mode of an address space with this base register.
fn space_mode(space: u64, base: u8) -> MemMode {
    Flags(psw::DAT | space << psw::SPACE_SHIFT).data_mode(base)
}

/// Modes and keys of MOVE WITH OPTIONAL SPECIFICATIONS's operands, the destination's first, as one
/// number: two bytes that are read together at once would wait for the host's store buffer.
#[inline]
fn optional_modes(cpu: &mut S390Cpu, bases: u64) -> Result<u64, Trap> {
    const HOME: u64 = 3;
    const SECONDARY: u64 = 2;
    let controls = cpu.gpr[0];
    let accesses = [
        OperandAccess(controls >> 16 & 0xffff),
        OperandAccess(controls & 0xffff),
    ];
    let spaces = accesses.map(|access| access.space(cpu));
    let problem = cpu.psw_mask & psw::PROBLEM != 0;
    let stores_home = spaces[0] == HOME && accesses[0].has_space();
    let unsuited = cpu.psw_mask & psw::DAT == 0
        || problem && stores_home
        || cpu.cr[0] & SECONDARY_CONTROL == 0 && spaces.contains(&SECONDARY);
    if unsuited {
        return Err(ProgramCode::SpecialOperation.into());
    }
    let keys = [accesses[0].key(cpu)?, accesses[1].key(cpu)?];
    let to = space_mode(spaces[0], (bases >> 4) as u8 & 15);
    let from = space_mode(spaces[1], bases as u8 & 15);
    let (to, from) = (cpu.keyed(0, to, keys[0]), cpu.keyed(1, from, keys[1]));
    Ok(operand::spaces(to, from))
}

/// MOVE WITH OPTIONAL SPECIFICATIONS: spaces and keys from register 0, length from R3.
pub(crate) fn mvcos(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static MOVE: HelperDef = HelperDef::new4(
        "mvcos",
        Effects::ALL.within(sets::GR0, sets::CC),
        |cpu: &mut S390Cpu, first, second, bases, length| {
            let modes = optional_modes(cpu, bases)?;
            let (to, from) = (operand::first(modes), operand::second(modes));
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

/// Which operand of a move has the access key in a register; the other one has the PSW's.
#[derive(Clone, Copy)]
enum KeyOf {
    Destination,
    Source,
}

/// The modes of destination and source with the key (bits 56-59 of a register) for one of them.
fn keyed_modes(
    cpu: &mut S390Cpu,
    (to, from): (MemMode, MemMode),
    key: u64,
    of: KeyOf,
) -> Result<(MemMode, MemMode), Trap> {
    let key = check_key(cpu, key >> 4)?;
    Ok(match of {
        KeyOf::Destination => (cpu.keyed(0, to, key), from),
        KeyOf::Source => (to, cpu.keyed(1, from, key)),
    })
}

/// Lengths over 256 move 256 bytes and say so in the condition code.
fn keyed(
    cpu: &mut S390Cpu,
    to: (MemMode, u64),
    from: (MemMode, u64),
    length: u64,
    (key, of): (u64, KeyOf),
) -> Result<u64, Trap> {
    const MOST: u64 = 256;
    let modes = keyed_modes(cpu, (to.0, from.0), key, of)?;
    let (to, from) = ((modes.0, to.1), (modes.1, from.1));
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
            (key, KeyOf::Source),
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
            (key, KeyOf::Destination),
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
            (key, KeyOf::Source),
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

/// Copies `length` bytes, less one, as its low byte says.
fn short_move(
    cpu: &mut S390Cpu,
    [first, second, length, key, spaces]: [u64; 5],
    of: KeyOf,
) -> Result<u64, Trap> {
    let modes = (mode(spaces >> 8), mode(spaces));
    let (to, from) = keyed_modes(cpu, modes, key, of)?;
    let count = (length & 0xff) as usize + 1;
    copy(cpu, (to, first), (from, second), count)?;
    Ok(0)
}

static WITH_DESTINATION_KEY: HelperDef = HelperDef::new5(
    "mvcdk",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, first, second, length, key, spaces| {
        let operands = [first, second, length, key, spaces];
        short_move(cpu, operands, KeyOf::Destination)
    },
);
static WITH_SOURCE_KEY: HelperDef = HelperDef::new5(
    "mvcsk",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, first, second, length, key, spaces| {
        let operands = [first, second, length, key, spaces];
        short_move(cpu, operands, KeyOf::Source)
    },
);

/// Length less one in register 0, key in 1.
fn with_key(tx: &mut Tx<'_>, i: &Insn, helper: &'static HelperDef) -> Flow {
    let (first, second) = (tx.ea1(i), tx.ea2(i));
    let (length, key) = (tx.r64(0), tx.r64(1));
    let spaces = spaces(tx, i);
    tx.call(helper, &[first, second, length, key, spaces]);
    Flow::Next
}

/// MOVE WITH DESTINATION KEY.
pub(crate) fn mvcdk(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    with_key(tx, i, &WITH_DESTINATION_KEY)
}

/// MOVE WITH SOURCE KEY.
pub(crate) fn mvcsk(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    with_key(tx, i, &WITH_SOURCE_KEY)
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
            const DESTINATION_KEY: u64 = 0x800;
            const SOURCE_KEY: u64 = 0x400;
            const KEYS: u64 = DESTINATION_KEY | SOURCE_KEY;
            let control = cpu.gpr[0];
            if control & 0xf000 != 0 || control & KEYS == KEYS {
                return Err(ProgramCode::Specification.into());
            }
            let registers = to >> 8;
            let modes = (mode(to), mode(from));
            let (to, from) = match control & KEYS {
                DESTINATION_KEY => keyed_modes(cpu, modes, control, KeyOf::Destination)?,
                SOURCE_KEY => keyed_modes(cpu, modes, control, KeyOf::Source)?,
                _ => modes,
            };
            let page = !(PAGE_SIZE - 1);
            let (first, second) = (first & page, second & page);
            // Neither operand's page may be missing, the second's being looked at first; the
            // option tells of that and of no other exception.
            for (address, access, operand, missing) in [
                (second, Access::Read, from, 2),
                (first, Access::Write, to, 1),
            ] {
                let Err(trap) = translate(cpu, address, access, operand) else {
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
                cpu.set_lowcore(lowcore::OPERAND_ACCESS, MemSize::B1, registers);
                return Err(trap);
            }
            copy(cpu, (to, first), (from, second), PAGE_SIZE as usize)?;
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
