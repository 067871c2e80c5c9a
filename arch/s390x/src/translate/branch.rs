//! Branches, linkage, addressing modes, supervisor and monitor calls.

use tcg::ir::{BinOp, Cond, Exit, Val};
use tcg::{Effects, HelperDef};

use super::{Flow, Target, Tx, require};
use crate::cpu::control::MonitorEvent;
use crate::cpu::key::Addressing;
use crate::cpu::{BREAKING_EVENT, PSW_MASK, ProgramCode, S390Cpu, interrupt, psw, sets};
use crate::insn::Insn;

/// BRANCH RELATIVE ON CONDITION (LONG).
pub(crate) fn brc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = tx.relative(i.i2);
    on_condition(tx, i.m1, target)
}

/// BRANCH ON CONDITION.
pub(crate) fn bc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = Target::Computed(tx.ea2(i));
    on_condition(tx, i.m1, target)
}

/// BRANCH ON CONDITION to a register. With register 0 no branch; masks 15 and 14 then serialise
/// (14 is the fast form of facility 45).
pub(crate) fn bcr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.r2 == 0 {
        if i.m1 >= 14 {
            tx.b.fence();
        }
        return Flow::Next;
    }
    let target = Target::Computed(tx.register_address(i.r2));
    on_condition(tx, i.m1, target)
}

/// Branches if the condition code is one that the mask names.
pub(super) fn on_condition(tx: &mut Tx<'_>, mask: u8, target: Target) -> Flow {
    match mask {
        0 => Flow::Next,
        15 => tx.jump(target),
        _ => {
            let taken = tx.test_cc(mask);
            tx.branch_if_true(taken, target)
        }
    }
}

/// The bit that marks the 31-bit mode in link information.
const LINK_31: u64 = 0x8000_0000;

/// Link information of BRANCH AND SAVE: the next address, and the mode in the 31-bit mode.
fn save(tx: &mut Tx<'_>, register: u8) {
    match tx.flags.addressing() {
        Addressing::A64 => {
            let v = tx.c64(tx.next_pc);
            tx.set_r64(register, v);
        }
        Addressing::A31 => {
            let v = tx.c32((tx.next_pc | LINK_31) as u32);
            tx.set_r32(register, v);
        }
        Addressing::A24 => {
            let v = tx.c32(tx.next_pc as u32);
            tx.set_r32(register, v);
        }
    }
}

/// Link information of BRANCH AND LINK: in the 24-bit mode the instruction length, condition
/// code and program mask stand before the address.
fn link(tx: &mut Tx<'_>, register: u8) {
    if tx.flags.addressing() != Addressing::A24 {
        return save(tx, register);
    }
    let length = tx.next_pc.wrapping_sub(tx.pc) & Addressing::A24.mask();
    let v = condition_and_mask(tx);
    let v = tx.b.bin_imm(BinOp::Shl, v, 24);
    let rest = (length / 2) << 30 | tx.next_pc;
    let v = tx.b.bin_imm(BinOp::Or, v, rest);
    let v = tx.b.trunc(v);
    tx.set_r32(register, v);
}

/// Condition code and program mask as six bits (an `I64`).
fn condition_and_mask(tx: &mut Tx<'_>) -> Val {
    let psw = tx.b.get(PSW_MASK);
    let mask =
        tx.b.bin_imm(BinOp::Shr, psw, psw::PROGRAM_MASK_SHIFT.into());
    let mask = tx.b.bin_imm(BinOp::And, mask, 0xf);
    let cc = tx.cc();
    let cc = tx.b.zext(cc);
    let cc = tx.b.bin_imm(BinOp::Shl, cc, 4);
    tx.b.or(cc, mask)
}

/// BRANCH AND SAVE.
pub(crate) fn bas(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = Target::Computed(tx.ea2(i));
    save(tx, i.r1);
    tx.jump(target)
}

/// BRANCH AND SAVE to a register; register 0 means no branch.
pub(crate) fn basr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.r2 == 0 {
        save(tx, i.r1);
        return Flow::Next;
    }
    let target = Target::Computed(tx.register_address(i.r2));
    save(tx, i.r1);
    tx.jump(target)
}

/// BRANCH AND LINK.
pub(crate) fn bal(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = Target::Computed(tx.ea2(i));
    link(tx, i.r1);
    tx.jump(target)
}

/// BRANCH AND LINK to a register; register 0 means no branch.
pub(crate) fn balr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    if i.r2 == 0 {
        link(tx, i.r1);
        return Flow::Next;
    }
    let target = Target::Computed(tx.register_address(i.r2));
    link(tx, i.r1);
    tx.jump(target)
}

/// BRANCH RELATIVE AND SAVE (LONG).
pub(crate) fn bras(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = tx.relative(i.i2);
    save(tx, i.r1);
    tx.jump(target)
}

/// Decrements the low half of R1; the branch is taken if the result is not zero.
fn count32(tx: &mut Tx<'_>, i: &Insn, target: Option<Target>) -> Flow {
    let old = tx.r32(i.r1);
    let one = tx.c32(1);
    let new = tx.b.sub(old, one);
    tx.set_r32(i.r1, new);
    branch_not_zero(tx, new, target)
}

fn count64(tx: &mut Tx<'_>, i: &Insn, target: Option<Target>) -> Flow {
    let old = tx.r64(i.r1);
    let one = tx.c64(1);
    let new = tx.b.sub(old, one);
    tx.set_r64(i.r1, new);
    branch_not_zero(tx, new, target)
}

fn branch_not_zero(tx: &mut Tx<'_>, v: Val, target: Option<Target>) -> Flow {
    let Some(target) = target else {
        return Flow::Next;
    };
    let ty = tx.b.ty(v);
    let zero = tx.b.constant(ty, 0);
    tx.branch_if(Cond::Ne, v, zero, target)
}

fn register_target(tx: &mut Tx<'_>, i: &Insn) -> Option<Target> {
    (i.r2 != 0).then(|| Target::Computed(tx.register_address(i.r2)))
}

/// BRANCH ON COUNT, 32 bits.
pub(crate) fn bct(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = Target::Computed(tx.ea2(i));
    count32(tx, i, Some(target))
}

/// BRANCH ON COUNT, 32 bits, to a register.
pub(crate) fn bctr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = register_target(tx, i);
    count32(tx, i, target)
}

/// BRANCH ON COUNT, 64 bits.
pub(crate) fn bctg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = Target::Computed(tx.ea2(i));
    count64(tx, i, Some(target))
}

/// BRANCH ON COUNT, 64 bits, to a register.
pub(crate) fn bctgr(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = register_target(tx, i);
    count64(tx, i, target)
}

/// BRANCH RELATIVE ON COUNT, 32 bits.
pub(crate) fn brct(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = tx.relative(i.i2);
    count32(tx, i, Some(target))
}

/// BRANCH RELATIVE ON COUNT, 64 bits.
pub(crate) fn brctg(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = tx.relative(i.i2);
    count64(tx, i, Some(target))
}

/// BRANCH RELATIVE ON COUNT HIGH.
pub(crate) fn brcth(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let target = tx.relative(i.i2);
    let old = tx.r32h(i.r1);
    let one = tx.c32(1);
    let new = tx.b.sub(old, one);
    tx.set_r32h(i.r1, new);
    branch_not_zero(tx, new, Some(target))
}

/// When an index branch is taken.
pub(crate) use Cond::{GtS as High, LeS as LowOrEqual};

/// BRANCH ON INDEX, 32 bits: R1 plus R3, compared with the odd register of R3.
fn index32(tx: &mut Tx<'_>, i: &Insn, cond: Cond, target: Target) -> Flow {
    let (a, increment, limit) = (tx.r32(i.r1), tx.r32(i.r3), tx.r32(i.r3 | 1));
    let sum = tx.b.add(a, increment);
    tx.set_r32(i.r1, sum);
    tx.branch_if(cond, sum, limit, target)
}

fn index64(tx: &mut Tx<'_>, i: &Insn, cond: Cond, target: Target) -> Flow {
    let (a, increment, limit) = (tx.r64(i.r1), tx.r64(i.r3), tx.r64(i.r3 | 1));
    let sum = tx.b.add(a, increment);
    tx.set_r64(i.r1, sum);
    tx.branch_if(cond, sum, limit, target)
}

/// BRANCH ON INDEX, 32 bits.
pub(crate) fn bx32(tx: &mut Tx<'_>, i: &Insn, cond: Cond) -> Flow {
    let target = Target::Computed(tx.ea2(i));
    index32(tx, i, cond, target)
}

/// BRANCH ON INDEX, 64 bits.
pub(crate) fn bx64(tx: &mut Tx<'_>, i: &Insn, cond: Cond) -> Flow {
    let target = Target::Computed(tx.ea2(i));
    index64(tx, i, cond, target)
}

/// BRANCH RELATIVE ON INDEX, 32 bits.
pub(crate) fn brx32(tx: &mut Tx<'_>, i: &Insn, cond: Cond) -> Flow {
    let target = tx.relative(i.i2);
    index32(tx, i, cond, target)
}

/// BRANCH RELATIVE ON INDEX, 64 bits.
pub(crate) fn brx64(tx: &mut Tx<'_>, i: &Insn, cond: Cond) -> Flow {
    let target = tx.relative(i.i2);
    index64(tx, i, cond, target)
}

fn addressing_bits(mode: Addressing) -> u64 {
    match mode {
        Addressing::A24 => 0,
        Addressing::A31 => psw::BASIC_ADDRESSING,
        Addressing::A64 => psw::ADDRESSING,
    }
}

/// Sets the addressing-mode bits of the PSW to a value.
fn put_addressing(tx: &mut Tx<'_>, bits: Val) {
    let old = tx.b.get(PSW_MASK);
    let rest = tx.b.bin_imm(BinOp::And, old, !psw::ADDRESSING);
    let new = tx.b.or(rest, bits);
    tx.b.put(PSW_MASK, new);
}

/// SET ADDRESSING MODE. The instruction must be where the new mode reaches.
pub(crate) fn sam(tx: &mut Tx<'_>, _: &Insn, mode: Addressing) -> Flow {
    require!(tx.demand(tx.pc & !mode.mask() == 0, ProgramCode::Specification));
    let bits = tx.c64(addressing_bits(mode));
    put_addressing(tx, bits);
    // The next address, wrapped as the new mode has it.
    let next = tx.next_pc_unwrapped & mode.mask();
    let next = tx.c64(next);
    tx.b.exit(Exit::Lookup { pc: Some(next) });
    Flow::Ended
}

/// TEST ADDRESSING MODE.
pub(crate) fn tam(tx: &mut Tx<'_>, _: &Insn) -> Flow {
    tx.set_cc_const(match tx.flags.addressing() {
        Addressing::A24 => 0,
        Addressing::A31 => 1,
        Addressing::A64 => 3,
    });
    Flow::Next
}

/// Branches to the address in R2 and to the mode that it tells: bit 63 the 64-bit mode, else
/// bit 32 the 31-bit mode.
fn branch_set_mode(tx: &mut Tx<'_>, value: Val) -> Flow {
    let bit = tx.b.bin_imm(BinOp::And, value, 1);
    let zero = tx.c64(0);
    let bit_31 = tx.b.bin_imm(BinOp::And, value, LINK_31);
    let (m24, m31, m64) = (
        tx.c64(addressing_bits(Addressing::A24)),
        tx.c64(addressing_bits(Addressing::A31)),
        tx.c64(addressing_bits(Addressing::A64)),
    );
    let (a24, a31, a64) = (
        tx.c64(Addressing::A24.mask()),
        tx.c64(Addressing::A31.mask()),
        tx.c64(!1),
    );
    let short = tx.b.select(Cond::Ne, bit_31, zero, m31, m24);
    let bits = tx.b.select(Cond::Ne, bit, zero, m64, short);
    let short = tx.b.select(Cond::Ne, bit_31, zero, a31, a24);
    let mask = tx.b.select(Cond::Ne, bit, zero, a64, short);
    let target = tx.b.and(value, mask);
    if tx.flags.per() {
        tx.per_branch(Target::Computed(target));
    }
    put_addressing(tx, bits);
    let from = tx.c64(tx.pc);
    tx.b.put(BREAKING_EVENT, from);
    tx.b.exit(Exit::Lookup { pc: Some(target) });
    Flow::Ended
}

/// BRANCH AND SAVE AND SET MODE.
pub(crate) fn bassm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let value = tx.r64(i.r2);
    if tx.flags.addressing() == Addressing::A64 {
        let v = tx.c64(tx.next_pc | 1);
        tx.set_r64(i.r1, v);
    } else {
        save(tx, i.r1);
    }
    if i.r2 == 0 {
        return Flow::Next;
    }
    branch_set_mode(tx, value)
}

/// BRANCH AND SET MODE.
pub(crate) fn bsm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let value = tx.r64(i.r2);
    if i.r1 != 0 {
        let old = tx.r64(i.r1);
        let new = match tx.flags.addressing() {
            Addressing::A64 => tx.b.bin_imm(BinOp::Or, old, 1),
            Addressing::A31 => tx.b.bin_imm(BinOp::Or, old, LINK_31),
            Addressing::A24 => tx.b.bin_imm(BinOp::And, old, !LINK_31),
        };
        tx.set_r64(i.r1, new);
    }
    if i.r2 == 0 {
        return Flow::Next;
    }
    branch_set_mode(tx, value)
}

/// INSERT PROGRAM MASK.
pub(crate) fn ipm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = condition_and_mask(tx);
    let old = tx.r64(i.r1);
    let new = tx.b.deposit(old, v, 24, 8);
    tx.set_r64(i.r1, new);
    Flow::Next
}

/// SET PROGRAM MASK: condition code and program mask from bits 34-39 of the register.
pub(crate) fn spm(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let v = tx.r64(i.r1);
    let cc = tx.b.bin_imm(BinOp::Shr, v, 28);
    let cc = tx.b.bin_imm(BinOp::And, cc, 3);
    tx.set_cc_value(cc);
    let mask = tx.b.bin_imm(BinOp::Shr, v, 24);
    let old = tx.b.get(PSW_MASK);
    let shift = psw::PROGRAM_MASK_SHIFT as u8;
    let new = tx.b.deposit(old, mask, shift, 4);
    tx.b.put(PSW_MASK, new);
    Flow::NewBlock
}

/// Swaps the PSW for a supervisor-call interruption.
static SUPERVISOR_CALL: HelperDef = HelperDef::new1(
    "svc",
    Effects {
        traps: false,
        writes_at_trap: sets::NONE,
        ..Effects::ALL.within(sets::PSW, sets::PSW)
    },
    |cpu: &mut S390Cpu, number| {
        interrupt::supervisor_call(cpu, number as u8);
        Ok(0)
    },
);

/// SUPERVISOR CALL.
pub(crate) fn svc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let number = tx.c64(i.u8().into());
    tx.call(&SUPERVISOR_CALL, &[number]);
    tx.lookup()
}

/// Raises a monitor event if the mask of its class (CR8 bits 48-63) is one.
static MONITOR_CALL: HelperDef =
    HelperDef::new2("mc", Effects::TRAPS, |cpu: &mut S390Cpu, class, code| {
        if cpu.cr[8] & 0x8000 >> class == 0 {
            return Ok(0);
        }
        cpu.control.monitor = MonitorEvent {
            class: class as u8,
            code,
        };
        Err(ProgramCode::Monitor.into())
    });

/// MONITOR CALL: the class in bits 12-15, the code in the first operand's address.
pub(crate) fn mc(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    require!(tx.demand(i.u8() < 16, ProgramCode::Specification));
    let class = tx.c64(i.u8().into());
    let code = tx.ea1(i);
    tx.call(&MONITOR_CALL, &[class, code]);
    Flow::Next
}

/// What EXTRACT CPU ATTRIBUTE answers for an attribute that the machine does not have.
const NO_ATTRIBUTE: u64 = u64::MAX;

/// EXTRACT CPU ATTRIBUTE: a machine that tells of no caches. Attribute 0 (topology) is zero for
/// every level; the others do not exist.
pub(crate) fn ecag(tx: &mut Tx<'_>, i: &Insn) -> Flow {
    let address = tx.unwrapped_address(i.b2, 0, i.d2);
    let attribute = tx.b.bin_imm(BinOp::And, address, 0xf0);
    let (zero, none) = (tx.c64(0), tx.c64(NO_ATTRIBUTE));
    let v = tx.b.select(Cond::Eq, attribute, zero, zero, none);
    tx.set_r64(i.r1, v);
    Flow::Next
}
