//! The kinds of machines that this program has: one line per architecture.

use machine::MachineType;

/// Every kind, the default one first.
pub const MACHINES: &[&dyn MachineType] = &[
    s390x::machine::TYPE,
    x86::machine::PC,
    x86::machine::MICROVM,
    machine::none::S390X,
    machine::none::X86_64,
];
