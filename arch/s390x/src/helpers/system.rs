//! Helpers of the instructions by which a program talks to the machine.
//!
//! Checks here are those of the operands' values; privilege is the translator's.

use tcg::ir::MemMode;
use tcg::{Effects, HelperDef, Trap, mem};

use crate::console;
use crate::cpu::facility::TOPOLOGY;
use crate::cpu::{ProgramCode, S390Cpu, sets};
use crate::machine::topology::Performed;
use crate::machine::{diagnose, stsi};

fn specification<T>() -> Result<T, Trap> {
    Err(ProgramCode::Specification.into())
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
            cpu.control.facilities.machine_type(),
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

/// The CPU identification: version 0, machine type, format 1 of the LPAR identification.
pub static CPU_ID: HelperDef = HelperDef::new0("cpu_id", Effects::READS, |cpu: &mut S390Cpu| {
    const FORMAT: u64 = 0x8000;
    let machine_type = u64::from(cpu.control.facilities.machine_type());
    Ok(u64::from(cpu.cpu_address) << 32 | machine_type << 16 | FORMAT)
});
