//! EXECUTE: fetches the target instruction, and performs it if it is a simple field instruction.
//!
//! Not here: the block in which any other target is executed ([`crate::translate::block`]).

use tcg::helper::{Effects, HelperDef};
use tcg::{Access, GlobalSet, Trap, mem};

use super::{decimal_format, operand, storage, translate_bytes};
use crate::cpu::key;
use crate::cpu::{ProgramCode, S390Cpu, sets};
use crate::insn::decode;

/// `(target address, modifier)`: [`DONE`] if the target has been performed, [`NOT_DONE`] if it is
/// to be executed as the CPU's `execute_target`. The byte that replaces nothing is zero.
pub static EXECUTE: HelperDef = HelperDef::new2(
    "execute",
    Effects::ALL.within(
        GlobalSet::ALL,
        sets::GR1.and(sets::GR2).and(sets::CC).and(sets::EXECUTE),
    ),
    execute,
);

/// The target is now the CPU's `execute_target`.
pub const NOT_DONE: u64 = 0;
/// The target has been performed.
pub const DONE: u64 = 1;

fn execute(cpu: &mut S390Cpu, target: u64, modifier: u64) -> Result<u64, Trap> {
    if !target.is_multiple_of(2) {
        return Err(ProgramCode::Specification.into());
    }
    let image = fetch(cpu, target)? | (modifier & 0xff) << 32;
    let code = (image >> 40) as u8;
    match code {
        0xd0..=0xdf | 0xe8 | 0xf1..=0xf3 if !cpu.flags().per() && perform(cpu, code, image)? => {
            Ok(DONE)
        }
        0x44 => Err(ProgramCode::Execute.into()),
        0xc6 if image >> 32 & 0xf == 0 => Err(ProgramCode::Execute.into()),
        _ => {
            cpu.execute_target = key::execute_aux(image, cpu.core.ilen as u8);
            cpu.execute_address = target;
            Ok(NOT_DONE)
        }
    }
}

/// The image of the instruction at an even address, byte 0 at bits 40-47.
fn fetch(cpu: &mut S390Cpu, target: u64) -> Result<u64, Trap> {
    /// The most bytes of an instruction.
    const MOST: u64 = 6;
    let mode = cpu.flags().code_mode();
    if target % mem::PAGE_SIZE <= mem::PAGE_SIZE - MOST {
        let mut bytes = [0; 8];
        let code = mem::span(cpu, mode, Access::Execute, target, MOST)?;
        code.read(&cpu.core, &mut bytes[2..]);
        let unused = 48 - 8 * u32::from(decode::length(bytes[2]));
        return Ok(u64::from_be_bytes(bytes) >> unused << unused);
    }
    let first = mem::fetch(cpu, mode, target)?;
    let mut image = u64::from(first) << 32;
    for halfword in 1..u64::from(decode::length((first >> 8) as u8) / 2) {
        let address = cpu.wrap(target.wrapping_add(2 * halfword));
        image |= u64::from(mem::fetch(cpu, mode, address)?) << (32 - 16 * halfword);
    }
    Ok(image)
}

/// Performs a field instruction; false if it is none of those known here.
fn perform(cpu: &mut S390Cpu, code: u8, image: u64) -> Result<bool, Trap> {
    type Field = fn(&mut S390Cpu, u64, u64, u64, u64) -> Result<u64, Trap>;
    let (field, sets_cc): (Field, bool) = match code {
        0xd1 => (storage::mvn, false),
        0xd2 => (storage::mvc, false),
        0xd3 => (storage::mvz, false),
        0xd4 => (storage::nc, true),
        0xd5 => (storage::clc, true),
        0xd6 => (storage::oc, true),
        0xd7 => (storage::xc, true),
        0xdc => (translate_bytes::tr, false),
        0xdd => (translate_bytes::trt, true),
        0xe8 => (storage::mvcin, false),
        0xf1 => (decimal_format::mvo, false),
        0xf2 => (decimal_format::pack, false),
        0xf3 => (decimal_format::unpk, false),
        _ => return Ok(false),
    };
    let operand = |field: u64| {
        let base = (field >> 12 & 15) as u8;
        let register = if base == 0 {
            0
        } else {
            cpu.gpr[usize::from(base)]
        };
        (cpu.wrap(register.wrapping_add(field & 0xfff)), base)
    };
    let (first, base1) = operand(image >> 16);
    let (second, base2) = operand(image);
    let spaces = operand::spaces(cpu.data_mode(base1), cpu.data_mode(base2));
    let length = image >> 32 & 0xff;
    let length = if code & 0xf0 == 0xf0 {
        length
    } else {
        length + 1
    };
    let cc = field(cpu, first, second, length, spaces)?;
    if sets_cc {
        cpu.set_cc(cc as u8);
    }
    Ok(true)
}
