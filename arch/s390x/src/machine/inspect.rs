//! Looking at a machine from outside: registers as text, virtual memory, the keyboard.
//!
//! Nothing here changes what the guest sees, but for typing.

use std::fmt::Write;
use std::sync::Arc;

use machine::{ConsoleInput, MachineError};
use tcg::Access;

use super::Shared;
use crate::cpu::S390Cpu;
use crate::cpu::facility::VECTOR;
use crate::memory::look;
use crate::memory::protection::AccessKey;

/// The console's input side, which keeps the machine's shared part alive.
pub struct Keyboard(pub Arc<Shared>);

impl ConsoleInput for Keyboard {
    fn push(&self, bytes: &[u8]) -> usize {
        self.0.sclp.push(bytes)
    }

    fn set_ready(&self, ready: Box<dyn Fn() + Send + Sync>) {
        self.0.sclp.set_ready(ready);
    }
}

/// The registers of a CPU, a few lines a group.
pub fn registers(cpu: &mut S390Cpu) -> String {
    let psw = cpu.psw();
    let mut text = format!(
        "PSW=mask {:016x} addr {:016x} cc {}\n",
        psw.mask,
        psw.address,
        (psw.mask & crate::cpu::psw::CC) >> crate::cpu::psw::CC_SHIFT
    );
    // Writing to a string does not fail.
    let mut group = |name: &str, digits: usize, values: &[u64]| {
        for (n, value) in values.iter().enumerate() {
            let end = if n % 4 == 3 { '\n' } else { ' ' };
            let _ = write!(text, "{name}{n:02}={value:0digits$x}{end}");
        }
    };
    group("R", 16, &cpu.gpr);
    group("C", 16, &cpu.cr);
    group("F", 16, &cpu.fprs());
    group("A", 8, &cpu.ar.map(u64::from));
    if cpu.control.facilities.has(VECTOR) {
        for (n, register) in cpu.vr.iter().enumerate() {
            let end = if n % 2 == 1 { '\n' } else { ' ' };
            let _ = write!(text, "V{n:02}={:032x}{end}", register.bits());
        }
    }
    let _ = write!(
        text,
        "PREFIX={:08x} FPC={:08x} CKC={:016x} CPUTM={:016x} BEAR={:016x}",
        cpu.prefix,
        cpu.fpc,
        cpu.control.clock.comparator,
        cpu.cpu_timer(),
        cpu.breaking_event,
    );
    if cpu.core.system().counts_instructions() {
        let _ = write!(text, " INSNS={}", cpu.core.insns);
    }
    text.push('\n');
    text
}

/// Reads memory as the CPU's data accesses would, without leaving a trace in it.
///
/// # Errors
/// [`MachineError::Memory`] at the first address that does not translate.
pub fn read_virtual(
    cpu: &mut S390Cpu,
    address: u64,
    buffer: &mut [u8],
) -> Result<(), MachineError> {
    let space = cpu.space(cpu.data_mode(0));
    let mut address = address;
    let mut rest = buffer;
    let mut result = Ok(());
    while !rest.is_empty() {
        let offset = address % tcg::mem::PAGE_SIZE;
        let mapping = space.map(|space| look(cpu, address, Access::Read, space, AccessKey::ZERO));
        let Ok(Ok(mapping)) = mapping else {
            result = Err(MachineError::Memory {
                address,
                why: "it does not translate on this CPU".into(),
            });
            break;
        };
        let count = rest.len().min((tcg::mem::PAGE_SIZE - offset) as usize);
        let (now, later) = rest.split_at_mut(count);
        tcg::mem::read_absolute(&cpu.core, mapping.page + offset, now);
        address = address.wrapping_add(count as u64);
        rest = later;
    }
    result
}
