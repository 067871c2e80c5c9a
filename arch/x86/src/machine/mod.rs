//! The machine: what all CPUs share, their threads, and what the program sees of it.
//!
//! Not here: what CPUs do ([`crate::cpu`]), devices ([`crate::board`]), and who runs the machine
//! (the program's run control).

pub mod bench;
pub mod create;
pub mod inspect;
pub mod kvm;
pub mod parts;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam::channel::Sender;
use machine::{
    AddressSpace, Bench, ConsoleInput, CpuSummary, GuestEvent, GuestRam, Identity, Machine,
    MachineError, RealTimeClock, ResetCause,
};
use tod::VcpuGate;
use tod::clock::StartToken;
use tod::run::{AllParked, Layer, RunListener};

use crate::board::Board;
use crate::boot::BootImage;
use crate::clock::KvmTimeListener;
use crate::memory::Memory;
use inspect::CodeSize;

pub use create::{MICROVM, PC};
pub use kvm::KvmCpus;

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
    /// Its name.
    pub identity: Identity,
}

/// What executes guest code.
enum Execution {
    /// Nothing: so many CPUs exist in name only.
    Qtest { cpus: u32 },
    /// The host's KVM.
    Kvm(Box<KvmCpus>),
}

/// A built x86 machine.
pub struct X86Machine {
    shared: Arc<Shared>,
    execution: Execution,
    boot: Option<BootImage>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl X86Machine {
    fn cpu_count(&self) -> usize {
        match &self.execution {
            Execution::Qtest { cpus } => *cpus as usize,
            Execution::Kvm(kvm) => kvm.crew.vcpus.len(),
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

    /// Puts the boot image into memory, which holds zeros, and CPU 0 at its entry.
    fn load_boot_image(&self) -> Result<(), MachineError> {
        let Some(boot) = &self.boot else {
            return Ok(());
        };
        boot.load(&self.shared.memory);
        match &self.execution {
            Execution::Qtest { .. } => Ok(()),
            Execution::Kvm(kvm) => Ok(kvm.start(boot.entry())?),
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
        if let Execution::Kvm(kvm) = &self.execution {
            kvm.reset()?;
        }
        self.shared.board.reset();
        let ram = self.shared.memory.ram();
        // It is the whole of RAM.
        let _ = ram.zero(0, ram.size());
        self.load_boot_image()
    }

    fn powerdown(&self) -> bool {
        self.shared.board.press_power_button()
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
        &self.shared.memory
    }

    fn cpus(&self) -> Vec<CpuSummary> {
        match &self.execution {
            Execution::Kvm(kvm) => kvm.summaries(),
            Execution::Qtest { cpus } => (0..*cpus as usize)
                .map(|index| CpuSummary {
                    index,
                    thread_id: 0,
                    state: "not executed",
                    halted: true,
                    pc: inspect::RESET_PC,
                    topology: None,
                })
                .collect(),
        }
    }

    fn registers(&self, cpu: usize) -> Result<String, MachineError> {
        self.check_cpu(cpu)?;
        match &self.execution {
            Execution::Kvm(kvm) => kvm.registers(cpu),
            Execution::Qtest { .. } => {
                Ok("no registers: this accelerator executes nothing\n".into())
            }
        }
    }

    fn read_memory(
        &self,
        space: AddressSpace,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<(), MachineError> {
        let memory = &self.shared.memory;
        match (space, &self.execution) {
            (AddressSpace::Virtual { cpu }, Execution::Kvm(kvm)) => {
                self.check_cpu(cpu)?;
                kvm.read_virtual(cpu, memory, address, buffer)
            }
            (AddressSpace::Virtual { cpu }, Execution::Qtest { .. }) => {
                // Nothing translates before a guest has executed anything.
                self.check_cpu(cpu)?;
                memory.read(address, buffer)
            }
            (AddressSpace::Physical, _) => memory.read(address, buffer),
        }
    }

    fn big_endian(&self) -> bool {
        false
    }

    fn disassemble(&self, address: u64, code: &[u8]) -> (usize, String) {
        let size = match &self.execution {
            Execution::Kvm(kvm) => kvm.code_size(),
            Execution::Qtest { .. } => CodeSize::Bits16,
        };
        inspect::disassemble(size, address, code)
    }

    fn instructions(&self) -> Option<u64> {
        None
    }

    fn parts(&self) -> Vec<Box<dyn migration::Part + '_>> {
        let kvm = match &self.execution {
            Execution::Kvm(kvm) => Some(&**kvm),
            Execution::Qtest { .. } => None,
        };
        parts::all(&self.shared, kvm, self.cpu_count())
    }

    fn listeners(&self) -> Vec<(Layer, Box<dyn RunListener>)> {
        let mut listeners = self.shared.board.listeners();
        if let Execution::Kvm(kvm) = &self.execution {
            let time = Box::new(KvmTimeListener::new(&kvm.time));
            listeners.push((Layer::Devices, time));
        }
        listeners
    }

    fn shut_down(&self) {
        self.shared.gate.quit();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                log::error!("a vCPU's thread has panicked");
            }
        }
    }
}
