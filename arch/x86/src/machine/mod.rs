//! The machine: what all CPUs share, their threads, and what the program sees of it.
//!
//! Not here: what CPUs do ([`crate::cpu`]) and who runs the machine (the program's run control).

pub mod bench;
pub mod create;
pub mod inspect;

use std::sync::Arc;

use crossbeam::channel::Sender;
use machine::{
    AddressSpace, Bench, ConsoleInput, CpuSummary, GuestEvent, GuestRam, Machine, MachineError,
    RealTimeClock, ResetCause,
};
use tod::VcpuGate;
use tod::clock::StartToken;
use tod::run::AllParked;

use crate::board::Board;
use crate::memory::Memory;

pub use create::{MICROVM, PC};

/// What all CPUs and devices of a machine use.
pub struct Shared {
    /// RAM.
    pub memory: Memory,
    /// Devices.
    pub board: Board,
    /// Where the CPUs' threads park.
    pub gate: VcpuGate,
    /// Where run control listens.
    pub events: Sender<GuestEvent>,
}

/// What executes guest code.
enum Execution {
    /// Nothing: so many CPUs exist in name only.
    Qtest { cpus: u32 },
}

/// A built x86 machine.
pub struct X86Machine {
    shared: Arc<Shared>,
    execution: Execution,
}

impl X86Machine {
    fn cpu_count(&self) -> usize {
        match self.execution {
            Execution::Qtest { cpus } => cpus as usize,
        }
    }

    fn check_cpu(&self, index: usize) -> Result<(), MachineError> {
        let count = self.cpu_count();
        if index < count {
            Ok(())
        } else {
            Err(MachineError::NoSuchCpu { index, count })
        }
    }
}

impl Machine for X86Machine {
    fn park(&self) -> AllParked {
        self.shared.gate.close_and_wait()
    }

    fn unpark(&self, token: StartToken) {
        self.shared.gate.open(token);
    }

    fn reset(&self, _cause: ResetCause) -> Result<(), MachineError> {
        self.shared.board.reset();
        Ok(())
    }

    fn powerdown(&self) -> bool {
        false
    }

    fn console_input(&self) -> Option<Arc<dyn ConsoleInput>> {
        self.shared.board.console_input()
    }

    fn rtc(&self) -> Option<Arc<dyn RealTimeClock>> {
        Some(Arc::clone(self.shared.board.rtc()) as _)
    }

    fn bench(&self) -> Option<&dyn Bench> {
        Some(self)
    }

    fn ram(&self) -> &GuestRam {
        self.shared.memory.ram()
    }

    fn migration_ram(&self) -> &dyn migration::vm::Ram {
        self.shared.memory.ram()
    }

    fn cpus(&self) -> Vec<CpuSummary> {
        (0..self.cpu_count())
            .map(|index| CpuSummary {
                index,
                thread_id: 0,
                state: "not executed",
                halted: true,
                pc: inspect::RESET_PC,
            })
            .collect()
    }

    fn registers(&self, cpu: usize) -> Result<String, MachineError> {
        self.check_cpu(cpu)?;
        Ok("no registers: this accelerator executes nothing\n".into())
    }

    fn read_memory(
        &self,
        space: AddressSpace,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<(), MachineError> {
        if let AddressSpace::Virtual { cpu } = space {
            self.check_cpu(cpu)?;
        }
        self.shared.memory.read(address, buffer)
    }

    fn big_endian(&self) -> bool {
        false
    }

    fn disassemble(&self, address: u64, code: &[u8]) -> (usize, String) {
        inspect::disassemble(inspect::CodeSize::Bits16, address, code)
    }

    fn instructions(&self) -> Option<u64> {
        None
    }

    fn parts(&self) -> Vec<Box<dyn migration::Part + '_>> {
        self.shared.board.parts()
    }

    fn shut_down(&self) {
        self.shared.gate.quit();
    }
}
