//! Building a machine from its configuration.
//!
//! Not here: reading the command line, and what a built machine does ([`super`]).

use std::sync::{Arc, Mutex, PoisonError};

use machine::{
    Accel, BootWhen, GuestRam, Machine, MachineConfig, MachineError, MachineParts, MachineType, Smp,
};
use tod::VcpuGate;

use super::kvm::KvmLines;
use super::{Execution, KvmCpus, Shared, X86Machine};
use crate::board::fw_cfg::FwCfgItems;
use crate::board::{Board, BoardError, BoardParts, InterruptSink, NoController};
use crate::boot::{BootImage, Surroundings};
use crate::cpu::{features, model};
use crate::kvm::Vm;
use crate::memory::{Layout, Memory};

/// Least RAM: what is below 1 MiB on every PC, and something to run in.
const MIN_RAM_BYTES: u64 = 2 << 20;
/// Most RAM.
const MAX_RAM_BYTES: u64 = 1 << 40;
/// Most CPUs: APIC identifiers are 8 bits wide and 255 means all of them.
const MAX_CPUS: u32 = 254;

/// A machine that `-machine` names.
struct X86Type {
    names: &'static [&'static str],
    description: &'static str,
}

/// A PC without PCI.
pub static PC: &dyn MachineType = &X86Type {
    names: &["pc", "pc-i440fx"],
    description: "PC: CPUs, serial console, RTC, power management ports; no PCI, no disks",
};

/// The least that boots.
pub static MICROVM: &dyn MachineType = &X86Type {
    names: &["microvm"],
    description: "the same devices, for tools that ask for QEMU's microvm",
};

impl MachineType for X86Type {
    fn names(&self) -> &'static [&'static str] {
        self.names
    }

    fn description(&self) -> &'static str {
        self.description
    }

    fn arch(&self) -> &'static str {
        "x86_64"
    }

    fn default_ram_bytes(&self) -> u64 {
        128 << 20
    }

    fn default_accel(&self) -> Accel {
        Accel::Kvm
    }

    fn offers(&self, accel: Accel) -> bool {
        match accel {
            Accel::Kvm => crate::kvm::is_there(),
            Accel::Qtest => true,
            Accel::Tcg(_) => false,
        }
    }

    fn cpu_models(&self) -> &'static [&'static str] {
        &model::NAMES
    }

    fn create(
        &self,
        config: &MachineConfig,
        parts: MachineParts<'_>,
    ) -> Result<Box<dyn Machine>, MachineError> {
        check_accel(config.accel)?;
        let processor = features::parse(config.cpu.as_deref())?;
        let cpus = check_smp(config.smp)?;
        if !(MIN_RAM_BYTES..=MAX_RAM_BYTES).contains(&config.ram_bytes) {
            return Err(MachineError::Option {
                option: "-m",
                value: format!("{} bytes", config.ram_bytes),
                expected: format!(
                    "expected {} MiB to {} GiB",
                    MIN_RAM_BYTES >> 20,
                    MAX_RAM_BYTES >> 30
                ),
            });
        }
        let ram = GuestRam::new(config.ram_bytes).map_err(|error| MachineError::Option {
            option: "-m",
            value: format!("{} MiB", config.ram_bytes >> 20),
            expected: error.to_string(),
        })?;
        let surroundings = Surroundings {
            layout: Layout::new(config.ram_bytes),
            cpus,
        };
        let boot = BootImage::new(&config.boot, &surroundings)?;
        let ram = Arc::new(ram);
        let execution = match config.accel {
            Accel::Kvm => {
                let vm = Vm::new(Arc::clone(&ram), config.lost_ticks)?;
                Execution::Kvm(Box::new(KvmCpus::new(vm, cpus, &processor, parts.clocks)?))
            }
            _ => Execution::Qtest { cpus },
        };
        let (lines, kicks, writers): (Arc<dyn InterruptSink>, _, _) = match &execution {
            Execution::Kvm(kvm) => (
                Arc::new(KvmLines(Arc::clone(&kvm.vm))),
                kvm.crew.kicks(),
                Some((Arc::clone(&kvm.vm), Arc::clone(&kvm.crew))),
            ),
            Execution::Qtest { .. } => (Arc::new(NoController), Vec::new(), None),
        };
        let board = Board::new(BoardParts {
            clocks: parts.clocks,
            rtc: config.rtc,
            devices: &config.devices,
            fw_cfg: FwCfgItems {
                uuid: config.identity.uuid.unwrap_or_default(),
                cpus: cpus as u16,
                max_cpus: cpus as u16,
                ram_bytes: config.ram_bytes,
                ram: surroundings
                    .layout
                    .stretches()
                    .map(|stretch| (stretch.address, stretch.bytes))
                    .collect(),
            },
            console: parts.console,
            events: parts.events.clone(),
            lines,
        })
        .map_err(|error| board_error(config, error))?;
        let machine = X86Machine {
            shared: Arc::new(Shared {
                memory: Memory::new(ram, writers),
                board,
                gate: VcpuGate::new(kicks),
                events: parts.events,
                identity: config.identity.clone(),
            }),
            execution,
            boot,
            threads: Mutex::default(),
        };
        if config.boot.when == BootWhen::Creation {
            if machine.boot.is_none() && config.accel == Accel::Kvm {
                log::warn!("there is no -kernel, so all CPUs stay stopped");
            }
            machine.load_boot_image()?;
        }
        machine.start_threads()?;
        Ok(Box::new(machine))
    }
}

impl X86Machine {
    fn start_threads(&self) -> Result<(), MachineError> {
        let Execution::Kvm(kvm) = &self.execution else {
            return Ok(());
        };
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for vcpu in &kvm.crew.vcpus {
            let (vcpu, shared) = (Arc::clone(vcpu), Arc::clone(&self.shared));
            let index = vcpu.index();
            let thread = std::thread::Builder::new()
                .name(format!("cpu{index}"))
                .spawn(move || vcpu.live(&shared.gate, &shared.board, &shared.events))
                .map_err(|source| MachineError::Host {
                    what: format!("starting a thread for CPU {index}"),
                    source,
                })?;
            threads.push(thread);
        }
        Ok(())
    }
}

/// Names the option that a board's error is about.
fn board_error(config: &MachineConfig, error: BoardError) -> MachineError {
    let (option, value) = match &error {
        BoardError::Base(_) => ("-rtc base", format!("{:?}", config.rtc.base)),
        BoardError::Clock(_) | BoardError::Ports(_) => ("-machine", config.machine.clone()),
    };
    MachineError::Option {
        option,
        value,
        expected: error.to_string(),
    }
}

fn check_accel(accel: Accel) -> Result<(), MachineError> {
    match accel {
        Accel::Kvm | Accel::Qtest => Ok(()),
        Accel::Tcg(_) => Err(MachineError::Option {
            option: "-accel",
            value: "tcg".into(),
            expected: "x86 guests run under kvm only; -accel qtest builds the machine without \
                       executing anything"
                .into(),
        }),
    }
}

fn check_smp(smp: Smp) -> Result<u32, MachineError> {
    match smp.cpus {
        count @ 1..=MAX_CPUS => Ok(count),
        count => Err(MachineError::Option {
            option: "-smp",
            value: count.to_string(),
            expected: format!("expected 1 to {MAX_CPUS} CPUs"),
        }),
    }
}
