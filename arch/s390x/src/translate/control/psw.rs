//! Instructions that change or show the PSW.

use tcg::ir::{BinOp, Ty};
use tcg::{Effects, HelperDef, mem};

use super::super::operand::B1;
use super::super::{Flow, Tx, require};
use super::{RECHECK_IF, check_alignment, doubleword, mode};
use crate::cpu::key::Flags;
use crate::cpu::psw::{self, Psw};
use crate::cpu::{PSW_MASK, ProgramCode, S390Cpu, sets};
use crate::insn::Insn;

/// LOAD PSW EXTENDED: the operand's address and space.
static LOAD_EXTENDED: HelperDef = HelperDef::new2(
    "lpswe",
    Effects::GLOBALS.within(sets::PSW, sets::PSW),
    |cpu: &mut S390Cpu, address, space| {
        let [mask, address] = mem::load_pair(cpu, mode(space), address)?;
        cpu.breaking_event = cpu.core.pc;
        cpu.load_psw(Psw { mask, address })?;
        Ok(0)
    },
);

/// LOAD PSW: bit 12 of the short format is one, and off in the PSW.
static LOAD: HelperDef = HelperDef::new2(
    "lpsw",
    Effects::GLOBALS.within(sets::PSW, sets::PSW),
    |cpu: &mut S390Cpu, address, space| {
        const SHORT: u64 = 1 << (63 - 12);
        let short = mem::load(cpu, doubleword(space), address)?;
        if short & SHORT == 0 {
            return Err(ProgramCode::Specification.into());
        }
        cpu.breaking_event = cpu.core.pc;
        cpu.load_psw(Psw::from_short(short))?;
        Ok(0)
    },
);

/// SET SYSTEM MASK and the rarer cases of STORE THEN OR/AND SYSTEM MASK: the new bits 0-7.
static SET_SYSTEM_MASK: HelperDef = HelperDef::new1(
    "ssm",
    Effects::GLOBALS.within(sets::MASK, sets::MASK),
    |cpu: &mut S390Cpu, mask| {
        let new = cpu.psw_mask & !(0xff << 56) | mask << 56;
        let changed = cpu.psw_mask ^ new;
        cpu.psw_mask = new;
        cpu.per_mask_changed(changed);
        cpu.masks_changed();
        let psw = Psw {
            mask: cpu.psw_mask,
            address: 0,
        };
        // Not early in the sense of LPSW: the length code is the instruction's.
        if psw.is_valid() {
            Ok(0)
        } else {
            cpu.per_unit_done();
            Err(ProgramCode::Specification.into())
        }
    },
);

/// SET ADDRESS SPACE CONTROL: address bits 52-55 select the space.
static SET_SPACE: HelperDef = HelperDef::new1(
    "sacf",
    Effects::GLOBALS.within(sets::MASK, sets::MASK),
    |cpu: &mut S390Cpu, operand| {
        const SECONDARY_CONTROL: u64 = 1 << (63 - 37);
        /// Bit 57 of a control element: space-switch event.
        const SPACE_SWITCH: u64 = 0x40;
        let code = operand >> 8 & 0xf;
        if cpu.psw_mask & psw::DAT == 0 || cpu.cr[0] & SECONDARY_CONTROL == 0 {
            return Err(ProgramCode::SpecialOperation.into());
        }
        // The operand counts primary, secondary, access register, home; the PSW has the middle
        // two the other way round.
        let space = match code {
            0 => 0,
            1 => 2,
            2 => 1,
            3 if cpu.psw_mask & psw::PROBLEM != 0 => {
                return Err(ProgramCode::PrivilegedOperation.into());
            }
            3 => 3,
            _ => return Err(ProgramCode::Specification.into()),
        };
        let old = (cpu.psw_mask & psw::SPACE) >> psw::SPACE_SHIFT;
        cpu.psw_mask = cpu.psw_mask & !psw::SPACE | space << psw::SPACE_SHIFT;
        if (old == 3) != (space == 3) && (cpu.cr[1] | cpu.cr[13]) & SPACE_SWITCH != 0 {
            // The event's identification: the primary ASN, and bit 32 when coming from home.
            let from_home = u64::from(old == 3) << 31;
            cpu.control.fault.teid = from_home | cpu.cr[4] & 0xffff;
            return Err(ProgramCode::SpaceSwitch.into());
        }
        Ok(0)
    },
);

/// SET PSW KEY FROM ADDRESS: in the problem state CR3's key mask must allow the key.
static SET_KEY: HelperDef = HelperDef::new1(
    "spka",
    Effects::GLOBALS.within(sets::MASK, sets::MASK),
    |cpu: &mut S390Cpu, operand| {
        let key = operand >> 4 & 0xf;
        let allowed = cpu.cr[3] & 1 << (31 - key) != 0;
        if cpu.psw_mask & psw::PROBLEM != 0 && !allowed {
            return Err(ProgramCode::PrivilegedOperation.into());
        }
        let mask = cpu.psw_mask & !psw::KEY | key << psw::KEY_SHIFT;
        if mask != cpu.psw_mask {
            cpu.psw_mask = mask;
            cpu.core.spaces_changed();
        }
        Ok(0)
    },
);

/// Demands, in the problem state, the extraction authority of CR0 bit 36.
pub(super) static EXTRACTION: HelperDef =
    HelperDef::new0("extraction", Effects::TRAPS, |cpu: &mut S390Cpu| {
        if cpu.cr[0] & 1 << (63 - 36) == 0 {
            return Err(ProgramCode::PrivilegedOperation.into());
        }
        Ok(0)
    });

/// Control register bits 48-63 (EXTRACT PRIMARY and SECONDARY ASN).
static ASN: HelperDef = HelperDef::new1("asn", super::LOOKS, |cpu: &mut S390Cpu, number| {
    Ok(cpu.cr[number as usize & 15] & 0xffff)
});

pub(crate) fn lpswe(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let (address, space) = (tx.ea2(i), tx.data_mode_arg(i.b2));
    tx.call(&LOAD_EXTENDED, &[address, space]);
    tx.lookup()
}

pub(crate) fn lpsw(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let (address, space) = (tx.ea2(i), tx.data_mode_arg(i.b2));
    tx.call(&LOAD, &[address, space]);
    tx.lookup()
}

/// Bits of the system mask that only enable: I/O and external.
const ENABLE_ONLY: u8 = 0x03;
/// Bits of the system mask that are nothing the block key has: all but PER and DAT.
const KEY_BITS: u8 = 0x44;

pub(crate) fn ssm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let address = tx.ea2(i);
    let mask = tx.load(Ty::I64, B1, i.b2, address);
    tx.call(&SET_SYSTEM_MASK, &[mask]);
    Flow::NewBlock
}

/// Stores the system mask at the first operand; the PSW's left half and the old mask.
fn store_system_mask(tx: &mut Tx<'_>, i: &Insn) -> (tcg::ir::Val, tcg::ir::Val) {
    let address = tx.ea1(i);
    let psw = tx.b.get(PSW_MASK);
    let mask = tx.b.bin_imm(BinOp::Shr, psw, 56);
    tx.store(B1, i.b1, address, mask);
    (psw, mask)
}

/// STORE THEN AND SYSTEM MASK: nothing becomes enabled, so the block goes on.
pub(crate) fn stnsm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let (psw, mask) = store_system_mask(tx, i);
    if tx.flags.per() {
        let mask = tx.b.bin_imm(BinOp::And, mask, u64::from(i.u8()));
        tx.call(&SET_SYSTEM_MASK, &[mask]);
        return Flow::NewBlock;
    }
    let keep = u64::from(i.u8()) << 56 | u64::MAX >> 8;
    let new = tx.b.bin_imm(BinOp::And, psw, keep);
    tx.b.put(PSW_MASK, new);
    if !i.u8() & KEY_BITS == 0 {
        Flow::Next
    } else {
        Flow::NewBlock
    }
}

/// STORE THEN OR SYSTEM MASK: with nothing pending the block goes on.
pub(crate) fn stosm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.privileged());
    let (psw, mask) = store_system_mask(tx, i);
    if i.u8() & !ENABLE_ONLY != 0 {
        let mask = tx.b.bin_imm(BinOp::Or, mask, u64::from(i.u8()));
        tx.call(&SET_SYSTEM_MASK, &[mask]);
        return Flow::NewBlock;
    }
    let bits = u64::from(i.u8()) << 56;
    let new = tx.b.bin_imm(BinOp::Or, psw, bits);
    tx.b.put(PSW_MASK, new);
    let pending = tx.b.get(crate::cpu::PENDING);
    let enabled = tx.b.bin_imm(BinOp::And, pending, bits);
    tx.call(&RECHECK_IF, &[enabled]);
    Flow::Next
}

pub(crate) fn spka(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    tx.call(&SET_KEY, &[address]);
    Flow::NewBlock
}

pub(crate) fn ipk(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    if tx.flags.problem() {
        tx.call(&EXTRACTION, &[]);
    }
    let psw = tx.b.get(PSW_MASK);
    let key = tx.b.bin_imm(BinOp::Shr, psw, psw::KEY_SHIFT.into());
    let old = tx.r64(2);
    let key = tx.b.bin_imm(BinOp::Shl, key, 4);
    let new = tx.b.deposit(old, key, 0, 8);
    tx.set_r64(2, new);
    Flow::Next
}

/// EXTRACT PSW: bits 0-31 and, for another register than 0, bits 32-63.
pub(crate) fn epsw(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let psw = tx.b.get(PSW_MASK);
    let cc = tx.cc();
    let cc = tx.b.zext(cc);
    let psw = tx.b.deposit(psw, cc, psw::CC_SHIFT as u8, 2);
    let high = tx.b.bin_imm(BinOp::Shr, psw, 32);
    let high = tx.b.trunc(high);
    tx.set_r32(i.r1, high);
    if i.r2 != 0 {
        let low = tx.b.trunc(psw);
        tx.set_r32(i.r2, low);
    }
    Flow::Next
}

pub(crate) fn sac(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.ea2(i);
    tx.call(&SET_SPACE, &[address]);
    Flow::NewBlock
}

/// SACF is SAC without the serialisation, and privileged where its control says so; here it is
/// the same.
pub(crate) fn sacf(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    sac(tx, i)
}

/// INSERT ADDRESS SPACE CONTROL: register bits 48-55 and the condition code.
pub(crate) fn iac(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.demand(tx.flags.0 & psw::DAT != 0, ProgramCode::SpecialOperation));
    if tx.flags.problem() {
        tx.call(&EXTRACTION, &[]);
    }
    let code = space_code(tx.flags);
    let old = tx.r64(i.r1);
    let value = tx.c64(u64::from(code));
    let new = tx.b.deposit(old, value, 8, 8);
    tx.set_r64(i.r1, new);
    tx.set_cc_const(code);
    Flow::Next
}

fn space_code(flags: Flags) -> u8 {
    match (flags.0 & psw::SPACE) >> psw::SPACE_SHIFT {
        0 => 0,
        1 => 2,
        2 => 1,
        _ => 3,
    }
}

fn extract_asn(tx: &mut Tx<'_>, i: &Insn, control_register: u64) -> Flow {
    require!(tx.demand(tx.flags.0 & psw::DAT != 0, ProgramCode::SpecialOperation));
    if tx.flags.problem() {
        tx.call(&EXTRACTION, &[]);
    }
    let number = tx.c64(control_register);
    let asn = tx.call(&ASN, &[number]);
    let asn = tx.b.trunc(asn);
    tx.set_r32(i.r1, asn);
    Flow::Next
}

pub(crate) fn epar(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    extract_asn(tx, i, 4)
}

pub(crate) fn esar(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    extract_asn(tx, i, 3)
}

/// LOAD PROGRAM PARAMETER: the value is for measurements, which are not installed.
pub(crate) fn lpp(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    static LPP: HelperDef = HelperDef::new2(
        "lpp",
        Effects::READS,
        |cpu: &mut S390Cpu, address, space| {
            check_alignment(address, 8)?;
            let mut operand = [0; 8];
            mem::read_bytes(cpu, mode(space), address, &mut operand)?;
            Ok(0)
        },
    );
    require!(tx.privileged());
    let (address, space) = (tx.ea2(i), tx.data_mode_arg(i.b2));
    tx.call(&LPP, &[address, space]);
    Flow::Next
}
