//! The machine's parts that save and restore themselves, in the order of the stream: what the
//! machine is, every CPU, the interrupt controllers, then the devices.
//!
//! A CPU's part holds no clock; see [`crate::cpu::state`]. Interrupt controllers come after the
//! CPUs' local APICs, which take what they deliver, then what the clocks need of KVM, which sets
//! timers of both, and devices after the controllers, which their lines end at. Not here: RAM,
//! which migration moves by itself, and what the clock manager keeps.

mod configuration;
mod cpu;
mod irq_chips;

use std::sync::Arc;

use migration::Part;

use super::{KvmCpus, Shared};
use crate::clock::{KvmTimePart, TimersPart};
use crate::cpu::Vcpu;

pub use configuration::ConfigurationPart;
pub use cpu::CpuPart;
pub use irq_chips::IrqChipsPart;

/// All parts of a machine.
pub(super) fn all<'a>(
    shared: &'a Shared,
    kvm: Option<&'a KvmCpus>,
    cpus: usize,
) -> Vec<Box<dyn Part + 'a>> {
    let mut parts: Vec<Box<dyn Part + 'a>> =
        vec![Box::new(ConfigurationPart { shared, kvm, cpus })];
    if let Some(kvm) = kvm {
        let cpu = |vcpu: &'a Arc<Vcpu>| Box::new(CpuPart { vcpu, kvm }) as _;
        parts.extend(kvm.crew.vcpus.iter().map(cpu));
        parts.push(Box::new(IrqChipsPart(&kvm.vm)));
        parts.push(Box::new(KvmTimePart::new(&kvm.time)));
        parts.push(Box::new(TimersPart::new(&kvm.time)));
    }
    parts.extend(shared.board.parts());
    parts
}

/// Payload limit of these parts, in bytes.
const SMALL: usize = 64 << 10;
