//! Why a vCPU has left the guest.

use kvm_bindings::{
    KVM_EXIT_DEBUG, KVM_EXIT_FAIL_ENTRY, KVM_EXIT_HLT, KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_INTR,
    KVM_EXIT_IO, KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_MMIO, KVM_EXIT_SHUTDOWN, KVM_EXIT_SYSTEM_EVENT,
};

/// Which way data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the guest.
    In,
    /// From the guest.
    Out,
}

/// Why a vCPU has left the guest. What is to be filled in is in the vCPU's shared page, where the
/// kernel finds it at the next entry.
#[derive(Debug, PartialEq, Eq)]
pub enum Exit<'a> {
    /// An access to an I/O port.
    Port {
        /// Which way.
        direction: Direction,
        /// The port.
        port: u16,
        /// Bytes of one access: 1, 2 or 4.
        width: usize,
        /// The accesses one after another; more than one for a repeated string instruction.
        data: &'a mut [u8],
    },
    /// An access to physical memory that is no RAM.
    Memory {
        /// Which way.
        direction: Direction,
        /// The guest-physical address.
        address: u64,
        /// Its bytes, at most 8.
        data: &'a mut [u8],
    },
    /// Kicked, or a signal came. Nothing of an earlier exit is left to do.
    Interrupted,
    /// A triple fault.
    TripleFault,
    /// HLT where no interrupt controller in the kernel handles it.
    Halt,
    /// The host could not go on, with the reason in words.
    Failed(String),
}

/// The reason in words of an exit that nobody can go on from, by its number.
pub(super) fn name(reason: u32) -> String {
    match reason {
        KVM_EXIT_IO => "I/O".into(),
        KVM_EXIT_MMIO => "MMIO".into(),
        KVM_EXIT_INTR => "a signal".into(),
        KVM_EXIT_HLT => "HLT".into(),
        KVM_EXIT_SHUTDOWN => "a triple fault".into(),
        KVM_EXIT_DEBUG => "a debug exception".into(),
        KVM_EXIT_FAIL_ENTRY => "a failed entry".into(),
        KVM_EXIT_INTERNAL_ERROR => "an internal error".into(),
        KVM_EXIT_IRQ_WINDOW_OPEN => "an open interrupt window".into(),
        KVM_EXIT_SYSTEM_EVENT => "a system event".into(),
        other => format!("reason {other}"),
    }
}
