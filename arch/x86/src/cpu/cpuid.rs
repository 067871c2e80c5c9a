//! What CPUID says to the guest.
//!
//! The host's processor as its KVM can show it, less what this machine cannot save (nested
//! virtualisation, performance counters), with a topology of one socket with so many cores of one
//! thread each, and with KVM's own leaves, by which Linux takes kvm-clock. The TSC is not said to
//! be invariant, unless asked for: a guest that takes it for that runs by it alone, without
//! kvm-clock.
//!
//! Facts: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E; Linux
//! Documentation/virt/kvm/x86/cpuid.rst; leaf 0x40000010: "Hypervisor CPUID Interface Proposal"
//! (TSC and APIC frequency in kHz). Not here: model-specific registers.

use kvm_bindings::{KVM_CPUID_FLAG_SIGNIFCANT_INDEX, kvm_cpuid_entry2};

use super::features::Processor;

/// KVM's first leaf.
const KVM_SIGNATURE: u32 = 0x4000_0000;
/// KVM's features.
const KVM_FEATURES: u32 = 0x4000_0001;
/// Frequencies.
const KVM_TIMING: u32 = 0x4000_0010;

/// "KVMKVMKVM", as three little-endian words.
const KVM_NAME: [u32; 3] = [0x4b4d_564b, 0x564b_4d56, 0x0000_004d];

/// KVM features that a guest is told of: CLOCKSOURCE (0), NOP_IO_DELAY (1), CLOCKSOURCE2 (3) and
/// CLOCKSOURCE_STABLE_BIT (24).
const KVM_FEATURES_SHOWN: u32 = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 24;

/// The frequency at which KVM's local APICs count before their divider, in kHz (1 ns a tick).
const APIC_BUS_KHZ: u32 = 1_000_000;

/// What a machine chooses of CPUID.
#[derive(Debug, Clone)]
pub struct Choice<'a> {
    /// How many CPUs there are.
    pub cpus: u32,
    /// Whether the local APIC's timer can count by TSC deadlines.
    pub tsc_deadline: bool,
    /// The guest's TSC frequency, where it is known.
    pub tsc_khz: Option<u32>,
    /// What the user has asked for.
    pub processor: &'a Processor,
}

/// The leaves of the CPU of that number.
#[must_use]
pub fn leaves(
    supported: &[kvm_cpuid_entry2],
    choice: &Choice<'_>,
    index: u32,
) -> Vec<kvm_cpuid_entry2> {
    let mut leaves: Vec<_> = supported
        .iter()
        .filter(|leaf| !is_made_here(leaf.function))
        .copied()
        .collect();
    for leaf in &mut leaves {
        adjust(leaf, choice, index);
    }
    let highest = leaves
        .iter()
        .find(|leaf| leaf.function == 0)
        .map_or(0, |leaf| leaf.eax);
    for function in [0xb, 0x1f] {
        if function <= highest {
            leaves.extend(topology(function, choice.cpus, index));
        }
    }
    leaves.extend(kvm_leaves(supported, choice));
    choice.processor.apply(&mut leaves);
    leaves
}

/// Topology, counters, hypervisor leaves: made anew, or left out.
fn is_made_here(function: u32) -> bool {
    matches!(function, 0xb | 0x1f | 0x8000_0026 | 0x8000_0022) || (function >> 28 == 4)
}

fn adjust(leaf: &mut kvm_cpuid_entry2, choice: &Choice<'_>, index: u32) {
    let cpus = choice.cpus;
    let many = u32::from(cpus > 1);
    let bit = |word: &mut u32, number: u32, on: bool| {
        *word = *word & !(1 << number) | u32::from(on) << number;
    };
    match leaf.function {
        0x1 => {
            leaf.ebx = leaf.ebx & 0xffff | cpus.next_power_of_two().min(255) << 16 | index << 24;
            bit(&mut leaf.ecx, 5, false); // VMX
            bit(&mut leaf.ecx, 15, false); // PDCM
            bit(&mut leaf.ecx, 24, choice.tsc_deadline);
            bit(&mut leaf.ecx, 31, true); // a hypervisor is present
            bit(&mut leaf.edx, 28, many != 0); // HTT
        }
        // Caches: cores in the package, and which of them share this cache.
        0x4 if leaf.eax & 0x1f != 0 => {
            let level = leaf.eax >> 5 & 7;
            let sharing = if level >= 3 { cpus - 1 } else { 0 };
            leaf.eax = leaf.eax & 0x3fff | sharing.min(0xfff) << 14 | (cpus - 1).min(0x3f) << 26;
        }
        0xa => (leaf.eax, leaf.ebx, leaf.ecx, leaf.edx) = (0, 0, 0, 0),
        0x8000_0001 => {
            bit(&mut leaf.ecx, 1, many != 0); // CmpLegacy
            bit(&mut leaf.ecx, 2, false); // SVM
            bit(&mut leaf.ecx, 23, false); // PerfCtrExtCore
            bit(&mut leaf.ecx, 24, false); // PerfCtrExtNB
            bit(&mut leaf.ecx, 28, false); // PerfCtrExtLLC
        }
        0x8000_0007 => bit(&mut leaf.edx, 8, false), // invariant TSC
        0x8000_0008 => {
            let width = core_bits(cpus);
            leaf.ecx = leaf.ecx & !0xf0ff | (cpus - 1).min(0xff) | width << 12;
        }
        0x8000_000a => (leaf.eax, leaf.ebx, leaf.ecx, leaf.edx) = (0, 0, 0, 0),
        0x8000_001d if leaf.eax & 0x1f != 0 => {
            let level = leaf.eax >> 5 & 7;
            let sharing = if level >= 3 { cpus - 1 } else { 0 };
            leaf.eax = leaf.eax & 0x3fff | sharing.min(0xfff) << 14;
        }
        0x8000_001e => (leaf.eax, leaf.ebx, leaf.ecx) = (index, index & 0xff, 0),
        _ => {}
    }
}

/// Bits of an APIC identifier that number the core.
fn core_bits(cpus: u32) -> u32 {
    cpus.next_power_of_two().trailing_zeros()
}

/// Extended topology: threads in a core, cores in the package, the end.
fn topology(function: u32, cpus: u32, index: u32) -> [kvm_cpuid_entry2; 3] {
    const THREADS: u32 = 1 << 8;
    const CORES: u32 = 2 << 8;
    let level = |number: u32, eax, ebx, kind| kvm_cpuid_entry2 {
        function,
        index: number,
        flags: KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        eax,
        ebx,
        ecx: number | kind,
        edx: index,
        ..Default::default()
    };
    [
        level(0, 0, 1, THREADS),
        level(1, core_bits(cpus), cpus, CORES),
        level(2, 0, 0, 0),
    ]
}

fn kvm_leaves(supported: &[kvm_cpuid_entry2], choice: &Choice<'_>) -> Vec<kvm_cpuid_entry2> {
    let Some(features) = supported.iter().find(|leaf| leaf.function == KVM_FEATURES) else {
        return Vec::new();
    };
    let timing = choice.tsc_khz.map(|tsc_khz| kvm_cpuid_entry2 {
        function: KVM_TIMING,
        eax: tsc_khz,
        ebx: APIC_BUS_KHZ,
        ..Default::default()
    });
    let signature = kvm_cpuid_entry2 {
        function: KVM_SIGNATURE,
        eax: timing.map_or(KVM_FEATURES, |leaf| leaf.function),
        ebx: KVM_NAME[0],
        ecx: KVM_NAME[1],
        edx: KVM_NAME[2],
        ..Default::default()
    };
    let features = kvm_cpuid_entry2 {
        function: KVM_FEATURES,
        eax: features.eax & KVM_FEATURES_SHOWN,
        ..Default::default()
    };
    [signature, features].into_iter().chain(timing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(function: u32, registers: [u32; 4]) -> kvm_cpuid_entry2 {
        let [eax, ebx, ecx, edx] = registers;
        kvm_cpuid_entry2 {
            function,
            eax,
            ebx,
            ecx,
            edx,
            ..Default::default()
        }
    }

    fn choice(cpus: u32, processor: &Processor) -> Choice<'_> {
        Choice {
            cpus,
            tsc_deadline: true,
            tsc_khz: Some(2_000_000),
            processor,
        }
    }

    fn find(leaves: &[kvm_cpuid_entry2], function: u32, index: u32) -> kvm_cpuid_entry2 {
        *leaves
            .iter()
            .find(|leaf| (leaf.function, leaf.index) == (function, index))
            .unwrap()
    }

    #[test]
    fn every_cpu_finds_its_own_number_and_how_many_there_are() {
        let host = [
            leaf(0, [0x1f, 0, 0, 0]),
            leaf(1, [0x123, 0x7700_0842, !0, 0]),
            leaf(0xb, [9, 9, 9, 9]),
            leaf(0x8000_0008, [48, 0, 0x7033, 0]),
            leaf(0x8000_001e, [7, 0x107, 0x301, 0]),
        ];
        let leaves = leaves(&host, &choice(3, &Processor::default()), 2);
        let one = find(&leaves, 1, 0);
        assert_eq!((one.ebx, one.edx >> 28 & 1), (0x0204_0842, 1));
        assert_eq!(
            (one.ecx >> 5 & 1, one.ecx >> 24 & 1, one.ecx >> 31),
            (0, 1, 1)
        );
        for function in [0xb, 0x1f] {
            let cores = find(&leaves, function, 1);
            assert_eq!((cores.eax, cores.ebx, cores.edx), (2, 3, 2));
            assert_eq!(find(&leaves, function, 0).eax, 0);
        }
        assert_eq!(find(&leaves, 0x8000_0008, 0).ecx, 0x2002);
        assert_eq!(find(&leaves, 0x8000_001e, 0).eax, 2);
    }

    #[test]
    fn a_guest_is_told_of_kvmclock_and_of_nothing_that_is_not_saved() {
        let host = [
            leaf(KVM_SIGNATURE, [KVM_FEATURES, 1, 2, 3]),
            leaf(KVM_FEATURES, [!0, 0, 0, 5]),
            leaf(0x8000_0001, [0, 0, !0, 0]),
            leaf(0x8000_0007, [0, 0, 0, 0x1ff]),
        ];
        let shown = leaves(&host, &choice(1, &Processor::default()), 0);
        let features = find(&shown, KVM_FEATURES, 0);
        assert_eq!((features.eax, features.edx), (0x0100_000b, 0));
        assert_eq!(find(&shown, KVM_SIGNATURE, 0).eax, KVM_TIMING);
        let timing = find(&shown, KVM_TIMING, 0);
        assert_eq!((timing.eax, timing.ebx), (2_000_000, 1_000_000));
        assert_eq!(find(&shown, 0x8000_0001, 0).ecx >> 2 & 1, 0);
        assert_eq!(find(&shown, 0x8000_0007, 0).edx, 0xff);
        let asked = crate::cpu::features::parse(Some("host,+invtsc")).unwrap();
        assert_eq!(
            find(&leaves(&host, &choice(1, &asked), 0), 0x8000_0007, 0).edx,
            0x1ff
        );
    }
}
