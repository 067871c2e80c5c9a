//! The kinds of machines that this program has: one line per architecture.

use machine::MachineType;

/// Every kind, the default one first.
pub const MACHINES: &[&dyn MachineType] = &[s390x::machine::TYPE];
