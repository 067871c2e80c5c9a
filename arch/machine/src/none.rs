//! `-machine none`: no CPU, no memory, no device.
//!
//! For programs that only want to ask the monitor what there is, as management tools do, and
//! tests of the monitor itself. Like any machine it runs and stops; nothing in it does.

use std::sync::Arc;

use tod::VcpuGate;
use tod::clock::StartToken;
use tod::run::AllParked;

use crate::{
    Accel, AddressSpace, Bench, ConsoleInput, CpuSummary, GuestRam, LineEnd, Machine,
    MachineConfig, MachineError, MachineParts, MachineType, NoSuchLine, ResetCause,
};

/// An architecture's machine of that name.
#[derive(Debug)]
pub struct NoMachine {
    arch: &'static str,
    big_endian: bool,
}

/// The s390x one.
pub static S390X: &dyn MachineType = &NoMachine {
    arch: "s390x",
    big_endian: true,
};

/// The x86 one.
pub static X86_64: &dyn MachineType = &NoMachine {
    arch: "x86_64",
    big_endian: false,
};

impl MachineType for NoMachine {
    fn names(&self) -> &'static [&'static str] {
        &["none"]
    }

    fn description(&self) -> &'static str {
        "no CPU, no memory, no device: for tools that ask the monitor"
    }

    fn arch(&self) -> &'static str {
        self.arch
    }

    fn default_ram_bytes(&self) -> u64 {
        0
    }

    fn offers(&self, _accel: Accel) -> bool {
        // Nothing is executed, whatever could.
        true
    }

    fn cpu_models(&self) -> &'static [&'static str] {
        &["max"]
    }

    fn create(
        &self,
        config: &MachineConfig,
        _parts: MachineParts<'_>,
    ) -> Result<Box<dyn Machine>, MachineError> {
        if let Some(kernel) = &config.boot.kernel {
            return Err(MachineError::Kernel {
                name: kernel.display().to_string(),
                why: "this machine has no CPU to run it".into(),
            });
        }
        // There is always a page, which nobody can reach.
        let ram = GuestRam::new(1).map_err(|error| MachineError::Host {
            what: "a page of memory".into(),
            source: std::io::Error::other(error),
        })?;
        Ok(Box::new(Nothing {
            gate: VcpuGate::new(Vec::new()),
            ram,
            big_endian: self.big_endian,
        }))
    }
}

/// The machine.
struct Nothing {
    gate: VcpuGate,
    ram: GuestRam,
    big_endian: bool,
}

impl Machine for Nothing {
    fn park(&self) -> AllParked {
        self.gate.close_and_wait()
    }

    fn unpark(&self, token: StartToken) {
        self.gate.open(token);
    }

    fn reset(&self, _cause: ResetCause) -> Result<(), MachineError> {
        Ok(())
    }

    fn powerdown(&self) -> bool {
        false
    }

    fn console_input(&self) -> Option<Arc<dyn ConsoleInput>> {
        None
    }

    fn bench(&self) -> Option<&dyn Bench> {
        Some(self)
    }

    fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn migration_ram(&self) -> &dyn migration::vm::Ram {
        &self.ram
    }

    fn cpus(&self) -> Vec<CpuSummary> {
        Vec::new()
    }

    fn registers(&self, cpu: usize) -> Result<String, MachineError> {
        Err(MachineError::NoSuchCpu {
            index: cpu,
            count: 0,
        })
    }

    fn read_memory(
        &self,
        _space: AddressSpace,
        address: u64,
        _buffer: &mut [u8],
    ) -> Result<(), MachineError> {
        Err(MachineError::Memory {
            address,
            why: "there is no RAM".into(),
        })
    }

    fn big_endian(&self) -> bool {
        self.big_endian
    }

    fn disassemble(&self, _address: u64, code: &[u8]) -> (usize, String) {
        match code.first() {
            Some(byte) => (1, format!(".byte {byte:#04x}")),
            None => (0, String::new()),
        }
    }

    fn instructions(&self) -> Option<u64> {
        None
    }

    fn parts(&self) -> Vec<Box<dyn migration::Part + '_>> {
        Vec::new()
    }

    fn shut_down(&self) {
        self.gate.quit();
    }
}

impl Bench for Nothing {
    fn read_port(&self, _port: u16, bytes: &mut [u8]) {
        bytes.fill(0xFF);
    }

    fn write_port(&self, _port: u16, _bytes: &[u8]) {}

    fn read_memory(&self, _address: u64, _bytes: &mut [u8]) {}

    fn write_memory(&self, _address: u64, _bytes: &[u8]) {}

    fn intercept(&self, _end: LineEnd, _device: &str) -> Result<(), NoSuchLine> {
        Err(NoSuchLine::Device)
    }

    fn take_lines(&self) -> Vec<(u32, bool)> {
        Vec::new()
    }

    fn drive_line(&self, _device: &str, _line: u32, _level: bool) -> Result<(), NoSuchLine> {
        Err(NoSuchLine::Device)
    }
}
