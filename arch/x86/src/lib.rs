//! The x86 machine: a PC without PCI, whose CPUs are KVM's.

pub mod board;
pub mod boot;
pub mod clock;
pub mod cpu;
pub mod kvm;
pub mod machine;
pub mod memory;
