//! Helpers of the instructions by which a program talks to the machine.
//!
//! Checks here are those of the operands' values; privilege is the translator's.

use tcg::ir::{MemMode, MemOp, MemSize};
use tcg::{Access, Effects, Guest, HelperDef, Trap, mem};

use crate::cpu::facility::TOPOLOGY;
use crate::cpu::{ProgramCode, S390Cpu, sets};
use crate::machine::topology::Performed;
use crate::machine::{diagnose, stsi};
use crate::{console, css};

fn specification<T>() -> Result<T, Trap> {
    Err(ProgramCode::Specification.into())
}

fn operand<T>() -> Result<T, Trap> {
    Err(ProgramCode::Operand.into())
}

/// DIAGNOSE: function, and both register numbers.
pub static DIAG: HelperDef = HelperDef::new2(
    "diag",
    Effects::ALL,
    |cpu: &mut S390Cpu, function, registers| {
        diagnose::diagnose(
            cpu,
            (registers >> 4) as u8 & 15,
            registers as u8 & 15,
            function,
        )?;
        Ok(0)
    },
);

/// SERVICE CALL: command and SCCB address; the condition code.
pub static SERVC: HelperDef = HelperDef::new2(
    "servc",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, command, sccb| {
        /// A service call has completed and its interruption has not been taken.
        const BUSY: u64 = 2;
        let shared = cpu.control.shared.clone();
        if shared.floating.has_service_call() {
            return Ok(BUSY);
        }
        let done =
            console::service::service_call(&shared, &cpu.core, cpu.prefix, command as u32, sccb)?;
        shared.floating.service_signal(&shared.cpus, done.parameter);
        Ok(0)
    },
);

/// STORE SYSTEM INFORMATION: address and mode; GR0 and GR1 select; the condition code.
pub static STSI: HelperDef = HelperDef::new2(
    "stsi",
    Effects::ALL.within(sets::GR0.and(sets::GR1), sets::GR0),
    |cpu: &mut S390Cpu, address, mode| {
        const NOT_AVAILABLE: u64 = 3;
        /// This machine is a virtual machine's.
        const LEVEL: u64 = 3;
        // Bits 32-63 count; the left half may hold anything.
        let (select, second) = (cpu.gpr[0] as u32, cpu.gpr[1] as u32);
        let function = (select >> 28) as u8;
        /// It tells the CPU topology.
        const TOPOLOGY_BLOCKS: u8 = 15;
        let topology = function == TOPOLOGY_BLOCKS && cpu.control.facilities.has(TOPOLOGY);
        if function > LEVEL as u8 && !topology {
            return Ok(NOT_AVAILABLE);
        }
        if select & 0x0fff_ff00 != 0 || second & 0xffff_0000 != 0 {
            return specification();
        }
        if function == 0 {
            cpu.gpr[0] = cpu.gpr[0] & !0xf000_0000 | LEVEL << 28;
            return Ok(0);
        }
        if address % stsi::BLOCK as u64 != 0 {
            return specification();
        }
        let shared = cpu.control.shared.clone();
        let selected = stsi::block(
            &shared,
            function,
            select as u8,
            second as u16,
            cpu.cpu_address,
        );
        match selected {
            None => Ok(NOT_AVAILABLE),
            Some(block) => {
                mem::write_bytes(cpu, MemMode(mode as u8), address, &block[..])?;
                Ok(0)
            }
        }
    },
);

/// PERFORM TOPOLOGY FUNCTION: the register's number; its function code, and the reason in bits
/// 48-55; the condition code.
pub static PTF: HelperDef = HelperDef::new1("ptf", Effects::ALL, |cpu: &mut S390Cpu, r1| {
    const LAST_FUNCTION: u64 = 2;
    const ALREADY_POLARIZED: u64 = 1 << 8;
    let register = cpu.gpr[r1 as usize];
    if register > LAST_FUNCTION {
        return specification();
    }
    let performed = cpu.control.shared.topology().perform(register as u8);
    Ok(match performed {
        Performed::Done => 0,
        Performed::Changed => 1,
        Performed::Already => {
            cpu.gpr[r1 as usize] |= ALREADY_POLARIZED;
            2
        }
    })
});

/// The CPU identification: version 0, machine type 2827, format 1 of the LPAR identification.
pub static CPU_ID: HelperDef = HelperDef::new0("cpu_id", Effects::READS, |cpu: &mut S390Cpu| {
    const MACHINE_TYPE: u64 = 0x2827;
    const FORMAT: u64 = 0x8000;
    Ok(u64::from(cpu.cpu_address) << 32 | MACHINE_TYPE << 16 | FORMAT)
});

/// CHANNEL SUBSYSTEM CALL: block address and mode.
pub static CHSC: HelperDef =
    HelperDef::new2("chsc", Effects::ALL, |cpu: &mut S390Cpu, address, mode| {
        if address % mem::PAGE_SIZE != 0 {
            return specification();
        }
        let mode = MemMode(mode as u8);
        cpu.translate_address(address, Access::Read, mode)?;
        let block = cpu.translate_address(address, Access::Write, mode)?.page;
        css::channel_subsystem_call(&cpu.core, block)?;
        Ok(0)
    });

/// A subsystem identification word has 1 in bits 47 and 0 in bits 32-44 (sets 0 to 3 in 45-46).
fn subchannel(word: u64) -> Result<u64, Trap> {
    if word as u32 & 0xfff9_0000 == 0x0001_0000 {
        Ok(0)
    } else {
        operand()
    }
}

/// Checks the subsystem identification word.
pub static SUBCHANNEL: HelperDef =
    HelperDef::new1("subchannel", Effects::TRAPS, |_: &mut S390Cpu, word| {
        subchannel(word)
    });

/// Checks a block's alignment and the subsystem identification word.
pub static SUBCHANNEL_BLOCK: HelperDef = HelperDef::new2(
    "subchannel_block",
    Effects::TRAPS,
    |_: &mut S390Cpu, address, word| {
        if address % 4 != 0 {
            specification()
        } else {
            subchannel(word)
        }
    },
);

/// Checks a word's alignment.
pub static WORD_ALIGNED: HelperDef = HelperDef::new1(
    "word_aligned",
    Effects::TRAPS,
    |_: &mut S390Cpu, address| {
        if address % 4 != 0 {
            specification()
        } else {
            Ok(0)
        }
    },
);

/// Checks an address limit: 64 KiB aligned, below 2 GiB.
pub static ADDRESS_LIMIT: HelperDef =
    HelperDef::new1("address_limit", Effects::TRAPS, |_: &mut S390Cpu, limit| {
        if limit as u32 & 0x8000_ffff != 0 {
            operand()
        } else {
            Ok(0)
        }
    });

/// STORE CHANNEL PATH STATUS: 32 zero bytes.
pub static STCPS: HelperDef = HelperDef::new2(
    "stcps",
    Effects::MEMORY,
    |cpu: &mut S390Cpu, address, mode| {
        if address % 32 != 0 {
            return specification();
        }
        let double = MemOp {
            size: MemSize::B8,
            signed: false,
            aligned: true,
            mode: MemMode(mode as u8),
        };
        for at in (0..32).step_by(8) {
            mem::store(cpu, double, address + at, 0)?;
        }
        Ok(0)
    },
);

/// Checks a channel-path identifier: bits 32-55 are zero.
pub static CHANNEL_PATH: HelperDef =
    HelperDef::new1("channel_path", Effects::TRAPS, |_: &mut S390Cpu, path| {
        if path as u32 & 0xffff_ff00 != 0 {
            operand()
        } else {
            Ok(0)
        }
    });

/// Checks the operands of SET CHANNEL MONITOR: reserved bits of GR1, and a block origin on a
/// 32-byte boundary where one is set.
pub static CHANNEL_MONITOR: HelperDef = HelperDef::new2(
    "channel_monitor",
    Effects::TRAPS,
    |_: &mut S390Cpu, flags, origin| {
        const RESERVED: u32 = 0x0fff_fffc;
        const MEASUREMENT_BLOCKS: u32 = 2;
        if flags as u32 & RESERVED != 0 {
            return operand();
        }
        if flags as u32 & MEASUREMENT_BLOCKS != 0 && origin % 32 != 0 {
            return operand();
        }
        Ok(0)
    },
);
