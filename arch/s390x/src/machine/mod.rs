//! The machine: what all CPUs share, their threads, and what the program sees of it.
//!
//! Not here: what CPUs do ([`crate::cpu`], [`crate::translate`]) and who runs the machine (the
//! program's run control).

pub mod bench;
pub mod create;
pub mod diagnose;
pub mod ebcdic;
pub mod inspect;
pub mod parts;
mod plug;
pub mod shared;
pub mod stsi;
pub mod topology;
pub mod vcpu;
pub mod watchdog;

use std::sync::{Arc, Mutex};

use machine::{
    AddressSpace, Bench, ConsoleInput, CpuDevice, CpuMove, CpuSummary, GuestRam, Machine,
    MachineError, PossibleCpu, ResetCause,
};
use tod::clock::StartToken;
use tod::run::AllParked;

use crate::boot::BootImage;
use crate::cpu::S390Cpu;
use crate::cpu::handle::CpuState;
use crate::cpu::model::Model;
use crate::cpu::psw::Psw;
use plug::Threads;
use vcpu::Crew;
use watchdog::WatchdogState;

pub use create::TYPE;
pub use shared::Shared;

/// Bytes that a clearing reset looks at, and clears, at once: a page of the host.
const CLEAR_CHUNK: usize = 4096;

/// A built s390x machine.
pub struct S390xMachine {
    shared: Arc<Shared>,
    crew: Arc<Crew>,
    boot: Option<BootImage>,
    model: Model,
    threads: Mutex<Threads>,
}

impl S390xMachine {
    /// Resets all CPUs, clearing registers where memory is cleared too.
    fn reset_cpus(&self, clear: bool) {
        for vcpu in self.crew.vcpus() {
            vcpu.visit(|cpu| {
                if clear {
                    cpu.clear_reset()
                } else {
                    cpu.initial_reset()
                }
            });
        }
        self.shared.floating.reset();
        self.shared.sclp.reset();
        self.shared.topology().reset();
        self.shared.css.reset();
        if let Some(watchdog) = self.shared.watchdog.get() {
            watchdog.set(WatchdogState::Off);
        }
        self.crew.revive();
    }

    /// Starts CPU 0 at a PSW.
    fn start_boot_cpu(&self, psw: Psw) {
        self.boot_cpu().visit(|cpu| {
            cpu.set_psw(psw);
            cpu.set_state(CpuState::Operating);
        });
    }

    /// Clears memory and puts the boot image there; blocks made from what was there go.
    fn reload_memory(&self) {
        self.boot_cpu().visit(|cpu| {
            let zeros = [0; CLEAR_CHUNK];
            let mut there = [0; CLEAR_CHUNK];
            let size = self.shared.ram().size();
            for at in (0..size).step_by(CLEAR_CHUNK) {
                let count = (size - at).min(CLEAR_CHUNK as u64) as usize;
                // Memory that the guest never wrote stays without pages of the host.
                let read = self.shared.ram().read(at, &mut there[..count]);
                if read.is_err() || there[..count] != zeros[..count] {
                    tcg::mem::write_absolute(&cpu.core, at, &zeros[..count]);
                }
            }
            if let Some(boot) = &self.boot {
                boot.load(|at, bytes| tcg::mem::write_absolute(&cpu.core, at, bytes));
            }
        });
    }

    /// The PSW that a load reads from absolute 0: eight bytes, a short PSW (Principles of
    /// Operation, chapter 17, "Initial Program Loading").
    fn ipl_psw(&self) -> Psw {
        let mut bytes = [0; 8];
        // Absolute 0 is in RAM.
        let _ = self.shared.ram().read(0, &mut bytes);
        Psw::from_short(u64::from_be_bytes(bytes))
    }

    fn vcpu(&self, index: usize) -> Result<&vcpu::Vcpu, MachineError> {
        let count = self.shared.cpus.count();
        self.crew
            .get(index)
            .ok_or(MachineError::NoSuchCpu { index, count })
    }

    /// CPU 0, which every machine has.
    fn boot_cpu(&self) -> &vcpu::Vcpu {
        self.crew.get(0).expect("CPU 0 is plugged in at creation")
    }
}

impl Machine for S390xMachine {
    fn park(&self) -> AllParked {
        self.shared.gate.close_and_wait()
    }

    fn unpark(&self, token: StartToken) {
        self.shared.gate.open(token);
    }

    fn reset(&self, cause: ResetCause) -> Result<(), MachineError> {
        match cause {
            ResetCause::HostMonitor | ResetCause::GuestReipl => {
                self.reset_cpus(true);
                self.reload_memory();
                if let Some(boot) = &self.boot {
                    self.start_boot_cpu(boot.entry());
                }
            }
            ResetCause::GuestModified { keep_memory } => {
                self.reset_cpus(!keep_memory);
                self.start_boot_cpu(self.ipl_psw());
            }
        }
        Ok(())
    }

    fn powerdown(&self) -> bool {
        self.shared.sclp.signal_quiesce()
    }

    fn inject_nmi(&self, cpu: usize) -> Result<(), MachineError> {
        self.vcpu(cpu)?.visit(S390Cpu::restart);
        Ok(())
    }

    fn watchdog_is_told(&self) {
        if let Some(watchdog) = self.shared.watchdog.get() {
            watchdog.is_told();
        }
    }

    fn console_input(&self) -> Option<Arc<dyn ConsoleInput>> {
        let shared = self.shared.clone();
        self.shared
            .sclp
            .has_console()
            .then(|| Arc::new(inspect::Keyboard(shared)) as _)
    }

    fn bench(&self) -> Option<&dyn Bench> {
        Some(self)
    }

    fn ram(&self) -> &GuestRam {
        self.shared.ram()
    }

    fn migration_ram(&self) -> &dyn migration::vm::Ram {
        &*self.shared.system
    }

    fn cpus(&self) -> Vec<CpuSummary> {
        let summary = |vcpu: &vcpu::Vcpu| CpuSummary {
            index: usize::from(vcpu.handle().address()),
            thread_id: vcpu.thread_id(),
            state: vcpu.handle().state().name(),
            halted: vcpu.handle().state() != CpuState::Operating || vcpu.handle().is_waiting(),
            pc: vcpu.visit(|cpu| cpu.psw().address),
            topology: self
                .shows_topology()
                .then(|| self.shared.topology().attributes(vcpu.handle().address())),
        };
        self.crew.vcpus().map(summary).collect()
    }

    fn possible_cpus(&self) -> Vec<PossibleCpu> {
        self.places()
    }

    fn move_cpu(&self, core_id: u32, to: &CpuMove) -> Result<(), MachineError> {
        self.relocate(core_id, to)
    }

    fn vertical_polarization(&self) -> Option<bool> {
        self.shows_topology()
            .then(|| self.shared.topology().is_vertical())
    }

    fn add_cpu(&self, cpu: &CpuDevice) -> Result<(), MachineError> {
        self.hot_plug(cpu)
    }

    fn registers(&self, cpu: usize) -> Result<String, MachineError> {
        Ok(self.vcpu(cpu)?.visit(inspect::registers))
    }

    fn read_memory(
        &self,
        space: AddressSpace,
        address: u64,
        buffer: &mut [u8],
    ) -> Result<(), MachineError> {
        match space {
            AddressSpace::Physical => {
                self.shared
                    .ram()
                    .read(address, buffer)
                    .map_err(|error| MachineError::Memory {
                        address,
                        why: error.to_string(),
                    })
            }
            AddressSpace::Virtual { cpu } => self
                .vcpu(cpu)?
                .visit(|cpu| inspect::read_virtual(cpu, address, buffer)),
        }
    }

    fn big_endian(&self) -> bool {
        true
    }

    fn disassemble(&self, address: u64, code: &[u8]) -> (usize, String) {
        crate::insn::text::disassemble(address, code)
    }

    fn instructions(&self) -> Option<u64> {
        self.shared
            .system
            .counts_instructions()
            .then(|| self.crew.vcpus().map(vcpu::Vcpu::instructions).sum())
    }

    fn parts(&self) -> Vec<Box<dyn migration::Part + '_>> {
        parts::all(&self.shared, &self.crew)
    }

    fn shut_down(&self) {
        self.shared.gate.quit();
        self.join_threads();
    }
}
