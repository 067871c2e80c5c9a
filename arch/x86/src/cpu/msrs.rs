//! Model-specific registers: what they hold at the start, and which of them are saved with a CPU.
//!
//! Numbers: Intel SDM volume 4, AMD APM volume 2 appendix A; KVM's own: Linux
//! Documentation/virt/kvm/x86/msr.rst.

use crate::kvm::{KvmError, VcpuKvm};

/// The time-stamp counter.
pub const TSC: u32 = 0x10;
/// What the guest has added to the TSC.
pub const TSC_ADJUST: u32 = 0x3b;
/// When the local APIC's timer is due, in TSC deadline mode.
pub const TSC_DEADLINE: u32 = 0x6e0;
/// Where KVM writes the date of boot (old number).
pub const KVM_WALL_CLOCK: u32 = 0x11;
/// Where KVM writes what a CPU computes kvmclock from (old number).
pub const KVM_SYSTEM_TIME: u32 = 0x12;
/// Where KVM writes the date of boot.
pub const KVM_WALL_CLOCK_NEW: u32 = 0x4b56_4d00;
/// Where KVM writes what a CPU computes kvmclock from.
pub const KVM_SYSTEM_TIME_NEW: u32 = 0x4b56_4d01;

/// Registers that belong to the clocks, which save and restore them in their own order: no CPU's
/// state has them.
pub const OF_CLOCKS: [u32; 7] = [
    TSC,
    TSC_ADJUST,
    TSC_DEADLINE,
    KVM_WALL_CLOCK,
    KVM_SYSTEM_TIME,
    KVM_WALL_CLOCK_NEW,
    KVM_SYSTEM_TIME_NEW,
];

/// What a reset clears of the clocks' registers: the addresses in memory where KVM writes to.
pub const CLEARED_AT_RESET: [(u32, u64); 5] = [
    (KVM_SYSTEM_TIME, 0),
    (KVM_SYSTEM_TIME_NEW, 0),
    (KVM_WALL_CLOCK, 0),
    (KVM_WALL_CLOCK_NEW, 0),
    (TSC_DEADLINE, 0),
];

/// Miscellaneous features.
const MISC_ENABLE: u32 = 0x1a0;
/// Fast string operations are on.
const FAST_STRINGS: u64 = 1;
/// Default memory type.
const MTRR_DEFAULT: u32 = 0x2ff;
/// Memory types are in force, and memory is write-back by default.
const WRITE_BACK: u64 = 1 << 11 | 6;

/// What firmware would have set.
pub const AT_START: [(u32, u64); 2] = [(MISC_ENABLE, FAST_STRINGS), (MTRR_DEFAULT, WRITE_BACK)];

/// Hyper-V's registers, which CPUID does not offer to this guest.
const HYPER_V: std::ops::RangeInclusive<u32> = 0x4000_0000..=0x4000_01ff;

/// Those of `indices` which hold state of this vCPU that can be read and set again.
///
/// # Errors
/// [`KvmError`]: a call fails as a whole.
pub fn saved(vcpu: &VcpuKvm, indices: &[u32]) -> Result<Vec<u32>, KvmError> {
    let wanted: Vec<_> = indices
        .iter()
        .copied()
        .filter(|index| !OF_CLOCKS.contains(index) && !HYPER_V.contains(index))
        .collect();
    let mut values = vcpu.msrs(&wanted)?;
    // Those that cannot be set, not even to what they are, say what the host can, or belong to
    // what CPUID does not offer.
    let mut from = 0;
    loop {
        match vcpu.set_msrs(&values[from..]) {
            Ok(()) => return Ok(values.into_iter().map(|(index, _)| index).collect()),
            Err(KvmError::Msr { index, .. }) => {
                let at = values.iter().position(|value| value.0 == index);
                // What it names is one of them.
                let at = at.unwrap_or(from);
                values.remove(at);
                from = at;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Sets registers to saved values. One that does not take its value has it already, or that is an
/// error.
///
/// # Errors
/// [`KvmError::Msr`] and those of the calls.
pub fn restore(vcpu: &VcpuKvm, values: &[(u32, u64)]) -> Result<(), KvmError> {
    let mut rest = values;
    loop {
        match vcpu.set_msrs(rest) {
            Ok(()) => return Ok(()),
            Err(KvmError::Msr { index, value }) => {
                if vcpu.msrs(&[index])? != [(index, value)] {
                    return Err(KvmError::Msr { index, value });
                }
                let at = rest.iter().position(|one| *one == (index, value));
                rest = &rest[at.map_or(rest.len(), |at| at + 1)..];
            }
            Err(error) => return Err(error),
        }
    }
}
