//! `-cpu MODEL[,FEATURE=on|off...]`: bits of CPUID by the names that QEMU and Linux give them.
//!
//! Features that the host has can be turned off, as for guests that are to move to another host,
//! and on, where the model hides them. Not here: the models ([`super::model`]), and what CPUID
//! says otherwise ([`super::cpuid`]).

use kvm_bindings::kvm_cpuid_entry2;
use machine::MachineError;
use serde::{Deserialize, Serialize};

use super::model::{self, Model};

/// A register of CPUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
}

/// A bit of CPUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bit {
    leaf: u32,
    subleaf: u32,
    register: Register,
    bit: u32,
}

/// The TSC runs at one rate in all states of the processor: what a guest that moves, and whose
/// TSC's rate may change with it, had better not be told.
const INVARIANT_TSC: (&str, Bit) = ("invtsc", bit(0x8000_0007, 0, Register::Edx, 8));

const fn bit(leaf: u32, subleaf: u32, register: Register, bit: u32) -> Bit {
    Bit {
        leaf,
        subleaf,
        register,
        bit,
    }
}

macro_rules! features {
    ($($leaf:literal $subleaf:literal $register:ident: $($name:literal $bit:literal),+;)+) => {
        &[$($(($name, bit($leaf, $subleaf, Register::$register, $bit)),)+)+ INVARIANT_TSC]
    };
}

const FEATURES: &[(&str, Bit)] = features! {
    0x1 0 Ecx: "pni" 0, "sse3" 0, "pclmulqdq" 1, "ssse3" 9, "fma" 12, "cx16" 13, "pcid" 17,
        "sse4.1" 19, "sse4_1" 19, "sse4.2" 20, "sse4_2" 20, "x2apic" 21, "movbe" 22, "popcnt" 23,
        "tsc-deadline" 24, "aes" 25, "xsave" 26, "avx" 28, "f16c" 29, "rdrand" 30,
        "hypervisor" 31;
    0x1 0 Edx: "sep" 11, "mtrr" 12, "pge" 13, "pat" 16, "pse36" 17, "clflush" 19, "mmx" 23,
        "fxsr" 24, "sse" 25, "sse2" 26;
    0x7 0 Ebx: "fsgsbase" 0, "bmi1" 3, "avx2" 5, "smep" 7, "bmi2" 8, "erms" 9, "invpcid" 10,
        "avx512f" 16, "avx512dq" 17, "rdseed" 18, "adx" 19, "smap" 20, "clflushopt" 23, "clwb" 24,
        "avx512cd" 28, "sha-ni" 29, "avx512bw" 30, "avx512vl" 31;
    0x7 0 Ecx: "umip" 2, "pku" 3, "vaes" 9, "vpclmulqdq" 10, "la57" 16, "rdpid" 22;
    0x7 0 Edx: "fsrm" 4, "md-clear" 10, "spec-ctrl" 26, "stibp" 27, "arch-capabilities" 29,
        "ssbd" 31;
    0xd 1 Eax: "xsaveopt" 0, "xsavec" 1, "xgetbv1" 2, "xsaves" 3;
    0x4000_0001 0 Eax: "kvm-nopiodelay" 1, "kvmclock-stable-bit" 24;
    0x8000_0001 0 Ecx: "lahf-lm" 0, "abm" 5, "sse4a" 6, "misalignsse" 7, "topoext" 22;
    0x8000_0001 0 Edx: "syscall" 11, "nx" 20, "pdpe1gb" 26, "rdtscp" 27;
    0x8000_0008 0 Ebx: "clzero" 0, "xsaveerptr" 2, "ibpb" 12, "amd-ssbd" 24;
};

/// What `-cpu` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    model: &'static Model,
    changes: Vec<Change>,
}

impl Default for Processor {
    fn default() -> Self {
        Self {
            model: &model::MODELS[0],
            changes: Vec::new(),
        }
    }
}

/// A change to what CPUID says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    name: &'static str,
    bit: Bit,
    on: bool,
}

/// Reads `-cpu`.
///
/// # Errors
/// [`MachineError::Option`] for another model, or a feature that has no name here.
pub fn parse(cpu: Option<&str>) -> Result<Processor, MachineError> {
    let Some(cpu) = cpu else {
        return Ok(Processor::default());
    };
    let refused = |value: &str, expected: String| MachineError::Option {
        option: "-cpu",
        value: value.into(),
        expected,
    };
    let mut words = cpu.split(',');
    let name = words.next().unwrap_or_default();
    let Some(model) = Model::of(name) else {
        let expected = format!("expected one of {}", model::NAMES.join(", "));
        return Err(refused(name, expected));
    };
    let changes: Result<Vec<Change>, MachineError> = words
        .map(|word| {
            let (name, on) = match (word.split_once('='), word.split_at_checked(1)) {
                (Some((name, "on" | "yes" | "true")), _) => (name, true),
                (Some((name, "off" | "no" | "false")), _) => (name, false),
                (None, Some(("+", name))) => (name, true),
                (None, Some(("-", name))) => (name, false),
                (None, _) => (word, true),
                (Some(_), _) => {
                    return Err(refused(word, "expected FEATURE=on or FEATURE=off".into()));
                }
            };
            FEATURES
                .iter()
                .find(|(known, _)| *known == name)
                .map(|&(name, bit)| Change { name, bit, on })
                .ok_or_else(|| refused(word, "no feature that this version knows".into()))
        })
        .collect();
    Ok(Processor {
        model,
        changes: changes?,
    })
}

impl Processor {
    /// Makes of the host's processor, as KVM shows it, this one.
    pub(super) fn apply(&self, leaves: &mut Vec<kvm_cpuid_entry2>) {
        self.model.apply(leaves);
        for change in &self.changes {
            change.apply(leaves);
        }
    }

    /// Whether the host offers what is to be turned on.
    ///
    /// # Errors
    /// [`MachineError::Option`].
    pub fn check(&self, supported: &[kvm_cpuid_entry2]) -> Result<(), MachineError> {
        let mut supported = supported.to_vec();
        for change in self.changes.iter().filter(|change| change.on) {
            let word = change.find(&mut supported).map_or(0, |word| *word);
            if word >> change.bit.bit & 1 == 0 {
                return Err(MachineError::Option {
                    option: "-cpu",
                    value: change.name.into(),
                    expected: "this host's KVM does not offer that feature".into(),
                });
            }
        }
        Ok(())
    }
}

fn register(leaf: &mut kvm_cpuid_entry2, register: Register) -> &mut u32 {
    match register {
        Register::Eax => &mut leaf.eax,
        Register::Ebx => &mut leaf.ebx,
        Register::Ecx => &mut leaf.ecx,
        Register::Edx => &mut leaf.edx,
    }
}

impl Change {
    fn find<'a>(&self, leaves: &'a mut [kvm_cpuid_entry2]) -> Option<&'a mut u32> {
        let place = (self.bit.leaf, self.bit.subleaf);
        leaves
            .iter_mut()
            .find(|leaf| (leaf.function, leaf.index) == place)
            .map(|leaf| register(leaf, self.bit.register))
    }

    /// Makes it in what is said to a CPU.
    fn apply(&self, leaves: &mut [kvm_cpuid_entry2]) {
        if let Some(word) = self.find(leaves) {
            *word = *word & !(1 << self.bit.bit) | u32::from(self.on) << self.bit.bit;
        }
    }
}

/// The words of CPUID that say what a processor can do.
const WORDS: [(u32, u32, Register); 14] = [
    (0x1, 0, Register::Ecx),
    (0x1, 0, Register::Edx),
    (0x7, 0, Register::Ebx),
    (0x7, 0, Register::Ecx),
    (0x7, 0, Register::Edx),
    (0x7, 1, Register::Eax),
    (0xd, 0, Register::Eax),
    (0xd, 1, Register::Eax),
    (0x4000_0001, 0, Register::Eax),
    (0x8000_0001, 0, Register::Ecx),
    (0x8000_0001, 0, Register::Edx),
    (0x8000_0007, 0, Register::Edx),
    (0x8000_0008, 0, Register::Ebx),
    (0x8000_0021, 0, Register::Eax),
];

/// What a guest has been told that its CPUs can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    vendor: [u32; 3],
    /// In the order of [`WORDS`].
    words: Vec<u32>,
}

impl Abilities {
    /// What these leaves tell.
    #[must_use]
    pub fn of(leaves: &[kvm_cpuid_entry2]) -> Self {
        let mut leaves = leaves.to_vec();
        let mut word = |leaf, subleaf, register| {
            let whole = Change {
                name: "",
                bit: bit(leaf, subleaf, register, 0),
                on: true,
            };
            whole.find(&mut leaves).map_or(0, |word| *word)
        };
        Self {
            vendor: [Register::Ebx, Register::Edx, Register::Ecx].map(|part| word(0, 0, part)),
            words: WORDS
                .map(|(leaf, subleaf, register)| word(leaf, subleaf, register))
                .to_vec(),
        }
    }

    /// What a guest with these abilities would miss on CPUs with `here`, in words, if anything.
    #[must_use]
    pub fn missing(&self, here: &Self) -> Option<String> {
        if self.vendor != here.vendor || self.words.len() != here.words.len() {
            return Some("they are another manufacturer's".into());
        }
        let words = WORDS.iter().zip(self.words.iter().zip(&here.words));
        let missing: Vec<_> = words
            .flat_map(|(&(leaf, subleaf, register), (there, here))| {
                let missing = there & !here;
                (0..32)
                    .filter(move |number| missing >> number & 1 != 0)
                    .map(move |number| name(bit(leaf, subleaf, register, number)))
            })
            .collect();
        (!missing.is_empty()).then(|| format!("they have {}", missing.join(", ")))
    }
}

/// A feature's name, or where it is in CPUID.
fn name(bit: Bit) -> String {
    let known = FEATURES.iter().find(|(_, known)| *known == bit);
    known.map_or_else(
        || {
            let Bit {
                leaf,
                subleaf,
                register,
                bit,
            } = bit;
            format!("bit {bit} of {register:?} in CPUID leaf {leaf:#x}.{subleaf}")
        },
        |(name, _)| (*name).to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_would_miss_is_named() {
        let cpu = |vendor, ecx, ebx| {
            Abilities::of(&[
                kvm_cpuid_entry2 {
                    ebx: vendor,
                    ..Default::default()
                },
                kvm_cpuid_entry2 {
                    function: 1,
                    ecx,
                    ..Default::default()
                },
                kvm_cpuid_entry2 {
                    function: 7,
                    ebx,
                    ..Default::default()
                },
            ])
        };
        let guest = cpu(1, 1 << 13, 1 << 2 | 1 << 5);
        assert_eq!(guest.missing(&cpu(1, !0, !0)), None);
        assert_eq!(
            guest.missing(&cpu(1, 0, 0)).unwrap(),
            "they have cx16, bit 2 of Ebx in CPUID leaf 0x7.0, avx2"
        );
        assert!(guest.missing(&cpu(2, !0, !0)).is_some());
    }

    fn refusal(cpu: &str) -> String {
        parse(Some(cpu)).unwrap_err().to_string()
    }

    #[test]
    fn features_are_turned_off_and_on_by_all_spellings() {
        let processor = parse(Some("host,-cx16,+invtsc,avx=off,aes")).unwrap();
        let mut leaves = vec![
            kvm_cpuid_entry2 {
                function: 1,
                ecx: !(1 << 25),
                ..Default::default()
            },
            kvm_cpuid_entry2 {
                function: 0x8000_0007,
                ..Default::default()
            },
        ];
        processor.apply(&mut leaves);
        assert_eq!(leaves[0].ecx, !(1 << 13 | 1 << 28));
        assert_eq!(leaves[1].edx, 1 << 8);
        assert_eq!(parse(None).unwrap(), Processor::default());
        assert_eq!(parse(Some("host")).unwrap(), Processor::default());
    }

    #[test]
    fn what_nobody_has_is_refused() {
        assert_eq!(
            refusal("z900"),
            "-cpu: 'z900': expected one of host, max, qemu64, kvm64"
        );
        assert_eq!(
            refusal("host,+warp"),
            "-cpu: '+warp': no feature that this version knows"
        );
        assert_eq!(
            refusal("host,aes=maybe"),
            "-cpu: 'aes=maybe': expected FEATURE=on or FEATURE=off"
        );
        let on = parse(Some("host,+avx2,-aes")).unwrap();
        assert_eq!(
            on.check(&[]).unwrap_err().to_string(),
            "-cpu: 'avx2': this host's KVM does not offer that feature"
        );
        assert!(parse(Some("host,-aes")).unwrap().check(&[]).is_ok());
    }
}
