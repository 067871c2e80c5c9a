//! `-cpu MODEL`: which processor the guest is shown, before features are turned off and on.
//!
//! `host` and `max` are the host's processor as its KVM shows it. `qemu64` and `kvm64` are the
//! least that any 64-bit processor has, with the features and signatures of QEMU's models of
//! those names (QEMU target/i386/cpu.c), so that a guest can move between unlike hosts; vendor,
//! caches and address sizes stay the host's, as there. Not here: single features
//! ([`super::features`]).

use kvm_bindings::kvm_cpuid_entry2;

/// A model.
#[derive(Debug, PartialEq, Eq)]
pub struct Model {
    /// As `-cpu` names it.
    pub name: &'static str,
    shown: Shown,
}

/// What of the host is shown.
#[derive(Debug, PartialEq, Eq)]
enum Shown {
    /// All of it.
    Host,
    /// No more than this.
    Least(Least),
}

#[derive(Debug, PartialEq, Eq)]
struct Least {
    /// Leaf 1, EAX: family, model and stepping.
    signature: u32,
    /// The features of leaf 1, EDX, beside [`EDX`].
    edx: u32,
    /// The features of leaf 0x8000_0001, ECX.
    extended_ecx: u32,
}

/// The models, the default one first.
pub static MODELS: [Model; 4] = [
    Model {
        name: "host",
        shown: Shown::Host,
    },
    Model {
        name: "max",
        shown: Shown::Host,
    },
    Model {
        name: "qemu64",
        shown: Shown::Least(Least {
            signature: 0x0006_0fb1,
            edx: 0,
            extended_ecx: 1, // LAHF and SAHF in 64-bit mode
        }),
    },
    Model {
        name: "kvm64",
        shown: Shown::Least(Least {
            signature: 0x0000_0f61,
            edx: 1 << 1, // VME
            extended_ecx: 0,
        }),
    },
];

/// Their names, in that order.
pub static NAMES: [&str; 4] = ["host", "max", "qemu64", "kvm64"];

/// Highest leaves of [`Least`].
const HIGHEST: u32 = 0xd;
const HIGHEST_EXTENDED: u32 = 0x8000_000a;

/// Leaf 1, ECX: SSE3, CMPXCHG16B, x2APIC, and that there is a hypervisor.
const ECX: u32 = 1 << 0 | 1 << 13 | 1 << 21 | 1 << 31;
/// Leaf 1, EDX: FPU, DE, PSE, TSC, MSR, PAE, MCE, CX8, APIC, SEP, MTRR, PGE, MCA, CMOV, PAT,
/// PSE36, CLFLUSH, MMX, FXSR, SSE, SSE2, and HTT, which is set for several CPUs only.
const EDX: u32 = 0x178b_fbfd;
/// Leaf 0x8000_0001, EDX: SYSCALL, NX, LM, and on AMD's processors those of [`EDX`] that it
/// repeats.
const EXTENDED_EDX: u32 = 1 << 11 | 1 << 20 | 1 << 29 | EDX & 0x0183_f3ff;

impl Model {
    /// The model of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        MODELS.iter().find(|model| model.name == name)
    }

    /// Hides what the model lacks.
    pub(super) fn apply(&self, leaves: &mut Vec<kvm_cpuid_entry2>) {
        let Shown::Least(least) = &self.shown else {
            return;
        };
        leaves.retain(|leaf| {
            let highest = if leaf.function < 0x4000_0000 {
                HIGHEST
            } else if leaf.function < 0x8000_0000 {
                u32::MAX
            } else {
                HIGHEST_EXTENDED
            };
            leaf.function <= highest
        });
        for leaf in leaves {
            match leaf.function {
                0 => leaf.eax = leaf.eax.min(HIGHEST),
                1 => {
                    leaf.eax = least.signature;
                    leaf.ecx &= ECX;
                    leaf.edx &= EDX | least.edx;
                }
                // Power management, and everything that came after SSE2.
                5..=7 => (leaf.eax, leaf.ebx, leaf.ecx, leaf.edx) = (0, 0, 0, 0),
                0x8000_0000 => leaf.eax = leaf.eax.min(HIGHEST_EXTENDED),
                0x8000_0001 => {
                    leaf.eax = least.signature;
                    leaf.ecx &= least.extended_ecx;
                    leaf.edx &= EXTENDED_EDX | least.edx;
                }
                0x8000_0002..=0x8000_0004 => self.brand(leaf),
                0x8000_0007 => leaf.edx = 0,
                0x8000_0008 => leaf.ebx = 0,
                _ => {}
            }
        }
    }

    /// 16 of 48 characters.
    fn brand(&self, leaf: &mut kvm_cpuid_entry2) {
        let mut text = [0_u8; 48];
        let name = format!("Virtual CPU {}", self.name);
        for (to, from) in text.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        let part = (leaf.function - 0x8000_0002) as usize % 3 * 16;
        let word = |at: usize| {
            let bytes = &text[part + at..part + at + 4];
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        };
        (leaf.eax, leaf.ebx, leaf.ecx, leaf.edx) = (word(0), word(4), word(8), word(12));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_ones(function: u32) -> kvm_cpuid_entry2 {
        kvm_cpuid_entry2 {
            function,
            eax: !0,
            ebx: !0,
            ecx: !0,
            edx: !0,
            ..Default::default()
        }
    }

    #[test]
    fn every_name_is_a_models() {
        let names: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
        assert_eq!(names, NAMES);
        assert!(Model::of("Haswell").is_none());
    }

    #[test]
    fn the_least_has_nothing_after_sse3() {
        let functions = [0, 1, 7, 0xd, 0x14, 0x4000_0001, 0x8000_0001, 0x8000_0002];
        let mut leaves: Vec<_> = functions.into_iter().map(all_ones).collect();
        leaves.push(all_ones(0x8000_001d));
        Model::of("qemu64").unwrap().apply(&mut leaves);
        let left: Vec<u32> = leaves.iter().map(|leaf| leaf.function).collect();
        assert_eq!(left, [0, 1, 7, 0xd, 0x4000_0001, 0x8000_0001, 0x8000_0002]);
        assert_eq!(leaves[0].eax, 0xd);
        assert_eq!((leaves[1].eax, leaves[1].ecx), (0x0006_0fb1, 0x8020_2001));
        // No debug store, ACPI, self snoop, or thermal monitor; long mode, NX, SYSCALL.
        assert_eq!(leaves[1].edx, 0x178b_fbfd);
        assert_eq!((leaves[2].ebx, leaves[2].edx), (0, 0));
        assert_eq!(leaves[4].eax, !0);
        assert_eq!(leaves[5].ecx, 1);
        assert_eq!(leaves[5].edx & 0x2010_0800, 0x2010_0800);
        assert_eq!(leaves[6].eax.to_le_bytes(), *b"Virt");
    }

    #[test]
    fn the_hosts_processor_is_shown_as_it_is() {
        for name in ["host", "max"] {
            let mut leaves = vec![all_ones(7), all_ones(0x14)];
            Model::of(name).unwrap().apply(&mut leaves);
            assert_eq!(leaves, [all_ones(7), all_ones(0x14)]);
        }
    }
}
