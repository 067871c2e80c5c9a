//! vCPUs: their threads, what CPUID and model-specific registers say at the start, and their
//! state as it is looked at and saved.
//!
//! Guest instructions and the local APIC are KVM's. Not here: the TSC and kvmclock
//! ([`crate::clock`]), and where a CPU starts to execute ([`crate::boot`]).

pub mod cpuid;
pub mod features;
pub mod inspect;
pub mod model;
pub mod msrs;
pub mod setup;
pub mod state;
pub mod toll;
pub mod vcpu;

pub use state::CpuState;
pub use vcpu::{Crew, Vcpu};
