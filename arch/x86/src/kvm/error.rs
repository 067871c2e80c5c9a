//! What can go wrong between the program and the host's KVM.

use machine::MachineError;

/// A refusal of the host's KVM.
#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    /// There is no KVM that this program may use.
    #[error("/dev/kvm cannot be opened: {source}")]
    Open {
        /// The host's error.
        source: std::io::Error,
    },
    /// Another ABI.
    #[error("the host's KVM has version {version} of its interface, 12 is known")]
    Version {
        /// What it says.
        version: i32,
    },
    /// Something that no machine can do without is not there.
    #[error("the host's KVM lacks what a machine needs: {what}")]
    Lacks {
        /// In words.
        what: &'static str,
    },
    /// A call failed.
    #[error("KVM: {action}: {source}")]
    Call {
        /// What was attempted.
        action: &'static str,
        /// The host's error.
        source: std::io::Error,
    },
    /// Model-specific registers that cannot be set.
    #[error("KVM does not take {value:#x} for model-specific register {index:#x}")]
    Msr {
        /// The register's number.
        index: u32,
        /// The value.
        value: u64,
    },
}

impl KvmError {
    /// Opening failed.
    pub(super) fn open(error: kvm_ioctls::Error) -> Self {
        Self::Open {
            source: error.into(),
        }
    }

    /// For `map_err`: a call failed.
    pub fn call(action: &'static str) -> impl Fn(kvm_ioctls::Error) -> Self {
        move |error| Self::Call {
            action,
            source: error.into(),
        }
    }
}

impl From<KvmError> for MachineError {
    /// A machine that cannot be had with this accelerator; the sentence names the one that needs
    /// nothing of the host.
    fn from(error: KvmError) -> Self {
        match error {
            KvmError::Call { action, source } => Self::Host {
                what: format!("KVM: {action}"),
                source,
            },
            other => Self::Option {
                option: "-accel",
                value: "kvm".into(),
                expected: format!(
                    "{other}; x86 guests run under kvm only, and -accel qtest builds the machine \
                     without executing anything"
                ),
            },
        }
    }
}
