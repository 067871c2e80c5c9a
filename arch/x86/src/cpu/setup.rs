//! A CPU as it is when the power is switched on: what it says it is, and what firmware would have
//! set.
//!
//! Not here: where it starts to execute ([`crate::boot`]).

use kvm_bindings::{CpuId, kvm_cpuid_entry2, kvm_lapic_state};

use super::cpuid::{self, Choice};
use super::features::Abilities;
use super::msrs;
use crate::kvm::{KvmError, VcpuKvm};

/// Local vector table entry of LINT0, and of LINT1.
const LVT_LINT: [usize; 2] = [0x350, 0x360];
/// Delivery as an 8259's interrupt.
const EXTINT: u32 = 0x700;
/// Delivery as an NMI.
const NMI: u32 = 0x400;
/// An entry delivers nothing.
const MASKED: u32 = 1 << 16;

/// Prepares the CPU of that number; what it can do, as its guest is told.
///
/// # Errors
/// [`KvmError`].
pub fn set_up(
    vcpu: &VcpuKvm,
    supported: &[kvm_cpuid_entry2],
    choice: &Choice<'_>,
    index: u32,
) -> Result<Abilities, KvmError> {
    let leaves = cpuid::leaves(supported, choice, index);
    let abilities = Abilities::of(&leaves);
    let action = "setting what CPUID says";
    let leaves = CpuId::from_entries(&leaves).map_err(|error| KvmError::Call {
        action,
        source: std::io::Error::other(format!("{error:?}")),
    })?;
    let fd = vcpu.fd();
    fd.set_cpuid2(&leaves).map_err(KvmError::call(action))?;
    vcpu.set_msrs(&msrs::AT_START)?;
    // As firmware leaves it: the PICs at CPU 0's LINT0, NMI at everybody's LINT1.
    let mut lapic = fd
        .get_lapic()
        .map_err(KvmError::call("reading a local APIC"))?;
    put(
        &mut lapic,
        LVT_LINT[0],
        if index == 0 { EXTINT } else { MASKED },
    );
    put(&mut lapic, LVT_LINT[1], NMI);
    fd.set_lapic(&lapic)
        .map_err(KvmError::call("setting a local APIC"))?;
    Ok(abilities)
}

/// Sets a register of a local APIC.
fn put(lapic: &mut kvm_lapic_state, at: usize, value: u32) {
    for (register, byte) in lapic.regs[at..at + 4].iter_mut().zip(value.to_le_bytes()) {
        *register = byte as _;
    }
}
